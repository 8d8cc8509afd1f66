"""A founded network for the tests of what is done with records: parties, custodians, contracts, actors by role."""

from __future__ import annotations

import functools
from typing import Any

import rlp
from eth_hash.auto import keccak

from careledger.domain.categories import Category
from careledger.domain.matrix import VERSION_2
from careledger.domain.parties import Role
from careledger.formats.consent_messages import LedgerMessage
from careledger.formats.ledger_messages import CustodianKeys
from careledger.formats.signatures import SigningKey
from contracts.harness import DAY, HOUR, Chain, Contract, Reverted, key

MINISTRY, OFFICER = 0x11, 0x12
HOSPITAL, CENTRE, SUSPENDED = 0x21, 0x22, 0x23
DOCTOR, NURSE, OTHER_DOCTOR, SUSPENDED_DOCTOR = 0x31, 0x32, 0x33, 0x34
DELAY = DAY


def digest(text: str) -> bytes:
    """Thirty-two bytes that stand for something that the contracts need not understand."""
    return keccak(text.encode())


def outcome(contract: Contract, sender: SigningKey, function: str, *arguments: Any) -> str:
    """Send; "" if it was carried out, else the contract's reason."""
    try:
        contract.send(sender, function, *arguments)
    except Reverted as error:
        return error.reason or "(no reason)"
    return ""


def roles(*those: Role) -> int:
    """A set of roles as the registry's bits."""
    return sum(1 << role for role in those)


def created(sender: bytes, nonce: int) -> bytes:
    """The address of the contract that this sender creates with this nonce."""
    return keccak(rlp.encode([sender, nonce]))[12:]


class World:
    """Every contract of this part on one chain, with direct deposits on unless told otherwise."""

    def __init__(self, *, direct: bool = True, engine: str | None = None) -> None:
        self.chain = Chain(engine=engine)
        founder = key("founder")
        chart = created(founder.address, 2) if direct else bytes(20)
        deploy = functools.partial(self.chain.deploy, sender=founder)
        officers = [[OFFICER], [self.key(OFFICER).address]]
        self.records = deploy("Records", MINISTRY, self.key(MINISTRY).address, *officers, 1, chart)
        reading, writing = VERSION_2.read_words, VERSION_2.write_words
        self.policy = deploy("AccessPolicy", self.records.address, DELAY, reading, writing)
        self.chart = deploy("WriteChart", self.policy.address)
        self.leaves = deploy("Leaves", self.records.address)
        self.checkpoints = deploy("Checkpoints", self.records.address)
        self.break_glass = deploy("BreakGlass", self.records.address)
        self.consents = deploy("Consents")
        self.by_name = {
            "Checkpoints": self.checkpoints,
            "BreakGlass": self.break_glass,
            "Consents": self.consents,
        }
        self._found()

    @staticmethod
    def key(party: int) -> SigningKey:
        """The controller key of a party."""
        return key(f"party {party}")

    @staticmethod
    def signing_key(custodian: int) -> SigningKey:
        """The key with which a custodian signs."""
        return key(f"custodian {custodian}")

    def _found(self) -> None:
        self.add_organisation(HOSPITAL, Role.HOSPITAL)
        self.add_organisation(CENTRE, Role.CENTRE)
        self.add_organisation(SUSPENDED, Role.HOSPITAL)
        self.add_post(DOCTOR, HOSPITAL, Role.DOCTOR)
        self.add_post(NURSE, HOSPITAL, Role.NURSE)
        self.add_post(OTHER_DOCTOR, CENTRE, Role.DOCTOR)
        self.add_post(SUSPENDED_DOCTOR, SUSPENDED, Role.DOCTOR)
        self.officer("suspend", SUSPENDED)
        self.chart.send(key("anybody"), "take")

    def officer(self, function: str, *arguments: Any) -> None:
        """The ministry officer does something in the registry."""
        self.records.send(self.key(OFFICER), function, OFFICER, *arguments)

    def add_organisation(self, party: int, *those: Role) -> None:
        """A verified organisation."""
        licence, sealing_key = digest(f"licence {party}"), digest(f"sealing key {party}")
        self.officer("add_organisation", party, self.key(party).address, roles(*those))
        self.records.send(self.key(party), "declare", party, licence, sealing_key)
        self.officer("verify", party, licence, sealing_key)

    def add_post(self, post: int, employer: int, *those: Role) -> None:
        """A post that its employer vouches for."""
        controller, parts = self.key(post).address, (digest(f"licence {post}"), digest(f"sealing key {post}"))
        self.records.send(self.key(employer), "vouch", employer, post, controller, roles(*those), *parts)

    def add_custodian(self, party: int) -> None:
        """A verified organisation becomes a serving custodian."""
        own, log_key, deadline = self.signing_key(party), digest(f"log key {party}"), self.chain.time + HOUR
        message = CustodianKeys(party, own.address, log_key, deadline)
        possession = message.sign(own, self.chain.chain_id, self.records.address)
        args = (party, own.address, log_key, deadline, possession)
        self.records.send(self.key(party), "announce_custodian", *args)
        self.officer("admit_custodian", party)

    def register(self, registration: bytes, registrar: int = HOSPITAL) -> None:
        """A patient's registration, held by that organisation."""
        number = int.from_bytes(registration, "big") << 64 | registrar
        self.records.send(self.key(registrar), "register_patient", number)

    def deposit(self, registration: bytes, number: int, leaf: bytes, **other: Any) -> Any:
        """A direct deposit by the hospital of a visit, unless told otherwise."""
        said: dict[str, Any] = {
            "sender": self.key(HOSPITAL),
            "organisation": HOSPITAL,
            "role": Role.HOSPITAL,
            "category": Category.VISIT,
        } | other
        return self.records.send(
            said["sender"],
            "deposit",
            said["organisation"],
            registration,
            number // 32,
            said["role"],
            said["category"],
            leaf,
        )

    def signed(self, message: LedgerMessage, by: SigningKey) -> bytes:
        """The signature over a message for its contract here."""
        return message.sign(by, self.chain.chain_id, self.by_name[message.CONTRACT].address)

    def carried(self, message: LedgerMessage, by: SigningKey) -> tuple[Any, ...]:
        """The message and its signature as the contract takes them."""
        return message.carried(self.signed(message, by))

    def later(self, seconds: int) -> int:
        """A time so many seconds after the head."""
        return self.chain.time + seconds

    def contract(self, name: str) -> Contract:
        """The contract that messages of that name count at."""
        return self.by_name[name]
