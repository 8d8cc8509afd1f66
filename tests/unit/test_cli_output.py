"""What commands write to files that their owner alone reads: whole, or not at all."""

from __future__ import annotations

import errno
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
