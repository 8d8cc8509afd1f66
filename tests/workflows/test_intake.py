"""Files of a registrar's desk: each patient is registered once, under whatever comes, and nobody is merged."""

from __future__ import annotations

import json
from typing import Any

import pytest

from careledger.domain.errors import ImportStopped
from careledger.fhir.split import import_bundle
from careledger.workflows import staging
from careledger.workflows.actors import Staff
from careledger.workflows.alike import Like, SameContent
from careledger.workflows.deposited import copies_of
from careledger.workflows.epochs import own_statement
from careledger.workflows.from_fhir import staged
from careledger.workflows.import_file import namespace_of
from careledger.workflows.intake import (
    NO_PATIENT,
    UNKNOWN_PATIENT,
    TakenIn,
    import_for,
    judge,
    registered_in,
    take_in,
)
from careledger.workflows.link import possible_duplicates
from careledger.workflows.register import identities, kept_aliases, kept_holder
from careledger.workflows.source_patients import known_alias
from careledger.workflows.staged import Staged
from world import World, texts

RUN = bytes(16)
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


def lines(*resources: dict[str, Any]) -> bytes:
    return "\n".join(json.dumps(each) for each in resources).encode()


def read(world: World, data: bytes, staff: Staff | None = None, name: str = "file.json") -> Staged:
    namespace = namespace_of((staff or world.nurse).organisation)
    return staged(import_bundle(data, name, namespace=namespace))


def taken(
    world: World, data: bytes, staff: Staff | None = None, name: str = "file.json", **more: Any
) -> TakenIn:
    asking = world.session(staff or world.nurse)
    [made] = take_in(world.network, asking, read(world, data, staff, name), run=RUN, **more)[1]
    if made.error is not None:
        raise made.error
    return made


def conditions(world: World, alias: bytes) -> list[str]:
    return sorted(texts(world.read_as_registrar(kept_holder(world.hospital, alias))))


def test_a_files_patient_is_registered_once_and_later_files_find_it(world: World) -> None:
    first = taken(world, bundle(NAMED, condition("asthma", 1)))
    again = taken(world, bundle(NAMED, condition("asthma", 1)))
    later = taken(world, bundle(NAMED, condition("gout", 2)))
    assert (first.new, again.new, later.new) == (True, False, False)
    assert {first.alias, again.alias, later.alias} == {first.alias}
    assert (len(first.deposited.handles), len(again.deposited.handles)) == (2, 0)
    assert len(later.deposited.handles) == 1
    assert first.alias is not None
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


def test_whom_a_new_patient_may_be_is_said_before_and_after_and_nobody_is_merged(world: World) -> None:
    one = taken(world, bundle(NAMED, condition("asthma", 1)))
    other = read(world, bundle({**NAMED, "id": "p2"}, condition("gout", 2, "p2")))
    [foreseen] = judge(world.hospital, other).patients
    [made] = take_in(world.network, world.session(world.nurse), other)[1]
    assert foreseen.like == made.like == (Like(one.alias or b"", "name-and-birth"),)
    assert made.alias != one.alias
    [elsewhere] = judge(world.clinic, other).patients
    assert elsewhere.like == ()


def test_patients_of_one_file_who_look_alike_are_said_too(world: World) -> None:
    both = read(world, bundle(NAMED, {**NAMED, "id": "p2"}, condition("gout", 2, "p2")))
    first, second = take_in(world.network, world.session(world.nurse), both)[1]
    assert (first.like, [each.alias for each in second.like]) == ((), [first.alias])


def test_the_same_content_under_another_name_is_said_and_imported_all_the_same(world: World) -> None:
    dated = {
        **condition("asthma", 1),
        "recordedDate": "2026-01-01",
        "encounter": {"reference": "Encounter/1"},
    }
    first = taken(world, bundle(NAMED, dated))
    [known] = [
        each.record_id for each in read(world, bundle(NAMED, dated)).patients[0].versions if each.index == 1
    ]
    other_name = {
        **dated,
        "id": "other",
        "encounter": {"reference": "Encounter/2"},
        "identifier": [{"value": "7"}],
    }
    again = read(world, bundle(NAMED, other_name, {**dated, "recordedDate": "2026-01-02", "id": "c3"}))
    assert judge(world.hospital, again).patients[0].same == (SameContent(1, known),)
    [made] = take_in(world.network, world.session(world.nurse), again, run=RUN)[1]
    assert (made.alias, made.same, len(made.deposited.handles)) == (first.alias, (SameContent(1, known),), 2)
    assert taken(world, bundle(NAMED, dated)).same == ()


