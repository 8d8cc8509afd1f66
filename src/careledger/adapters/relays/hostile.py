"""Relays that drop, delay, alter, repeat or die: twins to wrap an honest one in. Each counts what it was handed."""

from __future__ import annotations

from careledger.domain.errors import CareLedgerError, StoreUnavailable
from careledger.ports import Relay


class DroppingRelay:
    """Takes everything and does nothing."""

    def __init__(self, party: int) -> None:
        self.party = party
        self.handed: list[bytes] = []

    def take(self, sealed: bytes) -> None:
        """Forgotten, without a word."""
        self.handed.append(sealed)


class DelayingRelay:
    """Keeps what it takes until ``release``, then hands all of it on."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self.handed: list[bytes] = []

    @property
    def party(self) -> int:
        """The member's number."""
        return self._relay.party

    def take(self, sealed: bytes) -> None:
        """Kept back."""
        self.handed.append(sealed)

    def release(self) -> None:
        """Everything goes on, late."""
        for sealed in self.handed:
            self._relay.take(sealed)


class AlteringRelay:
    """Changes one byte of everything, hands that on, and says that all is well."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self.handed: list[bytes] = []
        self.refused = 0

    @property
    def party(self) -> int:
        """The member's number."""
        return self._relay.party

    def take(self, sealed: bytes) -> None:
        """The refusal of the changed bytes is kept quiet."""
        self.handed.append(sealed)
        middle = len(sealed) // 2
        try:
            self._relay.take(sealed[:middle] + bytes([sealed[middle] ^ 1]) + sealed[middle + 1 :])
        except CareLedgerError:
            self.refused += 1


class RepeatingRelay:
    """Hands everything on twice."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self.handed: list[bytes] = []

    @property
    def party(self) -> int:
        """The member's number."""
        return self._relay.party

    def take(self, sealed: bytes) -> None:
        """Taken twice."""
        self.handed.append(sealed)
        self._relay.take(sealed)
        self._relay.take(sealed)


class DeadRelay:
    """Cannot be reached; with ``after`` it did it first."""

    def __init__(self, relay: Relay, after: bool = False) -> None:
        self._relay, self._after = relay, after
        self.handed: list[bytes] = []

    @property
    def party(self) -> int:
        """The member's number."""
        return self._relay.party

    def take(self, sealed: bytes) -> None:
        """Raises StoreUnavailable."""
        self.handed.append(sealed)
        if self._after:
            self._relay.take(sealed)
        raise StoreUnavailable(member=self.party)
