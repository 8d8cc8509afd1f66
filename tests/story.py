"""One data directory with a story in it, for tests that look at files: told once, copied where it is damaged.

Five organisations keep shares, three others treat. *Adam* claims a record that City Hospital imported, lets a doctor
of Lakeside read diagnoses and one of Delta stay, revokes the first, and City deposits again. *Berta* opted out of
escrow.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from careledger.adapters.memory.clock import ManualClock
from careledger.app import world as directory
from careledger.app.clocks import SystemClock
from careledger.app.settings import RemoteLedger
from careledger.app.world import World
from careledger.domain.categories import Category, Compartment
from careledger.domain.consents import Grantee, GranteeKind, Permission, Purpose, Scope, Window
from careledger.domain.parties import PartyId, Role
from careledger.domain.records import Ground
from careledger.domain.relaying import REGISTRATION_SPREAD
from careledger.fhir.sample import sample_file
from careledger.fhir.versions import ImportedVersion
from careledger.sealing.phrase import Phrase
from careledger.workflows import claim, import_file, note, register
from careledger.workflows.accesses import by_consent, by_holder
from careledger.workflows.actors import Holder, Organisation, Session, Staff, load_holder, open_session
from careledger.workflows.batches import Writer
from careledger.workflows.deposit import Deposited
from careledger.workflows.epochs import ensure_epochs, own_statement
from careledger.workflows.grant import Granted, grant
from careledger.workflows.identity_rows import Identity
from careledger.workflows.network import Network
from careledger.workflows.received import fetch_grants, live_grant
from careledger.workflows.retrieve import Retrieved, retrieve
from careledger.workflows.revoke import revoke

DIAGNOSIS, REPORT = Compartment(Category.DIAGNOSIS), Compartment(Category.REPORT)
VISIT, GENERAL = Compartment(Category.VISIT), Compartment(Category.GENERAL)
READ = (DIAGNOSIS, VISIT)
EVERYTHING = (DIAGNOSIS, REPORT, VISIT, GENERAL)
LICENCE = b"\1" * 32
ORGANISATIONS = {"City": Role.HOSPITAL, "Lakeside": Role.HOSPITAL, "Delta": Role.CENTRE}
CUSTODIANS = {
    "Green": Role.PHARMACY,
    "Shapla": Role.INSURER,
    "Amber": Role.HOSPITAL,
    "Birch": Role.HOSPITAL,
    "Cedar": Role.CENTRE,
}
STAFF = {
    "clerk": ("City", Role.NURSE),
    "Dr City": ("City", Role.DOCTOR),
    "Dr Lake": ("Lakeside", Role.DOCTOR),
    "Dr Stay": ("Delta", Role.DOCTOR),
}
SAMPLE = "Jules135_Schmitt836"

# Marked words: wherever one of them turns up outside its owner's walls, something leaked.
NAME, NATIONAL_ID, BIRTH = "Quillfeather-Marked", "NID-7744-MARKED-0091", "1931-02-29"
ILLNESS, LATER_ILLNESS = "marked morbus alphaticus", "marked morbus omegaticus"
MARKS = (NAME, NATIONAL_ID, BIRTH, ILLNESS, LATER_ILLNESS, "Jules135", "Schmitt836")


@dataclass
class Story:
    """The open directory and everybody in it."""

    world: World
    organisations: dict[str, Organisation] = field(default_factory=dict)
    staff: dict[str, Staff] = field(default_factory=dict)
    phrases: dict[bytes, Phrase] = field(default_factory=dict)
    adam: bytes = b""
    berta: bytes = b""
    registration: bytes = b""
    before: list[bytes] = field(
        default_factory=list
    )  # handles deposited before the revocation, then after it
    after: list[bytes] = field(default_factory=list)
    unescrowed: list[bytes] = field(default_factory=list)
    revoked: Granted | None = None
    staying: Granted | None = None

    @property
    def folder(self) -> Path:
        return self.world.folder

    def reopen(self, damage: Callable[[], object] = lambda: None) -> None:
        """Closes the directory, damages it, and opens it again as another process would."""
        self.world.close()
        damage()
        self.world = directory.open_world(self.folder)
        self.find_everybody()

    def find_everybody(self) -> None:
        keyring = self.world.keyring
        self.organisations = keyring.organisations()
        self.staff = {label: keyring.staff(label)[0] for label in self.staff}

    def session(self, staff: Staff) -> Session:
        return open_session(staff, self.world.ledger.deployment, self.world.clock.now())

    def holder(self, alias: bytes) -> Holder:
        label = {self.adam: "adam", self.berta: "berta"}[alias]
        return load_holder(self.phrases[alias], alias, self.world.keyring.patient(label)[2])

    def read_own(self, alias: bytes, asked: Iterable[Compartment] = EVERYTHING) -> Retrieved:
        holder, compartments = self.holder(alias), list(asked)
        statement, _ = own_statement(holder)
        access = by_holder(self.world.network, holder, statement, compartments)
        return retrieve(self.world.network, access, statement, compartments)

    def read_by_consent(self, staff: Staff, asked: Iterable[Compartment] = (DIAGNOSIS,)) -> Retrieved:
        fetch_grants(self.world.network, staff.organisation)
        received = live_grant(self.world.network, staff, self.adam, "TREAT")
        access = by_consent(self.session(staff), received)
        return retrieve(self.world.network, access, received.statement, asked)

    def note(
        self, alias: bytes, words: str, granted: Granted | None = None, kind: str = "Condition"
    ) -> Deposited:
        """City's doctor signs a diagnosis; by the append consent, or as the registrar's post."""
        doctor = self.staff["Dr City"]
        ground = Ground.REGISTRAR if granted is None else Ground.APPEND
        certificate = None if granted is None else granted.given.certificate
        writer = Writer(doctor.organisation, ground, self.session(doctor), None, certificate)
        statement, _ = own_statement(
            register.kept_holder(doctor.organisation, alias) if granted is None else self.holder(alias)
        )
        return note.clinical_note(self.world.network, writer, statement, doctor, kind, words, "2026-05-04")

    def grant(
        self, alias: bytes, staff: Staff, compartments: Iterable[Compartment], permission: Permission
    ) -> Granted:
        now = self.world.clock.now()
        grantee = Grantee(GranteeKind.POST, staff.number, PartyId(staff.organisation.number))
        scope = Scope(frozenset(compartments), frozenset({permission}))
        window = Window(now - 10, now + 3600)
        return grant(self.world.network, self.holder(alias), grantee, scope, Purpose.TREAT, window)


def tell(folder: Path, ledger: RemoteLedger | None = None) -> Story:
    """Tells the story in a new directory; ``ledger``: with the chain on nodes elsewhere."""
    officers_named = ["Officer A", "Officer B"]
    world = directory.found(folder, officers_named, SystemClock(), policy_delay=0, ledger=ledger)
    story = Story(world)
    officers = directory.officer_posts(world)
    for label, role in (ORGANISATIONS | CUSTODIANS).items():
        keeps = label in CUSTODIANS
        story.organisations[label] = organisation(world, label, role, officers[0], keeps)
    world.ledger.enact_matrix(2, [(each.number, each.key) for each in officers])
    for label, (employer, role) in STAFF.items():
        made = world.keyring.new_staff(story.organisations[employer], label, {role})
        register.post(world.network, made, {role}, LICENCE)
        story.staff[label] = made
    _adam(story)
    _berta(story)
    return story


def copied(told: Story, folder: Path, clock: ManualClock | None = None) -> Story:
    """The same story in a copy of its directory, opened there: a test may change and damage it. With a ``clock`` it is
    the time that this says."""
    shutil.copytree(told.folder, folder)
    made = replace(told, world=directory.open_world(folder, clock))
    made.find_everybody()
    return made


def everybody(folder: Path) -> Story:
    """The story's people found in a directory alone, as another process finds them."""
    made = Story(directory.open_world(folder), staff=dict.fromkeys(STAFF))  # type: ignore[arg-type]
    made.find_everybody()
    for label in ("adam", "berta"):
        alias, phrase, _ = made.world.keyring.patient(label)
        setattr(made, label, alias)
        made.phrases[alias] = phrase
    return made


