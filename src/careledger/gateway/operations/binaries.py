"""``Binary`` as the file that it holds: its bytes, whole or a range of them (RFC 9110), always as an attachment.

A file that lies beside its Binary is opened as it is sent, only the chunks that were asked for. Whoever asks for FHIR's
own format is given the resource. Nothing that a browser is given here runs or is shown in a page of this address: the
content is somebody else's.
"""

from __future__ import annotations

import base64
import re
import time
from dataclasses import replace
from functools import partial

from careledger.app.tokens import Bearer, in_force
from careledger.domain.errors import RecordNotFound, TokenRefused, VersionConflict
from careledger.fhir.contents import stated
from careledger.fhir.documents import ending
from careledger.formats.bodies import SealedContent
from careledger.gateway.conditions import is_known, is_matched, last_modified
from careledger.gateway.desk import Desk
from careledger.gateway.forms import SANDBOX, XML
from careledger.gateway.http import JSONS, PART, Answered, Asked, Handler, Plain, Streamed
from careledger.gateway.outcomes import outcome
from careledger.gateway.told import named
from careledger.gateway.views import Shown
from careledger.workflows.contents import content_reader
from careledger.workflows.network import verified

UNKNOWN = "application/octet-stream"
WHOLE, PARTIAL, NOT_MODIFIED, OUTSIDE = 200, 206, 304, 416
BEYOND = outcome("error", "value", "The range is beyond the end; Content-Range says how long the file is.")
LOOK = 1.0
"""Seconds after which, while a file is sent, it is looked again whether the post may still have it."""
MOST_TYPE = 200
MEDIA_TYPE = re.compile(r"[!-~]+/[!-~]+(; ?[!-~]+=[!-~]+)*", re.ASCII)
_RANGE = re.compile(r"bytes=([0-9]{0,99})-([0-9]{0,99})", re.ASCII | re.IGNORECASE)
"""One range; units are of any case (RFC 9110, 14.1), and a number may be beyond every file (14.1.1)."""


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
            of_one=True,
            of="Binary",
        )
    ]


def content(desk: Desk, who: Bearer, asked: Asked) -> Answered | Plain | Streamed:
    """The current version's content, or the resource; raises RecordNotFound and RecordGone as reading does,
    RecordNotFound where the file lies beside no record here, and VersionConflict for another version than If-Match
    names."""
    shown = desk.current(who, "Binary", asked.path["id"])
    if _wants_resource(asked):
        return Answered(asked.part(shown.resource), shown)
    headers = {
        "Content-Type": kind_of(shown),
        "Content-Disposition": f'attachment; filename="{shown.id}.{ending(kind_of(shown))}"',
        "Content-Security-Policy": SANDBOX,
        "Accept-Ranges": "bytes",
        "ETag": f'"{shown.version}"',
        "Vary": "Accept",
        **last_modified(shown.anchored),
    }
    if not is_matched(asked.headers, headers["ETag"]):
        raise VersionConflict()
    if is_known(asked.headers, headers["ETag"], shown.anchored):
        return Plain(b"", UNKNOWN, NOT_MODIFIED, headers)
    file = _file(desk, who, shown)
    wanted, status = _wanted(asked, headers["ETag"], file.size), PARTIAL
    if wanted is None:
        wanted, status = range(file.size), WHOLE
    elif not wanted:
        return Answered(BEYOND, status=OUTSIDE, headers={"Content-Range": f"bytes */{file.size}"})
    else:
        headers["Content-Range"] = f"bytes {wanted.start}-{wanted.stop - 1}/{file.size}"
    shows = ((shown.about, named(shown.path, shown.version)),)
    if isinstance(file, _Beside) and asked.method == "GET":
        return Streamed(file.read, wanted, UNKNOWN, status, headers, shows)
    if asked.method != "GET":
        return Plain(b"", UNKNOWN, status, {**headers, "Content-Length": str(file.size)})
    return Plain(file.read(wanted.start, wanted.stop), UNKNOWN, status, headers, shows)


class _Inside:
    """The file that a Binary holds as base64, of which only as much is decoded as is wanted."""

    def __init__(self, shown: Shown) -> None:
        self._text = "".join(str(shown.resource.get("data", "")).split())
        self.size = len(self._text) // 4 * 3 - self._text.count("=", -2)

    def read(self, start: int, stop: int) -> bytes:
        """Bytes start…stop − 1."""
        first = start // 3
        opened = base64.b64decode(self._text[first * 4 : -(-stop // 3) * 4])
        return opened[start - first * 3 : stop - first * 3]


class _Beside:
    """The file beside a Binary, opened chunk by chunk, as long as the post is shown the record."""

    def __init__(self, desk: Desk, who: Bearer, shown: Shown, content: SealedContent) -> None:
        self._desk, self._who, self._shown = desk, who, shown
        self._reader = content_reader(desk.world.network, content)
        self._looked = time.monotonic()
        self.size = content.size

    def read(self, start: int, stop: int) -> bytes:
        """Bytes start…stop − 1; raises what reading the record would raise now, if a look is due."""
        now = time.monotonic()
        if now - self._looked >= LOOK:
            who, world = replace(self._who, came=now), self._desk.world
            if not in_force(who, world.clock.now()):
                raise TokenRefused()
            verified(world.ledger.fresh_head(), who.staff.number)
            self._desk.current(who, self._shown.type, self._shown.id)
            self._looked = now
        return self._reader.read(start, stop)


def _file(desk: Desk, who: Bearer, shown: Shown) -> _Inside | _Beside:
    if shown.beside is not None:
        return _Beside(desk, who, shown, shown.beside)
    if stated(shown.resource) is not None:
        raise RecordNotFound()
    return _Inside(shown)


def _wants_resource(asked: Asked) -> bool:
    """Whether FHIR's own format is asked for; anything else means the content (FHIR R4, Binary)."""
    named = [each.replace(" ", "+") for each in asked.values("_format")] or asked.headers.get(
        "accept", ""
    ).split(",")
    return any(each.partition(";")[0].strip().lower() in (*JSONS, XML, "json", "xml") for each in named)


def kind_of(shown: Shown) -> str:
    """The content type that a Binary states, if a header can hold it."""
    stated = str(shown.resource.get("contentType", ""))
    return stated if len(stated) <= MOST_TYPE and MEDIA_TYPE.fullmatch(stated) else UNKNOWN


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
