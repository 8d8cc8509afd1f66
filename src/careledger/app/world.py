"""One data directory, opened: ledger, blocks, board, custodians and the actors whose keys lie in it.

vault             the passphrase's, if there is one
careledger.json   settings        ledger/         the chain, or what is sent to nodes elsewhere; facts folded from it
blocks/           ciphertext      board.db        sealed packages
custodians/N/     one custodian each: keys, rows, shred keys, journal
organisations/N/  an organisation's keys, books and log of reads      patients/N/  a patient's agent: keys and books
members/          certificates of other members, whose custodians are reached over the network
"""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from careledger.adapters.blocks.store import SegmentBlocks
from careledger.adapters.board.sqlite import SqliteBoard
from careledger.adapters.custody.directory import CustodyDirectory, KeySeeds, install
from careledger.adapters.custody.shred import follow, second_beside
from careledger.adapters.evm.deploy import Genesis
from careledger.adapters.evm.ledger import EvmLedger
from careledger.adapters.members.link import MemberLink
from careledger.app import ledgers
from careledger.app import settings as settings_file
from careledger.app.clocks import SystemClock
from careledger.app.keyring import Keyring
from careledger.app.members import files as members_files
from careledger.app.members.roll import LedgerRoll
from careledger.app.passphrases import from_environment
from careledger.app.processes import Processes
from careledger.app.read_log import ReadLog, open_read_log
from careledger.app.relaying import Members
from careledger.app.settings import CHAIN_ID, RemoteLedger, Settings
from careledger.app.vault import Ask, Guard, InsecurePlainGuard, SealedKeys, create_guard, open_guard
from careledger.domain.custodians import Thresholds
from careledger.domain.errors import CareLedgerError, SettingsRefused
from careledger.domain.parties import Role
from careledger.formats.digests import digest
from careledger.formats.signatures import SigningKey
from careledger.ports import CustodianLink, KeyFiles, WaitingClock
from careledger.sealing.keys import Secret
from careledger.workflows.actors import Organisation, Staff
from careledger.workflows.custodian.custodian import Custodian
from careledger.workflows.custodian.parts import Keys
from careledger.workflows.network import Network
from careledger.workflows.scanning import Scanning

MINISTRY, BOARD = "Ministry of Health", "board.db"
DAY = 24 * 3600


