"""Static files over HTTP, open to whoever asks: how long each may be kept, its ETag, and that it is not there."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response

from careledger.domain.errors import (
    BlockMismatch,
    BlockNotFound,
    CareLedgerError,
    MalformedBytes,
    PartyNotFound,
    ProofRefused,
    Throttled,
)
from careledger.gateway import http, outcomes, security_log
from careledger.gateway.api.pace import Pace, Strangers

Work = Callable[[Callable[[], bytes]], Awaitable[bytes]]
"""Has the gateway's one worker do something."""
ALL, ONE = (3_000, 300.0), (300, 30.0)
"""How often at once and a second by all together, and from one address beyond this machine."""
TEXT, BINARY, JSON = "text/plain; charset=utf-8", "application/octet-stream", "application/json"
FRESH, SOON, FOREVER = "no-cache", "public, max-age=60", "public, max-age=31536000, immutable"
NOT_THERE = (BlockMismatch, BlockNotFound, MalformedBytes, PartyNotFound, ProofRefused)


def strangers() -> Strangers:
    """How often files may be asked for."""
    return Strangers(Pace(*ALL), Pace(*ONE))


async def answered(
    request: Request, work: Work, make: Callable[[], bytes], media_type: str, kept: str, pace: Strangers
) -> Response:
    """What ``make`` gives, with its Cache-Control; 304 for who has it, 404, 429, and 503 where it cannot be had now."""
    if (turned := http.turned_away(request, any_format=True)) is not None:
        return turned
    try:
        pace.take(request, time.monotonic())
        made = await work(make)
    except Throttled as error:
        security_log.refused(request, error)
        return _said(429, "That is too often.", outcomes.again(error))
    except NOT_THERE:
        return _said(404, "There is no such file.")
    except CareLedgerError as error:
        return _said(503, "This cannot be read now.", outcomes.again(error))
    etag = f'"{hashlib.sha256(made).hexdigest()}"'
    headers = {"ETag": etag, "Cache-Control": kept, "X-Content-Type-Options": "nosniff"}
    known = {each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")}
    if etag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return Response(made, headers=headers, media_type=media_type)


def _said(status: int, words: str, more: Mapping[str, str] | None = None) -> Response:
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **(more or {})}
    return Response(f"{words}\n", status, headers, media_type=TEXT)
