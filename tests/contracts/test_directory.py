"""The directory: contracts are found by name and replaced only by the members' delayed vote."""

from __future__ import annotations

import pytest

from careledger.formats.ledger_words import contract_name
from contracts.directory_world import DELAY, LINKS, MEMBERS, REGISTRY, Guild
from contracts.harness import DAY, Chain, refused
from contracts.registry_world import (
    CENTRE,
    DOCTOR,
    HOSPITAL,
    INSURER,
    OFFICERS,
    PHARMACY,
    STRANGER,
    Consortium,
    controller,
)


@pytest.fixture
def guild(net: Consortium) -> Guild:
    """A directory with four members."""
    guild = Guild(net)
    guild.found(*MEMBERS)
    return guild


def test_contracts_are_found_by_name(guild: Guild) -> None:
    assert guild.resolve(REGISTRY) == guild.net.registry.address
    assert guild.resolve() == guild.links.address
    with refused("unknown"):
        guild.resolve(contract_name("Nothing"))
    count = guild.directory.call("name_count")
    assert [guild.directory.call("name_at", i) for i in range(count)] == [REGISTRY, LINKS]


def test_two_thirds_of_the_members_replace_a_contract_after_the_delay(guild: Guild) -> None:
    new = guild.second_edition()
    number = guild.propose(HOSPITAL, new)
    guild.member(CENTRE, "vote", number)
    with refused("not carried"):
        guild.member(HOSPITAL, "enact", number)
    carried = guild.member(PHARMACY, "vote", number)
    assert carried.events[-1].fields == {"number": number, "not_before": carried.time + DELAY}
    with refused("carried"):
        guild.member(INSURER, "vote", number)
    with refused("too early"):
        guild.member(HOSPITAL, "enact", number)
    guild.chain.pass_time(DELAY)
    assert guild.resolve() == guild.links.address
    enacted = guild.member(INSURER, "enact", number)
    assert guild.resolve() == new.address
    first, second = (guild.directory.call("place", LINKS, i) for i in (0, 1))
    assert (first[0], first[2]) == ("0x" + guild.links.address.hex(), enacted.block)
    assert second == ("0x" + new.address.hex(), enacted.block, 0)
    with refused("overtaken"):
        guild.member(INSURER, "enact", number)
    with refused("unknown"):
        guild.directory.call("place", LINKS, 2)


def test_nobody_but_members_in_good_standing_votes(guild: Guild) -> None:
    new = guild.second_edition()
    number = guild.propose(HOSPITAL, new)
    for function, args in (
        ("propose", (LINKS, new.address)),
        ("vote", (number,)),
        ("enact", (number,)),
        ("vote_admission", (CENTRE,)),
        ("vote_exclusion", (CENTRE,)),
    ):
        with refused("caller"):
            guild.directory.send(STRANGER, function, HOSPITAL, *args)
        for outsider in (DOCTOR, OFFICERS[0]):
            with refused("member"):
                guild.member(outsider, function, *args)
    guild.net.officer("suspend", CENTRE)
    with refused("status"):
        guild.member(CENTRE, "vote", number)
    assert not guild.directory.call("is_member", CENTRE)


def test_a_member_votes_once(guild: Guild) -> None:
    number = guild.propose(HOSPITAL, guild.second_edition())
    with refused("voted"):
        guild.member(HOSPITAL, "vote", number)
    with refused("unknown"):
        guild.member(HOSPITAL, "vote", number + 1)
    with refused("not carried"):
        guild.member(HOSPITAL, "enact", number + 1)


def test_votes_of_members_that_were_suspended_meanwhile_do_not_enact(guild: Guild) -> None:
    number = guild.propose(HOSPITAL, guild.second_edition())
    for party in (CENTRE, PHARMACY):
        guild.member(party, "vote", number)
    guild.chain.pass_time(DELAY)
    for party in (CENTRE, PHARMACY):
        guild.net.officer("suspend", party)
    with refused("not carried"):
        guild.member(INSURER, "enact", number)
    guild.net.officer("reinstate", CENTRE)
    guild.member(INSURER, "enact", number)


def test_a_suspended_member_does_not_hold_up_a_vote(guild: Guild) -> None:
    guild.net.officer("suspend", INSURER)
    number = guild.propose(HOSPITAL, guild.second_edition())
    guild.member(CENTRE, "vote", number)
    guild.chain.pass_time(DELAY)
    guild.member(CENTRE, "enact", number)


