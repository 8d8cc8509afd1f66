"""``$export``: Bulk Data Access 2.0. A kick-off, the state of what it began, the files that came of it, and the end."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime
from functools import partial

from careledger.app.tokens import Bearer
from careledger.domain.errors import RecordNotFound
from careledger.fhir.canonical import canonical
from careledger.fhir.json_text import Number, Resource
from careledger.formats.exports import ExportJob
from careledger.gateway.bulk import jobs
from careledger.gateway.bulk.asking import NDJSON, PATIENT, SYSTEM, kicked_off
from careledger.gateway.bulk.jobs import DELETED, DONE, ERROR, FAILED, OUTPUT
from careledger.gateway.desk import Desk
from careledger.gateway.http import JSON, JSONS, Answered, Asked, Handler, Plain
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
        made.append(Handler("GET", path, partial(kick_off, desk, scope), looks_at=None))
        made.append(Handler("POST", path, partial(kick_off, desk, scope), JSONS, MOST_ASKED, looks_at=None))
    return [
        *made,
        Handler("GET", FILE, partial(file, desk), any_format=True),
        Handler("GET", PLACE, partial(state, desk), any_format=True),
        Handler("DELETE", PLACE, partial(end, desk), any_format=True),
    ]


def kick_off(desk: Desk, scope: str, who: Bearer, asked: Asked) -> Plain:
    """Begins an export of what this post's organisation wrote; raises ExportRefused, SearchRefused, ExportsBusy."""
    id = desk.exports.begin(who, scope, asked.url, kicked_off(desk.parsed, asked, scope)).hex()
    said = outcome(
        "information", "informational", "The export has begun; Content-Location says how far it is."
    )
    return Plain(canonical(said), JSON, ACCEPTED, {"Content-Location": f"{desk.base}/bulk/{id}"})


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


def file(desk: Desk, who: Bearer, asked: Asked) -> Plain:
    """One of the files that a manifest names, whole; raises RecordNotFound and as ``Exports.find``."""
    key, job = desk.exports.find(who, asked.path["id"])
    name = asked.path["file"]
    if job.state != DONE or not (name.isascii() and name.isdigit() and len(name) < 6):
        raise RecordNotFound()
    if int(name) >= len(job.files):
        raise RecordNotFound()
    data = jobs.content(who.staff.organisation.books, key, job, int(name))
    return Plain(data, NDJSON, headers={"Content-Disposition": "attachment"})


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
