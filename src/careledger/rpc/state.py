"""Methods on accounts, code and storage, and calls that write nothing, at any block."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from careledger.adapters.evm.engine import ZERO_ADDRESS, Execution, Message
from careledger.adapters.evm.transactions import MAX_TRANSACTION_GAS
from careledger.domain.errors import TransactionRefused
from careledger.rpc.method import Method, Parameter
from careledger.rpc.node import Node
from careledger.rpc.refusals import Refusal, refused, reverted
from careledger.rpc.values import (
    NEWEST,
    BlockName,
    data,
    invalid,
    quantity,
    read_address,
    read_any_block,
    read_data,
    read_fields,
    read_quantity,
    read_slot,
)

PAST_GAS = (
    10_000_000  # an earlier block is asked on the executable specification: about a million gas a second
)
_FEES = ("gasPrice", "maxFeePerGas", "maxPriorityFeePerGas", "value")
_FIELDS = frozenset({"from", "to", "gas", "data", "input", "nonce", "accessList", "type", "chainId", *_FEES})


@dataclass(frozen=True, slots=True)
class Call:
    """A call as a request describes it; ``gas`` None leaves it to the server."""

    sender: bytes
    to: bytes | None
    data: bytes
    gas: int | None

    def message(self, most: int) -> Message:
        """What is executed, with no more gas than that."""
        return Message(self.sender, self.to, self.data, most if self.gas is None else min(self.gas, most))


def read_call(value: Any, name: str) -> Call:
    """A call object; raises RpcRefused for a fee, a value or an access list, as nothing of it exists here."""
    said = read_fields(value, name, _FIELDS)
    for field in _FEES:
        if read_quantity(said.get(field, "0x0"), f"{name}.{field}"):
            raise refused(
                Refusal.COST, f"{name}.{field} has to be 0: there are no coins and gas is free here"
            )
    if said.get("accessList"):
        raise invalid(f"{name}.accessList", "is not taken here")
    for field in ("nonce", "type", "chainId"):
        read_quantity(said.get(field, "0x0"), f"{name}.{field}")
    contents = {read_data(said[field], f"{name}.{field}") for field in ("data", "input") if field in said}
    if len(contents) > 1:
        raise invalid(f"{name}.data", "is not the same as input")
    return Call(
        read_address(said["from"], f"{name}.from") if "from" in said else ZERO_ADDRESS,
        read_address(said["to"], f"{name}.to") if "to" in said else None,
        contents.pop() if contents else b"",
        read_quantity(said["gas"], f"{name}.gas", 64) if "gas" in said else None,
    )


def _execute(node: Node, call: Call, named: BlockName) -> tuple[Execution, Message]:
    """The outcome at a block, and what was executed; raises RpcRefused where it could not even begin."""
    number = None if named == NEWEST else node.number(named)
    try:
        if number is None or number == node.chain.head.number:
            message = call.message(MAX_TRANSACTION_GAS)
            return node.chain.simulate(message, number), message
        message = call.message(PAST_GAS)
        return node.onlooker.call(message, number), message
    except TransactionRefused:
        raise refused(Refusal.INTRINSIC_GAS) from None


def _succeeded(node: Node, call: Call, named: BlockName) -> Execution:
    """The outcome if it is a success; raises RpcRefused: a contract that refuses keeps the rest of the gas."""
    outcome, message = _execute(node, call, named)
    if outcome.success:
        return outcome
    if outcome.gas_used == message.gas:
        raise refused(Refusal.HALTED, "out of gas, or an instruction that does not exist")
    raise reverted(outcome.output)


def _call(node: Node, call: Call, named: BlockName) -> Any:
    return data(_succeeded(node, call, named).output)


def _estimate(node: Node, call: Call, named: BlockName) -> Any:
    """The least gas limit with which it succeeds: what it uses, or more where a refund or a call inside needs it."""
    used = _succeeded(node, call, named).gas_used
    most = MAX_TRANSACTION_GAS if call.gas is None else min(call.gas, MAX_TRANSACTION_GAS)

    def fits(gas: int) -> bool:
        return _execute(node, replace(call, gas=gas), named)[0].success

    least, step = used - 1, 1
    while not fits(enough := min(least + step, most)):
        if enough == most:
            raise refused(Refusal.HALTED, "it succeeds no longer")
        least, step = enough, step * 4
    while least + 1 < enough:
        middle = (least + enough) // 2
        least, enough = (least, middle) if fits(middle) else (middle, enough)
    return quantity(enough)


def _balance(node: Node, address: bytes, named: BlockName) -> Any:
    node.number(named)
    return quantity(0)


def _nonce(node: Node, address: bytes, named: BlockName) -> Any:
    return quantity(node.onlooker.account(address, node.number(named)).nonce)


def _code(node: Node, address: bytes, named: BlockName) -> Any:
    return data(node.onlooker.account(address, node.number(named)).code)


def _slot(node: Node, address: bytes, slot: int, named: BlockName) -> Any:
    return data(node.onlooker.slot(address, slot, node.number(named)).to_bytes(32, "big"))


_ADDRESS = Parameter("address", read_address)
_AT = Parameter("block", read_any_block, NEWEST)
_CALL = Parameter("call", read_call)

METHODS = (
    Method("eth_getBalance", (_ADDRESS, _AT), _balance, "always 0: there are no coins"),
    Method(
        "eth_getTransactionCount", (_ADDRESS, _AT), _nonce, "the next nonce; pending is latest: nothing waits"
    ),
    Method("eth_getCode", (_ADDRESS, _AT), _code, "a contract's code after a block"),
    Method(
        "eth_getStorageAt",
        (_ADDRESS, Parameter("slot", read_slot), _AT),
        _slot,
        "32 bytes of a contract's storage after a block",
    ),
    Method("eth_call", (_CALL, _AT), _call, "what a contract answers after a block; writes nothing"),
    Method(
        "eth_estimateGas", (_CALL, _AT), _estimate, "the least gas limit with which a transaction succeeds"
    ),
)
