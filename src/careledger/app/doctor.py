"""A data directory examined part by part and, where that is asked for, mended: files first, then what lies in them.

Nothing is thrown away that is not made again from something better (facts from the chain, blocks from another store,
deposits from the plans in the books) or that nobody needs. Each part is looked at by itself, so that one that is ill
hides no other; mending runs the normal code, and may be repeated.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from careledger.adapters.evm.verify import verify_chain, verify_links
from careledger.app import doctor_files, doctor_world
from careledger.app import settings as settings_file
from careledger.app.diagnosis import ILL, WELL, Diagnosis
from careledger.app.ledgers import embedded_folder
from careledger.app.passphrases import from_environment
from careledger.app.removal import refuse_in_use
from careledger.app.settings import RemoteLedger
from careledger.app.vault import Ask
from careledger.app.world import World, open_world
from careledger.domain.errors import (
    CareLedgerError,
    DirectoryInUse,
    DirectoryNotWritable,
    PassphraseMissing,
    PassphraseRefused,
    StoreCorrupt,
)


@dataclass(frozen=True)
class Treatment:
    """What is to be done: ``repair`` mends, ``full`` replays the whole chain, ``blocks`` is another data directory
    whose blocks mend this one's."""

    repair: bool = False
    full: bool = False
    blocks: Path | None = None


def examine(
    folder: Path,
    treatment: Treatment,
    progress: Callable[[int], None] = lambda block: None,
    passphrase: Ask = from_environment,
) -> Iterator[Diagnosis]:
    """One diagnosis after the other; raises DirectoryInUse, DirectoryNotWritable, PassphraseMissing,
    PassphraseRefused, and SettingsRefused, without which nothing can be opened.

    ``progress`` is told each block of the chain.
    """
    settings = settings_file.load(folder)
    refuse_in_use(folder)
    yield Diagnosis("settings", WELL, f"Chain {settings.chain_id}, every key known and none missing.")
    for found in doctor_files.examine(folder, treatment.repair):
        yield found
        if (found.part, found.state) == ("permissions", ILL):
            return
    yield one("chain", partial(_chain, folder, treatment.full, progress))
    yield one("blocks", partial(doctor_files.blocks, folder, treatment.blocks, treatment.repair))
    try:
        world = _opened(folder, passphrase)
    except (DirectoryInUse, DirectoryNotWritable, PassphraseMissing, PassphraseRefused):
        raise
    except (CareLedgerError, sqlite3.DatabaseError) as error:
        yield Diagnosis(
            "opening", ILL, f"The directory does not open, so the rest was not looked at: {error}"
        )
        return
    try:
        for part, look in doctor_world.parts(world, treatment.repair):
            yield one(part, look)
    finally:
        world.close()


def _opened(folder: Path, passphrase: Ask) -> World:
    """The directory, with its organisations' books, and the keys of patients."""
    world = open_world(folder, passphrase=passphrase)
    try:
        world.keyring.everybody()
        world.keyring.patients()
    except BaseException:
        world.close()
        raise
    return world


def one(part: str, look: Callable[[], Diagnosis]) -> Diagnosis:
    """What was found of one part; what it refuses with is the finding."""
    try:
        return look()
    except (DirectoryInUse, DirectoryNotWritable):
        raise
    except CareLedgerError as error:
        return Diagnosis(part, ILL, str(error))
    except sqlite3.DatabaseError as error:
        return Diagnosis(part, ILL, str(StoreCorrupt(why=str(error))))


def _chain(folder: Path, full: bool, progress: Callable[[int], None]) -> Diagnosis:
    if isinstance(settings_file.load(folder).ledger, RemoteLedger):
        return Diagnosis("chain", WELL, "It is on nodes elsewhere; opening the directory asks them.")
    if full:
        found = verify_chain(embedded_folder(folder), progress=progress)
        said = f"{found.head.number:,} blocks replayed from genesis on {found.engine}: every row is the stored one."
        return Diagnosis("chain", WELL, said)
    head = verify_links(embedded_folder(folder), progress)
    return Diagnosis("chain", WELL, f"{head.number:,} blocks linked by their hashes (--full replays them).")
