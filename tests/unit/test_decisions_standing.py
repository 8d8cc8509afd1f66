"""The three standing rules and the patient's own reading, each beside its refused neighbours."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from careledger.domain.categories import Category, Compartment, Sensitivity
from careledger.domain.consents import Purpose
from careledger.domain.decisions import decide
from careledger.domain.matrix import VERSION_2, Matrix
from careledger.domain.parties import ControllerKind, Role, Status
from careledger.domain.questions import GeneralUse, Reading
from careledger.domain.reasons import Permitted, Reason, Refused, Rule
from careledger.domain.records import Ground
from decision_cases import (
    DIAGNOSIS,
    EMPLOYER,
    GENERAL,
    NOW,
    READER,
    REGISTRAR,
    RESTRICTED_DIAGNOSIS,
    STRANGE_ALIAS,
    STRANGER,
    agreed,
    break_glass_reading,
    claimed,
    entry,
    general_reading,
    own_reading,
    post,
    reading,
    registrar_reading,
    unclaimed,
    version,
)

RESTRICTED_GENERAL = Compartment(Category.GENERAL, Sensitivity.RESTRICTED)
INSURANCE = Compartment(Category.INSURANCE)
NURSE = post(Role.NURSE)
HIRED = post(Role.DOCTOR, at=(Role.INSURER,))


def outcome(question: Reading) -> Reason | Rule | None:
    """The rule that permitted, or the reason that refused."""
    answer = decide(question)
    return answer.rule if isinstance(answer, Permitted) else answer.reason


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Rule.GENERAL),
        ({"version": version(RESTRICTED_GENERAL)}, Reason.NORMAL_GENERAL_ONLY),
        ({"version": version(DIAGNOSIS)}, Reason.NORMAL_GENERAL_ONLY),
        ({"version": version(GENERAL, ground=Ground.UNASKED)}, Reason.KEPT_APART),
        ({"reader": NURSE}, Reason.NOT_A_DOCTOR),
        ({"reader": HIRED}, Reason.NOT_A_DOCTOR),
        ({"reader": post(Role.DOCTOR, status=Status.PENDING)}, Reason.READER_NOT_VERIFIED),
        ({"purpose": Purpose.HPAYMT}, Reason.NOT_FOR_CARE),
        ({"general": None}, Reason.NOT_COUNTED),
        ({"general": GeneralUse(39)}, Rule.GENERAL),
        ({"general": GeneralUse(40)}, Reason.TOO_MANY_PATIENTS),
    ],
)
def test_a_verified_doctor_reads_normal_general_information(
    changes: dict[str, Any], expected: Reason | Rule
) -> None:
    assert outcome(general_reading(**changes)) is expected


OFFICER = replace(post(Role.OPERATOR), party=STRANGER)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Rule.GENERAL),
        ({"officer": replace(OFFICER, roles=frozenset({Role.DOCTOR}))}, Reason.NOT_AN_OFFICER),
        ({"officer": replace(OFFICER, employer=REGISTRAR)}, Reason.NOT_AN_OFFICER),
        ({"officer": replace(OFFICER, party=READER)}, Reason.NOT_AN_OFFICER),
        ({"officer": replace(OFFICER, status=Status.SUSPENDED)}, Reason.NOT_AN_OFFICER),
        ({"officer": replace(OFFICER, employer_status=Status.SUSPENDED)}, Reason.NOT_AN_OFFICER),
        ({"another_key": False}, Reason.NOT_AN_OFFICER),
        ({"reader": STRANGER}, Reason.AGREEMENT_OF_OTHER),
        ({"alias": STRANGE_ALIAS}, Reason.AGREEMENT_OF_OTHER),
        ({"this_request": False}, Reason.AGREEMENT_OF_OTHER),
        ({"until": NOW}, Reason.AGREEMENT_OVER),
        ({"made": NOW + 1, "until": NOW + 9}, Reason.AGREEMENT_OVER),
        ({"until": NOW - 60 + 3601}, Reason.AGREEMENT_OVER),
    ],
)
def test_a_doctor_reads_of_more_than_forty_patients_a_day_with_an_officers_agreement(
    changes: dict[str, Any], expected: Reason | Rule
) -> None:
    assert outcome(general_reading(general=GeneralUse(40, agreed(**changes)))) is expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Rule.BREAK_GLASS),
        ({"opener": STRANGER}, Reason.NO_BREAK_GLASS),
        ({"alias": STRANGE_ALIAS}, Reason.ANOTHER_PATIENT),
        ({"second": READER}, Reason.NO_SECOND_PARTY),
        ({"second_verified": False}, Reason.NO_SECOND_PARTY),
        ({"reason": " "}, Reason.NO_REASON_STATED),
        ({"until": NOW + 3 * 3600 + 1}, Reason.BREAK_GLASS_TOO_LONG),
        ({"until": NOW}, Reason.BREAK_GLASS_OVER),
        ({"opened": NOW + 1}, Reason.BREAK_GLASS_OVER),
        ({"suspended": True}, Reason.BREAK_GLASS_SUSPENDED),
    ],
)
def test_breaking_the_glass_needs_an_entry_that_holds(
    changes: dict[str, Any], expected: Reason | Rule
) -> None:
    assert outcome(break_glass_reading(break_glass=entry(**changes))) is expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"break_glass": None}, Reason.NO_BREAK_GLASS),
        ({"reader": NURSE}, Reason.NOT_A_DOCTOR),
        ({"reader": HIRED}, Reason.NOT_A_DOCTOR),
        ({"purpose": Purpose.BTG}, Rule.BREAK_GLASS),
        ({"purpose": Purpose.TREAT}, Reason.NOT_FOR_CARE),
        ({"version": version(INSURANCE)}, Reason.RULE_DOES_NOT_REACH),
        ({"version": version(ground=Ground.UNASKED)}, Reason.KEPT_APART),
        ({"patient": unclaimed()}, Rule.BREAK_GLASS),
        ({"patient": claimed(ControllerKind.NOBODY)}, Reason.NOBODY_CONTROLS),
    ],
)
def test_breaking_the_glass_is_for_a_doctor_in_an_emergency(
    changes: dict[str, Any], expected: Reason | Rule
) -> None:
    assert outcome(break_glass_reading(**changes)) is expected


def test_breaking_the_glass_reaches_restricted_records_only_if_asked_for_separately() -> None:
    asked = break_glass_reading(version=version(RESTRICTED_DIAGNOSIS))
    assert outcome(asked) is Reason.RESTRICTED_NOT_NAMED
    other = entry(restricted=frozenset({RESTRICTED_GENERAL}))
    assert outcome(replace(asked, break_glass=other)) is Reason.RESTRICTED_NOT_NAMED
    named = entry(restricted=frozenset({RESTRICTED_DIAGNOSIS}))
    assert outcome(replace(asked, break_glass=named)) is Rule.BREAK_GLASS


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"stood": 300}, Rule.BREAK_GLASS),
        ({"stood": 299}, Reason.LEDGER_MOVES),
        ({"stood": 0, "others_today": 9}, Reason.LEDGER_MOVES),
        ({"stood": 300, "others_today": 3}, Rule.BREAK_GLASS),
        ({"stood": 300, "others_today": 4}, Reason.TOO_MANY_EMERGENCIES),
        ({"stood": None, "others_today": 9}, Rule.BREAK_GLASS),
        ({"stood": 300, "suspended": True}, Reason.BREAK_GLASS_SUSPENDED),
        ({"stood": 300, "second_verified": False}, Reason.NO_SECOND_PARTY),
    ],
)
def test_without_the_ledger_the_glass_is_broken_after_five_minutes_and_four_times_a_day(
    changes: dict[str, Any], expected: Reason | Rule
) -> None:
    assert outcome(replace(break_glass_reading(), break_glass=entry(**changes))) is expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Rule.REGISTRAR),
        ({"patient": claimed()}, Reason.CLAIMED),
        ({"patient": unclaimed(REGISTRAR)}, Reason.NOT_THE_REGISTRAR),
        ({"patient": replace(unclaimed(), registrar=None)}, Reason.NOT_THE_REGISTRAR),
        ({"purpose": Purpose.HPAYMT}, Reason.NOT_FOR_CARE),
        ({"version": version(RESTRICTED_DIAGNOSIS)}, Reason.RESTRICTED_NOT_NAMED),
        ({"version": version(INSURANCE)}, Reason.MATRIX_NO),
        ({"reader": NURSE}, Reason.MATRIX_NO),
        ({"reader": NURSE, "version": version(GENERAL)}, Rule.REGISTRAR),
        ({"reader": post(at=(Role.INSURER,)), "version": version(GENERAL)}, Reason.NOT_INVOLVED),
        ({"reader": post(Role.DOCTOR, employer_status=Status.SUSPENDED)}, Reason.EMPLOYER_NOT_VERIFIED),
    ],
)
def test_the_registrar_reads_for_care_until_the_patient_claims(
    changes: dict[str, Any], expected: Reason | Rule
) -> None:
    assert outcome(registrar_reading(**changes)) is expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Rule.OWN),
        ({"version": version(RESTRICTED_DIAGNOSIS)}, Rule.OWN),
        ({"by_controller": False}, Reason.NOT_THE_CONTROLLER),
        ({"version": version(alias=STRANGE_ALIAS)}, Reason.ANOTHER_PATIENT),
        ({"patient": claimed(ControllerKind.GUARDIAN, NOW + 1)}, Rule.OWN),
        ({"patient": claimed(ControllerKind.GUARDIAN, NOW)}, Reason.GUARDIAN_ENDED),
        ({"patient": claimed(ControllerKind.GUARDIAN)}, Reason.GUARDIAN_ENDED),
        ({"patient": unclaimed()}, Reason.HELD_BY_REGISTRAR),
        ({"patient": claimed(ControllerKind.NOBODY)}, Reason.NOBODY_CONTROLS),
        ({"patient": claimed(ControllerKind.UNKNOWN)}, Reason.NOBODY_CONTROLS),
    ],
)
def test_the_patient_reads_by_the_present_controllers_signature(
    changes: dict[str, Any], expected: Reason | Rule
) -> None:
    assert outcome(own_reading(**changes)) is expected


def test_restricted_records_are_not_in_a_guardians_view() -> None:
    asked = own_reading(
        patient=claimed(ControllerKind.GUARDIAN, NOW + 1), version=version(RESTRICTED_DIAGNOSIS)
    )
    assert outcome(asked) is Reason.GUARDIAN_RESTRICTED


def test_no_vote_widens_a_standing_rule() -> None:
    everything = sum(1 << 4 * category for category in Category)
    widest = Matrix(3, (everything,) * len(Role), VERSION_2.write_words)
    matrices = {"present": widest, "anchored": widest}
    assert outcome(general_reading(version=version(DIAGNOSIS), **matrices)) is Reason.NORMAL_GENERAL_ONLY
    assert outcome(general_reading(reader=NURSE, **matrices)) is Reason.NOT_A_DOCTOR
    assert outcome(break_glass_reading(version=version(INSURANCE), **matrices)) is Reason.RULE_DOES_NOT_REACH
    assert outcome(registrar_reading(patient=claimed(), **matrices)) is Reason.CLAIMED
    ministry = post(at=(Role.MINISTRY,), employer=EMPLOYER)
    assert outcome(registrar_reading(reader=ministry, **matrices)) is Reason.MATRIX_NO
    assert outcome(reading(consent=None, **matrices)) is Reason.NO_CONSENT


def test_a_vote_narrows_a_standing_rule() -> None:
    nothing = Matrix(3, (0,) * len(Role), VERSION_2.write_words)
    for question in (general_reading(), break_glass_reading(), registrar_reading(), own_reading()):
        assert isinstance(decide(question), Permitted)
        assert isinstance(decide(replace(question, present=nothing)), Refused)
        assert isinstance(decide(replace(question, anchored=nothing)), Refused)
