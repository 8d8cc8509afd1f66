"""A contract as Python sees it: calls packed, answers, events and refusals unpacked, by its ABI.

Artifacts are the committed JSON files beside this module, made by ``contracts/build.py``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from importlib import resources
from typing import Any, Protocol

from eth_hash.auto import keccak

from careledger.adapters.evm.engine import ZERO_ADDRESS, Log
from careledger.adapters.evm.node import Node
from careledger.adapters.evm.tables import FoundLog
from careledger.domain.errors import MalformedBytes
from careledger.formats.abi import decode, encode
from careledger.formats.signatures import Address

Entry = Mapping[str, Any]
WORD = 32


class Answers(Protocol):
    """A node, or the chain itself: whatever can be asked what a contract answers."""

    def call(
        self, to: Address, data: bytes, sender: Address = ZERO_ADDRESS, block: int | None = None
    ) -> bytes:
        """The return data; raises LedgerRefused."""
        ...


@dataclass(frozen=True, slots=True)
class Artifact:
    """A compiled contract: ABI entries, creation code, runtime code."""

    name: str
    abi: tuple[Entry, ...]
    bytecode: bytes
    runtime: bytes


@lru_cache(maxsize=32)
def load_artifact(name: str) -> Artifact:
    """The committed artifact of a contract; raises MalformedBytes if there is none."""
    path = resources.files("careledger.adapters.evm") / "artifacts" / f"{name}.json"
    try:
        read = json.loads(path.read_text("utf-8"))
        codes = [bytes.fromhex(read[key].removeprefix("0x")) for key in ("bytecode", "runtime")]
        return Artifact(name, tuple(read["abi"]), *codes)
    except (OSError, ValueError, KeyError):
        raise MalformedBytes(why="no such artifact", name=name) from None


@dataclass(frozen=True, slots=True)
class Event:
    """A decoded log: the event's name and its fields by name, addresses as 20 bytes."""

    name: str
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class FoundEvent:
    """An event with the place of its log in the chain."""

    found: FoundLog
    event: Event


@dataclass(frozen=True)
class Contract:
    """An address and its ABI. Overloaded functions are named by their whole signature."""

    address: Address
    abi: tuple[Entry, ...]

    @classmethod
    def at(cls, address: Address, name: str) -> Contract:
        """A contract of ours, by the name of its artifact."""
        return cls(address, load_artifact(name).abi)

    @cached_property
    def _functions(self) -> dict[str, Entry]:
        functions = [entry for entry in self.abi if entry["type"] == "function"]
        names = [entry["name"] for entry in functions]
        single = {entry["name"]: entry for entry in functions if names.count(entry["name"]) == 1}
        return {signature_of(entry): entry for entry in functions} | single

    @cached_property
    def _events(self) -> dict[bytes, Entry]:
        return {topic_of(entry): entry for entry in self.abi if entry["type"] == "event"}

    def calldata(self, function: str, *arguments: Any) -> bytes:
        """Selector and arguments; raises MalformedBytes if the function or its arguments do not fit."""
        return _selector(self._function(function)) + _pack(self._function(function)["inputs"], arguments)

    def answer(self, function: str, output: bytes) -> Any:
        """The decoded return data: nothing, one value, or a tuple of several."""
        values = _unpack(self._function(function)["outputs"], output)
        return values[0] if len(values) == 1 else values or None

    def read(self, node: Answers, function: str, *arguments: Any, **how: Any) -> Any:
        """Call and decode; ``how`` is the call's sender and block. Raises LedgerRefused."""
        return self.answer(function, node.call(self.address, self.calldata(function, *arguments), **how))

    def topic(self, event: str) -> bytes:
        """The first topic of an event's logs; raises MalformedBytes if there is no such event."""
        for topic, entry in self._events.items():
            if entry["name"] == event:
                return topic
        raise MalformedBytes(why="no such event", name=event)

    @cached_property
    def _forms(self) -> dict[bytes, _Form]:
        return {topic: _Form(entry) for topic, entry in self._events.items()}

    def event(self, log: Log) -> Event | None:
        """The log as an event of this contract; None if it is from elsewhere or not in the ABI."""
        form = self._forms.get(log.topics[0]) if log.topics and log.address == self.address else None
        return None if form is None else form.read(log)

    def events(self, logs: Iterable[Log]) -> list[Event]:
        """The events of this contract among the logs, in order."""
        return [event for log in logs if (event := self.event(log)) is not None]

    def history(self, node: Node, first: int, last: int, event: str | None = None) -> list[FoundEvent]:
        """Every event of this contract (or those of one name) in blocks first…last, in chain order."""
        topics = () if event is None else (self.topic(event),)
        logs = node.logs(first, last, [self.address], topics)
        return [FoundEvent(found, seen) for found in logs if (seen := self.event(found.log)) is not None]

    def _function(self, name: str) -> Entry:
        try:
            return self._functions[name]
        except KeyError:
            raise MalformedBytes(why="no such function", name=name) from None


