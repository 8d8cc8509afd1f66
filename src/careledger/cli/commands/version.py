"""``careledger version``."""

from __future__ import annotations

import platform
import sqlite3
from importlib.metadata import version as installed

from careledger.adapters.evm.engines import preferred_engine
from careledger.cli.options import Json, command, single
from careledger.cli.output import print_json, print_text

app = single()


@command(app, "version", "careledger version")
def version(as_json: Json = False) -> None:
    """Show the versions of CareLedger and of what it stands on."""
    facts = {
        "careledger": installed("careledger"),
        "python": platform.python_version(),
        "engine": preferred_engine(),
        "sqlite": sqlite3.sqlite_version,
        "cryptography": installed("cryptography"),
    }
    if as_json:
        print_json(facts)
    else:
        print_text("\n".join(f"{name} {number}" for name, number in facts.items()))
