"""What lets somebody in or out, or is refused, is one line of the log that names nobody but to their organisation."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from careledger.app import tokens
from careledger.app.identity import codes, references, sessions
from careledger.app.identity.attempts import FROM_ONE_PLACE, Rule
from careledger.app.service.logs import JsonLines
from careledger.domain import errors
from careledger.domain.consents import Purpose
from careledger.domain.errors import CareLedgerError
from careledger.gateway import security_log
from careledger.gateway.cookies import SESSION
from careledger.gateway.outcomes import status_of
from careledger.gateway.security_log import EVENTS, OTHER
from gateway.browser import WHO, Browser, account_of, newcomer, staff
from gateway.edge_world import Edge
from gateway.oauth_world import FORM, app, asked, service, signed_in
from gateway.test_identity_routes import PASSWORD, aged, totp_of
from gateway.test_who_may_ask import KINDS, PARTS

FREE = FROM_ONE_PLACE.free
LOUD = (401, 403, 421, 429)
Said = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def said(edge: Edge, caplog: pytest.LogCaptureFixture) -> Said:
    """What was written since it was last asked."""
    edge.gateway._edge._identity._pace._left.clear()
    caplog.set_level(logging.INFO, "careledger.security")
    lines = JsonLines()

    def since() -> list[dict[str, Any]]:
        found = [lines.format(each) for each in caplog.records if each.name == "careledger.security"]
        caplog.clear()
        return [json.loads(each) for each in found]

    return since


def events(lines: list[dict[str, Any]]) -> list[str]:
    return [each["message"] for each in lines]


def test_every_route_that_refuses_writes_one_line_with_its_pattern_and_no_more(
    edge: Edge, said: Said
) -> None:
    withdrawn, bearer = edge.token("Dr City"), edge.token("Dr City")
    tokens.withdraw(edge.story.staff["Dr City"].organisation, tokens.digest_of(withdrawn))
    asking: list[dict[str, str]] = [
        {},
        {"Authorization": f"Bearer {withdrawn}"},
        {"Authorization": f"Bearer {bearer}"},
        {"Cookie": f"{SESSION}={'A' * 43}", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://elsewhere.example"},
        {"Host": "elsewhere.example"},
    ]
    names = PARTS | {"session": "0" * 64, "passkey": "0" * 64, "account": "0" * 32, "provider": "0" * 32}
    counts: dict[str, int] = {}
    for method, path in edge.gateway.routes():
        if path.endswith(("/events", "/healthz", "/readyz")):
            continue
        url = path.replace(":path", "").format_map(Parts(names))
        for headers in asking:
            kind = (
                FORM
                if path.endswith("_search") or path.startswith("/oauth")
                else KINDS.get(method, "application/fhir+json")
            )
            kind = "application/json" if path.startswith(("/api/", "/identity/")) else kind
            body = b"{}" if method in ("POST", "PUT", "PATCH") else None
            sent = {**headers, **({"Content-Type": kind} if body else {})}
            answer = edge.stranger().pool.request(
                method, edge.gateway.url + url, body=body, headers=sent, redirect=False, retries=False
            )
            lines = said()
            assert len(lines) == 1 if answer.status in LOUD else len(lines) <= 1, (
                method,
                path,
                headers,
                lines,
            )
            for each in lines:
                assert (each["route"], each["method"]) == (path, method)
                assert each["message"] != OTHER, (method, path, each)
                counts[each["message"]] = counts.get(each["message"], 0) + 1
            assert "elsewhere.example" not in json.dumps(lines)
    assert counts["token-refused"] > 120
    assert counts["misdirected"] > 60
    assert counts["session-refused"] > 30
    assert counts["other-site-refused"] >= 6
    assert counts["access-refused"] >= 5
    assert counts["client-refused"] >= 2


class Parts(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "0" * 16


def test_each_refusal_of_who_somebody_is_or_what_they_may_has_its_event() -> None:
    for name in dir(errors):
        kind = getattr(errors, name)
        if not (isinstance(kind, type) and issubclass(kind, CareLedgerError)) or kind is CareLedgerError:
            continue
        event = security_log.event_of(kind())
        assert event != OTHER
        assert event or status_of(kind) not in LOUD, name
    assert len({each.name for each in EVENTS}) == len(EVENTS)
    assert security_log.event_of(errors.RecordNotFound()) == ""


def test_signing_in_and_out_is_told_by_references_that_the_organisation_alone_leads_back(
    edge: Edge, said: Said
) -> None:
    browser = newcomer(edge)
    who = account_of(browser)
    assert browser.step_up().status == 204
    assert browser.post("/sign-out").status == 204
    assert browser.sign_in().status == 204
    lines = said()
    assert events(lines) == ["signed-up", "stepped-up", "signed-out", "signed-in"]
    [reference] = {each["who"] for each in lines}
    city, lakeside = (edge.story.organisations[each] for each in ("City", "Lakeside"))
    assert references.resolved(city, (), reference) == (who.id, 0)
    assert references.resolved(lakeside, (), reference) == (b"", 0)
    assert len({each["source"] for each in lines}) == 1
    aged(browser, seen=-sessions.IDLE)
    assert browser.get("/session").status == 401
    assert events(said()) == ["session-refused"]


def test_what_proves_nobody_is_told_as_whom_it_was_tried_and_nothing_of_it(
    edge: Edge, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Rule, "wait", lambda rule, failed: 900 if failed >= FREE else 0)
    browser, now = Browser(edge), edge.story.world.clock.now()
    options = browser.post("/sign-up/options", {"organisation": browser.id, "by": "password"}).body
    code = codes.totp_code(totp_of(options["totp"]), now // codes.PERIOD)
    given = {"organisation": browser.id, "challenge": options["challenge"], "password": PASSWORD, **WHO}
    made = browser.post("/sign-up", given | {"code": code}).body
    [opened] = said()
    names = made["sign_in_name"], "zzzzz-zzzzz"
    for name in names:
        for status in (401,) * FREE + (429,):
            body = {"organisation": browser.id, "name": name, "password": f"{PASSWORD}!", "code": "000000"}
            assert Browser(edge).post("/sign-in", body).status == status
    lines = said()
    assert events(lines) == [*["proof-refused"] * FREE, "held-up"] * 2
    known, unknown = {each["who"] for each in lines[: FREE + 1]}, {each["who"] for each in lines[FREE + 1 :]}
    assert known == {opened["who"]}
    assert len(unknown) == 1
    assert known != unknown
    answer = browser.assertion()
    answer["response"]["clientDataJSON"] = "e30"
    assert browser.post("/sign-in", {"organisation": browser.id, "credential": answer}).status == 401
    text = json.dumps([opened, *lines, *said()])
    for personal in (*names, *WHO.values(), PASSWORD, browser.session, "127.0.0.1", "a browser", browser.id):
        assert personal not in text
    assert account_of(browser).id.hex() not in text


def test_a_challenge_that_was_answered_before_and_another_persons_are_told(edge: Edge, said: Said) -> None:
    browser = newcomer(edge)
    answer = browser.assertion()
    body = {"organisation": browser.id, "credential": answer}
    assert browser.post("/sign-in", body).status == 204
    said()
    assert Browser(edge).post("/sign-in", body).status == 401
    [line] = said()
    assert (line["message"], line["refusal"]) == ("challenge-refused", "ChallengeRefused")
    assert line["who"] == edge.gateway._edge._desk.references.account(
        edge.story.organisations["City"], account_of(browser).id
    )


def test_what_was_used_before_is_told_as_seen_again(edge: Edge, said: Said) -> None:
    machine = service(edge)
    form = machine.form(grant_type="client_credentials", scope="system/*.rs")
    assert asked(edge, "token", form).status == 200
    [line] = said()
    assert (line["message"], line["client"]) == ("token-given", machine.id)
    assert asked(edge, "token", form).status == 401
    assert [(each["message"], each["refusal"]) for each in said()] == [("replay-seen", "AssertionUsed")]
    launched, doctor = app(edge), signed_in(edge, "Dr City")
    code = launched.code(doctor, "openid user/Condition.rs")
    assert launched.exchange(code).status == 200
    assert launched.exchange(code).status == 400
    assert launched.exchange("clt_none").status == 400
    lines = said()
    assert events(lines) == ["app-let-in", "token-given", "replay-seen", "grant-refused"]
    assert lines[0]["who"]
    assert {each["client"] for each in lines} == {launched.id}
    refusing = [*doctor.go(launched.request("openid")).form, ("decision", "refuse")]
    assert doctor.go("/oauth/consent", refusing).told["error"] == "access_denied"
    assert launched.ask("revoke", token="clt_none").status == 200
    lines = said()
    assert events(lines) == ["app-turned-away", "token-taken-back"]
    assert [each["level"] for each in lines] == ["warning", "info"]


def test_what_a_role_a_scope_and_an_old_proof_do_not_allow_is_told_by_whom(edge: Edge, said: Said) -> None:
    client = edge.client("Dr City")
    post = edge.story.staff["Dr City"]
    reference = edge.gateway._edge._desk.references.post(post.organisation, post.number)
    assert client.ask(f"{edge.gateway.url}/scim/v2/Users").status == 403
    scoped = tokens.issue(post, Purpose.TREAT, edge.story.world.clock.now(), 900, scopes="user/Condition.rs")[
        0
    ]
    assert edge.stranger(scoped).ask("Patient").status == 403
    lines = said()
    assert events(lines) == ["access-refused", "scope-refused"]
    assert {each["who"] for each in lines} == {reference}
    organisation = edge.story.organisations["City"]
    assert references.resolved(organisation, [post.number], reference) == (b"", post.number)
    person = staff(edge, "Dr City")
    said()
    aged(person, proved=-600)
    assert person.post("/passkeys/options").status == 403
    assert events(said()) == ["fresh-proof-wanted"]
    aged(person, proved=0)
    assert person.post("/sessions/end-others").status == 204
    assert events(said()) == ["sessions-ended"]
