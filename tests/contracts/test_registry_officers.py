"""Ministry officers are appointed and dismissed by their own recorded votes."""

from __future__ import annotations

from careledger.domain.parties import Status
from contracts.harness import Chain, key, refused
from contracts.registry_world import (
    DOCTOR,
    DOCTOR_ROLE,
    HOSPITAL,
    MINISTRY,
    OFFICERS,
    STRANGER,
    Consortium,
    controller,
    digest,
)

NEW = 0x6F << 56 | 9


def _appoint(net: Consortium, which: int, party: int = NEW) -> list[str]:
    sent = net.officer("appoint_officer", party, controller(party).address, which=which)
    return [event.name for event in sent.events]


def test_two_of_three_officers_appoint_a_fourth(net: Consortium) -> None:
    assert _appoint(net, 0) == ["OfficerVotedV1"]
    assert not net.registry.call("in_office", NEW)
    assert _appoint(net, 1) == ["OfficerVotedV1", "OfficerAppointedV1"]
    assert net.registry.call("is_officer", NEW, controller(NEW).address)
    assert not net.registry.call("is_officer", NEW, STRANGER.address)
    assert net.registry.call("officer_count") == 4
    net.act(NEW, "suspend", NEW, HOSPITAL)


def test_a_vote_counts_once_and_for_one_proposal(net: Consortium) -> None:
    _appoint(net, 0)
    with refused("voted"):
        _appoint(net, 0)
    net.officer("appoint_officer", NEW, STRANGER.address, which=1)
    assert net.registry.call("officer_count") == 3


def test_votes_end_when_the_officers_change(net: Consortium) -> None:
    _appoint(net, 0, NEW + 1)
    _appoint(net, 0)
    _appoint(net, 1)
    assert _appoint(net, 2, NEW + 1) == ["OfficerVotedV1"]
    assert _appoint(net, 0, NEW + 1) == ["OfficerVotedV1", "OfficerAppointedV1"]


def test_officers_dismiss_one_of_them_but_never_below_the_threshold(net: Consortium) -> None:
    net.officer("dismiss_officer", OFFICERS[2])
    net.officer("dismiss_officer", OFFICERS[2], which=1)
    assert net.status(OFFICERS[2]) == Status.REMOVED
    with refused("officer"):
        net.officer("suspend", HOSPITAL, which=2)
    with refused("threshold"):
        net.officer("dismiss_officer", OFFICERS[1])
    with refused("unknown"):
        net.officer("dismiss_officer", OFFICERS[2])


def test_nobody_else_votes(net: Consortium) -> None:
    with refused("caller"):
        net.registry.send(STRANGER, "appoint_officer", OFFICERS[0], NEW, STRANGER.address)
    for party in (MINISTRY, HOSPITAL, DOCTOR):
        with refused("officer"):
            net.act(party, "appoint_officer", party, NEW, STRANGER.address)
        with refused("officer"):
            net.act(party, "dismiss_officer", party, OFFICERS[0])
        with refused("officer"):
            net.act(party, "change_threshold", party, 1)


def test_the_ministry_makes_no_officer_by_vouching(net: Consortium) -> None:
    with refused("role"):
        net.act(MINISTRY, "vouch", MINISTRY, NEW, STRANGER.address, 1 << 8, digest("l"), digest("k"))
    net.act(MINISTRY, "vouch", MINISTRY, NEW, STRANGER.address, DOCTOR_ROLE, digest("l"), digest("k"))
    assert not net.registry.call("in_office", NEW)


def test_the_threshold_changes_by_the_present_threshold(net: Consortium) -> None:
    for wrong in (0, 4):
        with refused("threshold"):
            net.officer("change_threshold", wrong)
    net.officer("change_threshold", 3)
    assert net.registry.call("threshold") == 2
    net.officer("change_threshold", 3, which=2)
    assert net.registry.call("threshold") == 3
    _appoint(net, 0)
    _appoint(net, 1)
    assert not net.registry.call("in_office", NEW)
    _appoint(net, 2)
    assert net.registry.call("in_office", NEW)


def test_an_appointed_number_must_be_free(net: Consortium) -> None:
    _appoint(net, 0, HOSPITAL)
    with refused("taken"):
        _appoint(net, 1, HOSPITAL)
    _appoint(net, 0, 0)
    with refused("empty"):
        _appoint(net, 1, 0)


def test_a_consortium_is_founded_with_enough_officers(chain: Chain) -> None:
    two = [key("a").address, key("b").address]
    for officers, keys, threshold, reason in (
        ([1, 2], two, 3, "threshold"),
        ([1, 2], two, 0, "threshold"),
        ([1], two, 1, "officers"),
        ([1, 1], two, 1, "taken"),
        ([1, MINISTRY], two, 1, "taken"),
    ):
        with refused(reason):
            chain.deploy("Registry", MINISTRY, key("m").address, officers, keys, threshold)
    with refused("empty"):
        chain.deploy("Registry", 0, key("m").address, [1, 2], two, 1)


def test_there_are_at_most_thirty_two_officers(chain: Chain) -> None:
    officers = list(range(1, 33))
    keys = [controller(officer).address for officer in officers]
    registry = chain.deploy("Registry", MINISTRY, key("m").address, officers, keys, 1)
    with refused("full"):
        registry.send(controller(1), "appoint_officer", 1, NEW, STRANGER.address)
    registry.send(controller(1), "dismiss_officer", 1, 32)
    registry.send(controller(1), "appoint_officer", 1, NEW, STRANGER.address)
    assert registry.call("officer_count") == 32
