"""A person is matched in an organisation's own table by who treats there, seldom, never leafed through, and is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from careledger.domain.consents import Purpose
from careledger.domain.errors import AccessRefused, PartyNotVerified, RequestRefused, Throttled
from careledger.domain.parties import Role
from careledger.workflows import parties
from careledger.workflows.actors import Staff
from careledger.workflows.located import located
from careledger.workflows.match import (
    COUNTED,
    LIKE,
    MOST_QUESTIONS,
    NAME,
    NUMBER,
    SWAPPED,
    WITHIN,
    Asker,
    candidates,
    match,
)
from careledger.workflows.register import NOBODY, Identity
from careledger.workflows.request_access import read_requests
from world import World

TOKEN = b"t" * 32


def person(
    name: str = "", birth: str = "", number: str = "", romanised: str = "", alias: int = 0
) -> Identity:
    return replace(
        NOBODY, alias=bytes([alias]) * 32, name=name, romanised=romanised, national_id=number, birth=birth
    )


RAHIMA = person("রহিমা খাতুন", "1988-04-07", "1988-77", "Rahima Khatun", alias=1)
KARIM = person("Karim Uddin", "1990-12-02", "1990-123", alias=2)
TABLE = (RAHIMA, KARIM, person("Somebody Else", "1990", alias=3))


@pytest.mark.parametrize(
    ("sought", "found"),
    [
        (person(number="1988 77"), [(1, NUMBER, True)]),
        (person("খাতুন রহিমা", "1988-04-07"), [(1, NAME, True)]),
        (person("KHATUN, Rahima", "1988-04-07"), [(1, NAME, True)]),
        (person("Rahima Khatun", "1988-04"), [(1, NAME, False)]),
        (person("রহিমা খাতু", "1988-04-07"), [(1, LIKE, False)]),
        (person("রহিমা খাতুন", "1988-07-04"), [(1, SWAPPED, False)]),
        (person("Rahima Khatum", "1988-07-04"), [(1, SWAPPED, False)]),
        (person("রহিম খান", "1988-04-07"), []),
        (person("রহমা", "1988-04-07"), []),
        (person("Karim Uddin", "1990-12-03"), []),
        (person("Karim", "1990-12-02"), []),
        (person("", "1990-12-02", "1990-124"), []),
    ],
)
def test_it_is_certain_by_a_number_or_by_whole_name_and_date_and_otherwise_possible_at_most(
    sought: Identity, found: list[tuple[int, str, bool]]
) -> None:
    made = [(each.row.alias[0], each.why, each.certain) for each in candidates(TABLE, [sought])]
    assert made == found


def test_a_contradiction_or_a_second_row_that_may_be_meant_makes_it_possible() -> None:
    twice = (*TABLE, replace(KARIM, alias=b"\4" * 32, national_id="", birth="1990"))
    for table, sought in (
        (TABLE, person("Karim Uddin", "1991-12-02", "1990-123")),
        (TABLE, person("Rahima Khatun", "1990-12-02", "1990-123")),
        (TABLE, person("Karim Uddin", "1990-12-02", "1990-124")),
        (twice, person("Karim Uddin", "1990-12-02")),
        (twice, person("Karim Uddin", "1990-12-02", "1990-123")),
    ):
        found = candidates(table, [sought])
        assert found
        assert not any(each.certain for each in found)
    assert [each.row.alias[0] for each in candidates(twice, [person("Karim Uddin", "1990-12-02")])] == [2, 4]


def test_one_of_several_names_is_enough() -> None:
    names = [person("Nobody", "1988-04-07"), person("Rahima Khatun", "1988-04-07")]
    assert [(each.why, each.certain) for each in candidates(TABLE, names)] == [(NAME, True)]


def asker(staff: Staff, token: bytes = TOKEN, purpose: Purpose = Purpose.TREAT) -> Asker:
    return Asker(staff, token, purpose)


def look(world: World, sought: Identity, staff: Staff | None = None, most: int = 10) -> list[bytes]:
    found = match(world.network, asker(staff or world.nurse), [sought], most)
    return [each.row.alias for each in found]


def test_whoever_is_returned_learns_of_it_and_nobody_else(world: World) -> None:
    mine = world.claim(world.patient(identity=KARIM, compartments=())).holder
    other = world.claim(world.patient(identity=RAHIMA, compartments=())).holder
    assert look(world, KARIM) == [mine.alias]
    read_requests(world.network, mine)
    read_requests(world.network, other)
    [told] = located(mine)
    assert (told.member, told.reader, told.employer) == (
        world.hospital.number, world.nurse.number, world.hospital.number,
    )  # fmt: skip
    assert located(other) == []


def test_only_certain_ones_are_told_where_only_those_are_asked_for(world: World) -> None:
    mine = world.claim(world.patient(identity=KARIM, compartments=())).holder
    sought = replace(KARIM, national_id="", birth="1990")
    assert match(world.network, asker(world.doctor), [sought], 10, True) == []
    read_requests(world.network, mine)
    assert located(mine) == []


def test_more_than_were_asked_for_are_neither_returned_nor_told(world: World) -> None:
    both = [world.claim(world.patient(identity=KARIM, compartments=())).holder for _ in range(2)]
    [found] = look(world, KARIM, most=1)
    for holder in both:
        read_requests(world.network, holder)
        assert len(located(holder)) == (holder.alias == found)


def test_an_organisation_matches_in_its_own_table_only(world: World) -> None:
    world.patient(identity=KARIM, compartments=())
    assert look(world, KARIM, world.outsider) == []


@pytest.mark.parametrize("role", [Role.DEVICE, Role.OPERATOR, Role.RESEARCHER])
def test_a_post_that_treats_nobody_is_refused(world: World, role: Role) -> None:
    world.patient(identity=KARIM, compartments=())
    with pytest.raises(AccessRefused, match="treats-nobody"):
        look(world, KARIM, world.staff(world.hospital, 500 + role, role))


def test_a_pharmacy_a_token_for_research_and_a_post_that_has_ended_are_refused(world: World) -> None:
    world.patient(identity=KARIM, compartments=())
    with pytest.raises(AccessRefused, match="treats-nobody"):
        look(world, KARIM, world.staff(world.pharmacy, 72))
    with pytest.raises(AccessRefused, match="not-for-care"):
        match(world.network, asker(world.doctor, purpose=Purpose.HRESCH), [KARIM], 1)
    leaver = world.staff(world.hospital, 73)
    parties.suspend(world.network, world.officers[0], leaver.number)
    with pytest.raises(PartyNotVerified):
        look(world, KARIM, leaver)
    assert list(world.hospital.books.rows(COUNTED)) == []


@pytest.mark.parametrize(
    ("sought", "why"),
    [
        (person("Karim Uddin"), "too-little-known"),
        (person("", "1990-12-02"), "too-little-known"),
        (person("...", "1990-12-02", " - "), "too-little-known"),
        (person(), "too-little-known"),
        (person("Kar*", "1990-12-02"), "pattern"),
        (person("Karim Udd_n", "1990-12-02"), "pattern"),
        (person(number="1990-%"), "pattern"),
    ],
)
def test_a_question_that_says_too_little_or_is_a_pattern_is_refused(
    world: World, sought: Identity, why: str
) -> None:
    world.patient(identity=KARIM, compartments=())
    with pytest.raises(RequestRefused, match=why):
        look(world, sought)
    with pytest.raises(RequestRefused, match="too-little-known"):
        match(world.network, asker(world.nurse), [], 10)


def test_a_token_asks_forty_times_an_hour_whatever_it_finds_and_another_is_counted_alone(
    world: World,
) -> None:
    for _ in range(MOST_QUESTIONS - 1):
        assert look(world, KARIM) == []
    world.clock.advance(60)
    assert look(world, KARIM) == []
    with pytest.raises(Throttled) as refused:
        look(world, KARIM)
    assert refused.value.details["seconds"] == WITHIN - 60
    match(world.network, asker(world.nurse, b"u" * 32), [KARIM], 1)
    world.clock.advance(WITHIN - 61)
    with pytest.raises(Throttled):
        look(world, KARIM)
    world.clock.advance(1)
    assert look(world, KARIM) == []
    assert len(list(world.hospital.books.rows(COUNTED))) == 3
