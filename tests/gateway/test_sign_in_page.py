"""A newcomer with a real browser and its virtual authenticator, on the page that the gateway serves."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from careledger.app import app_grants, tokens
from careledger.app.identity import accounts, approving, invitations, sessions
from careledger.app.tokens import Bearers
from careledger.formats.apps import AppGrant
from careledger.formats.sessions import SessionStatement
from careledger.formats.signatures import SigningKey
from careledger.gateway.cookies import DEVICE, SESSION
from careledger.gateway.identity.page import POLICY
from careledger.proofs.passkeys import person_proof
from careledger.workflows.audit import Access, audit
from gateway.browser import Browser
from gateway.edge_world import Edge
from gateway.oauth_world import app

playwright = pytest.importorskip("playwright.sync_api", reason="the developers' extra is not installed")
NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Chromium of this machine; skipped where there is none, unless everything is required."""
    place = next((found for name in NAMES if (found := shutil.which(name))), None)
    if place is None:
        if os.environ.get("CARELEDGER_REQUIRE_ALL") == "1":
            pytest.fail("Chromium is required here")
        pytest.skip("there is no Chromium on this machine")
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with playwright.sync_playwright() as driver:
        made = driver.chromium.launch(executable_path=place, args=options)
        yield made
        made.close()


@pytest.fixture(autouse=True)
def unpaced(edge: Edge) -> None:
    """No test waits for what another one asked."""
    edge.gateway._edge._identity._pace._left.clear()


@dataclass
class Person:
    """At a page, with an authenticator; what the browser complained about, and what it sent."""

    page: Any
    url: str
    organisation: str
    at: str = "City"
    complaints: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)

    def open(self) -> None:
        self.page.goto(f"{self.url}/sign-in?organisation={self.organisation}")
        self.page.wait_for_selector("#signed-out:not([hidden]), #signed-in:not([hidden])")

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def told(self, words: str) -> str:
        """What the page says last, once these words are to be seen on it."""
        try:
            self.page.get_by_text(words).first.wait_for(timeout=60_000)
        except playwright.TimeoutError:
            raise AssertionError(f"{words!r} is not told, but {self.page.inner_text('main')!r}") from None
        return str(self.page.inner_text("#said"))

    def sign_up(self, name: str = "রহিমা খাতুন") -> str:
        chosen = self.page.eval_on_selector("#organisation", "each => each.selectedOptions[0].text")
        assert chosen == self.at
        self.page.get_by_label("Your name, in any script").fill(name)
        self.page.get_by_label("National identity number").fill("NID-42-0007")
        self.page.get_by_label("Date of birth").fill("1988-04-02")
        self.press("Sign up with a passkey")
        return self.told("Your sign-in name is").split()[-1].rstrip(".")


@contextmanager
def person(chromium: Any, edge: Edge, verifies: bool = True, at: str = "City") -> Iterator[Person]:
    context = chromium.new_context()
    page = context.new_page()
    made = Person(page, Browser(edge).origin, Browser(edge, organisation=at).id, at)
    page.on(
        "console",
        lambda said: made.complaints.append(said.text) if said.type in ("error", "warning") else None,
    )
    page.on("pageerror", lambda error: made.complaints.append(str(error)))
    page.on("request", lambda request: made.sent.append(request.post_data or ""))
    session = context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    session.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": verifies,
                "hasPrf": True,
                "automaticPresenceSimulation": True,
            }
        },
    )
    yield made
    context.close()


