"""What the server shows of the chain is what the chain itself says."""

from __future__ import annotations

from typing import Any

import pytest
from eth_hash.auto import keccak

from adapters.chain_support import CREATION, RUNTIME, Sender, word, write
from careledger.adapters.evm.engine import Message
from careledger.adapters.evm.rlp_trie import decode_rlp, encode_rlp, ordered_root
from rpc.rpc_world import Client, Served, client, request, served

__all__ = ["client", "served"]


def hexed(content: bytes) -> str:
    return "0x" + content.hex()


class Story:
    """Three blocks: two contracts; three writes by both types of transaction, one of them refused; one more write."""

    def __init__(self, served: Served) -> None:
        self.sender, self.legacy = Sender(1, 2), Sender(2, 0)
        one, other = self.sender.first_contract(), self.legacy.first_contract()
        self.raws = [
            [self.sender.raw(None, CREATION), self.legacy.raw(None, CREATION)],
            [
                self.sender.raw(one, write(1, 5)),
                self.legacy.raw(one, write(1, 6)),
                self.legacy.raw(other, write(1, 7)),
            ],
            [self.sender.raw(other, write(9, 9))],
        ]
        self.one, self.other = one, other
        self.chain = served.chain
        self.hashes = [
            [said["result"] for said in served.client.post(array(raws)).json] for raws in self.raws
        ]


def array(raws: list[bytes]) -> list[Any]:
    return [request("eth_sendRawTransaction", hexed(raw), id=at) for at, raw in enumerate(raws)]


@pytest.fixture
def story(served: Served) -> Story:
    """The three blocks."""
    return Story(served)


def test_transactions_of_one_array_share_a_block_and_are_answered_by_their_hashes(
    story: Story, client: Client
) -> None:
    assert story.hashes == [[hexed(keccak(raw)) for raw in raws] for raws in story.raws]
    assert client.ask("eth_blockNumber") == "0x3"
    counts = [client.ask("eth_getBlockTransactionCountByNumber", hex(number)) for number in range(4)]
    assert counts == ["0x0", "0x2", "0x3", "0x1"]


def test_a_block_is_what_its_header_says_and_its_hash_covers_it(story: Story, client: Client) -> None:
    for number in range(4):
        header = story.chain.header(number)
        block = client.ask("eth_getBlockByNumber", hex(number), False)
        assert block == client.ask("eth_getBlockByHash", hexed(header.hash), False)
        fields = [
            "parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot", "logsBloom",
            "difficulty", "number", "gasLimit", "gasUsed", "timestamp", "extraData", "mixHash", "nonce",
            "baseFeePerGas",
        ]  # fmt: skip
        quantities = {"difficulty", "number", "gasLimit", "gasUsed", "timestamp", "baseFeePerGas"}
        encoded = encode_rlp([item(block[name], name in quantities) for name in fields])
        assert block["hash"] == hexed(keccak(encoded)) == hexed(header.hash)
        assert block["transactions"] == ([] if number == 0 else story.hashes[number - 1])


