"""Create, update, patch, delete: each the post's own signed statement, answered once it is anchored."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

from careledger.app.tokens import Bearer
from careledger.domain.errors import (
    CareLedgerError,
    FhirRefused,
    NoUpdateHere,
    RecordNotFound,
    ScopeRefused,
    VersionConflict,
)
from careledger.fhir.json_text import Resource
from careledger.gateway import deciding, writing
from careledger.gateway.deciding import (
    PATIENT,
    WHERE,
    check_whole,
    match,
    named_match,
    newest,
    parameters,
    patch_of,
    removal,
    stated_id,
)
from careledger.gateway.desk import Desk
from careledger.gateway.grounds import check_reaches
from careledger.gateway.http import (
    CREATED,
    JSONS,
    NO_CONTENT,
    PATCH,
    Answer,
    Answered,
    Asked,
    Handler,
    Slow,
    pairs,
)
from careledger.gateway.long_bodies import once_read
from careledger.gateway.operations import consents, uploads
from careledger.gateway.outcomes import outcome
from careledger.gateway.repeats import answer_to, repeat
from careledger.gateway.scanned import once_clean, scanned
from careledger.gateway.taking import person
from careledger.gateway.views import Shown
from careledger.workflows.custody import find_statement

_ALIAS = re.compile(r"[0-9a-f]{64}")
PATCHES = (PATCH, *JSONS)
"""A JSON Patch, or the Parameters of a FHIRPath Patch, which may be XML too."""


def handlers(desk: Desk) -> list[Handler]:
    """The routes; whatever brings a body has its files scanned first, where files are scanned: of a patch those of what
    it makes."""
    return [each if each.takes == PATCHES else scanned(desk, each) for each in _handlers(desk)]


def _handlers(desk: Desk) -> list[Handler]:
    return [
        Handler(
            "PUT",
            "/{kind}/{id}",
            partial(update, desk),
            JSONS,
            later=True,
            needs="ru",
            of_one=True,
            in_part=True,
        ),
        Handler(
            "PUT", "/{kind}", partial(update_matching, desk), JSONS, looks_at=None, later=True, needs="rus"
        ),
        Handler(
            "PATCH",
            "/{kind}/{id}",
            partial(patch, desk),
            PATCHES,
            later=True,
            needs="ru",
            of_one=True,
            in_part=True,
        ),
        Handler(
            "PATCH", "/{kind}", partial(patch_matching, desk), PATCHES, looks_at=None, later=True, needs="rus"
        ),
        Handler(
            "DELETE", "/{kind}/{id}", partial(delete, desk), later=True, needs="d", of_one=True, in_part=True
        ),
        Handler("DELETE", "/{kind}", partial(delete_matching, desk), looks_at=None, later=True, needs="ds"),
        Handler(
            "POST",
            "/{kind}",
            partial(create, desk),
            JSONS,
            later=True,
            needs="c",
            of_one=True,
            in_part=True,
            pieces={uploads.KIND: partial(upload, desk)},
        ),
    ]


def create(desk: Desk, who: Bearer, asked: Asked) -> Answer | Slow:
    """A new record of the patient whom it names, anchored; see ``writing.create``. With If-None-Exist the one
    that matches among what this post sees of that patient, if one does; raises SeveralMatch.

    A Consent with its grant package is no record: see ``consents.take``. A Patient is registered
    unless its id is the alias of who is.
    """
    writing.check_no_search(asked.kind, asked.given)
    if asked.kind == PATIENT and not _ALIAS.fullmatch(stated_id(asked.body)):
        return _registered(desk, who, asked)
    if asked.kind == consents.KIND and (signed := consents.signed(asked.body)) is not None:
        if who.patient:
            raise ScopeRefused(needs="a token that is not for one patient alone")
        return _consent_taken(desk, who, signed)
    return once_read(asked.body, _reading(who, asked), partial(_created_unless, desk, who, asked))


def _reading(who: Bearer, asked: Asked) -> Callable[[], writing.Single]:
    """Reads the body, as a record that would be new."""
    key = asked.headers.get("idempotency-key") or ""
    return partial(writing.single, asked.body, asked.kind, writing.namespace(who.staff.organisation, key))


def _created_unless(desk: Desk, who: Bearer, asked: Asked, sent: writing.Single) -> Answered:
    unless = asked.headers.get("if-none-exist")
    if unless is not None:
        who.scopes.require("s", asked.kind)
        given = pairs(parameters(desk, asked.kind, unless))
        there = match(desk, who, asked.kind, sent.whose, given, "If-None-Exist")
        if there is not None:
            return Answered(there.resource, there)
    return _created(desk, who, asked, sent)


def upload(desk: Desk, who: Bearer, asked: Asked) -> uploads.Upload:
    """A new Binary of a file that comes as it is; raises as ``uploads.Upload``."""
    return uploads.Upload(desk, who, asked, partial(_written, desk, who))


def _registered(desk: Desk, who: Bearer, asked: Asked) -> Slow:
    """A new patient, as of a Bundle with nobody else; whom the same source called so before is that one again, by an
    identifier with its system. Raises as ``_created`` and ``taking.person``."""
    if who.patient:
        raise ScopeRefused(needs="a token that is not for one patient alone")
    if "if-none-exist" in asked.headers:
        raise FhirRefused(path="If-None-Exist", problem="people are looked for by $match")
    key, organisation, body = asked.headers.get("idempotency-key"), who.staff.organisation, asked.body
    asked_once, now = repeat(who, key, PATIENT, body), desk.world.clock.now()
    answer_to(organisation, asked_once, now)
    own, unique = desk.charts.of(organisation), writing.unique(organisation, key or "")
    try:
        made = yield from person(desk.world.network, desk.leases.session(who), body, unique)
    except BaseException:  # also where nobody waits for the answer any more
        own.look_again()
        raise
    desk.answers.keep(organisation, asked_once, CREATED, b"", now)
    return _written(desk, who, bytes.fromhex(made.id), made)


def _consent_taken(desk: Desk, who: Bearer, signed: Resource) -> Answered:
    """A grant: in somebody's session by a fresh proof; raises FreshProofNeeded."""
    who.require_fresh(desk.world.clock.now())
    alias, id, seen, new = consents.take(desk.world, who, signed)
    desk.leases.forget(who, alias)
    where = {"Location": f"{desk.base}/{consents.KIND}/{id}"}
    return Answered(seen, status=CREATED if new else 200, headers=where)


