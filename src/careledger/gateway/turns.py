"""Answers that take long, step by step in their turn among the other requests."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from careledger.app.tokens import Bearer
from careledger.domain.errors import CareLedgerError
from careledger.gateway.beside import Beside
from careledger.gateway.entrance import Entrance
from careledger.gateway.http import Answer, Slow


class Turns:
    """Each step is carried out by the gateway's worker for a post that stands then and a token or session that nobody
    ended meanwhile, what it asks for beside it."""

    def __init__(self, entrance: Entrance, beside: Beside) -> None:
        self._entrance, self._beside = entrance, beside

    async def taken(self, who: Bearer, slow: Slow) -> Answer:
        """The answer at last; raises what a step raises, and between two of them PartyNotVerified, TokenRefused,
        SessionRefused."""
        goes_on: Callable[[], object] = partial(next, slow)
        while True:
            asks = await self._entrance.work(partial(self._step, who, slow, goes_on))
            if isinstance(asks, Answer):
                return asks
            goes_on = partial(next, slow) if asks is None else await self._aside(slow, asks)

    async def _aside(self, slow: Slow, asks: Callable[[], object]) -> Callable[[], object]:
        """How the answer goes on with what the process beside made of that."""
        try:
            return partial(slow.send, await self._beside.run(asks))
        except CareLedgerError as error:
            return partial(slow.throw, error)

    def _step(
        self, who: Bearer, slow: Slow, goes_on: Callable[[], object]
    ) -> Answer | Callable[[], object] | None:
        try:
            self._entrance.check_still(who, in_time=True)
            self._entrance.standing(who)
            return goes_on()  # type: ignore[return-value]  # what ``Slow`` yields
        except StopIteration as ended:
            made: Answer = ended.value
            return made
        except CareLedgerError:
            slow.close()
            raise
