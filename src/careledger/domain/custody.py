"""What a custodian keeps of deposits, versions and its own log, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class KeptStatement:
    """A signed statement of an alias or epoch: its number, digest and bytes; ``since`` (unix seconds) it is known."""

    number: int
    digest: bytes
    signed: bytes
    since: int


@dataclass(frozen=True, slots=True)
class Anchoring:
    """Where a deposit's leaves are anchored: root, its size, the first leaf's index, the proof of all of them
    (proofs.runs); the block and the matrix in force there."""

    root: bytes
    size: int
    first: int
    outside: tuple[bytes, ...]
    block: int
    matrix: int


@dataclass(frozen=True, slots=True)
class KeptDeposit:
    """What a deposit statement says of all its versions.

    ``proof`` is the encoded DepositProof, ``month`` (``YYYY-MM``) names the shred key of its shares. ``escrow`` are the
    commitments to the shares of the batch secret, 32 bytes each; empty if not known, None if there is no escrow.
    """

    digest: bytes
    id: bytes
    alias: bytes
    compartment: int
    epoch: int
    depositor: int
    post: int
    ground: str
    source: str
    intake: bool
    place: int
    month: str
    proof: bytes
    escrow: tuple[bytes, ...] | None
    anchoring: Anchoring | None = None


class KeptVersion(NamedTuple):
    """One version as a custodian keeps it, its share apart; ``position`` is its place in the deposit.

    ``commitments`` is the root of ``all_commitments`` (those of all places, joined; empty at a stand-in). ``state`` is
    ``kept``, ``restricted``, ``retracted``, ``moved`` or ``erased``. ``acceptance`` is the encoded AcceptanceProof of
    what was deposited unasked.
    """

    handle: bytes
    deposit: bytes
    alias: bytes
    compartment: int
    position: int
    header: bytes
    manifest: bytes
    body: bytes
    commitments: bytes
    all_commitments: bytes
    predecessor: bytes | None
    author: int
    signed: bool
    clinical_month: str | None
    anchoring: Anchoring | None = None
    state: str = "kept"
    mark: str = "unconfirmed"
    acceptance: bytes | None = None

    @property
    def leaf_index(self) -> int:
        """Its leaf's index under the anchored root; 0 if it is not anchored."""
        return 0 if self.anchoring is None else self.anchoring.first + self.position

    @property
    def accepted(self) -> bool:
        """Whether the patient or a treating doctor has accepted it."""
        return self.acceptance is not None

    def __repr__(self) -> str:
        return "<kept-version>"


@dataclass(frozen=True, slots=True)
class Act:
    """A message that changed something, in the order in which it was taken: its kind, id, digest and bytes."""

    number: int
    kind: str
    id: bytes
    digest: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class PutOff:
    """A version whose erasure was ordered before its date: the order's id and digest, and the alias."""

    handle: bytes
    order: bytes
    reason: bytes
    alias: bytes


@dataclass(frozen=True, slots=True)
class KeptOpening:
    """An emergency granted while the ledger stood still: when it was granted first (unix seconds), what was signed."""

    at: int
    body: bytes


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of the release log with the sealed entry behind it; ``at`` is when it was written, unix seconds."""

    number: int
    alias: bytes
    claim: int
    index: int
    entry: bytes
    sealed: bytes
    at: int
