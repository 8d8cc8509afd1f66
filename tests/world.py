"""A whole network in one process for tests of workflows: the real contracts, five custodians, three organisations.

world = World(tmp_path)                      # hospital, clinic and pharmacy with their posts
holder = world.patient(world.hospital)       # unclaimed: the hospital holds the keys
mine = world.claimed(world.hospital)         # claimed: the patient's own agent
world.deposit(world.doctor, mine.alias, condition("x"))
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from careledger.adapters.blocks.memory import MemoryBlocks
from careledger.adapters.board.sqlite import SqliteBoard
from careledger.adapters.books.memory import MemoryBooks
from careledger.adapters.custody.directory import CustodyDirectory, install
from careledger.adapters.custody.plain_keys import InsecurePlainKeys
from careledger.adapters.evm.deploy import Genesis
from careledger.adapters.evm.ledger import open_ledger
from careledger.adapters.memory.clock import ManualClock
from careledger.domain.categories import Category, Compartment, Sensitivity
from careledger.domain.consents import Grantee, GranteeKind, Permission, Purpose, Scope, Window
from careledger.domain.custodians import Thresholds
from careledger.domain.errors import AccessRefused
from careledger.domain.parties import PartyId, Role
from careledger.domain.records import Ground
from careledger.fhir.canonical import canonical
from careledger.formats.bodies import RecordBody
from careledger.formats.digests import digest
from careledger.formats.patients import AliasStatement
from careledger.formats.signatures import SigningKey
from careledger.ports import Ledger
from careledger.sealing.keys import SealingKey, Secret
from careledger.sealing.phrase import Phrase
from careledger.workflows import register
from careledger.workflows.accesses import by_consent, by_holder, by_registrar
from careledger.workflows.actors import Holder, Organisation, Session, Staff, open_session
from careledger.workflows.batches import Writer
from careledger.workflows.claim import Claimed, claim
from careledger.workflows.custodian.custodian import Custodian
from careledger.workflows.custodian.parts import Keys
from careledger.workflows.custody import find_statement
from careledger.workflows.deposit import Deposited, deposit
from careledger.workflows.epochs import own_statement
from careledger.workflows.grant import Granted, grant
from careledger.workflows.identity_rows import Identity
from careledger.workflows.network import Network
from careledger.workflows.new_versions import NewVersion
from careledger.workflows.received import fetch_grants, live_grant
from careledger.workflows.register import Officer
from careledger.workflows.retrieve import Retrieved, retrieve

DIAGNOSIS = Compartment(Category.DIAGNOSIS)
GUARDED = Compartment(Category.DIAGNOSIS, Sensitivity.RESTRICTED)
GENERAL = Compartment(Category.GENERAL)
REPORT = Compartment(Category.REPORT)
PRESCRIPTION = Compartment(Category.PRESCRIPTION)
HISTORY = Compartment(Category.HISTORY)
ALL = (DIAGNOSIS, GUARDED, GENERAL, REPORT, PRESCRIPTION, HISTORY)
LICENCE = b"\1" * 32
CHAIN = 20261
DAY = 86_400
VIEW, APPEND, AMEND = Permission.VIEW, Permission.APPEND, Permission.AMEND


@dataclass
class World:
    """Everything of one test."""

    folder: Path
    custodians_at_start: int = 5
    matrix: int = 2
    ledger: Ledger = field(init=False)

    def __post_init__(self) -> None:
        self.clock = ManualClock()
        self.officers = (Officer(901, SigningKey.random()), Officer(902, SigningKey.random()))
        posts = tuple((officer.post, officer.key.address) for officer in self.officers)
        genesis = Genesis(SigningKey.random(), 900, SigningKey.random().address, posts, 2, policy_delay=60)
        self.ledger = open_ledger(None, CHAIN, self.clock, genesis)
        if self.matrix > 1:
            self.ledger.enact_matrix(self.matrix, [(each.post, each.key) for each in self.officers])
        self.clock.advance(120)
        self.blocks, self.board = MemoryBlocks(), SqliteBoard(None)
        self.links: dict[int, Any] = {}
        self.directories: dict[int, CustodyDirectory] = {}
        self.network = Network(
            self.ledger, self.blocks, self.links, self.board, self.clock, SigningKey.random(), Thresholds()
        )
        self.custodial = {
            number: self.add_custodian(number) for number in range(1, self.custodians_at_start + 1)
        }
        self.hospital, self.clinic = self.organisation(50), self.organisation(60)
        self.pharmacy = self.organisation(70, Role.PHARMACY)
        self.doctor, self.nurse = self.staff(self.hospital, 51), self.staff(self.hospital, 52, Role.NURSE)
        self.outsider = self.staff(self.clinic, 61)
        self.pharmacist = self.staff(self.pharmacy, 71, Role.OPERATOR)

    # Parties -----------------------------------------------------------------------------------

    def organisation(
        self, number: int, role: Role = Role.HOSPITAL, sealing: SealingKey | None = None, verify: bool = True
    ) -> Organisation:
        """An organisation with books in memory, verified unless told otherwise."""
        actor = Organisation(
            number, role, SigningKey.random(), sealing or SealingKey.random(), SealingKey.random(),
            Secret.random(), MemoryBooks(),
        )  # fmt: skip
        register.organisation(self.network, actor, {role}, LICENCE)
        self.board.publish_key(number, actor.sealing.public)
        if verify:
            register.verify(self.network, self.officers[0], number, LICENCE, actor.sealing.digest)
        return actor

    def staff(self, employer: Organisation, number: int, role: Role = Role.DOCTOR) -> Staff:
        """A post that its employer vouched for."""
        made = Staff(number, employer, SigningKey.random())
        register.post(self.network, made, {role}, LICENCE)
        return made

    def add_custodian(self, number: int) -> Organisation:
        """A verified organisation that keeps shares in a directory of its own."""
        path = self.folder / f"custodian-{number}"
        install(path, InsecurePlainKeys())
        self.directories[number] = CustodyDirectory(path)
        keys = self.custody_keys(number)
        actor = self.organisation(number, sealing=keys.sealing)
        log_key = digest("log-key", keys.log.verifier.public)
        register.custodian(self.network, actor, log_key, keys.signing, self.officers[0])
        self.start_custodian(number)
        return actor

    def custody_keys(self, number: int) -> Keys:
        seeds = self.directories[number].seeds
        return Keys.of(self.ledger.deployment, number, seeds.signing, seeds.log, seeds.sealing)

    def start_custodian(self, number: int) -> Custodian:
        """Serves a custodian's open directory."""
        directory = self.directories[number]
        keys = self.custody_keys(number)
        made = Custodian(number, directory.rows, directory.journal, keys, self.ledger, self.clock)
        self.links[number] = made
        return made

    def session(self, staff: Staff | None = None, seconds: int = 12 * 3600) -> Session:
        """A new session of a post, the hospital's doctor unless told otherwise."""
        now = self.clock.now()
        return open_session(staff or self.doctor, self.ledger.deployment, now, seconds=seconds)

    def close(self) -> None:
        for directory in self.directories.values():
            directory.close()

    # Patients ----------------------------------------------------------------------------------

    def patient(
        self,
        registrar: Organisation | None = None,
        identity: Identity | None = None,
        compartments: Iterable[Compartment] = ALL,
    ) -> Holder:
        """An unclaimed patient, whose keys the registrar holds."""
        numbers = [each.number for each in compartments]
        return register.patient(self.network, registrar or self.hospital, identity, compartments=numbers)

    def claim(self, holder: Holder, registrar: Organisation | None = None) -> Claimed:
        """The patient claims the record with a new phrase and books of their own."""
        return claim(self.network, registrar or self.hospital, holder.alias, Phrase.random(), MemoryBooks())

    def claimed(
        self, registrar: Organisation | None = None, compartments: Iterable[Compartment] = ALL
    ) -> Holder:
        """A patient who has claimed."""
        return self.claim(self.patient(registrar, compartments=compartments), registrar).holder

    def statement(self, alias: bytes) -> AliasStatement:
        """The alias's newest statement, as anybody asks for it."""
        return find_statement(self.network, alias, self.links)

    # Depositing --------------------------------------------------------------------------------

    def writer(
        self, staff: Staff | None = None, ground: Ground = Ground.REGISTRAR, granted: Granted | None = None,
        intake: bool = False,
    ) -> Writer:  # fmt: skip
        """A post's session as a writer; ``granted`` is the append consent of ground ``append``."""
        post = staff or self.doctor
        certificate = granted.given.certificate if granted else None
        return Writer(post.organisation, ground, self.session(post), None, certificate, intake)

    def own_writer(self, holder: Holder) -> Writer:
        """The patient's own writing, carried by the hospital."""
        return Writer(self.hospital, Ground.OWN, None, holder)

    def put(self, writer: Writer, alias: bytes, *versions: NewVersion) -> Deposited:
        """Deposits these versions."""
        return deposit(self.network, writer, self.statement(alias), versions)

    def grant(
        self, holder: Holder, staff: Staff, compartments: Sequence[Compartment] = (DIAGNOSIS,),
        permissions: Sequence[Permission] = (VIEW,), seconds: int = DAY, purpose: Purpose = Purpose.TREAT,
        **scope: Any,
    ) -> Granted:  # fmt: skip
        """A consent to a post, from now on."""
        now = self.clock.now()
        grantee = Grantee(GranteeKind.POST, staff.number, PartyId(staff.organisation.number))
        asked = Scope(frozenset(compartments), frozenset(permissions), **scope)
        return grant(self.network, holder, grantee, asked, purpose, Window(now, now + seconds))

    # Reading -----------------------------------------------------------------------------------

    def read_own(self, holder: Holder, compartments: Sequence[Compartment] = (DIAGNOSIS,)) -> Retrieved:
        """What the holder reads."""
        statement, _ = own_statement(holder)
        access = by_holder(self.network, holder, statement, compartments)
        return retrieve(self.network, access, statement, compartments)

    def read_as_registrar(
        self, holder: Holder, compartments: Sequence[Compartment] = (DIAGNOSIS,), staff: Staff | None = None
    ) -> Retrieved:
        """What a post of the registrar reads."""
        statement, _ = own_statement(holder)
        access = by_registrar(self.network, self.session(staff), holder, statement, compartments)
        return retrieve(self.network, access, statement, compartments)

    def opens(self, holder: Holder, compartments: Sequence[Compartment] = (DIAGNOSIS,)) -> int:
        """How many records the registrar's post opens, refusals counted as none."""
        try:
            return len(self.read_as_registrar(holder, compartments).records)
        except AccessRefused:
            return 0

    def read_by_consent(
        self, staff: Staff, alias: bytes, compartments: Sequence[Compartment] = (DIAGNOSIS,),
        purpose: Purpose = Purpose.TREAT, handles: Sequence[bytes] | None = None,
    ) -> Retrieved:  # fmt: skip
        """What a post reads with the grant by which it may, if one reached its organisation."""
        fetch_grants(self.network, staff.organisation)
        received = live_grant(
            self.network, staff, alias, purpose.code, compartments=[each.number for each in compartments]
        )
        access = by_consent(self.session(staff), received)
        return retrieve(self.network, access, self.statement(alias), compartments, handles)


