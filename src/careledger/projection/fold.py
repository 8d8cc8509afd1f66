"""The fold: one event of the contracts after the other, each changing a few rows.

It needs nothing but the events and the rows before them, so that the rows can be dropped and made again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from careledger.projection import parties, patients, records
from careledger.projection.happened import Happened
from careledger.projection.rows import State

Handler = Callable[[State, Happened], None]

HANDLERS: dict[str, Handler] = parties.HANDLERS | patients.HANDLERS | records.HANDLERS

WITHOUT_FACTS = frozenset(
    {
        "AliasAlarmedV1",
        "AlarmStoppedV1",
        "AmendmentVotedV1",
        "ChartTakenV1",
        "CheckpointRefusedV1",
        "ConsentRefusedV1",
        "ContractNamedV1",
        "ContractReplacedV1",
        "DeathVotedV1",
        "GuardiansNamedV1",
        "LeafSupersededV1",
        "LinkVotedV1",
        "MemberAdmittedV1",
        "MemberExcludedV1",
        "MemberVotedV1",
        "OfficerVotedV1",
        "PatientRegisteredV1",
        "RecordDepositedV1",
        "RecordRemovedV1",
        "RegistrationEndedV1",
        "ReplacementCarriedV1",
        "ReplacementProposedV1",
        "RetentionVotedV1",
        "ThresholdChangedV1",
        "WithdrawalVotedV1",
    }
)
"""Events that change no fact of the port LedgerView."""


def fold(state: State, events: Iterable[Happened]) -> None:
    """Changes the state as the events say, in the chain's order; events without facts pass."""
    for event in events:
        handler = HANDLERS.get(event.name)
        if handler is not None:
            handler(state, event)
