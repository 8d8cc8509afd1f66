"""What the ledger says, as values: facts as they stand at one block."""

from __future__ import annotations

from dataclasses import dataclass, field

from careledger.domain.parties import ControllerKind, Role, Status


@dataclass(frozen=True, slots=True)
class Head:
    """A block: number, hash (32 bytes), time (unix seconds)."""

    number: int
    hash: bytes
    time: int


@dataclass(frozen=True, slots=True)
class PartyFacts:
    """A public party. ``standing`` is its status, or its employer's if that is worse.

    ``controller`` is a 20-byte address; digests (of the sealing key, a custodian's log key, the licence) are 32 bytes,
    zero while not set; ``employer`` is 0 for organisations.
    """

    number: int
    roles: frozenset[Role]
    status: Status
    standing: Status
    employer: int
    controller: bytes
    sealing_key: bytes = bytes(32)
    log_key: bytes = bytes(32)
    licence: bytes = bytes(32)


@dataclass(frozen=True, slots=True)
class CustodianFacts:
    """An organisation that keeps shares: the address that signs its answers and the digests of its keys.

    ``leaving``: it goes on serving while its shares are remade, and takes no new patients.
    """

    number: int
    signer: bytes
    sealing_key: bytes
    log_key: bytes
    leaving: bool = False


@dataclass(frozen=True, slots=True)
class Living:
    """Who controlled an alias before a death, and when the ledger recorded the death (unix seconds)."""

    controller: bytes
    kind: ControllerKind
    died: int


@dataclass(frozen=True, slots=True)
class AliasFacts:
    """Who controls an alias: address, kind, end of a guardianship (0: none), registrar (0 once claimed).

    Of the dead, whose kind is ``nobody``, the address is zero and ``living`` says who it was; None of all others.
    """

    alias: bytes
    controller: bytes
    kind: ControllerKind
    until: int
    registrar: int
    living: Living | None = None

    @property
    def signer(self) -> bytes:
        """Whose signature stands under what this person stated: the controller's, of the dead the last one's."""
        return self.controller if self.living is None else self.living.controller


@dataclass(frozen=True, slots=True)
class ConsentFacts:
    """A consent's slot: window [start, end) in unix seconds, when it was given and revoked (0: not).

    An id that was burnt has window and ``given_at`` 0.
    """

    start: int
    end: int
    given_at: int
    revoked_at: int


@dataclass(frozen=True, slots=True)
class AnchorFacts:
    """An anchored root: block, time, who anchored it, how many leaves."""

    root: bytes
    block: int
    time: int
    organisation: int
    count: int


@dataclass(frozen=True, slots=True)
class BreakGlassFacts:
    """An emergency entry: opener and second party (posts), window, restricted or not, commitment, review.

    ``afterwards``: custodians granted it while the ledger stood still; ``opened_at`` is when it was entered.
    ``justified`` and ``reviewer`` are the review's; who made it stands in the event alone, not in the contract.
    """

    entry: bytes
    opener: int
    second: int
    opened_at: int
    until: int
    restricted: bool
    commitment: bytes
    reviewed: bool
    afterwards: bool = False
    justified: bool = False
    reviewer: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class RetentionFacts:
    """For how many days records are kept from erasure, by the number of their category (0 stands for none).

    ``since`` is when this version came into force, unix seconds.
    """

    version: int
    since: int
    days: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CheckpointFacts:
    """The newest anchored checkpoint of a custodian's release log.

    ``note`` is the digest of the signed note; ``forked``: another tree of a size it anchored was shown.
    """

    custodian: int
    size: int
    root: bytes
    map_root: bytes
    block: int
    time: int
    cosigners: frozenset[int]
    note: bytes = bytes(32)
    forked: bool = False
