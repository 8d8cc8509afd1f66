"""Pins everything that runs, builds or tests CareLedger in lock.txt: versions and markers, no hosts, no hashes.

    python requirements/lock.py PYTHON…    resolve pyproject.toml with each interpreter and write lock.txt

Name one interpreter for each Python that is supported, for example ``python3.11 python3.12``. pip resolves the
project with its dev extra in a scratch environment of each; a package that all of them need at one version gets
one line, and a package that pyproject.toml wants under a marker keeps it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = Path(__file__).with_name("lock.txt")
HEAD = """\
# Made by requirements/lock.py from pyproject.toml for Python {versions}; do not edit.
"""


def canonical(name: str) -> str:
    """The normalised name of a package (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def resolve(python: str) -> tuple[str, dict[str, str]]:
    """The interpreter's version as "3.11" and, by canonical name, the version of each package that it needs."""
    with tempfile.TemporaryDirectory() as scratch:
        place, report = Path(scratch, "venv"), Path(scratch, "report.json")
        subprocess.run([python, "-m", "venv", place], check=True)
        asks: list[str | Path] = [
            place / "bin" / "python",
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ]
        asks += ["--dry-run", "--ignore-installed", "--report", report, f"{ROOT}[dev]"]
        subprocess.run(asks, check=True, stdin=subprocess.DEVNULL)
        said = json.loads(report.read_text())
    found = {canonical(one["metadata"]["name"]): one["metadata"]["version"] for one in said["install"]}
    del found["careledger"]
    return said["environment"]["python_version"], found


def project_markers() -> dict[str, str]:
    """By canonical name, the marker under which pyproject.toml wants a package."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["dev"]
    split = (line.partition(";") for line in wanted)
    return {canonical(re.split(r"[<>=!~\[ ]", need)[0]): why.strip() for need, _, why in split if why}


def merge(resolved: dict[str, dict[str, str]], markers: dict[str, str]) -> list[str]:
    """The lines of the lock, sorted; versions that differ between interpreters each under their own marker."""
    lines = []
    for name in sorted({name for found in resolved.values() for name in found}):
        at = {python: found[name] for python, found in resolved.items() if name in found}
        if len(set(at.values())) == 1 and len(at) == len(resolved):
            version = next(iter(at.values()))
            lines.append(f"{name}=={version}" + (f" ; {markers[name]}" if name in markers else ""))
        else:
            lines += [f'{name}=={version} ; python_version == "{python}"' for python, version in at.items()]
    return lines


def main(interpreters: list[str]) -> int:
    """Resolve with each interpreter and write the lock; the exit code."""
    if not interpreters:
        print(__doc__)
        return 2
    resolved = dict(resolve(python) for python in interpreters)
    lines = merge(resolved, project_markers())
    LOCK.write_text(HEAD.format(versions=" and ".join(resolved)) + "\n".join(lines) + "\n")
    print(f"{len(lines)} lines in {LOCK.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
