"""Whether an open break-glass entry holds for who asks at that second, on the ledger or while it stands still."""

from __future__ import annotations

from careledger.domain.parties import PartyId
from careledger.domain.questions import EMERGENCIES_A_DAY, LONG_ENOUGH, LONGEST_BREAK_GLASS, BreakGlass
from careledger.domain.reasons import Reason


def entry_misses(entry: BreakGlass | None, reader: PartyId, at: int) -> Reason | None:
    """Why the entry opens nothing to this post, or None if it holds."""
    if entry is None or entry.opener != reader:
        return Reason.NO_BREAK_GLASS
    if not entry.second_verified or entry.second == entry.opener:
        return Reason.NO_SECOND_PARTY
    if not entry.reason.strip():
        return Reason.NO_REASON_STATED
    if entry.until - entry.opened > LONGEST_BREAK_GLASS:
        return Reason.BREAK_GLASS_TOO_LONG
    if not entry.opened <= at < entry.until:
        return Reason.BREAK_GLASS_OVER
    return Reason.BREAK_GLASS_SUSPENDED if entry.suspended else _without_ledger_misses(entry)


def _without_ledger_misses(entry: BreakGlass) -> Reason | None:
    """What an entry that stands on both posts' signatures alone lacks besides."""
    if entry.stood is None:
        return None
    if entry.stood < LONG_ENOUGH:
        return Reason.LEDGER_MOVES
    return Reason.TOO_MANY_EMERGENCIES if entry.others_today >= EMERGENCIES_A_DAY else None
