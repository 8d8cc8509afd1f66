"""The decision to write a version, step by step; each step gives the reason to refuse, or None."""

from __future__ import annotations

from careledger.domain.categories import Category
from careledger.domain.consents import Permission, Purpose, misses
from careledger.domain.matrix import WriteCell
from careledger.domain.parties import Role, Status
from careledger.domain.questions import Writing
from careledger.domain.reading import consent_misses, controller_misses
from careledger.domain.reasons import Decision, Permitted, Reason, Refused
from careledger.domain.records import IDENTITIES, Ground, Post, Source

SIGNED_SOURCES = frozenset({Source.SIGNED, Source.DEVICE})
APPROVED = frozenset({Ground.OWN, Ground.APPEND})


def decide_writing(question: Writing) -> Decision:
    """Permitted only if ground, depositor, source and the row that counts allow it; see careledger.domain.decisions."""
    refusal = (
        _parties_miss(question)
        or _ground_misses(question)
        or _approval_misses(question)
        or _row_misses(question)
    )
    if refusal is not None:
        return Refused(refusal, f"{refusal.sentence} {_asked(question)}")
    apart = question.version.kept_apart
    return Permitted(f"{_because(question)} {_asked(question)}", kept_apart=apart)


# Who deposits, and who answers -------------------------------------------------------------------


def _parties_miss(question: Writing) -> Reason | None:
    version, depositor, author = question.version, question.depositor, question.author
    if version.alias != question.patient.alias or (
        question.predecessor is not None and question.predecessor.alias != version.alias
    ):
        return Reason.ANOTHER_PATIENT
    if depositor is None and version.ground is not Ground.OWN:
        return Reason.DEPOSITOR_NOT_VERIFIED
    if depositor is not None and not _verified(depositor):
        return Reason.DEPOSITOR_NOT_VERIFIED
    if version.depositor != (depositor.employer if depositor is not None else None):
        return Reason.DEPOSITOR_MISMATCH
    if author is None:
        return None
    if not _verified(author):
        return Reason.AUTHOR_NOT_VERIFIED
    return None if version.author == author.party else Reason.DEPOSITOR_MISMATCH


def _verified(post: Post) -> bool:
    return post.status is Status.VERIFIED and post.employer_status is Status.VERIFIED


# The ground --------------------------------------------------------------------------------------


def _ground_misses(question: Writing) -> Reason | None:
    match question.version.ground:
        case Ground.OWN:
            if not question.by_controller:
                return Reason.NOT_THE_CONTROLLER
            return controller_misses(question.patient, question.at)
        case Ground.APPEND:
            return _append_misses(question)
        case Ground.REGISTRAR:
            if question.patient.claimed:
                return Reason.CLAIMED
            return None if _is_registrar(question) else Reason.NOT_THE_REGISTRAR
        case Ground.UNASKED:
            return None


def _append_misses(question: Writing) -> Reason | None:
    consent, depositor = question.consent, question.depositor
    if consent is None or depositor is None:
        return Reason.NO_CONSENT
    if consent.alias != question.patient.alias:
        return Reason.ANOTHER_PATIENT
    if consent.purpose is Purpose.AFTERDEATH:
        return Reason.OTHER_PURPOSE
    needed = [Permission.AMEND] if _changes_anothers(question) else [Permission.APPEND]
    return consent_misses(consent, question.patient, depositor, question.at) or misses(
        consent.scope, question.version, needed
    )


def _is_registrar(question: Writing) -> bool:
    registrar, depositor = question.patient.registrar, question.depositor
    return registrar is not None and depositor is not None and depositor.employer == registrar


def _changes_anothers(question: Writing) -> bool:
    """Whether the predecessor is answered for by somebody else."""
    before = question.predecessor
    return before is not None and not before.answerable & question.version.answerable


