"""``$export``: Bulk Data Access 2.0. A kick-off, the state of what it began, the files that came of it, and the end."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import partial

from careledger.app.scopes import ANY, SOME, Scopes
from careledger.app.tokens import Bearer
from careledger.domain.errors import ExportRefused, RecordNotFound
from careledger.fhir.canonical import canonical
from careledger.fhir.json_text import Number, Resource
from careledger.formats.deposits import sliced
from careledger.formats.exports import ExportJob
from careledger.gateway import identities
from careledger.gateway.bulk.asking import GROUP, NDJSON, PATIENT, SYSTEM, Kickoff, kicked_off
from careledger.gateway.bulk.jobs import DELETED, DONE, ERROR, FAILED, OUTPUT
from careledger.gateway.bulk.wanted import ALIAS
from careledger.gateway.desk import Desk
from careledger.gateway.forms import JSON
from careledger.gateway.http import JSONS, Answered, Asked, Handler, Plain, Slow
from careledger.gateway.operations import groups
from careledger.gateway.outcomes import outcome

ACCEPTED, BROKEN = 202, 500
MOST_ASKED = 256 * 1024
AGAIN = "1"
"""Seconds until it is worth asking again."""
PLACE, FILE = "/bulk/{id}", "/bulk/{id}/{file}"


def handlers(desk: Desk) -> list[Handler]:
    """The routes."""
    made = []
    for path, scope in (("/$export", SYSTEM), ("/Patient/$export", PATIENT)):
        made.append(Handler("GET", path, partial(kick_off, desk, scope), looks_at=None, needs="rs", of=SOME))
        made.append(
            Handler(
                "POST",
                path,
                partial(kick_off, desk, scope),
                JSONS,
                MOST_ASKED,
                looks_at=None,
                needs="rs",
                of=SOME,
            )
        )
    path = "/Group/{id}/$export"
    made.append(Handler("GET", path, partial(kick_off_group, desk), looks_at=None, needs="rs", of=SOME))
    made.append(
        Handler(
            "POST", path, partial(kick_off_group, desk), JSONS, MOST_ASKED, looks_at=None, needs="rs", of=SOME
        )
    )
    return [
        *made,
        Handler("GET", FILE, partial(file, desk), any_format=True, needs="rs", of=SOME),
        Handler("GET", PLACE, partial(state, desk), any_format=True, needs="rs", of=SOME),
        Handler("DELETE", PLACE, partial(end, desk), any_format=True, needs="rs", of=SOME),
    ]


def kick_off(desk: Desk, scope: str, who: Bearer, asked: Asked) -> Plain:
    """Begins an export of what this post's organisation wrote; raises ExportRefused, also for a patient whom it does
    not know, SearchRefused, ExportsBusy."""
    kickoff = kicked_off(desk.parsed, asked, scope)
    if any(not _is_known(desk, who, each) for each in sliced(kickoff.patients, ALIAS)):
        raise ExportRefused(path="patient", problem="is not known here")
    return _begun(desk, who, scope, asked, kickoff)


def _is_known(desk: Desk, who: Bearer, alias: bytes) -> bool:
    """Whether that patient was registered here, or something that this token would export was written about them: of
    whom there is only something else is as unknown as nobody."""
    if who.scopes.allow("r", "Patient") and identities.one(who.staff.organisation, alias) is not None:
        return True
    sight = desk.sight(who)
    return sight.holds(alias, _within(who.scopes, ()) or ("",)) or not sight.complete


def kick_off_group(desk: Desk, who: Bearer, asked: Asked) -> Plain:
    """Begins an export of what each member of a group lets this post read; raises the same, RecordNotFound, RecordGone,
    and ExportRefused for a patient who is no member."""
    members = groups.members(who.staff.organisation, asked.path["id"])
    kickoff = kicked_off(desk.parsed, asked, GROUP)
    named = sliced(kickoff.patients, ALIAS)
    if not set(named) <= set(members):
        raise ExportRefused(path="patient", problem="is not a member of the group")
    return _begun(desk, who, GROUP, asked, replace(kickoff, patients=b"".join(named or members)))


def _begun(desk: Desk, who: Bearer, scope: str, asked: Asked, kickoff: Kickoff) -> Plain:
    types = _within(who.scopes, kickoff.types)
    id = desk.exports.begin(who, scope, asked.url, replace(kickoff, types=types)).hex()
    said = outcome(
        "information", "informational", "The export has begun; Content-Location says how far it is."
    )
    return Plain(canonical(said), JSON, ACCEPTED, {"Content-Location": f"{desk.base}/bulk/{id}"})


def _within(scopes: Scopes, types: tuple[str, ...]) -> tuple[str, ...]:
    """The types that an app is given: those it names, else all of its scopes; raises ScopeRefused for another."""
    if scopes.allow("rs", ANY):
        return types
    for kind in types:
        scopes.require("rs", kind)
    named = sorted(set(scopes.by_type or ()) - {ANY})
    return types or tuple(kind for kind in named if scopes.allow("rs", kind))


def state(desk: Desk, who: Bearer, asked: Asked) -> Plain | Answered:
    """How far it is, or the manifest of its files; raises as ``Exports.find``."""
    _, job = desk.exports.find(who, asked.path["id"])
    if job.state == FAILED:
        return Answered(outcome("fatal", "exception", "The export broke off; begin another."), status=BROKEN)
    if job.state != DONE:
        said = f"{job.passed} patients, {sum(each.count for each in job.files)} lines"
        return Plain(b"", JSON, ACCEPTED, {"X-Progress": said, "Retry-After": AGAIN})
    expires = format_datetime(datetime.fromtimestamp(job.until, UTC), usegmt=True)
    made = _manifest(job, f"{desk.base}/bulk/{asked.path['id']}")
    return Plain(canonical(made), "application/json", headers={"Expires": expires})


def file(desk: Desk, who: Bearer, asked: Asked) -> Slow:
    """One of the files that a manifest names, in steps; raises as ``Exports.file``."""
    name = asked.path["file"]
    if not (name.isascii() and name.isdigit() and len(name) < 6):
        raise RecordNotFound()
    made = []
    for lines in desk.exports.file(who, asked.path["id"], int(name)):
        made.append(lines)
        yield None
    return Plain(
        b"".join(made),
        NDJSON,
        headers={"Content-Disposition": "attachment"},
        shows=((b"", f"bulk/{asked.path['id']}/{name}"),),
    )


def end(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """Ends it, or removes what came of it; raises as ``Exports.find``."""
    desk.exports.remove(who, asked.path["id"])
    return Answered(outcome("information", "informational", "The export is removed."), status=ACCEPTED)


def _manifest(job: ExportJob, place: str) -> Resource:
    through = datetime.fromtimestamp(job.through, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    lists: dict[str, list[Resource]] = {OUTPUT: [], DELETED: [], ERROR: []}
    for number, each in enumerate(job.files):
        url = f"{place}/{number}"
        lists[each.list].append({"type": each.type, "url": url, "count": Number(str(each.count))})
    return {"transactionTime": through, "request": job.request, "requiresAccessToken": True, **lists}
