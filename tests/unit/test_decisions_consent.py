"""Reading by consent: what each condition refuses, beside what is permitted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from careledger.domain.categories import Category, Compartment
from careledger.domain.consents import Grantee, GranteeKind, Purpose, Window
from careledger.domain.decisions import decide, require
from careledger.domain.errors import AccessRefused
from careledger.domain.matrix import VERSION_1, VERSION_2, Matrix
from careledger.domain.parties import ControllerKind, Role, Status
from careledger.domain.questions import Action, Reading
from careledger.domain.reasons import Permitted, Reason, Refused, Rule
from careledger.domain.records import Ground, Mark, Patient, RecordState, Source
from decision_cases import (
    DAY,
    DEPOSITOR,
    DIAGNOSIS,
    EMPLOYER,
    NOW,
    OTHER_HANDLE,
    READER,
    RESTRICTED_DIAGNOSIS,
    STRANGE_ALIAS,
    STRANGER,
    consent,
    lease,
    own_reading,
    post,
    reading,
    scope,
    unclaimed,
    version,
)

PRESCRIPTION = Compartment(Category.PRESCRIPTION)
VISIT = Compartment(Category.VISIT)


def refused(question: Reading) -> Reason:
    answer = decide(question)
    assert isinstance(answer, Refused), answer.explanation
    return answer.reason


def permitted(question: Reading) -> Permitted:
    answer = decide(question)
    assert isinstance(answer, Permitted), answer.explanation
    return answer


def test_a_doctor_reads_what_a_live_consent_covers_and_is_told_until_when() -> None:
    answer = permitted(reading())
    assert answer.rule is Rule.CONSENT
    assert answer.explanation == (
        "The patient's consent is active until 2023-11-15 22:13 UTC and covers this. Asked was to release diagnosis "
        "for treatment, by doctor, hospital, under the rule consent."
    )


def test_the_refusal_is_a_named_error_with_its_reason() -> None:
    with pytest.raises(AccessRefused, match="consent-revoked") as caught:
        require(reading(consent=consent(scope(), revoked=True)))
    assert caught.value.details["reason"] == "consent-revoked"
    assert require(reading()).rule is Rule.CONSENT


@pytest.mark.parametrize(("at", "reason"), [
    (NOW - DAY - 1, Reason.CONSENT_NOT_YET),
    (NOW - DAY, None),
    (NOW + DAY - 1, None),
    (NOW + DAY, Reason.CONSENT_EXPIRED),
])  # fmt: skip
def test_a_consent_holds_from_its_first_second_until_before_its_end(at: int, reason: Reason | None) -> None:
    answer = decide(reading(at=at))
    assert (answer.reason if isinstance(answer, Refused) else None) is reason


@pytest.mark.parametrize("wrong", ["consent", "version", "lease"])
def test_what_is_about_another_patient_opens_nothing(wrong: str) -> None:
    whole = reading(action=Action.READ, lease=lease())
    permitted(whole)
    strange = replace(getattr(whole, wrong), alias=STRANGE_ALIAS)
    assert refused(replace(whole, **{wrong: strange})) is Reason.ANOTHER_PATIENT


@pytest.mark.parametrize("status", [s for s in Status if s is not Status.VERIFIED])
def test_a_reader_at_an_employer_that_is_not_verified_gets_nothing(status: Status) -> None:
    at_such = post(Role.DOCTOR, employer_status=status)
    assert refused(reading(reader=at_such)) is Reason.EMPLOYER_NOT_VERIFIED
    assert refused(reading(reader=post(Role.DOCTOR, status=status))) is Reason.READER_NOT_VERIFIED
    assert refused(reading(reader=None)) is Reason.NO_READER


def grantee(kind: GranteeKind, number: int, **changes: Any) -> Grantee:
    return replace(Grantee(kind, number, EMPLOYER), **changes)


@pytest.mark.parametrize(
    ("named", "reason"),
    [
        (grantee(GranteeKind.POST, READER.number), None),
        (grantee(GranteeKind.POST, STRANGER.number), Reason.OTHER_GRANTEE),
        (grantee(GranteeKind.TEAM, 7), None),
        (grantee(GranteeKind.TEAM, 8), Reason.OTHER_GRANTEE),
        (grantee(GranteeKind.TEAM, 7, organisation=STRANGER), Reason.OTHER_GRANTEE),
        (grantee(GranteeKind.ORGANISATION, EMPLOYER.number), None),
        (grantee(GranteeKind.ORGANISATION, STRANGER.number, organisation=STRANGER), Reason.OTHER_GRANTEE),
        (grantee(GranteeKind.ORGANISATION, EMPLOYER.number, specialties=frozenset({"cardiology"})), None),
        (
            grantee(GranteeKind.ORGANISATION, EMPLOYER.number, specialties=frozenset({"psychiatry"})),
            Reason.OTHER_SPECIALTY,
        ),
    ],
)
def test_a_consent_is_for_the_post_team_or_organisation_it_names(
    named: Grantee, reason: Reason | None
) -> None:
    reader = post(Role.DOCTOR, teams=frozenset({7}), specialty="cardiology")
    answer = decide(reading(reader=reader, consent=consent(scope(), grantee=named)))
    assert (answer.reason if isinstance(answer, Refused) else None) is reason


def test_a_certificate_of_a_former_controller_opens_nothing() -> None:
    former = consent(scope(), by_present_controller=False)
    assert refused(reading(consent=former)) is Reason.CONSENT_OF_FORMER_CONTROLLER


def test_purposes_must_be_the_same() -> None:
    assert refused(reading(purpose=Purpose.HRESCH)) is Reason.OTHER_PURPOSE
    assert refused(reading(purpose=Purpose.ETREAT)) is Reason.OTHER_PURPOSE


def test_a_restricted_record_is_read_only_where_the_consent_names_restricted() -> None:
    asked = reading(version=version(RESTRICTED_DIAGNOSIS))
    assert refused(asked) is Reason.RESTRICTED_NOT_NAMED
    permitted(replace(asked, consent=consent(scope(DIAGNOSIS, RESTRICTED_DIAGNOSIS))))


def test_a_check_in_makes_a_doctor_involved_and_opens_no_other_cell() -> None:
    insurance = Compartment(Category.INSURANCE)
    checked_in = consent(scope(DIAGNOSIS, insurance), ready_made="check-in")
    permitted(reading(consent=checked_in))
    assert refused(reading(version=version(insurance), consent=checked_in)) is Reason.NOT_NAMED
    permitted(reading(version=version(insurance), consent=consent(scope(insurance))))


def test_a_ready_made_consent_without_a_relation_does_not_involve() -> None:
    research = consent(scope(), purpose=Purpose.HRESCH, ready_made="a-study")
    assert refused(reading(consent=research, purpose=Purpose.HRESCH)) is Reason.NOT_INVOLVED


def test_an_insurer_is_not_involved_by_treatment_nor_by_employing_a_doctor() -> None:
    history = Compartment(Category.HISTORY)
    ready = consent(scope(history, PRESCRIPTION), ready_made="this-visit")
    hired = post(Role.DOCTOR, at=(Role.INSURER,))
    asked = reading(version=version(history), consent=ready, reader=hired)
    assert refused(asked) is Reason.NOT_INVOLVED
    cover = replace(ready, purpose=Purpose.COVERAGE)
    permitted(replace(asked, consent=cover, purpose=Purpose.COVERAGE))
    prescription = replace(asked, version=version(PRESCRIPTION), consent=cover, purpose=Purpose.COVERAGE)
    assert refused(prescription) is Reason.NOT_NAMED


def test_a_pharmacy_reads_only_the_prescription_it_is_shown() -> None:
    pharmacist = post(at=(Role.PHARMACY,))
    shown = consent(
        scope(PRESCRIPTION, handles=frozenset({version().handle})),
        purpose=Purpose.DISPENSE,
        ready_made="pharmacy-now",
    )
    asked = reading(reader=pharmacist, version=version(PRESCRIPTION), consent=shown, purpose=Purpose.DISPENSE)
    permitted(asked)
    all_of_them = replace(shown, scope=scope(PRESCRIPTION), ready_made="")
    assert refused(replace(asked, consent=all_of_them)) is Reason.NOT_SHOWN
    other = replace(asked.version, handle=OTHER_HANDLE)
    assert refused(replace(asked, version=other)) is Reason.OTHER_RECORD
    for_treatment = replace(shown, purpose=Purpose.TREAT)
    assert refused(replace(asked, consent=for_treatment, purpose=Purpose.TREAT)) is Reason.NOT_SHOWN


def amended(role: Role, category: Category, code: int) -> Matrix:
    """Version 3: version 2 with one read cell voted to that code."""
    words = list(VERSION_2.read_words)
    words[role] = words[role] & ~(15 << 4 * category) | code << 4 * category
    return Matrix(3, tuple(words), VERSION_2.write_words)


def test_a_vote_never_widens_access_to_what_was_deposited_before_it() -> None:
    ready = consent(scope(Compartment(Category.INSURANCE)), ready_made="this-visit")
    wider = amended(Role.DOCTOR, Category.INSURANCE, 1)
    asked = reading(version=version(Compartment(Category.INSURANCE)), consent=ready, present=wider)
    assert refused(asked) is Reason.NOT_AT_ANCHORING
    permitted(replace(asked, anchored=wider))


def test_a_vote_that_narrows_holds_at_once() -> None:
    narrower = amended(Role.DOCTOR, Category.DIAGNOSIS, 4)
    clinic = reading(
        reader=post(Role.DOCTOR, at=(Role.CENTRE,)), consent=consent(scope(), ready_made="this-visit")
    )
    permitted(clinic)
    assert refused(replace(clinic, present=narrower)) is Reason.AGGREGATE_ONLY


def test_no_vote_lets_the_ministry_read_a_clinical_record() -> None:
    widened = amended(Role.MINISTRY, Category.DIAGNOSIS, 1)
    officer = post(at=(Role.MINISTRY,))
    asked = reading(reader=officer, present=widened, anchored=widened)
    assert refused(asked) is Reason.NEVER_A_RECORD


def test_an_imported_identity_is_read_like_a_visit() -> None:
    imported = version(Compartment(Category.IDENTITY_DOCTOR), source=Source.IMPORTED, signed=False)
    named = scope(Compartment(Category.IDENTITY_DOCTOR))
    clerk = reading(
        reader=post(at=(Role.HOSPITAL,)), version=imported, consent=consent(named, ready_made="check-in")
    )
    permitted(clerk)
    ministry = replace(clerk, reader=post(at=(Role.MINISTRY,)), consent=consent(named))
    assert refused(ministry) is Reason.MATRIX_NO
    permitted(replace(ministry, version=replace(imported, source=Source.SIGNED, signed=True)))
    before = replace(clerk, anchored=VERSION_1)
    assert refused(before) is Reason.NOT_AT_ANCHORING


def test_an_erased_restricted_or_retracted_record_is_read_by_nobody_new() -> None:
    for state, reason in (
        (RecordState.ERASED, Reason.ERASED),
        (RecordState.RESTRICTED, Reason.RESTRICTED_BY_PATIENT),
        (RecordState.RETRACTED, Reason.RETRACTED),
    ):
        assert refused(reading(version=version(state=state))) is reason
    seen = permitted(reading(version=version(state=RecordState.RETRACTED), read_before=True))
    assert "entered in error" in seen.explanation
    assert refused(own_reading(version=version(state=RecordState.ERASED))) is Reason.ERASED
    permitted(own_reading(version=version(state=RecordState.RESTRICTED)))
    permitted(own_reading(version=version(state=RecordState.RETRACTED)))


def test_a_stranger_does_not_learn_that_a_record_was_erased() -> None:
    assert refused(reading(version=version(state=RecordState.ERASED), consent=None)) is Reason.NO_CONSENT


def test_a_disputed_record_is_read_with_the_dispute_beside_it() -> None:
    assert "disputes" in permitted(reading(version=version(mark=Mark.DISPUTED))).explanation
    assert "disputes" not in permitted(reading()).explanation


def test_an_unasked_record_is_seen_by_patient_and_treating_doctor_until_accepted() -> None:
    unasked = version(ground=Ground.UNASKED)
    assert "not accepted" in permitted(reading(version=unasked)).explanation
    permitted(own_reading(version=unasked))
    clerk = post(at=(Role.HOSPITAL,))
    assert refused(reading(version=unasked, reader=clerk)) is Reason.KEPT_APART
    permitted(reading(version=replace(unasked, accepted=True), reader=clerk))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"until": NOW - 299 + 15 * 60}, Reason.LEASE_TOO_LONG),
        ({"until": NOW}, Reason.LEASE_OVER),
        ({"opened": NOW + 1}, Reason.LEASE_OVER),
        ({"post": STRANGER}, Reason.LEASE_OF_OTHER),
        ({"purpose": Purpose.COC}, Reason.LEASE_OF_OTHER),
        ({"compartments": frozenset({PRESCRIPTION})}, Reason.LEASE_OF_OTHER),
    ],
)
def test_within_a_gateway_reading_needs_a_lease(changes: dict[str, Any], reason: Reason | None) -> None:
    answer = decide(reading(action=Action.READ, lease=lease(**changes)))
    assert (answer.reason if isinstance(answer, Refused) else None) is reason


def test_without_a_lease_a_gateway_reads_nothing_and_a_lease_is_no_consent() -> None:
    assert refused(reading(action=Action.READ)) is Reason.NO_LEASE
    revoked = consent(scope(), revoked=True)
    assert refused(reading(action=Action.READ, lease=lease(), consent=revoked)) is Reason.CONSENT_REVOKED
    permitted(own_reading(action=Action.READ))


def test_when_nobody_controls_the_record_consents_have_ended() -> None:
    dead = Patient(version().alias, ControllerKind.NOBODY, DEPOSITOR)
    assert refused(reading(patient=dead)) is Reason.NOBODY_CONTROLS


def test_a_registrar_consents_for_care_and_thirty_days_at_most() -> None:
    month = Window(NOW - DAY, NOW + 29 * DAY)
    permitted(reading(patient=unclaimed(), consent=consent(scope(), window=month)))
    longer = consent(scope(), window=replace(month, end=month.end + 1))
    assert refused(reading(patient=unclaimed(), consent=longer)) is Reason.REFERRAL_TOO_LONG
    permitted(reading(consent=longer))
    cover = consent(scope(), purpose=Purpose.COVERAGE)
    asked = reading(patient=unclaimed(), consent=cover, purpose=Purpose.COVERAGE)
    assert refused(asked) is Reason.REFERRAL_ONLY
