"""A data directory as a process has it that only reads, beside the one that has the directory; and what that one lends.

worker/lock       who has the directory            worker/lent   the socket over which it lends custodians and blocks
worker/marks      whose leases are asked for anew  worker/readers/N   one reader each: its lock, and facts folded anew

Keys and books are read from their files, which several processes may open. The chain is read from its file, facts are
folded from it into a file of the reader's own, so that nobody's rows are another's to drop.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from careledger.adapters.blocks.store import SegmentBlocks
from careledger.adapters.board.sqlite import SqliteBoard
from careledger.adapters.evm.ledger import EvmLedger
from careledger.adapters.evm.reading import ReadingNode
from careledger.adapters.lent.borrowing import LentBlocks, LentCustodians, Line
from careledger.adapters.lent.elsewhere import NotHere
from careledger.adapters.lent.lending import Opened, lend
from careledger.adapters.lent.marks import Marks
from careledger.adapters.locks import hold
from careledger.app import settings as settings_file
from careledger.app.clocks import SystemClock
from careledger.app.keyring import Keyring
from careledger.app.ledgers import FACTS, LEDGER
from careledger.app.members import files as members_files
from careledger.app.settings import RemoteLedger
from careledger.app.vault import Ask, open_guard
from careledger.app.world import BOARD, World
from careledger.domain.errors import DirectoryInUse
from careledger.formats import cbor
from careledger.ports import CustodianLink
from careledger.workflows.network import Network

WORKER, LENT, MARKS, READERS = "worker", "lent", "marks", "readers"
MOST = 64
"""How many readers one directory has at most."""


@dataclass
class ReaderWorld(World):
    """What a reader has of the world: of ledger, blocks and custodians what reading needs."""

    marks: Marks = field(kw_only=True)
    line: Line = field(kw_only=True)
    far: bool = field(kw_only=True)

    @property
    def network(self) -> Network:
        """The outside as workflows see it; custodians of this machine answer sooner one after the other."""
        return replace(super().network, together=self.far)

    def tell(self, digest: bytes, alias: bytes) -> None:
        """The process that has the directory learns that a lease was opened; raises NotHere."""
        self.line.ask("opened", cbor.encode([digest, alias]))

    def close(self) -> None:
        """Closes every part."""
        cast(LentCustodians, self.custodians).close()
        self.custodians = {}
        super().close()
        self.line.close()
        self.marks.close()


def can_be_read_beside(folder: Path) -> bool:
    """Whether several processes may read that directory's world: not where the ledger is on nodes elsewhere, whose
    connections one process has, nor where members relay for one another, whose desk is one process's."""
    settings = settings_file.load(folder)
    return not isinstance(settings.ledger, RemoteLedger) and not settings.two_hops


@contextmanager
def lent(world: World, opened: Opened) -> Iterator[None]:
    """Readers of this directory are lent what they need until the block ends; raises StoreUnavailable."""
    place = world.folder.resolve() / WORKER / LENT
    server = lend(place, world.custodians, world.blocks, opened)
    server.start()
    try:
        yield
    finally:
        server.close()


def raised_marks(folder: Path) -> Marks:
    """The marks of the process that has the directory; close it."""
    return Marks(folder / WORKER / MARKS, raises=True)


@contextmanager
def slot(folder: Path) -> Iterator[int]:
    """A number among the directory's readers that no other has; raises DirectoryInUse where all are taken."""
    for number in range(1, MOST + 1):
        with suppress(DirectoryInUse):
            held = hold(folder / WORKER / READERS / str(number))
            break
    else:
        raise DirectoryInUse(directory=READERS)
    try:
        yield number
    finally:
        os.close(held)


def open_reader(folder: Path, number: int, passphrase: Ask) -> ReaderWorld | None:
    """The world of the reader that has that slot; None where nobody lends yet.

    Raises SettingsRefused, PassphraseMissing, PassphraseRefused, ChainMismatch.
    """
    place, mine = folder.resolve() / WORKER / LENT, folder / WORKER / READERS / str(number)
    settings, clock = settings_file.load(folder), SystemClock()
    with ExitStack() as stack:
        try:
            custodians = LentCustodians(place)
        except NotHere:
            return None
        stack.callback(custodians.close)
        marks = Marks(folder / WORKER / MARKS)
        stack.callback(marks.close)
        guard = open_guard(folder, passphrase)
        node = ReadingNode(folder / LEDGER, settings.chain_id)
        ledger = EvmLedger(node, bytes.fromhex(settings.directory), clock, mine / FACTS)
        stack.callback(ledger.close)
        world = ReaderWorld(
            folder, settings, clock, ledger,
            cast(SegmentBlocks, LentBlocks(place)), SqliteBoard(folder / BOARD, new=False),
            guard, Keyring(folder, guard, shared=True),
            cast(dict[int, CustodianLink], custodians), {},
            marks=marks, line=Line(place), far=bool(members_files.custodians(folder)),
        )  # fmt: skip
        stack.pop_all()
        return world
