"""What the events of aliases, links and consents change."""

from __future__ import annotations

from careledger.domain.parties import ControllerKind
from careledger.formats.ledger_words import AliasWord
from careledger.projection.happened import Happened
from careledger.projection.rows import AliasRow, ConsentRow, ControlledRow, LinkRow, OwnedRow, State


def _alias_turned(state: State, event: Happened) -> None:
    word = AliasWord.parse(event["word"])
    state.put(event.block, AliasRow(word.controller, word.kind, word.detail, ()), event["name"])
    before = state.get(ControlledRow, word.controller) or ControlledRow(())
    if event["name"] not in before.aliases:
        state.put(event.block, ControlledRow((*before.aliases, event["name"])), word.controller)


def _death_recorded(state: State, event: Happened) -> None:
    before = state.known(AliasRow, event["name"])
    living = (before.controller, before.kind, before.detail, event.time)
    state.put(event.block, AliasRow(bytes(20), ControllerKind.NOBODY, 0, living), event["name"])


def _death_withdrawn(state: State, event: Happened) -> None:
    controller, kind, detail, _ = state.known(AliasRow, event["name"]).living
    state.put(event.block, AliasRow(controller, kind, detail, ()), event["name"])


def _linked(state: State, event: Happened) -> None:
    state.put(event.block, LinkRow(True), event["owner"], event["commitment"])
    _owned(state, event)


def _unlinked(state: State, event: Happened) -> None:
    state.put(event.block, LinkRow(False), event["owner"], event["commitment"])
    _owned(state, event)


def _consent_given(state: State, event: Happened) -> None:
    row = ConsentRow(event["start"], event["until"], event.time, 0)
    state.put(event.block, row, event["owner"], event["commitment"])
    _owned(state, event)


def _consent_revoked(state: State, event: Happened) -> None:
    before = state.get(ConsentRow, event["owner"], event["commitment"]) or ConsentRow(0, 0, 0, 0)
    state.put(event.block, before._replace(revoked_at=event.time), event["owner"], event["commitment"])
    _owned(state, event)


def _owned(state: State, event: Happened) -> None:
    before = state.get(OwnedRow, event["owner"]) or OwnedRow(())
    if event["commitment"] not in before.commitments:
        state.put(event.block, OwnedRow((*before.commitments, event["commitment"])), event["owner"])


HANDLERS = {
    "AliasOpenedV1": _alias_turned,
    "AliasRotatedV1": _alias_turned,
    "DeathRecordedV1": _death_recorded,
    "DeathWithdrawnV1": _death_withdrawn,
    "LinkedV1": _linked,
    "UnlinkedV1": _unlinked,
    "ConsentGivenV1": _consent_given,
    "ConsentRevokedV1": _consent_revoked,
}
