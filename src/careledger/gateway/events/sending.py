"""One attempt to deliver: connect to the address that was checked, post, read the status, all within a time.

Nothing of the answer but its status is read, and no redirect is followed.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from careledger.domain.errors import EndpointRefused
from careledger.gateway.events.addresses import Target, addresses, target

WITHIN = 15.0
"""Seconds that one attempt may take in all."""
MOST_ADDRESSES = 3
GONE = 410


@dataclass(frozen=True)
class Outcome:
    """What an attempt came to: the status, 0 where there was none, and why it failed in words without the address."""

    status: int
    problem: str = ""

    @property
    def delivered(self) -> bool:
        """Whether the endpoint took it."""
        return 200 <= self.status < 300


class Sender:
    """Sends from any thread; what it may send to is as the settings say."""

    def __init__(self, loopback: bool, context: ssl.SSLContext | None = None) -> None:
        self.loopback = loopback
        self._context = context or ssl.create_default_context()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._closed = False

    def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Tries once; raises nothing."""
        ends = time.monotonic() + WITHIN
        try:
            found = target(url, self.loopback)
            held = self._connected(found, addresses(found, self.loopback), ends)
        except EndpointRefused:
            return Outcome(0, "the address is not one that is sent to")
        except (OSError, ValueError):
            return Outcome(0, "no connection")
        cut = threading.Timer(max(0.0, ends - time.monotonic()), _cut, (held,))
        cut.daemon = True
        cut.start()
        try:
            if isinstance(held, ssl.SSLSocket):
                held.do_handshake()
            outcome = _posted(held, found, headers, body)
            return outcome if time.monotonic() < ends else Outcome(0, "no answer in time")
        except ssl.SSLError:
            return Outcome(0, "no TLS that is trusted for this name")
        except (OSError, http.client.HTTPException, ValueError):
            return Outcome(0, "no answer in time")
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
    connection = http.client.HTTPConnection(found.host, found.port)
    connection.sock = held
    connection.putrequest("POST", found.path, skip_host=True, skip_accept_encoding=True)
    said = {"Host": found.named, "Connection": "close", "User-Agent": "CareLedger", **headers}
    for name, value in {**said, "Content-Length": str(len(body))}.items():
        connection.putheader(name, value)
    connection.endheaders(body)
    status = connection.getresponse().status
    return Outcome(status, "" if 200 <= status < 300 else f"answered {status}")


def _cut(held: socket.socket) -> None:
    with suppress(OSError):  # it is over already
        held.shutdown(socket.SHUT_RDWR)
