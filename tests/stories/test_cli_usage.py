"""Wrong usage and what goes wrong around a command: one line, a documented exit code, nothing personal."""

from __future__ import annotations

import inspect
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console

from careledger.app.removal import KNOWN
from careledger.app.world import open_world
from careledger.cli.endings import ENDINGS, ending_of, line_of
from careledger.cli.main import SECTIONS, Table, app
from careledger.cli.options import examples_of
from careledger.cli.screen import Screen
from careledger.cli.words import plain
from careledger.domain import errors
from careledger.domain.errors import CareLedgerError
from stories.cli_world import PATIENT, careledger, copied, explored, in_a_process

__all__ = ["copied", "explored"]
COMMANDS = (
    ("show",),
    ("show", PATIENT),
    ("show", PATIENT, "00"),
    ("audit", PATIENT),
    ("verify",),
    ("chain", "head"),
    ("chain", "verify"),
    ("chain", "rebuild"),
    ("chain", "serve"),
    ("consent", "list", PATIENT),
    ("export", PATIENT, "--fhir", "-"),
)


HEAVY = {
    "careledger.adapters.evm.chain", "careledger.app.world", "careledger.workflows.custodian", "eth_abi", "eth_typing",
    "ethereum", "pyrevm", "rlp", "urllib3",
}  # fmt: skip


def test_every_error_class_has_an_exit_code_and_says_what_to_do_next() -> None:
    classes = {
        each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, CareLedgerError)
    }
    assert set(ENDINGS) == classes
    assert len(classes) > 40
    assert {ending.code for ending in ENDINGS.values()} == {1, 2, 3}
    assert [kind for kind, ending in ENDINGS.items() if not ending.hint or ending.hint.endswith(".")] == []


def test_a_new_error_class_ends_as_the_one_above_it() -> None:
    class Later(errors.DirectoryInUse):
        """Something new."""

    assert ending_of(Later()) == ENDINGS[errors.DirectoryInUse]
    assert "\n" not in line_of(Later(why="a\nb"))


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_missing_data_directory_ends_every_command_with_3(command: tuple[str, ...], tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        done = careledger(*command, "--data", folder)
        assert (done.code, done.out) == (3, "")
        assert done.err.count("\n") == 1
        assert "careledger demo" in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_directory_in_use_ends_with_3_but_the_chain_can_be_read(explored: Path) -> None:
    world = open_world(explored)
    try:
        ended = {command: careledger(*command, "--data", explored) for command in COMMANDS}
        elsewhere = in_a_process("show", "--data", explored)
    finally:
        world.close()
    readable = {("chain", "head"), ("chain", "verify")}
    codes = {command: done.code for command, done in ended.items()}
    assert codes == {command: 0 if command in readable else 3 for command in COMMANDS}
    assert {done.out for command, done in ended.items() if command not in readable} == {""}
    assert (elsewhere.returncode, elsewhere.stderr.count(b"\n")) == (3, 1)


def test_the_directory_can_come_from_the_environment(explored: Path) -> None:
    environment = {**os.environ, "CARELEDGER_DATA": str(explored)}
    program = "from careledger.cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", program, "chain", "head", "--json"], env=environment,
                          capture_output=True, check=True)  # fmt: skip
    assert json.loads(done.stdout) == json.loads(
        careledger("chain", "head", "--data", explored, "--json").out
    )


