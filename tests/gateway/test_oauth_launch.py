"""A person lets an app act for them: asked on a page of this site, by codes and tokens that count once and end."""

from __future__ import annotations

import base64
import json
import re
import secrets
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit
from uuid import UUID

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from fhirclient import client as smart
from fhirclient.models.condition import Condition

import story
from careledger.app import app_codes, app_grants, clients, signers, tokens
from careledger.app.app_grants import CODE, REFRESH, Row
from careledger.app.identity import accounts, codes, passwords, sessions
from careledger.app.identity.passkeys import credential_digest, nobodys_key
from careledger.domain.consents import Permission
from careledger.domain.errors import LedgerStale
from careledger.domain.parties import Role
from careledger.formats.apps import AppCode
from careledger.formats.identity import Passkey, Password
from careledger.gateway.cookies import SESSION
from careledger.gateway.oauth import contexts, routes
from careledger.gateway.server import Gateway
from careledger.workflows import parties, register
from careledger.workflows.register import Officer
from gateway.browser import Browser as At
from gateway.edge_world import Client, Edge
from gateway.oauth_world import (
    APP,
    VERIFIER,
    App,
    Browser,
    KeyPair,
    app,
    asked,
    service,
    signed_in,
)
from gateway.test_oauth_backend import refused
from story import DIAGNOSIS, LICENCE, Story


@pytest.fixture(scope="module")
def treating(edge: Edge) -> None:
    """Adam lets City's doctor read and write diagnoses."""
    for permission in (Permission.VIEW, Permission.APPEND):
        edge.story.grant(edge.story.adam, edge.story.staff["Dr City"], (DIAGNOSIS,), permission)


@pytest.fixture
def doctor(edge: Edge, treating: None) -> Browser:
    """City's doctor, signed in."""
    return signed_in(edge, "Dr City")


@pytest.fixture(scope="module")
def chart(edge: Edge) -> App:
    return app(edge)


def api(edge: Edge, label: str) -> Client:
    return Client(f"{edge.gateway.url}/api/v1", edge.token(label))


def launch(edge: Edge, label: str, **said: str) -> Any:
    return api(edge, label).ask(
        "launches", "POST", json.dumps(said).encode(), Content_Type="application/json"
    )


# The launch --------------------------------------------------------------------------------------


def test_a_standalone_app_is_given_the_patient_whom_the_person_chooses(
    edge: Edge, doctor: Browser, chart: App
) -> None:
    page = doctor.go(chart.request("launch/patient patient/Condition.rs user/Patient.r"))
    assert page.status == 200
    assert edge.story.adam.hex() in page.patients
    assert "chart view" in page.text
    assert "app.example" in page.text
    said = chart.given(doctor, "launch/patient patient/Condition.rs user/Patient.r", edge.story.adam)
    token = said.pop("access_token")
    assert said == {
        "token_type": "Bearer", "expires_in": 900, "patient": edge.story.adam.hex(),
        "scope": "patient/Condition.rs user/Patient.r launch/patient",
    }  # fmt: skip
    reads = Client(edge.gateway.base, token)
    assert reads.ask(f"Condition?patient={edge.story.adam.hex()}").matches
    assert reads.ask(f"Patient/{edge.story.adam.hex()}").status == 200
    assert reads.ask(f"Encounter?patient={edge.story.adam.hex()}").status == 403
    assert reads.ask(f"{edge.gateway.url}/api/v1/patients").status == 403


def test_an_ehr_launches_an_app_for_a_patient_and_an_encounter(
    edge: Edge, doctor: Browser, chart: App
) -> None:
    made = launch(edge, "Dr City", patient=edge.story.adam.hex(), encounter="e-1", client=chart.id)
    assert made.status == 201
    assert (made.body["iss"], made.body["address"]) == (edge.gateway.base, "https://app.example/launch")
    scope = "launch launch/patient launch/encounter patient/*.rs"
    said = chart.given(doctor, scope, launch=made.body["launch"])
    assert (said["patient"], said["encounter"]) == (edge.story.adam.hex(), "e-1")
    assert said["scope"] == "patient/*.rs launch launch/patient launch/encounter"
    again = doctor.go(chart.request(scope, launch=made.body["launch"]))
    assert "over" in again.text
    assert again.status == 403


def test_an_app_is_launched_for_more_patients_than_a_page_lets_choose(
    edge: Edge, doctor: Browser, chart: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contexts, "MOST", 0)
    assert doctor.go(chart.request()).patients == {}
    made = launch(edge, "Dr City", patient=edge.story.adam.hex())
    assert made.status == 201
    said = chart.given(doctor, "launch patient/*.rs", launch=made.body["launch"])
    assert said["patient"] == edge.story.adam.hex()


def test_a_launch_is_for_its_post_its_app_and_a_known_patient_alone(
    edge: Edge, doctor: Browser, chart: App
) -> None:
    known = edge.story.adam.hex()
    assert launch(edge, "Dr City", patient="0" * 64).problem == "access-refused"
    assert launch(edge, "Dr City", patient=known, client="0" * 32).problem == "api-refused"
    assert launch(edge, "Dr City", patient=known, encounter="a b").problem == "api-refused"
    others = [
        launch(edge, "Dr City", patient=known, client=app(edge).id).body["launch"],
        launch(edge, "clerk", patient=known).body["launch"]
        if launch(edge, "clerk", patient=known).status == 201
        else "x",
        "made up",
    ]
    for handle in others:
        assert doctor.go(chart.request("launch patient/*.rs", launch=handle)).status == 403
    with_handle = launch(edge, "Dr City", patient=known).body["launch"]
    for more in ({"launch": with_handle, "scope": "patient/*.rs"}, {"scope": "launch patient/*.rs"}):
        assert doctor.go(chart.request(**more)).told["error"] == "invalid_request"


