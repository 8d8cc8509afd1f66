"""A FHIR Consent with its sealed grant package: made by the patient's agent, taken by the grantee's organisation.

What counts is the package, checked as one that came by the board; the resource around it has to say exactly what the
certificate says, or nothing is taken. Making one has no effects. Order of effects of taking: signatures, ledger, words;
then books. Taking the same again is harmless.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from careledger.domain.consents import Consent, ConsentState, Grantee, GranteeKind
from careledger.domain.errors import AccessRefused, CannotExpress, CannotOpen, FhirRefused, MalformedBytes
from careledger.domain.parties import PartyId, party_id
from careledger.domain.reasons import Reason
from careledger.fhir.consent import words
from careledger.fhir.consent.agreed import Agreed, Known, NamedRecord
from careledger.fhir.consent.provision import only
from careledger.fhir.consent.reading import agreements
from careledger.fhir.consent.writing import Stands, resource_of
from careledger.fhir.json_text import Resource
from careledger.formats.patients import Envelope, GivenConsent, GrantPackage
from careledger.ports import LedgerView
from careledger.sealing.grants import SIZES, open_package
from careledger.workflows.actors import Holder, Organisation
from careledger.workflows.grant import certificate_of, epoch_compartments, sealed_package
from careledger.workflows.judging import consent_at
from careledger.workflows.network import Network
from careledger.workflows.received import Received, check_grant, is_held, keep_grant

SEALED = "application/vnd.careledger.grant-package"
ATTACHMENT = "Consent.sourceAttachment"
SAID = frozenset(
    {
        "resourceType",
        "id",
        "meta",
        "language",
        "identifier",
        "status",
        "scope",
        "category",
        "patient",
        "dateTime",
        "policy",
        "provision",
        "sourceAttachment",
    }
)
"""Nothing of the resource is kept, so it may hold nothing that is not compared or says nothing."""
_OVER = {
    ConsentState.NONE: (
        Reason.NO_CONSENT,
        "The consent does not stand on the ledger; send it again once it does.",
    ),
    ConsentState.REVOKED: (Reason.CONSENT_REVOKED, Reason.CONSENT_REVOKED.sentence),
    ConsentState.EXPIRED: (Reason.CONSENT_EXPIRED, Reason.CONSENT_EXPIRED.sentence),
}


# By the patient's agent --------------------------------------------------------------------------


def signed_consent(network: Network, holder: Holder, given: GivenConsent) -> Resource:
    """A consent that stands as a Consent with its package, for the grantee's organisation alone to open.

    Raises AccessRefused for one that does not stand, CannotExpress where FHIR cannot carry it, and what
    ``sealed_package`` raises.
    """
    view, certificate = network.ledger.fresh_head(), certificate_of(given)
    consent = _standing(network, view, consent_at(view, given.certificate, network.ledger.deployment))
    stands = Stands(certificate.commitment, "active", consent.given_at)
    made = resource_of(agreed_by(consent), holder.alias, name_at(view), stands)
    package = sealed_package(network, holder, given, epoch_compartments(certificate))
    data = base64.b64encode(package).decode("ascii")
    return {**made, "sourceAttachment": {"contentType": SEALED, "data": data}}


def agreed_by(consent: Consent) -> Agreed:
    """What a consent of the ledger says, as FHIR has it."""
    return Agreed(consent.grantee, consent.scope, consent.purpose, consent.window, consent.ready_made)


def name_at(view: LedgerView) -> Callable[[int], str]:
    """The identifiers of parties, and of teams, as one block has them."""

    def named(number: int) -> str:
        facts = view.party(number)
        return f"{number:016x}" if facts is None else party_id(number, facts.roles)

    return named


def party_at(view: LedgerView, name: str) -> Grantee | None:
    """The post, organisation or team of an identifier ``system|value``; None for anybody else."""
    system, _, value = name.rpartition("|")
    number = _number(value) if system == words.PARTY else 0
    if not number:
        return None
    facts, team = view.party(number), view.team(number)
    if facts is not None:
        kind = GranteeKind.POST if facts.employer else GranteeKind.ORGANISATION
        return Grantee(kind, number, PartyId(facts.employer or number))
    return None if team is None else Grantee(GranteeKind.TEAM, number, PartyId(team[0]))


def _number(value: str) -> int:
    """The number in a party's identifier, or of a team, which is written in hex; 0 for anything else."""
    try:
        return PartyId.parse(value).number
    except MalformedBytes:
        plain = len(value) == 16 and not set(value) - set("0123456789abcdef")
        return int(value, 16) if plain else 0


