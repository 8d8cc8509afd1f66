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
from careledger.cli.options import DATA, examples_of
from careledger.cli.shapes import SHAPES

PAGE = Path(__file__).parent.parent / "docs" / "cli.md"

HEAD = f"""# The command line

`careledger` tells the demo's story and explores the data directory that it leaves, or any other one. This page is
written by `tools/cli_page.py` from the commands themselves; a test runs every example.

- `--data DIR` names the data directory; without it `CARELEDGER_DATA` does, else it is `./{DATA}`. One process at a
  time has it open; only `chain head` and `chain verify` read it beside another one. Beside a service (`careledger up`,
  `worker`) work also patients' agents (`app`, `consent`, `audit`), and `token`, `client`, `account`, `sign-on`,
  `licence`, `reads` and `staff list`, as far as they touch an organisation's books and not the ledger: what they change
  holds from the service's next request on. `licence issue`, `check` and `revoke` ask a gateway's custodians about the
  ledger. For acts on parties, posts, teams and staff a running service has its API (`/api/v1`, `/scim/v2`).
- Times: a day (`2026-12-31`; `--from` begins at its first second, `--until` includes it whole), a minute
  (`2026-12-31T18:00`), a time from now (`45m`, `2h`, `30d`, `6w`, `1y`), or `now`; all in UTC.
- `--as NAME` (or `CARELEDGER_AS`) is the organisation or post that acts, by its name, the beginning of it, or its
  identifier; where none or several fit, the message lists them.
- `NO_COLOR` and a pipe take the colours away. `careledger --install-completion` completes commands and options in
  your shell.
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
| 130 | stopped by Ctrl-C: the same command goes on where it stopped |
| 141 | whoever read the output stopped reading |
"""


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
        examples = examples_of(command)
        if not examples:
            raise SystemExit(f"no example for {name}")
        lines.append(f"## careledger {name}\n\n{_paragraphs(command.help)}\n")
        lines.append("| argument or option | what it is |\n|---|---|")
        lines += [f"| {_spelled(each)} | {_said(each)} |" for each in command.params]
        lines.append("\n```console")
        lines += [f"$ {example}" for example in examples]
        lines.append("```\n")
        if name in SHAPES:
            lines.append(f"`--json`: {', '.join(f'`{key}`' for key in SHAPES[name])}.\n")
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