def test_smarts_own_client_launches_reads_and_renews(edge: Edge, doctor: Browser, chart: App) -> None:
    settings = {"app_id": chart.id, "api_base": edge.gateway.base, "redirect_uri": APP.redirects[0],
                "scope": "patient/*.rs openid fhirUser online_access"}  # fmt: skip
    made = smart.FHIRClient(settings=settings)
    assert not made.ready
    assert made.prepare() is False
    page = doctor.go(made.authorize_url)
    led = doctor.go("/oauth/consent", [*page.form, ("decision", "allow"), ("patient", edge.story.adam.hex())])
    made.handle_callback(led.to)
    assert made.ready
    assert made.patient_id == edge.story.adam.hex()
    assert list(Condition.where({"patient": made.patient_id}).perform_resources_iter(made.server))
    before = made.server.auth.access_token
    assert made.reauthorize()
    assert made.server.auth.access_token != before
    assert list(Condition.where({"patient": made.patient_id}).perform_resources_iter(made.server))


def test_a_confidential_app_proves_itself_too(edge: Edge, doctor: Browser) -> None:
    own = app(edge, key=KeyPair())
    code = own.code(doctor, "user/*.rs")
    public = replace(own, key=None)
    refused(public.exchange(code), 401, "invalid_client")
    refused(
        replace(own, key=KeyPair(kid=own.key.kid if own.key else "")).exchange(code), 401, "invalid_client"
    )
    assert own.exchange(code).body["scope"] == "user/*.rs"


