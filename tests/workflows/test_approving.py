"""Who signed up is a patient or a post once the organisation says so, and it says so once."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from careledger.app.identity import accounts, approving
from careledger.app.identity.accounts import ACTIVE, Person
from careledger.domain.errors import ActRefused, InvitationRefused, PatientNotFound, StoreUnavailable
from careledger.formats.identity import Claim, Passkey
from careledger.workflows import register
from world import World

CLAIM = Claim("Rahima Khatun", "NID-42-0007", "1988-04", b"\5" * 32)


def pending(world: World) -> Person:
    id = secrets.token_bytes(16)
    key = Passkey(id, secrets.token_bytes(32), b"\1", 0, 0, 0)
    return accounts.open_account(world.hospital, id, CLAIM, key, world.clock.now())


def test_an_approved_person_is_registered_and_the_claim_stands_in_the_identity_table_alone(
    world: World,
) -> None:
    who = pending(world)
    made = approving.as_patient(world.network, who)
    row = register.identity_of(world.hospital, made.account.alias)
    assert (row.name, row.national_id, row.birth) == ("Rahima Khatun", "NID-42-0007", "1988-04")
    assert (made.account.state, made.account.claim) == (ACTIVE, None)
    assert made.account.commitment == CLAIM.commitment
    assert world.ledger.fresh_head().alias(made.account.alias) is not None
    with pytest.raises(ActRefused):
        approving.as_patient(world.network, made)
    with pytest.raises(ActRefused):
        approving.as_post(made, world.doctor.number)


def test_an_approval_that_broke_off_is_finished_with_the_same_patient(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    who, before = pending(world), len(register.identities(world.hospital))

    def fail(*args: object, **named: object) -> None:
        raise StoreUnavailable()

    monkeypatch.setattr(accounts, "changed", fail)
    with pytest.raises(StoreUnavailable):
        approving.as_patient(world.network, who)
    monkeypatch.undo()
    patient = register.patient

    def register_and_fail(*args: Any, **named: Any) -> None:
        patient(*args, **named)
        fail()

    monkeypatch.setattr(register, "patient", register_and_fail)
    with pytest.raises(StoreUnavailable):
        approving.as_patient(world.network, who)
    monkeypatch.undo()
    made = approving.as_patient(world.network, accounts.person(world.hospital, who.id))
    assert made.account.state == ACTIVE
    assert len(register.identities(world.hospital)) == before + 1


def test_whoever_is_registered_already_is_bound_to_that_record_and_nobody_else_is(world: World) -> None:
    alias = world.patient(world.hospital).alias
    first = approving.as_patient(world.network, pending(world), alias)
    assert first.account.alias == alias
    with pytest.raises(ActRefused):
        approving.as_patient(world.network, pending(world), alias)
    with pytest.raises(PatientNotFound):
        approving.as_patient(world.network, pending(world), b"\7" * 32)


def test_a_post_is_one_persons(world: World) -> None:
    made = approving.as_post(pending(world), world.doctor.number)
    assert (made.account.state, made.account.post) == (ACTIVE, world.doctor.number)
    with pytest.raises(InvitationRefused):
        approving.as_post(pending(world), world.doctor.number)


def test_whoever_was_suspended_comes_back_as_what_they_were(world: World) -> None:
    made = approving.as_post(pending(world), world.doctor.number)
    [gone] = accounts.suspend([made])
    assert not gone.is_somebody
    back = approving.reinstate(gone)
    assert (back.account.state, back.account.post) == (ACTIVE, world.doctor.number)
    with pytest.raises(ActRefused):
        approving.reinstate(back)
    [waits] = accounts.suspend([pending(world)])
    assert waits.id not in [each.id for each in accounts.waiting(world.hospital)]
    assert approving.reinstate(waits).account.state == "pending"
    assert waits.id in [each.id for each in accounts.waiting(world.hospital)]
    begun = accounts.changed(pending(world), alias=bytes(31) + b"\7")  # its registration broke off
    [gone] = accounts.suspend([begun])
    assert approving.reinstate(gone).account.state == "pending"
