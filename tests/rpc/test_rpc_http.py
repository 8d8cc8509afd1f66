"""Who may ask: this machine's programs, and pages of allowed origins; and how much at once."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adapters.chain_support import CHAIN_ID
from careledger.adapters.evm.chain import EmbeddedChain
from careledger.app import serving as servers
from careledger.app.serving import is_loopback
from careledger.domain.errors import ServerUnavailable
from careledger.rpc import http as edge
from careledger.rpc.http import MOST_BYTES
from careledger.rpc.server import Server
from rpc.rpc_world import JSON, Client, Served, client, request, served

__all__ = ["client", "served"]
WALLET = "chrome-extension://abcdefghijklmnopabcdefghijklmnop"
BODY = b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}'


@pytest.fixture
def allowing(tmp_path: Path) -> Iterator[Client]:
    """A server that one wallet's origin may ask."""
    folder = tmp_path / "another"
    with EmbeddedChain(folder, CHAIN_ID) as chain, Server(chain, folder, port=0, origins=[WALLET]) as server:
        yield Client(server.host, server.port)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.0.2.1", "example.org", "", "127.0.0.1.example.org", "10.0.0.1"]
)
def test_nothing_but_loopback_is_served(host: str, served: Served, tmp_path: Path) -> None:
    with pytest.raises(ServerUnavailable):
        Server(served.chain, tmp_path / "chain", host, 0)
    assert not is_loopback(host)


def test_a_port_that_is_taken_is_named(served: Served, tmp_path: Path) -> None:
    with pytest.raises(ServerUnavailable, match=str(served.server.port)):
        Server(served.chain, tmp_path / "chain", port=served.server.port)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]", "127.0.0.9"])
def test_a_name_of_loopback_is_answered_with_or_without_a_port(host: str, client: Client) -> None:
    for name in (host, f"{host}:{client.port}"):
        assert client.http("POST", body=BODY, headers={**JSON, "Host": name}).json["result"] == "0x4d"


@pytest.mark.parametrize(
    "host",
    ["rebound.example.org", "127.0.0.1.example.org:8545", "localhost.example.org", "192.0.2.1", "", "::1"],
)
def test_a_page_elsewhere_whose_name_leads_here_gets_nothing(host: str, client: Client) -> None:
    for method, body in (("POST", BODY), ("GET", None), ("OPTIONS", None)):
        answer = client.http(method, body=body, headers={**JSON, "Host": host})
        assert answer.status in (400, 403)
        assert b"0x4d" not in answer.body


def test_a_browsers_page_of_an_origin_not_allowed_gets_nothing(client: Client, allowing: Client) -> None:
    for at, origin in (
        (client, WALLET),
        (allowing, "https://example.org"),
        (allowing, "null"),
        (client, "null"),
    ):
        for method, body in (("POST", BODY), ("OPTIONS", None)):
            answer = at.http(method, body=body, headers={**JSON, "Origin": origin})
            assert (answer.status, b"0x4d" in answer.body) == (403, False)
            assert "access-control-allow-origin" not in answer.headers


def test_an_allowed_wallet_and_the_servers_own_page_are_answered(client: Client, allowing: Client) -> None:
    for at, origin in ((allowing, WALLET), (client, f"http://127.0.0.1:{client.port}")):
        answer = at.http("POST", body=BODY, headers={**JSON, "Origin": origin})
        assert (answer.status, answer.json["result"]) == (200, "0x4d")
        assert answer.headers["access-control-allow-origin"] == origin
        asked = at.http("OPTIONS", headers={"Origin": origin, "Access-Control-Request-Method": "POST"})
        assert (asked.status, asked.headers["access-control-allow-origin"]) == (204, origin)
        assert asked.headers["access-control-allow-headers"] == "content-type"
    assert "access-control-allow-origin" not in client.http("POST", body=BODY).headers


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "", "multipart/form-data"]
)
def test_what_a_browser_sends_without_asking_first_is_refused(kind: str, client: Client) -> None:
    assert client.http("POST", body=BODY, headers={"Content-Type": kind}).status == 415
    good = client.http("POST", body=BODY, headers={"Content-Type": "Application/JSON; charset=utf-8"})
    assert good.status == 200


def test_a_body_over_the_limit_is_refused_and_the_next_is_answered(client: Client) -> None:
    padding = b" " * (MOST_BYTES - len(BODY))
    assert client.post(BODY + padding).json["result"] == "0x4d"
    assert client.post(BODY + padding + b" ").status == 413
    assert client.ask("eth_chainId") == "0x4d"


def test_a_body_that_never_ends_is_cut_off_at_the_limit(client: Client) -> None:
    with socket.create_connection((client.host, client.port), timeout=60) as line:
        line.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
        line.sendall(b"Transfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
        try:
            for _ in range(2 * MOST_BYTES // 65_536):
                line.sendall(chunk)
        except OSError:
            pass  # it has hung up already
        said = line.recv(4096)
    assert said.startswith(b"HTTP/1.1 413")


def test_a_body_that_does_not_come_in_time_is_given_up(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge, "READ_WITHIN", 0.3)
    head = (
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
    )
    with socket.create_connection((client.host, client.port), timeout=60) as line:
        line.sendall(head)
        assert line.recv(4096).startswith(b"HTTP/1.1 408")
    assert client.ask("eth_chainId") == "0x4d"


def test_a_client_that_leaves_in_the_middle_harms_nobody(client: Client) -> None:
    for sent in (b"POST / HTTP/1.1\r\nHost: localhost\r\n", b"nonsense\r\n\r\n", b"\0" * 100):
        with socket.create_connection((client.host, client.port), timeout=60) as line:
            line.sendall(sent)
    head = (
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
    )
    with socket.create_connection((client.host, client.port), timeout=60) as line:
        line.sendall(head)
    assert client.ask("eth_chainId") == "0x4d"


def test_connections_are_bounded_and_the_next_is_answered_when_one_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "MOST_CONNECTIONS", 3)
    folder = tmp_path / "chain"
    with EmbeddedChain(folder, CHAIN_ID) as chain, Server(chain, folder, port=0) as server:
        client = Client(server.host, server.port)
        assert client.ask("eth_chainId") == "0x4d"
        idle = [socket.create_connection((server.host, server.port)) for _ in range(4)]
        assert until(lambda: client.post(BODY).status, 503)
        for line in idle:
            line.close()
        assert until(lambda: client.post(BODY).status, 200)


def until(look: Callable[[], int], wanted: int) -> bool:
    """Whether it comes within some seconds."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if look() == wanted:
            return True
        time.sleep(0.05)
    return False


def test_other_paths_and_methods_do_not_exist(client: Client) -> None:
    assert client.http("POST", "/rpc", BODY).status == 404
    assert client.http("GET", "/../../etc/passwd").status in (400, 404)
    assert client.http("DELETE").status == 405


def test_the_page_has_the_network_and_loads_nothing_from_elsewhere(client: Client) -> None:
    page = client.http("GET", headers={})
    text = page.body.decode()
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src &#x27;none&#x27;" not in text
    assert page.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
    assert f"http://127.0.0.1:{client.port}" in text
    assert "&quot;chainId&quot;: &quot;0x4d&quot;" in text
    script = client.http("GET", "/wallet.js", headers={})
    assert script.headers["content-type"].startswith("text/javascript")
    assert "wallet_addEthereumChain" in script.body.decode()
    assert client.post(request("eth_chainId")).headers.get("server") is None
