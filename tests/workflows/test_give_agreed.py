"""What one Consent comes to is given whole and once, wherever it was broken off, or nothing of it is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from careledger.domain.consents import Grantee, GranteeKind, Purpose, Scope, Window
from careledger.domain.errors import AccessRefused, CannotExpress, CareLedgerError
from careledger.domain.parties import PartyId
from careledger.fhir.consent.agreed import Agreed
from careledger.workflows.actors import Holder
from careledger.workflows.give_agreed import give_agreed
from careledger.workflows.grant import STANDS, certificate_of, live_consents
from careledger.workflows.revoke import revoke
from crashing import Trial, crash_everywhere, die
from world import DAY, DIAGNOSIS, VIEW, World, condition, texts

SCOPE = Scope(frozenset({DIAGNOSIS}), frozenset({VIEW}))


def with_record(world: World) -> Holder:
    holder = world.patient(compartments=(DIAGNOSIS,))
    world.put(world.writer(), holder.alias, condition(world.doctor))
    return world.claim(holder).holder


def agreed(world: World, *purposes: Purpose, scope: Scope = SCOPE, until: int = DAY) -> list[Agreed]:
    now = world.clock.now()
    grantee = Grantee(GranteeKind.POST, world.outsider.number, PartyId(world.clinic.number))
    return [Agreed(grantee, scope, purpose, Window(now - DAY, now + until)) for purpose in purposes]


def test_what_crashed_anywhere_is_given_once_when_it_is_said_again(world: World) -> None:
    mine = with_record(world)

    def attempt(trial: Trial) -> Callable[[], None]:
        wanted = agreed(world, Purpose.TREAT, Purpose.COC)
        die(trial, lambda: give_agreed(trial.network, trial.holder(mine), wanted, {}))

        def finish() -> None:
            for _ in range(2):
                give_agreed(world.network, mine, wanted, {})
            standing = live_consents(mine)
            assert [each.state for each in standing] == [STANDS] * 2
            assert {certificate_of(each).purpose for each in standing} == {"TREAT", "COC"}
            assert texts(world.read_by_consent(world.outsider, mine.alias)) == ["asthma"]
            for each in standing:
                revoke(world.network, mine, certificate_of(each).owner)
            with pytest.raises(AccessRefused):
                world.read_by_consent(world.outsider, mine.alias)

        return finish

    assert crash_everywhere(world, attempt) == 12


def test_one_that_was_revoked_is_given_anew(world: World) -> None:
    mine, wanted = with_record(world), agreed(world, Purpose.TREAT)
    (first,) = give_agreed(world.network, mine, wanted, {})
    revoke(world.network, mine, first.owner)
    (second,) = give_agreed(world.network, mine, wanted, {})
    assert second.owner != first.owner
    assert texts(world.read_by_consent(world.outsider, mine.alias)) == ["asthma"]


def test_where_one_cannot_be_given_none_is(world: World) -> None:
    mine = with_record(world)
    (good,) = agreed(world, Purpose.TREAT)
    stranger = Agreed(Grantee(GranteeKind.ORGANISATION, 999, PartyId(999)), SCOPE, Purpose.TREAT, good.window)
    (over,) = agreed(world, Purpose.COC, until=0)
    single = Scope(frozenset({DIAGNOSIS}), frozenset({VIEW}), handles=frozenset({b"\x09" * 32}))
    (keyless,) = agreed(world, Purpose.COC, scope=single)
    for bad in (stranger, over, keyless):
        with pytest.raises(CareLedgerError) as refusal:
            give_agreed(world.network, mine, [good, bad], {})
        assert bad is stranger or isinstance(refusal.value, CannotExpress)
    assert live_consents(mine) == []
