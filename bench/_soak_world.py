"""What a soak begins with: a directory, patients and their agents, posts, apps, services, and whoever will leave."""

from __future__ import annotations

import json
import random
import re
import secrets
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from _network import DESK, import_for, new_patient, new_stage
from joserfc.jwk import ECKey
from over_http import DOCTOR

from careledger.adapters.books.memory import MemoryBooks
from careledger.adapters.edge.attested import AttestedLedger, Pinned
from careledger.adapters.edge.http import Edge
from careledger.adapters.edge.links import EdgeBlocks, EdgeBoard, EdgeGateway, custodians
from careledger.app import clients, tokens
from careledger.app.clocks import SystemClock
from careledger.app.founding import licence
from careledger.app.identity import employing, invitations
from careledger.app.identity.employing import BY_SCIM, Listed, Wanted
from careledger.app.world import World, open_world
from careledger.cli.demo.founding import CITY
from careledger.domain.consents import Purpose
from careledger.domain.custodians import Thresholds
from careledger.domain.parties import Role
from careledger.fhir.sample import sample_file, sample_names
from careledger.formats.apps import AppClient
from careledger.formats.relaying import SIGNERS
from careledger.formats.signatures import SigningKey
from careledger.sealing.phrase import Phrase
from careledger.workflows import claim, register
from careledger.workflows.actors import Holder, Organisation, Staff, load_holder
from careledger.workflows.gateway import Gateway
from careledger.workflows.network import Network

READERS = ("Dr Chowdhury, Lakeside", "Dr Sen, Lakeside")
ENTRIES, PATIENTS, APPS = 12, 3, 3
PASSKEYS, PASSWORDS = 6, 6
REDIRECT = "https://app.example/after"
_UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def small_patient(kind: str = "transaction") -> bytes:
    """A small patient whom nobody has seen: the sample's, under new ids."""
    name = next(each for each in sample_names() if each.startswith("Shayne60"))
    said = json.loads(sample_file(name))
    said["entry"] = said["entry"][:ENTRIES]
    names: dict[bytes, bytes] = {}

    def renamed(found: re.Match[bytes]) -> bytes:
        return names.setdefault(found[0], str(uuid.uuid4()).encode())

    return _UUID.sub(renamed, json.dumps({**said, "type": kind}).encode())


@dataclass
class Agent:
    """A patient's own agent: keys and books are in this process, everything else is behind the gateway."""

    alias: bytes
    phrase: Phrase
    books: MemoryBooks
    pinned: Pinned
    thresholds: Thresholds
    lock: threading.Lock = field(default_factory=threading.Lock)

    def holder(self) -> Holder:
        """As the books have it now."""
        return load_holder(self.phrase, self.alias, self.books)

    def network(self, reached: Edge) -> Network:
        """The outside as this agent reaches it over that gateway."""
        links, clock = custodians(reached, self.pinned.signers), SystemClock()
        return Network(
            AttestedLedger(reached, self.pinned, links, clock).port(),
            EdgeBlocks(reached),
            links,
            EdgeBoard(reached),
            clock,
            SigningKey.random(),
            self.thresholds,
            cast(Gateway, EdgeGateway(reached, ())),
            together=False,
        )


@dataclass(frozen=True)
class Leaver:
    """Somebody on the list of staff, by the id that a directory uses, with a token of the post."""

    id: str
    token: str


@dataclass
class Cast:
    """Everybody in a soak. ``readers`` are numbers and employers of posts, with tokens; ``invitations`` for people."""

    alias: str
    doctor: str
    reading: str
    desk: str
    operator: str
    readers: list[tuple[int, int, str]]
    agents: list[Agent]
    officer: str
    """The invitation of an operator, who acts in a browser."""
    passkeys: list[str]
    passwords: list[str]
    service: str
    key: ECKey
    apps: list[str]
    leavers: list[Leaver]


