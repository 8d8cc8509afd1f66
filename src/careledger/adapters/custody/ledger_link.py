"""The part of the ledger that a custodian needs, over a socket: for a custodian in a process of its own.

The process that has the chain serves it; whoever connects is trusted with nothing but its own signatures.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path
from typing import Any, cast

from careledger.adapters.custody.sockets import CallClient, CallServer
from careledger.domain import facts as domain_facts
from careledger.domain.errors import MalformedBytes
from careledger.domain.facts import Head
from careledger.domain.parties import ControllerKind, Role, Status
from careledger.formats import cbor
from careledger.formats.releases import SignedOpening
from careledger.formats.signatures import Address, SigningKey
from careledger.ports import Clock, Ledger, LedgerView

VIEW = (
    "party", "in_team", "custodians", "custodian", "alias", "consent", "matrix_version", "anchor", "erased_by",
    "erasures", "checkpoint", "break_glass", "may_break_glass", "retention", "custodians_ever", "filed_under", "team",
)  # fmt: skip
ACTS = ("attest_erased", "anchor_checkpoint", "cosign_checkpoint")
HEADS = ("fresh_head", "last_head", "at")
_FACTS: dict[str, Any] = {
    name: kind for name, kind in vars(domain_facts).items() if dataclasses.is_dataclass(kind)
}
_ENUMS: dict[str, type[IntEnum]] = {kind.__name__: kind for kind in (Role, Status, ControllerKind)}


def pack(value: Any) -> Any:
    """A fact as CBOR's values: [class, fields], [enum, number], sets and tuples as ["list", …]."""
    if isinstance(value, IntEnum):
        return [type(value).__name__, int(value)]
    if value is None or isinstance(value, bool | int | bytes | str):
        return value
    if dataclasses.is_dataclass(value):
        fields = [pack(getattr(value, field.name)) for field in dataclasses.fields(value)]
        return [type(value).__name__, *fields]
    if isinstance(value, frozenset):
        return ["set", *(pack(item) for item in sorted(value))]
    if isinstance(value, tuple | list):
        return ["tuple", *(pack(item) for item in value)]
    raise MalformedBytes(why="not a fact")


def unpack(value: Any) -> Any:
    """What pack was given; raises MalformedBytes."""
    if not isinstance(value, list):
        return value
    kind, *rest = value
    if kind in _ENUMS:
        return _ENUMS[kind](rest[0])
    items = [unpack(item) for item in rest]
    if kind in _FACTS:
        return _FACTS[kind](*items)
    if kind in ("set", "tuple"):
        return frozenset(items) if kind == "set" else tuple(items)
    raise MalformedBytes(why="not a fact")


def serve_ledger(path: Path, ledger: Ledger, clock: Clock) -> CallServer:
    """Serves this ledger, and its operator's clock, to custodians' processes: ``start`` or ``serve`` it."""

    def answer(method: str, body: bytes) -> bytes:
        arguments = unpack(cbor.decode(body))
        if method in HEADS:
            view: LedgerView = getattr(ledger, method)(*arguments)
            return cbor.encode(pack(view.head))
        if method == "now":
            return cbor.encode(clock.now())
        if method == "network":
            return cbor.encode(pack((ledger.chain_id, ledger.deployment)))
        if method == "contract":
            return cbor.encode(ledger.contract(*arguments))
        if method == "enter_break_glass":
            opening, secret = arguments
            entered = ledger.enter_break_glass(SignedOpening.decode(opening), SigningKey(secret))
            return cbor.encode(pack(entered))
        if method in ACTS:
            *fields, secret = arguments
            return cbor.encode(pack(getattr(ledger, method)(*fields, SigningKey(secret))))
        if method not in VIEW:
            raise MalformedBytes(method=method)
        block, *fields = arguments
        return cbor.encode(pack(getattr(ledger.at(block), method)(*fields)))

    return CallServer(path, answer)


class LedgerLink:
    """The custodian's part of the port Ledger over a socket; its other acts are not there.

    A custodian signs on the ledger with its own key, which therefore goes to the process that has the chain: both
    belong to one operator here. Between organisations each has a node of its own.
    """

    def __init__(self, path: Path) -> None:
        self._client = CallClient(path)
        self.chain_id, self.deployment = self.ask("network")
        self._contracts: dict[str, Address] = {}

    def ask(self, method: str, *arguments: Any) -> Any:
        """One call; raises what the ledger raised, StoreUnavailable."""
        return unpack(cbor.decode(self._client.call(method, cbor.encode(pack(arguments)))))

    def now(self) -> int:
        """The operator's clock, unix seconds: one machine has one time, also in a story."""
        now: int = self.ask("now")
        return now

    def port(self) -> Ledger:
        """This link as the port Ledger, for a custodian: acts that no custodian does are not there."""
        return cast(Ledger, self)

    def contract(self, name: str) -> Address:
        """The address of a contract."""
        if name not in self._contracts:
            self._contracts[name] = self.ask("contract", name)
        return self._contracts[name]

    def fresh_head(self) -> LedgerView:
        """The newest final block."""
        return _View(self, self.ask("fresh_head"))

    def last_head(self) -> LedgerView:
        """The newest final block known there."""
        return _View(self, self.ask("last_head"))

    def at(self, block: int) -> LedgerView:
        """The facts as they stood after that block."""
        return _View(self, self.ask("at", block))

    def attest_erased(
        self, leaves: Sequence[bytes], reason: bytes, custodian: int, signer: SigningKey
    ) -> Head:
        """See the port."""
        head: Head = self.ask("attest_erased", tuple(leaves), reason, custodian, signer.secret)
        return head

    def anchor_checkpoint(
        self, custodian: int, size: int, root: bytes, map_root: bytes, note: bytes, signer: SigningKey
    ) -> Head:
        """See the port."""
        made = (custodian, size, root, map_root, note)
        head: Head = self.ask("anchor_checkpoint", *made, signer.secret)
        return head

    def cosign_checkpoint(
        self, custodian: int, size: int, root: bytes, map_root: bytes, cosigner: int, signer: SigningKey
    ) -> Head:
        """See the port."""
        made = (custodian, size, root, map_root, cosigner)
        head: Head = self.ask("cosign_checkpoint", *made, signer.secret)
        return head

    def enter_break_glass(self, signed: SignedOpening, relay: SigningKey) -> Head:
        """See the port."""
        head: Head = self.ask("enter_break_glass", signed.encode(), relay.secret)
        return head


class _View:
    """A LedgerView whose questions go over the socket."""

    def __init__(self, link: LedgerLink, head: Head) -> None:
        self._link = link
        self.head = head

    def __getattr__(self, name: str) -> Any:
        if name not in VIEW:
            raise AttributeError(name)
        return lambda *arguments: self._link.ask(name, self.head.number, *arguments)
