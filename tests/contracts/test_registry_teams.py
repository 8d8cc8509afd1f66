"""Teams and the tree of them within an organisation."""

from __future__ import annotations

import pytest

from careledger.domain.parties import Role
from careledger.formats.ledger_words import TeamWord
from contracts.harness import Contract, Receipt, refused
from contracts.registry_world import (
    CENTRE,
    DOCTOR,
    HOSPITAL,
    NURSE,
    STRANGER,
    TECHNICIAN,
    Consortium,
    controller,
)

MEDICINE, WARD, NIGHT, SURGERY = 0x7001, 0x7002, 0x7003, 0x7004


@pytest.fixture
def teams(net: Consortium) -> Contract:
    """The hospital's medicine > ward > night team, and surgery; the doctor works on the ward."""
    contract = net.add("Teams")
    for team, parent in ((MEDICINE, 0), (WARD, MEDICINE), (NIGHT, WARD), (SURGERY, 0)):
        _hospital(contract, "form_team", HOSPITAL, team, parent)
    _hospital(contract, "join_team", WARD, DOCTOR)
    return contract


def _hospital(teams: Contract, function: str, *args: int) -> Receipt:
    return teams.send(controller(HOSPITAL), function, *args)


def test_who_works_in_a_team_works_in_those_above_it(teams: Contract) -> None:
    assert [teams.call("in_team", DOCTOR, team) for team in (MEDICINE, WARD, NIGHT, SURGERY)] == [
        True,
        True,
        False,
        False,
    ]
    assert not teams.call("in_team", NURSE, WARD)
    assert teams.call("memberships", DOCTOR) == (WARD,)
    assert TeamWord.parse(teams.call("team_word", WARD)) == TeamWord(HOSPITAL, MEDICINE, 2, 1, False)
    assert teams.call("team", NIGHT) == (HOSPITAL, WARD, 3, False)


def test_a_role_in_a_team(teams: Contract) -> None:
    assert teams.call("acts_in_team", DOCTOR, MEDICINE, Role.DOCTOR)
    assert not teams.call("acts_in_team", DOCTOR, MEDICINE, Role.NURSE)
    assert not teams.call("acts_in_team", DOCTOR, SURGERY, Role.DOCTOR)
    assert not teams.call("acts_in_team", DOCTOR, MEDICINE, 255)


def test_a_leaver_is_in_no_team_from_that_block_on(net: Consortium, teams: Contract) -> None:
    _hospital(teams, "join_team", NIGHT, NURSE)
    left = _hospital(teams, "leave_team", WARD, DOCTOR)
    assert left.events[0].fields == {"team": WARD, "post": DOCTOR}
    assert not teams.call("in_team", DOCTOR, WARD)
    assert teams.call("in_team", NURSE, MEDICINE)
    net.act(HOSPITAL, "end_post", NURSE)
    assert not teams.call("in_team", NURSE, NIGHT)
    with refused("not in team"):
        _hospital(teams, "leave_team", WARD, DOCTOR)


def test_a_suspended_employer_has_nobody_in_its_teams(net: Consortium, teams: Contract) -> None:
    net.officer("suspend", HOSPITAL)
    assert not teams.call("in_team", DOCTOR, WARD)
    with refused("status"):
        _hospital(teams, "join_team", WARD, NURSE)
    with refused("status"):
        _hospital(teams, "form_team", HOSPITAL, 0x7009, 0)


def test_a_team_moves_with_its_posts_when_no_team_is_below(teams: Contract) -> None:
    _hospital(teams, "join_team", NIGHT, NURSE)
    _hospital(teams, "move_team", NIGHT, SURGERY)
    assert [teams.call("in_team", NURSE, team) for team in (MEDICINE, WARD, NIGHT, SURGERY)] == [
        False,
        False,
        True,
        True,
    ]
    assert TeamWord.parse(teams.call("team_word", WARD)).below == 0
    assert TeamWord.parse(teams.call("team_word", SURGERY)).below == 1
    _hospital(teams, "move_team", NIGHT, 0)
    assert teams.call("team", NIGHT) == (HOSPITAL, 0, 1, False)


