"""Bundles about patients whom the asker names by their alias, and batches of whatever may be asked by itself."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from careledger.domain.consents import Permission
from careledger.domain.parties import Role
from careledger.gateway.entries import Sent
from careledger.workflows.chart import copies
from careledger.workflows.register import kept_aliases
from gateway.edge_world import JSON, Client, Edge, Reply
from gateway.test_api_writing import client as api
from gateway.test_api_writing import employed
from gateway.test_own_reads import count, noted
from gateway.test_preferences import awaited
from gateway.test_scopes import app
from gateway.ward import Ward
from story import DIAGNOSIS, ILLNESS

Entry = dict[str, Any]


@pytest.fixture(scope="module")
def ward(edge: Edge) -> Ward:
    return Ward(edge)


@pytest.fixture
def alias(ward: Ward) -> str:
    return ward.patient().alias.hex()


def condition(alias: str, words: str, **more: Any) -> dict[str, Any]:
    coded = {"coding": [{"system": "urn:test", "code": words}], "text": words}
    return {"resourceType": "Condition", "code": coded, "subject": {"reference": f"Patient/{alias}"}} | more


def asks(method: str, url: str, resource: Any = None, **request: str) -> Entry:
    made: Entry = {"request": {"method": method, "url": url} | request}
    return made if resource is None else made | {"resource": resource}


def send(client: Client, kind: str, *entries: Entry, **headers: str) -> Reply:
    bundle = {"resourceType": "Bundle", "type": kind} | ({"entry": list(entries)} if entries else {})
    return client.ask("", "POST", json.dumps(bundle).encode(), Content_Type=JSON, **headers)


def statuses(reply: Reply) -> list[str]:
    return [each["response"]["status"] for each in reply.body["entry"]]


def made(client: Client, alias: str, words: str) -> Reply:
    reply = client.ask("Condition", "POST", json.dumps(condition(alias, words)).encode(), Content_Type=JSON)
    assert reply.status == 201
    return reply


@pytest.mark.parametrize("kind", ["transaction", "batch"])
def test_the_work_of_a_bundle_grows_with_its_entries_and_not_with_their_pairs(
    ward: Ward, alias: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compared(one: Sent, other: object) -> bool:
        raise AssertionError("two entries of a Bundle were compared")

    monkeypatch.setattr(Sent, "__eq__", compared)
    said = [asks("POST", "Condition", condition(alias, f"{kind} work {each}")) for each in range(3)]
    if kind == "batch":
        said.insert(1, asks("GET", f"Patient/{alias}"))
    assert {each[:3] for each in statuses(send(ward.reader, kind, *said))} <= {"200", "201"}


@pytest.mark.parametrize("kind", ["transaction", "batch"])
def test_a_patient_who_is_sent_back_under_the_alias_is_nobody_new(ward: Ward, alias: str, kind: str) -> None:
    doctor, before = ward.reader, kept_aliases(ward.city)
    read = doctor.ask(f"Patient/{alias}").body
    sent = [
        asks("POST", "Patient", read),
        asks("POST", "Condition", condition(alias, f"{kind} with patient")),
    ]
    reply = send(doctor, kind, *sent)
    assert statuses(reply) == ["201 Created"] * 2
    assert kept_aliases(ward.city) == before
    seen = doctor.ask(reply.body["entry"][1]["response"]["location"])
    assert seen.body["subject"] == {"reference": f"Patient/{alias}"}


@pytest.mark.parametrize("kind", ["transaction", "batch"])
def test_a_bundle_is_about_a_patient_by_the_alias(ward: Ward, alias: str, kind: str) -> None:
    doctor = ward.reader
    said = [asks("POST", "Condition", condition(alias, f"{kind} {each}")) for each in ("one", "two")]
    reply = send(doctor, kind, *said)
    assert (reply.status, reply.body["type"]) == (200, f"{kind}-response"), reply.body
    assert statuses(reply) == ["201 Created"] * 2
    for entry, sent in zip(reply.body["entry"], said, strict=True):
        read = doctor.ask(entry["response"]["location"])
        assert read.body["code"] == sent["resource"]["code"]
        assert read.body["subject"] == {"reference": f"Patient/{alias}"}
        assert entry["response"]["etag"] == read.headers["ETag"]


def test_a_bundle_is_written_for_who_claimed_the_record_by_their_consent_alone(edge: Edge) -> None:
    adam, doctor = edge.story.adam.hex(), edge.client("Dr City")
    for permission in (Permission.VIEW, Permission.APPEND):
        edge.story.grant(edge.story.adam, edge.story.staff["Dr City"], (DIAGNOSIS,), permission)
    reply = send(doctor, "transaction", asks("POST", "Condition", condition(adam, "by consent")))
    assert statuses(reply) == ["201 Created"]
    assert len(doctor.ask(f"Condition?patient={adam}&code=by consent").matches) == 1
    stranger = edge.client("Dr Lake")
    send(stranger, "transaction", asks("POST", "Condition", condition(adam, "by nobody")))
    assert doctor.ask(f"Condition?patient={adam}&code=by nobody").matches == []


def test_of_whom_nobody_knows_nothing_is_written(ward: Ward, alias: str) -> None:
    before = len(copies(ward.city))
    entries = [asks("POST", "Condition", condition(each, "x")) for each in (alias, "0" * 64)]
    refused = send(ward.reader, "transaction", *entries)
    assert (refused.status, refused.issue[0]) == (404, "not-found")
    assert len(copies(ward.city)) == before
    assert [each[:3] for each in statuses(send(ward.reader, "batch", *entries))] == ["201", "404"]


def json_patch(*operations: dict[str, str]) -> dict[str, Any]:
    """A JSON Patch as a Bundle's entry brings it."""
    data = base64.b64encode(json.dumps(operations).encode()).decode()
    return {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data}


