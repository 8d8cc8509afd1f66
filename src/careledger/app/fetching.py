"""Documents of others (status lists, DID documents): fetched within a time for all of it, and of a size.

No redirect is followed. However slowly somebody answers, or lets an answer drip, nobody waits longer; only for a name's
addresses it is waited as long as the machine's resolver waits.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

WITHIN = 5.0
"""Seconds for one document, from the first connection to the last byte."""
MOST_ADDRESSES = 3


@dataclass(frozen=True, repr=False)
class Fetched:
    """What was answered; the status is 0 where there was no answer of that size within the time."""

    status: int
    body: bytes = b""


def fetched(url: str, most: int, accept: str = "*/*", within: float = WITHIN) -> Fetched:
    """What lies there, of at most so many bytes; raises nothing."""
    ends = time.monotonic() + within
    try:
        parts = urlsplit(url)
        held = _connected(parts, ends)
    except (OSError, ValueError):
        return Fetched(0)
    cut = threading.Timer(max(0.0, ends - time.monotonic()), _cut, (held,))
    cut.daemon = True
    cut.start()
    try:
        made = _asked(held, parts, most, accept)
    except (OSError, http.client.HTTPException, ValueError):
        return Fetched(0)
    finally:
        cut.cancel()
        held.close()
    whole = time.monotonic() < ends and len(made.body) <= most  # what was cut off may look whole
    return made if whole else Fetched(0)


def _connected(parts: SplitResult, ends: float) -> socket.socket:
    """A socket to the first address that answers, TLS still to begin; raises OSError, ValueError."""
    secure = parts.scheme == "https"
    place = parts.hostname or "", parts.port or (443 if secure else 80)
    failed = OSError("no time left")
    found = socket.getaddrinfo(*place, type=socket.SOCK_STREAM)
    for number in [str(each[4][0]) for each in found][:MOST_ADDRESSES]:
        left = ends - time.monotonic()
        if left <= 0:
            break
        try:
            held = socket.create_connection((number, place[1]), timeout=left)
        except OSError as error:
            failed = error
            continue
        if not secure:
            return held
        context = ssl.create_default_context()
        return context.wrap_socket(held, server_hostname=place[0], do_handshake_on_connect=False)
    raise failed


def _asked(held: socket.socket, parts: SplitResult, most: int, accept: str) -> Fetched:
    if isinstance(held, ssl.SSLSocket):
        held.do_handshake()
    connection = http.client.HTTPConnection(parts.netloc)
    connection.sock = held
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.request(
        "GET", path, headers={"Accept": accept, "User-Agent": "CareLedger", "Connection": "close"}
    )
    answer = connection.getresponse()
    return Fetched(answer.status, answer.read(most + 1))


def _cut(held: socket.socket) -> None:
    with suppress(OSError):  # it is over already
        socket.socket.shutdown(held, socket.SHUT_RDWR)  # TLS stays, lest its bytes be read as an answer
