"""Grant a consent: the certificate, the epoch keys, the slot on the ledger.

Order of effects: books (the one-time key is used up), the ledger (the commit point), the agent's own copy and then the
package on the board, books (given). A crash before the package leaves a grantee who cannot read yet;
``finish_grants`` posts it; nobody reads by a consent that an agent which lost its books cannot describe. By other
members (workflows.two_hops) the ledger follows within seconds, or before a later start: until ``finish_grants`` finds
the consent there and posts its package, it is only prepared.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from careledger.domain import relaying
from careledger.domain.categories import Compartment
from careledger.domain.consents import Grantee, Permission, Purpose, Scope, Window
from careledger.domain.errors import CannotExpress, DigestMismatch, PartyNotFound, PartyNotVerified
from careledger.formats.deposits import sliced
from careledger.formats.digests import uint
from careledger.formats.patients import (
    AliasStatement,
    Certificate,
    Envelope,
    EpochKey,
    EpochStatement,
    GivenConsent,
    GrantPackage,
    RecordKey,
)
from careledger.formats.scopes import grantee_form, scope_form
from careledger.formats.signed import sign
from careledger.sealing.epochs import open_record
from careledger.sealing.grants import seal_package
from careledger.sealing.keys import Secret
from careledger.workflows.actors import Holder
from careledger.workflows.board import organisation_key
from careledger.workflows.custody import newest_epochs
from careledger.workflows.epochs import own_statement
from careledger.workflows.network import Network
from careledger.workflows.own_copies import keep_copy
from careledger.workflows.two_hops import post, send_consent

GIVEN = "given-consent"
LIVE = "live-consents"
PREPARED, STANDS, REVOKED = "prepared", "given", "revoked"
OWED = "epoch-owed"
UNSENDABLE = (PartyNotFound, PartyNotVerified, DigestMismatch)


@dataclass(frozen=True)
class Granted:
    """A consent as its holder knows it; ``commitment`` and ``owner`` find it on the ledger."""

    given: GivenConsent
    certificate: Certificate

    @property
    def owner(self) -> bytes:
        """The one-time address that owns the slot."""
        return self.certificate.owner

    @property
    def commitment(self) -> bytes:
        """What the ledger keeps."""
        return self.certificate.commitment


def grant(
    network: Network,
    holder: Holder,
    grantee: Grantee,
    scope: Scope,
    purpose: Purpose,
    window: Window,
    record_keys: Sequence[RecordKey] = (),
    ready_made: str = "",
) -> Granted:
    """Gives a consent and posts its package to the grantee's organisation.

    ``ready_made`` names a template that was taken unchanged; empty means that the patient named each category. For a
    scope of single handles, ``record_keys`` are those records' secrets and no epoch key is given. Raises
    CannotExpress if viewing single handles lacks a key, PackageTooLarge for too many of them, PartyNotVerified,
    LedgerRefused.
    """
    _check_keys(scope, record_keys)
    organisation_key(network, grantee.organisation.number)
    counter = unused_counter(network, holder)
    certificate = Certificate(
        holder.alias, holder.consent_key(counter).address, grantee_form(grantee), scope_form(scope), purpose.code,
        holder.consent_salt(counter), ready_made,
    )  # fmt: skip
    signed = sign(certificate, holder.controller, network.ledger.deployment)
    window = relaying.rounded(window, network.clock.now()) if network.gateway.relays else window
    given = GivenConsent(counter, signed, window.start, window.end, PREPARED, tuple(record_keys))
    package = sealed_package(network, holder, given, epoch_compartments(certificate))
    remember(holder, given)  # what cannot be sent is not given
    return _give(network, holder, given, package)


def unused_counter(network: Network, holder: Holder) -> int:
    """The number of a one-time key that neither these books nor the ledger know, used up from now on."""
    view, counter = network.ledger.fresh_head(), holder.take_counter()
    while view.filed_under(holder.consent_key(counter).address):
        counter = holder.take_counter()
    return counter


def finish_grants(network: Network, holder: Holder) -> int:
    """Goes on with what is prepared: after a crash, or on its way by another member; returns how many.

    What has expired or was revoked meanwhile is closed; what cannot be sealed to its grantee now stays prepared.
    """
    went_on = 0
    for given in live_consents(holder):
        if given.state != PREPARED:
            continue
        if given.end <= network.clock.now() or is_revoked(network, given):
            set_state(holder, given, OWED)
            continue
        with suppress(*UNSENDABLE):
            _give(network, holder, given)
            went_on += 1
    return went_on


def wait_for_grants(network: Network, holder: Holder) -> int:
    """Goes on until what counts from now on stands, at most as long as three members have time; returns how many are
    still prepared: on their way for later, or for the next ``finish_grants``."""
    for _ in range(relaying.ENTERERS * (relaying.PATIENCE + relaying.BATCH)):
        now = network.clock.now()
        prepared = [given for given in live_consents(holder) if given.state == PREPARED]
        if not network.gateway.relays or all(given.start - relaying.HOUR > now for given in prepared):
            return len(prepared)
        network.clock.wait(1)
        finish_grants(network, holder)
    return len(prepared)


def given_consents(holder: Holder) -> list[GivenConsent]:
    """All consents that were given for this alias, oldest first; a registrar's books hold those of many."""
    return [GivenConsent.decode(row) for _, row in holder.books.rows(GIVEN, holder.alias)]


