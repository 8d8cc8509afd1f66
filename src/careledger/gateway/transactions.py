"""Transactions: what a Bundle deletes, creates, changes and reads, whole or not at all (R4 http.html#trules).

Order of effects: everything is found, compared and allowed, and nothing is written; who is new is registered; versions
are stored and given to custodians; then all of it counts at once (workflows.together), what is read is answered. Other
requests pass between any two entries until then, and what they changed meanwhile refuses the whole. Whatever is refused
names its entry, and each entry asks for what it would ask for by itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Set
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

from careledger.app.tokens import Bearer
from careledger.domain.errors import (
    CareLedgerError,
    FhirRefused,
    FileRefused,
    NoUpdateHere,
    RecordNotFound,
    VersionConflict,
)
from careledger.domain.records import Ground
from careledger.fhir.json_text import Resource
from careledger.formats.patients import AliasStatement
from careledger.gateway import deciding, linking, writing
from careledger.gateway.acts import Act, act_of, at
from careledger.gateway.answering import Made, answered, entry_of
from careledger.gateway.beside import LONG
from careledger.gateway.creations import Creations, Steps
from careledger.gateway.deciding import PATIENT, WHERE, stated_id
from careledger.gateway.desk import Desk
from careledger.gateway.entries import READS, Sending, Sent
from careledger.gateway.http import NO_CONTENT, Answered, Asked, prefers
from careledger.gateway.outcomes import ENTRY, outcome
from careledger.gateway.resolving import Resolver
from careledger.gateway.taking import PORTION
from careledger.gateway.views import Shown
from careledger.workflows.actors import Session
from careledger.workflows.amend import following
from careledger.workflows.batches import Writer
from careledger.workflows.custody import find_statement
from careledger.workflows.grounds import writer
from careledger.workflows.new_versions import NewVersion
from careledger.workflows.retract import is_retracted
from careledger.workflows.retrieve import forks
from careledger.workflows.together import Together

WRITTEN = "Written, and anchored."
NOTHING_TO_DO = "Nothing matches, so nothing was taken back."


def carried_out(desk: Desk, who: Bearer, asked: Asked, sending: Sending, made: Made) -> Steps:
    """Does what a transaction or collection asks. Raises what refuses one of its entries, with its place, and then
    nothing is changed; VersionConflict besides where something was changed meanwhile."""
    work = _Transaction(desk, who, asked, sending, made)
    yield from work.decide()
    yield from work.store()
    yield from work.find.still()
    root = work.commit()
    yield None
    yield from work.answer(root)
    for each in sending.sent:
        if each.method in READS:
            yield from answered(desk, who, asked, each, made)


class _Transaction:
    def __init__(self, desk: Desk, who: Bearer, asked: Asked, sending: Sending, made: Made) -> None:
        self.desk, self.who, self.asked, self.sending, self.made = desk, who, asked, sending, made
        self.network, self.organisation = desk.world.network, who.staff.organisation
        self.together = Together(self.network, Writer(self.organisation, Ground.UNASKED, self.session))
        self.find = Resolver(desk, who, made)
        self.acts = [act_of(desk, who, asked, each) for each in sending.sent]
        self.looked: set[bytes] = set()
        self.touched: dict[str, Sent] = {}
        self.creations = Creations(desk, who, sending, self._touch)

    @property
    def session(self) -> Session:
        """The session in which everything is asked and written."""
        return self.desk.leases.session(self.who)

    def decide(self) -> Steps:
        """Everything but what the ledger and custodians say; nothing is written."""
        for act in self._of("DELETE"):
            with at(act):
                self._remove(act)
            yield None
        for act in self._of("PUT", "PATCH"):
            with at(act):
                self._meet(act)
            yield None
        self.creations.acts = [
            each for each in self.acts if each.sent.method in ("POST", "PUT") and each.current is None
        ]
        yield from self._refer(lambda kind: kind == PATIENT)
        yield from self._look()
        yield from self._refer(lambda kind: kind != PATIENT)
        yield from self.creations.judge()
        yield from self._change()

    def store(self) -> Steps:
        """Registers who is new, and stores what is written."""
        yield from self.creations.store(self.together)
        for some in self._portions():
            self._amend(some)
            yield None
        back = defaultdict[bytes, list[Act]](list)
        for act in self._of("DELETE"):
            if act.removal is not None and act.handles:
                back[act.removal.alias].append(act)
        for alias, acts in back.items():
            with at(acts[0]):
                statement = find_statement(self.network, alias, self.desk.world.custodians)
                by = writer(self.network, self.session, statement)
                self.together.take_back(by, statement, [each for act in acts for each in act.handles])
            yield None

    def commit(self) -> bytes:
        """All of it, in one step; returns the root."""
        self.find.check_still()
        own = self.desk.charts.of(self.organisation)
        try:
            root = self.together.commit(self._holds)
        except BaseException:
            own.look_again()
            raise
        for alias in self._about():
            self.desk.leases.forget(self.who, alias)
        with suppress(CareLedgerError):  # what counts is written, whatever becomes of the index now
            own.wrote(self._about())
        return root

    # What each entry asks for -----------------------------------------------------------------------

    def _of(self, *methods: str) -> list[Act]:
        return [each for each in self.acts if each.sent.method in methods]

    def _remove(self, act: Act) -> None:
        kind = act.asked.kind
        if act.by_search:
            self.who.require_fresh(self.desk.world.clock.now())
            there = deciding.named_match(self.desk, self.who, act.asked, self.find.gone)
            if there is None:
                self._say(act, Answered(outcome("information", "not-found", NOTHING_TO_DO)))
                return
        id = there.id if act.by_search and there is not None else act.asked.path["id"]
        act.removal = taken = deciding.removal(self.desk, self.who, act.asked, id)
        mine = writing.own_handles(self.organisation, taken.alias, taken.record_id, taken.seen)
        act.handles = tuple(each for each in mine if not is_retracted(self.organisation.books, each))
        self.together.expect(taken.alias, taken.record_id)
        path = f"{kind}/{UUID(bytes=taken.record_id)}"  # whatever way the address writes it
        self._touch(path, act)
        self.find.gone.add(path)

    def _meet(self, act: Act) -> None:
        """The newest version of the record that is changed; None as long as that depends on what is sent."""
        kind, id = act.asked.kind, act.asked.path.get("id", "")
        if act.by_search and act.sent.method == "PUT":
            if kind == PATIENT:
                raise NoUpdateHere()
            return
        if act.by_search:
            there = deciding.named_match(self.desk, self.who, act.asked, self.find.gone)
            if there is None:
                raise RecordNotFound()
            id = there.id
        elif act.sent.method == "PUT" and stated_id(act.body) != id:
            raise FhirRefused(path=f"{kind}.id", problem="not the id that the address names")
        self._changes(act, id)

    def _changes(self, act: Act, id: str) -> None:
        kind = act.asked.kind
        if f"{kind}/{id}" in self.find.gone:
            self._touch(f"{kind}/{id}", act)
        view, act.current = deciding.newest(self.desk, self.who, kind, id, self.looked)
        act.alias = view.seen.alias
        self._touch(act.path, act)
        self.find.changed.add(act.path)
        if (record := view.record(act.current)) is not None:
            self.together.expect(act.alias, record.manifest.record_id, view.handles)

    def _touch(self, path: str, act: Act) -> None:
        """Raises FhirRefused where another entry changes the same record."""
        other = self.touched.setdefault(path, act.sent)
        if other is not act.sent:
            raise FhirRefused(problem=f"changes the same record as {other.where}")

    # What entries name by a search, and each other -------------------------------------------------

    def _refer(self, of: Callable[[str], bool]) -> Steps:
        """Conditional references to such types become what they name."""
        found = [
            (act, [each for each in linking.conditional(act.body) if of(linking.parted(each)[0])])
            for act in [*self.creations.acts, *self._changing()]
        ]
        self._writes({linking.parted(each)[0] for _, some in found for each in some})
        for act, some in found:
            names = {}
            for reference in some:
                with at(act):
                    names[reference] = self.find.reference(reference, act.alias)
                yield None
            act.body = linking.replaced(act.body, names)

    def _changing(self) -> list[Act]:
        return [each for each in self._of("PUT", "PATCH") if each.current is not None]

    def _writes(self, kinds: Set[str]) -> None:
        for act in self.creations.acts:
            if act.sent.kind in kinds:
                name = act.sent.full_url or (f"{act.sent.kind}/{act.sent.id}" if act.sent.id else "")
                self.find.writes(act.sent.kind, name, act.body, act.alias)
        for act in self._changing():
            if act.sent.method == "PUT" and act.sent.kind in kinds:
                self.find.writes(act.sent.kind, act.path, act.body, act.alias)

    def _look(self) -> Steps:
        """Whom the entries that may create are about, and which of them find their record there already."""
        yield from self.creations.look()
        names = dict[str, str]()
        for act in self.creations.acts:
            if act.by_search or "if-none-exist" in act.asked.headers:
                with at(act):
                    self._if_there(act)
                yield None
            if act.current is not None and act.sent.full_url:
                names[act.sent.full_url] = act.path
                if act.sent.id:
                    names[f"{act.sent.kind}/{act.sent.id}"] = act.path
        self.creations.acts = [each for each in self.creations.acts if each.current is None]
        names |= {act.sent.full_url: act.path for act in self._changing() if act.sent.full_url}
        for act in self.creations.acts:
            act.body = linking.replaced(act.body, names)
        for act in self._changing():
            act.body = linking.replaced(act.body, names, act.sent.method == "PATCH")

    def _if_there(self, act: Act) -> None:
        kind, put = act.asked.kind, act.by_search
        if kind == PATIENT:
            raise FhirRefused(path="ifNoneExist", problem="people are looked for by $match")
        unless = act.asked.headers.get("if-none-exist", "")
        query = act.sent.query if put else deciding.parameters(self.desk, kind, unless)
        where = WHERE if put else "ifNoneExist"
        there = None if act.alias is None else self.find.one(kind, act.alias, query, where)
        stated = stated_id(act.body)
        if there is not None and put:
            if stated not in ("", there.id):
                raise FhirRefused(path=f"{kind}.id", problem="not the id of the record that matches")
            self._changes(act, there.id)
        elif there is not None:
            act.current = there
            self._say(act, Answered(there.resource, there))
        elif put and stated:
            raise NoUpdateHere()
        elif put:
            self.who.scopes.require("c", kind)

    # What is changed -------------------------------------------------------------------------------

    def _change(self) -> Steps:
        acts = self._changing()
        names = self.creations.places() if acts else {}
        for act in acts:
            with at(act):
                yield from self._changed(act, linking.replaced(act.body, names, act.sent.method == "PATCH"))
            yield None

    def _changed(self, act: Act, body: bytes) -> Steps:
        current, kind, after = act.current, act.asked.kind, ""
        assert current is not None
        if act.sent.method == "PATCH":
            body = deciding.patch_of(replace(act.asked, body=body), current.resource, current.id)
            after = current.version
        deciding.check_whole(body)
        reading = partial(writing.single, body, kind, b"")
        single = (yield reading) if len(body) > LONG else reading()
        act.update = deciding.update(self.desk, self.who, act.asked, current.id, after, single, self.looked)
        if act.update.current.version != current.version:
            raise VersionConflict()

    def _portions(self) -> Iterator[list[tuple[Act, Writer, NewVersion]]]:
        """What is changed, in portions of one patient, author's ground and compartment: who refuses one refuses all."""
        groups = defaultdict[Any, list[tuple[Act, Writer, NewVersion]]](list)
        statements, writers = dict[bytes, AliasStatement](), dict[tuple[bytes, bool], Writer]()
        network, session = self.network, self.session
        for act in self.acts:
            if (update := act.update) is None:
                continue
            alias, mine = update.alias, update.before.manifest.author == session.staff.number
            with at(act):
                if alias not in statements:
                    statements[alias] = find_statement(network, alias, self.desk.world.custodians)
                made = writing.changed(network, session, statements[alias], update.before, update.sent)
                if (alias, mine) not in writers:
                    writers[alias, mine] = writing.changer(network, session, statements[alias], update.before)
            version = following(update.before, made)
            groups[alias, mine, version.compartment].append((act, writers[alias, mine], version))
        for some in groups.values():
            yield from (some[first : first + PORTION] for first in range(0, len(some), PORTION))

    def _amend(self, some: list[tuple[Act, Writer, NewVersion]]) -> None:
        (first, by, _), versions = some[0], [version for _, _, version in some]
        assert first.update is not None
        named = {version.record_id.hex(): act for act, _, version in some}
        try:
            with at(first):
                statement = find_statement(self.network, first.update.alias, self.desk.world.custodians)
                made = self.together.add(by, statement, versions)
        except FileRefused as error:
            sent = named[str(error.details.pop("record"))].sent
            raise type(error)(**(error.details | {"entry": sent.place, ENTRY: sent.where})) from None
        new = {copy.record_id: copy.handle for batch in made.batches for copy in batch.copies}
        for record_id, handle in (made.known | new).items():
            named[record_id.hex()].version = handle.hex()

    # What became of it -----------------------------------------------------------------------------

    def _about(self) -> dict[bytes, None]:
        """About whom something is written."""
        changed = [act.update.alias for act in self.acts if act.update is not None]
        removed = [act.removal.alias for act in self.acts if act.removal is not None]
        return dict.fromkeys([*self.creations.aliases, *changed, *removed])

    def _holds(self) -> bool:
        """Whether nobody's version of what was changed was anchored first: of two that follow one version it counts."""
        changed = defaultdict[bytes, list[Act]](list)
        for act in self.acts:
            if act.update is not None:
                changed[act.update.alias].append(act)
        return all(self._hold(alias, some) for alias, some in changed.items())

    def _hold(self, alias: bytes, some: list[Act]) -> bool:
        numbers, found = {each.before.compartment.number for act in some if (each := act.update)}, None
        with suppress(CareLedgerError):
            found = self.desk.leases.following(self.who, alias, sorted(numbers))
        if found is not None and not any(
            found.get(act.update.before.handle, frozenset()) - {bytes.fromhex(act.version)}
            for act in some
            if act.update is not None
        ):
            return True
        self.desk.leases.forget(self.who, alias)
        with suppress(CareLedgerError):
            lost = {each.handle.hex() for each in forks(self.desk.leases.look(self.who, alias).seen.records)}
            return not any(act.version in lost for act in some)
        return True

    def answer(self, root: bytes) -> Steps:
        """What became of each entry that writes: with the record where the client prefers it, else its place alone."""
        whole = prefers(self.asked.headers, "return=representation")
        for act, alias, entry in self.creations.answers(root):
            self.made.entries[act.sent.place] = self._whole(alias, entry) if whole else entry
            if whole:
                yield None
        facts = self.network.ledger.fresh_head().anchor(root)
        for act in self.acts:
            if act.update is not None:
                shown = (
                    self.desk.written(self.who, act.update.alias, act.path, act.version) if whole else None
                )
                self._say(act, _changed(act, facts.time if facts is not None else 0, shown))
                if whole:
                    yield None
            elif act.removal is not None:
                self._say(act, Answered(None, status=NO_CONTENT))
                with suppress(CareLedgerError):
                    self.desk.charts.of(self.organisation).forget(self.network, act.removal.record_id)
                yield None

    def _whole(self, alias: bytes, entry: Resource) -> Resource:
        """What became of an entry that created, with the record if it is seen."""
        path, _, version = entry["response"].get("location", "").partition("/_history/")
        shown = self.desk.written(self.who, alias, path, version)
        if shown is None:
            return entry
        self.made.shown.append((alias, Answered(shown.resource, shown)))
        return {"resource": shown.resource, **entry}

    def _say(self, act: Act, said: Answered) -> None:
        self.made.shown.append((b"", said))
        self.made.entries[act.sent.place] = entry_of(act.asked, said)


def _changed(act: Act, at: int, shown: Shown | None) -> Answered:
    """The version that was written, as it is seen if it is."""
    if shown is not None:
        return Answered(shown.resource, shown)
    said = outcome("information", "informational", WRITTEN)
    time = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    kind, _, id = act.path.partition("/")
    return Answered(None, Shown(kind, id, act.version, at, {**said, "meta": {"lastUpdated": time}}))
