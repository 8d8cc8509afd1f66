"""Two worlds that differ only in ten thousand records which the reader may not see answer that reader alike, byte for
byte, and answering costs the same steps.

Filters, chains and ``_has`` over what is hidden, totals and pages are where HAPI FHIR has let it through (its issues
6065, 1507 and 2012).
"""

from __future__ import annotations

import json
import re
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

import story as telling
from careledger.adapters.memory.clock import ManualClock
from careledger.app import tokens
from careledger.domain.consents import Purpose
from careledger.domain.errors import CareLedgerError
from careledger.gateway import all_types, compartments, reading, searching
from careledger.gateway.desk import Desk
from careledger.gateway.http import Asked
from careledger.gateway.operations import everything
from careledger.gateway.server import Gateway
from gateway.edge_world import DAY, JSON, Client, Edge
from gateway.hidden import hide
from story import Story

MANY = 10_000
IDS = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{64}")
FORM = "application/x-www-form-urlencoded"


@dataclass
class Worlds:
    """The same story without and with hidden records, and the paths of some of those."""

    without: Story
    hiding: Story
    hidden: list[str]


@pytest.fixture(scope="module")
def worlds(told: Story, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    """Their time stands still: that a custodian's log goes on the ledger a minute later would count as steps."""
    now = int(time.time())
    without = telling.copied(told, tmp_path_factory.mktemp("without") / "data", ManualClock(now))
    hiding = telling.copied(told, tmp_path_factory.mktemp("hiding") / "data", ManualClock(now))
    shown = [each.manifest.record_id for each in without.read_by_consent(without.staff["Dr Stay"]).records]
    named = [uuid.UUID(bytes=each) for each in shown]
    assert hide(without, 0, named) == []
    hidden = hide(hiding, MANY, named)
    yield Worlds(without, hiding, hidden[:2])
    without.world.close()
    hiding.world.close()


def questions(
    patient: str, shown: str, version: str, hidden: list[str]
) -> list[tuple[str, str, bytes | None, dict[str, str]]]:
    """What the reader asks: method, path, body, headers."""
    of, visit, kind = f"patient={patient}", hidden[1], {"Content_Type": JSON}
    own_id = visit.split("/")[1]
    searches = [
        *(f"Encounter?{of}{more}" for more in (
            "", "&status=finished", "&_summary=count", "&_total=accurate", "&class=AMB&_total=estimate",
            "&status:not=planned", "&status:missing=false", f"&_id={own_id}", "&_sort=-date", f"&diagnosis={shown}",
            "&diagnosis.code:text=morbus", "&date=2026-02-31", "&nonsense=1",
        )),
        *(f"Condition?{of}{more}" for more in (
            "", "&_total=accurate&_count=1", "&encounter.status=finished", "&encounter:Encounter.class=AMB",
            "&_has:Observation:focus:status=final", "&_has:Encounter:diagnosis:status=finished",
            "&_include=Condition:encounter", "&_revinclude=Encounter:diagnosis&_count=1", "&_elements=subject",
            "&_revinclude=Observation:focus&_revinclude:iterate=*", "&_include=*&_summary=true",
        )),
        *(f"Observation?{of}{more}" for more in ("", f"&focus={shown}", "&code:text=hidden")),
        *(f"Patient?_id={patient}&{more}" for more in ("_has:Encounter:patient:status=finished", "_revinclude=*")),
        *(f"Patient/{patient}{more}" for more in ("", "/_history", "/$everything?_count=1", "/$summary")),
        *(f"{each}{more}" for each in (shown, *hidden) for more in ("", "/_history", f"/_history/{version}")),
        f"Encounter?_id={own_id}", "Encounter?status=finished", "Condition?code:text=morbus", f"Consent?{of}",
        "Consent", f"Patient/{patient}/$everything", "Encounter/_history", "_history",
        *(f"Patient/{patient}/{more}" for more in (
            "Encounter", f"Encounter?_id={own_id}", "Encounter?status=finished&_total=accurate",
            "Observation?code:text=hidden", "Condition?_has:Encounter:diagnosis:status=finished",
            "*", "*?_count=1", "*?_type=Encounter,Observation", f"*?_id={own_id}",
        )),
        *(f"?{more}" for more in (
            f"_id={own_id}", "_type=Encounter,Observation", "_type=Encounter,Condition&_summary=count",
            "_lastUpdated=ge2000", f"_type=Encounter,Observation&patient={patient}",
            "_type=Condition,Encounter&_has:Observation:focus:status=final",
        )),
    ]  # fmt: skip
    condition = {"resourceType": "Encounter", "id": own_id, "status": "finished", "class": {"code": "AMB"},
                 "subject": {"reference": f"Patient/{patient}"}}  # fmt: skip
    body = json.dumps(condition).encode()
    return [
        *(("GET", each, None, {}) for each in searches),
        ("GET", f"Encounter?{of}&nonsense=1", None, {"Prefer": "handling=strict"}),
        ("POST", "Encounter/_search", f"{of}&status=finished".encode(), {"Content_Type": FORM}),
        ("PUT", visit, body, kind),
        ("PUT", f"Encounter?{of}&status=finished", body, kind),
        ("POST", "Encounter", body, {**kind, "If_None_Exist": "status=finished"}),
        ("PATCH", visit, b"[]", {"Content_Type": "application/json-patch+json"}),
        ("DELETE", visit, None, {}),
        ("DELETE", f"Encounter?{of}&status=finished", None, {}),
    ]


def answers(story: Story, hidden: list[str]) -> list[tuple[str, int, str]]:
    """Everything that the reader is answered, page by page, without ids of searches, times and addresses."""
    with Gateway(story.world, port=0) as gateway:
        client, patient = Edge(story, gateway).client("Dr Stay"), story.adam.hex()
        one = client.ask(f"Condition?patient={patient}").matches[0]
        asked = questions(patient, f"Condition/{one['id']}", one["meta"]["versionId"], hidden)
        return [each for question in asked for each in pages(client, *question)]


def pages(
    client: Client, method: str, path: str, body: bytes | None, headers: dict[str, str]
) -> Iterator[Any]:
    following: str | None = path
    while following is not None:
        reply = client.ask(following, method, body, **headers)
        said = {name.lower(): value for name, value in reply.headers.items()}
        whole = [{name: said[name] for name in said if name not in ("date", "content-length")}, reply.body]
        yield f"{method} {path}", reply.status, plain(client, path, json.dumps(whole))
        bundle = reply.body and reply.body.get("type") == "searchset"
        following = reply.link("next") if bundle else None


def plain(client: Client, path: str, text: str) -> str:
    """Without the address of this gateway, names of pages and times; of what was made for the answer, a document or a
    new record, ids by the order in which they come."""
    text = re.sub(r"_page=[0-9a-f]{32}", "_page=P", text.replace(client.base, "BASE"))
    if path.endswith(("$summary", "Encounter")):
        known = dict.fromkeys(IDS.findall(text))
        numbers = {name: f"N{at}" for at, name in enumerate(known)}
        text = IDS.sub(lambda found: numbers[found[0]], text)
    return re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "THEN", text)


