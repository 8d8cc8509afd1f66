"""Static files over HTTP, open to whoever asks: how long each may be kept, its ETag, and that it is not there."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from careledger.domain.errors import (
    BlockMismatch,
    BlockNotFound,
    CareLedgerError,
    MalformedBytes,
    PartyNotFound,
    ProofRefused,
)
from careledger.gateway import http

Work = Callable[[Callable[[], bytes]], Awaitable[bytes]]
"""Has the gateway's one worker do something."""
TEXT, BINARY, JSON = "text/plain; charset=utf-8", "application/octet-stream", "application/json"
FRESH, SOON, FOREVER = "no-cache", "public, max-age=60", "public, max-age=31536000, immutable"
NOT_THERE = (BlockMismatch, BlockNotFound, MalformedBytes, PartyNotFound, ProofRefused)


async def answered(
    request: Request, work: Work, make: Callable[[], bytes], media_type: str, kept: str
) -> Response:
    """What ``make`` gives, with its Cache-Control; 304 for who has it, 404, and 503 where it cannot be had now."""
    if (turned := http.turned_away(request, any_format=True)) is not None:
        return turned
    try:
        made = await work(make)
    except NOT_THERE:
        return _said(404, "There is no such file.")
    except CareLedgerError:
        return _said(503, "This cannot be read now.")
    etag = f'"{hashlib.sha256(made).hexdigest()}"'
    headers = {"ETag": etag, "Cache-Control": kept, "X-Content-Type-Options": "nosniff"}
    known = {each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")}
    if etag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return Response(made, headers=headers, media_type=media_type)


def _said(status: int, words: str) -> Response:
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return Response(f"{words}\n", status, headers, media_type=TEXT)
