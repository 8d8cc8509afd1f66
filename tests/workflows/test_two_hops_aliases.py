"""Entries of aliases and links travel by other members too, and are waited for, whatever one of those does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from careledger.domain import relaying
from careledger.domain.errors import LedgerRefused, NotTheController
from careledger.domain.parties import ControllerKind
from careledger.formats.ledger_messages import RotateAlias
from careledger.formats.relaying import RelayedEntry, RelayedMessage
from careledger.formats.signatures import SigningKey
from careledger.sealing.relays import SIZES, seal_relayed
from careledger.workflows import two_hops
from careledger.workflows.actors import Holder
from careledger.workflows.grant import wait_for_grants
from careledger.workflows.link import check_link, link, unlink
from careledger.workflows.replace_holder import begin_replacing_registrar, stop_replacement
from careledger.workflows.rotate_keys import rotate
from workflows.test_two_hops import BAD, Relayed, read
from world import World, condition


@pytest.fixture
def relayed(world: World) -> Relayed:
    return Relayed(world)


@pytest.fixture
def unclaimed(relayed: Relayed) -> Holder:
    """A patient with a record, whose keys the registrar keeps."""
    holder = relayed.world.patient()
    relayed.world.put(relayed.world.writer(), holder.alias, condition(relayed.world.doctor, "asthma"))
    return holder


@pytest.fixture
def sent(relayed: Relayed, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The acts that went to the ledger directly, by the patient's own side."""
    acts: list[str] = []
    ledger = relayed.world.ledger
    for name in ("rotate_alias", "link_aliases", "unlink_aliases", "stop_replacement"):
        monkeypatch.setattr(ledger, name, _noted(acts, name, getattr(ledger, name)))
    return acts


def _noted(acts: list[str], name: str, act: Callable[..., Any]) -> Callable[..., Any]:
    def noted(*arguments: Any) -> Any:
        acts.append(name)
        return act(*arguments)

    return noted


def seen(relayed: Relayed) -> list[bytes]:
    return [sealed for each in relayed.relays.values() for sealed in each.seen]


def test_a_claim_reaches_the_ledger_by_another_member_and_the_record_reads_on(
    relayed: Relayed, unclaimed: Holder, sent: list[str]
) -> None:
    world = relayed.world
    before = len(seen(relayed))
    mine = world.claim(unclaimed).holder
    facts = world.ledger.fresh_head().alias(mine.alias)
    assert facts is not None
    assert (facts.kind, facts.controller) == (ControllerKind.SELF, mine.controller.address)
    assert sent == []
    (sealed,) = [each for each in seen(relayed)[before:] if len(each) == SIZES[0]]
    assert mine.alias not in sealed
    granted = relayed.ask(mine, world.outsider, 0)
    relayed.pass_on()
    assert relayed.entered(granted) is not None


def test_entries_of_every_kind_go_by_members_and_none_directly(
    relayed: Relayed, unclaimed: Holder, sent: list[str]
) -> None:
    world, view = relayed.world, relayed.world.ledger.fresh_head
    mine, other = world.claim(unclaimed).holder, world.claim(world.patient()).holder
    before = mine.controller.address
    mine = rotate(relayed.network, mine)
    facts = view().alias(mine.alias)
    assert facts is not None
    assert facts.controller == mine.controller.address != before
    signed = link(relayed.network, mine, other)
    statement = check_link(relayed.network, signed)
    unlink(relayed.network, mine, signed)
    assert not view().linked(statement.owner, statement.commitment)
    assert sent == []


def test_who_is_there_after_all_stops_its_replacement_by_a_member(
    relayed: Relayed, unclaimed: Holder, sent: list[str]
) -> None:
    world = relayed.world
    other = next(each for each in world.custodial.values() if each.number != world.hospital.number)
    begin_replacing_registrar(relayed.network, other, world.officers[0], unclaimed.alias)
    stop_replacement(relayed.network, unclaimed)
    assert sent == []
    world.clock.advance(73 * 3_600)
    with pytest.raises(LedgerRefused):
        world.ledger.complete_replacement(unclaimed.alias, SigningKey.random())