def test_a_reader_is_answered_alike_whether_or_not_there_is_something_hidden(worlds: Worlds) -> None:
    without, hiding = (answers(each, worlds.hidden) for each in (worlds.without, worlds.hiding))
    assert [each[:2] for each in without] == [each[:2] for each in hiding]
    for one, other in zip(without, hiding, strict=True):
        assert one == other
    assert len(without) > 60
    assert {each[1] for each in without} >= {200, 400, 404, 405}


# What it costs -------------------------------------------------------------------------------------


@dataclass
class Reader:
    """One who asks at a desk in this thread."""

    story: Story
    desk: Desk

    def __post_init__(self) -> None:
        staff, now = self.story.staff["Dr Stay"], self.story.world.clock.now()
        token, _ = tokens.issue(staff, Purpose.TREAT, now, DAY)
        self.who = tokens.Bearers(self.story.world.keyring).bearer(token, now)

    def search(self, kind: str, *given: tuple[str, str]) -> Any:
        asked = Asked({"kind": kind}, {}, [("patient", self.story.adam.hex()), *given], b"")
        return searching.search(self.desk, self.who, asked).resource

    def compartment(self) -> Any:
        path = {"id": self.story.adam.hex(), "kind": "Encounter"}
        given = [("status", "finished")]
        return compartments.search(self.desk, self.who, Asked(path, {}, given, b"")).resource

    def across(self) -> Any:
        given = [("_type", "Encounter,Observation"), ("_lastUpdated", "ge2000")]
        return all_types.search(self.desk, self.who, Asked({}, {}, given, b"")).resource

    def everything(self) -> Any:
        return everything.everything(
            self.desk, self.who, Asked({"id": self.story.adam.hex()}, {}, [], b"")
        ).resource

    def read(self, path: str) -> Any:
        kind, _, id = path.partition("/")
        try:
            return reading.read(self.desk, self.who, Asked({"kind": kind, "id": id}, {}, [], b""))
        except CareLedgerError as error:
            return error


