"""For whom an app is launched: one of the patients whom the post may choose, as it is known here."""

from __future__ import annotations

from contextlib import suppress

from careledger.app.tokens import Bearer
from careledger.domain.categories import Category
from careledger.domain.errors import PatientNotFound
from careledger.gateway.desk import Desk
from careledger.gateway.grounds import unreadable
from careledger.gateway.operations.consents import holding
from careledger.workflows.actors import Organisation
from careledger.workflows.identity_rows import Identity
from careledger.workflows.register import identities, identity_of

MOST = 500
"""How many are offered to choose from, by name; whoever is named may be any."""
SHORT = 12


def patients(desk: Desk, who: Bearer) -> dict[bytes, str]:
    """Whom the post may launch an app for, and what to call them: whom its organisation registered, where the matrix
    lets it read who they are, and who gave it a consent that stands. What it sees of them each patient decides."""
    return dict(sorted(_found(desk, who).items(), key=lambda each: each[1])[:MOST])


def called(desk: Desk, who: Bearer, alias: bytes) -> str | None:
    """What to call that one of them; None for whom the post may not launch an app for."""
    return _found(desk, who, alias).get(alias)


def _found(desk: Desk, who: Bearer, only: bytes | None = None) -> dict[bytes, str]:
    named = Category.IDENTITY_PATIENT not in unreadable(desk.world.network, who)
    rows = _registered(who.staff.organisation, only) if named else []
    found = {row.alias: row.name or row.romanised or _short(row.alias) for row in rows}
    for each in holding(desk.world, who, None if only is None else [only]):
        if each.status == "active":
            found.setdefault(each.alias, _short(each.alias))
    return found


def _registered(employer: Organisation, only: bytes | None) -> list[Identity]:
    if only is None:
        return identities(employer)
    with suppress(PatientNotFound):
        return [identity_of(employer, only)]
    return []


def _short(alias: bytes) -> str:
    return f"patient {alias.hex()[:SHORT]}…"
