"""The rows that the fold keeps, and the working state that it reads and writes them in.

A row is a tuple of integers, bytes, booleans and tuples of those; its key is its kind and what it is filed under.
A row holds from the block that wrote it until the next row of the same key.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

Key = tuple[str, *tuple[int | bytes, ...]]


class PartyRow(NamedTuple):
    """By party: controller, roles as bits, own status, employer (0: an organisation), digests of licence and key."""

    controller: bytes
    roles: int
    status: int
    employer: int
    licence: bytes
    sealing_key: bytes


class MinistryRow(NamedTuple):
    """One row: the ministry's party, which its officers act for."""

    number: int


class CustodianRow(NamedTuple):
    """By party: signing key's address, digest of the log key, state, whether it ever served."""

    signer: bytes
    log_key: bytes
    state: int
    served: bool


class CustodiansRow(NamedTuple):
    """One row: every party that ever announced itself as a custodian, in order."""

    numbers: tuple[int, ...]


class TeamRow(NamedTuple):
    """By team: organisation, parent (0: none), retired or not."""

    organisation: int
    parent: int
    retired: bool


class MembershipsRow(NamedTuple):
    """By post: the teams that it was put into."""

    teams: tuple[int, ...]


class AliasRow(NamedTuple):
    """By alias: controller, kind, detail (guardian's end, or registrar); of the dead these as they were and the time of
    the death's recording, else nothing."""

    controller: bytes
    kind: int
    detail: int
    living: tuple[Any, ...]


class ControlledRow(NamedTuple):
    """By controller: the aliases that it has ever controlled, in order."""

    aliases: tuple[bytes, ...]


class LinkRow(NamedTuple):
    """By owner and commitment: linked or undone."""

    linked: bool


class ConsentRow(NamedTuple):
    """By owner and commitment: window, when given and revoked (0: not)."""

    start: int
    end: int
    given_at: int
    revoked_at: int


class OwnedRow(NamedTuple):
    """By one-time owner: the commitments of its consents and links, burnt and undone ones too, in order."""

    commitments: tuple[bytes, ...]


class MatrixRow(NamedTuple):
    """One row: every matrix version with the time since which it is in force, in order."""

    versions: tuple[tuple[int, int], ...]


class RetentionRow(NamedTuple):
    """One row: every retention table with its version and the time since which it is in force, in order."""

    versions: tuple[tuple[int, int, bytes], ...]


class AnchorRow(NamedTuple):
    """By root: block, time, organisation, leaves."""

    block: int
    time: int
    organisation: int
    leaves: int


class ErasedRow(NamedTuple):
    """By leaf: the custodians that attested."""

    custodians: tuple[int, ...]


class ErasuresRow(NamedTuple):
    """By custodian: how many leaves it attested."""

    attested: int


class ErasureRow(NamedTuple):
    """By custodian and number, from 0: a leaf that it attested."""

    leaf: bytes


class CheckpointRow(NamedTuple):
    """By custodian: its newest anchored checkpoint, who cosigned it, whether a fork was shown."""

    size: int
    root: bytes
    map_root: bytes
    note: bytes
    block: int
    time: int
    cosigners: tuple[int, ...]
    forked: bool


class GlassRow(NamedTuple):
    """By entry: opener, second party, window, restricted, afterwards, commitment, outcome (0: not reviewed)."""

    opener: int
    second: int
    opened_at: int
    until: int
    restricted: bool
    afterwards: bool
    commitment: bytes
    outcome: int


class ReviewRow(NamedTuple):
    """By reviewed entry: who reviewed it."""

    reviewer: int


class WaitingRow(NamedTuple):
    """By post: its entries that nobody reviewed yet, each with its time, the oldest first."""

    entries: tuple[tuple[bytes, int], ...]


KINDS: dict[str, Any] = {
    "party": PartyRow,
    "ministry": MinistryRow,
    "custodian": CustodianRow,
    "custodians": CustodiansRow,
    "team": TeamRow,
    "memberships": MembershipsRow,
    "alias": AliasRow,
    "controlled": ControlledRow,
    "link": LinkRow,
    "consent": ConsentRow,
    "owned": OwnedRow,
    "matrix": MatrixRow,
    "retention": RetentionRow,
    "anchor": AnchorRow,
    "erased": ErasedRow,
    "erasures": ErasuresRow,
    "erasure": ErasureRow,
    "checkpoint": CheckpointRow,
    "glass": GlassRow,
    "review": ReviewRow,
    "waiting": WaitingRow,
}
_NAMES = {row: kind for kind, row in KINDS.items()}

Row = tuple[Any, ...]
Read = Callable[[Key], Row | None]
R = TypeVar("R", bound=Row)


def key(kind: type[Row], *parts: int | bytes) -> Key:
    """The key of a row of that kind."""
    return (_NAMES[kind], *parts)


def lookup(read: Read, kind: type[R], *parts: int | bytes) -> R | None:
    """The row as its kind, or None."""
    row = read(key(kind, *parts))
    return None if row is None else kind(*row)


class State:
    """The newest rows: those written here, over those that ``read`` finds. ``written`` keeps each by block."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._newest: dict[Key, Row] = {}
        self.written: dict[tuple[Key, int], Row] = {}

    def get(self, kind: type[R], *parts: int | bytes) -> R | None:
        """The newest row, or None."""
        return lookup(lambda at: self._newest[at] if at in self._newest else self._read(at), kind, *parts)

    def known(self, kind: type[R], *parts: int | bytes) -> R:
        """The newest row, which an earlier event must have written."""
        row = self.get(kind, *parts)
        if row is None:
            raise AssertionError(f"no {key(kind)[0]} row before this event")
        return row

    def put(self, block: int, row: Row, *parts: int | bytes) -> None:
        """Writes a row in that block."""
        at = key(type(row), *parts)
        self._newest[at] = row
        self.written[at, block] = row
