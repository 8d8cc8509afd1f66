"""What files go through before they are sealed, as a service's settings say."""

from __future__ import annotations

from careledger.adapters.clamd import Clamd
from careledger.app.service.table import Service
from careledger.workflows.scanning import Scanning


def scanner(service: Service) -> Clamd | None:
    """The daemon that the settings name, None for none; it is not asked here."""
    return Clamd(service.scanner, service.scans_most, service.scans_within) if service.scanner else None


def scanning(service: Service) -> Scanning | None:
    """The same as workflows use it."""
    found = scanner(service)
    return None if found is None else Scanning(found)
