"""A post is told what it may know of, once and in order, by stream or page; nobody else learns that it happened."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from careledger.app import tokens
from careledger.domain.categories import Category
from careledger.domain.consents import Grantee, GranteeKind, Permission, Purpose, Scope, Window
from careledger.domain.parties import PartyId
from careledger.gateway.events import listening, service
from careledger.gateway.server import Gateway
from careledger.workflows import parties, revoke
from careledger.workflows.break_glass import open_emergency, review
from careledger.workflows.emergencies import remember_emergency
from careledger.workflows.epochs import own_statement
from careledger.workflows.grant import Granted, grant
from careledger.workflows.register import Officer
from careledger.workflows.request_access import answer, read_requests, request_access
from gateway.edge_world import Client, Edge
from gateway.event_client import MOST_WAIT, Stream
from story import DIAGNOSIS

LOOKS = 0.05


@pytest.fixture(scope="module")
def telling(edge: Edge) -> Iterator[Edge]:
    """A gateway that looks for what happened, over the story's directory."""
    with Gateway(edge.story.world, port=0, looks_every=LOOKS) as gateway:
        made = Edge(edge.story, gateway)
        for label, told in (("Dr Stay", 1), ("Dr City", 2), ("Dr Lake", 2)):  # what happened in the story
            until(made, label, partial(at_least, told))
        yield made


def url(edge: Edge) -> str:
    return f"{edge.gateway.url}/api/v1/events"


def page(edge: Edge, label: str, after: int = 0, count: int = 100) -> Any:
    client = Client(edge.gateway.url, edge.token(label))
    reply = client.ask(f"api/v1/events?after={after}&limit={count}")
    assert reply.status == 200, reply.body
    assert reply.headers["Content-Type"] == "application/json"
    return reply.body


def every(edge: Edge, label: str) -> list[Any]:
    """All events of a post, page by page."""
    found, after, more = [], 0, True
    while more:
        got = page(edge, label, after, 3)
        found += got["events"]
        after, more = got["after"], got["more"]
    return found


def until(edge: Edge, label: str, there: Callable[[list[Any]], bool]) -> list[Any]:
    """The events of a post as soon as something is among them."""
    end = time.monotonic() + MOST_WAIT
    while time.monotonic() < end:
        found = every(edge, label)
        if there(found):
            return found
        time.sleep(0.05)
    raise AssertionError([each["kind"] for each in every(edge, label)])


def at_least(count: int, events: list[Any]) -> bool:
    return len(events) >= count


def holds(reference: str, events: list[Any]) -> bool:
    return bool(kinds(events, reference))


def kinds(events: list[Any], reference: str) -> list[str]:
    return [each["kind"] for each in events if each["reference"].endswith(reference)]


def given(edge: Edge, label: str, seconds: int = 3600) -> Granted:
    """A consent of Adam to that post."""
    story, staff = edge.story, edge.story.staff[label]
    now = story.world.clock.now()
    grantee = Grantee(GranteeKind.POST, staff.number, PartyId(staff.organisation.number))
    scope = Scope(frozenset({DIAGNOSIS}), frozenset({Permission.VIEW}))
    return grant(
        story.world.network,
        story.holder(story.adam),
        grantee,
        scope,
        Purpose.TREAT,
        Window(now - 10, now + seconds),
    )


def named(granted: Granted) -> str:
    return granted.certificate.commitment.hex()


def test_who_is_granted_something_is_told_and_told_when_it_ends_and_nobody_else_is(telling: Edge) -> None:
    before = {label: every(telling, label) for label in ("clerk", "Dr Lake", "Dr Stay")}
    granted = given(telling, "Dr City")
    until(telling, "Dr City", lambda found: kinds(found, named(granted)) == ["consent-given"])
    story = telling.story
    revoke.revoke(story.world.network, story.holder(story.adam), granted.owner)
    found = until(telling, "Dr City", lambda found: len(kinds(found, named(granted))) == 2)
    assert kinds(found, named(granted)) == ["consent-given", "consent-revoked"]
    assert [each["number"] for each in found] == list(range(1, len(found) + 1))
    assert {frozenset(each) for each in found} == {frozenset({"number", "kind", "time", "reference"})}
    client = telling.client("Dr City")
    assert client.ask(found[-1]["reference"]).body["status"] == "inactive"
    assert {label: every(telling, label) for label in before} == before


def test_a_consent_that_runs_out_is_told_as_expired_without_a_block(telling: Edge) -> None:
    granted = given(telling, "Dr Lake", seconds=2)
    found = until(telling, "Dr Lake", lambda found: len(kinds(found, named(granted))) == 2)
    assert kinds(found, named(granted)) == ["consent-given", "consent-expired"]


