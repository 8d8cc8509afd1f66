"""Every route under /identity by everybody who must not: without a session, with one that is over, from elsewhere."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from careledger.app import tokens
from careledger.app.identity import accounts, approving, attempts, codes, invitations, passwords, sessions
from careledger.app.identity.passkeys import Site
from careledger.app.tokens import Bearers
from careledger.app.world import officer_posts
from careledger.domain.errors import ActRefused, InvitationRefused
from careledger.domain.parties import PartyId, Role
from careledger.formats.identity import SignedIn
from careledger.formats.sessions import SessionStatement
from careledger.gateway.application import site_of
from careledger.gateway.cookies import DEVICE, SESSION
from careledger.gateway.identity.operations import Who
from careledger.gateway.identity.routes import BASE, OPERATIONS
from careledger.proofs.passkeys import person_proof
from careledger.workflows import parties, register
from careledger.workflows.match import COUNTED, MOST_QUESTIONS
from careledger.workflows.register import Officer
from gateway.browser import WHO, Browser, account_of, newcomer, staff
from gateway.edge_world import JSON, Edge, Reply
from gateway.test_who_may_ask import KINDS, PARTS, answers, routes
from story import LICENCE

PAGE = {("GET", f"/sign-in{each}") for each in ("", "/page.js", "/page.css")}
PATH = {"session": "0" * 64, "passkey": "0" * 64, "account": "0" * 32}
OPEN = {
    ("GET", "/organisations"),
    *(("POST", f"/{act}{each}") for act in ("sign-up", "sign-in") for each in ("", "/options")),
}
STALE_TOO = {
    ("GET", "/session"), ("GET", "/sessions"), ("DELETE", "/sessions/{session}"), ("GET", "/credentials"),
    ("POST", "/step-up/options"), ("POST", "/step-up"), ("POST", "/sign-out"),
}  # fmt: skip
"""What needs a session, however long ago its person proved who they are; a new operation has to be decided here."""
BY_OFFICERS = {
    each for each in ((o.method, o.path) for o in OPERATIONS) if each[1].startswith(("/people", "/invit"))
}


@pytest.fixture(autouse=True)
def unpaced(edge: Edge) -> None:
    """Each test begins at its ease."""
    unhurried(edge)


def unhurried(edge: Edge) -> None:
    edge.gateway._edge._identity._pace._left.clear()


def test_every_route_has_a_decision(edge: Edge) -> None:
    there = {(each.method, each.path): each.who for each in OPERATIONS}
    assert {place for place, who in there.items() if who is Who.ANYBODY} == OPEN
    assert {place for place, who in there.items() if who is Who.SIGNED_IN} == STALE_TOO
    mine = {(method, BASE + path) for method, path in there} | PAGE
    assert {each for each in edge.gateway.routes() if each[1].startswith((BASE, "/sign-in"))} == mine
    assert not mine & set(routes(edge))


def asked(browser: Browser, of: set[tuple[str, str]] | None = None, **headers: str | None) -> list[Reply]:
    made = []
    for each in OPERATIONS:
        if (each.method, each.path) in (of if of is not None else OPEN):
            continue
        body: dict[str, str] | None = {} if each.takes is not None else None
        made.append(browser.ask(each.method, BASE + each.path.format(**PATH), body, **headers))
    assert len(made) > 5
    return made


def aged(browser: Browser, **times: int) -> None:
    """Its session's row with other times."""
    who = account_of(browser)
    digest = sessions.digest_of(browser.session)
    row = SignedIn.decode(who.organisation.books.get(sessions.KEPT, digest) or b"")
    now = browser.edge.story.world.clock.now()
    changed = replace(row, **{name: now + seconds for name, seconds in times.items()})  # type: ignore[arg-type]
    who.organisation.books.put(sessions.KEPT, [(digest, changed.encode())])


def assert_no_session(browser: Browser) -> None:
    """Nothing answers it, under /identity or anywhere else."""
    replies = asked(browser)
    assert {(each.status, each.problem) for each in replies} == {(401, "session-refused")}
    assert len({each.body["detail"] for each in replies}) == 1
    elsewhere = by_cookie(browser)
    assert {each.status for each in elsewhere} == {401}


def by_cookie(browser: Browser, **headers: str | None) -> list[Reply]:
    """Every route that takes a token, asked by a session instead."""
    made = []
    for method, path in routes(browser.edge):
        kind = "application/x-www-form-urlencoded" if path.endswith("_search") else KINDS.get(method, JSON)
        kind = "application/json" if path.startswith("/api/") else kind
        body: dict[str, str] | None = {} if method in ("POST", "PUT", "PATCH") else None
        made.append(browser.ask(method, path.format(**PARTS), body, Content_Type=kind, **headers))
    assert len(made) > 60
    return made


