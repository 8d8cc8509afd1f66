"""With what a post reads or writes for a patient: the strongest ground that it has now.

Nothing is decided here: custodians decide on what is asked, and say why not. Grants are fetched from the board first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from careledger.domain.categories import Category, Compartment, Sensitivity
from careledger.domain.consents import Permission, Purpose
from careledger.domain.errors import AccessRefused, PatientNotFound
from careledger.domain.reading import BROKEN_OPEN
from careledger.domain.reasons import Reason, Rule
from careledger.domain.records import Ground
from careledger.formats.after_death import AfterDeathDecision, SignedDecision
from careledger.formats.patients import AliasStatement
from careledger.formats.releases import SignedAgreement
from careledger.formats.scopes import scope_of
from careledger.workflows import accesses
from careledger.workflows.actors import Session
from careledger.workflows.after_death import by_decision
from careledger.workflows.asking import Access
from careledger.workflows.batches import Writer
from careledger.workflows.break_glass import emergency_access
from careledger.workflows.emergencies import emergency_for
from careledger.workflows.network import Network
from careledger.workflows.received import Received, fetch_grants, grants, live_grant
from careledger.workflows.register import keeps_keys, kept_holder


@dataclass(frozen=True, repr=False)
class Reading:
    """What a post asks with, for which compartments, and which of those that were wanted its ground never opens."""

    access: Access
    compartments: tuple[Compartment, ...]
    closed: tuple[Compartment, ...]
    handles: tuple[bytes, ...] | None = None


def reading(
    network: Network,
    session: Session,
    statement: AliasStatement,
    wanted: Sequence[Compartment],
    purpose: Purpose = Purpose.TREAT,
    rule: Rule | None = None,
    agreement: SignedAgreement | None = None,
) -> Reading:
    """The named rule's ground, else a grant, else the registrar's, else the rule for general information.

    ``agreement`` is an officer's to general information beyond a day's forty patients (workflows.agree). Raises
    AccessRefused where there is no ground.
    """
    alias, organisation = statement.alias, session.staff.organisation
    fetch_grants(network, organisation)
    if rule is Rule.BREAK_GLASS:
        view, now = network.ledger.fresh_head(), network.clock.now()
        emergency = emergency_for(view, session.staff, alias, now)
        named = {Compartment.numbered(number) for number in emergency.opening.restricted}
        reach = [each for each in wanted if each.category in BROKEN_OPEN and (_normal(each) or each in named)]
        return _reading(emergency_access(session, emergency), wanted, reach)
    if rule in (None, Rule.CONSENT) and (granted := _granted(network, session, statement, purpose, wanted)):
        return _by_grant(session, granted, wanted)
    if rule in (None, Rule.REGISTRAR) and keeps_keys(organisation, alias):
        holder, reach = kept_holder(organisation, alias), [each for each in wanted if _normal(each)]
        return _reading(accesses.by_registrar(network, session, holder, statement, reach), wanted, reach)
    if rule is Rule.GENERAL or (rule is None and set(wanted) == {Compartment(Category.GENERAL)}):
        return _reading(accesses.by_general(session, agreement), wanted, [Compartment(Category.GENERAL)])
    raise AccessRefused(reason=Reason.NO_CONSENT.code, because=Reason.NO_CONSENT.sentence)


def by_one_consent(
    network: Network, session: Session, statement: AliasStatement, named: bytes, wanted: Sequence[Compartment]
) -> Reading:
    """The ground that one consent gives, its owner ‖ its commitment, whatever others there are; raises AccessRefused
    where no grant of it reached the organisation."""
    organisation = session.staff.organisation
    fetch_grants(network, organisation)
    for each in grants(organisation, statement.alias):
        if each.certificate.owner + each.certificate.commitment == named:
            return _by_grant(session, each, wanted)
    raise AccessRefused(reason=Reason.NO_CONSENT.code, because=Reason.NO_CONSENT.sentence)


def by_officers(session: Session, decision: SignedDecision, wanted: Sequence[Compartment]) -> Reading:
    """Two officers' decision about somebody who has died."""
    decided = AfterDeathDecision.decode(decision.by_first.body).compartments
    reach = [each for each in wanted if each.number in decided]
    return _reading(by_decision(session, decision), wanted, reach or list(wanted))


def writer(network: Network, session: Session, statement: AliasStatement, amends: bool = False) -> Writer:
    """The registrar's ground while it holds the keys, else a consent to append (or amend), else unasked."""
    organisation, alias = session.staff.organisation, statement.alias
    if keeps_keys(organisation, alias):
        return Writer(organisation, Ground.REGISTRAR, session)
    fetch_grants(network, organisation)
    permission = Permission.AMEND if amends else Permission.APPEND
    try:
        found = live_grant(network, session.staff, alias, Purpose.TREAT.code, permission)
    except (AccessRefused, PatientNotFound):
        return Writer(organisation, Ground.UNASKED, session)
    if permission.code not in found.certificate.scope.permissions:
        return Writer(organisation, Ground.UNASKED, session)
    return Writer(organisation, Ground.APPEND, session, certificate=found.package.certificate)


def _granted(
    network: Network,
    session: Session,
    statement: AliasStatement,
    purpose: Purpose,
    wanted: Sequence[Compartment],
) -> Received | None:
    numbers = [each.number for each in wanted]
    try:
        return live_grant(network, session.staff, statement.alias, purpose.code, Permission.VIEW, numbers)
    except AccessRefused:
        return None


def _by_grant(session: Session, granted: Received, wanted: Sequence[Compartment]) -> Reading:
    scope = scope_of(granted.certificate.scope)
    reach = [each for each in wanted if each in scope.compartments]
    handles = None if scope.handles is None else tuple(sorted(scope.handles))
    return _reading(accesses.by_consent(session, granted), wanted, reach or list(wanted), handles)


def _reading(
    access: Access,
    wanted: Sequence[Compartment],
    reach: Sequence[Compartment],
    handles: tuple[bytes, ...] | None = None,
) -> Reading:
    return Reading(access, tuple(reach), tuple(each for each in wanted if each not in set(reach)), handles)


def _normal(compartment: Compartment) -> bool:
    return compartment.sensitivity is Sensitivity.NORMAL
