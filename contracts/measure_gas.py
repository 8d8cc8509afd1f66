"""Measure what each operation costs and keep it in gas.json.

    python contracts/measure_gas.py            measure on the embedded chain and write gas.json
    python contracts/measure_gas.py --check    compare instead; exit 1 if a figure differs or is over its ceiling

A figure is the gas of the whole signed transaction at gas price 0, its intrinsic gas included, per item where a
batch. All keys, numbers and times are fixed, so the figures are the same on every engine at London.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from eth_abi.abi import encode
from eth_hash.auto import keccak

from careledger.adapters.evm.chain import EmbeddedChain
from careledger.adapters.evm.contract import Contract, load_artifact
from careledger.adapters.evm.rlp_trie import encode_rlp, uint_bytes
from careledger.adapters.evm.transactions import Transaction
from careledger.domain.categories import Category
from careledger.domain.matrix import VERSION_2
from careledger.domain.parties import Role
from careledger.formats.consent_messages import (
    AnchorCheckpoint,
    CosignCheckpoint,
    GiveConsent,
    LedgerMessage,
    OpenBreakGlass,
    RevokeConsent,
)
from careledger.formats.ledger_messages import CustodianKeys
from careledger.formats.signatures import Address, SigningKey

SNAPSHOT = Path(__file__).resolve().parent / "gas.json"
CHAIN_ID = 20_260
START = 1_767_225_600  # 2026-01-01T00:00:00Z
HOUR = 3_600
DEADLINE = START + 3_500
GAS = 25_000_000
CEILINGS = {
    "hospital_add": 50_000,
    "hospital_remove": 31_000,
    "patient_add": 50_000,
    "record_deposit_first": 58_000,
    "record_deposit_again": 41_000,
    "record_remove": 31_000,
    "consent_give_first": 60_000,
    "consent_batch100_first": 34_000,
    "consent_revoke": 42_000,
    "consent_batch100_revoke": 17_000,
    "anchor_1000_per_record": 50,
    "anchor_10000_per_record": 5,
}


class Network(Protocol):
    """A chain with the id CHAIN_ID whose time starts at START."""

    def send(self, raw: bytes) -> int:
        """The gas of that transaction, final when it returns; raises if it was refused or reverted."""
        ...


@dataclass(frozen=True)
class Embedded:
    """The project's own chain, in memory."""

    chain: EmbeddedChain

    @classmethod
    def new(cls, engine: str | None = None) -> Embedded:
        """An empty chain whose clock stands still, on the preferred engine or the one named."""
        return cls(EmbeddedChain(None, chain_id=CHAIN_ID, clock=lambda: START, engine=engine))

    def send(self, raw: bytes) -> int:
        """As Network promises."""
        receipt = self.chain.send(raw)
        if not receipt.success:
            raise SystemExit(f"reverted: {receipt}")
        return receipt.gas_used


def number(text: str, size: int) -> bytes:
    """Fixed bytes that look random and hold no zero: what a random number costs at most."""
    return bytes(byte or 1 for byte in keccak(text.encode())[:size])


def party(text: str) -> int:
    """A party's number."""
    return int.from_bytes(number(text, 8), "big")


def key(text: str) -> SigningKey:
    """A fixed key."""
    return SigningKey(keccak(b"gas " + text.encode()))


