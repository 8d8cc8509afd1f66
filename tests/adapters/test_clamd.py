"""The scanner of files, against ClamAV's own daemon: what it finds, what it cannot, and when it does not answer."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from careledger.adapters.clamd import Clamd, Stream
from careledger.domain.errors import FileNotScanned, FileRefused, ScannerUnavailable
from scanner_world import HARMFUL, Daemon, daemon, pieces

SCANS = 2 * 2**20
"""Bytes of the largest file that the daemon of these tests scans."""


@pytest.fixture(scope="module")
def running() -> Iterator[Daemon]:
    with daemon(f"StreamMaxLength {SCANS}", f"MaxFileSize {SCANS}", f"MaxScanSize {2 * SCANS}") as one:
        yield one


@pytest.fixture
def scanner(running: Daemon) -> Clamd:
    return Clamd(running.place, SCANS, 60.0)


def judge(scanner: Clamd, data: bytes, size: int = 100_000) -> None:
    file = scanner.begin()
    for piece in pieces(data, size):
        file.add(piece)
    file.end()


def test_a_harmful_file_is_found_wherever_in_it_and_however_it_comes(scanner: Clamd) -> None:
    noise = random.Random(1).randbytes(SCANS - 1_000)
    for clean in (b"", b"%PDF-1.7 a small one", noise, HARMFUL[:-1]):
        judge(scanner, clean)
    for harmful in (HARMFUL, b"%PDF-1.7 " + HARMFUL, noise + HARMFUL, noise[:65_530] + HARMFUL + noise[:9]):
        for size in (len(harmful), 70_000, 65_536):
            with pytest.raises(FileRefused) as refused:
                judge(scanner, harmful, size)
            assert type(refused.value) is FileRefused
            assert "Test" not in str(refused.value)


def test_what_is_larger_than_it_scans_is_refused_by_us_or_by_it(running: Daemon, scanner: Clamd) -> None:
    judge(scanner, bytes(SCANS))
    file = scanner.begin()
    file.add(bytes(SCANS))
    with pytest.raises(FileNotScanned):
        file.add(b"1")
    told_too_much = Clamd(running.place, 2**30, 60.0)
    with pytest.raises(FileNotScanned):
        judge(told_too_much, random.Random(2).randbytes(8 * SCANS))


def test_a_file_that_it_looks_through_in_part_is_refused() -> None:
    with daemon("StreamMaxLength 8M", "MaxFileSize 1M") as one, pytest.raises(FileNotScanned):
        judge(Clamd(one.place, 2**30, 60.0), random.Random(3).randbytes(4 * 2**20))


def test_a_daemon_that_is_not_there_hangs_or_ends_lets_nothing_through(tmp_path: Path) -> None:
    missing = str(tmp_path / "none")
    for address in (missing, f"127.0.0.1:{nobody_listens()}", f"[::1]:{nobody_listens()}"):
        with pytest.raises(ScannerUnavailable):
            Clamd(address, SCANS, 1.0).begin()
    with daemon() as one:
        file = Clamd(one.place, SCANS, 60.0).begin()
        file.add(b"%PDF-1.7")
        with one.held(), pytest.raises(ScannerUnavailable):
            judge(Clamd(one.place, SCANS, 0.5), b"%PDF-1.7 a clean one")
        file.end()  # awake again it answers whoever waited
        file = Clamd(one.place, SCANS, 60.0).begin()
    with pytest.raises(ScannerUnavailable):
        ended(file)


NO_ANSWERS = {
    "cut": b"stream: OK",
    "empty": b"",
    "more": b"stream: OK maybe\0",
    "less": b"OK\0",
    "other": b"UNKNOWN COMMAND\0",
    "long": b"x" * 5_000,
}


@pytest.mark.parametrize("said", NO_ANSWERS.values(), ids=NO_ANSWERS)
def test_what_is_no_answer_of_a_scanner_lets_nothing_through(said: bytes) -> None:
    """Another program listens where the scanner should."""
    with other_program(said) as address, pytest.raises(ScannerUnavailable):
        judge(Clamd(address, SCANS, 5.0), b"%PDF-1.7")


def test_it_says_what_it_is(scanner: Clamd) -> None:
    assert scanner.version().startswith("ClamAV 1.")


def ended(file: Stream) -> None:
    file.add(bytes(SCANS))
    file.end()


def nobody_listens() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def other_program(said: bytes) -> Iterator[str]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        def answers() -> None:
            connection, _ = listening.accept()
            with connection:
                while not connection.recv(65_536).endswith(bytes(4)):
                    pass
                connection.sendall(said)

        thread = threading.Thread(target=answers)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        thread.join(timeout=60)
