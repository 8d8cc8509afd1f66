"""Writes the tables of messages into docs/formats.md from their declarations; ``--check`` only compares."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import sys
from pathlib import Path

from careledger.formats.schema import Message

MODULES = (
    "signed",
    "patients",
    "after_death",
    "sessions",
    "releases",
    "deposits",
    "charts",
    "exports",
    "custody",
    "bodies",
    "proofs",
    "keyring",
    "identity",
    "apps",
    "persons",
    "relaying",
    "events",
    "backups",
    "licences",
    "own_reads",
    "members",
)
PAGE = Path(__file__).resolve().parent.parent / "docs" / "formats.md"
START, END = "<!-- messages -->", "<!-- /messages -->"


def tables() -> str:
    """One table per message, in the order of the modules."""
    parts = []
    for name in MODULES:
        module = importlib.import_module(f"careledger.formats.{name}")
        for kind in vars(module).values():
            if inspect.isclass(kind) and issubclass(kind, Message) and kind.__module__ == module.__name__:
                parts.append(table(kind))
    return "\n\n".join(parts)


def table(kind: type[Message]) -> str:
    """One message: its name, TYPE, what it is, and its fields."""
    said = inspect.cleandoc(kind.__doc__ or "")
    rows = [
        f"| `{f.name}` | {f.metadata['kind'].says} |"
        for f in dataclasses.fields(kind)
        if "kind" in f.metadata
    ]
    return "\n".join(
        [f"### {kind.__name__} `{kind.TYPE}`", "", said, "", "| field | value |", "|---|---|", *rows]
    )


def page(text: str) -> str:
    """The page with fresh tables between the two marks."""
    before, rest = text.split(START)
    _, after = rest.split(END)
    return f"{before}{START}\n\n{tables()}\n\n{END}{after}"


def main() -> int:
    """0 if the page is (now) fresh."""
    text = PAGE.read_text()
    fresh = page(text)
    if "--check" in sys.argv:
        return 0 if fresh == text else 1
    PAGE.write_text(fresh)
    return 0


if __name__ == "__main__":
    sys.exit(main())
