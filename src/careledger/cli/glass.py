"""Emergencies as the ledger has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from careledger.app.names import Names, newest_rows
from careledger.cli.screen import Screen
from careledger.cli.words import Facts, minute, moment

if TYPE_CHECKING:
    from careledger.app.world import World


def facts(world: World) -> list[Facts]:
    """Every entry, the newest first."""
    view, now = world.ledger.fresh_head(), world.clock.now()
    names, found = Names(world, view), []
    for entry in newest_rows(world, "glass").get("glass", {}):
        each = view.break_glass(entry) if isinstance(entry, bytes) else None
        if each is None:
            continue
        state = "reviewed" if each.reviewed else "open" if now < each.until else "waits for its review"
        found.append(
            {
                "entry": each.entry.hex(),
                "opener": names.of(each.opener),
                "second": names.of(each.second),
                "opened": moment(each.opened_at),
                "until": moment(each.until),
                "restricted": each.restricted,
                "reviewed": each.reviewed,
                "state": state,
                "at": each.opened_at,
            }
        )
    return sorted(found, key=lambda each: int(each["at"]), reverse=True)


def show(screen: Screen, found: list[Facts]) -> None:
    """The table."""
    if not found:
        screen.says("No glass was ever broken.")
        return
    rows = [
        (each["entry"][:8], each["opener"], each["second"], minute(each["at"]), each["state"])
        for each in found
    ]
    screen.table(
        "Emergencies", ("entry", "opened by", "second party", "when (UTC)", "state"), rows, whole=("entry",)
    )
