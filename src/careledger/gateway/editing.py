"""Create, update, patch, delete, and Bundles: each the post's own signed statement, answered once it is anchored."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import partial

import msgspec

from careledger.app.tokens import Bearer
from careledger.domain.errors import (
    CareLedgerError,
    FhirRefused,
    NoUpdateHere,
    RecordGone,
    RecordNotFound,
    VersionConflict,
)
from careledger.fhir.json_text import Resource
from careledger.fhir.searching.subsets import is_part
from careledger.gateway import writing
from careledger.gateway.about import Given, about_whom
from careledger.gateway.desk import Desk, uuid_of
from careledger.gateway.finding import Found
from careledger.gateway.http import (
    CREATED,
    JSONS,
    NO_CONTENT,
    PATCH,
    Answered,
    Asked,
    Handler,
    Slow,
    pairs,
)
from careledger.gateway.operations import consents
from careledger.gateway.outcomes import outcome
from careledger.gateway.repeats import answer_to, repeat
from careledger.gateway.taking import take as take_bundle
from careledger.gateway.views import Shown, everything
from careledger.workflows.custody import find_statement

WHERE = "the address"


def handlers(desk: Desk) -> list[Handler]:
    """The routes."""
    return [
        Handler("POST", "/", partial(take, desk), JSONS, later=True, needs="c"),
        Handler("PUT", "/{kind}/{id}", partial(update, desk), JSONS, later=True, needs="ru"),
        Handler(
            "PUT", "/{kind}", partial(update_matching, desk), JSONS, looks_at=None, later=True, needs="rus"
        ),
        Handler("PATCH", "/{kind}/{id}", partial(patch, desk), (PATCH,), later=True, needs="ru"),
        Handler("DELETE", "/{kind}/{id}", partial(delete, desk), later=True, needs="d"),
        Handler("DELETE", "/{kind}", partial(delete_matching, desk), looks_at=None, later=True, needs="ds"),
        Handler("POST", "/{kind}", partial(create, desk), JSONS, later=True, needs="c"),
    ]


def create(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """A new record of the patient whom it names, anchored; see ``writing.create``. With If-None-Exist the one
    that matches among what this post sees of that patient, if one does; raises VersionConflict for several.

    A Consent with its grant package is no record: see ``consents.take``.
    """
    if asked.kind == consents.KIND and (signed := consents.signed(asked.body)) is not None:
        return _consent_taken(desk, who, signed)
    unless = asked.headers.get("if-none-exist")
    if unless is not None:
        who.scopes.require("s", asked.kind)
        given = pairs(unless.removeprefix("?"))
        there = _match(desk, who, asked.kind, writing.whose(asked.body, asked.kind), given, "If-None-Exist")
        if there is not None:
            return Answered(there.resource, there)
    return _created(desk, who, asked)


def _consent_taken(desk: Desk, who: Bearer, signed: Resource) -> Answered:
    alias, id, seen, new = consents.take(desk.world, who, signed)
    desk.leases.forget(who, alias)
    where = {"Location": f"{desk.base}/{consents.KIND}/{id}"}
    return Answered(seen, status=CREATED if new else 200, headers=where)


def _created(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """Raises RepeatRefused where the key named another request; what is kept of the answer says only that there was
    one, for a repetition finds its record."""
    kind, body = asked.kind, asked.body
    network, session, alias = desk.world.network, desk.leases.session(who), writing.whose(body, kind)
    statement = find_statement(network, alias, desk.world.custodians)
    key, organisation = asked.headers.get("idempotency-key"), who.staff.organisation
    asked_once, now = repeat(who, key, kind, body), desk.world.clock.now()
    answer_to(organisation, asked_once, now)
    made = writing.create(network, session, statement, kind, body, key or "")
    desk.answers.keep(organisation, asked_once, CREATED, b"", now)
    answered = _written(desk, who, alias, made)
    return replace(answered, resource=consents.grants_nothing()) if kind == consents.KIND else answered


def update(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """The next version of what this post sees. Raises NoUpdateHere, VersionConflict for what If-Match does not name,
    also if another version was anchored meanwhile, and what ``writing.update`` raises."""
    if stated_id(asked.body) != asked.path["id"]:
        raise FhirRefused(path=f"{asked.kind}.id", problem="not the id that the address names")
    return _updated(desk, who, asked, asked.path["id"], asked.body)


def update_matching(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """The next version of the one record that matches among what this post sees of the patient whom the body names;
    a new one if none does and the body states no id. Raises VersionConflict for several, and as ``update``."""
    kind, stated = asked.kind, stated_id(asked.body)
    there = _match(desk, who, kind, writing.whose(asked.body, kind), asked.given, WHERE)
    if there is None:
        if stated:
            raise NoUpdateHere()
        return _created(desk, who, asked)
    if stated not in ("", there.id):
        raise FhirRefused(path=f"{kind}.id", problem="not the id of the record that matches")
    return _updated(desk, who, asked, there.id, asked.body)


def patch(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """The next version, by a JSON Patch (RFC 6902) of the current one; raises as ``update``, and FhirRefused."""
    try:
        current = desk.current(who, asked.kind, asked.path["id"]).resource
    except (RecordNotFound, RecordGone):
        raise NoUpdateHere() from None
    body = writing.patched(current, asked.body)
    if stated_id(body) != asked.path["id"]:
        raise FhirRefused(path=f"{asked.kind}.id", problem="not the id that the address names")
    return _updated(desk, who, asked, asked.path["id"], body)


def delete(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """What this organisation wrote is taken back; raises WritingRefused for another's, RecordNotFound."""
    return _deleted(desk, who, asked.kind, asked.path["id"])


