"""Documents of others are fetched within a time for all of it, and of a size, however they are served."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from careledger.app.fetching import Fetched, _cut, fetched
from careledger.app.licences import status
from careledger.domain.errors import LicenceRefused

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"


@contextmanager
def served(*parts: bytes, every: float = 0.0, ends: bool = True) -> Iterator[str]:
    """A server on loopback that says these parts to whoever asks, one after the other; its address."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    held, _ = listening.accept()
                except OSError:
                    return
                with held:
                    try:
                        held.recv(4_096)
                        for each in parts:
                            held.sendall(each)
                            over.wait(every)
                        if not ends:
                            over.wait()
                    except OSError:
                        continue

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/list?a=1"
        over.set()
        listening.shutdown(socket.SHUT_RDWR)


def drops(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


def test_what_is_there_is_fetched_with_its_status_and_no_redirect_followed() -> None:
    with served(HEAD, b"whole") as url:
        found = fetched(url, 5)
        assert (found.status, found.body) == (200, b"whole")
    with served(b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n") as url:
        assert fetched(url, 5).status == 302


DRIPS = {
    "the head": drops(HEAD * 100),
    "the body": [HEAD.replace(b"5", b"500"), *drops(b"x" * 500)],
    "a body without an end": [b"HTTP/1.1 200 OK\r\n\r\n", *drops(b"x" * 1_000)],
}


@pytest.mark.parametrize("what", DRIPS)
def test_whoever_lets_an_answer_drip_holds_nobody_up(what: str) -> None:
    with served(*DRIPS[what], every=0.05) as url:
        begun = time.monotonic()
        assert fetched(url, 10_000, within=0.5) == Fetched(0)
        assert time.monotonic() - begun < 0.05 * len(DRIPS[what])


def test_what_is_cut_off_before_tls_began_is_an_answer_that_did_not_come() -> None:
    here, there = socket.socketpair()
    context = ssl.create_default_context()
    with there, context.wrap_socket(here, server_hostname="there", do_handshake_on_connect=False) as held:
        _cut(held)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            held.do_handshake()


def test_whoever_says_nothing_too_much_or_no_http_gives_nothing() -> None:
    with served(ends=False) as url:
        assert fetched(url, 10, within=0.5) == Fetched(0)
    for said in (HEAD + b"whole", b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100_000, b"what?\r\n\r\n", b""):
        with served(said) as url:
            assert fetched(url, 4) == Fetched(0)
    with served(HEAD, b"whole", ends=False) as url:
        assert fetched(url.replace("http:", "https:"), 10, within=0.5) == Fetched(0)
    for nowhere in ("http://127.0.0.1:1/", "http://[", "http://127.0.0.1:x/", "", "http://127.0.0.1:1/ x"):
        assert fetched(nowhere, 10) == Fetched(0)


def test_a_status_list_that_drips_is_refused_in_time() -> None:
    with served(HEAD.replace(b"5", b"900"), *drops(b"x" * 900), every=0.05) as url:
        begun = time.monotonic()
        with pytest.raises(LicenceRefused, match="cannot be fetched"):
            status.fetched(url)
        assert time.monotonic() - begun < 40
