"""What a consent covers and when, and that narrowing never widens."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from careledger.domain.categories import Category, Compartment, Sensitivity
from careledger.domain.consents import (
    ConsentState,
    Permission,
    Purpose,
    Scope,
    Window,
    covers,
    misses,
    narrowed,
    state,
)
from careledger.domain.errors import CannotExpress, MalformedBytes
from careledger.domain.parties import PartyId
from careledger.domain.reasons import Reason
from careledger.domain.records import Ground, RecordVersion, Source
from decision_cases import AUTHOR, DEPOSITOR, DIAGNOSIS, GENERAL, OTHER_HANDLE, STRANGER, scope, version

VIEW = (Permission.VIEW,)


@pytest.mark.parametrize(
    ("given", "revoked", "at", "expected"),
    [
        (False, False, 15, ConsentState.NONE),
        (False, True, 15, ConsentState.REVOKED),
        (True, True, 15, ConsentState.REVOKED),
        (True, False, 9, ConsentState.NOT_YET),
        (True, False, 10, ConsentState.ACTIVE),
        (True, False, 19, ConsentState.ACTIVE),
        (True, False, 20, ConsentState.EXPIRED),
    ],
)
def test_a_consent_is_active_from_start_until_before_end(
    given: bool, revoked: bool, at: int, expected: ConsentState
) -> None:
    assert state(given, Window(10, 20), revoked, at) is expected


@pytest.mark.parametrize(("start", "end"), [(10, 10), (11, 10), (-1, 10)])
def test_a_window_that_holds_no_second_is_refused(start: int, end: int) -> None:
    with pytest.raises(CannotExpress):
        Window(start, end)


@pytest.mark.parametrize(
    ("changes", "record", "reason"),
    [
        ({}, version(), None),
        ({}, version(GENERAL), Reason.OTHER_CATEGORY),
        ({}, version(Compartment(Category.DIAGNOSIS, Sensitivity.RESTRICTED)), Reason.RESTRICTED_NOT_NAMED),
        ({"permissions": frozenset({Permission.APPEND})}, version(), Reason.OTHER_PERMISSION),
        ({"handles": frozenset({version().handle})}, version(), None),
        ({"handles": frozenset({OTHER_HANDLE})}, version(), Reason.OTHER_RECORD),
        (
            {"handles": frozenset({OTHER_HANDLE})},
            version(record=frozenset({OTHER_HANDLE})),
            Reason.OTHER_RECORD,
        ),
        ({"exceptions": frozenset({OTHER_HANDLE})}, version(), None),
        ({"exceptions": frozenset({version().handle})}, version(), Reason.EXCEPTED),
        (
            {"exceptions": frozenset({OTHER_HANDLE})},
            version(record=frozenset({OTHER_HANDLE})),
            Reason.EXCEPTED,
        ),
        ({"authors": frozenset({AUTHOR})}, version(), None),
        ({"authors": frozenset({AUTHOR})}, version(signed=False), Reason.OTHER_AUTHOR),
        ({"authors": frozenset({DEPOSITOR})}, version(), Reason.OTHER_AUTHOR),
        ({"authors": frozenset({DEPOSITOR})}, version(signed=False), None),
        ({"authors": frozenset({STRANGER})}, version(author_employer=STRANGER), None),
        ({"authors": frozenset({STRANGER})}, version(depositor=None, signed=False), Reason.OTHER_AUTHOR),
        ({"from_month": "2023-05", "to_month": "2023-05"}, version(), None),
        ({"from_month": "2023-06"}, version(), Reason.OTHER_PERIOD),
        ({"to_month": "2023-04"}, version(), Reason.OTHER_PERIOD),
        ({"from_month": "1900-01"}, version(clinical_month=None), Reason.OTHER_PERIOD),
        ({}, version(clinical_month="2023"), None),
        ({"from_month": "1900-01"}, version(clinical_month="2023"), Reason.OTHER_PERIOD),
        ({"to_month": "2023-06"}, version(clinical_month="2023"), Reason.OTHER_PERIOD),
    ],
)
def test_a_scope_covers_what_it_names_and_nothing_unknown(
    changes: dict[str, Any], record: RecordVersion, reason: Reason | None
) -> None:
    assert misses(scope(DIAGNOSIS, **changes), record, VIEW) is reason
    assert covers(scope(DIAGNOSIS, **changes), record) is (reason is None)


@pytest.mark.parametrize(
    "changes",
    [
        {"compartments": frozenset()},
        {"permissions": frozenset()},
        {"authors": frozenset()},
        {"handles": frozenset()},
        {"from_month": "2023-06", "to_month": "2023-05"},
    ],
)
def test_a_scope_that_could_cover_nothing_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(CannotExpress):
        scope(DIAGNOSIS, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"from_month": "2023-13"},
        {"to_month": "2023-5"},
        {"from_month": "2023-05-01"},
        {"handles": frozenset({b"short"})},
        {"exceptions": frozenset({b"short"})},
    ],
)
def test_a_malformed_month_or_handle_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedBytes):
        scope(DIAGNOSIS, **changes)


def test_purposes_are_read_by_their_code_and_no_other_word() -> None:
    assert Purpose.of("TREAT") is Purpose.TREAT
    assert [Purpose.of(purpose.code) for purpose in Purpose] == list(Purpose)
    assert all(purpose.words and len(purpose.code) <= 16 for purpose in Purpose)
    for word in ("treat", "MARKETING", ""):
        with pytest.raises(MalformedBytes):
            Purpose.of(word)


# Narrowing ---------------------------------------------------------------------------------------

PLACES = [
    Compartment(category, sensitivity) for category in list(Category)[:2] for sensitivity in Sensitivity
]
PARTIES = [PartyId(number) for number in (1, 2, 3)]
HANDLES = [bytes([number]) * 32 for number in (1, 2, 3)]
MONTHS = ["2020-01", "2021-06", "2022-12"]


def some(random: Random, items: list[Any]) -> frozenset[Any]:
    return frozenset(random.sample(items, random.randint(1, len(items))))


def random_scope(random: Random) -> Scope:
    earliest, latest = sorted(random.choices(MONTHS, k=2))
    made = Scope(
        some(random, PLACES),
        some(random, list(Permission)),
        authors=some(random, PARTIES) if random.random() < 0.3 else None,
        handles=some(random, HANDLES) if random.random() < 0.3 else None,
        exceptions=some(random, HANDLES) if random.random() < 0.2 else frozenset(),
    )
    if random.random() < 0.3:
        made = replace(made, from_month=earliest)
    return replace(made, to_month=latest) if random.random() < 0.3 else made


def random_version(random: Random) -> RecordVersion:
    return RecordVersion(
        bytes(32),
        random.choice(HANDLES),
        random.choice(PLACES),
        Source.SIGNED,
        Ground.UNASKED,
        depositor=random.choice(PARTIES),
        author=random.choice(PARTIES),
        signed=random.random() < 0.5,
        clinical_month=random.choice([*MONTHS, None]),
        record=some(random, HANDLES) if random.random() < 0.3 else frozenset(),
    )


def test_a_narrowed_scope_covers_exactly_what_both_cover() -> None:
    random = Random(20)
    outcomes: Counter[str] = Counter()
    for _ in range(3_000):
        asked, offered, record = random_scope(random), random_scope(random), random_version(random)
        permission = random.choice(list(Permission))
        both = covers(asked, record, permission) and covers(offered, record, permission)
        try:
            less = narrowed(asked, offered)
        except CannotExpress:
            assert not both
            outcomes["nothing left"] += 1
            continue
        assert covers(less, record, permission) is both
        outcomes["covered" if both else "not covered"] += 1
    assert outcomes["nothing left"] > 300
    assert outcomes["covered"] > 100
    assert outcomes["not covered"] > 1_000


@pytest.mark.parametrize(
    "less",
    [
        {"authors": frozenset({AUTHOR})},
        {"from_month": "2023-05"},
        {"to_month": "2023-05"},
        {"handles": frozenset({version().handle})},
        {"exceptions": frozenset({OTHER_HANDLE})},
    ],
)
def test_adding_any_narrowing_covers_no_more(less: dict[str, Any]) -> None:
    random = Random(21)
    outcomes: Counter[tuple[bool, bool]] = Counter()
    wide = scope(*PLACES)
    narrow = replace(wide, **less)
    others = [
        version(PLACES[0], handle=OTHER_HANDLE, author=STRANGER, clinical_month=None),
        version(PLACES[0]),
    ]
    for record in [*others, *(random_version(random) for _ in range(200))]:
        outcomes[covers(wide, record), covers(narrow, record)] += 1
    assert outcomes[False, True] == 0
    assert outcomes[True, False] > 0
    assert outcomes[True, True] > 0
