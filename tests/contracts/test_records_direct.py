"""Direct deposits: the contract itself checks party, role, matrix and registration; off unless a chart is named."""

from __future__ import annotations

from typing import Any

import pytest

from careledger.domain.categories import Category
from careledger.domain.errors import DigestMismatch
from careledger.domain.matrix import VERSION_2, WriteCell
from careledger.domain.parties import Role
from careledger.formats.record_words import PAGE, DepositPage, DepositPlace
from contracts.harness import DAY, key, refused
from contracts.records_world import CENTRE, DELAY, DOCTOR, HOSPITAL, OFFICER, SUSPENDED, World, digest

REGISTRATION = b"registration  01"


@pytest.fixture
def world() -> World:
    made = World()
    made.register(REGISTRATION)
    return made


def leaf(number: int) -> bytes:
    return digest(f"leaf {number}")


def page(world: World, number: int = 0, registration: bytes = REGISTRATION) -> DepositPage:
    where = DepositPlace(HOSPITAL, number).where()
    return DepositPage.unpack(world.records.call("page_word", registration, where))


def remove(world: World, number: int, sender: Any = None, organisation: int = HOSPITAL) -> Any:
    where = DepositPlace.numbered(organisation, number).where()
    return world.records.send(sender or world.key(organisation), "remove_record", REGISTRATION, where)


def vote_against_visits(world: World) -> None:
    """The officer enacts a version in which hospitals no longer write visits."""
    writing = list(VERSION_2.write_words)
    writing[Role.HOSPITAL] &= ~(15 << 4 * Category.VISIT)
    world.policy.send(world.key(OFFICER), "vote_amendment", OFFICER, 2, VERSION_2.read_words, writing)


def test_a_registrar_deposits_for_its_patient_and_the_page_counts(world: World) -> None:
    for number in range(3):
        receipt = world.deposit(REGISTRATION, number, leaf(number))
        where = DepositPlace.numbered(HOSPITAL, number).where()
        fields = {"registration": REGISTRATION, "where": where, "leaf": leaf(number)}
        assert [(event.name, event.fields) for event in receipt.events] == [("RecordDepositedV1", fields)]
    assert page(world).count == 3
    page(world).check([leaf(0), leaf(1), leaf(2)])
    with pytest.raises(DigestMismatch):
        page(world).check([leaf(0), leaf(2), leaf(1)])


def test_what_was_deposited_is_given_back_against_the_leaves_of_its_page(world: World) -> None:
    leaves = [leaf(number) for number in range(3)]
    for number in range(3):
        world.deposit(REGISTRATION, number, leaves[number])
    place = DepositPlace.numbered(HOSPITAL, 1).where()
    assert world.leaves.call("deposited", REGISTRATION, place, leaves) == leaves[1]
    for wrong in (leaves[:2], [*leaves, leaf(3)], leaves[::-1], []):
        with refused("unknown"):
            world.leaves.call("deposited", REGISTRATION, place, wrong)


def test_direct_deposits_are_off_unless_the_network_was_founded_with_a_chart() -> None:
    without = World(direct=False)
    without.register(REGISTRATION)
    with refused("off"):
        without.deposit(REGISTRATION, 0, leaf(0))


def test_only_a_verified_organisation_deposits_and_in_a_role_that_it_has(world: World) -> None:
    refusals: list[tuple[dict[str, Any], str]] = [
        ({"sender": key("stranger")}, "caller"),
        ({"sender": world.key(CENTRE)}, "caller"),
        ({"sender": world.key(SUSPENDED), "organisation": SUSPENDED}, "status"),
        ({"sender": world.key(DOCTOR), "organisation": DOCTOR}, "role"),
        ({"role": Role.CENTRE}, "role"),
        ({"role": 16}, "role"),
        ({"role": 17}, "role"),
        ({"role": 255}, "role"),
    ]
    for other, reason in refusals:
        with refused(reason):
            world.deposit(REGISTRATION, 0, leaf(0), **other)
    assert page(world).count == 0


def test_only_the_present_registrar_deposits_for_a_registration(world: World) -> None:
    centre = {"sender": world.key(CENTRE), "organisation": CENTRE, "role": Role.CENTRE}
    with refused("registration"):
        world.deposit(REGISTRATION, 0, leaf(0), **centre, category=Category.REPORT)
    with refused("registration"):
        world.deposit(b"not registered  ", 0, leaf(0))
    world.deposit(REGISTRATION, 0, leaf(0))
    world.records.send(world.key(HOSPITAL), "end_registration", REGISTRATION)
    with refused("registration"):
        world.deposit(REGISTRATION, 1, leaf(1))


