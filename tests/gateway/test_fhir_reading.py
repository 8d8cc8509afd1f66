"""A post's program reads and searches what patients let the post see, and learns nothing of the rest."""

from __future__ import annotations

import json
import uuid

import pytest

from careledger.fhir.json_text import read
from careledger.fhir.validation.check import examine
from gateway.edge_world import JSON, Edge
from story import ILLNESS, LATER_ILLNESS, NAME


def words(resources: list[dict[str, object]]) -> set[str]:
    return {each["code"]["text"] for each in resources}  # type: ignore[index]


def test_what_the_gateway_can_do_is_told_without_a_token(edge: Edge) -> None:
    told = edge.stranger().ask("metadata")
    assert told.status == 200
    rest = told.body["rest"][0]
    types = {each["type"]: each for each in rest["resource"]}
    assert len(types) == 146
    assert not {"Resource", "DomainResource"} & set(types)
    assert {each["code"] for each in types["Condition"]["interaction"]} >= {"read", "vread", "search-type"}
    names = {each["name"] for each in types["Condition"]["searchParam"]}
    assert {"patient", "code", "onset-date", "_id"} <= names


def test_of_what_it_can_do_as_much_is_told_as_is_wanted(edge: Edge) -> None:
    part = edge.stranger().ask("metadata?_elements=fhirVersion,software").body
    assert part["meta"]["tag"][0]["code"] == "SUBSETTED"
    assert "software" in part
    assert "patchFormat" not in part
    assert edge.stranger().ask("metadata?_summary=true").status == 200
    for wanted in (
        "_elements=fhirVersion",
        "_elements=rest",
        "_elements=id",
        "_summary=text",
        "_summary=true",
    ):
        part = edge.stranger().ask(f"metadata?{wanted}").body
        part["format"] = part["format"][:2]
        assert examine(read(json.dumps(part).encode())).errors == (), wanted
        assert part["implementation"]["url"] == edge.gateway.base
        assert (part["kind"], part["rest"][0]["mode"]) == ("instance", "server")
        assert len(part["rest"][0]) == 1 or "elements=fhirVersion" not in wanted


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_what_it_can_do_is_read_and_nothing_else(edge: Edge, method: str) -> None:
    for client in (edge.stranger(), edge.client("Dr Stay")):
        refused = client.ask("metadata", method, b"{}", Content_Type="application/fhir+json")
        assert (refused.status, refused.issue[0]) == (405, "not-supported")
        assert refused.headers["Allow"] == "GET, HEAD"
    refused = edge.stranger().ask("metadata?_summary=everything")
    assert (refused.status, refused.issue[0]) == (400, "invalid")


def test_a_search_in_a_patients_compartment_shows_what_is_shared_and_names_what_is_not(edge: Edge) -> None:
    found = edge.client("Dr Stay").ask(f"Condition?patient=Patient/{edge.story.adam.hex()}")
    assert found.status == 200
    assert {ILLNESS, LATER_ILLNESS} <= words(found.matches)
    assert found.body["total"] == len(found.matches)
    assert "visit" in found.said["suppressed"]
    assert "diagnosis" not in found.said["suppressed"]
    assert "incomplete" in found.said


def test_what_matches_is_shown_and_nothing_else(edge: Edge) -> None:
    client, patient = edge.client("Dr Stay"), edge.story.adam.hex()
    every = client.ask(f"Condition?patient={patient}").matches
    for query, expected in (
        ("recorded-date=2026-05-04", {ILLNESS, LATER_ILLNESS}),
        ("recorded-date=lt1900", set()),
        (f"_id={every[0]['id']}", words(every[:1])),
        (f"_id={every[0]['id']},{every[1]['id']}", words(every[:2])),
    ):
        found = client.ask(f"Condition?patient={patient}&{query}")
        assert found.status == 200, found.body
        assert words(found.matches) == expected, query
    posted = client.ask(
        "Condition/_search",
        "POST",
        f"patient={patient}&_id={every[0]['id']}".encode(),
        Content_Type="application/x-www-form-urlencoded",
    )
    assert [each["id"] for each in posted.matches] == [every[0]["id"]]


