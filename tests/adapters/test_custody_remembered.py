"""What a custodian remembers of deposits is bounded by versions, however many a deposit has."""

from __future__ import annotations

from careledger.adapters.custody.remembered import LONGEST, Remembered


def test_what_was_asked_for_longest_ago_is_forgotten_first() -> None:
    known = Remembered[list[int]](6)
    for number in (1, 2, 3):
        known.keep(number, [number] * 2)
    assert known.get(1) == [1, 1]
    known.keep(4, [4])
    assert [known.get(number) for number in (1, 2, 3, 4)] == [[1, 1], None, [3, 3], [4]]
    assert len(known) == 5


def test_many_versions_count_as_many_and_the_last_deposit_stays_whatever_it_has() -> None:
    known = Remembered[list[int]](6)
    known.keep(1, [1])
    known.keep(2, [2] * 100)
    assert (known.get(1), len(known.get(2) or [])) == (None, 100)
    known.keep(3, [3])
    assert (known.get(2), known.get(3), len(known)) == (None, [3], 1)


def test_what_is_kept_again_or_forgotten_counts_once() -> None:
    known = Remembered[list[int]](6)
    for made in ([1, 1], [1, 1, 1], [1]):
        known.keep(1, made)
    assert (known.get(1), len(known)) == ([1], 1)
    known.forget(1)
    known.forget(1)
    assert (known.get(1), len(known)) == (None, 0)
    known.keep(2, [2, 2])
    known.clear()
    assert (known.get(2), len(known)) == (None, 0)


def test_what_nobody_asked_for_in_longer_than_a_lease_is_forgotten_when_something_else_comes() -> None:
    now = 0.0
    known = Remembered[list[int]](1_000, lambda: now)
    for number in range(10):
        known.keep(number, [number])
    now = LONGEST - 1
    assert known.get(3) == [3]
    known.keep(10, [10])
    assert len(known) == 11
    now = LONGEST + 1
    known.keep(11, [11])
    assert [number for number in range(12) if known.get(number)] == [3, 10, 11]
    assert len(known) == 3
