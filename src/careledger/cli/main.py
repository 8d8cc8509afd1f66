"""The careledger command: which commands there are; each is loaded when it is called."""

from __future__ import annotations

import logging
from collections.abc import Iterator, MutableMapping
from importlib import import_module
from keyword import iskeyword
from typing import Any

import typer
from typer.core import TyperGroup

from careledger.cli.endings import explained

SECTIONS: dict[str, dict[str, str]] = {
    "Begin": {
        "init": "Found a network in a new data directory.",
        "passphrase": "Set or change the passphrase that the keys lie under.",
        "demo": "Tell the story of one patient across three organisations on real data.",
        "show": "Show what lies in the data directory, a patient's records, or one record.",
        "version": "Show the versions of CareLedger and of what it stands on.",
    },
    "Who is who": {
        "party": "Organisations, posts and teams: register, verify, suspend, remove, rotate, list.",
        "patient": "Patients: register, claim, link, find, guardians, end, death.",
        "licence": "Professional licences: issue, present, check, revoke.",
        "did": "Decentralised identifiers (W3C DIDs): show, resolve.",
        "token": "Bearer tokens of posts: issue, list, withdraw.",
        "account": "People who sign in at a gateway: invite, list, approve, suspend, reinstate, end sessions.",
        "staff": "An organisation's list of staff: import joiners and leavers, list.",
        "sign-on": "Identity providers at which an organisation's staff sign on: add, list, renew, remove.",
        "client": "Apps and back-end services: register, list, remove.",
        "reads": "What an organisation's posts were shown by its gateway: list, check.",
    },
    "A patient's word": {
        "app": "A patient's own apps: show one, let it in.",
        "consent": "Ask for access, grant, refuse, revoke, list; ready-made consents.",
        "share": "Show single records to somebody for a time.",
        "break-glass": "An emergency: open it with a second party, list, review.",
        "audit": "Show who asked for a patient's records, and check that nothing is missing.",
    },
    "Records": {
        "import": "Import FHIR, PDF, DICOM and picture files for patients.",
        "undo-import": "Take a whole import back, or list the imports.",
        "search": "Search a patient's records as somebody who may read them; trends.",
        "record": "One record: confirm, dispute, restrict, erase; write, amend, retract, adopt, move.",
        "erase": "Destroy all shares of a record.",
        "summary": "Sum up a patient's record for people, on the screen or as a PDF.",
        "export": "Take a patient's record away.",
        "archive": "Archives that a phrase opens: open, import.",
    },
    "The network": {
        "up": "Serve FHIR R4 over HTTP to the organisations' programs.",
        "gateway": "Serve HTTP in a process that holds no key, in front of a worker.",
        "worker": "Hold the data directory and do the work behind gateways.",
        "config": "How the service is set up: every setting, and where it was said; check it.",
        "custodian": "Custodians: list, status, checkpoints, add, leave, remake shares, replace, serve.",
        "member": "Members on machines of their own: join, certificates that prove them to one another.",
        "retention": "For how long records of a category are kept from erasure; voting it.",
        "backup": "Backups while the service runs: create, verify, restore; a second place of shred keys.",
        "doctor": "Examine a data directory part by part, and mend it.",
        "chain": "Look at the chain, replay it, or make what is folded from it again.",
        "verify": "Say what a proof file proves, or check the whole data directory.",
        "bench": "Run the benchmarks of a source tree.",
    },
}
"""Every command by section, with its line in ``careledger --help``; each is a module of careledger.cli.commands."""


def module_of(name: str) -> str:
    """The module of a command: its name, as far as Python lets a module be called so."""
    return name.replace("-", "_") + "_" * iskeyword(name)


class Table(MutableMapping[str, Any]):
    """The commands by name; looking one up loads its module, and counting or listing them loads none."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            if not any(name in commands for commands in SECTIONS.values()):
                raise KeyError(name)
            module = import_module(f"careledger.cli.commands.{module_of(name)}")
            self._loaded[name] = typer.main.get_command(module.app)
        return self._loaded[name]

    def __setitem__(self, name: str, command: Any) -> None:
        raise TypeError("commands are modules, which SECTIONS names")

    def __delitem__(self, name: str) -> None:
        raise TypeError("commands are modules, which SECTIONS names")

    def __iter__(self) -> Iterator[str]:
        return (name for commands in SECTIONS.values() for name in commands)

    def __len__(self) -> int:
        return sum(map(len, SECTIONS.values()))


class Commands(TyperGroup):
    """All commands; a refusal ends any of them with one line and its exit code."""

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self.commands = Table()

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The sections of ``--help``, without loading a command."""
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(list(commands.items()))

    def invoke(self, ctx: Any) -> Any:
        """Runs the command that was named."""
        with explained():
            return super().invoke(ctx)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Patient-controlled health records: everything that a person, an organisation or a custodian can do in a "
    "CareLedger data directory.",
    epilog="Every command has --help with examples, and docs/cli.md has them all. Exit codes: 0 done and verified; "
    "1 refused or not verified; 2 wrong usage; 3 data directory missing or in use; 130 stopped by Ctrl-C.",
)


@app.callback()
def _begin() -> None:
    """Makes a group of it; every command does its own work."""


def main() -> None:
    """The console script. What the package logs is for services, which say where to; a command says in its own line
    what was amiss."""
    logging.getLogger("careledger").addHandler(logging.NullHandler())
    app(prog_name="careledger")
