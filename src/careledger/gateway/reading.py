"""Read, vread and history of one record: what may not be seen answers like what is not there."""

from __future__ import annotations

from functools import partial

from careledger.app.tokens import Bearer
from careledger.domain.errors import RecordNotFound
from careledger.gateway import bundles
from careledger.gateway.desk import Desk
from careledger.gateway.http import PART, Answered, Asked, Handler


def handlers(desk: Desk) -> list[Handler]:
    """The routes."""
    return [
        Handler("GET", "/{kind}/{id}/_history/{version}", partial(vread, desk), looks_at=PART, needs="r"),
        Handler("GET", "/{kind}/{id}/_history", partial(history, desk), looks_at=PART, needs="r"),
        Handler("GET", "/{kind}/{id}", partial(read, desk), looks_at=PART, needs="r"),
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
    """All versions that this post sees, the newest first; raises RecordNotFound."""
    versions = desk.versions(who, asked.kind, asked.path["id"])
    return Answered(bundles.history(desk.base, versions, asked.part))
