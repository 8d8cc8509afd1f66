"""Reviews of break-glass: within 72 hours, by somebody else, or the opener's right rests."""

from __future__ import annotations

from typing import Any

import pytest

from careledger.formats.consent_messages import OpenBreakGlass
from careledger.formats.signatures import SigningKey
from contracts.harness import HOUR, Receipt, key, refused
from contracts.records_world import (
    CENTRE,
    DOCTOR,
    HOSPITAL,
    MINISTRY,
    NURSE,
    OFFICER,
    OTHER_DOCTOR,
    World,
    digest,
    outcome,
)

RELAY, JUSTIFIED, UNJUSTIFIED = key("relay"), 1, 2
REVIEW_WITHIN, MOST_WAITING = 72 * HOUR, 64


@pytest.fixture
def world() -> World:
    return World()


def attempt(world: World, what: str, opener: int = DOCTOR, second: int = NURSE) -> str:
    """Open; "" or the contract's reason."""
    message = OpenBreakGlass(
        digest(what),
        digest("why"),
        opener,
        second,
        world.later(HOUR),
        restricted=False,
        deadline=world.later(HOUR),
    )
    signatures = [world.signed(message, world.key(post)) for post in (opener, second)]
    return outcome(world.break_glass, RELAY, "open", *message.opened(*signatures))


def open_entry(world: World, what: str, opener: int = DOCTOR) -> int:
    """Open; the block's time."""
    assert attempt(world, what, opener) == ""
    return world.chain.time


def review(
    world: World,
    what: str,
    reviewer: int = OFFICER,
    how: int = JUSTIFIED,
    sender: SigningKey | None = None,
) -> Receipt:
    signer = sender or world.key(reviewer)
    return world.break_glass.send(signer, "review", digest(what), reviewer, how)


def reviewed(world: World, what: str) -> int:
    told: Any = world.break_glass.call("entry", digest(what))
    return int(told[5])


def may_open(world: World, post: int = DOCTOR) -> bool:
    return bool(world.break_glass.call("may_open", post))


@pytest.mark.parametrize("reviewer", [OFFICER, HOSPITAL, MINISTRY])
@pytest.mark.parametrize("how", [JUSTIFIED, UNJUSTIFIED])
def test_the_ministry_or_the_employer_reviews_an_entry(world: World, reviewer: int, how: int) -> None:
    open_entry(world, "entry")
    receipt = review(world, "entry", reviewer, how)
    assert reviewed(world, "entry") == how
    fields = {"entry": digest("entry"), "opener": DOCTOR, "reviewer": reviewer, "outcome": how}
    told = [(event.name, event.fields) for event in receipt.events]
    assert told == [("BreakGlassReviewedV1", fields | {"late": False})]


def test_nobody_reviews_their_own_opening_and_no_stranger_reviews_any(world: World) -> None:
    open_entry(world, "entry")
    refusals: list[tuple[int, SigningKey | None, str]] = [
        (DOCTOR, None, "reviewer"),
        (NURSE, None, "reviewer"),
        (OTHER_DOCTOR, None, "reviewer"),
        (CENTRE, None, "reviewer"),
        (HOSPITAL, key("stranger"), "caller"),
        (OFFICER, world.key(DOCTOR), "caller"),
        (0x99, key("stranger"), "status"),
    ]
    for reviewer, sender, reason in refusals:
        with refused(reason):
            review(world, "entry", reviewer, sender=sender)
    assert reviewed(world, "entry") == 0


@pytest.mark.parametrize("post", [DOCTOR, NURSE])
def test_an_officer_whose_key_also_opened_may_not_review(world: World, post: int) -> None:
    open_entry(world, "entry")
    officer = 0x13
    world.officer("appoint_officer", officer, world.key(post).address)
    with refused("reviewer"):
        review(world, "entry", officer, sender=world.key(post))
    review(world, "entry")


def test_a_suspended_employer_and_a_dismissed_officer_review_nothing(world: World) -> None:
    open_entry(world, "entry")
    world.officer("suspend", HOSPITAL)
    with refused("status"):
        review(world, "entry", HOSPITAL)
    officer = 0x13
    world.officer("appoint_officer", officer, world.key(officer).address)
    world.officer("dismiss_officer", officer)
    with refused("status"):
        review(world, "entry", officer)


def test_an_entry_is_reviewed_once_with_a_known_outcome(world: World) -> None:
    with refused("unknown"):
        review(world, "entry")
    open_entry(world, "entry")
    for how in (0, 3, 255):
        with refused("outcome"):
            review(world, "entry", how=how)
    review(world, "entry")
    with refused("reviewed"):
        review(world, "entry", how=UNJUSTIFIED)
    assert reviewed(world, "entry") == JUSTIFIED


def test_an_unreviewed_entry_suspends_its_openers_right_after_72_hours(world: World) -> None:
    opened_at = open_entry(world, "first")
    world.chain.time = opened_at + REVIEW_WITHIN
    assert may_open(world)
    world.chain.time += 1
    assert not may_open(world)
    assert attempt(world, "second") == "review overdue"
    assert may_open(world, OTHER_DOCTOR)
    assert attempt(world, "another's", OTHER_DOCTOR, NURSE) == ""


def test_a_late_review_gives_the_right_back_and_is_marked_late(world: World) -> None:
    opened_at = open_entry(world, "first")
    world.chain.time = opened_at + REVIEW_WITHIN + 1
    receipt = review(world, "first")
    assert receipt.events[0].fields["late"] is True
    assert may_open(world)
    open_entry(world, "second")


def test_the_oldest_unreviewed_entry_counts_whatever_order_reviews_come_in(world: World) -> None:
    first = open_entry(world, "first")
    world.chain.pass_time(10 * HOUR)
    second = open_entry(world, "second")
    world.chain.pass_time(10 * HOUR)
    open_entry(world, "third")
    review(world, "third")
    world.chain.time = first + REVIEW_WITHIN + 1
    assert not may_open(world)
    review(world, "first")
    assert may_open(world)
    world.chain.time = second + REVIEW_WITHIN + 1
    assert not may_open(world)
    review(world, "second")
    assert may_open(world)
    assert world.break_glass.call("waiting", DOCTOR) == (3, 3)


def test_a_reviewed_entry_never_suspends(world: World) -> None:
    opened_at = open_entry(world, "entry")
    review(world, "entry")
    world.chain.time = opened_at + 10 * REVIEW_WITHIN
    assert may_open(world)


def test_a_post_has_at_most_sixty_four_entries_from_its_oldest_unreviewed_on(world: World) -> None:
    for number in range(MOST_WAITING):
        open_entry(world, f"entry {number}")
    assert attempt(world, "one more") == "too many waiting"
    for number in range(1, MOST_WAITING):
        review(world, f"entry {number}")
    assert attempt(world, "one more") == "too many waiting"
    review(world, "entry 0")
    assert world.break_glass.call("waiting", DOCTOR) == (MOST_WAITING, MOST_WAITING)
    open_entry(world, "one more")
    assert world.break_glass.call("opened", DOCTOR, MOST_WAITING) == digest("one more")