def test_of_two_proposals_for_one_name_the_second_to_be_enacted_is_refused(guild: Guild) -> None:
    numbers = [guild.propose(HOSPITAL, guild.second_edition()) for _ in range(2)]
    for number in numbers:
        for party in (CENTRE, PHARMACY):
            guild.member(party, "vote", number)
    guild.chain.pass_time(DELAY)
    guild.member(HOSPITAL, "enact", numbers[1])
    with refused("overtaken"):
        guild.member(HOSPITAL, "enact", numbers[0])


def test_a_carried_replacement_lapses(guild: Guild) -> None:
    number = guild.propose(HOSPITAL, guild.second_edition())
    for party in (CENTRE, PHARMACY):
        guild.member(party, "vote", number)
    guild.chain.pass_time(DELAY + 31 * DAY)
    with refused("lapsed"):
        guild.member(HOSPITAL, "enact", number)


def test_only_a_contract_is_proposed(guild: Guild) -> None:
    with refused("no contract"):
        guild.member(HOSPITAL, "propose", LINKS, STRANGER.address)
    with refused("empty"):
        guild.member(HOSPITAL, "propose", bytes(32), guild.links.address)


def test_code_that_changed_after_the_vote_is_not_put_in_place(guild: Guild) -> None:
    destroys_itself = {"name": "Gone", "abi": [], "bytecode": "0x6133ff6000526002601ef3"}
    new = guild.chain.deploy(destroys_itself)
    number = guild.propose(HOSPITAL, new)
    for party in (CENTRE, PHARMACY):
        guild.member(party, "vote", number)
    guild.chain.pass_time(DELAY)
    guild.chain.send(STRANGER, new.address, b"")
    with refused("other code"):
        guild.member(HOSPITAL, "enact", number)


def test_members_add_a_new_name(guild: Guild) -> None:
    name, new = contract_name("Teams"), guild.net.add("Teams")
    number = guild.propose(HOSPITAL, new, name)
    for party in (CENTRE, PHARMACY):
        guild.member(party, "vote", number)
    guild.chain.pass_time(DELAY)
    guild.member(HOSPITAL, "enact", number)
    assert guild.resolve(name) == new.address
    assert guild.directory.call("name_at", 2) == name


def test_the_first_four_members_are_founded_and_the_rest_voted_in(guild: Guild) -> None:
    fifth = 0xA1 << 56 | 5
    guild.net.add_organisation(fifth)
    with refused("founded"):
        guild.found(fifth)
    for party in (HOSPITAL, CENTRE):
        guild.member(party, "vote_admission", fifth)
    assert not guild.directory.call("is_member", fifth)
    guild.member(PHARMACY, "vote_admission", fifth)
    assert guild.directory.call("is_member", fifth)
    with refused("member"):
        for party in MEMBERS:
            guild.member(party, "vote_admission", fifth)


def test_members_exclude_a_member(guild: Guild) -> None:
    for party in (HOSPITAL, CENTRE, PHARMACY):
        guild.member(party, "vote_exclusion", INSURER)
    assert guild.directory.call("member_list") == MEMBERS[:3]
    with refused("member"):
        guild.propose(INSURER, guild.second_edition())
    with refused("unknown"):
        guild.member(HOSPITAL, "vote_exclusion", INSURER)
    for party in (HOSPITAL, CENTRE):
        guild.member(party, "vote_exclusion", HOSPITAL)
    assert guild.directory.call("member_list") == (PHARMACY, CENTRE)


def test_the_last_member_stays(net: Consortium) -> None:
    guild = Guild(net)
    guild.found(HOSPITAL)
    with refused("last member"):
        guild.member(HOSPITAL, "vote_exclusion", HOSPITAL)


def test_only_officers_found_members_and_only_verified_organisations(net: Consortium) -> None:
    guild = Guild(net)
    with refused("officer"):
        guild.directory.send(STRANGER, "found", OFFICERS[0], HOSPITAL)
    with refused("officer"):
        guild.directory.send(controller(HOSPITAL), "found", HOSPITAL, HOSPITAL)
    for party in (DOCTOR, OFFICERS[0], 0x99):
        with refused("status"):
            guild.found(party)
    net.officer("suspend", CENTRE)
    with refused("status"):
        guild.found(CENTRE)
    guild.found(HOSPITAL)
    with refused("member"):
        guild.found(HOSPITAL)


def test_a_directory_names_the_registry_and_each_name_once(chain: Chain, net: Consortium) -> None:
    registry = net.registry.address
    for names, where, reason in (
        ([LINKS], [registry], "registry"),
        ([REGISTRY, REGISTRY], [registry, registry], "taken"),
        ([REGISTRY], [registry, registry], "names"),
        ([REGISTRY], [bytes(20)], "empty"),
    ):
        with refused(reason):
            chain.deploy("Directory", DELAY, names, where)
