"""The retention tables: voted by ministry officers, delayed, never putting off what was anchored before."""

from __future__ import annotations

import pytest

from careledger.domain.categories import Category
from careledger.formats.ledger_words import retention_table
from contracts.harness import DAY, Contract, Receipt, refused
from contracts.registry_world import DOCTOR, HOSPITAL, MINISTRY, OFFICERS, STRANGER, Consortium, controller

DELAY = 7 * DAY
TEN_YEARS = retention_table({Category.REPORT: 3_650, Category.IMAGE: 36_525})


@pytest.fixture
def retention(net: Consortium) -> Contract:
    """With version 1: no day for any category."""
    return net.chain.deploy("Retention", net.registry.address, DELAY)


def vote(retention: Contract, which: int, version: int = 2, table: int = TEN_YEARS) -> Receipt:
    officer = OFFICERS[which]
    return retention.send(controller(officer), "vote_retention", officer, version, table)


def enacted(net: Consortium, retention: Contract, version: int, table: int) -> int:
    """Voted, and its delay passed; since when it is in force."""
    vote(retention, 0, version, table)
    since = vote(retention, 1, version, table).time + DELAY
    net.chain.pass_time(DELAY)
    return since


def test_the_second_vote_enacts_and_the_delay_passes(net: Consortium, retention: Contract) -> None:
    assert [event.name for event in vote(retention, 0).events] == ["RetentionVotedV1"]
    assert retention.call("latest")[0] == 1
    told = vote(retention, 1)
    assert [event.name for event in told.events] == ["RetentionVotedV1", "RetentionEnactedV1"]
    fields, since = told.events[1].fields, told.time + DELAY
    assert (fields["version"], fields["since"], fields["table"]) == (2, since, TEN_YEARS)
    assert retention.call("table", 2) == (TEN_YEARS, since)
    assert retention.call("table", 3) == (0, 0)
    net.chain.pass_time(since - 1 - net.chain.time)
    assert retention.call("days", Category.REPORT, since) == 0
    net.chain.pass_time(1)
    assert retention.call("days", Category.REPORT, since) == 3_650
    assert retention.call("days", Category.IMAGE, since) == 36_525
    assert retention.call("days", Category.DIAGNOSIS, since) == 0


def test_a_vote_puts_off_nothing_that_was_anchored_before_it_and_a_shorter_time_counts_for_all(
    net: Consortium, retention: Contract
) -> None:
    before = net.chain.time
    since = enacted(net, retention, 2, TEN_YEARS)
    assert retention.call("days", Category.REPORT, before) == 0
    assert retention.call("days", Category.REPORT, since - 1) == 0
    assert retention.call("days", Category.REPORT, since) == 3_650
    enacted(net, retention, 3, retention_table({Category.REPORT: 30}))
    assert retention.call("days", Category.REPORT, since) == 30
    longer = enacted(net, retention, 4, TEN_YEARS)
    assert retention.call("days", Category.REPORT, longer - 1) == 30
    assert retention.call("days", Category.REPORT, longer) == 3_650


def test_only_officers_vote_and_once(net: Consortium, retention: Contract) -> None:
    with refused("officer"):
        retention.send(STRANGER, "vote_retention", OFFICERS[0], 2, TEN_YEARS)
    for party in (MINISTRY, HOSPITAL, DOCTOR):
        with refused("officer"):
            retention.send(controller(party), "vote_retention", party, 2, TEN_YEARS)
    vote(retention, 0)
    with refused("voted"):
        vote(retention, 0)
    vote(retention, 1, table=0)
    assert retention.call("latest")[0] == 1


def test_the_vote_of_a_dismissed_officer_does_not_enact(net: Consortium, retention: Contract) -> None:
    vote(retention, 2)
    for which in (0, 1):
        net.officer("dismiss_officer", OFFICERS[2], which=which)
    vote(retention, 0)
    assert retention.call("latest")[0] == 1
    vote(retention, 1)
    assert retention.call("latest")[0] == 2


def test_tables_follow_one_another_and_hold_known_categories_and_times(
    net: Consortium, retention: Contract
) -> None:
    for version in (0, 1, 3):
        with refused("version"):
            vote(retention, 0, version)
    with refused("category"):
        vote(retention, 0, table=1)
    for place in range(1, 16):
        with refused("days"):
            vote(retention, 0, table=36_526 << 16 * place)
    for category in (0, 16):
        with refused("category"):
            retention.call("days", category, 0)
    vote(retention, 0)
    vote(retention, 1)
    with refused("pending"):
        vote(retention, 0, 3)
