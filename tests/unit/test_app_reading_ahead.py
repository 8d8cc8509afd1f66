"""Files are read in order and ahead, those of bulk exports with their patients first; no large one waits in memory."""

from __future__ import annotations

import json
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pytest

from careledger.app import reading_ahead
from careledger.app.reading_ahead import Desk, Unread, files_in, read, read_ahead
from careledger.workflows.staging import Staged


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


def test_a_large_file_is_read_when_its_turn_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_ahead, "AT_ONCE", 1_000)
    paths = [patient(tmp_path / f"{number}.json", f"p{number}", 2_000 * (number == 2)) for number in range(5)]
    pool = Counting()
    found = list(reading_ahead._ahead(pool, paths, lambda path: read(path, Desk(b""))))
    assert [path for path, _ in found] == paths
    assert [staged.patients[0].key for _, staged in found if isinstance(staged, Staged)] == [
        f"Patient/p{number}" for number in range(5)
    ]
    assert pool.given == [path for number, path in enumerate(paths) if number != 2]


def test_files_come_in_order_from_another_process_and_a_broken_one_names_itself(tmp_path: Path) -> None:
    paths = [patient(tmp_path / f"{number}.json", f"p{number}") for number in range(5)]
    paths[3].write_text("{")
    paths.append(tmp_path / "missing.json")
    found = list(read_ahead(paths, Desk(b"")))
    assert [path for path, _ in found] == paths
    assert [type(each) for _, each in found] == [Staged, Staged, Staged, Unread, Staged, Unread]


def test_a_folder_gives_its_patients_first_and_documents_only_where_somebody_is_named(tmp_path: Path) -> None:
    for name in ("Condition.ndjson", "10.Patient.ndjson", "a.json", "inpatients.json", "notes.txt", "letter"):
        (tmp_path / name).write_text("%PDF-1.7" if name == "letter" else "")
    names = ["10.Patient.ndjson", "Condition.ndjson", "a.json", "inpatients.json"]
    assert [path.name for path in files_in([tmp_path])] == names
    assert [path.name for path in files_in([tmp_path], with_documents=True)] == [*names, "letter"]
