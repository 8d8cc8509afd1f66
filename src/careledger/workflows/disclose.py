"""Disclose single records: a consent of handles, with those records' secrets and no epoch key.

Whoever is shown one version does not get the next: an amended version has a new batch secret.
"""

from __future__ import annotations

from collections.abc import Sequence

from careledger.domain.consents import Grantee, Permission, Purpose, Scope, Window
from careledger.formats.patients import RecordKey
from careledger.workflows.actors import Holder
from careledger.workflows.grant import Granted, grant
from careledger.workflows.network import Network
from careledger.workflows.retrieve import Record


def disclose(
    network: Network,
    holder: Holder,
    grantee: Grantee,
    records: Sequence[Record],
    purpose: Purpose,
    window: Window,
    ready_made: str = "",
) -> Granted:
    """Shows exactly these versions to a grantee for a time; raises CannotExpress for none."""
    scope = Scope(
        frozenset(record.compartment for record in records),
        frozenset({Permission.VIEW}),
        handles=frozenset(record.handle for record in records),
    )
    keys = [RecordKey(record.handle, record.compartment.number, record.secret.reveal()) for record in records]
    return grant(network, holder, grantee, scope, purpose, window, keys, ready_made)
