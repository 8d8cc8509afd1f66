"""Amendments of the policy: voted by ministry officers, delayed, never opening earlier records."""

from __future__ import annotations

from dataclasses import replace

import pytest

from careledger.domain.categories import Category
from careledger.domain.matrix import VERSION_1, VERSION_2, Matrix, ReadCell
from careledger.domain.parties import Role
from contracts.harness import DAY, START, Contract, Receipt, refused
from contracts.registry_world import DOCTOR, HOSPITAL, MINISTRY, OFFICERS, STRANGER, Consortium, controller

DELAY = 7 * DAY


@pytest.fixture
def policy(net: Consortium) -> Contract:
    """The policy with version 1."""
    words = (VERSION_1.read_words, VERSION_1.write_words)
    return net.chain.deploy("AccessPolicy", net.registry.address, DELAY, *words)


def _vote(policy: Contract, matrix: Matrix, which: int) -> Receipt:
    args = (OFFICERS[which], matrix.version, matrix.read_words, matrix.write_words)
    return policy.send(controller(OFFICERS[which]), "vote_amendment", *args)


def _changed(version: int, role: Role, category: Category, cell: int) -> Matrix:
    """Version 2's charts under another number, with one read cell changed."""
    words, at = list(VERSION_2.read_words), 4 * category
    words[role] = words[role] & ~(15 << at) | cell << at
    return replace(VERSION_2, version=version, read_words=tuple(words))


def test_the_second_vote_enacts_and_the_delay_passes(net: Consortium, policy: Contract) -> None:
    assert [event.name for event in _vote(policy, VERSION_2, 0).events] == ["AmendmentVotedV1"]
    assert policy.call("latest")[0] == 1
    enacted = _vote(policy, VERSION_2, 1)
    assert [event.name for event in enacted.events] == ["AmendmentVotedV1", "AmendmentEnactedV1"]
    told = enacted.events[1].fields
    assert (told["version"], told["since"]) == (2, enacted.time + DELAY)
    assert (told["reading"], told["writing"]) == (VERSION_2.read_words, VERSION_2.write_words)
    net.chain.pass_time(enacted.time + DELAY - 1 - net.chain.time)
    assert policy.call("version") == 1
    net.chain.pass_time(1)
    assert policy.call("version") == 2


def test_a_version_is_in_force_from_its_time_on(net: Consortium, policy: Contract) -> None:
    founded = policy.call("effective_from", 1)
    since = _vote(policy, VERSION_2, 0).time and _vote(policy, VERSION_2, 1).time + DELAY
    assert policy.call("effective_from", 2) == since
    at = {0: 1, START: 1, founded: 1, since - 1: 1, since: 2, since + DAY: 2, 2**64 - 1: 2}
    assert {time: policy.call("version_at", time) for time in at} == at


def test_an_amendment_never_opens_what_was_deposited_before(net: Consortium, policy: Contract) -> None:
    for which in (0, 1):
        _vote(policy, VERSION_2, which)
    net.chain.pass_time(DELAY)
    opened = _changed(3, Role.INSURER, Category.DIAGNOSIS, ReadCell.YES)
    before = net.chain.time
    for which in (0, 1):
        _vote(policy, opened, which)
    net.chain.pass_time(DELAY)
    insurer, diagnosis = Role.INSURER, Category.DIAGNOSIS
    assert policy.call("read_cell", insurer, diagnosis) == ReadCell.YES
    assert policy.call("read_cells", insurer, diagnosis, before) == (ReadCell.NO, ReadCell.YES)
    assert policy.call("read_cells", insurer, diagnosis, net.chain.time) == (ReadCell.YES, ReadCell.YES)


def test_a_narrowing_counts_for_earlier_records_at_once(net: Consortium, policy: Contract) -> None:
    before = net.chain.time
    for which in (0, 1):
        _vote(policy, _changed(2, Role.DOCTOR, Category.GENERAL, ReadCell.NO), which)
    net.chain.pass_time(DELAY)
    assert policy.call("read_cells", Role.DOCTOR, Category.GENERAL, before) == (ReadCell.YES, ReadCell.NO)


