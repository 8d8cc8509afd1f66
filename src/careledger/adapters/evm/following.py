"""Follows the chain: reads the events of the contracts that the directory names and folds them into rows.

A contract that the directory names later may have spoken before it was named; then everything is folded again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial

from careledger.adapters.evm.contract import Contract
from careledger.adapters.evm.facts import FactTables
from careledger.adapters.evm.node import Node
from careledger.domain.errors import BlockNotFound, LedgerRefused
from careledger.domain.facts import Head
from careledger.formats.signatures import Address
from careledger.projection.fold import fold
from careledger.projection.happened import Happened
from careledger.projection.rows import Key, State
from careledger.projection.view import FactsView

CHUNK = 1_000
"""Blocks that are folded in one commit."""

NAMES = {
    "Registry": "Records",  # one contract with the records
    **{
        name: name
        for name in (
            "Records",
            "AccessPolicy",
            "Retention",
            "WriteChart",
            "Aliases",
            "Teams",
            "Links",
            "Consents",
            "Leaves",
            "Checkpoints",
            "BreakGlass",
        )
    },
}
"""The directory's names that this version knows, and the artifact of each; others are passed over."""


class Follower:
    """Keeps the rows at the chain's head. Safe to use from several threads."""

    def __init__(self, node: Node, directory: Address, tables: FactTables, since: int = 0) -> None:
        """``since``: a block before which nothing of this network happened."""
        self._node, self._tables, self._lock = node, tables, threading.Lock()
        self._since = since
        self._directory = Contract.at(directory, "Directory")
        self._contracts: dict[Address, Contract] = {}
        self._named: dict[str, Address] = {}
        self._newest: FactsView | None = None
        self._again = -1
        self._position = self._known_position()

    def contract(self, name: str) -> Contract:
        """The contract that the directory names now; raises LedgerRefused if there is none."""
        self.catch_up()
        if name == "Directory":
            return self._directory
        if name not in self._named or name not in NAMES:
            raise LedgerRefused(reason="unknown", contract=name)
        return self._contracts[self._named[name]]

    def view(self, block: int | None = None) -> FactsView:
        """The facts after that block (None: the head); raises BlockNotFound for one that is not there yet."""
        head = self.catch_up()
        wanted = head if block is None or block == head.number else self._node.block(block)
        with self._lock:
            if self._newest is None or self._newest.head.hash != head.hash:
                self._newest = self._view(head)
            return self._newest if wanted.number == head.number else self._view(wanted)

    def _view(self, block: Head) -> FactsView:
        changed = partial(self._changed, upto=block.number)
        return FactsView(block, self._tables.reader(block.number), changed)

    def _changed(self, after: int, upto: int) -> list[Key]:
        """What changed for who looked at that block: everything, if blocks before it were folded again since, because
        what a contract said before it was named is in none of those that follow."""
        return self._tables.changed(after if after >= self._again else -1, upto)

    def catch_up(self) -> Head:
        """Folds what is new and gives the head it reached."""
        with self._lock:
            head = self._node.head()
            if self._position < head.number or not self._named:
                self._follow(head)
            return head

    def rebuild(self) -> Head:
        """Drops every row and folds the chain again from genesis."""
        with self._lock:
            self._start_again()
            head = self._node.head()
            self._follow(head)
            return head

    def _follow(self, head: Head) -> None:
        if not self._named:
            self._learn_names(self._since, self._position)
        if self._learn_names(self._position + 1, head.number) and self._position >= self._since:
            self._start_again()
            self._again = head.number
        while self._position < head.number:
            first, last = self._position + 1, min(self._position + CHUNK, head.number)
            state = State(self._tables.reader(self._position))
            fold(state, self._events(first, last))
            digest = head.hash if last == head.number else self._node.block(last).hash
            self._tables.commit(last, digest, self._directory.address, state.written)
            self._position = last

    def _learn_names(self, first: int, last: int) -> bool:
        """Reads what the directory named in these blocks; whether it was a contract not known before."""
        before = len(self._contracts)
        for found in self._directory.history(self._node, first, last, "ContractNamedV1"):
            name, address = _text(found.event.fields["name"]), found.event.fields["contract"]
            self._named[name] = address
            if address not in self._contracts and name in NAMES:
                self._contracts[address] = Contract.at(address, NAMES[name])
        return len(self._contracts) != before

    def _events(self, first: int, last: int) -> Iterator[Happened]:
        logs = self._node.logs(first, last, self._contracts.keys())
        blocks = self._node.blocks({found.block for found in logs})
        for found in logs:
            event = self._contracts[found.log.address].event(found.log)
            if event is not None:
                yield Happened(event.name, event.fields, found.block, blocks[found.block].time)

    def _known_position(self) -> int:
        """The position of the kept rows, if they are of this chain; else before the first one, and none is kept."""
        kept = self._tables.position(self._directory.address)
        try:
            if kept is not None and self._node.block(kept[0]).hash == kept[1]:
                return kept[0]
        except BlockNotFound:
            pass
        self._start_again()
        return self._position

    def _start_again(self) -> None:
        self._tables.clear()
        self._position, self._newest = self._since - 1, None


def _text(name: bytes) -> str:
    """A directory key as text."""
    return name.rstrip(b"\0").decode("ascii", "replace")
