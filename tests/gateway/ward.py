"""City's doctor, who writes about patients whom City registered and whom nobody has claimed."""

from __future__ import annotations

import json
import uuid
from contextlib import suppress
from typing import Any

from careledger.app.own_index import place
from careledger.domain.records import Ground
from careledger.gateway.own.chart import Writings
from careledger.workflows import register
from careledger.workflows.accesses import by_registrar
from careledger.workflows.actors import Holder
from careledger.workflows.batches import Writer
from careledger.workflows.chart import copies
from careledger.workflows.epochs import own_statement
from careledger.workflows.retrieve import Record, retrieve
from gateway.edge_world import JSON, Client, Edge, Reply
from story import EVERYTHING

ILLNESS = "written on the wrong person"
SYSTEM = "http://snomed.info/sct"


def settled(client: Client) -> Client:
    """The same, once the index of its organisation's own writings lacks nothing, however slow the machine is: each
    search reads in some of it."""
    for _ in range(10_000):
        if "still being read in" not in json.dumps(client.ask("Basic?_count=0").body):
            return client
    raise AssertionError("the index never has everything")


class Ward:
    """City's doctor, who writes about patients whom City registered and whom nobody has claimed."""

    def __init__(self, edge: Edge) -> None:
        self.edge, self.network = edge, edge.story.world.network
        self.doctor = edge.story.staff["Dr City"]
        self.city = self.doctor.organisation

    @property
    def reader(self) -> Client:
        """A program of City's doctor, who has nothing open."""
        return self.edge.client("Dr City")

    @property
    def writer(self) -> Writer:
        return Writer(self.city, Ground.REGISTRAR, self.edge.story.session(self.doctor))

    def patient(self) -> Holder:
        wanted = [each.number for each in EVERYTHING]
        return register.patient(self.network, self.city, None, escrow=False, compartments=wanted)

    def written(self, holder: Holder, words: str = ILLNESS) -> str:
        """The address of a new diagnosis."""
        [(record_id, _)] = self.edge.story.note(holder.alias, words).handles.items()
        self.edge.gateway._desk.charts.of(self.city).look_again()
        return f"Condition/{uuid.UUID(bytes=record_id)}"

    def handles(self, holder: Holder) -> list[bytes]:
        return [each.handle for each in copies(self.city, holder.alias)]

    def records(self, holder: Holder) -> list[Record]:
        statement, asked = own_statement(holder)[0], list(EVERYTHING)
        access = by_registrar(self.network, self.edge.story.session(self.doctor), holder, statement, asked)
        return list(retrieve(self.network, access, statement, asked).records)

    @property
    def writings(self) -> Writings:
        """What the gateway keeps of City's own writings."""
        return self.edge.gateway._desk.charts.of(self.city)

    @property
    def index(self) -> bytes:
        """Everything that lies on the disk of the index."""
        file, found = place(self.edge.story.world, self.city), b""
        for each in file.parent.glob(f"{file.name}*"):
            with suppress(FileNotFoundError):  # a journal of what is being read in
                found += each.read_bytes()
        return found

    def diagnosed(self, holder: Holder, code: str, words: str = "", **more: Any) -> Reply:
        """What creating a diagnosis with that code over HTTP is answered."""
        made = {
            "resourceType": "Condition",
            "code": {"coding": [{"system": SYSTEM, "code": code}], "text": words or code},
            "subject": {"reference": f"Patient/{holder.alias.hex()}"},
        } | more
        return self.reader.ask("Condition", "POST", json.dumps(made).encode(), Content_Type=JSON)