@dataclass
class World:
    """Everything that is open; close it to let another process in. ``scanning``: what files go through, if any.
    ``outside``: the hosts that are asked because of what others said, every one if there are none.
    ``licensed``: roles that need a licence that was shown."""

    folder: Path
    settings: Settings
    clock: WaitingClock
    ledger: EvmLedger
    blocks: SegmentBlocks
    board: SqliteBoard
    guard: Guard
    keyring: Keyring
    custodians: dict[int, CustodianLink]
    directories: dict[int, CustodyDirectory]
    processes: Processes | None = None
    members: Members | None = None
    elsewhere: dict[int, MemberLink] = field(default_factory=dict)
    scanning: Scanning | None = None
    outside: tuple[str, ...] = ()
    licensed: frozenset[Role] = frozenset()
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _read_logs: dict[int, ReadLog] = field(default_factory=dict)

    @property
    def network(self) -> Network:
        """The outside as workflows see it. The relay key is anybody's: authority is in the signatures. It is a new one
        each time, which costs microseconds, so that nothing on the ledger links what one process relays."""
        network = Network(
            self.ledger,
            self.blocks,
            self.custodians,
            self.board,
            self.clock,
            SigningKey.random(),
            self.settings.thresholds,
            registration_spread=self.settings.registration_spread,
            together=bool(self.processes or self.elsewhere) or isinstance(self.settings.ledger, RemoteLedger),
            scanning=self.scanning,
            licensed=self.licensed,
        )
        if self.members is None:
            return network
        organisations = self.keyring.organisations().values()
        self.members.admit(each for each in organisations if each.number in self.custodians)
        return replace(network, clock=self.members, gateway=self.members.gateway)

    def read_log(self, organisation: Organisation) -> ReadLog:
        """An organisation's own log of what its posts were shown; raises StoreUnavailable."""
        with self._lock:
            if organisation.number not in self._read_logs:
                folder = self.folder / "organisations" / f"{organisation.number:016x}"
                self._read_logs[organisation.number] = open_read_log(folder, organisation)
            return self._read_logs[organisation.number]

    def custodian_folder(self, number: int) -> Path:
        """Where a custodian of this machine keeps everything."""
        return self.folder / "custodians" / f"{number:016x}"

    def open_custodian(self, number: int) -> None:
        """Serves a custodian of this machine, in this process or in one of its own."""
        if self.processes is not None:
            key_files = custodian_key_files(self.guard, number)
            self.custodians[number] = self.processes.start(
                self.custodian_folder(number), number, handed(key_files)
            )
            return
        directory = CustodyDirectory(self.custodian_folder(number), custodian_key_files(self.guard, number))
        self.directories[number] = directory
        keys = custodian_keys(self.ledger.deployment, number, directory.seeds)
        self.custodians[number] = Custodian(
            number, directory.rows, directory.journal, keys, self.ledger, self.clock
        )

    @property
    def roll(self) -> LedgerRoll:
        """Whose certificates count; of the organisations whose keys are here now, the first that has one shows it."""
        organisations = self.keyring.organisations().values()
        return LedgerRoll(self.folder, organisations, self.ledger, self.clock)

    def reach_members(self) -> None:
        """Custodians of other members are reached from now on where a certificate here says their address."""
        for number in members_files.custodians(self.folder) - self.custodians.keys():
            self.custodians[number] = self.elsewhere[number] = MemberLink(number, self.roll)

    def close_custodian(self, number: int) -> None:
        """Stops serving a custodian, or reaching it."""
        self.custodians.pop(number, None)
        link = self.elsewhere.pop(number, None)
        if link is not None:
            link.close()
        if self.processes is not None:
            self.processes.stop(number)
        directory = self.directories.pop(number, None)
        if directory is not None:
            directory.close()

    def close(self) -> None:
        """Closes every part, once the desks have sent what they took."""
        if self.members is not None:
            self.members.finish()
        for number in list(self.custodians):
            self.close_custodian(number)
        if self.processes is not None:
            self.processes.close()
        for log in self._read_logs.values():
            log.close()
        self._read_logs.clear()
        self.keyring.close()
        self.board.close()
        self.blocks.close()
        self.ledger.close()
        gc.unfreeze()


def found(
    folder: Path,
    officers: Iterable[str],
    clock: WaitingClock,
    threshold: int = 2,
    policy_delay: int = 30 * DAY,
    processes: bool = False,
    thresholds: Thresholds | None = None,
    ledger: RemoteLedger | None = None,
    chain_id: int = CHAIN_ID,
    passphrase: Secret | None = None,
    two_hops: bool = False,
) -> World:
    """Founds a network in a new or empty directory: the ministry, its officers, the contracts.

    ``processes``: each custodian is served by a process of its own. ``ledger``: nodes elsewhere that have the chain
    with that id (None: a new one in the directory). ``passphrase`` seals every key file; without one they lie
    insecurely as they are. ``two_hops``: see Settings. Raises SettingsRefused if the directory is not empty.
    """
    if folder.exists() and any(folder.iterdir()):
        raise SettingsRefused(folder=str(folder), why="not empty; name another or remove it")
    folder.mkdir(parents=True, exist_ok=True)
    os.chmod(folder, 0o700)
    guard = InsecurePlainGuard() if passphrase is None else create_guard(folder, passphrase)
    prepare(folder, ledger)
    keyring = Keyring(folder, guard)
    ministry = keyring.new_organisation(MINISTRY, Role.MINISTRY, kind="ministry")
    posts = [keyring.new_staff(ministry, label, {Role.MINISTRY}) for label in officers]
    genesis = Genesis(
        SigningKey.random(),
        ministry.number,
        ministry.controller.address,
        tuple((post.number, post.key.address) for post in posts),
        threshold,
        policy_delay,
    )
    opened, settings = ledgers.found_on(folder, chain_id, ledger, clock, genesis)
    settings = replace(settings, **asdict(thresholds or Thresholds()), two_hops=two_hops)
    settings_file.save(folder, settings)
    world = _world(folder, settings, clock, opened, guard, keyring)
    world.processes = Processes(opened, clock) if processes else None
    return world