def test_no_route_answers_without_a_session_or_to_what_is_none(edge: Edge) -> None:
    browser = Browser(edge)
    replies = asked(browser)
    assert {(each.status, each.problem) for each in replies} == {(401, "session-refused")}
    for secret in ("x", "A" * 43, "A" * 44, '"', "clt_" + "A" * 43):
        browser.cookies = {SESSION: secret}
        assert_no_session(browser)
    token = f"Bearer {edge.token('Dr City')}"
    assert {each.status for each in asked(Browser(edge), Authorization=token)} == {401}


def test_no_route_answers_a_session_that_is_over_ended_or_of_who_is_suspended(edge: Edge) -> None:
    idle, late, ended, suspended, all_ended = (staff(edge, "Dr City") for _ in range(5))
    aged(idle, seen=-sessions.IDLE)
    aged(late, until=0)
    secret = ended.session
    assert ended.post("/sign-out").status == 204
    assert ended.session == ""
    ended.cookies[SESSION] = secret
    accounts.suspend([account_of(suspended)])
    accounts.end_sessions([account_of(all_ended)])
    for each in (idle, late, ended, suspended, all_ended):
        assert_no_session(each)


class Slowly:
    """A request whose body comes after its head was read."""

    def __init__(self, browser: Browser, path: str, body: Any) -> None:
        self._body = json.dumps(body).encode()
        self._socket = socket.create_connection(("127.0.0.1", int(browser.url.rpartition(":")[2])))
        cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        head = (
            f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Sec-Fetch-Site: same-origin", f"Origin: {browser.origin}",
            f"Cookie: {cookie}", "Content-Type: application/json", f"Content-Length: {len(self._body)}",
            "Expect: 100-continue", "Connection: close",
        )  # fmt: skip
        self._socket.sendall("\r\n".join(head).encode() + b"\r\n\r\n")
        assert self._socket.recv(100).startswith(
            b"HTTP/1.1 100"
        )  # its body is waited for: who asks was looked at

    def status(self) -> int:
        """Of the answer to the whole."""
        with self._socket:
            self._socket.sendall(self._body)
            return int(self._socket.makefile("rb").readline().split()[1])


def test_whoever_is_suspended_while_the_body_comes_is_refused_and_stays_suspended(edge: Edge) -> None:
    browser = newcomer(edge)
    who, second = account_of(browser), type(browser.key)(origin=browser.origin)
    options = browser.post("/passkeys/options").body["publicKey"]
    slow = Slowly(browser, "/identity/passkeys", {"credential": second.create(options)})
    accounts.suspend([who])
    assert slow.status() == 401
    kept = accounts.person(who.organisation, who.id).account
    assert (kept.state, len(kept.passkeys)) == (accounts.SUSPENDED, 1)


def test_nothing_is_done_for_a_session_that_ended_while_the_body_came(edge: Edge) -> None:
    browser = staff(edge, "Dr City")
    patient = {"patient": edge.story.adam.hex(), "reason": "unconscious"}
    asking = [Slowly(browser, "/api/v1/emergency-proposals", patient)]
    accounts.end_sessions([account_of(browser)])
    assert [each.status() for each in asking] == [401]


def test_a_browser_is_given_back_no_cookie_but_its_own(edge: Edge) -> None:
    browser = newcomer(edge)
    for said in ('"x\\015\\012X-Made: up"', '"x\\073 Domain=localhost"', "A" * 44):
        browser.cookies[DEVICE] = said
        reply = browser.sign_in()
        assert (reply.status, "x-made" in reply.headers) == (204, False)
        assert len(browser.cookies[DEVICE]) == 43


def test_no_route_answers_another_site_or_who_does_not_say_where_it_is_from(edge: Edge) -> None:
    browser = staff(edge, "Dr City")
    port = browser.origin.rpartition(":")[2]
    wrong: list[dict[str, str | None]] = [
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": None},
        {"Sec_Fetch_Site": "none"},
        {"Origin": "http://localhost:1"},
        {"Origin": f"http://127.0.0.1:{port}"},
        {"Origin": "null"},
        {"Origin": None},
    ]
    unsafe = {(each.method, each.path) for each in OPERATIONS if each.method == "GET"}
    for headers in wrong:
        replies = asked(browser, unsafe, **headers)
        assert {(each.status, each.problem) for each in replies} == {(403, "cross-site-refused")}
    for each in ("cross-site", "same-site"):
        assert {reply.status for reply in asked(browser, set(), Sec_Fetch_Site=each)} == {403}
        assert {reply.status for reply in by_cookie(browser, Sec_Fetch_Site=each)} == {403}
    there = edge.story.world.network.ledger.fresh_head().head
    for method, path in routes(edge):
        if method != "GET":
            reply = browser.ask(method, path.format(**PARTS), {}, Origin="http://localhost:1")
            assert reply.status == 403, path
    assert edge.story.world.network.ledger.fresh_head().head == there
    assert browser.get("/session").status == 200


