"""What delivery asks of the index of own writings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from careledger.formats.events import Event
from careledger.workflows.actors import Organisation, Staff


class Portion(Protocol):
    """What of a part of a deposit is to be told: ``TYPE/ID`` of each, the place to go on at, 0 where it is through;
    whether records were opened for it."""

    @property
    def named(self) -> tuple[str, ...]: ...
    @property
    def place(self) -> int: ...
    @property
    def looked(self) -> bool: ...


class Records(Protocol):
    """Own writings, as far as a post may read them."""

    def wrote(self, organisation: Organisation, aliases: Sequence[bytes]) -> None:
        """A deposit about these is final."""
        ...

    def portion(self, staff: Staff, text: str, event: Event, place: int) -> Portion | None:
        """What answers criteria in the deposit of an event, from a place on; None while that cannot be said yet."""
        ...
