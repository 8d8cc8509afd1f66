"""A directory says who joins and leaves (SCIM 2.0), as an operator of the organisation; a stranger says nothing."""

from __future__ import annotations

import json
import secrets
from typing import Any
from urllib.parse import quote

import pytest

from careledger.app import tokens
from careledger.app.identity import accounts, employing, sessions
from careledger.app.licences import over
from careledger.domain.consents import Purpose
from careledger.domain.errors import StoreUnavailable
from careledger.domain.parties import POST_ROLES, PartyId, Role, Status
from careledger.formats.digests import uint
from careledger.formats.identity import Claim
from careledger.formats.licences import RestsOn
from careledger.gateway.scim.groups import GROUP
from careledger.gateway.scim.patching import OPERATION
from careledger.gateway.scim.routes import ERROR
from careledger.gateway.scim.users import STAFF, USER
from careledger.workflows import register
from gateway.browser import account_of
from gateway.edge_world import DAY, Client, Edge, Reply
from gateway.test_identity_routes import Slowly, operator
from story import LICENCE

JSON = "application/scim+json"


def employed(edge: Edge, employer: str, role: Role) -> Client:
    """A program of a new post of that role."""
    world, label = edge.story.world, f"{role.code} {secrets.token_hex(3)}"
    made = world.keyring.new_staff(edge.story.organisations[employer], label, {role})
    register.post(world.network, made, {role}, LICENCE)
    return Client(edge.gateway.base, tokens.issue(made, Purpose.TREAT, world.clock.now(), DAY)[0])


@pytest.fixture(scope="module")
def directory(edge: Edge) -> Client:
    """City's directory, with the token of one of its operators."""
    return employed(edge, "City", Role.OPERATOR)


def ask(client: Client, method: str, path: str, body: Any = None, kind: str = JSON, **headers: str) -> Reply:
    data = None if body is None else json.dumps(body).encode()
    url = f"{client.base.removesuffix('/fhir')}/scim/v2{path}"
    reply = client.ask(url, method, data, **({"Content_Type": kind} if data is not None else {}), **headers)
    if reply.status >= 400:
        assert reply.body["status"] == str(reply.status), reply.body
    return reply


def user(**more: Any) -> dict[str, Any]:
    said = {
        "schemas": [USER, STAFF], "userName": f"u-{secrets.token_hex(4)}", "displayName": "Dr Nahar",
        "roles": [{"value": "doctor"}], STAFF: {"licence": "D-1"},
    }  # fmt: skip
    return {name: value for name, value in (said | more).items() if value is not None}


def joined(client: Client, **more: Any) -> dict[str, Any]:
    reply = ask(client, "POST", "/Users", user(**more))
    assert reply.status == 201, reply.body
    assert reply.headers["Location"] == reply.body["meta"]["location"]
    return dict(reply.body)


