"""What is installed is whole, and the commands that install and check it stop where they must."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "careledger"
DATA = ("adapters/evm/artifacts/Consents.json", "fhir/mapping.json", "fhir/definitions/types.txt", "py.typed")
READ_ALL = """
import careledger, pathlib, sys
from careledger.adapters.evm.contract import load_artifact
from careledger.fhir.sample import sample_file, sample_names
assert pathlib.Path(careledger.__file__).is_relative_to(sys.argv[1]), careledger.__file__
from careledger.fhir.definitions.tables import ABSTRACT, definitions, resource_types
assert definitions().resources == resource_types() | ABSTRACT
print(len(sample_names()), len(sample_file(sample_names()[0])) > 1000, bool(load_artifact("Consents").abi))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy, so that nothing left over in the checkout gets into it."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "project"
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "src", copy / "src", ignore=ignored)
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, copy)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", folder, copy], check=True, stdin=subprocess.DEVNULL)
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    there = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("careledger/")}
    files = (path for path in SOURCE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    assert there == {str(path.relative_to(SOURCE.parent)) for path in files}
    assert {f"careledger/{name}" for name in DATA} <= there
    assert sum(name.startswith("careledger/sample/") for name in there) == 20


def test_the_installed_package_finds_its_data(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    where = os.environ | {"PYTHONPATH": str(tmp_path)}
    said = subprocess.run(
        [sys.executable, "-c", READ_ALL, tmp_path], env=where, cwd=tmp_path, capture_output=True, text=True
    )
    assert said.stdout.split() == ["20", "True", "True"], said.stderr


def test_the_wheel_brings_the_command_and_its_dependencies(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    texts = {
        name.rpartition("/")[2]: archive.read(name).decode()
        for name in archive.namelist()
        if "dist-info/" in name
    }
    assert "careledger = careledger.cli.main:main" in texts["entry_points.txt"]
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    required = [line for line in texts["METADATA"].splitlines() if line.startswith("Requires-Dist:")]
    assert len([line for line in required if "extra ==" not in line]) == len(wanted)


def test_every_dependency_of_the_project_is_pinned_within_its_bounds() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = dict(
        re.findall(r"^([a-z0-9-]+)==([\w.]+)", (ROOT / "requirements" / "lock.txt").read_text(), re.M)
    )
    for wanted in project["dependencies"] + project["optional-dependencies"]["dev"]:
        found = re.match(r"([\w-]+)(?:\[\w+\])?([^;]*)", wanted)
        assert found
        version = numbers(pinned[found[1].lower().replace("_", "-")])
        for sign, bound in re.findall(r"(>=|==|<)([\d.]+)", found[2]):
            fits = {
                ">=": version >= numbers(bound),
                "<": version < numbers(bound),
                "==": version == numbers(bound),
            }
            assert fits[sign], wanted


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def commands(folder: Path, **bodies: str) -> dict[str, str]:
    """An environment in which those programs come before the machine's."""
    folder.mkdir()
    for name, body in bodies.items():
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if name not in {"PYTHON", "VENV", "MAKEFLAGS"}}
    return kept | {"PATH": f"{folder}:{os.environ['PATH']}"}


def planned(environment: dict[str, str], venv: Path) -> subprocess.CompletedProcess[str]:
    command = ["make", "--dry-run", "install", f"VENV={venv}"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_make_passes_over_a_python_that_does_not_run(tmp_path: Path) -> None:
    real, shim = f'exec "{sys.executable}" "$@"', "echo 'command not found' >&2; exit 127"
    first = planned(commands(tmp_path / "a", **{"python3.12": real, "python3.11": real}), tmp_path / "v")
    second = planned(commands(tmp_path / "b", **{"python3.12": shim, "python3.11": real}), tmp_path / "v")
    assert "python3.12 -m venv" in first.stdout
    assert "python3.11 -m venv" in second.stdout


def test_make_says_what_is_missing_where_no_python_runs(tmp_path: Path) -> None:
    none = dict.fromkeys(("python3.12", "python3.11", "python3"), "exit 127")
    said = subprocess.run(
        ["make", "install", f"VENV={tmp_path / 'v'}"],
        cwd=ROOT, env=commands(tmp_path / "bin", **none), capture_output=True, text=True,
    )  # fmt: skip
    assert said.returncode != 0
    assert "needs Python 3.11 or 3.12" in said.stderr
    assert not (tmp_path / "v").exists()


STEPS = re.findall(r"make (\w+)", (ROOT / ".ci" / "run").read_text())


@pytest.mark.parametrize("failing", STEPS)
def test_the_checks_end_at_the_first_that_fails(failing: str, tmp_path: Path) -> None:
    make = f'echo "made $1"; test "$1" != {failing}'
    said = subprocess.run(
        ["bash", ROOT / ".ci" / "run"],
        env=commands(tmp_path / "bin", make=make),
        capture_output=True,
        text=True,
    )
    made = re.findall(r"^made (\w+)$", said.stdout, re.M)
    assert said.returncode != 0
    assert made == STEPS[: STEPS.index(failing) + 1]


def test_the_checks_run_every_one(tmp_path: Path) -> None:
    environment = commands(tmp_path / "bin", make="echo made $1 $CARELEDGER_REQUIRE_ALL")
    said = subprocess.run(["bash", ROOT / ".ci" / "run"], env=environment, capture_output=True, text=True)
    assert said.returncode == 0
    targets = re.findall(r"^(\w+): \$\(READY\)", (ROOT / "Makefile").read_text(), re.M)
    assert re.findall(r"^made (\w+) 1$", said.stdout, re.M) == STEPS
    outside = {
        "bench",
        "advisories",
    }  # the one checks nothing, the other asks a database that is not reached here
    assert set(STEPS) == {*targets} - outside
