"""What two officers sign so that the records of somebody who has died may be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from careledger.formats.schema import Message, message, octets, several, text, uint
from careledger.formats.signed import Signed


@dataclass(frozen=True)
class AfterDeathDecision(Message):
    """Two ministry officers decide that a post reads these compartments of somebody who has died.

    ``reason`` is a code. It counts from ``made`` until ``until``, 30 days later at most (unix seconds), and from three
    days after the death was recorded.
    """

    TYPE: ClassVar[str] = "after-death-decision"
    id: bytes = octets(16)
    alias: bytes = octets(32)
    officers: tuple[int, ...] = several(uint(), most=2)
    reader: int = uint()
    compartments: tuple[int, ...] = several(uint(16), most=64)
    reason: str = text(32)
    made: int = uint()
    until: int = uint()


@dataclass(frozen=True)
class SignedDecision(Message):
    """A decision signed by both its officers, in their order: the same body twice."""

    TYPE: ClassVar[str] = "signed-decision"
    by_first: Signed = message(Signed)
    by_second: Signed = message(Signed)
