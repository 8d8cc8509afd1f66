"""What an index of own writings holds: values by search parameter, and the ranges of them that a search wants.

Dates are whole microseconds and numbers floats, rounded so that order is kept; codes, references and addresses are 8
bytes of a digest, and beside them the first characters of a text, by which it is put in order. So what is found in it
is never too little and may be too much: who asks looks at the record itself.
"""

from __future__ import annotations

from typing import NamedTuple

from careledger.formats.charts import AuthorsCopy

Value = int | float | str


class Entry(NamedTuple):
    """A value of one parameter, from ``low`` to ``high``; never printed."""

    parameter: str
    low: Value
    high: Value

    def __repr__(self) -> str:
        return "<entry>"


class Order(NamedTuple):
    """Values of one parameter as an order has them, the greatest first if ``descending``."""

    parameter: str
    descending: bool


class Place(NamedTuple):
    """Where something stands in an order: its value under each key, None where it has none, and its row."""

    values: tuple[Value | None, ...]
    row: int

    def __repr__(self) -> str:
        return "<place>"


ASCENDING, DESCENDING = 1, 2
"""Signs, in ``high`` of an entry whose parameter's name ends in ORDERED, of the orders in which its ``low`` counts."""
ORDERED = "#"


class Range(NamedTuple):
    """The entries of one parameter whose ends lie between these, both included; None is no bound. Never printed."""

    parameter: str
    low_from: Value | None = None
    low_to: Value | None = None
    high_from: Value | None = None
    high_to: Value | None = None

    @property
    def exact(self) -> bool:
        """Whether it is one value."""
        return self.low_from is not None and self.low_from == self.low_to and self[3:] == (None, None)

    def __repr__(self) -> str:
        return "<range>"


Demand = tuple[Range, ...]
"""Any one of these will do."""
Part = tuple[str, tuple[Demand, ...]]
"""A type, and the demands that have to be met by what is of it."""


class Filed(NamedTuple):
    """One version in the index; never printed.

    ``row`` grows with every version that is filed, ``place`` is its place in the deposit, ``name`` what it is one of
    the versions of: its record id, a patient's alias; ``current`` whether it is the newest of them; ``back`` when it
    was taken back in unix seconds, 1 where that is not known, 0 if it was not.
    """

    row: int
    kind: str
    name: bytes
    deposit: bytes
    made: int
    place: int
    current: bool
    copy: AuthorsCopy
    back: int = 0

    @property
    def when(self) -> int:
        """When what a history says of it happened."""
        return self.back or self.made

    @property
    def copies(self) -> bytes:
        """The key in the books of the copies among which this one is."""
        return self.copy.alias + self.made.to_bytes(8, "big") + self.deposit

    def __repr__(self) -> str:
        return "<filed>"
