"""Asking for access and answering, by sealed packages on a board that anybody may post to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from careledger.domain.consents import Purpose, Scope, Window
from careledger.domain.errors import (
    AccessRefused,
    DigestMismatch,
    LedgerStale,
    RecordNotFound,
    SessionExpired,
)
from careledger.formats.patients import AccessRequest, Envelope
from careledger.formats.signatures import SigningKey
from careledger.formats.signed import sign
from careledger.sealing.grants import SIZES
from careledger.sealing.keys import OVERHEAD, SealingKey, sealing_key_digest, wrap
from careledger.workflows.actors import Holder, Session
from careledger.workflows.board import post_package
from careledger.workflows.epochs import own_statement
from careledger.workflows.grant import given_consents
from careledger.workflows.received import fetch_grants, grants, known_statement
from careledger.workflows.request_access import answer, answer_to, read_requests, request_access
from careledger.workflows.rotate_keys import rotate
from world import DAY, DIAGNOSIS, VIEW, World, condition, texts

ONE = (DIAGNOSIS,)
SCOPE = Scope(frozenset(ONE), frozenset({VIEW}))


def with_record(world: World) -> Holder:
    """A patient who claimed a record with one diagnosis."""
    holder = world.patient(compartments=ONE)
    world.put(world.writer(), holder.alias, condition(world.doctor))
    return world.claim(holder).holder


def window(world: World, seconds: int = DAY) -> Window:
    return Window(world.clock.now(), world.clock.now() + seconds)


# Asking ------------------------------------------------------------------------------------------


def ask(world: World, session: Session, alias: bytes) -> AccessRequest:
    statement = world.statement(alias)
    return request_access(
        world.network, session, statement, SCOPE, Purpose.TREAT, window(world), "second opinion"
    )


def test_a_request_reaches_the_patient_with_who_asks_for_what_and_why(world: World) -> None:
    mine, other = with_record(world), world.claimed(compartments=())
    made = ask(world, world.session(world.outsider), mine.alias)
    assert read_requests(world.network, mine) == [made]
    assert read_requests(world.network, mine) == [made]
    assert (made.reader, made.employer, made.reason) == (
        world.outsider.number,
        world.clinic.number,
        "second opinion",
    )
    assert read_requests(world.network, other) == []


def test_a_registrar_sees_the_requests_of_each_unclaimed_patient_apart(world: World) -> None:
    first, second = world.patient(compartments=()), world.patient(compartments=())
    made = ask(world, world.session(world.outsider), first.alias)
    assert read_requests(world.network, second) == []
    assert read_requests(world.network, first) == [made]
    assert read_requests(world.network, second) == []


def test_granted_and_refused_are_all_that_the_asker_is_told(world: World) -> None:
    mine = with_record(world)
    session = world.session(world.outsider)
    for outcome in ("granted", "refused"):
        made = ask(world, session, mine.alias)
        read_requests(world.network, mine)
        answer(world.network, mine, made.id, outcome)
        assert fetch_grants(world.network, world.clinic) == 1
        assert answer_to(world.clinic, made.id) == outcome
        with pytest.raises(RecordNotFound):
            answer(world.network, mine, made.id, outcome)
    assert read_requests(world.network, mine) == []
    with pytest.raises(AccessRefused):
        world.read_by_consent(world.outsider, mine.alias)  # an answer is no consent


def test_an_answer_that_is_not_the_patients_is_not_taken(world: World) -> None:
    mine, other = with_record(world), world.claimed(compartments=())
    made = ask(world, world.session(world.outsider), mine.alias)
    other.books.put("access-request", [(made.id, made.encode())])
    answer(world.network, other, made.id, "granted")
    assert fetch_grants(world.network, world.clinic) == 0
    assert answer_to(world.clinic, made.id) is None


@pytest.mark.parametrize("forged", ["session key", "another post", "another employer", "no session"])
def test_a_request_that_its_post_did_not_make_is_passed_over(world: World, forged: str) -> None:
    mine = with_record(world)
    session, statement = world.session(world.outsider), world.statement(mine.alias)
    made = AccessRequest(
        bytes(16), mine.alias, world.outsider.number, world.clinic.number, ask(world, session, mine.alias).scope,
        "TREAT", 0, 1, "", world.clock.now(),
    )  # fmt: skip
    assert len(read_requests(world.network, mine)) == 1
    changed: dict[str, dict[str, Any]] = {
        "another post": {"reader": world.doctor.number},
        "another employer": {"employer": 50},
    }
    request = replace(made, **changed.get(forged, {}))
    key = SigningKey.random() if forged == "session key" else session.key
    proof = None if forged == "no session" else session.proof.statement
    envelope = Envelope(AccessRequest.TYPE, sign(request, key, world.ledger.deployment), proof)
    post_package(world.network, statement.sealing_key, envelope)
    assert len(read_requests(world.network, mine)) == 1
    honest = Envelope(
        AccessRequest.TYPE, sign(made, session.key, world.ledger.deployment), session.proof.statement
    )
    post_package(world.network, statement.sealing_key, honest)
    assert len(read_requests(world.network, mine)) == 2


def test_a_session_that_is_over_asks_for_nothing_and_a_suspended_posts_request_is_passed_over(
    world: World,
) -> None:
    mine = with_record(world)
    session = world.session(world.outsider, seconds=60)
    ask(world, session, mine.alias)
    officer = world.officers[0]
    world.ledger.suspend(world.clinic.number, officer.key, officer.post)
    assert read_requests(world.network, mine) == []
    world.clock.advance(60)
    with pytest.raises(SessionExpired):
        ask(world, session, mine.alias)


# The board ---------------------------------------------------------------------------------------


def test_a_package_that_is_wrongly_padded_keeps_nobody_from_reading_the_board(world: World) -> None:
    mine = with_record(world)
    public = world.clinic.sealing.public
    spoiled = wrap(public, b"\xff" * (SIZES[0] - OVERHEAD), "grant-package", sealing_key_digest(public))
    assert len(spoiled) == SIZES[0]
    world.board.post(spoiled)
    world.grant(mine, world.outsider)
    assert texts(world.read_by_consent(world.outsider, mine.alias)) == ["asthma"]


def test_a_package_that_came_while_the_ledger_was_away_is_read_later(world: World) -> None:
    mine = with_record(world)
    world.grant(mine, world.outsider)

    class Away:
        deployment = world.ledger.deployment

        def fresh_head(self) -> Any:
            raise LedgerStale()

    with pytest.raises(LedgerStale):
        fetch_grants(replace(world.network, ledger=Away()), world.clinic)  # type: ignore[arg-type]
    assert fetch_grants(world.network, world.clinic) == 1
    assert fetch_grants(world.network, world.clinic) == 0


def test_an_organisation_opens_its_own_packages_and_no_others(world: World) -> None:
    mine = with_record(world)
    world.grant(mine, world.outsider)
    assert fetch_grants(world.network, world.pharmacy) == 0
    assert fetch_grants(world.network, world.clinic) == 1
    assert [each.alias for each in grants(world.clinic)] == [mine.alias]
    assert known_statement(world.clinic, mine.alias) == own_statement(mine)[0]
    assert grants(world.pharmacy) == []
    assert {len(package) for package in world.board.since(0)[1]} <= set(SIZES)


def test_a_key_that_the_ledger_does_not_know_is_sealed_to_by_nobody(world: World) -> None:
    mine = with_record(world)
    honest = world.clinic.sealing.public
    world.board.publish_key(world.clinic.number, SealingKey.random().public)
    with pytest.raises(DigestMismatch):
        world.grant(mine, world.outsider)
    assert given_consents(mine) == []
    world.board.publish_key(world.clinic.number, honest)
    world.grant(mine, world.outsider)
    assert texts(world.read_by_consent(world.outsider, mine.alias)) == ["asthma"]


def test_a_package_that_another_key_signed_or_that_names_another_organisation_is_not_taken(
    world: World,
) -> None:
    mine = with_record(world)
    granted = world.grant(mine, world.outsider)
    fetch_grants(world.network, world.clinic)
    package = grants(world.clinic)[0].package
    deployment = world.ledger.deployment
    for key, organisation in ((SigningKey.random(), world.clinic), (mine.controller, world.pharmacy)):
        envelope = Envelope(package.TYPE, sign(package, key, deployment), None)
        post_package(world.network, organisation.sealing.public, envelope)
        assert fetch_grants(world.network, organisation) == 0
    assert grants(world.pharmacy) == []
    again = Envelope(package.TYPE, sign(package, mine.controller, deployment), None)
    post_package(world.network, world.clinic.sealing.public, again)
    assert fetch_grants(world.network, world.clinic) == 1
    assert [each.certificate.owner for each in grants(world.clinic)] == [granted.owner]


def test_a_package_of_the_former_controller_is_not_taken(world: World) -> None:
    mine = with_record(world)
    world.grant(mine, world.outsider)
    rotated = rotate(world.network, mine, keep=lambda certificate: False)
    assert fetch_grants(world.network, world.clinic) == 0
    with pytest.raises(AccessRefused):
        world.read_by_consent(world.outsider, mine.alias)
    world.grant(rotated, world.outsider)
    assert texts(world.read_by_consent(world.outsider, mine.alias)) == ["asthma"]


def test_what_was_asked_before_a_claim_or_a_change_of_keys_is_listed_until_it_is_answered(
    world: World,
) -> None:
    before = world.patient(compartments=())
    session = world.session(world.outsider)
    first = ask(world, session, before.alias)
    mine = world.claim(before).holder
    assert read_requests(world.network, mine) == [first]
    second = ask(world, session, mine.alias)
    mine = rotate(world.network, mine)
    third = ask(world, session, mine.alias)

    def listed() -> set[bytes]:
        return {each.id for each in read_requests(world.network, mine)}

    assert listed() == {first.id, second.id, third.id}
    answer(world.network, mine, second.id, "refused")
    assert fetch_grants(world.network, world.clinic) == 1
    assert answer_to(world.clinic, second.id) == "refused"
    assert listed() == {first.id, third.id}
    mine = rotate(world.network, mine)
    assert listed() == {first.id, third.id}
    stranger = world.claimed(compartments=())
    assert read_requests(world.network, stranger) == []
