"""Who accepts what was deposited unasked, beside who does not."""

from __future__ import annotations

from typing import Any

import pytest

from careledger.domain.consents import Purpose, Window
from careledger.domain.decisions import decide, require
from careledger.domain.errors import AccessRefused
from careledger.domain.parties import Role
from careledger.domain.questions import Accepting
from careledger.domain.reasons import Permitted, Reason, Refused, Rule
from careledger.domain.records import Ground, RecordState
from decision_cases import (
    AUTHOR,
    EMPLOYER,
    GENERAL,
    NOW,
    READER,
    break_glass_reading,
    consent,
    own_reading,
    post,
    reading,
    registrar_reading,
    scope,
    unclaimed,
    version,
)

UNASKED = version(ground=Ground.UNASKED)


def accepting(**changes: Any) -> Accepting:
    """A treating doctor accepts another's unasked diagnosis."""
    return Accepting(reading(**{"version": UNASKED, **changes}), frozenset({AUTHOR}))


def refused(question: Accepting) -> Reason:
    answer = decide(question)
    assert isinstance(answer, Refused)
    return answer.reason


def test_a_doctor_who_treats_the_patient_by_consent_accepts() -> None:
    answer = decide(accepting())
    assert isinstance(answer, Permitted)
    assert answer.rule is Rule.CONSENT


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"reader": post(Role.NURSE)}, Reason.KEPT_APART),
        ({"reader": post(Role.DOCTOR, at=(Role.INSURER,))}, Reason.KEPT_APART),
        ({"consent": None}, Reason.NO_CONSENT),
        ({"consent": consent(scope(), revoked=True)}, Reason.CONSENT_REVOKED),
        ({"consent": consent(scope(), window=Window(NOW - 9, NOW))}, Reason.CONSENT_EXPIRED),
        ({"consent": consent(scope(GENERAL))}, Reason.OTHER_CATEGORY),
        ({"consent": consent(scope(), by_present_controller=False)}, Reason.CONSENT_OF_FORMER_CONTROLLER),
        ({"version": version(ground=Ground.UNASKED, state=RecordState.RETRACTED)}, Reason.RETRACTED),
    ],
)
def test_who_may_not_see_it_does_not_accept_it(changes: dict[str, Any], reason: Reason) -> None:
    assert refused(accepting(**changes)) is reason


def test_a_consent_for_something_else_than_treatment_accepts_nothing() -> None:
    covers = {"purpose": Purpose.COVERAGE, "consent": consent(scope(), purpose=Purpose.COVERAGE)}
    assert refused(accepting(**covers)) is Reason.KEPT_APART
    seen = reading(version=version(ground=Ground.UNASKED, accepted=True), **covers)
    assert refused(Accepting(seen, frozenset())) is Reason.NOT_TREATING
    nurse = reading(version=version(ground=Ground.UNASKED, accepted=True), reader=post(Role.NURSE))
    assert refused(Accepting(nurse, frozenset())) is Reason.NOT_TREATING


def test_nobody_accepts_by_another_rule_than_consent() -> None:
    registrar = registrar_reading(version=UNASKED, patient=unclaimed(EMPLOYER))
    for other in (registrar, own_reading(version=UNASKED)):
        assert refused(Accepting(other, frozenset())) is Reason.NOT_TREATING
    assert refused(Accepting(break_glass_reading(version=UNASKED), frozenset())) is Reason.KEPT_APART


def test_nobody_accepts_what_they_deposited_or_signed_themselves() -> None:
    own = Accepting(reading(version=UNASKED), frozenset({AUTHOR, READER}))
    assert refused(own) is Reason.OWN_DEPOSIT
    with pytest.raises(AccessRefused, match="own-deposit"):
        require(own)
