"""A group is exported patient by patient as each lets the post read, and handed out only while that stands."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest

from careledger.app.tokens import Bearer, Bearers, issue
from careledger.domain.consents import Permission, Purpose
from careledger.fhir.searching.subsets import Subset
from careledger.fhir.split import import_bundle
from careledger.formats.signatures import Address
from careledger.gateway.bulk import exports, jobs, work
from careledger.gateway.bulk.seen import Memory
from careledger.gateway.bulk.shared import SharedWalk
from careledger.gateway.bulk.wanted import Wanted
from careledger.sealing.phrase import Phrase
from careledger.workflows import claim, lease
from careledger.workflows.from_fhir import staged
from careledger.workflows.intake import take_in
from careledger.workflows.revoke import revoke
from gateway.bulk_flow import Exported, begin, export, fetch, kick_off, lines, parameters
from gateway.edge_world import Client, Edge
from gateway.test_bulk import bundle, key_of, later_second
from gateway.test_groups import group, put
from story import DIAGNOSIS, GENERAL, ILLNESS


def of(client: Client, *aliases: bytes, **more: Any) -> str:
    """The path by which a new group of these patients is exported."""
    made = put(client, group(*aliases, **more))
    assert made.status == 201, made.body
    return f"Group/{made.body['id']}/$export"


@pytest.fixture
def shared(edge: Edge) -> Iterator[Any]:
    """Adam lets Dr City read diagnoses, for the length of a test."""
    given = edge.story.grant(edge.story.adam, edge.story.staff["Dr City"], (DIAGNOSIS,), Permission.VIEW)
    yield given
    stop(edge, given.owner)


def stop(edge: Edge, owner: Address) -> None:
    revoke(edge.story.world.network, edge.story.holder(edge.story.adam), owner)


@contextmanager
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Meanwhile exports begin and do not go on."""
    with monkeypatch.context() as holding:
        holding.setattr(work.Work, "go_on", lambda self: True)
        yield