def test_what_is_no_json_is_not_taken(edge: Edge) -> None:
    browser = staff(edge, "Dr City")
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None):
        assert browser.post("/sign-out", Content_Type=kind).status == 415
    wrong: list[object] = [[], {"unknown": 1}, {"organisation": 7}]
    for body in wrong:
        assert browser.post("/sign-in", body).status == 400
    assert browser.post("/sign-in", {"organisation": "x" * 70_000}).status == 413


def test_no_route_answers_a_session_from_under_another_name(edge: Edge) -> None:
    browser = staff(edge, "Dr City")
    assert {each.status for each in asked(browser, set(), Host="gateway.example:8080")} == {421}
    assert browser.ask("GET", "/sign-in", Host="gateway.example:8080").status == 421


def test_a_pending_account_and_a_patients_act_as_nobody_and_decide_nothing(edge: Edge) -> None:
    browser = newcomer(edge)
    assert browser.get("/session").body["state"] == "pending"
    assert {each.status for each in by_cookie(browser)} == {401}
    others = {(each.method, each.path) for each in OPERATIONS} - BY_OFFICERS
    assert {each.status for each in asked(browser, others)} <= {400, 403}
    assert browser.post(f"/people/{'0' * 32}/suspension").status == 403


def test_what_changes_proofs_or_people_needs_a_proof_less_than_five_minutes_old(edge: Edge) -> None:
    browser = staff(edge, "Dr City")
    aged(browser, proved=-sessions.FRESH - 1)
    stale = asked(browser, OPEN | STALE_TOO)
    assert {(each.status, each.problem) for each in stale} == {(403, "fresh-proof-needed")}
    assert browser.get("/session").status == 200
    assert browser.step_up().status == 204
    assert browser.post("/passkeys/options").status == 200


def test_breaking_the_glass_and_taking_back_need_a_fresh_proof_and_a_program_is_not_asked_for_one(
    edge: Edge,
) -> None:
    browser = staff(edge, "Dr City")
    patient = {"patient": edge.story.adam.hex(), "reason": "unconscious"}
    aged(browser, proved=-sessions.FRESH - 1)
    machine, hook = operator(edge), {"url": "http://127.0.0.1:9/"}
    aged(machine, proved=-sessions.FRESH - 1)
    assert machine.ask("POST", "/api/v1/webhooks", hook).problem == "fresh-proof-needed"
    told = machine.ask("POST", "/fhir/Subscription", {"resourceType": "Subscription"}, Content_Type=JSON)
    assert (told.status, told.issue[0]) == (403, "forbidden")
    assert "less than five minutes old" in told.issue[1]
    for method, path, body in (
        ("POST", "/api/v1/emergency-proposals", patient),
        ("POST", f"/api/v1/emergency-proposals/{'0' * 32}/confirmation", patient),
    ):
        reply = browser.ask(method, path, body)
        assert (reply.status, reply.problem) == (403, "fresh-proof-needed")
    deleted = browser.ask("DELETE", "/fhir/Condition/0d1b2c3d-0000-4000-8000-000000000001")
    assert deleted.issue == (
        "forbidden",
        "This needs a proof of who acts that is less than five minutes old.",
    )
    program = edge.client("Dr City").ask("Condition/0d1b2c3d-0000-4000-8000-000000000001", "DELETE")
    assert program.status == 404
    browser.step_up()
    assert browser.ask("POST", "/api/v1/emergency-proposals", patient).status == 201
    assert browser.ask("DELETE", "/fhir/Condition/0d1b2c3d-0000-4000-8000-000000000001").status == 404


def test_a_signed_in_member_of_staff_reads_as_the_post_and_is_stopped_with_it(edge: Edge) -> None:
    browser, world = staff(edge, "Dr Stay"), edge.story.world
    place = f"/fhir/Condition?patient={edge.story.adam.hex()}"
    assert browser.ask("GET", place).matches
    assert browser.ask("GET", "/api/v1/posts/me").status == 200
    me = browser.get("/session").body
    assert me["post"] == browser.ask("GET", "/api/v1/posts/me").body["post"]["id"]
    first = officer_posts(world)[0]
    officer, delta = Officer(first.number, first.key), edge.story.staff["Dr Stay"].organisation.number
    parties.suspend(world.network, officer, delta)
    try:
        assert browser.ask("GET", place).status == 403
    finally:
        parties.reinstate(world.network, officer, delta)
    assert browser.ask("GET", place).matches
    secret = browser.session
    browser.post("/sign-out")
    browser.cookies[SESSION] = secret
    assert browser.ask("GET", place).status == 401


