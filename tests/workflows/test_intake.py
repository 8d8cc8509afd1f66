"""Files of a registrar's desk: each patient is registered once, under whatever comes, and nobody is merged."""

from __future__ import annotations

import json
from typing import Any

import pytest

from careledger.domain.errors import ImportStopped
from careledger.fhir.split import import_bundle
from careledger.fhir.versions import ImportReport
from careledger.workflows.actors import Staff
from careledger.workflows.import_file import namespace_of
from careledger.workflows.intake import TakenIn, known_alias, patient_version, take_in
from careledger.workflows.link import possible_duplicates
from careledger.workflows.register import identities, kept_aliases, kept_holder
from world import World, texts

NAMED = {"resourceType": "Patient", "id": "p1", "name": [{"given": ["Nur"], "family": "Jahan"}],
         "birthDate": "1988-04-02"}  # fmt: skip


def bundle(*resources: dict[str, Any]) -> bytes:
    entries = [
        {"fullUrl": f"https://example.org/{each['resourceType']}/{each['id']}", "resource": each}
        for each in resources
    ]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()


def condition(text: str, number: int, patient: str = "p1") -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "id": f"c{number}",
        "code": {"text": text},
        "subject": {"reference": f"Patient/{patient}"},
    }


def read(world: World, data: bytes, staff: Staff | None = None, name: str = "file.json") -> ImportReport:
    namespace = namespace_of((staff or world.nurse).organisation)
    return import_bundle(data, name, namespace=namespace)


def taken(world: World, data: bytes, staff: Staff | None = None, **more: Any) -> TakenIn:
    return take_in(world.network, world.session(staff or world.nurse), read(world, data, staff), **more)


def test_a_files_patient_is_registered_once_and_later_files_find_it(world: World) -> None:
    first = taken(world, bundle(NAMED, condition("asthma", 1)))
    again = taken(world, bundle(NAMED, condition("asthma", 1)))
    later = taken(world, bundle(NAMED, condition("gout", 2)))
    assert (first.new, again.new, later.new) == (True, False, False)
    assert {first.alias, again.alias, later.alias} == {first.alias}
    assert (len(first.imported.deposited.handles), len(again.imported.deposited.handles)) == (2, 0)
    assert len(later.imported.deposited.handles) == 1
    holder = kept_holder(world.hospital, first.alias)
    assert sorted(texts(world.read_as_registrar(holder))) == ["asthma", "gout"]
    [row] = [each for each in identities(world.hospital) if each.alias == first.alias]
    assert (row.name, row.birth) == ("Nur Jahan", "1988-04-02")


def test_the_same_person_from_another_source_is_shown_and_not_merged(world: World) -> None:
    one = taken(world, bundle(NAMED, condition("asthma", 1)))
    other = taken(world, bundle({**NAMED, "id": "p2"}, condition("gout", 2, "p2")))
    assert one.alias != other.alias
    alike = [{pair.first, pair.second} for pair in possible_duplicates(world.hospital)]
    assert {one.alias, other.alias} in alike


def test_another_organisation_registers_its_own(world: World) -> None:
    data = bundle(NAMED, condition("asthma", 1))
    here, there = taken(world, data), taken(world, data, world.outsider)
    assert here.alias != there.alias
    assert there.alias not in kept_aliases(world.hospital)
    assert known_alias(world.clinic, patient_version(read(world, data, world.outsider))) == there.alias


@pytest.mark.parametrize(
    "resources", [(condition("asthma", 1),), (NAMED, {**NAMED, "id": "p2"}, condition("asthma", 1))]
)
def test_a_file_of_no_patient_or_several_changes_nothing(world: World, resources: tuple[Any, ...]) -> None:
    before = kept_aliases(world.hospital)
    with pytest.raises(ImportStopped, match="patients"):
        taken(world, bundle(*resources))
    assert kept_aliases(world.hospital) == before


def test_all_or_nothing_registers_nobody_for_a_file_with_a_reject(world: World) -> None:
    before = kept_aliases(world.hospital)
    data = bundle(NAMED, {"resourceType": "Basic", "id": "b", "code": {"text": "x"}})
    with pytest.raises(ImportStopped, match="rejected"):
        taken(world, data, all_or_nothing=True)
    assert kept_aliases(world.hospital) == before
    assert len(taken(world, data).imported.report.rejects) == 1


def test_once_claimed_a_file_without_consent_is_kept_apart(world: World) -> None:
    alias = taken(world, bundle(NAMED, condition("asthma", 1))).alias
    mine = world.claim(kept_holder(world.hospital, alias)).holder
    later = taken(world, bundle(NAMED, condition("gout", 2)))
    assert (later.alias, later.new) == (alias, False)
    conditions = [each for each in world.read_own(mine).records if each.manifest.resource_type == "Condition"]
    said = [(json.loads(each.body.canonical)["code"]["text"], each.apart) for each in conditions]
    assert said == [("asthma", False), ("gout", True)]


def test_lines_are_read_each_and_a_bad_one_is_named(world: World) -> None:
    lines = [json.dumps(NAMED), "", json.dumps(condition("asthma", 1)), '{"resourceType":', "[]"]
    report = read(world, "\n".join(lines).encode(), name="export.ndjson")
    assert [version.resource_type for version in report.versions] == ["Patient", "Condition"]
    assert [reject.index for reject in report.rejects] == [2, 3]
    made = take_in(world.network, world.session(world.nurse), report)
    assert len(made.imported.deposited.handles) == 2
