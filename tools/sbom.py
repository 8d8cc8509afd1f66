"""Writes a bill of materials (CycloneDX 1.6, JSON) of everything in the lock, and compares it with the lock.

python tools/sbom.py [FILE]

``cyclonedx-py`` makes it and checks the schema; the same lock gives the same bytes. FILE is build/careledger.cdx.json
unless named. Ends with 1 if a package of the lock is missing in it, differs, or is one too many.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCK, PROJECT = ROOT / "requirements" / "lock.txt", ROOT / "pyproject.toml"
HOW = (
    "--short-PURLs",
    "--output-reproducible",
    "--spec-version",
    "1.6",
    "--output-format",
    "JSON",
    "--validate",
)


def canonical(name: str) -> str:
    """The normalised name of a package (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def make(lock: Path) -> dict[str, Any]:
    """The bill of a lock, without addresses of where its packages lie: whoever installs them has a registry."""
    said = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements", str(lock), "--pyproject", str(PROJECT),
         *HOW],
        check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    bill: dict[str, Any] = json.loads(said.stdout)
    for component in (*bill["components"], *bill["metadata"]["tools"].get("components", ())):
        component.pop("externalReferences", None)
    return bill


def differences(bill: dict[str, Any], lock: str) -> list[str]:
    """What the bill says otherwise than the lock and pyproject.toml."""
    listed = {canonical(each["name"]): each["version"] for each in bill["components"]}
    wanted = {canonical(name): version for name, version in re.findall(r"^([\w.-]+)==([^\s;]+)", lock, re.M)}
    wrong = [f"{name}: {wanted.get(name)} in the lock, {listed.get(name)} in the bill"
             for name in sorted(wanted.keys() | listed.keys()) if wanted.get(name) != listed.get(name)]  # fmt: skip
    wrong += [f"{each['name']}: no package URL" for each in bill["components"]
              if not each.get("purl", "").startswith("pkg:pypi/")]  # fmt: skip
    project = tomllib.loads(PROJECT.read_text())["project"]
    root = bill["metadata"]["component"]
    if (root["name"], root.get("version")) != (project["name"], project["version"]):
        wrong.append("the bill is of something else than this project")
    return wrong


def main() -> None:
    """Ends with 1 where they differ."""
    target = Path(sys.argv[1]) if sys.argv[1:] else ROOT / "build" / "careledger.cdx.json"
    bill = make(LOCK)
    wrong = differences(bill, LOCK.read_text())
    for problem in wrong:
        print(f"sbom: {problem}", file=sys.stderr)
    if wrong:
        raise SystemExit(1)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(bill, indent=2, sort_keys=True) + "\n")
    print(f"sbom: {len(bill['components'])} packages, as in the lock")


if __name__ == "__main__":
    main()