def test_one_record_is_read_at_its_version_with_its_tag(edge: Edge) -> None:
    client, patient = edge.client("Dr Stay"), edge.story.adam.hex()
    one = client.ask(f"Condition?patient={patient}").matches[0]
    read = client.ask(f"Condition/{one['id']}")
    assert (read.status, read.body) == (200, one)
    assert read.headers["ETag"] == f'W/"{one["meta"]["versionId"]}"'
    assert "GMT" in read.headers["Last-Modified"]
    again = client.ask(f"Condition/{one['id']}", If_None_Match=read.headers["ETag"])
    assert (again.status, again.body) == (304, None)
    since = client.ask(f"Condition/{one['id']}", If_Modified_Since=read.headers["Last-Modified"])
    assert (since.status, since.body) == (304, None)
    for header in ("Thu, 01 Jan 1970 00:00:00 GMT", "yesterday", ""):
        assert client.ask(f"Condition/{one['id']}", If_Modified_Since=header).status == 200
    at = client.ask(f"Condition/{one['id']}/_history/{one['meta']['versionId']}")
    assert (at.status, at.body) == (200, one)
    history = client.ask(f"Condition/{one['id']}/_history").body
    assert (history["type"], history["total"], history["entry"][0]["resource"]) == ("history", 1, one)
    assert client.ask(f"Condition/{one['id']}/_history/{'0' * 64}").status == 404


def test_references_lead_to_what_is_shown_and_stay_as_they_are_to_what_is_not(edge: Edge) -> None:
    client, patient = edge.client("Dr Stay"), edge.story.adam.hex()
    found = client.ask(f"Condition?patient={patient}").matches
    subjects = {each["subject"].get("reference", "") for each in found}
    assert any(reference.startswith("urn:uuid:") for reference in subjects)
    assert (
        f"Patient/{patient}" not in subjects
    )  # the Patient record is general information, which is not shared
    hidden = [each["encounter"]["reference"] for each in found if "encounter" in each]
    assert all(reference.startswith("urn:uuid:") for reference in hidden)


def test_a_patient_whose_general_information_is_not_shared_is_the_alias_and_nothing_more(edge: Edge) -> None:
    client, patient = edge.client("Dr Stay"), edge.story.adam.hex()
    read = client.ask(f"Patient/{patient}")
    assert read.body == {
        "resourceType": "Patient",
        "id": patient,
        "identifier": [{"system": "urn:careledger:alias", "value": patient}],
    }
    assert "ETag" not in read.headers


def test_everything_comes_page_by_page_and_once(edge: Edge) -> None:
    client, patient = edge.client("Dr Stay"), edge.story.adam.hex()
    whole = client.ask(f"Patient/{patient}/$everything")
    names = [(each["resourceType"], each["id"]) for each in whole.matches]
    assert len(set(names)) == len(names) > 3
    page = client.ask(f"Patient/{patient}/$everything?_count=2")
    seen = page.matches
    while (following := page.link("next")) is not None:
        assert patient not in following
        page = client.ask(following)
        assert 0 < len(page.matches) <= 2
        seen += page.matches
    assert [(each["resourceType"], each["id"]) for each in seen] == names
    assert page.body["total"] == len(names)


def test_everything_names_what_it_does_not_look_at_and_refuses_it_under_strict_handling(edge: Edge) -> None:
    client, path = edge.client("Dr Stay"), f"Patient/{edge.story.adam.hex()}/$everything"
    whole = client.ask(path)
    page = client.ask(f"{path}?until=2021&from=2020&_count=2&_format=json")
    following = page.link("next")
    assert following is not None
    for each in (page, client.ask(following)):
        assert each.said["not-supported"] == "Not looked at: until, from."
    assert "not-supported" not in whole.said
    refused = client.ask(f"{path}?from=2020", Prefer="respond-async, handling=strict; wait=9")
    assert (refused.status, refused.issue[0]) == (400, "invalid")
    assert client.ask(f"{path}?from=2020", Prefer="xhandling=strict").status == 200


