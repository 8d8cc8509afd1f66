"""Writing: grounds, who answers for a version, and what the matrix's conditions mean."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from careledger.domain.categories import Category, Compartment
from careledger.domain.consents import Permission
from careledger.domain.decisions import decide, require
from careledger.domain.errors import WritingRefused
from careledger.domain.parties import ControllerKind, Role, Status
from careledger.domain.questions import Writing
from careledger.domain.reasons import Permitted, Reason, Refused
from careledger.domain.records import Ground, Patient, Source
from decision_cases import (
    ALIAS,
    DEPOSITOR,
    DIAGNOSIS,
    GENERAL,
    NOW,
    OTHER_HANDLE,
    RESTRICTED_DIAGNOSIS,
    STRANGE_ALIAS,
    STRANGER,
    appending,
    claimed,
    depositor,
    scope,
    unclaimed,
    version,
    writing,
)

HISTORY = Compartment(Category.HISTORY)
MEASUREMENT = Compartment(Category.MEASUREMENT)
IDENTITY = Compartment(Category.IDENTITY_PATIENT)
DIAGNOSIS_SIGNERS = frozenset({Role.DOCTOR})
AT_HOME = replace(claimed(), registrar=DEPOSITOR)


def outcome(question: Writing) -> Reason | None:
    """The reason that refused, or None."""
    answer = decide(question)
    return answer.reason if isinstance(answer, Refused) else None


def signed_by(
    author: Any, compartment: Compartment, ground: Ground = Ground.UNASKED, **changes: Any
) -> Writing:
    """The depositor's post signs into that compartment."""
    return replace(
        writing(depositor=author, author=author, consent=None),
        version=version(compartment, ground=ground),
        **changes,
    )


def imported(ground: Ground = Ground.APPEND, **changes: Any) -> Writing:
    """The depositor brings a diagnosis along from its old chart; nobody signed it."""
    record = version(source=Source.IMPORTED, signed=False, ground=ground, author=None)
    return writing(version=record, author=None, depositor=depositor(at=(Role.HOSPITAL,)), **changes)


def own(
    source: Source = Source.PATIENT_REPORTED, compartment: Compartment = DIAGNOSIS, **changes: Any
) -> Writing:
    """The patient's agent puts in a record with the patient's own keys."""
    record = version(
        compartment,
        source=source,
        signed=source is Source.SIGNED,
        ground=Ground.OWN,
        depositor=None,
        author=None,
    )
    return replace(
        writing(depositor=None, author=None, consent=None, by_controller=True), version=record, **changes
    )


def test_a_doctor_writes_under_a_consent_to_append_and_the_reason_is_said() -> None:
    answer = require(writing())
    assert not answer.kept_apart
    assert answer.explanation == (
        "The patient's consent to write is active and covers this. "
        "Asked was to write diagnosis, signed, by doctor, hospital, on the ground append."
    )
    with pytest.raises(WritingRefused, match="no-consent"):
        require(writing(consent=None))


def test_viewing_is_not_writing() -> None:
    viewing = replace(appending(DIAGNOSIS), scope=scope(DIAGNOSIS))
    assert outcome(writing(consent=viewing)) is Reason.OTHER_PERMISSION


def test_a_consent_to_append_reaches_restricted_records_only_where_it_names_them() -> None:
    asked = writing(version=version(RESTRICTED_DIAGNOSIS))
    assert outcome(asked) is Reason.RESTRICTED_NOT_NAMED
    assert outcome(replace(asked, consent=appending(RESTRICTED_DIAGNOSIS))) is None


def test_a_consent_of_another_patient_lets_nobody_write() -> None:
    strange = replace(appending(DIAGNOSIS), alias=STRANGE_ALIAS)
    assert outcome(writing(consent=strange)) is Reason.ANOTHER_PATIENT
    assert outcome(writing(version=version(alias=STRANGE_ALIAS))) is Reason.ANOTHER_PATIENT
    assert outcome(writing(predecessor=version(alias=STRANGE_ALIAS))) is Reason.ANOTHER_PATIENT


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.VERIFIED])
def test_who_is_not_verified_neither_deposits_nor_answers(status: Status) -> None:
    doctor = depositor(Role.DOCTOR)
    for wrong in (replace(doctor, status=status), replace(doctor, employer_status=status)):
        assert outcome(writing(depositor=wrong)) is Reason.DEPOSITOR_NOT_VERIFIED
        assert outcome(writing(author=wrong)) is Reason.AUTHOR_NOT_VERIFIED


