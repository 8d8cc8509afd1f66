"""What an app's token may ask, in SMART's scopes: ``user/Observation.rs system/Patient.s``.

After SMART App Launch 2 (version 1's ``.read``, ``.write`` and ``.*`` are taken as what they mean there). A token
without scopes is the organisation's own EHR: it asks whatever its post may. Scopes only take away: what a post may see,
each patient decides all the same. ``patient/`` is what an app was launched for: its token reaches that one patient and
nobody else. A patient's own app needs no token of a post. What follows a question mark refines a scope (``refined``):
``user/Observation.rs?category=laboratory`` is for the records that match.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from careledger.app.refined import MOST, MOST_PARAMETERS, both, refining
from careledger.domain.errors import ScopeRefused
from careledger.fhir.definitions.tables import resource_types
from careledger.fhir.json_text import Resource

ANY, SOME = "*", ""
"""Every resource type; whichever it is."""
LETTERS, READS = "cruds", "rs"
"""Create, read, update, delete, search; what of it reads."""
USER, SYSTEM, PATIENT = "user", "system", "patient"
_FORM = re.compile(rf"({USER}|{SYSTEM}|{PATIENT})/(\*|[A-Za-z]+)\.(c?r?u?d?s?|read|write|\*)", re.ASCII)
_FIRST_VERSION = {"read": "rs", "write": "cud", "*": LETTERS}


@dataclass(frozen=True)
class Scopes:
    """Letters by resource type or ``*``; ``None`` for a token that is not limited. ``parts`` are the scopes that are
    refined: whoever asks for what is allowed of a type is told nothing of them, and has to ask for what is allowed in
    part, and of each record."""

    by_type: dict[str, frozenset[str]] | None = None
    parts: tuple[Word, ...] = ()

    def allow(self, letters: str, kind: str) -> bool:
        """Whether all of these are allowed of all of that type; of ``*`` what is allowed of every type, of
        ``SOME`` what is allowed of one."""
        if self.by_type is None:
            return True
        if kind == SOME:
            return any(self.allow(letters, each) for each in self.by_type)
        given = self.by_type.get(kind, frozenset()) | self.by_type.get(ANY, frozenset())
        return bool(letters) and given >= set(letters)

    def allow_in_part(self, letters: str, kind: str) -> bool:
        """The same of some of that type at least. To search for some where all is read, or the other way round, is
        not: what is shown is the same for both."""
        if self.allow(letters, kind):
            return True
        if kind == SOME:
            return any(self.allow_in_part(letters, each.kind) for each in self.parts)
        given = {letter for each in self.parts if each.kind == kind for letter in each.letters}
        given -= set(READS) if self.shows(kind) else set()
        return bool(letters) and all(each in given or self.allow(each, kind) for each in letters)

    def cover(self, letter: str, kind: str, resource: Resource) -> bool:
        """Whether this letter is allowed of that record, which is filed as of that type."""
        return self.allow(letter, kind) or any(
            letter in each.letters and refining(kind, each.query)(resource)
            for each in self.parts
            if each.kind == kind
        )

    def require(self, letters: str, kind: str) -> None:
        """Raises ScopeRefused unless all of these are allowed of that type."""
        if not self.allow(letters, kind):
            raise ScopeRefused(needs=f"{kind}.{letters}" if letters else "a token without scopes")

    def shows(self, kind: str) -> bool:
        """Whether every resource of that type is shown."""
        return self.allow("r", kind) or self.allow("s", kind)

    def shows_some(self, kind: str) -> bool:
        """Whether a resource of that type is shown at all: each that ``cover`` has read, if not every one is."""
        return self.shows(kind) or self.allow_in_part(READS, kind)

    def queries(self, kind: str) -> list[str]:
        """By what the scopes that read are refined, of a type that they show in part."""
        reads = self.shows_some(kind) and not self.shows(kind)
        return [each.query for each in self.parts if reads and each.kind == kind and "r" in each.letters]

    @property
    def limited(self) -> bool:
        """Whether it is an app's token."""
        return self.by_type is not None

    @property
    def shown(self) -> tuple[str, ...] | None:
        """The types that are shown, sorted, and which of them in part; None where all are."""
        if self.by_type is None or self.shows(ANY):
            return None
        kinds = {*self.by_type, *(each.kind for each in self.parts)}
        some = {each for each in kinds if self.shows_some(each)}
        return tuple(sorted(each if self.shows(each) else f"{each} (in part)" for each in some))


