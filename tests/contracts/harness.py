"""A chain for contract tests: deploy, send as any address at gas price 0, call, events, gas, time.

It runs on the project's own engine: each ``send`` is one transaction, isolated as on a real chain (cold
slots, true refunds), in a block of its own.
"""

from __future__ import annotations

import functools
import importlib.util
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from eth_abi.abi import decode, encode
from eth_hash.auto import keccak

from careledger.adapters.evm.engine import BlockContext, Execution, Log, Message
from careledger.adapters.evm.engines import new_engine
from careledger.formats.eip712 import Domain, Struct
from careledger.formats.signatures import ORDER, SigningKey

ROOT = Path(__file__).resolve().parents[2]
ARTIFACTS = ROOT / "src" / "careledger" / "adapters" / "evm" / "artifacts"
CHAIN_ID = 20_260
START = 1_767_225_600  # 2026-01-01T00:00:00Z
GAS = 30_000_000
HOUR, DAY = 3_600, 86_400


class Reverted(Exception):
    """A contract refused; ``reason`` is its short text, or "" when it gave none."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason or "(no reason)")
        self.reason = reason


@dataclass(frozen=True)
class Event:
    """One log entry: its contract's address, its name and its fields by name."""

    address: bytes
    name: str
    fields: dict[str, Any]


@dataclass(frozen=True)
class Receipt:
    """What a transaction did: gas used (whole transaction, refunds subtracted), events, block, time."""

    gas: int
    events: tuple[Event, ...]
    block: int
    time: int


def key(name: str) -> SigningKey:
    """The signing key of the actor of that name, always the same."""
    return SigningKey(keccak(b"test actor " + name.encode()))


def high_s(signature: bytes) -> bytes:
    """The other form of the same signature, which must be refused."""
    s = ORDER - int.from_bytes(signature[32:64], "big")
    return signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]])


@contextmanager
def refused(reason: str) -> Iterator[None]:
    """The block must be refused by a contract with exactly this reason."""
    try:
        yield
    except Reverted as error:
        said = error.reason
    else:
        raise AssertionError(f"not refused; expected {reason!r}")
    assert said == reason, f"refused with {said!r}, not {reason!r}"


@functools.cache
def artifact(name: str) -> dict[str, Any]:
    """The committed artifact of a contract."""
    loaded: dict[str, Any] = json.loads((ARTIFACTS / f"{name}.json").read_text())
    return loaded


