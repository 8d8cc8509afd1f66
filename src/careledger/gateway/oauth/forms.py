"""What a query or a form gives, read whole and bounded."""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.requests import Request

from careledger.domain.errors import OAuthRefused
from careledger.gateway.http import FORM
from careledger.gateway.oauth import answers

Pairs = list[tuple[str, str]]


async def posted(request: Request, most: int, fields: int) -> Pairs:
    """The parameters of a form of at most so many bytes and fields; raises OAuthRefused."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != FORM:
        raise OAuthRefused(error=answers.REQUEST, why=f"the content type is not {FORM}")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most:
            break
    return parameters(bytes(body), most, fields)


def parameters(encoded: bytes, most: int, fields: int) -> Pairs:
    """The parameters of at most so many bytes and fields, none of which is empty; raises OAuthRefused."""
    if len(encoded) > most:
        raise OAuthRefused(error=answers.REQUEST, why=f"more than {most // 1024} KiB")
    try:
        return parse_qsl(encoded.decode("ascii"), errors="strict", max_num_fields=fields)
    except ValueError:
        raise OAuthRefused(error=answers.REQUEST, why="a form that cannot be read") from None