def test_whom_a_file_calls_by_the_alias_is_that_patient_and_is_not_registered_again(world: World) -> None:
    alias = taken(world, bundle(NAMED, condition("asthma", 1))).alias or b""
    before, called = kept_aliases(world.hospital), alias.hex()
    same = bundle({**NAMED, "id": called}, condition("gout", 2, called))
    [foreseen] = judge(
        world.hospital,
        read(world, same),
        registered=registered_in(world.ledger.fresh_head(), read(world, same)),
    ).patients
    with_patient = taken(world, same)
    alone = taken(world, bundle(condition("fever", 3, called)))
    assert foreseen.alias == with_patient.alias == alone.alias == alias
    assert (with_patient.new, kept_aliases(world.hospital)) == (False, before)
    assert conditions(world, alias) == ["asthma", "fever", "gout"]


def test_an_id_that_only_looks_like_an_alias_is_what_the_source_calls_its_patient(world: World) -> None:
    called = "ab" * 32
    first = taken(world, bundle({**NAMED, "id": called}, condition("asthma", 1, called)))
    later = taken(world, bundle(condition("gout", 2, called)))
    assert (first.new, later.new, later.alias) == (True, False, first.alias)
    assert first.alias != bytes.fromhex(called)
    assert conditions(world, first.alias or b"") == ["asthma", "gout"]


def test_another_organisation_registers_its_own(world: World) -> None:
    data = bundle(NAMED, condition("asthma", 1))
    here, there = taken(world, data), taken(world, data, world.outsider)
    assert here.alias != there.alias
    assert there.alias not in kept_aliases(world.hospital)
    assert known_alias(world.clinic, "Patient/p1") == there.alias


def test_a_file_of_no_patient_changes_nothing(world: World) -> None:
    before = kept_aliases(world.hospital)
    with pytest.raises(ImportStopped, match="names no patient"):
        taken(world, bundle({"resourceType": "Practitioner", "id": "d"}))
    assert kept_aliases(world.hospital) == before


def test_lines_of_several_patients_go_each_to_whom_they_are_about_and_the_others_are_named(
    world: World,
) -> None:
    shared = {"resourceType": "Practitioner", "id": "d"}
    data = lines(
        NAMED, {**NAMED, "id": "p2"}, condition("asthma", 1), condition("gout", 2, "p2"),
        condition("fever", 3, "nobody"), shared,
    )  # fmt: skip
    judged, made = take_in(
        world.network, world.session(world.nurse), read(world, data, name="all.ndjson"), all_or_nothing=False
    )
    assert [(each.new, len(each.deposited.handles)) for each in made] == [(True, 2), (True, 2)]
    assert [conditions(world, each.alias or b"") for each in made] == [["asthma"], ["gout"]]
    assert [(each.index, each.why) for each in judged.refusals] == [(4, UNKNOWN_PATIENT), (5, NO_PATIENT)]


def test_a_part_of_a_bulk_export_finds_the_patients_that_an_earlier_part_named(world: World) -> None:
    export = (
        lines({**NAMED, "id": "bulk"}),
        lines(condition("asthma", 1, "bulk"), condition("gout", 2, "other")),
    )
    early = take_in(
        world.network, world.session(world.nurse), read(world, export[1], name="Condition.ndjson")
    )
    assert (len(early[0].refusals), early[1]) == (2, [])
    first = taken(world, export[0], name="Patient.ndjson")
    later = taken(world, export[1], name="Condition.ndjson")
    assert (later.alias, later.new, conditions(world, first.alias or b"")) == (first.alias, False, ["asthma"])


