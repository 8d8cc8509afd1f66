"""What R4's pages on HTTP, and the RFCs that they stand on, ask of every answer, looked at one by one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from careledger.domain.consents import Permission
from careledger.fhir.json_text import read
from careledger.fhir.validation.check import examine
from gateway.edge_world import JSON, Client, Edge, Reply
from gateway.test_scopes import app
from gateway.ward import Ward
from story import DIAGNOSIS

XML = "application/fhir+xml"


@pytest.fixture(scope="module")
def doctor(edge: Edge) -> Client:
    for permission in (Permission.VIEW, Permission.APPEND):
        edge.story.grant(edge.story.adam, edge.story.staff["Dr City"], (DIAGNOSIS,), permission)
    return edge.client("Dr City")


def condition(alias: str, words: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "code": {"text": words},
        "subject": {"reference": f"Patient/{alias}"},
    } | more


def send(client: Client, path: str, body: object, method: str = "POST", **headers: str) -> Reply:
    return client.ask(path, method, json.dumps(body).encode(), **({"Content_Type": JSON} | headers))


@pytest.fixture
def made(edge: Edge, doctor: Client) -> Reply:
    reply = send(doctor, "Condition", condition(edge.story.adam.hex(), "a first word"))
    assert reply.status == 201
    return reply


def path_of(made: Reply) -> str:
    return f"Condition/{made.body['id']}"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_version_that_the_client_has_is_not_sent_again(doctor: Client, made: Reply, method: str) -> None:
    tag, path = made.headers["ETag"], path_of(made)
    for known in (tag, tag.removeprefix("W/"), "*", f'W/"other", {tag}'):
        assert doctor.ask(path, method, If_None_Match=known).status == 304, known
    when = made.headers["Last-Modified"]
    assert doctor.ask(path, method, If_Modified_Since=when).status == 304
    for unknown in ('W/"other"', '"other"', ""):
        assert doctor.ask(path, method, If_None_Match=unknown, If_Modified_Since=when).status == 200, unknown
    assert doctor.ask(path, method, If_Modified_Since="yesterday").status == 200


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("application/fhir+json;q=0, */*", XML),
        ("*/*;q=0.1, application/xml", "application/xml"),
        ("application/xml;q=0.5, application/json;q=0.6", "application/json"),
        ("application/xml, application/json", "application/xml"),
        ("application/json", "application/json"),
        ("text/json", "text/json"),
        ("text/xml; charset=utf-8", "text/xml"),
        ("application/json, text/plain, */*", JSON),
        ("application/json, application/fhir+json", JSON),
        ("text/html, application/xhtml+xml, */*;q=0.8", JSON),
        ("application/fhir+xml; fhirVersion=4.0", XML),
        ("application/fhir+json; fhirVersion=3.0, application/fhir+xml;q=0.1", XML),
        ("application/*", JSON),
        ("application/fhir+json; fhirVersion=3.0", ""),
        ("application/fhir+json;q=0", ""),
        ("text/turtle", ""),
    ],
)
def test_the_form_is_the_one_that_the_client_likes_best(edge: Edge, accept: str, form: str) -> None:
    reply = edge.stranger().pool.request("GET", f"{edge.gateway.base}/metadata", headers={"Accept": accept})
    said = f"{form or JSON}; charset=utf-8"
    assert (reply.status, reply.headers["Content-Type"]) == (200 if form else 406, said)
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    if form.endswith("json"):
        assert json.loads(reply.data)["resourceType"] == "CapabilityStatement"


def test_a_body_in_no_form_that_is_taken_is_an_unsupported_media_type(edge: Edge, doctor: Client) -> None:
    body = json.dumps(condition(edge.story.adam.hex(), "never kept")).encode()
    for kind in (
        "text/plain",
        "application/pdf",
        f"{JSON}; fhirVersion=3.0",
        f"{JSON}; charset=iso-8859-1",
        "",
    ):
        reply = doctor.ask("Condition", "POST", body, Content_Type=kind)
        assert (reply.status, reply.issue[0]) == (415, "not-supported"), kind
    form, latin = "application/x-www-form-urlencoded", "charset=iso-8859-1"
    assert doctor.ask("Condition/_search", "POST", b"code=x", Content_Type=f"{form}; {latin}").status == 415
    assert (
        doctor.ask("Condition/_search", "POST", b"code=x", Content_Type=f"{form};charset=UTF-8").status == 200
    )
    for kind in (f'{JSON}; fhirVersion=4.0; Charset="UTF-8"', "application/json"):
        assert doctor.ask("Condition", "POST", body, Content_Type=kind).status == 201, kind


def test_what_is_no_type_of_r4_is_not_found(doctor: Client) -> None:
    for method, path in (
        ("GET", "Potion/1"),
        ("GET", "Potion"),
        ("DELETE", "Potion/1"),
        ("GET", "Potion/1/_history"),
    ):
        reply = doctor.ask(path, method)
        assert (reply.status, reply.issue[0]) == (404, "not-found"), path


def test_a_method_that_is_not_answered_says_which_are(edge: Edge, doctor: Client) -> None:
    of_one = doctor.ask("Condition/1", "POST")
    assert (of_one.status, of_one.headers["Allow"]) == (405, "DELETE, GET, HEAD, PATCH, PUT")
    beside = Client(edge.gateway.url).ask("api/v1/parties", "DELETE")
    assert (beside.status, "GET" in beside.headers["Allow"]) == (405, True)
    hidden = f"Condition/{'0' * 8}-0000-4000-8000-{'0' * 12}"
    refused = send(doctor, hidden, condition("0" * 64, "x", id=hidden.split("/")[1]), "PUT")
    assert (refused.status, refused.headers["Allow"]) == (405, "GET, HEAD")


def test_whoever_is_turned_away_hears_whether_it_was_the_token(edge: Edge) -> None:
    assert edge.stranger().ask("Condition").headers["WWW-Authenticate"] == 'Bearer realm="careledger"'
    refused = edge.stranger("clt_none").ask("Condition")
    assert refused.headers["WWW-Authenticate"] == 'Bearer realm="careledger", error="invalid_token"'


def test_the_history_of_a_record_comes_by_pages_and_since_a_time(doctor: Client, made: Reply) -> None:
    path = path_of(made)
    for words in ("a second word", "a third word"):
        assert send(doctor, path, {**made.body, "code": {"text": words}}, "PUT").status == 200
    whole = doctor.ask(f"{path}/_history").body
    assert (whole["total"], len(whole["entry"])) == (3, 3)
    assert [each["relation"] for each in whole["link"]] == ["self"]
    for entry in whole["entry"]:
        assert entry["response"]["lastModified"] == entry["resource"]["meta"]["lastUpdated"]
        assert entry["response"]["etag"] == f'W/"{entry["resource"]["meta"]["versionId"]}"'
    assert [each["request"]["method"] for each in whole["entry"]] == ["PUT", "PUT", "POST"]
    page, paged = doctor.ask(f"{path}/_history?_count=2", Prefer="handling=strict"), []
    for _ in range(2):
        assert page.body["total"] == 3
        paged += page.body["entry"]
        onward = page.link("next")
        page = doctor.ask(onward) if onward else page
    assert (paged, onward) == (whole["entry"], None)
    first = whole["entry"][-1]["resource"]["meta"]["lastUpdated"]
    assert doctor.ask(f"{path}/_history?_since={first}").body["total"] == 3
    assert "entry" not in doctor.ask(f"{path}/_history?_since=2199-01-01T00:00:00Z").body
    assert doctor.ask(f"{path}/_history?_since=yesterday").status == 400


def test_every_entry_of_every_bundle_has_a_name_of_its_own(edge: Edge, doctor: Client, made: Reply) -> None:
    alias = edge.story.adam.hex()
    for path in (
        f"Condition?patient={alias}",
        f"Patient/{alias}/$everything",
        f"{path_of(made)}/_history",
        "_history",
    ):
        bundle = doctor.ask(path).body
        names = [
            (each["fullUrl"], each.get("resource", {}).get("meta", {}).get("versionId"))
            for each in bundle["entry"]
        ]
        assert len(set(names)) == len(names), path
        assert examine(read(json.dumps(bundle).encode())).errors == (), path
    again = [doctor.ask(f"Condition?patient={alias}").body["entry"] for _ in range(2)]
    assert again[0] == again[1]


def test_a_resource_to_validate_may_come_in_parameters(edge: Edge, doctor: Client) -> None:
    good, bad = condition(edge.story.adam.hex(), "never kept"), {"resourceType": "Condition"}

    def judged(resource: Any, *more: Any, **headers: str) -> Reply:
        given = [{"name": "resource", "resource": resource}, *more]
        return send(
            doctor, "Condition/$validate", {"resourceType": "Parameters", "parameter": given}, **headers
        )

    assert judged(good).issue == ("informational", "This is valid FHIR R4.")
    assert {each["severity"] for each in judged(bad).body["issue"]} == {"error"}
    mode = {"name": "mode", "valueCode": "create"}
    assert judged(good, mode).body["issue"][-1]["expression"] == ["mode"]
    assert judged(good, mode, Prefer="handling=strict").status == 400
    assert send(doctor, "Condition/$validate", {"resourceType": "Parameters"}).status == 400


def test_everything_may_be_asked_for_by_post_of_some_types_and_since_a_time(
    edge: Edge, doctor: Client
) -> None:
    path = f"Patient/{edge.story.adam.hex()}/$everything"

    def asked(*given: Any, **headers: str) -> Reply:
        said = {"parameter": list(given)} if given else {}
        return send(doctor, path, {"resourceType": "Parameters"} | said, **headers)

    kinds = {"name": "_type", "valueCode": "Patient"}
    whole = {each["id"] for each in doctor.ask(path).matches}
    assert {each["id"] for each in asked().matches} == whole
    assert {each["resourceType"] for each in asked(kinds).matches} == {"Patient"}
    assert [each["resourceType"] for each in doctor.ask(f"{path}?_type=Patient").matches] == ["Patient"]
    assert {
        each["resourceType"]
        for each in asked({"name": "_since", "valueInstant": "2199-01-01T00:00:00Z"}).matches
    } <= {"Patient"}
    assert doctor.ask(f"{path}?_type=Potion").status == 400
    other = {"name": "from", "valueDate": "2020"}
    assert "from" in asked(other).said["not-supported"]
    assert asked(other, Prefer="handling=strict").status == 400


def test_an_operation_and_a_search_are_posted_without_a_body_too(edge: Edge, doctor: Client) -> None:
    alias = edge.story.adam.hex()
    for path, kind in (("$everything", "searchset"), ("$summary", "document")):
        reply = doctor.ask(f"Patient/{alias}/{path}", "POST")
        assert (reply.status, reply.body["type"]) == (200, kind)
    found, again = (
        doctor.ask(f"Condition?patient={alias}"),
        doctor.ask(f"Condition/_search?patient={alias}", "POST"),
    )
    assert {each["id"] for each in again.matches} == {each["id"] for each in found.matches}
    begun = doctor.ask("$export", "POST", Prefer="respond-async", Accept=JSON)
    assert begun.status == 202
    assert doctor.ask(begun.headers["Content-Location"], "DELETE").status == 202
    assert doctor.ask("Condition", "POST").status == 400


def test_a_patch_finds_its_record_by_a_search(edge: Edge, doctor: Client) -> None:
    alias = edge.story.adam.hex()
    for code in ("one-of-a-kind", "twin", "twin"):
        said = condition(alias, code, code={"coding": [{"system": "urn:test", "code": code}]})
        assert send(doctor, "Condition", said).status == 201
    patch = json.dumps([{"op": "add", "path": "/code/text", "value": "patched"}]).encode()

    def patched(search: str, client: Client = doctor) -> Reply:
        return client.ask(f"Condition?{search}", "PATCH", patch, Content_Type="application/json-patch+json")

    done = patched(f"patient={alias}&code=one-of-a-kind")
    assert (done.status, done.body["code"]["text"]) == (200, "patched")
    assert patched(f"patient={alias}&code=twin").status == 412
    assert patched(f"patient={alias}&code=nothing").status == 404
    assert patched("code=one-of-a-kind").status == 400
    stranger = patched(f"patient={alias}&code=one-of-a-kind", edge.client("Dr Lake"))
    assert stranger.status == 403


def test_an_own_record_is_changed_by_whoever_reads_it_though_nothing_is_open(edge: Edge) -> None:
    ward = Ward(edge)
    made = send(ward.reader, "Condition", condition(ward.patient().alias.hex(), "first"))
    path, later, nurse = path_of(made), ward.reader, edge.client("clerk")
    assert nurse.ask(path).status == 404
    for client, status in ((nurse, 405), (edge.client("Dr Lake"), 405), (later, 200)):
        reply = send(client, path, {**made.body, "code": {"text": "second"}}, "PUT")
        assert reply.status == status, reply.body
    patch = json.dumps([{"op": "replace", "path": "/code/text", "value": "third"}]).encode()
    for client, status in ((nurse, 405), (ward.reader, 200)):
        assert client.ask(path, "PATCH", patch, Content_Type="application/json-patch+json").status == status
    assert ward.reader.ask(path).body["code"]["text"] == "third"


def person(family: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": "of-no-matter", "name": [{"family": family}]} | more


def test_a_patient_is_created_and_by_an_identifier_only_once(edge: Edge) -> None:
    clerk, doctor = edge.client("clerk"), edge.client("Dr City")
    made = send(clerk, "Patient", person("Newcomer"))
    assert (made.status, made.body["name"]) == (201, [{"family": "Newcomer"}])
    alias = made.body["id"]
    assert made.headers["Location"].endswith(f"Patient/{alias}/_history/{made.body['meta']['versionId']}")
    assert clerk.ask("Patient?name=Newcomer").matches[0]["id"] == alias
    assert send(doctor, "Condition", condition(alias, "of the newcomer")).status == 201
    assert send(clerk, "Patient", person("Newcomer")).body["id"] != alias
    numbered = person("Numbered", identifier=[{"system": "urn:test:number", "value": "7"}])
    once, again = send(clerk, "Patient", numbered), send(clerk, "Patient", numbered)
    assert (once.status, again.status, again.body["id"]) == (201, 200, once.body["id"])
    keyed = [send(clerk, "Patient", person("Keyed"), Idempotency_Key="desk-9") for _ in range(2)]
    assert {each.body["id"] for each in keyed} == {keyed[0].body["id"]}
    assert send(clerk, "Patient", person("Other"), Idempotency_Key="desk-9").status == 422


def test_nobody_is_registered_by_what_is_no_patient_or_by_who_may_not(edge: Edge) -> None:
    clerk = edge.client("clerk")
    before = clerk.ask("Patient?_summary=count").body["total"]
    unfit: list[Any] = [{"resourceType": "Group"}, person("x", contained={}), []]
    for wrong in [person("x", birthDate="31.2.1999"), *unfit]:
        assert send(clerk, "Patient", wrong).status == 400
    assert send(clerk, "Patient", person("x"), If_None_Exist="name=x").status == 400
    scoped = app(edge, "clerk", "user/Condition.cruds")
    assert send(scoped, "Patient", person("x")).status == 403
    assert clerk.ask("Patient?_summary=count").body["total"] == before


def test_clients_that_name_the_address_or_leave_a_plus_unescaped_are_understood(
    edge: Edge, doctor: Client, made: Reply
) -> None:
    said, id = condition(edge.story.adam.hex(), "never"), made.body["id"]
    for before in (f"{edge.gateway.base}/Condition", "Condition", ""):
        found = send(doctor, "Condition", said, If_None_Exist=f"{before}?_id={id}")
        assert (found.status, found.body["id"]) == (200, id), before
    assert send(doctor, "Condition", said, If_None_Exist=f"Observation?_id={id}").status == 400
    assert doctor.ask("Condition/_history?_since=1970-01-01T00:00:00.000+00:00").status == 200
    path = f"Condition?patient={edge.story.adam.hex()}&_lastUpdated="
    assert doctor.ask(f"{path}ge1970-01-01T05:30:00+05:30").matches
    assert doctor.ask(f"{path}lt1970-01-01T05:30:00+05:30").matches == []


def test_a_record_is_not_taken_back_by_who_knows_an_older_version(edge: Edge) -> None:
    ward = Ward(edge)
    alias = ward.patient().alias.hex()
    made = send(ward.reader, "Condition", condition(alias, "first"))
    path = path_of(made)
    changed = send(ward.reader, path, {**made.body, "code": {"text": "second"}}, "PUT")
    assert changed.status == 200, changed.body
    refused = ward.reader.ask(path, "DELETE", If_Match=made.headers["ETag"])
    assert (refused.status, refused.issue[0]) == (412, "conflict")
    assert ward.reader.ask(path).status == 200
    assert ward.reader.ask(path, "DELETE", If_Match=changed.headers["ETag"]).status == 204
    assert ward.reader.ask(path).status == 410
