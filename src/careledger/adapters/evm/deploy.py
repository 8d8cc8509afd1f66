"""Founding a network: every contract in one order, by one key that has no power afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth_hash.auto import keccak

from careledger.adapters.evm.chain import EmbeddedChain
from careledger.adapters.evm.contract import Contract, deployment, load_artifact
from careledger.adapters.evm.node import Call, Node
from careledger.adapters.evm.rlp_trie import encode_rlp, uint_bytes
from careledger.domain.errors import LedgerRefused, TransactionRefused
from careledger.domain.matrix import VERSION_1
from careledger.formats.ledger_words import contract_name
from careledger.formats.signatures import Address, SigningKey

DAY = 24 * 3_600


@dataclass(frozen=True)
class Genesis:
    """What a network is founded with.

    ``founder`` sends the contracts; a fresh random key, to be forgotten. ``officers`` are posts of the ministry with
    their controllers, of whom ``threshold`` enact. Delays are in seconds: how long after the vote a matrix (or a
    retention table) and another contract take effect.
    """

    founder: SigningKey
    ministry: int
    controller: Address
    officers: tuple[tuple[int, Address], ...]
    threshold: int
    policy_delay: int = 30 * DAY
    directory_delay: int = 14 * DAY
    direct_deposits: bool = False


def found(node: Node, genesis: Genesis) -> Address:
    """Deploys everything and gives the directory's address.

    The contracts name each other by addresses that follow from the founder's nonces, so nobody else may send with that
    key meanwhile. Raises LedgerRefused if a constructor refuses; nothing is sent then. TransactionRefused if the
    founder's key was used elsewhere: what was deployed is not a network then.
    """
    founder = genesis.founder
    nonce = node.nonce(founder.address)
    codes = [deployment(load_artifact(name), *arguments) for name, arguments in _planned(genesis, nonce)]
    for code in codes:  # no constructor asks another contract, so each can be tried alone
        node.call(None, code, founder.address)
    for place, mined in enumerate(node.send(founder, [Call(None, code) for code in codes])):
        if mined.reason is not None:
            raise LedgerRefused(reason=mined.reason)
        if mined.created != _created(founder.address, nonce + place):
            raise TransactionRefused(
                why="another address than planned", place=place, block=mined.block.number
            )
    return _created(founder.address, nonce + len(codes) - 1)


def directory_of(chain: EmbeddedChain) -> Address | None:
    """The directory of the network that was founded first on this chain, or None."""
    if chain.head.number == 0:
        return None
    topic = Contract.at(bytes(20), "Directory").topic("ContractNamedV1")
    found_logs = chain.logs(1, 1, topics=(topic,))
    return found_logs[0].log.address if found_logs else None


def _planned(genesis: Genesis, first: int) -> list[tuple[str, tuple[Any, ...]]]:
    """Names and constructor arguments in order; each contract's address follows from its place."""
    names = ["Records", "AccessPolicy", *(["WriteChart"] if genesis.direct_deposits else [])]
    names += ["Aliases", "Teams", "Links", "Consents", "Leaves", "Checkpoints", "BreakGlass", "Retention"]
    at = {name: _created(genesis.founder.address, first + place) for place, name in enumerate(names)}
    registry, chart = at["Records"], at.get("WriteChart", bytes(20))
    posts, controllers = [post for post, _ in genesis.officers], [address for _, address in genesis.officers]
    words = VERSION_1.read_words, VERSION_1.write_words
    arguments: dict[str, tuple[Any, ...]] = {
        "Records": (
            genesis.ministry, genesis.controller, posts, controllers, genesis.threshold, chart,
        ),
        "AccessPolicy": (registry, genesis.policy_delay, *words),
        "WriteChart": (at["AccessPolicy"],),
        "Retention": (registry, genesis.policy_delay),
        "Consents": (),
    }  # fmt: skip
    planned = [(name, arguments.get(name, (registry,))) for name in names]
    named = {"Registry": registry} | at
    keys = [contract_name(name) for name in named]
    return [*planned, ("Directory", (genesis.directory_delay, keys, list(named.values())))]


def _created(sender: Address, nonce: int) -> Address:
    """The address of the contract that this sender makes with that nonce (yellow paper 7)."""
    return keccak(encode_rlp([sender, uint_bytes(nonce)]))[12:]
