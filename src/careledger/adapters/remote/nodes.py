"""Several nodes of one network: which block they agree on, and questions at a block that they agreed on.

A node is believed about content and order; it is not believed to be up to date. So a question names a block by number
and hash, and only a node that has that block answers it: one that lags is passed over, not misread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from careledger.adapters.remote import answers
from careledger.adapters.remote.answers import SeenBlock
from careledger.adapters.remote.rpc import JsonRpc, Question, RpcError
from careledger.domain.errors import (
    LedgerRewritten,
    LedgerStale,
    MalformedBytes,
    NodeUnavailable,
    SettingsRefused,
    WrongNetwork,
)

RESTING = 3.0
"""Seconds for which a node that failed is asked only if no other is left."""
CATCHING_UP = 6.0
"""Seconds to wait for some node to have a block that was agreed on."""
PAUSE = 0.1
T = TypeVar("T")


class Nodes:
    """The nodes' RPC in the order of preference. Safe to use from several threads."""

    def __init__(self, nodes: Sequence[JsonRpc], agreeing: int) -> None:
        """``agreeing``: how many of them must show a block before it counts."""
        if not 1 <= agreeing <= len(nodes):
            raise SettingsRefused(
                key="ledger", why="more nodes have to agree than there are", nodes=len(nodes)
            )
        self._nodes, self._agreeing = list(nodes), agreeing
        self._resting: dict[JsonRpc, float] = {}
        self._lock, self._turn = threading.Lock(), 0

    def close(self) -> None:
        """Closes the connections."""
        for node in self._nodes:
            node.close()

    def check(self, chain_id: int) -> None:
        """At the start: enough nodes answer, each with this chain id, and the network asks for no fees.

        Raises WrongNetwork, NodeUnavailable.
        """
        answered = 0
        trouble: NodeUnavailable | None = None
        for node in self._nodes:
            try:
                named, latest = self._told(
                    node, lambda node: (answers.quantity(node.ask("eth_chainId")), _latest(node))
                )
            except NodeUnavailable as error:
                trouble = error
                continue
            if named != chain_id:
                raise WrongNetwork(node=node.name, has=named, wanted=chain_id)
            if latest.base_fee:
                raise WrongNetwork(node=node.name, base_fee=latest.base_fee, wanted=0)
            answered += 1
        if answered < self._agreeing and trouble is not None:
            raise trouble

    # The head ----------------------------------------------------------------------------------

    def agreed(self) -> SeenBlock:
        """The newest block that enough nodes show.

        Raises LedgerRewritten if two show different blocks at its height, LedgerStale if too few answer, and
        NodeUnavailable if none does.
        """
        seen = self._heads()
        if len(seen) < self._agreeing:
            raise LedgerStale(nodes=len(seen), needed=self._agreeing)
        seen.sort(key=lambda pair: -pair[1].number)
        _, newest = seen[self._agreeing - 1]
        for node, shown in seen[: self._agreeing - 1]:
            there = (
                shown
                if shown.number == newest.number
                else self._told(node, lambda n: _block(n, newest.number))
            )
            if there is None or there.hash != newest.hash:
                raise LedgerRewritten(block=newest.number, node=node.name)
        return newest

    def _heads(self) -> list[tuple[JsonRpc, SeenBlock]]:
        seen: list[tuple[JsonRpc, SeenBlock]] = []
        trouble: NodeUnavailable | None = None
        for node in self._in_turn(self._agreeing):
            try:
                seen.append((node, self._told(node, _latest)))
            except NodeUnavailable as error:
                trouble = error
        if not seen and trouble is not None:
            raise trouble
        return seen

    # Questions at a block ----------------------------------------------------------------------

    def read(self, questions: Sequence[Question], number: int, digest: bytes) -> list[Any]:
        """Answers, some perhaps RpcError, of a node that has this block; another is asked while one has not.

        Raises LedgerStale if none has it in time, LedgerRewritten if one has another, NodeUnavailable.
        """
        end = time.monotonic() + CATCHING_UP
        while True:
            trouble: NodeUnavailable | None = None
            for node in self._in_turn():
                try:
                    found = self._told(node, lambda node: _guarded(node, questions, number, digest))
                except NodeUnavailable as error:
                    trouble = error
                    continue
                if found is not None:
                    return found
            if time.monotonic() > end:
                raise trouble or LedgerStale(block=number)
            time.sleep(PAUSE)

    def block(self, number: int) -> SeenBlock | None:
        """A block by its height from any node that has it."""
        trouble: NodeUnavailable | None = None
        for node in self._in_turn():
            try:
                found = self._told(node, lambda node: _block(node, number))
            except NodeUnavailable as error:
                trouble = error
                continue
            if found is not None:
                return found
        if trouble is not None:
            raise trouble
        return None

    # Sending -----------------------------------------------------------------------------------

    def transmit(self, raws: Sequence[bytes]) -> list[RpcError | None]:
        """Hands signed transactions to one node, in order; what it said against each, None if nothing.

        Another node is taken if this one does not answer; raises NodeUnavailable if none does.
        """
        questions: list[Question] = [("eth_sendRawTransaction", ["0x" + raw.hex()]) for raw in raws]
        trouble: NodeUnavailable | None = None
        for node in self._in_turn():
            try:
                said = self._told(node, lambda node: node.array(questions))
            except NodeUnavailable as error:
                trouble = error
                continue
            return [each if isinstance(each, RpcError) else None for each in said]
        raise trouble or NodeUnavailable(why="no node is named")

    def turn(self) -> None:
        """Prefers the next node from now on."""
        with self._lock:
            self._turn += 1

    # Nodes -------------------------------------------------------------------------------------

    def _in_turn(self, least: int = 1) -> list[JsonRpc]:
        """Those that did not fail just now, or all if these are fewer than ``least``; the preferred one first."""
        with self._lock:
            now, at = time.monotonic(), self._turn % len(self._nodes)
            turned = self._nodes[at:] + self._nodes[:at]
            well = [node for node in turned if self._resting.get(node, 0.0) <= now]
        return well if len(well) >= least else turned

    def _told(self, node: JsonRpc, question: Callable[[JsonRpc], T]) -> T:
        """Asks one node; one that fails or answers what cannot be read rests for a while."""
        try:
            return question(node)
        except NodeUnavailable:
            self._rest(node)
            raise
        except MalformedBytes as error:
            self._rest(node)
            raise NodeUnavailable(node=node.name, **error.details) from None

    def _rest(self, node: JsonRpc) -> None:
        with self._lock:
            self._resting[node] = time.monotonic() + RESTING


def _latest(node: JsonRpc) -> SeenBlock:
    return answers.block(node.ask("eth_getBlockByNumber", "latest", False))


def _block(node: JsonRpc, number: int) -> SeenBlock | None:
    (said,) = node.array([_block_question(number)])
    return _read_block(node, said, number)


def _guarded(node: JsonRpc, questions: Sequence[Question], number: int, digest: bytes) -> list[Any] | None:
    """The answers, None if the node does not have the block yet."""
    guard, *said = node.array([_block_question(number), *questions])
    block = _read_block(node, guard, number)
    if block is None:
        return None
    if block.hash != digest:
        raise LedgerRewritten(block=number, node=node.name)
    return said


def _block_question(number: int) -> Question:
    return "eth_getBlockByNumber", [hex(number), False]


def _read_block(node: JsonRpc, said: Any, number: int) -> SeenBlock | None:
    """The block, None for an unknown one, for which some nodes give an error."""
    if said is None or isinstance(said, RpcError):
        return None
    block = answers.block(said)
    if block.number != number:
        raise NodeUnavailable(node=node.name, why="another block than asked for")
    return block
