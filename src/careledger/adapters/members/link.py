"""The port CustodianLink to another member's custodian over the network."""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from dataclasses import dataclass

from careledger.adapters.custody.sockets import body_in
from careledger.adapters.members.tls import Contexts, Roll, peer_of, receive, send
from careledger.domain.errors import MalformedBytes, MemberRefused, StoreUnavailable
from careledger.formats.custody import Call

KEPT = 60
"""Seconds for which a connection that is not used is kept; the other side gives it up after twice as long."""
AWAY = 5
"""Seconds for which a member to which no way led, or that takes connections and proves nothing, is not tried again, so
that it holds nobody up at every call. One that does not answer is not tried for as long as was waited for it."""


@dataclass(frozen=True)
class Patience:
    """Seconds that are waited for a connection, and for a call to be done and its answer to be here."""

    connect: float = 5
    answer: float = 60


class MemberLink:
    """One member's custodian, believed only while its certificate counts; keeps one connection, for any thread.

    Raises StoreUnavailable where the member is not reached, or whoever answers does not prove to be it.
    """

    def __init__(self, party: int, roll: Roll, patience: Patience | None = None) -> None:
        self._party, self._roll, self._patience = party, roll, patience or Patience()
        self._contexts = Contexts(server=False)
        self._socket: ssl.SSLSocket | None = None
        self._used = self._away_until = 0.0
        self._lock = threading.Lock()

    @property
    def party(self) -> int:
        """The organisation's number on the ledger."""
        return self._party

    def call(self, method: str, body: bytes) -> bytes:
        """The answer's bytes; refusals are the same exceptions as there, with details as text."""
        frame = Call(method, body).encode()
        with self._lock:
            try:
                reply = self._exchange(frame)
            except MemberRefused as refusal:
                self._drop()
                raise StoreUnavailable(custodian=self._party, why=refusal.details.get("why", "")) from None
            except (OSError, MalformedBytes):
                self._drop()
                raise StoreUnavailable(custodian=self._party, method=method) from None
        return body_in(reply, method)

    def close(self) -> None:
        """Ends the connection."""
        with self._lock:
            self._drop()

    def _exchange(self, frame: bytes) -> bytes:
        connection = self._kept() or self._connected()
        self._check(connection)
        wait = self._patience.answer
        end = time.monotonic() + wait
        try:
            send(connection, frame, wait)
            reply = receive(connection, wait, wait, end)
        except TimeoutError:
            self._away_until = time.monotonic() + max(AWAY, wait)
            raise
        if reply is None:
            raise OSError("closed")
        self._used = time.monotonic()
        return reply

    def _kept(self) -> ssl.SSLSocket | None:
        """The connection of before. One on which anything came since was ended over there: nobody was asked."""
        made = self._socket
        if made is None:
            return None
        looked = select.poll()
        looked.register(made, select.POLLIN)
        if time.monotonic() - self._used < KEPT and not looked.poll(0):
            return made
        self._drop()
        return None

    def _connected(self) -> ssl.SSLSocket:
        own = self._roll.own()
        if own is None:
            raise MemberRefused(why="no certificate of a member here counts now")
        its = [each for each in self._roll.known() if each.member == self._party]
        places = [each.address for each in sorted(its, key=lambda each: each.since) if each.address]
        if not places:
            raise MemberRefused(why="no certificate of it with an address counts now")
        host, _, port = places[-1].rpartition(":")
        context = self._contexts.of(own, [each.certificate for each in its])
        plain = self._reached(host.strip("[]"), int(port))
        try:
            self._socket = context.wrap_socket(plain, server_hostname=None)
        except TimeoutError:
            self._away_until = time.monotonic() + AWAY
            raise
        except ssl.SSLCertVerificationError:
            raise MemberRefused(why="whoever answers there shows no certificate of it") from None
        finally:
            plain.close()  # what is secured has its file now; otherwise nobody has
        return self._socket

    def _reached(self, host: str, port: int) -> socket.socket:
        if time.monotonic() < self._away_until:
            raise OSError("away")
        try:
            return socket.create_connection((host, port), self._patience.connect)
        except OSError:
            self._away_until = time.monotonic() + AWAY
            raise

    def _check(self, connection: ssl.SSLSocket) -> None:
        if self._roll.member(peer_of(connection)) != self._party:
            raise MemberRefused(why="another member answers there")

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
