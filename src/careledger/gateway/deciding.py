"""What a change of a record would be: found, compared and allowed, before anything is written.

Single requests and transactions decide by the same functions; what they find is what the post sees, and hidden answers
like unknown.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

import msgspec

from careledger.app.tokens import Bearer
from careledger.domain.errors import (
    FhirRefused,
    NoUpdateHere,
    RecordGone,
    RecordNotFound,
    SeveralMatch,
    VersionConflict,
)
from careledger.fhir.json_text import Resource
from careledger.fhir.searching.subsets import is_part
from careledger.gateway import writing
from careledger.gateway.about import Given, about_whom
from careledger.gateway.desk import Desk, uuid_of
from careledger.gateway.finding import Found
from careledger.gateway.http import PATCH, Asked
from careledger.gateway.views import Shown, View, everything
from careledger.workflows.retrieve import Record

WHERE, PATIENT = "the address", "Patient"


@dataclass(frozen=True, repr=False)
class Update:
    """The next version of a record: what it follows, and what was sent."""

    alias: bytes
    current: Shown
    before: Record
    sent: writing.Single


@dataclass(frozen=True, repr=False)
class Removal:
    """A record whose versions by this organisation are taken back; ``seen`` if the post is shown it."""

    alias: bytes
    record_id: bytes
    seen: bool


def update(
    desk: Desk,
    who: Bearer,
    asked: Asked,
    id: str,
    after: str,
    sent: writing.Single,
    looked: set[bytes] | None = None,
) -> Update:
    """``looked`` as of ``newest``. Raises NoUpdateHere; VersionConflict for what If-Match does not name, or where the
    newest version is not ``after``; ScopeRefused."""
    kind = asked.kind
    view, current = newest(desk, who, kind, id, looked)
    if after not in ("", current.version):
        raise VersionConflict()
    before = view.followed(current)
    if before is None or kind == PATIENT:
        raise NoUpdateHere()
    writing.check_current(asked.headers.get("if-match", ""), current.version)
    writing.check_covers(who.scopes, "u", current.resource, sent)
    return Update(view.seen.alias, current, before, sent)


def removal(desk: Desk, who: Bearer, asked: Asked, id: str) -> Removal:
    """In somebody's session by a fresh proof. Raises FreshProofNeeded, VersionConflict for what If-Match does not name,
    ScopeRefused, RecordNotFound."""
    kind = asked.kind
    who.require_fresh(desk.world.clock.now())
    if "if-match" in asked.headers:
        writing.check_current(asked.headers["if-match"], desk.newest(who, kind, id).version)
    if not who.scopes.allow("d", kind):
        writing.check_covers(who.scopes, "d", desk.newest(who, kind, id).resource)
    record_id, own = uuid_of(id), desk.charts.of(who.staff.organisation)
    try:
        alias: bytes | None = desk.found(who, kind, id).seen.alias
        seen = True
    except (RecordNotFound, RecordGone):
        alias, seen = own.alias(desk.world.network, kind, record_id), False
    if alias is None or who.patient not in (b"", alias):
        raise RecordNotFound()
    return Removal(alias, record_id, seen)


def newest(
    desk: Desk, who: Bearer, kind: str, id: str, looked: set[bytes] | None = None
) -> tuple[View, Shown]:
    """The newest version of a record, and the view in which it is shown; raises NoUpdateHere where none is. Custodians
    are asked about that version, or with ``looked`` once for all of a patient who is not in it."""
    try:
        view = _view(desk, who, kind, id)
        if looked is None:
            view = desk.leases.newest(who, view, view.current[f"{kind}/{id}"])
        elif view.seen.alias not in looked:
            desk.leases.forget(who, view.seen.alias)
            view = desk.leases.look(who, view.seen.alias)
            looked.add(view.seen.alias)
        return view, view.current[f"{kind}/{id}"]
    except (RecordNotFound, RecordGone, KeyError):
        raise NoUpdateHere() from None


def _view(desk: Desk, who: Bearer, kind: str, id: str) -> View:
    """The view in which a record is shown; for an own writing, which is read without, its patient is looked at. Raises
    RecordNotFound, RecordGone, and what ``Leases.look`` raises."""
    try:
        return desk.found(who, kind, id)
    except RecordNotFound:
        return desk.leases.look(who, desk.own(who, kind, id)[0].about)


def match(
    desk: Desk,
    who: Bearer,
    kind: str,
    alias: bytes,
    given: Given,
    where: str,
    but: Set[str] = frozenset(),
) -> Shown | None:
    """The one record of that patient that a search finds among what this post sees, None if it finds none; ``but``
    these do not count.

    Raises SeveralMatch, FhirRefused for a search that is none or names another patient.
    """
    view, about = desk.leases.look(who, alias), about_whom(kind, given)
    query = desk.parsed(kind, about.rest)
    if query.ignored or not query.criteria or about.aliases not in (None, (alias,)):
        raise FhirRefused(path=where, problem="is not a search that can be made here")
    found = Found(query, [each for each in everything([view]) if each.path not in but]).matches
    if len(found) > 1:
        raise SeveralMatch()
    return found[0] if found else None


def named_match(desk: Desk, who: Bearer, asked: Asked, but: Set[str] = frozenset()) -> Shown | None:
    """The same of the one patient whom the search names; raises FhirRefused besides where it names none, or many."""
    aliases = about_whom(asked.kind, asked.given).aliases
    if aliases is None or len(aliases) != 1:
        raise FhirRefused(path=WHERE, problem="name one patient whose record it is")
    return match(desk, who, asked.kind, aliases[0], asked.given, WHERE, but)


def parameters(desk: Desk, kind: str, unless: str) -> str:
    """The search of an If-None-Exist; what stands before its question mark, as clients write it, names the type."""
    before, mark, after = unless.partition("?")
    return after if mark and before in ("", kind, f"{desk.base}/{kind}") else unless


def patch_of(asked: Asked, current: Resource, id: str) -> bytes:
    sent_as = asked.headers.get("content-type", "").partition(";")[0].strip().lower()
    patched = writing.patched if sent_as == PATCH else writing.path_patched
    body = patched(current, asked.body)
    if stated_id(body) != id:
        raise FhirRefused(path=f"{asked.kind}.id", problem="not the id of the record")
    return body


def check_whole(body: bytes) -> None:
    """Raises FhirRefused for a part of a record, as a search shows it."""
    if is_part({"meta": _stated(body).meta}):
        raise FhirRefused(path="meta.tag", problem="only a part of the record, as a search showed it")


def stated_id(body: bytes) -> str:
    """The id that a resource states; raises FhirRefused."""
    return _stated(body).id


class _Stated(msgspec.Struct):
    id: str = ""
    meta: object = None


def _stated(body: bytes) -> _Stated:
    try:
        return msgspec.json.decode(body, type=_Stated)
    except (msgspec.DecodeError, RecursionError):
        raise FhirRefused(problem="not a resource in JSON") from None
