"""Writes docs/configuration.md from the table of a service's settings.

Run ``python tools/configuration_page.py`` after a change of careledger.app.service.table; ``--check`` only says whether
the page is fresh (exit status 1 if not).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from careledger.app.service.table import table

PAGE = Path(__file__).parent.parent / "docs" / "configuration.md"
HEAD = """\
# Configuration

How a service (`careledger up`, `gateway`, `worker`) is set up. A value is what the command line says, else the
environment, else the file, else what is built in. The file is TOML: the one that `--config` or `CARELEDGER_CONFIG`
names, else `careledger.toml` of the data directory where there is one. A dot in a name is a table: `listen.port` is
`port` under `[listen]`. In the environment lists stand between commas.

A name that is not in this table is refused with its place, in the file and in the environment, and so is a value that
does not go; the value is not repeated. `careledger config show` says what holds and where it was said, `careledger
config check` examines it, certificate, key and scanner included, and starts nothing. Settings of the network
(`careledger.json`) are the same for every process, and not of this page. This page is written by
`tools/configuration_page.py`.

| setting | in the environment | default | |
|---|---|---|---|
"""
TAIL = """
## Only in the environment

No secret is a setting: none is read from the file, taken as an option or printed.

| variable | |
|---|---|
| `CARELEDGER_CONFIG` | The file, where `--config` is not given. |
| `CARELEDGER_DATA` | The data directory, where `--data` is not given. |
| `CARELEDGER_AS` | Who acts, where `--as` is not given. |
| `CARELEDGER_PASSPHRASE` | The passphrase that the keys lie under: secret. |
| `CARELEDGER_PASSPHRASE_FILE` | A file whose first line is the passphrase, such as a systemd credential. |
| `CARELEDGER_BACKUP_PASSPHRASE`, `CARELEDGER_BACKUP_PASSPHRASE_FILE` | A backup's passphrase, likewise. |
"""


def page() -> str:
    """The whole page."""
    rows = [
        f"| `{each.name}` | `{each.variable}` | {_default(each.default)} | {each.says} |" for each in table()
    ]
    return HEAD + "\n".join(rows) + "\n" + TAIL


def _default(value: Any) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, float):
        return f"`{value:g}`"
    return f"`{value}`" if value not in ("", ()) else "–"


def main() -> None:
    """Writes or compares."""
    if "--check" in sys.argv[1:]:
        if not PAGE.exists() or PAGE.read_text("utf-8") != page():
            sys.exit(f"{PAGE.name} is not what {Path(__file__).name} writes")
        return
    PAGE.write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
