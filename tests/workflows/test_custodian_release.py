"""A custodian releases shares only if every check at one block passes; each check beside the path that it lets pass."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from careledger.domain.errors import (
    AccessRefused,
    CustodianBehind,
    LedgerStale,
    PatientNotFound,
    RecordNotFound,
    RequestRefused,
    SessionExpired,
    SignatureRefused,
)
from careledger.domain.parties import ControllerKind
from careledger.formats.patients import EpochRecord, EpochStatement, GranteeForm
from careledger.formats.sessions import SessionProof
from careledger.formats.signatures import SigningKey
from careledger.formats.signed import Signed, sign
from careledger.proofs.anchors import check_share
from careledger.sealing.keys import SealingKey, Secret
from careledger.sealing.shamir import Share, combine
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


def test_a_reader_with_consent_gets_shares_that_give_the_secret(world: World) -> None:
    made = world.deposited(world.patient, count=3)
    _, certificate, _ = world.consent(world.patient)
    session = world.session()
    answers = [world.ask(world.patient, session, certificate, place=place) for place in (2, 5)]
    for number, handle in enumerate(made.handles):
        rows = [next(row for row in answer.rows if row.handle == handle) for answer in answers]
        for row in rows:
            assert row.share is not None
            check_share(row.commitments, 5, row.place, row.share, row.path)
            assert row.escrow is None
            assert row.root == made.notice.root if made.notice else False
        shares = [Share(row.place, Secret(row.share or b"")) for row in rows]
        assert combine(shares, 2) == made.secrets[number]
    assert answers[0].deposits[0].statement == made.signed
    assert len(answers[0].epochs) == 1


def test_a_reader_gets_no_epoch_from_before_what_is_released(world: World) -> None:
    first = world.deposited(world.patient)
    world.begin_epoch(world.patient, DIAGNOSIS)
    world.begin_epoch(world.patient, DIAGNOSIS)
    second = world.deposited(world.patient)
    _, certificate, _ = world.consent(world.patient)
    for handles, numbers in ((second.handles, [2]), (first.handles, [0, 1, 2]), (None, [0, 1, 2])):
        answer = world.ask(world.patient, world.session(), certificate, handles=handles)
        told = [EpochRecord.decode(each).statement.body for each in answer.epochs]
        assert [EpochStatement.decode(each).number for each in told] == numbers


def test_a_stranger_gets_nothing(world: World) -> None:
    world.deposited(world.patient)
    _, certificate, _ = world.consent(world.patient)
    with pytest.raises(AccessRefused, match="other-grantee"):
        world.ask(world.patient, world.session(STRANGER, STRANGER_HOSPITAL), certificate)
    with pytest.raises(AccessRefused, match="other-grantee"):
        world.ask(world.patient, world.session(OTHER_DOCTOR), certificate)
    with pytest.raises(AccessRefused, match="no-consent"):
        world.ask(world.patient, world.session())
    assert world.ask(world.patient, world.session(), certificate).rows


def test_suspending_the_employer_or_ending_the_post_ends_reading(world: World) -> None:
    world.deposited(world.patient)
    _, certificate, _ = world.consent(world.patient)
    session, officer = world.session(), OFFICERS[0]
    assert world.ask(world.patient, session, certificate).rows
    world.ledger.suspend(REGISTRAR, world.officer_keys[officer], officer)
    with pytest.raises(AccessRefused, match="employer-not-verified"):
        world.ask(world.patient, session, certificate)
    world.ledger.reinstate(REGISTRAR, world.officer_keys[officer], officer)
    assert world.ask(world.patient, session, certificate).rows
    world.ledger.end_post(DOCTOR, world.controllers[REGISTRAR])
    with pytest.raises(AccessRefused, match="reader-not-verified"):
        world.ask(world.patient, session, certificate)


def test_a_session_counts_until_its_end_and_only_for_its_own_key(world: World) -> None:
    world.deposited(world.patient)
    _, certificate, _ = world.consent(world.patient)
    session = world.session(seconds=100)
    world.clock.advance(99)
    assert world.ask(world.patient, session, certificate).rows
    with pytest.raises(SignatureRefused):
        world.ask(world.patient, session, certificate, signer=SigningKey.random())
    world.clock.advance(1)
    with pytest.raises(SessionExpired):
        world.ask(world.patient, session, certificate)


def test_an_employer_that_is_not_the_posts_is_refused(world: World) -> None:
    world.deposited(world.patient)
    _, certificate, _ = world.consent(world.patient)
    with pytest.raises(SignatureRefused, match="employer"):
        world.ask(world.patient, world.session(), certificate, employer=STRANGER_HOSPITAL)


def test_a_request_is_answered_once(world: World) -> None:
    world.deposited(world.patient)
    _, certificate, _ = world.consent(world.patient)
    ephemeral = SealingKey.random()
    request = world.request(world.patient, world.session(), ephemeral, certificate)
    assert world.send(1, request, ephemeral).rows
    with pytest.raises(RequestRefused, match="replayed"):
        world.send(1, request, ephemeral)
    world.restart(1)
    with pytest.raises(RequestRefused, match="replayed"):
        world.send(1, request, ephemeral)
    assert world.send(2, request, ephemeral).rows


def test_a_request_is_short_lived_and_names_its_custodians(world: World) -> None:
    world.deposited(world.patient)
    _, certificate, _ = world.consent(world.patient)
    now = world.clock.now()
    for late in (now - 1, now + 61):
        with pytest.raises(RequestRefused, match="not-after"):
            world.ask(world.patient, world.session(), certificate, not_after=late)
    with pytest.raises(RequestRefused, match="another-custodian"):
        world.ask(world.patient, world.session(), certificate, custodians=(2, 3))
    assert world.ask(world.patient, world.session(), certificate, custodians=(1,), not_after=now + 60).rows


def test_the_block_that_was_seen_must_be_real_and_recent(world: World) -> None:
    world.deposited(world.patient)
    _, certificate, _ = world.consent(world.patient)
    session, head = world.session(), world.ledger.fresh_head().head
    with pytest.raises(RequestRefused, match="another-ledger"):
        world.ask(world.patient, session, certificate, block_hash=b"\1" * 32)
    with pytest.raises(LedgerStale):
        world.ask(world.patient, session, certificate, block_number=head.number + 1)
    world.ledger.mine()
    world.clock.advance(100)
    seen: dict[str, Any] = {"block_number": head.number, "block_hash": head.hash}
    assert world.ask(world.patient, session, certificate, **seen).rows
    world.clock.advance(30)
    with pytest.raises(RequestRefused, match="stale-block"):
        world.ask(world.patient, session, certificate, **seen)
    world.ledger.stale = True
    with pytest.raises(LedgerStale):
        world.custodians[0].call("release", world.request_bytes(world.patient, session, certificate))


def test_consent_counts_from_its_start_until_its_end_and_never_when_revoked(world: World) -> None:
    world.deposited(world.patient)
    session = world.session(seconds=12 * 3600)
    _, certificate, owner = world.consent(world.patient, start=100, seconds=1000)
    with pytest.raises(AccessRefused, match="consent-not-yet"):
        world.ask(world.patient, session, certificate)
    world.clock.advance(100)
    assert world.ask(world.patient, session, certificate).rows
    world.clock.advance(999)
    assert world.ask(world.patient, session, certificate).rows
    world.clock.advance(1)
    with pytest.raises(AccessRefused, match="consent-expired"):
        world.ask(world.patient, session, certificate)
    opened, certificate, owner = world.consent(world.patient)
    assert world.ask(world.patient, session, certificate).rows
    world.ledger.revoke_consent(owner, opened.commitment, world.controllers[REGISTRAR])
    with pytest.raises(AccessRefused, match="consent-revoked"):
        world.ask(world.patient, session, certificate)
    _, certificate, _ = world.consent(world.patient, give=False)
    with pytest.raises(AccessRefused, match="no-consent"):
        world.ask(world.patient, session, certificate)


def test_a_certificate_must_open_the_consent_that_is_named(world: World) -> None:
    world.deposited(world.patient)
    opened, _, _ = world.consent(world.patient)
    wider = replace(opened, purpose="COC")
    certificate = sign(wider, world.patient.controller, world.ledger.deployment)
    with pytest.raises(RequestRefused, match="another-certificate"):
        world.ask(world.patient, world.session(), certificate, commitment=opened.commitment)
    with pytest.raises(AccessRefused, match="no-consent"):
        world.ask(world.patient, world.session(), certificate)


def test_rotating_the_controller_ends_every_certificate(world: World) -> None:
    world.deposited(world.patient)
    _, certificate, _ = world.consent(world.patient)
    session, patient = world.session(), world.patient
    assert world.ask(patient, session, certificate).rows
    fresh = SigningKey.random()
    relay = world.controllers[REGISTRAR]
    world.ledger.rotate_alias(patient.alias, ControllerKind.SELF, 0, patient.controller, fresh, relay)
    with pytest.raises(AccessRefused, match="consent-of-former-controller"):
        world.ask(patient, session, certificate)
    patient.controller = fresh
    renewed = sign(world.opened(certificate), fresh, world.ledger.deployment)
    assert world.ask(patient, session, renewed).rows


def test_another_purpose_than_the_consents_is_refused(world: World) -> None:
    world.deposited(world.patient)
    _, certificate, _ = world.consent(world.patient)
    with pytest.raises(AccessRefused, match="other-purpose"):
        world.ask(world.patient, world.session(), certificate, purpose="COVERAGE")


def test_handles_out_of_scope_are_simply_not_in_the_rows(world: World) -> None:
    first = world.deposited(world.patient, count=2)
    second = world.deposited(world.patient, GENERAL)
    _, certificate, _ = world.consent(world.patient, exceptions=(first.handles[0],))
    wanted = (*first.handles, *second.handles, b"\7" * 32)
    answer = world.ask(world.patient, world.session(), certificate, handles=wanted)
    assert [row.handle for row in answer.rows] == [first.handles[1]]
    with pytest.raises(AccessRefused, match="excepted"):
        world.ask(world.patient, world.session(), certificate, handles=(first.handles[0],))
    with pytest.raises(RecordNotFound):
        world.ask(world.patient, world.session(), certificate, handles=(b"\7" * 32,))


def test_scope_by_author_and_by_period_is_enforced_per_version(world: World) -> None:
    world.deposited(world.patient)
    session = world.session()
    for limits, permitted in (
        ({"authors": (DOCTOR,)}, True),
        ({"authors": (STRANGER,)}, False),
        ({"from_month": "2026-05"}, True),
        ({"from_month": "2026-06"}, False),
        ({"to_month": "2026-04"}, False),
    ):
        _, certificate, _ = world.consent(world.patient, **limits)
        if permitted:
            assert world.ask(world.patient, session, certificate).rows
        # Nothing is given out, and an honest answer to who may read the compartment is an empty one or a refusal.
        else:
            with pytest.raises(AccessRefused):
                world.ask(world.patient, session, certificate)


def test_a_restricted_compartment_is_released_only_where_it_is_named(world: World) -> None:
    made = world.deposited(world.patient, DIAGNOSIS_RESTRICTED)
    both = (DIAGNOSIS, DIAGNOSIS_RESTRICTED)
    _, certificate, _ = world.consent(world.patient)
    assert world.ask(world.patient, world.session(), certificate, compartments=both).rows == ()
    with pytest.raises(AccessRefused, match="restricted-not-named"):
        world.ask(world.patient, world.session(), certificate, compartments=(DIAGNOSIS_RESTRICTED,))
    _, certificate, _ = world.consent(world.patient, both)
    rows = world.ask(world.patient, world.session(), certificate, compartments=both).rows
    assert [row.handle for row in rows] == list(made.handles)


def test_an_open_compartment_without_records_is_an_empty_answer(world: World) -> None:
    _, certificate, _ = world.consent(world.patient)
    assert world.ask(world.patient, world.session(), certificate).rows == ()
    with pytest.raises(AccessRefused, match="other-category"):
        world.ask(world.patient, world.session(), certificate, compartments=(GENERAL,))


def test_a_team_reads_through_its_members_while_they_are_in_it(world: World) -> None:
    world.deposited(world.patient)
    controller = world.controllers[REGISTRAR]
    world.ledger.create_team(7, REGISTRAR, 0, controller)
    _, certificate, _ = world.consent(world.patient, grantee=GranteeForm("team", 7, REGISTRAR))
    with pytest.raises(AccessRefused, match="other-grantee"):
        world.ask(world.patient, world.session(), certificate)
    world.ledger.join_team(DOCTOR, 7, controller)
    assert world.ask(world.patient, world.session(), certificate).rows
    world.ledger.leave_team(DOCTOR, 7, controller)
    with pytest.raises(AccessRefused, match="other-grantee"):
        world.ask(world.patient, world.session(), certificate)


def test_only_what_was_anchored_up_to_a_block_is_released_as_of_it(world: World) -> None:
    first = world.deposited(world.patient)
    block = world.ledger.fresh_head().head.number
    world.deposited(world.patient)
    _, certificate, _ = world.consent(world.patient)
    rows = world.ask(world.patient, world.session(), certificate, as_of=block).rows
    assert [row.handle for row in rows] == list(first.handles)
    assert len(world.ask(world.patient, world.session(), certificate).rows) == 2


def test_an_unknown_alias_is_not_found(world: World) -> None:
    unknown = world.new_patient(enrolled=False)
    unknown.statement = world.patient.statement
    with pytest.raises(PatientNotFound):
        world.ask(unknown, world.session())


def test_a_custodian_whose_log_cannot_be_anchored_stops_answering(world: World) -> None:
    world.deposited(world.patient)
    _, certificate, _ = world.consent(world.patient)
    session = world.session()
    assert world.ask(world.patient, session, certificate).rows
    controller = world.controllers[1]
    world.ledger.rekey_custodian(1, b"\1" * 32, SigningKey.random(), controller)
    world.clock.advance(60)
    assert world.ask(world.patient, session, certificate).rows
    world.clock.advance(1)
    with pytest.raises(CustodianBehind):
        world.ask(world.patient, session, certificate)
    assert world.ask(world.patient, session, certificate, place=2).rows
    keys = world.keys(1)
    world.ledger.rekey_custodian(1, b"\1" * 32, keys.signing, controller)
    assert world.ask(world.patient, session, certificate).rows


def test_a_session_that_comes_with_a_patients_own_request_is_not_kept(world: World) -> None:
    """Nobody signed that it belongs there, and no line names it."""
    world.deposited(world.patient)
    patient, ephemeral = world.patient, SealingKey.random()
    mine = world.request(patient, None, ephemeral, rule="own", purpose="PATRQT")
    loaded = replace(mine, session=SessionProof(Signed(bytes(2**20), bytes(65))))
    assert world.send(1, loaded, ephemeral).rows
    journal = world.directories[1].journal
    assert journal.sessions(patient.alias, 0) + journal.sessions(patient.alias, 1) == []