def test_a_version_names_who_deposits_and_who_signed() -> None:
    assert outcome(writing(version=version(depositor=STRANGER))) is Reason.DEPOSITOR_MISMATCH
    assert outcome(writing(version=version(author=STRANGER))) is Reason.DEPOSITOR_MISMATCH
    assert outcome(writing(version=version(depositor=None))) is Reason.DEPOSITOR_MISMATCH
    assert outcome(writing(depositor=None)) is Reason.DEPOSITOR_NOT_VERIFIED


def test_an_unasked_deposit_is_kept_apart_until_accepted() -> None:
    answer = decide(signed_by(depositor(Role.DOCTOR), DIAGNOSIS))
    assert isinstance(answer, Permitted)
    assert answer.kept_apart
    accepted = decide(replace(writing(), version=version(ground=Ground.UNASKED, accepted=True)))
    assert isinstance(accepted, Permitted)
    assert not accepted.kept_apart


def test_a_registrar_writes_until_the_patient_claims() -> None:
    asked = signed_by(
        depositor(Role.DOCTOR), DIAGNOSIS, Ground.REGISTRAR, patient=replace(unclaimed(), registrar=DEPOSITOR)
    )
    assert outcome(asked) is None
    assert outcome(replace(asked, patient=unclaimed())) is Reason.NOT_THE_REGISTRAR
    assert outcome(replace(asked, patient=AT_HOME)) is Reason.CLAIMED


def test_a_hospital_writes_the_patients_identity_until_it_is_claimed() -> None:
    clerk = depositor(at=(Role.HOSPITAL,))
    unclaimed_here = replace(unclaimed(), registrar=DEPOSITOR)
    asked = signed_by(clerk, IDENTITY, Ground.REGISTRAR, patient=unclaimed_here)
    assert outcome(asked) is None
    claimed_now = signed_by(clerk, IDENTITY, Ground.APPEND, patient=AT_HOME, consent=appending(IDENTITY))
    assert outcome(claimed_now) is Reason.CLAIMED
    elsewhere = replace(asked, version=version(IDENTITY, ground=Ground.UNASKED), patient=unclaimed())
    assert outcome(elsewhere) is Reason.NOT_THE_REGISTRAR


def test_a_hospital_takes_history_in_once_and_then_needs_the_patient() -> None:
    clerk = depositor(at=(Role.HOSPITAL,))
    first = signed_by(clerk, HISTORY)
    assert outcome(first) is None
    assert outcome(replace(first, intake_used=True)) is Reason.INTAKE_USED
    approved = signed_by(clerk, HISTORY, Ground.APPEND, consent=appending(HISTORY), intake_used=True)
    assert outcome(approved) is None
    doctor = signed_by(depositor(Role.DOCTOR), HISTORY, intake_used=True)
    assert outcome(doctor) is None


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        (imported(), None),
        (imported(consent=None), Reason.NO_CONSENT),
        (imported(Ground.UNASKED), Reason.NOT_REGISTERED_THERE),
        (imported(Ground.UNASKED, patient=AT_HOME), None),
        (imported(Ground.REGISTRAR, patient=replace(unclaimed(), registrar=DEPOSITOR)), None),
        (imported(Ground.REGISTRAR, patient=unclaimed()), Reason.NOT_THE_REGISTRAR),
        (imported(may_sign=frozenset()), None),
    ],
)
def test_an_import_needs_the_registrar_or_consent(question: Writing, reason: Reason | None) -> None:
    assert outcome(question) is reason


def test_the_authors_row_counts_only_if_the_author_signed() -> None:
    named_only = replace(writing(), version=version(signed=False))
    assert outcome(named_only) is Reason.NOT_SIGNED
    as_import = version(source=Source.IMPORTED, signed=True)
    assert outcome(writing(version=as_import)) is Reason.NOT_SIGNED
    nobody = writing(author=None)
    assert outcome(nobody) is Reason.NOT_SIGNED


def test_a_clinician_counts_only_where_patients_are_treated() -> None:
    hired = depositor(Role.DOCTOR, at=(Role.INSURER,))
    assert outcome(signed_by(hired, DIAGNOSIS)) is Reason.MATRIX_NO
    assert outcome(signed_by(depositor(Role.DOCTOR, at=(Role.CENTRE,)), DIAGNOSIS)) is None


