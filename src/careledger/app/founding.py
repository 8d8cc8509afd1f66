"""Founding a network whole, and members that join it: keys, ledger, custodian, each step done once.

Order of effects of a member: keys durable in the data directory, proposed on the ledger, verified by an officer, the
custodian's directory, joined and activated, then the public sealing key on the board. Every step is passed over if it
is done, so that the same call finishes what a crash left.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from careledger.adapters.custody.directory import CustodyDirectory, KeySeeds
from careledger.adapters.custody.sqlite import sync
from careledger.app import settings as settings_file
from careledger.app.settings import CHAIN_ID, RemoteLedger, Settings
from careledger.app.vault import create_guard
from careledger.app.world import (
    DAY,
    World,
    custodian_key_files,
    custodian_keys,
    custodian_numbers,
    found,
    install_custodian,
    log_key_digest,
    officer_posts,
    open_world,
    prepare,
)
from careledger.domain.custodians import Thresholds
from careledger.domain.errors import SettingsRefused
from careledger.domain.parties import PartyId, Role
from careledger.formats.digests import digest
from careledger.ports import WaitingClock
from careledger.sealing.keys import Secret
from careledger.workflows import register
from careledger.workflows.actors import Organisation
from careledger.workflows.register import Officer

MONTH = 30 * DAY


@dataclass(frozen=True)
class Member:
    """An organisation that is to join: its name, what it acts as, the number of its licence."""

    label: str
    roles: tuple[Role, ...]
    licence: str = ""


@dataclass(frozen=True)
class Plan:
    """A network to be founded. ``matrix`` is the version voted by ``threshold`` officers; it takes effect after
    ``policy_delay`` seconds, until then version 1 is in force. Without a ``passphrase`` key files lie as they are."""

    officers: tuple[str, ...]
    members: tuple[Member, ...]
    threshold: int = 2
    matrix: int = 2
    policy_delay: int = MONTH
    thresholds: Thresholds = field(default_factory=Thresholds)
    ledger: RemoteLedger | None = None
    chain_id: int = CHAIN_ID
    passphrase: Secret | None = None
    two_hops: bool = False


def found_network(
    folder: Path, plan: Plan, clock: WaitingClock, progress: Callable[[str], None] = lambda done: None
) -> None:
    """Founds it beside the folder and moves it there when it is whole; what a crash left beside it is begun again.

    ``progress`` is told each member. Raises SettingsRefused if the folder holds anything.
    """
    begun = _begun(folder)
    world = found(
        begun,
        plan.officers,
        clock,
        plan.threshold,
        plan.policy_delay,
        thresholds=plan.thresholds,
        ledger=plan.ledger,
        chain_id=plan.chain_id,
        passphrase=plan.passphrase,
        two_hops=plan.two_hops,
    )
    try:
        officers = [Officer(post.number, post.key) for post in officer_posts(world)]
        for member in plan.members:
            join(world, officers[0], member)
            progress(member.label)
        if plan.matrix > world.ledger.fresh_head().matrix_version():
            voters = officers[: plan.threshold]
            world.ledger.enact_matrix(plan.matrix, [(each.post, each.key) for each in voters])
    finally:
        world.close()
    _come(begun, folder.absolute())


def join_network(
    folder: Path, settings: Settings, member: Member, clock: WaitingClock, passphrase: Secret | None
) -> Organisation:
    """A data directory with a member's keys alone, for a network founded elsewhere, and it is proposed there.

    Whole or not at all, as ``found_network`` says; what a crash left proposed is never verified. Raises SettingsRefused
    for a network whose chain is in another data directory, and what ``open_world`` raises.
    """
    if not isinstance(settings.ledger, RemoteLedger):
        raise SettingsRefused(
            key="ledger", why="its chain is in another data directory, out of reach from here"
        )
    begun = _begun(folder)
    begun.mkdir(mode=0o700)
    if passphrase is not None:
        create_guard(begun, passphrase)
    prepare(begun, settings.ledger)
    settings_file.save(begun, settings)
    world = open_world(begun, clock, lambda: passphrase or Secret(b""))
    try:
        actor = propose(world, member)
    finally:
        world.close()
    _come(begun, folder.absolute())
    return actor


def _begun(folder: Path) -> Path:
    """Where a directory is made before it is whole; raises SettingsRefused if there is one."""
    if folder.exists() and any(folder.iterdir()):
        raise SettingsRefused(folder=str(folder), why="not empty; name another or remove it")
    whole = folder.absolute()
    whole.parent.mkdir(parents=True, exist_ok=True)
    begun = whole.parent / f".{whole.name}.founding"
    shutil.rmtree(begun, ignore_errors=True)
    return begun


def _come(begun: Path, whole: Path) -> None:
    """Puts it in its place, durable when it returns."""
    begun.rename(whole)
    sync(whole.parent)


def join(world: World, officer: Officer, member: Member) -> Organisation:
    """An organisation is registered, verified, and becomes a custodian; returns it."""
    actor = propose(world, member)
    register.verify(world.network, officer, actor.number, licence(member.licence), actor.sealing.digest)
    become_custodian(world, officer, actor)
    return actor


def propose(world: World, member: Member, number: int = 0) -> Organisation:
    """The organisation's keys are made here and it is proposed on the ledger; pending until an officer verifies it.
    ``number``: by which a repetition is the same organisation."""
    actor = world.keyring.organisations().get(member.label)
    if actor is None:
        number = number or PartyId.random().number
        there = number in custodian_numbers(world.folder)  # what a crash left of the same registration
        seeds = _seeds(world, number) if there else install_custodian(world.folder, number, world.guard)
        actor = world.keyring.new_organisation(member.label, member.roles[0], number, seeds.sealing)
    register.organisation(world.network, actor, member.roles, licence(member.licence))
    world.board.publish_key(actor.number, actor.sealing.public)
    return actor


def become_custodian(world: World, officer: Officer, actor: Organisation) -> None:
    """A verified organisation keeps shares from now on, in the directory that was made for it here.

    Raises SettingsRefused if there is no such directory.
    """
    announce(world, actor)
    register.activate_custodian(world.network, actor.number, officer)
    if actor.number not in world.custodians:
        world.open_custodian(actor.number)


def announce(world: World, actor: Organisation) -> None:
    """The first step of that alone, for an officer who is elsewhere; raises SettingsRefused likewise."""
    if actor.number not in custodian_numbers(world.folder):
        raise SettingsRefused(why="this organisation was registered without a custodian's directory")
    keys = custodian_keys(world.ledger.deployment, actor.number, _seeds(world, actor.number))
    register.announce_custodian(world.network, actor, log_key_digest(keys), keys.signing)


def _seeds(world: World, number: int) -> KeySeeds:
    if number in world.directories:
        return world.directories[number].seeds
    directory = CustodyDirectory(world.custodian_folder(number), custodian_key_files(world.guard, number))
    try:
        return directory.seeds
    finally:
        directory.close()


def licence(number: str) -> bytes:
    """What the ledger keeps of a licence: officer and organisation name the same number, or it is refused."""
    return digest("licence", number.encode())
