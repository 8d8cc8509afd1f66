"""A directory says who is in which team (SCIM 2.0 Groups), as an operator of the organisation, and no stranger does."""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import quote

import pytest

from careledger.domain.errors import StoreUnavailable
from careledger.domain.parties import Role
from careledger.gateway.scim.groups import GROUP
from careledger.workflows import parties, teams
from gateway.edge_world import Client, Edge
from gateway.test_scim import ask, employed, grouped, joined, operations, post


@pytest.fixture(scope="module")
def directory(edge: Edge) -> Client:
    """City's directory, with the token of one of its operators."""
    return employed(edge, "City", Role.OPERATOR)


def named() -> dict[str, Any]:
    return {"schemas": [GROUP], "displayName": f"Ward {secrets.token_hex(4)}"}


def inside(edge: Edge, team: dict[str, Any], *who: dict[str, Any]) -> list[bool]:
    view = edge.story.world.ledger.fresh_head()
    return [view.in_team(post(edge, each), int(team["id"], 16)) for each in who]


def ids(group: dict[str, Any]) -> list[str]:
    return sorted(each["value"] for each in group["members"])


def test_a_group_is_a_team_on_the_ledger_and_is_read_and_found(edge: Edge, directory: Client) -> None:
    who, other = joined(directory), joined(directory)
    made = grouped(directory, who, externalId="g-7")
    assert inside(edge, made, who, other) == [True, False]
    assert ask(directory, "GET", f"/Groups/{made['id']}").body == made
    for said in (
        f'displayName eq "{made["displayName"].upper()}"', f'id eq "{made["id"]}"', 'externalid eq "g-7"',
        f'members.value eq "{who["id"]}"',
    ):  # fmt: skip
        found = ask(directory, "GET", f"/Groups?filter={quote(said)}").body
        assert (found["totalResults"], found["Resources"]) == (1, [made])
    few = ask(directory, "GET", f"/Groups?filter={quote(said)}&excludedAttributes=members").body["Resources"]
    assert "members" not in few[0]
    (mine,) = ask(directory, "GET", f"/Users/{who['id']}").body["groups"]
    assert (mine["value"], mine["display"], mine["type"]) == (made["id"], made["displayName"], "direct")
    assert ask(directory, "GET", f"/Users/{other['id']}").body["groups"] == []
    for said in ('displayName sw "a"', 'members[value eq "x"]', 'userName eq "x"'):
        assert ask(directory, "GET", f"/Groups?filter={quote(said)}").body["scimType"] == "invalidFilter"
    again = ask(directory, "POST", "/Groups", named() | {"displayName": made["displayName"].upper()})
    assert (again.status, again.body["scimType"]) == (409, "uniqueness")


def test_members_are_put_in_and_taken_out_as_directories_say_it(edge: Edge, directory: Client) -> None:
    first, second, third = (joined(directory) for _ in "123")
    team = grouped(directory, first)
    place = f"/Groups/{team['id']}"
    f, s, t = ({"value": each["id"]} for each in (first, second, third))
    for those, left in (
        ([{"op": "Add", "path": "members", "value": [s, t]}], (f, s, t)),
        ([{"op": "add", "path": "members", "value": [s]}], (f, s, t)),
        ([{"op": "Remove", "path": f'members[value eq "{s["value"]}"]'}], (f, t)),
        ([{"op": "Remove", "path": f'members[value eq "{s["value"]}"]'}], (f, t)),
        ([{"op": "remove", "path": "members", "value": [t]}], (f,)),
        ([{"op": "remove", "path": "members", "value": []}], (f,)),
        ([{"op": "replace", "path": f"{GROUP}:members", "value": [s]}], (s,)),
        ([{"op": "add", "value": {"members": [f], "externalId": "x"}}], (f, s)),
        ([{"op": "remove", "path": "members"}], ()),
        ([{"op": "add", "path": "members", "value": t}, {"op": "replace", "value": {"displayName": "W 1"}}], (t,)),
    ):  # fmt: skip
        reply = ask(directory, "PATCH", place, operations(*those))
        assert (reply.status, ids(reply.body)) == (200, sorted(each["value"] for each in left)), those
        assert inside(edge, team, first, second, third) == [each in left for each in (f, s, t)]
    assert (reply.body["displayName"], reply.body["externalId"]) == ("W 1", "x")
    whole = ask(directory, "PUT", place, named() | {"members": [f, s]}).body
    assert (ids(whole), "externalId" in whole) == (sorted((f["value"], s["value"])), False)
    assert ask(directory, "DELETE", place).status == 204
    assert inside(edge, team, first, second) == [False, False]
    assert ask(directory, "GET", place).status == ask(directory, "DELETE", place).status == 404
    assert ask(directory, "POST", "/Groups", named() | {"displayName": whole["displayName"]}).status == 201


