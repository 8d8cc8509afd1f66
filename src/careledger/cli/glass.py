"""Emergencies as the ledger has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from careledger.app.emergencies import entries, state_of
from careledger.app.names import Names
from careledger.cli.screen import Screen
from careledger.cli.words import Facts, minute, moment

if TYPE_CHECKING:
    from careledger.app.world import World


def facts(world: World) -> list[Facts]:
    """Every entry, the newest first."""
    view, now = world.ledger.fresh_head(), world.clock.now()
    names = Names(world, view)
    return [
        {
            "entry": each.entry.hex(),
            "opener": names.of(each.opener),
            "second": names.of(each.second),
            "opened": moment(each.opened_at),
            "until": moment(each.until),
            "restricted": each.restricted,
            "reviewed": each.reviewed,
            "state": state_of(each, now),
            "at": each.opened_at,
        }
        for each in entries(world)
    ]


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
