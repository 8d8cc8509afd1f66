"""The plain REST interface: its document is true, it shows what its asker may see, and it refuses in one form."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3
from openapi_spec_validator import validate

from careledger.app import tokens
from careledger.app.names import newest_rows
from careledger.domain import errors
from careledger.domain.consents import Purpose
from careledger.domain.errors import CareLedgerError, Throttled
from careledger.domain.parties import Role
from careledger.gateway import outcomes
from careledger.gateway.api import problems
from careledger.gateway.api.openapi import document
from careledger.gateway.api.pace import MOST_KEPT, Pace
from careledger.gateway.api.rows import BASE, PARTS
from careledger.gateway.api.table import ROWS
from careledger.workflows import register
from gateway.edge_world import DAY, Client, Edge, Reply
from story import BIRTH, LICENCE, NAME, NATIONAL_ID

EXAMPLES = {
    "party": "hos-0000000000001",
    "patient": "0" * 64,
    "consent": "0" * 64,
    "custodian": "0" * 16,
    "number": "0" * 16,
    "act": "0" * 64,
    "block": "0",
    "team": "0" * 16,
    "request": "0" * 32,
    "proposal": "0" * 32,
    "webhook": "0" * 32,
    "app": "0" * 64,
    "client": "0" * 32,
    "entry": "0" * 64,
}


@pytest.fixture
def stay(edge: Edge) -> Client:
    return client(edge, "Dr Stay")


@pytest.fixture
def city(edge: Edge) -> Client:
    return client(edge, "clerk")


def client(edge: Edge, label: str, **given: Any) -> Client:
    return Client(edge.gateway.url + BASE, edge.token(label, **given))


def pages(asking: Client, place: str) -> Iterator[Any]:
    """Every item of a list, from all its pages."""
    while place:
        body = asking.ask(place).body
        yield from body["items"]
        place = asking.base.removesuffix(BASE) + body["next"] if body["next"] else ""


# The document -------------------------------------------------------------------------------------


def test_the_document_is_openapi_3_1_and_has_what_the_application_answers(edge: Edge) -> None:
    said = urllib3.request("GET", f"{edge.gateway.url}{BASE}/openapi.json").json()
    validate(said)
    assert said["openapi"].startswith("3.1")
    there = {
        (method, path.removeprefix(BASE) or "/")
        for method, path in edge.gateway.routes()
        if path.startswith(BASE)
    }
    open_ones = {("GET", place) for place in ("/openapi.json", "/docs", "/docs/page.js", "/docs/page.css")}
    documented = {(method.upper(), path) for path, methods in said["paths"].items() for method in methods}
    assert there - open_ones == documented
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert {part for row in ROWS for part in row.parts} == set(PARTS) == set(EXAMPLES)


def test_generators_of_clients_find_every_tag_and_no_schema_that_is_a_boolean() -> None:
    said = document(ROWS)
    used = {tag for methods in said["paths"].values() for each in methods.values() for tag in each["tags"]}
    assert used == {each["name"] for each in said["tags"]}

    def schemas(found: Any) -> Iterator[Any]:
        for each in found.values() if isinstance(found, dict) else found if isinstance(found, list) else ():
            yield each
            yield from schemas(each)

    arrays = [each for each in schemas(said) if isinstance(each, dict) and each.get("type") == "array"]
    assert arrays
    assert all(isinstance(each["items"], dict) for each in arrays)
    refusal = said["components"]["schemas"]["Refused"]["properties"]["details"]["items"]
    assert (refusal["items"], refusal["minItems"], refusal["maxItems"]) == ({"type": "string"}, 2, 2)


def test_every_operation_says_what_it_refuses_with_and_every_refusal_is_a_type_of_its_own() -> None:
    said = document(ROWS)
    for row in ROWS:
        responses = said["paths"][row.path][row.method.lower()]["responses"]
        token = set[str]() if row.open else {"401", "403"}
        assert {"400", "421", "429", "500", "503", str(row.status)} | token <= set(responses)
        assert ("404" in responses) == (
            bool(row.parts) or any(outcomes.status_of(e) == 404 for e in row.refusals)
        )
        assert ("415" in responses) == (row.takes is not None)
    tree = [
        each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, CareLedgerError)
    ]
    assert len({problems.type_of(each) for each in tree}) == len(tree)
    assert problems.type_of(errors.TokenRefused) == "token-refused"


def test_the_page_is_served_from_here_alone_and_has_every_operation(edge: Edge) -> None:
    reply = urllib3.request("GET", f"{edge.gateway.url}{BASE}/docs")
    page, policy = reply.data.decode(), reply.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert re.findall(r'(?:src|href)="(?!#)([^"]*)"', page) == [
        "docs/page.css",
        "openapi.json",
        "docs/page.js",
    ]
    assert not re.search(r"<script>|\son\w+=|style=", page)
    ids = re.findall(r'id="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    assert '"seconds": 2592000' in html.unescape(
        page
    )  # a body's form begins with what is meant if nothing is said
    for row in ROWS:
        assert f'id="{row.name}"' in page
        assert f'data-path="{BASE}{row.path}"' in page


# Who may ------------------------------------------------------------------------------------------


def test_every_operation_refuses_a_post_without_the_role_that_its_row_names(edge: Edge) -> None:
    """The neighbour, a post that may, is in the tests of each operation."""
    tried = 0
    roles = {"clerk": frozenset({Role.NURSE}), "Dr Stay": frozenset({Role.DOCTOR})}
    for row in (each for each in ROWS if each.may is not None):
        for label in (label for label, had in roles.items() if not row.permits(had)):
            asking = client(edge, label)
            body = b"{}" if row.takes else None
            reply = asking.ask(
                row.path.format(**EXAMPLES)[1:], row.method, body, Content_Type="application/json"
            )
            assert (reply.status, reply.problem) == (403, "act-refused"), row
            assert row.name not in asking.ask("posts/me").body["operations"]
            tried += 1
    assert tried >= sum(row.may is not None for row in ROWS)


def test_an_apps_token_opens_nothing_here_whatever_its_scopes_are(edge: Edge) -> None:
    staff, now = edge.story.staff["Dr Stay"], edge.story.world.clock.now()
    token = tokens.issue(staff, Purpose.TREAT, now, DAY, scopes="user/*.cruds")[0]
    asking = Client(edge.gateway.url + BASE, token)
    for row in (each for each in ROWS if not each.open):
        body = b"{}" if row.takes else None
        reply = asking.ask(row.path.format(**EXAMPLES)[1:], row.method, body, Content_Type="application/json")
        assert (reply.status, reply.problem) == (403, "scope-refused"), row
        assert (
            "scope-refused"
            in document([row])["paths"][row.path][row.method.lower()]["responses"]["403"]["description"]
        )
    for row in (each for each in ROWS if each.open):
        assert errors.ScopeRefused not in row.refused


def test_a_post_learns_what_it_is_and_may_do(stay: Client, edge: Edge) -> None:
    said = stay.ask("posts/me").body
    assert (said["post"]["name"], said["organisation"]["name"]) == ("Dr Stay", "Delta")
    assert (said["post"]["roles"], said["purpose"]) == (["doctor"], "TREAT")
    assert "diagnosis" in said["reads"]
    assert "insurance" not in said["writes"]
    assert {"me", "parties", "consents"} <= set(said["operations"])
    assert client(edge, "Dr Stay", purpose=Purpose.HRESCH).ask("posts/me").body["purpose"] == "HRESCH"


# What is shown ------------------------------------------------------------------------------------


def test_the_network_says_where_its_ledger_stands(stay: Client, edge: Edge) -> None:
    said, world = stay.ask("").body, edge.story.world
    view = world.ledger.fresh_head()
    assert (said["head"]["number"], said["head"]["hash"]) == (view.head.number, view.head.hash.hex())
    assert said["deployment"] == world.ledger.deployment.hex()
    assert said == stay.ask(stay.base + "/").body


def test_parties_come_page_by_page_and_only_ones_own_posts_have_names(stay: Client, edge: Edge) -> None:
    whole = list(pages(stay, "parties"))
    assert list(pages(stay, "parties?limit=3")) == whole
    assert len({each["id"] for each in whole}) == len(whole) >= 14
    named = {each["name"] for each in whole if each["employer"]}
    assert named == {"Dr Stay", None}
    assert {"City", "Lakeside", "Delta", "Green"} <= {each["name"] for each in whole}
    assert sum(each["custodian"] for each in whole) == 5
    for each in whole:
        one = stay.ask(f"parties/{each['id']}").body
        assert one["party"] == each
    assert stay.ask("parties/hos-0000000000001").problem == "party-not-found"
    other = "ins" if whole[0]["id"][:3] != "ins" else "hos"
    assert stay.ask(f"parties/{other}{whole[0]['id'][3:]}").problem == "party-not-found"


def test_a_list_neither_skips_nor_repeats_when_somebody_joins_between_its_pages(
    stay: Client, edge: Edge
) -> None:
    before = [each["id"] for each in pages(stay, "parties")]
    walking = pages(stay, "parties?limit=4")
    first = [next(walking)["id"] for _ in range(4)]
    story = edge.story
    made = story.world.keyring.new_staff(story.organisations["City"], "Nurse New", {Role.NURSE})
    register.post(story.world.network, made, {Role.NURSE}, LICENCE)
    seen = first + [each["id"] for each in walking]
    assert len(seen) == len(set(seen))
    assert set(before) <= set(seen)


def test_the_rows_of_one_kind_are_those_among_all(edge: Edge) -> None:
    world = edge.story.world
    for kind in ("party", "alias", "custodian"):
        assert newest_rows(world, kind) == {kind: newest_rows(world)[kind]}
    assert newest_rows(world, "part") == {}


def test_custodians_show_how_far_their_logs_are_anchored(stay: Client, edge: Edge) -> None:
    link = next(iter(edge.story.world.custodians.values()))
    link.call("checkpoint", b"")
    view = edge.story.world.ledger.fresh_head()
    found = {each["id"]: each for each in pages(stay, "custodians?limit=2")}
    assert len(found) == 5
    anchored = [each for each in found.values() if each["log"]]
    assert anchored
    facts = view.checkpoint(link.party)
    assert facts is not None
    assert facts.root.hex() in {each["log"]["root"] for each in anchored}
    for name, each in found.items():
        assert stay.ask(f"custodians/{name}").body == each
    city = next(each["id"] for each in pages(stay, "parties") if each["name"] == "City")
    assert stay.ask(f"custodians/{city}").problem == "party-not-found"


def test_an_organisation_sees_its_own_identity_table_and_no_others(
    city: Client, stay: Client, edge: Edge
) -> None:
    alias = edge.story.adam.hex()
    found = {each["alias"]: each for each in pages(city, "patients?limit=1")}
    assert set(found) == {alias, edge.story.berta.hex()}
    one = found[alias]
    assert (one["name"], one["birth"], one["national_id"]) == (NAME, BIRTH, NATIONAL_ID)
    assert one["controller"] == "patient"
    assert city.ask(f"patients/{alias}").body == one
    assert list(pages(stay, "patients")) == []
    hidden, unknown = stay.ask(f"patients/{alias}"), stay.ask(f"patients/{'0' * 64}")
    assert (hidden.status, hidden.body) == (404, unknown.body)


def test_whom_the_matrix_lets_not_read_who_a_patient_is_sees_no_table(edge: Edge) -> None:
    world, city = edge.story.world, edge.story.organisations["City"]
    made = world.keyring.new_staff(city, "Researcher", {Role.RESEARCHER})
    register.post(world.network, made, {Role.RESEARCHER}, LICENCE)
    edge.story.staff["Researcher"] = made
    asking = client(edge, "Researcher", purpose=Purpose.HRESCH)
    for place in ("patients", f"patients/{edge.story.adam.hex()}", f"patients/{'0' * 64}"):
        assert (asking.ask(place).status, asking.ask(place).problem) == (403, "access-refused")


def test_a_post_sees_the_consents_that_name_it_and_nobody_elses(stay: Client, edge: Edge) -> None:
    (mine,) = pages(stay, "consents")
    assert edge.story.staying is not None
    assert mine["commitment"] == edge.story.staying.commitment.hex()
    assert (mine["patient"], mine["state"], mine["may"]) == (edge.story.adam.hex(), "active", ["view"])
    assert mine["categories"] == [{"category": "diagnosis", "restricted": False}]
    assert "exceptions" not in mine
    assert stay.ask(f"consents/{mine['commitment']}").body == mine
    assert [each["id"] for each in edge.client("Dr Stay").ask("Consent").matches] == [mine["commitment"]]
    lake = client(edge, "Dr Lake")
    assert [each["state"] for each in pages(lake, "consents")] == ["inactive"]
    assert lake.ask(f"consents/{mine['commitment']}").problem == "record-not-found"
    assert list(pages(stay, f"consents?patient={edge.story.berta.hex()}")) == []
    assert list(pages(stay, f"consents?patient={edge.story.adam.hex()}&limit=1")) == [mine]


# How it refuses -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=201", "limit=x", "limit=1&limit=1", "cursor=%3F", "cursor=%2B%2F%2F%2F", "cursor=_w",
        "unknown=1", "%ff=1", "&".join(f"a{number}=1" for number in range(60)),
    ],
)  # fmt: skip
def test_a_query_that_the_document_does_not_have_is_refused(stay: Client, query: str) -> None:
    reply = stay.ask(f"parties?{query}")
    assert (reply.status, reply.problem) == (400, "api-refused")


def test_what_is_not_there_is_a_problem_too(stay: Client, edge: Edge) -> None:
    assert stay.ask("nothing").problem == "no-route"
    reply = stay.ask("parties", "DELETE")
    assert (reply.status, reply.problem) == (405, "no-method")
    assert set(reply.headers["Allow"].split(", ")) == {"GET", "HEAD"}
    for place in ("parties/HOS-1", "parties/é", "consents/1", f"patients/{'G' * 64}"):
        assert stay.ask(urllib3.util.parse_url(f"{stay.base}/{place}").url).problem == "record-not-found"
    assert stay.ask("parties", Host="elsewhere.example").problem == "misdirected"
    assert stay.ask("docs", Host="elsewhere.example").problem == "misdirected"
    assert edge.stranger().ask(edge.gateway.url + "/api/v10").issue[0] == "not-found"


def test_a_token_that_asks_too_often_waits_and_another_does_not(
    stay: Client, edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge.gateway._edge._api._pace, "a_second", 0.01)  # however slow this machine is
    replies: list[Reply] = []
    while len(replies) < 2_000 and (not replies or replies[-1].status == 200):
        replies.append(stay.ask("posts/me"))
    last = replies[-1]
    assert (last.status, last.problem) == (429, "throttled")
    assert int(last.headers["Retry-After"]) >= 1
    assert client(edge, "Dr Stay").ask("posts/me").status == 200
    assert len(replies) > 300


def test_a_bucket_fills_again_and_nobody_can_make_it_keep_too_much() -> None:
    pace = Pace(burst=3, a_second=0.5)
    for _ in range(3):
        pace.take(b"one", 100.0)
    with pytest.raises(Throttled) as refusal:
        pace.take(b"one", 100.0)
    assert refusal.value.details == {"seconds": 2}
    pace.take(b"two", 100.0)
    pace.take(b"one", 102.0)
    with pytest.raises(Throttled):
        pace.take(b"one", 102.0)
    for number in range(MOST_KEPT + 10):
        pace.take(number.to_bytes(4, "big"), 200.0)
    assert len(pace._left) <= MOST_KEPT