def test_each_entry_of_a_batch_is_answered_as_if_it_came_alone(ward: Ward, alias: str) -> None:
    doctor = ward.reader
    kept, changed, patched, ended = (
        made(doctor, alias, each) for each in ("kept", "changed", "patched", "ended")
    )
    binary = json_patch({"op": "replace", "path": "/code/text", "value": "anew"})
    at = [f"Condition/{each.body['id']}" for each in (kept, changed, patched, ended)]
    reply = send(
        doctor,
        "batch",
        asks("GET", at[3]),
        asks("GET", f"Condition?patient={alias}&code=anew,changed&_summary=count"),
        asks("GET", at[0]),
        asks("GET", at[0], ifNoneMatch=kept.headers["ETag"]),
        asks("HEAD", at[0]),
        asks("PUT", at[1], {**changed.body, "code": {"text": "again"}}, ifMatch=changed.headers["ETag"]),
        asks("PUT", at[0], kept.body, ifMatch='W/"another"'),
        asks("PATCH", at[2], binary),
        asks("POST", "Condition", condition(alias, "never"), ifNoneExist="code=kept"),
        asks("POST", "Condition", condition(alias, "new")),
        asks("DELETE", at[3]),
        asks("GET", f"Patient/{alias}/$everything"),
        asks("GET", "Condition/unknown"),
        asks("GET", "Potion/1"),
        asks("DELETE", f"Condition?patient={alias}&code:text=never-there"),
        asks("GET", f"{at[0]}/$meta"),
    )
    assert (reply.status, reply.body["type"]) == (200, "batch-response")
    assert [each[:3] for each in statuses(reply)] == [
        "410", "200", "200", "304", "200", "200", "412", "200", "200", "201", "204", "200", "404", "404", "200", "200",
    ]  # fmt: skip
    entries = reply.body["entry"]
    assert entries[1]["resource"]["type"] == "searchset"
    assert entries[2]["resource"] == kept.body
    assert not any("resource" in each for each in entries[3:5])
    assert entries[2]["response"]["lastModified"] == kept.body["meta"]["lastUpdated"]
    assert doctor.ask(at[1]).headers["ETag"] == entries[5]["response"]["etag"]
    assert entries[5]["response"]["location"].startswith(f"{at[1]}/_history/")
    assert doctor.ask(at[2]).body["code"]["text"] == "anew"
    assert entries[8]["response"]["location"].startswith(f"{at[0]}/_history/")
    told = {each["resource"].get("code", {}).get("text") for each in entries[11]["resource"]["entry"]}
    assert {"kept", "again", "anew", "new"} <= told
    assert not {"ended", "never"} & told
    codes = [entries[at]["response"]["outcome"]["issue"][0]["code"] for at in (0, 6, 12, 13)]
    assert codes == ["deleted", "conflict", "not-found", "not-found"]
    assert set(entries[14]) == {"response"}
    assert entries[14]["response"]["outcome"]["issue"][0]["severity"] == "information"
    assert entries[15]["resource"]["parameter"][0]["valueMeta"] == kept.body["meta"]


