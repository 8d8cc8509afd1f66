"""A founded ledger with actors by role, for the behaviour suite of the port Ledger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from eth_hash.auto import keccak

from careledger.domain.errors import LedgerRefused
from careledger.domain.parties import ControllerKind, Role
from careledger.formats.signatures import SigningKey
from careledger.ports import Ledger

MINISTRY, OFFICERS, THRESHOLD = 1, (11, 12, 13), 2
POLICY_DELAY = 3_600
HOSPITAL, CENTRE, PHARMACY = 21, 22, 23
DOCTOR, NURSE, OTHER_DOCTOR = 31, 32, 33
HOUR, DAY = 3_600, 86_400
CHAIN_ID = 20_261


def key(name: str) -> SigningKey:
    """The signing key of the actor of that name, always the same."""
    return SigningKey(keccak(b"ledger actor " + name.encode()))


def of(party: int) -> SigningKey:
    """A party's first controller."""
    return key(f"party {party}")


def digest(text: str) -> bytes:
    """Thirty-two bytes that stand for something."""
    return keccak(text.encode())


STRANGER, RELAY = key("stranger"), key("relay")
OFFICER = (of(OFFICERS[0]), OFFICERS[0])
VOTERS = [(post, of(post)) for post in OFFICERS]


@contextmanager
def refused(reason: str) -> Iterator[None]:
    """The ledger must refuse the block's act with exactly this reason."""
    try:
        yield
    except LedgerRefused as error:
        said = error.details["reason"]
    else:
        raise AssertionError(f"not refused; expected {reason!r}")
    assert said == reason, f"refused with {said!r}, not {reason!r}"


class MovingClock(Protocol):
    """The ledger's clock, moved on by tests."""

    def now(self) -> int: ...

    def advance(self, seconds: int) -> None: ...


class LedgerWorld:
    """A ledger of any kind and short ways to bring it into a state."""

    def __init__(self, ledger: Ledger, clock: MovingClock) -> None:
        self.ledger, self.clock = ledger, clock

    def pending(self, number: int, role: Role = Role.HOSPITAL) -> None:
        """An organisation that proposed itself."""
        self.ledger.propose_organisation(number, [role], *declared(number), of(number))

    def organisation(self, number: int, role: Role = Role.HOSPITAL) -> None:
        """A verified organisation."""
        self.pending(number, role)
        self.ledger.verify(number, *declared(number), *OFFICER)

    def post(self, number: int, employer: int, role: Role = Role.DOCTOR) -> None:
        """A post that its employer vouches for."""
        self.ledger.vouch(number, employer, [role], *declared(number), of(number).address, of(employer))

    def custodian(self, number: int) -> None:
        """A verified organisation that serves as a custodian."""
        self.organisation(number)
        self.announced(number)
        self.ledger.activate_custodian(number, *OFFICER)

    def announced(self, number: int) -> None:
        """The first of the two steps."""
        self.ledger.join_custodians(number, digest(f"log {number}"), signing(number), of(number))

    def alias(self, name: str, kind: ControllerKind = ControllerKind.SELF, until: int = 0) -> bytes:
        """An alias of a claimed patient or under a guardian, by that name."""
        alias = digest(name)
        self.ledger.open_alias(alias, key(name), kind, until, 0, None, RELAY)
        return alias

    def unclaimed(self, name: str, registrar: int = HOSPITAL) -> bytes:
        """An alias that the registrar holds."""
        alias, kind = digest(name), ControllerKind.REGISTRAR
        self.ledger.open_alias(alias, key(name), kind, 0, registrar, of(registrar), RELAY)
        return alias

    def now(self) -> int:
        """The clock's time."""
        return self.clock.now()


def declared(number: int) -> tuple[bytes, bytes]:
    """The licence commitment and sealing key's digest that a party declares."""
    return digest(f"licence {number}"), digest(f"sealing key {number}")


def signing(custodian: int) -> SigningKey:
    """The key with which a custodian answers."""
    return key(f"signing {custodian}")
