"""A patient takes the whole record away, opens it with the phrase alone, and brings it somewhere else."""

from __future__ import annotations

import json
import secrets
from dataclasses import replace

import pytest

from careledger.domain.errors import CannotOpen, CareLedgerError, MalformedBytes
from careledger.domain.records import Ground
from careledger.formats.persons import ArchiveFile
from careledger.sealing.phrase import Phrase
from careledger.workflows.actors import Holder
from careledger.workflows.amend import amend
from careledger.workflows.export import as_archive, as_fhir, import_archive, open_archive, originals
from careledger.workflows.patient_reported import Report, file_of, report
from careledger.workflows.retrieve import Record, newest
from world import DIAGNOSIS, GENERAL, World, condition, texts, version

ALLERGY = {"resourceType": "AllergyIntolerance", "code": {"text": "peanut"}}
BOTH = (DIAGNOSIS, GENERAL)


def with_history(world: World) -> tuple[Holder, list[Record]]:
    """A claimed patient with an amended diagnosis and an allergy."""
    holder = world.patient()
    world.put(
        world.writer(),
        holder.alias,
        condition(world.doctor, "asthma"),
        version(ALLERGY, GENERAL, world.doctor),
    )
    before = world.read_as_registrar(holder).records[0]
    amend(
        world.network, world.writer(), world.statement(holder.alias), before, condition(world.doctor, "copd")
    )
    mine = world.claim(holder).holder
    return mine, list(world.read_own(mine, BOTH).records)


def test_the_current_versions_are_given_as_one_fhir_bundle_and_all_originals_as_they_came(
    world: World,
) -> None:
    _, records = with_history(world)
    bundle = json.loads(b"".join(as_fhir(world.network, records)))
    assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "collection")
    given = sorted(entry["resource"]["code"]["text"] for entry in bundle["entry"])
    assert given == ["copd", "peanut"]
    assert json.loads(originals(records)[0])["code"]["text"] == "asthma"
    assert len(originals(records)) == 3


def test_an_archive_opens_with_the_phrase_and_with_no_other(world: World) -> None:
    mine, records = with_history(world)
    data = as_archive(world.network, mine, records)
    assert b"asthma" not in data
    assert b"AllergyIntolerance" not in data
    opened = open_archive(mine.keys, data)
    assert [each.body for each in opened] == [record.body for record in records]
    assert [each.manifest for each in opened] == [record.manifest for record in records]
    with pytest.raises(CannotOpen):
        open_archive(Phrase.random().keys(), data)


def test_a_file_larger_than_a_message_goes_in_and_out_of_an_archive(world: World) -> None:
    mine = world.claimed(compartments=(DIAGNOSIS,))
    scan = secrets.token_bytes(17 * 2**20)
    made = Report(scan, "image/tiff", "Scan", "Upazila", "fever")
    report(world.network, mine, world.hospital, world.statement(mine.alias), made, DIAGNOSIS)
    [record] = world.read_own(mine).records
    assert file_of(record.body) == scan
    [opened] = open_archive(mine.keys, as_archive(world.network, mine, [record]))
    assert opened.body == record.body


def test_an_archive_that_was_altered_cut_or_reordered_does_not_open(world: World) -> None:
    mine, records = with_history(world)
    file = ArchiveFile.decode(as_archive(world.network, mine, records))
    altered = bytearray(file.parts[0])
    altered[-1] ^= 1
    for wrong in ((bytes(altered),), (), file.parts * 2):
        with pytest.raises(CannotOpen):
            open_archive(mine.keys, replace(file, parts=wrong).encode())
    with pytest.raises(CareLedgerError):
        open_archive(mine.keys, replace(file, generation=1).encode())
    with pytest.raises(MalformedBytes):
        open_archive(mine.keys, replace(file, version=2).encode())
    with pytest.raises(MalformedBytes):
        open_archive(mine.keys, file.encode()[:-1])


def test_an_archive_is_imported_under_another_alias_as_the_patients_own_with_its_history(
    world: World,
) -> None:
    mine, records = with_history(world)
    opened = open_archive(mine.keys, as_archive(world.network, mine, records))
    elsewhere = world.claimed(world.clinic)
    writer = world.own_writer(elsewhere)
    statement = world.statement(elsewhere.alias)
    import_archive(world.network, writer, statement, opened)
    again = import_archive(world.network, writer, statement, opened)
    read = world.read_own(elsewhere, BOTH)
    assert sorted(texts(read)) == ["asthma", "copd", "peanut"]
    assert not again.handles
    assert {record.manifest.source for record in read.records} == {"imported"}
    assert {record.manifest.author_signature for record in read.records} == {None}
    assert {record.found.statement.ground for record in read.records} == {Ground.OWN.code}
    assert [record.distrust for record in read.records] == ["", "", ""]
    assert sorted(texts(replace(read, records=tuple(newest(read.records))))) == ["copd", "peanut"]


def test_an_empty_record_is_an_empty_archive_and_bundle(world: World) -> None:
    mine = world.claimed(compartments=())
    assert open_archive(mine.keys, as_archive(world.network, mine, [])) == []
    assert json.loads(b"".join(as_fhir(world.network, []))) == {
        "resourceType": "Bundle",
        "type": "collection",
    }
