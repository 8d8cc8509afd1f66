"""Give a ready-made consent unchanged: its categories for its time, or the latest record of its category alone.

Order of effects: those of ``grant``; the latest record is looked up first.
"""

from __future__ import annotations

from careledger.domain.consents import Grantee, Scope, Window
from careledger.domain.errors import RecordNotFound
from careledger.domain.ready_made import ReadyMade
from careledger.workflows.accesses import by_holder
from careledger.workflows.actors import Holder
from careledger.workflows.disclose import disclose
from careledger.workflows.epochs import own_statement
from careledger.workflows.grant import Granted, grant
from careledger.workflows.network import Network
from careledger.workflows.retrieve import newest, retrieve


def give_ready_made(
    network: Network, holder: Holder, template: ReadyMade, grantee: Grantee, window: Window
) -> Granted:
    """Gives it for that window; raises RecordNotFound where the latest record of none is to be shown, and what
    ``grant`` raises."""
    if not template.latest:
        scope = Scope(template.compartments, template.permissions)
        return grant(network, holder, grantee, scope, template.purpose, window, ready_made=template.name)
    statement, asked = own_statement(holder)[0], sorted(template.compartments)
    read = retrieve(network, by_holder(network, holder, statement, asked), statement, asked)
    records = [record for record in newest(read.records) if not record.distrust]
    if not records:
        raise RecordNotFound(why="nothing of this category")
    latest = max(records, key=lambda record: record.manifest.clinical_date or "")
    return disclose(network, holder, grantee, [latest], template.purpose, window, template.name)