def _created(desk: Desk, who: Bearer, asked: Asked, sent: writing.Single) -> Answered:
    """Raises RepeatRefused where the key named another request; what is kept of the answer says only that there was
    one, for a repetition finds its record."""
    kind, body = asked.kind, asked.body
    network, session, alias = desk.world.network, desk.leases.session(who), sent.whose
    check_reaches(who, alias)
    writing.check_covers(who.scopes, "c", sent)
    statement = find_statement(network, alias, desk.world.custodians)
    key, organisation = asked.headers.get("idempotency-key"), who.staff.organisation
    asked_once, now = repeat(who, key, kind, body), desk.world.clock.now()
    answer_to(organisation, asked_once, now)
    made = writing.create(network, session, statement, sent)
    desk.answers.keep(organisation, asked_once, CREATED, b"", now)
    answered = _written(desk, who, alias, made)
    return replace(answered, resource=consents.grants_nothing()) if kind == consents.KIND else answered


def update(desk: Desk, who: Bearer, asked: Asked) -> Answer | Slow:
    """The next version of what this post sees. Raises NoUpdateHere, VersionConflict for what If-Match does not name,
    also if another version was anchored meanwhile, and what ``writing.update`` raises."""
    if stated_id(asked.body) != asked.path["id"]:
        raise FhirRefused(path=f"{asked.kind}.id", problem="not the id that the address names")
    return _once_whole(desk, who, asked, asked.path["id"], asked.body)


def _once_whole(
    desk: Desk, who: Bearer, asked: Asked, id: str, body: bytes, after: str = ""
) -> Answer | Slow:
    """Updated by that body, once it is read; raises VersionConflict where by then it is not ``after`` that version."""
    check_whole(body)
    read = partial(writing.single, body, asked.kind, b"")
    return once_read(body, read, partial(_updated, desk, who, asked, id, after))


def update_matching(desk: Desk, who: Bearer, asked: Asked) -> Answer | Slow:
    """The next version of the one record that matches among what this post sees of the patient whom the body names;
    a new one if none does and the body states no id, for an app whose scopes let it create. Raises SeveralMatch, and
    as ``update``."""
    return once_read(asked.body, _reading(who, asked), partial(_updated_matching, desk, who, asked))


