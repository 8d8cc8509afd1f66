"""An app's token asks what its scopes say and no more, whatever its post may; what they hide is as if not there."""

from __future__ import annotations

import json

import pytest

from careledger.app import tokens
from careledger.app.scopes import ANY, EVERYTHING, SOME, read_scopes
from careledger.domain.consents import Permission, Purpose
from careledger.domain.errors import ScopeRefused
from gateway.edge_world import DAY, JSON, Client, Edge
from gateway.test_fhir_writing import condition, post
from gateway.test_who_may_ask import answers
from story import DIAGNOSIS


def app(edge: Edge, label: str, *scopes: str) -> Client:
    """A program of that post with these scopes."""
    staff, now = edge.story.staff[label], edge.story.world.clock.now()
    return Client(
        edge.gateway.base, tokens.issue(staff, Purpose.TREAT, now, DAY, "an app", " ".join(scopes))[0]
    )


def test_scopes_are_smarts_of_either_version() -> None:
    said = read_scopes("user/Observation.rs  system/Patient.read user/Condition.write user/*.s")
    assert said.allow("rs", "Observation")
    assert not said.allow("c", "Observation")
    assert said.allow("rs", "Patient")
    assert said.allow("cud", "Condition")
    assert not said.allow("r", "Condition")
    assert said.allow("s", ANY)
    assert not said.allow("r", ANY)
    assert not said.allow("", ANY)
    assert said.allow("c", SOME)
    assert not said.allow("cr", SOME)
    assert read_scopes("user/*.*").allow("cruds", "Basic")
    assert EVERYTHING.allow("", ANY)
    assert read_scopes("") is EVERYTHING


@pytest.mark.parametrize(
    "said",
    ["patient/Observation.rs", "user/Observation", "user/Observation.", "user/Observation.sr", "user/Nothing.r",
     "openid", "user/Observation.rs?patient=a", "user/observation.r", "user/*", "user/Observation.rx"],
)  # fmt: skip
def test_what_is_no_scope_of_a_posts_token_makes_no_token(edge: Edge, said: str) -> None:
    with pytest.raises(ScopeRefused):
        app(edge, "Dr Stay", "user/Patient.r", said)


def test_no_route_answers_an_app_whose_scopes_say_nothing_of_it(edge: Edge) -> None:
    replies = answers(app(edge, "Dr Stay", "user/Device.d"), edge)
    assert {each.status for each in replies} == {403}
    assert len(replies) > 30


def test_an_app_sees_the_types_of_its_scopes_in_every_answer_and_is_told_so(edge: Edge) -> None:
    alias = edge.story.adam.hex()
    whole = edge.client("Dr Stay").ask(f"Patient/{alias}/$everything?_count=1000").matches
    types = {each["resourceType"] for each in whole}
    assert "Condition" in types
    assert len(types) > 2
    narrow = app(edge, "Dr Stay", "user/Condition.rs", "user/Patient.r")
    shown = narrow.ask(f"Patient/{alias}/$everything?_count=1000")
    assert {each["resourceType"] for each in shown.matches} <= {"Condition", "Patient"}
    assert "only: Condition, Patient" in str(shown.body)
    found = narrow.ask(
        f"Condition?patient={alias}&_include=*&_revinclude=Encounter:diagnosis&_include=Condition:encounter"
    )
    assert found.matches
    included = {
        each["resource"]["resourceType"]
        for each in found.body["entry"]
        if each["search"]["mode"] == "include"
    }
    assert included <= {"Condition", "Patient"}
    chained = narrow.ask(f"Condition?patient={alias}&encounter:Encounter.status=finished")
    assert chained.matches == []
    other = next(each for each in whole if each["resourceType"] not in ("Condition", "Patient"))
    assert narrow.ask(f"{other['resourceType']}/{other['id']}").status == 403
    assert narrow.ask(f"{other['resourceType']}?patient={alias}").status == 403
    assert narrow.ask(f"Patient/{alias}/$summary").status == 403


