"""What the server refuses, with which code, and that a refusal changes nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.chain_support import CHAIN_ID, CREATION, Sender, word, write
from careledger.adapters.evm.transactions import Transaction
from careledger.rpc import dispatch
from careledger.rpc.dispatch import MOST_REQUESTS
from careledger.rpc.method import REQUIRED
from careledger.rpc.methods import KEYLESS, METHODS
from rpc.rpc_world import Client, Served, client, request, served

__all__ = ["client", "served"]
ADDRESS = "0x" + "11" * 20
HASH = "0x" + "22" * 32
CALL = {"to": ADDRESS}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700),
        (b"{", -32700),
        (b"\xff\xfe{}", -32700),
        ("\ufeff{}".encode(), -32700),
        (json.dumps(request("eth_chainId")).encode("utf-16"), -32700),
        (b'{"jsonrpc":"2.0","id":NaN,"method":"eth_chainId"}', -32700),
        (b"1" * 5_000, -32700),
        (b"[" * 100_000, -32700),
        (
            b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[' + b"[" * 20 + b"]" * 20 + b"]}",
            -32700,
        ),
        (b"1", -32600),
        (b'"eth_chainId"', -32600),
        (b"null", -32600),
        (b"{}", -32600),
        (b"[]", -32600),
        (b'{"jsonrpc":"1.0","id":1,"method":"eth_chainId"}', -32600),
        (b'{"id":1,"method":"eth_chainId"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":7}', -32600),
        (b'{"jsonrpc":"2.0","id":{},"method":"eth_chainId"}', -32600),
        (b'{"jsonrpc":"2.0","id":true,"method":"eth_chainId"}', -32600),
        (b'{"jsonrpc":"2.0","id":1e999,"method":"eth_chainId"}', -32600),
    ],
)
def test_what_is_no_request_is_refused_with_http_400(body: bytes, code: int, client: Client) -> None:
    answer = client.post(body)
    assert (answer.status, answer.json["error"]["code"], answer.json["id"]) in (
        (400, code, None),
        (400, code, 1),
    )
    assert client.ask("eth_blockNumber") == "0x0"


@pytest.mark.parametrize("identifier", ["a", "\ud800", "", 0, -1, 2**70, 1.5, None])
def test_an_answer_carries_the_identifier_of_its_question(identifier: Any, client: Client) -> None:
    answer = client.post(request("eth_chainId", id=identifier)).json
    assert answer == {"jsonrpc": "2.0", "id": identifier, "result": "0x4d"}


def test_a_notification_is_neither_answered_nor_carried_out(client: Client) -> None:
    raw = "0x" + Sender().raw(None, CREATION).hex()
    silent = {"jsonrpc": "2.0", "method": "eth_sendRawTransaction", "params": [raw]}
    for said in (silent, [silent, silent]):
        answer = client.post(said)
        assert (answer.status, answer.body) == (200, b"")
    assert client.ask("eth_blockNumber") == "0x0"
    assert [one["id"] for one in client.post([silent, request("eth_chainId", id=9)]).json] == [9]


def test_an_array_is_answered_in_order_whatever_stands_in_it(client: Client) -> None:
    said = [
        request("eth_chainId", id="a"),
        1,
        request("nope", id="b"),
        {"id": "c"},
        request("net_version", id="d"),
    ]
    answers = client.post(said).json
    assert [one["id"] for one in answers] == ["a", None, "b", "c", "d"]
    assert [one.get("error", {}).get("code") for one in answers] == [None, -32600, -32601, -32600, None]


def test_an_array_has_at_most_1024_requests_and_one_more_gives_a_single_error(client: Client) -> None:
    full = [request("eth_chainId", id=at) for at in range(MOST_REQUESTS)]
    answers = client.post(full).json
    assert [one["id"] for one in answers] == list(range(1_024))
    over = client.post([*full, request("eth_chainId")])
    assert over.json["error"]["code"] == -32005
    assert over.json["id"] is None


def test_an_array_whose_answers_grow_too_large_is_cut_but_its_transactions_are_answered(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "MOST_ANSWERED", 1_000)
    block = request("eth_getBlockByNumber", "latest", False)
    send = request("eth_sendRawTransaction", "0x" + Sender().raw(None, CREATION).hex())
    answers = served.client.post([block, block, send, block]).json
    assert ["result" in one for one in answers] == [True, False, True, False]
    assert answers[1]["error"]["message"].startswith("Answer exceeds the size limit")
    assert served.chain.head.number == 1


def test_methods_that_need_a_key_or_do_not_exist_are_told_apart(client: Client) -> None:
    assert {client.error(name)["code"] for name in KEYLESS} == {-32604}
    for name in ("eth_getProof", "debug_traceTransaction", "evm_mine", "", "__class__", "eth_chainId "):
        assert client.error(name) == {"code": -32601, "message": "Method not found"}


@pytest.mark.parametrize("name", METHODS)
def test_a_method_takes_no_parameter_more_and_no_required_one_less(name: str, client: Client) -> None:
    parameters = METHODS[name].parameters
    required = [each for each in parameters if each.otherwise is REQUIRED]
    assert client.error(name, *[None] * len(parameters), None)["code"] == -32602
    if required:
        error = client.error(name)
        assert (error["code"], error["message"]) == (-32602, f"Invalid params: {required[0].name} is missing")
    named = client.post({**request(name), "params": {"a": 1}}).json["error"]
    assert client.post({**request(name), "params": {"a": 1}}).status == 200
    assert (named["code"], named["message"]) == (-32602, "Invalid params: params has to be an array")


WRONG_ADDRESSES: tuple[object, ...] = (
    "",
    "0x",
    "11" * 20,
    "0x" + "11" * 19,
    "0x" + "11" * 21,
    "0x" + "1g" * 20,
    "0x1",
    7,
    [],
    {},
    True,
)
WRONG_QUANTITIES: tuple[object, ...] = (
    "",
    "0x",
    "0x01",
    "0x00",
    "1",
    "0xg",
    "-0x1",
    "0x" + "f" * 17,
    1,
    1.0,
    [],
    True,
    " 0x1",
    "0x1 ",
)


@pytest.mark.parametrize("value", WRONG_ADDRESSES)
def test_an_address_is_twenty_bytes_of_data(value: Any, client: Client) -> None:
    for method, *params in (
        ("eth_getBalance", value),
        ("eth_getStorageAt", value, "0x0"),
        ("eth_call", {"to": value}),
        ("eth_call", {"from": value}),
        ("eth_getLogs", {"address": [value]}),
    ):
        if method == "eth_getLogs" or value != []:
            assert client.error(method, *params)["code"] == -32602


@pytest.mark.parametrize("value", WRONG_QUANTITIES)
def test_a_quantity_has_no_leading_zeros_and_a_bound(value: Any, client: Client) -> None:
    for method, *params in (
        ("eth_getBlockByNumber", value),
        ("eth_getTransactionByBlockNumberAndIndex", "0x0", value),
        ("eth_call", {"to": ADDRESS, "gas": value}),
        ("eth_getLogs", {"fromBlock": value}),
        ("eth_getBalance", ADDRESS, {"blockNumber": value}),
    ):
        assert client.error(method, *params)["code"] == -32602


@pytest.mark.parametrize("value", ["", "0x1", "0xabc", "abcd", "0xzz", 1, None, [], {}, "0x 00"])
def test_data_has_two_digits_for_each_byte(value: Any, client: Client) -> None:
    assert client.error("eth_sendRawTransaction", value)["code"] == -32602
    if value is not None:
        assert client.error("eth_call", {"to": ADDRESS, "data": value})["code"] == -32602


@pytest.mark.parametrize(
    ("method", "params", "rule"),
    [
        ("eth_getBlockByNumber", ["newest"], "is neither a quantity nor one of latest, earliest, pending"),
        ("eth_getBlockByNumber", ["0x0", "true"], "is neither true nor false"),
        ("eth_getBalance", [ADDRESS, "0x" + "g" * 64], "is not data"),
        ("eth_getBlockByNumber", [HASH], "is not a quantity"),
        ("eth_getBalance", [ADDRESS, {}], "has to have either blockNumber or blockHash"),
        ("eth_getBalance", [ADDRESS, {"blockHash": HASH, "blockNumber": "0x0"}], "has to have either"),
        (
            "eth_getBalance",
            [ADDRESS, {"blockHash": HASH, "requireCanonical": 1}],
            "is neither true nor false",
        ),
        ("eth_getTransactionByHash", ["0x" + "22" * 31], "has to be 32 bytes long"),
        ("eth_getStorageAt", [ADDRESS, "0x" + "0" * 63], "is not a quantity"),
        ("eth_call", [{"to": ADDRESS, "colour": "0x1"}], "may only have"),
        ("eth_call", [{"to": ADDRESS, "data": "0x01", "input": "0x02"}], "is not the same as input"),
        ("eth_call", [{"to": ADDRESS, "accessList": [{}]}], "is not taken here"),
        ("eth_call", [CALL, "latest", {ADDRESS: {"balance": "0x1"}}], "has 3 members; eth_call takes 2"),
        ("eth_call", ["0x"], "is not an object"),
        ("eth_getLogs", [{"topics": [HASH] * 5}], "is not a list of at most 4"),
        ("eth_getLogs", [{"topics": HASH}], "is not a list of at most 4"),
        ("eth_getLogs", [{"topics": [["0x1"]]}], "criteria.topics[0][0] is not data"),
        ("eth_getLogs", [{"address": [ADDRESS] * 1_001}], "is not a list of at most 1,000"),
        ("eth_getLogs", [{"blockHash": HASH, "fromBlock": "0x0"}], "does not go with fromBlock or toBlock"),
        ("eth_getLogs", [{"fromBlock": "0x1", "toBlock": "0x0"}], "is after toBlock"),
        ("eth_getLogs", [{"toBlock": "0x1"}], "is after the newest block"),
        ("eth_newFilter", [{"blockHash": HASH}], "goes with eth_getLogs"),
        ("eth_feeHistory", ["0x0", "latest"], "has to be 1 to 1,024"),
        ("eth_feeHistory", [True, "latest"], "is not a quantity"),
        ("eth_feeHistory", ["0x1", "latest", [50, 10]], "has to rise"),
        ("eth_feeHistory", ["0x1", "latest", [101]], "has to be a number from 0 to 100"),
        ("eth_uninstallFilter", ["1"], "is not a quantity"),
    ],
)
def test_a_wrong_parameter_is_named_with_the_rule_and_never_repeated(
    method: str, params: list[Any], rule: str, client: Client
) -> None:
    error = client.error(method, *params)
    assert (error["code"], error["message"].partition(":")[0]) == (-32602, "Invalid params")
    assert "data" not in error
    assert rule in error["message"]
    assert 'newest"' not in error["message"]
    assert "colour" not in error["message"]


def test_safe_and_finalized_are_unknown_blocks(client: Client) -> None:
    for tag in ("safe", "finalized"):
        for method, *params in (("eth_getBlockByNumber", tag), ("eth_getLogs", {"fromBlock": tag})):
            error = client.error(method, *params)
            assert (error["code"], error["message"].partition(":")[0]) == (-39001, "Unknown block")


def test_a_call_that_would_cost_something_or_halts_is_refused(client: Client) -> None:
    for field in ("gasPrice", "maxFeePerGas", "maxPriorityFeePerGas", "value"):
        for method in ("eth_call", "eth_estimateGas"):
            assert client.error(method, {"to": ADDRESS, field: "0x1"})["code"] == -32004
            assert client.ask(method, {"to": ADDRESS, field: "0x0"})
    assert client.error("eth_call", {"to": ADDRESS, "gas": "0x1"})["code"] == -32003


def test_a_halt_and_a_refusal_without_a_reason_are_told_apart(client: Client) -> None:
    for method in ("eth_call", "eth_estimateGas"):
        assert client.error(method, {"data": "0xfe"})["code"] == -32000
        assert client.error(method, {"data": "0x5b600056"})["code"] == -32000  # a loop without an end
        nothing = client.error(method, {"data": "0x60006000fd"})
        assert nothing == {"code": 3, "message": "Execution reverted", "data": "0x"}
        bytes4 = client.error(method, {"data": "0x63deadbeef60e01b60005260046000fd"})
        assert bytes4 == {"code": 3, "message": "Execution reverted: 0xdeadbeef", "data": "0xdeadbeef"}


def raw(nonce: int = 0, gas: int = 200_000, chain_id: int = CHAIN_ID, data: bytes = CREATION) -> bytes:
    return Transaction(chain_id, nonce, None, data, gas).sign(Sender().key)


@pytest.mark.parametrize(
    ("sent", "code", "message"),
    [
        (b"", -32602, "Invalid params"),
        (b"\x02", -32602, "Invalid params"),
        (b"\x01" + raw()[1:], -32602, "Invalid params"),
        (raw() + b"\0", -32602, "Invalid params"),
        (raw(chain_id=1), -32000, "Wrong chainId"),
        (raw(nonce=1), -32006, "Nonce too high"),
        (raw(nonce=2**64 - 1), -32006, "Nonce too high"),
        (raw(gas=50_000), -32003, "Intrinsic gas exceeds gas limit"),
        (raw(gas=100_000_001), -32005, "Transaction gas limit exceeds block gas limit"),
        (raw()[:-1] + bytes([raw()[-1] ^ 1]), None, ""),
    ],
)
def test_a_transaction_that_the_chain_does_not_take_has_besus_code(
    sent: bytes, code: int | None, message: str, client: Client
) -> None:
    answer = client.post(request("eth_sendRawTransaction", "0x" + sent.hex())).json
    if code is None:  # another signature is another sender's transaction, or nobody's
        assert "result" in answer or answer["error"]["code"] == -32002
        return
    assert (answer["error"]["code"], answer["error"]["message"].partition(":")[0]) == (code, message)
    assert client.ask("eth_blockNumber") == "0x0"


def test_the_same_bytes_again_are_known_and_another_use_of_a_nonce_is_too_low(served: Served) -> None:
    client, sender = served.client, Sender()
    first = sender.raw(None, CREATION)
    client.send(first)
    known = client.error("eth_sendRawTransaction", "0x" + first.hex())
    assert (known["code"], known["message"]) == (-32000, "Known transaction")
    low = client.error("eth_sendRawTransaction", "0x" + raw(data=b"").hex())
    assert (low["code"], low["message"]) == (-32001, "Nonce too low")
    assert served.chain.head.number == 1


def test_a_refused_transaction_in_an_array_hinders_no_other(served: Served) -> None:
    sender, other = Sender(), Sender(2)
    raws = [sender.raw(None, CREATION), b"\x02", raw(chain_id=1), other.raw(None, CREATION)]
    raws.append(sender.raw(sender.first_contract(), write(1, 1)))
    answers = served.client.post([request("eth_sendRawTransaction", "0x" + each.hex()) for each in raws]).json
    assert [one.get("error", {}).get("code") for one in answers] == [None, -32602, -32000, None, None]
    assert served.chain.head.number == 1
    assert served.chain.slot(sender.first_contract(), 1) == 1
    assert word(1)