def test_only_officers_vote_and_once(net: Consortium, policy: Contract) -> None:
    args = (VERSION_2.version, VERSION_2.read_words, VERSION_2.write_words)
    with refused("officer"):
        policy.send(STRANGER, "vote_amendment", OFFICERS[0], *args)
    for party in (MINISTRY, HOSPITAL, DOCTOR):
        with refused("officer"):
            policy.send(controller(party), "vote_amendment", party, *args)
        with refused("officer"):
            policy.send(controller(party), "vote_withdrawal", party, 1)
    _vote(policy, VERSION_2, 0)
    with refused("voted"):
        _vote(policy, VERSION_2, 0)
    assert policy.call("latest")[0] == 1


def test_votes_for_different_words_do_not_add_up(net: Consortium, policy: Contract) -> None:
    _vote(policy, VERSION_2, 0)
    _vote(policy, _changed(2, Role.DOCTOR, Category.GENERAL, ReadCell.NO), 1)
    assert policy.call("latest")[0] == 1


def test_the_vote_of_a_dismissed_officer_does_not_enact(net: Consortium, policy: Contract) -> None:
    _vote(policy, VERSION_2, 2)
    for which in (0, 1):
        net.officer("dismiss_officer", OFFICERS[2], which=which)
    _vote(policy, VERSION_2, 0)
    assert policy.call("latest")[0] == 1
    _vote(policy, VERSION_2, 1)
    assert policy.call("latest")[0] == 2


def test_versions_follow_one_another_one_at_a_time(net: Consortium, policy: Contract) -> None:
    for version in (0, 1, 3):
        with refused("version"):
            _vote(policy, replace(VERSION_2, version=version), 0)
    for which in (0, 1):
        _vote(policy, VERSION_2, which)
    with refused("pending"):
        _vote(policy, replace(VERSION_2, version=3), 0)


@pytest.mark.parametrize("role", [Role.MINISTRY, Role.OPERATOR, Role.PUBLIC, Role.RESEARCHER])
@pytest.mark.parametrize(
    "category", [Category.DIAGNOSIS, Category.GENERAL, Category.VISIT, Category.MEASUREMENT]
)
@pytest.mark.parametrize("cell", [ReadCell.YES, ReadCell.INVOLVED, ReadCell.FIELDS, ReadCell.SHOWN])
def test_the_ministry_never_votes_itself_into_clinical_records(
    policy: Contract, role: Role, category: Category, cell: ReadCell
) -> None:
    with refused("clinical"):
        _vote(policy, _changed(2, role, category, cell), 0)


def test_aggregates_and_identities_stay_open_to_amendment(policy: Contract) -> None:
    _vote(policy, _changed(2, Role.MINISTRY, Category.DIAGNOSIS, ReadCell.AGGREGATE), 0)
    _vote(policy, _changed(2, Role.MINISTRY, Category.IDENTITY_PHARMACY, ReadCell.YES), 0)


def test_an_amendment_names_known_cells_only(policy: Contract) -> None:
    for wrong in (6 << 4, 1):
        args = ([wrong, *VERSION_2.read_words[1:]], VERSION_2.write_words)
        with refused("cell"):
            policy.send(controller(OFFICERS[0]), "vote_amendment", OFFICERS[0], 2, *args)


def test_officers_withdraw_an_amendment_before_it_counts(net: Consortium, policy: Contract) -> None:
    for which in (0, 1):
        _vote(policy, VERSION_2, which)
    _withdraw(policy, 0)
    assert policy.call("latest")[0] == 2
    assert [event.name for event in _withdraw(policy, 2).events] == [
        "WithdrawalVotedV1",
        "AmendmentWithdrawnV1",
    ]
    net.chain.pass_time(DELAY)
    assert policy.call("version") == 1
    with refused("version"):
        policy.call("cell", 2, Role.DOCTOR, Category.HISTORY)
    for which in (0, 1):
        _vote(policy, VERSION_2, which)
    net.chain.pass_time(DELAY)
    assert policy.call("version") == 2


def test_a_version_in_force_is_not_withdrawn(net: Consortium, policy: Contract) -> None:
    with refused("in effect"):
        _withdraw(policy, 0, version=1)
    for which in (0, 1):
        _vote(policy, VERSION_2, which)
    with refused("version"):
        _withdraw(policy, 0, version=1)
    with refused("officer"):
        policy.send(STRANGER, "vote_withdrawal", OFFICERS[0], 2)
    net.chain.pass_time(DELAY)
    with refused("in effect"):
        _withdraw(policy, 0)


def _withdraw(policy: Contract, which: int, version: int = 2) -> Receipt:
    return policy.send(controller(OFFICERS[which]), "vote_withdrawal", OFFICERS[which], version)
