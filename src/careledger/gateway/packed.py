"""Texts that anybody may read, compressed for who takes gzip: they hold no secret, and nothing that somebody sent.

Nothing else is compressed. An answer about records has what others wrote and what the asker wrote beside each other;
how far both shrink together would tell who sees only the size what the one says (BREACH).
"""

from __future__ import annotations

import gzip
import re
from functools import lru_cache

from starlette.requests import Request
from starlette.responses import Response

WORTH_IT = 1_024
_TAKES = re.compile(
    r"(?:^|,)\s*(?:gzip|\*)\s*(?:;\s*q=(?P<q>[01](?:\.[0-9]{0,3})?)\s*)?(?=,|$)", re.IGNORECASE
)


def packed(request: Request, made: Response) -> Response:
    """The same answer, compressed if the client takes that (RFC 9110, 12.5.3)."""
    body = bytes(made.body)
    if made.status_code != 200 or len(body) < WORTH_IT:
        return made
    made.headers["Vary"] = "Accept-Encoding"
    found = _TAKES.search(request.headers.get("accept-encoding", ""))
    if found is None or (found["q"] is not None and float(found["q"]) == 0):
        return made
    made.body = _compressed(body)
    made.headers["Content-Encoding"] = "gzip"
    made.headers["Content-Length"] = str(len(made.body))
    return made


@lru_cache(16)
def _compressed(body: bytes) -> bytes:
    return gzip.compress(body, 6, mtime=0)