def test_what_a_binary_holds_goes_to_the_patient_of_the_document_that_names_it(world: World) -> None:
    document = {"resourceType": "DocumentReference", "id": "d", "status": "current",
                "subject": {"reference": "Patient/p2"}, "content": [{"attachment": {"url": "Binary/b"}}]}  # fmt: skip
    binary = {"resourceType": "Binary", "id": "b", "contentType": "text/plain", "data": "aGVsbG8="}
    judged, made = take_in(
        world.network,
        world.session(world.nurse),
        read(world, bundle(NAMED, {**NAMED, "id": "p2"}, document, binary)),
    )
    assert ([len(each.deposited.handles) for each in made], judged.refusals) == ([1, 3], ())


def test_a_record_about_somebody_else_is_not_filed_under_the_files_only_patient(world: World) -> None:
    judged, [made] = take_in(
        world.network, world.session(world.nurse), read(world, bundle(NAMED, condition("gout", 2, "other")))
    )
    assert ([each.index for each in judged.refusals], len(made.deposited.handles)) == ([1], 1)


def test_a_file_about_several_patients_is_not_imported_for_one(world: World) -> None:
    holder = world.patient(compartments=())
    both = read(world, bundle(NAMED, {**NAMED, "id": "p2"}, condition("asthma", 1)))
    with pytest.raises(ImportStopped, match="about 2 patients"):
        import_for(world.network, world.session(world.nurse), own_statement(holder)[0], both)
    assert world.read_as_registrar(holder).records == ()


def test_what_fails_for_one_patient_of_a_file_stops_no_other(world: World) -> None:
    alias = taken(world, bundle(NAMED, condition("asthma", 1))).alias or b""
    world.hospital.books.put("holder", [(alias, b"damaged")])
    data = bundle(NAMED, {**NAMED, "id": "p2"}, condition("gout", 2), condition("fever", 3, "p2"))
    _, made = take_in(world.network, world.session(world.nurse), read(world, data))
    assert [(bool(each.error), len(each.deposited.handles)) for each in made] == [(True, 0), (False, 2)]


def test_portions_deposit_what_one_deposit_would(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "MOST_VERSIONS", 2)
    data = bundle(NAMED, *(condition(f"illness {number}", number) for number in range(4)))
    made, again = taken(world, data), taken(world, data)
    assert (len(made.deposited.handles), len(again.deposited.known)) == (5, 5)
    assert conditions(world, made.alias or b"") == [f"illness {number}" for number in range(4)]
    assert len({copies.id for copies in copies_of(world.hospital.books, made.alias)}) == 3


def test_all_or_nothing_registers_nobody_for_a_file_with_a_reject(world: World) -> None:
    before = kept_aliases(world.hospital)
    data = bundle(NAMED, {"resourceType": "Basic", "id": "b", "code": {"text": "x"}})
    with pytest.raises(ImportStopped, match="rejected"):
        taken(world, data, all_or_nothing=True)
    assert kept_aliases(world.hospital) == before
    judged, [made] = take_in(world.network, world.session(world.nurse), read(world, data))
    assert (len(judged.refusals), len(made.deposited.handles)) == (1, 1)


def test_once_claimed_a_file_without_consent_is_kept_apart(world: World) -> None:
    alias = taken(world, bundle(NAMED, condition("asthma", 1))).alias
    assert alias is not None
    mine = world.claim(kept_holder(world.hospital, alias)).holder
    later = taken(world, bundle(NAMED, condition("gout", 2)))
    assert (later.alias, later.new) == (alias, False)
    conditions = [each for each in world.read_own(mine).records if each.manifest.resource_type == "Condition"]
    said = [(json.loads(each.body.canonical)["code"]["text"], each.apart) for each in conditions]
    assert said == [("asthma", False), ("gout", True)]


def test_lines_are_read_each_and_a_bad_one_is_named(world: World) -> None:
    written = [json.dumps(NAMED), "", json.dumps(condition("asthma", 1)), '{"resourceType":', "[]"]
    report = read(world, "\n".join(written).encode(), name="export.ndjson")
    assert report.versions == 2
    judged, [made] = take_in(world.network, world.session(world.nurse), report)
    assert ([each.index for each in judged.refusals], len(made.deposited.handles)) == ([2, 3], 2)
