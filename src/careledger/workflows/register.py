"""Register organisations, posts and patients.

An organisation: proposed with its key, then verified by a ministry officer; only then can it vouch for posts and
register patients. A patient: the alias, whose keys the registrar's gateway holds until it is claimed, and a random
time later the registration, so that order and time on the ledger join nothing. Order of effects for a patient: books
(what was chosen, keys, identity, when to register, all at once), alias, custodians (the alias statement and first
epochs), and from then on the patient is there; the registration when its time has come. What a crash leaves is
finished by ``finish_patients`` and ``enter_registrations`` from the books.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from random import SystemRandom

from careledger.domain.custodians import custodian_list
from careledger.domain.errors import CareLedgerError, LedgerRefused, PatientNotFound
from careledger.domain.parties import ControllerKind, PartyId, Role, Status
from careledger.domain.relaying import register_at, shuffled
from careledger.formats.digests import uint
from careledger.formats.persons import BegunPatient
from careledger.formats.signatures import SigningKey
from careledger.ports import LedgerView
from careledger.sealing.keys import Secret
from careledger.sealing.phrase import Phrase
from careledger.workflows import identity_index
from careledger.workflows.actors import HOLDER, Holder, Organisation, Staff, begun_holder, load_holder
from careledger.workflows.epochs import ALL, ensure_epochs, publish_statement
from careledger.workflows.identity_rows import NOBODY, Identity
from careledger.workflows.network import Network, verified

KEPT_PHRASE = "phrase"
IDENTITY = identity_index.IDENTITY
BEGUN = "begun-patient"
UNENTERED = "unentered-registration"
RANDOM = SystemRandom()


@dataclass(frozen=True)
class Officer:
    """A ministry officer: the post's number and key."""

    post: int
    key: SigningKey


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
    """A verified organisation becomes a custodian: both of the ledger's steps, whose keys are here.

    ``log_key`` is the digest of its release log's key; ``signer`` signs its answers.
    """
    announce_custodian(network, actor, log_key, signer)
    activate_custodian(network, actor.number, officer)


def announce_custodian(network: Network, actor: Organisation, log_key: bytes, signer: SigningKey) -> None:
    """First of two steps, by the verified organisation itself; raises PartyNotFound, PartyNotVerified."""
    view, number = network.ledger.fresh_head(), actor.number
    announced = view.custodian(number) is None and verified(view, number).log_key == log_key
    if not announced and not _keeps(view, number):
        network.ledger.join_custodians(number, log_key, signer, actor.controller)


def activate_custodian(network: Network, number: int, officer: Officer) -> None:
    """Second step, by a ministry officer: it keeps shares from now on. Raises LedgerRefused if none was announced."""
    if not _keeps(network.ledger.fresh_head(), number):
        network.ledger.activate_custodian(number, officer.key, officer.post)


def _keeps(view: LedgerView, number: int) -> bool:
    return any(each.number == number for each in view.custodians())


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
    alias: bytes | None = None,
) -> Holder:
    """Registers a patient whose keys the registrar holds until they are claimed; returns that holder.

    ``alias``: 32 random bytes that the registrar has noted before, so that a repeated registration is the same one;
    what a crash left of it is finished.
    ``compartments`` get a first epoch now; the registrar may begin others later (epochs.ensure_epochs). The
    registration itself is entered by ``enter_registrations`` later (network.registration_spread; 0: now).
    """
    if alias is not None and registrar.books.get(IDENTITY, alias) is not None:
        return _go_on(network, registrar, alias)
    phrase, alias = Phrase.random(), alias or secrets.token_bytes(32)
    at = register_at(network.clock.now(), network.registration_spread, RANDOM)
    chosen = choose_custodians(network, {registrar.number})
    begun = BegunPatient(secrets.token_bytes(16), at, *chosen, escrow, tuple(compartments))
    row, holder = (
        identity_row(identity or NOBODY, alias, begun.registration),
        begun_holder(phrase, alias, registrar.books),
    )
    made = {
        BEGUN: [(alias, begun.encode())],
        KEPT_PHRASE: [(alias, phrase.entropy.reveal())],
        HOLDER: [holder.row],
        identity_index.INDEX: identity_index.index_rows(registrar, row),
        IDENTITY: [(alias, row.encode())],
        UNENTERED: [(begun.registration, uint(begun.enter_at))],
    }
    with registrar.books.alone():
        there = registrar.books.get(IDENTITY, alias) is not None  # another process may have begun meanwhile
        if not there:
            registrar.books.change(made, {})
    if there:
        return _go_on(network, registrar, alias)
    holder = _open(network, registrar, holder, begun)
    if not network.registration_spread:
        enter_registrations(network, registrar)
    return holder