@pytest.mark.parametrize("what", BAD)
def test_a_claim_survives_a_member_that(
    what: str, relayed: Relayed, unclaimed: Holder, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = BAD[what](relayed.desks[1]), relayed.desks[2]
    relayed.among(bad=bad, good=good)
    monkeypatch.setattr(relaying, "another", lambda members, tried, random: 1 if 1 not in tried else 2)
    mine = relayed.world.claim(unclaimed).holder
    facts = relayed.world.ledger.fresh_head().alias(mine.alias)
    assert facts is not None
    assert facts.controller == mine.controller.address
    assert len(bad.handed) >= 1
    assert sent == []


@pytest.mark.parametrize("what", ["drops", "delays", "alters", "dies before"])
def test_a_claim_goes_directly_where_all_members(
    what: str, relayed: Relayed, unclaimed: Holder, sent: list[str]
) -> None:
    bad = {f"bad{number}": BAD[what](desk) for number, desk in relayed.desks.items()}
    relayed.among(**bad)
    relayed.world.claim(unclaimed)
    assert sent == ["rotate_alias"]
    relayed.among(**{f"good{number}": desk for number, desk in relayed.desks.items()})
    for each in bad.values():
        if hasattr(each, "release"):
            each.release()
    relayed.pass_on()  # what came late changes nothing any more
    facts = relayed.world.ledger.fresh_head().alias(unclaimed.alias)
    assert facts is not None
    assert facts.kind is ControllerKind.SELF


def test_a_stranger_turns_no_alias_by_a_members_desk(relayed: Relayed, unclaimed: Holder) -> None:
    world, desk, stranger = relayed.world, relayed.desks[1], SigningKey.random()
    ledger, number = world.ledger, world.ledger.alias_number(unclaimed.alias)
    deadline = world.clock.now() + 900
    entry = RotateAlias(unclaimed.alias, number, stranger.address, int(ControllerKind.SELF), 0, deadline)
    contract = ledger.contract(entry.CONTRACT)
    by_stranger, by_present = (
        entry.sign(key, ledger.chain_id, contract) for key in (stranger, unclaimed.controller)
    )
    for signatures in ((by_stranger, by_stranger), (by_present, by_present), (by_stranger, by_present)):
        message = RelayedMessage(RelayedEntry.of(entry, *signatures), None)
        desk.take(seal_relayed(desk.sealing.public, ledger.deployment, 1, message.encode()))
    assert relayed.pass_on() == 3
    facts = ledger.fresh_head().alias(unclaimed.alias)
    assert facts is not None
    assert facts.controller == unclaimed.controller.address
    message = RelayedMessage(RelayedEntry.of(entry, by_present, by_stranger), None)
    desk.take(seal_relayed(desk.sealing.public, ledger.deployment, 1, message.encode()))
    relayed.pass_on()
    facts = ledger.fresh_head().alias(unclaimed.alias)
    assert facts is not None
    assert facts.controller == stranger.address  # the present controller had signed it over


def test_what_the_ledger_refuses_is_refused_to_who_waited(relayed: Relayed, unclaimed: Holder) -> None:
    mine = relayed.world.claim(unclaimed).holder
    stranger = SigningKey.random()
    with pytest.raises(LedgerRefused, match="signer"):
        two_hops.rotate_alias(
            relayed.network, mine.alias, ControllerKind.SELF, 0, stranger, SigningKey.random()
        )
    with pytest.raises(NotTheController):
        rotate(relayed.network, unclaimed)


def test_a_claimed_record_is_read_by_a_consent_that_went_the_same_way(
    relayed: Relayed, unclaimed: Holder
) -> None:
    mine = relayed.world.claim(unclaimed).holder
    relayed.ask(mine, relayed.world.outsider, 0)
    assert wait_for_grants(relayed.network, mine) == 0
    assert read(relayed.world, mine.alias) == ["asthma"]