def test_one_posts_numbers_say_nothing_of_what_others_are_told(telling: Edge) -> None:
    first = given(telling, "Dr City")
    until(telling, "Dr City", lambda found: bool(kinds(found, named(first))))
    doctors, clerks = every(telling, "Dr City"), every(telling, "clerk")
    story = telling.story
    for label in ("Dr City", "clerk", "Dr City"):
        last = given(telling, label)
        until(telling, label, partial(holds, named(last)))
    assert [each["number"] for each in every(telling, "clerk")] == list(range(1, len(clerks) + 2))
    assert [each["number"] for each in every(telling, "Dr City")] == list(range(1, len(doctors) + 3))
    assert story.staff["clerk"].organisation.number == story.staff["Dr City"].organisation.number


def test_a_stream_tells_what_happens_and_resumes_after_what_its_client_had_last(telling: Edge) -> None:
    token = telling.token("Dr Stay")
    stream = Stream(url(telling), token)
    assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    first = given(telling, "Dr Stay")
    told = stream.next()
    assert told is not None
    assert (told.kind, told.data["reference"]) == ("consent-given", f"Consent/{named(first)}")
    assert told.id == str(told.data["number"])
    assert stream.lines[:3] == [f"id: {int(told.id) - 1}", "retry: 3000", ""]
    stream.close()
    second, third = given(telling, "Dr Stay"), given(telling, "Dr Stay")
    until(telling, "Dr Stay", lambda found: bool(kinds(found, named(third))))
    again = Stream(url(telling), token, Last_Event_ID=told.id)
    missed = [each for each in (again.next(), again.next()) if each]
    wanted = {f"Consent/{named(each)}" for each in (second, third)}  # of one moment: in either order
    assert {each.data["reference"] for each in missed} == wanted
    assert [int(each.id) for each in missed] == [int(told.id) + 1, int(told.id) + 2]
    assert again.nothing()
    fresh = Stream(url(telling), token)
    assert fresh.nothing()
    assert page(telling, "Dr Stay", after=int(told.id))["events"] == [each.data for each in missed]


def test_a_client_that_is_cut_off_before_it_was_told_anything_loses_nothing(telling: Edge) -> None:
    token = telling.token("Dr Stay")
    quiet = Stream(url(telling), token)
    assert quiet.nothing()
    quiet.close()
    reached = quiet.lines[0].removeprefix(
        "id: "
    )  # what the client has as its last id then (WHATWG HTML, 9.2.6)
    while_gone = given(telling, "Dr Stay")
    until(telling, "Dr Stay", lambda found: bool(kinds(found, named(while_gone))))
    told = Stream(url(telling), token, Last_Event_ID=reached).next()
    assert told is not None
    assert told.data["reference"] == f"Consent/{named(while_gone)}"


def test_a_number_that_was_never_given_resumes_nothing(telling: Edge) -> None:
    token = telling.token("Dr Stay")
    last = len(every(telling, "Dr Stay"))
    for wrong in (str(last + 1), "x", "-1", "1.0", "9" * 40):
        assert Stream(url(telling), token, Last_Event_ID=wrong).status == 400
    assert Stream(url(telling), token, Last_Event_ID=str(last)).status == 200


def test_a_stream_ends_when_its_token_is_withdrawn_or_its_employer_suspended(
    telling: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "RECHECK", 0.1)
    world, staff = telling.story.world, telling.story.staff["Dr Lake"]
    kept, withdrawn = telling.token("Dr Lake"), telling.token("Dr Lake")
    staying, leaving = Stream(url(telling), kept), Stream(url(telling), withdrawn)
    tokens.withdraw(staff.organisation, tokens.digest_of(withdrawn))
    assert leaving.ended()
    assert staying.nothing()
    post = world.keyring.all_staff(world.keyring.ministry())["Officer A"]
    parties.suspend(world.network, Officer(post.number, post.key), staff.organisation.number)
    try:
        assert staying.ended()
        assert Stream(url(telling), kept).status == 403
    finally:
        parties.reinstate(world.network, Officer(post.number, post.key), staff.organisation.number)
    assert Stream(url(telling), kept).status == 200


