"""Every route by every role: without a token, with one that is over, and by who does not stand, nothing is answered; by
another post or another organisation nothing of somebody's own. The routes are those that the application has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from careledger.app import app_grants, tokens
from careledger.app.world import officer_posts
from careledger.domain.categories import Category
from careledger.domain.consents import Purpose
from careledger.domain.parties import POST_ROLES, Role
from careledger.formats.apps import AppGrant
from careledger.gateway.api.rows import BASE
from careledger.gateway.server import Gateway
from careledger.workflows import parties, register
from careledger.workflows.actors import Organisation, Staff
from careledger.workflows.register import Officer
from gateway.bulk_flow import export
from gateway.edge_world import DAY, JSON, Client, Edge, Reply
from gateway.oauth_world import app
from gateway.test_groups import group, put
from gateway.test_preferences import awaited, condition, sent
from gateway.test_subscriptions import wanted
from gateway.test_who_may_ask import FORM, KINDS, OPEN, answers, assert_unknown, routes
from story import LICENCE, Story, copied, organisation

ROLES = sorted(POST_ROLES)
NOTHING = frozenset({403, 404, 405})
"""What says no and nothing else: FHIR answers 405 to a PUT of what is not there to be seen."""

ANY, OWN, NAMED = "whoever stands", "the asker's own", "what it names"
API = BASE
DECIDED: dict[str, tuple[str, ...]] = {
    # what the ledger shows all its members, or R4 says
    ANY: (
        f"GET {API}", f"GET {API}/", f"GET {API}/parties", f"GET {API}/parties/{{party}}", f"GET {API}/custodians",
        f"GET {API}/custodians/{{party}}", "GET /fhir/OperationDefinition/{id}", "POST /fhir/{kind}/$validate",
    ),
    # of the asking post or its organisation, whatever others have; what it makes is its own
    OWN: (
        "GET /fhir", "POST /fhir", "GET /fhir/_history", "GET /fhir/{kind}",
        "POST /fhir/{kind}", "PUT /fhir/{kind}", "DELETE /fhir/{kind}", "PATCH /fhir/{kind}",
        "POST /fhir/{kind}/_search", "POST /fhir/_search",
        "GET /fhir/{kind}/_history", "POST /fhir/Patient/$match", "GET /fhir/$export", "POST /fhir/$export",
        "GET /fhir/Patient/$export", "POST /fhir/Patient/$export", "POST /fhir/Group", "POST /fhir/Subscription",
        "GET /fhir/Practitioner/{id}", "GET /fhir/Patient/$summary", "POST /fhir/Patient/$summary",
        f"POST {API}/posts/me/key",
        *(f"GET {API}/{each}" for each in (
            "posts/me", "keys", "patients", "consents", "consent-requests", "emergency-proposals", "emergencies",
            "events", "webhooks", "apps",
        )),
        *(f"POST {API}/{each}" for each in (
            "patients", "consent-requests", "emergency-proposals", "webhooks", "launches",
        )),
    ),
    # only by an officer of the ministry; the test of roles in test_api.py refuses all others
    "the ministry": tuple(
        f"POST {API}/parties/{{party}}/{each}" for each in ("verification", "suspension", "reinstatement")
    ),
    # by operators, of their own organisation; see test_own_reads.py, test_scim.py and test_scim_groups.py
    "operators": (
        f"GET {API}/reads",
        "GET /scim/v2/ServiceProviderConfig",
        *(f"GET /scim/v2/{each}{id}" for each in ("ResourceTypes", "Schemas") for id in ("", "/{id}")),
        *(f"{method} /scim/v2/{each}" for each in ("Users", "Groups") for method in ("GET", "POST")),
        *(f"{method} /scim/v2/{each}/{{id}}" for each in ("Users", "Groups")
          for method in ("GET", "PUT", "PATCH", "DELETE")),
    ),
    # registering: by officers, by operators for their own posts; see test_api_registration.py, test_api_teams.py
    "by role": (
        f"POST {API}/organisations", f"POST {API}/organisations/me/key", f"POST {API}/parties/{{party}}/removal",
        *(f"{method} {API}/teams" for method in ("GET", "POST")),
        *(f"{method} {API}/teams/{{team}}" for method in ("GET", "DELETE")),
        *(f"POST {API}/teams/{{team}}/{each}" for each in ("name", "place", "posts")),
        f"DELETE {API}/teams/{{team}}/posts/{{party}}",
        f"POST {API}/posts", f"POST {API}/posts/{{party}}/end", f"POST {API}/posts/{{party}}/key",
    ),
    # somebody's: the tests here ask for real ones, of another
    NAMED: (
        *(
            f"{method} /fhir/Patient/{{id}}/{each}"
            for each in ("$summary", "$pdf", "$everything")
            for method in ("GET", "POST")
        ),
        "GET /fhir/Patient/{id}/{kind}", "GET /fhir/Patient/{id}/*",
        "POST /fhir/Patient/{id}/{kind}/_search",
        "GET /fhir/{kind}/{id}/$meta", "POST /fhir/{kind}/{id}/$meta",
        "GET /fhir/Binary/{id}", "GET /fhir/{kind}/{id}",
        "PUT /fhir/{kind}/{id}", "PATCH /fhir/{kind}/{id}", "DELETE /fhir/{kind}/{id}",
        "GET /fhir/{kind}/{id}/_history", "GET /fhir/{kind}/{id}/_history/{version}",
        "GET /fhir/bulk/{id}", "DELETE /fhir/bulk/{id}", "GET /fhir/bulk/{id}/{file}",
        "GET /fhir/later/{id}", "DELETE /fhir/later/{id}",
        "GET /fhir/Group/{id}", "PUT /fhir/Group/{id}", "DELETE /fhir/Group/{id}",
        "GET /fhir/Group/{id}/_history/{version}", "GET /fhir/Group/{id}/$export", "POST /fhir/Group/{id}/$export",
        "GET /fhir/Subscription/{id}", "DELETE /fhir/Subscription/{id}",
        f"GET {API}/patients/{{patient}}", f"GET {API}/consents/{{consent}}",
        f"GET {API}/consent-requests/{{request}}", f"POST {API}/emergency-proposals/{{proposal}}/confirmation",
        f"GET {API}/emergencies/{{entry}}", f"POST {API}/emergencies/{{entry}}/review",
        f"GET {API}/webhooks/{{webhook}}", f"DELETE {API}/webhooks/{{webhook}}",
        f"DELETE {API}/apps/{{app}}",
    ),
}  # fmt: skip
"""What each route that needs a token shows or changes; a new one has to be decided here."""
OF_THE_TOKEN = ("/fhir/bulk/", "/fhir/later/")
OF_THE_POST = ("/fhir/Subscription/", f"{API}/webhooks/", f"{API}/consent-requests/", f"{API}/apps/")
"""What colleagues of one organisation do not share."""


@dataclass
class Everybody:
    """An organisation with a post of each role, and what City's posts own."""

    edge: Edge
    officer: Officer
    employer: Organisation
    posts: dict[Role, Staff] = field(default_factory=dict)
    parts: dict[str, dict[str, str]] = field(default_factory=dict)

    def client(self, staff: Staff, scopes: str = "", issued: int = 0) -> Client:
        now = issued or self.edge.story.world.clock.now()
        return Client(self.edge.gateway.base, tokens.issue(staff, Purpose.TREAT, now, DAY, scopes=scopes)[0])

    def employ(self, employer: Organisation, role: Role) -> Staff:
        world, label = self.edge.story.world, f"{role.code} of {employer.number:x}"
        known = world.keyring.all_staff(employer)
        if label not in known:
            register.post(world.network, world.keyring.new_staff(employer, label, {role}), {role}, LICENCE)
        return world.keyring.all_staff(employer)[label]

    def colleague(self, role: Role) -> Staff:
        """A second post of that role at City."""
        world, city, label = (
            self.edge.story.world,
            self.edge.story.organisations["City"],
            f"second {role.code}",
        )
        if label not in world.keyring.all_staff(city):
            register.post(world.network, world.keyring.new_staff(city, label, {role}), {role}, LICENCE)
        return world.keyring.all_staff(city)[label]

    def found(self, label: str) -> Organisation:
        world = self.edge.story.world
        return organisation(world, label, Role.HOSPITAL, officer_posts(world)[0], keeps=False)