def test_an_app_that_may_only_search_or_only_read_does_that(edge: Edge) -> None:
    alias = edge.story.adam.hex()
    searching, reading = app(edge, "Dr Stay", "user/Condition.s"), app(edge, "Dr Stay", "user/Condition.r")
    one = searching.ask(f"Condition?patient={alias}").matches[0]
    assert searching.ask(f"Condition/{one['id']}").status == 403
    refused = reading.ask(f"Condition?patient={alias}")
    assert (refused.status, refused.issue) == (
        403,
        ("forbidden", "The scopes of this token do not reach so far: needs Condition.s."),
    )


def test_an_app_writes_what_its_scopes_say_and_takes_back_nothing_else(edge: Edge) -> None:
    for permission in (Permission.VIEW, Permission.APPEND):
        edge.story.grant(edge.story.adam, edge.story.staff["Dr City"], (DIAGNOSIS,), permission)
    said = condition(edge.story.adam.hex(), "by an app")
    writer = app(edge, "Dr City", "user/Condition.cr")
    made = post(writer, said)
    assert made.status == 201
    address = f"Condition/{made.body['id']}"
    assert writer.ask(address, "DELETE").status == 403
    assert writer.ask(address, "PUT", json.dumps(made.body).encode(), Content_Type=JSON).status == 403
    assert post(writer, said, If_None_Exist="code=x").status == 403
    entries = [{"resource": said}, {"resource": {"resourceType": "Patient", "identifier": [{"value": "x"}]}}]
    for whole in ("transaction", "collection"):
        bundle = json.dumps({"resourceType": "Bundle", "type": whole, "entry": entries}).encode()
        assert writer.ask("", "POST", bundle, Content_Type=JSON).status == 403
    assert post(app(edge, "Dr City", "user/Condition.rs"), said).status == 403
    for other in (app(edge, "Dr City", "user/Device.cruds"), edge.client("Dr City")):
        assert other.ask(f"Device/{made.body['id']}", "DELETE").status == 404  # what is there is no Device
    assert edge.client("Dr City").ask(address).status == 200
    blind = post(app(edge, "Dr City", "user/Condition.c"), said)
    assert (blind.status, blind.body["resourceType"]) == (201, "OperationOutcome")
    assert edge.client("Dr City").ask(address, "DELETE").status == 204
    assert writer.ask(address).status == 410
    hidden = app(edge, "Dr City", "user/Device.cruds").ask(f"Device/{made.body['id']}")
    assert hidden.status == 404  # neither that it was there nor that it was taken back


def test_the_organisations_own_programs_are_not_limited(edge: Edge) -> None:
    reply = edge.client("Dr Stay").ask(f"Patient/{edge.story.adam.hex()}/$everything")
    assert "scopes" not in str(reply.body)


def test_an_app_that_may_not_create_makes_nothing_by_a_conditional_update(edge: Edge) -> None:
    alias = edge.story.adam.hex()
    for permission in (Permission.VIEW, Permission.APPEND):
        edge.story.grant(edge.story.adam, edge.story.staff["Dr City"], (DIAGNOSIS,), permission)
    said = json.dumps(condition(alias, "by an app", identifier=[{"value": "by-an-app"}])).encode()
    place = "Condition?identifier=by-an-app"
    updating = app(edge, "Dr City", "user/Condition.rus")
    refused = updating.ask(place, "PUT", said, Content_Type=JSON)
    assert (refused.status, refused.issue[0]) == (403, "forbidden")
    assert "Condition.c" in refused.issue[1]
    whole = edge.client("Dr City").ask(f"Condition?patient={alias}&identifier=by-an-app")
    assert whole.matches == []
    made = app(edge, "Dr City", "user/Condition.crus").ask(place, "PUT", said, Content_Type=JSON)
    assert made.status == 201
    changed = app(edge, "Dr City", "user/Condition.rus").ask(place, "PUT", said, Content_Type=JSON)
    assert changed.status == 200
