"""An organisation's books whose pages are damaged under a running gateway: a refusal that says what to do."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.edge_world import Client, Edge
from gateway.test_fhir_writing import condition, post
from gateway.ward import Ward

PAGE = 4_096


@pytest.fixture
def damaged(edge: Edge) -> Iterator[Client]:
    """City's books, of which everything but the first page reads as nonsense until the test is over."""
    ward = Ward(edge)
    ward.patient()
    reader = ward.reader
    open_here = {id(each): each for each in (ward.city, *edge.gateway._edge._entrance.employers)}.values()
    folder = edge.story.world.folder / "organisations" / f"{ward.city.number:016x}"
    path: Path = folder / "books.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole = path.read_bytes()
    with path.open("r+b") as file:
        file.seek(PAGE)
        file.write(b"\x55" * (len(whole) - PAGE))
    for each in open_here:
        each.books._db.execute("PRAGMA shrink_memory")  # type: ignore[attr-defined]
    yield reader
    with path.open("r+b") as file:
        file.write(whole)
    for each in open_here:
        each.books._db.execute("PRAGMA shrink_memory")  # type: ignore[attr-defined]


def test_whoever_asks_is_refused_in_words_and_the_gateway_answers_others(
    edge: Edge, damaged: Client, caplog: pytest.LogCaptureFixture
) -> None:
    refused = post(damaged, condition(edge.story.adam.hex(), "nowhere to be kept"))
    assert (refused.status, refused.issue[0]) == (503, "no-store"), refused.body
    assert "somebody's books" in refused.issue[1]
    assert "careledger doctor" in refused.issue[1]
    said = json.dumps(refused.body)
    assert "Traceback" not in said
    assert f"{edge.story.staff['Dr City'].organisation.number:016x}" not in said
    assert "damaged: somebody's books" in caplog.text
    assert edge.stranger().ask(f"{edge.gateway.url}/healthz").status == 200
