"""A patient lets an app in: a consent to the app's post, and a pass that is shown to the patient alone.

Whoever types the pass at the gateway that hosts the app shows that the patient's agent sent them: the agent signs the
pass's digest and seals it to that organisation, so that nobody else can tell which pass is whose. Order of effects: the
consent stands (``grant``), then the pass lies on the board, then it is shown. A crash between leaves a consent that
nobody uses and that is seen in the list of consents; ``let_in`` goes on with it.
"""

from __future__ import annotations

import secrets

from careledger.domain.errors import CannotExpress, RecordNotFound
from careledger.domain.reading import consent_misses
from careledger.formats.apps import AppPass
from careledger.formats.patients import Certificate, Envelope
from careledger.formats.signed import sign
from careledger.ports import LedgerView
from careledger.sealing.grants import seal_package
from careledger.workflows.actors import Holder, Organisation
from careledger.workflows.app_passes import BYTES, LASTS, PASSES, as_text, digest_of, secret_of
from careledger.workflows.board import organisation_key
from careledger.workflows.judging import consent_at, patient_at, post_at
from careledger.workflows.network import Network
from careledger.workflows.received import Received, fetch_grants, grants
from careledger.workflows.two_hops import post


def let_in(network: Network, holder: Holder, certificate: Certificate, client: str, scopes: str) -> str:
    """A pass for the app with that client id, by a consent that stands: 16 characters in groups of four, good once and
    for fifteen minutes. Raises CannotExpress where the ledger does not show the consent, PartyNotFound,
    PartyNotVerified, DigestMismatch."""
    view, now = network.ledger.fresh_head(), network.clock.now()
    if not stands(view, now, certificate.owner + certificate.commitment):
        raise CannotExpress(why="the consent does not stand")
    public = organisation_key(network, certificate.grantee.organisation)
    secret = secrets.token_bytes(BYTES)
    made = AppPass(
        holder.alias,
        client,
        certificate.owner,
        certificate.commitment,
        scopes,
        digest_of(secret),
        now + LASTS,
    )
    signed = sign(made, holder.controller, network.ledger.deployment)
    post(network, seal_package(public, Envelope(AppPass.TYPE, signed, None).encode()))
    return as_text(secret)


def admitted(network: Network, organisation: Organisation, said: str) -> tuple[AppPass, Received]:
    """What that pass lets in, and the grant by which; whether it was used is the caller's to know. What is new on the
    board is taken first. Raises RecordNotFound, the same for whatever is no pass that counts now."""
    fetch_grants(network, organisation)
    view, at = network.ledger.fresh_head(), network.clock.now()
    row = organisation.books.get(PASSES, digest_of(secret_of(said)))
    if row is None or (found := AppPass.decode(row)).until <= at:
        raise RecordNotFound(what="a pass")
    for each in grants(organisation, found.alias):
        certificate = each.certificate
        if (certificate.owner, certificate.commitment) == (found.owner, found.commitment):
            _check(network, view, each)
            return found, each
    raise RecordNotFound(what="a pass")


def stands(view: LedgerView, now: int, consent: bytes) -> bool:
    """Whether the ledger shows that consent, its owner ‖ its commitment, in force."""
    facts, at = view.consent(consent[:20], consent[20:]), max(now, view.head.time)
    return facts is not None and facts.given_at > 0 and not facts.revoked_at and facts.start <= at < facts.end


def _check(network: Network, view: LedgerView, received: Received) -> None:
    """Raises RecordNotFound unless the consent is live for the post that it names."""
    consent = consent_at(view, received.package.certificate, network.ledger.deployment)
    patient = patient_at(view, received.alias, received.statement.registrar)
    grantee = post_at(view, received.certificate.grantee.number)
    if consent_misses(consent, patient, grantee, max(network.clock.now(), view.head.time)) is not None:
        raise RecordNotFound(what="a pass")
