"""Pages of registered public apps ask in a browser for FHIR and tokens; other pages and addresses get nothing."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
import urllib3

from careledger.app import clients
from careledger.gateway.oauth import crossing
from gateway.edge_world import Edge
from gateway.oauth_world import APP, KeyPair, key_set

PAGE, OTHER = "https://app.example", "https://other.example"
SHOWN = "Access-Control-Allow-Origin"


@pytest.fixture(scope="module")
def edge(edge: Edge) -> Edge:
    """City registered a public app of PAGE, a confidential one elsewhere, and one on a device."""
    city = edge.story.organisations["City"]
    clients.add(city, APP)
    clients.add(
        city,
        replace(APP, kind="confidential", keys=key_set(KeyPair()), redirects=("https://kept.example/a",)),
    )
    clients.add(city, replace(APP, redirects=("com.example.app:/after",)))
    return edge


def asked(edge: Edge, path: str, origin: str, method: str = "GET", **headers: str) -> Any:
    sent = {"Origin": origin, "Sec-Fetch-Site": "cross-site"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    return urllib3.request(method, edge.gateway.url + path, headers=sent, retries=False, redirect=False)


def preflight(edge: Edge, path: str, origin: str, method: str = "GET") -> Any:
    return asked(edge, path, origin, "OPTIONS", Access_Control_Request_Method=method,
                 Access_Control_Request_Headers="authorization,content-type")  # fmt: skip


CROSSED = ("/fhir", "/fhir/Patient", "/fhir/metadata", "/fhir/.well-known/smart-configuration",
           "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server",
           "/oauth/keys", "/oauth/token")  # fmt: skip
NEVER = ("/sign-in", "/sign-in/page.js", "/api/v1/parties", "/api/v1/agent/network", "/oauth/introspect",
         "/oauth/revoke", "/oauth/authorize", "/oauth/consent", "/identity/sessions", "/scim/v2/Users", "/healthz",
         "/fhirX", "/logs")  # fmt: skip


@pytest.mark.parametrize("path", CROSSED)
def test_a_page_of_a_public_app_is_shown_fhir_and_tokens_without_cookies(edge: Edge, path: str) -> None:
    reply = asked(edge, path, PAGE, "POST" if path == "/oauth/token" else "GET")
    assert reply.headers[SHOWN] == PAGE
    assert "Origin" in reply.headers["Vary"]
    first = preflight(edge, path, PAGE)
    assert (first.status, first.data, first.headers[SHOWN]) == (204, b"", PAGE)
    wanted = {each.strip() for each in first.headers["Access-Control-Allow-Headers"].casefold().split(",")}
    assert {
        "authorization",
        "content-type",
        "if-match",
        "range",
        "x-security-context",
        "idempotency-key",
    } <= wanted
    methods = first.headers["Access-Control-Allow-Methods"]
    assert methods == ("POST" if path == "/oauth/token" else crossing.METHODS)
    for each in (reply, first):
        assert "Access-Control-Allow-Credentials" not in each.headers


@pytest.mark.parametrize("path", [*CROSSED, *NEVER])
def test_a_foreign_page_is_shown_nothing(edge: Edge, path: str) -> None:
    foreign = (OTHER, "null", "http://app.example", "https://app.example:8443", "https://APP.example", f"{PAGE}/",
               f"{PAGE}.evil.example", "https://kept.example", "com.example.app:", "*", "",
               edge.gateway.url)  # fmt: skip
    for origin in foreign:
        for reply in (asked(edge, path, origin), preflight(edge, path, origin, "POST")):
            assert not [each for each in reply.headers if each.casefold().startswith("access-control")]
        assert preflight(edge, path, origin).status in (404, 405)


@pytest.mark.parametrize("path", NEVER)
def test_no_other_address_is_shown_to_any_page(edge: Edge, path: str) -> None:
    for reply in (
        asked(edge, path, PAGE),
        asked(edge, path, PAGE, "POST"),
        preflight(edge, path, PAGE, "POST"),
    ):
        assert not [each for each in reply.headers if each.casefold().startswith("access-control")]


def test_under_a_name_that_is_not_this_machines_nothing_is_allowed(edge: Edge) -> None:
    reply = asked(edge, "/fhir/metadata", PAGE, Host="evil.example")
    assert reply.status == 421
    assert SHOWN not in reply.headers


def test_with_its_registration_an_apps_pages_are_shown_nothing_more(edge: Edge) -> None:
    city, page = edge.story.organisations["City"], "https://gone.example"
    id = clients.add(city, replace(APP, redirects=(f"{page}/after",)))
    until(lambda: shown(edge, page))
    clients.remove(city, id)
    until(lambda: not shown(edge, page))


def shown(edge: Edge, page: str) -> bool:
    return SHOWN in asked(edge, "/fhir/metadata", page).headers


def until(holds: Any) -> None:
    ends = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("https://App.Example:443/after?a=b", "https://app.example"),
        ("http://127.0.0.1:5000/cb", "http://127.0.0.1:5000"),
        ("http://[::1]:80/", "http://[::1]"),
        ("com.example.app:/cb", ""),
        ("https://app.example:99999/cb", ""),
        ("https://[/cb", ""),
    ],
)
def test_an_origin_is_said_as_browsers_say_it(address: str, origin: str) -> None:
    assert crossing.origin_of(address) == origin
