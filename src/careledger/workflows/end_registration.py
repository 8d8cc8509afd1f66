"""A patient ends a registration: the organisation's access ends, its own chart stays.

Order of effects on the patient's side: consents to the organisation revoked one after the other (each with new epochs
first), then a statement that names no registrar, so that nothing more is imported as its own. The organisation takes
the registration off the ledger. Each side repeats its own part.
"""

from __future__ import annotations

from careledger.domain.errors import ActRefused, LedgerRefused, PatientNotFound
from careledger.domain.facts import Head
from careledger.domain.parties import ControllerKind
from careledger.workflows.actors import Holder, Organisation
from careledger.workflows.epochs import own_statement, publish_statement
from careledger.workflows.grant import PREPARED, STANDS, certificate_of, given_consents
from careledger.workflows.identity_rows import Identity
from careledger.workflows.network import Network
from careledger.workflows.register import BEGUN, IDENTITY, UNENTERED
from careledger.workflows.revoke import revoke


def leave(network: Network, holder: Holder, organisation: int) -> int:
    """The patient's part; returns how many consents were revoked.

    Raises ActRefused while the registrar holds the keys: the patient claims first.
    """
    facts = network.ledger.fresh_head().alias(holder.alias)
    if facts is None:
        raise PatientNotFound()
    if facts.kind is ControllerKind.REGISTRAR:
        raise ActRefused(why="the registrar holds the keys; claim the record first")
    live = [
        certificate_of(given).owner
        for given in given_consents(holder)
        if given.state in (PREPARED, STANDS) and certificate_of(given).grantee.organisation == organisation
    ]
    for owner in live:
        revoke(network, holder, owner)
    statement, _ = own_statement(holder)
    if statement.registrar == organisation:
        publish_statement(
            network, holder, statement.custodians, statement.custodian_seed, 0, statement.escrow
        )
    return len(live)


def end_registration(network: Network, registrar: Organisation, alias: bytes) -> Head:
    """The organisation's part: its registration of that patient ends on the ledger; one not entered yet never is.

    Repeating is harmless. Raises PatientNotFound if its identity table has no such patient, LedgerRefused.
    """
    row = registrar.books.get(IDENTITY, alias)
    if row is None:
        raise PatientNotFound()
    registration = Identity.decode(row).registration
    try:
        head = network.ledger.end_registration(registration, registrar.controller)
    except LedgerRefused as refusal:  # it ended before, or was not entered yet
        if refusal.details.get("reason") != "unknown":
            raise
        head = network.ledger.fresh_head().head
    registrar.books.drop(BEGUN, [alias])
    registrar.books.drop(UNENTERED, [registration])
    return head