def test_who_is_registered_here_is_found_by_the_organisations_own_table_alone(edge: Edge) -> None:
    found = edge.client("clerk").ask(f"Patient?name={NAME}")
    assert [each["id"] for each in found.matches] == [edge.story.adam.hex()]
    assert edge.client("Dr Stay").ask(f"Patient?name={NAME}").matches == []


def test_who_is_registered_here_comes_page_by_page_and_once(edge: Edge) -> None:
    clerk = edge.client("clerk")
    people = [{"resourceType": "Patient", "name": [{"text": f"Shefali {number}"}]} for number in range(3)]
    entries = [{"request": {"method": "POST", "url": "Patient"}, "resource": each} for each in people]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    taken = clerk.ask("", "POST", json.dumps(bundle).encode(), Content_Type=JSON)
    assert taken.status == 200, taken.body
    page = clerk.ask("Patient?name=Shefali&_count=1")
    assert page.body["total"] == 3
    seen = [each["id"] for each in page.matches]
    while (following := page.link("next")) is not None:
        page = clerk.ask(following)
        seen += [each["id"] for each in page.matches]
    assert len(set(seen)) == len(seen) == 3
    assert edge.client("Dr Stay").ask("Patient?name=Shefali").matches == []


# Refusals ------------------------------------------------------------------------------------------


def test_a_revoked_reader_is_refused_with_the_reason(edge: Edge) -> None:
    for path in ("Condition?patient={}", "Patient/{}", "Patient/{}/$everything"):
        refused = edge.client("Dr Lake").ask(path.format(edge.story.adam.hex()))
        assert refused.status == 403
        code, said = refused.issue
        assert code == "forbidden"
        assert said.startswith("The consent was revoked.")


def test_what_is_not_shared_answers_as_what_is_not_there(edge: Edge) -> None:
    client, patient = edge.client("Dr Stay"), edge.story.adam.hex()
    client.ask(f"Condition?patient={patient}")
    unshared = next(
        each
        for each in edge.story.read_own(edge.story.adam).records
        if each.manifest.resource_type == "Encounter"
    )
    hidden = str(uuid.UUID(bytes=unshared.manifest.record_id))
    answers = [client.ask(f"Encounter/{id}") for id in (hidden, str(uuid.uuid4()))]
    assert [each.status for each in answers] == [404, 404]
    assert answers[0].body == answers[1].body
    versions = [client.ask(f"Encounter/{id}/_history") for id in (hidden, str(uuid.uuid4()))]
    assert versions[0].body == versions[1].body
    found = client.ask(f"Encounter?patient={patient}")
    assert (found.matches, found.body["total"]) == ([], 0)
    assert edge.client("Dr Stay").ask(f"Patient/{'0' * 64}").status == 404


def test_a_search_that_names_too_many_is_too_costly_before_anything_is_looked_at(edge: Edge) -> None:
    many = ",".join(f"{number:064x}" for number in range(1, 12))
    assert edge.client("Dr Stay").ask(f"Condition?patient={many}").issue[0] == "too-costly"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("Conditions?patient={}", 404, "not-found"),
        ("Condition?patient={}&recorded-date=2026-02-31", 400, "invalid"),
        ("Condition?patient={}&_count=many", 400, "invalid"),
        ("Condition?patient={}&%FF", 400, "invalid"),
        ("?_page=unknown", 410, "expired"),
        ("", 400, "invalid"),
        ("Condition/1/2/3", 404, "not-found"),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong(edge: Edge, path: str, status: int, code: str) -> None:
    refused = edge.client("Dr Stay").ask(path.format(edge.story.adam.hex()))
    assert (refused.status, refused.issue[0]) == (status, code)


def test_an_unknown_parameter_is_named_or_refused_if_the_client_is_strict(edge: Edge) -> None:
    client, query = edge.client("Dr Stay"), f"Condition?patient={edge.story.adam.hex()}&shoe-size=44"
    found = client.ask(query)
    assert found.matches
    assert "shoe-size" in found.said["not-supported"]
    refused = client.ask(query, Prefer="handling=strict")
    assert (refused.status, refused.issue[0]) == (400, "invalid")