# By the grantee's organisation -------------------------------------------------------------------


@dataclass(frozen=True)
class Taken:
    """The grant that a Consent brought; ``new`` is False if it had come before."""

    received: Received
    new: bool


def is_signed(consent: Any) -> bool:
    """Whether a resource carries a sealed grant package, or says so."""
    attachment = consent.get("sourceAttachment") if isinstance(consent, dict) else None
    return isinstance(attachment, dict) and attachment.get("contentType") == SEALED


def take_signed(network: Network, organisation: Organisation, consent: Resource) -> Taken:
    """Takes the grant of a Consent, whoever brings it.

    Raises FhirRefused for an attachment that is none, CannotOpen for one that is sealed to somebody else,
    MalformedBytes, SignatureRefused, PatientNotFound for what the present controller did not sign for this
    organisation, AccessRefused for a consent that does not stand or is over, and CannotExpress, with ``path`` and
    ``why``, where the resource says anything else than the certificate.
    """
    envelope = _opened(organisation, consent)
    received, view = check_grant(network, organisation, envelope), network.ledger.fresh_head()
    signed = received.package.certificate
    stands = _standing(network, view, consent_at(view, signed, network.ledger.deployment))
    _check_words(view, consent, received, stands)
    new = not is_held(organisation, received)
    keep_grant(network, organisation, envelope, received)
    return Taken(received, new)


def _opened(organisation: Organisation, consent: Resource) -> Envelope:
    only(consent["sourceAttachment"], frozenset({"contentType", "data"}), ATTACHMENT)
    data = consent["sourceAttachment"].get("data")
    try:
        package = base64.b64decode(data if isinstance(data, str) else "", validate=True)
    except (binascii.Error, ValueError):
        package = b""
    if len(package) not in SIZES:
        raise FhirRefused(path=f"{ATTACHMENT}.data", problem="not a sealed grant package in base64")
    try:
        envelope = Envelope.decode(open_package(organisation.sealing, package))
    except CannotOpen:
        raise CannotOpen(why="it is sealed to another organisation, or changed") from None
    if envelope.kind != GrantPackage.TYPE:
        raise MalformedBytes(why="no grant package")
    return envelope


def _standing(network: Network, view: LedgerView, consent: Consent) -> Consent:
    state = consent.state(max(network.clock.now(), view.head.time))
    if state in _OVER:
        reason, because = _OVER[state]
        raise AccessRefused(reason=reason.code, because=because)
    return consent


def _check_words(view: LedgerView, consent: Resource, received: Received, stands: Consent) -> None:
    only(consent, SAID, "Consent")
    alias, commitment = received.alias.hex(), received.certificate.commitment.hex()
    own = {"system": words.CONSENT, "value": commitment}
    if consent.get("identifier", [own]) != [own]:
        raise CannotExpress(path="Consent.identifier", why="another identifier than the consent's commitment")
    records = {f"{words.VERSION}|{handle.hex()}": record for handle, record in _records(received, stands)}
    known = Known(
        frozenset({f"{words.ALIAS}|{alias}", f"Patient/{alias}"}),
        lambda name: party_at(view, name),
        records.get,
    )
    if agreements(consent, known) != (agreed_by(stands),):
        raise CannotExpress(
            path="Consent.provision", why="it says something else than the certificate that it carries"
        )


def _records(received: Received, stands: Consent) -> list[tuple[bytes, NamedRecord]]:
    """The versions that the certificate names, and no others; where an excepted one lies, counts for nothing."""
    somewhere = min(stands.scope.compartments)
    lies = {key.handle: key.compartment for key in received.package.record_keys}
    named = (stands.scope.handles or frozenset()) & lies.keys()
    made = [(each, NamedRecord(each, type(somewhere).numbered(lies[each]))) for each in named]
    return made + [(each, NamedRecord(each, somewhere)) for each in stands.scope.exceptions]
