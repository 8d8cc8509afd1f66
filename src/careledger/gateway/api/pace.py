"""How often one token may ask: a bucket that fills again, in memory only."""

from __future__ import annotations

import ipaddress
import math
from dataclasses import dataclass, field

from starlette.requests import Request

from careledger.app.serving import is_loopback
from careledger.domain.errors import Throttled

MOST_KEPT = 10_000
NETWORK = 64


@dataclass
class Pace:
    """At most ``burst`` requests at once and ``a_second`` of them in the long run, for each name."""

    burst: int = 300
    a_second: float = 30.0
    _left: dict[bytes, tuple[float, float]] = field(default_factory=dict)

    def take(self, name: bytes, now: float) -> None:
        """Counts a request; ``now`` in seconds of the monotonic clock. Raises Throttled, with the seconds to wait."""
        left, then = self._left.get(name, (float(self.burst), now))
        left = min(self.burst, left + (now - then) * self.a_second)
        if left < 1:
            raise Throttled(seconds=math.ceil((1 - left) / self.a_second))
        self._left[name] = left - 1, now
        if len(self._left) > MOST_KEPT:
            self._forget(now)

    def give_back(self, name: bytes) -> None:
        """One that was counted counts no more."""
        if name in self._left:
            left, then = self._left[name]
            self._left[name] = min(float(self.burst), left + 1), then

    def _forget(self, now: float) -> None:
        """Whoever has a full bucket needs none; if that is nobody, all begin anew."""
        full = self.burst / self.a_second
        self._left = {name: each for name, each in self._left.items() if now - each[1] < full}
        if len(self._left) > MOST_KEPT:
            self._left.clear()


def place(host: str) -> str:
    """Where an address is, for what is counted by it: of IPv6 the network of 64 bits, all of which one subscriber has;
    of an IPv4 address that is written as IPv6 that address. Anything else is itself."""
    try:
        found = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    return str(found.ipv4_mapped or ipaddress.ip_network((found, NETWORK), strict=False))


class Strangers:
    """How often who brings no token may ask: each place beyond this machine, and all together."""

    def __init__(self, together: Pace, each: Pace) -> None:
        self._together, self._each = together, each

    def take(self, request: Request, now: float) -> None:
        """Counts a request; raises Throttled. An address that asks too often takes nothing from the others."""
        if (address := _beyond(request)) is not None:
            self._each.take(address, now)
        self._together.take(b"", now)

    def give_back(self, request: Request) -> None:
        """Whoever was counted has proved to be no stranger."""
        if (address := _beyond(request)) is not None:
            self._each.give_back(address)
        self._together.give_back(b"")


def _beyond(request: Request) -> bytes | None:
    """The place that asks, None for this machine."""
    client = request.client
    return None if client is None or is_loopback(client.host) else place(client.host).encode()
