"""A patient summary over HTTP: what this post may see now, for nobody else, and no longer than the consent."""

from __future__ import annotations

import json
from typing import Any

from careledger.app import tokens
from careledger.fhir.json_text import read
from careledger.fhir.validation.check import examine
from gateway.edge_world import Edge, Reply
from story import ILLNESS


def composition(reply: Reply) -> Any:
    assert (reply.status, reply.body["type"]) == (200, "document"), reply.body
    return reply.body["entry"][0]["resource"]


def path(edge: Edge) -> str:
    return f"Patient/{edge.story.adam.hex()}/$summary"


def test_a_post_gets_a_document_of_what_is_shared_with_it_and_what_is_not_is_withheld(edge: Edge) -> None:
    client = edge.client("Dr Stay")
    reply = client.ask(path(edge))
    sections = {each["title"]: each for each in composition(reply)["section"]}
    assert ILLNESS in sections["Problems"]["text"]["div"]
    for title in ("Allergies and intolerances", "Medication summary", "Immunizations"):
        assert sections[title]["emptyReason"]["coding"][0]["code"] == "withheld", title
    assert examine(read(json.dumps(reply.body).encode())).errors == ()
    everything = client.ask(f"Patient/{edge.story.adam.hex()}/$everything?_count=1000").matches
    shown = {f"{each['resourceType']}/{each['id']}": each for each in everything}
    records = [each for each in reply.body["entry"] if not each["fullUrl"].startswith("urn:uuid:")]
    assert len(records) > 2
    assert all(each["resource"] == shown[each["fullUrl"].split("/fhir/")[1]] for each in records)


def test_it_is_asked_for_by_post_without_parameters(edge: Edge) -> None:
    client, kind = edge.client("Dr Stay"), {"Content_Type": "application/fhir+json"}
    assert composition(client.ask(path(edge), "POST", b'{"resourceType":"Parameters"}', **kind))["section"]
    for body in (
        b"{}",
        b"[",
        b'{"resourceType":"Patient"}',
        b'{"resourceType":"Parameters","parameter":[{}]}',
    ):
        assert client.ask(path(edge), "POST", body, **kind).status == 400


def test_who_is_not_let_see_anything_gets_no_summary(edge: Edge) -> None:
    assert edge.client("Dr Lake").ask(path(edge)).status == 403
    assert edge.stranger().ask(path(edge)).status == 401
    token = edge.token("Dr Stay")
    assert edge.stranger(token).ask(path(edge)).status == 200
    tokens.withdraw(edge.story.staff["Dr Stay"].organisation, tokens.digest_of(token))
    assert edge.stranger(token).ask(path(edge)).status == 401
    unknown = edge.client("Dr Stay").ask(f"Patient/{'0' * 64}/$summary")
    assert (unknown.status, unknown.issue[0]) == (404, "not-found")
