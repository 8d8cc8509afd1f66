"""A FHIR file is imported once, by whom the patient lets, with everything that could not be imported named."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from careledger.adapters.custody.remembered import Remembered
from careledger.adapters.custody.rows import Rows
from careledger.domain.categories import Category, Compartment
from careledger.domain.custody import KeptVersion
from careledger.domain.errors import (
    FhirRefused,
    ImportStopped,
    LedgerRefused,
    PartyNotVerified,
    WritingRefused,
)
from careledger.domain.records import Ground
from careledger.fhir.sample import sample_file
from careledger.workflows.actors import Holder
from careledger.workflows.batches import Writer
from careledger.workflows.chart import copies
from careledger.workflows.epochs import own_statement
from careledger.workflows.import_file import Imported, import_file
from careledger.workflows.retrieve import newest
from world import APPEND, DIAGNOSIS, PRESCRIPTION, World, texts


def bundle(*resources: dict[str, Any]) -> bytes:
    entries = [
        {"fullUrl": f"https://example.org/{each['resourceType']}/{each['id']}", "resource": each}
        for each in resources
    ]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()


def resource(kind: str, text: str, number: int) -> dict[str, Any]:
    return {
        "resourceType": kind,
        "id": f"r{number}",
        "code": {"text": text},
        "subject": {"reference": "Patient/p"},
    }


PATIENT = {"resourceType": "Patient", "id": "p"}
REFUSED = {"resourceType": "Basic", "id": "b", "code": {"text": "x"}}
EVERYTHING = tuple(Compartment(category) for category in Category)
FILE = bundle(PATIENT, resource("Condition", "asthma", 1), resource("Condition", "gout", 2))
WITH_REJECT = bundle(PATIENT, resource("Condition", "asthma", 1), REFUSED)


def imported(
    world: World, holder: Holder, data: bytes, writer: Writer | None = None, **more: Any
) -> Imported:
    """Imported by the hospital, which holds the keys, unless another writer is named."""
    made = writer or world.writer(world.nurse)
    return import_file(
        world.network, made, own_statement(holder)[0], data, "file.json",
        holder=None if writer else holder, **more,
    )  # fmt: skip


@pytest.fixture
def holder(world: World) -> Holder:
    """An unclaimed patient of the hospital without any epoch yet."""
    return world.patient(compartments=())


def test_a_file_is_imported_once_and_its_epochs_begin_where_it_needs_them(
    world: World, holder: Holder
) -> None:
    first = imported(world, holder, FILE)
    assert (len(first.deposited.handles), len(first.report.rejects)) == (3, 0)
    again = imported(world, holder, FILE)
    assert (again.deposited.handles, again.deposited.known) == ({}, first.deposited.handles)
    assert len(copies(world.hospital)) == 3
    read = world.read_as_registrar(holder)
    assert texts(read) == ["asthma", "gout"]
    assert {each.manifest.source for each in read.records} == {"imported"}
    assert {each.distrust for each in read.records} == {""}


def test_what_changed_at_its_source_is_the_next_version_and_the_one_before_stays(
    world: World, holder: Holder
) -> None:
    imported(world, holder, FILE)
    changed = bundle(PATIENT, resource("Condition", "asthma, severe", 1), resource("Condition", "gout", 2))
    second = imported(world, holder, changed)
    assert (len(second.deposited.handles), len(second.deposited.known)) == (1, 2)
    read = world.read_as_registrar(holder)
    assert sorted(texts(read)) == ["asthma", "asthma, severe", "gout"]
    current = {each.manifest.version: each for each in newest(read.records) if each.manifest.version > 1}
    assert list(current) == [2]
    (handle,) = second.deposited.handles.values()
    assert (current[2].handle, current[2].distrust) == (handle, "")
    before = next(each for each in read.records if each.handle == current[2].manifest.predecessor)
    assert before.manifest.record_id == current[2].manifest.record_id
    for again in (changed, FILE):  # an older file that comes again turns nothing back
        assert imported(world, holder, again).deposited.handles == {}
    third = bundle(PATIENT, resource("Condition", "asthma, mild", 1))
    assert len(imported(world, holder, third).deposited.handles) == 1
    (last,) = [each for each in newest(world.read_as_registrar(holder).records) if each.manifest.version == 3]
    assert last.manifest.predecessor == handle


def test_what_many_records_follow_is_read_once_for_all_of_them(
    world: World, holder: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def file(word: str, first: int) -> bytes:
        return bundle(PATIENT, *(resource("Condition", f"{word} {at}", first + at) for at in range(30)))

    for first in (1, 101, 201):
        imported(world, holder, file("as it was", first))
    for directory in world.directories.values():
        monkeypatch.setattr(directory.rows, "_known", Remembered(1))  # nothing but what was read last
    reading, read = Rows._read, list[int]()

    def counted(rows: Rows, number: int) -> list[KeptVersion]:
        read.append(number)
        return reading(rows, number)

    monkeypatch.setattr(Rows, "_read", counted)
    made = imported(world, holder, file("as it is", 101))
    assert len(made.deposited.handles) == 30
    assert len(read) <= 4 * len(world.directories)  # as many for thirty as for one


def test_what_cannot_be_imported_is_a_reject_and_stops_the_file_where_that_is_asked(
    world: World, holder: Holder
) -> None:
    with pytest.raises(ImportStopped, match="rejected 1"):
        imported(world, holder, WITH_REJECT, all_or_nothing=True)
    assert copies(world.hospital) == []
    made = imported(world, holder, WITH_REJECT)
    assert (len(made.deposited.handles), len(made.report.rejects)) == (2, 1)
    assert len(imported(world, holder, FILE, all_or_nothing=True).deposited.handles) == 1


def test_only_chosen_entries_are_deposited_and_the_others_may_follow(world: World, holder: Holder) -> None:
    made = imported(world, holder, FILE, chosen=lambda each: each.compartment.category is Category.DIAGNOSIS)
    assert (len(made.deposited.handles), len(made.report.versions)) == (2, 3)
    rest = imported(world, holder, FILE)
    assert (len(rest.deposited.handles), len(rest.deposited.known)) == (1, 2)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"resourceType":"Nothing"}', b"\xff"])
def test_a_file_that_is_no_fhir_leaves_nothing(world: World, holder: Holder, data: bytes) -> None:
    with pytest.raises(FhirRefused):
        imported(world, holder, data)
    assert copies(world.hospital) == []


def test_the_registrar_imports_until_the_claim_and_an_appender_while_the_consent_lives(
    world: World, holder: Holder
) -> None:
    imported(world, holder, FILE)
    mine = world.claim(holder).holder
    later = bundle(PATIENT, resource("Condition", "migraine", 3))
    with pytest.raises(WritingRefused):
        imported(world, mine, later, world.writer(world.nurse))
    consent = world.grant(mine, world.outsider, EVERYTHING, (APPEND,))
    appender = world.writer(world.outsider, Ground.APPEND, consent)
    assert len(imported(world, mine, later, appender).deposited.handles) == 2
    world.clock.advance(86_400)
    again = replace(appender, session=world.session(world.outsider))
    with pytest.raises(WritingRefused):
        imported(world, mine, bundle(resource("Condition", "late", 4)), again)
    assert texts(world.read_own(mine)) == ["asthma", "gout", "migraine"]


def test_an_organisation_that_is_not_verified_imports_nothing(world: World, holder: Holder) -> None:
    pending = world.organisation(80, verify=False)
    with pytest.raises(LedgerRefused):
        world.staff(pending, 81)
    with pytest.raises(PartyNotVerified):
        world.grant(holder, replace(world.outsider, organisation=pending))
    stranger = replace(world.writer(world.outsider), organisation=pending)
    with pytest.raises(WritingRefused):
        imported(
            world, world.patient(compartments=(DIAGNOSIS,)), bundle(resource("Condition", "x", 1)), stranger
        )
    assert copies(pending) == []


def test_a_real_bundle_comes_back_as_it_went_in(world: World) -> None:
    holder = world.patient(compartments=())
    data = sample_file("Jules135_Schmitt836")
    made = imported(world, holder, data)
    assert len(made.deposited.handles) == len(json.loads(data)["entry"]) == len(made.report.versions)
    read = world.read_as_registrar(holder, (DIAGNOSIS, PRESCRIPTION))
    given = {each.record_id.bytes: each.body for each in made.report.versions}
    assert len(read.records) == 5
    assert all(given[each.manifest.record_id] == each.body for each in read.records)
    assert len(newest(read.records)) == len(read.records)


def test_one_file_imported_for_two_patients_makes_records_of_each(world: World) -> None:
    one, other = world.patient(compartments=()), world.patient(compartments=())
    made = [imported(world, each, FILE).deposited.handles for each in (one, other)]
    assert not set(made[0]) & set(made[1])
    assert [len(each) for each in made] == [3, 3]
    for each, before in zip((one, other), made, strict=True):
        again = imported(world, each, FILE).deposited
        assert again.handles == {}
        assert set(again.known) == set(before)
