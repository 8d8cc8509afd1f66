"""Writes docs/cli.md from the command line itself: each command with its help, arguments, options and examples.

Run ``python tools/cli_page.py`` after a change of careledger.cli; ``--check`` only says whether the page is fresh
(exit status 1 if not). The examples are run by a test.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from careledger.cli.endings import ENDINGS
from careledger.cli.main import app
from careledger.cli.options import DATA

PAGE = Path(__file__).parent.parent / "docs" / "cli.md"

HEAD = f"""# The command line

`careledger` tells the demo's story and explores the data directory that it leaves, or any other one. This page is
written by `tools/cli_page.py` from the commands themselves; a test runs every example.

- `--data DIR` names the data directory; without it `CARELEDGER_DATA` does, else it is `./{DATA}`. One process at a
  time has it open; only `chain head` and `chain verify` read it beside another one.
- `--json` prints one JSON object instead of tables: bytes in hex, times as RFC 3339 in UTC. A record's `resource` is
  text, so that numbers keep the digits of their source.
- A patient is named by the name that this device knows, by its beginning, or by the first eight or more digits of
  the alias. Records are asked for as the patient's own agent does: from the custodians, verified and opened here; each
  asking is a line in the patient's release logs.
- What records hold is shown, never obeyed: control characters and direction marks appear as U+FFFD.
- Files are written for their owner alone (mode 0600), and a file that exists is never overwritten.
- A refusal is one line on stderr: what happened, and what to do next. It names no person.

## Exit codes

| code | meaning |
|---|---|
| 0 | done; what was checked holds |
| 1 | refused, or something does not hold or is damaged |
| 2 | wrong usage: an unknown command, option, patient, party or record |
| 3 | the data directory is missing, in use, or has wrong settings |
| 141 | whoever read the output stopped reading |
"""

EXAMPLES = {
    "demo": ["careledger demo --data demo-data", "careledger demo --again --patients 3"],
    "show": [
        "careledger show",
        'careledger show "Velvet Botsford"',
        "careledger show velvet --category diagnosis --all",
        "careledger show velvet RECORD",
        "careledger show velvet RECORD --fhir",
        "careledger show velvet RECORD --proof record.proof",
    ],
    "audit": ["careledger audit velvet", "careledger audit velvet --proof city.proof --custodian City"],
    "verify": ["careledger verify", "careledger verify record.proof"],
    "export": [
        "careledger export velvet --fhir record.json",
        "careledger export velvet --archive record.archive",
    ],
    "version": ["careledger version"],
    "chain head": ["careledger chain head"],
    "chain verify": ["careledger chain verify", "careledger chain verify --engine eels --json"],
    "chain rebuild": ["careledger chain rebuild"],
    "consent list": ["careledger consent list velvet"],
}


def commands(command: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every command that does something, by the words that name it, in the order of --help."""
    below = getattr(command, "commands", None)
    if below is None:
        yield path, command
        return
    for word, inner in below.items():
        yield from commands(inner, f"{path} {word}".strip())


def page() -> str:
    """The whole page; stops if a command has no example."""
    lines = [HEAD]
    for name, command in commands(typer.main.get_command(app)):
        if name not in EXAMPLES:
            raise SystemExit(f"no example for {name}")
        lines.append(f"## careledger {name}\n\n{_paragraphs(command.help)}\n")
        lines.append("| argument or option | what it is |\n|---|---|")
        lines += [f"| {_spelled(each)} | {_said(each)} |" for each in command.params]
        lines.append("\n```console")
        lines += [f"$ {example}" for example in EXAMPLES[name]]
        lines.append("```\n")
    lines.append("## Every refusal\n\n| error | code | next |\n|---|---|---|")
    lines += [f"| {kind.__name__} | {ending.code} | {ending.hint} |" for kind, ending in _refusals()]
    return "\n".join(lines) + "\n"


def _refusals() -> Iterator[Any]:
    for kind, ending in ENDINGS.items():
        if kind.__name__ != "CareLedgerError":
            yield kind, ending


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


def _spelled(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        word = parameter.metavar or parameter.name.upper()
        return f"`{word}`" if parameter.required else f"`[{word}]`"
    takes = "" if parameter.is_flag else f" {parameter.metavar or 'N'}"
    return f"`{parameter.opts[0]}{takes}`"


def _said(parameter: Any) -> str:
    env = f" Environment: `{parameter.envvar}`." if getattr(parameter, "envvar", None) else ""
    return str(parameter.help).replace("|", "\\|") + env


def main() -> int:
    """Writes the page, or with ``--check`` compares it."""
    if "--check" in sys.argv[1:]:
        return 0 if PAGE.is_file() and PAGE.read_text("utf-8") == page() else 1
    PAGE.write_text(page(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
