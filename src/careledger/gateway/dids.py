"""DID documents of members and their posts, for whoever asks: what stands in them is on the ledger or on the board."""

from __future__ import annotations

import json
import re

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from careledger.app import dids
from careledger.domain.errors import PartyNotFound
from careledger.gateway.desk import Desk
from careledger.gateway.files import SOON, Work, answered, strangers

MEDIA_TYPE = "application/did+json"
_NUMBER = re.compile(r"[0-9a-f]{16}")


def routes(desk: Desk, work: Work) -> list[Route]:
    """The machine's own member, every member, and every post of one."""
    base, pace = desk.base.removesuffix("/fhir"), strangers()

    async def own(request: Request) -> Response:
        return await answered(request, work, lambda: alone(desk, base), MEDIA_TYPE, SOON, pace)

    async def member(request: Request) -> Response:
        number = request.path_params["party"]
        return await answered(request, work, lambda: document(desk, base, number), MEDIA_TYPE, SOON, pace)

    async def post(request: Request) -> Response:
        employer, number = request.path_params["party"], request.path_params["number"]
        return await answered(
            request, work, lambda: document(desk, base, number, employer), MEDIA_TYPE, SOON, pace
        )

    return [
        Route("/.well-known/did.json", own, methods=["GET"]),
        Route("/members/{party}/did.json", member, methods=["GET"]),
        Route("/members/{party}/posts/{number}/did.json", post, methods=["GET"]),
    ]


def document(desk: Desk, base: str, named: str, employer: str = "0" * 16) -> bytes:
    """A party's document under the path that names it and its employer; raises PartyNotFound for any other path."""
    if not _NUMBER.fullmatch(named) or not _NUMBER.fullmatch(employer) or not int(named, 16):
        raise PartyNotFound()
    number = int(named, 16)
    facts = desk.world.ledger.fresh_head().party(number)
    if facts is None or facts.employer != int(employer, 16):
        raise PartyNotFound()
    return json.dumps(dids.document(desk.world, number, base=base)).encode()


def alone(desk: Desk, base: str) -> bytes:
    """The one organisation whose keys lie here, as the machine's own DID; raises PartyNotFound where there are several,
    who are found under their paths."""
    found = list(desk.world.keyring.organisations().values())
    if len(found) != 1:
        raise PartyNotFound()
    return json.dumps(dids.document(desk.world, found[0].number, dids.host_did(base), base)).encode()
