"""What a client prefers to get back of what it wrote, and that it need not wait."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import story
from careledger.app import tokens
from careledger.app.tokens import Bearer, Bearers
from careledger.domain.consents import Purpose
from careledger.domain.errors import RecordNotFound
from careledger.gateway.later import ACCEPTED, DAY, LOOK, MOST_WAITING, SAID, Later
from careledger.gateway.server import Gateway
from careledger.workflows import register
from gateway.edge_world import JSON, Client, Edge, Reply
from story import Story


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
    end = time.monotonic() + 120
    while time.monotonic() < end:
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


def bearer(edge: Edge, label: str = "Dr City") -> Bearer:
    token = edge.token(label)
    return Bearers(edge.story.world.keyring).bearer(token, edge.story.world.clock.now())


def test_so_many_wait_and_no_more_and_answers_are_forgotten_in_time(edge: Edge) -> None:
    later, mine, said = Later(), bearer(edge), {"resourceType": "Bundle", "type": "batch-response"}
    names = [later.begin(mine, 10) or "" for _ in range(MOST_WAITING)]
    assert "" not in names
    assert later.begin(mine, 10) is None
    later.done(mine, names[0], said, 15)
    assert later.begin(mine, 15) is not None
    assert later.said(mine, names[0], 15 + DAY - 1) == said
    assert later.said(mine, names[1], 20) is None
    for other, when in ((bearer(edge), 16), (mine, 15 + DAY)):
        with pytest.raises(RecordNotFound):
            later.said(other, names[0], when)
    for nothing in ("", "0" * 32, "no hex"):
        with pytest.raises(RecordNotFound):
            later.said(mine, nothing, 16)
    later.begin(mine, 15 + DAY)
    assert mine.digest + bytes.fromhex(names[0]) not in dict(kept(mine))
    assert mine.staff.organisation.books.get(SAID, mine.digest + bytes.fromhex(names[0])) is None


def kept(who: Bearer) -> list[tuple[bytes, bytes]]:
    return list(who.staff.organisation.books.rows(ACCEPTED, who.digest))


def test_what_is_not_asked_after_any_more_counts_until_it_is_done(edge: Edge) -> None:
    later, mine, now = Later(), bearer(edge), 10**9
    names = [later.begin(mine, now) or "" for _ in range(MOST_WAITING)]
    later.forget(mine, names[0], now)
    with pytest.raises(RecordNotFound):
        later.said(mine, names[0], now)
    assert later.begin(mine, now) is None
    later.done(mine, names[0], {"resourceType": "Bundle"}, now + 1)
    with pytest.raises(RecordNotFound):
        later.said(mine, names[0], now + 1)
    assert later.begin(mine, now + 1) is not None


def test_the_oldest_answers_go_where_there_are_too_many(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("careledger.gateway.later.MOST_KEPT", 3)
    later, mine, now = Later(), bearer(edge), 2 * 10**9
    names = []
    for at in range(5):
        name = later.begin(mine, now + at) or ""
        later.done(mine, name, {"resourceType": "Bundle", "id": str(at)}, now + at)
        names.append(name)
    waiting = later.begin(mine, now + LOOK + 1)
    assert [later.said(mine, each, now + LOOK + 2) for each in names[2:]] == [
        {"resourceType": "Bundle", "id": str(at)} for at in (2, 3, 4)
    ]
    for each in names[:2]:
        with pytest.raises(RecordNotFound):
            later.said(mine, each, now + LOOK + 2)
    assert later.said(mine, waiting or "", now + LOOK + 2) is None


def test_an_answer_that_is_too_long_to_be_kept_says_so(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    later, mine = Later(), bearer(edge)
    name = later.begin(mine, 3 * 10**9) or ""
    monkeypatch.setattr("careledger.gateway.later.MOST_SAID", 10)
    later.done(mine, name, {"resourceType": "Bundle", "id": "long"}, 3 * 10**9)
    (entry,) = (later.said(mine, name, 3 * 10**9) or {})["entry"]
    assert "Carried out" in str(entry)


SERVED = """
import asyncio, sys, time
from pathlib import Path
from careledger.app.world import open_world
from careledger.gateway.application import Edge
from careledger.gateway.server import Gateway

carry = Edge._carry_out
async def slowly(self, request, name, handler, who, asked):
    if b"never finished" in asked.body:
        await asyncio.sleep(600)
    await carry(self, request, name, handler, who, asked)
Edge._carry_out = slowly
world = open_world(Path(sys.argv[1]))
with Gateway(world, port=0) as gateway:
    print(gateway.base, flush=True)
    time.sleep(600)
"""


def test_what_was_accepted_before_the_gateway_was_killed_is_answered_afterwards(
    told: Story, tmp_path: Path
) -> None:
    mine = story.copied(told, tmp_path / "data")
    holder = register.patient(mine.world.network, mine.organisations["City"], None, False, [6])
    token = tokens.issue(mine.staff["Dr City"], Purpose.TREAT, int(time.time()), 3_600)[0]
    mine.world.close()
    words = [sys.executable, "-c", SERVED, str(tmp_path / "data")]
    running = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=os.environ)
    assert running.stdout is not None
    try:
        client = Client(running.stdout.readline().strip(), token)
        patient = holder.alias.hex()
        done, cut = (
            sent(client, "Condition", "POST", condition(patient, words), "respond-async")
            for words in ("finished", "never finished")
        )
        assert (done.status, cut.status) == (202, 202)
        before = awaited(client, done.headers["Content-Location"]).body
        assert client.ask(cut.headers["Content-Location"]).status == 202
    finally:
        running.send_signal(signal.SIGKILL)
        running.wait()
    again = story.everybody(tmp_path / "data")
    with Gateway(again.world, port=0) as gateway:
        client = Client(gateway.base, token)

        def asked(reply: Reply) -> Any:
            place = reply.headers["Content-Location"].rpartition("/")[2]
            (entry,) = client.ask(f"later/{place}").body["entry"]
            return entry["response"]

        (entry,) = before["entry"]
        assert asked(done)["status"] == entry["response"]["status"] == "201"
        assert asked(done)["etag"] == entry["response"]["etag"]
        assert (asked(cut)["status"], asked(cut)["outcome"]["issue"][0]["code"]) == ("503", "transient")
        assert "send it again" in asked(cut)["outcome"]["issue"][0]["diagnostics"]
    again.world.close()
