"""The decision whether a treating doctor accepts what was deposited unasked; the patient does so by an order."""

from __future__ import annotations

from careledger.domain.consents import TREATMENT
from careledger.domain.parties import Role
from careledger.domain.questions import Accepting
from careledger.domain.reading import decide_reading
from careledger.domain.reasons import Decision, Permitted, Reason, Refused, Rule


def decide_accepting(question: Accepting) -> Decision:
    """Permitted only to who may see the version by a consent for treatment, is a doctor and did not deposit it."""
    seen = decide_reading(question.seeing)
    if isinstance(seen, Refused):
        return seen
    refusal = _misses(question)
    if refusal is not None:
        return Refused(refusal, refusal.sentence)
    return Permitted(f"A treating doctor accepts it. {seen.explanation}", seen.rule)


def _misses(question: Accepting) -> Reason | None:
    seeing = question.seeing
    reader = seeing.reader
    if reader is None or seeing.rule is not Rule.CONSENT or seeing.purpose not in TREATMENT:
        return Reason.NOT_TREATING
    if Role.DOCTOR not in reader.acting:
        return Reason.NOT_TREATING
    return Reason.OWN_DEPOSIT if reader.party in question.made_by else None
