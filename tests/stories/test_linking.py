"""A member that watches ledger and board for a month guesses no better than chance who gave a consent to whom.

A month of a thousand patients and ten members, each member once as the observer (tests/linking.py). Advantage: twice
the share of right answers less one; its margin is half of its 95 % interval. Seeds are fixed.
"""

from __future__ import annotations

from collections import Counter
from random import Random

from careledger.domain.relaying import HOUR
from linking import DAY, Played, Rules, anybody, live, neighbours, not_excluded, observe

SEED = 10
FINE = 0.03
"""What a margin may be at most for chance to be worth saying."""


def chance(played: Played) -> bool:
    return abs(played.advantage) <= played.margin < FINE


def better(played: Played, than: float = 0.0) -> bool:
    """Beyond any doubt: two margins over it."""
    return played.advantage - 2 * played.margin > than


# The promise ---------------------------------------------------------------------------------------


def test_without_the_hops_a_member_names_the_right_one_of_two_persons_nearly_always() -> None:
    assert better(observe(Rules(hops=False), SEED, anybody), than=0.8)


def test_with_the_hops_a_member_that_does_not_treat_the_person_does_no_better_than_chance() -> None:
    assert chance(observe(Rules(), SEED, not_excluded))


def test_what_it_relays_itself_tells_it_the_gateway_and_nothing_about_persons_behind_it() -> None:
    assert chance(observe(Rules(), SEED, neighbours, relaying=True))


def test_packages_posted_by_the_patients_own_gateway_would_give_everything_away() -> None:
    assert better(observe(Rules(packages=False), SEED, not_excluded), than=0.9)


# What the hops do not hide: docs/threats.md gives these figures ------------------------------------


def test_that_no_member_sends_for_its_own_patients_excludes_some_of_them() -> None:
    told = observe(Rules(), SEED, anybody)
    assert better(told, than=0.1)
    assert told.advantage < 0.35
    assert chance(observe(Rules(own=True), SEED, anybody))


def test_a_relaying_member_learns_the_gateway_of_what_it_sends_and_colluding_ones_learn_more() -> None:
    alone, two, five = (
        observe(Rules(), SEED, not_excluded, together=together, relaying=True) for together in (1, 2, 5)
    )
    assert better(alone, than=0.1)
    assert better(two, than=alone.advantage)
    assert better(five, than=alone.advantage)


def test_four_members_are_too_few() -> None:
    assert better(observe(Rules(members=4), SEED, anybody), than=0.2)
    assert better(observe(Rules(members=4), SEED, anybody, relaying=True), than=0.4)


def test_who_treats_a_person_links_filed_under_one_sitting_the_less_the_further_ahead_they_are_given() -> (
    None
):
    plain, days, weeks = (
        observe(rules, SEED, neighbours, treating=True)
        for rules in (Rules(hops=False), Rules(), Rules(ahead=(7 * DAY, 28 * DAY)))
    )
    assert better(plain, than=0.1)
    assert better(days)
    assert days.advantage < plain.advantage / 2
    assert weeks.advantage < days.advantage / 2


def test_without_the_random_delay_two_filed_under_one_sitting_are_linked_as_if_there_were_no_hops() -> None:
    played = observe(Rules(delays=False), SEED, neighbours, treating=True)
    assert better(played, than=0.1)


def test_an_entry_of_the_alias_in_the_same_sitting_gives_its_consents_away() -> None:
    hopped, direct = (observe(Rules(entries=True, hops=hops), SEED, neighbours) for hops in (True, False))
    assert better(hopped, than=0.3)
    assert better(direct, than=hopped.advantage + 0.1)


# The simulation itself -----------------------------------------------------------------------------


def test_the_month_has_what_the_game_is_about() -> None:
    month = live(Rules(), Random(SEED))
    assert len({each.person for each in month.consents}) == 1_000
    assert len(month.consents) > 3_000
    assert set(Counter(each.reader for each in month.consents)) == set(range(10))
    assert all(
        month.home(each.person) not in (each.reader, each.sender, each.poster, each.copier)
        for each in month.consents
    )
    assert all(each.made <= each.shown <= each.posted for each in month.consents)
    waited = sorted(each.shown - each.made for each in month.consents)
    assert waited[len(waited) // 3] <= 5
    assert waited[-len(waited) // 5] > 6 * HOUR
    assert live(Rules(), Random(SEED)) == month
