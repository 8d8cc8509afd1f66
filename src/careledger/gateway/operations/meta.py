"""``$meta``: the version, labels, tags and profiles of one record, without what it says.

``$meta-add`` and ``$meta-delete`` are not there: they change a record without a new version (R4
resource-operation-meta-add.html), and no version here is changed once its author signed it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from careledger.app.tokens import Bearer
from careledger.fhir.json_text import Resource
from careledger.gateway.desk import Desk
from careledger.gateway.http import JSONS, MOST_FORM, Answered, Asked, Handler


def handlers(desk: Desk) -> list[Handler]:
    """The routes."""
    get = Handler("GET", "/{kind}/{id}/$meta", partial(meta, desk), needs="r", of_one=True, in_part=True)
    return [get, replace(get, method="POST", takes=JSONS, most=MOST_FORM)]


def meta(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """As Parameters, of the current version; raises RecordNotFound for what this post does not see, and RecordGone."""
    shown = desk.current(who, asked.kind, asked.path["id"])
    found = shown.resource.get("meta")
    said: Resource = {"resourceType": "Parameters"}
    if found:
        said["parameter"] = [{"name": "return", "valueMeta": found}]
    return Answered(said, parts=[(shown.about, Answered(None, shown))])
