"""A contract is replaced by its second edition: voted, delayed, found under the same name, the past readable."""

from __future__ import annotations

from careledger.formats.ledger_messages import LinkAliases
from contracts.directory_world import DELAY, LINKS, MEMBERS, Guild
from contracts.harness import ROOT, compiled, key, refused
from contracts.registry_world import CENTRE, HOSPITAL, PHARMACY, STRANGER, Consortium, digest


def test_a_second_edition_takes_over_and_old_events_stay_readable(net: Consortium) -> None:
    guild, owner, commitment = Guild(net), key("one-time key"), digest("an old link")
    guild.found(*MEMBERS)
    message = LinkAliases(owner.address, commitment, net.soon())
    signature = net.signed(message, owner, guild.links)
    entered = guild.links.send(STRANGER, "link", owner.address, commitment, message.deadline, signature)

    source = ROOT / "tests" / "contracts" / "sources" / "LinksSecondEdition.vy"
    new = net.chain.deploy(compiled(source), guild.links.address)
    number = guild.propose(HOSPITAL, new)
    guild.member(CENTRE, "vote", number)
    guild.member(PHARMACY, "vote", number)
    net.chain.pass_time(DELAY)
    replaced = guild.member(HOSPITAL, "enact", number)

    assert guild.resolve() == new.address
    assert new.call("state", owner.address, commitment) == 1
    sent = new.send(owner, "link", digest("a new link"))
    assert [(event.address, event.name) for event in sent.events] == [(new.address, "LinkedV2")]
    with refused("state"):
        new.send(owner, "link", commitment)

    old, first, end = guild.directory.call("place", LINKS, 0)
    assert bytes.fromhex(old[2:]) == guild.links.address == entered.events[0].address
    assert first <= entered.block < end == replaced.block
    assert entered.events[0].fields["commitment"] == commitment
    assert guild.links.call("state", owner.address, commitment) == 1