def item(value: str, is_quantity: bool) -> bytes:
    if is_quantity:
        return b"" if value == "0x0" else bytes.fromhex(value[2:].zfill((len(value) - 1) // 2 * 2))
    return bytes.fromhex(value[2:])


def test_the_size_of_a_block_is_that_of_its_bytes(story: Story, client: Client) -> None:
    raws = [raw if raw[0] == 2 else decode_rlp(raw) for raw in story.raws[1]]
    header = decode_rlp(story.chain.header(2).encode())
    block = client.ask("eth_getBlockByNumber", "0x2", False)
    assert int(block["size"], 16) == len(encode_rlp([header, raws, []]))


def test_a_transaction_is_the_same_wherever_it_is_asked_for(story: Story, client: Client) -> None:
    block = client.ask("eth_getBlockByNumber", "0x2", True)
    for place, (digest, shown) in enumerate(zip(story.hashes[1], block["transactions"], strict=True)):
        assert client.ask("eth_getTransactionByHash", digest) == shown
        assert client.ask("eth_getTransactionByBlockNumberAndIndex", "0x2", hex(place)) == shown
        assert client.ask("eth_getTransactionByBlockHashAndIndex", block["hash"], hex(place)) == shown
        assert (shown["blockHash"], shown["transactionIndex"]) == (block["hash"], hex(place))
    assert [shown["type"] for shown in block["transactions"]] == ["0x2", "0x0", "0x0"]
    assert client.ask("eth_getTransactionByBlockNumberAndIndex", "0x2", "0x3") is None


def test_a_transactions_fields_give_back_its_bytes(story: Story, client: Client) -> None:
    for digest, raw in zip(story.hashes[1], story.raws[1], strict=True):
        shown = client.ask("eth_getTransactionByHash", digest)
        common = [item(shown["gas"], True), item(shown["to"], False), b"", item(shown["input"], False)]
        signature = [item(shown[name], True) for name in ("v", "r", "s")]
        nonce, free = item(shown["nonce"], True), b""
        if shown["type"] == "0x0":
            rebuilt = encode_rlp([nonce, free, *common, *signature])
        else:
            assert shown["yParity"] == shown["v"]
            chain_id = item(shown["chainId"], True)
            rebuilt = b"\x02" + encode_rlp([chain_id, nonce, free, free, *common, [], *signature])
        assert rebuilt == raw


def test_receipts_and_gas_are_the_chains_own(story: Story, client: Client) -> None:
    shown = client.ask("eth_getBlockReceipts", "0x2")
    assert [client.ask("eth_getTransactionReceipt", digest) for digest in story.hashes[1]] == shown
    encoded = []
    for view, digest in zip(shown, story.hashes[1], strict=True):
        receipt = story.chain.receipt(bytes.fromhex(digest[2:]))
        assert receipt is not None
        logs: list[Any] = [
            [
                item(log["address"], False),
                [item(topic, False) for topic in log["topics"]],
                item(log["data"], False),
            ]
            for log in view["logs"]
        ]
        body = encode_rlp(
            [
                item(view["status"], True),
                item(view["cumulativeGasUsed"], True),
                item(view["logsBloom"], False),
                logs,
            ]
        )
        encoded.append(body if view["type"] == "0x0" else b"\x02" + body)
        assert (int(view["gasUsed"], 16), view["from"]) == (receipt.gas_used, hexed(receipt.sender))
    block = client.ask("eth_getBlockByNumber", "0x2", False)
    assert hexed(ordered_root(encoded)) == block["receiptsRoot"]
    assert [view["status"] for view in shown] == ["0x1", "0x0", "0x1"]
    assert "revertReason" in shown[1]
    assert [log["logIndex"] for view in shown for log in view["logs"]] == ["0x0", "0x1"]


def test_a_created_contract_stands_in_its_receipt_and_its_code_is_there(story: Story, client: Client) -> None:
    receipt = client.ask("eth_getTransactionReceipt", story.hashes[0][0])
    assert (receipt["contractAddress"], receipt["to"]) == (hexed(story.one), None)
    assert client.ask("eth_getCode", hexed(story.one), "latest") == hexed(RUNTIME)
    assert client.ask("eth_getCode", hexed(story.one), "0x0") == "0x"


def test_state_is_shown_as_it_was_at_any_block(story: Story, client: Client) -> None:
    address = hexed(story.one)
    slots = [client.ask("eth_getStorageAt", address, "0x1", block) for block in ("0x1", "0x2", "latest")]
    assert slots == [hexed(word(0)), hexed(word(5)), hexed(word(5))]
    assert client.ask("eth_getStorageAt", address, hexed(word(1)), "latest") == hexed(word(5))
    nonces = [
        client.ask("eth_getTransactionCount", hexed(story.sender.address), block)
        for block in ("earliest", "0x1", "0x2", "latest", "pending")
    ]
    assert nonces == ["0x0", "0x1", "0x2", "0x3", "0x3"]
    assert client.ask("eth_getBalance", hexed(story.sender.address), "latest") == "0x0"


def test_a_call_answers_as_of_any_block_by_number_and_by_hash(story: Story, client: Client) -> None:
    call = {"to": hexed(story.one), "data": hexed(word(1))}
    assert client.ask("eth_call", call) == client.ask("eth_call", call, "0x3") == hexed(word(5))
    assert client.ask("eth_call", call, "0x1") == hexed(word(0))
    for number, value in ((1, 0), (2, 5)):
        digest = hexed(story.chain.header(number).hash)
        for block in ({"blockHash": digest, "requireCanonical": True}, {"blockHash": digest}, digest):
            assert client.ask("eth_call", call, block) == hexed(word(value))
    assert client.ask("eth_call", call, {"blockNumber": "0x1"}) == hexed(word(0))
    assert client.ask("eth_blockNumber") == "0x3"


def test_a_refused_call_gives_the_reason_and_its_bytes(story: Story, client: Client) -> None:
    call = {"to": hexed(story.one), "input": hexed(write(1, 8))}
    for method, block in (("eth_call", "latest"), ("eth_call", "0x2"), ("eth_estimateGas", "latest")):
        error = client.error(method, call, block)
        assert (error["code"], error["message"]) == (3, "Execution reverted: full")
        assert error["data"].startswith("0x08c379a0")
    assert client.ask("eth_call", call, "0x1") == "0x"


def test_an_estimate_is_the_least_gas_with_which_it_succeeds(story: Story, client: Client) -> None:
    for data in (write(2, 8), write(2**200, 1)):
        estimate = int(client.ask("eth_estimateGas", {"to": hexed(story.one), "data": hexed(data)}), 16)
        outcomes = [story.chain.send(story.sender.raw(story.one, data, estimate - 1)).success]
        outcomes.append(story.chain.send(story.sender.raw(story.one, data, estimate)).success)
        assert outcomes == [False, True]


@pytest.mark.parametrize(
    "program",
    ["60016000556000600055", "5a61f0009011600d57600080fd5b" + "60016000" + "55"],
    ids=["a refund counts only afterwards", "it looks how much gas is left"],
)
def test_an_estimate_is_enough_where_more_is_needed_than_is_used(
    program: str, story: Story, client: Client
) -> None:
    estimate = int(client.ask("eth_estimateGas", {"data": "0x" + program}), 16)
    sender = b"\x33" * 20
    outcomes = [
        story.chain.simulate(Message(sender, None, bytes.fromhex(program), gas))
        for gas in (estimate - 1, estimate, 10_000_000)
    ]
    assert [outcome.success for outcome in outcomes] == [False, True, True]
    assert outcomes[2].gas_used < estimate


def test_a_client_that_asks_for_what_is_not_there_gets_null(story: Story, client: Client) -> None:
    nowhere = hexed(bytes(32))
    for method, *params in (
        ("eth_getBlockByNumber", "0x4", False),
        ("eth_getBlockByHash", nowhere, True),
        ("eth_getBlockTransactionCountByHash", nowhere),
        ("eth_getBlockReceipts", "0x4"),
        ("eth_getTransactionByHash", nowhere),
        ("eth_getTransactionReceipt", nowhere),
        ("eth_getTransactionByBlockHashAndIndex", nowhere, "0x0"),
    ):
        assert client.ask(method, *params) is None
    for method in ("eth_getBalance", "eth_getCode", "eth_getTransactionCount"):
        assert client.error(method, hexed(bytes(20)), "0x4")["message"] == "Block not found"


def test_what_is_the_same_for_the_whole_chain(story: Story, client: Client) -> None:
    assert (client.ask("eth_chainId"), client.ask("net_version")) == ("0x4d", "77")
    assert client.ask("net_listening") is True
    assert client.ask("eth_syncing") is False
    assert client.ask("eth_accounts") == []
    assert client.ask("eth_gasPrice") == client.ask("eth_maxPriorityFeePerGas") == "0x0"
    assert client.ask("web3_clientVersion").startswith("CareLedger/v")
    history = client.ask("eth_feeHistory", "0x2", "latest", [10, 50.5])
    assert (history["oldestBlock"], history["baseFeePerGas"]) == ("0x2", ["0x0"] * 3)
    assert "reward" not in client.ask("eth_feeHistory", "0x1", "latest")
    assert history["reward"] == [["0x0", "0x0"]] * 2
    assert history["gasUsedRatio"][0] == story.chain.header(2).gas_used / 0x1FFFFFFFFFFFFF


def test_a_call_that_creates_gives_the_code_that_it_would_leave(story: Story, client: Client) -> None:
    for block in ("latest", "0x1"):
        assert client.ask("eth_call", {"data": hexed(CREATION)}, block) == hexed(RUNTIME)
        assert client.error("eth_call", {"data": "0x60006000fd"}, block)["code"] == 3
    estimate = int(client.ask("eth_estimateGas", {"data": hexed(CREATION)}), 16)
    assert estimate == int(client.ask("eth_getTransactionReceipt", story.hashes[0][0])["gasUsed"], 16)
