"""A process beside this one, for work that needs no world: it ends with this one, whatever ends this one."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from threading import Thread

SELDOM = 20_000


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Cycles are looked for once in 20,000 objects until the block ends: versions have none, and each search looks at
    many of them."""
    before = gc.get_threshold()
    gc.set_threshold(SELDOM, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def process_beside() -> ProcessPoolExecutor:
    """One process, started when the first work is given; it leaves interruptions from the keyboard to this one."""
    return ProcessPoolExecutor(1, get_context("spawn"), _begins)


def _begins() -> None:
    gc.set_threshold(SELDOM)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_ends_with_its_parent, name="parent", daemon=True).start()


def _ends_with_its_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
