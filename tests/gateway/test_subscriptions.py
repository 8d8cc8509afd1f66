"""FHIR Subscriptions: of consents that name the post, empty or by id, delivered like webhooks, true of themselves."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from careledger.domain.consents import Permission
from careledger.domain.parties import Role
from careledger.fhir.validation.check import examine
from careledger.gateway.events import delivery
from careledger.gateway.operations.subscriptions import CONTENT
from careledger.gateway.server import Gateway
from careledger.workflows import register
from careledger.workflows.grant import Granted
from careledger.workflows.revoke import revoke
from gateway.edge_world import JSON, Edge, Reply
from gateway.receiving import Got, Receiver
from story import DIAGNOSIS, LICENCE

LOOKS = 0.05
MOST_WAIT = 20.0


@pytest.fixture(scope="module")
def telling(edge: Edge) -> Iterator[Edge]:
    """A gateway that sends to this machine too, and two machines of one organisation."""
    story = edge.story
    for label in ("EHR City", "PACS City"):
        made = story.world.keyring.new_staff(story.organisations["City"], label, {Role.DEVICE})
        register.post(story.world.network, made, {Role.DEVICE}, LICENCE)
        story.staff[label] = made
    story.world.settings = replace(story.world.settings, webhooks_to_loopback=True)
    with Gateway(story.world, port=0, looks_every=LOOKS) as gateway:
        yield Edge(story, gateway)


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


def created(edge: Edge, resource: dict[str, Any]) -> Any:
    reply = posted(edge, resource)
    assert reply.status == 201, reply.body
    assert reply.headers["Location"] == f"{edge.gateway.base}/Subscription/{reply.body['id']}"
    assert examine(reply.body).errors == ()
    return reply.body


def read(edge: Edge, made: Any, label: str = "EHR City") -> Reply:
    return edge.client(label).ask(f"Subscription/{made['id']}")


def removed(edge: Edge, made: Any) -> None:
    assert edge.client("EHR City").ask(f"Subscription/{made['id']}", "DELETE").status == 204
    assert read(edge, made).status == 404


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
    monkeypatch.setattr(delivery, "DELAYS", (1, 1))
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
        given(telling)
        assert eventually(telling, made, "off")["error"] == "answered 500"
        count = len(receiver.got)
        given(telling)
        time.sleep(0.5)
        assert len(receiver.got) == count
        removed(telling, made)


def test_it_ends_when_it_says(telling: Edge) -> None:
    with Receiver() as receiver:
        end = (datetime.now(UTC) + timedelta(seconds=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
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
    "records": wanted("https://hook.example/", criteria="Observation?code=1234"),
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


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_supported_is_refused_with_its_place(telling: Edge, what: str) -> None:
    reply = posted(telling, REFUSED[what])
    assert (reply.status, reply.issue[0]) == (400, "invalid"), reply.body


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