def test_who_leaves_is_out_of_the_group_at_the_block_that_ends_the_employment(
    edge: Edge, directory: Client
) -> None:
    who, stays = joined(directory), joined(directory)
    team = grouped(directory, who, stays)
    assert ask(directory, "DELETE", f"/Users/{who['id']}").status == 204
    assert inside(edge, team, who, stays) == [False, True]
    assert ids(ask(directory, "GET", f"/Groups/{team['id']}").body) == [stays["id"]]
    back = operations({"op": "add", "path": "members", "value": [{"value": who["id"]}]})
    assert ask(directory, "PATCH", f"/Groups/{team['id']}", back).body["scimType"] == "invalidValue"


def test_where_a_team_hangs_and_who_was_entered_by_hand_stay_as_they_are(
    edge: Edge, directory: Client
) -> None:
    world, city = edge.story.world, edge.story.organisations["City"]
    above = teams.form_team(world.network, city, f"Above {secrets.token_hex(4)}")
    team = grouped(directory, joined(directory))
    number = int(team["id"], 16)
    parties.move_team(world.network, city, number, above)
    parties.join_team(world.network, edge.story.staff["Dr City"], number)
    emptied = ask(directory, "PUT", f"/Groups/{team['id']}", named())
    assert (emptied.status, emptied.body["members"]) == (200, [])
    view = world.ledger.fresh_head()
    assert view.in_team(edge.story.staff["Dr City"].number, above)
    assert ask(directory, "DELETE", f"/Groups/{above:016x}").status == 422  # a team is below it
    assert view.team(number) == (city.number, above)


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"displayName": None}, 400, "invalidValue"), ({"displayName": " "}, 400, "invalidValue"),
        ({"displayName": "x" * 101}, 400, "invalidValue"), ({"members": {}}, 400, "invalidValue"),
        ({"members": [{"value": "0" * 32}]}, 400, "invalidValue"), ({"members": [{}]}, 400, "invalidValue"),
        ({"members": [{"value": "0" * 16, "type": "Group"}]}, 400, "invalidValue"), ({"members": None}, 201, None),
    ],
)  # fmt: skip
def test_what_is_no_group_is_refused_before_anything_is_done(
    edge: Edge, directory: Client, body: dict[str, Any], status: int, kind: str | None
) -> None:
    before = edge.story.world.ledger.fresh_head().head.number
    reply = ask(directory, "POST", "/Groups", named() | body)
    assert (reply.status, reply.body.get("scimType")) == (status, kind)
    assert (edge.story.world.ledger.fresh_head().head.number == before) == (status == 400)


@pytest.mark.parametrize(
    ("those", "kind"),
    [
        ([{"op": "remove", "path": "displayName"}], "mutability"), ([{"op": "remove"}], "noTarget"),
        ([{"op": "add", "path": "id", "value": "x"}], "invalidPath"),
        ([{"op": "replace", "path": 'members[value eq "0"]', "value": "x"}], "invalidPath"),
        ([{"op": "remove", "path": "members"}, {"op": "add", "path": "members", "value": "0"}], "invalidValue"),
    ],
)  # fmt: skip
def test_a_patch_of_a_group_that_cannot_be_done_whole_changes_nothing(
    edge: Edge, directory: Client, those: Any, kind: str
) -> None:
    who = joined(directory)
    team = grouped(directory, who)
    reply = ask(directory, "PATCH", f"/Groups/{team['id']}", operations(*those))
    assert (reply.status, reply.body["scimType"], inside(edge, team, who)) == (400, kind, [True])


