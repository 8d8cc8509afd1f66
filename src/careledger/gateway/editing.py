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
from careledger.gateway import writing
from careledger.gateway.about import about_whom
from careledger.gateway.desk import Desk, uuid_of
from careledger.gateway.finding import Found
from careledger.gateway.http import CREATED, JSONS, NO_CONTENT, PATCH, Answered, Asked, Handler, pairs
from careledger.gateway.operations import consents
from careledger.gateway.outcomes import outcome
from careledger.gateway.taking import take as take_bundle
from careledger.gateway.views import Shown, everything
from careledger.workflows.custody import find_statement


def handlers(desk: Desk) -> list[Handler]:
    """The routes."""
    return [
        Handler("POST", "/", partial(take, desk), JSONS),
        Handler("PUT", "/{kind}/{id}", partial(update, desk), JSONS),
        Handler("PATCH", "/{kind}/{id}", partial(patch, desk), (PATCH,)),
        Handler("DELETE", "/{kind}/{id}", partial(delete, desk)),
        Handler("POST", "/{kind}", partial(create, desk), JSONS),
    ]


def create(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """A new record of the patient whom it names, anchored; see ``writing.create``. With If-None-Exist the one
    that matches among what this post sees of that patient, if one does; raises VersionConflict for several."""
    kind, body = asked.kind, asked.body
    network, session, alias = desk.world.network, desk.leases.session(who), writing.whose(body, kind)
    unless = asked.headers.get("if-none-exist")
    if unless is not None and (there := _there(desk, who, alias, kind, unless)) is not None:
        return Answered(there.resource, there)
    statement = find_statement(network, alias, desk.world.custodians)
    key = asked.headers.get("idempotency-key", "")
    answered = _written(desk, who, alias, writing.create(network, session, statement, kind, body, key))
    return replace(answered, resource=consents.grants_nothing()) if kind == consents.KIND else answered


def update(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """The next version of what this post sees. Raises NoUpdateHere, VersionConflict for what If-Match does not name,
    also if another version was anchored meanwhile, and what ``writing.update`` raises."""
    return _updated(desk, who, asked, asked.body)


def patch(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """The next version, by a JSON Patch (RFC 6902) of the current one; raises as ``update``, and FhirRefused."""
    try:
        current = desk.current(who, asked.kind, asked.path["id"]).resource
    except (RecordNotFound, RecordGone):
        raise NoUpdateHere() from None
    return _updated(desk, who, asked, writing.patched(current, asked.body))


def delete(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """What this organisation wrote is taken back; raises WritingRefused for another's, RecordNotFound."""
    record_id = uuid_of(asked.path["id"])
    try:
        alias: bytes | None = desk.found(who, asked.kind, asked.path["id"]).seen.alias
        seen = True
    except (RecordNotFound, RecordGone):
        alias, seen = desk.chart.alias(who.staff.organisation, record_id), False
    if alias is None:
        raise RecordNotFound()
    statement = find_statement(desk.world.network, alias, desk.world.custodians)
    writing.delete(desk.world.network, desk.leases.session(who), statement, record_id, seen)
    return Answered(None, status=NO_CONTENT)


def take(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """A Bundle that is imported; see ``taking.take``."""
    try:
        return Answered(take_bundle(desk.world.network, desk.leases.session(who), asked.body))
    finally:
        desk.chart.forget(who.staff.organisation)


def _updated(desk: Desk, who: Bearer, asked: Asked, body: bytes) -> Answered:
    kind, id = asked.kind, asked.path["id"]
    try:
        view = desk.found(who, kind, id)
    except (RecordNotFound, RecordGone):
        raise NoUpdateHere() from None
    current = view.current[f"{kind}/{id}"]
    before = view.record(current)
    if before is None or kind == "Patient":
        raise NoUpdateHere()
    writing.check_current(asked.headers.get("if-match", ""), current.version)
    if stated_id(body) != id:
        raise FhirRefused(path=f"{kind}.id", problem="not the id that the address names")
    network, session, alias = desk.world.network, desk.leases.session(who), view.seen.alias
    statement = find_statement(network, alias, desk.world.custodians)
    made = writing.update(network, session, statement, kind, before, body)
    answered = _written(desk, who, alias, made)
    if answered.shown is not None and answered.shown.version != made.version:
        raise VersionConflict()
    return answered


def _there(desk: Desk, who: Bearer, alias: bytes, kind: str, stated: str) -> Shown | None:
    view = desk.leases.look(who, alias)
    query = desk.parsed(kind, about_whom(kind, pairs(stated.removeprefix("?"))).rest)
    if query.ignored or not query.criteria:
        raise FhirRefused(path="If-None-Exist", problem="is not a search that can be made here")
    found = Found(query, everything([view])).matches
    if len(found) > 1:
        raise VersionConflict()
    return found[0] if found else None


def _written(desk: Desk, who: Bearer, alias: bytes, made: writing.Written) -> Answered:
    """The version that was written, as this post sees it if it does."""
    desk.leases.forget(who, alias)
    desk.chart.forget(who.staff.organisation)
    path, status = f"{made.kind}/{made.id}", CREATED if made.new else 200
    with suppress(CareLedgerError):  # what is anchored is written, whatever cannot be shown now
        shown = desk.leases.look(who, alias).current.get(path)
        if shown is not None:
            return Answered(shown.resource, shown, status)
    said = outcome("information", "informational", "Written, and anchored; this post does not see it yet.")
    return Answered(said, Shown(made.kind, made.id, made.version, 0, said), status)


def stated_id(body: bytes) -> str:
    """The id that a resource states; raises FhirRefused."""
    try:
        return msgspec.json.decode(body, type=_Stated).id
    except (msgspec.DecodeError, RecursionError):
        raise FhirRefused(problem="not a resource in JSON") from None


class _Stated(msgspec.Struct):
    id: str = ""