@contextmanager
def counted(story: Story) -> Iterator[list[int]]:
    """How many lines of Python are run, and tens of instructions in custodians' files, meanwhile."""
    steps = [0, 0]

    def line(frame: object, event: str, argument: object) -> Any:
        steps[0] += 1
        return line

    def instructions() -> int:
        steps[1] += 1
        return 0

    files = [each._custody.rows._db for each in story.world.custodians.values()]  # type: ignore[attr-defined]
    for each in files:
        each.set_progress_handler(instructions, 10)
    before = sys.gettrace()
    sys.settrace(line)
    try:
        yield steps
    finally:
        sys.settrace(before)
        for each in files:
            each.set_progress_handler(None, 0)


ASKED: dict[str, Callable[[Reader, Worlds], Any]] = {
    "a first search, which asks custodians": lambda reader, worlds: reader.search("Condition"),
    "a search in what is open": lambda reader, worlds: reader.search("Condition", ("code:text", "morbus")),
    "a search for what is hidden": lambda reader, worlds: reader.search("Encounter", ("status", "finished")),
    "a chain": lambda reader, worlds: reader.search("Condition", ("encounter.status", "finished")),
    "_has": lambda reader, worlds: reader.search(
        "Condition", ("_has:Encounter:diagnosis:status", "finished")
    ),
    "_revinclude": lambda reader, worlds: reader.search("Condition", ("_revinclude", "Encounter:diagnosis")),
    "a search in the compartment": lambda reader, worlds: reader.compartment(),
    "a search across types": lambda reader, worlds: reader.across(),
    "a number": lambda reader, worlds: reader.search("Encounter", ("_summary", "count")),
    "everything": lambda reader, worlds: reader.everything(),
    "a hidden record": lambda reader, worlds: reader.read(worlds.hidden[0]),
}


def costs(worlds: Worlds, story: Story) -> dict[str, list[int]]:
    desk = Desk(story.world, "http://here.example/fhir")
    desk.charts.of(story.staff["Dr Stay"].organisation)
    while not desk.charts.catch_up():
        pass
    for _ in range(2):  # what is remembered from then on
        reader = Reader(story, desk)
        for ask in ASKED.values():
            ask(reader, worlds)
    made, reader = {}, Reader(story, desk)
    for name, ask in ASKED.items():
        with counted(story) as steps:
            ask(reader, worlds)
        made[name] = steps
    desk.leases.close()
    return made


def test_answering_costs_no_step_more_for_what_is_hidden(worlds: Worlds) -> None:
    """A step for each hidden record would be ten thousand. What is left: in which file a block is found, a few steps
    for each block that is opened."""
    without, hiding = costs(worlds, worlds.without), costs(worlds, worlds.hiding)
    for name in ASKED:
        for few, many in zip(without[name], hiding[name], strict=True):
            assert abs(many - few) < MANY // 10, (name, without[name], hiding[name])
    assert min(lines for lines, _ in without.values()) > 300
