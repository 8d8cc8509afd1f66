"""Where blocks lie: memory for each, look-ups, and opening the store again, in processor time.

    python bench/places.py [--json] [--blocks N] [--directory DIR]

Blocks of 1 KiB are put in portions of 20 and pinned. Memory is what the process holds for itself (RssAnon), from 20,000
blocks on, told on the way every 10,000; beside it a dict from digest to place. Opening is measured with the derived
files, and beside it without them, when every segment is read.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from _measured import Figure, run

from careledger.adapters.blocks.store import SegmentBlocks
from careledger.formats.cids import Cid, raw_cid

COMMAND = "python bench/places.py"
AT_ONCE, EVERY, WARM, TRIED = 20, 10_000, 20_000, 20_000
REST = bytes(1_008)


def memory() -> int:
    """Bytes that this process holds for itself."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))


def filled(store: SegmentBlocks, blocks: int) -> tuple[list[Cid], float, float]:
    """Some of the CIDs, bytes of memory and microseconds for each block."""
    some: list[Cid] = []
    before, begun = 0, time.process_time()
    for done in range(AT_ONCE, blocks + 1, AT_ONCE):
        cids = store.put_many([os.urandom(16) + REST for _ in range(AT_ONCE)])
        store.pin("bench", cids)
        if len(some) < TRIED:
            some += cids[:1]
        if done == WARM:
            before = memory()
        if done % EVERY == 0:
            print(f"{done:9,} blocks  {memory() / 2**20:7.1f} MiB", file=sys.stderr, flush=True)
    used = time.process_time() - begun
    return some, (memory() - before) / (blocks - WARM), 1e6 * used / blocks


def plain(blocks: int) -> float:
    """Bytes for each in a dict."""
    before, kept = memory(), {}
    for number in range(blocks):
        kept[os.urandom(32)] = 1 << 56 | number << 31
    return (memory() - before) / len(kept)


def each(call: Callable[[Cid], object], cids: list[Cid]) -> float:
    """Microseconds."""
    begun = time.process_time()
    for cid in cids:
        call(cid)
    return 1e6 * (time.process_time() - begun) / len(cids)


def opened(folder: Path) -> float:
    """Seconds."""
    begun = time.process_time()
    SegmentBlocks(folder).close()
    return time.process_time() - begun


def measure(chosen: argparse.Namespace) -> list[Figure]:
    """Filling, looking up, opening."""
    with tempfile.TemporaryDirectory(dir=chosen.directory) as scratch:
        folder = Path(scratch)
        with SegmentBlocks(folder) as store:
            some, grown, put = filled(store, chosen.blocks)
            random.shuffle(some)
            there, read = each(store.has, some), each(store.get, some)
            absent = each(store.has, [raw_cid(os.urandom(8)) for _ in range(TRIED)])
        quick = opened(folder)
        for path in folder.glob("*.places"):
            path.unlink()
        slow = opened(folder)
    return [
        Figure.of("memory for a block", grown, "bytes", COMMAND, "a dict", plain(chosen.blocks - WARM)),
        Figure.of("putting and pinning a block", put, "µs", COMMAND),
        Figure.of("whether a block is there, when it is", there, "µs", COMMAND),
        Figure.of("and when it is not", absent, "µs", COMMAND),
        Figure.of("reading a block", read, "µs", COMMAND),
        Figure.of(f"opening {chosen.blocks:,} blocks", quick, "s", COMMAND, "reading every segment", slow),
    ]


if __name__ == "__main__":
    run(
        __doc__ or "", measure,
        ("--blocks", {"type": int, "default": 200_000}), ("--directory", {"type": Path, "default": None}),
    )  # fmt: skip