def test_there_are_no_cycles(teams: Contract) -> None:
    with refused("cycle"):
        _hospital(teams, "move_team", NIGHT, NIGHT)
    for below in (WARD, NIGHT):
        with refused("teams below"):
            _hospital(teams, "move_team", MEDICINE, below)
    with refused("teams below"):
        _hospital(teams, "retire_team", WARD)


def test_the_tree_is_at_most_eight_deep(teams: Contract) -> None:
    parent = NIGHT
    for team in range(0x7100, 0x7105):
        _hospital(teams, "form_team", HOSPITAL, team, parent)
        parent = team
    assert teams.call("team", parent)[2] == 8
    with refused("too deep"):
        _hospital(teams, "form_team", HOSPITAL, 0x7200, parent)
    with refused("too deep"):
        _hospital(teams, "move_team", SURGERY, parent)
    _hospital(teams, "join_team", parent, NURSE)
    assert teams.call("in_team", NURSE, MEDICINE)


def test_a_retired_team_has_nobody_in_it(teams: Contract) -> None:
    _hospital(teams, "join_team", NIGHT, NURSE)
    _hospital(teams, "retire_team", NIGHT)
    assert not teams.call("in_team", NURSE, NIGHT)
    assert not teams.call("in_team", NURSE, WARD)
    for function, args in (
        ("join_team", (NIGHT, DOCTOR)),
        ("retire_team", (NIGHT,)),
        ("move_team", (NIGHT, 0)),
    ):
        with refused("retired"):
            _hospital(teams, function, *args)
    with refused("parent"):
        _hospital(teams, "form_team", HOSPITAL, 0x7009, NIGHT)
    _hospital(teams, "leave_team", NIGHT, NURSE)
    _hospital(teams, "retire_team", WARD)


@pytest.mark.parametrize(
    ("function", "args"),
    [
        ("form_team", (HOSPITAL, 0x7009, 0)),
        ("move_team", (NIGHT, 0)),
        ("retire_team", (NIGHT,)),
        ("join_team", (WARD, NURSE)),
        ("leave_team", (WARD, DOCTOR)),
    ],
)
def test_only_the_organisation_changes_its_tree(
    teams: Contract, function: str, args: tuple[int, ...]
) -> None:
    for sender in (STRANGER, controller(CENTRE), controller(DOCTOR)):
        with refused("caller"):
            teams.send(sender, function, *args)


def test_organisations_do_not_mix(net: Consortium, teams: Contract) -> None:
    net.add_post(TECHNICIAN, CENTRE)
    with refused("employer"):
        _hospital(teams, "join_team", WARD, TECHNICIAN)
    with refused("employer"):
        _hospital(teams, "join_team", WARD, HOSPITAL)
    with refused("parent"):
        teams.send(controller(CENTRE), "form_team", CENTRE, 0x7009, MEDICINE)
    with refused("taken"):
        teams.send(controller(CENTRE), "form_team", CENTRE, MEDICINE, 0)
    with refused("empty"):
        _hospital(teams, "form_team", HOSPITAL, 0, 0)
    for function in ("join_team", "leave_team"):
        with refused("unknown"):
            _hospital(teams, function, 0x7009, DOCTOR)
    net.add_post(TECHNICIAN + 1, HOSPITAL)
    net.act(HOSPITAL, "end_post", TECHNICIAN + 1)
    with refused("status"):
        _hospital(teams, "join_team", WARD, TECHNICIAN + 1)


def test_a_post_is_in_at_most_eight_teams(teams: Contract) -> None:
    with refused("in team"):
        _hospital(teams, "join_team", WARD, DOCTOR)
    for team in range(0x7100, 0x7107):
        _hospital(teams, "form_team", HOSPITAL, team, 0)
        _hospital(teams, "join_team", team, DOCTOR)
    with refused("full"):
        _hospital(teams, "join_team", SURGERY, DOCTOR)
    _hospital(teams, "leave_team", 0x7103, DOCTOR)
    assert teams.call("in_team", DOCTOR, 0x7106)
    assert teams.call("in_team", DOCTOR, WARD)
    assert not teams.call("in_team", DOCTOR, 0x7103)
