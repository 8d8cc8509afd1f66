"""A process beside this one, for work that needs no world: it ends with this one, whatever ends this one."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from threading import Thread


def process_beside() -> ProcessPoolExecutor:
    """One process, started when the first work is given; it leaves interruptions from the keyboard to this one."""
    return ProcessPoolExecutor(1, get_context("spawn"), _begins)


def _begins() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_ends_with_its_parent, name="parent", daemon=True).start()


def _ends_with_its_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
