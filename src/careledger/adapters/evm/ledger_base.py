"""What every act on the ledger needs: the contracts, the facts, sending and its refusals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from careledger.adapters.evm.contract import Contract
from careledger.adapters.evm.facts import FactTables
from careledger.adapters.evm.following import Follower
from careledger.adapters.evm.node import Call, Mined, Node
from careledger.domain.errors import BlockNotFound, LedgerRefused, LedgerStale
from careledger.domain.facts import Head
from careledger.formats.consent_messages import LedgerMessage
from careledger.formats.ledger_messages import LinkAliases, RotateAlias, StopAlarm, UnlinkAliases
from careledger.formats.ledger_words import AliasWord
from careledger.formats.signatures import Address, SigningKey
from careledger.formats.signed import deployment_id
from careledger.ports import Clock
from careledger.projection.view import FactsView

DEADLINE = 1_800
"""Seconds that a signed message may still be carried, well below the contracts' hour."""

ALONE: dict[type[LedgerMessage], tuple[str, tuple[str, ...]]] = {
    RotateAlias: ("rotate_alias", ("alias", "controller", "kind", "detail", "deadline")),
    StopAlarm: ("stop_alarm", ("alias", "deadline")),
    LinkAliases: ("link", ("owner", "commitment", "deadline")),
    UnlinkAliases: ("unlink", ("owner", "commitment", "deadline")),
}
"""Signed messages that any sender enters in a transaction of their own: the contract's function, and which of the
message's fields it takes before the signatures."""


class EvmLedgerBase:
    """The contracts of one network, found through its directory, and their facts."""

    def __init__(
        self, node: Node, directory: Address, clock: Clock, facts: Path | None = None, since: int = 0
    ) -> None:
        """``facts`` is the file of the projection (None: in memory); it may be deleted at any time.

        ``since``: a block before which nothing of this network happened.
        """
        self._node, self._directory, self._clock, self._since = node, directory, clock, since
        self._tables = FactTables(facts)
        self._follower = Follower(node, directory, self._tables, since)

    def close(self) -> None:
        """Closes the projection and the node."""
        self._tables.close()
        self._node.close()

    @property
    def chain_id(self) -> int:
        """The network's number."""
        return self._node.chain_id

    @cached_property
    def deployment(self) -> bytes:
        """What signed statements are bound to."""
        return deployment_id(self._node.chain_id, self._directory)

    def contract(self, name: str) -> Address:
        """The address that the directory gives for a name now; raises LedgerRefused for an unknown one."""
        return self._follower.contract(name).address

    def fresh_head(self) -> FactsView:
        """The newest final block; raises LedgerStale if it may be too old to decide on."""
        self._node.fresh_head()
        return self._follower.view()

    def last_head(self) -> FactsView:
        """The newest final block known here."""
        return self._follower.view()

    def at(self, block: int) -> FactsView:
        """The facts as they stood after that block; raises LedgerStale for one that is not there yet."""
        try:
            return self._follower.view(block)
        except BlockNotFound:
            raise LedgerStale(block=block) from None

    def folded_again(self) -> list[tuple[bytes, int, bytes]]:
        """The rows that the events give up to the block that the kept ones stand at; those are not changed."""
        kept = self._tables.position(self._directory)
        again = type(self)(self._node, self._directory, self._clock, since=self._since).rows()
        return [row for row in again if kept is not None and row[1] <= kept[0]]

    def rebuild(self) -> Head:
        """Drops the projection and folds it again from genesis; gives the head it reached."""
        return self._follower.rebuild()

    def rows(self, kind: str = "") -> list[tuple[bytes, int, bytes]]:
        """Every row of the projection at the head, packed, in order: to compare two; or those of one kind."""
        self._follower.catch_up()
        return list(self._tables.rows(kind))

    def alias_number(self, alias: bytes) -> int:
        """Counts the alias's changes, 0 if unknown; read from the contract at the node's head."""
        return self._alias_word(alias).number

    def _alias_word(self, alias: bytes) -> AliasWord:
        return AliasWord.parse(self._contract("Aliases").read(self._node, "alias_word", alias))

    # Sending -----------------------------------------------------------------------------------

    def _contract(self, name: str) -> Contract:
        return self._follower.contract(name)

    def _act(self, sender: SigningKey, contract: str, function: str, *arguments: Any) -> Head:
        """One transaction; raises LedgerRefused with the contract's reason."""
        return self._acts(sender, contract, function, [arguments])

    def _acts(self, sender: SigningKey, contract: str, function: str, calls: Iterable[Sequence[Any]]) -> Head:
        """Several by one sender, in order; raises the first refusal. Gives the last one's block."""
        called = self._contract(contract)
        mined = self._sent(sender, called.address, [called.calldata(function, *each) for each in calls])
        for each in mined:
            if each.reason is not None:
                raise LedgerRefused(reason=each.reason)
        return mined[-1].block

    def _entered(self, relay: SigningKey, message: LedgerMessage, *signers: SigningKey) -> Head:
        """A message of ALONE, signed here; raises LedgerRefused with the contract's reason."""
        function, fields = ALONE[type(message)]
        arguments = (getattr(message, name) for name in fields)
        signatures = (self._signature(message, signer) for signer in signers)
        return self._act(relay, message.CONTRACT, function, *arguments, *signatures)

    def _sent(self, sender: SigningKey, to: Address, calls: Sequence[bytes]) -> list[Mined]:
        return self._node.send(sender, [Call(to, data) for data in calls])

    # Signing -----------------------------------------------------------------------------------

    def _now(self) -> int:
        return max(self._clock.now(), self._node.head().time)

    def _deadline(self) -> int:
        return self._now() + DEADLINE

    def _signature(self, message: LedgerMessage, key: SigningKey) -> bytes:
        return message.sign(key, self.chain_id, self.contract(message.CONTRACT))
