"""A document of a gigabyte deposited as an import does it, and read again whole and by a range, beside the bare cipher.

    python bench/large.py [--mebibytes 1024] [--directory DIR] [--json]

End to end: the file is hashed, sealed and stored in blocks that are hashed and synced, its record is deposited with
five custodians and anchored; then the record is asked for, and the file's blocks are verified and opened. The rival is
AES-256-GCM in pieces of 64 KiB on the same file in the same run, without a store. Speeds are by processor time, of all
threads, and by the clock, which counts two threads as one and whatever else the machine does. Opening is done three
times on each side, in turn, and the fastest counts. Memory is how much more the process had at most than before, after
a small document took the same way: what grows with the file, and what the pieces of it in hand take.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from _measured import Figure, run
from _network import DESK, new_patient, new_stage
from bodies import PIECE, RIVAL, bare_open, bare_seal, through

from careledger.cli.demo import founding
from careledger.cli.demo.stage import Stage
from careledger.domain.categories import Category, Compartment
from careledger.formats.bodies import LargeBody, SealedContent
from careledger.workflows import intake
from careledger.workflows.accesses import by_registrar
from careledger.workflows.actors import Holder
from careledger.workflows.contents import content_reader
from careledger.workflows.epochs import own_statement
from careledger.workflows.from_documents import staged_document
from careledger.workflows.import_file import namespace_of
from careledger.workflows.retrieve import retrieve

COMMAND = "python bench/large.py"
DOCTOR = "Dr Rahman, City"
REPORT = Compartment(Category.REPORT)
SMALL = 8
"""MiB of the document that goes first."""
TIMES, ROUNDS = 200, 3


class Took(NamedTuple):
    """Seconds of processor time, and by the clock."""

    processor: float
    clock: float


def timed(act: Callable[[], object]) -> Took:
    """How long an act takes."""
    processor, clock = time.process_time(), time.perf_counter()
    act()
    return Took(time.process_time() - processor, time.perf_counter() - clock)


def memory(name: str) -> float:
    """MB, as Linux counts this process."""
    [line] = [each for each in Path("/proc/self/status").read_text().splitlines() if each.startswith(name)]
    return int(line.split()[1]) * 1024 / 1e6


def with_memory(act: Callable[[], object]) -> tuple[Took, float]:
    """How long an act takes, and how many MB more the process had at most than before."""
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins here
    took = timed(act)
    return took, memory("VmHWM") - before


def written(path: Path, mebibytes: int) -> Path:
    """A PDF of random bytes."""
    with path.open("wb") as file:
        file.write(b"%PDF-1.7 ")
        for _ in range(mebibytes):
            file.write(os.urandom(1 << 20))
    return path


def fastest(took: Iterable[Took]) -> Took:
    """The shortest of each."""
    return Took(*map(min, zip(*took, strict=True)))


def deposit(stage: Stage, holder: Holder, path: Path) -> None:
    """Imports a document."""
    city = stage.organisations[founding.CITY]
    staged = staged_document(path, namespace_of(city), holder.alias, REPORT)
    statement, _ = own_statement(holder)
    intake.import_for(stage.world.network, stage.session(DESK), statement, staged)


def asked(stage: Stage, holder: Holder) -> SealedContent:
    """What the registrar's doctor reads of the document: where its file is."""
    statement, _ = own_statement(holder)
    access = by_registrar(stage.world.network, stage.session(DOCTOR), holder, statement, [REPORT])
    read = retrieve(stage.world.network, access, statement, [REPORT])
    [content] = [each.body.content for each in read.records if isinstance(each.body, LargeBody)]
    return content


def open_it(stage: Stage, holder: Holder) -> None:
    """Asks for the record and opens the whole file."""
    for piece in content_reader(stage.world.network, asked(stage, holder)).pieces():
        assert piece


def ranged(stage: Stage, content: SealedContent) -> float:
    """Milliseconds of a range of 64 KiB somewhere, the index read anew each time."""
    begun = time.perf_counter()
    for number in range(TIMES):
        reader = content_reader(stage.world.network, content)
        at = number * 7_919_111 % (content.size - PIECE)
        assert len(reader.read(at, at + PIECE)) == PIECE
    return 1000 * (time.perf_counter() - begun) / TIMES


def measure(chosen: argparse.Namespace) -> list[Figure]:
    """Depositing and opening, their speed and memory; a range."""
    with tempfile.TemporaryDirectory(dir=chosen.directory) as folder:
        image, bare = written(Path(folder, "image.pdf"), chosen.mebibytes), Path(folder, "bare")
        small = written(Path(folder, "small.pdf"), SMALL)
        stage = new_stage(Path(folder, "data"))
        try:
            first, holder = new_patient(stage).holder, new_patient(stage).holder
            deposit(stage, first, small)
            open_it(stage, first)
            sealing, sealing_memory = with_memory(lambda: deposit(stage, holder, image))
            bare_sealing = timed(lambda: through(bare_seal, image, bare))
            turns = [
                (with_memory(lambda: open_it(stage, holder)), timed(lambda: through(bare_open, bare)))
                for _ in range(ROUNDS)
            ]
            range_of_it = ranged(stage, asked(stage, holder))
        finally:
            stage.world.close()
        size = image.stat().st_size / 1e6
    named = f"{size:,.0f} MB document"
    opening, bare_opening = fastest(took for (took, _), _ in turns), fastest(took for _, took in turns)
    return [
        *beside(f"{named} deposited", size, sealing, bare_sealing),
        Figure.of(f"{named} deposited, more memory", sealing_memory, "MB", COMMAND),
        *beside(f"{named} opened", size, opening, bare_opening),
        Figure.of(f"{named} opened, more memory", max(more for (_, more), _ in turns), "MB", COMMAND),
        Figure.of(f"{named}: 64 KiB of it", range_of_it, "ms", COMMAND),
    ]


def beside(named: str, size: float, ours: Took, theirs: Took) -> list[Figure]:
    """Speeds for so many MB."""
    return [
        Figure.of(named, size / ours.processor, "MB/s", COMMAND, RIVAL, size / theirs.processor),
        Figure.of(f"{named}, by the clock", size / ours.clock, "MB/s", COMMAND, RIVAL, size / theirs.clock),
    ]


if __name__ == "__main__":
    run(
        __doc__ or "",
        measure,
        ("--mebibytes", {"type": int, "default": 1024}),
        ("--directory", {"type": Path}),
    )
