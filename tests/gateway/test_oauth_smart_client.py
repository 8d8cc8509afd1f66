"""SMART's own client for browsers (npm fhirclient), on a page of another origin that a patient lets in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from careledger.workflows.revoke import revoke
from contracts.loading import script
from gateway.edge_world import Edge
from gateway.test_oauth_cors import shown, until
from gateway.test_oauth_patients_app import Diary, registered
from gateway.test_sign_in_page import chromium
from story import ILLNESS

__all__ = ["chromium"]
DEV = script("tools/dev_nodes.py")
READ = """async () => {
    const client = await FHIR.oauth2.ready()
    const found = await client.request("Condition?patient=" + client.patient.id)
    const patient = await client.patient.read()
    const before = client.state.tokenResponse.access_token
    await client.refresh()
    const again = await client.request("Condition?patient=" + client.patient.id)
    return {patient: client.patient.id, read: patient.id, scope: client.state.tokenResponse.scope,
            verifier: client.state.codeVerifier || "", renewed: before !== client.state.tokenResponse.access_token,
            texts: found.entry.map(each => each.resource.code && each.resource.code.text), again: again.total}
}"""
ASK = """() => FHIR.oauth2.ready()
    .then(client => client.request("Patient/" + client.patient.id)).then(() => "read", String)"""


@pytest.fixture(scope="module")
def client() -> bytes:
    """fhirclient as browsers load it; skipped where it cannot be had, unless everything is required."""
    try:
        return Path(DEV.SMART.install()).read_bytes()
    except DEV.NoNode as error:
        if os.environ.get("CARELEDGER_REQUIRE_ALL") == "1":
            pytest.fail(str(error))
        pytest.skip(str(error))


@dataclass
class Site:
    """An app's site: a page with the client's script at whatever path."""

    script: bytes
    url: str = ""
    asked: list[str] = field(default_factory=list)

    def __enter__(self) -> Site:
        files = {"/client.js": ("text/javascript", self.script)}
        page = ("text/html", b"<!doctype html><title>app</title><script src=/client.js></script>")

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                kind, body = files.get(self.path, page)
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *given: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        return self

    def __exit__(self, *given: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def site(client: bytes) -> Iterator[Site]:
    with Site(client) as made:
        yield made


def led(page: Any, site: Site, diary: Diary, typed: str) -> None:
    """The page launches alone, and the patient types the pass."""
    page.goto(f"{site.url}/begin")
    options = {"iss": diary.edge.gateway.base, "clientId": diary.app.id, "redirectUri": f"{site.url}/after",
               "scope": "launch/patient patient/*.rs offline_access", "pkceMode": "required"}  # fmt: skip
    page.evaluate("options => { FHIR.oauth2.authorize(options) }", options)
    page.get_by_label("Pass").fill(typed, timeout=60_000)
    page.get_by_role("button", name="Allow", exact=True).click()
    page.wait_for_url(f"{site.url}/after**", timeout=60_000)


def test_a_page_of_another_origin_is_let_in_reads_renews_and_ends_with_the_consent(
    edge: Edge, site: Site, chromium: Any
) -> None:
    diary = registered(edge, redirects=(f"{site.url}/after",))
    until(lambda: shown(edge, site.url))
    granted = diary.consent()
    context = chromium.new_context()
    page = context.new_page()
    led(page, site, diary, diary.passed(granted))
    said = page.evaluate(READ)
    alias = edge.story.adam.hex()
    assert (said["patient"], said["read"]) == (alias, alias)
    assert said["scope"] == "patient/*.rs offline_access launch/patient"
    assert ILLNESS in said["texts"]
    assert said["renewed"] is True
    assert said["again"] >= 1
    assert said["verifier"]
    revoke(diary.network, diary.holder, granted.owner)
    assert page.evaluate(ASK) != "read"
    context.close()


def test_the_same_page_that_nobody_registered_reads_nothing_in_a_browser(
    edge: Edge, site: Site, chromium: Any
) -> None:
    context = chromium.new_context()
    page = context.new_page()
    page.goto(f"{site.url}/begin")
    options = {
        "iss": edge.gateway.base,
        "clientId": "0" * 32,
        "redirectUri": f"{site.url}/after",
        "scope": "patient/*.rs",
    }
    said = page.evaluate(
        "options => FHIR.oauth2.authorize({...options, noRedirect: true}).then(String, () => 'none')", options
    )
    assert said == "none"
    context.close()
