"""Any port, failing at a chosen effect: before it persisted or after. For tests of what a crash leaves behind.

plan = Plan(at=3, after=True)
ledger = Failing(ledger, plan, LEDGER)      # the fourth effect of all ports that share the plan persists, then Crash
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from careledger.domain.errors import StoreUnavailable
from careledger.ports import CustodianLink

BLOCKS = frozenset({"put_many", "put_stream", "pin", "unpin"})
BOARD = frozenset({"post", "publish_key"})
BOOKS = frozenset({"put", "drop", "change"})
LEDGER_READS = frozenset(
    {"chain_id", "deployment", "contract", "fresh_head", "last_head", "at", "alias_number"}
)
TELLING = frozenset(
    {"enrol", "keep-epoch", "keep", "anchored", "order", "retract", "accept", "revoked", "release", "audit"}
    | {"checkpoint", "cosign", "repair-finish"}
)
STORE_WRITES = frozenset({"destroy_shares", "put_checkpoint", "remember", "forget", "count_general"})


class Crash(Exception):
    """The process died here; nothing may catch it."""


class Plan:
    """Counts effects; the one numbered ``at`` (from 0; None: none) fails, once, before or after it persisted."""

    def __init__(self, at: int | None = None, after: bool = False) -> None:
        self.effects = 0
        self.failed = False
        self._at, self._after = at, after
        self._lock = threading.Lock()

    def run(self, act: Callable[[], Any]) -> Any:
        """The act's result; raises Crash at the chosen effect, and ever after: a dead process does nothing more."""
        with self._lock:
            due = self.effects == self._at
            dead, self.effects = self.failed, self.effects + 1
            self.failed = self.failed or due
        if dead or (due and not self._after):
            raise Crash()
        result = act()
        if due:
            raise Crash()
        return result


class Failing:
    """A port's methods that have effects, run by the plan; all others, and attributes, as they are."""

    def __init__(self, target: Any, plan: Plan, effects: frozenset[str] | None = None) -> None:
        """``effects`` None: everything but what a ledger reads."""
        self._target, self._plan, self._effects = target, plan, effects

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        counts = name in self._effects if self._effects is not None else name not in LEDGER_READS
        if not counts or not callable(found):
            return found
        return lambda *arguments, **named: self._plan.run(lambda: found(*arguments, **named))


class FailingBooks:
    """Books: whatever is written, and the end of each outermost step in which something was."""

    def __init__(self, target: Any, plan: Plan) -> None:
        self._target, self._plan = target, plan
        self._inside = self._wrote = False

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if name not in BOOKS:
            return found
        if self._inside:
            self._wrote = True
            return found
        return lambda *arguments, **named: self._plan.run(lambda: found(*arguments, **named))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Everything inside is durable at its end, or nothing is."""
        if self._inside:
            yield
            return
        self._inside, self._wrote = True, False
        try:
            with ExitStack() as opened:
                opened.enter_context(self._target.alone())
                yield
                if self._wrote:
                    self._plan.run(lambda: opened.pop_all().close())
        finally:
            self._inside = False


class FailingStore:
    """A custodian's rows or journal: the end of each outermost transaction, and what is written outside of one."""

    def __init__(self, target: Any, plan: Plan) -> None:
        self._target, self._plan = target, plan
        self._inside = False

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if self._inside or name not in STORE_WRITES:
            return found
        return lambda *arguments: self._plan.run(lambda: found(*arguments))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is durable at its end, or nothing is."""
        if self._inside:
            yield
            return
        self._inside = True
        try:
            with ExitStack() as opened:
                opened.enter_context(self._target.transaction())
                yield
                self._plan.run(lambda: opened.pop_all().close())
        finally:
            self._inside = False


class MortalLink:
    """A custodian whose stores share the plan, started when first called; once it has died it cannot be reached."""

    def __init__(self, party: int, start: Callable[[], CustodianLink], plan: Plan) -> None:
        self._party, self._start, self._plan = party, start, plan
        self._link: CustodianLink | None = None

    @property
    def party(self) -> int:
        """The organisation's number."""
        return self._party

    def call(self, method: str, body: bytes) -> bytes:
        """The answer; raises StoreUnavailable if it dies of this, or has died before."""
        try:
            if not self._plan.failed:
                self._link = self._link or self._start()
                return self._link.call(method, body)
        except Crash:
            pass
        raise StoreUnavailable(custodian="died")


class FailingLink:
    """A custodian that its caller may fail to tell, or may not hear from any more."""

    def __init__(self, link: CustodianLink, plan: Plan) -> None:
        self._link, self._plan = link, plan

    @property
    def party(self) -> int:
        """The organisation's number."""
        return self._link.party

    def call(self, method: str, body: bytes) -> bytes:
        """The answer, or Crash."""
        if method not in TELLING:
            return self._link.call(method, body)
        answer: bytes = self._plan.run(lambda: self._link.call(method, body))
        return answer
