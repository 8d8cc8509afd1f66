"""What the registry's and the teams' events change."""

from __future__ import annotations

from collections.abc import Callable

from careledger.domain.parties import Role, Status
from careledger.formats.ledger_words import PartyWord, role_bits
from careledger.projection.happened import Happened
from careledger.projection.rows import (
    CustodianRow,
    CustodiansRow,
    MembershipsRow,
    MinistryRow,
    PartyRow,
    State,
    TeamRow,
)

ANNOUNCED, ACTIVE, LEAVING, LEFT = 1, 2, 3, 4
MINISTRY_ROLE = role_bits(frozenset({Role.MINISTRY}))


def _entered(state: State, event: Happened) -> None:
    party = PartyWord.parse(event["word"])
    row = PartyRow(
        party.controller, role_bits(party.roles), party.status, party.employer, bytes(32), bytes(32)
    )
    state.put(event.block, row, event["party"])
    if Role.MINISTRY in party.roles:
        state.put(event.block, MinistryRow(event["party"]))


def _vouched(state: State, event: Happened) -> None:
    _entered(state, event)
    _changed(state, event, licence=event["licence"], sealing_key=event["sealing_key"])


def _changed(state: State, event: Happened, **fields: int | bytes) -> None:
    row = state.known(PartyRow, event["party"])
    state.put(event.block, row._replace(**fields), event["party"])  # type: ignore[arg-type]


def _declared(state: State, event: Happened) -> None:
    _changed(state, event, licence=event["licence"], sealing_key=event["sealing_key"])


def _moved_to(status: Status) -> Callable[[State, Happened], None]:
    def moved(state: State, event: Happened) -> None:
        _changed(state, event, status=int(status))

    return moved


def _rekeyed(state: State, event: Happened) -> None:
    _changed(state, event, controller=event["controller"], sealing_key=event["sealing_key"])


def _rotated(state: State, event: Happened) -> None:
    _changed(state, event, controller=event["controller"])


def _sealing_key_replaced(state: State, event: Happened) -> None:
    _changed(state, event, sealing_key=event["sealing_key"])


def _officer_appointed(state: State, event: Happened) -> None:
    ministry = state.known(MinistryRow).number
    row = PartyRow(event["controller"], MINISTRY_ROLE, Status.VERIFIED, ministry, bytes(32), bytes(32))
    state.put(event.block, row, event["party"])


def _custodian_announced(state: State, event: Happened) -> None:
    party = event["party"]
    before = state.get(CustodianRow, party)
    if before is None:
        everyone = state.get(CustodiansRow) or CustodiansRow(())
        state.put(event.block, CustodiansRow((*everyone.numbers, party)))
    served = before is not None and before.served
    state.put(event.block, CustodianRow(event["signing_key"], event["log_key"], ANNOUNCED, served), party)


def _custodian_rekeyed(state: State, event: Happened) -> None:
    row = state.known(CustodianRow, event["party"])
    changed = row._replace(signer=event["signing_key"], log_key=event["log_key"])
    state.put(event.block, changed, event["party"])


def _custodian_in(step: int) -> Callable[[State, Happened], None]:
    def moved(state: State, event: Happened) -> None:
        row = state.known(CustodianRow, event["party"])
        served = row.served or step == ACTIVE
        state.put(event.block, row._replace(state=step, served=served), event["party"])

    return moved


def _team_formed(state: State, event: Happened) -> None:
    state.put(event.block, TeamRow(event["organisation"], event["parent"], False), event["team"])


def _team_moved(state: State, event: Happened) -> None:
    row = state.known(TeamRow, event["team"])
    state.put(event.block, row._replace(parent=event["parent"]), event["team"])


def _team_retired(state: State, event: Happened) -> None:
    row = state.known(TeamRow, event["team"])
    state.put(event.block, row._replace(retired=True), event["team"])


def _post_joined(state: State, event: Happened) -> None:
    before = state.get(MembershipsRow, event["post"]) or MembershipsRow(())
    state.put(event.block, MembershipsRow((*before.teams, event["team"])), event["post"])


def _post_left(state: State, event: Happened) -> None:
    before = state.known(MembershipsRow, event["post"])
    rest = tuple(team for team in before.teams if team != event["team"])
    state.put(event.block, MembershipsRow(rest), event["post"])


HANDLERS = {
    "OrganisationProposedV1": _entered,
    "OrganisationAddedV1": _entered,
    "OrganisationDeclaredV1": _declared,
    "PartyVerifiedV1": _moved_to(Status.VERIFIED),
    "PartySuspendedV1": _moved_to(Status.SUSPENDED),
    "PartyReinstatedV1": _moved_to(Status.VERIFIED),
    "PartyRemovedV1": _moved_to(Status.REMOVED),
    "PostVouchedV1": _vouched,
    "PostRekeyedV1": _rekeyed,
    "PostEndedV1": _moved_to(Status.REMOVED),
    "ControllerRotatedV1": _rotated,
    "SealingKeyReplacedV1": _sealing_key_replaced,
    "OfficerAppointedV1": _officer_appointed,
    "OfficerDismissedV1": _moved_to(Status.REMOVED),
    "CustodianAnnouncedV1": _custodian_announced,
    "CustodianActivatedV1": _custodian_in(ACTIVE),
    "CustodianRekeyedV1": _custodian_rekeyed,
    "CustodianLeavingV1": _custodian_in(LEAVING),
    "CustodianLeftV1": _custodian_in(LEFT),
    "TeamFormedV1": _team_formed,
    "TeamMovedV1": _team_moved,
    "TeamRetiredV1": _team_retired,
    "PostJoinedV1": _post_joined,
    "PostLeftV1": _post_left,
}
