"""The decision to read or release a version, step by step; each step gives the reason to refuse, or None."""

from __future__ import annotations

from collections.abc import Callable

from careledger.domain.after_death import after_death, decision_misses, naming_misses
from careledger.domain.broken_glass import entry_misses
from careledger.domain.categories import Category, Sensitivity
from careledger.domain.consents import (
    DISPENSING,
    EMERGENCY,
    LONGEST_REFERRAL,
    PAYMENT,
    TREATMENT,
    Consent,
    ConsentState,
    Permission,
    Purpose,
    misses,
)
from careledger.domain.explained import asked, permission
from careledger.domain.matrix import Matrix, ReadCell
from careledger.domain.parties import ControllerKind, Role, Status
from careledger.domain.questions import (
    LONGEST_AGREEMENT,
    LONGEST_LEASE,
    PATIENTS_A_DAY,
    Action,
    BreakGlass,
    DeathDecision,
    GeneralUse,
    Lease,
    Reading,
)
from careledger.domain.reasons import Decision, Permitted, Reason, Refused, Rule
from careledger.domain.records import IDENTITIES, Patient, Post, RecordState

Opening = Callable[[Role, ReadCell], Reason | None]

OPENED_BY_NAME = frozenset(
    {Role.DOCTOR, Role.HOSPITAL, Role.CENTRE, Role.PHARMACY, Role.INSURER, Role.RELATIVE}
)
NEVER_CLINICAL = frozenset({Role.OPERATOR, Role.PUBLIC, Role.MINISTRY, Role.RESEARCHER})
RELATIONS: dict[Role, frozenset[Purpose]] = {
    Role.DOCTOR: TREATMENT,
    Role.HOSPITAL: TREATMENT,
    Role.CENTRE: TREATMENT,
    Role.INSURER: PAYMENT,
    Role.PHARMACY: DISPENSING,
}
BROKEN_OPEN = frozenset(Category) - IDENTITIES - {Category.INSURANCE} | {Category.IDENTITY_PATIENT}
_STATES = {
    ConsentState.NONE: Reason.NO_CONSENT,
    ConsentState.NOT_YET: Reason.CONSENT_NOT_YET,
    ConsentState.EXPIRED: Reason.CONSENT_EXPIRED,
    ConsentState.REVOKED: Reason.CONSENT_REVOKED,
}
_CLOSED = {
    ReadCell.NO: Reason.MATRIX_NO,
    ReadCell.FIELDS: Reason.FIELDS_ONLY,
    ReadCell.AGGREGATE: Reason.AGGREGATE_ONLY,
}


def decide_reading(question: Reading) -> Decision:
    """Permitted only if every step of the rule named in the question passes; see careledger.domain.decisions."""
    if question.rule is Rule.OWN:
        refusal = _patient_misses(question) or _own_misses(question) or _state_misses(question)
    else:
        refusal = (
            _patient_misses(question)
            or _reader_misses(question)
            or _RULES[question.rule](question)
            or _state_misses(question)  # after the rule: a stranger does not learn that a record was erased
            or _apart_misses(question)
            or (_lease_misses(question) if question.action is Action.READ else None)
        )
    if refusal is not None:
        return Refused(refusal, f"{refusal.sentence} {asked(question)}")
    return Permitted(permission(question), question.rule)


# What holds for everybody ------------------------------------------------------------------------


def _patient_misses(question: Reading) -> Reason | None:
    aliases = {question.version.alias, question.patient.alias}
    aliases |= {shown.alias for shown in _shown(question) if shown}
    return Reason.ANOTHER_PATIENT if len(aliases) > 1 else None


def _shown(question: Reading) -> tuple[Consent | Lease | BreakGlass | DeathDecision | None, ...]:
    return question.consent, question.lease, question.break_glass, question.decision


def _state_misses(question: Reading) -> Reason | None:
    own = question.rule is Rule.OWN
    match question.version.state:
        case RecordState.ERASED:
            return Reason.ERASED
        case RecordState.RESTRICTED:
            # Who controls may lift the restriction at any moment, so refusing them would protect nobody.
            return None if own else Reason.RESTRICTED_BY_PATIENT
        case RecordState.RETRACTED:
            return None if own or question.read_before else Reason.RETRACTED
        case RecordState.KEPT:
            return None


def _reader_misses(question: Reading) -> Reason | None:
    reader = question.reader
    if reader is None:
        return Reason.NO_READER
    if reader.status is not Status.VERIFIED:
        return Reason.READER_NOT_VERIFIED
    if reader.employer_status is not Status.VERIFIED:
        return Reason.EMPLOYER_NOT_VERIFIED
    dead = question.patient.controller is ControllerKind.NOBODY
    if question.patient.controller is ControllerKind.UNKNOWN or (dead and not after_death(question)):
        return Reason.NOBODY_CONTROLS
    return None


