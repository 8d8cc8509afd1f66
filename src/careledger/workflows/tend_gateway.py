"""What a gateway does by itself, every few seconds and first when it starts: what is due, and what a crash left open.

Each part may be repeated and none depends on another, so what fails now is tried again the next time.
"""

from __future__ import annotations

from dataclasses import dataclass

from careledger.workflows.actors import Organisation
from careledger.workflows.break_glass import enter_emergencies
from careledger.workflows.network import Network
from careledger.workflows.register import enter_registrations, finish_patients
from careledger.workflows.tell_moved import tell_untold


@dataclass(frozen=True)
class GatewayTended:
    """How much still waits: patients not ready yet, registrations whose time has not come or that were not taken,
    emergencies that were opened while the ledger stood still, patients whose readers are still to be told of a move."""

    patients: int
    registrations: int
    emergencies: int
    moves: int


def tend_gateway(network: Network, organisation: Organisation) -> GatewayTended:
    """Finishes begun patients; enters registrations that are due, and emergencies that the ledger has missed; tells
    readers of what was moved away."""
    return GatewayTended(
        finish_patients(network, organisation),
        enter_registrations(network, organisation),
        enter_emergencies(network, organisation),
        tell_untold(network, organisation),
    )