def test_only_fhirs_forms_are_made_and_only_loopback_is_answered(edge: Edge) -> None:
    client = edge.client("Dr Stay")
    assert client.ask("metadata", Accept="text/turtle").status == 406
    assert client.ask("metadata?_format=ttl").status == 406
    assert client.ask("metadata?_format=json", Accept="text/html").status == 200
    assert client.ask("metadata", Host="records.example").status == 421


def test_a_page_is_for_whom_it_was_made(edge: Edge) -> None:
    client = edge.client("Dr Stay")
    page = client.ask(f"Patient/{edge.story.adam.hex()}/$everything?_count=1").link("next")
    assert page is not None
    other = edge.client("Dr Stay").ask(page)
    assert (other.status, other.issue[0]) == (410, "expired")
    assert client.ask(page).status == 200


def test_a_page_is_found_under_the_address_of_a_type_too(edge: Edge) -> None:
    """Some clients keep of a link what stands behind its question mark."""
    client = edge.client("Dr Stay")
    page = client.ask(f"Condition?patient={edge.story.adam.hex()}&_count=1").link("next")
    assert page is not None
    query = page.partition("?")[2]
    assert [each["id"] for each in client.ask(f"Condition?{query}").matches] == [
        each["id"] for each in client.ask(page).matches
    ]
    assert client.ask(f"Condition?{query}&_page=x").status == 400
    assert client.ask(f"Condition?{query}&code=x", Prefer="handling=strict").status == 400
    assert edge.client("Dr Stay").ask(f"Condition?{query}").status == 410


def test_a_date_that_is_none_says_nothing(edge: Edge) -> None:
    client = edge.client("Dr Stay")
    one = client.ask(f"Condition?patient={edge.story.adam.hex()}").matches[0]
    for said in ("1 Jan 99999999999 00:00:00 GMT", "Sun, 06 Nov 1994 08:49:37 +99999999999999", "yesterday"):
        assert client.ask(f"Condition/{one['id']}", If_Modified_Since=said).status == 200


def test_everything_of_a_time_is_what_care_of_it_says_and_what_says_no_time(edge: Edge) -> None:
    client, path = edge.client("Dr Stay"), f"Patient/{edge.story.adam.hex()}/$everything"

    def named(query: str) -> set[str]:
        found = client.ask(f"{path}?_count=1000&{query}", Prefer="handling=strict")
        assert found.status == 200, found.body
        return {f"{each['resourceType']}/{each['id']}" for each in found.matches}

    recorded = {
        f"Condition/{each['id']}": each["recordedDate"]
        for each in client.ask(f"{path}?_count=1000").matches
        if each.get("recordedDate") and not {"onsetDateTime", "onsetPeriod"} & set(each)
    }
    day = max(recorded.values())[:10]
    that_day = {name for name, date in recorded.items() if date.startswith(day)}
    whole = named("")
    assert that_day <= named(f"start={day}") & named(f"end={day}") & named(f"start={day}&end={day}")
    for query in ("end=1900", "start=2999", "start=1900-01&end=1900-02-03"):
        assert named(query) & set(recorded) == set(), query
        assert edge.story.adam.hex() in {each.partition("/")[2] for each in named(query)}
    assert named("start=1900&end=2999") == whole
    asked = [{"name": "start", "valueDate": "2999-01-01"}, {"name": "_count", "valueInteger": 1000}]
    body = json.dumps({"resourceType": "Parameters", "parameter": asked}).encode()
    posted = client.ask(path, "POST", body, Content_Type=JSON, Prefer="handling=strict")
    assert {f"{each['resourceType']}/{each['id']}" for each in posted.matches} == named("start=2999")
    page = client.ask(f"{path}?start=1900&end={day}&_count=1")
    assert f"start=1900&end={day}" in str(page.link("self"))
    for query, where in (("start=today", "start"), ("end=2021-02-30", "end"), ("start=2021&end=2020", "end")):
        refused = client.ask(f"{path}?{query}")
        assert (refused.status, refused.issue[0]) == (400, "invalid")
        assert where in refused.issue[1]
    assert edge.stranger().ask(f"{path}?start=2020").status == 401
    assert edge.client("Dr Lake").ask(f"{path}?start=2020").status == 403