def _apart_misses(question: Reading) -> Reason | None:
    """An unasked version is seen by the patient and, so that it can be accepted, by a treating doctor."""
    if not question.version.kept_apart:
        return None
    treating = question.rule in (Rule.CONSENT, Rule.REGISTRAR) and question.purpose in TREATMENT
    return None if treating and Role.DOCTOR in _reader(question).acting else Reason.KEPT_APART


def _lease_misses(question: Reading) -> Reason | None:
    lease = question.lease
    if lease is None:
        return Reason.NO_LEASE
    if lease.until - lease.opened > LONGEST_LEASE:
        return Reason.LEASE_TOO_LONG
    if not lease.opened <= question.at < lease.until:
        return Reason.LEASE_OVER
    same = lease.post == _reader(question).party and lease.purpose is question.purpose
    return None if same and question.version.compartment in lease.compartments else Reason.LEASE_OF_OTHER


# The patient's own reading, and consent ----------------------------------------------------------


def _own_misses(question: Reading) -> Reason | None:
    if not question.by_controller:
        return Reason.NOT_THE_CONTROLLER
    refusal = controller_misses(question.patient, question.at)
    if refusal is not None:
        return refusal
    restricted = question.version.compartment.sensitivity is Sensitivity.RESTRICTED
    if restricted and question.patient.controller is ControllerKind.GUARDIAN:
        return Reason.GUARDIAN_RESTRICTED
    return _matrix_misses(question, frozenset({Role.PATIENT}), _standing)


def controller_misses(patient: Patient, at: int) -> Reason | None:
    """Why nobody acts as this patient at that second, or None if the patient or a guardian does."""
    match patient.controller:
        case ControllerKind.SELF:
            return None
        case ControllerKind.GUARDIAN:
            return None if patient.until is not None and at < patient.until else Reason.GUARDIAN_ENDED
        case ControllerKind.REGISTRAR:
            return Reason.HELD_BY_REGISTRAR
        case _:
            return Reason.NOBODY_CONTROLS


def _consent_rule(question: Reading) -> Reason | None:
    consent, reader = question.consent, _reader(question)
    if consent is None:
        return Reason.NO_CONSENT
    return (
        consent_misses(consent, question.patient, reader, question.at)
        or (Reason.OTHER_PURPOSE if consent.purpose is not question.purpose else None)
        or misses(consent.scope, question.version, (Permission.VIEW,))
        or _matrix_misses(
            question, reader.acting, lambda role, cell: _consent_opening(question, consent, role, cell)
        )
    )


def consent_misses(consent: Consent, patient: Patient, grantee: Post, at: int) -> Reason | None:
    """Why this consent is not live for this post at that second, or None if it is; its scope is another question."""
    now = consent.state(at)
    if now is not ConsentState.ACTIVE:
        return _STATES[now]
    refusal = naming_misses(consent, patient)
    if refusal is not None:
        return refusal
    if not consent.by_present_controller:
        return Reason.CONSENT_OF_FORMER_CONTROLLER
    if not patient.claimed and consent.window.length > LONGEST_REFERRAL:
        return Reason.REFERRAL_TOO_LONG
    if not patient.claimed and consent.purpose not in TREATMENT:
        return Reason.REFERRAL_ONLY
    return consent.grantee.misses(grantee)


def _consent_opening(question: Reading, consent: Consent, role: Role, cell: ReadCell) -> Reason | None:
    """What a live consent that covers the version does to one cell."""
    if role in NEVER_CLINICAL and question.version.compartment.category not in IDENTITIES:
        return Reason.NEVER_A_RECORD
    match cell:
        case ReadCell.YES:
            return None
        case ReadCell.INVOLVED:
            related = consent.purpose in RELATIONS.get(role, frozenset())
            return None if consent.named or related else Reason.NOT_INVOLVED
        case ReadCell.SHOWN:
            shown = consent.scope.handles is not None and consent.purpose in DISPENSING
            return None if shown else Reason.NOT_SHOWN
        case ReadCell.NO if role in OPENED_BY_NAME:
            return None if consent.named else Reason.NOT_NAMED
        case _:
            return _CLOSED[cell]


# The records of the dead -------------------------------------------------------------------------


def _officers_rule(question: Reading) -> Reason | None:
    refusal = decision_misses(question)
    return refusal or _matrix_misses(question, _reader(question).acting - NEVER_CLINICAL, _named_opening)


def _named_opening(role: Role, cell: ReadCell) -> Reason | None:
    """What naming the category does to one cell, without a relation."""
    if cell in (ReadCell.YES, ReadCell.INVOLVED) or (cell is ReadCell.NO and role in OPENED_BY_NAME):
        return None
    return Reason.NOT_SHOWN if cell is ReadCell.SHOWN else _CLOSED[cell]


# The three standing rules ------------------------------------------------------------------------


