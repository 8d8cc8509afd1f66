"""With what a post asks for a patient's records, what of them is closed to it, and what its token's scopes show."""

from __future__ import annotations

from collections.abc import Sequence

from careledger.app.scopes import Scopes
from careledger.app.tokens import Bearer
from careledger.domain.categories import Category, Compartment, Sensitivity
from careledger.domain.consents import Purpose
from careledger.domain.errors import AccessRefused, FhirRefused
from careledger.domain.matrix import VERSIONS, ReadCell
from careledger.domain.reasons import Rule
from careledger.fhir.export import resource_of
from careledger.formats.patients import AliasStatement
from careledger.ports import LedgerView
from careledger.workflows.actors import Session
from careledger.workflows.grounds import Reading, by_one_consent, reading
from careledger.workflows.judging import post_at
from careledger.workflows.network import Network
from careledger.workflows.retrieve import Record, newest

WANTED = tuple(Compartment(category) for category in Category)
"""What is asked for: everything that is not restricted; restricted records are asked for by name elsewhere."""
IN_EMERGENCY = (*WANTED, *(Compartment(category, Sensitivity.RESTRICTED) for category in Category))
"""What is asked for where the glass was broken: of restricted records those that its entry names."""


def ground_of(
    network: Network, session: Session, bearer: Bearer, statement: AliasStatement
) -> tuple[Reading, tuple[Compartment, ...]]:
    """With what this post asks, and the compartments that are closed to it; raises AccessRefused."""
    rule = Rule.BREAK_GLASS if bearer.purpose is Purpose.BTG else None
    wanted = WANTED if rule is None else IN_EMERGENCY
    ground: Reading = (
        by_one_consent(network, session, statement, bearer.consent, wanted)
        if bearer.consent
        else reading(network, session, statement, wanted, bearer.purpose, rule)
    )
    never = unreadable(network, bearer)
    return ground, tuple(sorted({*ground.closed, *(each for each in WANTED if each.category in never)}))


def check_reaches(bearer: Bearer, alias: bytes) -> None:
    """Raises AccessRefused where an app was launched for another patient."""
    if bearer.patient not in (b"", alias):
        raise AccessRefused(because="This app was launched for another patient.")


def unreadable(network: Network, bearer: Bearer) -> frozenset[Category]:
    """What the matrix in force lets nobody read who acts as this post does, whatever is shared."""
    return closed_to(network.ledger.fresh_head(), bearer.staff.number)


def closed_to(view: LedgerView, post: int) -> frozenset[Category]:
    """The same at one block."""
    matrix, acting = VERSIONS[view.matrix_version()], post_at(view, post).acting
    return frozenset(
        each for each in Category if all(matrix.reading(role, each) is ReadCell.NO for role in acting)
    )


def within(scopes: Scopes, records: Sequence[Record]) -> tuple[Record, ...]:
    """Those of these records that the scopes show. Of a type that they show in part: what they cover of the records
    whose newest version they cover, so that no older one stands for it."""
    some = [each for each in records if scopes.shows_some(each.manifest.resource_type)]
    partly = [each for each in some if not scopes.shows(each.manifest.resource_type)]
    kept = {each.handle for each in partly if _covers(scopes, each)}
    now = {each.manifest.record_id for each in newest(partly) if each.handle in kept}
    return tuple(
        each
        for each in some
        if scopes.shows(each.manifest.resource_type)
        or (each.handle in kept and each.manifest.record_id in now)
    )


def _covers(scopes: Scopes, record: Record) -> bool:
    try:
        return scopes.cover("r", record.manifest.resource_type, resource_of(record.body))
    except FhirRefused:
        return False
