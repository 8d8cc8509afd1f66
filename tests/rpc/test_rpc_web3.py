"""web3.py, as its users write it, deploys and calls our contracts on the server."""

from __future__ import annotations

from typing import Any

import pytest
from hexbytes import HexBytes
from web3 import Web3
from web3.exceptions import ContractLogicError, TransactionNotFound, Web3RPCError
from web3.middleware import SignAndSendRawMiddlewareBuilder

from adapters.chain_support import CHAIN_ID
from careledger.adapters.evm.contract import load_artifact
from rpc.consent_calls import OWNER, giving
from rpc.rpc_world import Served, served

__all__ = ["served"]
ZERO = "0x" + "00" * 20


@pytest.fixture
def w3(served: Served) -> Web3:
    """web3.py with one local account, which signs whatever is sent."""
    made = Web3(Web3.HTTPProvider(served.server.url))
    account = made.eth.account.create()
    made.middleware_onion.inject(SignAndSendRawMiddlewareBuilder.build(account), layer=0)
    made.eth.default_account = account.address
    return made


def deployed(w3: Web3, name: str, *arguments: Any, **how: Any) -> Any:
    """A contract of ours at the address where web3.py put it."""
    artifact = load_artifact(name)
    factory = w3.eth.contract(abi=list(artifact.abi), bytecode=artifact.bytecode)
    receipt = w3.eth.wait_for_transaction_receipt(factory.constructor(*arguments).transact(how))
    assert receipt["status"] == 1
    assert receipt["contractAddress"] is not None
    return w3.eth.contract(address=receipt["contractAddress"], abi=list(artifact.abi))


def signed(consents: Any, what: int = 1) -> tuple[Any, ...]:
    return giving(CHAIN_ID, bytes.fromhex(consents.address[2:]), what)


def test_it_connects_and_knows_the_chain(w3: Web3) -> None:
    assert w3.is_connected()
    assert (w3.eth.chain_id, w3.net.version, w3.eth.gas_price, w3.eth.syncing) == (
        CHAIN_ID,
        str(CHAIN_ID),
        0,
        False,
    )
    assert list(w3.eth.accounts) == []
    assert w3.eth.fee_history(1, "latest", [50])["baseFeePerGas"] == [0, 0]
    assert w3.eth.get_block("earliest")["extraData"] == b"careledger 77"


@pytest.mark.parametrize("fees", [{}, {"gasPrice": 0}, {"maxFeePerGas": 0, "maxPriorityFeePerGas": 0}])
def test_a_consent_is_given_by_either_type_of_transaction(w3: Web3, fees: dict[str, int]) -> None:
    consents = deployed(w3, "Consents", **fees)
    digest = consents.functions.give(signed(consents)).transact(fees)
    receipt = w3.eth.wait_for_transaction_receipt(digest)
    assert (receipt["status"], receipt["type"]) == (1, 0 if "gasPrice" in fees else 2)
    sent = w3.eth.get_transaction(digest)
    assert (sent["blockHash"], sent["from"], sent["gasPrice"]) == (
        receipt["blockHash"],
        w3.eth.default_account,
        0,
    )
    assert consents.functions.consent(OWNER.address, (1).to_bytes(32, "big")).call()[0] == 1
    sender = sent["from"]
    assert w3.eth.get_transaction_count(sender) == 2
    assert w3.eth.get_transaction_count(sender, "pending") == 2


def test_a_contract_with_arguments_is_deployed_and_its_code_is_the_artifacts(w3: Web3) -> None:
    officers = [w3.eth.account.create().address for _ in range(2)]
    records = deployed(w3, "Records", 7, w3.eth.default_account, [1, 2], officers, 2, ZERO)
    assert (records.functions.MINISTRY().call(), records.functions.threshold().call()) == (7, 2)
    assert records.functions.is_officer(1, officers[0]).call()
    runtime = load_artifact("Records").runtime
    assert w3.eth.get_code(records.address)[: len(runtime)] == runtime


def test_a_refusal_raises_the_contracts_reason_from_calling_estimating_and_sending(w3: Web3) -> None:
    consents = deployed(w3, "Consents")
    forged = (*signed(consents)[:-1], b"\x07" * 32)
    for attempt in (
        consents.functions.give(forged).call,
        consents.functions.give(forged).estimate_gas,
        consents.functions.give(forged).transact,
    ):
        with pytest.raises(ContractLogicError, match="signature") as caught:
            attempt()
        assert str(caught.value.data).startswith("0x08c379a0")
    digest = consents.functions.give(forged).transact({"gas": 200_000})
    receipt: Any = w3.eth.wait_for_transaction_receipt(digest)
    assert receipt["status"] == 0
    assert "signature" in bytes.fromhex(receipt["revertReason"][2:]).decode("latin-1")


