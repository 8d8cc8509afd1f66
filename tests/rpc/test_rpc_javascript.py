"""viem, ethers and Foundry's cast, as their users write them, deploy and call our contracts on the server."""

from __future__ import annotations

import html
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, NoReturn

import pytest

from adapters.chain_support import CHAIN_ID, Sender, word
from careledger.adapters.evm.contract import load_artifact
from careledger.adapters.evm.verify import verify_chain
from contracts.loading import script
from rpc.consent_calls import giving
from rpc.rpc_world import Served, served

__all__ = ["served"]
SCRIPTS = Path(__file__).with_name("scripts")
SECRET = 5
FIELDS = ("owner", "commitment", "start", "until", "deadline", "v", "r", "s")
ONE, TWO = ("0x" + word(number).hex() for number in (1, 2))


def installed(name: str, package: str, version: str, place: str) -> Path:
    """A file of an npm package in the user's cache; skips where it cannot be had, unless everything is required."""
    nodes = script("tools/dev_nodes.py")
    try:
        return Path(nodes.Program(name, package, version, place).install())
    except nodes.NoNode as error:
        missing(package, str(error))


def needs_node() -> None:
    if shutil.which("node") is None:
        missing("node", "no Node here")


def missing(what: str, why: str) -> NoReturn:
    if os.environ.get("CARELEDGER_REQUIRE_ALL") == "1":
        pytest.fail(f"{what} is required here: {why}")
    pytest.skip(why)


def packages(name: str, version: str) -> Path:
    """The folder of an npm library's installation."""
    needs_node()
    return installed(name, name, version, f"node_modules/{name}/package.json").parents[2]


def as_object(message: tuple[Any, ...]) -> dict[str, Any]:
    said = (f"0x{value.hex()}" if isinstance(value, bytes) else value for value in message)
    return dict(zip(FIELDS, said, strict=True))


def story(name: str, version: str, served: Served) -> dict[str, Any]:
    """What a script saw on the server."""
    contract, artifact = Sender(SECRET).first_contract(), load_artifact("Consents")
    messages = [as_object(giving(CHAIN_ID, contract, what)) for what in (1, 2)]
    given = {
        "key": "0x" + word(SECRET).hex(),
        "abi": list(artifact.abi),
        "bytecode": "0x" + artifact.bytecode.hex(),
        "chainId": CHAIN_ID,
        "messages": messages,
        "forged": messages[0] | {"s": "0x" + "07" * 32},
    }
    words: list[str | Path] = [
        "node",
        SCRIPTS / f"{name}.cjs",
        packages(name, version),
        served.server.url,
        json.dumps(given),
    ]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    seen: dict[str, Any] = json.loads(ran.stdout)
    return seen


def test_viem_deploys_calls_watches_and_is_refused(served: Served) -> None:
    seen = story("viem", "2.57.20", served)
    contract = Sender(SECRET).first_contract()
    assert (seen["chainId"], seen["fees"]) == (CHAIN_ID, {"maxFeePerGas": 0, "maxPriorityFeePerGas": 0})
    assert seen["deployed"]["address"] == "0x" + contract.hex()
    assert [one["type"] for one in (seen["deployed"], *seen["given"])] == ["eip1559", "eip1559", "legacy"]
    assert {one["status"] for one in (seen["deployed"], *seen["given"])} == {"success"}
    assert seen["events"] == [["ConsentGivenV1", ONE, 0], ["ConsentGivenV1", TWO, 0]]
    assert seen["filtered"] == seen["watched"] == [ONE, TWO]
    assert (seen["again"], seen["blocks"], seen["pending"], seen["removed"]) == ([], 2, seen["sent"], True)
    assert (seen["states"], seen["reason"], seen["refused"]) == ([0, 1], "signature", -32001)
    assert seen["batch"] == [0, 1, 2]
    assert seen["whole"] == [[seen["sent"][0], "0x2", seen["deployed"]["address"]]]
    assert seen["bytecode"] == "0x" + served.chain.account(contract).code.hex()
    assert_gas(served, seen)


def test_ethers_deploys_calls_listens_and_is_refused(served: Served) -> None:
    seen = story("ethers", "6.17.0", served)
    assert (seen["chainId"], seen["fees"]["gasPrice"]) == (CHAIN_ID, "0")
    assert seen["address"].lower() == "0x" + Sender(SECRET).first_contract().hex()
    assert [(one["status"], one["type"]) for one in seen["given"]] == [(1, 2), (1, 0)]
    assert seen["events"] == [[ONE, 0], [TWO, 0]]
    assert seen["heard"] == [ONE, TWO]
    assert (seen["states"], seen["failed"]) == ([0, 1, 1], 0)
    assert seen["reason"] == seen["reasonOfSending"] == "signature"
    assert seen["refused"] == ["NONCE_EXPIRED", -32001]
    assert (seen["batch"], seen["whole"]) == ([0, 1, 2], [seen["sent"]])
    assert_gas(served, seen)