def _registrar_rule(question: Reading) -> Reason | None:
    reader = _reader(question)
    if question.patient.claimed:
        return Reason.CLAIMED
    if question.patient.registrar is None or reader.employer != question.patient.registrar:
        return Reason.NOT_THE_REGISTRAR
    if question.purpose not in TREATMENT:
        return Reason.NOT_FOR_CARE
    if question.version.compartment.sensitivity is Sensitivity.RESTRICTED:
        return Reason.RESTRICTED_NOT_NAMED
    return _matrix_misses(question, reader.acting - NEVER_CLINICAL, _caring)


def _general_rule(question: Reading) -> Reason | None:
    compartment, use = question.version.compartment, question.general
    if Role.DOCTOR not in _reader(question).acting:
        return Reason.NOT_A_DOCTOR
    if compartment.category is not Category.GENERAL or compartment.sensitivity is Sensitivity.RESTRICTED:
        return Reason.NORMAL_GENERAL_ONLY
    if question.purpose not in TREATMENT:
        return Reason.NOT_FOR_CARE
    if use is None:
        return Reason.NOT_COUNTED
    refusal = _agreement_misses(question, use) if use.patients_today >= PATIENTS_A_DAY else None
    return refusal or _matrix_misses(question, frozenset({Role.DOCTOR}), _yes_only)


def _agreement_misses(question: Reading, use: GeneralUse) -> Reason | None:
    """Why nobody has agreed that this post reads one more patient today."""
    given, reader = use.agreement, _reader(question)
    if given is None:
        return Reason.TOO_MANY_PATIENTS
    officer = given.officer
    standing = (officer.status, officer.employer_status)
    if Role.OPERATOR not in officer.roles or officer.employer != reader.employer:
        return Reason.NOT_AN_OFFICER
    if (
        standing != (Status.VERIFIED, Status.VERIFIED)
        or officer.party == reader.party
        or not given.another_key
    ):
        return Reason.NOT_AN_OFFICER
    if given.reader != reader.party or given.alias != question.patient.alias or not given.this_request:
        return Reason.AGREEMENT_OF_OTHER
    lives = given.made <= question.at < given.until <= given.made + LONGEST_AGREEMENT
    return None if lives else Reason.AGREEMENT_OVER


def _break_glass_rule(question: Reading) -> Reason | None:
    reader, compartment = _reader(question), question.version.compartment
    if Role.DOCTOR not in reader.acting:
        return Reason.NOT_A_DOCTOR
    refusal = entry_misses(question.break_glass, reader.party, question.at)
    if refusal is not None:
        return refusal
    if question.purpose not in EMERGENCY:
        return Reason.NOT_FOR_CARE
    if compartment.category not in BROKEN_OPEN:
        return Reason.RULE_DOES_NOT_REACH
    entry = question.break_glass
    named = entry is not None and compartment in entry.restricted
    if compartment.sensitivity is Sensitivity.RESTRICTED and not named:
        return Reason.RESTRICTED_NOT_NAMED
    return _matrix_misses(question, frozenset({Role.DOCTOR}), _standing)


_RULES: dict[Rule, Callable[[Reading], Reason | None]] = {
    Rule.CONSENT: _consent_rule,
    Rule.REGISTRAR: _registrar_rule,
    Rule.GENERAL: _general_rule,
    Rule.BREAK_GLASS: _break_glass_rule,
    Rule.OFFICERS: _officers_rule,
}


# The matrix --------------------------------------------------------------------------------------


def _standing(role: Role, cell: ReadCell) -> Reason | None:
    """The patient is involved in their own record, and a doctor in an emergency."""
    if cell in (ReadCell.YES, ReadCell.INVOLVED):
        return None
    return Reason.NOT_SHOWN if cell is ReadCell.SHOWN else _CLOSED[cell]


def _caring(role: Role, cell: ReadCell) -> Reason | None:
    involved = RELATIONS.get(role, frozenset()) & TREATMENT
    return Reason.NOT_INVOLVED if cell is ReadCell.INVOLVED and not involved else _standing(role, cell)


def _yes_only(role: Role, cell: ReadCell) -> Reason | None:
    return Reason.NOT_INVOLVED if cell is ReadCell.INVOLVED else _standing(role, cell)


def _matrix_misses(question: Reading, roles: frozenset[Role], opening: Opening) -> Reason | None:
    """None if one role is let in by both matrices: the present one and the one at the anchoring.

    Two are asked so that no vote widens access to a record that was deposited before it.
    """
    found = Reason.MATRIX_NO
    for role in sorted(roles):
        present = opening(role, _cell(question, question.present, role))
        if present is None:
            if opening(role, _cell(question, question.anchored, role)) is None:
                return None
            found = Reason.NOT_AT_ANCHORING
        elif found is Reason.MATRIX_NO:
            found = present
    return found


def _cell(question: Reading, matrix: Matrix, role: Role) -> ReadCell:
    return matrix.reading(role, question.version.reads_like)


def _reader(question: Reading) -> Post:
    assert question.reader is not None  # _reader_misses ran first
    return question.reader
