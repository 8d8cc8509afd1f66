"""Marked words of a person are planted in the story; then every byte outside their owners' walls is searched."""

from __future__ import annotations

import base64
import json
import sqlite3
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from careledger.adapters.blocks.hostile import HostileBlocks
from careledger.domain.errors import CareLedgerError
from careledger.fhir.export import resource_of
from careledger.fhir.parse import parse_file
from careledger.fhir.sample import sample_file
from careledger.fhir.split import import_bundle
from careledger.fhir.summary import summary
from careledger.formats.charts import AuthorsCopies
from careledger.workflows import register
from careledger.workflows.chart import copies, read_back
from careledger.workflows.from_fhir import new_version
from careledger.workflows.identity_rows import Identity
from story import DIAGNOSIS, ILLNESS, LATER_ILLNESS, MARKS, NAME, NATIONAL_ID, SAMPLE, Story

PLACES = ("ledger", "blocks", "custodians", "careledger.json", "board.db", "organisations", "patients")


def forms(word: str) -> Iterator[bytes]:
    """A word as it might have been written: in several encodings, also inside of base64."""
    for data in (word.encode(), word.encode("utf-16-le"), word.upper().encode(), word.lower().encode()):
        yield data
        yield data.hex().encode()
        for shift in range(3):
            yield base64.b64encode(bytes(shift) + data)[4:-4]


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def found(contents: dict[Path, bytes], words: tuple[str, ...]) -> list[tuple[str, str]]:
    patterns = {word: list(forms(word)) for word in words}
    return [
        (path.name, word)
        for path, data in contents.items()
        for word, shapes in patterns.items()
        if any(shape in data for shape in shapes)
    ]


def test_no_name_number_or_diagnosis_lies_readable_in_any_file(told: Story) -> None:
    """Owners' walls too: an organisation's identity table and a patient's books are encrypted at rest."""
    contents = files(told.folder)
    assert {path.relative_to(told.folder).parts[0].split("-")[0] for path in contents} == set(PLACES)
    assert found(contents, MARKS) == []


def test_the_search_finds_a_word_that_does_lie_there(told: Story, tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"\0" * 100 + f"patient {MARKS[0]} was here".encode())
    (tmp_path / "table").write_bytes(base64.b64encode(b"x" + ILLNESS.encode() + b"yz"))
    assert sorted(found(files(tmp_path), MARKS)) == [("log", MARKS[0]), ("table", ILLNESS)]
    assert found(files(told.folder), ("registrar",)) != []


# The two numbers of a patient --------------------------------------------------------------------


def cells(path: Path) -> Iterator[tuple[str, tuple[Any, ...]]]:
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        for row in db.execute(f"SELECT * FROM {table}"):
            yield table, row
    db.close()


def holding(row: tuple[Any, ...], value: bytes) -> bool:
    return any(isinstance(cell, bytes) and value in cell for cell in row)


def test_registration_and_alias_never_stand_in_one_transaction_or_row(told: Story) -> None:
    """Alias and registration are both on the ledger, in different transactions; nothing joins them."""
    aliases, registrations = set(), set()
    for path in (told.folder / "ledger").glob("*.sqlite"):
        for table, row in cells(path):
            if holding(row, told.adam):
                aliases.add(table)
            if holding(row, told.registration):
                registrations.add(table)
            assert not (holding(row, told.adam) and holding(row, told.registration))
    assert "transactions" in aliases & registrations


def test_nobody_but_the_registrar_knows_the_registration(told: Story) -> None:
    outside = {
        path.relative_to(told.folder).parts[0]
        for path, data in files(told.folder).items()
        if any(shape in data for shape in (told.registration, told.registration.hex().encode()))
    }
    assert outside == {"ledger"}


# What is said and printed ------------------------------------------------------------------------


@pytest.fixture
def refusals(monkeypatch: pytest.MonkeyPatch) -> list[CareLedgerError]:
    """Every refusal that is raised while the test runs, also those that somebody handles."""
    raised: list[CareLedgerError] = []
    plain = CareLedgerError.__init__

    def remembered(self: CareLedgerError, **details: object) -> None:
        plain(self, **details)
        raised.append(self)

    monkeypatch.setattr(CareLedgerError, "__init__", remembered)
    return raised


