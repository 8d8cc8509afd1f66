"""Whoever sends more than is read gets the answer, and no reset connection."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from careledger.app import lingering, serving
from careledger.app.serving import HttpServer

BODY = 4 * 2**20
WAITS = 60
CLOSE = "Connection: close\r\n"


async def refusing(scope: Any, receive: Any, send: Any) -> None:
    """Answers without looking at the body."""
    said = b"too much" if scope["method"] == "POST" else b"hello"
    headers = [(b"content-length", str(len(said)).encode())]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": said})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpServer]:
    monkeypatch.setattr(serving, "IDLE", 5)  # tests of gateways that ran before may have made it long
    with HttpServer("127.0.0.1", 0) as made:
        made.start(refusing)
        yield made


def begun(server: HttpServer, more: str = "", length: int = BODY) -> socket.socket:
    """A connection on which the answer is there and the body is not."""
    line = socket.create_connection((server.host, server.port), WAITS)
    line.sendall(f"POST / HTTP/1.1\r\nHost: localhost\r\n{more}Content-Length: {length}\r\n\r\n".encode())
    assert select.select([line], [], [], WAITS)[0]
    return line


def answer(line: socket.socket) -> bytes:
    said = b""
    while not said.endswith((b"too much", b"hello")):
        part = line.recv(65_536)
        assert part, said
        said += part
    return said


@pytest.mark.parametrize("closes", ["", CLOSE], ids=["kept alive", "closed"])
def test_who_sends_everything_before_reading_reads_the_answer(server: HttpServer, closes: str) -> None:
    with begun(server, closes) as line:
        for _ in range(BODY // 65_536):
            line.sendall(bytes(65_536))
        assert answer(line).startswith(b"HTTP/1.1 413 ")
        if not closes:
            line.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert answer(line).endswith(b"hello")


def test_the_answer_comes_before_the_body_has(server: HttpServer) -> None:
    with begun(server) as line:
        assert answer(line).startswith(b"HTTP/1.1 413 ")


def test_who_sends_for_ever_is_cut_off(server: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lingering, "MOST", 100_000)
    with begun(server, more=CLOSE, length=2**30) as line, pytest.raises(ConnectionError):
        line.sendall(bytes(2**27))  # more than both ends hold


def test_who_sends_nothing_more_is_cut_off(server: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lingering, "SECONDS", 0.1)
    with begun(server, CLOSE) as line:
        answer(line)
        assert line.recv(1) == b""


def test_who_waits_for_leave_to_send_is_not_waited_for(server: HttpServer) -> None:
    with begun(server, "Expect: 100-continue\r\n") as line:
        assert b"100 Continue" not in answer(line)
        assert line.recv(1) == b""
