"""Pins everything that runs, builds or tests CareLedger: versions and markers in lock.txt, and in hashes.txt the same
with the SHA-256 of every file that these Pythons may be given, on whatever platform. Neither names a host.

    python requirements/lock.py PYTHON…     resolve pyproject.toml with each interpreter and write both
    python requirements/lock.py --hashes    write hashes.txt for lock.txt as it is

Name one interpreter for each Python that is supported, for example ``python3.11 python3.12``. pip resolves the
project with its dev extra in a scratch environment of each; a package that all of them need at one version gets
one line, and a package that pyproject.toml wants under a marker keeps it. uv, in a scratch environment too, says what
files there are.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCK, HASHES = Path(__file__).with_name("lock.txt"), Path(__file__).with_name("hashes.txt")
UV = "uv==0.13.9"
FITS = re.compile(r"-(?:py3|py2\.py3|[^-]*cp31[12])(?:\.py\d+)*-|-cp3\d{0,2}(?:\.cp\d+)*-abi3(?:\.abi3t)?-")
"""In the name of a wheel that CPython 3.11 or 3.12 takes, or may take: its tags of Python and of its ABI."""
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


def files(lock: str) -> list[dict[str, Any]]:
    """What there is of each package of the lock: its wheels and its source, with their hashes."""
    with tempfile.TemporaryDirectory() as scratch:
        place, found = Path(scratch, "venv"), Path(scratch, "pylock.toml")
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        pip: list[str | Path] = [place / "bin" / "python", "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "--disable-pip-version-check", UV], check=True, stdin=subprocess.DEVNULL)
        asks: list[str | Path] = [
            place / "bin" / "uv",
            "pip",
            "compile",
            "--quiet",
            "--no-deps",
            "--universal",
        ]
        asks += ["--system-certs", "--python-version", "3.11", "--format", "pylock.toml", "-o", found, "-"]
        subprocess.run(asks, check=True, input=lock, text=True)
        packages: list[dict[str, Any]] = tomllib.loads(found.read_text())["packages"]
    return packages


def hashed(lines: list[str], packages: list[dict[str, Any]]) -> list[str]:
    """The same lines, each followed by the hashes of what may be installed for it."""
    there = {(canonical(each["name"]), each["version"]): each for each in packages}
    made = []
    for line in lines:
        name, version = re.findall(r"^([a-z0-9-]+)==(\S+)", line)[0]
        found = there[name, version]
        wheels = [each for each in found.get("wheels", ()) if FITS.search(each["url"].rpartition("/")[2])]
        those = [*wheels, *([found["sdist"]] if "sdist" in found else [])]
        hashes = sorted({each["hashes"]["sha256"] for each in those})
        made.append(" \\\n".join([line, *(f"    --hash=sha256:{each}" for each in hashes)]))
    return made


def write_hashes(head: str, lines: list[str]) -> None:
    """hashes.txt, for these lines of the lock."""
    HASHES.write_text(head + "\n".join(hashed(lines, files("\n".join(lines)))) + "\n")
    print(f"their hashes in {HASHES.relative_to(ROOT)}")


def main(interpreters: list[str]) -> int:
    """Resolve with each interpreter and write the lock; the exit code."""
    if not interpreters:
        print(__doc__)
        return 2
    if interpreters == ["--hashes"]:
        head, *lines = LOCK.read_text().splitlines()
        write_hashes(f"{head}\n", lines)
        return 0
    resolved = dict(resolve(python) for python in interpreters)
    lines = merge(resolved, project_markers())
    head = HEAD.format(versions=" and ".join(resolved))
    LOCK.write_text(head + "\n".join(lines) + "\n")
    print(f"{len(lines)} lines in {LOCK.relative_to(ROOT)}")
    write_hashes(head, lines)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