@pytest.fixture(scope="module")
def everybody(told: Story, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Everybody]:
    story = copied(told, tmp_path_factory.mktemp("matrix") / "data")
    world = story.world
    first = officer_posts(world)[0]
    world.settings = replace(world.settings, webhooks_to_loopback=True)
    with Gateway(world, port=0) as gateway:
        made = Everybody(Edge(story, gateway), Officer(first.number, first.key), story.organisations["City"])
        made.employer = made.found("Northside")
        made.posts = {role: made.employ(made.employer, role) for role in ROLES}
        yield made
    world.close()


def owned(everybody: Everybody) -> dict[str, dict[str, str]]:
    """What City's posts have: by the beginning of a route, the parts that name it."""
    edge, city = everybody.edge, everybody.edge.story.organisations["City"]
    doctor, alias = edge.client("Dr City"), edge.story.adam.hex()
    machine = everybody.client(everybody.employ(city, Role.DEVICE))
    person = register.patient(edge.story.world.network, city, None, False, [Category.DIAGNOSIS.value])
    made = sent(doctor, "Condition", "POST", condition(person.alias.hex(), "seen by City"), "respond-async")
    place = made.headers["Content-Location"]
    (entry,) = awaited(doctor, place).body["entry"]
    kind, id, _, version = entry["response"]["location"].rsplit("/", 4)[1:]
    exported = export(doctor).place.rsplit("/", 1)[1]
    grouped = put(doctor, group(person.alias)).body["id"]
    hook = api(machine, "webhooks", {"url": "http://127.0.0.1:9/"})
    subscribed = machine.ask(
        "Subscription", "POST", json.dumps(wanted("http://127.0.0.1:9/")).encode(), Content_Type=JSON
    )
    asked = api(
        doctor,
        "consent-requests",
        {"patient": alias, "categories": ["report"], "reason": "?", "seconds": 3600},
    )
    opener, second = everybody.employ(city, Role.DOCTOR), everybody.employ(city, Role.OPERATOR)
    first, again = (
        api(everybody.client(opener), "emergency-proposals", {"patient": alias, "reason": "unconscious"})[
            "id"
        ]
        for _ in "12"
    )
    done = api(everybody.client(second), f"emergency-proposals/{first}/confirmation", {"patient": alias})
    held = edge.client("Dr City").ask(f"{edge.gateway.url}{API}/consents").body["items"][0]["commitment"]
    record = {"kind": kind, "id": id, "version": version}
    return {
        "/fhir/Patient/{id}": {"id": person.alias.hex(), "kind": kind}, "/fhir/Binary/": record, "/fhir/{kind}": record,
        "/fhir/bulk/": {"id": exported, "file": "0"}, "/fhir/later/": {"id": place.rsplit("/", 1)[1]},
        "/fhir/Group/": {"id": grouped, "version": "1"}, "/fhir/Subscription/": {"id": subscribed.body["id"]},
        f"{API}/patients/": {"patient": person.alias.hex()}, f"{API}/consents/": {"consent": held},
        f"{API}/consent-requests/": {"request": asked["id"]}, f"{API}/emergencies/": {"entry": done["entry"]},
        f"{API}/emergency-proposals/": {"proposal": again}, f"{API}/webhooks/": {"webhook": hook["id"]},
        f"{API}/apps/": {"app": launched(edge)},
    }  # fmt: skip