def test_each_member_is_asked_once_and_who_refuses_is_named_without_a_word_of_what_there_is(
    edge: Edge, shared: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, asked = edge.client("Dr City"), []
    real = lease.open_lease

    def counted(*given: Any) -> Any:
        asked.append(given)
        return real(*given)

    monkeypatch.setattr("careledger.gateway.leases.open_lease", counted)
    path = of(client, edge.story.adam, edge.story.berta)
    leases = edge.gateway._desk.leases
    opened = leases.drop_ended()
    found = export(client, path)
    assert leases.drop_ended() == opened
    assert len(asked) == 1  # without a consent there is nothing to ask with
    adam, berta = (f"Patient/{each.hex()}" for each in (edge.story.adam, edge.story.berta))
    assert ILLNESS in json.dumps(found.output)
    assert {each["resourceType"] for each in found.output} == {"Patient", "Condition", "DiagnosticReport"}
    assert berta not in json.dumps(found.output)
    about_berta = [said for said in found.said if said.startswith(berta)]
    assert about_berta == [f"{berta}: There is no consent."]
    assert any(said.startswith(f"{adam}: Not shared with you, whether or not") for said in found.said)
    search = client.ask(f"Condition?patient={edge.story.adam.hex()}").matches
    assert sorted(each["id"] for each in search) == [
        each["id"] for each in found.output if each["resourceType"] == "Condition"
    ]


def test_hidden_records_change_nothing_that_an_export_of_a_group_shows(edge: Edge, shared: Any) -> None:
    client = edge.client("Dr City")
    path = of(client, edge.story.adam, edge.story.berta)
    before = export(client, path)
    given = edge.story.grant(edge.story.adam, edge.story.staff["Dr City"], (GENERAL,), Permission.APPEND)
    edge.story.note(edge.story.adam, "hidden allergy", given, kind="AllergyIntolerance")
    after = export(client, path)
    assert after.output == before.output
    assert after.error == before.error
    counts = [
        [(each["type"], each["count"]) for name in ("output", "error") for each in one.manifest[name]]
        for one in (before, after)
    ]
    assert counts[0] == counts[1]


def test_a_consent_that_is_revoked_before_its_turn_opens_nothing(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = edge.client("Dr City")
    given = edge.story.grant(edge.story.adam, edge.story.staff["Dr City"], (DIAGNOSIS,), Permission.VIEW)
    path = of(client, edge.story.adam)
    with held(monkeypatch):
        place = begin(client, path)
        stop(edge, given.owner)
    begin(client, path)
    found = fetch(client, place)
    assert found.output == []
    [said] = [each for each in found.said if each.startswith("Patient/")]
    assert said.startswith(f"Patient/{edge.story.adam.hex()}: ")


def test_what_was_made_is_not_handed_out_after_its_consent_was_revoked(edge: Edge) -> None:
    client, books = edge.client("Dr City"), edge.story.organisations["City"].books
    given = edge.story.grant(edge.story.adam, edge.story.staff["Dr City"], (DIAGNOSIS,), Permission.VIEW)
    path = of(client, edge.story.adam)
    found, id = export(client, path), UUID(path.split("/")[1]).bytes
    assert [*books.rows("group-seen", id)]
    [file] = [each for each in found.manifest["output"] if each["type"] == "Condition"]
    assert list(lines(client, [file]))
    stop(edge, given.owner)
    reply = client.pool.request("GET", file["url"], headers={"Authorization": f"Bearer {client.token}"})
    assert (reply.status, reply.data) == (200, b"")
    assert [*books.rows("group-seen", id)] == []  # the next export has it, should it be readable again
    again = edge.story.grant(edge.story.adam, edge.story.staff["Dr City"], (DIAGNOSIS,), Permission.VIEW)
    reply = client.pool.request("GET", file["url"], headers={"Authorization": f"Bearer {client.token}"})
    assert reply.data == b""  # another consent is another export
    stop(edge, again.owner)


def test_what_a_registrar_was_given_ends_with_the_claim(edge: Edge) -> None:
    city, client = edge.story.organisations["City"], edge.client("Dr City")
    network, session = edge.story.world.network, edge.story.session(edge.story.staff["clerk"])
    _, [taken] = take_in(network, session, staged(import_bundle(bundle(), "own.json", namespace=b"own")))
    assert taken.alias is not None
    found = export(client, of(client, taken.alias))
    [file] = [each for each in found.manifest["output"] if each["type"] == "Condition"]
    assert list(lines(client, [file]))
    phrase = Phrase.random()
    books = edge.story.world.keyring.new_patient("claimed later", taken.alias, phrase)
    claim.claim(network, city, taken.alias, phrase, books)
    reply = client.pool.request("GET", file["url"], headers={"Authorization": f"Bearer {client.token}"})
    assert (reply.status, reply.data) == (200, b"")


def test_members_are_those_of_the_moment_of_asking_and_inactive_ones_are_left_out(
    edge: Edge, shared: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = edge.client("Dr City")
    resting = group(edge.story.adam)
    resting["member"][0]["inactive"] = True
    made = put(client, resting)
    assert export(client, f"Group/{made.body['id']}/$export").output == []
    path = of(client, edge.story.adam)
    with held(monkeypatch):
        place = begin(client, path)
        client.ask(path.removesuffix("/$export"), "DELETE")
    assert kick_off(client, path).status == 410
    begin(client, "$export")
    assert fetch(client, place).output


def test_an_export_of_a_group_is_of_the_members_types_times_and_searches_that_are_asked_for(
    edge: Edge, shared: Any
) -> None:
    client = edge.client("Dr City")
    path = of(client, edge.story.adam, edge.story.berta)
    who = {"valueReference": {"reference": f"Patient/{edge.story.berta.hex()}"}}
    only = export(client, path, body=parameters(("patient", who)))
    assert only.output == []
    assert [each for each in only.said if each.startswith("Patient/")] == [
        f"Patient/{edge.story.berta.hex()}: There is no consent."
    ]
    nobody = {"valueReference": {"reference": f"Patient/{'0' * 64}"}}
    assert kick_off(client, path, body=parameters(("patient", nobody))).status == 400
    assert {each["resourceType"] for each in export(client, f"{path}?_type=Condition").output} == {
        "Condition"
    }
    later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 60))
    assert export(client, f"{path}?_type=Condition&_since={later}").output == []
    by_text = export(client, f"{path}?_type=Condition&_typeFilter=Condition%3Fverification-status%3Dnonsense")
    assert by_text.output == []


def test_no_piece_of_others_records_is_kept_for_more_than_an_hour(edge: Edge, shared: Any) -> None:
    client = edge.client("Dr City")
    begun = time.time()
    found = export(client, of(client, edge.story.adam))
    books = edge.story.organisations["City"].books
    job = jobs.load(books, key_of(client, found.place))
    assert job is not None
    assert job.until <= begun + exports.KEPT_SHARED + 1
    own = jobs.load(books, key_of(client, export(client).place))
    assert own is not None
    assert own.until > time.time() + exports.KEPT_SHARED


def test_a_patient_is_walked_through_record_by_record_and_goes_on_behind_the_last_that_was_written(
    edge: Edge, shared: Any
) -> None:
    desk = edge.gateway._desk
    token = edge.token("Dr City")
    who = Bearers(edge.story.world.keyring).bearer(token, edge.story.world.clock.now())
    nothing = Wanted(frozenset(), None, {}, {"": Subset()}, edge.story.adam, frozenset(), lambda kind: True)
    walk = SharedWalk(desk.leases, who, nothing, Memory(who, bytes(16), 1, lambda: 2))
    steps = [each for each in walk.steps(b"") if each is not None]
    written = [[line.resource["id"] for line in each.lines if line.list == "output"] for each in steps]
    assert max(map(len, written)) == 1
    assert len(steps) > 4
    assert [each.ended for each in steps] == [False] * (len(steps) - 1) + [True]
    for place, step in enumerate(steps):
        rest = [each for each in walk.steps(step.cursor) if each is not None]
        assert [each.cursor for each in rest] == [each.cursor for each in steps[place + 1 :]]
        ids = [line.resource["id"] for each in rest for line in each.lines if line.list == "output"]
        assert ids == [id for each in written[place + 1 :] for id in each]


def test_whoever_comes_into_a_group_or_gives_another_consent_is_new_to_an_export_since_the_last(
    edge: Edge,
) -> None:
    client, adam, doctor = edge.client("Dr City"), edge.story.adam, edge.story.staff["Dr City"]
    given = edge.story.grant(adam, doctor, (DIAGNOSIS,), Permission.VIEW)
    made = put(client, group(adam)).body
    path = f"Group/{made['id']}/$export"

    def since(last: Exported) -> Exported:
        later_second()
        return export(client, f"{path}?_since={last.manifest['transactionTime']}")

    later_second()
    whole = export(client, path)
    nothing = since(whole)
    assert {each["resourceType"] for each in nothing.output} <= {"Patient"}
    stop(edge, given.owner)
    again = edge.story.grant(adam, doctor, (DIAGNOSIS,), Permission.VIEW)
    another = since(nothing)
    assert another.paths == whole.paths
    put(client, group() | {"id": made["id"]}, f"Group/{made['id']}")
    left = since(another)
    assert left.output == []
    put(client, made, f"Group/{made['id']}")
    assert since(left).paths == whole.paths
    books = edge.story.organisations["City"].books
    assert [*books.rows("group-seen", UUID(made["id"]).bytes)]
    client.ask(f"Group/{made['id']}", "DELETE")
    assert [*books.rows("group-seen", UUID(made["id"]).bytes)] == []
    stop(edge, again.owner)


def test_what_an_export_could_not_have_is_new_whatever_other_exports_came_between(edge: Edge) -> None:
    who = Bearers(edge.story.world.keyring).bearer(edge.token("Dr City"), edge.story.world.clock.now())
    narrow = Bearers(edge.story.world.keyring).bearer(
        issue(who.staff, Purpose.TREAT, edge.story.world.clock.now(), 60, scopes="user/Condition.rs")[0],
        edge.story.world.clock.now(),
    )

    def shown(at: int, *versions: str, consent: bytes = b"", by: Bearer = who) -> list[int]:
        return list(Memory(by, b"g" * 16, at, lambda: 99).learn(b"a" * 32, consent, versions).values())

    assert shown(10, "00", "01") == [10, 10]
    assert shown(10, "00", "01") == [10, 10]  # the same again after a crash
    assert shown(30, "00", "01", "02") == [10, 10, 30]
    assert shown(20, "00", "02", "03") == [10, 30, 99]  # begun earlier, there later: the one of 30 has no 03
    assert shown(40, "01") == [40]  # gone from the last, and there again
    assert shown(50, "01", by=narrow) == [50]
    assert shown(60, "01") == [40]
    assert shown(70, "01", consent=b"c" * 32) == [70]
    Memory(who, b"g" * 16, 80, lambda: 99).refused(b"a" * 32)
    assert shown(90, "01", consent=b"c" * 32) == [90]
