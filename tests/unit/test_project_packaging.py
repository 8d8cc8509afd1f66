"""The container file and the units say what they have to, and programs that check such files have nothing to say."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from careledger.app.service.table import table
from careledger.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
PACKAGING = ROOT / "packaging"
UNITS = sorted(PACKAGING.glob("*.service"))
CONTAINERFILE = (PACKAGING / "Containerfile").read_text()
MOST_EXPOSED = 1.5
"""Of ten, as systemd-analyze security counts."""


def test_the_container_runs_as_a_user_of_its_own_and_is_asked_whether_it_answers() -> None:
    last = CONTAINERFILE.rpartition("FROM ")[2]
    user = re.search(r"^USER (\d+):(\d+)$", last, re.M)
    assert user is not None
    assert f"--uid {user[1]} --gid {user[2]} " in last
    assert f"groupadd --gid {user[2]} " in last
    assert int(user[1]) > 0
    assert "HEALTHCHECK" in last
    assert "pip install" not in last
    assert CONTAINERFILE.count("FROM ") == 2


def test_what_the_container_file_copies_is_there() -> None:
    for said in re.findall(r"^COPY (?!--from)(.+)$", CONTAINERFILE, re.M):
        *sources, _ = said.split()
        assert [each for each in sources if not (ROOT / each).exists()] == []


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_unit_runs_a_command_and_sets_what_there_is(unit: Path) -> None:
    text = unit.read_text()
    words = re.search(r"^ExecStart=/opt/careledger/bin/careledger (.+)$", text, re.M)
    assert words is not None
    command, *options = words[1].split()
    made = get_command(app).commands[command]  # type: ignore[attr-defined]
    known = {each for parameter in made.params for each in parameter.opts}
    assert {each for each in options if each.startswith("--")} <= known
    variables = {each.variable for each in table()}
    variables |= {"CARELEDGER_DATA", "CARELEDGER_CONFIG", "CARELEDGER_PASSPHRASE_FILE"}
    assert set(re.findall(r"CARELEDGER_[A-Z_]+(?==)", text)) <= variables
    assert re.search(r"^TimeoutStopSec=(\d+)$", text, re.M)[1] > "45"  # type: ignore[index]


def test_a_gateways_unit_reaches_neither_the_data_nor_the_passphrase() -> None:
    text = (PACKAGING / "careledger-gateway@.service").read_text()
    (paths,) = re.findall(r"^InaccessiblePaths=(.+)$", text, re.M)
    assert paths.split() == ["-/var/lib/careledger", "-/etc/careledger/passphrase"]
    assert "PASSPHRASE" not in text
    assert "StateDirectory" not in text


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_units_are_well_formed_and_hardly_exposed(tmp_path: Path) -> None:
    placed = []
    for unit in UNITS:
        path = tmp_path / unit.name.replace("@.", "@8081." if "gateway" in unit.name else "@1.")
        path.write_text(unit.read_text().replace("/opt/careledger/bin/careledger", sys.executable))
        placed.append(str(path))
    verified = subprocess.run(["systemd-analyze", "verify", *placed], capture_output=True, text=True)
    assert (verified.returncode, verified.stderr.strip()) == (0, "")
    for place in placed:
        said = subprocess.run(
            ["systemd-analyze", "security", "--offline=true", place],
            capture_output=True,
            text=True,
            check=True,
        )
        exposed = re.search(r"exposure level for .*: ([\d.]+)", said.stdout)
        assert exposed is not None
        assert float(exposed[1]) <= MOST_EXPOSED, said.stdout


HADOLINT = shutil.which(
    "hadolint", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
)


@pytest.mark.skipif(
    HADOLINT is None and os.environ.get("CARELEDGER_REQUIRE_ALL") != "1", reason="needs hadolint"
)
def test_hadolint_has_nothing_to_say_of_the_container_file() -> None:
    assert HADOLINT is not None, "hadolint is missing"
    said = subprocess.run([HADOLINT, PACKAGING / "Containerfile"], capture_output=True, text=True)
    assert (said.returncode, said.stdout) == (0, "")
