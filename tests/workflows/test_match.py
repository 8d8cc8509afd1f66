"""A person is matched in an organisation's own table by who treats there, seldom, never leafed through, and is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from careledger.domain.consents import Purpose
from careledger.domain.errors import AccessRefused, PartyNotVerified, RequestRefused, Throttled
from careledger.domain.parties import Role
from careledger.workflows import parties
from careledger.workflows.actors import Organisation, Staff
from careledger.workflows.identity_index import IDENTITY, INDEX, index_rows, rows_near
from careledger.workflows.identity_rows import NOBODY, Identity
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
    _swapped,
    candidates,
    match,
)
from careledger.workflows.register import identities
from careledger.workflows.request_access import read_requests
from world import World


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


def asker(staff: Staff, purpose: Purpose = Purpose.TREAT) -> Asker:
    return Asker(staff, purpose)


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


def test_a_post_asks_forty_times_an_hour_whatever_it_finds_and_another_is_counted_alone(
    world: World,
) -> None:
    for _ in range(MOST_QUESTIONS - 1):
        assert look(world, KARIM) == []
    world.clock.advance(60)
    assert look(world, KARIM) == []
    with pytest.raises(Throttled) as refused:
        look(world, KARIM)
    assert refused.value.details["seconds"] == WITHIN - 60
    assert look(world, KARIM, world.doctor) == []
    world.clock.advance(WITHIN - 61)
    with pytest.raises(Throttled):
        look(world, KARIM)
    world.clock.advance(1)
    assert look(world, KARIM) == []
    assert len(list(world.hospital.books.rows(COUNTED))) == 3


# The index of the table --------------------------------------------------------------------------

BIRTHS = ("", "1988", "1988-04", "1988-04-07", "1988-07-04", "1988-12", "1989-04-07", "1990-01-01")
NAMES = ("", "Rahima Khatun", "Rahima Khatum", "রহিমা খাতুন", "Karim Uddin")
NUMBERS = ("", "1988-77", "198877", "1990-123")


def filed(city: Organisation, rows: list[Identity]) -> None:
    city.books.put(IDENTITY, [(row.alias, row.encode()) for row in rows])


def test_the_index_finds_whom_a_look_at_every_row_finds(world: World) -> None:
    city = world.organisation(9_001)
    every = [person(name, birth, number) for name in NAMES for birth in BIRTHS for number in NUMBERS]
    rows = [replace(row, alias=place.to_bytes(32, "big")) for place, row in enumerate(every)]
    filed(city, rows)
    there, found = identities(city), 0
    for sought in every:
        asked = [sought, *_swapped([sought])]
        by_all = [(each.row.alias, each.why, each.certain) for each in candidates(there, [sought])]
        by_few = candidates(rows_near(city, asked), [sought])
        assert [(each.row.alias, each.why, each.certain) for each in by_few] == by_all
        found += len(by_all)
    assert found > 1_000


def test_a_question_opens_only_the_rows_that_may_fit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    city = world.organisation(9_001)
    rows = [
        replace(
            person("Somebody", f"19{year:02}-{month:02}-01", f"n{year}-{month}"),
            alias=bytes([year, month]) * 16,
        )
        for year in range(50, 90)
        for month in range(1, 13)
    ]
    filed(city, rows)
    assert [row.alias for row in rows_near(city, [rows[7]])] == [rows[7].alias]
    opened: list[bytes] = []
    decode = Identity.decode

    def counted(data: bytes) -> Identity:
        opened.append(data)
        return decode(data)

    monkeypatch.setattr(Identity, "decode", counted)
    assert len(rows_near(city, [person("Somebody", "1960")])) == 12
    assert len(opened) == 12
    later = person("Somebody", "1960-03-01", alias=250)
    city.books.put(INDEX, index_rows(city, later))
    filed(city, [later])
    assert len(rows_near(city, [person("Somebody", "1960-03")])) == 2
    tags = b"".join(key for key, _ in city.books.rows("identity-index"))
    assert b"1960" not in tags
    assert b"n60" not in tags


def test_tags_without_their_row_find_nobody(world: World) -> None:
    city = world.organisation(9_001)
    city.books.put(INDEX, index_rows(city, RAHIMA))
    assert RAHIMA.alias not in {row.alias for row in rows_near(city, [RAHIMA])}
    filed(city, [RAHIMA])
    assert RAHIMA in rows_near(city, [RAHIMA])