@pytest.mark.parametrize("role", [Role.HOSPITAL, Role.CENTRE])
def test_a_category_is_deposited_exactly_where_the_matrix_says_a_plain_yes(world: World, role: Role) -> None:
    organisation = {Role.HOSPITAL: HOSPITAL, Role.CENTRE: CENTRE}[role]
    registration, number = b"registration  02", 0
    world.register(registration, organisation)
    sender = {"sender": world.key(organisation), "organisation": organisation, "role": role}
    for category in Category:
        if VERSION_2.writing(role, category) is WriteCell.YES:
            world.deposit(registration, number, leaf(number), **sender, category=category)
            number += 1
        else:
            with refused("category"):
                world.deposit(registration, number, leaf(number), **sender, category=category)
    assert 0 < number < len(Category)
    for unknown in (0, 16, 255):
        with refused("category"):
            world.deposit(registration, number, leaf(number), **sender, category=unknown)


def test_a_chart_that_an_amendment_might_have_changed_permits_nothing_until_it_is_taken_again(
    world: World,
) -> None:
    world.deposit(REGISTRATION, 0, leaf(0))
    world.chain.pass_time(DELAY)
    with refused("category"):
        world.deposit(REGISTRATION, 1, leaf(1))
    world.chart.send(key("anybody"), "take")
    world.deposit(REGISTRATION, 1, leaf(1))


def test_an_amendment_reaches_direct_deposits_when_it_takes_effect(world: World) -> None:
    vote_against_visits(world)
    world.chart.send(key("anybody"), "take")
    world.chain.pass_time(DELAY - 60)
    world.deposit(REGISTRATION, 0, leaf(0))
    world.chain.pass_time(60)
    with refused("category"):
        world.deposit(REGISTRATION, 1, leaf(1))
    world.chart.send(key("anybody"), "take")
    with refused("category"):
        world.deposit(REGISTRATION, 1, leaf(1))


def test_a_chart_never_outlives_a_pending_amendment(world: World) -> None:
    vote_against_visits(world)
    takes_effect = world.chain.time + DELAY
    world.chain.pass_time(DAY // 2)
    world.chart.send(key("anybody"), "take")
    assert world.chart.call("chart") >> 224 == takes_effect


def test_a_page_holds_thirty_two_and_the_next_begins_when_it_is_full(world: World) -> None:
    with refused("page"):
        world.deposit(REGISTRATION, PAGE, leaf(0))
    for number in range(PAGE):
        world.deposit(REGISTRATION, number, leaf(number))
    with refused("page"):
        world.deposit(REGISTRATION, 0, leaf(PAGE))
    with refused("page"):
        world.deposit(REGISTRATION, 2 * PAGE, leaf(PAGE))
    world.deposit(REGISTRATION, PAGE, leaf(PAGE))
    assert (page(world).count, page(world, 1).count) == (PAGE, 1)
    page(world).check(leaf(number) for number in range(PAGE))
    assert remove(world, PAGE - 1).events[0].name == "RecordRemovedV1"
    assert page(world).removed == {PAGE - 1}


def test_the_depositor_removes_a_record_once_and_the_count_stays(world: World) -> None:
    for number in range(3):
        world.deposit(REGISTRATION, number, leaf(number))
    receipt = remove(world, 1)
    fields = {"registration": REGISTRATION, "where": DepositPlace.numbered(HOSPITAL, 1).where()}
    assert [(event.name, event.fields) for event in receipt.events] == [("RecordRemovedV1", fields)]
    assert (page(world).count, page(world).removed) == (3, frozenset({1}))
    leaves = [leaf(number) for number in range(3)]
    page(world).check(leaves)
    with refused("removed"):
        world.leaves.call("deposited", REGISTRATION, fields["where"], leaves)
    with refused("removed"):
        remove(world, 1)


def test_nobody_but_its_verified_depositor_removes_a_record(world: World) -> None:
    world.deposit(REGISTRATION, 0, leaf(0))
    with refused("caller"):
        remove(world, 0, sender=key("stranger"))
    with refused("caller"):
        remove(world, 0, sender=world.key(CENTRE))
    with refused("unknown"):
        remove(world, 0, organisation=CENTRE)
    with refused("unknown"):
        remove(world, 1)
    world.officer("suspend", HOSPITAL)
    with refused("status"):
        remove(world, 0)
    assert page(world).removed == frozenset()


def test_a_place_with_bits_that_mean_nothing_names_no_record(world: World) -> None:
    world.deposit(REGISTRATION, 0, leaf(0))
    where = DepositPlace(HOSPITAL, 0).where()
    for stray in (1 << 40, 1 << 63, 33, 255):
        with refused("unknown"):
            world.records.send(world.key(HOSPITAL), "remove_record", REGISTRATION, where | stray)
