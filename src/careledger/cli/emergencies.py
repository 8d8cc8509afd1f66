"""Break-glass entries by the first digits of their id."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from careledger.cli.opening import SHORT
from careledger.workflows.emergencies import opened_here

if TYPE_CHECKING:
    from careledger.app.world import World


def entry_of(world: World, named: str) -> bytes:
    """The entry whose id begins so, opened by a post of this machine; raises BadParameter."""
    digits = named.strip().casefold()
    known = {
        each.entry
        for organisation in world.keyring.organisations().values()
        for each in opened_here(organisation)
    }
    fitting = [each for each in known if each.hex().startswith(digits)]
    if len(digits) < SHORT or len(fitting) != 1:
        raise typer.BadParameter(
            f"no single emergency begins so; write at least {SHORT} digits of what break-glass list shows",
            param_hint="ENTRY",
        )
    return fitting[0]
