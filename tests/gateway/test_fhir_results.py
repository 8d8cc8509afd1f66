"""What comes along with matches, in what order and how much of it; and that hidden records leave no trace."""

from __future__ import annotations

import json
from typing import Any

import pytest

from careledger.domain.consents import Permission
from careledger.fhir.sample import sample_file
from gateway.edge_world import JSON, Client, Edge, Reply
from story import VISIT

SMALL = "Shayne60_Rutherford999"


@pytest.fixture(scope="module")
def imported(edge: Edge) -> str:
    """A patient of City Hospital with the first part of a sample file."""
    said = json.loads(sample_file(SMALL))
    said["entry"] = said["entry"][:40]
    reply = edge.client("clerk").ask("", "POST", json.dumps(said).encode(), Content_Type=JSON)
    places = [each["response"]["location"] for each in reply.body["entry"]]
    return next(str(place).split("/")[1] for place in places if place.startswith("Patient/"))


@pytest.fixture
def doctor(edge: Edge) -> Client:
    return edge.client("Dr City")


def by_mode(reply: Reply) -> dict[str, list[Any]]:
    made: dict[str, list[Any]] = {"match": [], "include": [], "outcome": []}
    for each in reply.body["entry"]:
        made[each["search"]["mode"]].append(each["resource"])
    return made


def test_includes_bring_along_what_is_referred_to_and_each_once(doctor: Client, imported: str) -> None:
    found = by_mode(doctor.ask(f"Observation?patient={imported}&_include=Observation:encounter"))
    encounters = {each["encounter"]["reference"] for each in found["match"] if "encounter" in each}
    assert encounters
    included = [f"{each['resourceType']}/{each['id']}" for each in found["include"]]
    assert sorted(included) == sorted(encounters)
    both = by_mode(doctor.ask(f"Encounter?patient={imported}&_revinclude=Observation:encounter&_count=1"))
    (encounter,) = both["match"]
    assert both["include"]
    assert {each["encounter"]["reference"] for each in both["include"]} == {f"Encounter/{encounter['id']}"}


def test_what_is_included_of_a_page_comes_with_that_page(doctor: Client, imported: str) -> None:
    page = doctor.ask(f"Observation?patient={imported}&_include=Observation:encounter&_count=2")
    pages = 0
    while True:
        found = by_mode(page)
        wanted = {each["encounter"]["reference"] for each in found["match"] if "encounter" in each}
        assert {f"{each['resourceType']}/{each['id']}" for each in found["include"]} == wanted
        pages += 1
        following = page.link("next")
        if following is None:
            break
        page = doctor.ask(following)
    assert pages > 1


def test_matches_come_in_the_order_that_is_asked_for(doctor: Client, imported: str) -> None:
    for sort, backwards in (("date", False), ("-date", True)):
        found = by_mode(doctor.ask(f"Observation?patient={imported}&_sort={sort}&_count=1000"))["match"]
        dates = [each["effectiveDateTime"] for each in found if "effectiveDateTime" in each]
        assert len(set(dates)) > 1
        assert dates == sorted(dates, reverse=backwards)


def test_only_the_elements_that_are_wanted_are_shown_and_marked_as_not_all(
    doctor: Client, imported: str
) -> None:
    found = by_mode(doctor.ask(f"Observation?patient={imported}&_elements=code,status"))["match"]
    assert found
    for each in found:
        assert set(each) == {
            "resourceType",
            "id",
            "meta",
            "code",
            "status",
        }  # the last two are also mandatory
        assert each["meta"]["tag"][-1]["code"] == "SUBSETTED"
    whole = doctor.ask(f"Observation/{found[0]['id']}").body
    assert "tag" not in whole["meta"] or whole["meta"]["tag"][-1]["code"] != "SUBSETTED"


def test_a_count_is_the_number_and_nothing_else(doctor: Client, imported: str) -> None:
    every = doctor.ask(f"Observation?patient={imported}&_count=1000").matches
    counted = doctor.ask(f"Observation?patient={imported}&_summary=count")
    assert (counted.body["total"], counted.matches) == (len(every), [])


def test_chains_and_has_look_into_what_is_shown_alone(doctor: Client, imported: str) -> None:
    chained = doctor.ask(f"Observation?patient={imported}&encounter.status=finished&_count=1000").matches
    assert chained
    assert doctor.ask(f"Observation?patient={imported}&encounter.status=cancelled").matches == []
    had = doctor.ask(f"Encounter?patient={imported}&_has:Observation:encounter:status=final").matches
    assert {f"Encounter/{each['id']}" for each in had} == {each["encounter"]["reference"] for each in chained}


def test_records_that_are_hidden_change_nothing_that_a_search_shows(edge: Edge) -> None:
    story, client, patient = edge.story, edge.client("Dr Stay"), edge.story.adam.hex()
    questions = [
        f"Condition?patient={patient}",
        f"Encounter?patient={patient}",
        f"Encounter?patient={patient}&_summary=count",
        f"Condition?patient={patient}&encounter.status=finished",
        f"Condition?patient={patient}&_has:Observation:focus:status=final",
        f"Condition?patient={patient}&_include=Condition:encounter",
        f"Patient/{patient}/$everything?_count=1000",
    ]
    before = [client.ask(each).body for each in questions]
    story.grant(story.adam, story.staff["Dr City"], (VISIT,), Permission.APPEND)
    visit = {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "subject": {"reference": f"Patient/{patient}"},
    }
    writing = edge.client("Dr City")
    for _ in range(5):
        made = writing.ask("Encounter", "POST", json.dumps(visit).encode(), Content_Type=JSON)
        assert made.status == 201, made.body
    after = [edge.client("Dr Stay").ask(each).body for each in questions]
    assert after == before
    assert [client.ask(each).body for each in questions] == before
