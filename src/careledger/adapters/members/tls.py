"""TLS between members: 1.3 alone, a certificate on both sides, and of those alone that count now.

There is no authority: what OpenSSL takes are the very certificates that a ``Roll`` judged, and whose the one is that
was shown is asked of the roll afterwards. No session is resumed, so that every connection proves both sides anew.
"""

from __future__ import annotations

import math
import os
import secrets
import socket
import ssl
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_der_private_key,
)

from careledger.adapters.custody.sockets import MOST_FRAME
from careledger.domain.errors import MalformedBytes, MemberRefused
from careledger.formats.members import MemberCertificate

PROTOCOL = "careledger-custodian/1"
"""What both sides have to say that they speak (ALPN), so that no other service's connection is taken for this one."""
PIECE = 1 << 16


class Roll(Protocol):
    """Whose certificates count at this moment. Trusted: it asks the ledger."""

    def own(self) -> tuple[bytes, bytes] | None:
        """The certificate that this side shows and its private key (PKCS #8), both DER; None: it has none."""
        ...

    def known(self) -> Sequence[MemberCertificate]:
        """Every certificate of others that counts now."""
        ...

    def member(self, certificate: bytes) -> int:
        """Whose this certificate is; raises MemberRefused unless it counts now."""
        ...


class Contexts:
    """The settings of TLS on one side, made anew only when certificates changed."""

    def __init__(self, server: bool) -> None:
        self._server = server
        self._made: tuple[object, ssl.SSLContext] | None = None

    def of(self, own: tuple[bytes, bytes], accepted: Sequence[bytes]) -> ssl.SSLContext:
        """Shows ``own``, takes exactly the ``accepted`` certificates."""
        wanted, made = (own, frozenset(accepted)), self._made
        if made is None or made[0] != wanted:
            self._made = made = wanted, _context(self._server, own, accepted)
        return made[1]


def peer_of(connection: ssl.SSLSocket) -> bytes:
    """The certificate that the other side proved to have the key of; raises MemberRefused."""
    shown = connection.getpeercert(binary_form=True)
    if not shown or connection.selected_alpn_protocol() != PROTOCOL:
        raise MemberRefused(why="it shows no certificate, or speaks something else")
    return shown


def receive(
    connection: socket.socket, begins_within: float, ends_within: float, end: float = math.inf
) -> bytes | None:
    """One frame (docs/formats.md), or None at the end; raises MalformedBytes over the bound, OSError also for a side
    that does not begin or end it in so many seconds, TimeoutError for one that is not there at the moment ``end`` of
    the monotonic clock."""
    head = _exactly(connection, 4, min(end, time.monotonic() + begins_within))
    if head is None:
        return None
    size = int.from_bytes(head, "big")
    if size > MOST_FRAME:
        raise MalformedBytes(why="frame too large")
    return _exactly(connection, size, min(end, time.monotonic() + ends_within))


def send(connection: socket.socket, frame: bytes, within: float) -> None:
    """One frame; raises MalformedBytes over the bound, OSError also for a side that does not take it in time."""
    if len(frame) > MOST_FRAME:
        raise MalformedBytes(why="frame too large")
    end, left = time.monotonic() + within, memoryview(len(frame).to_bytes(4, "big") + frame)
    while left:
        connection.settimeout(_until(end))
        left = left[connection.send(left[:PIECE]) :]


def _exactly(connection: socket.socket, size: int, end: float) -> bytes | None:
    data = bytearray()
    while len(data) < size:
        connection.settimeout(_until(end))
        part = connection.recv(min(size - len(data), PIECE))
        if not part:
            return None
        data += part
    return bytes(data)


def _until(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError("too slow")
    return left


def _context(server: bool, own: tuple[bytes, bytes], accepted: Sequence[bytes]) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False  # whose a certificate is says the ledger, not a name in it
    made.verify_mode = ssl.CERT_REQUIRED
    made.minimum_version = made.maximum_version = ssl.TLSVersion.TLSv1_3
    made.set_alpn_protocols([PROTOCOL])
    if server:
        made.num_tickets = 0
    for each in accepted:
        with suppress(ssl.SSLError):  # one that OpenSSL cannot read keeps no other from being taken
            made.load_verify_locations(cadata=each)
    _show(made, *own)
    return made


def _show(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """OpenSSL reads keys from files alone: there it lies for a moment, encrypted under a password of that moment."""
    password = secrets.token_hex(32).encode()
    loaded = load_der_private_key(key, None)
    sealed = loaded.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password))
    with tempfile.TemporaryDirectory(prefix="careledger-") as folder:
        path = Path(folder) / "certificate.pem"
        with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(ssl.DER_cert_to_PEM_cert(certificate).encode() + sealed)
        context.load_cert_chain(path, password=password)
