"""What a gateway does by itself, every few seconds and first when it starts: what is due, and what a crash left open.

Each part may be repeated and none depends on another: what fails now keeps no other from being done, and is tried again
the next time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from careledger.domain.records import Ground
from careledger.formats.patients import GivenConsent, Order
from careledger.formats.signed import Signed
from careledger.workflows import epochs, order
from careledger.workflows.actors import Organisation
from careledger.workflows.batches import Writer
from careledger.workflows.break_glass import enter_emergencies
from careledger.workflows.deposit import complete, resume
from careledger.workflows.grant import GIVEN, REVOKED, STANDS
from careledger.workflows.network import Network
from careledger.workflows.received import fetch_grants
from careledger.workflows.register import enter_registrations, finish_patients, kept_aliases, kept_holder
from careledger.workflows.retract import own_untold, repeat_retractions
from careledger.workflows.tell_moved import tell_untold
from careledger.workflows.tend import Attempts, tend


@dataclass(frozen=True)
class GatewayTended:
    """How much still waits: patients not ready yet, registrations whose time has not come or that were not taken,
    emergencies that were opened while the ledger stood still, patients whose readers are still to be told of a move,
    custodians that missed a retraction, that miss shares, unclaimed patients with something open. ``deposits`` were
    finished and ``grants`` fetched; ``failed`` could not be done now."""

    patients: int
    registrations: int
    emergencies: int
    moves: int
    retractions: int
    shares: int
    unclaimed: int
    deposits: int
    grants: int
    failed: tuple[str, ...]


def tend_gateway(network: Network, organisation: Organisation) -> GatewayTended:
    """Finishes begun patients and deposits; enters registrations that are due, and emergencies that the ledger has
    missed; tells readers of what was moved away, and custodians of retractions that they missed; completes thin
    deposits; fetches grants; tends the patients whose keys this organisation keeps. Raises nothing that was refused."""
    attempts = Attempts()
    depositor = Writer(organisation, Ground.REGISTRAR)
    patients = attempts.run("finishing patients", lambda: finish_patients(network, organisation))
    registrations = attempts.run("entering registrations", lambda: enter_registrations(network, organisation))
    emergencies = attempts.run("entering emergencies", lambda: enter_emergencies(network, organisation))
    moves = attempts.run("telling who read what was moved", lambda: tell_untold(network, organisation))
    deposits = attempts.run("finishing deposits", lambda: resume(network, depositor))
    retractions = attempts.run("repeating retractions", lambda: repeat_retractions(network, organisation))
    shares = attempts.run("completing deposits", lambda: complete(network, organisation))
    grants = attempts.run("fetching grants", lambda: fetch_grants(network, organisation))
    unclaimed = attempts.run("tending unclaimed patients", lambda: _tend_unclaimed(network, organisation))
    failed = tuple(attempts.failed)
    return GatewayTended(
        patients, registrations, emergencies, moves, retractions, shares, unclaimed, deposits, grants, failed
    )


def _tend_unclaimed(network: Network, organisation: Organisation) -> int:
    """Does for unclaimed patients with something open what their agent would do; returns how many stay so."""
    now = network.clock.now()
    waiting = set(_open(organisation, now)).intersection(kept_aliases(organisation))
    return sum(tend(network, kept_holder(organisation, alias)).waits for alias in waiting)


def _open(organisation: Organisation, now: int) -> Iterator[bytes]:
    """The aliases with an unfinished or expired consent, or with something that some custodian missed."""
    books = organisation.books
    for key, row in books.rows(GIVEN):
        given = GivenConsent.decode(row)
        if given.state != REVOKED and (given.state != STANDS or given.end <= now):
            yield key[:32]
    for key, _ in books.rows(epochs.UNTOLD):
        yield key[:32]
    yield from own_untold(books)
    for _, row in books.rows(order.UNTOLD):
        yield Order.decode(Signed.decode(row).body).alias
