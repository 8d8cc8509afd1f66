"""The file system calls of an act fail or kill, one occurrence after the other, by strace's injection.

strace counts occurrences for each thread. A sweep first runs the act untouched to learn how many there are.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from crash.runs import BROKE, DONE, KILLED, REFUSED, Ended

CALLS = ("fsync", "fdatasync", "pwrite64", "write", "ftruncate", "unlink", "rename", "mkdir")
FAULTS = ("error=EIO", "error=ENOSPC", "signal=KILL")
TESTS = Path(__file__).parent.parent


def available() -> str:
    """Why a sweep cannot run here, empty if it can."""
    if shutil.which("strace") is None:
        return "there is no strace on this machine"
    tried = subprocess.run(["strace", "-qq", "-e", "trace=none", "true"], capture_output=True, check=False)
    return "" if tried.returncode == 0 else "strace may not trace here"


@dataclass(frozen=True)
class Injection:
    """One call, what becomes of it, and at which occurrence (from 1)."""

    call: str
    fault: str
    at: int

    def __str__(self) -> str:
        return f"{self.call}:{self.fault}:when={self.at}"


def occurrences(folder: Path, act: str) -> Counter[str]:
    """How often a thread of the act's process makes each call, at most, after the directory was begun to be opened."""
    log = folder.with_suffix(".trace")
    _run(folder, act, ["-o", str(log), "-e", f"trace={','.join(CALLS)}"])
    each: Counter[tuple[str, str]] = Counter()
    for line in log.read_text(errors="replace").splitlines():
        found = re.match(r"(\d+) +(\w+)\(", line)
        if found:
            each[found[1], found[2]] += 1
    log.unlink()
    most: Counter[str] = Counter()
    for (_, call), count in each.items():
        most[call] = max(most[call], count)
    return most


def injections(counts: Counter[str], step: int = 1) -> Iterator[Injection]:
    """Every occurrence of every call in every way; only each ``step``-th of them, shifted for each call and fault."""
    for place, call in enumerate(CALLS):
        for shift, fault in enumerate(FAULTS):
            start = 1 + (place + shift) % step
            yield from (Injection(call, fault, at) for at in range(start, counts[call] + 1, step))


def injected(folder: Path, act: str, injection: Injection) -> Ended:
    """How the act's process ended."""
    only = f"inject={injection.call}:{injection.fault}:when={injection.at}"
    return _run(folder, act, ["-o", "/dev/null", "-e", f"trace={injection.call}", "-e", only])


def _run(folder: Path, act: str, options: list[str]) -> Ended:
    paths = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
    command = ["strace", "-f", "-qq", *options, sys.executable, "-m", "crash.driver", str(folder), act]
    ran = subprocess.run(command, capture_output=True, env=environment, check=False, timeout=300)
    lines = ran.stdout.decode(errors="replace").splitlines()
    last = lines[-1].split(" ", 1) if lines else [""]
    if last[0] in (DONE, REFUSED, BROKE):
        return Ended(last[0], last[1] if len(last) > 1 else "", hit=True)
    if ran.returncode < 0 or ran.returncode == 137:
        return Ended(KILLED, hit=True)
    return Ended(BROKE, ran.stderr.decode(errors="replace")[-300:], hit=True)
