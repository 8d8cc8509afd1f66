"""``Patient/$match`` over HTTP: who may ask, what it answers, and that nobody leafs through a table by it."""

from __future__ import annotations

import json
from typing import Any

import pytest

import story
from careledger.domain.consents import Purpose
from careledger.domain.parties import Role
from careledger.fhir.json_text import read
from careledger.fhir.validation.check import examine
from careledger.gateway.identities import NATIONAL
from careledger.workflows import register
from careledger.workflows.identity_rows import NOBODY, Identity
from careledger.workflows.match import COUNTED, MOST_QUESTIONS
from gateway.edge_world import JSON, Client, Edge, Reply

RAHIMA = Identity(bytes(32), bytes(16), "রহিমা খাতুন", "Rahima Khatun", "1988-77", "1988-04-07", bytes(32))
OF_RAHIMA: dict[str, Any] = {"name": [{"text": "রহিমা খাতুন"}], "birthDate": "1988-04-07"}


@pytest.fixture(scope="module")
def rahima(edge: Edge) -> str:
    city = edge.story.organisations["City"]
    return register.patient(edge.story.world.network, city, RAHIMA, compartments=()).alias.hex()


@pytest.fixture(autouse=True)
def uncounted(edge: Edge) -> None:
    """No test waits for what another one asked."""
    books = edge.story.organisations["City"].books
    books.drop(COUNTED, [key for key, _ in books.rows(COUNTED)])


def parameters(patient: dict[str, Any], *more: dict[str, Any]) -> bytes:
    resource = {"name": "resource", "resource": {"resourceType": "Patient"} | patient}
    return json.dumps({"resourceType": "Parameters", "parameter": [resource, *more]}).encode()


def ask(client: Client, body: bytes) -> Reply:
    return client.ask("Patient/$match", "POST", body, Content_Type=JSON)


def grades(reply: Reply) -> list[tuple[str, str]]:
    assert examine(read(json.dumps(reply.body).encode())).errors == ()
    assert reply.body["total"] == len(reply.matches)
    return [
        (each["resource"]["id"], each["search"]["extension"][0]["valueCode"])
        for each in reply.body.get("entry", ())
    ]


def test_a_bengali_name_and_the_whole_birth_date_are_certain_and_anything_less_is_possible(
    edge: Edge, rahima: str
) -> None:
    clerk = edge.client("clerk")
    reply = ask(clerk, parameters(OF_RAHIMA))
    assert grades(reply) == [(rahima, "certain")]
    assert reply.body["entry"][0]["search"]["score"] == 0.95
    written = {"name": [{"family": "Khatun", "given": ["Rahima"]}], "birthDate": "1988-04-07"}
    assert grades(ask(clerk, parameters(written))) == [(rahima, "certain")]
    number = {"identifier": [{"system": NATIONAL, "value": "198877"}]}
    assert grades(ask(clerk, parameters(number))) == [(rahima, "certain")]
    swapped = parameters(OF_RAHIMA | {"birthDate": "1988-07-04"})
    assert grades(ask(clerk, swapped)) == [(rahima, "possible")]
    certain = {"name": "onlyCertainMatches", "valueBoolean": True}
    assert grades(ask(clerk, parameters(OF_RAHIMA | {"birthDate": "1988-07-04"}, certain))) == []
    assert grades(ask(clerk, parameters(OF_RAHIMA, certain, {"name": "count", "valueInteger": 1}))) != []


def test_nobody_who_fits_is_an_empty_bundle_and_another_organisations_patients_are_nobody(
    edge: Edge, rahima: str
) -> None:
    nobody = parameters({"name": [{"text": "Nobody Here"}], "birthDate": "1977-01-01"})
    mine, others = ask(edge.client("clerk"), nobody), ask(edge.client("Dr Lake"), parameters(OF_RAHIMA))
    assert grades(mine) == []
    assert mine.body == others.body


def test_who_brings_no_token_treats_nobody_or_asks_for_something_else_is_refused(
    edge: Edge, rahima: str
) -> None:
    assert ask(edge.stranger(), parameters(OF_RAHIMA)).status == 401
    for role in (Role.OPERATOR, Role.RESEARCHER, Role.DEVICE):
        story_, label = edge.story, f"a {role.code}"
        made = story_.world.keyring.new_staff(story_.organisations["City"], label, {role})
        register.post(story_.world.network, made, {role}, story.LICENCE)
        story_.staff[label] = made
        reply = ask(edge.client(label), parameters(OF_RAHIMA))
        assert (reply.status, reply.issue) == (
            403,
            ("forbidden", "Only who registers or treats patients may ask this."),
        )
    reply = ask(edge.client("clerk", purpose=Purpose.HRESCH), parameters(OF_RAHIMA))
    assert (reply.status, reply.issue) == (403, ("forbidden", "The purpose is not the patient's care."))


