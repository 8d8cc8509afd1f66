"""Sealed blocks by their content identifiers, for whoever has one.

An identifier is the digest of random-looking ciphertext: only who was shown it asks for it. A block names nobody, is
padded, and opens by keys alone that are not here; whoever fetches it compares it with its identifier.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from careledger.formats.cids import check_block, parse
from careledger.gateway.desk import Desk
from careledger.gateway.files import BINARY, FOREVER, Work, answered, strangers


def routes(desk: Desk, work: Work) -> list[Route]:
    """The one route."""
    pace = strangers()

    async def sealed(request: Request) -> Response:
        cid = request.path_params["cid"]
        return await answered(request, work, lambda: block(desk, cid), BINARY, FOREVER, pace)

    return [Route("/sealed/{cid}", sealed, methods=["GET"])]


def block(desk: Desk, written: str) -> bytes:
    """The block; raises MalformedBytes for what is no identifier, BlockNotFound, BlockMismatch."""
    cid = parse(written)
    return check_block(cid, desk.world.blocks.get(cid))
