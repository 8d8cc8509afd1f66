"""Who reads the records of the dead: whom the person named while alive, or whom two officers decide on.

Both count only while the ledger says that nobody controls the alias any more, so a death that is withdrawn ends them.
"""

from __future__ import annotations

from careledger.domain.consents import Consent, Purpose
from careledger.domain.parties import ControllerKind, Role, Status
from careledger.domain.questions import LONGEST_DECISION, OFFICERS_WAIT, DeathDecision, Reading
from careledger.domain.reasons import Reason, Rule
from careledger.domain.records import Patient, Post


def after_death(question: Reading) -> bool:
    """Whether it is asked by one of the two rules for the dead."""
    return question.rule in (Rule.CONSENT, Rule.OFFICERS) and question.purpose is Purpose.AFTERDEATH


def naming_misses(consent: Consent, patient: Patient) -> Reason | None:
    """Why a consent does not count for one who lives or who has died, or None if it does.

    The person's own, given before the death: whoever has the keys of a dead person's phrase names nobody.
    """
    dead = patient.controller is ControllerKind.NOBODY
    if consent.purpose is not Purpose.AFTERDEATH:
        return Reason.NOBODY_CONTROLS if dead else None
    if not dead:
        return Reason.AFTER_DEATH_ONLY
    own = patient.living is ControllerKind.SELF and 0 < consent.given_at < patient.died
    return None if own else Reason.NOT_NAMED_BY_THE_PERSON


def decision_misses(question: Reading) -> Reason | None:
    """Why no decision of two officers opens this version to this post now, or None if one does."""
    decided, patient = question.decision, question.patient
    if patient.controller is not ControllerKind.NOBODY:
        return Reason.AFTER_DEATH_ONLY
    if decided is None or not _two_officers(decided):
        return Reason.NOT_TWO_OFFICERS
    if question.reader is None or decided.reader != question.reader.party:
        return Reason.DECIDED_FOR_ANOTHER
    if decided.alias != patient.alias or question.version.compartment not in decided.compartments:
        return Reason.DECIDED_FOR_ANOTHER
    if question.purpose is not Purpose.AFTERDEATH:
        return Reason.OTHER_PURPOSE
    if question.at < patient.died + OFFICERS_WAIT or decided.made < patient.died:
        return Reason.TOO_SOON_AFTER_DEATH
    lives = decided.made <= question.at < decided.until <= decided.made + LONGEST_DECISION
    return None if lives else Reason.DECISION_OVER


def _two_officers(decided: DeathDecision) -> bool:
    first, second = decided.officers
    return first.party != second.party and decided.two_keys and _is_officer(first) and _is_officer(second)


def _is_officer(post: Post) -> bool:
    standing = (post.status, post.employer_status)
    return Role.MINISTRY in post.roles and standing == (Status.VERIFIED, Status.VERIFIED)
