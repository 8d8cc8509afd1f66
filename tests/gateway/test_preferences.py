"""What a client prefers to get back of what it wrote, and that it need not wait."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from careledger.app import tokens
from careledger.domain.consents import Purpose
from careledger.domain.errors import RecordNotFound
from careledger.domain.questions import LONGEST_LEASE
from careledger.gateway.later import MOST_WAITING, Later
from gateway.edge_world import JSON, Client, Edge, Reply


@pytest.fixture(scope="module")
def patient(edge: Edge) -> str:
    person = {"resourceType": "Patient", "name": [{"text": "Shefali Later"}]}
    entry = {"request": {"method": "POST", "url": "Patient"}, "resource": person}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    reply = edge.client("clerk").ask("", "POST", json.dumps(bundle).encode(), Content_Type=JSON)
    return str(reply.body["entry"][0]["response"]["location"]).split("/")[1]


@pytest.fixture(scope="module")
def doctor(edge: Edge) -> Client:
    return edge.client("Dr City")


def condition(patient: str, words: str) -> dict[str, Any]:
    said = {"code": {"text": words}, "recordedDate": "2026-05-04"}
    return {"resourceType": "Condition", "subject": {"reference": f"Patient/{patient}"}, **said}


def sent(client: Client, path: str, method: str, resource: object, prefer: str, **more: str) -> Reply:
    return client.ask(path, method, json.dumps(resource).encode(), Content_Type=JSON, Prefer=prefer, **more)


def awaited(client: Client, place: str) -> Reply:
    """What becomes of it, asked for until it is known."""
    for _ in range(200):
        reply = client.ask(place)
        if reply.status != 202:
            return reply
        assert reply.headers["Retry-After"]
        time.sleep(0.05)
    raise AssertionError("nothing became of it")


def test_what_comes_back_of_what_was_written_is_as_the_client_prefers(doctor: Client, patient: str) -> None:
    for method in ("POST", "PUT"):
        for prefer, kind in (
            ("return=representation", "Condition"), ("return=OperationOutcome", "OperationOutcome"),
            ("return=minimal", None), ('handling=lenient, return="minimal"; x=1', None), ("", "Condition"),
            ("return=nonsense", "Condition"),
        ):  # fmt: skip
            made = sent(
                doctor, "Condition", "POST", condition(patient, f"{method} {prefer}"), "return=representation"
            )
            reply, status = made, 201
            if method == "PUT":
                changed = {**made.body, "code": {"text": f"changed {prefer}"}}
                reply, status = sent(doctor, f"Condition/{made.body['id']}", "PUT", changed, prefer), 200
            elif prefer != "return=representation":
                reply = sent(doctor, "Condition", "POST", condition(patient, f"{method} {prefer}"), prefer)
            assert (reply.status, (reply.body or {}).get("resourceType")) == (status, kind), (method, prefer)
            told = prefer.partition(";")[0].replace('"', "").removeprefix("handling=lenient, ")
            expected = told if prefer and "nonsense" not in prefer else None
            assert reply.headers.get("Preference-Applied") == expected
            assert doctor.ask(reply.headers["Location"]).status == 200
    refused = sent(doctor, "Condition", "POST", {"resourceType": "Condition"}, "return=minimal")
    assert (refused.status, refused.body["resourceType"]) == (400, "OperationOutcome")
    read = doctor.ask(f"Patient/{patient}", Prefer="return=minimal")
    assert read.body["resourceType"] == "Patient"


def test_a_client_that_does_not_wait_learns_where_its_record_is(doctor: Client, patient: str) -> None:
    reply = sent(doctor, "Condition", "POST", condition(patient, "later"), "respond-async")
    assert (reply.status, reply.body["resourceType"]) == (202, "OperationOutcome")
    assert reply.headers["Preference-Applied"] == "respond-async"
    became = awaited(doctor, reply.headers["Content-Location"])
    (entry,) = became.body["entry"]
    assert (became.status, became.body["type"], entry["response"]["status"]) == (200, "batch-response", "201")
    assert "resource" not in entry
    assert doctor.ask(entry["response"]["location"]).body["code"] == {"text": "later"}
    id = entry["response"]["location"].split("/Condition/")[1].split("/")[0]
    taken = doctor.ask(f"Condition/{id}", "DELETE", Prefer="respond-async")
    assert taken.status == 202
    assert awaited(doctor, taken.headers["Content-Location"]).body["entry"][0]["response"]["status"] == "204"
    assert doctor.ask(f"Condition/{id}").status == 410


def test_what_is_refused_later_says_why(doctor: Client, patient: str) -> None:
    reply = sent(doctor, "Condition", "POST", {"resourceType": "Condition"}, "respond-async")
    said = awaited(doctor, reply.headers["Content-Location"]).body["entry"][0]["response"]
    assert (said["status"], said["outcome"]["issue"][0]["code"]) == ("400", "invalid")


def test_a_bundle_is_answered_entry_by_entry_later(edge: Edge, patient: str) -> None:
    clerk = edge.client("clerk")
    person = {"resourceType": "Patient", "name": [{"text": "Second Later"}]}
    entry = {"request": {"method": "POST", "url": "Patient"}, "resource": person}
    reply = sent(
        clerk, "", "POST", {"resourceType": "Bundle", "type": "batch", "entry": [entry]}, "respond-async"
    )
    (became,) = awaited(clerk, reply.headers["Content-Location"]).body["entry"]
    assert became["resource"]["type"] == "batch-response"
    assert became["resource"]["entry"][0]["response"]["status"] == "201 Created"


def test_what_became_of_a_request_is_for_whoever_sent_it_alone(
    edge: Edge, doctor: Client, patient: str
) -> None:
    reply = sent(doctor, "Condition", "POST", condition(patient, "mine"), "respond-async")
    place = reply.headers["Content-Location"]
    awaited(doctor, place)
    for other in (edge.client("Dr City"), edge.client("Dr Stay")):
        assert [other.ask(place, method).status for method in ("GET", "DELETE")] == [404, 404]
    assert edge.stranger().ask(place).status == 401
    assert doctor.ask(place, "DELETE").status == 204
    assert doctor.ask(place).status == 404


def test_an_app_waits_because_it_could_not_ask_afterwards(edge: Edge, patient: str) -> None:
    staff = edge.story.staff["Dr City"]
    app = Client(edge.gateway.base, issued(edge, staff))
    reply = sent(app, "Condition", "POST", condition(patient, "by an app"), "respond-async")
    assert reply.status == 201, reply.body


def issued(edge: Edge, staff: Any) -> str:
    now = edge.story.world.clock.now()
    return tokens.issue(staff, Purpose.TREAT, now, 3_600, scopes="user/Condition.cruds")[0]


def test_so_many_wait_and_no_more_and_answers_are_forgotten_in_time() -> None:
    later, mine = Later(), b"m" * 32
    names = [later.begin(mine, 0) for _ in range(MOST_WAITING)]
    assert None not in names
    assert later.begin(mine, 0) is None
    first = names[0] or ""
    later.done(first, {"resourceType": "Bundle"}, 5)
    assert later.begin(mine, 5) is not None
    assert later.said(first, mine, 5 + LONGEST_LEASE - 1) == {"resourceType": "Bundle"}
    assert later.said(names[1] or "", mine, 10**9) is None
    with pytest.raises(RecordNotFound):
        later.said(first, b"o" * 32, 6)
    with pytest.raises(RecordNotFound):
        later.said(first, mine, 5 + LONGEST_LEASE)


def test_what_is_not_asked_after_any_more_counts_until_it_is_done() -> None:
    later, mine = Later(), b"m" * 32
    names = [later.begin(mine, 0) for _ in range(MOST_WAITING)]
    first = names[0]
    assert first is not None
    later.forget(first, mine, 0)
    with pytest.raises(RecordNotFound):
        later.said(first, mine, 0)
    assert later.begin(mine, 0) is None
    later.done(first, {"resourceType": "Bundle"}, 1)
    with pytest.raises(RecordNotFound):
        later.said(first, mine, 1)
    assert later.begin(mine, 1) is not None
