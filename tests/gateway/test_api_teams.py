"""The role tree is its organisation's operators' alone: they form teams, hang them elsewhere, fill and empty them."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from careledger.domain.parties import Role
from careledger.workflows.actors import Staff
from gateway.edge_world import Client, Edge, Reply
from gateway.test_api_writing import client, employed, post

NOBODY = "0" * 16


@pytest.fixture
def operator(edge: Edge) -> Client:
    return client(edge, employed(edge, "Delta", "operator, Delta", Role.OPERATOR))


@pytest.fixture
def doctor(edge: Edge) -> Staff:
    return employed(edge, "Delta", f"Dr {secrets.token_hex(4)}", Role.DOCTOR)


def named() -> dict[str, Any]:
    return {"name": f"Ward {secrets.token_hex(4)}"}


def id_of(edge: Edge, staff: Staff) -> str:
    return str(client(edge, staff).ask("posts/me").body["post"]["id"])


def formed(operator: Client, **more: Any) -> dict[str, Any]:
    made = post(operator, "teams", named() | more)
    assert made.status == 201, made.body
    return dict(made.body)


def put_in(operator: Client, team: dict[str, Any], who: str) -> Reply:
    return post(operator, f"teams/{team['number']}/posts", {"post": who})


def inside(edge: Edge, staff: Staff, team: dict[str, Any]) -> bool:
    return edge.story.world.ledger.fresh_head().in_team(staff.number, int(team["number"], 16))


def test_an_operator_builds_a_role_tree_and_who_is_put_below_is_in_the_team_above(
    edge: Edge, operator: Client, doctor: Staff
) -> None:
    above = formed(operator)
    wanted = named() | {"below": above["number"]}
    made = post(operator, "teams", wanted, "key-team").body
    assert post(operator, "teams", wanted, "key-team").body == made
    assert (made["below"], made["posts"], above["below"]) == (above["number"], [], None)
    who = id_of(edge, doctor)
    assert put_in(operator, made, who).body["posts"] == [who]
    assert put_in(operator, made, who).body["posts"] == [who]
    assert (inside(edge, doctor, made), inside(edge, doctor, above)) == (True, True)
    mine = {each["number"] for each in client(edge, doctor).ask("posts/me").body["teams"]}
    assert mine == {made["number"], above["number"]}
    place = f"teams/{made['number']}"
    assert (
        post(operator, f"teams/{above['number']}/place", {"below": made["number"]}).problem
        == "ledger-refused"
    )
    assert post(operator, f"{place}/place", {"below": ""}).body["below"] is None
    assert (inside(edge, doctor, made), inside(edge, doctor, above)) == (True, False)
    assert put_in(operator, above, who).body["posts"] == [who]
    again = named()
    assert post(operator, f"{place}/name", again).body["name"] == again["name"]
    assert post(operator, f"{place}/name", {"name": above["name"].upper()}).problem == "team-taken"
    assert post(operator, "teams", again).problem == "team-taken"
    assert operator.ask(f"{place}/posts/{who}", "DELETE").body["posts"] == []
    assert operator.ask(f"{place}/posts/{who}", "DELETE").status == 200
    assert not inside(edge, doctor, made)
    listed = {each["number"]: each for each in operator.ask("teams?limit=200").body["items"]}
    assert listed[above["number"]] == operator.ask(f"teams/{above['number']}").body


def test_a_team_that_is_given_up_is_nobodys_and_its_name_is_free(
    edge: Edge, operator: Client, doctor: Staff
) -> None:
    made = formed(operator)
    put_in(operator, made, id_of(edge, doctor))
    below = formed(operator, below=made["number"])
    assert operator.ask(f"teams/{made['number']}", "DELETE").problem == "ledger-refused"
    assert operator.ask(f"teams/{below['number']}", "DELETE").status == 200
    assert inside(edge, doctor, made)
    assert operator.ask(f"teams/{made['number']}", "DELETE").body["name"] == made["name"]
    assert not inside(edge, doctor, made)
    assert operator.ask(f"teams/{made['number']}").problem == "team-not-found"
    assert post(operator, f"teams/{made['number']}/name", named()).problem == "team-not-found"
    assert post(operator, "teams", named() | {"below": made["number"]}).problem == "team-not-found"
    assert edge.story.world.ledger.fresh_head().memberships(doctor.number) == ()
    other = formed(operator, name=made["name"])
    assert other["number"] != made["number"]


def test_who_leaves_the_employer_is_out_of_the_team_at_the_same_block(
    edge: Edge, operator: Client, doctor: Staff
) -> None:
    made, who = formed(operator), id_of(edge, doctor)
    put_in(operator, made, who)
    ended = post(operator, f"posts/{who}/end", {})
    assert ended.body["party"]["status"] == "removed"
    assert not inside(edge, doctor, made)
    assert operator.ask(f"teams/{made['number']}").body["posts"] == []


def test_nobody_but_an_operator_of_the_same_organisation_sees_or_changes_a_team(
    edge: Edge, operator: Client, doctor: Staff
) -> None:
    made, who = formed(operator), id_of(edge, doctor)
    elsewhere = employed(edge, "Lakeside", "operator, Lakeside", Role.OPERATOR)
    stranger, colleague = client(edge, elsewhere), client(edge, doctor)
    place = f"teams/{made['number']}"
    asks: list[tuple[str, str, Any]] = [
        ("GET", place, None), ("DELETE", place, None), ("DELETE", f"{place}/posts/{who}", None),
        ("POST", f"{place}/name", named()), ("POST", f"{place}/place", {"below": ""}),
        ("POST", f"{place}/posts", {"post": who}),
    ]  # fmt: skip
    for method, path, body in asks:
        for asking, problem in ((stranger, "team-not-found"), (colleague, "act-refused")):
            reply = post(asking, path, body) if method == "POST" else asking.ask(path, method)
            assert reply.problem == problem, (method, path)
    assert made["number"] not in {each["number"] for each in stranger.ask("teams?limit=200").body["items"]}
    assert post(stranger, "teams", named() | {"below": made["number"]}).problem == "team-not-found"
    theirs = formed(stranger)
    assert put_in(stranger, theirs, who).problem == "party-not-found"
    assert put_in(operator, made, id_of(edge, elsewhere)).problem == "party-not-found"
    assert operator.ask(place).body == made


@pytest.mark.parametrize("name", ["", " x", "a\nb", "x" * 101])
def test_a_name_that_is_none_is_refused(operator: Client, name: str) -> None:
    assert post(operator, "teams", {"name": name}).problem == "api-refused"
    assert post(operator, f"teams/{NOBODY}/name", named()).problem == "team-not-found"
