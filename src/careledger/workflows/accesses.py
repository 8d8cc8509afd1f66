"""With what somebody may ask: by a received grant, by a standing rule, or as the holder of the keys."""

from __future__ import annotations

from collections.abc import Iterable

from careledger.domain.categories import Compartment
from careledger.domain.consents import Purpose
from careledger.domain.reasons import Rule
from careledger.formats.patients import AliasStatement
from careledger.formats.releases import SignedAgreement
from careledger.sealing.keys import Secret
from careledger.workflows.actors import Holder, Session
from careledger.workflows.asking import Access, session_access
from careledger.workflows.epochs import open_epochs
from careledger.workflows.network import Network
from careledger.workflows.received import Received, epoch_keys

Seeds = tuple[tuple[tuple[int, int], Secret], ...]


def by_consent(session: Session, received: Received) -> Access:
    """A post of the grantee's organisation, with the grant that reached it."""
    organisation = session.staff.organisation
    keys = epoch_keys(organisation, received.certificate)
    return session_access(
        session,
        Rule.CONSENT,
        Purpose.of(received.certificate.purpose),
        certificate=received.package.certificate,
        seeds=tuple(((key.compartment, key.number), Secret(key.seed)) for key in keys),
        secrets=tuple((key.handle, Secret(key.secret)) for key in received.package.record_keys),
    )


def by_general(session: Session, agreement: SignedAgreement | None = None) -> Access:
    """A verified doctor's reading of normal general information; opened from escrow.

    Beyond forty patients a day with an officer's ``agreement`` (workflows.agree), good for one request.
    """
    return session_access(session, Rule.GENERAL, Purpose.TREAT, agreement=agreement)


def by_registrar(
    network: Network,
    session: Session,
    holder: Holder,
    statement: AliasStatement,
    asked: Iterable[Compartment],
) -> Access:
    """The registrar's post, for care, while the registrar holds the keys."""
    seeds = holder_seeds(network, holder, statement, asked)
    return session_access(session, Rule.REGISTRAR, Purpose.TREAT, seeds=seeds)


def by_holder(
    network: Network, holder: Holder, statement: AliasStatement, asked: Iterable[Compartment]
) -> Access:
    """The patient's own reading."""
    seeds = holder_seeds(network, holder, statement, asked)
    return Access(Rule.OWN, Purpose.PATRQT, holder.controller, seeds=seeds)


def holder_seeds(
    network: Network, holder: Holder, statement: AliasStatement, asked: Iterable[Compartment]
) -> Seeds:
    """All epoch seeds of these compartments that can be found: reading needs t custodians, not all that deposits do."""
    enough = network.thresholds.opening
    return tuple(
        ((compartment.number, number), seed)
        for compartment in asked
        for number, seed in open_epochs(network, holder, statement, compartment.number, enough).items()
    )
