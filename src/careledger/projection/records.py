"""What the events of the policy, anchors, leaves, checkpoints and emergency entries change."""

from __future__ import annotations

from careledger.projection.happened import Happened
from careledger.projection.rows import (
    AnchorRow,
    CheckpointRow,
    ErasedRow,
    ErasureRow,
    ErasuresRow,
    GlassRow,
    MatrixRow,
    RetentionRow,
    ReviewRow,
    State,
    WaitingRow,
)

_MASK32, _MASK40, _MASK64 = (1 << 32) - 1, (1 << 40) - 1, (1 << 64) - 1


def _amended(state: State, event: Happened) -> None:
    before = state.get(MatrixRow) or MatrixRow(())
    state.put(event.block, MatrixRow((*before.versions, (event["version"], event["since"]))))


def _withdrawn(state: State, event: Happened) -> None:
    before = state.known(MatrixRow)
    rest = tuple(each for each in before.versions if each[0] != event["version"])
    state.put(event.block, MatrixRow(rest))


def _retained(state: State, event: Happened) -> None:
    before = state.get(RetentionRow) or RetentionRow(())
    made = (event["version"], event["since"], event["table"].to_bytes(32, "big"))
    state.put(event.block, RetentionRow((*before.versions, made)))


def _anchored(state: State, event: Happened) -> None:
    word = event["anchor"]
    row = AnchorRow(
        block=word >> 136 & _MASK64,
        time=word >> 96 & _MASK40,
        organisation=word & _MASK64,
        leaves=word >> 64 & _MASK32,
    )
    state.put(event.block, row, event["root"])


def _erased(state: State, event: Happened) -> None:
    before = state.get(ErasedRow, event["leaf"]) or ErasedRow(())
    state.put(event.block, ErasedRow((*before.custodians, event["custodian"])), event["leaf"])
    known = state.get(ErasuresRow, event["custodian"]) or ErasuresRow(0)
    state.put(event.block, ErasureRow(event["leaf"]), event["custodian"], known.attested)
    state.put(event.block, ErasuresRow(known.attested + 1), event["custodian"])


def _checkpointed(state: State, event: Happened) -> None:
    row = CheckpointRow(
        event["size"], event["root"], event["map_root"], event["note"], event.block, event.time, (), False
    )
    state.put(event.block, row, event["custodian"])


def _cosigned(state: State, event: Happened) -> None:
    row = state.known(CheckpointRow, event["custodian"])
    if row.size == event["size"]:
        changed = row._replace(cosigners=(*row.cosigners, event["cosigner"]))
        state.put(event.block, changed, event["custodian"])


def _forked(state: State, event: Happened) -> None:
    row = state.known(CheckpointRow, event["custodian"])
    state.put(event.block, row._replace(forked=True), event["custodian"])


def _opened(state: State, event: Happened) -> None:
    row = GlassRow(
        event["opener"],
        event["second"],
        event.time,
        event["until"],
        event["restricted"],
        event["afterwards"],
        event["commitment"],
        0,
    )
    state.put(event.block, row, event["entry"])
    waiting = state.get(WaitingRow, event["opener"]) or WaitingRow(())
    state.put(event.block, WaitingRow((*waiting.entries, (event["entry"], event.time))), event["opener"])


def _reviewed(state: State, event: Happened) -> None:
    row = state.known(GlassRow, event["entry"])
    state.put(event.block, row._replace(outcome=event["outcome"]), event["entry"])
    state.put(event.block, ReviewRow(event["reviewer"]), event["entry"])
    waiting = state.known(WaitingRow, row.opener)
    rest = tuple(each for each in waiting.entries if each[0] != event["entry"])
    state.put(event.block, WaitingRow(rest), row.opener)


HANDLERS = {
    "AmendmentEnactedV1": _amended,
    "AmendmentWithdrawnV1": _withdrawn,
    "RetentionEnactedV1": _retained,
    "AnchoredV1": _anchored,
    "LeafErasedV1": _erased,
    "CheckpointAnchoredV1": _checkpointed,
    "CheckpointCosignedV1": _cosigned,
    "LogForkedV1": _forked,
    "BreakGlassOpenedV1": _opened,
    "BreakGlassReviewedV1": _reviewed,
}
