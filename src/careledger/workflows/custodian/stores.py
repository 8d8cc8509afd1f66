"""What a custodian's acts may ask of its directory, and what they may rely on.

Rows may come back from an old backup; the journal does not. Both survive kill -9 at the end of a transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from careledger.domain.custody import (
    Act,
    Anchoring,
    KeptDeposit,
    KeptOpening,
    KeptStatement,
    KeptVersion,
    LogLine,
    PutOff,
)
from careledger.formats.deposits import Items
from careledger.proofs.kept import Lines


class Rows(Protocol):
    """Statements, epochs, deposits, versions; shares lie under shred keys that no backup holds."""

    def transaction(self) -> AbstractContextManager[None]:
        """Everything inside is durable at its end, or nothing is."""
        ...

    def applied(self) -> int:
        """The number of the last act of the journal that these rows show."""
        ...

    def set_applied(self, act: int) -> None: ...

    def put_statement(self, alias: bytes, kept: KeptStatement) -> None: ...

    def statement(self, alias: bytes) -> KeptStatement | None:
        """The newest alias statement."""
        ...

    def put_audit_key(self, alias: bytes, claim: int, key: bytes) -> None: ...

    def audit_key(self, alias: bytes, claim: int) -> bytes | None: ...

    def put_deposit(self, deposit: KeptDeposit, items: Items, commitments: bytes) -> None:
        """A new deposit without shares; ``commitments`` are those of all versions and places, joined, or empty."""
        ...

    def deposit(self, digest: bytes) -> KeptDeposit | None: ...

    def deposits_named(self, ids: Sequence[bytes]) -> dict[bytes, KeptDeposit]:
        """Those of these ids that are kept, by id."""
        ...

    def deposits(self, alias: bytes) -> list[KeptDeposit]: ...

    def intakes(self, alias: bytes, compartment: int, depositor: int, source: str) -> list[bytes]:
        """Digests of the depositor's intakes there."""
        ...

    def states(self, deposits: Iterable[bytes]) -> dict[bytes, str]:
        """The state of every version of these deposits, by handle."""
        ...

    def handles(self, alias: bytes) -> list[bytes]:
        """The handles of all versions of an alias."""
        ...

    def items(self, deposit: bytes) -> Items | None:
        """The items of a deposit, as they were put."""
        ...

    def version(self, alias: bytes, handle: bytes) -> KeptVersion | None: ...
    def named(self, alias: bytes, handles: Collection[bytes]) -> dict[bytes, KeptVersion]: ...

    def versions(self, alias: bytes, compartments: Collection[int] | None = None) -> list[KeptVersion]:
        """All versions of an alias (or in these compartments), deposit after deposit, by position."""
        ...

    def versions_of(self, deposit: bytes) -> list[KeptVersion]:
        """The versions of a deposit by position."""
        ...

    def aliases(self) -> list[bytes]:
        """All aliases that are or were enrolled."""
        ...

    def set_commitments(self, deposit: bytes, commitments: bytes) -> None:
        """The commitments of all versions and places of a deposit, joined."""
        ...

    def set_escrow(self, deposit: bytes, commitments: tuple[bytes, ...]) -> None: ...

    def set_anchoring(self, deposit: bytes, at: Anchoring) -> None: ...

    def set_state(self, alias: bytes, handles: Iterable[bytes], state: str) -> None:
        """Of those versions that are kept here."""
        ...

    def set_mark(self, alias: bytes, handles: Iterable[bytes], mark: str) -> None:
        """Of those versions that are kept here."""
        ...

    def accept(self, alias: bytes, handles: Iterable[bytes], proof: bytes) -> None:
        """Those unasked versions that are kept here are accepted; ``proof`` is the encoded AcceptanceProof."""
        ...

    def put_shares(self, deposit: bytes, shares: Mapping[bytes, bytes]) -> None:
        """Adds shares of a kept deposit by subject: a handle, or the deposit's digest for the batch secret."""
        ...

    def shares(self, alias: bytes, deposits: Collection[bytes] | None = None) -> dict[bytes, bytes]:
        """Subject → share, of all (or of these deposits) that can still be opened."""
        ...

    def destroy_shares(self, alias: bytes, subjects: Iterable[bytes]) -> None:
        """Gone for good when it returns, also from backups; not inside a transaction. Repeating is harmless."""
        ...

    def settle_keys(self) -> int:
        """After a crash or restore: no key without rows, no rows without key; how many shares were dropped."""
        ...

    def owe_attestations(self, leaves: Iterable[bytes], reason: bytes) -> None: ...

    def owed_attestations(self) -> list[tuple[bytes, bytes]]:
        """Leaves with the reason, not attested yet."""
        ...

    def attested(self, leaf: bytes) -> None: ...

    def destroyed(self, leaf: bytes) -> bool:
        """Whether these rows show that the leaf's shares were destroyed to be attested."""
        ...

    def erasures_seen(self) -> int:
        """How many of this custodian's attestations on the ledger these rows were brought up to."""
        ...

    def set_erasures_seen(self, count: int) -> None: ...