def test_an_estimate_is_what_it_costs(w3: Web3) -> None:
    consents = deployed(w3, "Consents")
    give = consents.functions.give(signed(consents))
    estimate = give.estimate_gas()
    receipt = w3.eth.wait_for_transaction_receipt(give.transact({"gas": estimate}))
    assert (receipt["status"], receipt["gasUsed"]) == (1, estimate)


def test_events_are_found_and_filters_tell_the_new_ones(w3: Web3) -> None:
    consents = deployed(w3, "Consents")
    event, blocks = consents.events.ConsentGivenV1, w3.eth.filter("latest")
    third = event.create_filter(from_block="latest", argument_filters={"commitment": (3).to_bytes(32, "big")})
    every = event.create_filter(from_block="latest")
    receipts = [
        w3.eth.wait_for_transaction_receipt(consents.functions.give(signed(consents, what)).transact())
        for what in (1, 2, 3)
    ]
    assert [log["args"]["commitment"][-1] for log in event().get_logs(from_block=0)] == [1, 2, 3]
    assert [log["args"]["owner"] for log in event().process_receipt(receipts[0])] == [
        Web3.to_checksum_address(OWNER.address)
    ]
    assert [log["args"]["commitment"][-1] for log in third.get_new_entries()] == [3]
    assert [log["args"]["commitment"][-1] for log in every.get_new_entries()] == [1, 2, 3]
    assert every.get_new_entries() == []
    new: list[Any] = blocks.get_new_entries()
    assert new == [receipt["blockHash"] for receipt in receipts]
    assert w3.eth.uninstall_filter(every.filter_id)


def test_a_call_is_answered_as_of_an_earlier_block(w3: Web3) -> None:
    consents = deployed(w3, "Consents")
    before = w3.eth.block_number
    w3.eth.wait_for_transaction_receipt(consents.functions.give(signed(consents)).transact())
    ask = consents.functions.consent(OWNER.address, (1).to_bytes(32, "big"))
    states = [ask.call(block_identifier=block)[0] for block in (before, "latest", before + 1)]
    assert states == [0, 1, 1]
    digest = w3.eth.get_block(before)["hash"]
    assert w3.eth.call({"to": consents.address, "data": ask._encode_transaction_data()}, digest)[31] == 0


def test_an_array_of_requests_is_answered_in_order(w3: Web3) -> None:
    consents = deployed(w3, "Consents")
    ask = consents.functions.consent(OWNER.address, bytes(32))
    with w3.batch_requests() as batch:
        batch.add(w3.eth.get_block(0))
        batch.add(ask)
        batch.add(w3.eth.get_block(1, True))
        answers: list[Any] = batch.execute()
    first, answer, second = answers
    assert (first["number"], answer[0], second["number"]) == (0, 0, 1)
    assert second["transactions"][0]["to"] is None


def test_what_is_refused_arrives_with_besus_code(w3: Web3) -> None:
    account = w3.eth.account.create()
    plain = {
        "chainId": CHAIN_ID,
        "nonce": 0,
        "gas": 21_000,
        "gasPrice": 0,
        "to": ZERO,
        "value": 0,
        "data": b"",
    }
    raw = account.sign_transaction(plain).raw_transaction
    w3.eth.send_raw_transaction(raw)
    for sent, code in (
        (raw, -32000),
        (account.sign_transaction({**plain, "gas": 22_000}).raw_transaction, -32001),
        (account.sign_transaction({**plain, "nonce": 5}).raw_transaction, -32006),
        (account.sign_transaction({**plain, "gasPrice": 1}).raw_transaction, -32004),
        (account.sign_transaction({**plain, "value": 1}).raw_transaction, -32004),
    ):
        with pytest.raises(Web3RPCError) as caught:
            w3.eth.send_raw_transaction(sent)
        assert caught.value.rpc_response is not None
        assert caught.value.rpc_response["error"]["code"] == code
    with pytest.raises(TransactionNotFound):
        w3.eth.get_transaction(HexBytes(32))
