"""A treating doctor accepts what was deposited unasked; others do not, and readers look for themselves."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from careledger.adapters.custody.directory import CustodyDirectory
from careledger.domain.consents import Purpose
from careledger.domain.errors import AccessRefused, CareLedgerError, SignatureRefused
from careledger.domain.parties import PartyId
from careledger.domain.records import Ground, RecordVersion, Source
from careledger.formats.releases import MOST_ACCEPTED, Acceptance, AcceptanceProof
from careledger.formats.signed import sign
from careledger.workflows.accept import accept
from careledger.workflows.accepted import is_accepted
from careledger.workflows.accesses import by_consent, by_holder
from careledger.workflows.actors import Staff
from careledger.workflows.asking import Access
from careledger.workflows.audit import audit
from careledger.workflows.epochs import own_statement
from careledger.workflows.order import ACCEPT, order
from careledger.workflows.received import fetch_grants, live_grant
from careledger.workflows.replace_custodian import replace_custodian
from careledger.workflows.retrieve import Record, Retrieved
from careledger.workflows.revoke import revoke
from careledger.workflows.rotate_keys import rotate
from crashing import Trial, crash_everywhere, die
from world import DIAGNOSIS, REPORT, World, condition, texts

ONE = (DIAGNOSIS,)


class Told:
    """A claimed patient, a treating doctor, a nurse with a consent, and a diagnosis that was deposited unasked."""

    def __init__(self, world: World) -> None:
        self.world, self.mine = world, world.claimed(compartments=ONE)
        self.nurse = world.nurse
        self.consent = world.grant(self.mine, world.doctor)
        world.grant(self.mine, self.nurse)
        unasked = world.writer(world.outsider, Ground.UNASKED)
        made = world.put(unasked, self.mine.alias, condition(world.outsider, "gout"))
        self.handles = list(made.handles.values())

    def access(self, staff: Staff) -> Access:
        fetch_grants(self.world.network, staff.organisation)
        received = live_grant(self.world.network, staff, self.mine.alias, "TREAT")
        return by_consent(self.world.session(staff), received)

    def accept(self, staff: Staff, handles: list[bytes] | None = None) -> int:
        world, access = self.world, self.access(staff)
        statement = world.statement(self.mine.alias)
        session = world.session(staff)
        return len(
            accept(world.network, session, access, statement, self.handles if handles is None else handles)
        )

    def seen(self, staff: Staff) -> list[str]:
        return texts(self.read(staff))

    def read(self, staff: Staff) -> Retrieved:
        return self.world.read_by_consent(staff, self.mine.alias)


def test_what_a_treating_doctor_accepts_is_seen_by_whoever_has_a_consent(world: World) -> None:
    told = Told(world)
    [before] = told.read(world.doctor).records
    assert (before.apart, before.distrust) == (True, "")
    assert told.seen(told.nurse) == []
    assert told.accept(world.doctor) == 5
    [after] = told.read(told.nurse).records
    assert (after.apart, after.distrust) == (False, "")
    [own] = world.read_own(told.mine).records
    assert not own.apart


def test_the_acceptance_stands_in_the_patients_log_with_doctor_and_consent(world: World) -> None:
    told = Told(world)
    told.accept(world.doctor)
    found = audit(world.network, told.mine)
    lines = [entry for log in found.logs for entry in log.entries if entry.reason == "accept"]
    assert len(lines) == 5
    said = {(each.event, each.reader, each.employer, each.rule, each.purpose, each.handles) for each in lines}
    doctor = world.doctor
    assert said == {
        ("order", doctor.number, doctor.organisation.number, "consent", "TREAT", tuple(told.handles))
    }
    assert {each.commitment for each in lines} == {told.consent.commitment}


def test_who_does_not_treat_the_patient_accepts_nothing(world: World) -> None:
    told = Told(world)
    stranger = world.staff(world.hospital, 54)
    with pytest.raises(AccessRefused, match="other-grantee"):
        _accept_with(told, stranger, told.access(world.doctor))
    with pytest.raises(AccessRefused, match="kept-apart"):
        told.accept(told.nurse)
    world.grant(told.mine, world.outsider)
    with pytest.raises(AccessRefused, match="own-deposit"):
        told.accept(world.outsider)
    statement, _ = own_statement(told.mine)
    own = by_holder(world.network, told.mine, statement, ONE)
    with pytest.raises(AccessRefused, match="no-consent"):
        _accept_with(told, world.doctor, own)
    assert told.seen(told.nurse) == []


def _accept_with(told: Told, staff: Staff, access: Access) -> None:
    statement = told.world.statement(told.mine.alias)
    accept(told.world.network, told.world.session(staff), access, statement, told.handles)


def test_a_consent_that_was_revoked_or_is_for_payment_accepts_nothing(world: World) -> None:
    told = Told(world)
    access = told.access(world.doctor)
    revoke(world.network, told.mine, told.consent.owner)
    with pytest.raises(AccessRefused, match="consent-revoked"):
        _accept_with(told, world.doctor, access)
    paid = world.grant(told.mine, world.doctor, purpose=Purpose.COVERAGE)
    paying = replace(access, certificate=paid.given.certificate, purpose=Purpose.COVERAGE)
    with pytest.raises(AccessRefused, match="kept-apart"):
        _accept_with(told, world.doctor, paying)
    reports = world.grant(told.mine, world.doctor, (REPORT,))
    with pytest.raises(AccessRefused, match="other-category"):
        _accept_with(told, world.doctor, replace(access, certificate=reports.given.certificate))
    assert told.seen(told.nurse) == []


def test_an_acceptance_by_another_key_of_another_time_or_of_another_patients_record_is_refused(
    world: World,
) -> None:
    told, other = Told(world), Told(world)
    world.clock.advance(1_000)
    access, session, now = told.access(world.doctor), world.session(), world.clock.now()
    head = world.ledger.fresh_head().head
    made = Acceptance(
        b"\1" * 16, told.mine.alias, world.doctor.number, world.hospital.number, "TREAT", tuple(told.handles),
        head.number, now,
    )  # fmt: skip
    link = world.links[own_statement(told.mine)[0].custodians[0]]

    def send(by: Staff = world.doctor, **changes: object) -> None:
        changed = replace(made, **changes)  # type: ignore[arg-type]
        key = session.key if by is world.doctor else by.key
        signed = sign(changed, key, world.ledger.deployment)
        link.call("accept", AcceptanceProof(signed, session.proof, access.certificate).encode())

    attempts: tuple[Callable[[], object], ...] = (
        lambda: send(by=world.outsider),
        lambda: send(post=world.nurse.number),
        lambda: send(handles=()),
        lambda: send(handles=(*told.handles, *other.handles)),
        lambda: send(handles=(*told.handles, b"\7" * 32)),
        lambda: send(made=now - 121),
        lambda: send(made=now + 121),
        lambda: send(block=head.number + 1),
        lambda: send(block=1),
    )
    for refused in attempts:
        with pytest.raises(CareLedgerError):
            refused()
    signed = sign(made, session.key, world.ledger.deployment)
    with pytest.raises(SignatureRefused):
        link.call("accept", AcceptanceProof(signed, None, access.certificate).encode())
    assert told.seen(told.nurse) == []
    send()
    send()
    with pytest.raises(CareLedgerError, match="acceptance id"):
        send(handles=tuple(told.handles), purpose="COC")


def test_more_than_one_message_carries_are_accepted_in_several(world: World) -> None:
    told = Told(world)
    unasked = world.writer(world.outsider, Ground.UNASKED)
    many = [condition(world.outsider, str(number)) for number in range(MOST_ACCEPTED)]
    made = world.put(unasked, told.mine.alias, *many)
    assert told.accept(world.doctor, [*told.handles, *made.handles.values()]) == 10
    assert len(told.seen(told.nurse)) == MOST_ACCEPTED + 1
    with pytest.raises(CareLedgerError):
        order(world.network, told.mine, ACCEPT, [*told.handles, *made.handles.values()], "wish")


# Readers look again ------------------------------------------------------------------------------


def test_a_reader_believes_no_custodian_that_calls_it_accepted_without_a_proof(world: World) -> None:
    told = Told(world)
    for number in world.links:
        rows = world.directories[number].rows
        rows.accept(told.mine.alias, told.handles, _forged(told).encode())
    [read] = told.read(told.nurse).records
    assert read.apart
    assert "deposited unasked" in read.distrust


def _forged(told: Told) -> AcceptanceProof:
    """A doctor's own acceptance of what the doctor deposited, which no honest custodian takes."""
    world = told.world
    consent = world.grant(told.mine, world.outsider)
    head = world.ledger.fresh_head().head
    made = Acceptance(
        b"\2" * 16, told.mine.alias, world.outsider.number, world.clinic.number, "TREAT", tuple(told.handles),
        head.number, head.time,
    )  # fmt: skip
    session = world.session(world.outsider)
    return AcceptanceProof(
        sign(made, session.key, world.ledger.deployment), session.proof, consent.given.certificate
    )