def refused(act: Callable[[], object]) -> str:
    """What a person or a log would be shown of the refusal."""
    with pytest.raises(CareLedgerError) as caught:
        act()
    return "".join(traceback.format_exception(caught.value)) + repr(caught.value)


def test_no_refusal_says_anything_of_a_person(told: Story, refusals: list[CareLedgerError]) -> None:
    doctor, record = told.staff["Dr Lake"], told.read_own(told.adam, [DIAGNOSIS]).records[-1]
    blocks = HostileBlocks(told.world.blocks)
    for block in (record.found.row.body, record.found.row.manifest):
        blocks.lie(block)
    network = replace(told.world.network, blocks=blocks)
    [copy] = [each for each in copies(told.organisations["City"]) if each.handle == record.handle]
    sentences = [
        refused(lambda: told.read_by_consent(doctor)),
        refused(lambda: register.kept_holder(told.organisations["City"], told.adam)),
        refused(lambda: read_back(network, told.organisations["City"], copy.handle)),
        refused(lambda: read_back(network, told.organisations["Lakeside"], copy.handle)),
        refused(lambda: told.note(told.adam, f"{LATER_ILLNESS} again", told.revoked)),
        *(refused(partial(import_bundle, data, "upload")) for data in unreadable()),
        str(import_bundle(rejected(), "upload").rejects),
    ]
    assert len(sentences) == 5 + 4 + 1
    assert len(refusals) >= 9
    spoken = [
        *sentences,
        *map(str, refusals),
        *map(repr, refusals),
        *(str(each.details) for each in refusals),
    ]
    assert [word for word in MARKS for said in spoken if word in said] == []


def unreadable() -> list[bytes]:
    """Files that break off, or are not FHIR, in the middle of somebody's words."""
    words = json.dumps({"resourceType": "Condition", "code": {"text": ILLNESS}}).encode()
    twice = f'{{"resourceType": "Bundle", "type": "batch", "{NAME}": 1, "{NAME}": 2}}'.encode()
    return [sample_file(SAMPLE)[:-20], words[:-2], words.replace(b"Condition", NAME.encode()), twice]


def rejected() -> bytes:
    """A bundle with entries that are not imported for what they say."""
    resources: list[dict[str, object]] = [
        {
            "resourceType": "Condition",
            "id": "a",
            "code": {"text": ILLNESS},
            "subject": {"reference": f"#{NAME}"},
        },
        {"resourceType": NAME, "id": "b"},
        {"resourceType": "Condition", "id": "c", "onsetDateTime": ILLNESS, "subject": NATIONAL_ID},
    ]
    entries = [{"resource": resource} for resource in resources]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()


def test_what_holds_secrets_or_a_persons_words_prints_none_of_them(told: Story) -> None:
    holder, city = told.holder(told.adam), told.organisations["City"]
    read = told.read_own(told.adam)
    record = read.records[-1]
    [handover] = [row for _, row in holder.books.rows("handover")]
    identity = city.books.get(register.IDENTITY, told.adam)
    assert identity is not None
    report = import_bundle(sample_file(SAMPLE), f"{SAMPLE}.json")
    values: list[object] = [
        read, record, record.manifest, record.body, record.found, record.secret, read.asked, holder, holder.keys,
        holder.state, city, told.staff["Dr City"], told.staff["Dr City"].key, told.phrases[told.adam], told.revoked,
        Identity.decode(identity), copies(city), told.world, told.world.network, told.world.keyring,
        report, report.versions, [new_version(each, 1) for each in report.versions],
        parse_file(sample_file(SAMPLE), "f"), summary(resource_of(record.body)),
        told.world.directories, told.session(told.staff["Dr City"]),
    ]  # fmt: skip
    secrets = {
        told.phrases[told.adam].entropy.reveal(),
        told.phrases[told.adam].words().encode(),
        holder.controller.secret,
        city.controller.secret,
        told.staff["Dr City"].key.secret,
        record.secret.reveal(),
        record.handle,
        record.body.canonical[:40],
        AuthorsCopies.decode(next(iter(city.books.rows("authors-copies")))[1]).body_keys[:40],
        handover[-40:-8],
    }
    printed = "".join(repr(value) for value in values)
    assert [word for word in MARKS if word in printed] == []
    shapes = [
        shape
        for data in secrets
        for shape in (data.hex(), repr(data)[2:-1], str(int.from_bytes(data, "big")))
    ]
    assert [shape for shape in shapes if shape in printed] == []
