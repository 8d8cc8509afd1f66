"""Custodians that lie, delay, repeat, die before or after doing it: links to wrap an honest one in, for tests.

What an answer says is changed by whoever holds the custodian's keys; so the liar is given how to open and sign.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from careledger.domain.errors import StoreUnavailable
from careledger.ports import CustodianLink

Change = Callable[[bytes], bytes]


class DyingLink:
    """Fails calls of some methods, before they reach the custodian or after it did them durably.

    ``before`` and ``after`` name methods; each fails ``times`` times, then works. ``failed`` counts.
    """

    def __init__(
        self, link: CustodianLink, before: Iterable[str] = (), after: Iterable[str] = (), times: int = 1
    ) -> None:
        self._link = link
        self._before, self._after = dict.fromkeys(before, times), dict.fromkeys(after, times)
        self.failed = 0

    @property
    def party(self) -> int:
        """The organisation's number."""
        return self._link.party

    def call(self, method: str, body: bytes) -> bytes:
        """Raises StoreUnavailable as told."""
        if self._due(self._before, method):
            raise StoreUnavailable(method=method)
        answer = self._link.call(method, body)
        if self._due(self._after, method):
            raise StoreUnavailable(method=method)
        return answer

    def _due(self, plan: dict[str, int], method: str) -> bool:
        left = plan.get(method, 0)
        plan[method] = max(0, left - 1)
        self.failed += left > 0
        return left > 0


class RepeatingLink:
    """Gives every message to the custodian twice, as a relay that retries may, and answers with the second answer.

    For ``release`` the second is refused as a replay, so there the first answer counts.
    """

    def __init__(self, link: CustodianLink) -> None:
        self._link = link

    @property
    def party(self) -> int:
        """The organisation's number."""
        return self._link.party

    def call(self, method: str, body: bytes) -> bytes:
        """The answer to the repeated message."""
        first = self._link.call(method, body)
        return first if method == "release" else self._link.call(method, body)


class StaleLink:
    """Answers a question of some methods as it answered the first time, whatever happened since."""

    def __init__(self, link: CustodianLink, methods: Iterable[str] = ("alias",)) -> None:
        self._link, self._methods = link, frozenset(methods)
        self._known: dict[tuple[str, bytes], bytes] = {}

    @property
    def party(self) -> int:
        """The organisation's number."""
        return self._link.party

    def call(self, method: str, body: bytes) -> bytes:
        """The first answer, again."""
        if method not in self._methods:
            return self._link.call(method, body)
        if (method, body) not in self._known:
            self._known[method, body] = self._link.call(method, body)
        return self._known[method, body]


class DelayingLink:
    """Lets time pass before each call: ``wait`` is called first (to move a clock, or to sleep)."""

    def __init__(self, link: CustodianLink, wait: Callable[[], None]) -> None:
        self._link, self._wait = link, wait

    @property
    def party(self) -> int:
        """The organisation's number."""
        return self._link.party

    def call(self, method: str, body: bytes) -> bytes:
        """The honest answer, later."""
        self._wait()
        return self._link.call(method, body)


@dataclass
class LyingLink:
    """Changes answers of some methods on the way out; each ``lies[method]`` gets the honest bytes."""

    link: CustodianLink
    lies: dict[str, Change] = field(default_factory=dict)

    @property
    def party(self) -> int:
        """The organisation's number."""
        return self.link.party

    def call(self, method: str, body: bytes) -> bytes:
        """The lie, or the honest answer where there is none."""
        answer = self.link.call(method, body)
        return self.lies[method](answer) if method in self.lies else answer
