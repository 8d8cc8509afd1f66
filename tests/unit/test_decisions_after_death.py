"""Who reads the records of the dead: whom they named, or whom two officers decide on; nobody before the death."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from careledger.domain.categories import Category, Compartment
from careledger.domain.consents import Grantee, GranteeKind, Purpose, Window
from careledger.domain.decisions import decide
from careledger.domain.matrix import VERSION_2, Matrix
from careledger.domain.parties import ControllerKind, PartyId, Role, Status
from careledger.domain.questions import OFFICERS_WAIT, Reading
from careledger.domain.reasons import Permitted, Reason, Refused, Rule
from careledger.domain.records import Patient, RecordState
from decision_cases import (
    ALIAS,
    DAY,
    DEAD,
    DIAGNOSIS,
    DIED,
    FIRST,
    GENERAL,
    NOW,
    READER,
    RESTRICTED_DIAGNOSIS,
    SECOND,
    STRANGE_ALIAS,
    STRANGER,
    appending,
    claimed,
    consent,
    decision,
    post,
    reading,
    scope,
    unclaimed,
    version,
    writing,
)

SELF, NOBODY = ControllerKind.SELF, ControllerKind.NOBODY
WINDOW = Window(NOW - 90 * DAY, NOW + 90 * DAY)


def naming(**changes: Any) -> Any:
    """A consent for after the death, in which the person named the category, given a month before it."""
    made = consent(scope(), purpose=Purpose.AFTERDEATH, window=WINDOW, given_at=DIED - 30 * DAY)
    return replace(made, **changes)


def named(**changes: Any) -> Reading:
    """A doctor whom the person named asks for a diagnosis after the death."""
    made = reading(patient=DEAD, purpose=Purpose.AFTERDEATH, consent=naming())
    return replace(made, **changes)


def decided(**changes: Any) -> Reading:
    """A doctor asks by two officers' decision."""
    made = named(rule=Rule.OFFICERS, consent=None, decision=decision())
    return replace(made, **changes)


def outcome(question: Reading) -> Reason | Rule | None:
    answer = decide(question)
    return answer.rule if isinstance(answer, Permitted) else answer.reason


# Whom the person named ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Rule.CONSENT),
        ({"patient": claimed()}, Reason.AFTER_DEATH_ONLY),
        ({"patient": unclaimed()}, Reason.AFTER_DEATH_ONLY),
        ({"patient": replace(DEAD, living=ControllerKind.GUARDIAN)}, Reason.NOT_NAMED_BY_THE_PERSON),
        ({"patient": replace(DEAD, living=ControllerKind.REGISTRAR)}, Reason.NOT_NAMED_BY_THE_PERSON),
        ({"patient": Patient(ALIAS, ControllerKind.UNKNOWN)}, Reason.NOBODY_CONTROLS),
        ({"consent": naming(given_at=DIED)}, Reason.NOT_NAMED_BY_THE_PERSON),
        ({"consent": naming(given_at=0)}, Reason.NOT_NAMED_BY_THE_PERSON),
        ({"consent": naming(given=False)}, Reason.NO_CONSENT),
        ({"consent": naming(revoked=True)}, Reason.CONSENT_REVOKED),
        ({"consent": naming(window=Window(NOW - 9, NOW))}, Reason.CONSENT_EXPIRED),
        ({"consent": naming(by_present_controller=False)}, Reason.CONSENT_OF_FORMER_CONTROLLER),
        ({"consent": naming(scope=scope(GENERAL))}, Reason.OTHER_CATEGORY),
        ({"consent": naming(alias=STRANGE_ALIAS)}, Reason.ANOTHER_PATIENT),
        (
            {"consent": naming(grantee=Grantee(GranteeKind.POST, STRANGER.number, PartyId(12)))},
            Reason.OTHER_GRANTEE,
        ),
        ({"consent": None}, Reason.NO_CONSENT),
        ({"consent": naming(purpose=Purpose.TREAT)}, Reason.NOBODY_CONTROLS),
        ({"purpose": Purpose.TREAT}, Reason.NOBODY_CONTROLS),
        ({"version": version(RESTRICTED_DIAGNOSIS)}, Reason.RESTRICTED_NOT_NAMED),
        ({"version": version(state=RecordState.ERASED)}, Reason.ERASED),
        ({"version": version(state=RecordState.RESTRICTED)}, Reason.RESTRICTED_BY_PATIENT),
        ({"reader": post(Role.RESEARCHER)}, Reason.NEVER_A_RECORD),
        ({"reader": post(Role.DOCTOR, status=Status.SUSPENDED)}, Reason.READER_NOT_VERIFIED),
        ({"consent": naming(ready_made="visit")}, Reason.NOT_INVOLVED),
    ],
)
def test_whom_the_person_named_reads_what_was_named_after_the_death_only(
    changes: dict[str, Any], expected: Reason | Rule
) -> None:
    assert outcome(named(**changes)) is expected


