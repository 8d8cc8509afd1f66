"""A custodian served to other members: one frame there, one frame back, over TLS that proved whose the caller is."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from types import TracebackType

from careledger.adapters.custody.sockets import Answer, reply_to
from careledger.adapters.members.tls import Contexts, Roll, peer_of, receive, send
from careledger.domain.errors import CareLedgerError, MemberRefused, ServerUnavailable

_LOG = logging.getLogger("careledger.members")


@dataclass(frozen=True)
class Limits:
    """How much one caller may take: connections in all, those of an address that proved nothing yet, those of a member;
    and seconds for the handshake, between two calls, and for a frame."""

    connections: int = 256
    unproved: int = 8
    of_member: int = 8
    handshake: float = 10
    idle: float = 120
    frame: float = 60


class MemberServer:
    """Answers calls of members, each connection in a thread of its own, until it is closed.

    Whether a certificate counts is asked at every call, not at the first alone: a member that is suspended loses its
    open connections too. Callers learn nothing before they proved who they are.
    """

    def __init__(
        self, host: str, port: int, roll: Roll, answer: Answer, limits: Limits | None = None
    ) -> None:
        """Binds (port 0: a free one) and listens; raises ServerUnavailable."""
        self._roll, self._answer, self._limits = roll, answer, limits or Limits()
        self._places = _Places(self._limits)
        self._contexts = Contexts(server=True)
        self._open: set[socket.socket] = set()
        self._closed = False
        self._socket = _listening(host, port)
        self.host, self.port = self._socket.getsockname()[:2]

    @property
    def address(self) -> str:
        """Where it listens, as ``host:port``."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __enter__(self) -> MemberServer:
        threading.Thread(target=self._serve, name="members", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Takes no more connections and cuts those that are open: what was done is durable, and is asked again."""
        self._closed = True
        for each in (self._socket, *list(self._open)):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _serve(self) -> None:
        while not self._closed:
            try:
                connection, peer = self._socket.accept()
            except OSError:
                time.sleep(0.05)  # closed, or no file is left for a connection until another one ends
                continue
            address = counted_as(peer[0])
            if not self._places.came(address):
                connection.close()
                continue
            threading.Thread(target=self._held, args=(connection, address), daemon=True).start()

    def _held(self, connection: socket.socket, address: str) -> None:
        """One connection, from its coming to its end; nothing of it may harm another."""
        self._open.add(connection)
        whose: list[str | int] = [address]
        try:
            self._talk(connection, address, whose)
        except MemberRefused as refusal:
            _LOG.warning("a caller was refused (%s)", refusal.details.get("why", ""))
        except (OSError, CareLedgerError) as error:
            _LOG.debug("a connection ended (%s)", type(error).__name__)
        finally:
            self._open.discard(connection)
            self._places.went(whose[0])
            connection.close()

    def _talk(self, connection: socket.socket, address: str, whose: list[str | int]) -> None:
        own, limits = self._roll.own(), self._limits
        if own is None:
            raise MemberRefused(why="no certificate of its own counts now")
        context = self._contexts.of(own, [each.certificate for each in self._roll.known()])
        connection.settimeout(limits.handshake)
        with context.wrap_socket(connection, server_side=True) as secured:
            self._open.add(secured)
            try:
                shown = peer_of(secured)
                member = self._roll.member(shown)
                if not self._places.proved(address, member):
                    raise MemberRefused(member=member, why="too many connections")
                whose[0] = member
                self._answer_each(secured, shown)
            finally:
                self._open.discard(secured)

    def _answer_each(self, connection: ssl.SSLSocket, shown: bytes) -> None:
        limits = self._limits
        while (frame := receive(connection, limits.idle, limits.frame)) is not None:
            self._roll.member(shown)
            send(connection, reply_to(self._answer, frame), limits.frame)


class _Places:
    """How many connections there are: by address until they proved who they are, by member from then on."""

    def __init__(self, limits: Limits) -> None:
        self._limits, self._lock = limits, threading.Lock()
        self._taken: Counter[str | int] = Counter()

    def came(self, address: str) -> bool:
        """Whether there is a place for one more from there; if so it is taken."""
        with self._lock:
            full = self._taken.total() >= self._limits.connections
            if full or self._taken[address] >= self._limits.unproved:
                return False
            self._taken[address] += 1
            return True

    def proved(self, address: str, member: int) -> bool:
        """Whether that member may have one more; if so the place is its own."""
        with self._lock:
            if self._taken[member] >= self._limits.of_member:
                return False
            self._taken[member] += 1
            self._taken -= Counter([address])
            return True

    def went(self, whose: str | int) -> None:
        """A place of that member or address is free."""
        with self._lock:
            self._taken -= Counter([whose])


def counted_as(address: str) -> str:
    """What stands for an address where connections are counted: of IPv6 its /64, all of which one machine may have."""
    read = ip_address(address.partition("%")[0])
    if read.version == 4 or read.ipv4_mapped:
        return address
    return str(ip_network((read, 64), strict=False))


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        made = socket.socket(family, kind, protocol)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(64)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ServerUnavailable(host=host, port=port, why=why) from None
    return made
