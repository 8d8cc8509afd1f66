"""What a custodian grants, refuses and remembers of emergencies while the ledger stands still."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from careledger.adapters.memory.failing import Crash, Failing, Plan
from careledger.domain.custody import KeptOpening
from careledger.domain.errors import AccessRefused, LedgerStale, RequestRefused, SignatureRefused
from careledger.formats.releases import Answer, EmergencyOpening, SignedOpening
from careledger.formats.signatures import SigningKey
from careledger.sealing.keys import SealingKey
from careledger.workflows.custodian.custodian import Custodian
from careledger.workflows.custodian.emergencies import ANOTHER, UNENTERED
from custodian_world import DAY, DOCTOR, OFFICERS, OTHER_DOCTOR, REGISTRAR, STRANGER, Patient, World

MINUTE, HOUR = 60, 3_600


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.deposited(made.patient)
    return made


def stand_still(world: World, minutes: int = 5) -> None:
    """The ledger gives no fresh head for so long, and custodians look for one each minute."""
    world.ledger.stale = True
    look(world)
    for _ in range(minutes):
        world.clock.advance(MINUTE)
        look(world)


def look(world: World, places: tuple[int, ...] = (1, 2, 3, 4, 5)) -> None:
    for place in places:
        try:
            world.custodians[place - 1].call("tend", b"")
        except LedgerStale:
            continue


def signed(
    world: World,
    patient: Patient | None = None,
    entry: bytes = b"\2" * 32,
    by_opener: SigningKey | None = None,
    by_second: SigningKey | None = None,
    **changes: Any,
) -> tuple[EmergencyOpening, SignedOpening]:
    """An emergency of the doctor with another one, signed now for an hour."""
    alias, now = (patient or world.patient).alias, world.clock.now()
    opening = EmergencyOpening(b"\1" * 32, alias, "unconscious", ())
    made = SignedOpening(
        entry, opening.commitment, DOCTOR, OTHER_DOCTOR, now + HOUR, False, now + 10 * MINUTE,
        bytes(65), bytes(65),
    )  # fmt: skip
    made = replace(made, **changes)
    said = made.said.digest(world.ledger.chain_id, world.ledger.contract("BreakGlass"))
    first = by_opener or world.post_keys[made.opener]
    other = by_second or world.post_keys[made.second]
    return opening, replace(made, by_opener=first.sign(said), by_second=other.sign(said))


def ask(world: World, opened: tuple[EmergencyOpening, SignedOpening], place: int = 1, **more: Any) -> Answer:
    opening, made = opened
    ephemeral = SealingKey.random()
    world.ledger.stale, stale = False, world.ledger.stale
    more = {"patient": world.patient, "session": world.session(), **more}
    request = world.request(
        ephemeral=ephemeral, rule="break-glass", purpose="BTG", entry=made.entry, emergency=opening, **more
    )
    world.ledger.stale = stale
    return world.send(place, replace(request, opening=made), ephemeral)


def test_two_signatures_open_what_the_patient_has_left_in_escrow_and_the_answer_says_how(
    world: World,
) -> None:
    stand_still(world)
    answer = ask(world, signed(world))
    assert answer.without_ledger
    assert [row.escrow is not None for row in answer.rows] == [True]
    assert answer.at_block == world.ledger.last_head().head.number


def test_a_missing_or_foreign_signature_or_another_second_party_opens_nothing(world: World) -> None:
    stand_still(world)
    forged = SigningKey.random()
    for by_one in (signed(world, by_opener=forged), signed(world, by_second=forged)):
        with pytest.raises(SignatureRefused):
            ask(world, by_one)
    opening, made = signed(world)
    with pytest.raises(SignatureRefused):
        ask(world, (opening, replace(made, by_second=bytes(65))))
    with pytest.raises(SignatureRefused):
        ask(world, (opening, replace(made, until=made.until + 1)))
    for second in (DOCTOR, REGISTRAR):
        key = world.post_keys.get(second) or world.controllers[second]
        with pytest.raises(AccessRefused, match="no-second-party"):
            ask(world, signed(world, second=second, by_second=key))
    with pytest.raises(AccessRefused, match="no-break-glass"):
        ask(world, signed(world, second=999, by_second=SigningKey.random()))
    with pytest.raises(AccessRefused, match="no-break-glass"):
        ask(world, signed(world), session=world.session(OTHER_DOCTOR))
    assert world.directories[1].journal.unentered() == []


def test_a_second_party_under_the_openers_key_is_the_same_person(world: World) -> None:
    world.ledger.rotate_party(OTHER_DOCTOR, world.post_keys[OTHER_DOCTOR], world.post_keys[DOCTOR])
    stand_still(world)
    with pytest.raises(AccessRefused, match="no-second-party"):
        ask(world, signed(world, by_second=world.post_keys[DOCTOR]))


def test_it_opens_this_patient_only_and_only_as_it_was_signed(world: World) -> None:
    other = world.new_patient()
    world.deposited(other)
    stand_still(world)
    opening, made = signed(world)
    with pytest.raises(AccessRefused):
        ask(world, (opening, made), patient=other)
    with pytest.raises(AccessRefused, match="no-break-glass"):
        ask(world, (replace(opening, alias=other.alias), made), patient=other)


def test_it_is_short_for_at_most_four_hours_and_shown_before_its_deadline(world: World) -> None:
    stand_still(world)
    now = world.clock.now()
    with pytest.raises(AccessRefused, match="break-glass-too-long"):
        ask(world, signed(world, until=now + 4 * HOUR + 1))
    with pytest.raises(AccessRefused, match="no-break-glass"):
        ask(world, signed(world, deadline=now - 1))
    with pytest.raises(AccessRefused, match="no-break-glass"):
        ask(world, signed(world, deadline=now + HOUR + 1))


def test_a_replayed_request_or_opening_is_refused(world: World) -> None:
    stand_still(world)
    made = signed(world)
    ask(world, made, id=b"\7" * 16)
    with pytest.raises(RequestRefused, match="replayed"):
        ask(world, made, id=b"\7" * 16)
    world.clock.advance(11 * MINUTE)
    stand_still(world)
    assert ask(world, made).rows
    with pytest.raises(AccessRefused, match="no-break-glass"):
        ask(world, made, place=2)  # which was not shown it before its deadline
    with pytest.raises(AccessRefused, match="no-break-glass"):
        ask(world, signed(world))  # another opening under the same entry


def test_an_opening_that_the_ledger_already_has_opens_nothing_at_the_next_standstill(world: World) -> None:
    stand_still(world)
    made = signed(world, until=world.clock.now() + 4 * HOUR)
    ask(world, made)
    world.ledger.stale = False
    world.clock.advance(11 * MINUTE)
    look(world)
    stand_still(world)
    with pytest.raises(AccessRefused, match="no-break-glass"):
        ask(world, made)


def test_a_custodian_grants_four_a_day_to_one_opener(world: World) -> None:
    stand_still(world)
    for number in range(4):
        ask(world, signed(world, entry=bytes([number]) * 32))
    with pytest.raises(AccessRefused, match="too-many-emergencies"):
        ask(world, signed(world, entry=b"\x09" * 32))
    assert ask(world, signed(world, entry=bytes(32)))  # one that it has granted
    other: dict[str, Any] = {"opener": STRANGER, "entry": b"\x09" * 32}
    assert ask(world, signed(world, **other), session=world.session(STRANGER, 60)).rows
    world.clock.advance(DAY)
    stand_still(world)
    assert ask(world, signed(world, entry=b"\x0a" * 32)).rows


def test_a_post_that_was_suspended_at_the_last_head_opens_nothing(world: World) -> None:
    world.ledger.suspend(OTHER_DOCTOR, world.officer_keys[OFFICERS[0]], OFFICERS[0])
    stand_still(world)
    with pytest.raises(AccessRefused, match="no-second-party"):
        ask(world, signed(world))
    with pytest.raises(AccessRefused, match="reader-not-verified"):
        ask(
            world,
            signed(world, opener=OTHER_DOCTOR, second=DOCTOR),
            session=world.session(OTHER_DOCTOR),
        )


def test_a_missing_review_suspends_the_opener_also_where_it_ran_out_during_the_standstill(
    world: World,
) -> None:
    pair = (DOCTOR, world.post_keys[DOCTOR]), (OTHER_DOCTOR, world.post_keys[OTHER_DOCTOR])
    until = world.clock.now() + MINUTE
    world.ledger.open_break_glass(b"\5" * 32, b"\5" * 32, until, False, *pair, world.controllers[REGISTRAR])
    world.clock.advance(72 * HOUR - 10 * MINUTE)
    stand_still(world)
    assert ask(world, signed(world)).rows
    for _ in range(6):
        world.clock.advance(MINUTE)
        look(world)
    assert world.ledger.last_head().may_break_glass(DOCTOR)
    with pytest.raises(AccessRefused, match="break-glass-suspended"):
        ask(world, signed(world, entry=b"\3" * 32))


def test_what_waits_three_days_to_be_entered_suspends_its_opener_too(world: World) -> None:
    stand_still(world)
    ask(world, signed(world))
    world.clock.advance(72 * HOUR)
    stand_still(world)
    with pytest.raises(AccessRefused, match="break-glass-suspended"):
        ask(world, signed(world, entry=b"\3" * 32))


def test_a_custodian_that_looks_rarely_or_has_just_started_knows_of_no_standstill(world: World) -> None:
    world.ledger.stale = True
    look(world)
    world.clock.advance(10 * MINUTE)
    with pytest.raises(AccessRefused, match="ledger-moves"):
        ask(world, signed(world))
    stand_still(world)
    world.restart(1)
    with pytest.raises(LedgerStale):
        ask(world, signed(world))  # nor has it rejoined the ledger
    assert ask(world, signed(world), place=2).rows


def test_an_unanchored_log_does_not_hinder_an_emergency_while_the_ledger_takes_nothing(world: World) -> None:
    stand_still(world)
    ask(world, signed(world))
    world.clock.advance(2 * MINUTE)
    stand_still(world)
    assert ask(world, signed(world, entry=b"\3" * 32)).rows


def test_every_custodian_that_granted_it_enters_it_once(world: World) -> None:
    stand_still(world)
    opening, made = signed(world)
    for place in (1, 2, 3):
        ask(world, (opening, made), place)
    world.restart(2)
    world.ledger.stale = False
    look(world)
    assert world.ledger.fresh_head().break_glass(made.entry) is None  # before its deadline
    world.clock.advance(11 * MINUTE)
    look(world)
    facts = world.ledger.fresh_head().break_glass(made.entry)
    assert facts is not None
    assert (facts.opener, facts.afterwards, facts.commitment) == (DOCTOR, True, opening.commitment)
    look(world)
    assert all(world.directories[place].journal.unentered() == [] for place in (1, 2, 3))
    assert all(not world.evidence(place) for place in range(1, len(world.custodians) + 1))


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_before_or_after_entering_is_put_right_by_the_next_tending(world: World, after: bool) -> None:
    stand_still(world)
    opening, made = signed(world)
    ask(world, (opening, made))
    world.ledger.stale = False
    world.clock.advance(11 * MINUTE)
    directory = world.directories[1]
    crashing: Any = Failing(world.ledger, Plan(0, after))
    dying = Custodian(1, directory.rows, directory.journal, world.keys(1), crashing, world.clock)
    with pytest.raises(Crash):
        dying.call("tend", b"")
    assert (world.ledger.fresh_head().break_glass(made.entry) is not None) == after
    world.restart(1)
    look(world, (1,))
    assert world.ledger.fresh_head().break_glass(made.entry) is not None
    assert world.directories[1].journal.unentered() == []


def test_what_the_ledger_never_takes_is_kept_as_evidence(world: World) -> None:
    stand_still(world)
    _, made = signed(world)
    ask(world, (_, made))
    world.ledger.stale = False
    world.ledger.suspend(OTHER_DOCTOR, world.officer_keys[OFFICERS[0]], OFFICERS[0])
    world.clock.advance(DAY)
    look(world)
    assert world.directories[1].journal.unentered() == [KeptOpening(made.deadline - 600, made.encode())]
    world.clock.advance(7 * DAY)
    look(world)
    assert world.evidence(1) == [(UNENTERED, made.encode())]
    assert world.directories[1].journal.unentered() == []


def test_two_openings_under_one_entry_are_found_and_kept_as_evidence(world: World) -> None:
    stand_still(world)
    _, first = signed(world)
    ask(world, (_, first))
    other = EmergencyOpening(b"\4" * 32, world.patient.alias, "another", ())
    _, second = signed(world, commitment=other.commitment)
    ask(world, (other, second), place=2)
    world.ledger.stale = False
    world.clock.advance(11 * MINUTE)
    look(world, (1,))
    look(world, (2,))
    assert world.evidence(1) == []
    assert world.evidence(2) == [(ANOTHER, second.encode())]
