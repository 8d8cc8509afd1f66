"""Carries transactions to the nodes until they are final. One thread does it all, so nothing is ordered by luck.

Order of effects of a transaction: given its sender's next nonce and signed; entered in the journal, synced (from
here on it will be sent, whatever crashes); handed to a node; handed over again, the same bytes, while no receipt is
seen, for nodes forget their pools; its receipt seen in a block that the nodes agreed on; struck out of the journal;
only then is the caller told. A crash before the entry leaves nothing. After it the next start sends again, and a node
that has the transaction already says so, which is as good.

A lane is one sender. Nonces of a lane are given in the order of asking, and its transactions go out in that order, in
arrays; nothing is assumed about the order between lanes. At most ``unconfirmed`` are on the way; the others wait here.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from eth_hash.auto import keccak

from careledger.adapters.evm.node import GAS, Call
from careledger.adapters.evm.transactions import Transaction
from careledger.adapters.remote import reading
from careledger.adapters.remote.answers import SeenBlock, SeenReceipt
from careledger.adapters.remote.heads import Heads
from careledger.adapters.remote.journal import Journal, Signed
from careledger.adapters.remote.lanes import Lanes, OnTheWay, Ticket
from careledger.adapters.remote.nodes import Nodes
from careledger.domain.errors import (
    CareLedgerError,
    LedgerStale,
    NodeUnavailable,
    NotYetFinal,
    StoreUnavailable,
    TransactionRefused,
)
from careledger.formats.signatures import Address, SigningKey

POLL = 0.1
"""Seconds between two looks at the head while something is on the way."""
FAR = 200
"""Blocks behind from which receipts are asked for by transaction instead of by block."""
BLOCKS_AT_ONCE = 20


@dataclass(frozen=True)
class Limits:
    """How much is on the way at once, and how long anybody waits; times in seconds.

    ``unconfirmed`` should be about what the network takes in one and a half seconds; ``array`` is the most transactions
    in one request; ``again`` the time after which the same bytes are sent again; ``patience`` how long a caller waits.
    """

    unconfirmed: int = 700
    array: int = 200
    again: float = 3.0
    patience: float = 90.0


class Courier:
    """See above. Safe to use from several threads."""

    def __init__(self, chain_id: int, nodes: Nodes, heads: Heads, journal: Journal, limits: Limits) -> None:
        """Takes up what the journal holds."""
        self._chain_id, self._nodes, self._heads = chain_id, nodes, heads
        self._journal, self._limits = journal, limits
        self._lanes = Lanes(journal.unconfirmed())
        self._queue: deque[Ticket] = deque()
        self._changed = threading.Condition()
        self._looked = -1 if len(self._lanes) else heads.known.number
        self._by_transaction = False
        self._trouble: CareLedgerError | None = None
        self._broken: Exception | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="ledger courier", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread; what is on the way stays in the journal, and whoever waits is told NotYetFinal."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()

    # For callers -------------------------------------------------------------------------------

    def send(self, key: SigningKey, calls: Sequence[Call]) -> list[SeenReceipt]:
        """One transaction for each call, in order; returns once all are final.

        Raises TransactionRefused for one that can never be, NodeUnavailable if nothing was sent, NotYetFinal if some
        are not final in time, StoreUnavailable, LedgerRewritten.
        """
        sender = key.address
        tickets = [Ticket(key, call, sender) for call in calls]
        with self._changed:
            self._refuse_if_ended()
            self._queue.extend(tickets)
            self._changed.notify_all()
        end = time.monotonic() + self._limits.patience
        for ticket in tickets:
            ticket.done.wait(max(0.0, end - time.monotonic()))
        return [self._outcome(ticket) for ticket in tickets]

    def next_nonce(self, sender: Address) -> int:
        """The nonce that the next transaction of this sender will have."""
        with self._changed:
            given = self._lanes.next_nonce(sender)
        if given is not None:
            return given
        head = self._heads.known.head
        return reading.counts(self._nodes, head, [sender])[sender]

    def waiting(self) -> int:
        """How many transactions are on the way or wait for their turn."""
        with self._changed:
            return len(self._lanes) + len(self._queue)

    def _refuse_if_ended(self) -> None:
        if self._broken is not None:
            raise self._broken
        if self._closing:
            raise StoreUnavailable(why="closed")

    def _outcome(self, ticket: Ticket) -> SeenReceipt:
        with self._changed:
            if ticket.outcome is None and ticket in self._queue:
                self._queue.remove(ticket)
                raise NodeUnavailable(nothing_sent=str(self._trouble or "too much is on the way"))
        if ticket.outcome is None:
            raise NotYetFinal(said=str(self._trouble or "nothing"))
        if isinstance(ticket.outcome, Exception):
            raise ticket.outcome
        return ticket.outcome

    # The thread --------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while self._rest():
                self._round()
        except Exception as error:  # whoever waits has to hear of it, also of a bug
            self._broken = error
        with self._changed:
            left = [*self._lanes.tickets(), *self._queue]
            self._queue.clear()
        for ticket in left:
            ticket.tell(self._broken if isinstance(self._broken, CareLedgerError) else NotYetFinal())

    def _rest(self) -> bool:
        """Waits for something to do; False to end."""
        with self._changed:
            if len(self._lanes):
                self._changed.wait_for(lambda: self._closing or (self._queue and self._room() > 0), POLL)
            else:
                self._changed.wait_for(lambda: self._closing or self._queue)
            return not self._closing

    def _room(self) -> int:
        return self._limits.unconfirmed - len(self._lanes)

    def _round(self) -> None:
        try:
            head = self._heads.refresh(POLL)
            self._look(head)
            self._post(head)
            self._again(head)
            self._trouble = None
        except (NodeUnavailable, LedgerStale) as error:
            self._trouble = error
            with self._changed:
                self._changed.wait_for(lambda: self._closing, POLL)

    # Receipts ----------------------------------------------------------------------------------

    def _look(self, head: SeenBlock) -> None:
        """Settles what the blocks since the last look hold."""
        if len(self._lanes) and head.number > self._looked:
            if self._by_transaction or head.number - self._looked > FAR or self._looked < 0:
                self._settle(reading.receipts(self._nodes, head.head, self._lanes.hashes()))
            else:
                self._look_by_block(head)
        self._looked = max(self._looked, head.number)

    def _look_by_block(self, head: SeenBlock) -> None:
        numbers = range(self._looked + 1, head.number + 1)
        for at in range(0, len(numbers), BLOCKS_AT_ONCE):
            found = reading.block_receipts(self._nodes, head.head, numbers[at : at + BLOCKS_AT_ONCE])
            if found is None:
                self._by_transaction = True
                found = reading.receipts(self._nodes, head.head, self._lanes.hashes())
            self._settle(found)

    def _settle(self, receipts: Iterable[SeenReceipt]) -> None:
        mine = {each.transaction: each for each in receipts if self._lanes.knows(each.transaction)}
        if not mine:
            return
        blocks = self._heads.blocks({each.block for each in mine.values()})
        if any(blocks[each.block].hash != each.block_hash for each in mine.values()):
            raise NodeUnavailable(why="a receipt of another block")
        self._end(mine)

    def _end(self, outcomes: dict[bytes, SeenReceipt] | dict[bytes, TransactionRefused]) -> None:
        """Strikes out, then tells."""
        self._journal.settle(outcomes)
        with self._changed:
            ended = [(self._lanes.remove(digest), outcome) for digest, outcome in outcomes.items()]
        for one, outcome in ended:
            if one.ticket is not None:
                one.ticket.tell(outcome)

    # Sending -----------------------------------------------------------------------------------

    def _post(self, head: SeenBlock) -> None:
        """Gives nonces to as many as there is room for, keeps them, sends them."""
        with self._changed:
            count = min(len(self._queue), max(0, self._room()), self._limits.array)
            tickets = [self._queue.popleft() for _ in range(count)]
        if not tickets:
            return
        try:
            signed = self._signed(tickets, head)
            self._journal.keep(signed)
        except (NodeUnavailable, LedgerStale):
            with self._changed:
                self._queue.extendleft(reversed(tickets))
            raise
        except StoreUnavailable as error:
            for ticket in tickets:
                ticket.tell(error)
            return
        posted = [OnTheWay(each, ticket) for each, ticket in zip(signed, tickets, strict=True)]
        with self._changed:
            for one in posted:
                self._lanes.add(one)
        self._transmit(posted)

    def _signed(self, tickets: Sequence[Ticket], head: SeenBlock) -> list[Signed]:
        given = self._nonces({ticket.sender for ticket in tickets}, head)
        made = []
        for ticket in tickets:
            nonce, (to, data) = given[ticket.sender], ticket.call
            given[ticket.sender] = nonce + 1
            transaction = Transaction(self._chain_id, nonce, to, data, min(GAS, head.gas_limit), kind=0)
            raw = transaction.sign(ticket.key)
            made.append(Signed(ticket.sender, nonce, keccak(raw), raw))
        return made

    def _nonces(self, senders: set[Address], head: SeenBlock) -> dict[Address, int]:
        """An idle lane's nonce is the chain's count at the head, which holds all that ever was on the way."""
        known = {sender: self._lanes.next_nonce(sender) for sender in senders}
        idle = [sender for sender, nonce in known.items() if nonce is None]
        counted = reading.counts(self._nodes, head.head, idle)
        return {sender: counted[sender] if nonce is None else nonce for sender, nonce in known.items()}

    def _transmit(self, ones: Sequence[OnTheWay]) -> None:
        now = time.monotonic()
        for one in ones:
            one.sent = now
        for one, said in zip(ones, self._nodes.transmit([one.signed.raw for one in ones]), strict=True):
            one.said = said

    # Again -------------------------------------------------------------------------------------

    def _again(self, head: SeenBlock) -> None:
        """Sends the same bytes again where no receipt came, by the next node; gives up what never can be."""
        due = self._lanes.due(time.monotonic() - self._limits.again, self._limits.array)
        if not due:
            return
        self._settle(reading.receipts(self._nodes, head.head, [one.signed.hash for one in due]))
        left = [one for one in due if self._lanes.knows(one.signed.hash)]
        counted = reading.counts(self._nodes, head.head, {one.signed.sender for one in left})
        lost = {
            one.signed.hash: TransactionRefused(why="nonce used elsewhere", hash=one.signed.hash.hex())
            for one in left
            if one.signed.nonce < counted[one.signed.sender]
        }
        if lost:
            self._end(lost)
        self._nodes.turn()
        self._transmit([one for one in left if one.signed.hash not in lost])