def test_a_reader_refuses_a_kind_that_the_mapping_lets_others_sign() -> None:
    nurse = depositor(Role.NURSE)
    asked = signed_by(nurse, HISTORY, may_sign=frozenset({Role.DOCTOR, Role.NURSE}))
    assert outcome(asked) is None
    assert outcome(replace(asked, may_sign=DIAGNOSIS_SIGNERS, intake_used=True)) is Reason.KIND_NOT_YOURS
    assert outcome(replace(asked, may_sign=None)) is None
    doctor = signed_by(depositor(Role.DOCTOR), DIAGNOSIS, may_sign=DIAGNOSIS_SIGNERS)
    assert outcome(doctor) is None
    assert outcome(replace(doctor, may_sign=frozenset())) is Reason.KIND_NOT_YOURS


def test_a_device_writes_measurements_of_the_patient_it_is_bound_to() -> None:
    device = depositor(Role.DEVICE)
    asked = signed_by(device, MEASUREMENT, bound_to=ALIAS)
    streamed = replace(asked, version=replace(asked.version, source=Source.DEVICE))
    assert outcome(streamed) is None
    assert outcome(replace(streamed, bound_to=STRANGE_ALIAS)) is Reason.NOT_BOUND
    assert outcome(replace(streamed, bound_to=None)) is Reason.NOT_BOUND
    assert outcome(signed_by(device, GENERAL, bound_to=ALIAS)) is Reason.MATRIX_NO


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        (own(), None),
        (own(by_controller=False), Reason.NOT_THE_CONTROLLER),
        (own(patient=unclaimed()), Reason.HELD_BY_REGISTRAR),
        (own(patient=Patient(ALIAS, ControllerKind.NOBODY)), Reason.NOBODY_CONTROLS),
        (own(patient=claimed(ControllerKind.GUARDIAN, NOW)), Reason.GUARDIAN_ENDED),
        (own(patient=claimed(ControllerKind.GUARDIAN, NOW + 1)), None),
        (own(compartment=Compartment(Category.IDENTITY_DOCTOR)), Reason.MATRIX_NO),
        (own(compartment=IDENTITY), None),
        (own(Source.SIGNED, IDENTITY), None),
        (own(Source.SIGNED), Reason.MATRIX_NO),
        (own(Source.IMPORTED), None),
    ],
)
def test_a_patient_puts_in_records_of_their_own(question: Writing, reason: Reason | None) -> None:
    assert outcome(question) is reason


def test_nobody_else_puts_in_what_is_reported_by_the_patient() -> None:
    reported = version(source=Source.PATIENT_REPORTED, signed=False, author=None)
    assert outcome(writing(version=reported, author=None)) is Reason.NOT_THE_PATIENTS


def amending(*permissions: Permission, before: Any) -> Writing:
    """The depositor's doctor amends ``before`` under a consent with these permissions."""
    wanted = replace(appending(DIAGNOSIS), scope=scope(DIAGNOSIS, permissions=frozenset(permissions)))
    return writing(consent=wanted, predecessor=before)


def test_changing_anothers_record_needs_the_patients_approval() -> None:
    others = version(handle=OTHER_HANDLE, author=STRANGER, depositor=STRANGER)
    mine = version(handle=OTHER_HANDLE)
    assert outcome(amending(Permission.APPEND, before=mine)) is None
    assert outcome(amending(Permission.APPEND, before=others)) is Reason.OTHER_PERMISSION
    assert outcome(amending(Permission.AMEND, before=others)) is None
    doctor = depositor(Role.DOCTOR)
    assert outcome(signed_by(doctor, DIAGNOSIS, predecessor=others)) is Reason.NEEDS_APPROVAL
    assert outcome(signed_by(doctor, DIAGNOSIS, predecessor=mine)) is None
    assert outcome(own(predecessor=others)) is None


def test_the_exception_of_a_record_holds_for_its_amendments() -> None:
    mine = version(handle=OTHER_HANDLE)
    record = frozenset({OTHER_HANDLE, version().handle})
    asked = replace(amending(Permission.APPEND, before=mine), version=version(record=record))
    assert outcome(asked) is None
    assert asked.consent is not None
    without = replace(asked.consent, scope=replace(asked.consent.scope, exceptions=frozenset({OTHER_HANDLE})))
    assert outcome(replace(asked, consent=without)) is Reason.EXCEPTED
