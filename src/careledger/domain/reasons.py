"""Why something is refused, and what a decision is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum


class Reason(Enum):
    """One sentence each, for a person; ``code`` is what answers and logs write."""

    ANOTHER_PATIENT = "What was shown is about another patient."
    ERASED = "The record was erased."
    RESTRICTED_BY_PATIENT = (
        "The patient has restricted this record: nobody reads it but from its author's own copy."
    )
    RETRACTED = "The depositor has taken this record back as entered in error."
    KEPT_APART = "The patient has not accepted this record, which was deposited unasked."
    NOT_TREATING = "Only the patient or a treating doctor accepts what was deposited unasked."
    OWN_DEPOSIT = "Nobody accepts what they deposited or signed themselves."
    NO_READER = "Nobody is named who asks."
    READER_NOT_VERIFIED = "The one who asks is not a verified party."
    EMPLOYER_NOT_VERIFIED = "The employer of the one who asks is not a verified party."
    NOBODY_CONTROLS = "Nobody controls this patient's record any more, so all consents have ended."
    NOT_THE_CONTROLLER = "This is not signed by the present controller of the patient's record."
    HELD_BY_REGISTRAR = "The patient's keys are still the registrar's, so nobody reads as the patient."
    GUARDIAN_ENDED = "The guardian's control has ended."
    GUARDIAN_RESTRICTED = "Restricted records are not in a guardian's view."
    NO_LEASE = "No lease is open for this."
    LEASE_OVER = "The lease is over."
    RECORDS_CHANGED = "Too few custodians say that nothing of what the lease opened has changed since."
    LEASE_TOO_LONG = "The lease is longer than a lease may be."
    LEASE_OF_OTHER = "The lease is for another post, purpose or category."

    NO_CONSENT = "There is no consent."
    CONSENT_NOT_YET = "The consent has not begun yet."
    CONSENT_EXPIRED = "The consent has expired."
    CONSENT_REVOKED = "The consent was revoked."
    CONSENT_OF_FORMER_CONTROLLER = (
        "The consent's certificate is not signed by the patient's present controller."
    )
    REFERRAL_TOO_LONG = "A registrar may refer for at most thirty days."
    REFERRAL_ONLY = "A registrar may consent for care only."
    OTHER_GRANTEE = "The consent is for another grantee."
    OTHER_SPECIALTY = "The consent is for another specialty."
    OTHER_PURPOSE = "The consent is for another purpose."
    OTHER_PERMISSION = "The consent does not permit this act."
    OTHER_CATEGORY = "The consent does not name this category."
    RESTRICTED_NOT_NAMED = "The record is restricted, and that is not named."
    OTHER_RECORD = "The consent is for other single records."
    EXCEPTED = "The consent takes this record out."
    OTHER_AUTHOR = "The consent is for records of other authors."
    OTHER_PERIOD = "The consent is for another clinical period."

    MATRIX_NO = "The access matrix gives this role no access to this category."
    NOT_INVOLVED = "The access matrix asks for involvement, and there is none."
    NOT_NAMED = "Only a consent in which the patient names this category opens it to this role."
    NEVER_A_RECORD = "This role never reads anybody's clinical records."
    FIELDS_ONLY = "This role reads only single fields, never a record."
    AGGREGATE_ONLY = "This role reads only aggregate figures, never a record."
    NOT_SHOWN = "A pharmacy reads only the prescription that the patient shows it for dispensing."
    NOT_AT_ANCHORING = "The access matrix in force when the record was anchored did not allow this."

    CLAIMED = "The patient has claimed the record, so the registrar's rule has ended."
    NOT_THE_REGISTRAR = "This is not the patient's registrar."
    NOT_FOR_CARE = "The purpose is not the patient's care."
    NOT_A_DOCTOR = "This rule is for doctors."
    NORMAL_GENERAL_ONLY = "This rule reaches normal general information only."
    NOT_COUNTED = "How many patients this post has read today is not stated."
    TOO_MANY_PATIENTS = "This post has read as many patients today as it may without its employer's officer."
    AFTER_DEATH_ONLY = "This counts only while the ledger says that the person has died."
    NOT_NAMED_BY_THE_PERSON = "The person themselves did not name this reader before the death was recorded."
    NOT_TWO_OFFICERS = "Two ministry officers have to decide this, each with a key of their own."
    DECIDED_FOR_ANOTHER = "The officers decided about another post, patient or category."
    DECISION_OVER = "The time of the officers' decision is over or has not begun."
    TOO_SOON_AFTER_DEATH = (
        "Officers decide on it after the death, and it counts from three days after its recording."
    )
    NOT_AN_OFFICER = "The agreement is not by another person who is an officer of the reader's employer."
    AGREEMENT_OF_OTHER = "The agreement is for another post or another request."
    AGREEMENT_OVER = "The agreement's time is over or has not begun."
    RULE_DOES_NOT_REACH = "This rule does not reach this category."
    NO_BREAK_GLASS = "No glass was broken by this post for this patient."
    NO_SECOND_PARTY = "Breaking the glass needs a verified second party."
    NO_REASON_STATED = "Breaking the glass needs a reason."
    BREAK_GLASS_TOO_LONG = "Breaking the glass lasts at most four hours."
    BREAK_GLASS_OVER = "The time of the broken glass is over or has not begun."
    BREAK_GLASS_SUSPENDED = "A review is overdue, so this post may not break the glass."
    LEDGER_MOVES = "The ledger has not stood still for five minutes, so the glass is broken there first."
    TOO_MANY_EMERGENCIES = "This post has broken the glass without the ledger as often today as it may."

    NOT_SIGNED = "The source says that somebody signed, and nobody has."
    NOT_THE_PATIENTS = "Only the patient puts in what is reported by the patient."
    DEPOSITOR_NOT_VERIFIED = "The depositor is not a verified party."
    AUTHOR_NOT_VERIFIED = "The author, or the author's employer, is not a verified party."
    DEPOSITOR_MISMATCH = "The version names another depositor or author."
    NOT_REGISTERED_THERE = "An import needs the patient's registrar, or the patient's consent to append."
    INTAKE_USED = "The depositor's one intake is done; the patient has to approve more."
    KIND_NOT_YOURS = "The mapping lets others sign this kind of record, not this role."
    NOT_BOUND = "The device is not bound to this patient."
    NEEDS_APPROVAL = "Changing somebody else's record needs the patient's approval."

    @property
    def code(self) -> str:
        """The reason's name in answers and logs, for example ``consent-revoked``."""
        return self.name.lower().replace("_", "-")

    @property
    def sentence(self) -> str:
        """The reason for a person."""
        return self.value


class Rule(IntEnum):
    """Why somebody may read: by consent, by one of the three standing rules, as the patient, or, of the dead alone, by
    two officers' decision.

    There are no others; no vote adds one.
    """

    CONSENT = 1
    REGISTRAR = 2
    GENERAL = 3
    BREAK_GLASS = 4
    OWN = 5
    OFFICERS = 6

    @property
    def code(self) -> str:
        """The rule code of requests and logs."""
        return self.name.lower().replace("_", "-")


@dataclass(frozen=True, slots=True)
class Permitted:
    """Yes, and why. ``kept_apart``: nobody but the patient and a treating doctor sees it until it is accepted.

    ``rule`` is None for writing.
    """

    explanation: str
    rule: Rule | None = None
    kept_apart: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """No, and why; the explanation begins with the reason's sentence."""

    reason: Reason
    explanation: str


Decision = Permitted | Refused
