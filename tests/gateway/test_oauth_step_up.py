"""What weighs most is done by an app only while its person's proof is fresh (RFC 9470), as by the person themselves."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from careledger.app.identity import accounts, sessions
from careledger.formats.identity import SignedIn
from gateway.edge_world import Client, Edge, Reply
from gateway.oauth_world import App, Browser, app, service, signed_in

PLACE = "Condition/0d1b2c3d-0000-4000-8000-000000000001"
CHALLENGE = 'Bearer realm="careledger", error="insufficient_user_authentication", max_age="300"'


@pytest.fixture(scope="module")
def chart(edge: Edge) -> App:
    return app(edge)


@pytest.fixture
def doctor(edge: Edge) -> Browser:
    return signed_in(edge, "Dr City")


def proved(browser: Browser, ago: int) -> None:
    """So long ago, in that session, did its person prove who they are."""
    current, now = browser.session, browser.edge.story.world.clock.now()
    books = current.who.organisation.books
    row = SignedIn.decode(books.get(sessions.KEPT, current.digest))
    books.put(sessions.KEPT, [(current.digest, replace(row, proved=now - ago).encode())])


def brought(
    edge: Edge, chart: App, browser: Browser, scope: str = "user/Condition.crud online_access"
) -> Client:
    return Client(edge.gateway.base, chart.given(browser, scope)["access_token"])


def takes_back(client: Client) -> Reply:
    return client.ask(PLACE, "DELETE")


def test_an_app_takes_back_while_its_persons_proof_is_fresh_and_is_told_to_have_it_renewed(
    edge: Edge, doctor: Browser, chart: App
) -> None:
    client = brought(edge, chart, doctor)
    assert takes_back(client).status == 404
    proved(doctor, sessions.FRESH + 1)
    reply = takes_back(client)
    assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, CHALLENGE)
    assert "less than five minutes old" in reply.issue[1]
    assert client.ask(PLACE).status == 404  # reading goes on
    proved(doctor, 20)
    assert takes_back(client).status == 404


def test_another_session_of_the_same_person_proves_nothing_for_an_app_that_ends_with_its_own(
    edge: Edge, doctor: Browser, chart: App
) -> None:
    client = brought(edge, chart, doctor)
    proved(doctor, sessions.FRESH + 1)
    signed_in(edge, "Dr City")
    assert takes_back(client).status == 401


def test_an_app_that_goes_on_without_its_person_takes_nothing_back_unless_they_just_proved_it(
    edge: Edge, doctor: Browser, chart: App
) -> None:
    client = brought(edge, chart, doctor, "user/Condition.crud offline_access")
    who = doctor.session.who
    assert takes_back(client).status == 404
    sessions.end(who, [each.digest for each in sessions.own(who, edge.story.world.clock.now())])
    assert takes_back(client).status == 401
    assert client.ask(PLACE).status == 404
    other = signed_in(edge, "Dr Stay")
    assert other.session.who.id != who.id
    assert takes_back(client).status == 401
    signed_in(edge, "Dr City")
    assert takes_back(client).status == 404


def test_a_renewed_token_and_a_part_of_what_was_granted_are_asked_alike(
    edge: Edge, doctor: Browser, chart: App
) -> None:
    given = chart.given(doctor, "user/Condition.crud user/Patient.r offline_access")
    part = chart.renew(given["refresh_token"], scope="user/Condition.crud").body
    client = Client(edge.gateway.base, part["access_token"])
    assert takes_back(client).status == 404
    accounts.end_sessions([doctor.session.who])
    assert takes_back(client).status == 401


def test_a_bundle_of_an_app_takes_nothing_back_either(edge: Edge, doctor: Browser, chart: App) -> None:
    client = brought(edge, chart, doctor, "user/*.cruds online_access")
    bundle = {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": [{"request": {"method": "DELETE", "url": PLACE}}],
    }
    fresh = client.ask("", "POST", json.dumps(bundle).encode(), Content_Type="application/fhir+json")
    assert fresh.body["entry"][0]["response"]["status"].startswith("404"), fresh.body
    proved(doctor, sessions.FRESH + 1)
    stale = client.ask("", "POST", json.dumps(bundle).encode(), Content_Type="application/fhir+json")
    assert stale.body["entry"][0]["response"]["status"].startswith("401"), stale.body


def test_a_back_end_service_is_a_program_and_asked_for_no_proof(edge: Edge) -> None:
    assert takes_back(service(edge, scopes="system/Condition.rd").client("system/Condition.rd")).status == 404
