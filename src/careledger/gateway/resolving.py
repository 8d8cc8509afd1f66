"""What entries of a transaction name by a search: records that are there, and each other (R4 http.html#trules).

The search and what it sees are those of a request of its own: first among what this post sees of the patient whom the
entry is about, then wherever a search looks that names nobody. What is hidden is not there. What the transaction takes
back is not there either, and what it writes is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from careledger.app.tokens import Bearer
from careledger.domain.errors import FhirRefused, RecordNotFound, SeveralMatch, TooCostly, VersionConflict
from careledger.fhir.json_text import Flaw, Resource, read
from careledger.gateway.about import about_whom
from careledger.gateway.answering import Made
from careledger.gateway.creations import Steps
from careledger.gateway.deciding import PATIENT, match
from careledger.gateway.desk import Desk
from careledger.gateway.finding import Found
from careledger.gateway.http import Answered, Asked, pairs
from careledger.gateway.linking import parted
from careledger.gateway.searching import MOST_COUNT, search
from careledger.gateway.views import Shown
from careledger.workflows.deposited import deposited_before
from careledger.workflows.retract import is_retracted

STRICT = {"prefer": "handling=strict"}
MOST_COMPARED = 200_000
"""How often one transaction compares a search with a record that it writes itself."""
MOST_AGAIN = 3
"""How often searches are made again before the end; whoever writes of the patient all the time refuses them."""


@dataclass(frozen=True, repr=False)
class Written:
    """A record that the transaction writes: what refers to it calls it so; ``alias`` is None for a new patient's."""

    name: str
    resource: Resource
    alias: bytes | None


@dataclass(repr=False)
class Resolver:
    """The searches of one transaction; ``made`` notes what they show."""

    desk: Desk
    who: Bearer
    made: Made
    gone: set[str] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)
    """Paths of what is taken back, and of what is changed."""
    _written: dict[str, list[Written]] = field(default_factory=lambda: defaultdict(list))
    _known: dict[tuple[bytes | None, str], str] = field(default_factory=dict)
    _again: dict[bytes, tuple[int, list[Callable[[], Shown | None]]]] = field(default_factory=dict)
    _there: list[bytes] = field(default_factory=list)
    _compared: int = 0

    def writes(self, kind: str, name: str, body: bytes, alias: bytes | None) -> None:
        """A record of the transaction, which its references may find; what cannot be read is refused elsewhere."""
        try:
            resource = read(body)
        except Flaw:
            return
        if name and isinstance(resource, dict) and resource.get("resourceType") == kind:
            self._written[kind].append(Written(name, resource, alias))

    def one(self, kind: str, alias: bytes, query: str, where: str) -> Shown | None:
        """The one record of that patient that matches among what this post sees, None if none does; raises as
        ``match``, and ScopeRefused."""
        self.who.scopes.require("s", kind)
        given = pairs(query)

        def look() -> Shown | None:
            return match(self.desk, self.who, kind, alias, given, where, self.gone)

        there = look()
        if there is None:
            self._again.setdefault(alias, (self._count(alias), []))[1].append(look)
        else:
            self._there.append(bytes.fromhex(there.version))
        return there

    def reference(self, reference: str, alias: bytes | None) -> str:
        """What a conditional reference of an entry about that patient becomes: the address of the one record that
        matches, or what the transaction calls it. Raises RecordNotFound for none, SeveralMatch,
        FhirRefused for what is no search, ScopeRefused, TooCostly, and as ``searching.search``."""
        kind, query = parted(reference)
        known = self._known.get((alias, reference))
        if known is None:
            self.who.scopes.require("s", kind)
            known = self._known[alias, reference] = self._found(kind, query, alias)
        return known

    def still(self) -> Steps:
        """Searches again, in steps, of whom something was written meanwhile; raises VersionConflict where something
        else is found by now."""
        for _ in range(MOST_AGAIN):
            for alias in self._outdated():
                yield from self._look_again(alias)

    def _look_again(self, alias: bytes) -> Steps:
        looks = self._again[alias][1]
        self._again[alias] = self._count(alias), looks
        self.desk.leases.forget(self.who, alias)
        for look in looks:
            if look() is not None:
                raise VersionConflict()
            yield None

    def check_still(self) -> None:
        """Raises VersionConflict where a search would find something else by now, or might."""
        books = self.who.staff.organisation.books
        if self._outdated() or any(is_retracted(books, each) for each in self._there):
            raise VersionConflict()

    def _outdated(self) -> list[bytes]:
        return [alias for alias, (count, _) in self._again.items() if self._count(alias) != count]

    def _count(self, alias: bytes) -> int:
        return deposited_before(self.who.staff.organisation.books, alias).count

    def _found(self, kind: str, query: str, alias: bytes | None) -> str:
        given = pairs(query)
        here = self._within(kind, given, alias)
        there = [] if alias is None or kind == PATIENT else self._of(kind, given, alias)
        if not here and not there:
            there = self._anywhere(kind, given)
        names = {*here, *there}
        if len(names) > 1:
            raise SeveralMatch()
        if not names:
            raise RecordNotFound(what=f"a {kind} that a conditional reference names")
        return names.pop()

    def _of(self, kind: str, given: list[tuple[str, str]], alias: bytes) -> list[str]:
        """Of that patient, by a search that names nobody else."""
        if about_whom(kind, given).aliases not in (None, (alias,)):
            return []
        found = match(self.desk, self.who, kind, alias, given, kind, self.gone | self.changed)
        if found is None:
            return []
        self.made.shown.append((alias, Answered(found.resource, found)))
        return [found.path]

    def _anywhere(self, kind: str, given: list[tuple[str, str]]) -> list[str]:
        """By the search that names nobody but whom the reference names."""
        but = self.gone | self.changed
        count = 2 + sum(each.startswith(f"{kind}/") for each in but)
        if count > MOST_COUNT:
            raise TooCostly(most=MOST_COUNT)
        asked, about = (
            Asked({"kind": kind}, STRICT, [*given, ("_count", str(count))], b""),
            about_whom(kind, given),
        )
        if about.aliases is None and not self.desk.parsed(kind, about.rest).criteria:
            raise FhirRefused(path=kind, problem="is not a search that can be made here")
        said = search(self.desk, self.who, asked)
        found = [
            f"{kind}/{each['resource']['id']}"
            for each in (said.resource or {}).get("entry", ())
            if each["search"]["mode"] == "match"
        ]
        self.made.shown.append((b"", said))
        return [each for each in found if each not in but]

    def _within(self, kind: str, given: list[tuple[str, str]], alias: bytes | None) -> list[str]:
        """Among what the transaction writes."""
        written = self._written.get(kind)
        if not written:
            return []
        self._compared += len(written)
        if self._compared > MOST_COMPARED:
            raise TooCostly(most=MOST_COMPARED)
        about = about_whom(kind, given)
        pool = {
            id(each.resource): each
            for each in written
            if about.aliases is None or (each.alias is not None and each.alias in about.aliases)
        }
        shown = [Shown(kind, "", "0", 0, each.resource) for each in pool.values()]
        query = self.desk.parsed(kind, about.rest)
        if query.ignored or not query.criteria:
            return []
        return [pool[id(each.resource)].name for each in Found(query, shown).matches]