# Versions ----------------------------------------------------------------------------------------


def version(
    resource: dict[str, Any],
    compartment: Compartment = DIAGNOSIS,
    author: Staff | None = None,
    source: str = "signed",
    date: str | None = "2026-05-04",
) -> NewVersion:
    """A new record of this resource; signed by ``author`` unless the source says otherwise."""
    record = uuid4()
    made = canonical({**resource, "id": str(record)})
    body = RecordBody(made, json.dumps(resource).encode(), None, None, ())
    return NewVersion(
        record.bytes, 1, None, resource["resourceType"], "", compartment, body, "application/fhir+json",
        source, secrets.token_hex(8), 1, date,
        author=author.number if author else 0,
        author_resolved="signed" if author else "unknown",
        author_key=author.key if author else None,
    )  # fmt: skip


def condition(author: Staff, code: str = "asthma", **more: Any) -> NewVersion:
    """A diagnosis that its author signs."""
    return version({"resourceType": "Condition", "code": {"text": code}}, author=author, **more)


def changed(made: NewVersion, **fields: Any) -> NewVersion:
    """The version with other fields."""
    return replace(made, **fields)


def texts(retrieved: Retrieved) -> list[str]:
    """The codes' texts of what was read, in the order of anchors."""
    return [json.loads(record.body.canonical)["code"]["text"] for record in retrieved.records]