def _updated_matching(desk: Desk, who: Bearer, asked: Asked, sent: writing.Single) -> Answered:
    kind, stated = asked.kind, stated_id(asked.body)
    there = match(desk, who, kind, sent.whose, asked.given, WHERE)
    if there is None:
        if stated:
            raise NoUpdateHere()
        who.scopes.require("c", kind)
        return _created(desk, who, asked, sent)
    if stated not in ("", there.id):
        raise FhirRefused(path=f"{kind}.id", problem="not the id of the record that matches")
    check_whole(asked.body)
    return _updated(desk, who, asked, there.id, "", sent)


def patch(desk: Desk, who: Bearer, asked: Asked) -> Answer | Slow:
    """The next version, by a JSON Patch (RFC 6902) or a FHIRPath Patch of the current one; raises as ``update``, and
    FhirRefused."""
    return _patched(desk, who, asked, asked.path["id"])


def patch_matching(desk: Desk, who: Bearer, asked: Asked) -> Answer | Slow:
    """The same of the one record that matches, as ``delete_matching`` finds it; raises RecordNotFound for none."""
    there = named_match(desk, who, asked)
    if there is None:
        raise RecordNotFound()
    return _patched(desk, who, asked, there.id)


def _patched(desk: Desk, who: Bearer, asked: Asked, id: str) -> Answer | Slow:
    """Of the newest version, whatever this program saw last. Raises VersionConflict where another comes while what it
    makes is scanned or read."""
    _, current = newest(desk, who, asked.kind, id)
    body = patch_of(asked, current.resource, id)
    return once_clean(desk, body, partial(_once_whole, desk, who, asked, id, body, current.version))


def delete(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """What this organisation wrote is taken back; raises WritingRefused for another's, RecordNotFound, and
    VersionConflict for what If-Match does not name."""
    return _deleted(desk, who, asked, asked.path["id"])


def delete_matching(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """The same for the one record that matches among what this post sees of the patient whom the search names; where
    none does nothing is to be done, which is no refusal (R4 http.html#3.1.0.7.1). Raises SeveralMatch,
    FhirRefused for a search that names no patient, or many, and likewise."""
    who.require_fresh(desk.world.clock.now())
    there = named_match(desk, who, asked)
    if there is None:
        return Answered(outcome("information", "not-found", "Nothing matches, so nothing was taken back."))
    return _deleted(desk, who, asked, there.id)


def _deleted(desk: Desk, who: Bearer, asked: Asked, id: str) -> Answered:
    """In somebody's session by a fresh proof; raises FreshProofNeeded."""
    taken = removal(desk, who, asked, id)
    network, own = desk.world.network, desk.charts.of(who.staff.organisation)
    statement = find_statement(network, taken.alias, desk.world.custodians)
    writing.delete(network, desk.leases.session(who), statement, taken.record_id, taken.seen)
    own.forget(network, taken.record_id)
    return Answered(None, status=NO_CONTENT)


def _updated(desk: Desk, who: Bearer, asked: Asked, id: str, after: str, sent: writing.Single) -> Answered:
    change = deciding.update(desk, who, asked, id, after, sent)
    network, session, alias = desk.world.network, desk.leases.session(who), change.alias
    statement = find_statement(network, alias, desk.world.custodians)
    made = writing.update(network, session, statement, change.before, sent)
    answered = _written(desk, who, alias, made)
    if answered.shown is not None and answered.shown.version != made.version:
        raise VersionConflict()
    return answered


def _written(desk: Desk, who: Bearer, alias: bytes, made: writing.Written) -> Answered:
    """The version that was written, as this post sees it if it does."""
    path, status = f"{made.kind}/{made.id}", CREATED if made.new else 200
    desk.leases.wrote(who, alias, path)
    with suppress(CareLedgerError):  # an index that does not open now is read in as a whole once it does
        desk.charts.of(who.staff.organisation).wrote([alias])
    if (shown := desk.written(who, alias, path, made.version, made.compartment)) is not None:
        return Answered(shown.resource, shown, status)
    said = outcome("information", "informational", "Written, and anchored; this post does not see it yet.")
    return Answered(said, Shown(made.kind, made.id, made.version, 0, said), status)
