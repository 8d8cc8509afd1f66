"""Files are read in order and ahead, those of bulk exports with their patients first; no large one waits in memory."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pytest

from careledger.app import reading_ahead
from careledger.app.beside import SELDOM, process_beside
from careledger.app.reading_ahead import Desk, Unread, files_in, read, read_ahead, units
from careledger.fhir import entries
from careledger.workflows.staged import Staged

KEYS = (
    "cryptography",
    "coincurve",
    "careledger.sealing.keys",
    "careledger.formats.signatures",
    "careledger.ports",
)


def test_what_reads_ahead_starts_without_anything_that_handles_a_key() -> None:
    asked = "import sys, careledger.app.reading_ahead; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "careledger.fhir.split" in loaded
    assert [name for name in loaded if name.startswith(KEYS)] == []


class Counting(Executor):
    """Does at once what it is given, and remembers it."""

    def __init__(self) -> None:
        self.given: list[Any] = []

    def submit(self, act: Any, /, *given: Any, **named: Any) -> Future[Any]:
        self.given += given
        made: Future[Any] = Future()
        made.set_result(act(*given, **named))
        return made


def patient(path: Path, name: str, filling: int = 0) -> Path:
    path.write_text(json.dumps({"resourceType": "Patient", "id": name, "language": "en"}) + " " * filling)
    return path


def test_the_first_file_and_a_large_one_are_read_here_when_their_turn_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading_ahead, "AT_ONCE", 1_000)
    paths = [
        (patient(tmp_path / f"{number}.json", f"p{number}", 2_000 * (number == 2)),) for number in range(5)
    ]
    pool = Counting()
    found = list(reading_ahead._ahead(pool, paths, lambda unit: read(unit, Desk(b""))))
    assert [unit for unit, _ in found] == paths
    assert [staged.patients[0].key for _, staged in found if isinstance(staged, Staged)] == [
        f"Patient/p{number}" for number in range(5)
    ]
    assert pool.given == [path for number, path in enumerate(paths) if number not in (0, 2)]


def test_files_come_in_order_from_another_process_and_a_broken_one_names_itself(tmp_path: Path) -> None:
    paths = [patient(tmp_path / f"{number}.json", f"p{number}") for number in range(5)]
    paths[3].write_text("{")
    paths.append(tmp_path / "missing.json")
    found = list(read_ahead([(path,) for path in paths], Desk(b"")))
    assert [unit for unit, _ in found] == [(path,) for path in paths]
    assert [type(each) for _, each in found] == [Staged, Staged, Staged, Unread, Staged, Unread]


def _threshold(_: object) -> int:
    return gc.get_threshold()[0]


def test_while_files_are_read_cycles_are_looked_for_seldom_here_and_beside_and_then_as_before(
    tmp_path: Path,
) -> None:
    before, paths = gc.get_threshold(), [(patient(tmp_path / f"{number}.json", "p"),) for number in range(5)]
    seen = {gc.get_threshold()[0] for _ in read_ahead(paths, Desk(b""))}
    with process_beside() as pool:
        assert pool.submit(_threshold, None).result() == SELDOM
    assert (seen, gc.get_threshold()) == ({SELDOM}, before)
    for _ in read_ahead(paths, Desk(b"")):
        break  # broken off
    assert gc.get_threshold() == before


def test_a_folder_gives_its_patients_first_and_documents_only_where_somebody_is_named(tmp_path: Path) -> None:
    for name in ("Condition.ndjson", "10.Patient.ndjson", "a.json", "inpatients.json", "notes.txt", "letter"):
        (tmp_path / name).write_text("%PDF-1.7" if name == "letter" else "")
    names = ["10.Patient.ndjson", "Condition.ndjson", "a.json", "inpatients.json"]
    assert [path.name for path in files_in([tmp_path])] == names
    assert [path.name for path in files_in([tmp_path], with_documents=True)] == [*names, "letter"]


def test_the_parts_of_an_export_are_read_as_one_and_other_files_each_by_itself(tmp_path: Path) -> None:
    export, others = tmp_path / "export", tmp_path / "others"
    for folder, names in (
        (export, ("Condition.ndjson", "Patient.ndjson", "x.json")),
        (others, ("1.ndjson", "2.ndjson")),
    ):
        folder.mkdir()
        for name in names:
            (folder / name).write_text("")
    found = units(files_in([tmp_path]))
    assert found == [
        (export / "Patient.ndjson", export / "Condition.ndjson"),
        (export / "x.json",),
        (others / "1.ndjson",),
        (others / "2.ndjson",),
    ]
    assert units([export / "Condition.ndjson"]) == [(export / "Condition.ndjson",)]


def test_what_one_part_of_an_export_says_guards_what_another_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guarded = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
    illness = {"resourceType": "Condition", "id": "c", "meta": {"security": [guarded]}, "code": {"text": "x" * 2_000},
               "subject": {"reference": "Patient/p"}}  # fmt: skip
    flag = {"resourceType": "Procedure", "id": "f", "status": "completed", "subject": {"reference": "Patient/p"},
            "reasonReference": [{"reference": "Condition/c"}]}  # fmt: skip
    patient(tmp_path / "Patient.ndjson", "p")
    (tmp_path / "Condition.ndjson").write_text(f"\n{json.dumps(illness)}\n\n{{}}")
    (tmp_path / "Procedure.ndjson").write_text(json.dumps(flag))
    monkeypatch.setattr(entries, "LARGE", 1_000)
    [unit] = units(files_in([tmp_path]))
    staged = read(unit, Desk(b""))
    assert isinstance(staged, Staged)
    assert [str(each.compartment) for each in staged.patients[0].versions][1:] == [
        "diagnosis (restricted)", "history (restricted)"]  # fmt: skip
    assert b"x" * 2_000 in staged.patients[0].versions[1].load().body.canonical
    assert [(staged.named(each.index), each.why) for each in staged.refusals] == [
        ("Condition.ndjson, entry 1", "empty object")
    ]
    alone = read((tmp_path / "Procedure.ndjson",), Desk(b""))
    assert isinstance(alone, Staged)
    assert [str(each.compartment) for each in alone.patients[0].versions] == ["history"]