EVERYTHING = Scopes()


@dataclass(frozen=True)
class Word:
    """One scope as it was said: whose, of which type, what of ``LETTERS``, and the query that refines it, or none."""

    said: str
    level: str
    kind: str
    letters: str
    query: str = ""

    def within(self, other: Word) -> Word | None:
        """As much of it as the other allows too; None for nothing."""
        kinds = {self.kind, other.kind} - {ANY}
        letters = "".join(each for each in self.letters if each in other.letters)
        if self.level != other.level or len(kinds) > 1:
            return None
        return self.made(next(iter(kinds), ANY), letters, both((self.query, other.query)))

    def made(self, kind: str, letters: str, query: str) -> Word | None:
        """The same for this; None for nothing. A refined scope that would but read, or but search, does neither."""
        if query and not set(READS) <= set(letters):
            letters = "".join(each for each in letters if each not in READS)
        if not letters:
            return None
        if (kind, letters, query) == (self.kind, self.letters, self.query):
            return self
        if len(query) > MOST or query.count("&") >= MOST_PARAMETERS:
            return None
        said = f"{self.level}/{kind}.{letters}{'?' if query else ''}{query}"
        return Word(said, self.level, kind, letters, query)


def word(said: str, levels: Collection[str] = (USER, SYSTEM)) -> Word:
    """One scope for records, of one of these levels; raises ScopeRefused."""
    plain, mark, query = said.partition("?")
    form = _FORM.fullmatch(plain)
    if form is None or not form[3] or form[1] not in levels:
        raise ScopeRefused(why=f"{said!a} is none: write for example user/Observation.rs")
    level, kind, letters = form.groups()
    if kind != ANY and kind not in resource_types():
        raise ScopeRefused(why=f"{kind} is not a resource type of R4")
    if not mark:
        return Word(said, level, kind, _FIRST_VERSION.get(letters, letters))
    if letters in _FIRST_VERSION or len(set(READS) & set(letters)) == 1:
        raise ScopeRefused(why="a scope that is refined both reads and searches, or neither: Observation.rs?")
    refining(kind, query)
    return Word(said, level, kind, letters, query)


def limited_to(words: Iterable[Word]) -> Scopes:
    """What these allow and nothing besides; none of them allow nothing."""
    found: dict[str, frozenset[str]] = {}
    parts = list[Word]()
    for each in words:
        if each.query:
            parts.append(each)
        else:
            found[each.kind] = found.get(each.kind, frozenset()) | set(each.letters)
    return Scopes(found, tuple(parts))


def read_scopes(said: str) -> Scopes:
    """The scopes that a text says, none for an empty one; raises ScopeRefused."""
    return limited_to(map(word, said.split())) if said.split() else EVERYTHING


def narrowed(wanted: Iterable[Word], allowed: Iterable[Word]) -> list[Word]:
    """As much of what is wanted as is allowed, each once; what is allowed whole stays as it was said."""
    allowed, made = list(allowed), dict[str, Word]()
    for each in wanted:
        parts = [part for other in allowed if (part := each.within(other)) is not None]
        same = [replace(part, query="") for part in parts if part.query == each.query]
        whole = limited_to(same).allow(each.letters, each.kind)
        made.update({part.said: part for part in ([each] if whole else parts)})
    return list(made.values())