def launched(edge: Edge) -> str:
    """The name of what an app was granted by City's doctor."""
    doctor, now = edge.story.staff["Dr City"], edge.story.world.clock.now()
    grant = AppGrant(
        app(edge).id, doctor.number, "TREAT", "user/*.rs", b"", "", b"", b"", bytes(16), b"", now, b""
    )
    tokens.issue_to_app(doctor.organisation.books, grant, now + DAY, now, 900)
    return app_grants.name_of(grant).hex()


def api(client: Client, place: str, body: Any) -> Any:
    reply = client.ask(
        f"{client.base.removesuffix('/fhir')}{API}/{place}",
        "POST",
        json.dumps(body).encode(),
        Content_Type="application/json",
    )
    assert reply.status in (200, 201), reply.body
    return reply.body


def asked_for(client: Client, route: str, parts: dict[str, str], alias: str) -> Reply:
    """What that route answers about something that is there, with a body that its owner could send."""
    method, path = route.split(" ")
    resource: Any = {
        "resourceType": "Condition",
        "id": parts.get("id"),
        "subject": {"reference": f"Patient/{alias}"},
    }
    if path.startswith("/fhir/Group") and not path.endswith("$export"):
        resource = group(bytes.fromhex(alias), id=parts["id"])
    if "$" in path:
        resource = {"resourceType": "Parameters"}
    kind = FORM if path.endswith("_search") else KINDS.get(method, JSON)
    body = [{"op": "add", "path": "/code", "value": {"text": "stolen"}}] if method == "PATCH" else resource
    if path.startswith(API):
        kind, body = "application/json", {"justified": True} if "review" in path else {"patient": alias}
    given = None if method in ("GET", "DELETE") else json.dumps(body).encode()
    headers = (
        {"Content_Type": kind, "Prefer": "respond-async"} if "$export" in path else {"Content_Type": kind}
    )
    return client.ask(client.base.removesuffix("/fhir") + path.format(**parts), method, given, **headers)


def named(
    things: dict[str, dict[str, str]], of: tuple[str, ...] = ("/",)
) -> list[tuple[str, dict[str, str]]]:
    """Each route that names something, with what it names."""
    found = []
    for route in DECIDED[NAMED]:
        path = route.split(" ")[1]
        if path.startswith(of):
            found.append((route, next(parts for start, parts in things.items() if path.startswith(start))))
    return found


