"""The data directory that every run starts from, and a site as a process opens it, through failpoints if any."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import story
from careledger.app import world as directory
from careledger.domain.consents import Permission
from careledger.domain.errors import NotEnoughShares
from careledger.domain.parties import Role
from careledger.domain.records import Ground
from careledger.fhir.split import import_bundle
from careledger.workflows import register
from careledger.workflows.accesses import by_registrar
from careledger.workflows.actors import Holder, Organisation, Staff, load_holder
from careledger.workflows.batches import Writer
from careledger.workflows.epochs import own_statement
from careledger.workflows.from_fhir import staged
from careledger.workflows.identity_rows import Identity
from careledger.workflows.intake import import_for
from careledger.workflows.network import Network
from careledger.workflows.retrieve import Record, Retrieved, retrieve
from crash.failpoints import Points
from story import DIAGNOSIS, EVERYTHING, Story

CAROL = Identity(bytes(32), bytes(16), "Carol", "Carol", "NID-CAROL", "1950-01-01", bytes(32))
FIRST_WORDS, SPARE, APPENDED = "first words", "Dune", "Dr City"
UNDONE_RUN, TAKEN_BACK = bytes([5]) * 16, ("brought one", "brought two")


def bundle(ids: str, texts: Iterable[str]) -> bytes:
    """A file of one patient with these conditions, whose ids begin so."""
    patient: dict[str, Any] = {"resourceType": "Patient", "id": "p"}
    conditions: list[dict[str, Any]] = [
        {"resourceType": "Condition", "id": f"{ids}{number}", "code": {"text": text}}
        | {"subject": {"reference": "Patient/p"}}
        for number, text in enumerate(texts)
    ]
    entries = [
        {"fullUrl": f"https://example.org/{each['resourceType']}/{each['id']}", "resource": each}
        for each in (patient, *conditions)
    ]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()


def found(folder: Path) -> None:
    """The story told, with an unclaimed patient who has one note and what one run of an import brought, and a sixth
    custodian that nobody uses yet."""
    told = story.tell(folder)
    officer = directory.officer_posts(told.world)[0]
    told.organisations[SPARE] = story.organisation(told.world, SPARE, Role.CENTRE, officer, keeps=True)
    compartments = [each.number for each in EVERYTHING]
    holder = register.patient(
        told.world.network, told.organisations["City"], CAROL, compartments=compartments
    )
    told.note(holder.alias, FIRST_WORDS)
    report = staged(import_bundle(bundle("b", TAKEN_BACK), "before.json", namespace=b"before"))
    session, statement = told.session(told.staff["Dr City"]), own_statement(holder)[0]
    import_for(told.world.network, session, statement, report, run=UNDONE_RUN)
    told.grant(told.adam, told.staff["Dr City"], (DIAGNOSIS,), Permission.APPEND)
    told.world.close()


@dataclass
class Site:
    """An open directory; ``points`` stand before every port where there are any."""

    told: Story
    points: Points | None = None

    @classmethod
    def open(cls, folder: Path, points: Points | None = None) -> Site:
        """Everybody found in the directory alone, as any process finds them."""
        made = cls(story.everybody(folder), points)
        if points is not None:
            points.surround(made.told.world)
        return made

    def close(self) -> None:
        self.told.world.close()

    @property
    def network(self) -> Network:
        return self.told.world.network

    def _books(self, name: str, books: object) -> object:
        return books if self.points is None else self.points.books(name, books)

    def holder(self, label: str) -> Holder:
        alias, phrase, books = self.told.world.keyring.patient(label)
        return load_holder(phrase, alias, self._books("agent", books))  # type: ignore[arg-type]

    @property
    def city(self) -> Organisation:
        made = self.told.organisations["City"]
        return replace(made, books=self._books("gateway", made.books))  # type: ignore[arg-type]

    def post(self, label: str) -> Staff:
        made = self.told.staff[label]
        same = made.organisation.number == self.told.organisations["City"].number
        return replace(made, organisation=self.city) if same else made

    @property
    def carol(self) -> bytes:
        """The alias of the patient whose keys the hospital keeps, or kept."""
        rows = self.told.organisations["City"].books.rows(register.IDENTITY)
        known = [Identity.decode(row) for _, row in rows]
        return next(row.alias for row in known if row.national_id == CAROL.national_id)

    def registrar(self) -> Writer:
        """The hospital's doctor, writing about a patient whose keys the hospital keeps."""
        return Writer(self.city, Ground.REGISTRAR, self.told.session(self.post("Dr City")))

    def kept(self) -> Holder:
        return register.kept_holder(self.city, self.carol)

    def carols(self, unfinished: bool = False) -> list[Record]:
        """The records of the unclaimed patient, as the hospital reads them; see ``opened``."""
        plain = Site(self.told)
        holder = plain.kept()
        statement, session = own_statement(holder)[0], self.told.session(plain.post("Dr City"))
        access = by_registrar(plain.network, session, holder, statement, EVERYTHING)
        return opened(retrieve(plain.network, access, statement, EVERYTHING), unfinished)


def opened(read: Retrieved, unfinished: bool) -> list[Record]:
    """What was read, all of it; of an ``unfinished`` deposit some versions may not have enough shares yet."""
    problems = [each for each in read.problems if not (unfinished and isinstance(each, NotEnoughShares))]
    assert problems == []
    return list(read.records)
