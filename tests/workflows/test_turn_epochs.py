"""New epochs: whoever stays reads what is written from then on, whenever the agent that turned them died."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from careledger.domain.categories import Compartment, Sensitivity
from careledger.domain.consents import Grantee, GranteeKind, Purpose, Scope, Window
from careledger.domain.errors import AccessRefused, StoreUnavailable
from careledger.domain.parties import PartyId
from careledger.workflows.actors import Holder
from careledger.workflows.grant import finish_grants, grant
from careledger.workflows.revoke import revoke
from careledger.workflows.turn_epochs import name_for_emergencies
from crashing import Trial, crash_everywhere, die
from world import DAY, DIAGNOSIS, VIEW, World, condition, texts, version

GUARDED = Compartment(DIAGNOSIS.category, Sensitivity.RESTRICTED)


def claimed(world: World) -> Holder:
    holder = world.patient(compartments=(DIAGNOSIS,))
    world.put(world.writer(), holder.alias, condition(world.doctor))
    return world.claim(holder).holder


def write(world: World, mine: Holder, text: str, compartment: Compartment = DIAGNOSIS) -> None:
    resource = {"resourceType": "Condition", "code": {"text": text}}
    world.put(world.own_writer(mine), mine.alias, version(resource, compartment, source="patient-reported"))


def test_wherever_an_agent_dies_who_stays_reads_what_is_written_next_without_it(world: World) -> None:
    mine = claimed(world)
    world.grant(mine, world.doctor)
    written = ["asthma"]

    def attempt(trial: Trial) -> Callable[[], None]:
        ended = world.grant(mine, world.outsider)
        die(trial, lambda: revoke(trial.network, trial.holder(mine), ended.owner))

        def finish() -> None:
            written.append(f"gout {len(written)}")
            write(world, mine, written[-1])
            assert sorted(texts(world.read_by_consent(world.doctor, mine.alias))) == sorted(written)
            revoke(world.network, mine, ended.owner)
            with pytest.raises(AccessRefused):
                world.read_by_consent(world.outsider, mine.alias)

        return finish

    assert crash_everywhere(world, attempt) == 8


def test_a_board_that_takes_nothing_shuts_nobody_in_and_who_stays_reads_on_once_the_agent_comes_by(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = claimed(world)
    world.grant(mine, world.doctor)
    ended = world.grant(mine, world.outsider)

    def refused(sealed: bytes) -> Any:
        raise StoreUnavailable(why="the board is full")

    with monkeypatch.context() as patched:
        patched.setattr(world.network.board, "post", refused)
        revoke(world.network, mine, ended.owner)
    write(world, mine, "gout")
    with pytest.raises(AccessRefused, match="consent-revoked"):
        world.read_by_consent(world.outsider, mine.alias)
    found = world.read_by_consent(world.doctor, mine.alias)
    assert (texts(found), len(found.keyless)) == (["asthma"], 1)
    assert finish_grants(world.network, mine) == 1
    found = world.read_by_consent(world.doctor, mine.alias)
    assert (sorted(texts(found)), found.keyless) == (["asthma", "gout"], ())


def test_who_was_granted_restricted_records_reads_on_once_they_are_named_for_emergencies(
    world: World,
) -> None:
    mine = world.claimed(compartments=(GUARDED,))
    now = world.clock.now()
    grantee = Grantee(GranteeKind.POST, world.doctor.number, PartyId(world.doctor.organisation.number))
    asked = Scope(frozenset({GUARDED}), frozenset({VIEW}))
    grant(world.network, mine, grantee, asked, Purpose.TREAT, Window(now, now + DAY))
    name_for_emergencies(world.network, mine, [GUARDED.number])
    write(world, mine, "named", GUARDED)
    assert texts(world.read_by_consent(world.doctor, mine.alias, (GUARDED,))) == ["named"]
    with pytest.raises(AccessRefused):
        world.read_by_consent(world.outsider, mine.alias, (GUARDED,))
