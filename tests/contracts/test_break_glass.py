"""Break-glass: two posts sign before it opens, for four hours at most."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from careledger.domain.parties import Role
from careledger.formats.consent_messages import OpenBreakGlass, split
from careledger.formats.signatures import SigningKey
from contracts.harness import DAY, HOUR, Receipt, high_s, key, refused
from contracts.records_world import (
    DOCTOR,
    HOSPITAL,
    NURSE,
    OFFICER,
    OTHER_DOCTOR,
    SUSPENDED_DOCTOR,
    World,
    digest,
)

RELAY, STRANGER = key("relay"), key("stranger")


@pytest.fixture
def world() -> World:
    return World()


def opening(world: World, what: str = "entry", **other: Any) -> OpenBreakGlass:
    until, deadline = world.later(4 * HOUR), world.later(HOUR)
    made = OpenBreakGlass(
        digest(what), digest(f"reason of {what}"), DOCTOR, NURSE, until, restricted=False, deadline=deadline
    )
    return replace(made, **other)


def enter(
    world: World,
    message: OpenBreakGlass,
    first: SigningKey | None = None,
    second: SigningKey | None = None,
    function: str = "open",
) -> Receipt:
    keys = (first or world.key(message.opener), second or world.key(message.second))
    signatures = [world.signed(message, signer) for signer in keys]
    return world.break_glass.send(RELAY, function, *message.opened(*signatures))


def entry(world: World, what: str = "entry") -> Any:
    return world.break_glass.call("entry", digest(what))


def test_a_doctor_and_a_second_post_enter_an_emergency_access(world: World) -> None:
    message = opening(world, restricted=True)
    receipt = enter(world, message)
    kept = (DOCTOR, NURSE, receipt.time, message.until, True, 0, False, message.commitment)
    assert entry(world) == kept
    (event,) = receipt.events
    assert event.name == "BreakGlassOpenedV1"
    assert event.fields == {
        "entry": message.entry,
        "opener": DOCTOR,
        "second": NURSE,
        "until": message.until,
        "restricted": True,
        "afterwards": False,
        "commitment": message.commitment,
    }


def test_an_entry_that_nobody_made_is_empty(world: World) -> None:
    assert entry(world) == (0, 0, 0, 0, False, 0, False, bytes(32))


def test_the_second_party_may_be_a_doctor_of_another_organisation(world: World) -> None:
    enter(world, opening(world, second=OTHER_DOCTOR))
    assert entry(world)[:2] == (DOCTOR, OTHER_DOCTOR)


def test_both_must_have_signed_this_very_entry(world: World) -> None:
    message = opening(world)
    wrong = [
        (STRANGER, None),
        (None, STRANGER),
        (world.key(NURSE), world.key(DOCTOR)),
        (world.key(DOCTOR), world.key(DOCTOR)),
        (world.key(HOSPITAL), None),
    ]
    for first, second in wrong:
        with refused("signature"):
            enter(world, message, first, second)
    enter(world, message)


@pytest.mark.parametrize("member", ["entry", "commitment", "until", "restricted", "deadline"])
def test_the_signatures_cover_every_member(world: World, member: str) -> None:
    message = opening(world)
    signatures = [world.signed(message, world.key(post)) for post in (DOCTOR, NURSE)]
    other: dict[str, Any] = {"entry": digest("x"), "commitment": digest("x"), "restricted": True}
    value = other[member] if member in other else getattr(message, member) - 1
    with refused("signature"):
        world.break_glass.send(RELAY, "open", *replace(message, **{member: value}).opened(*signatures))


def test_a_malleable_or_foreign_signature_is_nobodys(world: World) -> None:
    message = opening(world)
    first, second = (world.signed(message, world.key(post)) for post in (DOCTOR, NURSE))
    elsewhere = message.sign(world.key(NURSE), world.chain.chain_id + 1, world.break_glass.address)
    for pair in ((high_s(first), second), (first, high_s(second)), (first, elsewhere)):
        with refused("signature"):
            world.break_glass.send(RELAY, "open", *message.opened(*pair))


def test_one_person_is_not_two_parties(world: World) -> None:
    with refused("second party"):
        enter(world, opening(world, second=DOCTOR))
    double = 0x39
    controller, parts = world.key(DOCTOR).address, (digest("licence"), digest("key"))
    vouched = (HOSPITAL, double, controller, 1 << Role.NURSE, *parts)
    world.records.send(world.key(HOSPITAL), "vouch", *vouched)
    with refused("second party"):
        enter(world, opening(world, second=double), second=world.key(DOCTOR))


def test_only_a_verified_doctor_opens_and_only_a_verified_post_stands_by(world: World) -> None:
    refusals: list[tuple[dict[str, Any], str]] = [
        ({"opener": NURSE, "second": DOCTOR}, "role"),
        ({"opener": HOSPITAL}, "role"),
        ({"second": HOSPITAL}, "role"),
        ({"opener": SUSPENDED_DOCTOR}, "status"),
        ({"second": SUSPENDED_DOCTOR}, "status"),
        ({"opener": 0x99}, "status"),
        ({"second": 0x99}, "status"),
        ({"opener": OFFICER}, "role"),
    ]
    for other, reason in refusals:
        with refused(reason):
            enter(world, opening(world, **other))
    assert entry(world)[0] == 0


def test_a_post_that_its_employer_ended_opens_nothing(world: World) -> None:
    world.records.send(world.key(HOSPITAL), "end_post", DOCTOR)
    with refused("status"):
        enter(world, opening(world))


@pytest.mark.parametrize(
    ("ahead", "allowed"), [(0, False), (1, True), (4 * HOUR, True), (4 * HOUR + 1, False)]
)
def test_an_access_lasts_four_hours_at_most(world: World, ahead: int, allowed: bool) -> None:
    message = opening(world, until=world.later(1 + ahead))
    if allowed:
        enter(world, message)
        return
    with refused("window"):
        enter(world, message)


@pytest.mark.parametrize(("ahead", "allowed"), [(-1, False), (0, True), (HOUR, True), (HOUR + 1, False)])
def test_signatures_count_until_a_deadline_that_is_at_most_an_hour_ahead(
    world: World, ahead: int, allowed: bool
) -> None:
    message = opening(world, deadline=world.later(1 + ahead))
    if allowed:
        enter(world, message)
        return
    with refused("deadline"):
        enter(world, message)


def test_an_entry_is_made_once(world: World) -> None:
    message = opening(world)
    enter(world, message)
    with refused("used"):
        enter(world, message)
    with refused("used"):
        enter(world, replace(message, opener=OTHER_DOCTOR))


def test_what_was_opened_while_the_ledger_stood_still_is_entered_afterwards_and_marked(world: World) -> None:
    message = opening(world)
    with refused("deadline"):
        enter(world, message, function="enter_afterwards")
    world.chain.pass_time(DAY)
    with refused("deadline"):
        enter(world, message)
    with refused("signature"):
        enter(world, message, STRANGER, function="enter_afterwards")
    receipt = enter(world, message, function="enter_afterwards")
    kept = (DOCTOR, NURSE, receipt.time, message.until, False, 0, True, message.commitment)
    assert entry(world) == kept
    with refused("used"):
        enter(world, message, function="enter_afterwards")


def test_an_entry_afterwards_claims_no_longer_window_and_comes_within_a_week(world: World) -> None:
    message = opening(world)
    too_long = replace(message, until=message.deadline + 4 * HOUR + 1)
    world.chain.pass_time(7 * DAY)
    with refused("window"):
        enter(world, too_long, function="enter_afterwards")
    world.chain.pass_time(HOUR)
    with refused("deadline"):
        enter(world, message, function="enter_afterwards")


def test_a_signature_is_split_as_the_contract_takes_it(world: World) -> None:
    signature = world.signed(opening(world), world.key(DOCTOR))
    v, r, s = split(signature)
    assert r + s + bytes([v]) == signature