def test_every_route_has_a_decision_about_whose_it_is(everybody: Everybody) -> None:
    said = [each for those in DECIDED.values() for each in those]
    assert len(said) == len(set(said))
    assert {f"{method} {path}" for method, path in routes(everybody.edge)} == set(said)
    assert not OPEN & {tuple(each.split(" ")) for each in said}


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.code)
def test_no_route_answers_a_role_without_a_token_in_force_or_with_scopes_of_something_else(
    everybody: Everybody, role: Role
) -> None:
    staff, now = everybody.posts[role], everybody.edge.story.world.clock.now()
    over = everybody.client(staff, issued=now - 2 * DAY)
    assert_unknown(answers(over, everybody.edge))
    withdrawn = everybody.client(staff)
    tokens.withdraw(staff.organisation, tokens.digest_of(withdrawn.token))
    assert_unknown(answers(withdrawn, everybody.edge))
    replies = answers(everybody.client(staff, "user/Device.d"), everybody.edge)
    assert {each.status for each in replies} == {403}


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.code)
def test_no_route_answers_a_role_that_does_not_stand_or_whose_employer_does_not(
    everybody: Everybody, role: Role
) -> None:
    network, officer, staff = everybody.edge.story.world.network, everybody.officer, everybody.posts[role]
    client = everybody.client(staff)
    assert client.ask("_history").status == 200
    for number in (staff.number, staff.organisation.number):
        parties.suspend(network, officer, number)
        try:
            assert {each.status for each in answers(client, everybody.edge)} == {403}
        finally:
            parties.reinstate(network, officer, number)
    ended = everybody.employ(everybody.employer, role)
    parties.end_post(network, ended)
    assert {each.status for each in answers(client, everybody.edge)} == {403}
    gone = everybody.found(f"Gone {role.code}")
    client = everybody.client(everybody.employ(gone, role))
    assert client.ask("_history").status == 200
    parties.remove(network, officer, gone.number)
    assert {each.status for each in answers(client, everybody.edge)} == {403}


def test_no_route_answers_an_officer_without_a_token_in_force_or_with_scopes_of_something_else(
    everybody: Everybody,
) -> None:
    """No one officer suspends another; see test_no_officer_alone_touches_the_ministry_or_another_officer."""
    officer, now = officer_posts(everybody.edge.story.world)[0], everybody.edge.story.world.clock.now()
    assert_unknown(answers(everybody.client(officer, issued=now - 2 * DAY), everybody.edge))
    replies = answers(everybody.client(officer, "user/Device.d"), everybody.edge)
    assert {each.status for each in replies} == {403}


def test_nobody_of_another_organisation_and_no_colleague_reaches_what_a_post_has(
    everybody: Everybody,
) -> None:
    """Each thing is there, as its owner sees; whoever else asks for it by name learns and changes nothing."""
    edge, world = everybody.edge, everybody.edge.story.world
    things = owned(everybody)
    alias = things["/fhir/Patient/{id}"]["id"]
    before = seen_by_owner(everybody, things, alias)
    elsewhere = everybody.found("Westside")
    strangers = [everybody.employ(elsewhere, role) for role in ROLES]
    strangers += [officer_posts(world)[0]]
    tried = 0
    for staff in strangers:
        client = everybody.client(staff)
        for route, parts in named(things):
            if staff is strangers[-1] and "emergencies" in route:
                continue  # officers review every emergency
            reply = asked_for(client, route, parts, alias)
            assert reply.status in NOTHING, (staff.number, route, reply.status)
            tried += 1
    for role in ROLES:
        colleague = everybody.client(everybody.employ(edge.story.organisations["City"], role))
        other = everybody.colleague(role)
        for route, parts in named(things, OF_THE_TOKEN):
            assert asked_for(colleague, route, parts, alias).status in NOTHING, (role, route)
        for route, parts in named(things, OF_THE_POST):
            assert asked_for(everybody.client(other), route, parts, alias).status in NOTHING, (role, route)
            tried += 1
    assert tried > 200
    assert seen_by_owner(everybody, things, alias) == before


def seen_by_owner(everybody: Everybody, things: dict[str, dict[str, str]], alias: str) -> dict[str, Any]:
    """What those whose it is are answered."""
    edge, city = everybody.edge, everybody.edge.story.organisations["City"]
    machine = everybody.client(everybody.employ(city, Role.DEVICE))
    found = {}
    for route, parts in named(things):
        if (
            not route.startswith("GET")
            or route.split(" ")[1].startswith(("/fhir/bulk", "/fhir/later", "/fhir/Binary"))
            or "$" in route
        ):
            continue
        client = machine if "Subscription" in route or "webhook" in route else edge.client("Dr City")
        reply = asked_for(client, route, parts, alias)
        assert reply.status == 200, (route, reply.body)
        found[route] = reply.body
    return found
