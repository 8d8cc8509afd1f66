"""Files that are sent piece by piece: so many at once, because each keeps some MiB for as long as its reader takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable

from starlette.types import Receive, Scope, Send

from careledger.domain.errors import Throttled
from careledger.gateway.http import Pieces, Streamed

MOST, MOST_OF_ONE = 128, 16
"""Files on their way out at once, and of those one post's: a viewer asks for six or so at once."""
Work = Callable[[Callable[[], bytes]], Awaitable[bytes]]


class Leaving:
    """Of one gateway; used by the event loop alone."""

    def __init__(self, work: Work) -> None:
        self._work, self._now = work, Counter[int]()

    def file(self, post: int, streamed: Streamed) -> Pieces:
        """The answer, to be sent at once; raises Throttled where too many are on their way, of all or of one post."""
        if self._now.total() >= MOST or self._now[post] >= MOST_OF_ONE:
            raise Throttled(what="files on their way", seconds=5)
        return _Counted(streamed, self._work, self._now, post)


class _Counted(Pieces):
    """One that counts from its first byte until its last, or until whoever asked has left."""

    def __init__(self, streamed: Streamed, work: Work, now: Counter[int], post: int) -> None:
        super().__init__(streamed, work)
        self._now, self._post = now, post

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._now[self._post] += 1
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._now[self._post] -= 1
            if not self._now[self._post]:
                del self._now[self._post]