def grouped(client: Client, *members: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A new Group of these Users."""
    said = {"schemas": [GROUP], "displayName": f"Team {secrets.token_hex(4)}"}
    reply = ask(
        client, "POST", "/Groups", said | {"members": [{"value": each["id"]} for each in members]} | more
    )
    assert reply.status == 201, reply.body
    assert reply.headers["Location"] == reply.body["meta"]["location"]
    return dict(reply.body)


def test_a_directory_that_was_not_answered_gives_the_post_by_asking_again(
    edge: Edge, directory: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*given: Any) -> Any:
        raise StoreUnavailable(ledger="is not reached")

    wanted = user()
    with monkeypatch.context() as patched:
        patched.setattr(employing, "vouch", broken)
        assert ask(directory, "POST", "/Users", wanted).status == 503
    assert employing.by_login(edge.story.organisations["City"], wanted["userName"]) is not None
    reply = ask(directory, "POST", "/Users", wanted)
    assert (reply.status, status(edge, reply.body)) == (201, Status.VERIFIED)
    assert ask(directory, "POST", "/Users", wanted).body["scimType"] == "uniqueness"
    said = quote(f'userName eq "{wanted["userName"]}"')
    assert ask(directory, "GET", f"/Users?filter={said}").body["totalResults"] == 1


def operations(*those: dict[str, Any]) -> dict[str, Any]:
    return {"schemas": [OPERATION], "Operations": list(those)}


def status(edge: Edge, made: dict[str, Any]) -> Status:
    employer = edge.story.organisations["City"]
    facts = edge.story.world.ledger.fresh_head().party(
        employing.by_id(employer, bytes.fromhex(made["id"])).member.post
    )
    assert facts is not None
    return facts.status


def post(edge: Edge, made: dict[str, Any]) -> int:
    return employing.by_id(edge.story.organisations["City"], bytes.fromhex(made["id"])).member.post


def test_who_joins_gets_a_post_is_read_and_found_by_login(edge: Edge, directory: Client) -> None:
    made = joined(directory, externalId="e-7")
    assert status(edge, made) is Status.VERIFIED
    assert (made["active"], made["roles"], made[STAFF]) == (True, [{"value": "doctor"}], {"licence": "D-1"})
    assert ask(directory, "GET", f"/Users/{made['id']}").body == made
    for said in (f'userName eq "{made["userName"].upper()}"', f'id eq "{made["id"]}"', 'EXTERNALID EQ "e-7"'):
        found = ask(directory, "GET", f"/Users?filter={quote(said)}").body
        assert (found["totalResults"], found["Resources"]) == (1, [made])
    nobody = quote('userName eq "nobody"')
    assert ask(directory, "GET", f"/Users?filter={nobody}").body["totalResults"] == 0
    for _ in "123":
        joined(directory)
    page = ask(directory, "GET", "/Users?startIndex=2&count=2").body
    assert (page["startIndex"], page["itemsPerPage"], len(page["Resources"])) == (2, 2, 2)
    assert page["totalResults"] >= 4
    assert ask(directory, "POST", "/Users", user(userName=made["userName"])).body["scimType"] == "uniqueness"


def test_a_leaver_loses_post_sessions_and_tokens_at_one_block_however_it_is_said(
    edge: Edge, directory: Client
) -> None:
    world, city = edge.story.world, edge.story.organisations["City"]
    ways: list[tuple[str, Any]] = [
        ("PATCH", operations({"op": "replace", "path": "active", "value": False})),
        ("PATCH", operations({"op": "Replace", "value": {"active": "False"}})),
        ("PUT", None), ("DELETE", None),
    ]  # fmt: skip
    for method, body in ways:
        made = joined(directory)
        number, now = post(edge, made), world.clock.now()
        staff = world.keyring.post(city, number)
        assert staff is not None
        reader = Client(edge.gateway.base, tokens.issue(staff, Purpose.TREAT, now, DAY)[0])
        claim = Claim("", "", "", bytes(32))
        who = accounts.open_account(city, secrets.token_bytes(16), claim, None, now, number)
        digest = sessions.begin(who, None, now, "TREAT")[1].digest
        assert reader.ask("_history").status == 200
        if method == "PUT":
            body = made | {"active": False}
        reply = ask(directory, method, f"/Users/{made['id']}", body)
        assert reply.status == (204 if method == "DELETE" else 200), reply.body
        assert status(edge, made) is Status.REMOVED
        assert reader.ask("_history").status == 403
        assert sessions.found(city, digest, now) is None
        again = ask(directory, method, f"/Users/{made['id']}", body)
        assert again.status == (404 if method == "DELETE" else 200)
        shown = ask(directory, "GET", f"/Users/{made['id']}")
        assert (shown.status, shown.body.get("active")) == (
            (404, None) if method == "DELETE" else (200, False)
        )
    made = joined(directory)
    ask(directory, "DELETE", f"/Users/{made['id']}")
    said = f'userName eq "{made["userName"]}"'
    assert ask(directory, "GET", f"/Users?filter={quote(said)}").body["totalResults"] == 0
    back = ask(directory, "POST", "/Users", user(userName=made["userName"]))
    assert (back.status, status(edge, back.body)) == (201, Status.VERIFIED)


def test_other_roles_give_another_post_and_other_words_do_not(edge: Edge, directory: Client) -> None:
    made = joined(directory)
    first = post(edge, made)
    change = operations(
        {"op": "replace", "path": "displayName", "value": "Dr N"}, {"op": "add", "value": {"externalId": "x"}}
    )
    reply = ask(directory, "PATCH", f"/Users/{made['id']}", change)
    assert (reply.body["displayName"], reply.body["externalId"]) == ("Dr N", "x")
    assert post(edge, made) == first
    change = operations({"op": "add", "path": "roles", "value": [{"value": "operator"}]})
    reply = ask(directory, "PATCH", f"/Users/{made['id']}", change)
    assert {each["value"] for each in reply.body["roles"]} == {"doctor", "operator"}
    second = post(edge, made)
    facts = edge.story.world.ledger.fresh_head().party(first)
    assert facts is not None
    assert (second != first, facts.status, status(edge, made)) == (True, Status.REMOVED, Status.VERIFIED)
    assert PartyId(second).number == second
    licence = operations({"op": "replace", "path": f"{STAFF}:licence", "value": "D-2"})
    assert ask(directory, "PATCH", f"/Users/{made['id']}", licence).body[STAFF] == {"licence": "D-2"}
    assert post(edge, made) not in (first, second)
    renamed = ask(directory, "PUT", f"/Users/{made['id']}", user(userName=f"new-{made['id']}"))
    assert renamed.body["userName"] == f"new-{made['id']}"
    assert ask(directory, "POST", "/Users", user(userName=made["userName"])).status == 201


@pytest.mark.parametrize("role", sorted(POST_ROLES - {Role.OPERATOR}), ids=lambda role: role.code)
def test_no_post_but_an_operator_asks_anything(edge: Edge, directory: Client, role: Role) -> None:
    made = joined(directory)
    client = employed(edge, "City", role)
    for method, path in ROUTES:
        body = None if method in ("GET", "DELETE") else user()
        url = f"{edge.gateway.url}/scim/v2{path.format(id=made['id'])}"
        data = None if body is None else json.dumps(body).encode()
        reply = client.ask(url, method, data, Content_Type=JSON)
        assert (reply.status, reply.headers["Content-Type"]) == (403, JSON), path
        assert reply.body == {
            "schemas": [ERROR], "status": "403",
            "detail": "This party may not do this: only posts with the role operator may.",
        }  # fmt: skip
    assert ask(directory, "GET", f"/Users/{made['id']}").body == made


ROUTES = [
    ("GET", "/ServiceProviderConfig"),
    *(("GET", f"/{each}") for name in ("ResourceTypes", "Schemas") for each in (name, f"{name}/{{id}}")),
    *((method, f"/{each}") for each in ("Users", "Groups") for method in ("GET", "POST")),
    *((method, f"/{each}/{{id}}") for each in ("Users", "Groups") for method in ("GET", "PUT", "PATCH", "DELETE")),
]  # fmt: skip


def test_a_stranger_and_who_asks_too_fast_are_told_so_as_scim_has_it(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge.gateway._edge._scim._pace, "a_second", 0.01)  # however slow this machine is
    hasty = employed(edge, "City", Role.OPERATOR)
    place = f"{edge.gateway.url}/scim/v2/Users/1"
    stranger = Client(edge.gateway.base, "none").ask(place)
    assert (stranger.status, stranger.body["schemas"], stranger.body["status"]) == (401, [ERROR], "401")
    assert stranger.headers["WWW-Authenticate"].startswith("Bearer")
    last, asked = hasty.ask(place), 1
    while last.status == 404 and asked < 2_000:
        last, asked = hasty.ask(place), asked + 1
    assert (last.status, last.headers["Content-Type"]) == (429, JSON)
    assert (last.body["schemas"], last.body["status"]) == ([ERROR], "429")
    assert int(last.headers["Retry-After"]) >= 1


def test_nobody_is_entered_for_an_operator_who_was_suspended_while_the_body_came(edge: Edge) -> None:
    browser, wanted = operator(edge), user()
    slow = Slowly(browser, "/scim/v2/Users", wanted)
    accounts.suspend([account_of(browser)])
    assert slow.status() == 401
    assert employing.by_login(edge.story.organisations["City"], wanted["userName"]) is None


def test_the_routes_are_those_that_are_tried_here(edge: Edge) -> None:
    there = {each for each in edge.gateway.routes() if each[1].startswith("/scim")}
    assert there == {(method, f"/scim/v2{path}") for method, path in ROUTES}


def test_an_operator_of_another_organisation_finds_and_ends_nobody_here(
    edge: Edge, directory: Client
) -> None:
    made = joined(directory)
    stranger = employed(edge, "Lakeside", Role.OPERATOR)
    for method, body in (
        ("GET", None), ("PUT", made | {"active": False}), ("DELETE", None),
        ("PATCH", operations({"op": "replace", "path": "active", "value": False})),
    ):  # fmt: skip
        assert ask(stranger, method, f"/Users/{made['id']}", body).status == 404
    said = f'userName eq "{made["userName"]}"'
    assert ask(stranger, "GET", f"/Users?filter={quote(said)}").body["totalResults"] == 0
    assert ask(directory, "GET", f"/Users/{made['id']}").body == made
    assert status(edge, made) is Status.VERIFIED
    theirs = ask(
        stranger, "POST", "/Users", user(userName=made["userName"])
    )  # a login is one organisation's alone
    assert theirs.status == 201


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ([], "invalidSyntax"), (user(userName=None), "invalidValue"), (user(userName=" "), "invalidValue"),
        (user(userName=7), "invalidValue"), (user(roles=None), "invalidValue"),
        (user(roles=["surgeon"]), "invalidValue"),
        (user(roles=[{"value": "hospital"}]), "invalidValue"), (user(active="maybe"), "invalidValue"),
        (user(active=False, roles=["x"]), "invalidValue"), (user(displayName="x" * 101), "invalidValue"),
        (user(name="x"), None), (user(displayName=None, name="x"), "invalidValue"),
    ],
)  # fmt: skip
def test_what_is_no_user_is_refused_and_what_does_not_count_is_taken(
    directory: Client, body: Any, kind: str | None
) -> None:
    reply = ask(directory, "POST", "/Users", body)
    assert (reply.status, reply.body.get("scimType")) == ((400, kind) if kind else (201, None))


@pytest.mark.parametrize(
    ("those", "kind"),
    [
        ([], "invalidSyntax"), ([{"op": "move", "path": "active"}], "invalidSyntax"),
        ([{"op": "replace", "path": 'emails[type eq "work"]', "value": "x"}], "invalidPath"),
        ([{"op": "replace", "path": "id", "value": "x"}], "invalidPath"), ([{"op": "remove"}], "noTarget"),
        ([{"op": "remove", "path": "userName"}], "mutability"), ([{"op": "remove", "path": "roles"}], "invalidValue"),
        ([{"op": "add", "path": "displayName", "value": "A"}, {"op": "add", "path": "x"}], "invalidPath"),
        ([{"op": "replace", "path": "roles", "value": 5}, {"op": "add", "path": "roles", "value": "nurse"}],
         "invalidValue"),
        ([{"op": "replace", "path": "roles", "value": None}, {"op": "add", "path": "roles", "value": 5}],
         "invalidValue"),
    ],
)  # fmt: skip
def test_a_patch_that_cannot_be_done_whole_changes_nothing(directory: Client, those: Any, kind: str) -> None:
    made = joined(directory)
    reply = ask(directory, "PATCH", f"/Users/{made['id']}", operations(*those))
    assert (reply.status, reply.body["scimType"]) == (400, kind)
    assert ask(directory, "GET", f"/Users/{made['id']}").body == made


def test_what_is_not_asked_as_scim_has_it_is_refused(directory: Client) -> None:
    for said in ('userName sw "a"', "userName eq a", 'password eq "x"', 'userName eq "a" or id eq "b"', ""):
        reply = ask(directory, "GET", f"/Users?filter={quote(said)}")
        assert (reply.status, reply.body["scimType"]) == (400, "invalidFilter")
    assert ask(directory, "GET", "/Users?count=x").status == 400
    for schemas in (5, OPERATION, {OPERATION: 1}, None):
        body = operations({"op": "remove", "path": "externalId"}) | {"schemas": schemas}
        reply = ask(directory, "PATCH", f"/Users/{joined(directory)['id']}", body)
        assert (reply.status, reply.body["scimType"]) == (400, "invalidSyntax")
    assert ask(directory, "GET", "/Users/x").status == 404
    assert ask(directory, "POST", "/Users", user(), "text/plain").status == 415
    assert ask(directory, "POST", "/Users", user(emails=["x" * 600_000])).status == 413
    assert ask(directory, "POST", "/Users", user(), "application/json").status == 201


def test_a_directory_is_told_what_this_server_does(directory: Client) -> None:
    said = ask(directory, "GET", "/ServiceProviderConfig").body
    assert (said["patch"], said["bulk"]["supported"], said["etag"]) == (
        {"supported": True},
        False,
        {"supported": True},
    )
    kinds = ask(directory, "GET", "/ResourceTypes").body["Resources"]
    assert [(each["schema"], each["endpoint"]) for each in kinds] == [(USER, "/Users"), (GROUP, "/Groups")]
    schemas = ask(directory, "GET", "/Schemas").body["Resources"]
    assert {each["id"] for each in schemas} == {USER, GROUP, STAFF}
    for each in (*kinds, *schemas):
        place = each["meta"]["location"].partition("/scim/v2")[2]
        assert ask(directory, "GET", place).body == each
    assert ask(directory, "GET", "/Schemas/urn:no").status == 404


def test_a_number_that_is_over_is_refused_as_a_licence_is_and_changes_nothing(
    edge: Edge, directory: Client
) -> None:
    number = f"D-{secrets.token_hex(4)}"
    made, city = joined(directory, **{STAFF: {"licence": number}}), edge.story.organisations["City"]
    row = RestsOn(1, bytes(33), number, bytes(33), 1, "https://x.example", 1, 0, 1)
    over.note(city, post(edge, made), row)
    employing.end_post(
        employing.Desk(edge.story.world.network, edge.story.world.keyring, 1), city, post(edge, made)
    )
    city.books.drop(over.RESTS, [uint(post(edge, made))])
    for method, path, body in (
        ("PUT", f"/Users/{made['id']}", made), ("POST", "/Users", user(**{STAFF: {"licence": number.lower()}})),
        ("PATCH", f"/Users/{made['id']}", operations({"op": "replace", "path": "active", "value": True})),
    ):  # fmt: skip
        reply = ask(directory, method, path, body)
        assert (reply.status, "shown first" in reply.body["detail"]) == (422, True)
    assert ask(directory, "GET", f"/Users/{made['id']}").body["active"] is False
    place = f"{edge.gateway.url}/api/v1/posts"
    typed = json.dumps({"name": f"Dr {number}", "roles": ["doctor"], "licence": number}).encode()
    assert directory.ask(place, "POST", typed, Content_Type="application/json").problem == "licence-refused"
    names = edge.story.world.keyring.labels(city).values()
    assert not any(number in each for each in names)


def test_a_role_that_needs_a_licence_is_given_to_nobody_who_has_shown_none(
    edge: Edge, directory: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a directory, by the API and at a sign-on; other roles are given as ever."""
    city, number = edge.story.organisations["City"], f"D-{secrets.token_hex(4)}"
    place = f"{edge.gateway.url}/api/v1/posts"
    typed = {"name": f"Dr {number}", "roles": ["doctor"], "licence": number}
    before = joined(directory)
    monkeypatch.setattr(edge.story.world, "licensed", frozenset({Role.DOCTOR}))
    for roles in (["doctor"], ["nurse", "doctor"]):
        wanted = user(roles=[{"value": each} for each in roles], **{STAFF: {"licence": number}})
        reply = ask(directory, "POST", "/Users", wanted)
        assert (reply.status, "licence that was shown" in reply.body["detail"]) == (422, True)
        body = json.dumps(typed | {"roles": roles}).encode()
        assert (
            directory.ask(place, "POST", body, Content_Type="application/json").problem == "licence-refused"
        )
    nurse = joined(directory, roles=[{"value": "nurse"}])
    promoted = operations({"op": "replace", "path": "roles", "value": [{"value": "doctor"}]})
    assert ask(directory, "PATCH", f"/Users/{nurse['id']}", promoted).status == 422
    assert ask(directory, "GET", f"/Users/{nurse['id']}").body["roles"] == [{"value": "nurse"}]
    assert not any(number in each for each in edge.story.world.keyring.labels(city).values())
    assert ask(directory, "GET", f"/Users/{before['id']}").body["active"] is True  # who had a post keeps it
    row = RestsOn(1, bytes(33), number, bytes(33), 1, "https://x.example", 2**40, 0, 0)
    city.books.put(over.SHOWN, [(over._shown(number, "doctor"), row.encode())])
    assert ask(directory, "POST", "/Users", user(roles=[{"value": "nurse"}, {"value": "doctor"}],
               **{STAFF: {"licence": number}})).status == 422  # fmt: skip
    made = joined(directory, **{STAFF: {"licence": number}})
    assert city.books.get(over.RESTS, uint(post(edge, made))) == row.encode()
    assert (
        ask(directory, "POST", "/Users", user(**{STAFF: {"licence": number}})).status == 422
    )  # it served once


def test_who_is_entered_before_their_first_day_has_no_post_until_they_are_active(
    edge: Edge, directory: Client
) -> None:
    made = joined(directory, active=False, roles=None)
    view = edge.story.world.ledger
    assert (made["active"], made["roles"], view.fresh_head().party(post(edge, made))) == (False, [], None)
    start = operations({"op": "replace", "path": "active", "value": True})
    assert ask(directory, "PATCH", f"/Users/{made['id']}", start).body["scimType"] == "invalidValue"
    doctor = operations({"op": "add", "path": "roles", "value": [{"value": "doctor"}]})
    assert ask(directory, "PATCH", f"/Users/{made['id']}", doctor).body["active"] is False
    assert view.fresh_head().party(post(edge, made)) is None
    assert ask(directory, "PATCH", f"/Users/{made['id']}", start).body["active"] is True
    assert status(edge, made) is Status.VERIFIED


def test_what_is_shown_of_a_user_is_narrowed_to_what_was_asked_for(directory: Client) -> None:
    made = joined(directory)
    place, names = f"/Users/{made['id']}", {"schemas", "id"}
    for said, kept in (
        ("userName", {"userName"}), (f"{USER}:displayName,ROLES.value", {"displayName", "roles"}),
        (f"{STAFF}:licence", {STAFF}), ("nothing", set()),
    ):  # fmt: skip
        assert set(ask(directory, "GET", f"{place}?attributes={said}").body) == names | kept
    left = ask(directory, "GET", f"{place}?excludedAttributes=roles,id,meta").body
    assert set(left) == set(made) - {"roles", "meta"}
    assert ask(directory, "GET", f"{place}?attributes=id&excludedAttributes=roles").status == 400


def test_a_user_that_was_changed_meanwhile_is_not_changed_by_who_saw_another(directory: Client) -> None:
    made = joined(directory)
    place, seen = f"/Users/{made['id']}", made["meta"]["version"]
    first = ask(directory, "GET", place)
    assert first.headers["ETag"] == seen
    assert ask(directory, "GET", place, If_None_Match=seen).status == 304
    renamed = operations({"op": "replace", "path": f"{USER}:displayName", "value": "Dr Other"})
    now = ask(directory, "PATCH", place, renamed, If_Match=seen)
    assert (now.status, now.headers["ETag"] != seen) == (200, True)
    for method, body in (("PATCH", renamed), ("PUT", made | {"active": False}), ("DELETE", None)):
        reply = ask(directory, method, place, body, If_Match=seen)
        assert (reply.status, ask(directory, "GET", place).body) == (412, now.body)
    assert ask(directory, "DELETE", place, If_Match=f'"x", {now.headers["ETag"]}').status == 204


def test_other_roles_give_another_post_in_the_same_teams_and_coming_back_one_in_none(
    edge: Edge, directory: Client
) -> None:
    made, leaver = joined(directory), joined(directory)
    team = grouped(directory, made, leaver)
    first, view = post(edge, made), edge.story.world.ledger
    role = operations({"op": "add", "path": "roles", "value": [{"value": "nurse"}]})
    changed = ask(directory, "PATCH", f"/Users/{made['id']}", role).body
    assert [each["value"] for each in changed["groups"]] == [team["id"]]
    inside = [view.fresh_head().in_team(each, int(team["id"], 16)) for each in (first, post(edge, made))]
    assert (post(edge, made) != first, inside) == (True, [False, True])
    for active in (False, True):
        away = ask(directory, "PUT", f"/Users/{leaver['id']}", leaver | {"active": active}).body
        assert (away["active"], away["groups"]) == (active, [])
    assert [each["value"] for each in ask(directory, "GET", f"/Groups/{team['id']}").body["members"]] == [
        made["id"]
    ]
