"""Builds the wheel twice, in two folders, and gives it only if both are the same to the byte.

python tools/wheel.py [FOLDER]

Its times are SOURCE_DATE_EPOCH, by default the last commit's; its sources are copied without what lies about, with the
same permissions everywhere. FOLDER is dist unless named. Whoever builds the same commit with the packages of
requirements/lock.txt gets the same SHA-256.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILES = ("pyproject.toml", "README.md", "LICENSE")
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.egg-info", "*.pyc")


def epoch() -> str:
    """SOURCE_DATE_EPOCH, or the time of the last commit."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given:
        return given
    said = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return said.stdout.strip()


def copied(target: Path) -> Path:
    """The sources alone, with fixed permissions."""
    shutil.copytree(ROOT / "src", target / "src", ignore=LEFT_OUT)
    for file in FILES:
        shutil.copy(ROOT / file, target)
    for path in (target, *target.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return target


def build(project: Path, into: Path, when: str) -> Path:
    """The wheel of a project, without asking for anything that is not installed."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-cache-dir",
    ]
    how = os.environ | {"SOURCE_DATE_EPOCH": when, "PYTHONHASHSEED": "0", "TZ": "UTC", "LC_ALL": "C.UTF-8"}
    into.mkdir()
    subprocess.run(
        [*command, "--wheel-dir", into, project], check=True, stdin=subprocess.DEVNULL, env=how, cwd=into
    )
    return next(into.glob("*.whl"))


def same(first: Path, second: Path) -> str:
    """The SHA-256 that both files have; ends with 1 if they differ."""
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (first, second)]
    if first.name != second.name or digests[0] != digests[1]:
        raise SystemExit(f"wheel: two builds differ: {first.name} {digests[0]}, {second.name} {digests[1]}")
    return digests[0]


def main() -> None:
    """Builds twice, compares, gives one."""
    target, when = Path(sys.argv[1] if sys.argv[1:] else ROOT / "dist"), epoch()
    with tempfile.TemporaryDirectory() as scratch:
        one, other = Path(scratch, "one"), Path(scratch, "a folder with another name")
        first = build(copied(one), Path(scratch, "first"), when)
        second = build(copied(other), Path(scratch, "second"), when)
        digest = same(first, second)
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(first, target)
    print(f"{digest}  {first.name}")


if __name__ == "__main__":
    main()
