"""Where a directory may lie that fails by itself: a small disk that gets full, one that is read-only. For root only."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def available() -> str:
    """Why no disk can be mounted here, empty if one can."""
    if os.geteuid() != 0:
        return "only root mounts disks"
    return "" if shutil.which("mount") else "there is no mount"


@contextmanager
def mounted(folder: Path, kilobytes: int) -> Iterator[Path]:
    """An empty disk of that size."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k,mode=700", "crash", str(folder)], check=True
    )
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def remount(folder: Path, option: str) -> None:
    """``ro`` or ``rw``."""
    subprocess.run(["mount", "-o", f"remount,{option}", str(folder)], check=True)


def fill(folder: Path, leave: int) -> Path:
    """A file that leaves so many free bytes."""
    ballast = folder / "ballast"
    free = os.statvfs(folder)
    with ballast.open("wb") as file:
        file.write(bytes(max(0, free.f_bavail * free.f_frsize - leave)))
    return ballast
