"""Writes the table of security events in docs/operations.md from the one that a gateway logs by.

Run ``python tools/events_page.py`` after a change of careledger.gateway.security_log; ``--check`` only says whether the
table is fresh (exit status 1 if not).
"""

from __future__ import annotations

import sys
from pathlib import Path

from careledger.domain.errors import OAuthRefused
from careledger.gateway.security_log import EVENTS, OAUTH

PAGE = Path(__file__).parent.parent / "docs" / "operations.md"
HEAD = "| event | when | refusals |\n|---|---|---|\n"


def table() -> str:
    """The table's rows."""
    rows = []
    for each in EVENTS:
        codes = [code for code, event in OAUTH.items() if event == each.name]
        said = [f"`{kind.__name__}`" for kind in each.refusals]
        said += [f"`{OAuthRefused.__name__}` of `{code}`" for code in codes]
        rows.append(f"| `{each.name}` | {each.says} | {', '.join(said)} |")
    return "\n".join(rows) + "\n"


def main() -> None:
    """Writes or compares."""
    before, head, rest = PAGE.read_text("utf-8").partition(HEAD)
    rows, _, after = rest.partition("\n\n")
    if "--check" in sys.argv[1:]:
        if not head or rows + "\n" != table():
            sys.exit(f"the table in {PAGE.name} is not what {Path(__file__).name} writes")
        return
    if not head:
        sys.exit(f"{PAGE.name} has no such table")
    PAGE.write_text(before + head + table() + "\n" + after, "utf-8")


if __name__ == "__main__":
    main()
