"""On a terminal: colours, words for the patient's eyes, Ctrl-C; and none of it where there is none."""

from __future__ import annotations

import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from careledger.fhir.sample import sample_file
from careledger.sealing.phrase import Phrase
from stories.cli_world import PATIENT, careledger, explored, lived, told

__all__ = ["explored", "lived"]
PROGRAM = "from careledger.cli.main import main; main()"
LONG = "Otto672_Runte676"


def on_a_terminal(*arguments: object, **more: str) -> tuple[int, str]:
    """The command with a terminal of its own; its exit code and everything that it wrote there."""
    environment = {
        key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "CARELEDGER_DATA")
    }
    master, slave = pty.openpty()
    words = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
    running = subprocess.Popen(
        words, stdin=slave, stdout=slave, stderr=slave, env={**environment, "TERM": "xterm", **more}
    )
    os.close(slave)
    written = bytearray()
    while True:
        try:
            some = os.read(master, 65_536)
        except OSError:  # the other end is closed
            break
        if not some:
            break
        written += some
    os.close(master)
    return running.wait(), written.decode()


def test_colours_are_for_terminals_that_want_them(explored: Path) -> None:
    act, coloured = ("doctor", "--data", explored), re.compile(r"\x1b\[(?:\d+;)*3[0-7]m")
    code, shown = on_a_terminal(*act)
    assert (code, bool(coloured.search(shown))) == (0, True)
    assert not coloured.search(on_a_terminal(*act, NO_COLOR="1")[1])
    piped = subprocess.run([sys.executable, "-c", PROGRAM, *map(str, act)], capture_output=True, check=True)
    assert b"\x1b" not in piped.stdout + piped.stderr


def test_the_24_words_are_shown_once_on_the_terminal_and_nowhere_else(lived: Path) -> None:
    said = told("patient", "register", "--as", "City Hospital", "--name", "At The Desk", "--data", lived)
    act = (
        "patient",
        "claim",
        said["alias"][:16],
        "--at",
        "City Hospital",
        "--label",
        "Desk",
        "--data",
        lived,
    )
    code, shown = on_a_terminal(*act)
    assert code == 0
    numbered = re.findall(r"\b(\d{1,2})\. ([a-z]+)", shown)
    assert [int(place) for place, _ in numbered] == list(range(1, 25))
    phrase = Phrase.from_words(" ".join(word for _, word in numbered))
    asked = on_a_terminal("patient", "phrase", "Desk", "--data", lived)[1]
    assert [word for _, word in re.findall(r"\b(\d{1,2})\. ([a-z]+)", asked)] == phrase.words().split()
    assert "own keys" in careledger("patient", "list", "--data", lived).out


def test_erasing_asks_first_on_a_terminal(lived: Path) -> None:
    record = told("show", PATIENT, "--category", "visit", "--data", lived)["records"][0]["record"]
    words = [sys.executable, "-c", PROGRAM, "erase", PATIENT, record, "--data", str(lived)]
    no = subprocess.run(words, input=b"n\n", capture_output=True, check=False)
    assert (no.returncode, b"for good?" in no.stderr) == (1, True)
    assert record in {each["record"] for each in told("show", PATIENT, "--data", lived)["records"]}


@pytest.fixture
def desk(explored: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A copy of the directory with a new patient at the desk, and a file to import."""
    folder = Path(shutil.copytree(explored, tmp_path / "data"))
    told("patient", "register", "--as", "City Hospital", "--name", "Long Import", "--data", folder)
    (tmp_path / "long.json").write_bytes(sample_file(LONG))
    return folder, tmp_path / "long.json"


@pytest.mark.parametrize("after", [0.0, 0.15, 0.4])
def test_ctrl_c_in_an_import_is_one_line_and_the_same_command_finishes(
    desk: tuple[Path, Path], after: float
) -> None:
    folder, file = desk
    act = (
        "import",
        str(file),
        "--patient",
        "Long Import",
        "--as",
        "records desk, City",
        "--data",
        str(folder),
    )
    running = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *act], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    opened_it(running, folder)
    time.sleep(after)
    running.send_signal(signal.SIGINT)
    shown, said = running.communicate()
    if running.returncode == -signal.SIGINT:  # it was done, and Python was already closing down
        assert (b"deposited" in shown, said) == (True, b"")
    elif running.returncode:  # or it may have been done before
        assert (running.returncode, said.count(b"\n"), b"Traceback" in said) == (130, 1, False)
        assert b"run the same command again" in said
    [again] = told(*act)["files"]
    assert (again["error"], again["rejected"]) == (None, [])
    total = again["deposited"] + again["known"]
    [third] = told(*act)["files"]
    assert (third["deposited"], third["known"]) == (0, total)
    assert careledger("doctor", "--data", folder).code == 0


def opened_it(running: subprocess.Popen[bytes], folder: Path) -> None:
    """Waits until the process has the directory open."""
    lock = str(folder / "blocks" / "lock")
    for _ in range(2_400):
        if running.poll() is not None:
            return  # it was done before anybody looked
        held = Path(f"/proc/{running.pid}/fd")
        try:
            if any(os.readlink(each) == lock for each in held.iterdir()):
                return
        except OSError:
            pass
        time.sleep(0.05)
    pytest.fail("the directory was not opened")