def test_a_reader_takes_the_patients_order_as_proof_also_after_new_keys(world: World) -> None:
    told = Told(world)
    order(world.network, told.mine, ACCEPT, told.handles, "wish")
    [read] = told.read(told.nurse).records
    assert (read.apart, read.distrust) == (False, "")
    [proof] = read.found.acceptances
    version = _version(told, read)
    assert is_accepted(world.network, 0, read.found, version)
    for wrong in (replace(version, handle=b"\5" * 32), replace(version, alias=b"\5" * 32)):
        assert not is_accepted(world.network, 0, read.found, wrong)
    stranger = world.claimed(compartments=ONE)
    forged = replace(
        proof, statement=replace(proof.statement, signature=stranger.controller.sign(b"\1" * 32))
    )
    read.found.acceptances[:] = [forged]
    assert not is_accepted(world.network, 0, read.found, version)
    rotated = rotate(world.network, told.mine)
    assert not world.read_own(rotated).records[0].apart


def _version(told: Told, read: Record) -> RecordVersion:
    """The version as a reader takes it to the decision."""
    return RecordVersion(
        told.mine.alias, read.handle, DIAGNOSIS, Source.SIGNED, Ground.UNASKED, PartyId(told.world.clinic.number)
    )  # fmt: skip


# What is kept ------------------------------------------------------------------------------------