def organisation(world: World, label: str, role: Role, officer: Staff, keeps: bool) -> Organisation:
    """A verified organisation; one that ``keeps`` shares is a custodian in this process from now on."""
    number, named = PartyId.random().number, register.Officer(officer.number, officer.key)
    seeds = directory.install_custodian(world.folder, number, world.guard) if keeps else None
    made = world.keyring.new_organisation(label, role, number, seeds.sealing if seeds else None)
    register.organisation(world.network, made, {role}, LICENCE)
    register.verify(world.network, named, number, LICENCE, made.sealing.digest)
    world.board.publish_key(number, made.sealing.public)
    if seeds is not None:
        keys = directory.custodian_keys(world.ledger.deployment, number, seeds)
        register.custodian(world.network, made, directory.log_key_digest(keys), keys.signing, named)
        world.open_custodian(number)
    return made


def _adam(story: Story) -> None:
    world, city, clerk = story.world, story.organisations["City"], story.staff["clerk"]
    identity = Identity(bytes(32), bytes(16), NAME, NAME, NATIONAL_ID, BIRTH, bytes(32))
    holder = register.patient(world.network, city, identity, compartments=())
    register.enter_registrations(_a_week_later(world.network), city)
    story.adam = holder.alias
    row = city.books.get(register.IDENTITY, holder.alias)
    assert row is not None
    story.registration = Identity.decode(row).registration
    writer = Writer(city, Ground.REGISTRAR, story.session(clerk))
    statement, _ = own_statement(holder)
    imported = import_file.import_file(
        world.network, writer, statement, sample_file(SAMPLE), f"{SAMPLE}.json", holder=holder, chosen=_few()
    )
    ensure_epochs(world.network, holder, [each.number for each in EVERYTHING])
    story.before += imported.deposited.handles.values()
    story.before += story.note(holder.alias, ILLNESS).handles.values()
    _claim(story, "adam", holder.alias)
    story.revoked = story.grant(holder.alias, story.staff["Dr Lake"], READ, Permission.VIEW)
    story.staying = story.grant(holder.alias, story.staff["Dr Stay"], (DIAGNOSIS,), Permission.VIEW)
    assert story.read_by_consent(story.staff["Dr Lake"]).records
    revoke(world.network, story.holder(holder.alias), story.revoked.owner)
    append = story.grant(holder.alias, story.staff["Dr City"], (DIAGNOSIS,), Permission.APPEND)
    story.after += story.note(holder.alias, LATER_ILLNESS, append).handles.values()
    assert story.read_by_consent(story.staff["Dr Stay"]).records
    story.read_own(holder.alias)