def test_the_session_statement_says_how_the_person_proved_who_they_are(edge: Edge) -> None:
    """Who just signed up has signed nothing yet: a new passkey signs nothing with it."""
    by_key, program = staff(edge, "Dr Stay"), edge.token("Dr Stay")

    def stated(digest: bytes) -> SessionStatement:
        bearers = Bearers(edge.story.world.keyring)
        bearers.employers()
        who = bearers.known(digest, edge.story.world.clock.now())
        assert who is not None
        session = edge.gateway._desk.leases.session(who)
        assert session.key.address == SessionStatement.decode(session.proof.statement.body).session_key
        return SessionStatement.decode(session.proof.statement.body)

    def verified(statement: SessionStatement) -> str:
        post, deployment = edge.story.staff["Dr Stay"], edge.story.world.ledger.deployment
        return person_proof(statement, post.key.address, deployment)

    signed_up, by_token = stated(sessions.digest_of(by_key.session)), stated(tokens.digest_of(program))
    assert (verified(signed_up), verified(by_token)) == ("vouched", "vouched")
    by_key.sign_in()
    signed_in = stated(sessions.digest_of(by_key.session))
    by_key.step_up()
    stepped_up = stated(sessions.digest_of(by_key.session))
    assert (verified(signed_in), verified(stepped_up)) == ("passkey", "passkey")
    assert signed_in.session_key != stepped_up.session_key
    assert signed_in.passkey is not None
    assert stepped_up.passkey is not None
    assert signed_in.passkey.enrolled == stepped_up.passkey.enrolled
    assert by_key.key.credential not in stepped_up.encode()
    assert by_key.key.handle not in stepped_up.encode()


def test_one_lists_and_ends_ones_own_sessions_alone(edge: Edge) -> None:
    one = newcomer(edge)
    first = one.session
    again = Browser(edge, one.key)
    assert again.sign_in().status == 204
    stranger = newcomer(edge)
    there = one.get("/sessions").body["items"]
    assert [each["here"] for each in there] in ([True, False], [False, True])
    assert {each["browser"] for each in there} == {"a browser"}
    mine = next(each["id"] for each in there if each["here"])
    for id in [each["id"] for each in there]:
        assert stranger.ask("DELETE", f"/identity/sessions/{id}").status == 404
    assert stranger.post("/sessions/end-others").status == 204
    assert one.get("/session").status == again.get("/session").status == 200
    assert again.ask("DELETE", f"/identity/sessions/{mine}").status == 204
    assert one.get("/session").status == 401
    one.cookies[SESSION] = first
    assert one.get("/session").status == 401
    third = Browser(edge, one.key)
    third.sign_in()
    assert again.post("/sessions/end-others").status == 204
    assert (third.get("/session").status, again.get("/session").status) == (401, 200)


def test_whoever_ends_another_session_proved_it_freshly_and_ones_own_ends_at_any_time(edge: Edge) -> None:
    """So that whoever has but the cookie keeps its owner's other sessions from nobody."""
    one = staff(edge, "Dr City")
    other = Browser(edge, one.key)
    assert other.sign_in().status == 204
    aged(one, proved=-sessions.FRESH - 1)
    there = {each["here"]: f"/identity/sessions/{each['id']}" for each in one.get("/sessions").body["items"]}
    for reply in (one.ask("DELETE", there[False]), one.post("/sessions/end-others")):
        assert (reply.status, reply.problem) == (403, "fresh-proof-needed")
    assert other.get("/session").status == 200
    assert one.ask("DELETE", there[True]).status == 204
    assert one.get("/session").status == 401


def test_signing_in_and_stepping_up_change_the_id_and_the_old_one_is_none(edge: Edge) -> None:
    browser = newcomer(edge)
    for act in (browser.sign_in, browser.step_up):
        old = browser.session
        assert act().status == 204
        assert browser.session != old
        thief = Browser(edge, cookies={SESSION: old})
        assert thief.get("/session").status == 401
    assert browser.get("/session").status == 200


def test_an_answer_that_was_sent_before_signs_nobody_in(edge: Edge) -> None:
    browser = newcomer(edge)
    body = {"organisation": browser.id, "credential": browser.assertion()}
    assert browser.post("/sign-in", body).status == 204
    thief = Browser(edge)
    replayed = thief.post("/sign-in", body)
    assert (replayed.status, replayed.problem) == (401, "challenge-refused")
    assert thief.cookies == {}
    secret = {**browser.assertion(), "clientExtensionResults": {"prf": {"results": {"first": "AAAA"}}}}
    sent = browser.post("/sign-in", {"organisation": browser.id, "credential": secret})
    assert (sent.status, sent.problem) == (400, "secret-sent")