def test_staff_see_which_apps_act_for_them_and_end_one(chromium: Any, edge: Edge) -> None:
    city, post = edge.story.organisations["City"], edge.story.staff["Dr City"]
    now = edge.story.world.clock.now()
    chart = app(edge, name="<b>a chart</b>")
    grant = AppGrant(
        chart.id,
        post.number,
        "TREAT",
        "user/Condition.rs",
        b"",
        "",
        b"",
        b"",
        secrets.token_bytes(16),
        b"",
        now,
        b"",
    )
    tokens.issue_to_app(city.books, grant, now + 900, now, 900)
    city.books.drop(accounts.OF_POST, [post.number.to_bytes(8, "big")])
    code, _ = invitations.invite(city, post.number, now)
    with person(chromium, edge) as doctor:
        doctor.open()
        doctor.page.get_by_label("Invitation of your employer").fill(code)
        doctor.sign_up()
        line = doctor.page.locator("#apps tr", has_text="<b>a chart</b>")
        assert "user/Condition.rs" in line.inner_text()
        line.get_by_role("button", name="End").click()
        doctor.told("Ended.")
        assert line.count() == 0
        assert app_grants.name_of(grant) not in {
            each.name for each in app_grants.of_post(city, post.number, now)
        }
        doctor.press("Sign out")
        doctor.told("Signed out.")
        assert doctor.page.locator("#apps tr").count() == 0


def test_the_patient_sees_that_the_doctors_passkey_was_shown(chromium: Any, edge: Edge) -> None:
    """What a real browser and its authenticator sign is verified by the patient's own audit."""
    post, now = edge.story.staff["Dr Stay"], edge.story.world.clock.now()
    employer = next(n for n, o in edge.story.organisations.items() if o.number == post.organisation.number)
    code, _ = invitations.invite(post.organisation, post.number, now)
    before = _asked_by(edge, post.number)
    reading = f"fetch('/fhir/Condition?patient={edge.story.adam.hex()}').then((reply) => reply.status)"
    with person(chromium, edge, at=employer) as doctor:
        doctor.open()
        doctor.page.get_by_label("Invitation of your employer").fill(code)
        doctor.sign_up()
        assert doctor.page.evaluate(reading) == 200
        doctor.press("Prove again who you are")
        doctor.told("Proved again.")
        assert doctor.page.evaluate(reading) == 200
        doctor.press("Sign out")
        doctor.told("Signed out.")
        doctor.press("Sign in with a passkey")
        doctor.told("Signed in.")
        assert doctor.page.evaluate(reading) == 200
        cookies = {each["name"]: each["value"] for each in doctor.page.context.cookies()}
        _nothing_else_is_proved(edge, cookies[SESSION])
    signed_up, stepped_up, signed_in = _asked_by(edge, post.number)[len(before) :]
    words = [each.person_proof for each in (signed_up, stepped_up, signed_in)]
    assert words == ["vouched", "passkey", "passkey"]
    assert stepped_up.passkey is not None
    assert stepped_up.passkey == signed_in.passkey
    assert (stepped_up.passkey.rp_id, stepped_up.passkey.origin) == ("localhost", doctor.url)


def _nothing_else_is_proved(edge: Edge, secret: str) -> None:
    """What the real browser signed is proved, and none of what a liar can make of it."""
    world, post = edge.story.world, edge.story.staff["Dr Stay"]
    deployment, bearers = world.ledger.deployment, Bearers(world.keyring)
    bearers.employers()
    who = bearers.known(sessions.digest_of(secret), world.clock.now())
    assert who is not None
    said = SessionStatement.decode(edge.gateway._desk.leases.session(who).proof.statement.body)
    assert said.passkey is not None
    shown = said.passkey.assertion
    client, data = json.loads(shown.client_data), bytearray(shown.authenticator_data)
    data[32] ^= 4
    assert set(client) <= {"type", "challenge", "origin", "crossOrigin", "other_keys_can_be_added_here"}
    elsewhere = json.dumps({**client, "origin": "https://elsewhere.example"}).encode()
    lies = [
        replace(said, session_key=SigningKey.random().address),
        replace(said, made=said.made + 1, until=shown.until + 1),
        replace(said, passkey=None),
    ] + [
        replace(said, passkey=replace(said.passkey, assertion=replace(shown, **lie)))
        for lie in (
            {"nonce": bytes(32)},
            {"until": shown.until + 1},
            {"authenticator_data": bytes(data)},
            {"client_data": elsewhere},
            {"signature": shown.signature[:-1] + bytes([shown.signature[-1] ^ 1])},
        )
    ]
    words = [person_proof(each, post.key.address, deployment) for each in (said, *lies)]
    assert words == ["passkey"] + ["vouched"] * len(lies)


