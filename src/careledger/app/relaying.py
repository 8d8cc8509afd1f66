"""The members of one machine as each other's relays: their desks, run while whoever acts waits, or a gateway runs.

For trying the two hops of docs/threats.md in one process; they hide nothing from the one operator of all desks.
"""

from __future__ import annotations

from collections.abc import Iterable

from careledger.domain.relaying import BATCH
from careledger.formats.signatures import SigningKey
from careledger.ports import Board, Ledger, WaitingClock
from careledger.workflows.actors import Organisation
from careledger.workflows.gateway import Gateway
from careledger.workflows.relay_desk import RelayDesk


class Members:
    """The port WaitingClock too: a second that is waited for lets the desks send what is due."""

    def __init__(self, ledger: Ledger, board: Board, clock: WaitingClock) -> None:
        self._ledger, self._board, self._clock = ledger, board, clock
        self._desks: dict[int, RelayDesk] = {}
        self.gateway = Gateway(self._desks)

    def admit(self, organisations: Iterable[Organisation]) -> None:
        """These relay from now on; one that does so already keeps its desk."""
        for each in organisations:
            if each.number not in self._desks:
                sender = SigningKey.random()
                self._desks[each.number] = RelayDesk(
                    each.number, each.sealing, sender, self._ledger, self._board, self._clock
                )

    def now(self) -> int:
        """Unix seconds."""
        return self._clock.now()

    def wait(self, seconds: int) -> None:
        """Returns when so many seconds have passed; each second what is due goes on."""
        for _ in range(seconds):
            self._clock.wait(1)
            self.pass_on()

    def pass_on(self) -> None:
        """What is due goes on, from gateway to desks and from desks to the ledger; to be called every second."""
        self.gateway.hand_on(self.now())
        for desk in self._desks.values():
            desk.send_batch()

    def finish(self) -> None:
        """Waits for the batches of what the desks have taken; what is for later is sent again by its agent."""
        if any(desk.waiting for desk in self._desks.values()):
            self.wait(BATCH)
