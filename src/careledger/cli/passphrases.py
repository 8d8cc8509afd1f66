"""The passphrase of a data directory: from the environment, a file, or typed on a terminal; never shown, no option."""

from __future__ import annotations

import sys
from getpass import getpass
from pathlib import Path

import typer

from careledger.app.passphrases import OF_A_BACKUP, from_environment, from_file
from careledger.app.vault import FILE, Ask
from careledger.domain.errors import PassphraseMissing
from careledger.sealing.keys import Secret
from careledger.sealing.vault import LEAST_LETTERS, passphrase_of

NEW_FILE = "--new-file"


def ask() -> Secret:
    """The present passphrase; raises PassphraseMissing where nobody can be asked."""
    try:
        return from_environment()
    except PassphraseMissing:
        if not sys.stdin.isatty():
            raise
    return passphrase_of(getpass("Passphrase: "))


def ask_of_backup() -> Secret:
    """The passphrase of a backup that is there; raises PassphraseMissing where nobody can be asked."""
    try:
        return from_environment(OF_A_BACKUP)
    except PassphraseMissing:
        if not sys.stdin.isatty():
            raise
    return passphrase_of(getpass("Passphrase of the backup: "))


def ask_new_of_backup() -> Secret:
    """The passphrase of a new backup, typed twice if it is typed; raises PassphraseMissing, BadParameter."""
    try:
        return _long_enough(from_environment(OF_A_BACKUP))
    except PassphraseMissing:
        if not sys.stdin.isatty():
            raise
    return typed_twice()


def ask_first(folder: Path) -> Ask:
    """The present passphrase asked for now, before a bar moves on the terminal; nothing is asked without a vault."""
    if not (folder / FILE).exists():
        return ask
    said = ask()
    return lambda: said


def ask_new() -> Secret:
    """The passphrase of a new data directory, typed twice if it is typed; raises PassphraseMissing, BadParameter."""
    try:
        return _long_enough(from_environment())
    except PassphraseMissing:
        if not sys.stdin.isatty():
            raise
    return typed_twice()


def following(path: Path | None) -> Secret:
    """The passphrase that is to be set, from a file or typed twice; raises PassphraseMissing, BadParameter."""
    if path is not None:
        return _long_enough(from_file(path))
    if not sys.stdin.isatty():
        raise PassphraseMissing()
    return typed_twice()


def typed_twice() -> Secret:
    """Raises BadParameter unless both are the same and long enough."""
    said = passphrase_of(getpass(f"New passphrase, {LEAST_LETTERS} characters or more: "))
    if passphrase_of(getpass("The same again: ")) != said:
        raise typer.BadParameter("the two differ", param_hint="passphrase")
    return _long_enough(said)


def _long_enough(said: Secret) -> Secret:
    if len(said.reveal().decode()) < LEAST_LETTERS:
        raise typer.BadParameter(f"at least {LEAST_LETTERS} characters", param_hint="passphrase")
    return said