def _asked_by(edge: Edge, post: int) -> list[Access]:
    """That post's requests as the patient's audit tells them."""
    found = audit(edge.story.world.network, edge.story.holder(edge.story.adam))
    assert found.problems == ()
    return [each for each in found.accesses if each.reader == post]


def test_a_newcomer_signs_up_with_a_passkey_and_sees_and_ends_own_sessions(chromium: Any, edge: Edge) -> None:
    with person(chromium, edge) as newcomer:
        newcomer.open()
        name = newcomer.sign_up()
        assert "not yet" in newcomer.page.inner_text("#me")
        assert "this one" in newcomer.page.inner_text("#sessions")
        cookies = {each["name"]: each for each in newcomer.page.context.cookies()}
        assert set(cookies) == {SESSION, DEVICE}
        for each in cookies.values():
            assert (each["secure"], each["httpOnly"], each["sameSite"], each["path"]) == (
                True,
                True,
                "Strict",
                "/",
            )
        assert newcomer.page.evaluate("document.cookie") == ""
        approving.as_patient(
            edge.story.world.network, accounts.by_name(edge.story.organisations["City"], name)
        )
        newcomer.page.reload()
        newcomer.told("You are signed in")
        assert "not yet" not in newcomer.page.inner_text("#me")
        newcomer.press("Sign out")
        newcomer.told("Signed out.")
        newcomer.press("Sign in with a passkey")
        newcomer.told("Signed in.")
        newcomer.press("Prove again who you are")
        newcomer.told("Proved again.")
        other = Browser(edge)
        other.cookies[SESSION] = next(
            each["value"] for each in newcomer.page.context.cookies() if each["name"] == SESSION
        )
        assert other.get("/session").body["proof"] == "passkey"
        newcomer.press("Add a passkey")
        newcomer.told("already")  # the authenticator has one for this account
        assert not [each for each in newcomer.complaints if "401" not in each]
        posted = [json.loads(each) for each in newcomer.sent if each and "credential" in each]
        assert len(posted) >= 3
        assert {str(each["credential"]["clientExtensionResults"]) for each in posted} == {"{}"}


def test_another_session_is_ended_from_the_page(chromium: Any, edge: Edge) -> None:
    with person(chromium, edge) as newcomer:
        newcomer.open()
        newcomer.sign_up()
        secret = next(each["value"] for each in newcomer.page.context.cookies() if each["name"] == SESSION)
        newcomer.page.context.clear_cookies()
        newcomer.page.reload()
        newcomer.press("Sign in with a passkey")
        newcomer.told("Signed in.")
        thief = Browser(edge, cookies={SESSION: secret})
        assert thief.get("/session").status == 200
        newcomer.press("End")
        newcomer.told("Ended.")
        assert thief.get("/session").status == 401


def test_nothing_of_a_person_stays_on_the_page_after_the_session(chromium: Any, edge: Edge) -> None:
    with person(chromium, edge) as newcomer:
        newcomer.open()
        name = newcomer.sign_up()

        def there() -> str:
            values = newcomer.page.evaluate(
                "[...document.querySelectorAll('input')].map(e => e.value).join()"
            )
            return str(newcomer.page.inner_text("main")) + str(newcomer.page.content()) + str(values)

        assert name in there()
        assert "NID-42-0007" not in there()
        assert newcomer.page.evaluate("localStorage.length + sessionStorage.length") == 0
        newcomer.page.evaluate("document.getElementById('new-password').value = 'typed and not sent'")
        newcomer.press("Sign out")
        newcomer.told("Signed out.")
        assert name not in there()
        assert "typed and not sent" not in there()
        newcomer.press("Sign in with a passkey")
        newcomer.told("Signed in.")
        newcomer.page.context.clear_cookies()  # over, in whatever way
        newcomer.press("End all others")
        newcomer.page.wait_for_selector("#signed-out:not([hidden])")
        assert name not in there()
        newcomer.press("Sign in with a passkey")
        newcomer.told("Signed in.")
        newcomer.page.evaluate("document.getElementById('new-password').value = 'typed and not sent'")
        newcomer.page.context.set_offline(True)
        newcomer.press("Sign out")
        newcomer.page.wait_for_selector("#signed-out:not([hidden])")
        assert name not in there()
        assert "typed and not sent" not in there()


