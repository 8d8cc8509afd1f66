"""A founded consortium for the registry's tests: the ministry, three officers (two decide), organisations, actors."""

from __future__ import annotations

from typing import Any

from eth_hash.auto import keccak

from careledger.domain.parties import Role
from careledger.formats.consent_messages import LedgerMessage
from careledger.formats.ledger_messages import CustodianKeys, OpenAlias, RotateAlias, RotateController
from careledger.formats.ledger_words import patient_word, role_bits
from careledger.formats.signatures import SigningKey
from contracts.harness import HOUR, Chain, Contract, Receipt, key

MINISTRY = 0x6D_11_22_33_44_55_66_01
OFFICERS = (0x6F_11_22_33_44_55_66_01, 0x6F_11_22_33_44_55_66_02, 0x6F_11_22_33_44_55_66_03)
HOSPITAL, CENTRE, PHARMACY, INSURER = 0xA1 << 56 | 1, 0xA1 << 56 | 2, 0xA1 << 56 | 3, 0xA1 << 56 | 4
DOCTOR, NURSE, TECHNICIAN = 0xB1 << 56 | 1, 0xB1 << 56 | 2, 0xB1 << 56 | 3
STRANGER = key("stranger")
HOSPITAL_ROLE, CENTRE_ROLE = 1 << Role.HOSPITAL, 1 << Role.CENTRE
DOCTOR_ROLE, NURSE_ROLE = 1 << Role.DOCTOR, 1 << Role.NURSE


def digest(text: str) -> bytes:
    """Thirty-two bytes that stand for something that the contracts need not understand."""
    return keccak(text.encode())


def controller(party: int) -> SigningKey:
    """The first controller key of a party."""
    return key(f"controller of {party}")


def registration(number: int) -> bytes:
    """A registration's sixteen bytes."""
    return keccak(b"registration %d" % number)[:16]


class Consortium:
    """The registry's contracts on one chain, and short ways to act on them."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        officers = [controller(officer).address for officer in OFFICERS]
        founded = (MINISTRY, controller(MINISTRY).address, OFFICERS, officers, 2)
        self.registry = chain.deploy("Records", *founded, bytes(20))

    def add(self, name: str) -> Contract:
        """Another contract that asks this registry."""
        return self.chain.deploy(name, self.registry.address)

    def act(self, party: int, function: str, *args: Any) -> Receipt:
        """A transaction to the registry by a party's first controller."""
        return self.registry.send(controller(party), function, *args)

    def officer(self, function: str, *args: Any, which: int = 0) -> Receipt:
        """A transaction to the registry by a ministry officer."""
        return self.act(OFFICERS[which], function, OFFICERS[which], *args)

    def declared(self, party: int) -> tuple[bytes, bytes]:
        """The licence commitment and sealing-key digest that a party declares."""
        return digest(f"licence {party}"), digest(f"sealing key {party}")

    def add_pending(self, party: int, *roles: Role) -> None:
        """An organisation that proposed itself."""
        bits = role_bits(frozenset(roles or {Role.HOSPITAL}))
        self.act(party, "propose_organisation", party, bits, *self.declared(party))

    def add_organisation(self, party: int, *roles: Role) -> None:
        """A verified organisation."""
        self.add_pending(party, *roles)
        self.officer("verify", party, *self.declared(party))

    def add_post(self, post: int, employer: int, role: Role = Role.DOCTOR) -> None:
        """A post that its employer vouches for."""
        licence, sealing_key = self.declared(post)
        holder = controller(post).address
        self.act(employer, "vouch", employer, post, holder, 1 << role, licence, sealing_key)

    def register(self, number: int, registrar: int = HOSPITAL) -> Receipt:
        """A patient's registration."""
        return self.act(registrar, "register_patient", patient_word(registrar, registration(number)))

    def status(self, party: int) -> int:
        """The party's own status."""
        return int(self.registry.call("party", party)[2])

    def standing(self, party: int) -> int:
        """The status that counts."""
        return int(self.registry.call("standing", party))

    def soon(self) -> int:
        """A deadline that is not too far."""
        return self.chain.time + HOUR // 2

    def signed(self, message: LedgerMessage, by: SigningKey, contract: Contract | None = None) -> bytes:
        """The signature over a message for the registry, or for another contract."""
        return message.sign(by, self.chain.chain_id, (contract or self.registry).address)

    def rotate(self, party: int, new: SigningKey, *, sender: SigningKey | None = None) -> Receipt:
        """A rotation of the controller, signed by the new key."""
        message = RotateController(party, new.address, self.soon())
        args = (party, new.address, message.deadline, self.signed(message, new))
        return self.registry.send(sender or controller(party), "rotate_controller", *args)

    def custodian_keys(self, party: int, signing: SigningKey, log_key: bytes) -> tuple[Any, ...]:
        """The arguments with which a custodian states its keys."""
        message = CustodianKeys(party, signing.address, log_key, self.soon())
        return party, signing.address, log_key, message.deadline, self.signed(message, signing)

    def add_custodian(self, party: int) -> None:
        """A verified organisation becomes a serving custodian."""
        keys = self.custodian_keys(party, key(f"signing {party}"), digest(f"log {party}"))
        self.act(party, "announce_custodian", *keys)
        self.officer("admit_custodian", party)


def opened(
    net: Consortium,
    aliases: Contract,
    message: OpenAlias,
    by: SigningKey,
    registrar: SigningKey | None = None,
) -> Receipt:
    """An alias's entry, carried by a stranger."""
    second = net.signed(message, registrar, aliases) if registrar else b""
    fields = (message.alias, message.controller, message.kind, message.detail, message.deadline)
    return aliases.send(STRANGER, "open_alias", *fields, net.signed(message, by, aliases), second)


def turned(
    net: Consortium, aliases: Contract, message: RotateAlias, present: SigningKey, new: SigningKey
) -> Receipt:
    """An alias's rotation, carried by a stranger."""
    fields = (message.alias, message.controller, message.kind, message.detail, message.deadline)
    signatures = (net.signed(message, present, aliases), net.signed(message, new, aliases))
    return aliases.send(STRANGER, "rotate_alias", *fields, *signatures)
