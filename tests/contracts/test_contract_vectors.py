"""The common vectors: Python and the contracts see the same trees, messages and words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from eth_hash.auto import keccak

from careledger.domain.errors import CareLedgerError, SignatureRefused
from careledger.formats.consent_messages import MESSAGES, split
from careledger.formats.record_words import AnchorWord, DepositPage, DepositPlace
from careledger.formats.signatures import SigningKey, check_signer
from careledger.proofs.anchors import Inclusion
from contracts.harness import ROOT, Chain, Contract, Event, compiled, refused
from contracts.loading import script
from contracts.records_world import HOSPITAL, World

VECTORS: dict[str, Any] = json.loads((ROOT / "docs" / "vectors" / "contracts.json").read_text())
ADDRESS, CHAIN_ID = bytes.fromhex(VECTORS["address"]), VECTORS["chain_id"]
KEY = SigningKey(bytes.fromhex(VECTORS["secret"]))
TYPES = {kind.STRUCT.name: kind for kind in MESSAGES}


class AnyDeployer(SigningKey):
    """Stands for the vectors' deployer, whose key nobody needs: the harness only asks for the address."""

    address = bytes.fromhex(VECTORS["deployer"])


def deployed(chain: Chain, made: Any) -> Contract:
    """A contract at the vectors' address."""
    contract = chain.deploy(made, sender=AnyDeployer(KEY.secret))
    assert contract.address == ADDRESS
    return contract


@pytest.fixture
def probe() -> Contract:
    return deployed(Chain(chain_id=CHAIN_ID), compiled(ROOT / "tests/contracts/sources/ModuleProbe.vy"))


def message_of(vector: dict[str, Any]) -> Any:
    """The message with the vector's values."""
    values = [bytes.fromhex(v) if isinstance(v, str) else v for v in vector["values"].values()]
    return TYPES[vector["type"]](*values)


def test_the_vectors_are_what_their_generator_makes() -> None:
    assert script("docs/vectors/make_contracts.py").vectors() == VECTORS


def test_python_and_vyper_find_every_entry_of_every_tree(probe: Contract) -> None:
    entries, checked = [bytes.fromhex(entry) for entry in VECTORS["entries"]], 0
    for tree in VECTORS["trees"]:
        root = bytes.fromhex(tree["root"])
        for index, told in enumerate(tree["paths"]):
            path = [bytes.fromhex(node) for node in told]
            Inclusion(root, tree["size"], index, tuple(path)).check(entries[index])
            assert probe.call("included", entries[index], index, tree["size"], path, root)
            checked += 1
    assert checked == 85


@pytest.mark.parametrize("vector", VECTORS["refused_proofs"], ids=lambda vector: vector["why"])
def test_python_and_vyper_refuse_the_same_proofs(probe: Contract, vector: dict[str, Any]) -> None:
    entry, root = bytes.fromhex(vector["entry"]), bytes.fromhex(vector["root"])
    path = [bytes.fromhex(node) for node in vector["path"]]
    with pytest.raises(CareLedgerError):
        Inclusion(root, vector["size"], vector["index"], tuple(path)).check(entry)
    assert not probe.call("included", entry, vector["index"], vector["size"], path, root)


@pytest.mark.parametrize("vector", VECTORS["messages"], ids=lambda vector: vector["type"])
def test_python_and_vyper_take_the_same_signatures(probe: Contract, vector: dict[str, Any]) -> None:
    message, signature = message_of(vector), bytes.fromhex(vector["signature"])
    assert message.STRUCT.hash(message.values()).hex() == vector["struct"]
    assert message.digest(CHAIN_ID, ADDRESS).hex() == vector["digest"]
    assert message.sign(KEY, CHAIN_ID, ADDRESS) == signature
    name, struct = keccak(f"CareLedger {vector['contract']}".encode()), bytes.fromhex(vector["struct"])
    assert probe.call("separator", name).hex() == vector["domain"]
    assert probe.call("signed_by", KEY.address, name, struct, *split(signature))
    for other in vector["refused"].values():
        form = bytes.fromhex(other)
        with pytest.raises(SignatureRefused):
            check_signer(bytes.fromhex(vector["digest"]), form, KEY.address)
        assert not probe.call("signed_by", KEY.address, name, struct, *split(form))
    assert not probe.call("signed_by", bytes(20), name, struct, *split(signature))


def test_the_vectors_cover_every_message() -> None:
    assert [vector["type"] for vector in VECTORS["messages"]] == list(TYPES)


def test_the_consents_contract_carries_out_the_vectors() -> None:
    consents = deployed(Chain(chain_id=CHAIN_ID), "Consents")
    give, revoke = (message_of(vector) for vector in VECTORS["messages"][:2])
    signatures = [bytes.fromhex(vector["signature"]) for vector in VECTORS["messages"][:2]]
    with refused("signature"):
        consents.send(KEY, "give", give.carried(bytes.fromhex(VECTORS["messages"][0]["refused"]["high s"])))
    consents.send(KEY, "give", give.carried(signatures[0]))
    assert consents.call("active", KEY.address, give.commitment, give.until - 1)
    assert keccak(give.owner + give.commitment).hex() == VECTORS["words"]["consent_id"]
    receipt = consents.send(KEY, "revoke", revoke.carried(signatures[1]))
    assert receipt.events[0].name == "ConsentRevokedV1"


def test_packed_words_are_read_and_written_alike() -> None:
    words = VECTORS["words"]
    anchor = AnchorWord(*(words["anchor"][part] for part in ("organisation", "count", "time", "block")))
    assert f"{anchor.word():064x}" == words["anchor"]["word"]
    assert AnchorWord.unpack(anchor.word()) == anchor
    place = DepositPlace(*(words["place"][part] for part in ("organisation", "page", "index")))
    assert f"{place.where():064x}" == words["place"]["word"]
    assert DepositPlace.unpack(place.where()) == place
    page = DepositPage.unpack(int(words["page"]["word"], 16))
    assert (page.count, sorted(page.removed)) == (3, words["page"]["removed"])
    page.check(bytes.fromhex(leaf) for leaf in words["page"]["leaves"])


def test_the_contract_packs_the_page_that_the_vectors_say() -> None:
    world, registration = World(), b"registration  01"
    world.register(registration)
    events: list[Event] = []
    for number, leaf in enumerate(VECTORS["words"]["page"]["leaves"]):
        events += world.deposit(registration, number, bytes.fromhex(leaf)).events
    where = DepositPlace(HOSPITAL, 0)
    assert [DepositPlace.unpack(event.fields["where"]).index for event in events] == [0, 1, 2]
    world.records.send(world.key(HOSPITAL), "remove_record", registration, where.where() | 1)
    assert (
        f"{world.records.call('page_word', registration, where.where()):064x}"
        == VECTORS["words"]["page"]["word"]
    )
