"""A death: two ministry officers say so, and nobody controls the alias any more; all its consents end at that block.

The officers may speak one after the other; repeating is harmless. A death recorded wrongly is withdrawn the same way,
and the controller is who it was.
"""

from __future__ import annotations

from collections.abc import Sequence

from careledger.domain.errors import ActRefused, PatientNotFound
from careledger.domain.facts import AliasFacts, Head
from careledger.domain.parties import ControllerKind
from careledger.ports import LedgerView
from careledger.workflows.network import Network
from careledger.workflows.parties import check_officer
from careledger.workflows.register import Officer


def record_death(network: Network, alias: bytes, officers: Sequence[Officer]) -> Head:
    """The word of these officers; raises PatientNotFound, and ActRefused for anybody else."""
    view = network.ledger.fresh_head()
    if _facts(view, alias, officers).kind is ControllerKind.NOBODY:
        return view.head
    return network.ledger.close_alias(alias, [(officer.post, officer.key) for officer in officers])


def withdraw_death(network: Network, alias: bytes, officers: Sequence[Officer]) -> Head:
    """The word of these officers that the patient lives; raises PatientNotFound, ActRefused."""
    view = network.ledger.fresh_head()
    if _facts(view, alias, officers).kind is not ControllerKind.NOBODY:
        return view.head
    return network.ledger.reopen_alias(alias, [(officer.post, officer.key) for officer in officers])


def _facts(view: LedgerView, alias: bytes, officers: Sequence[Officer]) -> AliasFacts:
    if not officers:
        raise ActRefused(why="only ministry officers may")
    for officer in officers:
        check_officer(view, officer)
    facts = view.alias(alias)
    if facts is None:
        raise PatientNotFound()
    return facts
