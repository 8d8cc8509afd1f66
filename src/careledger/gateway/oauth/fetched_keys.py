"""Clients' keys where they are kept elsewhere: fetched when needed, and kept no longer than their owner lets them be.

Only addresses are asked that events may be sent to. However many wait for one set, it is asked for once at a time.
"""

from __future__ import annotations

import asyncio
import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from careledger.app.key_sets import CURVE, MOST_BYTES, Keys, key_set
from careledger.domain.errors import AssertionRefused, KeySetRefused
from careledger.gateway.events.sending import Sender

JSON = "application/json"
UNSAID, LONGEST, AGAIN = 300, 3_600, 10.0
"""Seconds that a set is kept whose owner says nothing of it; at most; until one is looked at again that lacked a key,
or was not to be had."""
AT_ONCE = 4


@dataclass(frozen=True, repr=False)
class _Held:
    keys: Keys
    fetched: float
    until: float


class FetchedKeys:
    """For one gateway; of the event loop alone."""

    def __init__(self, sender: Sender, curves: tuple[str, ...] = (CURVE,)) -> None:
        self._sender, self._curves = sender, curves
        self._pool = ThreadPoolExecutor(AT_ONCE, "gateway-keys")
        self._held: dict[str, _Held] = {}
        self._under_way: dict[str, asyncio.Task[_Held]] = {}

    def close(self) -> None:
        """Ends what is under way."""
        self._sender.close()
        self._pool.shutdown(cancel_futures=True)

    async def at(self, url: str, kid: str) -> Keys:
        """The keys there, anew where those that are kept are over or have none of that name; raises AssertionRefused
        where they are not to be had."""
        held, now = self._held.get(url), time.monotonic()
        if held is not None:
            named = any(each.kid == kid for each in held.keys)
            if now < (held.until if named else held.fetched + AGAIN):
                return held.keys
        if url not in self._under_way:
            self._under_way[url] = asyncio.create_task(self._fetch(url))
        held = await asyncio.shield(self._under_way[url])
        if not held.keys:
            raise AssertionRefused(why="the client's keys are not to be had where it keeps them")
        return held.keys

    async def _fetch(self, url: str) -> _Held:
        try:
            loop = asyncio.get_running_loop()
            made = await loop.run_in_executor(self._pool, self._sender.fetch, url, JSON, MOST_BYTES)
            now, keys = time.monotonic(), Keys()
            with suppress(KeySetRefused):
                keys = () if made.problem else key_set(made.body, self._curves)
            held = _Held(keys, now, now + (lasts(made.kept) if keys else AGAIN))
            self._held[url] = held
            return held
        finally:
            del self._under_way[url]


def lasts(said: str) -> int:
    """For how many seconds a Cache-Control header lets something be kept."""
    parts = {each.strip().casefold() for each in said.split(",")}
    if parts & {"no-store", "no-cache"}:
        return 0
    ages = [int(found[1]) for each in parts if (found := re.fullmatch(r"max-age=\"?(\d{1,9})\"?", each))]
    return min([*ages, LONGEST]) if ages else UNSAID
