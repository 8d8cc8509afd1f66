"""What commands write to files that their owner alone reads: whole, or not at all."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from careledger.cli.output import write_private
from careledger.domain.errors import StoreUnavailable


def breaking(ends: BaseException) -> Iterator[bytes]:
    yield b"half of a record"
    raise ends


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        (StoreUnavailable(), StoreUnavailable),
        (OSError(errno.ENOSPC, "No space left on device"), typer.BadParameter),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
    ids=["refused", "disk full", "broken off"],
)
def test_of_what_does_not_come_to_its_end_no_file_is_left(
    tmp_path: Path, ends: BaseException, said: type[BaseException]
) -> None:
    path = tmp_path / "record.json"
    with pytest.raises(said):
        write_private(path, breaking(ends), "--fhir")
    assert list(tmp_path.iterdir()) == []


def test_what_stands_there_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(b"another")
    with pytest.raises(typer.BadParameter):
        write_private(path, b"mine", "--fhir")
    assert path.read_bytes() == b"another"


@pytest.mark.parametrize("place", [".", "/", ""])
def test_a_folder_is_no_file_to_write_to(place: str) -> None:
    with pytest.raises(typer.BadParameter, match="File exists"):
        write_private(Path(place), b"mine", "--archive")


KILLED = """
import os, signal, sys
from pathlib import Path
from careledger.cli.output import write_private

def pieces():
    yield b"half of a record" * 100_000
    os.kill(os.getpid(), signal.SIGKILL)

write_private(Path(sys.argv[1]), pieces(), "--archive")
"""


def test_whoever_is_killed_at_it_leaves_nothing_under_its_name_and_the_next_is_told(tmp_path: Path) -> None:
    path = tmp_path / "record.archive"
    done = subprocess.run([sys.executable, "-c", KILLED, path], check=False)
    assert done.returncode == -signal.SIGKILL
    assert [each.name for each in tmp_path.iterdir()] == ["record.archive.part"]
    with pytest.raises(typer.BadParameter, match=r"record.archive.part: is there.*remove it"):
        write_private(path, b"whole", "--archive")
    (tmp_path / "record.archive.part").unlink()
    write_private(path, b"whole", "--archive")
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("record.archive", b"whole")]
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_appears_under_the_name_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "record.json"

    def pieces() -> Iterator[bytes]:
        yield b"mine"
        path.write_bytes(b"another")

    with pytest.raises(typer.BadParameter, match="File exists"):
        write_private(path, pieces(), "--fhir")
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("record.json", b"another")]


@pytest.mark.parametrize("taken", [False, True])
def test_a_file_system_without_links_gets_the_file_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: bool
) -> None:
    path = tmp_path / "record.json"

    def refused(part: Path, path: Path) -> None:
        if taken:
            path.write_bytes(b"another")
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("os.link", refused)
    if taken:
        with pytest.raises(typer.BadParameter, match="File exists"):
            write_private(path, b"mine", "--fhir")
    else:
        write_private(path, b"mine", "--fhir")
    expected = b"another" if taken else b"mine"
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("record.json", expected)]
