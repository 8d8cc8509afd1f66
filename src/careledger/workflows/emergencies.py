"""Emergencies that an organisation's posts opened: kept in its books, because only who knows the opening can ask."""

from __future__ import annotations

from careledger.domain.errors import AccessRefused
from careledger.formats.digests import uint
from careledger.formats.releases import EmergencyOpening
from careledger.workflows.actors import Organisation, Staff
from careledger.workflows.break_glass import Emergency

EMERGENCY = "emergency"


def remember_emergency(opener: Staff, emergency: Emergency) -> None:
    """Durable in the employer's books."""
    row = uint(emergency.until) + emergency.opening.encode()
    opener.organisation.books.put(EMERGENCY, [(emergency.entry, row)])


def opened_here(organisation: Organisation) -> list[Emergency]:
    """Every emergency that its posts opened, also those that are over."""
    found = []
    for entry, row in organisation.books.rows(EMERGENCY):
        until, opening = int.from_bytes(row[:8], "big"), EmergencyOpening.decode(row[8:])
        found.append(Emergency(entry, opening, until))
    return found


def emergency_for(organisation: Organisation, alias: bytes, now: int) -> Emergency:
    """The open emergency about that patient that lasts longest; raises AccessRefused."""
    fitting = [each for each in opened_here(organisation) if each.opening.alias == alias and now < each.until]
    if not fitting:
        raise AccessRefused(reason="no-break-glass")
    return max(fitting, key=lambda each: each.until)