def test_what_proves_somebody_is_added_and_taken_away_by_them_alone(edge: Edge) -> None:
    browser, stranger = newcomer(edge), newcomer(edge)
    [first] = browser.get("/credentials").body["passkeys"]
    assert browser.ask("DELETE", f"/identity/passkeys/{first['id']}").status == 403
    second = type(browser.key)(origin=browser.origin)
    options = browser.post("/passkeys/options").body["publicKey"]
    assert stranger.post("/passkeys", {"credential": second.create(options)}).status == 401
    options = browser.post("/passkeys/options").body["publicKey"]
    assert browser.post("/passkeys", {"credential": second.create(options)}).status == 204
    assert len(browser.get("/credentials").body["passkeys"]) == 2
    assert stranger.ask("DELETE", f"/identity/passkeys/{first['id']}").status == 404
    other = Browser(edge, browser.key)
    assert other.sign_in().status == 204
    assert browser.sign_in().status == 204
    assert browser.get("/session").body["proof"] == "passkey"
    assert browser.ask("DELETE", f"/identity/passkeys/{first['id']}").status == 204
    assert browser.get("/session").body["proof"] == "vouched"
    assert (other.get("/session").status, browser.get("/session").status) == (401, 200)
    assert browser.sign_in().status == 401
    browser.key = second
    assert browser.sign_in().status == 204


PASSWORD = "a heron over the delta"


def totp_of(uri: str) -> bytes:
    return base64.b32decode(parse_qs(urlsplit(uri).query)["secret"][0])


