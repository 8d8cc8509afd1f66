"""An event of a contract as the fold takes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Happened:
    """Name and fields of a decoded event, its block and the block's time in unix seconds.

    Addresses and digests are bytes, numbers are integers.
    """

    name: str
    fields: Mapping[str, Any]
    block: int
    time: int

    def __getitem__(self, field: str) -> Any:
        return self.fields[field]