def _approval_misses(question: Writing) -> Reason | None:
    """A doctor's change of another's record needs the patient's approval; a registrar gives it until claimed."""
    unasked = question.version.ground is Ground.UNASKED
    return Reason.NEEDS_APPROVAL if unasked and _changes_anothers(question) else None


# The row that counts -----------------------------------------------------------------------------


def _row_misses(question: Writing) -> Reason | None:
    version, own = question.version, question.version.ground is Ground.OWN
    if version.signed != (version.source in SIGNED_SOURCES):
        return Reason.NOT_SIGNED
    match version.source:
        case Source.PATIENT_REPORTED:
            return _report_misses(question)
        case Source.IMPORTED:
            if not (own or version.ground is Ground.APPEND or _is_registrar(question)):
                return Reason.NOT_REGISTERED_THERE
            return _rows_miss(question, frozenset({Role.IMPORT}))
        case Source.SIGNED | Source.DEVICE:
            if question.author is not None:
                return _rows_miss(question, question.author.acting)
            return _rows_miss(question, frozenset({Role.PATIENT})) if own else Reason.NOT_SIGNED


def _report_misses(question: Writing) -> Reason | None:
    """Beside the matrix: a patient puts in a record of their own, marked so until a verified doctor co-signs it."""
    if question.version.ground is not Ground.OWN:
        return Reason.NOT_THE_PATIENTS
    category = question.version.compartment.category
    others = category in IDENTITIES and category is not Category.IDENTITY_PATIENT
    return Reason.MATRIX_NO if others else None


def _rows_miss(question: Writing, roles: frozenset[Role]) -> Reason | None:
    """None if one row lets it in; otherwise the reason that comes nearest to yes."""
    found = Reason.MATRIX_NO
    for role in sorted(roles):
        refusal = _cell_misses(question, role)
        if refusal is None:
            return None
        if found is Reason.MATRIX_NO:
            found = refusal
    return found


def _cell_misses(question: Writing, role: Role) -> Reason | None:
    cell = question.matrix.writing(role, question.version.compartment.category)
    if cell is WriteCell.NO:
        return Reason.MATRIX_NO
    if role is not Role.IMPORT and question.may_sign is not None and role not in question.may_sign:
        return Reason.KIND_NOT_YOURS
    return _condition_misses(question, cell)


def _condition_misses(question: Writing, cell: WriteCell) -> Reason | None:
    match cell:
        case WriteCell.ONCE:
            approved = question.version.ground in APPROVED
            return Reason.INTAKE_USED if question.intake_used and not approved else None
        case WriteCell.UNTIL_CLAIMED:
            if question.patient.claimed:
                return Reason.CLAIMED
            return None if _is_registrar(question) else Reason.NOT_THE_REGISTRAR
        case WriteCell.ITS_PATIENT:
            return None if question.bound_to == question.patient.alias else Reason.NOT_BOUND
        case _:
            return None


# Explanations ------------------------------------------------------------------------------------


def _asked(question: Writing) -> str:
    version = question.version
    return (
        f"Asked was to write {version.compartment}, {version.source.code}, by {_who(question)}, "
        f"on the ground {version.ground.code}."
    )


def _who(question: Writing) -> str:
    if question.author is not None:
        return ", ".join(role.code for role in sorted(question.author.acting)) or "nobody"
    if question.version.source is Source.IMPORTED:
        return Role.IMPORT.code
    return Role.PATIENT.code if question.version.ground is Ground.OWN else "nobody"


def _because(question: Writing) -> str:
    match question.version.ground:
        case Ground.OWN:
            return "The patient, or who acts for the patient, puts it in."
        case Ground.APPEND:
            return "The patient's consent to write is active and covers this."
        case Ground.REGISTRAR:
            return "The patient has not claimed the record, and the registrar writes."
        case Ground.UNASKED:
            if question.version.kept_apart:
                return "It is kept apart until the patient or a treating doctor accepts it."
            return "It was deposited unasked and has been accepted."
