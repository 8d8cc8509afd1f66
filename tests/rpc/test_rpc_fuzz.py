"""Whatever arrives gets an answer with a precise error, never an internal one, and changes nothing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.chain_support import CHAIN_ID, CREATION, Sender, word, write
from careledger.adapters.evm.chain import EmbeddedChain
from careledger.adapters.evm.onlooker import Onlooker
from careledger.adapters.evm.transactions import Transaction
from careledger.rpc.dispatch import Answer, answer
from careledger.rpc.filters import Filters
from careledger.rpc.methods import METHODS
from careledger.rpc.node import Node
from rpc.rpc_world import request

SENDER = Sender()
CONTRACT = SENDER.first_contract()
FAR_NONCE = 1_000  # what a changed byte makes of it is another sender's, whose next nonce is 0
UNTAKEN = Transaction(CHAIN_ID, FAR_NONCE, CONTRACT, write(1, 1), 100_000).sign(SENDER.key)
KNOWN_CODES = {-32700, -32600, -32601, -32602, 3, *range(-32007, -31999), -39001}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A chain of two blocks, asked without a socket."""
    folder = tmp_path_factory.mktemp("fuzz") / "chain"
    sender = Sender()
    with EmbeddedChain(folder, CHAIN_ID) as chain:
        chain.send(sender.raw(None, CREATION))
        chain.send(sender.raw(CONTRACT, write(1, 5)))
        onlooker = Onlooker(folder, CHAIN_ID)
        yield Node(chain, onlooker, Filters())
        onlooker.close()


HEXED = st.binary(max_size=40).map(lambda content: "0x" + content.hex())
WORDS = st.sampled_from(
    [
        *(
            "latest",
            "earliest",
            "pending",
            "safe",
            "finalized",
            "0x0",
            "0x1",
            "0x2",
            "0x3",
            "0x01",
            "0x",
            "",
            "0X1",
        ),
        *("0x" + CONTRACT.hex(), "0x" + SENDER.address.hex(), "0x" + word(1).hex(), "0x" + UNTAKEN.hex()),
        *("0x" + "f" * 64, "0x" + "f" * 16, hex(2**63), hex(2**64), "\ud800", "0x\u0661", "\x00"),
    ]
)
NAMES = st.sampled_from(
    ["to", "from", "data", "input", "gas", "value", "gasPrice", "nonce", "type", "accessList", "address", "topics",
     "fromBlock", "toBlock", "blockHash", "blockNumber", "requireCanonical", "chainId", "x"]
)  # fmt: skip
LEAVES = st.one_of(
    WORDS, HEXED, st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=12,
)
CALLS = [request(name, *params) for name, params in (
    ("eth_call", [{"to": "0x" + CONTRACT.hex(), "data": "0x" + word(1).hex()}, "latest"]),
    ("eth_getLogs", [{"fromBlock": "0x0", "topics": [["0x" + word(1).hex()], None], "address": "0x" + CONTRACT.hex()}]),
    ("eth_sendRawTransaction", ["0x" + UNTAKEN.hex()]),
    ("eth_getBlockByNumber", ["0x1", True]),
    ("eth_feeHistory", ["0x2", "latest", [10, 90.5]]),
)]  # fmt: skip


BLOCKS = st.sampled_from(["latest", "earliest", "pending", "0x0", "0x1", "0x2", "0x3"])
PLAUSIBLE: dict[str, Any] = {
    "block": BLOCKS,
    "newest block": BLOCKS,
    "block hash": st.just("0x" + word(7).hex()),
    "transaction hash": st.just("0x" + word(8).hex()),
    "whole transactions": st.booleans(),
    "address": st.sampled_from(["0x" + CONTRACT.hex(), "0x" + SENDER.address.hex()]),
    "slot": st.sampled_from(["0x0", "0x1", "0x" + word(1).hex()]),
    "position": st.sampled_from(["0x0", "0x1"]),
    "count": st.sampled_from(["0x1", "0x400"]),
    "percentiles": st.just([1, 99.5]),
    "filter": st.just("0x1"),
    "transaction": st.just("0x" + UNTAKEN.hex()),
    "call": st.fixed_dictionaries({}, optional={"to": WORDS, "data": HEXED, "gas": WORDS, "from": WORDS}),
    "criteria": st.fixed_dictionaries(
        {},
        optional={
            "fromBlock": BLOCKS,
            "toBlock": BLOCKS,
            "address": WORDS,
            "topics": st.lists(WORDS, max_size=2),
        },
    ),
}
"""For each parameter, by its name, what may well be right."""


