"""What comes in is known and under licences that are taken; what goes out is the same wherever it is built."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCK = (ROOT / "requirements" / "lock.txt").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


LICENCES, SBOM, WHEEL = tool("licences"), tool("sbom"), tool("wheel")


@pytest.fixture
def package(tmp_path: Path) -> Callable[..., Callable[[str], metadata.Distribution]]:
    """Makes an installed package with such metadata and licence file."""

    def made(fields: str, licence_file: str = "") -> Callable[[str], metadata.Distribution]:
        folder = tmp_path / "made-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: made\nVersion: 1.0\n{fields}\n")
        (folder / "RECORD").write_text("made-1.0.dist-info/METADATA,,\nmade-1.0.dist-info/LICENSE,,\n")
        (folder / "LICENSE").write_text(licence_file)
        [found] = metadata.distributions(path=[str(tmp_path)])
        return lambda name: found

    return made


def test_every_package_of_the_lock_has_a_licence_that_is_taken() -> None:
    runs = LICENCES.running(PROJECT)
    found, wrong = LICENCES.look(LOCK, runs)
    assert wrong == []
    assert len(found) > 100
    assert 20 < sum(each.runs for each in found) < len(found)
    assert {"cryptography", "coincurve", "cffi"} <= runs
    assert not {"pytest", "hypothesis"} & runs
    assert {each.name for each in found if not each.licence} <= LICENCES.NOT_STATED.keys()


@pytest.mark.parametrize(
    ("fields", "file", "licence"),
    [
        ("License-Expression: MIT OR Apache-2.0", "", "MIT OR Apache-2.0"),
        (
            "License: Apache License\n         Version 2.0, January 2004\n         and all of it",
            "",
            "Apache-2.0",
        ),
        ("Classifier: License :: OSI Approved :: MIT License", "", "MIT"),
        ("License: Apache License, Version 2.0", "", "Apache-2.0"),
        ("Summary: says nothing", "MIT License\n\nCopyright", "MIT"),
    ],
)
def test_a_permissive_licence_is_found_where_it_is_stated(
    package: Callable[..., Callable[[str], metadata.Distribution]], fields: str, file: str, licence: str
) -> None:
    find = package(fields, file)
    assert LICENCES.licence_of(find("made")) == licence
    assert LICENCES.look("made==1.0\n", ["made"], find)[1] == []


@pytest.mark.parametrize(
    ("fields", "runs"),
    [
        ("License-Expression: GPL-3.0-or-later", False),
        ("License-Expression: MIT AND AGPL-3.0-only", False),
        ("License-Expression: (MIT OR GPL-2.0-only) AND GPL-2.0-only", False),
        ("Classifier: License :: OSI Approved :: GNU General Public License v3 (GPLv3)", False),
        ("License: LGPL-2.1", False),
        ("License: my own", False),
        ("License: UNKNOWN", False),
        ("Summary: says nothing", False),
        ("License-Expression: MPL-2.0", True),
    ],
)
def test_a_licence_that_is_not_taken_or_not_known_stops_the_check(
    package: Callable[..., Callable[[str], metadata.Distribution]], fields: str, runs: bool
) -> None:
    _, wrong = LICENCES.look("made==1.0\n", ["made"] if runs else [], package(fields))
    assert [each for each in wrong if each.startswith("made 1.0: ")] == wrong != []


def test_what_is_installed_otherwise_than_locked_stops_the_check(
    package: Callable[..., Callable[[str], metadata.Distribution]],
) -> None:
    find = package("License-Expression: MIT")
    assert LICENCES.look("made==2.0\n", [], find)[1] == ["made: 2.0 in the lock, 1.0 installed"]
    assert LICENCES.look("made==1.0\n", ["other"], find)[1] == [
        "other: CareLedger runs with it and it is not in the lock"
    ]
    [missing] = LICENCES.look("no-such-package==1\n", [])[1]
    assert "not installed" in missing


def test_the_bill_of_materials_is_that_of_the_lock_and_names_no_place(tmp_path: Path) -> None:
    for name in ("one.json", "two.json"):
        subprocess.run(
            [sys.executable, ROOT / "tools" / "sbom.py", tmp_path / name], check=True, cwd=tmp_path
        )
    text = (tmp_path / "one.json").read_text()
    assert text == (tmp_path / "two.json").read_text()
    assert "://" not in re.sub(r'"\$schema": "[^"]*"', "", text)
    bill = json.loads(text)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert SBOM.differences(bill, LOCK) == []
    changed = bill | {"components": bill["components"][1:]}
    assert len(SBOM.differences(changed, LOCK)) == 1
    assert SBOM.differences(bill, LOCK + "one-more==1.0\n") == ["one-more: 1.0 in the lock, None in the bill"]


def test_two_builds_of_the_wheel_are_the_same_and_a_difference_is_found(tmp_path: Path) -> None:
    said = subprocess.run(
        [sys.executable, ROOT / "tools" / "wheel.py", tmp_path], check=True, capture_output=True, text=True
    )
    [made] = tmp_path.glob("*.whl")
    assert re.fullmatch(rf"[0-9a-f]{{64}}  {re.escape(made.name)}\n", said.stdout)
    other = tmp_path / "other" / made.name
    other.parent.mkdir()
    other.write_bytes(made.read_bytes() + b"\0")
    with pytest.raises(SystemExit, match="two builds differ"):
        WHEEL.same(made, other)
