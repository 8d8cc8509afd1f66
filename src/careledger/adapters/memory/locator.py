"""The locator within one process: each member answers by a function of its own."""

from __future__ import annotations

from collections.abc import Callable

from careledger.domain.errors import StoreUnavailable

Answering = Callable[[bytes], bytes]


class InProcessLocator:
    """The port Locator; a member that is not there is unavailable."""

    def __init__(self) -> None:
        self._members: dict[int, Answering] = {}

    def join(self, member: int, answering: Answering) -> None:
        """From now on that member answers."""
        self._members[member] = answering

    def leave(self, member: int) -> None:
        """From now on it does not."""
        self._members.pop(member, None)

    def members(self) -> list[int]:
        """The organisations that can be asked, by number."""
        return sorted(self._members)

    def ask(self, member: int, request: bytes) -> bytes:
        """A member's answer; raises StoreUnavailable for one that is not there."""
        if member not in self._members:
            raise StoreUnavailable(member=member)
        return self._members[member](request)