@pytest.mark.parametrize(
    ("command", "next_step"),
    [
        (("show", "Somebody Else"), "careledger show lists the patients"),
        (("audit", "Somebody Else"), "careledger show lists the patients"),
        (("consent", "list", ""), "careledger show lists the patients"),
        (("show", PATIENT, "ffffffffffffffff"), "lists the records"),
        (("show", PATIENT, ""), "lists the records"),
        (("show", PATIENT, "--category", "dentist"), "is none of"),
        (("show", "--fhir"), "goes with a PATIENT and a RECORD"),
        (("show", "--nonsense"), "No such option"),
        (("verify", "no-such-file"), "does not exist"),
        (("unknown",), "No such command"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_usage_ends_with_2_and_says_what_would_be_right(
    command: tuple[str, ...], next_step: str, explored: Path
) -> None:
    data = () if command == ("unknown",) else ("--data", explored)
    done = careledger(*command, *data, width=200)
    assert (done.code, done.out) == (2, "")
    assert next_step in " ".join(done.err.split())


def test_errors_repeat_no_name_of_a_person(explored: Path) -> None:
    done = careledger("show", "Jules Someone", "--data", explored)
    assert done.code == 2
    assert "Jules" not in done.err
    gone = careledger("show", PATIENT, "ffffffff", "--data", explored)
    assert "Jules" not in gone.err


def test_a_damaged_file_of_the_directory_is_one_line(copied: Callable[[], Path]) -> None:
    folder = copied()
    (folder / "ledger" / "facts.sqlite").write_bytes(b"not a database" * 1000)
    for name in ("facts.sqlite-wal", "facts.sqlite-shm"):
        (folder / "ledger" / name).unlink(missing_ok=True)
    done = in_a_process("show", "--data", folder)
    assert (done.returncode, done.stderr.count(b"\n"), b"Traceback" in done.stderr) == (1, 1, False)


def test_wrong_settings_are_named(copied: Callable[[], Path]) -> None:
    folder = copied()
    settings = json.loads((folder / "careledger.json").read_text())
    (folder / "careledger.json").write_text(json.dumps({**settings, "colour": 1}))
    done = careledger("show", "--data", folder)
    assert (done.code, "key colour" in done.err) == (3, True)


def test_a_reader_who_stops_reading_is_no_error(explored: Path) -> None:
    for command in (("show", PATIENT, "--json"), ("show", PATIENT)):
        program = "from careledger.cli.main import main; main()"
        words = [sys.executable, "-c", program, *command, "--data", str(explored)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
            assert running.stdout is not None
            assert running.stderr is not None
            running.stdout.close()
            said = running.stderr.read()
        assert (running.returncode, said) == (141, b"")


def test_records_cannot_steer_the_terminal() -> None:
    assert plain("a\x1b[31mb\x9bc\u202ed") == "a\ufffd[31mb\ufffdc\ufffdd"
    assert plain("রহিম\u200c\nक्\u200dष") == "রহিম\u200c\nक्\u200dष"


def test_brackets_and_controls_in_records_are_shown_and_never_obeyed() -> None:
    paper = io.StringIO()
    screen = Screen(
        Console(file=paper, width=100, force_terminal=True, color_system="truecolor", highlight=False)
    )
    hostile = "Urea [red]10[/red] \x1b]8;;http://x\x07"
    screen.table(hostile, ("what",), [(hostile,)])
    screen.facts(hostile, [("what", hostile)])
    screen.bars(hostile, [(hostile, 3)])
    screen.holds(hostile)
    screen.fails(hostile)
    screen.warns(hostile)
    said = paper.getvalue()
    assert said.count("Urea [red]10[/red] \ufffd]8;;http://x\ufffd") == 9
    assert "\x1b]" not in said


def test_demo_refuses_a_directory_that_holds_anything(explored: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("keep me")
    for folder in (tmp_path, explored):
        done = careledger("demo", "--data", folder)
        assert (done.code, "--again" in done.err) == (2, True)
    assert careledger("demo", "--data", tmp_path, "--again").code == 3
    assert (tmp_path / "letter.txt").read_text() == "keep me"


def test_again_removes_only_a_data_directory_that_nobody_uses(
    copied: Callable[[], Path], tmp_path: Path
) -> None:
    from careledger.app.removal import remove

    folder = copied()
    (folder / "letter.txt").write_text("keep me")
    with pytest.raises(errors.SettingsRefused):
        remove(folder)
    (folder / "letter.txt").unlink()
    (folder / "careledger.toml").write_text("")
    (folder / ".restoring-0000000000000001").mkdir()
    link = tmp_path / "link"
    link.symlink_to(folder)
    with pytest.raises(errors.SettingsRefused):
        remove(link)
    world = open_world(folder)
    try:
        with pytest.raises(errors.DirectoryInUse):
            remove(folder)
    finally:
        world.close()
    assert {path.name for path in folder.iterdir()} <= KNOWN | {".restoring-0000000000000001"}
    assert careledger("verify", "--data", folder).code == 0
    remove(folder)
    assert not folder.exists()


def loaded_for(*words: str) -> tuple[str, set[str]]:
    """What a command prints in a process of its own, and the modules that this loads."""
    program = (
        "import sys\n"
        f"sys.argv = ['careledger', *{words!r}]\n"
        "from careledger.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout, set(done.stderr.split())


def test_help_loads_no_command_and_little_else() -> None:
    said, loaded = loaded_for("--help")
    ours = {name for name in loaded if name.startswith("careledger.")}
    assert {name for name in ours if not name.startswith(("careledger.cli", "careledger.domain"))} == set()
    assert all(command in said for command in Table())


@pytest.mark.parametrize(
    "command",
    ["init", "token list", "show", "party list", "patient register", "consent grant", "share", "break-glass open",
     "audit", "search", "record amend", "erase", "export", "custodian list", "retention vote", "version", "bench",
     "demo", "chain verify", "verify", "doctor"],
)  # fmt: skip
def test_the_help_of_one_command_loads_neither_ledger_nor_nodes_nor_custodians(command: str) -> None:
    said, loaded = loaded_for(*command.split(), "--help")
    assert f"Usage: careledger {command}" in said
    assert {"typer", "careledger.cli.options"} <= loaded
    assert loaded.isdisjoint(HEAVY)


def test_the_help_of_every_command_shows_its_examples() -> None:
    for name, command in leaves(typer.main.get_command(app)).items():
        shown = careledger(*name.split(), "--help", width=400)
        assert (shown.code, examples_of(command) != []) == (0, True), name
        assert all(example in shown.out for example in examples_of(command)), name


def test_the_line_of_every_command_in_the_help_is_about_that_command() -> None:
    for commands in SECTIONS.values():
        for name, line in commands.items():
            assert line.endswith(".")
            assert Table()[name].help


@pytest.mark.parametrize(
    ("typed", "offered"), [("par", "party"), ("party re", "register"), ("show --j", "--json")]
)
def test_a_shell_completes_commands_and_options(typed: str, offered: str) -> None:
    asked = {"_CARELEDGER_COMPLETE": "complete_bash", "COMP_WORDS": f"careledger {typed}"}
    asked["COMP_CWORD"] = str(len(typed.split()))
    program = "from careledger.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **asked}, capture_output=True, text=True
    )
    assert offered in done.stdout.split()


def test_version_names_what_it_stands_on() -> None:
    done = careledger("version", "--json")
    said = json.loads(done.out)
    assert (done.code, said["engine"]) == (0, said["engine"])
    assert said["engine"] in ("revm", "eels")
    assert re.fullmatch(r"\d+\.\d+\.\d+", said["careledger"])


def test_every_command_and_option_has_a_help_text() -> None:
    commands = leaves(typer.main.get_command(app))
    assert len(commands) > 30
    without = [
        f"{name} {parameter.name}"
        for name, command in commands.items()
        for parameter in command.params
        if not getattr(parameter, "help", None)
    ]
    assert without == []
    assert [name for name, command in commands.items() if not command.help] == []


def leaves(command: Any, path: str = "") -> dict[str, Any]:
    """Every command that does something, by the words that name it."""
    below = getattr(command, "commands", None)
    if below is None:
        return {path.strip(): command}
    return {
        name: each for word, inner in below.items() for name, each in leaves(inner, f"{path} {word}").items()
    }


@pytest.mark.parametrize(
    ("reason", "says"),
    [
        ("second party", "name another post"),
        ("pending", "wait until what was voted before is in force"),
        ("whatever", "careledger show says how everybody stands"),
    ],
)
def test_a_contracts_refusal_says_what_to_do_next_by_its_reason(reason: str, says: str) -> None:
    assert says in line_of(errors.LedgerRefused(reason=reason))
    assert says not in line_of(errors.WritingRefused(reason=reason))


def test_a_detail_that_is_a_sentence_ends_with_one_full_stop() -> None:
    error = errors.WritingRefused(because="A reason.")
    assert str(error).endswith("because A reason.")
    assert ".." not in line_of(error)
