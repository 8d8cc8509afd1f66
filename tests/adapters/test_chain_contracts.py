"""Our own contracts through the ABI binding, and on both engines alike."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_hash.auto import keccak

from adapters.chain_support import CHAIN_ID, Sender
from careledger.adapters.evm import contract
from careledger.adapters.evm.chain import EmbeddedChain
from careledger.adapters.evm.contract import (
    Artifact,
    Contract,
    deployment,
    load_artifact,
    signature_of,
    topic_of,
)
from careledger.adapters.evm.embedded import EmbeddedNode
from careledger.adapters.evm.engine import Account, BlockContext, Log, Message
from careledger.adapters.evm.engines import new_engine
from careledger.adapters.evm.revert import revert_reason
from careledger.domain.errors import LedgerRefused, MalformedBytes

AT = b"\xc0" * 20
MINISTRY = 1


def part(name: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **more}


PAIR = part("pair", "tuple[]", components=[part("who", "address"), part("what", "uint8")])
ABI: tuple[dict[str, Any], ...] = (
    {"type": "function", "name": "put", "inputs": [PAIR], "outputs": [part("", "address"), PAIR]},
    {"type": "function", "name": "get", "inputs": [], "outputs": [part("", "uint256")]},
    {"type": "function", "name": "get", "inputs": [part("at", "uint256")], "outputs": []},
    {
        "type": "event",
        "name": "Kept",
        "inputs": [
            part("who", "address", indexed=True),
            part("what", "uint8", indexed=False),
            part("said", "string", indexed=True),
        ],
    },
)
CONTRACT = Contract(AT, ABI)


def test_arguments_and_answers_follow_the_abi() -> None:
    pairs = [(b"\x01" * 20, 7), (b"\x02" * 20, 8)]
    packed = encode(["(address,uint8)[]"], [pairs])
    assert CONTRACT.calldata("put", pairs) == keccak(b"put((address,uint8)[])")[:4] + packed
    output = encode(["address", "(address,uint8)[]"], [AT, pairs])
    assert CONTRACT.answer("put", output) == (AT, tuple(pairs))
    assert CONTRACT.answer("get()", encode(["uint256"], [5])) == 5
    assert CONTRACT.answer("get(uint256)", b"") is None


@pytest.mark.parametrize(
    ("function", "arguments"),
    [("get", ()), ("absent", ()), ("get(uint256)", (-1,)), ("put", ()), ("get()", (1,))],
)
def test_what_does_not_fit_the_abi_is_refused(function: str, arguments: tuple[object, ...]) -> None:
    with pytest.raises(MalformedBytes):
        CONTRACT.calldata(function, *arguments)


def test_an_answer_that_is_too_short_is_refused() -> None:
    with pytest.raises(MalformedBytes):
        CONTRACT.answer("get()", b"\x00")


def test_events_are_read_from_the_contract_s_own_logs_only() -> None:
    said = keccak(b"hello")
    log = Log(AT, (CONTRACT.topic("Kept"), bytes(12) + AT, said), encode(["uint8"], [7]))
    elsewhere = Log(b"\xc1" * 20, log.topics, log.data)
    other = Log(AT, (keccak(b"Other()"),), b"")
    (event,) = CONTRACT.events([elsewhere, log, other, Log(AT, (), b"")])
    assert (event.name, event.fields) == ("Kept", {"who": AT, "what": 7, "said": said})


ARTIFACTS = sorted(path.stem for path in Path(contract.__file__).with_name("artifacts").glob("*.json"))


def test_fields_of_one_word_are_read_as_eth_abi_reads_them() -> None:
    draw, counts = random.Random(5), Counter[str]()
    for name in ARTIFACTS:
        made = Contract.at(AT, name)
        for entry in (each for each in made.abi if each["type"] == "event"):
            if not any("[" in part["type"] for part in entry["inputs"]):
                counts.update(_read_alike(draw, made, entry) for _ in range(40))
    assert min(counts["read"], counts["refused"]) > 100, counts


def _read_alike(draw: random.Random, made: Contract, entry: Any) -> str:
    plain = [each for each in entry["inputs"] if not each["indexed"]]
    indexed = [each for each in entry["inputs"] if each["indexed"]]
    words = [_random_word(draw, each["type"]) for each in (*plain, *indexed)]
    data, topics = b"".join(words[: len(plain)]), (topic_of(entry), *words[len(plain) :])
    try:
        values = [
            decode([part["type"]], word)[0] for part, word in zip((*plain, *indexed), words, strict=True)
        ]
    except DecodingError:
        with pytest.raises(MalformedBytes):
            made.event(Log(AT, topics, data))
        return "refused"
    seen = made.event(Log(AT, topics, data))
    assert seen is not None
    expected = [bytes.fromhex(each[2:]) if isinstance(each, str) else each for each in values]
    names = [part["name"] for part in (*plain, *indexed)]
    assert seen.fields == dict(zip(names, expected, strict=True))
    return "read"


def _random_word(draw: random.Random, kind: str) -> bytes:
    """A word that mostly fits the kind, and sometimes has bits where none belong."""
    stray = draw.random() < 0.1
    if kind == "bool":
        return (draw.randrange(4) if stray else draw.randrange(2)).to_bytes(32, "big")
    if kind.startswith("bytes"):
        size = int(kind[5:])
        return draw.randbytes(size) + (draw.randbytes(32 - size) if stray else bytes(32 - size))
    bits = 160 if kind == "address" else int(kind[4:])
    return draw.getrandbits(256 if stray else bits).to_bytes(32, "big")


def test_reasons_are_read_and_other_bytes_are_shown() -> None:
    assert revert_reason(bytes.fromhex("08c379a0") + encode(["string"], ["no consent"])) == "no consent"
    assert revert_reason(bytes.fromhex("4e487b71") + encode(["uint256"], [17])) == "panic 17"
    assert revert_reason(b"") == "no reason given"
    assert revert_reason(b"\x08\xc3\x79\xa0\x01") == "0x08c379a001"


def test_an_unknown_artifact_is_refused() -> None:
    with pytest.raises(MalformedBytes):
        load_artifact("Nothing")


def registry(sender: Sender) -> tuple[Artifact, bytes]:
    artifact = load_artifact("Registry")
    return artifact, deployment(artifact, MINISTRY, sender.address, [2], [sender.address], 1)


def test_the_registry_answers_refuses_and_tells_on_the_chain() -> None:
    ministry, stranger = Sender(1), Sender(2)
    with EmbeddedChain(None, CHAIN_ID) as chain:
        artifact, creation = registry(ministry)
        receipt = chain.send(ministry.raw(None, creation, 30_000_000))
        assert receipt.created is not None
        contract = Contract.at(receipt.created, "Registry")
        assert chain.account(contract.address).code[: len(artifact.runtime)] == artifact.runtime
        assert contract.read(chain, "MINISTRY") == MINISTRY
        assert contract.read(chain, "in_office", 2) is True
        assert contract.read(chain, "is_officer", 2, ministry.address) is True
        assert contract.read(chain, "is_officer", 2, stranger.address) is False
        assert contract.events(receipt.logs) == [
            seen.event for seen in contract.history(EmbeddedNode(chain), 0, chain.head.number)
        ]
        dismissal = contract.calldata("dismiss_officer", 2, 2)
        refused = chain.send(stranger.raw(contract.address, dismissal, 1_000_000))
        assert not refused.success
        with pytest.raises(LedgerRefused) as error:
            contract.read(chain, "dismiss_officer", 2, 2, sender=stranger.address)
        assert error.value.details["reason"] == revert_reason(refused.output) != "no reason given"


def _argument(chance: random.Random, entry: dict[str, Any], senders: list[bytes]) -> Any:
    kind = str(entry["type"])
    if kind.endswith("]"):
        inner = {**entry, "type": kind[: kind.rindex("[")]}
        size = kind[kind.rindex("[") + 1 : -1]
        return [_argument(chance, inner, senders) for _ in range(int(size) if size else chance.randrange(3))]
    if kind == "tuple":
        return tuple(_argument(chance, each, senders) for each in entry["components"])
    if kind == "address":
        return chance.choice(senders)
    if kind == "bool":
        return chance.random() < 0.5
    if kind.startswith("uint"):
        return chance.choice((0, 1, 2, 3, 1_000, 2 ** int(kind[4:]) - 1)) % 2 ** int(kind[4:])
    if kind.startswith("int"):
        return chance.choice((-1, 0, 1))
    if kind == "bytes":
        return chance.randbytes(chance.choice((0, 65)))
    return chance.choice((bytes, chance.randbytes))(int(kind.removeprefix("bytes")))


NAMES = ("Registry", "Consents", "Records", "AccessPolicy", "Aliases", "Checkpoints", "BreakGlass", "Teams")


def test_random_calls_of_our_contracts_give_the_same_on_both_engines() -> None:
    chance, counts = random.Random(5), Counter[str]()
    senders = [Sender(secret).address for secret in (1, 2, 3)]
    for name in NAMES:
        artifact = load_artifact(name)
        code = artifact.runtime + bytes(512)  # immutables, where there are any, read as zero
        engines = [new_engine(CHAIN_ID, engine) for engine in ("revm", "eels")]
        slots = [(AT, slot, int.from_bytes(senders[0], "big")) for slot in range(6)]
        for engine in engines:
            engine.load([(AT, Account(1, code))], slots)
        contract = Contract(AT, artifact.abi)
        functions = [entry for entry in artifact.abi if entry["type"] == "function"]
        for turn in range(200):
            entry = chance.choice(functions)
            arguments = [_argument(chance, each, senders) for each in entry["inputs"]]
            data = contract.calldata(signature_of(entry), *arguments)
            message = Message(chance.choice(senders), AT, data, chance.choice((60_000, 2_000_000)))
            block = BlockContext(turn + 1, 1_800_000_000 + turn, CHAIN_ID)
            one, other = (engine.execute(message, block) for engine in engines)
            assert one == other, (name, entry["name"])
            for engine in engines:
                engine.apply(one.writes)
            counts["success" if one.success else "refused"] += 1
            counts["stored"] += bool(one.writes.storage)
    assert counts["success"] > 300, counts
    assert counts["refused"] > 300, counts


def test_the_registry_is_created_alike_on_both_engines() -> None:
    ministry = Sender(1)
    _, creation = registry(ministry)
    one, other = (
        new_engine(CHAIN_ID, name).execute(
            Message(ministry.address, None, creation), BlockContext(1, 9, CHAIN_ID)
        )
        for name in ("revm", "eels")
    )
    assert one == other
    assert one.success
    assert len(one.writes.storage) > 2