def assert_gas(served: Served, seen: dict[str, Any]) -> None:
    """What a tool was told of gas is what the chain charged, and a replay finds the same."""
    blocks = [served.client.ask("eth_getBlockReceipts", number) for number in ("0x2", "0x3")]
    assert [one["gasUsed"] for one in seen["given"]] == [int(block[0]["gasUsed"], 16) for block in blocks]
    charged = [served.chain.receipt(bytes.fromhex(block[0]["transactionHash"][2:])) for block in blocks]
    assert [one["gasUsed"] for one in seen["given"]] == [one.gas_used for one in charged if one]
    assert seen["estimate"] == seen["given"][0]["gasUsed"]
    verify_chain(served.folder)


GIVE = "give((address,bytes32,uint64,uint64,uint64,uint8,bytes32,bytes32))"
CONSENT = "consent(address,bytes32)((uint8,uint64,uint64,uint64,uint64))"


def test_cast_deploys_sends_and_reads(served: Served) -> None:
    program = installed("cast", "@foundry-rs/cast", "1.7.1", "node_modules/@foundry-rs/cast-*/bin/cast*")

    def cast(*words: str) -> subprocess.CompletedProcess[str]:
        where = os.environ | {"ETH_RPC_URL": served.server.url}
        return subprocess.run([program, *words], env=where, capture_output=True, text=True, timeout=300)

    def said(*words: str) -> str:
        ran = cast(*words)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()

    def sent(*words: str) -> tuple[str, str]:
        receipt = json.loads(said("send", "--json", "--private-key", "0x" + word(SECRET).hex(), *words))
        return receipt["status"], receipt["type"]

    contract = Sender(SECRET).first_contract()
    address, code = "0x" + contract.hex(), "0x" + load_artifact("Consents").bytecode.hex()
    modern, old = ("--gas-price", "0", "--priority-gas-price", "0"), ("--legacy", "--gas-price", "0")
    one, two = (as_object(giving(CHAIN_ID, contract, what)) for what in (1, 2))
    assert [said("chain-id"), said("block-number"), said("gas-price")] == [str(CHAIN_ID), "0", "0"]
    assert sent(*modern, "--create", code) == ("0x1", "0x2")
    assert sent(*modern, address, GIVE, as_tuple(one)) == ("0x1", "0x2")
    assert sent(*old, address, GIVE, as_tuple(two)) == ("0x1", "0x0")
    assert said("call", address, CONSENT, one["owner"], ONE).startswith("(1,")
    assert said("call", "--block", "1", address, CONSENT, one["owner"], ONE).startswith("(0,")
    assert len(json.loads(said("logs", "--json", "--from-block", "0", "--address", address))) == 2
    assert json.loads(said("block", "--json", "latest"))["number"] == "0x3"
    forged = cast("call", address, GIVE, as_tuple(one | {"s": "0x" + "07" * 32}))
    assert forged.returncode != 0
    assert "signature" in forged.stderr


def as_tuple(message: dict[str, Any]) -> str:
    return f"({','.join(str(value) for value in message.values())})"


@pytest.mark.parametrize(
    ("wallet", "hidden", "said"),
    [("takes", False, "has it"), ("refuses", False, "refused: no"), ("none", True, "No wallet")],
)
def test_the_pages_button_asks_the_wallet_to_add_the_network(
    wallet: str, hidden: bool, said: str, served: Served
) -> None:
    needs_node()
    script_text = served.client.http("GET", "/wallet.js", headers={}).body.decode()
    page = served.client.http("GET", headers={}).body.decode()
    network = html.unescape(page.partition('<pre id="network">')[2].partition("</pre>")[0])
    words: list[str | Path] = ["node", SCRIPTS / "wallet.cjs", script_text, network, wallet]
    seen = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    assert (seen["hidden"], said in seen["said"]) == (hidden, True)
    if wallet == "none":
        assert seen["asked"] == []
        return
    (asked,) = seen["asked"]
    assert (asked["method"], len(asked["params"])) == ("wallet_addEthereumChain", 1)
    (offered,) = asked["params"]
    assert (offered["chainId"], offered["rpcUrls"]) == (hex(CHAIN_ID), [served.server.url])
    assert set(offered["nativeCurrency"]) == {"name", "symbol", "decimals"}
