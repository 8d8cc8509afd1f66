"""A small data directory for tests of the command line: five organisations, one claimed patient, one grant and read.

``explored`` is built once per session and only ever read; a test that damages something copies it (``copied``).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from careledger.app import world as worlds
from careledger.app.clocks import SystemClock
from careledger.app.world import World
from careledger.cli.main import app
from careledger.domain.categories import Category, Compartment
from careledger.domain.consents import Grantee, GranteeKind, Permission, Purpose, Scope, Window
from careledger.domain.errors import AccessRefused
from careledger.domain.parties import PartyId, Role
from careledger.domain.records import Ground
from careledger.fhir.sample import sample_file
from careledger.sealing.phrase import Phrase
from careledger.workflows import accesses, register
from careledger.workflows.actors import Holder, Organisation, Staff, open_session
from careledger.workflows.batches import Writer
from careledger.workflows.claim import claim
from careledger.workflows.epochs import own_statement
from careledger.workflows.grant import grant
from careledger.workflows.import_file import import_file
from careledger.workflows.received import fetch_grants, live_grant
from careledger.workflows.retrieve import retrieve

SAMPLE = "Jules135_Schmitt836"
PATIENT = "Jules Schmitt"
ORGANISATIONS = {
    "City Hospital": Role.HOSPITAL,
    "Lakeside Hospital": Role.HOSPITAL,
    "Delta Diagnostics": Role.CENTRE,
    "Green Pharmacy": Role.PHARMACY,
    "Shapla Insurance": Role.INSURER,
}
LICENCE = b"\1" * 32
GRANTED = (Category.DIAGNOSIS, Category.REPORT, Category.MEASUREMENT)


@dataclass(frozen=True)
class Ended:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str


def careledger(*arguments: object, width: int = 100) -> Ended:
    """Runs the command in this process; what no command should raise fails the test."""
    environment = {"COLUMNS": str(width), "CARELEDGER_DATA": "", "NO_COLOR": "1"}
    done = CliRunner().invoke(app, [str(each) for each in arguments], env=environment)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Ended(done.exit_code, done.stdout, done.stderr)


def in_a_process(*arguments: object) -> subprocess.CompletedProcess[bytes]:
    """Runs the command in a process of its own."""
    program = "from careledger.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], capture_output=True, check=False
    )


def build(folder: Path) -> None:
    """Founds, imports, claims, grants, reads once and is refused once."""
    world = worlds.found(folder, ["Officer A", "Officer B", "Officer C"], SystemClock(), policy_delay=0)
    try:
        city, lakeside = _organisations(world)
        holder = _patient(world, city)
        _read(world, lakeside, holder)
    finally:
        world.close()


def _organisations(world: World) -> tuple[Organisation, Organisation]:
    officers = worlds.officer_posts(world)
    officer = register.Officer(officers[0].number, officers[0].key)
    made = {}
    for label, role in ORGANISATIONS.items():
        number = PartyId.random().number
        seeds = worlds.install_custodian(world.folder, number)
        actor = world.keyring.new_organisation(label, role, number, seeds.sealing)
        register.organisation(world.network, actor, [role], LICENCE)
        register.verify(world.network, officer, number, LICENCE, actor.sealing.digest)
        keys = worlds.custodian_keys(world.ledger.deployment, number, seeds)
        register.custodian(world.network, actor, worlds.log_key_digest(keys), keys.signing, officer)
        world.board.publish_key(number, actor.sealing.public)
        world.open_custodian(number)
        made[label] = actor
    world.ledger.enact_matrix(2, [(post.number, post.key) for post in officers])
    return made["City Hospital"], made["Lakeside Hospital"]


def _post(world: World, employer: Organisation, label: str, role: Role) -> Staff:
    made = world.keyring.new_staff(employer, label, {role})
    register.post(world.network, made, [role], LICENCE)
    return made


def _patient(world: World, city: Organisation) -> Holder:
    network, clerk = world.network, _post(world, city, "records desk, City", Role.NURSE)
    old = register.patient(network, city)
    session = open_session(clerk, world.ledger.deployment, world.clock.now())
    statement, _ = own_statement(old)
    import_file(network, Writer(city, Ground.REGISTRAR, session), statement, sample_file(SAMPLE), SAMPLE)
    phrase = Phrase.random()
    books = world.keyring.new_patient(PATIENT, old.alias, phrase)
    return claim(network, city, old.alias, phrase, books).holder


def _read(world: World, lakeside: Organisation, holder: Holder) -> None:
    network, now = world.network, world.clock.now()
    doctor = _post(world, lakeside, "Dr Sen, Lakeside", Role.DOCTOR)
    scope = Scope(frozenset(map(Compartment, GRANTED)), frozenset({Permission.VIEW}))
    grantee = Grantee(GranteeKind.POST, doctor.number, PartyId(lakeside.number))
    grant(network, holder, grantee, scope, Purpose.TREAT, Window(now - 60, now + 86_400))
    fetch_grants(network, lakeside)
    received = live_grant(network, doctor, holder.alias, "TREAT")
    access = accesses.by_consent(open_session(doctor, world.ledger.deployment, now), received)
    retrieve(network, access, received.statement, scope.compartments)
    with pytest.raises(AccessRefused):
        retrieve(network, access, received.statement, [Compartment(Category.INSURANCE)])


@pytest.fixture(scope="session")
def explored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory; tests leave it as it is, but for lines that reading adds to release logs."""
    folder = tmp_path_factory.getbasetemp() / "explored"
    if not folder.exists():
        build(folder)
    return folder


@pytest.fixture
def copied(explored: Path, tmp_path: Path) -> Callable[[], Path]:
    """Makes a copy that a test may damage."""

    def copy() -> Path:
        return Path(shutil.copytree(explored, tmp_path / "copied"))

    return copy
