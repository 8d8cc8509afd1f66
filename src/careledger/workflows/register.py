"""Register organisations, posts and patients.

An organisation: proposed with its key, then verified by a ministry officer; only then can it vouch for posts and
register patients. A patient: the registration, and apart from it the alias, whose keys the registrar's gateway
holds until it is claimed. Order of effects for a patient: books (keys), registration, alias, custodians (the alias
statement and first epochs); a crash between them is repeated with the same keys from the books.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from careledger.domain.custodians import custodian_list
from careledger.domain.errors import PatientNotFound
from careledger.domain.parties import ControllerKind, PartyId, Role, Status
from careledger.formats.schema import Message, octets, text
from careledger.formats.signatures import SigningKey
from careledger.sealing.keys import Secret
from careledger.sealing.phrase import Phrase
from careledger.workflows.actors import HOLDER, Holder, Organisation, Staff, load_holder, new_holder
from careledger.workflows.epochs import ALL, ensure_epochs, publish_statement
from careledger.workflows.network import Network, verified

KEPT_PHRASE = "phrase"
IDENTITY = "identity"


@dataclass(frozen=True)
class Officer:
    """A ministry officer: the post's number and key."""

    post: int
    key: SigningKey


@dataclass(frozen=True)
class Identity(Message):
    """A row of a registrar's identity table, inside its walls and encrypted at rest; no field is mandatory.

    ``name`` in any script, ``romanised`` beside it; ``birth`` is a date with its precision (``1970``, ``1970-01``,
    ``1970-01-31``).
    """

    TYPE = "identity"
    alias: bytes = octets(32)
    registration: bytes = octets(16)
    name: str = text(200)
    romanised: str = text(200)
    national_id: str = text(64)
    birth: str = text(10)
    salt: bytes = octets(32)


NOBODY = Identity(bytes(32), bytes(16), "", "", "", "", bytes(32))


def organisation(network: Network, actor: Organisation, roles: Iterable[Role], licence: bytes) -> None:
    """Proposes an organisation; it is pending until an officer verifies this licence (a 32-byte commitment) and key."""
    if network.ledger.fresh_head().party(actor.number) is None:
        network.ledger.propose_organisation(
            actor.number, roles, licence, actor.sealing.digest, actor.controller
        )


def verify(network: Network, officer: Officer, number: int, licence: bytes, sealing_key: bytes) -> None:
    """A ministry officer verifies a pending organisation whose licence and sealing key's digest were checked."""
    facts = network.ledger.fresh_head().party(number)
    if facts is None or facts.status is Status.PENDING:
        network.ledger.verify(number, licence, sealing_key, officer.key, officer.post)


def custodian(
    network: Network, actor: Organisation, log_key: bytes, signer: SigningKey, officer: Officer
) -> None:
    """A verified organisation becomes a custodian, in the ledger's two steps.

    ``log_key`` is the digest of its release log's key; ``signer`` signs its answers.
    """
    view, number = network.ledger.fresh_head(), actor.number
    if any(each.number == number for each in view.custodians()):
        return
    announced = view.custodian(number) is None and verified(view, number).log_key == log_key
    if not announced:
        network.ledger.join_custodians(number, log_key, signer, actor.controller)
    network.ledger.activate_custodian(number, officer.key, officer.post)


def post(network: Network, staff: Staff, roles: Iterable[Role], licence: bytes) -> None:
    """The employer vouches for a post; it acts as long as both are in good standing.

    What is sealed to a post is opened by its employer's gateway, so the key registered is the employer's.
    """
    employer = staff.organisation
    if network.ledger.fresh_head().party(staff.number) is None:
        network.ledger.vouch(
            staff.number,
            employer.number,
            roles,
            licence,
            employer.sealing.digest,
            staff.key.address,
            employer.controller,
        )


def patient(
    network: Network,
    registrar: Organisation,
    identity: Identity | None = None,
    escrow: bool = True,
    compartments: Iterable[int] = ALL,
) -> Holder:
    """Registers a patient whose keys the registrar holds until they are claimed; returns that holder.

    ``compartments`` get a first epoch now; the registrar may begin others later (epochs.ensure_epochs).
    """
    phrase, alias = Phrase.random(), secrets.token_bytes(32)
    registrar.books.put(KEPT_PHRASE, [(alias, phrase.entropy.reveal())])
    holder = new_holder(phrase, alias, registrar.books)
    registration = secrets.token_bytes(16)
    row = identity_row(identity or NOBODY, alias, registration)
    registrar.books.put(IDENTITY, [(alias, row.encode())])
    ledger = network.ledger
    ledger.register_patient(registration, registrar.number, registrar.controller)
    ledger.open_alias(
        alias,
        holder.controller,
        ControllerKind.REGISTRAR,
        0,
        registrar.number,
        registrar.controller,
        network.relay,
    )
    holder = publish_statement(
        network, holder, *choose_custodians(network, {registrar.number}), registrar.number, escrow
    )
    ensure_epochs(network, holder, compartments)
    return holder


def identity_row(identity: Identity, alias: bytes, registration: bytes) -> Identity:
    """The identity bound to its ids, with a fresh salt of 32 random bytes for commitments."""
    return Identity(
        alias, registration, identity.name, identity.romanised, identity.national_id, identity.birth,
        secrets.token_bytes(32),
    )  # fmt: skip


def choose_custodians(network: Network, treating: Iterable[int]) -> tuple[tuple[int, ...], bytes]:
    """A list by rendezvous hashing of a fresh seed, those that treat the patient last; and the seed."""
    active = [PartyId(each.number) for each in network.ledger.fresh_head().custodians() if not each.leaving]
    fitted = network.thresholds.fitted(len(active))
    seed = secrets.token_bytes(32)
    chosen = custodian_list(seed, active, fitted.listed, {PartyId(number) for number in treating})
    return tuple(party.number for party in chosen), seed


def kept_holder(registrar: Organisation, alias: bytes) -> Holder:
    """The holder of an alias whose keys this registrar still keeps; raises PatientNotFound."""
    entropy = registrar.books.get(KEPT_PHRASE, alias)
    if entropy is None:
        raise PatientNotFound()
    return load_holder(Phrase(Secret(entropy)), alias, registrar.books)


def kept_aliases(registrar: Organisation) -> list[bytes]:
    """All aliases whose keys this registrar keeps."""
    return [alias for alias, _ in registrar.books.rows(KEPT_PHRASE)]


def forget_keys(registrar: Organisation, alias: bytes) -> None:
    """Drops a claimed alias's old keys from the registrar's books."""
    registrar.books.drop(KEPT_PHRASE, [alias])
    registrar.books.drop(HOLDER, [alias])
