"""A revocation that the patient's agent tells directly, so that it holds here before the ledger shows it.

Order of effects: the journal; from then on this custodian takes the consent for revoked, whatever the ledger says.
"""

from __future__ import annotations

from careledger.domain.errors import RequestRefused
from careledger.formats.consent_messages import RevokeConsent
from careledger.formats.digests import digest
from careledger.formats.patients import Certificate
from careledger.formats.relaying import ConsentRevocation
from careledger.formats.signatures import check_signer
from careledger.formats.signed import open_signed
from careledger.workflows.custodian.parts import Custody, alias_facts

KIND = "revocation"


def hear(custody: Custody, body: bytes) -> bytes:
    """Takes a ConsentRevocation; returns a signed receipt. Repeating is harmless.

    Raises PatientNotFound, NotTheController, SignatureRefused, RequestRefused when its time is over or it is about
    another consent.
    """
    heard = ConsentRevocation.decode(body)
    claimed = Certificate.decode(heard.certificate.body)
    custody.statement(claimed.alias)
    view = custody.fresh_head()
    controller = alias_facts(view, claimed.alias).controller
    certificate = open_signed(Certificate, heard.certificate, controller, custody.deployment)
    revoked = heard.entry.message
    if not isinstance(revoked, RevokeConsent) or revoked.commitment != certificate.commitment:
        raise RequestRefused(reason="another-certificate")
    ledger = custody.ledger
    signed = revoked.digest(ledger.chain_id, ledger.contract(revoked.CONTRACT))
    check_signer(signed, heard.entry.signatures[0], certificate.owner)
    if revoked.deadline < custody.time(view):
        raise RequestRefused(reason="deadline")
    if not was_heard(custody, certificate):
        _keep(custody, certificate, body)
    return custody.receipt(view, ConsentRevocation.TYPE, heard.digest(), 0)


def was_heard(custody: Custody, certificate: Certificate) -> bool:
    """Whether this consent's owner has told this custodian that it is revoked."""
    return custody.journal.act(KIND, _id(certificate)) is not None


def _keep(custody: Custody, certificate: Certificate, body: bytes) -> None:
    with custody.journal.transaction():
        act = custody.journal.add_act(KIND, _id(certificate), digest(ConsentRevocation.TYPE, body), body)
    with custody.rows.transaction():
        custody.rows.set_applied(act.number)


def _id(certificate: Certificate) -> bytes:
    return certificate.owner + certificate.commitment
