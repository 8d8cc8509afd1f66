"""Members with certificates of their own and a custodian served to them over real sockets on loopback."""

from __future__ import annotations

import secrets
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from careledger.adapters.books.sqlite import SqliteBooks
from careledger.adapters.members.link import MemberLink, Patience
from careledger.app.members import files
from careledger.app.members.roll import LedgerRoll
from careledger.domain.parties import Role
from careledger.formats.members import OwnCertificate
from careledger.formats.signatures import SigningKey
from careledger.formats.signed import Signed
from careledger.sealing.keys import SealingKey, Secret
from careledger.workflows.actors import Organisation
from custodian_world import World

HOUR = 3600


class Now:
    """The machine's clock: OpenSSL knows no other."""

    def now(self) -> int:
        return int(time.time())


@dataclass
class Member:
    """A member with a data directory of its own, of which certificates are all that matters here."""

    world: World
    organisation: Organisation
    folder: Path

    @property
    def number(self) -> int:
        return self.organisation.number

    @property
    def roll(self) -> LedgerRoll:
        return LedgerRoll(self.folder, [self.organisation], self.world.ledger, Now())

    def certificate(self, address: str = "", since: int = -60, until: int = HOUR) -> Signed:
        """A new one of its own; ``since`` and ``until`` are seconds from now."""
        now, ledger = Now().now(), self.world.ledger
        times = now + since, now + until
        began = min(now, times[1] - 1)
        return files.make(self.organisation, ledger.chain_id, ledger.deployment, began, address, *times)

    def own(self) -> OwnCertificate:
        """The only one that it has."""
        (found,) = files.own(self.organisation)
        return found

    def learns(self, *given: Signed) -> None:
        """It is given these by others."""
        for each in given:
            files.keep(self.folder, each.encode(), 0)

    def link(self, to: int, patience: Patience | None = None) -> MemberLink:
        return MemberLink(to, self.roll, patience or Patience(connect=20, answer=20))


def member(world: World, number: int, folder: Path, controller: SigningKey | None = None) -> Member:
    """That organisation of the world; with another ``controller`` it is one that only says so."""
    books = SqliteBooks(folder / "books.db", secrets.token_bytes(32))
    made = Organisation(
        number,
        Role.HOSPITAL,
        controller or world.controllers[number],
        SealingKey.random(),
        SealingKey.random(),
        Secret.random(),
        books,
    )
    return Member(world, made, folder)


class Wire:
    """Stands between two sides, hands on what they send and remembers what went there."""

    def __init__(self, to: tuple[str, int]) -> None:
        self.sent = bytearray()
        self._to = to
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def _serve(self) -> None:
        there, _ = self._socket.accept()
        with there, socket.create_connection(self._to) as on:
            back = threading.Thread(target=self._hand_on, args=(on, there), daemon=True)
            back.start()
            self._hand_on(there, on, self.sent)
            back.join(20)

    @staticmethod
    def _hand_on(source: socket.socket, target: socket.socket, copy: bytearray | None = None) -> None:
        while data := source.recv(65_536):
            if copy is not None:
                copy += data
            target.sendall(data)
        with suppress(OSError):  # the other side is gone already
            target.shutdown(socket.SHUT_WR)