def live_consents(holder: Holder) -> list[GivenConsent]:
    """Those that are not revoked, oldest first, without looking through all that were."""
    rows = (holder.books.get(GIVEN, holder.alias + uint(counter)) for counter in _live(holder))
    found = [GivenConsent.decode(row) for row in rows if row is not None]
    return [given for given in found if given.state != REVOKED]


def _live(holder: Holder) -> list[int]:
    """The numbers of the live ones, and of some that a crash left among them."""
    row = holder.books.get(LIVE, holder.alias)
    if row is None:
        return [given.counter for given in given_consents(holder) if given.state != REVOKED]
    return [int.from_bytes(number, "big") for number in sliced(row, 8)]


def certificate_of(given: GivenConsent) -> Certificate:
    """The certificate that a holder signed itself."""
    return Certificate.decode(given.certificate.body)


def is_revoked(network: Network, given: GivenConsent) -> bool:
    """Whether the ledger says so, which these books may not: an agent died, or another one of this patient did it."""
    certificate = certificate_of(given)
    facts = network.ledger.fresh_head().consent(certificate.owner, certificate.commitment)
    return facts is not None and facts.revoked_at > 0


def set_state(holder: Holder, given: GivenConsent, state: str) -> GivenConsent:
    """The consent in that state, durable in the books."""
    changed = GivenConsent(given.counter, given.certificate, given.start, given.end, state, given.record_keys)
    remember(holder, changed)
    return changed


def sealed_package(
    network: Network, holder: Holder, given: GivenConsent, compartments: Iterable[int]
) -> bytes:
    """A package with the newest epoch keys of these compartments, sealed to the consent's grantee.

    Raises PackageTooLarge, PartyNotFound, PartyNotVerified, DigestMismatch.
    """
    statement, _ = own_statement(holder)
    return package_with(network, holder, given, newest_keys(network, holder, statement, compartments))


def newest_keys(
    network: Network, holder: Holder, statement: AliasStatement, compartments: Iterable[int]
) -> list[EpochKey]:
    """The keys of the newest epochs of these compartments; raises CannotOpen."""
    return [
        epoch_key(each.statement, open_record(holder.sealing, each.statement, each.record))
        for each in newest_epochs(network, statement, compartments).values()
    ]


def epoch_key(statement: EpochStatement, seed: Secret) -> EpochKey:
    """An epoch's seed as a grantee is handed it."""
    return EpochKey(statement.compartment, statement.number, statement.digest(), seed.reveal())


def package_with(network: Network, holder: Holder, given: GivenConsent, keys: Iterable[EpochKey]) -> bytes:
    """A package with these epoch keys; raises as ``sealed_package`` does."""
    _, signed_statement = own_statement(holder)
    package = GrantPackage(
        signed_statement, given.certificate, given.start, given.end, tuple(keys), given.record_keys
    )
    envelope = Envelope(GrantPackage.TYPE, sign(package, holder.controller, network.ledger.deployment), None)
    public = organisation_key(network, certificate_of(given).grantee.organisation)
    return seal_package(public, envelope.encode())


def send_newest(network: Network, holder: Holder, given: GivenConsent, compartments: Iterable[int]) -> None:
    """Posts the newest epoch keys of these compartments for a consent that stands. A grantee that nothing can be sealed
    to now, suspended for example, holds up nobody: ``finish_grants`` sends its package later."""
    try:
        post(network, sealed_package(network, holder, given, compartments))
    except UNSENDABLE:
        set_state(holder, given, PREPARED)


def epoch_compartments(certificate: Certificate) -> tuple[int, ...]:
    """The compartments whose epoch keys a consent gives: none for single handles or without viewing."""
    viewing = Permission.VIEW.code in certificate.scope.permissions
    return certificate.scope.compartments if viewing and certificate.scope.handles is None else ()


def _give(network: Network, holder: Holder, given: GivenConsent, package: bytes | None = None) -> Granted:
    certificate = certificate_of(given)
    missing = network.ledger.fresh_head().consent(certificate.owner, certificate.commitment) is None
    if missing and network.gateway.relays:
        send_consent(network, holder, given, certificate.commitment)
        return Granted(given, certificate)
    if missing:
        network.ledger.give_consent(
            holder.consent_key(given.counter), certificate.commitment, given.start, given.end, network.relay
        )
    keep_copy(network, holder, given)
    post(network, package or sealed_package(network, holder, given, epoch_compartments(certificate)))
    return Granted(set_state(holder, given, STANDS), certificate)


def remember(holder: Holder, given: GivenConsent) -> None:
    """Writes a consent into the holder's books, with whether it lives, in one step."""
    with holder.books.alone():
        live, lives = _live(holder), given.state != REVOKED
        if lives and given.counter not in live:
            _put_live(holder, sorted([*live, given.counter]))
        holder.books.put(GIVEN, [(holder.alias + uint(given.counter), given.encode())])
        if not lives and given.counter in live:
            _put_live(holder, [each for each in live if each != given.counter])


def _put_live(holder: Holder, counters: Iterable[int]) -> None:
    holder.books.put(LIVE, [(holder.alias, b"".join(uint(each) for each in counters))])


def _check_keys(scope: Scope, record_keys: Sequence[RecordKey]) -> None:
    if Permission.VIEW not in scope.permissions:
        return
    if scope.handles is not None and scope.handles != {key.handle for key in record_keys}:
        raise CannotExpress(why="single records need their record keys")
    if any(Compartment.numbered(key.compartment) not in scope.compartments for key in record_keys):
        raise CannotExpress(why="a record of a category that is not named")