def test_an_id_token_says_who_it_is_signed_by_a_published_key(
    edge: Edge, doctor: Browser, chart: App
) -> None:
    said = chart.given(doctor, "user/Condition.rs openid fhirUser profile", nonce="n-1")
    header, claims, signature = said["id_token"].split(".")
    configuration = Client(edge.gateway.url).ask(".well-known/openid-configuration").body
    keys = Client(edge.gateway.url).ask(configuration["jwks_uri"]).body["keys"]
    head, found = read(header), read(claims)
    [key] = [each for each in keys if each["kid"] == head["kid"]]
    assert (head["alg"], key["kty"], key["use"]) == ("RS256", "RSA", "sig")
    assert set(key) == {"kty", "kid", "use", "alg", "n", "e"}
    n, e = (int.from_bytes(raw(key[each]), "big") for each in "ne")
    assert n.bit_length() == 3_072
    public = rsa.RSAPublicNumbers(e, n).public_key()
    public.verify(raw(signature), f"{header}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256())
    now = edge.story.world.clock.now()
    assert found["iss"] == configuration["issuer"] == edge.gateway.url
    assert (found["aud"], found["nonce"]) == (chart.id, "n-1")
    assert now - 120 <= found["iat"] <= now
    assert now < found["exp"] <= now + 300
    assert found["fhirUser"] == f"{edge.gateway.base}/Practitioner/{found['sub']}"
    assert found["sub"] == str(UUID(bytes=doctor.session.who.id))
    told = asked(edge, "introspect", {"token": said["access_token"]}, edge.token("Dr City")).body
    assert {each: told[each] for each in ("iss", "sub", "fhirUser")} == {
        each: found[each] for each in ("iss", "sub", "fhirUser")
    }
    assert "id_token" not in chart.given(doctor, "user/Condition.rs")


def test_keys_are_there_before_the_first_id_token_and_say_how_long_they_may_be_kept(
    edge: Edge, chart: App
) -> None:
    books = edge.story.staff["Dr City"].organisation.books
    books.drop(
        signers.KEPT[signers.ID_TOKENS], [key for key, _ in books.rows(signers.KEPT[signers.ID_TOKENS])]
    )
    told = [edge.stranger().ask(f"{edge.gateway.url}/oauth/keys") for _ in range(2)]
    first, second = ([each for each in said.body["keys"] if each["alg"] == "RS256"] for said in told)
    assert len(first) == 1
    assert first == second
    assert told[0].headers["Cache-Control"] == "public, max-age=3600"
    assert signers.FRESH + 300 < signers.PUBLISHED - signers.ROTATES


def test_whom_an_id_token_names_is_read_by_who_may_read_practitioners(
    edge: Edge, doctor: Browser, chart: App
) -> None:
    said = chart.given(doctor, "user/Practitioner.r openid fhirUser")
    place = read(said["id_token"].split(".")[1])["fhirUser"]
    shown = Client(edge.gateway.base, said["access_token"]).ask(place)
    assert (shown.status, shown.body["resourceType"], shown.body["active"]) == (200, "Practitioner", True)
    assert shown.body["name"] == [{"text": "Dr City"}]
    assert edge.client("Dr Lake").ask(place).status == 404
    assert (
        Client(edge.gateway.base, chart.given(doctor, "user/Condition.rs")["access_token"]).ask(place).status
        == 403
    )
    assert edge.client("Dr City").ask("Practitioner/doc-0000000000000").status == 404
    assert edge.client("Dr City").ask(f"Practitioner/{UUID(int=7)}").status == 404
    [party] = [each["value"] for each in shown.body["identifier"]]
    assert edge.client("Dr City").ask(f"Practitioner/{party}").body == {**shown.body, "id": party}
    assert edge.client("Dr City").ask(f"Practitioner/{party.replace('doc-', 'nur-')}").status == 404


def test_an_app_that_may_know_who_its_person_is_reads_that_person_and_nobody_else(
    edge: Edge, doctor: Browser, chart: App
) -> None:
    said = chart.given(doctor, "user/Condition.rs openid fhirUser")
    place, app = (
        read(said["id_token"].split(".")[1])["fhirUser"],
        Client(edge.gateway.base, said["access_token"]),
    )
    shown = app.ask(place)
    assert (shown.status, shown.body["name"]) == (200, [{"text": "Dr City"}])
    [party] = [each["value"] for each in shown.body["identifier"]]
    clerk = chart.given(signed_in(edge, "clerk"), "user/Condition.rs openid fhirUser")
    other = read(clerk["id_token"].split(".")[1])["fhirUser"]
    for stranger in (other, f"Practitioner/{party}", f"Practitioner/{UUID(int=7)}", "Practitioner?name=City"):
        assert app.ask(stranger).status == 403
    for less in ("user/Condition.rs openid", "user/Condition.rs"):
        known_not = Client(edge.gateway.base, chart.given(doctor, less)["access_token"])
        assert known_not.ask(place).status == 403


def test_a_person_is_the_same_to_an_app_after_another_post_and_none_once_suspended(
    edge: Edge, chart: App
) -> None:
    clerk = signed_in(edge, "clerk")
    said = chart.given(clerk, "user/Practitioner.r openid fhirUser")
    claims = read(said["id_token"].split(".")[1])
    city, name = edge.story.organisations["City"], f"clerk {secrets.token_hex(3)}"
    post = edge.story.world.keyring.new_staff(city, name, {Role.NURSE})
    register.post(edge.story.world.network, post, {Role.NURSE}, LICENCE)
    accounts.changed(accounts.person(city, clerk.session.who.id), post=post.number)
    try:
        again = chart.given(clerk, "user/Practitioner.r openid fhirUser")
        assert read(again["id_token"].split(".")[1])["sub"] == claims["sub"]
        reader = edge.client("Dr City")
        assert reader.ask(claims["fhirUser"]).body["name"] == [{"text": name}]
        accounts.suspend([accounts.person(city, clerk.session.who.id)])
        assert reader.ask(claims["fhirUser"]).status == 404
    finally:
        accounts.changed(
            accounts.person(city, clerk.session.who.id),
            post=edge.story.staff["clerk"].number,
            state=accounts.ACTIVE,
        )


def test_online_access_ends_with_its_own_sign_in_and_not_with_another_of_the_same_second(edge: Edge) -> None:
    first, chart, now = signed_in(edge, "Dr City"), app(edge), edge.story.world.clock.now()
    person = first.session.who
    secret, second = sessions.begin(person, None, first.session.row.began, "TREAT")
    given = [chart.given(each, "user/*.rs online_access") for each in (first, replace(first, secret=secret))]
    search = f"Condition?patient={edge.story.adam.hex()}"
    assert [reads(edge, each, search) for each in given] == [200, 200]
    assert second.row.began == first.session.row.began
    sessions.end(person, [first.session.digest])
    assert [reads(edge, each, search) for each in given] == [401, 200]
    assert chart.renew(given[1]["refresh_token"]).status == 200
    sessions.end(person, [each.digest for each in sessions.own(person, now)])
    assert reads(edge, given[1], search) == 401


def test_a_public_app_renews_a_few_times_at_once_and_keeps_its_token_while_it_waits(
    edge: Edge, doctor: Browser, chart: App
) -> None:
    mine, other = (chart.given(doctor, "user/*.rs online_access") for _ in range(2))
    token = mine["refresh_token"]
    for _ in range(routes.RENEWALS[0]):
        token = chart.renew(token).body["refresh_token"]
    waits = chart.renew(token)
    refused(waits, 429, "temporarily_unavailable")
    assert 0 < int(waits.headers["Retry-After"]) <= 60
    assert chart.renew(other["refresh_token"]).status == 200
    refused(chart.renew("made up"), 400, "invalid_grant")
    edge.gateway._edge._oauth._renewals._left.clear()  # as if it had waited
    assert chart.renew(token).status == 200


def raw(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def read(part: str) -> Any:
    return json.loads(raw(part))


def test_the_context_of_a_launch_is_told_to_who_asks_what_a_token_is(
    edge: Edge, doctor: Browser, chart: App
) -> None:
    handle = launch(edge, "Dr City", patient=edge.story.adam.hex(), encounter="e-2").body["launch"]
    said = chart.given(doctor, "launch launch/encounter patient/Condition.rs", launch=handle)
    told = asked(edge, "introspect", {"token": said["access_token"]}, edge.token("Dr City")).body
    assert (told["active"], told["patient"], told["encounter"]) == (True, edge.story.adam.hex(), "e-2")
    assert (told["scope"], told["client_id"]) == (said["scope"], chart.id)
    assert "sub" not in told
    refused(chart.ask("introspect", token=said["access_token"]), 401, "invalid_client")
    elsewhere = asked(edge, "introspect", {"token": said["access_token"]}, edge.token("Dr Lake")).body
    assert elsewhere == {"active": False}


def test_keys_that_sign_are_made_anew_each_month_and_shown_a_day_longer(edge: Edge) -> None:
    books, now = edge.story.organisations["Amber"].books, 1_000_000
    day = 24 * 3_600
    shown: list[set[str]] = [set(), set()]
    for algorithm in (signers.ID_TOKENS, signers.ASSERTIONS):

        def kid(when: int, algorithm: str = algorithm) -> str:
            head = read(signers.signed(books, {}, when, algorithm).split(".")[0])
            assert head["alg"] == algorithm
            return str(head["kid"])

        first, second = kid(now), kid(now + 30 * day - 1)
        assert first == second
        second = kid(now + 30 * day)
        assert second != first
        shown[0] |= {first, second}
        shown[1] |= {second}
    assert {each["kid"] for each in signers.published(books, now + 30 * day)} == shown[0]
    assert {each["kid"] for each in signers.published(books, now + 31 * day)} == shown[1]


# What is refused ---------------------------------------------------------------------------------

TOLD: dict[str, tuple[dict[str, str | None], str]] = {
    "no PKCE": ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
    "PKCE without its method": ({"code_challenge_method": None}, "invalid_request"),
    "plain PKCE": ({"code_challenge_method": "plain"}, "invalid_request"),
    "a short challenge": ({"code_challenge": "abc"}, "invalid_request"),
    "no state": ({"state": None}, "invalid_request"),
    "a long state": ({"state": "s" * 1_001}, "invalid_request"),
    "another aud": ({"aud": "https://elsewhere.example/fhir"}, "invalid_request"),
    "no aud": ({"aud": None}, "invalid_request"),
    "an implicit grant": ({"response_type": "token"}, "unsupported_response_type"),
    "no response type": ({"response_type": None}, "unsupported_response_type"),
    "no scope": ({"scope": None}, "invalid_scope"),
    "a service's scope": ({"scope": "system/*.rs"}, "invalid_scope"),
    "a scope of no type": ({"scope": "user/Nothing.rs"}, "invalid_scope"),
    "letters out of order": ({"scope": "user/Observation.sr"}, "invalid_scope"),
    "a scope refined by another record": (
        {"scope": "patient/Observation.rs?subject.name=a"},
        "invalid_scope",
    ),
    "nothing for records": ({"scope": "launch/patient"}, "invalid_scope"),
    "a long nonce": ({"nonce": "n" * 201}, "invalid_request"),
    "a request object": ({"request": "e30.e30."}, "request_not_supported"),
    "a request elsewhere": ({"request_uri": "https://app.example/request"}, "request_uri_not_supported"),
    "a registration": ({"registration": "{}"}, "registration_not_supported"),
    "an answer by form": ({"response_mode": "form_post"}, "invalid_request"),
    "without asking": ({"prompt": "none"}, "interaction_required"),
    "asking and not": ({"prompt": "none login"}, "invalid_request"),
    "a prompt of another kind": ({"prompt": "shout"}, "invalid_request"),
    "an age that is none": ({"max_age": "-1"}, "invalid_request"),
}


@pytest.mark.parametrize("wrong", TOLD, ids=str)
def test_an_app_is_told_what_is_wrong_with_its_request_and_gets_no_code(
    wrong: str, edge: Edge, doctor: Browser, chart: App
) -> None:
    more, error = TOLD[wrong]
    page = doctor.go(chart.request(**more))  # type: ignore[arg-type]
    assert page.to.startswith(f"{APP.redirects[0]}?")
    assert page.told["error"] == error
    assert page.told["iss"] == edge.gateway.url
    if "state" not in more:
        assert page.told["state"] == "s" * 22
    posted = doctor.go(
        page.to.replace(APP.redirects[0], f"{doctor.origin}/oauth/consent"), [("decision", "allow")]
    )
    assert "code" not in posted.told


@pytest.mark.parametrize(
    "more",
    [
        {"client_id": "0" * 32},
        {"client_id": None},
        {"client_id": "../x"},
        {"redirect_uri": None},
        {"redirect_uri": "https://app.example/after?x=1"},
        {"redirect_uri": "https://app.example/after/"},
        {"redirect_uri": "https://app.example.attacker.example/after"},
        {"redirect_uri": "https://attacker.example/after"},
        {"redirect_uri": "javascript:alert(1)"},
    ],
    ids=str,
)
def test_nobody_is_led_to_an_address_that_was_not_registered(
    more: dict[str, str | None], doctor: Browser, chart: App
) -> None:
    for url in (chart.request(**more), chart.request(code_challenge=None, **more)):  # type: ignore[arg-type]
        page = doctor.go(url)
        assert (page.status, page.to) == (400, "")
        assert "cannot be let in" in page.text


def test_an_app_may_want_the_person_to_prove_it_anew(edge: Edge, chart: App) -> None:
    doctor = signed_in(edge, "Dr City")
    current, now = doctor.session, edge.story.world.clock.now()
    for proved, passes in ((now - 20, True), (now - sessions.FRESH - 1, False)):
        kept = replace(current.row, proved=proved).encode()
        current.who.organisation.books.put(sessions.KEPT, [(current.digest, kept)])
        assert doctor.go(chart.request(max_age="10000", prompt="consent")).status == 200
        for more in (
            {"prompt": "login"},
            {"prompt": "select_account consent"},
            {"max_age": "300"},
            {"max_age": "0"},
        ):
            page = doctor.go(chart.request(**more))
            assert (page.status == 200) == passes, (more, page.text)
            decided = [("decision", "allow"), ("granted", "patient/*.rs"), ("patient", edge.story.adam.hex())]
            asked_for = pairs(chart.request(**more).partition("?")[2])
            assert ("code" in doctor.go("/oauth/consent", [*asked_for, *decided]).told) == passes


def test_a_request_may_be_posted_and_says_nothing_twice(edge: Edge, doctor: Browser, chart: App) -> None:
    query = chart.request().partition("?")[2]
    form = [tuple(each.split("=", 1)) for each in query.split("&")]
    posted = doctor.go(f"{doctor.origin}/oauth/authorize?x", [(name, value) for name, value in pairs(query)])
    assert posted.status == 200
    assert edge.story.adam.hex() in posted.patients
    assert len(form) == len(pairs(query))
    twice = doctor.go(chart.request() + "&state=other")
    assert twice.status == 400
    assert doctor.go("/oauth/authorize?" + "a" * 20_000).status == 400
    assert doctor.go("/oauth/consent", [("a", "b" * 20_000)]).status == 400


def pairs(query: str) -> list[tuple[str, str]]:
    return parse_qsl(query)


def test_a_person_refuses_or_leaves_out_what_an_app_wants(edge: Edge, doctor: Browser, chart: App) -> None:
    page = doctor.go(chart.request("user/Condition.rs user/Patient.r openid"))
    told = doctor.go("/oauth/consent", [*page.form, ("decision", "refuse")]).told
    assert (told["error"], told["state"]) == ("access_denied", "s" * 22)
    less = [each for each in page.form if each != ("granted", "user/Patient.r")]
    code = doctor.go("/oauth/consent", [*less, ("decision", "allow")]).told["code"]
    assert chart.exchange(code).body["scope"] == "user/Condition.rs openid"
    more = [*less, ("granted", "user/*.cruds"), ("decision", "allow")]
    code = doctor.go("/oauth/consent", more).told["code"]
    assert chart.exchange(code).body["scope"] == "user/Condition.rs openid"
    none = doctor.go(chart.request("user/Condition.rs"))
    nothing = [each for each in none.form if each[0] != "granted"]
    assert doctor.go("/oauth/consent", [*nothing, ("decision", "allow")]).told["error"] == "access_denied"


def test_a_patient_has_to_be_chosen_out_of_those_whom_the_post_knows(
    edge: Edge, doctor: Browser, chart: App
) -> None:
    page = doctor.go(chart.request())
    for chosen in ("", "0" * 64, edge.story.adam.hex()[:-1]):
        form = [*page.form, ("decision", "allow"), ("patient", chosen)]
        assert doctor.go("/oauth/consent", form).told["error"] == "access_denied"
    stranger, theirs = signed_in(edge, "Dr Lake"), app(edge, "Lakeside")
    assert edge.story.berta.hex() not in stranger.go(theirs.request()).patients


def test_the_page_runs_nothing_stands_in_no_frame_and_says_what_apps_call_themselves_as_text(
    edge: Edge, doctor: Browser
) -> None:
    evil = app(edge, name='<script>alert("1")</script>', redirects=("https://app.example:8443/after?own=1",))
    page = doctor.go(
        evil.request("user/*.rs", redirect_uri="https://app.example:8443/after?own=1", state='"><b>')
    )
    assert "<script" not in page.text
    assert "<b>" not in page.text
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self' https://app.example:8443" in policy
    assert "script-src" not in policy
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "same-origin"
    assert doctor.go("/oauth/page.css").status == 200
    assert '<a href="/sign-in">Your sessions, the apps that act for you, and signing out</a>' in page.text
    told = doctor.go("/oauth/consent", [*page.form, ("decision", "allow")])
    assert told.to.startswith("https://app.example:8443/after?own=1&code=")
    assert told.told["state"] == '"><b>'


# Who is asked ------------------------------------------------------------------------------------


def test_only_a_page_of_this_site_asks_and_only_whoever_is_signed_in(
    edge: Edge, doctor: Browser, chart: App
) -> None:
    form = [*doctor.go(chart.request("user/*.rs")).form, ("decision", "allow")]
    query = urlencode(form)
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://app.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": ""},
    ):
        page = doctor.go("/oauth/consent", form, **dict(headers))
        assert (page.status, page.told) == (403, {}), headers
    assert doctor.go(f"/oauth/consent?{query}", None, **{"Sec-Fetch-Site": "cross-site"}).status == 403
    assert "code" not in doctor.go(f"/oauth/consent?{query}").told  # a GET decides nothing
    for secret in ("", "x", doctor.secret.swapcase()):
        page = Browser(edge, secret).go("/oauth/consent", form)
        assert page.status == 401
        assert "Sign in first" in page.text
        assert "/sign-in" in page.text
    by_token = Browser(edge).go("/oauth/consent", form, Authorization=f"Bearer {edge.token('Dr City')}")
    assert by_token.status == 401
    both = doctor.go("/oauth/consent", form, Authorization=f"Bearer {edge.token('Dr City')}")
    assert both.status == 401


def test_people_of_other_organisations_and_for_other_purposes_are_not_asked(edge: Edge, chart: App) -> None:
    for browser in (signed_in(edge, "Dr Lake"), signed_in(edge, "Dr City", "HRESCH")):
        page = browser.go(chart.request("user/*.rs"))
        assert page.status == 403
        assert page.form == []
        form = [
            *pairs(chart.request("user/*.rs").partition("?")[2]),
            ("granted", "user/*.rs"),
            ("decision", "allow"),
        ]
        assert browser.go("/oauth/consent", form).told["error"] == "access_denied"


def test_access_that_outlives_the_session_needs_a_fresh_proof(edge: Edge, chart: App) -> None:
    browser = signed_in(edge, "Dr City")
    books, current = edge.story.organisations["City"].books, browser.session
    old = replace(current.row, proved=current.row.proved - sessions.FRESH - 1)
    books.put(sessions.KEPT, [(current.digest, old.encode())])
    page = browser.go(chart.request("user/*.rs offline_access"))
    assert (page.status, page.form) == (403, [])
    assert browser.go(chart.request("user/*.rs online_access")).form


def test_a_suspended_posts_app_gets_and_renews_nothing(edge: Edge) -> None:
    browser, theirs = signed_in(edge, "Dr Stay"), app(edge, "Delta")
    code, said = theirs.code(browser, "user/*.rs"), theirs.given(browser, "user/*.rs offline_access")
    world = edge.story.world
    post = world.keyring.all_staff(world.keyring.ministry())["Officer A"]
    officer, delta = Officer(post.number, post.key), edge.story.organisations["Delta"].number
    parties.suspend(world.network, officer, delta)
    try:
        assert browser.go(theirs.request("user/*.rs")).status == 403
        refused(theirs.exchange(code), 400, "unauthorized_client")
        refused(theirs.renew(said["refresh_token"]), 400, "unauthorized_client")
        assert Client(edge.gateway.base, said["access_token"]).ask("Condition").status == 403
    finally:
        parties.reinstate(world.network, officer, delta)
    assert theirs.renew(said["refresh_token"]).status == 200


# Codes and refresh tokens ------------------------------------------------------------------------


def test_a_code_fits_its_app_its_address_and_its_verifier_alone(
    edge: Edge, doctor: Browser, chart: App
) -> None:
    code = chart.code(doctor, "user/Condition.rs")
    said = {
        refused(app(edge).exchange(code), 400, "invalid_grant"),
        refused(chart.exchange(code, redirect_uri="https://app.example/other"), 400, "invalid_grant"),
        refused(chart.exchange(code, code_verifier="w" * 43), 400, "invalid_grant"),
        refused(chart.exchange(code, code_verifier="v"), 400, "invalid_grant"),
        refused(chart.exchange(code, code_verifier="é" * 43), 400, "invalid_grant"),
        refused(chart.exchange("made up"), 400, "invalid_grant"),
    }
    assert len(said) == 1
    for missing in ("redirect_uri", "code_verifier"):
        refused(chart.exchange(code, **{missing: ""}), 400, "invalid_request")
    loader = service(edge, "City")
    refused(loader.ask(grant_type="authorization_code", code=code, redirect_uri="x", code_verifier=VERIFIER), 400,
            "unauthorized_client")  # fmt: skip
    assert chart.exchange(code).status == 200


def test_a_code_is_good_for_a_minute(edge: Edge, doctor: Browser, chart: App) -> None:
    city, code = edge.story.organisations["City"], chart.code(doctor, "user/Condition.rs")
    name, now = CODE + tokens.digest_of(code), edge.story.world.clock.now()
    row = app_grants.look(city.books, name, now)
    assert row is not None
    assert now < row.until <= now + 60
    app_grants.keep(city.books, [Row(name, row.value, now - 1)])
    refused(chart.exchange(code), 400, "invalid_grant")
    assert AppCode.decode(row.value).used == b""


def test_a_code_that_comes_again_ends_what_it_gave_also_after_a_restart(
    told: Story, tmp_path: Path, port: int
) -> None:
    mine = story.copied(told, tmp_path / "data")
    with Gateway(mine.world, port=port) as gateway:
        edge = Edge(mine, gateway)
        browser, chart = signed_in(edge, "Dr City"), app(edge)
        codes = [chart.code(browser, "user/Condition.rs online_access") for _ in range(2)]
        given = [chart.exchange(each).body for each in codes]
        search = f"Condition?patient={mine.adam.hex()}"
        reads = [Client(gateway.base, each["access_token"]) for each in given]
        assert {each.ask(search).status for each in reads} == {200}
        refused(app(edge).exchange(codes[0]), 400, "invalid_grant")  # another's word ends nothing
        assert reads[0].ask(search).status == 200
        refused(chart.exchange(codes[0]), 400, "invalid_grant")
        assert reads[0].ask(search).status == 401
        refused(chart.renew(given[0]["refresh_token"]), 400, "invalid_grant")
    mine.reopen()
    with Gateway(mine.world, port=port) as gateway:
        edge = Edge(mine, gateway)
        chart, again = replace(chart, edge=edge), Client(gateway.base, given[1]["access_token"])
        assert again.ask(search).status == 200
        refused(chart.exchange(codes[1]), 400, "invalid_grant")
        assert again.ask(search).status == 401
        assert replace(browser, edge=edge).go(chart.request("user/*.rs")).status == 200
    mine.world.close()


def test_a_refresh_token_counts_once_and_its_return_ends_the_grant(
    edge: Edge, doctor: Browser, chart: App
) -> None:
    said = chart.given(doctor, "user/*.rs online_access")
    other = chart.given(doctor, "user/*.rs online_access")
    refused(app(edge).renew(said["refresh_token"]), 400, "invalid_grant")
    second = chart.renew(said["refresh_token"])
    assert second.status == 200
    assert second.body["scope"] == said["scope"] == "user/*.rs online_access"
    assert second.body["refresh_token"] != said["refresh_token"]
    third = chart.renew(second.body["refresh_token"]).body
    read = f"Condition?patient={edge.story.adam.hex()}"
    assert Client(edge.gateway.base, third["access_token"]).ask(read).status == 200
    refused(chart.renew(said["refresh_token"]), 400, "invalid_grant")
    assert Client(edge.gateway.base, third["access_token"]).ask(read).status == 401
    refused(chart.renew(third["refresh_token"]), 400, "invalid_grant")
    assert Client(edge.gateway.base, other["access_token"]).ask(read).status == 200
    assert chart.renew(other["refresh_token"]).status == 200


def test_a_public_app_renews_without_its_name_and_a_confidential_one_does_not(
    edge: Edge, doctor: Browser, chart: App
) -> None:
    form = {"grant_type": "refresh_token"}
    said = chart.given(doctor, "user/*.rs online_access")
    renewed = asked(edge, "token", form | {"refresh_token": said["refresh_token"]})
    assert (renewed.status, renewed.body["scope"]) == (200, said["scope"])
    again = asked(edge, "token", form | {"refresh_token": said["refresh_token"]})
    refused(again, 400, "invalid_grant")
    refused(
        asked(edge, "token", form | {"refresh_token": renewed.body["refresh_token"]}), 400, "invalid_grant"
    )
    own = app(edge, key=KeyPair()).given(doctor, "user/*.rs online_access")
    refused(asked(edge, "token", form | {"refresh_token": own["refresh_token"]}), 401, "invalid_client")
    refused(asked(edge, "token", form | {"refresh_token": "made up"}), 400, "invalid_grant")


def test_a_renewed_token_has_no_more_than_was_granted_and_may_have_less(
    edge: Edge, doctor: Browser, chart: App
) -> None:
    said = chart.given(
        doctor, "launch/patient patient/Condition.rs patient/Patient.r online_access", edge.story.adam
    )
    for more in ("patient/*.rs", "user/Condition.rs", "patient/Condition.rs offline_access", " "):
        refused(chart.renew(said["refresh_token"], scope=more or " "), 400, "invalid_scope")
    less = chart.renew(said["refresh_token"], scope="patient/Condition.rs").body
    assert (less["scope"], less["patient"]) == ("patient/Condition.rs", edge.story.adam.hex())
    reads = Client(edge.gateway.base, less["access_token"])
    assert reads.ask(f"Condition?patient={edge.story.adam.hex()}").status == 200
    assert reads.ask(f"Patient/{edge.story.adam.hex()}").status == 403
    whole = chart.renew(less["refresh_token"]).body
    assert whole["scope"] == said["scope"]
    assert chart.ask("revoke", token=whole["refresh_token"]).status == 200
    assert reads.ask(f"Condition?patient={edge.story.adam.hex()}").status == 401


def test_a_token_renewed_with_fewer_scopes_reaches_nobody_more(
    edge: Edge, doctor: Browser, chart: App
) -> None:
    edge.story.grant(edge.story.berta, edge.story.staff["Dr City"], (DIAGNOSIS,), Permission.VIEW)
    search = f"Condition?patient={edge.story.berta.hex()}"
    said = chart.given(doctor, "user/Condition.rs offline_access")
    assert reads(edge, said, search) == 200
    scope = "patient/Condition.rs user/Condition.rs launch/patient offline_access"
    said = chart.given(doctor, scope, edge.story.adam)
    assert reads(edge, said, search) == 403
    less = chart.renew(said["refresh_token"], scope="user/Condition.rs").body
    assert (less["scope"], less["patient"]) == ("user/Condition.rs", edge.story.adam.hex())
    assert reads(edge, less, f"Condition?patient={edge.story.adam.hex()}") == 200
    assert reads(edge, less, search) == 403


def test_what_counts_once_is_not_used_up_while_the_ledger_cannot_be_asked(
    edge: Edge, doctor: Browser, chart: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stale() -> None:
        raise LedgerStale(seconds=60)

    code, ledger = chart.code(doctor, "user/Condition.rs offline_access"), edge.story.world.ledger
    with monkeypatch.context() as stopped:
        stopped.setattr(ledger, "fresh_head", stale)
        refused(chart.exchange(code), 503, "temporarily_unavailable")
    said = chart.exchange(code).body
    with monkeypatch.context() as stopped:
        stopped.setattr(ledger, "fresh_head", stale)
        refused(chart.renew(said["refresh_token"]), 503, "temporarily_unavailable")
    again = chart.renew(said["refresh_token"])
    assert again.status == 200
    assert reads(edge, again.body, "Condition") == 200


def test_online_access_ends_with_the_sign_in_and_offline_access_with_the_person(edge: Edge) -> None:
    browser, chart = signed_in(edge, "Dr City"), app(edge)
    plain, online, offline = (
        chart.given(browser, f"user/*.rs{more}") for more in ("", " online_access", " offline_access")
    )
    assert "refresh_token" not in plain
    search, person = f"Condition?patient={edge.story.adam.hex()}", browser.session.who
    now = edge.story.world.clock.now()
    sessions.renew(browser.session, None, now)
    assert [reads(edge, each, search) for each in (plain, online, offline)] == [200, 200, 200]
    sessions.end(person, [each.digest for each in sessions.own(person, now)])
    assert [reads(edge, each, search) for each in (plain, online, offline)] == [401, 401, 200]
    refused(chart.renew(online["refresh_token"]), 400, "invalid_grant")
    offline = chart.renew(offline["refresh_token"]).body
    kept = app_grants.look(
        person.organisation.books, REFRESH + tokens.digest_of(offline["refresh_token"]), now
    )
    assert kept is not None
    assert kept.until <= now + app_codes.OFFLINE_SECONDS
    accounts.suspend([accounts.person(person.organisation, person.id)])
    try:
        assert reads(edge, offline, search) == 401
        refused(chart.renew(offline["refresh_token"]), 400, "invalid_grant")
    finally:
        accounts.changed(accounts.person(person.organisation, person.id), state=accounts.ACTIVE)


def reads(edge: Edge, said: Any, search: str) -> int:
    return Client(edge.gateway.base, said["access_token"]).ask(search).status


def test_an_app_ends_what_it_was_given_and_with_the_app_everything_ends(edge: Edge, doctor: Browser) -> None:
    chart, search = app(edge), f"Condition?patient={edge.story.adam.hex()}"
    first, second = (chart.given(doctor, "user/*.rs online_access") for _ in range(2))
    refused(app(edge).ask("revoke", token=first["access_token"]), 400, "invalid_grant")
    assert app(edge).ask("revoke", token=first["refresh_token"]).status == 200  # of another's nothing is said
    assert reads(edge, first, search) == 200
    assert chart.ask("revoke", token=first["access_token"]).status == 200
    assert reads(edge, first, search) == 401
    renewed = chart.renew(first["refresh_token"]).body
    assert chart.ask("revoke", token=renewed["refresh_token"]).status == 200
    assert reads(edge, renewed, search) == 401
    assert reads(edge, second, search) == 200
    clients.remove(edge.story.organisations["City"], chart.id)
    assert reads(edge, second, search) == 401
    refused(chart.renew(second["refresh_token"]), 401, "invalid_client")
    assert doctor.go(chart.request()).status == 400


def test_a_person_sees_which_apps_act_for_the_post_and_ends_one(edge: Edge, doctor: Browser) -> None:
    chart, search = app(edge, name="a chart to end"), f"Condition?patient={edge.story.adam.hex()}"
    said = chart.given(doctor, "launch/patient patient/Condition.rs online_access", edge.story.adam)
    part = chart.renew(said["refresh_token"], scope="patient/Condition.rs").body
    own = api(edge, "Dr City")
    [mine] = [each for each in own.ask("apps?limit=200").body["items"] if each["name"] == "a chart to end"]
    assert (mine["client"], mine["scopes"], mine["patient"]) == (
        chart.id,
        said["scope"],
        edge.story.adam.hex(),
    )
    for stranger in (api(edge, "Dr Lake"), api(edge, "clerk")):
        assert mine["id"] not in {each["id"] for each in stranger.ask("apps?limit=200").body["items"]}
        assert stranger.ask(f"apps/{mine['id']}", "DELETE").status == 404
    assert (
        Client(edge.gateway.base, part["access_token"]).ask(f"{edge.gateway.url}/api/v1/apps").status == 403
    )
    assert reads(edge, part, search) == reads(edge, said, search) == 200
    assert own.ask(f"apps/{mine['id']}", "DELETE").body == mine
    assert reads(edge, part, search) == reads(edge, said, search) == 401
    refused(chart.renew(part["refresh_token"]), 400, "invalid_grant")
    assert own.ask(f"apps/{mine['id']}", "DELETE").status == 404


def test_what_an_app_has_open_goes_on_with_its_next_token(edge: Edge, doctor: Browser, chart: App) -> None:
    said = chart.given(doctor, "user/*.rs online_access")
    first = Client(edge.gateway.base, said["access_token"])
    page = first.ask(f"Condition?patient={edge.story.adam.hex()}&_count=1")
    onward = page.link("next")
    assert onward is not None
    second = Client(edge.gateway.base, chart.renew(said["refresh_token"]).body["access_token"])
    assert second.ask(onward).status == 200
    other = chart.given(doctor, "user/*.rs")
    assert Client(edge.gateway.base, other["access_token"]).ask(onward).status == 410


def test_everything_that_is_supported_is_granted(edge: Edge, doctor: Browser) -> None:
    said = edge.stranger().ask(".well-known/smart-configuration").body
    capabilities = set(said["capabilities"])
    assert {"launch-ehr", "launch-standalone", "client-public", "sso-openid-connect"} <= capabilities
    handle = launch(edge, "Dr City", patient=edge.story.adam.hex(), encounter="e").body["launch"]
    scopes = [
        each for each in said["scopes_supported"] if each != "introspect" and not each.startswith("system/")
    ]
    given = app(edge).given(doctor, " ".join(scopes), launch=handle)
    left = set(scopes) - set(given["scope"].split())
    assert left == set()
    metadata = edge.stranger().ask("metadata").body["rest"][0]["security"]
    uris = {each["url"]: each["valueUri"] for each in metadata["extension"][0]["extension"]}
    assert uris["authorize"] == said["authorization_endpoint"]
    assert re.fullmatch(r"http://localhost:\d+/oauth/authorize", uris["authorize"])


def test_who_changes_what_proves_them_ends_what_others_let_in_by_it(edge: Edge) -> None:
    """A stranger who had the password let an app in that ends with no session, and keeps a code for another one."""
    mine, stranger, other = signed_in(edge, "Dr City"), signed_in(edge, "Dr City"), signed_in(edge, "clerk")
    chart, who, search = app(edge), mine.session.who, f"Condition?patient={edge.story.adam.hex()}"
    theirs = chart.given(stranger, "user/*.rs offline_access")
    kept_back = chart.code(stranger, "user/*.rs offline_access")
    ending, of_another = chart.given(mine, "user/*.rs"), chart.given(other, "user/*.rs offline_access")
    key = Passkey(who.id, secrets.token_bytes(32), nobodys_key(), 0, 0, 0)
    accounts.add_passkey(who, key)
    page = At(edge, cookies={SESSION: mine.secret})
    assert [reads(edge, each, search) for each in (theirs, ending)] == [200, 200]
    assert page.ask("DELETE", f"/identity/passkeys/{credential_digest(key.credential).hex()}").status == 204
    assert [reads(edge, each, search) for each in (theirs, ending)] == [401, 200]
    refused(chart.renew(theirs["refresh_token"]), 400, "invalid_grant")
    refused(chart.exchange(kept_back), 400, "invalid_grant")
    assert chart.renew(of_another["refresh_token"]).status == 200
    left = sessions.own(who, edge.story.world.clock.now())
    assert [each.digest for each in left] == [mine.session.digest]
    later = chart.given(mine, "user/*.rs offline_access")
    assert reads(edge, later, search) == 200


def test_a_password_that_is_changed_or_removed_ends_what_was_let_in_by_it_too(edge: Edge) -> None:
    mine, stranger = signed_in(edge, "Dr City"), signed_in(edge, "Dr City")
    chart, who, search = app(edge), mine.session.who, f"Condition?patient={edge.story.adam.hex()}"
    old, new, code = "a heron over the delta", "a kite above the harbour", codes.new_recovery_codes()[0]
    kept = Password(passwords.new_hash(old), secrets.token_bytes(20), 0, (codes.code_digest(code),), 0)
    accounts.set_password(who, kept)
    accounts.add_passkey(who, Passkey(who.id, secrets.token_bytes(32), nobodys_key(), 0, 0, 0))
    page = At(edge, cookies={SESSION: mine.secret})
    theirs = chart.given(stranger, "user/*.rs offline_access")
    said = page.post("/password/options").body
    secret = base64.b32decode(parse_qs(urlsplit(said["totp"]).query)["secret"][0])
    step = edge.story.world.clock.now() // codes.PERIOD
    body = {"challenge": said["challenge"], "password": new, "code": codes.totp_code(secret, step)}
    assert page.post("/password", body | {"proof": {"password": new, "code": code}}).status == 401
    assert reads(edge, theirs, search) == 200
    said = page.post("/password/options").body
    secret = base64.b32decode(parse_qs(urlsplit(said["totp"]).query)["secret"][0])
    body |= {"challenge": said["challenge"], "code": codes.totp_code(secret, step)}
    assert page.post("/password", body | {"proof": {"password": old, "code": code}}).status == 201
    assert reads(edge, theirs, search) == 401
    again = chart.given(signed_in(edge, "Dr City"), "user/*.rs offline_access")
    assert reads(edge, again, search) == 200
    assert page.ask("DELETE", "/identity/password").status == 204
    assert reads(edge, again, search) == 401
