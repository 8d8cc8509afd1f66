"""Everything in a data directory checked again, part by part, each by itself, changing nothing.

The chain is replayed from genesis; every block is hashed again; every custodian's release log is made again from its
lines and compared with the checkpoint on the ledger; the facts are folded again beside the kept ones. A part that is
damaged is a finding, and the next part is checked all the same.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from careledger.adapters.blocks.store import SegmentBlocks
from careledger.adapters.custody.directory import CustodyDirectory
from careledger.adapters.evm.ledger import EvmLedger
from careledger.adapters.evm.verify import verify_chain
from careledger.app import ledgers
from careledger.app import settings as settings_file
from careledger.app.clocks import SystemClock
from careledger.app.keyring import Keyring
from careledger.app.passphrases import from_environment
from careledger.app.settings import RemoteLedger
from careledger.app.vault import Ask, Guard, open_guard
from careledger.app.world import custodian_key_files, custodian_numbers
from careledger.domain.errors import (
    BlockMismatch,
    BlockNotFound,
    CareLedgerError,
    ChainCorrupt,
    DirectoryInUse,
    DirectoryNotWritable,
    LogForked,
    ProofRefused,
    StoreCorrupt,
)
from careledger.formats.custody import log_origin
from careledger.proofs.release_log import ReleaseLog


@dataclass(frozen=True)
class Finding:
    """What was checked and what was found: ``error`` is None where it holds."""

    part: str
    sentence: str
    error: CareLedgerError | None = None

    @property
    def holds(self) -> bool:
        """Whether nothing was wrong."""
        return self.error is None


def check(
    folder: Path, progress: Callable[[int], None] | None = None, passphrase: Ask = from_environment
) -> Iterator[Finding]:
    """Checks one part after the other; raises SettingsRefused, DirectoryInUse, DirectoryNotWritable,
    PassphraseMissing, PassphraseRefused if the directory cannot be opened.

    ``progress`` is told the number of each replayed block.
    """
    settings_file.load(folder)
    guard = open_guard(folder, passphrase)
    opened: EvmLedger | CareLedgerError
    try:
        opened = _opened(folder)
    except (DirectoryInUse, DirectoryNotWritable):
        raise
    except CareLedgerError as error:
        opened = error
    try:
        yield _found("chain", partial(_chain, folder, opened, progress))
        yield _found("blocks", partial(_blocks, folder))
        if isinstance(opened, CareLedgerError):
            yield Finding("facts", str(opened), opened)
            return
        yield _found("facts", partial(_facts, opened))
        for number in custodian_numbers(folder):
            yield _found(_name(folder, guard, number), partial(_custodian, folder, guard, opened, number))
    finally:
        if isinstance(opened, EvmLedger):
            opened.close()


def _found(part: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(part, check())
    except (DirectoryInUse, DirectoryNotWritable):
        raise
    except CareLedgerError as error:
        return Finding(part, str(error), error)
    except sqlite3.DatabaseError as error:
        damaged = StoreCorrupt(why=str(error))
        return Finding(part, str(damaged), damaged)


def _chain(folder: Path, opened: EvmLedger | CareLedgerError, progress: Callable[[int], None] | None) -> str:
    if isinstance(settings_file.load(folder).ledger, RemoteLedger):
        return _nodes(opened)
    found = verify_chain(ledgers.embedded_folder(folder), progress=progress)
    return (
        f"{found.transactions:,} transactions in {found.head.number:,} blocks replayed from genesis on {found.engine}: "
        f"every hash, receipt, log and state row is the stored one, up to {found.head.hash.hex()}."
    )


def _nodes(opened: EvmLedger | CareLedgerError) -> str:
    """The chain is elsewhere: its nodes agree on a head that is new enough."""
    if isinstance(opened, CareLedgerError):
        raise opened
    head = opened.fresh_head().head
    return f"The nodes that the settings name agree on block {head.number:,}, {head.hash.hex()}."


def _blocks(folder: Path) -> str:
    with SegmentBlocks(folder / "blocks") as blocks:
        health = blocks.verify()
    if health.damaged:
        raise BlockMismatch(blocks=len(health.damaged))
    if health.missing:
        raise BlockNotFound(blocks=len(health.missing))
    if health.unread:
        raise StoreCorrupt(bytes_of_no_block=health.unread)
    return f"{health.blocks:,} blocks of {health.bytes:,} bytes hashed again: each is what its CID names."


def _opened(folder: Path) -> EvmLedger:
    settings = settings_file.load(folder)
    clock = SystemClock()
    node = ledgers.open_node(folder, settings, clock)
    try:
        ledger = ledgers.over(node, folder, settings, clock)
    except sqlite3.DatabaseError as error:
        node.close()
        raise StoreCorrupt(file=ledgers.FACTS, why=str(error)) from None
    except BaseException:
        node.close()
        raise
    return ledger


def _facts(opened: EvmLedger) -> str:
    before, after = opened.rows(), opened.folded_again()
    if before != after:
        raise ChainCorrupt(differs="facts", rows=len(set(before) ^ set(after)))
    return f"{len(after):,} rows of facts folded again from the chain's events: each equals the kept one."


def _custodian(folder: Path, guard: Guard, ledger: EvmLedger, number: int) -> str:
    """The release log made again and compared with the checkpoint on the ledger."""
    directory = CustodyDirectory(folder / "custodians" / f"{number:016x}", custodian_key_files(guard, number))
    try:
        return custodian_log(ledger, directory, number)
    finally:
        directory.close()


def custodian_log(ledger: EvmLedger, directory: CustodyDirectory, number: int) -> str:
    """The same for an open directory; raises ProofRefused, LogForked, StoreCorrupt."""
    lines = directory.journal.log()
    entries = lines.entries(0, lines.size())
    anchored = ledger.fresh_head().checkpoint(number)
    if anchored is None:
        if entries:
            raise ProofRefused(why="a release log of which nothing is anchored", lines=len(entries))
        return "Its release log is empty."
    if anchored.forked:
        raise LogForked(why="the ledger was shown two histories")
    if len(entries) < anchored.size:
        raise StoreCorrupt(
            why="the release log is shorter than its checkpoint", missing=anchored.size - len(entries)
        )
    head = ReleaseLog(log_origin(ledger.deployment, number), entries[: anchored.size]).head().checkpoint
    if (head.root, head.map_root) != (anchored.root, anchored.map_root):
        raise ProofRefused(why="the release log is not the one whose checkpoint is on the ledger")
    later = len(entries) - anchored.size
    since = (
        f"; {later:,} later {'lines wait' if later != 1 else 'line waits'} for the next one" if later else ""
    )
    return f"{anchored.size:,} lines of its release log stand under the checkpoint in block {anchored.block:,}{since}."


def _name(folder: Path, guard: Guard, number: int) -> str:
    keyring = Keyring(folder, guard)
    try:
        return f"custodian {keyring.labels().get(number, f'{number:016x}')}"
    finally:
        keyring.close()
