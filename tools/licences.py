"""Checks the licence of every package in the lock; ends with 1 where one is unknown, or is none that we take.

python tools/licences.py [--show]

What CareLedger runs with has to be permissive; tools may be under the Mozilla Public License too.
A licence is what the installed package's own metadata says (License-Expression, classifiers, License), or for the few
whose metadata says nothing what stands in the licence file that they ship. GPL, LGPL, AGPL and the like are refused
wherever they stand.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from email.message import Message
from importlib import metadata
from pathlib import Path
from typing import Any, cast

from packaging.markers import Marker
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements" / "lock.txt"
PERMISSIVE = frozenset(
    {"0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CNRI-Python", "ISC", "MIT", "MIT-0",
     "PSF-2.0", "Unlicense", "Zlib", "public domain"}
)  # fmt: skip
TOOLS_ONLY = frozenset({"MPL-2.0"})
SPELLINGS = {
    "apache 2.0": "Apache-2.0", "apache license 2.0": "Apache-2.0", "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0", "bsd license": "BSD",
    "3-clause bsd license": "BSD-3-Clause", "bsd 2-clause license": "BSD-2-Clause",
    "cc0 1.0 universal (cc0 1.0) public domain dedication": "CC0-1.0", "isc license (iscl)": "ISC",
    "isc license": "ISC", "mit license": "MIT", "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0", "psfl": "PSF-2.0",
    "bsd-3-clause, apache-2.0, dependency licenses": "BSD-3-Clause AND Apache-2.0",
    "python software foundation license": "PSF-2.0", "public domain": "public domain",
}  # fmt: skip
"""What metadata calls a licence, in lower case, where that is not its SPDX name."""
FILES = {"mit license": "MIT", "the mit license (mit)": "MIT", "this software is provided 'as-is'": "Zlib"}
"""Words in the first lines of a licence file, in lower case."""
WHOLE = "Apache License Version 2.0, January 2004"
"""How the field begins where it is the licence itself."""
AS_IT_IS = {"certifi": "MPL-2.0"}
"""What comes unmodified with an extra, under a licence that asks for nothing else: a list of certificates."""
NOT_STATED = {
    "pyrevm": "states no licence in wheel, source or repository; it wraps revm, which is MIT. The chain runs without it"
}
"""Packages of which nobody says under which licence they are: known, named, and to be looked at again."""


@dataclass(frozen=True)
class Found:
    """A package of the lock and the licence that was found."""

    name: str
    version: str
    licence: str
    runs: bool


def canonical(name: str) -> str:
    """The normalised name of a package (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned(lock: str) -> dict[str, str]:
    """Name and version of each package that the lock installs on this Python and system."""
    lines = (line.partition(";") for line in lock.splitlines() if line and not line.startswith("#"))
    split = ((pin.strip().split("=="), why.strip()) for pin, _, why in lines)
    return {canonical(pin[0]): pin[1] for pin, why in split if not why or Marker(why).evaluate()}


def licence_of(package: metadata.Distribution) -> str:
    """Its licence, an SPDX expression where it gives one; empty if nothing says."""
    said = cast(Message, package.metadata)
    if expression := said.get("License-Expression"):
        return str(expression)
    classes = [
        each.split("::")[-1].strip() for each in said.get_all("Classifier") or () if "License ::" in each
    ]
    known = [SPELLINGS[each.lower()] for each in classes if each.lower() in SPELLINGS]
    if known:
        return " OR ".join(sorted(set(known)))
    text = str(said.get("License") or "").strip()
    if " ".join(text[:200].split()).startswith(WHOLE):
        return "Apache-2.0"
    apart = " AND ".join(SPELLINGS.get(each.strip().lower(), each.strip()) for each in text.split(", "))
    named = SPELLINGS.get(text.lower(), apart)
    if _terms(named) and _terms(named) <= PERMISSIVE | TOOLS_ONLY:
        return named
    return _from_file(package) or ("" if text in ("", "UNKNOWN", "OSI Approved") else text)


def _from_file(package: metadata.Distribution) -> str:
    for path in package.files or ():
        if "dist-info" in str(path) and re.search("licen[cs]e", path.name, re.I):
            start = path.read_text()[:400].lower()
            return next((name for words, name in FILES.items() if words in start), "")
    return ""


def _terms(expression: str) -> set[str]:
    return {term.strip(" ()") for term in re.split(r"\bAND\b|\bOR\b", expression) if term.strip(" ()")}


def taken(expression: str, allowed: frozenset[str]) -> bool:
    """Whether one of the alternatives asks for nothing but licences that are taken; brackets are not understood."""
    if not expression or "(" in expression:
        return False
    return any(_terms(each) <= allowed for each in re.split(r"\bOR\b", expression))


def running(
    project: Mapping[str, Any], find: Callable[[str], metadata.Distribution] = metadata.distribution
) -> set[str]:
    """The packages that CareLedger runs with: its dependencies, those of its extras but dev, and what they need."""
    extras = [
        need for name, needs in project["optional-dependencies"].items() if name != "dev" for need in needs
    ]
    waiting, seen = [Requirement(each) for each in project["dependencies"] + extras], set[tuple[str, str]]()
    while waiting:
        need = waiting.pop()
        for extra in ("", *need.extras):
            key = (canonical(need.name), extra)
            if key in seen or (need.marker and not need.marker.evaluate({"extra": ""})):
                continue
            seen.add(key)
            for each in map(Requirement, find(need.name).requires or ()):
                if each.marker is None or each.marker.evaluate({"extra": extra}):
                    each.marker = None
                    waiting.append(each)
    return {name for name, _ in seen}


def look(
    lock: str, runs: Iterable[str], find: Callable[[str], metadata.Distribution] = metadata.distribution
) -> tuple[list[Found], list[str]]:
    """What was found of each package of the lock, and what is wrong."""
    found, wrong, needed = [], [], set(runs)
    for name, version in pinned(lock).items():
        try:
            package = find(name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{name}: in the lock and not installed")
            continue
        if package.version != version:
            wrong.append(f"{name}: {version} in the lock, {package.version} installed")
        each = Found(name, version, licence_of(package), name in needed)
        found.append(each)
        if not each.licence and name in NOT_STATED:
            continue
        if each.licence == AS_IT_IS.get(name):
            continue
        if not taken(each.licence, PERMISSIVE if each.runs else PERMISSIVE | TOOLS_ONLY):
            wrong.append(f"{name} {version}: {each.licence or 'no licence that is known'}")
    wrong += [
        f"{name}: CareLedger runs with it and it is not in the lock" for name in needed - pinned(lock).keys()
    ]
    return found, wrong


def main() -> None:
    """Ends with 1 if anything is wrong."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found, wrong = look(LOCK.read_text(), running(project))
    if "--show" in sys.argv[1:]:
        for each in found:
            print(
                f"{each.name}\t{each.version}\t{'runs' if each.runs else 'tool'}\t{each.licence or 'NOT STATED'}"
            )
    for each in found:
        if not each.licence:
            print(f"licences: note: {each.name} {NOT_STATED.get(each.name, '')}")
    for problem in wrong:
        print(f"licences: {problem}", file=sys.stderr)
    if wrong:
        raise SystemExit(1)
    print(f"licences: {len(found)} packages, {sum(each.runs for each in found)} of them run: all known")


if __name__ == "__main__":
    main()
