"""Questions to the index's file whose answers come in an order, from a place in it on.

Two forms: where few may answer they are put in order; where many may, the values of the first key are gone through in
their order, and behind them what has none. What has no value comes last in either direction, and what no key tells
apart comes in the order of filing, reversed where the first key descends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from careledger.adapters.index.rows import COLUMNS
from careledger.formats.indexing import ASCENDING, DESCENDING, Place

Said = tuple[str, list[Any]]
"""A part of a question, and what is bound in it."""


class Key(NamedTuple):
    """A key by the number that its parameter has in the file, 0 where there is no value of it."""

    parameter: int
    descending: bool

    @property
    def way(self) -> int:
        """The sign of the values that count."""
        return DESCENDING if self.descending else ASCENDING

    @property
    def sign(self) -> str:
        """What follows a value in this order."""
        return "<" if self.descending else ">"


@dataclass(frozen=True)
class Ordering:
    """``among``: the condition on ``writing w``; the keys, the place after which it goes on, how many at most."""

    among: Said
    keys: tuple[Key, ...]
    after: Place | None
    most: int

    def put_in_order(self) -> Said:
        """All that may answer, put in order."""
        values = [_value(each) for each in self.keys]
        return self._asked("writing w", "w.row", values, self.among, "TRUE")

    def gone_through(self) -> Said:
        """What has a value of the first key, by going through these."""
        first, (among, bound) = self.keys[0], self.among
        values = [("o.low", list[Any]()), *map(_value, self.keys[1:])]
        said = f"o.parameter = ? AND o.high & ? AND {among}"
        given = [first.parameter, first.way, *bound]
        if self.after is not None:
            begins = self.after.values[0]
            said = (
                f"(o.low, o.row) {first.sign} (?, ?) AND {said}"
                if len(self.keys) == 1
                else (f"o.low {first.sign}= ? AND {said}")
            )
            given = [*((begins, self.after.row) if len(self.keys) == 1 else (begins,)), *given]
        return self._asked(
            "value o CROSS JOIN writing w ON w.row = o.row", "o.row", values, (said, given), "FALSE"
        )

    def without(self) -> Said:
        """What has no value of the first key."""
        among, bound = self.among
        none = "NOT EXISTS (SELECT 1 FROM value WHERE row = w.row AND parameter = ?)"
        values = [("NULL", list[Any]()), *map(_value, self.keys[1:])]
        given = [*bound, self.keys[0].parameter]
        after = self.after if self.after is not None and self.after.values[0] is None else None
        return replace(self, after=after)._asked(
            "writing w", "w.row", values, (f"{among} AND {none}", given), "TRUE"
        )

    def _asked(self, source: str, row: str, values: Sequence[Said], among: Said, last: str) -> Said:
        named = "".join(f", {said} AS k{at}" for at, (said, _) in enumerate(values))
        bound = [each for _, given in values for each in given] + among[1]
        beyond, limits = self._beyond(0, last) if self.after is not None else ("TRUE", [])
        order = ", ".join(
            f"k{at} IS NULL, k{at} {'DESC' if each.descending else 'ASC'}"
            if at or last == "TRUE"
            else f"k{at} {'DESC' if each.descending else 'ASC'}"
            for at, each in enumerate(self.keys)
        )
        down = "DESC" if self.keys[0].descending else "ASC"
        return (
            f"SELECT * FROM (SELECT {COLUMNS}{named}, {row} AS at FROM {source} WHERE {among[0]}) "
            f"WHERE {beyond} ORDER BY {order}, at {down} LIMIT ?",
            [*bound, *limits, self.most],
        )

    def _beyond(self, at: int, last: str) -> Said:
        """What comes after the place, judged from one key on."""
        assert self.after is not None
        if at == len(self.keys):
            return f"at {self.keys[0].sign} ?", [self.after.row]
        rest, bound = self._beyond(at + 1, "TRUE")
        value, sign = self.after.values[at], self.keys[at].sign
        if value is None:
            return f"(k{at} IS NULL AND {rest})", bound
        none = f" OR k{at} IS NULL" if last == "TRUE" else ""
        return f"(k{at} {sign} ?{none} OR (k{at} = ? AND {rest}))", [value, value, *bound]


def _value(key: Key) -> Said:
    said = "(SELECT low FROM value WHERE row = w.row AND parameter = ? AND high & ? LIMIT 1)"
    return said, [key.parameter, key.way]
