"""An app sends somebody in a real browser to the question, and gets them back with a code."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from careledger.gateway.cookies import SESSION
from gateway.edge_world import Edge
from gateway.oauth_world import App, app, signed_in
from gateway.test_sign_in_page import chromium

__all__ = ["chromium"]


@pytest.fixture
def site() -> Iterator[str]:
    """The site of an app: an empty page at whatever path."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"<!doctype html><title>app</title>"
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *given: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def question(edge: Edge, site: str, chromium: Any) -> Iterator[tuple[App, Any]]:
    """An app, and a page at its question, to which the app's site has led City's doctor, who is signed in."""
    own, doctor = app(edge, redirects=(f"{site}/after",)), signed_in(edge, "Dr City")
    context = chromium.new_context()
    context.add_cookies(
        [
            {
                "name": SESSION,
                "value": doctor.secret,
                "url": doctor.origin.replace("http:", "https:"),
                "secure": True,
                "httpOnly": True,
                "sameSite": "Strict",
            }
        ]
    )
    page = context.new_page()
    page.goto(f"{site}/begin")
    page.evaluate("url => { location = url }", own.request("patient/Condition.rs"))
    page.get_by_role("button", name="Allow", exact=True).wait_for(timeout=60_000)
    yield own, page
    context.close()


@pytest.mark.parametrize("decision", ["Allow", "Refuse"])
def test_a_browser_brings_back_what_somebody_decides(
    edge: Edge, site: str, question: tuple[App, Any], decision: str
) -> None:
    own, page = question
    if decision == "Allow":
        page.get_by_label("For which patient").select_option(edge.story.adam.hex())
    page.get_by_role("button", name=decision, exact=True).click()
    page.wait_for_url(f"{site}/after?**", timeout=60_000)
    assert page.evaluate("document.referrer") == ""
    told = dict(parse_qsl(urlsplit(page.url).query))
    if decision == "Refuse":
        assert told["error"] == "access_denied"
        return
    assert own.exchange(told["code"]).body["patient"] == edge.story.adam.hex()