@functools.cache
def build() -> ModuleType:
    """contracts/build.py as a module."""
    spec = importlib.util.spec_from_file_location("careledger_build", ROOT / "contracts" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def compiled(source: Path) -> dict[str, Any]:
    """The artifact of a source of the tests' own (never of a committed contract)."""
    made: dict[str, Any] = build().compile_contract(source)
    return made


def _kind(member: dict[str, Any]) -> str:
    """An ABI member's type as eth_abi writes it."""
    if member["type"].startswith("tuple"):
        inside = ",".join(_kind(part) for part in member["components"])
        return f"({inside}){member['type'][5:]}"
    return str(member["type"])


class Chain:
    """The project's EVM at London with a clock; one transaction a block, zero gas price."""

    def __init__(self, *, chain_id: int = CHAIN_ID, time: int = START, engine: str | None = None) -> None:
        self.chain_id, self.time, self.number = chain_id, time, 1
        self._engine = new_engine(chain_id, engine)
        self._abis: dict[bytes, dict[bytes, dict[str, Any]]] = {}
        self._deployed = 0

    def deploy(self, name: str | dict[str, Any], *args: Any, sender: SigningKey | None = None) -> Contract:
        """A new contract from its artifact (by name) with constructor arguments; raises Reverted."""
        made = artifact(name) if isinstance(name, str) else name
        inputs: list[Any] = next((e["inputs"] for e in made["abi"] if e["type"] == "constructor"), [])
        code = bytes.fromhex(made["bytecode"][2:]) + encode([_kind(i) for i in inputs], args)
        self._deployed += 1
        deployer = sender.address if sender else keccak(b"deployer%d" % self._deployed)[12:]
        ran = self._run(Message(deployer, None, code, GAS))
        assert ran.created is not None
        self._abis[ran.created] = {_topic(e): e for e in made["abi"] if e["type"] == "event"}
        return Contract(self, made["name"], ran.created, made["abi"])

    def send(self, sender: SigningKey | bytes, to: bytes, data: bytes) -> Receipt:
        """One transaction in a block of its own; raises Reverted. Time moves on by one second."""
        caller = sender if isinstance(sender, bytes) else sender.address
        ran = self._run(Message(caller, to, data, GAS))
        return Receipt(ran.gas_used, tuple(self._event(log) for log in ran.logs), self.number, self.time)

    def call(self, sender: bytes, to: bytes, data: bytes) -> bytes:
        """A call at the head that changes nothing; raises Reverted."""
        ran = self._engine.call(Message(sender, to, data, GAS), self._block)
        if not ran.success:
            raise Reverted(_reason(ran.output))
        return ran.output

    def pass_time(self, seconds: int) -> None:
        """Let so much time pass before the next block."""
        self.time += seconds

    @property
    def _block(self) -> BlockContext:
        return BlockContext(self.number, self.time, self.chain_id)

    def _run(self, message: Message) -> Execution:
        self.number += 1
        self.time += 1
        ran = self._engine.execute(message, self._block)
        self._engine.apply(ran.writes)
        if not ran.success:
            raise Reverted(_reason(ran.output))
        return ran

    def _event(self, log: Log) -> Event:
        entry = self._abis[log.address][log.topics[0]]
        indexed = [i for i in entry["inputs"] if i["indexed"]]
        plain = [i for i in entry["inputs"] if not i["indexed"]]
        told = decode([_kind(i) for i in plain], log.data)
        values = dict(zip((i["name"] for i in plain), told, strict=True))
        for member, topic in zip(indexed, log.topics[1:], strict=True):
            (values[member["name"]],) = decode([_kind(member)], topic)
        return Event(log.address, entry["name"], values)


class Contract:
    """A deployed contract, called by function names of its ABI."""

    def __init__(self, chain: Chain, name: str, address: bytes, abi: list[dict[str, Any]]) -> None:
        self.chain, self.name, self.address = chain, name, address
        self._functions = {(e["name"], len(e["inputs"])): e for e in abi if e["type"] == "function"}

    def send(self, sender: SigningKey | bytes, function: str, *args: Any) -> Receipt:
        """A transaction by sender (a key or an address); raises Reverted."""
        return self.chain.send(sender, self.address, self.data(function, *args))

    def call(self, function: str, *args: Any, sender: bytes = bytes(20)) -> Any:
        """A view's answer: one value, or a tuple of several; addresses are 0x text; raises Reverted."""
        outputs = [_kind(o) for o in self._functions[function, len(args)]["outputs"]]
        values = decode(outputs, self.chain.call(sender, self.address, self.data(function, *args)))
        return values[0] if len(values) == 1 else values

    def data(self, function: str, *args: Any) -> bytes:
        """The calldata."""
        kinds = [_kind(i) for i in self._functions[function, len(args)]["inputs"]]
        return keccak(f"{function}({','.join(kinds)})".encode())[:4] + encode(kinds, args)

    @property
    def domain(self) -> Domain:
        """Where signatures for this contract count: ``CareLedger <Name>``, version 1."""
        return Domain(f"CareLedger {self.name}", "1", self.chain.chain_id, self.address)

    def sign(self, signer: SigningKey, struct: Struct, **values: Any) -> bytes:
        """The signer's signature over that struct in this contract's domain."""
        return signer.sign(struct.digest(self.domain, values))


def _topic(entry: dict[str, Any]) -> bytes:
    return keccak(f"{entry['name']}({','.join(_kind(i) for i in entry['inputs'])})".encode())


def _reason(output: bytes) -> str:
    """The reason in the revert data, "" when there is none."""
    if output[:4] != bytes.fromhex("08c379a0"):
        return ""
    (reason,) = decode(["string"], output[4:])
    return str(reason)
