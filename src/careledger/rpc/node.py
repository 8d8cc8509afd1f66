"""What a method works on: the chain that takes transactions, the onlooker that reads beside it, the filters."""

from __future__ import annotations

from dataclasses import dataclass

from careledger.adapters.evm.blocks import Header
from careledger.adapters.evm.chain import EmbeddedChain
from careledger.adapters.evm.onlooker import Onlooker
from careledger.rpc.filters import Filters
from careledger.rpc.refusals import Refusal, refused
from careledger.rpc.values import BlockName


@dataclass(frozen=True)
class Node:
    """One served chain."""

    chain: EmbeddedChain
    onlooker: Onlooker
    filters: Filters

    def find(self, named: BlockName) -> Header | None:
        """The header of a block by its name."""
        if named.digest is not None:
            number = self.onlooker.number_of(named.digest)
            return None if number is None else self.onlooker.header(number)
        return self.onlooker.head() if named.number is None else self.onlooker.header(named.number)

    def number(self, named: BlockName) -> int:
        """The number of a block that has to exist; raises RpcRefused."""
        header = self.find(named)
        if header is None:
            raise refused(Refusal.BLOCK_NOT_FOUND)
        return header.number
