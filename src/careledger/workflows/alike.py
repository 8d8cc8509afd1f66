"""What of an import may not be what it seems: shown for people to judge, never a reason to merge or to refuse.

The organisation's own identity table is asked and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher

from careledger.workflows.actors import Organisation
from careledger.workflows.intake import known_alias
from careledger.workflows.link import SIMILAR, births_agree, plain
from careledger.workflows.register import IDENTITY, Identity
from careledger.workflows.staging import Stated


def differing(organisation: Organisation, alias: bytes, stated: Iterable[Stated]) -> list[str]:
    """Where a file says another patient than this one, as far as the table knows; never what it says."""
    row = organisation.books.get(IDENTITY, alias)
    known = Identity.decode(row) if row is not None else None
    return [each.where for each in stated if known is not None and _differs(organisation, known, each)]


def _differs(organisation: Organisation, known: Identity, stated: Stated) -> bool:
    if stated.what == "birth":
        return bool(known.birth) and not births_agree(known.birth, stated.value)
    if stated.what == "name":
        names = {plain(known.name), plain(known.romanised)} - {""}
        return bool(names) and not any(
            SequenceMatcher(None, name, plain(stated.value)).ratio() >= SIMILAR for name in names
        )
    other = known_alias(organisation, f"Patient/{stated.value}")
    return other is not None and other != known.alias
