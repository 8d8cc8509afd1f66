"""Orders and retractions; erasure leaves nothing in the files, and no backup brings it back."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from careledger.adapters.custody.directory import CustodyDirectory
from careledger.adapters.custody.rows import Rows
from careledger.adapters.custody.shred import ShredKeys
from careledger.domain.errors import (
    AccessRefused,
    CustodianBehind,
    DepositConflict,
    DirectoryInUse,
    MalformedBytes,
    PartyNotFound,
    RequestRefused,
    SessionExpired,
    SignatureRefused,
    WritingRefused,
)
from careledger.formats.deposits import Retraction, RetractRequest
from careledger.formats.signatures import SigningKey
from careledger.formats.signed import sign
from custodian_world import DOCTOR, OFFICERS, REGISTRAR, STRANGER, STRANGER_HOSPITAL, Deposited, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def _rows(world: World, place: int = 1) -> dict[bytes, tuple[str, str, bool]]:
    answer = world.ask(world.patient, None, rule="own", purpose="PATRQT", place=place)
    return {row.handle: (row.state, row.mark, row.share is not None) for row in answer.rows}


def test_only_the_present_controller_orders(world: World) -> None:
    made = world.deposited(world.patient)
    honest, body = world.patient.controller, world.order(world.patient, "restrict", made.handles)
    world.patient.controller = SigningKey.random()
    with pytest.raises(SignatureRefused):
        world.receipt(1, "order", world.order(world.patient, "restrict", made.handles))
    world.patient.controller = honest
    assert _rows(world)[made.handles[0]][0] == "kept"
    assert world.receipt(1, "order", body).count == 1
    assert _rows(world)[made.handles[0]][0] == "restricted"


def test_a_restricted_version_is_read_by_the_patient_alone_until_the_restriction_is_lifted(
    world: World,
) -> None:
    made = world.deposited(world.patient)
    _, certificate, _ = world.consent(world.patient)
    world.receipt(1, "order", world.order(world.patient, "restrict", made.handles))
    with pytest.raises(AccessRefused, match="restricted-by-patient"):
        world.ask(world.patient, world.session(), certificate, handles=made.handles)
    assert made.handles[0] in _rows(world)
    world.receipt(1, "order", world.order(world.patient, "unrestrict", made.handles))
    assert world.ask(world.patient, world.session(), certificate, handles=made.handles).rows


def test_an_order_is_carried_out_once_and_repeating_it_is_harmless(world: World) -> None:
    made = world.deposited(world.patient)
    body = world.order(world.patient, "restrict", made.handles, id=b"\1" * 16)
    first = world.receipt(1, "order", body)
    world.receipt(1, "order", world.order(world.patient, "unrestrict", made.handles))
    again = world.receipt(1, "order", body)
    assert first.subject == again.subject
    assert _rows(world)[made.handles[0]][0] == "kept"
    with pytest.raises(DepositConflict):
        world.receipt(1, "order", world.order(world.patient, "erase", made.handles, id=b"\1" * 16))


def test_what_was_erased_or_retracted_is_not_brought_back_by_lifting_a_restriction(world: World) -> None:
    erased, retracted = world.deposited(world.patient), world.deposited(world.patient)
    both = erased.handles + retracted.handles
    world.receipt(1, "order", world.order(world.patient, "restrict", both))
    world.receipt(1, "order", world.order(world.patient, "erase", erased.handles))
    world.receipt(1, "retract", _retraction(world, retracted, world.session()))
    for act in ("unrestrict", "restrict"):
        world.receipt(1, "order", world.order(world.patient, act, both))
        assert {handle: row[0] for handle, row in _rows(world).items()} == {retracted.handles[0]: "retracted"}


def test_a_moved_version_is_given_to_nobody(world: World) -> None:
    made = world.deposited(world.patient, count=2)
    world.receipt(1, "order", world.order(world.patient, "move", made.handles[:1]))
    assert set(_rows(world)) == {made.handles[1]}
    _, certificate, _ = world.consent(world.patient)
    rows = world.ask(world.patient, world.session(), certificate).rows
    assert [row.handle for row in rows] == [made.handles[1]]


def test_an_order_has_a_time_a_known_act_and_handles_of_its_own_alias(world: World) -> None:
    made = world.deposited(world.patient)
    now = world.clock.now()
    for late in (now - 1, now + 3601):
        with pytest.raises(RequestRefused, match="not-after"):
            world.receipt(1, "order", world.order(world.patient, "erase", made.handles, not_after=late))
    with pytest.raises(MalformedBytes):
        world.receipt(1, "order", world.order(world.patient, "forget", made.handles))
    other = world.new_patient()
    assert world.receipt(1, "order", world.order(other, "erase", made.handles)).count == 0
    assert _rows(world)[made.handles[0]] == ("kept", "unconfirmed", True)
    unknown = world.order(world.patient, "erase", (b"\7" * 32,))
    assert world.receipt(1, "order", unknown).count == 0


def test_marks_and_acceptance_are_the_patients(world: World) -> None:
    made = world.deposited(world.patient, ground="unasked")
    _, certificate, _ = world.consent(world.patient, purpose="HPAYMT")
    asked: dict[str, Any] = {"purpose": "HPAYMT"}
    with pytest.raises(AccessRefused, match="kept-apart"):
        world.ask(world.patient, world.session(), certificate, handles=made.handles, **asked)
    world.receipt(1, "order", world.order(world.patient, "accept", made.handles))
    row = world.ask(world.patient, world.session(), certificate, handles=made.handles, **asked).rows[0]
    assert not row.unasked
    world.receipt(1, "order", world.order(world.patient, "dispute", made.handles))
    assert _rows(world)[made.handles[0]][1] == "disputed"
    world.receipt(1, "order", world.order(world.patient, "confirm", made.handles))
    assert _rows(world)[made.handles[0]][1] == "confirmed"


def _retraction(world: World, made: Deposited, session, **changes) -> bytes:  # type: ignore[no-untyped-def]
    words = Retraction(
        b"\4" * 16, world.patient.alias, session.employer, session.post, made.handles, None, world.clock.now()
    )
    signed = sign(replace(words, **changes), session.key, world.ledger.deployment)
    return RetractRequest(signed, session.proof).encode()


def test_only_the_depositor_retracts(world: World) -> None:
    made = world.deposited(world.patient)
    stranger = world.session(STRANGER, STRANGER_HOSPITAL)
    with pytest.raises(WritingRefused, match="depositor-mismatch"):
        world.receipt(1, "retract", _retraction(world, made, stranger))
    with pytest.raises(WritingRefused, match="depositor-mismatch"):
        world.receipt(1, "retract", _retraction(world, made, stranger, depositor=REGISTRAR, post=DOCTOR))
    late = world.session(seconds=10)
    world.clock.advance(10)
    with pytest.raises(SessionExpired):
        world.receipt(1, "retract", _retraction(world, made, late))
    world.receipt(1, "retract", _retraction(world, made, world.session()))
    _, certificate, _ = world.consent(world.patient)
    with pytest.raises(AccessRefused, match="retracted"):
        world.ask(world.patient, world.session(), certificate, handles=made.handles)
    assert _rows(world)[made.handles[0]][0] == "retracted"


def _without_session(world: World, made: Deposited, key: SigningKey, **changes) -> bytes:  # type: ignore[no-untyped-def]
    words = Retraction(
        b"\5" * 16, world.patient.alias, REGISTRAR, DOCTOR, made.handles, None, world.clock.now()
    )
    return RetractRequest(sign(replace(words, **changes), key, world.ledger.deployment), None).encode()


def test_without_a_session_only_the_depositors_own_key_retracts(world: World) -> None:
    made = world.deposited(world.patient)
    own, others = world.controllers[REGISTRAR], world.controllers[STRANGER_HOSPITAL]
    for key in (others, world.post_keys[DOCTOR], world.patient.controller, SigningKey.random()):
        with pytest.raises(SignatureRefused):
            world.receipt(1, "retract", _without_session(world, made, key))
    with pytest.raises(WritingRefused, match="depositor-mismatch"):
        world.receipt(1, "retract", _without_session(world, made, others, depositor=STRANGER_HOSPITAL))
    with pytest.raises(MalformedBytes):
        world.receipt(1, "retract", _without_session(world, made, world.patient.controller, depositor=0))
    with pytest.raises(PartyNotFound):
        world.receipt(1, "retract", _without_session(world, made, own, depositor=12345))
    officer = OFFICERS[0]
    world.ledger.suspend(REGISTRAR, world.officer_keys[officer], officer)
    with pytest.raises(WritingRefused, match="depositor-not-verified"):
        world.receipt(1, "retract", _without_session(world, made, own))
    world.ledger.reinstate(REGISTRAR, world.officer_keys[officer], officer)
    assert _rows(world)[made.handles[0]][0] == "kept"
    world.receipt(1, "retract", _without_session(world, made, own))
    assert _rows(world)[made.handles[0]][0] == "retracted"


def test_a_retraction_said_again_without_its_session_is_the_same_one(world: World) -> None:
    made = world.deposited(world.patient)
    world.receipt(1, "retract", _retraction(world, made, world.session()))
    lines = world.directories[1].journal.log().size()
    again = _without_session(world, made, world.controllers[REGISTRAR], id=b"\4" * 16)
    world.receipt(1, "retract", again)
    assert world.directories[1].journal.log().size() == lines
    with pytest.raises(DepositConflict):
        world.receipt(
            1, "retract", _without_session(world, made, world.controllers[REGISTRAR], id=b"\4" * 16, post=0)
        )


def _bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def _keys_of(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted((folder / "shred").iterdir())]


def test_an_erased_share_and_its_key_are_in_no_file_and_the_others_stay(world: World) -> None:
    made = world.deposited(world.patient, count=3)
    folder = world.folder / "custodian-1"
    [sealed_before] = _sealed_rows(world.directories[1])
    before = _keys_of(folder)
    assert len(before) == 1
    gone = made.handles[1]
    assert sealed_before in _bytes_of(folder)
    world.receipt(1, "order", world.order(world.patient, "erase", (gone,)))
    everything = _bytes_of(folder)
    share = made.rows[1][0].share
    assert share not in everything
    assert before[0] not in everything
    assert sealed_before not in everything
    assert len(_keys_of(folder)) == 1
    assert _rows(world) == dict.fromkeys((made.handles[0], made.handles[2]), ("kept", "unconfirmed", True))
    leaf = made.leaves[1]
    assert world.ledger.fresh_head().erased_by(leaf) == {1}


def _sealed_rows(directory: CustodyDirectory) -> list[bytes]:
    import sqlite3

    db = sqlite3.connect(directory.path / "rows.db")
    rows = db.execute("SELECT sealed FROM shares").fetchall()
    db.close()
    return [sealed for (sealed,) in rows]


def test_the_batch_secrets_share_goes_with_the_last_version_of_the_batch(world: World) -> None:
    made = world.deposited(world.patient, count=2)
    rows = world.directories[1].rows
    digest = made.statement.digest()
    world.receipt(1, "order", world.order(world.patient, "erase", made.handles[:1]))
    assert digest in rows.shares(world.patient.alias)
    world.receipt(1, "order", world.order(world.patient, "erase", made.handles[1:]))
    assert rows.shares(world.patient.alias) == {}


def test_an_erased_version_does_not_come_back_by_depositing_it_again(world: World) -> None:
    made = world.deposited(world.patient)
    body = world.order(world.patient, "erase", made.handles)
    for place in (1, 2, 3, 4):
        world.receipt(place, "order", body)
    world.keep(made)
    assert _rows(world) == {}
    assert made.handles[0] not in world.directories[1].rows.shares(world.patient.alias)
    late = world.add_custodian(6)
    world.state(world.patient, custodians=(1, 2, 3, 4, 6))
    with pytest.raises(WritingRefused, match="erased"):
        late.call("keep", made.request(5, anchor=made.notice))


def test_a_backup_from_before_an_erasure_opens_nothing(world: World, tmp_path: Path) -> None:
    made = world.deposited(world.patient, count=2)
    backup = tmp_path / "rows.backup"
    world.directories[1].rows.backup(backup)
    world.receipt(1, "order", world.order(world.patient, "erase", made.handles[:1]))
    world.directories[1].close()
    _restore(world, backup)
    directory = world.directories[1] = CustodyDirectory(world.folder / "custodian-1")
    assert directory.rows.version(world.patient.alias, made.handles[0]).state == "kept"  # type: ignore[union-attr]
    assert directory.rows.shares(world.patient.alias) == {}
    custodian = world.custodians[0] = world.start(1)
    assert custodian.lost_shares == 1
    assert directory.rows.version(world.patient.alias, made.handles[0]).state == "erased"  # type: ignore[union-attr]
    assert _rows(world) == {made.handles[1]: ("kept", "unconfirmed", False)}
    world.keep(made, (1,))
    assert _rows(world) == {made.handles[1]: ("kept", "unconfirmed", True)}


def _restore(world: World, backup: Path) -> None:
    folder = world.folder / "custodian-1"
    for name in ("rows.db-wal", "rows.db-shm"):
        (folder / name).unlink(missing_ok=True)
    shutil.copy(backup, folder / "rows.db")


def test_rows_and_journal_from_an_old_backup_serve_nobody(world: World, tmp_path: Path) -> None:
    world.deposited(world.patient)
    world.directories[1].close()
    copy = tmp_path / "copy"
    shutil.copytree(world.folder / "custodian-1", copy)
    world.directories[1] = CustodyDirectory(world.folder / "custodian-1")
    world.custodians[0] = world.start(1)
    world.ask(world.patient, None, rule="own", purpose="PATRQT")
    world.custodians[0].call("checkpoint", b"")
    world.directories[1].close()
    shutil.rmtree(world.folder / "custodian-1")
    shutil.copytree(copy, world.folder / "custodian-1")
    world.directories[1] = CustodyDirectory(world.folder / "custodian-1")
    world.custodians[0] = world.start(1)
    with pytest.raises(CustodianBehind, match="older-than-its-checkpoint"):
        _rows(world)
    with pytest.raises(CustodianBehind):
        world.receipt(1, "order", world.order(world.patient, "erase", ()))
    assert world.custodians[0].call("keys", b"")


def test_an_erasure_attested_on_the_ledger_is_carried_out_again_after_a_restore(
    world: World, tmp_path: Path
) -> None:
    made = world.deposited(world.patient)
    leaf, key = made.leaves[0], world.keys(1).signing
    world.ledger.attest_erased([leaf], b"\1" * 32, 1, key)
    assert world.directories[1].rows.version(world.patient.alias, made.handles[0]).state == "kept"  # type: ignore[union-attr]
    world.restart(1)
    assert _rows(world) == {}
    assert world.directories[1].rows.shares(world.patient.alias) == {}


def test_opening_again_reads_rows_only_for_erasures_that_they_do_not_show(
    world: World, tmp_path: Path
) -> None:
    made = world.deposited(world.patient, count=2)
    backup = tmp_path / "rows.backup"
    world.directories[1].rows.backup(backup)
    world.receipt(1, "order", world.order(world.patient, "erase", made.handles[:1]))
    world.ledger.attest_erased(made.leaves[1:], b"\1" * 32, 1, world.keys(1).signing)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rows, "versions", _dies)
        world.restart(1)
        with pytest.raises(ZeroDivisionError):
            world.custodians[0].call("checkpoint", b"")
    world.custodians[0].call("checkpoint", b"")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rows, "versions", _dies)
        world.restart(1)
        world.custodians[0].call("checkpoint", b"")
    world.directories[1].close()
    _restore(world, backup)
    world.directories[1] = CustodyDirectory(world.folder / "custodian-1")
    world.custodians[0] = world.start(1)
    assert _rows(world) == {}


def test_a_crash_between_the_steps_of_an_erasure_ends_in_the_same_state(world: World) -> None:
    """Each step after which a process can die, told to fail there; the next start finishes the order."""
    for step in ("create", "destroy", "set_state", "owe_attestations"):
        made = world.deposited(world.patient, count=2)
        directory = world.directories[1]
        target = directory.rows._keys if step in ("create", "destroy") else directory.rows
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(target, step, _dies)
            with pytest.raises(ZeroDivisionError):
                world.receipt(1, "order", world.order(world.patient, "erase", made.handles[:1]))
        world.restart(1)
        assert made.handles[0] not in _rows(world), step
        assert _rows(world)[made.handles[1]] == ("kept", "unconfirmed", True), step
        assert made.rows[0][0].share not in _bytes_of(world.folder / "custodian-1")
        name = ShredKeys.name(world.patient.alias, "2026-05")
        assert len([each for each, _ in directory.rows._keys.all() if each == name]) <= 1
        assert world.ledger.fresh_head().erased_by(made.leaves[0]) == {1}, step


def test_an_act_that_failed_half_way_is_finished_before_anything_else(world: World) -> None:
    made = world.deposited(world.patient)
    body = world.order(world.patient, "dispute", made.handles)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.directories[1].rows, "set_mark", _dies)
        with pytest.raises(ZeroDivisionError):
            world.receipt(1, "order", body)
    assert _rows(world)[made.handles[0]][1] == "disputed"
    assert world.receipt(1, "order", body).count == 1


def _dies(*_: object) -> None:
    raise ZeroDivisionError


def test_two_processes_do_not_share_a_directory(world: World) -> None:
    with pytest.raises(DirectoryInUse):
        CustodyDirectory(world.folder / "custodian-1")
    world.restart(1)
