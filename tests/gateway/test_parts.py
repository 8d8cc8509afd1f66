"""How much of what is shown a client asks for, and in what form: parts, totals, layout, and what is passed over."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from careledger.fhir.sample import sample_file
from gateway.edge_world import JSON, Client, Edge, Reply

SMALL = "Shayne60_Rutherford999"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def patient(edge: Edge) -> str:
    """A patient of City Hospital with the first part of a sample file."""
    said = json.loads(sample_file(SMALL))
    said["entry"] = said["entry"][:40]
    reply = edge.client("clerk").ask("", "POST", json.dumps(said).encode(), Content_Type=JSON)
    places = [each["response"]["location"] for each in reply.body["entry"]]
    return next(str(place).split("/")[1] for place in places if place.startswith("Patient/"))


@pytest.fixture(scope="module")
def doctor(edge: Edge) -> Client:
    return edge.client("Dr City")


@pytest.fixture(scope="module")
def visit(doctor: Client, patient: str) -> Any:
    return doctor.ask(f"Encounter?patient={patient}").matches[0]


def tags(resource: Any) -> list[str]:
    return [each["code"] for each in resource["meta"].get("tag", ())]


def included(reply: Reply) -> list[Any]:
    return [each["resource"] for each in reply.body["entry"] if each["search"]["mode"] == "include"]


def test_a_summary_is_the_same_in_a_search_a_read_a_version_and_a_history(
    doctor: Client, patient: str, visit: Any
) -> None:
    path, version = f"Encounter/{visit['id']}", visit["meta"]["versionId"]
    for wanted in ("_summary=true", "_summary=data", "_summary=text", "_elements=period"):
        read = doctor.ask(f"{path}?{wanted}")
        assert (read.status, read.headers["ETag"]) == (200, f'W/"{version}"')
        part = read.body
        assert tags(part) == ["SUBSETTED"]
        assert doctor.ask(f"{path}/_history/{version}?{wanted}").body == part
        assert doctor.ask(f"{path}/_history?{wanted}").body["entry"][0]["resource"] == part
        assert doctor.ask(f"Encounter?patient={patient}&_id={visit['id']}&{wanted}").matches == [part]
        everything = doctor.ask(f"Patient/{patient}/$everything?_count=1000&{wanted}").matches
        assert part in everything
        assert all("SUBSETTED" in tags(each) for each in everything)
        assert {"status", "class"} <= set(part)
    whole = doctor.ask(f"{path}?_summary=false").body
    assert whole == visit == doctor.ask(path).body
    assert set(doctor.ask(f"{path}?_summary=text").body) == {"resourceType", "id", "meta", "status", "class"}


def test_what_comes_along_with_a_summary_is_summarised_and_with_elements_is_whole(
    doctor: Client, patient: str
) -> None:
    query = f"Encounter?patient={patient}&_revinclude=Observation:encounter"
    for wanted, parts in (("_summary=true", True), ("_elements=status", False)):
        found = doctor.ask(f"{query}&{wanted}")
        assert found.matches
        assert included(found)
        assert all("SUBSETTED" in tags(each) for each in found.matches)
        assert all(("SUBSETTED" in tags(each)) is parts for each in included(found))
    refused = doctor.ask(f"{query}&_summary=text")
    assert (refused.status, refused.issue[0]) == (400, "invalid")


def test_a_part_is_not_taken_for_the_record_when_it_is_put_back(doctor: Client, visit: Any) -> None:
    path = f"Encounter/{visit['id']}"
    part = doctor.ask(f"{path}?_summary=true").body
    refused = doctor.ask(path, "PUT", json.dumps(part).encode(), Content_Type=JSON)
    assert (refused.status, refused.issue[0]) == (400, "invalid")
    assert doctor.ask(path).body == visit


def test_a_number_is_told_where_it_is_true_and_nobody_asks_for_none(doctor: Client, patient: str) -> None:
    query = f"Observation?patient={patient}&_count=2"
    every = len(doctor.ask(f"Observation?patient={patient}&_count=1000").matches)
    for total in ("accurate", "estimate"):
        assert doctor.ask(f"{query}&_total={total}").body["total"] == every
    page = doctor.ask(f"{query}&_total=none")
    assert "total" not in page.body
    following = page.link("next")
    assert following is not None
    assert "total" not in doctor.ask(following).body
    for counting in ("_summary=count", "_count=0"):
        told = doctor.ask(f"Observation?patient={patient}&{counting}&_total=none")
        assert (told.body["total"], told.matches, told.link("next")) == (every, [], None)
    assert doctor.ask(f"{query}&_total=some").status == 400


def test_a_page_counts_what_may_still_be_seen_when_it_is_asked_for(edge: Edge, patient: str) -> None:
    client = edge.client("Dr City")
    made = []
    for number in range(4):
        body = {"resourceType": "Flag", "status": "active", "code": {"text": f"flag {number}"},
                "subject": {"reference": f"Patient/{patient}"}}  # fmt: skip
        made.append(client.ask("Flag", "POST", json.dumps(body).encode(), Content_Type=JSON).body["id"])
    page = client.ask(f"Flag?patient={patient}&_count=1")
    assert page.body["total"] == 4
    first, following = page.matches[0]["id"], page.link("next")
    gone = next(each for each in made if each != first)
    assert client.ask(f"Flag/{gone}", "DELETE").status == 204
    seen = [first]
    while following is not None:
        page = client.ask(following)
        assert page.body["total"] == 3
        seen += [each["id"] for each in page.matches]
        following = page.link("next")
    assert sorted(seen) == sorted(set(made) - {gone})


def test_a_search_says_by_what_it_was_made_and_what_it_passed_over(doctor: Client, patient: str) -> None:
    query = f"Observation?patient={patient}&status=final&_count=3"
    found = doctor.ask(f"{query}&shoe-size=44&_include=Observation:nothing&_include=Observation:encounter")
    address = found.link("self")
    assert address is not None
    used = parse_qsl(urlsplit(address).query)
    assert used == [*parse_qsl(urlsplit(query).query), ("_include", "Observation:encounter")]
    again = doctor.ask(address)
    assert again.matches == found.matches
    assert "not-supported" not in again.said
    posted = doctor.ask("Observation/_search", "POST", query.split("?")[1].encode(), Content_Type=FORM)
    assert posted.link("self") == f"{doctor.base}/{query}"
    assert found.link("next") is not None
    assert doctor.ask(found.link("next") or "").link("self") == found.link("next")


def test_unknown_parameters_are_passed_over_by_name_or_refused_everywhere_alike(
    edge: Edge, doctor: Client, patient: str, visit: Any
) -> None:
    path, version = f"Encounter/{visit['id']}", visit["meta"]["versionId"]
    for address in (
        path,
        f"{path}/_history",
        f"{path}/_history/{version}",
        f"Patient/{patient}/$summary",
        f"Patient/{patient}/$everything",
        "OperationDefinition/everything",
    ):
        plain, lenient = doctor.ask(address), doctor.ask(f"{address}?shoe-size=44&a%20b=1&_pretty=false")
        assert lenient.status == plain.status == 200
        assert "Warning" not in plain.headers
        assert lenient.headers["Warning"] == '299 - "Not looked at: shoe-size, (no name of a parameter)."'
        refused = doctor.ask(f"{address}?shoe-size=44", Prefer="handling=strict")
        assert (refused.status, refused.issue[0]) == (400, "invalid")
        assert doctor.ask(f"{address}?_format=json&_pretty=true", Prefer="handling=strict").status == 200
    body = json.dumps({"resourceType": "Basic"}).encode()
    for method, address in (("POST", "Basic/$validate"), ("POST", "Basic"), ("PUT", path), ("DELETE", path)):
        sent = {"body": body, "Content_Type": JSON} if method != "DELETE" else {}
        refused = doctor.ask(f"{address}?shoe-size=44", method, Prefer="handling=strict", **sent)  # type: ignore[arg-type]
        assert (refused.status, "shoe-size" in refused.issue[1]) == (400, True), (method, address)
    assert doctor.ask(path).status == 200


def test_a_layout_for_people_changes_no_digit(edge: Edge, doctor: Client, patient: str) -> None:
    query = f"{doctor.base}/Observation?patient={patient}&_count=1000"
    headers = {"Authorization": f"Bearer {doctor.token}"}
    plain, pretty = (
        doctor.pool.request("GET", query + more, headers=headers).data.decode()
        for more in ("", "&_pretty=true")
    )
    assert pretty.count("\n") > 100 > plain.count("\n")
    assert "".join(pretty.split()).replace("&_pretty=true", "") == "".join(plain.split())


def test_a_format_is_named_in_all_the_ways_of_r4(doctor: Client, visit: Any) -> None:
    path = f"Encounter/{visit['id']}"
    for named in (
        "json",
        "application/json",
        "application/fhir+json",
        "application/fhir%2Bjson",
        "text/json",
    ):
        assert doctor.ask(f"{path}?_format={named}", Accept="text/turtle").status == 200, named
    assert doctor.ask(f"{path}?_format=text/turtle", Accept=JSON).status == 406


@pytest.mark.parametrize(
    "wanted", ["_summary=all", "_summary=count", "_elements=,", "_summary=true&_elements=id"]
)
def test_a_read_that_wants_what_cannot_be_is_refused(doctor: Client, visit: Any, wanted: str) -> None:
    refused = doctor.ask(f"Encounter/{visit['id']}?{wanted}")
    assert (refused.status, refused.issue[0]) == (400, "invalid")


def test_of_a_part_that_is_named_without_a_value_everything_is_read(doctor: Client, visit: Any) -> None:
    path = f"Encounter/{visit['id']}"
    assert doctor.ask(f"{path}?_elements=").body == doctor.ask(path).body
