"""Emergencies as the ledger has them, for lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from careledger.app.names import newest_rows
from careledger.domain.facts import BreakGlassFacts

if TYPE_CHECKING:
    from careledger.app.world import World


def entries(world: World) -> list[BreakGlassFacts]:
    """Every entry, the newest first."""
    view = world.ledger.fresh_head()
    known = newest_rows(world, "glass").get("glass", {})
    found = [view.break_glass(entry) for entry in known if isinstance(entry, bytes)]
    return sorted((each for each in found if each is not None), key=lambda each: each.opened_at, reverse=True)


def state_of(entry: BreakGlassFacts, now: int) -> str:
    """``reviewed``, ``open`` or ``waits for its review``."""
    return "reviewed" if entry.reviewed else "open" if now < entry.until else "waits for its review"