class Journal(Protocol):
    """Acts, request ids, the release log, checkpoints, other logs, counts, erasures to come, emergencies, evidence."""

    def transaction(self) -> AbstractContextManager[None]:
        """Everything inside is durable at its end, or nothing is."""
        ...

    def act(self, kind: str, id: bytes) -> Act | None: ...

    def add_act(self, kind: str, id: bytes, digest: bytes, body: bytes) -> Act: ...

    def acts_after(self, number: int) -> list[Act]: ...

    def put_epochs(self, epochs: Sequence[tuple[bytes, int, KeptStatement]]) -> None:
        """What comes together lies together."""
        ...

    def epochs(self, alias: bytes, compartment: int, first: int = 0) -> list[KeptStatement]:
        """Epoch records by number, from number ``first`` on."""
        ...

    def epoch(self, alias: bytes, compartment: int, number: int) -> KeptStatement | None: ...

    def newest_epoch(self, alias: bytes, compartment: int) -> KeptStatement | None: ...

    def count_epochs(self, alias: bytes, compartment: int) -> int: ...

    def seen(self, request: bytes) -> bool: ...

    def remember(self, request: bytes, not_after: int) -> None: ...

    def forget(self, before: int) -> None: ...

    def add_line(self, line: LogLine) -> None: ...

    def has_session(self, alias: bytes, claim: int, name: bytes) -> bool: ...

    def add_session(self, alias: bytes, claim: int, name: bytes, sealed: bytes) -> None:
        """Once for each session, patient and claim."""
        ...

    def sessions(self, alias: bytes, claim: int) -> list[bytes]: ...

    def log(self) -> Lines:
        """This custodian's own log."""
        ...

    def followed(self, custodian: int) -> Lines:
        """What was accepted of another custodian's."""
        ...

    def last_line(self, alias: bytes, claim: int) -> LogLine | None: ...

    def lines(self, alias: bytes, claim: int, first: int, below: int) -> list[LogLine]: ...

    def oldest_since(self, size: int) -> int | None:
        """When line number ``size`` was written, or None."""
        ...

    def put_checkpoint(self, size: int, note: bytes, anchored: bool) -> None: ...

    def checkpoint(self, anchored: bool) -> tuple[int, bytes] | None:
        """Size and note of the newest checkpoint, or of the newest anchored one."""
        ...

    def follow(self, custodian: int, start: int, entries: Sequence[bytes]) -> None:
        """Adds accepted lines of another custodian's log."""
        ...

    def count_general(self, post: int, day: int, alias: bytes) -> None: ...

    def general(self, post: int, day: int, other_than: bytes) -> int:
        """How many other patients."""
        ...

    def put_off(self, erasures: Iterable[PutOff]) -> None:
        """Erasures that wait for their date, once for each order and version."""
        ...

    def put_off_by(self, order: bytes) -> frozenset[bytes]:
        """The handles that were put off when this order came, whatever has become of them."""
        ...

    def waiting_erasures(self) -> list[PutOff]:
        """Put off, and neither carried out nor withdrawn; oldest first."""
        ...

    def settled_erasures(self, handles: Iterable[bytes]) -> None:
        """These wait no more."""
        ...

    def add_opening(self, entry: bytes, opener: int, kept: KeptOpening) -> None:
        """Once for each entry."""
        ...

    def opening(self, entry: bytes) -> KeptOpening | None: ...

    def openings(self, opener: int, since: int, other_than: bytes) -> int:
        """How many other emergencies of that opener were granted here since then."""
        ...

    def oldest_unentered(self, opener: int) -> int | None:
        """When the oldest emergency of that opener was granted that is not known to be on the ledger."""
        ...

    def unentered(self) -> list[KeptOpening]:
        """Granted and not known to be on the ledger, oldest first."""
        ...

    def entered(self, entry: bytes) -> None: ...

    def add_evidence(self, kind: str, body: bytes) -> None: ...

    def evidence(self) -> Iterable[tuple[str, bytes]]: ...