def test_what_was_consented_to_for_treatment_ends_with_the_death() -> None:
    treated = consent(scope(), window=WINDOW, given_at=DIED - DAY)
    assert outcome(reading(patient=DEAD, consent=treated)) is Reason.NOBODY_CONTROLS


def test_nobody_writes_by_being_named() -> None:
    allowed = replace(appending(DIAGNOSIS), purpose=Purpose.AFTERDEATH, given_at=DIED - DAY, window=WINDOW)
    for patient in (DEAD, claimed()):
        answer = decide(writing(patient=patient, consent=allowed))
        assert isinstance(answer, Refused)
        assert answer.reason is Reason.OTHER_PURPOSE
    answer = decide(writing(patient=DEAD, consent=replace(appending(DIAGNOSIS), given_at=DIED - DAY)))
    assert isinstance(answer, Refused)
    assert answer.reason is Reason.NOBODY_CONTROLS


# Two officers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Rule.OFFICERS),
        ({"patient": replace(DEAD, living=ControllerKind.REGISTRAR)}, Rule.OFFICERS),
        ({"patient": claimed()}, Reason.AFTER_DEATH_ONLY),
        ({"purpose": Purpose.TREAT}, Reason.NOBODY_CONTROLS),
        ({"decision": None}, Reason.NOT_TWO_OFFICERS),
        ({"decision": decision(officers=(FIRST, FIRST))}, Reason.NOT_TWO_OFFICERS),
        ({"decision": decision(two_keys=False)}, Reason.NOT_TWO_OFFICERS),
        ({"decision": decision(officers=(FIRST, post(Role.DOCTOR)))}, Reason.NOT_TWO_OFFICERS),
        (
            {"decision": decision(officers=(FIRST, replace(SECOND, status=Status.REMOVED)))},
            Reason.NOT_TWO_OFFICERS,
        ),
        ({"decision": decision(reader=STRANGER)}, Reason.DECIDED_FOR_ANOTHER),
        ({"decision": decision(alias=STRANGE_ALIAS)}, Reason.ANOTHER_PATIENT),
        ({"decision": decision(compartments=frozenset({GENERAL}))}, Reason.DECIDED_FOR_ANOTHER),
        ({"version": version(RESTRICTED_DIAGNOSIS)}, Reason.DECIDED_FOR_ANOTHER),
        ({"decision": decision(until=NOW)}, Reason.DECISION_OVER),
        ({"decision": decision(made=NOW + 1)}, Reason.DECISION_OVER),
        ({"decision": decision(made=NOW - DAY, until=NOW + 29 * DAY + 1)}, Reason.DECISION_OVER),
        ({"decision": decision(made=DIED - 1)}, Reason.TOO_SOON_AFTER_DEATH),
        ({"patient": replace(DEAD, died=NOW - OFFICERS_WAIT + 1)}, Reason.TOO_SOON_AFTER_DEATH),
        ({"reader": post(Role.RESEARCHER)}, Reason.MATRIX_NO),
        ({"reader": replace(FIRST, party=READER)}, Reason.MATRIX_NO),
    ],
)
def test_two_officers_together_let_a_post_read_the_dead(
    changes: dict[str, Any], expected: Reason | Rule
) -> None:
    assert outcome(decided(**changes)) is expected


def test_no_vote_lets_the_ministry_or_a_pharmacy_read_the_dead() -> None:
    everything = sum(1 << 4 * category for category in Category)
    widest = Matrix(3, (everything,) * len(Role), VERSION_2.write_words)
    ministry = replace(FIRST, party=READER)
    assert outcome(decided(reader=ministry, present=widest, anchored=widest)) is Reason.MATRIX_NO
    shown = decided(
        reader=post(at=(Role.PHARMACY,)), version=version(Compartment(Category.PRESCRIPTION)),
        decision=decision(compartments=frozenset({Compartment(Category.PRESCRIPTION)})),
    )  # fmt: skip
    assert outcome(shown) is Reason.NOT_SHOWN
