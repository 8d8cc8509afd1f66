"""The questions that are decided: may this version be read, released, written."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from careledger.domain.categories import Compartment
from careledger.domain.consents import Consent, Purpose
from careledger.domain.matrix import Matrix
from careledger.domain.parties import PartyId, Role
from careledger.domain.reasons import Rule
from careledger.domain.records import Patient, Post, RecordVersion

LONGEST_LEASE = 15 * 60
LONGEST_BREAK_GLASS = 4 * 3600
LONG_ENOUGH = 5 * 60
"""Seconds that the ledger has to stand still before break-glass goes on without it."""
EMERGENCIES_A_DAY = 4
"""Emergencies of one opener that a custodian grants without the ledger within a day."""
PATIENTS_A_DAY = 40
LONGEST_AGREEMENT = 3600
LONGEST_DECISION = 30 * 24 * 3600
OFFICERS_WAIT = 3 * 24 * 3600


class Action(IntEnum):
    """RELEASE is a custodian's answer to a request; READ is a gateway's, within the lease of a release."""

    RELEASE = 1
    READ = 2


@dataclass(frozen=True, slots=True)
class Lease:
    """What one release opened: compartments of one patient to one post for one purpose, for a time (unix seconds)."""

    alias: bytes
    post: PartyId
    purpose: Purpose
    compartments: frozenset[Compartment]
    opened: int
    until: int


@dataclass(frozen=True, slots=True)
class Agreement:
    """An officer agrees that ``reader`` reads one more patient than a day allows; times are unix seconds.

    ``this_request``: it names the request that is decided on, whose id is taken once. ``another_key``: the officer's
    registered key is not the reader's.
    """

    officer: Post
    reader: PartyId
    alias: bytes
    made: int
    until: int
    this_request: bool
    another_key: bool


@dataclass(frozen=True, slots=True)
class GeneralUse:
    """How many other patients the post has read today by the rule ``general``; the officer's agreement to more."""

    patients_today: int
    agreement: Agreement | None = None


@dataclass(frozen=True, slots=True)
class BreakGlass:
    """An open break-glass entry: who opened it with whom, for whom, why, and until when (unix seconds).

    ``restricted`` are the restricted compartments that were asked for separately. ``second_verified``: the second
    party is verified at this block. ``suspended``: an earlier entry of the opener is unreviewed after its time.
    ``stood``: the entry is not on the ledger, which has stood still for so many seconds (None: it is), and
    ``others_today`` are the opener's other such entries here within a day.
    """

    alias: bytes
    opener: PartyId
    second: PartyId
    second_verified: bool
    reason: str
    opened: int
    until: int
    restricted: frozenset[Compartment] = frozenset()
    suspended: bool = False
    stood: int | None = None
    others_today: int = 0


@dataclass(frozen=True, slots=True)
class DeathDecision:
    """Two officers decide that a post reads these compartments of somebody who has died; times are unix seconds.

    ``two_keys``: they signed with different keys, each with its own.
    """

    alias: bytes
    officers: tuple[Post, Post]
    reader: PartyId
    compartments: frozenset[Compartment]
    made: int
    until: int
    two_keys: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """May this version be read or released?

    All facts are those of one block; ``at`` is max(clock, head time) in unix seconds. ``anchored`` is the matrix
    that was in force at the record's anchoring block (not yet anchored: the present one). ``by_controller`` says
    that the request is signed by the alias's present controller (rule ``own`` only; then ``reader`` is None).
    ``read_before`` says that this post was given this version before it was retracted.
    """

    action: Action
    rule: Rule
    version: RecordVersion
    patient: Patient
    purpose: Purpose
    present: Matrix
    anchored: Matrix
    at: int
    reader: Post | None = None
    by_controller: bool = False
    consent: Consent | None = None
    lease: Lease | None = None
    general: GeneralUse | None = None
    break_glass: BreakGlass | None = None
    decision: DeathDecision | None = None
    read_before: bool = False


@dataclass(frozen=True, slots=True)
class Accepting:
    """May the reader of ``seeing`` accept that version, which was deposited unasked?

    ``made_by`` are the posts that deposited and signed it.
    """

    seeing: Reading
    made_by: frozenset[PartyId]


@dataclass(frozen=True, slots=True)
class Writing:
    """May this version be written?

    A custodian asks at its fresh head, a reader at the anchoring block; ``matrix`` is the one in force there.
    ``depositor`` is the post whose session deposits, None for the patient's own agent; ``author`` the post that
    signed, None if nobody or the patient did. ``by_controller``: the statement is signed by the present controller.
    ``consent`` is the append consent. ``intake_used``: another deposit of this depositor for this alias and category
    was already taken in as its one intake. ``predecessor`` is the version that this one amends.
    ``bound_to`` is the alias that a device is bound to. ``may_sign`` are the roles that the mapping lets sign this
    kind of resource, known to readers only: None at a custodian.
    """

    version: RecordVersion
    patient: Patient
    matrix: Matrix
    at: int
    depositor: Post | None = None
    author: Post | None = None
    by_controller: bool = False
    consent: Consent | None = None
    intake_used: bool = False
    predecessor: RecordVersion | None = None
    bound_to: bytes | None = None
    may_sign: frozenset[Role] | None = None


Question = Reading | Accepting | Writing
