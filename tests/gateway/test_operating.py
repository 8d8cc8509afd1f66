"""What an operator sees of a running gateway, and what stands before its routes."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import urllib3
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families
from starlette.requests import Request
from starlette.responses import JSONResponse

import story as stories
from careledger.app.service.table import Service
from careledger.domain.errors import (
    CareLedgerError,
    ConfigurationRefused,
    LedgerStale,
    ServerUnavailable,
    StoreUnavailable,
)
from careledger.formats.cids import raw_cid, text
from careledger.gateway.api.pace import Pace, place
from careledger.gateway.entrance import is_here
from careledger.gateway.operating import health
from careledger.gateway.operating.front import Front
from careledger.gateway.operating.health import Health
from careledger.gateway.operating.metrics import Metrics
from careledger.gateway.server import Gateway
from gateway.edge_world import Edge
from story import Story

BASE, FORM = "https://ehr.example.org", "application/x-www-form-urlencoded"
PROXIED = Service(proxies=("10.1.0.0/16", "127.0.0.1"), plain=True, base=BASE)


@pytest.fixture(scope="module")
def watched(told: Story, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """A gateway that is scraped."""
    mine = stories.copied(told, tmp_path_factory.mktemp("watched") / "data")
    with Gateway(mine.world, port=0, service=Service(metrics="127.0.0.1:0")) as gateway:
        yield Edge(mine, gateway)
    mine.world.close()


def ask(url: str, **headers: str) -> urllib3.BaseHTTPResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return urllib3.request("GET", url, headers=named, retries=False, redirect=False)


def ready(edge: Edge) -> tuple[int, Any]:
    """What ``/readyz`` says now."""
    time.sleep(health.KEPT)
    reply = ask(f"{edge.gateway.url}/readyz")
    return reply.status, json.loads(reply.data)


# Health ---------------------------------------------------------------------------------------------


def test_a_gateway_that_can_do_its_work_is_ready(watched: Edge) -> None:
    assert ready(watched) == (200, {"status": "ready"})
    assert json.loads(ask(f"{watched.gateway.url}/healthz").data) == {"status": "answers"}


class _Silent:
    """A custodian that does not answer."""

    party = 1

    def call(self, method: str, body: bytes) -> bytes:
        raise StoreUnavailable(method=method)


@pytest.mark.parametrize("reason", ["ledger", "custodians", "stores", "all"])
def test_what_is_wanting_is_one_word_that_betrays_nothing(
    watched: Edge, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = watched.story.world

    def stale() -> Any:
        raise LedgerStale(block=4711)

    if reason in ("ledger", "all"):
        monkeypatch.setattr(world.ledger, "fresh_head", stale)
    if reason in ("custodians", "all"):
        few = dict.fromkeys(
            list(world.custodians)[: len(world.custodians) - world.settings.holding + 1], _Silent()
        )
        monkeypatch.setattr(world, "custodians", world.custodians | few)
    if reason in ("stores", "all"):
        monkeypatch.setattr(world, "folder", Path("/proc"))
    said = ["ledger", "custodians", "stores"] if reason == "all" else [reason]
    assert ready(watched) == (503, {"status": "not ready", "reasons": said})
    assert ask(f"{watched.gateway.url}/healthz").status == 200
    monkeypatch.undo()
    assert ready(watched)[0] == 200


def test_as_many_custodians_as_a_deposit_needs_are_enough(
    watched: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = watched.story.world
    spare = dict.fromkeys(list(world.custodians)[: len(world.custodians) - world.settings.holding], _Silent())
    assert spare
    monkeypatch.setattr(world, "custodians", world.custodians | spare)
    assert ready(watched)[0] == 200


def test_a_worker_that_does_not_come_to_it_is_busy(watched: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "WITHIN", 0.2)
    held = threading.Event()
    watched.gateway._worker.submit(held.wait, 20)
    try:
        assert ready(watched) == (503, {"status": "not ready", "reasons": ["busy"]})
    finally:
        held.set()
    monkeypatch.undo()
    assert ready(watched)[0] == 200


def test_a_gateway_that_is_to_stop_answers_and_says_that_it_is_not_ready(told: Story, tmp_path: Path) -> None:
    mine = stories.copied(told, tmp_path / "data")
    with Gateway(mine.world, port=0) as gateway:
        gateway.stop_soon()
        edge = Edge(mine, gateway)
        assert ready(edge) == (503, {"status": "not ready", "reasons": ["stopping"]})
        assert edge.client("Dr Stay").ask("Patient/" + mine.adam.hex()).status == 200
    mine.world.close()


# Metrics --------------------------------------------------------------------------------------------


def scraped(edge: Edge) -> str:
    reply = ask(edge.gateway.metrics_url)
    assert reply.status == 200
    return reply.data.decode()


def test_requests_are_counted_by_pattern_and_nothing_personal_is_in_what_is_scraped(watched: Edge) -> None:
    alias, gateway = watched.story.adam.hex(), watched.gateway
    token = watched.token("Dr Stay")
    client = watched.stranger(token)
    found = client.ask(f"Condition?patient={alias}&_count=1")
    record = found.matches[0]["id"]
    secrets = [alias, token, token[4:], record, "Rahima", "rahima", "1988-04-01", "Dr Stay", "Adam"]
    for path in (
        f"Patient/{alias}",
        f"Condition/{record}",
        "Patient?name=Rahima&birthdate=1988-04-01",
        alias,
        "Rahima",
    ):
        client.ask(path)
    client.pool.request("RAHIMA", f"{gateway.url}/fhir/{alias}")
    ask(f"{gateway.url}/{token}?name=Rahima", User_Agent="Rahima", Authorization=f"Bearer {token}")
    text = scraped(watched)
    assert [each for each in secrets if each in text] == []
    counted = {
        (each.labels["method"], each.labels["route"], each.labels["status"]): each.value
        for family in text_string_to_metric_families(text)
        for each in family.samples
        if each.name == "careledger_http_requests_total"
    }
    assert counted["GET", "/fhir/{kind}/{id}", "200"] >= 2
    assert sum(each for (method, _, _), each in counted.items() if method == "OTHER") == 1
    patterns = {path for _, path in gateway.routes()} | {"none"}
    assert {route for _, route, _ in counted} <= patterns
    assert {method for method, _, _ in counted} <= {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OTHER"}


def test_what_is_scraped_says_whether_it_is_ready_and_which_block_is_the_newest(watched: Edge) -> None:
    assert ready(watched)[0] == 200

    def scrape() -> dict[str, float]:
        families = text_string_to_metric_families(scraped(watched))
        return {each.name: each.samples[0].value for each in families}

    values, until = scrape(), time.monotonic() + 60
    while values["careledger_http_under_way"] and time.monotonic() < until:  # a request ends after its answer
        values = scrape()
    assert values["careledger_ready"] == 1
    assert values["careledger_ledger_block"] == watched.story.world.ledger.last_head().head.number
    assert values["process_resident_memory_bytes"] > 2**20
    assert values["careledger_http_under_way"] == 0


@pytest.mark.parametrize("path", ["/oauth/token", "/api/v1/agent/acts"])
def test_a_client_that_leaves_before_its_body_came_is_no_error_of_ours(
    watched: Edge, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    port, kind = watched.gateway._http.port, "application/json" if "api" in path else FORM

    def counted() -> int:
        said = f'careledger_http_requests_total{{method="POST",route="{path}",status="500"}}'
        return sum(each.startswith(said) for each in scraped(watched).splitlines())

    with socket.create_connection(("127.0.0.1", port), timeout=30) as line:
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: 100\r\n\r\n{{"
        line.sendall(head.encode())
        time.sleep(0.2)
    until = time.monotonic() + 20
    while not counted() and time.monotonic() < until:
        time.sleep(0.05)
    assert counted() == 1
    assert [each.getMessage() for each in caplog.records if each.levelname == "ERROR"] == []


def test_metrics_are_on_no_route_of_the_gateway_and_only_under_a_name_of_loopback(watched: Edge) -> None:
    assert ask(f"{watched.gateway.url}/metrics").status == 404
    assert ask(watched.gateway.metrics_url, Host="rebound.example.org").status == 421


def test_metrics_are_not_served_beyond_loopback(told: Story) -> None:
    with pytest.raises(ConfigurationRefused, match="not loopback"):
        Service(metrics="192.0.2.1:9464")


# Spans ----------------------------------------------------------------------------------------------


class Collector(BaseHTTPRequestHandler):
    """Receives what is exported."""

    got: list[bytes]

    def do_POST(self) -> None:
        type(self).got.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def test_spans_carry_patterns_and_nothing_personal(told: Story, tmp_path: Path) -> None:
    Collector.got = []
    server = HTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    mine = stories.copied(told, tmp_path / "data")
    alias = mine.adam.hex()
    with Gateway(
        mine.world, port=0, service=Service(traces=f"http://127.0.0.1:{server.server_port}/v1/traces")
    ) as gateway:
        edge = Edge(mine, gateway)
        edge.client("Dr Stay").ask(f"Patient/{alias}", tracestate=f"x={alias}", baggage=f"name={alias}")
        edge.stranger().ask(f"Condition?patient={alias}")
    server.shutdown()
    mine.world.close()
    assert [each for each in Collector.got if alias.encode() in each or b"127.0.0.1" in each] == []
    exported = [ExportTraceServiceRequest.FromString(each) for each in Collector.got]
    spans = [
        s for each in exported for r in each.resource_spans for scope in r.scope_spans for s in scope.spans
    ]
    assert {each.name for each in spans} == {"GET /fhir/{kind}/{id}", "GET /fhir/{kind}"}
    told_of = {each.key for span in spans for each in span.attributes}
    assert told_of == {"http.request.method", "http.route", "http.response.status_code"}


def test_an_endpoint_that_is_away_loses_spans_and_holds_up_nothing(told: Story, tmp_path: Path) -> None:
    mine = stories.copied(told, tmp_path / "data")
    with Gateway(mine.world, port=0, service=Service(traces="http://127.0.0.1:9/v1/traces")) as gateway:
        assert ask(f"{gateway.url}/healthz").status == 200
    mine.world.close()


# Who is believed ------------------------------------------------------------------------------------


async def _saw(request: Request) -> JSONResponse:
    client = request.client.host if request.client else ""
    headers = sorted(name for name in request.headers if name.startswith(("x-", "forwarded")))
    return JSONResponse(
        {"client": client, "scheme": request.url.scheme, "here": is_here(request), "headers": headers}
    )


class _NoHealth(Health):
    def __init__(self) -> None:
        pass


def passed(
    service: Service, peer: str, scheme: str = "http", path: str = "/", **headers: str
) -> tuple[int, Any]:
    """What the routes see of a request from that peer."""
    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "scheme": scheme,
             "headers": [(b"host", b"127.0.0.1"), *given], "client": (peer, 1), "server": ("127.0.0.1", 1)}  # fmt: skip
    sent: list[Any] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await (await _saw(Request(scope)))(scope, receive, send)

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(Front(application, service, Metrics(_NoHealth()))(scope, receive, send))
    body = b"".join(each.get("body", b"") for each in sent)
    return sent[0]["status"], json.loads(body) if sent[0]["status"] == 200 else body


SPOOFED = {"x_forwarded_for": "203.0.113.9", "x_forwarded_proto": "https", "x_forwarded_host": "ehr.example.org",
           "forwarded": "for=203.0.113.9;proto=https;host=ehr.example.org"}  # fmt: skip


BEGUN = b"POST /fhir/Condition HTTP/1.1\r\nHost: localhost\r\n"
SMUGGLED = b"GET /fhir/metadata HTTP/1.1\r\nHost: localhost\r\n\r\n"
EMPTY = b"\r\n\r\n0\r\n\r\n"
AMBIGUOUS = {
    "a length and pieces": b"Content-Length: 5\r\nTransfer-Encoding: chunked" + EMPTY,
    "pieces and a length": b"Transfer-Encoding: chunked\r\nContent-Length: 5" + EMPTY,
    "two lengths": b"Content-Length: 0\r\nContent-Length: 41\r\n\r\n",
    "a list of lengths": b"Content-Length: 0, 41\r\n\r\n",
    "a length with a sign": b"Content-Length: +0\r\n\r\n",
    "a length below nothing": b"Content-Length: -1\r\n\r\n",
    "a length in hex": b"Content-Length: 0x0\r\n\r\n",
    "a space before the colon": b"Content-Length : 0\r\n\r\n",
    "another coding": b"Transfer-Encoding: xchunked" + EMPTY,
    "pieces, and coded besides": b"Transfer-Encoding: chunked, identity" + EMPTY,
    "two codings": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity" + EMPTY,
    "a coding behind a sign that is none": b"Transfer-Encoding: \x0bchunked\r\nContent-Length: 0\r\n\r\n",
    "a length after a bare CR": b"X: a\rContent-Length: 41\r\nContent-Length: 0\r\n\r\n",
    "a length after a bare LF": b"Content-Length: 0\nContent-Length: 41\r\n\r\n",
    "a piece's length in C's hex": b"Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n",
    "a piece below nothing": b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
    "a piece that is longer than it says": b"Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
}  # fmt: skip


def statuses(gateway: Gateway, sent: bytes) -> list[bytes]:
    """Of each answer that came before the line was closed."""
    with socket.create_connection(("127.0.0.1", int(gateway.url.rpartition(":")[2])), timeout=120) as line:
        line.sendall(sent)
        line.shutdown(socket.SHUT_WR)
        read = b"".join(iter(lambda: line.recv(65_536), b""))
    return re.findall(rb"HTTP/1\.1 (\d+)", read)


def test_what_says_in_two_ways_where_it_ends_is_refused_and_nothing_behind_it_is_answered(
    watched: Edge,
) -> None:
    gateway = watched.gateway
    assert statuses(gateway, SMUGGLED + SMUGGLED) == [b"200", b"200"]  # one line may carry several
    for what, said in AMBIGUOUS.items():
        assert statuses(gateway, BEGUN + said + SMUGGLED) == [b"400"], what


def test_a_trusted_proxy_is_believed_about_client_scheme_and_name() -> None:
    status, seen = passed(PROXIED, "10.1.2.3", **SPOOFED)
    assert status == 200
    assert seen == {"client": "203.0.113.9", "scheme": "https", "here": True, "headers": []}


@pytest.mark.parametrize(
    "peer", ["203.0.113.5", "10.2.0.1", "::ffff:203.0.113.5", "2001:db8::1", "", "unix:"]
)
def test_whoever_is_no_trusted_proxy_is_believed_nothing_and_refused_without_tls(peer: str) -> None:
    assert passed(PROXIED, peer, **SPOOFED)[0] == 403
    status, seen = passed(PROXIED, peer, "https", **SPOOFED)
    assert status == 200
    assert seen == {"client": peer, "scheme": "https", "here": True, "headers": []}


def test_on_loopback_without_a_proxy_forwarded_headers_change_nothing() -> None:
    status, seen = passed(Service(), "127.0.0.1", **SPOOFED)
    assert status == 200
    assert seen == {"client": "127.0.0.1", "scheme": "http", "here": True, "headers": []}


def test_a_proxy_beyond_loopback_comes_over_tls_unless_the_operator_says_that_nobody_can_listen() -> None:
    service = replace(PROXIED, plain=False)
    assert passed(service, "10.1.2.3", **SPOOFED)[0] == 403
    believed = {"client": "203.0.113.9", "scheme": "https", "here": True, "headers": []}
    assert passed(service, "10.1.2.3", "https", **SPOOFED) == (200, believed)
    assert passed(service, "127.0.0.1", **SPOOFED) == (200, believed)
    assert passed(service, "10.1.2.3", path="/readyz", **SPOOFED)[0] == 200


@pytest.mark.parametrize("said", [{}, {"x_forwarded_proto": "http"}, {"x_forwarded_proto": "https, http"}])
def test_what_came_to_the_proxy_without_tls_is_refused(
    said: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    assert passed(PROXIED, "10.1.2.3", **said)[0] == 403
    assert [each.message for each in caplog.records if each.name == "careledger.security"] == ["no-tls"]
    assert passed(PROXIED, "127.0.0.1", **said)[0] == 403
    assert passed(PROXIED, "10.1.2.3", path="/readyz", **said)[0] == 200


@pytest.mark.parametrize(
    ("chain", "client"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("127.0.0.1, 203.0.113.9", "203.0.113.9"),  # what a client says of itself stands to the left
        ("203.0.113.9, 10.1.0.7", "203.0.113.9"),
        ("198.51.100.1, 203.0.113.9, 10.1.0.7", "203.0.113.9"),
        ("203.0.113.9, made up", "10.1.2.3"),
        ("", "10.1.2.3"),
        ("2001:db8::7", "2001:db8::7"),
        ("10.1.0.7", "10.1.2.3"),
        ("203.0.113.9:5678", "203.0.113.9"),
        ("203.0.113.9:5678, 10.1.0.7:443", "203.0.113.9"),
        ("[2001:db8::7]:443, 10.1.0.7", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[::ffff:203.0.113.9]:1", "203.0.113.9"),
        ("203.0.113.9:x", "10.1.2.3"),
        ("203.0.113.9:", "10.1.2.3"),
        ("[203.0.113.9", "10.1.2.3"),
        ("[[2001:db8::7]]:1", "10.1.2.3"),
    ],
)  # fmt: skip
def test_the_client_is_the_last_one_that_a_trusted_proxy_saw(chain: str, client: str) -> None:
    assert (
        passed(PROXIED, "10.1.2.3", x_forwarded_proto="https", x_forwarded_for=chain)[1]["client"] == client
    )


@pytest.mark.parametrize(
    "host", ["evil.example.org", "ehr.example.org.evil.example.org", "", "ehr.example.org:x", "a, b"]
)
def test_a_name_that_the_operator_did_not_name_is_not_here(host: str) -> None:
    seen = passed(PROXIED, "10.1.2.3", x_forwarded_proto="https", x_forwarded_host=host)[1]
    assert seen["here"] is False


def asked_raw(edge: Edge, target: str, host: str, *headers: str) -> bytes:
    """The first bytes of what is answered to a request whose target is written so."""
    place = urlsplit(edge.gateway.url)
    lines = [f"GET {target} HTTP/1.1", f"Host: {host}", "Connection: close", *headers, "", ""]
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=60) as line:
        line.sendall("\r\n".join(lines).encode())
        said = b""
        while part := line.recv(65_536):
            said += part
    return said


def test_a_target_in_absolute_form_is_its_path_under_the_name_in_it(watched: Edge) -> None:
    url = watched.gateway.url
    here = urlsplit(url).netloc
    for target in ("/fhir/Patient?_count=1", f"{url}/fhir/Patient?_count=1"):
        assert asked_raw(watched, target, here).startswith(b"HTTP/1.1 401 ")
    assert asked_raw(watched, f"{url}/healthz", "attacker.example").startswith(b"HTTP/1.1 200 ")
    for target in ("http://attacker.example/fhir/metadata", f"{url.replace('//', '//a@')}/fhir/metadata"):
        assert asked_raw(watched, target, here)[:13] in (b"HTTP/1.1 421 ", b"HTTP/1.1 404 ")
    assert asked_raw(watched, "http://attacker.example/fhir/metadata", here).startswith(b"HTTP/1.1 421 ")


def test_nothing_that_is_sent_is_unpacked(watched: Edge) -> None:
    url, body = f"{watched.gateway.base}/Condition", gzip.compress(b"{}")
    sent = {"Content-Type": "application/fhir+json", "Authorization": f"Bearer {watched.token('Dr City')}"}
    for coding, status in (("gzip", 415), ("br, gzip", 415), ("identity", 400)):
        reply = urllib3.request("POST", url, body=body, headers=sent | {"Content-Encoding": coding})
        assert reply.status == status, coding
        assert (reply.headers.get("Accept-Encoding") == "identity") == (status == 415)
        issue = reply.json()["issue"][0]  # whoever asks for FHIR is refused in its words
        assert (issue["code"] == "not-supported") == (status == 415)
    other = urllib3.request(
        "POST", f"{watched.gateway.url}/sign-in", body=body, headers={"Content-Encoding": "gzip"}
    )
    assert (other.status, other.data) == (415, b"Send it as it is.\n")


def test_links_begin_with_the_address_that_the_operator_named(told: Story, tmp_path: Path) -> None:
    mine = stories.copied(told, tmp_path / "data")
    with Gateway(mine.world, port=0, service=PROXIED) as gateway:
        url, token = f"http://127.0.0.1:{gateway._http.port}", Edge(mine, gateway).token("Dr Stay")
        path = f"{url}/fhir/Condition?patient={mine.adam.hex()}&_count=1"
        via = {"X_Forwarded_Proto": "https", "Authorization": f"Bearer {token}"}
        said = ask(path, X_Forwarded_Host="ehr.example.org", **via)
        assert said.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
        links = {each["relation"]: each["url"] for each in json.loads(said.data)["link"]}
        assert all(each.startswith(f"{BASE}/fhir") for each in links.values())
        assert len(links) > 1
        assert ask(path, X_Forwarded_Host="evil.example.org", **via).status == 421
        assert ask(path, X_Forwarded_Host="evil.example.org", Host="ehr.example.org", **via).status == 421
        assert ask(path, Authorization=f"Bearer {token}").status == 403
        assert ask(f"{url}/readyz").status == 200
    mine.world.close()


def test_every_answer_tells_browsers_to_guess_load_and_frame_nothing(watched: Edge) -> None:
    url, asked = watched.gateway.url, 0
    for route in watched.gateway._edge.routes():
        for method in (route.methods or set()) - {"HEAD"}:
            path = re.sub(r"{[^}]*}", "x", route.path)
            reply = urllib3.request(method, url + path, retries=False, redirect=False)
            policy = reply.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy, path
            assert "base-uri 'none'" in policy, path
            assert "frame-ancestors 'none'" in policy, path
            assert reply.headers["X-Content-Type-Options"] == "nosniff", path
            assert reply.headers["Referrer-Policy"] in ("no-referrer", "same-origin"), path
            asked += 1
    assert asked > 100
    for method, path in product(("TRACE", "TRACK"), ("/nothing", "/fhir/metadata", "/sign-in")):
        reply = urllib3.request(method, url + path, headers={"X-Sent": "x-sent"}, retries=False)
        assert (reply.status in (404, 405), reply.headers["X-Content-Type-Options"]) == (True, "nosniff")
        assert b"x-sent" not in reply.data.lower()


def test_a_host_beyond_loopback_is_served_by_a_service_that_secures_it_and_by_no_other(told: Story) -> None:
    with pytest.raises(ServerUnavailable, match="loopback"):
        Gateway(told.world, "0.0.0.0", 0)
    with pytest.raises(CareLedgerError):
        Gateway(told.world, "0.0.0.0", 0, service=Service(host="0.0.0.0"))
    secured = Service(host="0.0.0.0", proxies=("10.1.2.3",), plain=True, base=BASE)
    gateway = Gateway(told.world, "0.0.0.0", 0, service=secured)
    gateway.close()


def test_one_client_beyond_loopback_does_not_use_up_everybodys_pace(told: Story, tmp_path: Path) -> None:
    mine = stories.copied(told, tmp_path / "data")
    with Gateway(mine.world, port=0, service=PROXIED) as gateway:
        url = f"http://127.0.0.1:{gateway._http.port}/api/v1/agent/network"
        pool = urllib3.PoolManager()

        def asked(client: str) -> int:
            headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": client}
            return pool.request("GET", url, headers=headers, retries=False).status

        gateway._edge._api._strangers["agentNetwork"]._each = Pace(5, 0.01)
        greedy = [asked("203.0.113.9") for _ in range(7)]
        assert (greedy[0], greedy[-1]) == (200, 429)
        assert asked("203.0.113.10") == 200
        assert asked("127.0.0.1, 203.0.113.9") == 429
        assert [asked(f"2001:db8:0:7::{each:x}") for each in range(1, 8)] == [200] * 5 + [429] * 2
        assert asked("2001:db8:0:8::1") == 200
    mine.world.close()


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:0:7:ffff::1", "2001:db8:0:7::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_an_address_is_counted_by_what_one_subscriber_has(address: str, counted: str) -> None:
    assert place(address) == counted


def test_where_people_sign_in_a_network_of_64_bits_is_one_place(told: Story, tmp_path: Path) -> None:
    mine = stories.copied(told, tmp_path / "data")
    with Gateway(mine.world, port=0, service=PROXIED) as gateway:
        url, pool = f"http://127.0.0.1:{gateway._http.port}", urllib3.PoolManager()
        gateway._edge._identity._pace = Pace(3, 0.01)
        gateway._edge._signing_on.entering.pace = Pace(3, 0.01)

        def asked(client: str, method: str, path: str) -> int:
            headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": client, "Origin": BASE,
                       "X-Forwarded-Host": "ehr.example.org", "Content-Type": "application/json",
                       "Sec-Fetch-Site": "same-origin"}  # fmt: skip
            body = b"[]" if method == "POST" else None
            return pool.request(method, url + path, body=body, headers=headers, retries=False).status

        for method, path, status in (
            ("POST", "/identity/sign-in/options", 400),
            ("GET", f"/sign-on/{'0' * 32}/return", 404),
        ):
            said = [asked(f"2001:db8:0:7::{each:x}", method, path) for each in range(1, 6)]
            assert said == [status] * 3 + [429] * 2, path
            assert asked("2001:db8:0:8::1", method, path) == status
    mine.world.close()


def test_files_apps_and_what_fills_board_or_ledger_have_a_pace_for_each_address(
    told: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("careledger.gateway.files.ONE", (4, 0.01))
    monkeypatch.setattr("careledger.gateway.files.ALL", (9, 0.01))
    mine = stories.copied(told, tmp_path / "data")
    with Gateway(mine.world, port=0, service=PROXIED) as gateway:
        pool = urllib3.PoolManager()

        def asked(
            client: str, path: str, body: bytes | None = None, kind: str = "application/json"
        ) -> urllib3.BaseHTTPResponse:
            headers = {
                "X-Forwarded-Proto": "https",
                "X-Forwarded-For": client,
                "Content-Type": kind,
            }
            url = f"http://127.0.0.1:{gateway._http.port}{path}"
            return pool.request(
                "GET" if body is None else "POST", url, body=body, headers=headers, retries=False
            )

        for path, there in (("/logs", 200), (f"/sealed/{text(raw_cid(b''))}", 404)):
            greedy = [asked("203.0.113.9", path) for _ in range(5)]
            assert [each.status for each in greedy] == [there] * 4 + [429]
            assert int(greedy[-1].headers["Retry-After"]) >= 1
            assert [asked(f"203.0.113.{each}", path).status for each in range(20, 26)] == [there] * 5 + [429]
        for path, form, refused in (
            ("/oauth/token", b"x=1", 400),
            ("/oauth/keys", None, 200),
            ("/oauth/authorize", None, 400),
        ):
            client = f"198.51.100.{len(path)}"
            greedy = [asked(client, path, form, FORM) for _ in range(5)]
            assert [each.status for each in greedy] == [refused] * 4 + [429], path
            gateway._edge._oauth._strangers._together = Pace(9, 0.01)
        for name in ("postPackage", "bringAct", "forward"):
            row = gateway._edge._api._strangers[name]
            row._each.a_second = row._together.a_second = 0.01  # however slow this machine is
        for path in ("packages", "acts", f"relays/{1:016x}"):
            said = [asked("203.0.113.9", f"/api/v1/agent/{path}", b"{}").status for _ in range(61)]
            assert said == [400] * 60 + [429]
            assert asked("203.0.113.10", f"/api/v1/agent/{path}", b"{}").status == 400
    mine.world.close()
