"""What an app's token may ask, in SMART's scopes: ``user/Observation.rs system/Patient.s``.

After SMART App Launch 2 (version 1's ``.read``, ``.write`` and ``.*`` are taken as what they mean there). A token
without scopes is the organisation's own EHR: it asks whatever its post may. Scopes only take away: what a post may see,
each patient decides all the same. ``patient/`` belongs to a patient's own app, which needs no token of a post.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from careledger.domain.errors import ScopeRefused
from careledger.fhir.definitions.tables import resource_types

ANY, SOME = "*", ""
"""Every resource type; whichever it is."""
LETTERS = "cruds"
"""Create, read, update, delete, search."""
_FORM = re.compile(r"(user|system)/(\*|[A-Za-z]+)\.(c?r?u?d?s?|read|write|\*)", re.ASCII)
_FIRST_VERSION = {"read": "rs", "write": "cud", "*": LETTERS}


@dataclass(frozen=True)
class Scopes:
    """Letters by resource type or ``*``; ``None`` for a token that is not limited."""

    by_type: dict[str, frozenset[str]] | None = None

    def allow(self, letters: str, kind: str) -> bool:
        """Whether all of these are allowed of that type; of ``*`` what is allowed of every type, of
        ``SOME`` what is allowed of one."""
        if self.by_type is None:
            return True
        if kind == SOME:
            return any(self.allow(letters, each) for each in self.by_type)
        given = self.by_type.get(kind, frozenset()) | self.by_type.get(ANY, frozenset())
        return bool(letters) and given >= set(letters)

    def require(self, letters: str, kind: str) -> None:
        """Raises ScopeRefused unless all of these are allowed of that type."""
        if not self.allow(letters, kind):
            raise ScopeRefused(needs=f"{kind}.{letters}" if letters else "a token without scopes")

    def shows(self, kind: str) -> bool:
        """Whether a resource of that type is shown at all."""
        return self.allow("r", kind) or self.allow("s", kind)

    @property
    def limited(self) -> bool:
        """Whether it is an app's token."""
        return self.by_type is not None

    @property
    def shown(self) -> tuple[str, ...] | None:
        """The types that are shown, sorted; None where all are."""
        if self.by_type is None or self.shows(ANY):
            return None
        return tuple(sorted(each for each in self.by_type if self.shows(each)))


EVERYTHING = Scopes()


def read_scopes(said: str) -> Scopes:
    """The scopes that a text says, none for an empty one; raises ScopeRefused."""
    found: dict[str, frozenset[str]] = {}
    for word in said.split():
        form = _FORM.fullmatch(word)
        if form is None or not form[3]:
            raise ScopeRefused(why=f"{word!a} is none: write for example user/Observation.rs")
        _, kind, letters = form.groups()
        if kind != ANY and kind not in resource_types():
            raise ScopeRefused(why=f"{kind} is not a resource type of R4")
        found[kind] = found.get(kind, frozenset()) | set(_FIRST_VERSION.get(letters, letters))
    return Scopes(found) if found else EVERYTHING
