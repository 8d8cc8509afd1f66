"""A decision to read or release, said for a person: what was asked, and why it is permitted."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from careledger.domain.categories import Compartment
from careledger.domain.consents import Purpose
from careledger.domain.parties import Role
from careledger.domain.questions import Action, Reading
from careledger.domain.reasons import Rule
from careledger.domain.records import Mark, RecordState

_LAST_SECOND = 253_402_300_799  # of the year 9999, the last that can be written


def asked(question: Reading) -> str:
    """What was asked, by whom and under which rule."""
    return _asked(
        question.action, question.version.compartment, question.purpose, _rows(question), question.rule
    )


@lru_cache(maxsize=256)
def _asked(
    action: Action, compartment: Compartment, purpose: Purpose, roles: frozenset[Role], rule: Rule
) -> str:
    """The sentence, which is the same for most records of a request."""
    rows = ", ".join(role.code for role in sorted(roles)) or "nobody"
    return (
        f"Asked was to {action.name.lower()} {compartment} for {purpose.words}, by {rows}, "
        f"under the rule {rule.code}."
    )


def _rows(question: Reading) -> frozenset[Role]:
    if question.rule is Rule.OWN:
        return frozenset({Role.PATIENT})
    return question.reader.acting if question.reader is not None else frozenset()


def permission(question: Reading) -> str:
    """Why it is permitted, and what to know about the version; only for a question that is."""
    sentences = [_because(question), asked(question)]
    if question.version.mark is Mark.DISPUTED:
        sentences.append("The patient disputes this record.")
    if question.version.kept_apart:
        sentences.append("It was deposited unasked and is not accepted yet.")
    if question.version.state is RecordState.RETRACTED:
        sentences.append("The depositor has taken it back as entered in error.")
    return " ".join(sentences)


def _because(question: Reading) -> str:
    match question.rule:
        case Rule.CONSENT:
            assert question.consent is not None  # else it was not permitted
            end = datetime.fromtimestamp(min(question.consent.window.end, _LAST_SECOND), UTC)
            if question.consent.purpose is Purpose.AFTERDEATH:
                return "The person has died and named this reader while alive."
            return f"The patient's consent is active until {end:%Y-%m-%d %H:%M} UTC and covers this."
        case Rule.REGISTRAR:
            return (
                "The patient has not claimed the record, and this is the registrar, caring for the patient."
            )
        case Rule.GENERAL:
            return "A verified doctor may read the normal general information of a patient in care."
        case Rule.BREAK_GLASS:
            return (
                "The glass was broken with a second party; the patient is told at once, and it is reviewed."
            )
        case Rule.OFFICERS:
            return "The person has died, and two officers decided that this post reads this."
        case Rule.OWN:
            return "The patient, or who acts for the patient, reads the patient's own record."