def _go_on(network: Network, registrar: Organisation, alias: bytes) -> Holder:
    """Whoever is registered under that alias; what was begun is finished."""
    left = registrar.books.get(BEGUN, alias)
    there = kept_holder(registrar, alias)
    return there if left is None else _open(network, registrar, there, BegunPatient.decode(left))


def finish_patients(network: Network, registrar: Organisation) -> int:
    """Finishes patients whose registering a crash or absent custodians left open; returns how many stay open."""
    for alias, row in list(registrar.books.rows(BEGUN)):
        with suppress(CareLedgerError):  # one that fails keeps no other from being finished
            _finish(network, registrar, alias, BegunPatient.decode(row))
    return len(list(registrar.books.rows(BEGUN)))


def enter_registrations(network: Network, registrar: Organisation) -> int:
    """Enters the registrations whose time has come, in random order; returns how many still wait.

    Raises nothing: what the ledger does not take now waits for the next time.
    """
    now = network.clock.now()
    due = [key for key, row in registrar.books.rows(UNENTERED) if int.from_bytes(row, "big") <= now]
    for registration in shuffled(due, RANDOM):
        with suppress(CareLedgerError):
            _enter(network, registrar, registration)
    return len(list(registrar.books.rows(UNENTERED)))


def _finish(network: Network, registrar: Organisation, alias: bytes, begun: BegunPatient) -> None:
    if registrar.books.get(KEPT_PHRASE, alias) is not None:
        _open(network, registrar, kept_holder(registrar, alias), begun)
    registrar.books.drop(BEGUN, [alias])  # also where somebody else took the keys over and began the epochs


def _open(network: Network, registrar: Organisation, holder: Holder, begun: BegunPatient) -> Holder:
    """Alias, statement and epochs; what is done is not done again."""
    alias, ledger = holder.alias, network.ledger
    if ledger.fresh_head().alias(alias) is None:
        answering = registrar.number, registrar.controller
        ledger.open_alias(alias, holder.controller, ControllerKind.REGISTRAR, 0, *answering, network.relay)
    if not holder.state.published:
        named = begun.custodians, begun.custodian_seed, registrar.number, begun.escrow
        holder = publish_statement(network, holder, *named)
    ensure_epochs(network, holder, begun.compartments)
    registrar.books.change({}, {BEGUN: [alias]})
    return holder


def _enter(network: Network, registrar: Organisation, registration: bytes) -> None:
    """``taken`` is our own entry before a crash: nobody else knows these 16 random bytes before they are entered."""
    try:
        network.ledger.register_patient(registration, registrar.number, registrar.controller)
    except LedgerRefused as refusal:
        if refusal.details.get("reason") != "taken":
            raise
    registrar.books.drop(UNENTERED, [registration])


def identity_row(identity: Identity, alias: bytes, registration: bytes) -> Identity:
    """The identity bound to its ids, with a fresh salt of 32 random bytes for commitments."""
    return Identity(
        alias, registration, identity.name, identity.romanised, identity.national_id, identity.birth,
        secrets.token_bytes(32),
    )  # fmt: skip


def identities(registrar: Organisation) -> list[Identity]:
    """The registrar's identity table, by alias."""
    return [Identity.decode(row) for _, row in registrar.books.rows(IDENTITY)]


def identity_of(registrar: Organisation, alias: bytes) -> Identity:
    """One row of it; raises PatientNotFound."""
    row = registrar.books.get(IDENTITY, alias)
    if row is None:
        raise PatientNotFound()
    return Identity.decode(row)


def next_identity(registrar: Organisation, after: bytes) -> bytes | None:
    """The first alias after that one in the identity table, or the first of all after none."""
    return next(iter(registrar.books.keys(IDENTITY, after, 1)), None)


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


def keeps_keys(registrar: Organisation, alias: bytes) -> bool:
    """Whether this registrar keeps that alias's keys."""
    return registrar.books.get(KEPT_PHRASE, alias) is not None


def kept_aliases(registrar: Organisation) -> list[bytes]:
    """All aliases whose keys this registrar keeps."""
    return [alias for alias, _ in registrar.books.rows(KEPT_PHRASE)]


def forget_keys(registrar: Organisation, alias: bytes) -> None:
    """Drops a claimed alias's old keys from the registrar's books."""
    registrar.books.drop(KEPT_PHRASE, [alias])
    registrar.books.drop(HOLDER, [alias])
