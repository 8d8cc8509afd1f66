"""Parties are suspended, removed, rotated, organised in teams, and leave custodianship."""

from __future__ import annotations

from dataclasses import replace

import pytest

from careledger.domain.consents import Grantee, GranteeKind, Purpose, Scope, Window
from careledger.domain.errors import AccessRefused, ActRefused, CareLedgerError, PartyNotFound
from careledger.domain.parties import PartyId, Status
from careledger.formats.signatures import SigningKey
from careledger.workflows import parties
from careledger.workflows.actors import Holder
from careledger.workflows.grant import grant
from careledger.workflows.register import Officer
from world import DAY, DIAGNOSIS, VIEW, World, condition, texts


def granted(world: World) -> Holder:
    """A claimed patient with one record that the outsider may read."""
    holder = world.patient()
    world.put(world.writer(), holder.alias, condition(world.doctor))
    mine = world.claim(holder).holder
    world.grant(mine, world.outsider)
    return mine


def status(world: World, number: int) -> Status:
    facts = world.ledger.fresh_head().party(number)
    assert facts is not None
    return facts.status


def test_a_suspended_organisations_posts_read_nothing_until_it_is_reinstated(world: World) -> None:
    mine, officer = granted(world), world.officers[0]
    assert texts(world.read_by_consent(world.outsider, mine.alias)) == ["asthma"]
    parties.suspend(world.network, officer, world.clinic.number)
    parties.suspend(world.network, officer, world.clinic.number)
    with pytest.raises(CareLedgerError):
        world.read_by_consent(world.outsider, mine.alias)
    parties.reinstate(world.network, officer, world.clinic.number)
    assert texts(world.read_by_consent(world.outsider, mine.alias)) == ["asthma"]


def test_a_removed_organisation_never_comes_back(world: World) -> None:
    officer = world.officers[0]
    parties.remove(world.network, officer, world.clinic.number)
    before = world.ledger.fresh_head().head.number
    parties.remove(world.network, officer, world.clinic.number)
    assert world.ledger.fresh_head().head.number == before
    with pytest.raises(ActRefused, match="removed"):
        parties.reinstate(world.network, officer, world.clinic.number)
    assert status(world, world.clinic.number) is Status.REMOVED


def test_only_a_ministry_officer_suspends(world: World) -> None:
    stranger = Officer(world.doctor.number, world.doctor.key)
    thief = Officer(world.officers[0].post, SigningKey.random())
    for somebody in (stranger, thief):
        for act in (parties.suspend, parties.reinstate, parties.remove, parties.retire_custodian):
            with pytest.raises(ActRefused, match="ministry officer"):
                act(world.network, somebody, world.clinic.number)
    assert status(world, world.clinic.number) is Status.VERIFIED
    with pytest.raises(PartyNotFound):
        parties.suspend(world.network, world.officers[0], 12345)


def test_a_leaver_loses_everything_at_the_block_that_ends_the_employment(world: World) -> None:
    mine = granted(world)
    assert texts(world.read_by_consent(world.outsider, mine.alias)) == ["asthma"]
    parties.end_post(world.network, world.outsider)
    parties.end_post(world.network, world.outsider)
    with pytest.raises(AccessRefused):
        world.read_by_consent(world.outsider, mine.alias)


def test_nobody_ends_anothers_post(world: World) -> None:
    theirs = replace(world.outsider, organisation=world.hospital)
    for act in (parties.end_post, lambda network, staff: parties.join_team(network, staff, 7)):
        with pytest.raises(ActRefused, match="employer"):
            act(world.network, theirs)
    assert status(world, world.outsider.number) is Status.VERIFIED


def test_a_rotated_posts_old_sessions_end_and_its_new_key_acts(world: World) -> None:
    mine = granted(world)
    rotated = parties.rotate_post(world.network, world.outsider, SigningKey.random())
    assert parties.rotate_post(world.network, world.outsider, rotated.key) == rotated
    with pytest.raises(CareLedgerError):
        world.read_by_consent(world.outsider, mine.alias)
    assert texts(world.read_by_consent(rotated, mine.alias)) == ["asthma"]
    with pytest.raises(ActRefused):
        parties.rotate_post(world.network, world.outsider, SigningKey.random())


def test_a_rotated_organisation_acts_by_its_new_key_only(world: World) -> None:
    rotated = parties.rotate_organisation(world.network, world.clinic, SigningKey.random())
    parties.create_team(world.network, rotated, 7)
    with pytest.raises(ActRefused, match="present key"):
        parties.create_team(world.network, world.clinic, 8)


def test_a_team_reads_what_it_was_granted_and_a_post_outside_it_does_not(world: World) -> None:
    holder = world.patient()
    world.put(world.writer(), holder.alias, condition(world.doctor))
    mine = world.claim(holder).holder
    parties.create_team(world.network, world.clinic, 7)
    parties.create_team(world.network, world.clinic, 8, parent=7)
    parties.join_team(world.network, world.outsider, 8)
    other = world.staff(world.clinic, 62)
    now = world.clock.now()
    team = Grantee(GranteeKind.TEAM, 7, PartyId(world.clinic.number))
    scope = Scope(frozenset({DIAGNOSIS}), frozenset({VIEW}))
    grant(world.network, mine, team, scope, Purpose.TREAT, Window(now, now + DAY))
    assert texts(world.read_by_consent(world.outsider, mine.alias)) == ["asthma"]
    with pytest.raises(AccessRefused):
        world.read_by_consent(other, mine.alias)
    parties.leave_team(world.network, world.outsider, 8)
    with pytest.raises(AccessRefused):
        world.read_by_consent(world.outsider, mine.alias)


def test_a_custodian_leaves_in_two_steps_and_takes_no_new_patients(world: World) -> None:
    leaving = world.add_custodian(6)
    with pytest.raises(ActRefused, match="announced"):
        parties.retire_custodian(world.network, world.officers[0], 6)
    parties.leave_custodians(world.network, leaving)
    parties.leave_custodians(world.network, leaving)
    assert 6 not in world.statement(world.patient().alias).custodians
    parties.retire_custodian(world.network, world.officers[0], 6)
    parties.retire_custodian(world.network, world.officers[0], 6)
    assert 6 not in {each.number for each in world.ledger.fresh_head().custodians()}
    with pytest.raises(ActRefused, match="not an active custodian"):
        parties.leave_custodians(world.network, leaving)
