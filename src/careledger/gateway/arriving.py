"""Request bodies that are taken piece by piece as they come, each step in its turn among the other requests; what waits
for a scanner does so in a thread of that file's own."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from functools import partial

from starlette.requests import ClientDisconnect, Request

from careledger.app.tokens import Bearer, in_force
from careledger.domain.errors import FhirRefused, StoreUnavailable, Throttled, TokenRefused, TooLarge
from careledger.formats.bodies import MOST_CONTENT
from careledger.gateway.beside import own_thread
from careledger.gateway.desk import Desk
from careledger.gateway.entrance import Entrance
from careledger.gateway.http import PIECE, STUCK, Answered, Asked, Handler, Opening, Taking

MOST = 4
"""Files on their way at once: each may have some 40 MiB in memory."""
MOST_OF_ONE = 2
"""Of those, one post's: a file may come slowly for hours, and nobody keeps the others' out with it."""
ROOM = 256 * 2**20
"""Bytes of the disk that no file is let into: what broke off lies there until it is given back, and a disk that is full
ends every other writing too."""


class Arriving:
    """Of one gateway; used by the event loop alone."""

    def __init__(self, desk: Desk, entrance: Entrance) -> None:
        self._desk, self._entrance, self._now = desk, entrance, Counter[int]()

    async def taken(
        self, handler: Handler, opening: Opening, who: Bearer, asked: Asked, request: Request
    ) -> Answered:
        """The answer once everything came. Raises TooLarge before anything is read where the length says so, Throttled
        where too many are on their way, of all or of one post, StoreUnavailable where the disk has too little room,
        FhirRefused for one that stops coming, and what a step raises: what came until then is dropped."""
        said = asked.headers.get("content-length", "0")
        if len(said) > 12 or int(said) > MOST_CONTENT:
            raise TooLarge(most=MOST_CONTENT)
        post = who.staff.number
        if self._now.total() >= MOST or self._now[post] >= MOST_OF_ONE:
            raise Throttled(what="files on their way", seconds=5)
        self._now[post] += 1
        try:
            taking = await self._entrance.work(partial(self._opened, handler, opening, who, asked, int(said)))
            with own_thread() as own:
                return await self._all_of(request, who, taking, own)
        finally:
            self._now[post] -= 1
            if not self._now[post]:
                del self._now[post]

    async def _all_of(self, request: Request, who: Bearer, taking: Taking, own: Executor) -> Answered:
        beside, work = partial(asyncio.get_running_loop().run_in_executor, own), self._entrance.work
        try:
            async for piece in _pieces(request):
                await beside(partial(taking.look, piece))
                await work(partial(self._add, who, taking, piece))
            await beside(partial(taking.look, b""))
            return await work(partial(self._end, who, taking))
        finally:
            own.submit(taking.close)

    def _opened(self, handler: Handler, opening: Opening, who: Bearer, asked: Asked, size: int) -> Taking:
        self._check(who)
        self._check_room(size)
        handler.check(who, asked)
        return opening(who, asked)

    def _add(self, who: Bearer, taking: Taking, piece: bytes) -> None:
        self._check(who)
        self._check_room(len(piece))
        taking.add(piece)

    def _end(self, who: Bearer, taking: Taking) -> Answered:
        self._check(who)
        return taking.end()

    def _check_room(self, size: int) -> None:
        if shutil.disk_usage(self._desk.world.folder).free < ROOM + size:
            raise StoreUnavailable(why="too little room for a file")

    def _check(self, who: Bearer) -> None:
        """Raises PartyNotVerified, and TokenRefused for a token that was withdrawn meanwhile."""
        if not in_force(who, self._desk.world.clock.now()):
            raise TokenRefused()
        self._entrance.standing(who)


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    """The body in pieces of about 1 MiB; raises FhirRefused where one takes longer than a minute to come."""
    parts = request.stream()
    try:
        while True:
            async with asyncio.timeout(STUCK):
                piece = await _piece(parts)
            if piece:
                yield piece
            if len(piece) < PIECE:
                return
    except (TimeoutError, ClientDisconnect):
        raise FhirRefused(problem="the file did not come to its end, or too slowly") from None


async def _piece(parts: AsyncIterator[bytes]) -> bytes:
    """The next 1 MiB or a little more; less only at the end."""
    held = bytearray()
    while len(held) < PIECE and (part := await anext(parts, None)) is not None:
        held += part
    return bytes(held)
