"""Which custodians keep a patient's shares, and how many of them each act needs."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from careledger.domain.errors import MalformedBytes, NotEnoughCustodians
from careledger.domain.parties import PartyId

SEED_LENGTH = 32
_TAG = b"careledger/v1/custodian-rank"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """How many custodians open, hold and are listed: t of n shares, N on a patient's list.

    ``opening`` (t) shares give a custodial secret; a deposit is final when ``holding`` (n) custodians keep it;
    a list has ``listed`` (N) places; ``escrow`` places of all N give an escrowed batch secret. Raises
    MalformedBytes unless 1 ≤ t ≤ n ≤ N and t < escrow ≤ N (with a list of one, all are one).
    """

    opening: int = 2
    holding: int = 3
    listed: int = 5
    escrow: int = 3

    def __post_init__(self) -> None:
        ordered = 1 <= self.opening <= self.holding <= self.listed
        guarded = self.opening < self.escrow <= self.listed or self.listed == self.escrow == 1
        if not (ordered and guarded):
            raise MalformedBytes(opening=self.opening, holding=self.holding, listed=self.listed)

    @property
    def answers_needed(self) -> int:
        """N − t + 1: with so many answers nothing that t custodians hold can be missing."""
        return self.listed - self.opening + 1

    def fitted(self, active: int) -> Thresholds:
        """The same for a network with fewer active custodians than N; raises NotEnoughCustodians below n."""
        if active < max(self.holding, self.escrow):
            raise NotEnoughCustodians(active=active, needed=max(self.holding, self.escrow))
        return Thresholds(self.opening, self.holding, min(self.listed, active), self.escrow)


def custodian_list(
    seed: bytes, active: Iterable[PartyId], count: int, treating: Collection[PartyId] = ()
) -> tuple[PartyId, ...]:
    """The first ``count`` custodians by rendezvous hashing of a 32-byte random seed; place i is item i − 1.

    Who is in ``treating`` comes after all others. The order of ``active`` does not matter, and when a custodian
    joins or leaves, all others keep their relative order (highest random weight, Thaler and Ravishankar 1998).
    Raises NotEnoughCustodians if fewer are active, MalformedBytes for a seed of another length.
    """
    if len(seed) != SEED_LENGTH:
        raise MalformedBytes(seed_length=len(seed))
    candidates = set(active)
    if not 0 < count <= len(candidates):
        raise NotEnoughCustodians(active=len(candidates), needed=count)
    ranked = sorted(candidates, key=lambda party: (party in treating, _rank(seed, party)))
    return tuple(ranked[:count])


def _rank(seed: bytes, party: PartyId) -> bytes:
    """SHA-256 over tag, seed and 8-byte number, each after its 4-byte length; the lowest comes first."""
    fields = (_TAG, seed, party.number.to_bytes(8, "big"))
    return hashlib.sha256(b"".join(len(field).to_bytes(4, "big") + field for field in fields)).digest()