def test_what_was_written_comes_back_where_the_client_prefers_it(ward: Ward, alias: str) -> None:
    doctor = ward.reader
    one = made(doctor, alias, "preferred")
    put = asks("PUT", f"Condition/{one.body['id']}", one.body)
    assert "resource" not in send(doctor, "batch", put).body["entry"][0]
    whole = send(doctor, "batch", put, Prefer="return=representation").body["entry"][0]
    assert whole["resource"]["code"] == one.body["code"]


def test_a_batch_betrays_no_more_than_its_entries_by_themselves(edge: Edge, ward: Ward, alias: str) -> None:
    hidden = made(ward.reader, alias, "hidden")
    for label in ("Dr Lake", "clerk"):
        stranger = edge.client(label)
        for there, other in ((hidden.body["id"], alias), ("0" * 8 + "-0000-4000-8000-" + "0" * 12, alias)):
            reply = send(
                stranger,
                "batch",
                asks("GET", f"Condition/{there}"),
                asks("GET", f"Condition/{there}/_history"),
                asks("PUT", f"Condition/{there}", condition(other, "mine", id=there)),
                asks("GET", f"Condition?_id={there}"),
            )
            assert [each[:3] for each in statuses(reply)] == ["404", "404", "405", "200"], label
            outcomes = [each["response"].get("outcome") for each in reply.body["entry"]]
            found = reply.body["entry"][3]["resource"]
            assert [each for each in found.get("entry", ()) if each["search"]["mode"] == "match"] == []
            single = stranger.ask(f"Condition/{there}")
            assert outcomes[:2] == [single.body, single.body]
    assert ward.reader.ask(f"Condition/{hidden.body['id']}").body["code"]["text"] == "hidden"


def test_an_app_asks_in_a_batch_what_its_scopes_say_and_no_more(edge: Edge) -> None:
    adam = edge.story.adam.hex()
    entries = [
        asks("GET", f"Condition?patient={adam}"),
        asks("GET", f"Patient/{adam}"),
        asks("POST", "Condition", condition(adam, "by an app")),
        asks("GET", f"Patient/{adam}/$summary"),
    ]
    reply = send(app(edge, "Dr Stay", "user/Condition.rs"), "batch", *entries)
    assert [each[:3] for each in statuses(reply)] == ["200", "403", "403", "403"]
    shown = [each["resource"] for each in reply.body["entry"][0]["resource"]["entry"]]
    assert any(ILLNESS in str(each) for each in shown)
    assert {each["resourceType"] for each in shown} == {"Condition", "OperationOutcome"}


def test_what_a_batch_shows_is_noted_like_what_is_asked_by_itself(edge: Edge, ward: Ward, alias: str) -> None:
    one = made(ward.reader, alias, "noted")
    operator = api(edge, employed(edge, "City", "operator, City", Role.OPERATOR))
    doctor, begun = edge.client("Dr City"), count(edge)
    path = f"Condition/{one.body['id']}"
    send(
        doctor,
        "batch",
        asks("GET", path),
        asks("GET", f"Condition?patient={alias}"),
        asks("GET", "Condition/no"),
    )
    (line,) = noted(operator, begun)
    assert line["patient"] == alias
    assert set(line["shown"]) == {f"{path}/_history/{one.body['meta']['versionId']}"}