def test_an_idle_stream_shows_that_it_lives(telling: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("careledger.gateway.events.streams.BEAT", 0.1)
    stream = Stream(url(telling), telling.token("Dr Stay"))
    end = time.monotonic() + MOST_WAIT
    while stream.lines.count(":") <= 2:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert stream.nothing(0.1)


def test_one_token_holds_only_so_many_streams_open_and_another_is_not_kept_out(
    telling: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "MOST_OF_A_TOKEN", 2)
    token = telling.token("Dr City")
    first, second = Stream(url(telling), token), Stream(url(telling), token)
    assert Stream(url(telling), token).status == 429
    assert Stream(url(telling), telling.token("Dr City")).status == 200
    first.close()
    end = time.monotonic() + MOST_WAIT
    while (status := Stream(url(telling), token).status) == 429 and time.monotonic() < end:
        time.sleep(0.1)
    assert status == 200
    second.close()


def test_an_answer_is_told_to_who_asked_and_to_no_colleague(telling: Edge) -> None:
    story = telling.story
    holder, doctor = story.holder(story.adam), story.staff["Dr City"]
    statement, _ = own_statement(holder)
    now = story.world.clock.now()
    scope = Scope(frozenset({DIAGNOSIS}), frozenset({Permission.VIEW}))
    asked = request_access(
        story.world.network,
        story.session(doctor),
        statement,
        scope,
        Purpose.TREAT,
        Window(now, now + 60),
        "follow-up",
    )
    assert asked in read_requests(story.world.network, holder)
    answer(story.world.network, holder, asked.id, "refused")
    found = until(telling, "Dr City", lambda found: bool(kinds(found, asked.id.hex())))
    assert kinds(found, asked.id.hex()) == ["request-answered"]
    assert "refused" not in str(found)
    assert kinds(every(telling, "clerk"), asked.id.hex()) == []


def test_a_deposit_is_told_to_the_organisation_that_made_it_once_it_is_final(telling: Edge) -> None:
    before = {label: every(telling, label) for label in ("Dr Lake", "Dr Stay")}
    count = len(kinds(every(telling, "Dr City"), ""))
    telling.story.note(telling.story.adam, "words of a deposit", given_to_write(telling))
    found = until(
        telling, "Dr City", lambda found: any(each["kind"] == "deposit-final" for each in found[count:])
    )
    assert "words" not in str(found)
    assert {label: every(telling, label) for label in before} == before


def given_to_write(edge: Edge) -> Granted:
    story, doctor = edge.story, edge.story.staff["Dr City"]
    return story.grant(story.adam, doctor, (DIAGNOSIS,), Permission.APPEND)


def test_an_emergency_is_told_to_both_posts_until_it_is_reviewed(telling: Edge) -> None:
    story = telling.story
    network, opener = story.world.network, story.staff["Dr City"]
    emergency = open_emergency(network, opener, story.staff["clerk"], story.berta, "unconscious", 2)
    remember_emergency(opener, emergency)
    entry = emergency.entry.hex()
    until(telling, "Dr City", lambda found: "emergency-review-due" in kinds(found, entry))
    review(network, emergency.entry, True, opener.organisation.number, opener.organisation.controller)
    for label in ("Dr City", "clerk"):
        found = until(telling, label, lambda found: "emergency-reviewed" in kinds(found, entry))
        assert kinds(found, entry) == ["emergency-opened", "emergency-review-due", "emergency-reviewed"]
        assert story.berta.hex() not in str(found)
    assert kinds(every(telling, "Dr Stay"), entry) == []


def test_everybody_is_told_of_a_custodian_that_leaves(telling: Edge) -> None:
    world, story = telling.story.world, telling.story
    leaving = story.organisations["Cedar"]
    until(telling, "Dr Lake", lambda found: True)
    world.ledger.leave_custodians(leaving.number, leaving.controller)
    post = world.keyring.all_staff(world.keyring.ministry())["Officer A"]
    world.ledger.retire_custodian(leaving.number, post.key, post.number)
    for label in ("Dr Lake", "clerk", "Dr Stay"):
        found = until(telling, label, lambda found: bool(kinds(found, f"{leaving.number:016x}")))
        assert kinds(found, f"{leaving.number:016x}") == ["custodian-left"]


def test_a_category_that_a_role_may_not_read_is_not_told_of(telling: Edge) -> None:
    from careledger.formats.events import Event
    from careledger.gateway.events.inbox import sees
    from careledger.gateway.grounds import closed_to

    view = telling.story.world.ledger.fresh_head()
    clerk = telling.story.staff["clerk"]
    closed = closed_to(view, clerk.number)
    assert closed
    assert closed != frozenset(Category)
    seen = sees(view, clerk)
    for each in Category:
        assert seen(Event("deposit-final", 1, b"", (), (), (each,))) is (each not in closed)
    assert not seen(Event("deposit-final", 1, b"", (), (), ()))
