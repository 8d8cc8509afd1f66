"""Read, vread and history of one record: what may not be seen answers like what is not there."""

from __future__ import annotations

from functools import partial
from urllib.parse import urlencode

from careledger.app.tokens import Bearer
from careledger.domain.errors import RecordGone, RecordNotFound
from careledger.fhir.searching.moments import since_of
from careledger.gateway import bundles
from careledger.gateway.desk import Desk, uuid_of
from careledger.gateway.given import since_when, whole_number
from careledger.gateway.http import PART, Answered, Asked, Handler

BEHIND = "_behind"
"""The version behind which a page of a history begins."""


def handlers(desk: Desk) -> list[Handler]:
    """The routes."""
    return [
        Handler(
            "GET",
            "/{kind}/{id}/_history/{version}",
            partial(vread, desk),
            looks_at=PART,
            needs="r",
            of_one=True,
            in_part=True,
        ),
        Handler(
            "GET",
            "/{kind}/{id}/_history",
            partial(history, desk),
            looks_at=(*PART, "_count", "_since", BEHIND),
            needs="r",
            of_one=True,
            in_part=True,
        ),
        Handler(
            "GET", "/{kind}/{id}", partial(read, desk), looks_at=PART, needs="r", of_one=True, in_part=True
        ),
    ]


def read(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """The current version, or a part of it, of what is shared or of the organisation's own writing. Under
    ``Cache-Control: no-cache`` custodians are asked for it anew, which is a line of its own in the patient's log.

    Raises FhirRefused, RecordNotFound for what this post does not see, for whatever reason, and RecordGone.
    """
    shown = desk.current(who, asked.kind, asked.path["id"])
    if asked.wants_fresh:
        shown = desk.leases.again(who, shown)
    return Answered(asked.part(shown.resource), shown)


def vread(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """That version; raises RecordNotFound."""
    for shown in desk.versions(who, asked.kind, asked.path["id"]):
        if shown.version == asked.path["version"]:
            return Answered(asked.part(shown.resource), shown)
    raise RecordNotFound()


def history(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """The versions that this post sees, those since ``_since``, the newest first, ``_count`` on a page; the next one
    begins behind a version. Of what was taken back that it was, and when, as in the history of its type. Raises
    RecordNotFound, RecordGone where that was not kept, FhirRefused."""
    since = since_when(asked)
    try:
        versions = desk.versions(who, asked.kind, asked.path["id"])
    except RecordGone:
        return _taken_back(desk, who, asked, since)
    wanted = [each for each in versions if not since or (since_of(each.updated) or since) >= since]
    behind = asked.values(BEHIND)[-1:]
    first = next((at + 1 for at, each in enumerate(wanted) if [each.version] == behind), 0)
    count = whole_number(asked, "_count")
    there = wanted[first:] if count is None else wanted[first : first + count]
    place = f"{desk.base}/{asked.kind}/{asked.path['id']}/_history"
    given = [each for each in asked.given if each[0] not in asked.ignored]
    links = {"self": f"{place}?{urlencode(given)}" if given else place}
    if there and first + len(there) < len(wanted):
        onward = [*(each for each in given if each[0] != BEHIND), (BEHIND, there[-1].version)]
        links["next"] = f"{place}?{urlencode(onward)}"
    entries = [(each, each is versions[-1]) for each in there]
    made = bundles.history(desk.base, entries, asked.part, len(wanted), links)
    return Answered(made, lists=there)


def _taken_back(desk: Desk, who: Bearer, asked: Asked, since: int) -> Answered:
    kind, id = asked.kind, asked.path["id"]
    gone = desk.sight(who).gone(uuid_of(id))
    if gone is None or gone.path != f"{kind}/{id}":
        raise RecordGone()
    links = {"self": f"{desk.base}/{kind}/{id}/_history"}
    return Answered(bundles.histories(desk.base, [gone] if gone.at >= since else [], links, []))
