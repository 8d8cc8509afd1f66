"""The settings of one data directory: read once, frozen, an unknown or missing key stops the start."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from careledger.domain.custodians import Thresholds
from careledger.domain.errors import MalformedBytes, SettingsRefused
from careledger.domain.relaying import REGISTRATION_SPREAD

FILE = "careledger.json"


@dataclass(frozen=True)
class Settings:
    """What ``careledger.json`` in a data directory says.

    ``chain_id``: the ledger's chain id. ``directory``: the address of the ledger's contract directory, 40 hex
    digits. ``opening`` (t), ``holding`` (n), ``listed`` (N), ``escrow``: see domain.custodians.Thresholds.
    ``registration_spread``: within how many seconds after its alias a patient's registration is entered on the ledger;
    0 enters it at once.
    """

    chain_id: int
    directory: str
    opening: int = 2
    holding: int = 3
    listed: int = 5
    escrow: int = 3
    registration_spread: int = REGISTRATION_SPREAD

    @property
    def thresholds(self) -> Thresholds:
        """The thresholds as one value."""
        return Thresholds(self.opening, self.holding, self.listed, self.escrow)


def load(folder: Path) -> Settings:
    """The settings of a data directory; raises SettingsRefused naming the key that is wrong."""
    try:
        said = json.loads((folder / FILE).read_text())
    except FileNotFoundError:
        raise SettingsRefused(missing=str(folder / FILE)) from None
    except ValueError:
        raise SettingsRefused(file=FILE, why="not JSON") from None
    if not isinstance(said, dict):
        raise SettingsRefused(file=FILE, why="not an object")
    for name in sorted(said.keys() ^ {field.name for field in fields(Settings)}):
        raise SettingsRefused(key=name, why="unknown" if name in said else "missing")
    for field in fields(Settings):
        wanted = str if field.name == "directory" else int
        if type(said[field.name]) is not wanted:
            raise SettingsRefused(key=field.name, why=f"not of type {wanted.__name__}")
    settings = Settings(**said)
    try:
        _ = settings.thresholds
    except MalformedBytes as error:
        raise SettingsRefused(key="opening, holding, listed, escrow", why="not in order") from error
    if settings.registration_spread < 0:
        raise SettingsRefused(key="registration_spread", why="less than no time")
    if len(settings.directory) != 40 or set(settings.directory) - set("0123456789abcdef"):
        raise SettingsRefused(key="directory", why="not 40 hex digits")
    return settings


def save(folder: Path, settings: Settings) -> None:
    """Writes the file durably, whole or not at all."""
    temporary = folder / (FILE + ".new")
    with temporary.open("w") as file:
        json.dump(asdict(settings), file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(folder / FILE)
    held = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(held)
    finally:
        os.close(held)