class Bench:
    """A founded network: an officer, a hospital, a centre, their posts, two custodians."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.nonces: dict[Address, int] = {}
        self.figures: dict[str, tuple[int, int]] = {}
        self.contracts: dict[str, Contract] = {}
        self._deploy_all()
        for organisation, role in (("hospital", Role.HOSPITAL), ("centre", Role.CENTRE)):
            self._add_organisation(organisation, role)
            self._add_custodian(organisation)
        self._add_post("doctor", "hospital", Role.DOCTOR)
        self._add_post("nurse", "hospital", Role.NURSE)
        self.send("anybody", "WriteChart", "take")

    def transact(self, sender: str, to: Address | None, data: bytes) -> int:
        """One transaction; its gas."""
        signer = key(sender)
        nonce = self.nonces.get(signer.address, 0)
        self.nonces[signer.address] = nonce + 1
        return self.network.send(Transaction(CHAIN_ID, nonce, to, data, GAS).sign(signer))

    def send(self, sender: str, contract: str, function: str, *arguments: Any) -> int:
        """One transaction to a contract; its gas."""
        target = self.contracts[contract]
        return self.transact(sender, target.address, target.calldata(function, *arguments))

    def measure(self, name: str, items: int, *call: Any) -> None:
        """Send, and keep the gas under that name."""
        self.figures[name] = (self.send(*call), items)

    def carried(self, message: LedgerMessage, by: str) -> tuple[Any, ...]:
        """A message as its contract takes it, signed by that actor."""
        address = self.contracts[message.CONTRACT].address
        return message.carried(message.sign(key(by), CHAIN_ID, address))

    def _deploy_all(self) -> None:
        founder = key("founder").address
        records, policy, chart = (_created(founder, nonce) for nonce in range(3))
        officers = ([party("officer")], [key("officer").address])
        self._deploy("Records", party("ministry"), key("ministry").address, *officers, 1, chart)
        self._deploy("AccessPolicy", records, 24 * HOUR, VERSION_2.read_words, VERSION_2.write_words)
        self._deploy("WriteChart", policy)
        self._deploy("Leaves", records)
        self._deploy("Checkpoints", records)
        self._deploy("BreakGlass", records)
        self._deploy("Consents")

    def _deploy(self, name: str, *arguments: Any) -> None:
        made, founder = load_artifact(name), key("founder").address
        inputs: list[Any] = next(
            (entry["inputs"] for entry in made.abi if entry["type"] == "constructor"), []
        )
        address = _created(founder, self.nonces.get(founder, 0))
        self.transact("founder", None, made.bytecode + encode([part["type"] for part in inputs], arguments))
        self.contracts[name] = Contract.at(address, name)

    def _add_organisation(self, name: str, role: Role) -> None:
        licence, sealing_key = number(f"{name} licence", 32), number(f"{name} sealing key", 32)
        added = (party("officer"), party(name), key(name).address, 1 << role)
        self.measure("hospital_add", 1, "officer", "Records", "add_organisation", *added)
        self.send(name, "Records", "declare", party(name), licence, sealing_key)
        checked = (party("officer"), party(name), licence, sealing_key)
        self.measure("hospital_verify", 1, "officer", "Records", "verify", *checked)

    def _add_custodian(self, name: str) -> None:
        own, log_key = key(f"{name} signing"), number(f"{name} log key", 32)
        keys = CustodianKeys(party(name), own.address, log_key, DEADLINE)
        possession = keys.sign(own, CHAIN_ID, self.contracts["Records"].address)
        said = (party(name), own.address, log_key, DEADLINE, possession)
        self.send(name, "Records", "announce_custodian", *said)
        self.send("officer", "Records", "admit_custodian", party("officer"), party(name))

    def _add_post(self, post: str, employer: str, role: Role) -> None:
        keys = (number(f"{post} licence", 32), number(f"{post} sealing key", 32))
        said = (party(employer), party(post), key(post).address, 1 << role, *keys)
        self.measure("post_vouch", 1, employer, "Records", "vouch", *said)


def _created(sender: Address, nonce: int) -> Address:
    return keccak(encode_rlp([sender, uint_bytes(nonce)]))[12:]


def _consents(bench: Bench) -> None:
    owners = [f"owner {i}" for i in range(101)]
    given, revoked = [], []
    for owner in owners:
        who, commitment = key(owner).address, number(owner, 32)
        give = GiveConsent(who, commitment, START - HOUR, START + 24 * HOUR, DEADLINE)
        given.append(bench.carried(give, owner))
        revoked.append(bench.carried(RevokeConsent(who, commitment, DEADLINE), owner))
    bench.measure("consent_give_first", 1, "relay", "Consents", "give", given[0])
    bench.measure("consent_batch100_first", 100, "relay", "Consents", "give_many", given[1:])
    bench.measure("consent_revoke", 1, "relay", "Consents", "revoke", revoked[0])
    bench.measure("consent_batch100_revoke", 100, "relay", "Consents", "revoke_many", revoked[1:])


def _records(bench: Bench) -> None:
    hospital, registration = party("hospital"), number("registration", 16)
    patient = int.from_bytes(registration, "big") << 64 | hospital
    bench.measure("patient_add", 1, "hospital", "Records", "register_patient", patient)
    for name, count in (("anchor_1000_per_record", 1_000), ("anchor_10000_per_record", 10_000)):
        bench.measure(name, count, "hospital", "Records", "anchor", number(name, 32), hospital, count)
    place = (hospital, registration, 0, Role.HOSPITAL, Category.VISIT)
    for name in ("record_deposit_first", "record_deposit_again"):
        bench.measure(name, 1, "hospital", "Records", "deposit", *place, number(name, 32))
    where = hospital << 64 | 1
    bench.measure("record_remove", 1, "hospital", "Records", "remove_record", registration, where)
    leaves = [number(f"erased {i}", 32) for i in range(100)]
    erased = (hospital, leaves, number("order", 32))
    bench.measure("erase_batch100_first", 100, "hospital signing", "Leaves", "attest_erased", *erased)
    again = (party("centre"), leaves, number("order", 32))
    bench.measure("erase_batch100_again", 100, "centre signing", "Leaves", "attest_erased", *again)


def _logs(bench: Bench) -> None:
    hospital = party("hospital")
    for name, size in (("checkpoint_anchor_first", 1_000), ("checkpoint_anchor_again", 2_000)):
        tree = (number(f"{name} root", 32), number(f"{name} map", 32))
        checkpoint = AnchorCheckpoint(hospital, size, *tree, number(f"{name} note", 32))
        said = bench.carried(checkpoint, "hospital signing")
        bench.measure(name, 1, "relay", "Checkpoints", "anchor", said)
        cosigned = bench.carried(CosignCheckpoint(party("centre"), hospital, size, *tree), "centre signing")
        bench.measure("checkpoint_cosign", 1, "relay", "Checkpoints", "cosign", cosigned)


def _emergencies(bench: Bench) -> None:
    entry, posts = number("entry", 32), (party("doctor"), party("nurse"))
    opening = OpenBreakGlass(entry, number("reason", 32), *posts, START + 4 * HOUR, False, DEADLINE)
    address = bench.contracts["BreakGlass"].address
    signatures = [opening.sign(key(post), CHAIN_ID, address) for post in ("doctor", "nurse")]
    bench.measure("break_glass_open", 1, "relay", "BreakGlass", "open", *opening.opened(*signatures))
    bench.measure("break_glass_review", 1, "officer", "BreakGlass", "review", entry, party("officer"), 1)


def measure(network: Network) -> dict[str, dict[str, int]]:
    """Every operation: gas of the transaction, items in it, gas of each item (rounded up), ceiling if it has one."""
    bench = Bench(network)
    parts: list[Callable[[Bench], None]] = [_consents, _records, _logs, _emergencies]
    for part in parts:
        part(bench)
    removed = (party("officer"), party("centre"))
    bench.measure("hospital_remove", 1, "officer", "Records", "remove", *removed)
    return {name: _figure(name, *figure) for name, figure in sorted(bench.figures.items())}


def _figure(name: str, gas: int, items: int) -> dict[str, int]:
    ceiling = {"ceiling": CEILINGS[name]} if name in CEILINGS else {}
    return {"gas": gas, "items": items, "each": -(-gas // items), **ceiling}


def over(figures: dict[str, dict[str, int]]) -> list[str]:
    """The operations that cost more than they may, or were not measured."""
    return [name for name, most in CEILINGS.items() if name not in figures or figures[name]["each"] > most]


def main(arguments: list[str]) -> int:
    """Write or compare; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    figures = measure(Embedded.new())
    for name, figure in figures.items():
        print(f"{name:26} {figure['each']:>9,}  of {figure.get('ceiling', 0):,}".removesuffix("  of 0"))
    wrong = over(figures)
    if not parser.parse_args(arguments).check:
        SNAPSHOT.write_text(json.dumps(figures, indent=1) + "\n")
    else:
        kept = json.loads(SNAPSHOT.read_text())
        wrong += [name for name in kept.keys() | figures.keys() if kept.get(name) != figures.get(name)]
    for name in sorted(set(wrong)):
        print(f"{name}: over its ceiling, or not what gas.json says", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
