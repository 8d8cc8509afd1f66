"""What every act of a custodian has at hand: its party, stores, keys, ledger, clock and log."""

from __future__ import annotations

from dataclasses import dataclass, field

from careledger.domain.errors import LedgerStale, NotTheController, PatientNotFound
from careledger.domain.facts import AliasFacts
from careledger.domain.standstill import Standstill
from careledger.formats.custody import Receipt, log_origin
from careledger.formats.patients import AliasStatement, Certificate
from careledger.formats.signatures import SigningKey
from careledger.formats.signed import Signed, sign
from careledger.ports import Clock, Ledger, LedgerView
from careledger.proofs.items import ItemTree
from careledger.proofs.notes import KeyKind, NoteKey
from careledger.proofs.release_log import Follower, KeptLog, LogHead
from careledger.sealing.keys import SealingKey, Secret
from careledger.workflows.custodian.stores import Journal, Rows


@dataclass(frozen=True, repr=False)
class Keys:
    """A custodian's keys: what signs its words, opens what is sealed to it, signs and cosigns checkpoints."""

    signing: SigningKey
    sealing: SealingKey
    log: NoteKey
    cosigner: NoteKey

    @classmethod
    def of(cls, deployment: bytes, party: int, signing: bytes, log: bytes, sealing: bytes) -> Keys:
        """The keys from their 32-byte seeds."""
        name = log_origin(deployment, party)
        return cls(
            SigningKey(signing),
            SealingKey(Secret(sealing)),
            NoteKey(name, KeyKind.LOG, log),
            NoteKey(name, KeyKind.COSIGNER, log),
        )


@dataclass(frozen=True)
class AnchoredHead:
    """The log as the ledger knows it: the head and its signed checkpoint note."""

    head: LogHead
    note: bytes

    @property
    def size(self) -> int:
        """Lines under it."""
        return self.head.checkpoint.size


KEPT = "kept"


@dataclass(frozen=True, repr=False)
class ReleasedState:
    """What one request was given: deposits, and versions with their states then, to be asked about until a time.

    ``handles`` are joined, and ``other`` has the states that were not ``KEPT``: this lies in memory, for every version
    and custodian of a lease, as long as leases last.
    """

    deposits: tuple[bytes, ...]
    until: int
    handles: bytes
    other: dict[bytes, str]
    certificate: Certificate | None


@dataclass(repr=False)
class Custody:
    """One custodian's parts; used by one act at a time."""

    party: int
    rows: Rows
    journal: Journal
    keys: Keys
    ledger: Ledger
    clock: Clock
    log: KeptLog
    anchored: AnchoredHead | None = None
    followers: dict[int, Follower] = field(default_factory=dict)
    standstill: Standstill | None = None
    released: dict[bytes, ReleasedState] = field(default_factory=dict)
    released_versions: int = 0
    """Of all of them."""
    paths: dict[bytes, object] = field(default_factory=dict)
    just_kept: dict[bytes, tuple[bytes, ItemTree]] = field(default_factory=dict)
    """By id: the statement digest and items of deposits whose anchor is not told yet; the last few."""

    @property
    def deployment(self) -> bytes:
        """What signed statements are bound to."""
        return self.ledger.deployment

    def time(self, view: LedgerView) -> int:
        """T of all decisions: max(clock, head time)."""
        return max(self.clock.now(), view.head.time)

    def fresh_head(self) -> LedgerView:
        """The ledger's fresh head; every look in vain is counted. Raises LedgerStale."""
        try:
            view = self.ledger.fresh_head()
        except LedgerStale:
            now = self.clock.now()
            self.standstill = self.standstill.looked(now) if self.standstill else Standstill.begun(now)
            raise
        self.standstill = None
        return view

    def receipt(self, view: LedgerView, what: str, subject: bytes, count: int) -> bytes:
        """The encoded signed receipt for a message of that TYPE and digest."""
        made = Receipt(self.party, what, subject, count, self.time(view), view.head.number)
        return sign(made, self.keys.signing, self.deployment).encode()

    def statement(self, alias: bytes) -> AliasStatement:
        """The newest statement known of an alias; raises PatientNotFound."""
        kept = self.rows.statement(alias)
        if kept is None:
            raise PatientNotFound()
        return AliasStatement.decode(Signed.decode(kept.signed).body)

    def place(self, statement: AliasStatement) -> int:
        """This custodian's place on the list, 1…N; raises PatientNotFound if it is not on it."""
        if self.party not in statement.custodians:
            raise PatientNotFound()
        return statement.custodians.index(self.party) + 1


def known_alias(view: LedgerView, alias: bytes) -> AliasFacts:
    """Who controls an alias at that block, nobody if the person has died; raises PatientNotFound."""
    facts = view.alias(alias)
    if facts is None:
        raise PatientNotFound()
    return facts


def alias_facts(view: LedgerView, alias: bytes) -> AliasFacts:
    """Who controls an alias at that block; raises PatientNotFound, NotTheController if nobody does."""
    facts = known_alias(view, alias)
    if not any(facts.controller):
        raise NotTheController()
    return facts