@pytest.mark.parametrize(
    ("patient", "said"),
    [
        ({"name": OF_RAHIMA["name"]}, "Too little is given"),
        ({"birthDate": "1988-04-07"}, "Too little is given"),
        ({"identifier": [{"system": "urn:other", "value": "1988-77"}]}, "Too little is given"),
        ({"name": [{"text": "রহিমা*"}], "birthDate": "1988-04-07"}, "without patterns"),
        ({"identifier": [{"system": NATIONAL, "value": "1988%"}]}, "without patterns"),
    ],
)
def test_too_little_and_wildcards_are_refused(
    edge: Edge, rahima: str, patient: dict[str, Any], said: str
) -> None:
    reply = ask(edge.client("clerk"), parameters(patient))
    assert (reply.status, reply.issue[0]) == (422, "processing")
    assert said in reply.issue[1]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        json.dumps({"resourceType": "Patient"} | OF_RAHIMA).encode(),
        b'{"resourceType":"Parameters"}',
        b'{"resourceType":"Parameters","parameter":[{"name":"resource","valueString":"x"}]}',
        b'{"resourceType":"Parameters","parameter":[{"name":"resource","resource":{"resourceType":"Group"}}]}',
        parameters(OF_RAHIMA | {"birthDate": "1988-02-31"}),
        parameters(OF_RAHIMA | {"birthDate": 7}),
        parameters(OF_RAHIMA | {"name": [{"text": "a"}] * 6}),
        parameters({"identifier": [{"system": NATIONAL, "value": "1"}, {"system": NATIONAL, "value": "2"}]}),
        parameters(OF_RAHIMA, {"name": "count", "valueInteger": 0}),
        parameters(OF_RAHIMA, {"name": "count", "valueInteger": -3}),
        parameters(OF_RAHIMA, {"name": "count", "valueString": "3"}),
        parameters(OF_RAHIMA, {"name": "count", "valueInteger": 1}, {"name": "count", "valueInteger": 1}),
        parameters(OF_RAHIMA, {"name": "onlySingleMatch", "valueBoolean": True}),
    ],
)
def test_what_is_no_question_is_refused_with_its_place(edge: Edge, rahima: str, body: bytes) -> None:
    reply = ask(edge.client("clerk"), body)
    assert (reply.status, reply.issue[0]) == (400, "invalid"), reply.body
    assert "1988" not in reply.issue[1]


def test_a_parameter_in_the_address_is_refused(edge: Edge, rahima: str) -> None:
    body, client = parameters(OF_RAHIMA), edge.client("clerk")
    assert client.ask("Patient/$match?count=1", "POST", body, Content_Type=JSON).status == 400


def test_a_post_that_asks_too_often_is_told_when_to_ask_again_and_another_token_is_no_way_round(
    edge: Edge, rahima: str
) -> None:
    client, body = edge.client("clerk"), parameters({"identifier": [{"system": NATIONAL, "value": "0"}]})
    for _ in range(MOST_QUESTIONS):
        assert ask(client, body).status == 200
    reply = ask(client, body)
    assert (reply.status, reply.issue[0]) == (429, "throttled")
    assert 3_500 < int(reply.headers["Retry-After"]) <= 3_600
    assert ask(edge.client("clerk"), body).status == 429
    assert ask(edge.client("Dr Lake"), body).status == 200


def test_nobody_without_a_row_is_matched(edge: Edge) -> None:
    register.patient(edge.story.world.network, edge.story.organisations["City"], NOBODY, compartments=())
    body = parameters({"name": [{"text": "A B"}], "birthDate": "2001"})
    assert grades(ask(edge.client("clerk"), body)) == []


def test_a_number_that_no_table_has_is_refused_before_anybody_is_compared(edge: Edge) -> None:
    long = {"resourceType": "Patient", "identifier": [{"system": NATIONAL, "value": "\ufdfa" * 20_000}]}
    assert ask(edge.client("clerk"), parameters(long)).status == 413
