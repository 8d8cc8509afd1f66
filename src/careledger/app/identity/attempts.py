"""How often a secret may be tried: a delay that grows, kept in the books, that locks nobody else out.

Each try is counted, durably, before it is looked at, and forgotten when it was right. From one place an account's
secret is tried a few times at once and then ever more seldom; from all places together likewise, later. A browser from
which the account signed in before is counted for itself alone, and a passkey is no secret that can be tried: so
whoever guesses slows down neither.
"""

from __future__ import annotations

from dataclasses import dataclass

from careledger.domain.errors import Throttled
from careledger.formats.digests import digest
from careledger.formats.identity import Attempts
from careledger.ports import Books

KEPT = "attempts"
FORGOTTEN = 24 * 3600
"""Seconds after the last try that nothing of it counts any more."""


@dataclass(frozen=True)
class Rule:
    """So many tries at once, then after each twice the time that the last one took, up to ``longest`` seconds."""

    free: int
    longest: int

    def wait(self, failed: int) -> int:
        """Seconds that have to lie behind the last of so many failed tries."""
        over = failed - self.free
        return 0 if over < 0 else min(self.longest, 2 ** min(over, 30))


FROM_ONE_PLACE = Rule(5, 900)
FROM_EVERYWHERE = Rule(30, 3600)
OF_RANDOM_CODES = Rule(50, 60)
"""For what nobody guesses, from a place that others share."""

OF_SIGN_UPS = Rule(100, 900)
"""For accounts that wait for approval, each of which counts: fewer from one place than may wait at the same time."""


@dataclass(frozen=True)
class Guess:
    """A try of ``secret`` (what kind it is), of whom, from where; ``alone``: what others tried counts nothing here,
    because the account was there before, or because nobody guesses a secret of that kind. ``rule``: that of its place.
    """

    secret: str
    whose: bytes
    source: bytes
    alone: bool = False
    rule: Rule = FROM_ONE_PLACE

    @property
    def counted(self) -> list[tuple[bytes, Rule]]:
        """The names of what counts it, and by which rule."""
        here = digest("attempts", self.secret.encode(), self.whose, self.source), self.rule
        everywhere = digest("attempts", self.secret.encode(), self.whose, b""), FROM_EVERYWHERE
        return [here] if self.alone else [here, everywhere]


def count(books: Books, guess: Guess, now: int) -> None:
    """Counts a try before it is looked at; raises Throttled with the seconds to wait, and then counts nothing."""
    with books.alone():
        rows = [(name, _row(books, name, now), rule) for name, rule in guess.counted]
        wait = max(row.last + rule.wait(row.failed) - now for _, row, rule in rows)
        if wait > 0:
            raise Throttled(seconds=wait)
        books.put(KEPT, [(name, Attempts(row.failed + 1, now).encode()) for name, row, _ in rows])


def forget(books: Books, guess: Guess) -> None:
    """It was right: what was tried before counts no more."""
    books.drop(KEPT, [name for name, _ in guess.counted])


def sweep(books: Books, now: int) -> None:
    """Drops what counts no more."""
    rows = [(name, Attempts.decode(row)) for name, row in books.rows(KEPT)]
    books.drop(KEPT, [name for name, row in rows if now - row.last >= FORGOTTEN])


def _row(books: Books, name: bytes, now: int) -> Attempts:
    found = books.get(KEPT, name)
    kept = Attempts(0, 0) if found is None else Attempts.decode(found)
    return kept if now - kept.last < FORGOTTEN else Attempts(0, 0)