def test_a_restored_custodian_and_a_new_one_know_what_was_accepted(world: World, tmp_path: Path) -> None:
    told = Told(world)
    listed = own_statement(told.mine)[0].custodians
    restored, backup = world.directories[listed[1]], tmp_path / "rows.backup"
    restored.rows.backup(backup)
    told.accept(world.doctor)
    restored.close()
    for file in (world.folder / f"custodian-{listed[1]}").glob("rows.db*"):
        file.unlink()
    shutil.copy(backup, world.folder / f"custodian-{listed[1]}" / "rows.db")
    world.directories[listed[1]] = CustodyDirectory(world.folder / f"custodian-{listed[1]}")
    world.start_custodian(listed[1])
    [row] = world.directories[listed[1]].rows.versions(told.mine.alias)
    assert row.accepted
    world.add_custodian(6)
    access = by_holder(world.network, told.mine, own_statement(told.mine)[0], ())
    replace_custodian(world.network, told.mine, access, listed[0], 6)
    [row] = world.directories[6].rows.versions(told.mine.alias)
    assert row.accepted
    for number in listed[2:]:
        del world.links[number]
    [read] = told.read(told.nurse).records
    assert (read.apart, read.distrust) == (False, "")


def test_an_acceptance_that_crashed_anywhere_counts_after_it_was_repeated(world: World) -> None:
    told = Told(world)
    number = iter(range(1_000))

    def attempt(trial: Trial) -> Callable[[], None]:
        code = f"cough {next(number)}"
        unasked = world.writer(world.outsider, Ground.UNASKED)
        made = world.put(unasked, told.mine.alias, condition(world.outsider, code))
        access, session = told.access(world.doctor), world.session()
        asked = (session, access, world.statement(told.mine.alias), list(made.handles.values()))
        die(trial, lambda: accept(trial.network, *asked))

        def finish() -> None:
            accept(world.network, *asked)
            assert code in told.seen(told.nurse)

        return finish

    assert crash_everywhere(world, attempt) == 5
