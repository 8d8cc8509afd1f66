"""``careledger config``: how the service of a data directory is set up."""

from __future__ import annotations

import os
from typing import Any

from careledger.app.passphrases import OF_A_BACKUP, VARIABLE
from careledger.app.service import tls
from careledger.app.service.reading import Configured, configured
from careledger.app.service.scanner import scanner
from careledger.cli.opening import existing
from careledger.cli.options import DATA, Config, Data, Json, command, group
from careledger.cli.output import print_json, screen

app = group("How the service of a data directory is set up, and where each value was said.")

SECRETS = tuple(f"{name}{end}" for name in (VARIABLE, OF_A_BACKUP) for end in ("", "_FILE"))


@command(app, "show", "careledger config show", "careledger config show --json")
def show(data: Data = DATA, config: Config = None, as_json: Json = False) -> None:
    """Show every setting, its value and where it was said. Secrets are said to be set or not, and never shown."""
    read = configured(existing(data), os.environ, config)
    rows = [(each.setting.name, _said(each.value), each.origin) for each in read.values]
    secrets = [(name, "set, not shown" if os.environ.get(name) else "not set") for name in SECRETS]
    if as_json:
        settings = [{"setting": name, "value": value, "origin": origin} for name, value, origin in rows]
        print_json({"file": _place(read), "settings": settings, "secrets": dict(secrets)})
        return
    screen().facts(
        f"Configuration {_place(read)}".strip(), [(name, f"{said}  ({where})") for name, said, where in rows]
    )
    screen().facts("Secrets", list(secrets))


@command(app, "check", "careledger config check", "careledger config check --json")
def check(data: Data = DATA, config: Config = None, as_json: Json = False) -> None:
    """Check the configuration as a service would at its start, certificate, key and scanner too; it starts nothing."""
    read = configured(existing(data), os.environ, config)
    tls.context(read.service)
    daemon = scanner(read.service)
    version = "" if daemon is None else daemon.version()
    said = sum(each.origin != "default" for each in read.values)
    if as_json:
        print_json({"file": _place(read), "said": said, "tls": bool(read.service.cert), "scanner": version})
        return
    screen().says(
        f"Files are scanned by {version}." if version else "Files are not scanned: files.scanner is empty."
    )
    screen().holds(f"The configuration holds: {said} of {len(read.values)} settings were said.")


def _said(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _place(read: Configured) -> str:
    return "" if read.file is None else str(read.file)
