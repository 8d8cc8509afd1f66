"""A small data directory for tests of the command line: five organisations, one claimed patient, one grant and read.

``explored`` is built once per session and only ever read; a test that damages something copies it (``copied``).
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from careledger.app import world as worlds
from careledger.app.clocks import SystemClock
from careledger.app.founding import Member, join
from careledger.app.world import World
from careledger.cli.main import app
from careledger.cli.shapes import SHAPES
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
from careledger.workflows.cosigning import checkpoint_all
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
OFFICERS = ("Officer Begum", "Officer Das", "Officer Khan")
PRESCRIPTION = {
    "resourceType": "MedicationRequest",
    "id": "m1",
    "status": "active",
    "intent": "order",
    "medicationCodeableConcept": {"text": "Amoxicillin 250 mg"},
    "subject": {"display": "the patient"},
    "authoredOn": "2026-10-02",
}
LICENCE = b"\1" * 32
ENVIRONMENT = {"CARELEDGER_DATA": "", "NO_COLOR": "1"}
GRANTED = (Category.DIAGNOSIS, Category.REPORT, Category.MEASUREMENT)


@dataclass(frozen=True)
class Ended:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str


def careledger(*arguments: object, width: int = 100) -> Ended:
    """Runs the command in this process; what no command should raise fails the test."""
    done = CliRunner().invoke(
        app, [str(each) for each in arguments], env={**ENVIRONMENT, "COLUMNS": str(width)}
    )
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Ended(done.exit_code, done.stdout, done.stderr)


def in_a_process(*arguments: object) -> subprocess.CompletedProcess[bytes]:
    """Runs the command in a process of its own."""
    program = "from careledger.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], capture_output=True, check=False
    )


def told(*arguments: object) -> Any:
    """What a command says as JSON; it has to end well, with the names at the top that docs/cli.md promises."""
    done = careledger(*arguments, "--json")
    assert done.code == 0, done.err or done.out
    said = json.loads(done.out)
    words = [str(each) for each in arguments]
    names = [name for name in SHAPES if words[: len(name.split())] == name.split()]
    if names and not (names == ["show"] and words[1:2] and not words[1].startswith("-")):
        assert tuple(said) == SHAPES[max(names, key=len)]
    return said


def build(folder: Path) -> None:
    """Founds, imports, claims, grants, reads once and is refused once."""
    world = worlds.found(folder, OFFICERS, SystemClock(), policy_delay=0)
    try:
        city, lakeside = _organisations(world)
        holder = _patient(world, city)
        _read(world, lakeside, holder)
        assert checkpoint_all(world.network) == {}
    finally:
        world.close()


def _organisations(world: World) -> tuple[Organisation, Organisation]:
    officers = worlds.officer_posts(world)
    officer = register.Officer(officers[0].number, officers[0].key)
    made = {label: join(world, officer, Member(label, (role,))) for label, role in ORGANISATIONS.items()}
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
    writer = Writer(city, Ground.REGISTRAR, session)
    import_file(network, writer, statement, sample_file(SAMPLE), SAMPLE)
    import_file(network, writer, statement, json.dumps(PRESCRIPTION).encode(), "prescription")
    phrase = Phrase.random()
    books = world.keyring.new_patient(PATIENT, old.alias, phrase)
    return claim(network, city, old.alias, phrase, books).holder


def _read(world: World, lakeside: Organisation, holder: Holder) -> None:
    network, now = world.network, world.clock.now()
    doctor = _post(world, lakeside, "Dr Sen, Lakeside", Role.DOCTOR)
    _post(world, lakeside, "Dr Chowdhury, Lakeside", Role.DOCTOR)
    _post(world, world.keyring.organisation("City Hospital"), "Dr Rahman, City", Role.DOCTOR)
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


@pytest.fixture(scope="module")
def lived(explored: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy for one file of tests, which change it."""
    return Path(shutil.copytree(explored, tmp_path_factory.mktemp("lived") / "data"))


MEMBERS = ("City Hospital=hospital", "Lakeside Hospital=hospital", "Delta Diagnostics=centre")


def found_small(folder: Path) -> Path:
    """A network of three members, founded and staffed by commands."""
    named = [word for member in MEMBERS for word in ("--member", member)]
    officers = [word for officer in OFFICERS for word in ("--officer", officer)]
    assert careledger("init", "--data", folder, *named, *officers).code == 0
    for label, employer, role in (
        ("records desk, City", "City Hospital", "nurse"),
        ("Dr Rahman, City", "City Hospital", "doctor"),
        ("Dr Sen, Lakeside", "Lakeside Hospital", "doctor"),
    ):
        assert (
            careledger("party", "post", label, "--as", employer, "--role", role, "--data", folder).code == 0
        )
    return folder


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Such a network for one file of tests; each test uses names of its own in it."""
    return found_small(tmp_path_factory.mktemp("small") / "net")


def registered(folder: Path, name: str, label: str = "") -> str:
    """Registers a patient at City Hospital and, with a label, claims for this device; returns the alias."""
    said = told("patient", "register", "--as", "City Hospital", "--name", name, "--data", folder)
    if label:
        words = folder.parent / f"{said['alias'][:16]}.words"
        done = careledger("patient", "claim", said["alias"][:16], "--at", "City Hospital", "--label", label,
                          "--phrase-file", words, "--data", folder)  # fmt: skip
        assert done.code == 0, done.err
    return str(said["alias"])
