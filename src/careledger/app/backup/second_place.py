"""The second place of shred keys: every key on another disk too, and destroyed there before it counts as destroyed.

It is no backup: it holds the keys that there are now and none that was. So a loss of the data directory together with
every custodian loses no shares, and an erasure stays one. Where it cannot be reached custodians take nothing that
needs a new key and destroy nothing, and do not start.

Order of effects of setting it up: keys that are there are copied, others that lie in the second place destroyed, then
each custodian is told; from its next start on it keeps both alike. Repeating brings the second place up to date.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from careledger.adapters.backup.listing import SHRED
from careledger.adapters.blocks.segments import sync_directory
from careledger.adapters.custody.shred import SECOND, ShredKeys, follow, second_of
from careledger.app import settings as settings_file
from careledger.app.removal import refuse_in_use
from careledger.app.vault import replace_file
from careledger.app.world import custodian_numbers
from careledger.domain.errors import SettingsRefused, StoreUnavailable


def keep(folder: Path, place: Path) -> int:
    """Every custodian here keeps its shred keys at ``place`` as well; returns how many keys lie there now.

    Raises DirectoryInUse, SettingsRefused for a place in the data directory or beside another one that is there and
    would be destroyed in no more, StoreUnavailable.
    """
    settings_file.load(folder)
    refuse_in_use(folder)
    if place.resolve().is_relative_to(folder.resolve()):
        raise SettingsRefused(place=place.name, why="it would lie in the data directory itself")
    homes = [folder / "custodians" / f"{each:016x}" for each in custodian_numbers(folder)]
    for home in homes:
        _check_no_other(home, place)
    for home in homes:
        follow(home, place, home.name)
    return sum(len(ShredKeys(home / SHRED).all()) for home in homes)


def end(folder: Path) -> int:
    """No custodian here has a second place any more, and the keys there are destroyed; returns of how many custodians.

    Raises DirectoryInUse, StoreUnavailable.
    """
    settings_file.load(folder)
    refuse_in_use(folder)
    ended = 0
    for number in custodian_numbers(folder):
        home = folder / "custodians" / f"{number:016x}"
        second = second_of(home)
        if second is not None:
            keys = ShredKeys(second)
            for name, generation in keys.all():
                keys.destroy(name, generation)
            (home / SECOND).unlink()
            sync_directory(home)
            ended += 1
    return ended


def fetch(place: Path | None, target: Path, custodian: str) -> None:
    """The keys of one custodian from their second place into a directory that is being restored; None: none.

    Raises StoreUnavailable if the place holds nothing of that custodian.
    """
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    if place is not None:
        if not (place / custodian).is_dir():
            raise StoreUnavailable(missing="the second place of shred keys", custodian=custodian)
        for path in (place / custodian).iterdir():
            replace_file(target / path.name, path.read_bytes())
    sync_directory(target.parent)


def _check_no_other(home: Path, place: Path) -> None:
    second = None
    with suppress(StoreUnavailable):  # one whose disk is lost is replaced by naming another
        second = second_of(home)
    if second is not None and second.resolve() != (place / home.name).resolve():
        raise SettingsRefused(place=place.name, why="another place is kept alike; end it first")