class _Form:
    """How an event's logs are read; one word after the other where every field is one word."""

    def __init__(self, entry: Entry) -> None:
        self._name = entry["name"]
        self._names = _names(entry["inputs"])
        self._indexed = [part for part in entry["inputs"] if part["indexed"]]
        self._plain = [part for part in entry["inputs"] if not part["indexed"]]
        words = [_word(str(part["type"])) for part in self._plain]
        self._words = [word for word in words if word is not None] if None not in words else None

    def read(self, log: Log) -> Event:
        """The event; raises MalformedBytes if the log is not of this form."""
        values = dict(zip(_names(self._plain), self._data(log.data), strict=True))
        for part, topic in zip(self._indexed, log.topics[1:], strict=True):
            word = _word(str(part["type"])) if len(topic) == WORD else None
            values[part["name"]] = _indexed(part, topic) if word is None else word(topic)
        return Event(self._name, {name: values[name] for name in self._names})

    def _data(self, data: bytes) -> Sequence[Any]:
        if self._words is None or len(data) != WORD * len(self._words):
            return _unpack(self._plain, data)
        return [word(data[WORD * at : WORD * at + WORD]) for at, word in enumerate(self._words)]


@cache
def _word(kind: str) -> Callable[[bytes], Any] | None:
    """What reads a field of one word, strictly as eth_abi does; None for other kinds."""
    if kind == "address":
        return lambda word: _used(kind, word, 12, WORD)
    if kind == "bool":
        return lambda word: bool(_number(kind, word, 1))
    if kind.startswith("uint") and kind[4:].isdecimal():
        bits = int(kind[4:])
        return lambda word: _number(kind, word, bits)
    if kind.startswith("bytes") and kind[5:].isdecimal():
        size = int(kind[5:])
        return lambda word: _used(kind, word, 0, size)
    return None


def _used(kind: str, word: bytes, start: int, stop: int) -> bytes:
    if any(word[:start]) or any(word[stop:]):
        raise MalformedBytes(why="data does not fit", types=[kind])
    return word[start:stop]


def _number(kind: str, word: bytes, bits: int) -> int:
    number = int.from_bytes(word, "big")
    if number >> bits:
        raise MalformedBytes(why="data does not fit", types=[kind])
    return number


def deployment(artifact: Artifact, *arguments: Any) -> bytes:
    """Creation code followed by the packed constructor arguments."""
    inputs: Sequence[Entry] = next(
        (entry["inputs"] for entry in artifact.abi if entry["type"] == "constructor"), []
    )
    return artifact.bytecode + _pack(inputs, arguments)


def signature_of(entry: Entry) -> str:
    """``name(type,…)`` with tuples written out."""
    return f"{entry['name']}({','.join(_types(entry['inputs']))})"


def topic_of(entry: Entry) -> bytes:
    """keccak-256 of the signature."""
    return keccak(signature_of(entry).encode("ascii"))


def _selector(entry: Entry) -> bytes:
    return topic_of(entry)[:4]


def _types(parts: Sequence[Entry]) -> list[str]:
    return [_type(part) for part in parts]


def _type(part: Entry) -> str:
    kind = str(part["type"])
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(_types(part['components']))}){kind.removeprefix('tuple')}"


def _names(parts: Sequence[Entry]) -> list[str]:
    return [str(part["name"]) for part in parts]


def _pack(inputs: Sequence[Entry], arguments: Sequence[Any]) -> bytes:
    try:
        return encode(_types(inputs), arguments)
    except Exception as error:  # eth_abi raises ValueError, TypeError and classes of its own
        raise MalformedBytes(why="arguments do not fit", types=_types(inputs)) from error


def _unpack(parts: Sequence[Entry], data: bytes) -> tuple[Any, ...]:
    try:
        values = decode(_types(parts), data)
    except Exception as error:
        raise MalformedBytes(why="data does not fit", types=_types(parts)) from error
    return tuple(_plain(part, value) for part, value in zip(parts, values, strict=True))


def _indexed(part: Entry, topic: bytes) -> Any:
    """An indexed field: its value if it fits a word, else the hash that stands for it."""
    if part["type"] in ("string", "bytes") or part["type"].endswith("]") or part["type"].startswith("tuple"):
        return topic
    return _unpack([part], topic)[0]


def _plain(part: Entry, value: Any) -> Any:
    """Addresses as 20 bytes, whatever depth they stand at."""
    kind = str(part["type"])
    if kind.endswith("]"):
        inner = {**part, "type": kind[: kind.rindex("[")]}
        return tuple(_plain(inner, each) for each in value)
    if kind == "tuple":
        return tuple(_plain(each, one) for each, one in zip(part["components"], value, strict=True))
    return bytes.fromhex(value[2:]) if kind == "address" else value
