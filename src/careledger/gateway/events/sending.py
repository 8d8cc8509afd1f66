"""One attempt to deliver, or to fetch: connect to the address that was checked, ask, read, all within a time.

Of the answer to what is delivered nothing but the status is read; no redirect is followed.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from careledger.app.world import World
from careledger.domain.errors import EndpointRefused
from careledger.gateway.events.addresses import Target, addresses, check_listed, target

WITHIN = 15.0
"""Seconds that one attempt may take in all."""
MOST_ADDRESSES = 3
GONE, OK = 410, 200
T = TypeVar("T")


@dataclass(frozen=True)
class Outcome:
    """What an attempt came to: the status, 0 where there was none, and why it failed in words without the address."""

    status: int
    problem: str = ""

    @property
    def delivered(self) -> bool:
        """Whether the endpoint took it."""
        return 200 <= self.status < 300


@dataclass(frozen=True, repr=False)
class Fetched:
    """What was fetched and how long it may be kept, as its Cache-Control says; else why it was not."""

    body: bytes = b""
    kept: str = ""
    problem: str = ""


class Sender:
    """Sends from any thread; what it may send to is as the settings say, and among ``hosts`` where there are some."""

    def __init__(
        self, loopback: bool, context: ssl.SSLContext | None = None, hosts: tuple[str, ...] = ()
    ) -> None:
        self.loopback, self._hosts = loopback, hosts
        self._context = context or ssl.create_default_context()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._closed = False

    @classmethod
    def of(cls, world: World) -> Sender:
        """As that world is set up."""
        return cls(world.settings.webhooks_to_loopback, hosts=world.outside)

    def target(self, url: str) -> Target:
        """Where a URL leads, as far as it can be said before its name is resolved; raises EndpointRefused."""
        found = target(url, self.loopback)
        check_listed(found.host, self._hosts)
        return found

    def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Tries once; raises nothing."""
        made = self._tried(url, partial(_posted, headers=headers, body=body))
        return Outcome(0, made) if isinstance(made, str) else made

    def fetch(self, url: str, accept: str, most: int) -> Fetched:
        """Tries once to get a file of at most so many bytes; raises nothing."""
        made = self._tried(url, partial(_got, accept=accept, most=most))
        return Fetched(problem=made) if isinstance(made, str) else made

    def ask(self, url: str, headers: Mapping[str, str], body: bytes, most: int) -> Fetched:
        """Tries once to post something and to get an answer of at most so many bytes; raises nothing."""
        made = self._tried(url, partial(_answered, headers=headers, body=body, most=most))
        return Fetched(problem=made) if isinstance(made, str) else made

    def _tried(self, url: str, ask: Callable[[socket.socket, Target], T]) -> T | str:
        """What it gives, or why there is nothing."""
        ends = time.monotonic() + WITHIN
        try:
            found = self.target(url)
            held = self._connected(found, addresses(found, self.loopback), ends)
        except EndpointRefused:
            return "the address is not one that is sent to"
        except (OSError, ValueError):
            return "no connection"
        cut = threading.Timer(max(0.0, ends - time.monotonic()), _cut, (held,))
        cut.daemon = True
        cut.start()
        try:
            if isinstance(held, ssl.SSLSocket):
                held.do_handshake()
            made = ask(held, found)
            return made if time.monotonic() < ends else "no answer in time"
        except ssl.SSLError:
            return "no TLS that is trusted for this name"
        except (OSError, http.client.HTTPException, ValueError):
            return "no answer in time"
        finally:
            cut.cancel()
            self._drop(held)

    def close(self) -> None:
        """Ends every attempt that is under way; none begins any more."""
        with self._lock:
            self._closed = True
            under_way = list(self._open)
        for each in under_way:
            _cut(each)

    def _connected(self, found: Target, numbers: list[str], ends: float) -> socket.socket:
        """A socket to the first of the addresses that answers, TLS still to begin; raises OSError."""
        failed: OSError = OSError("no time left")
        for number in numbers[:MOST_ADDRESSES]:
            left = ends - time.monotonic()
            if left <= 0 or self._closed:
                break
            try:
                held = socket.create_connection(
                    (number, found.port), timeout=min(left, WITHIN / MOST_ADDRESSES)
                )
            except OSError as error:
                failed = error
                continue
            held.settimeout(WITHIN)
            if found.secure:
                name = found.host
                held = self._context.wrap_socket(held, server_hostname=name, do_handshake_on_connect=False)
            with self._lock:
                self._open.add(held)
            return held
        raise failed

    def _drop(self, held: socket.socket) -> None:
        with self._lock:
            self._open.discard(held)
        held.close()


def _posted(held: socket.socket, found: Target, headers: Mapping[str, str], body: bytes) -> Outcome:
    connection = _begun(held, found, "POST", {**headers, "Content-Length": str(len(body))})
    connection.endheaders(body)
    status = connection.getresponse().status
    return Outcome(status, "" if 200 <= status < 300 else f"answered {status}")


def _got(held: socket.socket, found: Target, accept: str, most: int) -> Fetched:
    connection = _begun(held, found, "GET", {"Accept": accept})
    connection.endheaders()
    return _read(connection.getresponse(), most)


def _answered(
    held: socket.socket, found: Target, headers: Mapping[str, str], body: bytes, most: int
) -> Fetched:
    connection = _begun(held, found, "POST", {**headers, "Content-Length": str(len(body))})
    connection.endheaders(body)
    return _read(connection.getresponse(), most)


def _read(answer: http.client.HTTPResponse, most: int) -> Fetched:
    if answer.status != OK:
        return Fetched(problem=f"answered {answer.status}")
    body = answer.read(most + 1)
    if len(body) > most:
        return Fetched(problem="more than it may be")
    return Fetched(body, answer.getheader("Cache-Control", ""))


def _begun(
    held: socket.socket, found: Target, method: str, headers: Mapping[str, str]
) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection(found.host, found.port)
    connection.sock = held
    connection.putrequest(method, found.path, skip_host=True, skip_accept_encoding=True)
    said = {"Host": found.named, "Connection": "close", "User-Agent": "CareLedger", **headers}
    for name, value in said.items():
        connection.putheader(name, value)
    return connection


def _cut(held: socket.socket) -> None:
    with suppress(OSError):  # it is over already
        held.shutdown(socket.SHUT_RDWR)
