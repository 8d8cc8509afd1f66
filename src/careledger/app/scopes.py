"""What an app's token may ask, in SMART's scopes: ``user/Observation.rs system/Patient.s``.

After SMART App Launch 2 (version 1's ``.read``, ``.write`` and ``.*`` are taken as what they mean there). A token
without scopes is the organisation's own EHR: it asks whatever its post may. Scopes only take away: what a post may see,
each patient decides all the same. ``patient/`` is what an app was launched for: its token reaches that one patient and
nobody else. A patient's own app needs no token of a post.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from careledger.domain.errors import ScopeRefused
from careledger.fhir.definitions.tables import resource_types

ANY, SOME = "*", ""
"""Every resource type; whichever it is."""
LETTERS = "cruds"
"""Create, read, update, delete, search."""
USER, SYSTEM, PATIENT = "user", "system", "patient"
_FORM = re.compile(rf"({USER}|{SYSTEM}|{PATIENT})/(\*|[A-Za-z]+)\.(c?r?u?d?s?|read|write|\*)", re.ASCII)
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


@dataclass(frozen=True)
class Word:
    """One scope as it was said: whose, of which type, and what of ``LETTERS``."""

    said: str
    level: str
    kind: str
    letters: str

    def within(self, other: Word) -> Word | None:
        """As much of it as the other allows too; None for nothing."""
        kinds = {self.kind, other.kind} - {ANY}
        letters = "".join(each for each in self.letters if each in other.letters)
        if self.level != other.level or len(kinds) > 1 or not letters:
            return None
        kind = next(iter(kinds), ANY)
        if (kind, letters) == (self.kind, self.letters):
            return self
        return Word(f"{self.level}/{kind}.{letters}", self.level, kind, letters)


def word(said: str, levels: Collection[str] = (USER, SYSTEM)) -> Word:
    """One scope for records, of one of these levels; raises ScopeRefused."""
    form = _FORM.fullmatch(said)
    if form is None or not form[3] or form[1] not in levels:
        refined = "?" in said and _FORM.fullmatch(said.partition("?")[0])
        why = "is not taken: no scope is refined by a query here" if refined else "is none"
        raise ScopeRefused(why=f"{said!a} {why}: write for example user/Observation.rs")
    level, kind, letters = form.groups()
    if kind != ANY and kind not in resource_types():
        raise ScopeRefused(why=f"{kind} is not a resource type of R4")
    return Word(said, level, kind, _FIRST_VERSION.get(letters, letters))


def limited_to(words: Iterable[Word]) -> Scopes:
    """What these allow and nothing besides; none of them allow nothing."""
    found: dict[str, frozenset[str]] = {}
    for each in words:
        found[each.kind] = found.get(each.kind, frozenset()) | set(each.letters)
    return Scopes(found)


def read_scopes(said: str) -> Scopes:
    """The scopes that a text says, none for an empty one; raises ScopeRefused."""
    return limited_to(map(word, said.split())) if said.split() else EVERYTHING


def narrowed(wanted: Iterable[Word], allowed: Iterable[Word]) -> list[Word]:
    """As much of what is wanted as is allowed, each once; what is allowed whole stays as it was said."""
    allowed, made = list(allowed), dict[str, Word]()
    for each in wanted:
        parts = [part for other in allowed if (part := each.within(other)) is not None]
        whole = limited_to(parts).allow(each.letters, each.kind) if parts else False
        made.update({part.said: part for part in ([each] if whole else parts)})
    return list(made.values())