def test_nothing_that_a_batch_read_is_kept_for_who_does_not_wait(ward: Ward, alias: str) -> None:
    one, doctor = made(ward.reader, alias, "not kept"), ward.reader
    entries = [
        asks("GET", f"Condition/{one.body['id']}"),
        asks("POST", "Condition", condition(alias, "later")),
    ]
    reply = send(doctor, "batch", *entries, Prefer="respond-async")
    assert reply.status == 202
    became = awaited(doctor, reply.headers["Content-Location"])
    (answer,) = became.body["entry"]
    answers = answer["resource"]["entry"]
    assert [each["response"]["status"][:3] for each in answers] == ["200", "201"]
    assert "not kept" not in str(became.body)


def test_what_goes_on_or_is_a_file_or_paced_is_not_asked_in_a_batch(ward: Ward, alias: str) -> None:
    nested = {"resourceType": "Bundle", "type": "batch"}
    reply = send(
        ward.reader,
        "batch",
        asks("GET", "$export"),
        asks("GET", f"Patient/{alias}/$pdf"),
        asks("POST", "Patient/$match", {"resourceType": "Parameters"}),
        asks("POST", "", nested),
        asks("GET", "bulk/1"),
        asks("GET", "../api/v1/parties"),
        asks("GET", "metadata"),
    )
    assert {each[:3] for each in statuses(reply)} <= {"400", "404"}
    assert len(statuses(reply)) == 7


def test_an_entry_of_a_batch_may_have_the_whole_address_of_what_it_asks_of(ward: Ward, alias: str) -> None:
    doctor, base = ward.reader, ward.edge.gateway.base
    kept = f"Condition/{made(doctor, alias, 'whole address').body['id']}"
    reply = send(
        doctor,
        "batch",
        asks("GET", f"{base}/{kept}"),
        asks("GET", f"{base}/Condition?patient={alias}&code:text=whole address"),
        asks("POST", f"{base}/Condition", condition(alias, "made under a whole address")),
        asks("GET", f"https://elsewhere.example/fhir/{kept}"),
        asks("GET", f"{base}x/{kept}"),
        asks("DELETE", f"{base}/{kept}"),
    )
    assert [each[:3] for each in statuses(reply)] == ["410", "200", "201", "400", "400", "204"]
    assert doctor.ask(kept).status == 410
    assert len(doctor.ask(f"Condition?patient={alias}&code:text=made under").matches) == 1


@pytest.mark.parametrize("kind", ["transaction", "batch"])
def test_a_bundle_with_an_empty_array_is_told_where_it_is(ward: Ward, kind: str) -> None:
    body = json.dumps({"resourceType": "Bundle", "type": kind, "entry": []}).encode()
    refused = ward.reader.ask("", "POST", body, Content_Type=JSON)
    assert (refused.status, refused.issue[0]) == (400, "invalid")
    assert "Bundle.entry" in refused.issue[1]
    assert "empty" in refused.issue[1]
    body = json.dumps({"resourceType": "Bundle", "type": kind}).encode()
    assert ward.reader.ask("", "POST", body, Content_Type=JSON).status == 200


def test_a_bundle_of_more_entries_than_are_taken_is_refused_before_the_rest_is_read(ward: Ward) -> None:
    for kind in ("batch", "transaction", "collection"):
        reply = send(ward.reader, kind, *[{}] * 10_001)
        assert reply.status == 400
        assert "more than 10000 entries" in reply.body["issue"][0]["diagnostics"]
        unread = b'{"resourceType":"Bundle","type":"%s","entry":[%s' % (kind.encode(), b"{}," * 10_001)
        reply = ward.reader.ask("", "POST", unread, Content_Type=JSON)
        assert "more than 10000 entries" in reply.body["issue"][0]["diagnostics"]