def open_world(folder: Path, clock: WaitingClock | None = None, passphrase: Ask = from_environment) -> World:
    """Opens a directory with all its custodians; ``passphrase`` is asked for if its keys lie under one.

    Raises SettingsRefused, also if the settings name another ledger's contracts, DirectoryInUse, DirectoryNotWritable,
    PassphraseMissing, PassphraseRefused.
    """
    settings = settings_file.load(folder)
    guard = open_guard(folder, passphrase)
    clock = clock or SystemClock()
    ledger = ledgers.open_settled(folder, settings, clock)
    try:
        world = _world(folder, settings, clock, ledger, guard, Keyring(folder, guard))
    except CareLedgerError:
        ledger.close()
        raise
    try:
        for number in custodian_numbers(folder):
            world.open_custodian(number)
        world.reach_members()
    except CareLedgerError:
        world.close()
        raise
    gc.freeze()  # what is loaded by now stays: looking through all of it for garbage holds a reader up for 50 ms
    return world


def prepare(folder: Path, ledger: RemoteLedger | None) -> None:
    """Makes the files that every directory has from when it has settings: from then on they are lost where they are not
    there."""
    SqliteBoard(folder / BOARD).close()
    ledgers.prepare(folder, ledger)


def custodian_numbers(folder: Path) -> list[int]:
    """The custodians whose directories lie here."""
    parent = folder / "custodians"
    return sorted(int(path.name, 16) for path in parent.iterdir()) if parent.is_dir() else []


def custodian_key_files(guard: Guard, number: int) -> KeyFiles:
    """The key files of a custodian's directory."""
    return guard.directory(f"custodians/{number:016x}")


def handed(key_files: KeyFiles) -> bytes:
    """What a process of one custodian is told to open its own key files with; empty where they lie as they are."""
    return key_files.key.reveal() if isinstance(key_files, SealedKeys) else b""


def install_custodian(folder: Path, number: int, guard: Guard) -> KeySeeds:
    """Makes a custodian's directory with fresh keys, and a second place of shred keys where the others have one.

    Raises StoreCorrupt if there is one, StoreUnavailable if the second place is not there.
    """
    path, key_files = folder / "custodians" / f"{number:016x}", custodian_key_files(guard, number)
    second = second_beside(path.parent)
    install(path, key_files)
    if second is not None:
        follow(path, second, path.name)
    directory = CustodyDirectory(path, key_files)
    seeds = directory.seeds
    directory.close()
    return seeds


def custodian_keys(deployment: bytes, number: int, seeds: KeySeeds) -> Keys:
    """A custodian's keys from their seeds."""
    return Keys.of(deployment, number, seeds.signing, seeds.log, seeds.sealing)


def log_key_digest(keys: Keys) -> bytes:
    """What the ledger keeps of a release log's key."""
    return digest("log-key", keys.log.verifier.public)


def officer_posts(world: World) -> list[Staff]:
    """The ministry's officers."""
    return list(world.keyring.all_staff(world.keyring.ministry()).values())


def _world(
    folder: Path, settings: Settings, clock: WaitingClock, ledger: EvmLedger, guard: Guard, keyring: Keyring
) -> World:
    board = SqliteBoard(folder / BOARD, new=False)
    return World(
        folder,
        settings,
        clock,
        ledger,
        SegmentBlocks(folder / "blocks"),
        board,
        guard,
        keyring,
        {},
        {},
        members=Members(ledger, board, clock) if settings.two_hops else None,
    )
