"""What an index of own writings holds: values by search parameter, and the ranges of them that a search wants.

Dates are whole microseconds and numbers floats, rounded so that order is kept; codes, references and addresses are 8
bytes of a digest. So what is found in it is never too little and may be too much: who asks looks at the record itself.
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


class Filed(NamedTuple):
    """One version in the index; never printed.

    ``row`` grows with every version that is filed, ``place`` is its place in the deposit, ``name`` what it is one of
    the versions of: its record id, a patient's alias; ``current`` whether it is the newest of them.
    """

    row: int
    kind: str
    name: bytes
    deposit: bytes
    made: int
    place: int
    current: bool
    copy: AuthorsCopy

    @property
    def copies(self) -> bytes:
        """The key in the books of the copies among which this one is."""
        return self.copy.alias + self.made.to_bytes(8, "big") + self.deposit

    def __repr__(self) -> str:
        return "<filed>"