def test_a_passkey_that_does_not_verify_its_person_signs_nobody_up(chromium: Any, edge: Edge) -> None:
    with person(chromium, edge, verifies=False) as newcomer:
        newcomer.open()
        newcomer.page.get_by_label("Organisation").select_option(label="City")
        newcomer.page.get_by_label("Your name, in any script").fill("Nobody")
        newcomer.press("Sign up with a passkey")
        newcomer.told("not allowed")
        assert newcomer.page.context.cookies() == []


def test_a_script_that_is_not_the_pages_own_and_markup_are_refused_by_the_browser(
    chromium: Any, edge: Edge
) -> None:
    with person(chromium, edge) as newcomer:
        newcomer.open()
        reply = newcomer.page.request.get(f"{newcomer.url}/sign-in")
        assert reply.headers["content-security-policy"] == POLICY
        attempts = (
            "document.body.innerHTML = '<b>x</b>'",
            "document.body.append(Object.assign(document.createElement('script'), {src: '/sign-in/page.js'}))",
        )
        for each in attempts:
            with pytest.raises(playwright.Error, match=r"TrustedHTML|TrustedScriptURL"):
                newcomer.page.evaluate(f"() => {{ {each} }}")
        before = len(newcomer.complaints)
        newcomer.page.evaluate("fetch('http://localhost:1/').catch(() => 0)")
        assert any("Content Security Policy" in each for each in newcomer.complaints[before:])


