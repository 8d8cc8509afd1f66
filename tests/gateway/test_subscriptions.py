"""FHIR Subscriptions: of consents that name the post and of own writings that answer a search, empty or by id,
delivered like webhooks, true of themselves."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from careledger.domain.consents import Permission
from careledger.domain.parties import Role
from careledger.fhir.validation.check import examine
from careledger.formats.events import Endpoint
from careledger.gateway.events import delivery
from careledger.gateway.operations.subscriptions import CONTENT
from careledger.gateway.own import subscribed
from careledger.gateway.server import Gateway
from careledger.workflows import parties, register
from careledger.workflows.grant import Granted
from careledger.workflows.revoke import revoke
from gateway.edge_world import JSON, Edge, Reply
from gateway.receiving import Got, Receiver
from gateway.ward import SYSTEM, Ward
from story import DIAGNOSIS, LICENCE, Story, copied

LOOKS = 0.05
MOST_WAIT = 20.0


@pytest.fixture(scope="module")
def telling(edge: Edge) -> Iterator[Edge]:
    """A gateway that sends to this machine too, and two machines of one organisation."""
    story = edge.story
    for label in ("EHR City", "PACS City"):
        machine(story, label, {Role.DEVICE})
    for label in ("ward City", "round City"):
        machine(story, label, {Role.DEVICE, Role.DOCTOR})
    story.world.settings = replace(story.world.settings, webhooks_to_loopback=True)
    with Gateway(story.world, port=0, looks_every=LOOKS) as gateway:
        yield Edge(story, gateway)


def machine(story: Story, label: str, roles: set[Role]) -> None:
    made = story.world.keyring.new_staff(story.organisations["City"], label, roles)
    register.post(story.world.network, made, roles, LICENCE)
    story.staff[label] = made


def wanted(endpoint: str, payload: str | None = None, **more: Any) -> dict[str, Any]:
    channel: dict[str, Any] = {"type": "rest-hook", "endpoint": endpoint}
    if payload:
        channel["payload"] = JSON
        channel["_payload"] = {"extension": [{"url": CONTENT, "valueCode": payload}]}
    made = {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "to look again",
        "criteria": "Consent",
    }
    return {**made, "channel": channel, **more}


def posted(edge: Edge, resource: dict[str, Any], label: str = "EHR City") -> Reply:
    body = json.dumps(resource).encode()
    return edge.client(label).ask("Subscription", "POST", body, Content_Type=JSON)


def created(edge: Edge, resource: dict[str, Any], label: str = "EHR City") -> Any:
    reply = posted(edge, resource, label)
    assert reply.status == 201, reply.body
    assert reply.headers["Location"] == f"{edge.gateway.base}/Subscription/{reply.body['id']}"
    assert examine(reply.body).errors == ()
    return reply.body


def read(edge: Edge, made: Any, label: str = "EHR City") -> Reply:
    return edge.client(label).ask(f"Subscription/{made['id']}")


def removed(edge: Edge, made: Any, label: str = "EHR City") -> None:
    assert edge.client(label).ask(f"Subscription/{made['id']}", "DELETE").status == 204
    assert read(edge, made, label).status == 404


def given(edge: Edge, label: str = "EHR City") -> Granted:
    return edge.story.grant(edge.story.adam, edge.story.staff[label], (DIAGNOSIS,), Permission.VIEW)


def eventually(edge: Edge, made: Any, status: str) -> Any:
    end = time.monotonic() + MOST_WAIT
    while (found := read(edge, made).body)["status"] != status:
        assert time.monotonic() < end, found
        time.sleep(0.05)
    return found


def test_without_a_payload_an_empty_request_comes_with_the_channels_headers_for_each_change(
    telling: Edge,
) -> None:
    with Receiver() as receiver:
        asked = wanted(f"{receiver.url}/hook")
        asked["channel"]["header"] = ["Authorization: Bearer of-the-receiver", "X-Tag: a b"]
        made = created(telling, asked)
        assert (made["status"], made["criteria"], made["reason"]) == ("active", "Consent", "to look again")
        assert "of-the-receiver" not in json.dumps(read(telling, made).body)
        given(telling, "PACS City")
        granted = given(telling)
        (got,) = receiver.until(1)
        assert (got.path, got.body, got.headers["content-length"]) == ("/hook", b"", "0")
        assert (got.headers["authorization"], got.headers["x-tag"]) == ("Bearer of-the-receiver", "a b")
        revoke(telling.story.world.network, telling.story.holder(telling.story.adam), granted.owner)
        assert [each.body for each in receiver.until(2)] == [b"", b""]
        removed(telling, made)
        given(telling)
        time.sleep(0.5)
        assert len(receiver.got) == 2


@pytest.mark.parametrize("payload", ["empty", "id-only"])
def test_a_notification_is_a_bundle_that_names_the_consent_only_if_its_id_was_wanted(
    telling: Edge, payload: str
) -> None:
    with Receiver() as receiver:
        made = created(telling, wanted(receiver.url, payload))
        granted = given(telling)
        (got,) = receiver.until(1)
        assert got.headers["content-type"] == JSON
        assert examine(got.said).errors == ()
        commitment = granted.certificate.commitment.hex()
        assert (commitment in got.body.decode()) == (payload == "id-only")
        status, *about = got.said["entry"]
        parameters = {each["name"]: each for each in status["resource"]["parameter"]}
        where = f"{telling.gateway.base}/Subscription/{made['id']}"
        assert parameters["subscription"]["valueReference"]["reference"] == where
        assert parameters["events-since-subscription-start"]["valueString"] == "1"
        assert [each["fullUrl"] for each in about] == [f"{telling.gateway.base}/Consent/{commitment}"][
            : len(about)
        ]
        assert len(about) == (payload == "id-only")
        assert all("resource" not in each for each in about)
        for each in about:
            assert telling.client("EHR City").ask(each["fullUrl"]).body["status"] == "active"
            assert telling.client("PACS City").ask(each["fullUrl"]).status == 404
        removed(telling, made)


def test_its_status_is_true_while_it_fails_and_when_it_is_given_up(
    telling: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "DELAYS", (1,) * 60)
    answer = [500]

    def answers(got: Got) -> tuple[int, dict[str, str], float]:
        return answer[0], {}, 0.0

    with Receiver(answers) as receiver:
        made = created(telling, wanted(receiver.url))
        given(telling)
        assert eventually(telling, made, "error")["error"] == "answered 500"
        answer[0] = 200
        assert "error" not in eventually(telling, made, "active")
        answer[0] = 500
        monkeypatch.setattr(delivery, "DELAYS", (1, 1))
        given(telling)
        assert eventually(telling, made, "off")["error"] == "answered 500"
        count = len(receiver.got)
        given(telling)
        time.sleep(0.5)
        assert len(receiver.got) == count
        removed(telling, made)


def test_it_ends_when_it_says(telling: Edge) -> None:
    with Receiver() as receiver:
        end = (datetime.now(UTC) + timedelta(seconds=6)).strftime("%Y-%m-%dT%H:%M:%SZ")
        made = created(telling, wanted(receiver.url, end=end))
        assert made["end"] == end
        assert eventually(telling, made, "off")["error"] == "it has ended"
        given(telling)
        time.sleep(0.5)
        assert receiver.got == []
        removed(telling, made)


def test_a_stranger_makes_reads_and_ends_none(telling: Edge) -> None:
    with Receiver() as receiver:
        made = created(telling, wanted(receiver.url))
        for label in ("Dr City", "clerk", "Dr Stay"):
            assert posted(telling, wanted(receiver.url), label).status == 403
        for label in ("PACS City", "Dr City", "Dr Stay"):
            client = telling.client(label)
            unknown = client.ask("Subscription/00000000-0000-4000-8000-000000000000")
            assert (read(telling, made, label).status, read(telling, made, label).body) == (404, unknown.body)
            assert client.ask(f"Subscription/{made['id']}", "DELETE").status == 404
        assert read(telling, made).body["status"] == "active"
        assert telling.stranger().ask(f"Subscription/{made['id']}").status == 401
        hooks = telling.client("EHR City").ask(f"{telling.gateway.url}/api/v1/webhooks")
        assert hooks.body["items"] == []
        removed(telling, made)


def changed(**channel: Any) -> dict[str, Any]:
    made = wanted("https://hook.example/")
    made["channel"] |= channel
    return made


REFUSED: dict[str, dict[str, Any]] = {
    "no type": wanted("https://hook.example/", criteria="Colour?code=1234"),
    "no records": wanted("https://hook.example/", criteria="Subscription?status=active"),
    "an unknown parameter": wanted("https://hook.example/", criteria="Observation?colour=blue"),
    "an order": wanted("https://hook.example/", criteria="Observation?code=1&_sort=date"),
    "what comes along": wanted("https://hook.example/", criteria="Observation?_include=Observation:subject"),
    "what others say": wanted("https://hook.example/", criteria="Patient?_has:Observation:patient:code=1"),
    "what others say of whom it names": wanted(
        "https://hook.example/", criteria="Condition?subject:Patient._has:Observation:patient:code=1"
    ),
    "an impossible day": wanted("https://hook.example/", criteria="Observation?date=2026-02-31"),
    "another modifier": wanted("https://hook.example/", criteria="Observation?code:exact=1"),
    "no search": wanted("https://hook.example/", criteria="Observation?code"),
    "a search of another server": wanted("https://hook.example/", criteria="https://x.example/Observation"),
    "too long a search": wanted("https://hook.example/", criteria="Observation?code=" + "1" * 2_000),
    "one patient's": wanted("https://hook.example/", criteria="Consent?patient=" + "0" * 64),
    "everything": wanted("https://hook.example/", criteria=""),
    "a topic": wanted("https://hook.example/", criteria="http://example.org/topic"),
    "the resource": wanted("https://hook.example/", "full-resource"),
    "a payload without a word": changed(payload=JSON),
    "xml": changed(payload="application/fhir+xml"),
    "email": changed(type="email"),
    "a websocket": changed(type="websocket"),
    "no reason": {key: value for key, value in wanted("https://hook.example/").items() if key != "reason"},
    "switched off": wanted("https://hook.example/", status="off"),
    "another's header": changed(header=["Host: elsewhere"]),
    "two headers in one": changed(header=["X: a\r\nY: b"]),
    "over": wanted("https://hook.example/", end="2020-01-01T00:00:00Z"),
    "an unknown element": wanted("https://hook.example/", colour="blue"),
    "no resource of the kind": {"resourceType": "Patient"},
}


def focused(got: list[Got]) -> list[str]:
    """The records that notifications name, in order."""
    return [each["fullUrl"] for one in got for each in one.said["entry"][1:]]


def numbers(got: list[Got]) -> list[str]:
    """The numbers of the events in notifications, in order."""
    events = [
        {part["name"]: part for part in each["part"]}
        for one in got
        for each in one.said["entry"][0]["resource"]["parameter"]
        if each["name"] == "notification-event"
    ]
    return [each["event-number"]["valueString"] for each in events]


def bundle(codes: list[str]) -> bytes:
    """A patient who is new here, and a condition for each code."""
    resources: list[dict[str, Any]] = [{"resourceType": "Patient", "id": "new", "name": [{"text": "A. New"}]}]
    for at, each in enumerate(codes):
        coded = {"coding": [{"system": SYSTEM, "code": each}]}
        subject = {"reference": f"urn:uuid:{uuid.UUID(int=1)}"}
        resources.append({"resourceType": "Condition", "id": f"c{at}", "code": coded, "subject": subject})
    entries = [
        {
            "fullUrl": f"urn:uuid:{uuid.UUID(int=at)}",
            "resource": each,
            "request": {"method": "POST", "url": each["resourceType"]},
        }
        for at, each in enumerate(resources, 1)
    ]
    return json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries}).encode()


def test_a_machine_is_told_of_what_its_organisation_wrote_that_answers_its_search(telling: Edge) -> None:
    ward = Ward(telling)
    holder, other = ward.patient(), ward.patient()
    with Receiver() as receiver:
        asked = f"Condition?code={SYSTEM}|sought&patient={holder.alias.hex()}"
        made = created(telling, wanted(receiver.url, "id-only", criteria=asked), "ward City")
        assert made["criteria"] == asked
        for whose, code in ((holder, "other"), (other, "sought"), (holder, "sought")):
            assert ward.diagnosed(whose, code).status == 201
        [got] = receiver.until(1)
        [where] = focused([got])
        assert examine(got.said).errors == ()
        found = telling.client("ward City").ask(where).body
        assert found["code"]["coding"][0]["code"] == "sought"
        assert "sought" not in got.body.decode()
        assert holder.alias.hex() not in got.body.decode()
        client = ward.reader
        assert client.ask(f"Condition?patient={holder.alias.hex()}").status == 200
        for said, more in (("sought", 2), ("other", 2), ("sought", 3)):
            changed = {**found, "code": {"coding": [{"system": SYSTEM, "code": said}]}}
            body = json.dumps(changed).encode()
            assert client.ask(where, "PUT", body, Content_Type=JSON).status == 200
            assert focused(receiver.until(more)) == [where] * more
        assert numbers(receiver.got) == ["1", "2", "3"]
        removed(telling, made, "ward City")


def test_nobody_is_told_of_records_that_its_post_may_not_read(telling: Edge) -> None:
    ward = Ward(telling)
    holder = ward.patient()
    with Receiver() as receiver, Receiver() as reader:
        blind = created(telling, wanted(receiver.url, "empty", criteria="Condition"), "EHR City")
        sees = created(telling, wanted(reader.url, "empty", criteria="Condition"), "ward City")
        for _ in range(2):
            assert ward.diagnosed(holder, "hidden").status == 201
        assert len(reader.until(2)) == 2
        assert all("focus" not in each.body.decode() for each in reader.got)
        given(telling)
        time.sleep(0.5)
        assert receiver.got == []
        removed(telling, blind)
        removed(telling, sees, "ward City")


def test_of_one_deposit_only_what_the_post_may_read_is_told(telling: Edge) -> None:
    machine(telling.story, "office City", {Role.OPERATOR})
    with Receiver() as hidden, Receiver() as seen:
        conditions = created(telling, wanted(hidden.url, "id-only", criteria="Condition"), "office City")
        patients = created(telling, wanted(seen.url, "id-only", criteria="Patient"), "office City")
        reply = telling.client("clerk").ask("", "POST", bundle(["hidden"] * 3), Content_Type=JSON)
        assert reply.status == 200, reply.body
        [where] = focused(seen.until(1))
        assert where.startswith(f"{telling.gateway.base}/Patient/")
        time.sleep(0.5)
        assert hidden.got == []
        removed(telling, conditions, "office City")
        removed(telling, patients, "office City")


def test_of_a_long_bundle_every_record_is_told_once_in_portions_and_again_only_what_failed(
    telling: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "DELAYS", (1, 1, 1))
    monkeypatch.setattr(subscribed, "AT_ONCE", 3)
    failed: list[Got] = []

    def answers(got: Got) -> tuple[int, dict[str, str], float]:
        if len(receiver.got) == 2:
            failed.append(got)
            return 500, {}, 0.0
        return 204, {}, 0.0

    with Receiver(answers) as receiver:
        asked = wanted(receiver.url, "id-only", criteria=f"Condition?code={SYSTEM}|many")
        made = created(telling, asked, "ward City")
        body = bundle(["many", "many", "many", "few", "many", "many"] + ["few"] * 5 + ["many"] * 2)
        reply = telling.client("clerk").ask("", "POST", body, Content_Type=JSON)
        assert reply.status == 200, reply.body
        taken = [each for each in receiver.until(4) if each not in failed]
        assert len(failed) == 1
        assert focused(taken[1:2]) == focused(failed)
        assert len(set(focused(taken))) == len(focused(taken)) == 7
        assert len(taken) == 3
        assert numbers(taken) == [str(number) for number in range(1, 8)]
        last = taken[-1].said["entry"][0]["resource"]["parameter"]
        assert {"name": "events-since-subscription-start", "valueString": "7"} in last
        removed(telling, made, "ward City")


def test_what_was_not_told_is_told_by_the_next_gateway(told: Story, tmp_path: Path) -> None:
    story = copied(told, tmp_path / "data")
    machine(story, "ward City", {Role.DEVICE, Role.DOCTOR})
    story.world.settings = replace(story.world.settings, webhooks_to_loopback=True)
    with Receiver() as receiver:
        with Gateway(story.world, port=0) as silent:
            edge = Edge(story, silent)
            ward = Ward(edge)
            created(edge, wanted(receiver.url, "id-only", criteria="Condition?code=later"), "ward City")
            where = ward.diagnosed(ward.patient(), "later").headers["Location"]
        assert receiver.got == []
        with Gateway(story.world, port=0, looks_every=LOOKS) as gateway:
            [name] = focused(receiver.until(1))
            assert name == where.partition("/_history")[0].replace(silent.base, gateway.base)
    story.world.close()


def test_a_subscription_ends_with_its_post(telling: Edge) -> None:
    ward, story = Ward(telling), telling.story
    machine(story, "leaver", {Role.DEVICE, Role.DOCTOR})
    with Receiver() as receiver, Receiver() as stays:
        made = created(telling, wanted(receiver.url, "empty", criteria="Condition"), "leaver")
        other = created(telling, wanted(stays.url, "empty", criteria="Condition"), "ward City")
        parties.end_post(story.world.network, story.staff["leaver"])
        assert ward.diagnosed(ward.patient(), "after").status == 201
        assert len(stays.until(1)) == 1
        kept = uuid.UUID(made["id"]).bytes
        end = time.monotonic() + MOST_WAIT
        while (found := Endpoint.decode(ward.city.books.get(delivery.KEPT, kept) or b"")).state == "active":
            assert time.monotonic() < end
            time.sleep(0.05)
        assert (found.problem, receiver.got) == ("its post has ended", [])
        removed(telling, other, "ward City")


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_supported_is_refused_with_its_place(telling: Edge, what: str) -> None:
    reply = posted(telling, REFUSED[what])
    assert (reply.status, reply.issue[0]) == (400, "invalid"), reply.body
    if REFUSED[what].get("criteria", "Consent") != "Consent":
        assert "criteria" in reply.issue[1]


def test_an_address_inside_is_refused(telling: Edge) -> None:
    for endpoint in (
        "https://10.0.0.1/",
        "https://[::ffff:10.0.0.1]/",
        "https://169.254.169.254/",
    ):
        assert posted(telling, wanted(endpoint)).status == 422


def test_the_capability_statement_says_of_subscriptions_what_there_is(telling: Edge) -> None:
    resources = telling.stranger().ask("metadata").body["rest"][0]["resource"]
    [found] = [each for each in resources if each["type"] == "Subscription"]
    assert {each["code"] for each in found["interaction"]} == {"read", "create", "delete"}
    assert "searchParam" not in found
