"""Organisations, posts and keys come and go over the plain interface, by whom the ledger lets, and by no stranger."""

from __future__ import annotations

import pytest

from careledger.app.world import officer_posts
from careledger.domain.errors import CareLedgerError
from careledger.domain.parties import Role
from careledger.workflows import register
from gateway.edge_world import Client, Edge
from gateway.test_api_writing import client, employed, post

HILL = {"name": "Hillside Hospital", "roles": ["hospital", "centre"], "licence": "H-9"}
DOCTOR = {"name": "Dr New", "roles": ["doctor"], "licence": "D-1"}


@pytest.fixture
def officer(edge: Edge) -> Client:
    return client(edge, officer_posts(edge.story.world)[0])


@pytest.fixture
def operator(edge: Edge) -> Client:
    return client(edge, employed(edge, "Delta", "operator, Delta", Role.OPERATOR))


@pytest.fixture
def strangers(edge: Edge) -> list[Client]:
    elsewhere = client(edge, employed(edge, "Lakeside", "operator, Lakeside", Role.OPERATOR))
    return [client(edge, edge.story.staff["Dr Stay"]), elsewhere]


def parties_now(asking: Client) -> list[str]:
    return sorted(each["id"] for each in asking.ask("parties?limit=200").body["items"])


def test_an_officer_proposes_verifies_and_removes_an_organisation_and_nobody_else_does(
    edge: Edge, officer: Client, operator: Client, strangers: list[Client]
) -> None:
    before = parties_now(officer)
    for stranger in (operator, *strangers):
        assert post(stranger, "organisations", HILL).problem == "act-refused"
    assert parties_now(officer) == before
    made = post(officer, "organisations", HILL, "key-hill")
    assert (made.status, made.body["party"]["status"], made.body["party"]["name"]) == (
        201,
        "pending",
        HILL["name"],
    )
    assert made.body["party"]["roles"] == ["centre", "hospital"]
    for each in edge.story.world.keyring.ministry().books.rows("answered-once"):
        edge.story.world.keyring.ministry().books.drop(
            "answered-once", [each[0]]
        )  # a crash before the answer
    assert post(officer, "organisations", HILL, "key-hill").body == made.body
    assert post(officer, "organisations", HILL).problem == "api-refused"
    place = f"parties/{made.body['party']['id']}"
    checked = {"licence": "H-9", "sealing_key": made.body["sealing_key"], "custodian": True}
    for stranger in (operator, *strangers):
        assert post(stranger, f"{place}/verification", checked).problem == "act-refused"
        assert post(stranger, f"{place}/removal", {}).problem == "act-refused"
    verified = post(officer, f"{place}/verification", checked)
    assert (verified.body["party"]["status"], verified.body["party"]["custodian"]) == ("verified", True)
    gone = post(officer, f"{place}/removal", {})
    assert gone.body["party"]["status"] == "removed"
    assert post(officer, f"{place}/removal", {}).body == gone.body
    assert post(officer, f"{place}/reinstatement", {}).problem == "act-refused"


@pytest.mark.parametrize(
    "changes",
    [{"name": "Delta"}, {"name": " spaced"}, {"name": "a\nb"}, {"name": ""}, {"roles": []}, {"roles": ["doctor"]},
     {"roles": ["ministry"]}, {"name": "x" * 101}, {"more": 1}],
)  # fmt: skip
def test_what_is_no_organisation_is_not_proposed(officer: Client, changes: dict[str, object]) -> None:
    before = parties_now(officer)
    assert post(officer, "organisations", {**HILL, "name": "Another", **changes}).problem == "api-refused"
    assert parties_now(officer) == before


