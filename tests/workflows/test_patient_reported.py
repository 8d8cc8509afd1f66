"""What a patient puts in stays marked until a verified doctor co-signs it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from careledger.domain.errors import FhirRefused, NotEnoughCustodians, WritingRefused
from careledger.domain.records import Ground
from careledger.workflows.amend import cosign
from careledger.workflows.patient_reported import Report, file_of, report
from careledger.workflows.retrieve import newest
from world import AMEND, APPEND, DIAGNOSIS, GUARDED, VIEW, World

LETTER = Report(
    b"%PDF-1.7 ...", "application/pdf", "Letter", "Upazila hospital", "fever", "2026-01-03", "2026-01-05"
)


def test_a_reported_record_says_so_and_gives_its_file_back(world: World) -> None:
    mine = world.claimed()
    report(world.network, mine, world.hospital, world.statement(mine.alias), LETTER)
    [record] = world.read_own(mine, (GUARDED,)).records
    assert (record.manifest.source, record.found.statement.depositor) == ("patient-reported", 0)
    assert record.distrust == ""
    document = json.loads(record.body.canonical)
    assert document["custodian"]["display"] == "Upazila hospital"
    assert document["description"] == "fever"
    assert document["context"]["period"] == {"start": "2026-01-03", "end": "2026-01-05"}
    assert record.found.item.clinical_month == "2026-01"
    assert file_of(record.body) == LETTER.file
    with pytest.raises(FhirRefused):
        file_of(replace(record.body, original=b"another file"))


def test_a_verified_doctor_with_consent_cosigns_and_others_do_not(world: World) -> None:
    mine = world.claimed()
    statement = world.statement(mine.alias)
    report(world.network, mine, world.hospital, statement, LETTER, DIAGNOSIS)
    [before] = world.read_own(mine).records
    amending = world.grant(mine, world.doctor, permissions=(VIEW, AMEND))
    writer = world.writer(world.doctor, Ground.APPEND, amending)
    appending = world.grant(mine, world.outsider, permissions=(VIEW, APPEND))
    stranger = world.writer(world.outsider, Ground.APPEND, appending)
    with pytest.raises(WritingRefused):
        cosign(world.network, stranger, statement, before, world.outsider.number, world.outsider.key)
    cosign(world.network, writer, statement, before, world.doctor.number, world.doctor.key)
    [current] = newest(world.read_own(mine).records)
    assert (current.manifest.source, current.manifest.author) == ("signed", world.doctor.number)
    assert (current.manifest.version, current.distrust) == (2, "")
    assert current.body == before.body


def test_a_signature_that_is_not_the_named_doctors_is_not_trusted(world: World) -> None:
    mine = world.claimed()
    statement = world.statement(mine.alias)
    report(world.network, mine, world.hospital, statement, LETTER, DIAGNOSIS)
    [before] = world.read_own(mine).records
    amending = world.grant(mine, world.doctor, permissions=(VIEW, AMEND))
    writer = world.writer(world.doctor, Ground.APPEND, amending)
    cosign(world.network, writer, statement, before, world.doctor.number, world.nurse.key)
    [_, forged] = world.read_own(mine).records
    assert "signature is not by the key" in forged.distrust


@pytest.mark.parametrize(
    ("admitted", "discharged", "good"),
    [
        ("2026-01-03", "2026-01-03", True),
        ("2026", "", True),
        ("2026-01", "2026-01-20", True),
        ("2026-02-30", "", False),
        ("yesterday", "", False),
        ("2026-01-05", "2026-01-03", False),
        ("", "2026-13", False),
    ],
)
def test_dates_are_days_that_exist_in_the_right_order(
    world: World, admitted: str, discharged: str, good: bool
) -> None:
    mine = world.claimed(compartments=(GUARDED,))
    made = replace(LETTER, admitted=admitted, discharged=discharged)
    if good:
        report(world.network, mine, world.hospital, world.statement(mine.alias), made)
    else:
        with pytest.raises(FhirRefused):
            report(world.network, mine, world.hospital, world.statement(mine.alias), made)
    assert len(world.read_own(mine, (GUARDED,)).records) == good


def test_only_the_controller_reports(world: World) -> None:
    mine, other = world.claimed(), world.claimed()
    with pytest.raises(NotEnoughCustodians):  # each refuses the signature
        report(
            world.network, replace(other, state=replace(other.state, alias=mine.alias)), world.hospital,
            world.statement(mine.alias), LETTER,
        )  # fmt: skip
    assert world.read_own(mine, (GUARDED,)).records == ()
