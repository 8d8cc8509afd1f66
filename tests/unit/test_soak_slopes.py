"""A soak's verdict: what grows is told from what is only noisy, and from a machine that became slow."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
from _soak_samples import Slope, against, by_minute, plotted, slope, warm


def series(hourly: float, noise: float, follows: float = 0.0, minutes: int = 60) -> list[tuple[float, float]]:
    """Values about 100, which grow by so much an hour; ``follows``: what each has of the one before."""
    chance, rest, made = random.Random(3), 0.0, []
    for minute in range(minutes):
        rest = follows * rest + chance.gauss(0, noise)
        made.append((60.0 * minute, 100 + hourly * minute / 60 + rest))
    return made


def verdict(points: list[tuple[float, float]]) -> str:
    found = slope(points)
    assert found is not None
    return found.verdict


@pytest.mark.parametrize(
    ("hourly", "noise", "said"),
    [
        (0, 0, "flat"),
        (0, 3, "flat"),
        (2, 0.1, "flat"),
        (10, 1, "grows"),
        (-10, 1, "falls"),
        (0, 80, "unclear"),
    ],
)
def test_what_grows_is_told_from_what_is_noisy(hourly: float, noise: float, said: str) -> None:
    assert verdict(series(hourly, noise)) == said


def test_a_slope_is_known_as_well_as_its_noise_lets_it_be() -> None:
    found = slope(series(20, 2))
    assert found is not None
    assert found.error > 0
    assert abs(found.hourly * found.level - 20) <= 2 * found.error * found.level


def test_noise_in_which_each_value_follows_the_one_before_makes_no_growth() -> None:
    alone, following = slope(series(0, 2)), slope(series(0, 2, follows=0.9))
    assert alone is not None
    assert following is not None
    assert following.error > 3 * alone.error


def test_what_a_slower_machine_takes_longer_for_has_not_grown() -> None:
    probe = [(at, 3 + at / 1_800) for at, _ in series(0, 0)]
    times = [(at, 10 * speed) for at, speed in probe]
    assert verdict(times) == "grows"
    assert verdict(against(times, probe)) == "flat"
    leaking = [(at, value * (1 + at / 7_200)) for at, value in times]
    assert verdict(against(leaking, probe)) == "grows"


def test_too_little_says_nothing() -> None:
    assert slope(series(0, 1, minutes=4)) is None
    assert slope([(at, 0.0) for at, _ in series(0, 0)]) is None
    assert warm(series(0, 0), 3_600)[0][0] == 900


def test_each_minute_has_one_value_and_each_series_a_line() -> None:
    assert by_minute([(1.0, 5.0), (2.0, 7.0), (59.0, 6.0), (61.0, 1.0)]) == [(30.0, 6.0), (90.0, 1.0)]
    line = plotted("memory", series(10, 0))
    assert line.startswith("memory")
    assert line.index("▁") < line.index("▄") < line.index("█")
    assert str(Slope(0.5, 0.1, 1.0)) == "+50.0 ± 10.0 % an hour: grows"
