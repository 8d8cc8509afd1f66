"""What a custodian releases without a consent: to the patient, the registrar, any doctor, in an emergency."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from careledger.domain.errors import (
    AccessRefused,
    SignatureRefused,
)
from careledger.domain.parties import ControllerKind
from careledger.formats.releases import EmergencyOpening
from careledger.formats.signatures import SigningKey
from custodian_world import (
    DIAGNOSIS,
    DIAGNOSIS_RESTRICTED,
    DOCTOR,
    GENERAL,
    OFFICERS,
    OTHER_DOCTOR,
    REGISTRAR,
    STRANGER,
    STRANGER_HOSPITAL,
    World,
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_the_patient_reads_by_the_present_controllers_signature(world: World) -> None:
    made = world.deposited(world.patient)
    own: dict[str, Any] = {"rule": "own", "purpose": "PATRQT"}
    rows = world.ask(world.patient, None, **own).rows
    assert [row.handle for row in rows] == list(made.handles)
    with pytest.raises(SignatureRefused):
        world.ask(world.patient, None, signer=SigningKey.random(), **own)


def test_the_registrar_reads_for_care_until_the_patient_has_claimed(world: World) -> None:
    unclaimed = world.new_patient(ControllerKind.REGISTRAR)
    world.deposited(unclaimed, ground="registrar")
    assert world.ask(unclaimed, world.session(), rule="registrar").rows
    with pytest.raises(AccessRefused, match="not-the-registrar"):
        world.ask(unclaimed, world.session(STRANGER, STRANGER_HOSPITAL), rule="registrar")
    with pytest.raises(AccessRefused, match="claimed"):
        world.ask(world.patient, world.session(), rule="registrar")


def test_a_doctor_reads_general_of_forty_patients_a_day_and_no_more(world: World) -> None:
    world.deposited(world.patient, GENERAL)
    session = world.session(STRANGER, STRANGER_HOSPITAL)
    asked: dict[str, Any] = {"rule": "general", "compartments": (GENERAL,)}
    row = world.ask(world.patient, session, **asked).rows[0]
    assert row.escrow is not None
    with pytest.raises(AccessRefused, match="normal-general-only"):
        world.ask(world.patient, session, rule="general")
    day, journal = world.clock.now() // 86_400, world.directories[1].journal
    assert journal.general(STRANGER, day, other_than=b"") == 1
    for number in range(40):
        journal.count_general(STRANGER, day, number.to_bytes(32, "big"))
    with pytest.raises(AccessRefused, match="too-many-patients"):
        world.ask(world.patient, session, **asked)
    world.clock.advance(86_400)
    assert world.ask(world.patient, world.session(STRANGER, STRANGER_HOSPITAL), **asked).rows


def test_breaking_the_glass_needs_an_entry_by_that_post_that_opens_to_this_patient(world: World) -> None:
    made = world.deposited(world.patient)
    world.deposited(world.patient, DIAGNOSIS_RESTRICTED)
    opening = EmergencyOpening(b"\1" * 32, world.patient.alias, "unconscious", ())
    entry, until = b"\2" * 32, world.clock.now() + 3600
    opener, second = (DOCTOR, world.post_keys[DOCTOR]), (OTHER_DOCTOR, world.post_keys[OTHER_DOCTOR])
    relay = world.controllers[REGISTRAR]
    both = (DIAGNOSIS, DIAGNOSIS_RESTRICTED)
    asked: dict[str, Any] = {"rule": "break-glass", "purpose": "BTG", "entry": entry, "compartments": both}
    with pytest.raises(AccessRefused, match="no-break-glass"):
        world.ask(world.patient, world.session(), emergency=opening, **asked)
    world.ledger.open_break_glass(entry, opening.commitment, until, False, opener, second, relay)
    rows = world.ask(world.patient, world.session(), emergency=opening, **asked).rows
    assert [row.handle for row in rows] == list(made.handles)
    assert all(row.escrow is not None for row in rows)
    with pytest.raises(AccessRefused, match="no-break-glass"):
        world.ask(world.patient, world.session(OTHER_DOCTOR), emergency=opening, **asked)
    other = replace(opening, alias=b"\3" * 32)
    for wrong in (None, other, replace(opening, restricted=(DIAGNOSIS_RESTRICTED,))):
        with pytest.raises(AccessRefused, match="no-break-glass"):
            world.ask(world.patient, world.session(), emergency=wrong, **asked)
    world.clock.advance(3600)
    with pytest.raises(AccessRefused, match="break-glass-over"):
        world.ask(world.patient, world.session(), emergency=opening, **asked)


def test_restricted_records_are_broken_open_only_where_the_entry_on_the_ledger_asks_for_them(
    world: World,
) -> None:
    world.deposited(world.patient)
    made = world.deposited(world.patient, DIAGNOSIS_RESTRICTED)
    opening = EmergencyOpening(b"\1" * 32, world.patient.alias, "unconscious", (DIAGNOSIS_RESTRICTED,))
    opener, second = (DOCTOR, world.post_keys[DOCTOR]), (OTHER_DOCTOR, world.post_keys[OTHER_DOCTOR])
    relay, until = world.controllers[REGISTRAR], world.clock.now() + 3600
    for entry, restricted in ((b"\2" * 32, False), (b"\3" * 32, True)):
        world.ledger.open_break_glass(entry, opening.commitment, until, restricted, opener, second, relay)
    asked: dict[str, Any] = {"rule": "break-glass", "purpose": "BTG", "compartments": (DIAGNOSIS_RESTRICTED,)}
    with pytest.raises(AccessRefused, match="restricted-not-named"):
        world.ask(world.patient, world.session(), emergency=opening, entry=b"\2" * 32, **asked)
    rows = world.ask(world.patient, world.session(), emergency=opening, entry=b"\3" * 32, **asked).rows
    assert [row.handle for row in rows] == list(made.handles)


def test_an_unreviewed_entry_suspends_the_right_to_break_the_glass(world: World) -> None:
    world.deposited(world.patient)
    relay = world.controllers[REGISTRAR]
    opener, second = (DOCTOR, world.post_keys[DOCTOR]), (OTHER_DOCTOR, world.post_keys[OTHER_DOCTOR])
    opening = EmergencyOpening(b"\1" * 32, world.patient.alias, "unconscious", ())
    world.ledger.open_break_glass(
        b"\1" * 32, b"\1" * 32, world.clock.now() + 60, False, opener, second, relay
    )
    world.clock.advance(71 * 3600)
    until = world.clock.now() + 4 * 3600
    world.ledger.open_break_glass(b"\2" * 32, opening.commitment, until, False, opener, second, relay)
    asked: dict[str, Any] = {
        "rule": "break-glass",
        "purpose": "BTG",
        "entry": b"\2" * 32,
        "emergency": opening,
    }
    assert world.ask(world.patient, world.session(), **asked).rows
    world.clock.advance(3700)
    world.ledger.mine()
    with pytest.raises(AccessRefused, match="break-glass-suspended"):
        world.ask(world.patient, world.session(), **asked)
    officer = OFFICERS[0]
    world.ledger.review_break_glass(b"\1" * 32, True, officer, world.officer_keys[officer])
    assert world.ask(world.patient, world.session(), **asked).rows