def test_passwords_are_worked_out_by_two_threads_that_do_nothing_else(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads, hash = set[str](), passwords.new_hash

    def hashing(*given: Any) -> str:
        threads.add(threading.current_thread().name)
        return hash(*given)

    monkeypatch.setattr(passwords, "new_hash", hashing)
    for _ in range(4):
        browser = Browser(edge)
        options = browser.post("/sign-up/options", {"organisation": browser.id, "by": "password"}).body
        secret = parse_qs(urlsplit(options["totp"]).query)["secret"][0]
        code = codes.totp_code(base64.b32decode(secret), int(time.time()) // codes.PERIOD)
        body = {
            "organisation": browser.id,
            "challenge": options["challenge"],
            "password": "a heron over the delta",
        }
        assert browser.post("/sign-up", body | {"name": "N", "code": code}).status == 201
    assert threads
    assert threads <= {"gateway-passwords_0", "gateway-passwords_1"}


def test_whoever_has_no_passkey_signs_up_by_a_password_with_codes(edge: Edge) -> None:
    browser, now = Browser(edge), edge.story.world.clock.now()
    options = browser.post("/sign-up/options", {"organisation": browser.id, "by": "password"}).body
    totp = totp_of(options["totp"])
    given = {"organisation": browser.id, "challenge": options["challenge"], "password": PASSWORD, **WHO}
    code = codes.totp_code(totp, now // codes.PERIOD)
    short = browser.post("/sign-up", given | {"code": code, "password": "short"})
    assert (short.status, short.problem) == (400, "password-refused")
    made = browser.post("/sign-up", given | {"code": code})
    assert made.status == 201
    assert len(made.body["recovery_codes"]) == 10
    assert browser.get("/session").body["proof"] == "vouched"
    proof = {"organisation": browser.id, "name": made.body["sign_in_name"], "password": PASSWORD}
    again = Browser(edge)
    assert again.post("/sign-in", proof | {"code": code}).status == 401  # each code once
    assert again.post("/sign-in", proof | {"code": made.body["recovery_codes"][0]}).status == 204
    assert again.get("/credentials").body == {"passkeys": [], "password": True, "recovery_codes_left": 9}
    assert again.ask("DELETE", "/identity/password").status == 403
    step = again.post("/step-up", {"password": PASSWORD, "code": made.body["recovery_codes"][1]})
    assert step.status == 204
    assert again.post("/passkeys/options").status == 200


def test_a_password_is_set_by_who_proved_it_freshly_and_in_the_session_that_asked(edge: Edge) -> None:
    browser, stranger = newcomer(edge), newcomer(edge)
    options = browser.post("/password/options").body
    code = codes.totp_code(totp_of(options["totp"]), edge.story.world.clock.now() // codes.PERIOD)
    body = {"challenge": options["challenge"], "password": PASSWORD, "code": code}
    assert stranger.post("/password", body).status == 401
    assert stranger.get("/credentials").body["password"] is False
    options = browser.post("/password/options").body
    code = codes.totp_code(totp_of(options["totp"]), edge.story.world.clock.now() // codes.PERIOD)
    body = {"challenge": options["challenge"], "password": PASSWORD, "code": code}
    others = [Browser(edge, browser.key) for _ in range(2)]
    assert others[0].sign_in().status == 204
    body["proof"] = {"credential": browser.assertion("/step-up/options", {})}
    assert len(browser.post("/password", body).body["recovery_codes"]) == 10
    assert others[0].get("/session").status == 401
    assert others[1].sign_in().status == 204
    assert browser.get("/credentials").body["password"] is True
    assert browser.ask("DELETE", "/identity/password").status == 204
    assert others[1].get("/session").status == 401
    assert browser.get("/credentials").body["password"] is False


def test_a_password_is_changed_with_the_present_one_or_a_passkey_and_by_no_session_alone(edge: Edge) -> None:
    """So that whoever comes to a browser that somebody just left takes no account over."""
    browser, stranger = newcomer(edge), newcomer(edge)

    def changed(to: str, **proof: Any) -> Reply:
        options = browser.post("/password/options").body
        code = codes.totp_code(totp_of(options["totp"]), edge.story.world.clock.now() // codes.PERIOD)
        body = {"challenge": options["challenge"], "password": to, "code": code}
        return browser.post("/password", body | ({"proof": proof} if proof else {}))

    before = account_of(browser)
    assert changed(PASSWORD).status == 401
    assert changed(PASSWORD, password=PASSWORD, code="000000").status == 401
    assert changed(PASSWORD, credential=stranger.assertion("/step-up/options", {})).status == 401
    assert accounts.password(before) is None
    first = changed(PASSWORD, credential=browser.assertion("/step-up/options", {}))
    assert first.status == 201
    one, two = first.body["recovery_codes"][:2]
    other = f"{PASSWORD} and another"
    assert changed(other).status == 401
    assert changed(other, password=PASSWORD).status == 401
    assert changed(other, password=other, code=one).status == 401
    kept = accounts.password(before)
    assert changed(other, password=PASSWORD, code=two).status == 201
    assert accounts.password(before) != kept
    again = Browser(edge)
    said = {"organisation": again.id, "name": before.account.name, "code": one}
    assert again.post("/sign-in", said | {"password": PASSWORD}).status == 401


def test_a_session_that_is_ended_while_a_password_is_worked_out_sets_none(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, hash = newcomer(edge), passwords.new_hash
    who, options = account_of(browser), browser.post("/password/options").body
    code = codes.totp_code(totp_of(options["totp"]), edge.story.world.clock.now() // codes.PERIOD)

    def ending(*given: Any) -> str:
        accounts.end_sessions([who])
        return hash(*given)

    monkeypatch.setattr(passwords, "new_hash", ending)
    body = {"challenge": options["challenge"], "password": PASSWORD, "code": code}
    body["proof"] = {"credential": browser.assertion("/step-up/options", {})}
    assert browser.post("/password", body).status == 401
    assert accounts.password(who) is None


def test_unknown_known_and_suspended_names_are_answered_alike(edge: Edge) -> None:
    browser, gone = newcomer(edge), newcomer(edge)
    known, suspended = browser.get("/session").body["sign_in_name"], account_of(gone).account.name
    accounts.suspend([account_of(gone)])
    seen = []
    for name in (known, suspended, "zzzzz-zzzzz"):
        body = {"organisation": browser.id, "name": name, "password": PASSWORD, "code": "000000"}
        reply = Browser(edge).post("/sign-in", body)
        seen.append((reply.status, reply.body, sorted(set(reply.headers) - {"date"})))
        options = Browser(edge).post("/sign-in/options", {"organisation": browser.id, "name": name}).body
        said = options["publicKey"]
        seen[-1] += (sorted(said), [sorted(each) for each in said["allowCredentials"]])  # type: ignore[assignment]
    assert seen[0] == seen[1] == seen[2]


def test_whoever_fills_the_waiting_room_keeps_out_nobody_who_was_invited(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "MOST_PENDING", 0)
    late = Browser(edge)
    options = late.post("/sign-up/options", {"organisation": late.id}).body["publicKey"]
    reply = late.post("/sign-up", {"organisation": late.id, "credential": late.key.create(options), **WHO})
    assert (reply.status, late.session) == (429, "")
    assert staff(edge, "Dr City").get("/session").body["state"] == "active"


def test_one_place_opens_so_many_accounts_that_wait_and_the_invited_are_not_counted(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    newcomer(edge)
    monkeypatch.setattr(attempts, "OF_SIGN_UPS", attempts.Rule(1, 900))
    late = Browser(edge)
    options = late.post("/sign-up/options", {"organisation": late.id}).body["publicKey"]
    reply = late.post("/sign-up", {"organisation": late.id, "credential": late.key.create(options), **WHO})
    assert (reply.status, late.session) == (429, "")
    assert staff(edge, "Dr City").get("/session").body["state"] == "active"


def test_tries_of_one_place_are_paced_and_a_session_is_not(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge.gateway._edge._identity._pace, "a_second", 0.01)  # however slow this machine is
    browser = newcomer(edge)
    statuses = {
        Browser(edge).post("/sign-in/options", {"organisation": browser.id}).status for _ in range(90)
    }
    assert statuses == {200, 429}
    unhurried(edge)
    assert browser.get("/session").status == 200


def operator(edge: Edge, employer: str = "City") -> Browser:
    """An operator of that organisation, signed in."""
    story, label = edge.story, f"operator of {employer}"
    if label not in story.staff:
        made = story.world.keyring.new_staff(story.organisations[employer], label, {Role.OPERATOR})
        register.post(story.world.network, made, {Role.OPERATOR}, LICENCE)
        story.staff[label] = made
    return staff(edge, label)


def test_who_approves_is_told_which_patients_a_newcomer_may_be_and_nobody_else_is(edge: Edge) -> None:
    first, again, clerk = newcomer(edge), newcomer(edge), staff(edge, "clerk")
    alias = approving.as_patient(edge.story.world.network, account_of(first)).account.alias
    place = f"/people/{account_of(again).id.hex()}/alike"
    found = clerk.post(place)
    assert found.status == 200
    assert {"patient": alias.hex(), "why": "national-id", "certain": False} in [
        {**each, "certain": False} for each in found.body["items"]
    ]
    for other in (first, again, staff(edge, "Dr Stay"), staff(edge, "Dr Lake"), operator(edge)):
        assert other.post(place).status in (403, 404)
    assert clerk.post(f"/people/{account_of(first).id.hex()}/alike").status == 403
    aged(clerk, proved=-sessions.FRESH - 1)
    assert clerk.post(place).problem == "fresh-proof-needed"
    assert clerk.step_up().status == 204
    while (asked := clerk.post(place)).status == 200:
        assert len(list(edge.story.organisations["City"].books.rows(COUNTED))) <= MOST_QUESTIONS
    assert (asked.status, asked.problem) == (429, "throttled")
    assert clerk.step_up().status == 204
    assert clerk.post(place).status == 429
    books = edge.story.organisations["City"].books
    books.drop(COUNTED, [key for key, _ in books.rows(COUNTED)])


def test_the_organisation_approves_and_only_its_own_posts_that_may(edge: Edge) -> None:
    waits, clerk, stranger = newcomer(edge), staff(edge, "clerk"), staff(edge, "Dr Lake")
    name = waits.get("/session").body["sign_in_name"]
    [seen] = [each for each in clerk.get("/people").body["items"] if each["sign_in_name"] == name]
    assert seen["claim"] == {"name": "Rahima Khatun", "national_id": "NID-42-0007", "birth": "1988-04"}
    assert name not in str(stranger.get("/people").body)
    place = f"/people/{seen['id']}/patient"
    for other in (stranger, waits, staff(edge, "Dr Stay")):
        assert other.post(place, {"patient": ""}).status in (403, 404)
    at_delta = Browser(edge, organisation="Delta")
    at_delta.sign_up()
    elsewhere = f"/people/{account_of(at_delta).id.hex()}/patient"
    for other in (
        staff(edge, "Dr Stay"),
        clerk,
    ):  # the matrix lets no centre's post; another organisation's finds none
        assert other.post(elsewhere, {"patient": ""}).status == (404 if other is clerk else 403)
    assert waits.get("/session").body["state"] == "pending"
    assert clerk.post(f"/people/{seen['id']}/post", {"post": "doc-0000000000001"}).status == 403
    assert clerk.post(place, {"patient": ""}).status == 200
    me = waits.get("/session").body
    assert (me["state"], me["post"]) == ("active", None)
    city = edge.story.organisations["City"]
    assert register.identity_of(city, bytes.fromhex(me["patient"])).national_id == "NID-42-0007"
    assert {each.status for each in by_cookie(waits)} == {401}
    assert clerk.post(place, {"patient": ""}).status == 403


def test_an_operator_says_who_holds_a_post_and_ends_and_nobody_else_does(edge: Edge) -> None:
    officer, stranger, clerk = operator(edge), operator(edge, "Lakeside"), staff(edge, "clerk")
    post = edge.story.staff["Dr City"]
    post.organisation.books.drop(accounts.OF_POST, [post.number.to_bytes(8, "big")])
    named = PartyId(post.number).text(Role.DOCTOR)
    for other in (stranger, clerk):
        assert other.post("/invitations", {"post": named}).status in (403, 404)
    code = officer.post("/invitations", {"post": named}).body["code"]
    doctor = Browser(edge)
    doctor.sign_up(code)
    id = account_of(doctor).id.hex()
    assert doctor.ask("GET", "/api/v1/posts/me").body["post"]["id"] == named
    assert officer.post("/invitations", {"post": named}).status == 403
    for act in ("suspension", "reinstatement", "end-of-sessions"):
        assert clerk.post(f"/people/{id}/{act}").status == 403
        assert stranger.post(f"/people/{id}/{act}").status == 404
    assert doctor.get("/session").status == 200
    assert officer.post(f"/people/{id}/end-of-sessions").status == 200
    assert doctor.get("/session").status == 401
    assert doctor.sign_in().status == 204
    assert officer.post(f"/people/{id}/suspension").status == 200
    assert doctor.ask("GET", "/api/v1/posts/me").status == 401
    assert doctor.sign_in().status == 401
    assert officer.post(f"/people/{id}/reinstatement").status == 200
    assert doctor.sign_in().status == 204
    waits = account_of(newcomer(edge)).id.hex()
    assert officer.post(f"/people/{waits}/post", {"post": named}).status == 403
    claims = [each["claim"] for each in officer.get("/people").body["items"]]
    assert claims
    assert set(map(str, claims)) == {"None"}


def test_an_officer_signs_in_at_the_ministry_and_acts_there_by_a_fresh_proof(edge: Edge) -> None:
    world, post = edge.story.world, officer_posts(edge.story.world)[0]
    code, _ = invitations.invite(world.keyring.ministry(), post.number, world.clock.now())
    browser = Browser(edge, organisation="ministry")
    browser.sign_up(code)
    assert browser.get("/organisations").body["items"][-1]["id"] == browser.id
    assert browser.sign_in().status == 204
    assert "verify" in browser.ask("GET", "/api/v1/posts/me").body["operations"]
    stale = SignedIn.decode(
        world.keyring.ministry().books.get(sessions.KEPT, sessions.digest_of(browser.session)) or b""
    )
    old = replace(stale, proved=stale.proved - sessions.FRESH - 60)
    world.keyring.ministry().books.put(sessions.KEPT, [(sessions.digest_of(browser.session), old.encode())])
    place = f"/api/v1/parties/{Browser(edge).id}/suspension"
    refused = browser.ask("POST", place, {"confirmed_by": []})
    assert (refused.status, refused.problem) == (403, "fresh-proof-needed")


def test_a_passkey_that_is_there_already_uses_up_no_invitation(edge: Edge) -> None:
    post, there = edge.story.staff["Dr City"], newcomer(edge)
    post.organisation.books.drop(accounts.OF_POST, [post.number.to_bytes(8, "big")])
    code, _ = invitations.invite(post.organisation, post.number, edge.story.world.clock.now())
    again = Browser(edge, there.key)
    options = again.post("/sign-up/options", {"organisation": again.id}).body["publicKey"]
    body = {"organisation": again.id, "credential": again.key.create(options), **WHO, "invitation": code}
    refused = again.post("/sign-up", body)
    assert (refused.status, refused.problem, again.session) == (403, "act-refused", "")
    invited = Browser(edge)
    invited.sign_up(code)
    assert invited.get("/session").body["state"] == "active"


def test_whoever_lost_every_proof_signs_up_anew_and_takes_the_suspended_accounts_place(edge: Edge) -> None:
    old, post = staff(edge, "Dr City"), edge.story.staff["Dr City"].number
    before, new = account_of(old), account_of(newcomer(edge))
    with pytest.raises(InvitationRefused):
        approving.as_post(new, post)
    [before] = accounts.suspend([before])
    made = approving.as_post(new, post)
    assert made.account.post == post
    with pytest.raises(ActRefused):
        approving.reinstate(before)
    assert old.get("/session").status == 401
    world, alias = edge.story.world, edge.story.adam
    first, second = (account_of(newcomer(edge)) for _ in range(2))
    first = approving.as_patient(world.network, first, alias)
    with pytest.raises(ActRefused):
        approving.as_patient(world.network, second, alias)
    [first] = accounts.suspend([first])
    assert approving.as_patient(world.network, second, alias).account.alias == alias
    with pytest.raises(ActRefused):
        approving.reinstate(first)


def test_whoever_guesses_invitations_is_slowed_down_and_whoever_has_one_is_not_kept_out(edge: Edge) -> None:
    statuses = []
    for _ in range(53):
        unhurried(edge)
        browser = Browser(edge)
        options = browser.post("/sign-up/options", {"organisation": browser.id}).body["publicKey"]
        body = {"organisation": browser.id, "credential": browser.key.create(options), **WHO}
        statuses.append(browser.post("/sign-up", body | {"invitation": "AAAA-BBBB"}).status)
    assert statuses[:50] == [403] * 50
    assert 429 in statuses[50:]


def test_answers_by_token_are_as_before(edge: Edge) -> None:
    assert {each.status for each in answers(edge.client("Dr City"), edge)} > {200, 404}


@pytest.mark.parametrize(
    ("base", "name", "origin"),
    [
        ("http://127.0.0.1:8080/fhir", "localhost", "http://localhost:8080"),
        ("http://[::1]:8080/fhir", "localhost", "http://localhost:8080"),
        ("https://care.example/fhir", "care.example", "https://care.example"),
        ("https://care.example:443/fhir", "care.example", "https://care.example"),
        ("https://care.example:8443/fhir", "care.example", "https://care.example:8443"),
    ],
)
def test_passkeys_are_bound_to_the_name_that_the_gateway_is_reached_by(
    base: str, name: str, origin: str
) -> None:
    assert site_of(base, bytes(32)) == Site(name, origin, bytes(32))