def _a_week_later(network: Network) -> Network:
    """The network to whom waits for nothing any more."""
    return replace(network, clock=ManualClock(network.clock.now() + REGISTRATION_SPREAD))


def _berta(story: Story) -> None:
    city = story.organisations["City"]
    compartments = [each.number for each in EVERYTHING]
    holder = register.patient(story.world.network, city, None, escrow=False, compartments=compartments)
    story.berta = holder.alias
    story.unescrowed += story.note(holder.alias, ILLNESS).handles.values()
    story.unescrowed += story.note(holder.alias, ILLNESS, kind="AllergyIntolerance").handles.values()
    _claim(story, "berta", holder.alias)


def _claim(story: Story, label: str, alias: bytes) -> None:
    phrase = Phrase.random()
    books = story.world.keyring.new_patient(label, alias, phrase)
    claim.claim(story.world.network, story.organisations["City"], alias, phrase, books)
    story.phrases[alias] = phrase


def _few() -> import_file.Chosen:
    """Two versions of each compartment that the story reads."""
    taken: dict[Compartment, int] = {}

    def chosen(version: ImportedVersion) -> bool:
        count = taken.get(version.compartment, 0)
        taken[version.compartment] = count + 1
        return version.compartment in EVERYTHING and count < 2

    return chosen


def said(record_body: bytes) -> str:
    """The text of a note."""
    return str(json.loads(record_body)["code"]["text"])