def test_a_group_that_was_changed_meanwhile_is_not_changed_by_who_saw_another(directory: Client) -> None:
    team, who = grouped(directory), joined(directory)
    place, seen = f"/Groups/{team['id']}", team["meta"]["version"]
    assert ask(directory, "GET", place, If_None_Match=seen).status == 304
    add = operations({"op": "add", "path": "members", "value": [{"value": who["id"]}]})
    now = ask(directory, "PATCH", place, add, If_Match=seen).body
    for method, body in (("PATCH", add), ("PUT", named()), ("DELETE", None)):
        assert ask(directory, method, place, body, If_Match=seen).status == 412
    assert ask(directory, "GET", place, If_None_Match=seen).body == now
    ask(directory, "DELETE", f"/Users/{who['id']}")
    assert ask(directory, "DELETE", place, If_Match=now["meta"]["version"]).status == 412  # its member left
    assert ask(directory, "DELETE", place, If_Match="*").status == 204


def test_who_is_in_as_many_teams_as_one_may_be_in_joins_no_other_and_nobody_does(
    edge: Edge, directory: Client
) -> None:
    full, other = joined(directory), joined(directory)
    for _ in range(teams.MOST_TEAMS):
        team = grouped(directory, full)
    wanted = named() | {"members": [{"value": other["id"]}, {"value": full["id"]}]}
    assert ask(directory, "POST", "/Groups", wanted).status == 403
    assert ask(directory, "GET", f"/Users/{other['id']}").body["groups"] == []
    ask(directory, "DELETE", f"/Groups/{team['id']}")
    assert ask(directory, "POST", "/Groups", wanted).status == 201


def test_a_group_that_broke_off_is_finished_by_asking_again(
    edge: Edge, directory: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*given: Any) -> Any:
        raise StoreUnavailable(ledger="is not reached")

    who, wanted = joined(directory), named()
    with monkeypatch.context() as patched:
        patched.setattr(parties, "join_team", broken)
        body = wanted | {"members": [{"value": who["id"]}]}
        assert ask(directory, "POST", "/Groups", body).status == 503
    said = quote(f'displayName eq "{wanted["displayName"]}"')
    assert ask(directory, "GET", f"/Groups?filter={said}").body["totalResults"] == 0
    made = ask(directory, "POST", "/Groups", body)
    assert (made.status, inside(edge, made.body, who)) == (201, [True])
    assert ask(directory, "POST", "/Groups", body).status == 409


def test_an_operator_of_another_organisation_finds_and_changes_no_group_here(
    edge: Edge, directory: Client
) -> None:
    who = joined(directory)
    team = grouped(directory, who)
    stranger = employed(edge, "Lakeside", Role.OPERATOR)
    place = f"/Groups/{team['id']}"
    empty = operations({"op": "remove", "path": "members"})
    for method, body in (("GET", None), ("PUT", named()), ("PATCH", empty), ("DELETE", None)):
        assert ask(stranger, method, place, body).status == 404
    assert team["id"] not in {each["id"] for each in ask(stranger, "GET", "/Groups").body["Resources"]}
    theirs = named() | {"displayName": team["displayName"], "members": [{"value": who["id"]}]}
    assert ask(stranger, "POST", "/Groups", theirs).body["scimType"] == "invalidValue"
    assert (
        ask(stranger, "POST", "/Groups", theirs | {"members": []}).status == 201
    )  # a name is one organisation's
    assert ask(directory, "GET", place).body == team
    assert inside(edge, team, who) == [True]