def test_an_operator_vouches_for_its_own_posts_and_ends_them_and_nobody_else_does(
    edge: Edge, operator: Client, officer: Client, strangers: list[Client]
) -> None:
    doctor, elsewhere = strangers
    for stranger in (doctor, officer):
        assert post(stranger, "posts", DOCTOR).problem == "act-refused"
    made = post(operator, "posts", DOCTOR, "key-post")
    party = made.body["party"]
    assert (made.status, party["name"], party["roles"]) == (201, "Dr New, Delta", ["doctor"])
    assert party["employer"] == operator.ask("posts/me").body["organisation"]["id"]
    assert post(operator, "posts", DOCTOR, "key-post").body == made.body
    assert post(operator, "posts", DOCTOR).problem == "api-refused"
    assert post(operator, "posts", {**DOCTOR, "name": "x" * 99}).problem == "api-refused"
    theirs = post(elsewhere, "posts", DOCTOR)
    assert theirs.body["party"]["employer"] != party["employer"]
    assert elsewhere.ask(f"parties/{party['id']}").body["party"]["name"] is None
    assert operator.ask("parties/" + theirs.body["party"]["id"]).body["party"]["name"] is None
    staff = edge.story.world.keyring.all_staff(edge.story.organisations["Delta"])["Dr New, Delta"]
    new = client(edge, staff)
    assert new.ask("posts/me").body["post"]["id"] == party["id"]
    place = f"posts/{party['id']}"
    for act in ("end", "key"):
        assert post(doctor, f"{place}/{act}", {}).problem == "act-refused"
        assert post(elsewhere, f"{place}/{act}", {}).problem == "party-not-found"
    assert new.ask("posts/me").status == 200
    assert post(operator, f"{place}/end", {}).body["party"]["status"] == "removed"
    assert new.ask("posts/me").problem == "party-not-verified"
    mine = operator.ask("posts/me").body["post"]["id"]
    assert post(operator, f"posts/{mine}/end", {}).problem == "act-refused"
    assert operator.ask("posts/me").status == 200


def test_keys_change_while_the_gateway_runs_and_reading_and_writing_go_on(
    edge: Edge, operator: Client, strangers: list[Client]
) -> None:
    doctor, elsewhere = strangers
    stay = edge.client("Dr Stay")
    patient = edge.story.adam.hex()
    assert stay.ask(f"Condition?patient={patient}").matches
    before = doctor.ask("keys").body
    turned = post(doctor, "posts/me/key", {})
    assert turned.status == 200
    assert turned.body["post"]["signs_as"] == turned.body["post"]["on_ledger"] != before["post"]["on_ledger"]
    assert doctor.ask("keys").body == turned.body
    assert stay.ask(f"Condition?patient={patient}").matches
    mine = doctor.ask("posts/me").body["post"]["id"]
    again = post(operator, f"posts/{mine}/key", {})
    assert again.body["signs_as"] != turned.body["post"]["on_ledger"]
    assert stay.ask(f"Condition?patient={patient}").matches
    assert post(doctor, "organisations/me/key", {}).problem == "act-refused"
    assert doctor.ask("keys").body["organisation"] == before["organisation"]
    whole = post(operator, "organisations/me/key", {})
    assert whole.body["organisation"]["signs_as"] == whole.body["organisation"]["on_ledger"]
    assert whole.body["organisation"]["on_ledger"] != before["organisation"]["on_ledger"]
    assert post(operator, "posts", {**DOCTOR, "name": "Dr After"}).status == 201
    assert stay.ask(f"Condition?patient={patient}").matches
    assert elsewhere.ask("keys").body["organisation"]["on_ledger"] != before["organisation"]["on_ledger"]


def test_what_the_old_key_signs_counts_no_more(edge: Edge) -> None:
    city = edge.story.organisations["City"]
    operator = client(edge, employed(edge, "City", "operator, City", Role.OPERATOR))
    assert post(operator, "organisations/me/key", {}).status == 200
    with pytest.raises(CareLedgerError):
        register.patient(edge.story.world.network, city, None)
    clerk = client(edge, edge.story.staff["clerk"])
    made = post(clerk, "patients", {"name": "Written After"})
    assert made.status == 201, made.body
