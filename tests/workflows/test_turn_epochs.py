"""New epochs: whoever stays reads what is written from then on, whenever the agent that turned them died."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from careledger.domain.categories import Compartment, Sensitivity
from careledger.domain.consents import Grantee, GranteeKind, Purpose, Scope, Window
from careledger.domain.errors import AccessRefused, StoreUnavailable
from careledger.domain.parties import PartyId
from careledger.formats.patients import EpochKey
from careledger.workflows.actors import Holder, Staff
from careledger.workflows.grant import PREPARED, REVOKED, STANDS, Granted, finish_grants, grant, set_state
from careledger.workflows.received import epoch_keys, fetch_grants
from careledger.workflows.replace_holder import begin_replacing_registrar, complete_replacement
from careledger.workflows.revoke import find_given, revoke
from careledger.workflows.rotate_keys import rotate
from careledger.workflows.tend import tend
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


@pytest.mark.parametrize("rotates", [False, True])
@pytest.mark.parametrize("state", [STANDS, PREPARED])
def test_whoever_the_ledger_says_was_revoked_is_sent_no_key_whatever_the_books_say(
    world: World, state: str, rotates: bool
) -> None:
    """As where an agent died before it wrote down what it had ended, or another agent of that patient ended it."""
    mine = claimed(world)
    world.grant(mine, world.doctor)
    ended, another = world.grant(mine, world.outsider), world.grant(mine, world.pharmacist)
    revoke(world.network, mine, ended.owner)
    set_state(mine, find_given(mine, ended.owner), state)
    had = keys_of(world, world.outsider, ended)
    if rotates:
        mine = rotate(world.network, mine)
    else:
        revoke(world.network, mine, another.owner)
    tend(world.network, mine)
    assert keys_of(world, world.outsider, ended) == had
    assert find_given(mine, ended.owner).state == REVOKED
    write(world, mine, "gout")
    assert sorted(texts(world.read_by_consent(world.doctor, mine.alias))) == ["asthma", "gout"]


def keys_of(world: World, staff: Staff, granted: Granted) -> list[EpochKey]:
    fetch_grants(world.network, staff.organisation)
    return epoch_keys(staff.organisation, granted.certificate)


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


def test_a_key_that_a_crash_left_is_not_taken_for_the_one_that_is_on_its_way(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = claimed(world)
    kept = world.grant(mine, world.doctor)
    ended = world.grant(mine, world.outsider)
    trial, on_their_way = Trial(world, 1, False), list[bytes]()
    die(trial, lambda: revoke(trial.network, trial.holder(mine), ended.owner))
    assert len(keys_of(world, world.doctor, kept)) == 2
    with monkeypatch.context() as patched:
        patched.setattr(world.network.board, "post", on_their_way.append)
        revoke(world.network, mine, ended.owner)
    write(world, mine, "gout")
    found = world.read_by_consent(world.doctor, mine.alias)
    assert (texts(found), len(found.keyless)) == (["asthma"], 1)
    for each in on_their_way:
        world.network.board.post(each)
    found = world.read_by_consent(world.doctor, mine.alias)
    assert (sorted(texts(found)), found.keyless) == (["asthma", "gout"], ())


def test_what_no_later_key_leads_back_to_waits_for_none(world: World) -> None:
    """A registrar that did not answer was replaced: what was sealed before opens by no key that a reader is sent."""
    holder = world.patient(compartments=(DIAGNOSIS,))
    world.put(world.writer(), holder.alias, condition(world.doctor))
    made = begin_replacing_registrar(world.network, world.clinic, world.officers[0], holder.alias)
    world.clock.advance(3 * DAY + 1)
    made = complete_replacement(world.network, made, world.clinic.number)
    world.grant(made, world.doctor)
    found = world.read_by_consent(world.doctor, holder.alias)
    assert (texts(found), len(found.problems), found.keyless) == ([], 1, ())


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
