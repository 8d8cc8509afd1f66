"""The settings of one data directory: read once, frozen, an unknown or missing key stops the start."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar, cast

from careledger.adapters.remote.addresses import name_of
from careledger.domain.custodians import Thresholds
from careledger.domain.errors import MalformedBytes, SettingsRefused
from careledger.domain.relaying import REGISTRATION_SPREAD

FILE = "careledger.json"
EMBEDDED = "embedded"
CHAIN_ID = 20261
"""The chain id of a network that is told no other."""
TEXTS = {"directory", "ledger", "authorization", "authorities"}
OLDER = "missing; an older version may have made this directory"
SWITCHES = {"two_hops", "webhooks_to_loopback"}
T = TypeVar("T")


@dataclass(frozen=True)
class RemoteLedger:
    """Nodes elsewhere that have the ledger's chain (docs/ledger-rpc.md).

    ``nodes``: their http or https addresses, the preferred one first. ``agreeing``: how many of them must show a block
    before it counts. ``oldest``: how old the newest block may be, in seconds, for something to be decided on it.
    ``since``: a block before which nothing of this network happened. ``unconfirmed``: how many transactions are on the
    way at most. ``authorization``: the absolute path of a file that only its owner can read, with the whole value of an
    Authorization header (Basic or Bearer), "" for none. ``authorities``: the absolute path of the certificates that
    https is checked against, "" for the system's.
    """

    nodes: tuple[str, ...]
    agreeing: int = 2
    oldest: int = 10
    since: int = 0
    unconfirmed: int = 700
    authorization: str = ""
    authorities: str = ""

    def __post_init__(self) -> None:
        """Raises SettingsRefused."""
        for url in self.nodes:
            name_of(url)
        if len(set(self.nodes)) != len(self.nodes):
            raise SettingsRefused(key="nodes", why="one of them twice")
        if not 1 <= self.agreeing <= len(self.nodes):
            raise SettingsRefused(key="agreeing", why="not between 1 and the number of nodes")
        for key, least in (("oldest", 1), ("since", 0), ("unconfirmed", 1)):
            if getattr(self, key) < least:
                raise SettingsRefused(key=key, why=f"less than {least}")

    def starting(self, block: int) -> RemoteLedger:
        """The same, of a network that is founded after that block."""
        return replace(self, since=block)


@dataclass(frozen=True)
class Settings:
    """What ``careledger.json`` in a data directory says.

    ``chain_id``: the ledger's chain id. ``directory``: the address of the ledger's contract directory, 40 hex
    digits. ``opening`` (t), ``holding`` (n), ``listed`` (N), ``escrow``: see domain.custodians.Thresholds.
    ``registration_spread``: within how many seconds after its alias a patient's registration is entered on the ledger;
    0 enters it at once. ``two_hops``: whether a patient's messages go to the ledger by another member of this
    machine (docs/threats.md), which takes seconds and hides nothing from its one operator.
    ``webhooks_to_loopback``: whether events may be sent to this machine, without https (docs/events.md). ``ledger``:
    "embedded", the chain is in this directory; or where it is.
    """

    chain_id: int
    directory: str
    opening: int = 2
    holding: int = 3
    listed: int = 5
    escrow: int = 3
    registration_spread: int = REGISTRATION_SPREAD
    two_hops: bool = False
    webhooks_to_loopback: bool = False
    ledger: RemoteLedger | str = EMBEDDED

    def at(self, directory: bytes) -> Settings:
        """The same, with that contract directory."""
        return replace(self, directory=directory.hex())

    @property
    def thresholds(self) -> Thresholds:
        """The thresholds as one value."""
        return Thresholds(self.opening, self.holding, self.listed, self.escrow)


def load(folder: Path) -> Settings:
    """The settings of a data directory; raises SettingsRefused naming the key that is wrong."""
    return read(folder / FILE)


def read(path: Path) -> Settings:
    """The settings in a file; raises SettingsRefused."""
    try:
        said = json.loads(path.read_text())
    except FileNotFoundError:
        raise SettingsRefused(missing=str(path)) from None
    except ValueError:
        raise SettingsRefused(file=FILE, why="not JSON") from None
    settings = _read(Settings, said)
    try:
        _ = settings.thresholds
    except MalformedBytes as error:
        raise SettingsRefused(key="opening, holding, listed, escrow", why="not in order") from error
    if settings.registration_spread < 0:
        raise SettingsRefused(key="registration_spread", why="less than no time")
    if len(settings.directory) != 40 or set(settings.directory) - set("0123456789abcdef"):
        raise SettingsRefused(key="directory", why="not 40 hex digits")
    return settings


def _read(kind: type[T], said: Any) -> T:
    """The object as a frozen value: every key, each of its type, none besides."""
    if not isinstance(said, dict):
        raise SettingsRefused(file=FILE, why="not an object")
    named = [field.name for field in fields(cast(Any, kind))]
    for name in sorted(said.keys() ^ set(named)):
        raise SettingsRefused(key=name, why="unknown" if name in said else OLDER)
    return kind(**{name: _value(name, said[name]) for name in named})


def _value(name: str, said: Any) -> Any:
    if name == "ledger" and isinstance(said, dict):
        return _read(RemoteLedger, said)
    if name == "ledger" and said != EMBEDDED:
        raise SettingsRefused(key=name, why=f'not of type object, nor "{EMBEDDED}"')
    if name == "nodes":
        if not isinstance(said, list) or not all(isinstance(url, str) for url in said):
            raise SettingsRefused(key=name, why="not of type list of addresses")
        return tuple(said)
    wanted = str if name in TEXTS else bool if name in SWITCHES else int
    if type(said) is not wanted:
        raise SettingsRefused(key=name, why=f"not of type {wanted.__name__}")
    return said


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