@st.composite
def asked(draw: st.DrawFn) -> dict[str, Any]:
    """A request for any method, each parameter well or wrong, sometimes one too few or too many."""
    method = METHODS[draw(st.sampled_from(sorted(METHODS)))]
    likely = [PLAUSIBLE[one.name] for one in method.parameters]
    params = [draw(one if draw(st.integers(0, 3)) else VALUES) for one in likely]
    if not draw(st.integers(0, 5)):
        params = [*params, draw(VALUES)][: draw(st.integers(0, 4))]
    return request(method.name, *params)


def checked(node: Node, said: Answer, seen: Counter[str]) -> None:
    """The answer is JSON-RPC, none of its errors is ours, and the chain stands where it stood."""
    if not said.body:
        return
    body = json.loads(said.body)
    for one in body if isinstance(body, list) else [body]:
        assert set(one) in ({"jsonrpc", "id", "result"}, {"jsonrpc", "id", "error"})
        code = one["error"]["code"] if "error" in one else 0
        assert code == 0 or code in KNOWN_CODES, one
        seen[str(code)] += 1
    assert node.chain.head.number == 2


def test_any_parameters_of_any_method_are_answered_or_named(node: Node) -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=600, suppress_health_check=[HealthCheck.too_slow])
    @given(asked())
    def run(said: dict[str, Any]) -> None:
        checked(node, answer(node, json.dumps(said).encode()), seen)

    run()
    assert min(seen["0"], seen["-32602"]) > 150, seen
    assert {"-32000", "-32006"} < set(seen), seen


def test_a_request_with_any_part_replaced_is_answered_or_refused(node: Node) -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
    @given(
        st.lists(st.sampled_from(CALLS) | VALUES, max_size=5),
        st.dictionaries(st.sampled_from(["jsonrpc", "id", "method", "params", "extra"]), VALUES, max_size=2),
    )
    def run(calls: list[Any], other: dict[str, Any]) -> None:
        changed = [one | other if isinstance(one, dict) else one for one in calls]
        checked(node, answer(node, json.dumps(changed).encode()), seen)
        if changed and isinstance(changed[0], dict):
            checked(node, answer(node, json.dumps(changed[0]).encode()), seen)

    run()
    assert min(seen[code] for code in ("0", "-32600", "-32006")) > 10, seen


def test_a_request_cut_at_every_byte_is_no_request(node: Node) -> None:
    seen: Counter[str] = Counter()
    for call in CALLS:
        whole = json.dumps(call).encode()
        for end in range(len(whole)):
            said = answer(node, whole[:end])
            assert said.status == 400
            checked(node, said, seen)
    assert set(seen) == {"-32700"}


def test_any_bytes_and_any_changed_byte_are_answered(node: Node) -> None:
    seen: Counter[str] = Counter()
    whole = json.dumps(CALLS[2]).encode()

    @settings(max_examples=600)
    @given(st.binary(max_size=60), st.integers(0, len(whole) - 1), st.integers(0, 255))
    def run(noise: bytes, at: int, byte: int) -> None:
        checked(node, answer(node, noise), seen)
        checked(node, answer(node, whole[:at] + bytes([byte]) + whole[at + 1 :]), seen)
        checked(node, answer(node, whole[:at] + noise + whole[at:]), seen)

    run()
    assert seen["-32700"] > 300, seen
    assert seen["-32602"] > 20, seen


def test_a_transaction_with_any_changed_byte_is_not_taken(node: Node) -> None:
    seen: Counter[str] = Counter()
    for at in range(len(UNTAKEN)):
        for change in (1, 0x80, 0xFF):
            raw = UNTAKEN[:at] + bytes([UNTAKEN[at] ^ change]) + UNTAKEN[at + 1 :]
            said = answer(node, json.dumps(request("eth_sendRawTransaction", "0x" + raw.hex())).encode())
            checked(node, said, seen)
    assert "0" not in seen, seen
    assert len(seen) > 4, seen
    assert seen["-32006"] > 100, seen


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 1_000_000,
        b'{"a":' * 200_000,
        b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":' + b"[" * 17 + b"]" * 17 + b"}",
        b'"' + b"\\" * 1_000_001,
        b'{"jsonrpc":"2.0","id":' + b"9" * 100_000 + b',"method":"eth_chainId"}',
        b'{"jsonrpc":"2.0","id":-Infinity,"method":"eth_chainId"}',
        b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}' + b"}" * 1_000,
    ],
    ids=["brackets", "objects", "params", "backslashes", "digits", "constant", "tail"],
)
def test_deep_long_and_endless_bodies_are_refused_before_they_are_read(node: Node, body: bytes) -> None:
    said = answer(node, body)
    assert (said.status, json.loads(said.body)["error"]["code"]) == (400, -32700)
