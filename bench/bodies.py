"""A large image sealed into a body and opened again, streamed from a file, beside the bare cipher.

    python bench/bodies.py [--mebibytes 1024] [--rounds 3] [--directory DIR] [--json]

The rival is AES-256-GCM in pieces of 64 KiB on the same files in the same run, each way in its turn; the fastest round
of each counts, by processor time, reading included, and what comes out is thrown away: how long a disk makes one wait
is neither's. The body commits to its key and binds each chunk to its place and the end; the bare cipher does not. Peak
memory is of a process that does nothing else, its interpreter and libraries included. What a
deposit of such a file takes besides is measured by large.py.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import BinaryIO

from _measured import Figure, run
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from careledger.sealing import bodies
from careledger.sealing.keys import Secret

COMMAND = "python bench/bodies.py"
PIECE, TAG = 64 * 1024, 16
RIVAL = "AES-256-GCM, 64 KiB pieces"
KEY = Secret(bytes(range(32)))

Way = Callable[[BinaryIO, BinaryIO], object]


def seal(source: BinaryIO, target: BinaryIO) -> None:
    """Into a body."""
    bodies.encrypt_stream(KEY, source, target)


def open_body(source: BinaryIO, target: BinaryIO) -> None:
    """Back."""
    bodies.decrypt_stream(KEY, source, target)


def bare_seal(source: BinaryIO, target: BinaryIO) -> None:
    """The bare cipher: a counter as the nonce."""
    aead, number = AESGCM(KEY.reveal()), 0
    while piece := source.read(PIECE):
        target.write(aead.encrypt(number.to_bytes(12, "big"), piece, None))
        number += 1


def bare_open(source: BinaryIO, target: BinaryIO) -> None:
    """Back."""
    aead, number = AESGCM(KEY.reveal()), 0
    while piece := source.read(PIECE + TAG):
        target.write(aead.decrypt(number.to_bytes(12, "big"), piece, None))
        number += 1


def through(way: Way, source: Path, target: Path = Path(os.devnull)) -> float:
    """Seconds of processor time."""
    with source.open("rb") as read, target.open("wb") as write:
        begun = time.process_time()
        way(read, write)
        return time.process_time() - begun


def peak(way: Way, source: Path) -> float:
    """MB of memory that a process of its own needed at most for it."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as alone:
        return alone.submit(_peak, way, source).result()


def _peak(way: Way, source: Path) -> float:
    through(way, source)
    [line] = [each for each in Path("/proc/self/status").read_text().splitlines() if each.startswith("VmHWM")]
    return int(line.split()[1]) * 1024 / 1e6


def measure(chosen: argparse.Namespace) -> list[Figure]:
    """Sealing and opening, their speed and memory."""
    with tempfile.TemporaryDirectory(dir=chosen.directory) as folder:
        image, body, bare = (Path(folder, name) for name in ("image", "body", "bare"))
        with image.open("wb") as file:
            for _ in range(chosen.mebibytes):
                file.write(os.urandom(1 << 20))
        through(seal, image, body)
        through(bare_seal, image, bare)
        sealing = beside("sealed", image, (seal, image), (bare_seal, image), chosen.rounds)
        return sealing + beside("opened", image, (open_body, body), (bare_open, bare), chosen.rounds)


def beside(
    what: str, image: Path, ours: tuple[Way, Path], theirs: tuple[Way, Path], rounds: int
) -> list[Figure]:
    """Speed and memory of one way, and the rival's."""
    times = [(through(*ours), through(*theirs)) for _ in range(rounds)]
    size = image.stat().st_size / 1e6
    mine, rival = (size / min(each) for each in zip(*times, strict=True))
    named = f"{size:,.0f} MB image {what}"
    return [
        Figure.of(f"{named}, streamed", mine, "MB/s", COMMAND, RIVAL, rival),
        Figure.of(f"{named}, peak memory", peak(*ours), "MB", COMMAND, RIVAL, peak(*theirs)),
    ]


if __name__ == "__main__":
    run(
        __doc__ or "",
        measure,
        ("--mebibytes", {"type": int, "default": 1024}),
        ("--rounds", {"type": int, "default": 3}),
        ("--directory", {"type": Path}),
    )
