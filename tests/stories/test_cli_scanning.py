"""What is imported on the command line goes through the scanner that the directory's configuration names."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner_world import HARMFUL, Daemon, daemon
from stories.cli_world import careledger, explored, lived, registered, told
from stories.test_cli_records import bundle, condition

__all__ = ["explored", "lived"]

MOST = 8 * 2**20
LETTER, PICTURE = b"%PDF-1.7 a letter", b"\x89PNG\r\n\x1a\n" + random.Random(6).randbytes(5 * 2**20)


@pytest.fixture(scope="module")
def running() -> Iterator[Daemon]:
    with daemon(f"StreamMaxLength {MOST}", f"MaxFileSize {MOST}") as one:
        yield one


@pytest.fixture
def scanned(lived: Path, running: Daemon) -> Path:
    return names(lived, running.place)


def names(folder: Path, place: str, most: int = MOST) -> Path:
    (folder / "careledger.toml").write_text(f"[files]\nscanner = '{place}'\nmost = {most}\n")
    return folder


def report(file: bytes) -> dict[str, object]:
    attachment = {"contentType": "application/pdf", "data": base64.b64encode(file).decode()}
    whom = {"reference": "Patient/of-reports"}
    return {"resourceType": "DocumentReference", "id": "d1", "status": "current", "subject": whom,
            "content": [{"attachment": attachment}]}  # fmt: skip


def test_an_import_leaves_out_whose_part_of_a_file_is_harmful_and_says_which_entry(
    scanned: Path, tmp_path: Path
) -> None:
    named: dict[str, object] = {"resourceType": "Patient", "id": "of-reports"}
    asthma = condition("Asthma", id="c1", subject={"reference": "Patient/of-reports"})
    act = ("import", tmp_path / "reports.json", "--as", "records desk", "--data", scanned, "--json")
    (tmp_path / "reports.json").write_text(json.dumps(bundle(named, asthma, report(LETTER + HARMFUL))))
    refused = careledger(*act)
    [file] = json.loads(refused.out)["files"]
    assert (refused.code, file["deposited"], file["error"]) == (1, 0, "FileRefused")
    assert "entry 2" in file["why"]
    assert "DocumentReference.content[0].attachment.data" in file["why"]
    (tmp_path / "reports.json").write_text(json.dumps(bundle(named, asthma, report(LETTER))))
    taken = careledger(*act)
    assert (taken.code, json.loads(taken.out)["files"][0]["deposited"]) == (0, 3)


def test_documents_small_and_large_are_scanned_before_they_are_sealed(
    scanned: Path, running: Daemon, tmp_path: Path
) -> None:
    alias = registered(scanned, "Owner Of Scans")[:16]
    for clean in (LETTER, PICTURE):
        for data, code in ((clean + HARMFUL, 1), (clean, 0)):
            (tmp_path / "scan").write_bytes(data)
            done = careledger(
                "import", tmp_path / "scan", "--patient", alias, "--as", "records desk", "--data", scanned
            )
            assert done.code == code, done.err
            assert ("harmful" in done.out + done.err) is bool(code)
    names(scanned, running.place, len(PICTURE) - 1)
    (tmp_path / "scan").write_bytes(PICTURE[:-1] + b"2")
    larger = careledger(
        "import", tmp_path / "scan", "--patient", alias, "--as", "records desk", "--data", scanned
    )
    assert (larger.code, "whole of this file" in larger.out + larger.err) == (1, True)


def test_without_the_scanner_that_is_named_nothing_with_a_file_is_taken(lived: Path, tmp_path: Path) -> None:
    names(lived, "/nowhere/clamd.ctl")
    alias = registered(lived, "Owner Of Nothing")[:16]
    (tmp_path / "letter.pdf").write_bytes(LETTER + b".")
    done = careledger(
        "import", tmp_path / "letter.pdf", "--patient", alias, "--as", "records desk", "--data", lived
    )
    assert (done.code, "nothing is taken unscanned" in done.out + done.err) == (1, True)


def test_a_check_of_the_configuration_asks_the_scanner_and_says_where_there_is_none(
    lived: Path, running: Daemon
) -> None:
    (lived / "careledger.toml").write_text("")
    assert "Files are not scanned" in careledger("config", "check", "--data", lived).out
    names(lived, running.place)
    assert told("config", "check", "--data", lived)["scanner"].startswith("ClamAV")
    assert "Files are scanned by ClamAV" in careledger("config", "check", "--data", lived).out
    for place, code in (
        ("/nowhere/clamd.ctl", 1),
        ("scanner.example:3310", 3),
        ("192.0.2.1:3310", 3),
        ("nothing", 3),
    ):
        names(lived, place)
        assert careledger("config", "check", "--data", lived).code == code, place
    names(lived, running.place, 0)
    assert careledger("config", "check", "--data", lived).code == 3
    (lived / "careledger.toml").write_text("")