def delete_matching(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """The same for the one record that matches among what this post sees of the patient whom the search names; raises
    RecordNotFound for none, VersionConflict for several, FhirRefused for a search that names no patient, or many."""
    aliases = about_whom(asked.kind, asked.given).aliases
    if aliases is None or len(aliases) != 1:
        raise FhirRefused(path=WHERE, problem="name one patient whose record it is")
    there = _match(desk, who, asked.kind, aliases[0], asked.given, WHERE)
    if there is None:
        raise RecordNotFound()
    return _deleted(desk, who, asked.kind, there.id)


def _deleted(desk: Desk, who: Bearer, kind: str, id: str) -> Answered:
    record_id, own = uuid_of(id), desk.charts.of(who.staff.organisation)
    try:
        alias: bytes | None = desk.found(who, kind, id).seen.alias
        seen = True
    except (RecordNotFound, RecordGone):
        alias, seen = own.alias(desk.world.network, kind, record_id), False
    if alias is None:
        raise RecordNotFound()
    statement = find_statement(desk.world.network, alias, desk.world.custodians)
    writing.delete(desk.world.network, desk.leases.session(who), statement, record_id, seen)
    own.forget(desk.world.network, record_id)
    return Answered(None, status=NO_CONTENT)


def take(desk: Desk, who: Bearer, asked: Asked) -> Slow:
    """A Bundle that is imported; see ``taking.take``."""
    own = desk.charts.of(who.staff.organisation)
    try:
        made, aliases = yield from take_bundle(desk.world.network, desk.leases.session(who), asked.body)
    except BaseException:  # also where nobody waits for the answer any more
        own.look_again()
        raise
    own.wrote(aliases)
    return Answered(made)


def _updated(desk: Desk, who: Bearer, asked: Asked, id: str, body: bytes) -> Answered:
    kind = asked.kind
    if is_part({"meta": _stated(body).meta}):
        raise FhirRefused(path="meta.tag", problem="only a part of the record, as a search showed it")
    try:
        view = desk.found(who, kind, id)
        view = desk.leases.newest(who, view, view.current[f"{kind}/{id}"])
        current = view.current[f"{kind}/{id}"]
    except (RecordNotFound, RecordGone, KeyError):
        raise NoUpdateHere() from None
    before = view.record(current)
    if before is None or kind == "Patient":
        raise NoUpdateHere()
    writing.check_current(asked.headers.get("if-match", ""), current.version)
    network, session, alias = desk.world.network, desk.leases.session(who), view.seen.alias
    statement = find_statement(network, alias, desk.world.custodians)
    made = writing.update(network, session, statement, kind, before, body)
    answered = _written(desk, who, alias, made)
    if answered.shown is not None and answered.shown.version != made.version:
        raise VersionConflict()
    return answered


def _match(desk: Desk, who: Bearer, kind: str, alias: bytes, given: Given, where: str) -> Shown | None:
    """The one record of that patient that a search finds among what this post sees, None if it finds none.

    Raises VersionConflict for several, FhirRefused for a search that is none or names another patient.
    """
    view, about = desk.leases.look(who, alias), about_whom(kind, given)
    query = desk.parsed(kind, about.rest)
    if query.ignored or not query.criteria or about.aliases not in (None, (alias,)):
        raise FhirRefused(path=where, problem="is not a search that can be made here")
    found = Found(query, everything([view])).matches
    if len(found) > 1:
        raise VersionConflict()
    return found[0] if found else None


def _written(desk: Desk, who: Bearer, alias: bytes, made: writing.Written) -> Answered:
    """The version that was written, as this post sees it if it does."""
    desk.leases.forget(who, alias)
    with suppress(CareLedgerError):  # an index that does not open now is read in as a whole once it does
        desk.charts.of(who.staff.organisation).wrote([alias])
    path, status = f"{made.kind}/{made.id}", CREATED if made.new else 200
    with suppress(CareLedgerError):  # what is anchored is written, whatever cannot be shown now
        shown = desk.leases.look(who, alias).current.get(path)
        if shown is not None:
            return Answered(shown.resource, shown, status)
    said = outcome("information", "informational", "Written, and anchored; this post does not see it yet.")
    return Answered(said, Shown(made.kind, made.id, made.version, 0, said), status)


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