def cast_of(folder: Path, seconds: int, leavers: int) -> Cast:
    """Founds the directory and everybody in it, and closes it; tokens are good for so many seconds."""
    stage = new_stage(folder)
    known = new_patient(stage)
    name = next(each for each in sample_names() if each.startswith("Alda400_Paucek755"))
    import_for(stage, known, sample_file(name), name)
    aliases = []
    for _ in range(PATIENTS):
        patient = new_patient(stage)
        import_for(stage, patient, small_patient("collection"), "small.json")
        aliases.append(patient.holder.alias)
    stage.world.close()
    world = open_world(folder)
    try:
        return _cast(world, known.holder.alias.hex(), aliases, seconds, leavers)
    finally:
        world.close()


def _cast(world: World, alias: str, aliases: list[bytes], seconds: int, leavers: int) -> Cast:
    city, now = world.keyring.organisation(CITY), int(time.time())
    staff, key = world.keyring.all_staff(city), ECKey.generate_key("P-384", {"kid": "k"})

    def token(who: Staff) -> str:
        return tokens.issue(who, Purpose.TREAT, now, seconds)[0]

    readers = [world.keyring.staff(label)[0] for label in READERS]
    service = AppClient(
        "loader", "backend", (), "", json.dumps({"keys": [key.as_dict(private=False)]}), "",
        "system/*.rs introspect", staff[DOCTOR].number, "TREAT", 0,
    )  # fmt: skip
    app = AppClient(
        "chart", "public", (REDIRECT,), "", "", "", "user/*.rs openid offline_access", 0, "TREAT", 0
    )
    return Cast(
        alias,
        token(staff[DOCTOR]),
        token(staff[DOCTOR]),
        token(staff[DESK]),
        token(_post(world, city, "operator, City", Role.OPERATOR)),
        [(each.number, each.organisation.number, token(each)) for each in readers],
        [_agent(world, city, each) for each in aliases],
        _invitation(world, city, "second operator, City", now, Role.OPERATOR),
        [_invitation(world, city, f"doctor {each}", now) for each in range(PASSKEYS)],
        [_invitation(world, city, f"other doctor {each}", now) for each in range(PASSWORDS)],
        clients.add(city, service),
        key,
        [clients.add(city, app) for _ in range(APPS)],
        [_leaver(world, city, f"leaver-{each}", now, seconds) for each in range(leavers)],
    )


def _agent(world: World, city: Organisation, alias: bytes) -> Agent:
    phrase, books, ledger = Phrase.random(), MemoryBooks(), world.ledger
    claim.claim(world.network, city, alias, phrase, books)
    view = ledger.fresh_head()
    signers = {each.number: each.signer for each in view.custodians()}
    contracts = {kind.CONTRACT: ledger.contract(kind.CONTRACT) for kind in SIGNERS}
    pinned = Pinned(ledger.chain_id, bytes.fromhex(world.settings.directory), contracts, signers, 2)
    return Agent(alias, phrase, books, pinned, world.settings.thresholds)


def _post(world: World, city: Organisation, label: str, role: Role) -> Staff:
    made = world.keyring.new_staff(city, label, {role})
    register.post(world.network, made, {role}, licence(label))
    return made


def _invitation(world: World, city: Organisation, label: str, now: int, role: Role = Role.DOCTOR) -> str:
    return invitations.invite(city, _post(world, city, label, role).number, now)[0]


def _leaver(world: World, city: Organisation, login: str, now: int, seconds: int) -> Leaver:
    desk = employing.Desk(world.network, world.keyring, now)
    made: Listed = employing.join(desk, city, Wanted(login, login, (Role.NURSE,)), BY_SCIM)
    staff = employing.staff_of(world.keyring, made)
    assert staff is not None
    return Leaver(made.id.hex(), tokens.issue(staff, Purpose.TREAT, now, seconds)[0])


def new_login() -> str:
    """A login that nobody has."""
    return f"joined-{secrets.token_hex(6)}"


__all__ = ["Agent", "Cast", "Leaver", "cast_of", "new_login", "small_patient"]


def heart_rate(alias: str, chance: random.Random) -> dict[str, object]:
    """An observation of somebody."""
    system = "http://terminology.hl7.org/CodeSystem/observation-category"
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [{"system": system, "code": "vital-signs"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
        "subject": {"reference": f"Patient/{alias}"},
        "effectiveDateTime": "2026-11-02",
        "valueQuantity": {"value": chance.randint(50, 120), "unit": "/min"},
    }