class Elsewhere(BaseHTTPRequestHandler):
    """Another server of this machine, with a page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<p>evil</p>")

    def log_message(self, *said: object) -> None:
        """Nothing."""


@contextmanager
def elsewhere() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Elsewhere)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_page_elsewhere_signs_nobody_out_and_reads_nothing(chromium: Any, edge: Edge) -> None:
    """Another port of this machine is another origin, but the same site: cookies are sent, and refused."""
    with person(chromium, edge) as victim, elsewhere() as url:
        victim.open()
        victim.sign_up()
        page = victim.page.context.new_page()
        page.goto(url)
        statuses = []
        page.on("response", lambda reply: statuses.append((reply.request.method, reply.status)))
        page.evaluate(
            """url => Promise.allSettled([
                 fetch(url + "/sign-out", {method: "POST", credentials: "include", mode: "no-cors", body: "{}"}),
                 fetch(url + "/session", {credentials: "include", mode: "no-cors"}),
               ])""",
            f"{victim.url}/identity",
        )
        assert ("POST", 403) in statuses
        assert ("GET", 403) in statuses
        victim.page.reload()
        victim.told("You are signed in")


def test_the_page_is_worked_by_the_keyboard_and_fits_a_small_screen(chromium: Any, edge: Edge) -> None:
    with person(chromium, edge) as newcomer:
        newcomer.page.set_viewport_size({"width": 320, "height": 640})
        newcomer.open()
        newcomer.page.keyboard.press("Tab")
        assert newcomer.page.evaluate("document.activeElement.className") == "skip"
        assert newcomer.page.evaluate("document.documentElement.scrollWidth") <= 320
        unnamed = newcomer.page.evaluate(
            "[...document.querySelectorAll('input, select')].filter((each) => !each.labels.length).length"
        )
        assert unnamed == 0
        newcomer.sign_up()
        assert newcomer.page.evaluate("document.documentElement.scrollWidth") <= 320


def test_no_word_of_the_sessions_is_broken_where_there_is_room(chromium: Any, edge: Edge) -> None:
    with person(chromium, edge) as newcomer:
        newcomer.page.set_viewport_size({"width": 1280, "height": 800})
        newcomer.open()
        newcomer.sign_up()
        lines = newcomer.page.evaluate(
            """[...document.querySelectorAll("#signed-in th")]
            .filter((each) => each.textContent === "End" && each.getClientRects().length)
            .map((each) => {
              const text = document.createRange();
              text.selectNodeContents(each);
              return text.getClientRects().length;
            })"""
        )
        assert lines == [1]


def test_the_page_of_the_api_fits_a_small_screen_and_is_dark_where_that_is_liked(
    chromium: Any, edge: Edge
) -> None:
    context = chromium.new_context(viewport={"width": 320, "height": 640}, color_scheme="dark")
    page = context.new_page()
    page.goto(f"{Browser(edge).origin}/api/v1/docs")
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(21, 25, 29)"
    context.close()


def test_who_is_refused_is_told_so_in_sight_and_keeps_no_passkey_of_it(chromium: Any, edge: Edge) -> None:
    with person(chromium, edge) as newcomer:
        newcomer.page.goto(f"{newcomer.url.replace('localhost', '127.0.0.1')}/sign-in")
        newcomer.page.wait_for_url(f"{newcomer.url}/sign-in")  # to a name, because a passkey belongs to one
        newcomer.page.wait_for_selector("#signed-out:not([hidden])")
        newcomer.page.get_by_label("Your name, in any script").fill("Rahima")
        newcomer.press("Sign up with a passkey")
        newcomer.told("Choose your organisation first.")
        newcomer.open()
        newcomer.page.get_by_label("Invitation of your employer").fill("AAAA-BBBB")
        newcomer.page.set_viewport_size({"width": 360, "height": 400})
        newcomer.page.get_by_label("Your name, in any script").fill("Rahima")
        newcomer.press("Sign up with a passkey")
        newcomer.told("This invitation is none that is in force.")
        assert newcomer.page.evaluate("document.activeElement.id") == "said"
        assert newcomer.page.evaluate("document.getElementById('said').getBoundingClientRect().top") >= 0
        newcomer.page.wait_for_selector("#said.wrong")
        newcomer.press("Sign in with a passkey")
        newcomer.told("No passkey was shown")  # the one that nothing came of is not offered
        newcomer.page.get_by_text("Sign up with a password").click()
        newcomer.page.get_by_label("New password").fill("an unlikely sentence of five words")
        newcomer.page.get_by_label("The code that the app shows").fill("123456")
        newcomer.press("Sign up with this password")
        newcomer.told("Let your authenticator app take the secret first")


def test_who_registers_patients_approves_on_the_page_who_waits(chromium: Any, edge: Edge) -> None:
    city, clerk = edge.story.organisations["City"], edge.story.staff["clerk"]
    city.books.drop(accounts.OF_POST, [clerk.number.to_bytes(8, "big")])
    code, _ = invitations.invite(city, clerk.number, edge.story.world.clock.now())
    with person(chromium, edge) as newcomer, person(chromium, edge) as desk:
        newcomer.open()
        name = newcomer.sign_up("Who Waits")
        desk.open()
        desk.page.get_by_label("Invitation of your employer").fill(code)
        desk.sign_up()
        desk.press("Show who waits")
        line = desk.page.locator("#people p", has_text="Who Waits")
        line.wait_for()
        before = desk.page.locator("#people p").count()
        line.get_by_role("button", name="Look who it is").click()
        desk.page.get_by_role("button", name="Register as a new patient").click()
        desk.told("Approved.")
        desk.press("Show who waits")
        playwright.expect(desk.page.locator("#people p")).to_have_count(before - 1, timeout=60_000)
        desk.press("Sign out")
        desk.told("Signed out.")
        assert desk.page.locator("#people").inner_text() == ""
        assert accounts.by_name(city, name).account.state == accounts.ACTIVE
