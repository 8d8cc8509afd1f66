"""What a gateway does by itself, every few seconds and first when it starts: what is due, and what a crash left open.

Each part may be repeated and none depends on another, so what fails now is tried again the next time.
"""

from __future__ import annotations

from dataclasses import dataclass

from careledger.workflows.actors import Organisation
from careledger.workflows.network import Network
from careledger.workflows.register import enter_registrations, finish_patients


@dataclass(frozen=True)
class GatewayTended:
    """How much still waits: patients not ready yet, registrations whose time has not come or that were not taken."""

    patients: int
    registrations: int


def tend_gateway(network: Network, organisation: Organisation) -> GatewayTended:
    """Finishes begun patients and enters the registrations that are due."""
    return GatewayTended(finish_patients(network, organisation), enter_registrations(network, organisation))
