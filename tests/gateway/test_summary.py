"""A patient summary over HTTP: what this post may see now, for nobody else, and no longer than the consent."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from careledger.app import tokens
from careledger.fhir.json_text import read
from careledger.fhir.validation.check import examine
from careledger.gateway.identities import NATIONAL
from careledger.workflows import register
from careledger.workflows.identity_rows import NOBODY
from gateway.edge_world import Edge, Reply
from story import EVERYTHING, ILLNESS


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


def test_a_patient_is_summarised_by_an_identifier_for_who_finds_them_by_it(edge: Edge) -> None:
    doctor, alias = edge.client("Dr Stay"), edge.story.adam.hex()
    named = f"urn:careledger:alias|{alias}"
    by_id = composition(doctor.ask(path(edge)))
    asked = {"name": "identifier", "valueString": named}
    body = json.dumps({"resourceType": "Parameters", "parameter": [asked]}).encode()
    kind = {"Content_Type": "application/fhir+json", "Prefer": "handling=strict"}
    for reply in (
        doctor.ask(f"Patient/$summary?identifier={quote(named)}", Prefer="handling=strict"),
        doctor.ask("Patient/$summary", "POST", body, **kind),
    ):
        found = composition(reply)
        assert found["section"] == by_id["section"]
        assert found["subject"] == by_id["subject"]


def registered(edge: Edge, number: str, name: str) -> str:
    """Somebody with that number whom City registered."""
    identity = replace(NOBODY, name=name, national_id=number, birth="1990-01-02")
    city, wanted = edge.story.organisations["City"], [each.number for each in EVERYTHING]
    made = register.patient(edge.story.world.network, city, identity, escrow=False, compartments=wanted)
    return made.alias.hex()


def by_number(number: str) -> str:
    return f"Patient/$summary?identifier={quote(f'{NATIONAL}|{number}')}"


def test_by_the_number_of_a_card_whom_the_organisation_registered_is_found_and_nobody_else(
    edge: Edge,
) -> None:
    alias = registered(edge, "1990-11", "Numbered Once")
    doctor, stranger = edge.client("Dr City"), edge.client("Dr Lake")
    found = composition(doctor.ask(by_number("1990-11")))
    assert found["subject"]["reference"].endswith(f"Patient/{alias}")
    unknown = stranger.ask(by_number("1990-00")).body
    for client, number in ((doctor, "1990-00"), (stranger, "1990-11"), (stranger, "1990-00")):
        refused = client.ask(by_number(number))
        assert (refused.status, refused.issue[0]) == (404, "not-found")
        assert refused.body == unknown
    assert edge.stranger().ask(by_number("1990-11")).status == 401


def test_who_lets_nothing_be_seen_and_who_is_not_there_are_answered_alike(edge: Edge) -> None:
    for label in ("Dr Lake", "clerk"):
        client, said = edge.client(label), []
        for each in (edge.story.adam.hex(), "0" * 64):
            refused = client.ask(f"Patient/$summary?identifier={quote(f'urn:careledger:alias|{each}')}")
            said.append((refused.status, refused.body))
        assert said[0] == said[1]
        assert said[0][0] == 404
        assert edge.story.adam.hex() not in str(said)


@pytest.mark.parametrize("query", ["", "identifier=", "identifier=a&identifier=b", "identifier=%7C"])
def test_what_names_nobody_is_refused(edge: Edge, query: str) -> None:
    refused = edge.client("Dr Stay").ask(f"Patient/$summary?{query}")
    assert (refused.status, refused.issue[0]) == (400, "invalid")
    assert "identifier" in refused.issue[1]


def test_several_with_one_identifier_are_not_chosen_from(edge: Edge) -> None:
    assert registered(edge, "1990-22", "Numbered Twice") != registered(edge, "1990-22", "Numbered Again")
    refused = edge.client("Dr City").ask(by_number("1990-22"))
    assert (refused.status, refused.issue[0]) == (412, "multiple-matches")


def test_who_is_not_let_see_anything_gets_no_summary(edge: Edge) -> None:
    assert edge.client("Dr Lake").ask(path(edge)).status == 403
    assert edge.stranger().ask(path(edge)).status == 401
    token = edge.token("Dr Stay")
    assert edge.stranger(token).ask(path(edge)).status == 200
    tokens.withdraw(edge.story.staff["Dr Stay"].organisation, tokens.digest_of(token))
    assert edge.stranger(token).ask(path(edge)).status == 401
    unknown = edge.client("Dr Stay").ask(f"Patient/{'0' * 64}/$summary")
    assert (unknown.status, unknown.issue[0]) == (404, "not-found")
