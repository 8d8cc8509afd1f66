"""``Binary`` as the file that it holds: its bytes, whole or a range of them (RFC 9110), always as an attachment.

Whoever asks for FHIR's own format is given the resource. Nothing that a browser is given here runs or is shown in a
page of this address: the content is somebody else's.
"""

from __future__ import annotations

import base64
import re
from functools import partial

from careledger.app.tokens import Bearer
from careledger.gateway.desk import Desk
from careledger.gateway.forms import XML
from careledger.gateway.http import JSONS, PART, Answered, Asked, Handler, Plain
from careledger.gateway.views import Shown

UNKNOWN = "application/octet-stream"
PARTIAL, NOT_MODIFIED, OUTSIDE = 206, 304, 416
_MEDIA_TYPE = re.compile(r"[!-~]+/[!-~]+(; ?[!-~]+=[!-~]+)*", re.ASCII)
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.ASCII)


def handlers(desk: Desk) -> list[Handler]:
    """The route."""
    return [
        Handler(
            "GET",
            "/Binary/{id}",
            partial(content, desk),
            any_format=True,
            looks_at=PART,
            needs="r",
            of="Binary",
        )
    ]


def content(desk: Desk, who: Bearer, asked: Asked) -> Answered | Plain:
    """The current version's content, or the resource; raises RecordNotFound and RecordGone as reading does."""
    shown = desk.current(who, "Binary", asked.path["id"])
    if _wants_resource(asked):
        return Answered(asked.part(shown.resource), shown)
    headers = {
        "Content-Type": kind_of(shown),
        "Content-Disposition": "attachment",
        "Content-Security-Policy": "sandbox",
        "Accept-Ranges": "bytes",
        "ETag": f'"{shown.version}"',
        "Vary": "Accept",
    }
    known = asked.headers.get("if-none-match", "")
    if {each.strip().removeprefix("W/") for each in known.split(",")} & {headers["ETag"], "*"}:
        return Plain(b"", UNKNOWN, NOT_MODIFIED, headers)
    text = "".join(str(shown.resource.get("data", "")).split())
    length = len(text) // 4 * 3 - text.count("=", -2)
    wanted = _wanted(asked, headers["ETag"], length)
    if wanted is None:
        return Plain(base64.b64decode(text), UNKNOWN, headers=headers)
    if not wanted:
        return Plain(b"", UNKNOWN, OUTSIDE, {**headers, "Content-Range": f"bytes */{length}"})
    said = f"bytes {wanted.start}-{wanted.stop - 1}/{length}"
    return Plain(_part(text, wanted), UNKNOWN, PARTIAL, {**headers, "Content-Range": said})


def _wants_resource(asked: Asked) -> bool:
    """Whether FHIR's own format is asked for; anything else means the content (FHIR R4, Binary)."""
    named = [each.replace(" ", "+") for each in asked.values("_format")] or asked.headers.get(
        "accept", ""
    ).split(",")
    return any(each.partition(";")[0].strip().lower() in (*JSONS, XML, "json", "xml") for each in named)


def kind_of(shown: Shown) -> str:
    """The content type that a Binary states, if a header can hold it."""
    stated = str(shown.resource.get("contentType", ""))
    return stated if len(stated) <= 200 and _MEDIA_TYPE.fullmatch(stated) else UNKNOWN


def _wanted(asked: Asked, etag: str, length: int) -> range | None:
    """The bytes that a Range header wants, none if it wants some beyond the end; None where the whole is to be sent:
    several ranges, another unit, or an If-Range that names anything but this version."""
    found = _RANGE.fullmatch(asked.headers.get("range", "").replace(" ", ""))
    if asked.method != "GET" or found is None or asked.headers.get("if-range", etag).strip() != etag:
        return None
    first, last = found.groups()
    if not first:
        return range(max(0, length - int(last)), length) if last else None
    if last and int(last) < int(first):
        return None
    return range(int(first), min(int(last) + 1, length) if last else length)


def _part(text: str, wanted: range) -> bytes:
    """These bytes of a base64 text, of which only as much is decoded."""
    first = wanted.start // 3
    opened = base64.b64decode(text[first * 4 : -(-wanted.stop // 3) * 4])
    return opened[wanted.start - first * 3 : wanted.stop - first * 3]
