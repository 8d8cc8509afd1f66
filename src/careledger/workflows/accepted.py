"""The reader's own decision whether what was deposited unasked was accepted, at the block that the acceptance names.

What custodians say is a claim; this is its proof: an order of who controlled the alias at that block, or a doctor's
acceptance decided as custodians decided it.
"""

from __future__ import annotations

from dataclasses import replace

from careledger.domain.consents import GranteeKind, Purpose
from careledger.domain.decisions import require
from careledger.domain.errors import CareLedgerError, PatientNotFound, SignatureRefused
from careledger.domain.parties import PartyId
from careledger.domain.questions import Accepting, Action, Reading
from careledger.domain.reasons import Rule
from careledger.domain.records import RecordState, RecordVersion
from careledger.formats.patients import Order
from careledger.formats.releases import Acceptance, AcceptanceProof
from careledger.formats.sessions import SessionStatement
from careledger.formats.signed import open_signed
from careledger.workflows.evidence import Found
from careledger.workflows.judging import consent_at, matrix_at, patient_at, post_at
from careledger.workflows.network import Network


def is_accepted(network: Network, registrar: int, found: Found, version: RecordVersion) -> bool:
    """Whether one of the acceptances that came with a version holds; ``version`` is it as the ledger shows it."""
    for proof in found.acceptances:
        try:
            if proof.session is None:
                _check_order(network, proof, version)
            else:
                _check_acceptance(network, registrar, proof, found, version)
        except CareLedgerError:
            continue
        return True
    return False


def _check_order(network: Network, proof: AcceptanceProof, version: RecordVersion) -> None:
    """The controller's order; raises SignatureRefused, PatientNotFound."""
    order = Order.decode(proof.statement.body)
    facts = network.ledger.at(order.block).alias(order.alias)
    if facts is None:
        raise PatientNotFound()
    open_signed(Order, proof.statement, facts.controller, network.ledger.deployment)
    if (order.act, order.alias) != ("accept", version.alias) or version.handle not in order.handles:
        raise SignatureRefused(why="an order about something else")


def _check_acceptance(
    network: Network, registrar: int, proof: AcceptanceProof, found: Found, version: RecordVersion
) -> None:
    """A treating doctor's acceptance; raises what does not hold."""
    claimed, deployment = Acceptance.decode(proof.statement.body), network.ledger.deployment
    view = network.ledger.at(claimed.block)
    post = view.party(claimed.post)
    if post is None or proof.session is None or proof.certificate is None:
        raise SignatureRefused(why="nobody's session or consent")
    session = open_signed(SessionStatement, proof.session.statement, post.controller, deployment)
    made = open_signed(Acceptance, proof.statement, session.session_key, deployment)
    if session.post != made.post or not session.made <= made.made < session.until:
        raise SignatureRefused(why="another session")
    if made.alias != version.alias or version.handle not in made.handles:
        raise SignatureRefused(why="an acceptance of something else")
    consent = consent_at(view, proof.certificate, deployment)
    team = consent.grantee.number if consent.grantee.kind is GranteeKind.TEAM else 0
    seeing = Reading(
        Action.RELEASE, Rule.CONSENT, replace(version, accepted=False, state=RecordState.KEPT),
        patient_at(view, made.alias, registrar), Purpose.of(made.purpose), matrix_at(view),
        matrix_at(network.ledger.at(found.anchor.block)), max(made.made, view.head.time),
        post_at(view, made.post, team), consent=consent,
    )  # fmt: skip
    made_by = (found.statement.post, found.item.author)
    require(Accepting(seeing, frozenset(PartyId(each) for each in made_by if each)))
