"""A ledger has stood still for as long as one looked for it again and again in vain."""

from __future__ import annotations

from careledger.domain.standstill import LOOK_EVERY, Standstill


def looked(*times: int) -> Standstill:
    made = Standstill.begun(times[0])
    for time in times[1:]:
        made = made.looked(time)
    return made


def test_looks_in_a_row_add_up_from_the_first_one() -> None:
    assert looked(1_000).seconds(0) == 0
    assert looked(1_000, 1_060, 1_120, 1_120 + LOOK_EVERY).seconds(0) == 210


def test_a_gap_between_looks_or_a_clock_that_goes_back_begins_anew() -> None:
    assert looked(1_000, 1_060, 1_061 + LOOK_EVERY + 60).seconds(0) == 0
    assert looked(1_000, 1_060, 1_059).seconds(0) == 0


def test_a_younger_block_counts_as_movement() -> None:
    assert looked(1_000, 1_060, 1_120).seconds(1_090) == 30
    assert looked(1_000, 1_060, 1_120).seconds(1_500) < 0
