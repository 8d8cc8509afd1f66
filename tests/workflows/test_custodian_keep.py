"""A custodian keeps a deposit only if everything about it is right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from careledger.domain.errors import (
    DepositConflict,
    EpochRefused,
    MalformedBytes,
    PatientNotFound,
    SessionExpired,
    ShareMismatch,
    SignatureRefused,
    WritingRefused,
)
from careledger.domain.parties import ControllerKind
from careledger.formats.deposits import Items, KeepRequest
from careledger.formats.patients import GranteeForm
from careledger.formats.signatures import SigningKey
from careledger.formats.signed import sign
from careledger.sealing.shamir import P, uniform_below_p
from custodian_world import (
    DIAGNOSIS,
    DIAGNOSIS_RESTRICTED,
    DOCTOR,
    GENERAL,
    OFFICERS,
    REGISTRAR,
    REPORT,
    STRANGER,
    STRANGER_HOSPITAL,
    Deposited,
    World,
    share_rows,
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_doctor_with_an_append_consent_deposits_and_gets_receipts(world: World) -> None:
    made = world.deposit(world.patient, count=3)
    for receipt in world.keep(made):
        assert receipt.what == KeepRequest.TYPE
        assert receipt.subject == made.receipt_subject
        assert receipt.count == 3


def test_a_stranger_without_a_ground_deposits_unasked_only(world: World) -> None:
    stranger = world.session(STRANGER, STRANGER_HOSPITAL)
    refused = world.deposit(world.patient, session=stranger)
    with pytest.raises(WritingRefused, match="other-grantee"):
        world.keep(refused, (1,))
    with pytest.raises(WritingRefused, match="claimed"):
        world.keep(world.deposit(world.patient, session=stranger, ground="registrar"), (1,))
    world.keep(world.deposit(world.patient, session=stranger, ground="unasked"))


def test_the_registrar_writes_until_the_patient_has_claimed(world: World) -> None:
    unclaimed = world.new_patient(ControllerKind.REGISTRAR)
    world.keep(world.deposit(unclaimed, ground="registrar"))
    with pytest.raises(WritingRefused, match="claimed"):
        world.keep(world.deposit(world.patient, ground="registrar"), (1,))


def test_what_the_matrix_does_not_let_a_doctor_write_is_refused(world: World) -> None:
    with pytest.raises(WritingRefused, match="matrix-no"):
        world.keep(world.deposit(world.patient, REPORT), (1,))


def test_an_append_consent_of_another_compartment_does_not_cover_it(world: World) -> None:
    _, certificate, _ = world.consent(world.patient, (GENERAL,), ("append",))
    with pytest.raises(WritingRefused, match="other-category"):
        world.keep(world.deposit(world.patient, certificate=certificate), (1,))


def test_an_append_consent_of_one_month_covers_no_other_month_of_the_same_deposit(world: World) -> None:
    _, certificate, _ = world.consent(world.patient, permissions=("append",), to_month="2026-04")
    refused = world.deposit(world.patient, certificate=certificate, months=("2026-04", "2026-05"))
    with pytest.raises(WritingRefused, match="other-period"):
        world.keep(refused, (1,))
    world.keep(world.deposit(world.patient, certificate=certificate, months=("2026-04", "2026-03")))
    _, certificate, _ = world.consent(world.patient, (DIAGNOSIS,), ("view",))
    with pytest.raises(WritingRefused, match="other-permission"):
        world.keep(world.deposit(world.patient, certificate=certificate), (1,))


def test_a_team_may_append_through_its_member_only(world: World) -> None:
    controller = world.controllers[REGISTRAR]
    world.ledger.create_team(7, REGISTRAR, 0, controller)
    team = GranteeForm("team", 7, REGISTRAR)
    _, certificate, _ = world.consent(world.patient, (DIAGNOSIS,), ("append",), team)
    with pytest.raises(WritingRefused, match="other-grantee"):
        world.keep(world.deposit(world.patient, certificate=certificate), (1,))
    world.ledger.join_team(DOCTOR, 7, controller)
    world.keep(world.deposit(world.patient, certificate=certificate), (1,))


def test_a_suspended_employer_deposits_nothing(world: World) -> None:
    officer = OFFICERS[0]
    world.ledger.suspend(REGISTRAR, world.officer_keys[officer], officer)
    with pytest.raises(WritingRefused, match="depositor-not-verified"):
        world.keep(world.deposit(world.patient), (1,))


def test_a_post_that_was_ended_deposits_nothing(world: World) -> None:
    made = world.deposit(world.patient)
    world.ledger.end_post(DOCTOR, world.controllers[REGISTRAR])
    with pytest.raises(WritingRefused, match="depositor-not-verified"):
        world.keep(made, (1,))


def test_an_expired_session_deposits_nothing(world: World) -> None:
    made = world.deposit(world.patient, session=world.session(seconds=100))
    world.clock.advance(99)
    world.keep(made, (1,))
    world.clock.advance(1)
    with pytest.raises(SessionExpired):
        world.keep(made, (2,))


def test_a_statement_signed_by_another_key_is_refused(world: World) -> None:
    made = world.deposit(world.patient)
    made.signed = sign(made.statement, SigningKey.random(), world.ledger.deployment)
    with pytest.raises(SignatureRefused):
        world.keep(made, (1,))


def test_only_the_controller_deposits_on_the_ground_own(world: World) -> None:
    world.keep(world.deposit(world.patient, ground="own", source="patient-reported"))
    made = world.deposit(world.patient, ground="own", source="patient-reported")
    made.signed = sign(made.statement, SigningKey.random(), world.ledger.deployment)
    with pytest.raises(SignatureRefused):
        world.keep(made, (1,))


def test_an_unknown_alias_and_a_custodian_off_the_list_keep_nothing(world: World) -> None:
    unknown = world.new_patient(enrolled=False)
    unknown.epochs = dict(world.patient.epochs)
    with pytest.raises(PatientNotFound):
        world.keep(world.deposit(unknown), (1,))


def test_shares_that_are_not_committed_to_are_refused(world: World) -> None:
    made = world.deposit(world.patient)

    def keep(**changes: Any) -> None:
        body = made.asking(1)
        world.custodians[0].call("keep", replace(body, parts=(replace(body.parts[0], **changes),)).encode())

    with pytest.raises(ShareMismatch):
        keep(shares=b"\1" * 32)
    with pytest.raises(ShareMismatch):
        world.custodians[1].call("keep", made.request(1))
    with pytest.raises(ShareMismatch):
        world.custodians[0].call("keep", replace(made.asking(2), place=1).encode())
    other = share_rows(uniform_below_p(), 2)[0]
    with pytest.raises(ShareMismatch):
        keep(shares=other.share, commitments=b"".join(other.commitments))
    with pytest.raises(ShareMismatch, match="not below p"):
        keep(shares=P.to_bytes(32, "big"))
    for changes in ({"shares": b""}, {"commitments": b""}, {"shares": made.part(1).shares * 2}):
        with pytest.raises(MalformedBytes):
            keep(**changes)
    keep()


def test_one_wrong_share_or_commitment_among_many_is_refused_wherever_it_stands(world: World) -> None:
    made, refused = world.deposit(world.patient, count=3), 0
    for column in ("shares", "commitments"):
        good = getattr(made.part(1), column)
        for at in range(0, len(good), 32):
            wrong = good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]
            body = replace(made.asking(1), parts=(replace(made.part(1), **{column: wrong}),))
            with pytest.raises(ShareMismatch):
                world.custodians[0].call("keep", body.encode())
            refused += 1
    assert refused == 3 + 3 * 5
    world.keep(made, (1,))


def test_another_leaf_or_a_missing_escrow_is_refused(world: World) -> None:
    made, other = world.deposit(world.patient, count=2), world.deposit(world.patient, count=2)
    body = made.asking(1)
    for items in (Items.of(other.items), Items.of(made.items[:1]), Items.of(made.items[::-1])):
        changed = replace(body, parts=(replace(body.parts[0], items=items),))
        with pytest.raises(MalformedBytes, match="other items"):
            world.custodians[0].call("keep", changed.encode())
    without = replace(body, parts=(replace(body.parts[0], escrow=None),))
    with pytest.raises(MalformedBytes, match="escrow"):
        world.custodians[0].call("keep", without.encode())


def test_one_refused_part_keeps_all_out_and_two_patients_are_not_one_deposit(world: World) -> None:
    session = world.session()
    good, bad = (world.deposit(world.patient, session=session) for _ in range(2))
    both = replace(good.asking(1), parts=(good.part(1), replace(bad.part(1), escrow=None)))
    with pytest.raises(MalformedBytes, match="escrow"):
        world.custodians[0].call("keep", both.encode())
    elsewhere = world.deposit(world.new_patient())
    mixed = replace(good.asking(1), parts=(good.part(1), elsewhere.part(1)))
    with pytest.raises(MalformedBytes, match="one patient"):
        world.custodians[0].call("keep", mixed.encode())
    assert world.directories[1].rows.versions(world.patient.alias) == []
    twice = replace(good.asking(1), parts=(good.part(1), bad.part(1)))
    assert world.receipt(1, "keep", twice.encode()).count == 2


def test_escrow_is_kept_only_where_the_epoch_statement_says_so(world: World) -> None:
    made = world.deposit(world.patient, DIAGNOSIS_RESTRICTED)
    assert made.escrow is None
    world.keep(made)
    with pytest.raises(MalformedBytes, match="escrow"):
        world.keep(world.deposit(world.patient, DIAGNOSIS, escrow=None), (1,))


def test_nothing_is_kept_under_an_older_epoch_after_the_grace(world: World) -> None:
    early, late = world.deposit(world.patient), world.deposit(world.patient)
    world.begin_epoch(world.patient, DIAGNOSIS)
    world.clock.advance(60)
    world.keep(early)
    world.clock.advance(1)
    with pytest.raises(EpochRefused):
        world.keep(late, (1,))
    world.keep(world.deposit(world.patient))


def test_the_same_deposit_again_is_harmless_and_another_under_its_id_is_refused(world: World) -> None:
    made = world.deposit(world.patient)
    first = world.keep(made, (1,))
    again = world.keep(made, (1,))
    assert first[0].subject == again[0].subject
    other = world.deposit(world.patient, id=made.statement.id)
    with pytest.raises(DepositConflict):
        world.keep(other, (1,))


def test_once_means_one_intake_per_organisation(world: World) -> None:
    unclaimed = world.new_patient(ControllerKind.REGISTRAR)
    world.post_keys[REGISTRAR] = world.controllers[REGISTRAR]
    hospital = world.session(REGISTRAR, REGISTRAR)

    def intake(declared: bool) -> Deposited:
        return world.deposit(unclaimed, GENERAL, ground="unasked", session=hospital, intake=declared)

    with pytest.raises(WritingRefused, match="intake-used"):
        world.keep(intake(False), (1,))
    first = intake(True)
    world.keep(first)
    world.keep(first)
    with pytest.raises(WritingRefused, match="intake-used"):
        world.keep(intake(True), (1,))


def test_a_thin_deposit_is_completed_later_by_the_proof_of_its_anchoring(world: World) -> None:
    made = world.deposit(world.patient, session=world.session(seconds=600))
    world.keep(made, (1, 2))
    notice = world.anchor(made, (1, 2))
    world.begin_epoch(world.patient, DIAGNOSIS)
    world.clock.advance(30 * 86_400)
    with pytest.raises((SessionExpired, EpochRefused)):
        world.custodians[2].call("keep", made.request(3))
    receipt = world.receipt(3, "keep", made.request(3, anchor=notice))
    assert receipt.count == 1
    other = world.deposit(world.patient)
    with pytest.raises(WritingRefused, match="not-anchored"):
        world.custodians[2].call("keep", other.request(3, anchor=notice))


def test_a_stand_in_keeps_the_index_and_takes_its_shares_later(world: World) -> None:
    made = world.deposit(world.patient)
    world.custodians[3].call("keep", made.request(4, with_shares=False))
    _, certificate, _ = world.consent(world.patient)
    world.anchor(made, (4,))
    assert world.ask(world.patient, world.session(), certificate, place=4).rows[0].share is None
    world.custodians[3].call("keep", made.request(4))
    row = world.ask(world.patient, world.session(), certificate, place=4).rows[0]
    assert row.share == made.rows[0][3].share
