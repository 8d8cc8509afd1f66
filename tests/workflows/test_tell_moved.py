"""Whoever was shown a record of the wrong person is told, nobody else is, and the logs call it an incident."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from careledger.domain.errors import (
    CareLedgerError,
    MalformedBytes,
    PatientNotFound,
    SignatureRefused,
    WritingRefused,
)
from careledger.domain.records import Ground
from careledger.formats.patients import Envelope
from careledger.formats.persons import Misfiled, MoveNotice
from careledger.formats.signatures import SigningKey
from careledger.formats.signed import sign
from careledger.workflows.actors import Holder, Organisation
from careledger.workflows.audit import audit
from careledger.workflows.epochs import own_statement
from careledger.workflows.move import move
from careledger.workflows.moved import UNTOLD, moved_away, take_misfiled, take_moved
from careledger.workflows.order import MOVE, order
from careledger.workflows.parties import reinstate, suspend
from careledger.workflows.received import fetch_grants
from careledger.workflows.retract import retract
from careledger.workflows.retrieve import Record
from careledger.workflows.tell_moved import DAY, tell_moved, tell_untold
from careledger.workflows.tend import tend
from careledger.workflows.tend_gateway import tend_gateway
from crashing import Trial, crash_everywhere, crash_here_and_there, die
from world import APPEND, DIAGNOSIS, VIEW, World, condition

ONE = (DIAGNOSIS,)


class Mixup:
    """Two patients; a diagnosis of the right one was filed on the wrong one and shown to the outsider."""

    def __init__(self, world: World, claimed: bool = False) -> None:
        self.world, self.right = world, world.patient(compartments=ONE)
        self.wrong = world.patient(compartments=ONE)
        world.put(world.writer(), self.wrong.alias, condition(world.doctor), condition(world.doctor, "gout"))
        if claimed:
            self.wrong = world.claim(self.wrong).holder
        world.grant(self.wrong, world.outsider)
        self.record, self.kept = world.read_by_consent(world.outsider, self.wrong.alias).records

    def move(self, record: Record | None = None) -> None:
        writer = self.world.writer()
        here, there = own_statement(self.wrong)[0], own_statement(self.right)[0]
        asked = (writer, here, writer, there, [record or self.record], "the right person", self.world.doctor)
        move(self.world.network, *asked)

    def told(self) -> list[tuple[int, bytes]]:
        """What the outsider's organisation knows of it."""
        fetch_grants(self.world.network, self.world.clinic)
        return list(moved_away(self.world.clinic))


def test_whoever_had_read_it_is_told_at_once_where_the_mover_keeps_the_keys(world: World) -> None:
    mixup = Mixup(world)
    assert mixup.told() == []
    mixup.move()
    assert mixup.told() == [(world.outsider.number, mixup.record.handle)]
    [notice] = moved_away(world.clinic).values()
    assert (notice.alias, notice.handles) == (mixup.wrong.alias, (mixup.record.handle,))
    assert mixup.right.alias not in notice.encode()
    fetch_grants(world.network, world.pharmacy)
    assert moved_away(world.pharmacy) == {}


def test_the_logs_of_the_wrong_person_call_it_an_incident(world: World) -> None:
    mixup = Mixup(world)
    mixup.move()
    found = audit(world.network, mixup.wrong)
    incidents = [entry for log in found.logs for entry in log.entries if entry.event == "incident"]
    assert len(incidents) == 5
    said = {(each.reader, each.employer, each.reason, each.handles) for each in incidents}
    assert said == {(world.doctor.number, world.hospital.number, "retract", (mixup.record.handle,))}


def test_a_claimed_patients_agent_tells_once_and_looks_once_a_day(world: World) -> None:
    mixup = Mixup(world, claimed=True)
    assert tend(world.network, mixup.wrong).moved == 0
    mixup.move()
    assert mixup.told() == []
    assert tend(world.network, mixup.wrong).moved == 0
    world.clock.advance(DAY)
    assert tend(world.network, mixup.wrong).moved == 1
    assert mixup.told() == [(world.outsider.number, mixup.record.handle)]
    again = tell_moved(world.network, mixup.wrong)
    assert (again.incidents, again.told, again.done) == (1, 0, True)


def test_who_read_before_the_patient_claimed_is_told_too(world: World) -> None:
    mixup = Mixup(world)
    mixup.wrong = world.claim(mixup.wrong).holder
    mixup.move()
    assert tell_moved(world.network, mixup.wrong).told == 1
    assert mixup.told() == [(world.outsider.number, mixup.record.handle)]


def test_a_retraction_without_a_successor_and_a_wish_to_dispute_tell_nobody(world: World) -> None:
    mixup = Mixup(world)
    retract(world.network, world.writer(), own_statement(mixup.wrong)[0], [mixup.record.handle])
    assert tell_moved(world.network, mixup.wrong).incidents == 0
    order(world.network, mixup.wrong, MOVE, [mixup.kept.handle], "other-person")
    assert tell_moved(world.network, mixup.wrong).told == 1
    assert mixup.told() == [(world.outsider.number, mixup.kept.handle)]


def test_an_organisation_that_nothing_can_be_sealed_to_is_told_later(world: World) -> None:
    mixup = Mixup(world)
    suspend(world.network, world.officers[0], world.clinic.number)
    mixup.move()
    assert tend_gateway(world.network, world.hospital).moves == 1
    assert mixup.told() == []
    reinstate(world.network, world.officers[0], world.clinic.number)
    assert tend_gateway(world.network, world.hospital).moves == 0
    assert mixup.told() == [(world.outsider.number, mixup.record.handle)]


def test_while_a_custodians_log_is_missing_somebody_may_not_be_told_yet(world: World) -> None:
    mixup = Mixup(world)
    gone = own_statement(mixup.wrong)[0].custodians[0]
    link = world.links.pop(gone)
    mixup.move()
    assert mixup.told() == [(world.outsider.number, mixup.record.handle)]
    assert tend_gateway(world.network, world.hospital).moves == 1
    world.links[gone] = link
    assert tend_gateway(world.network, world.hospital).moves == 0


def test_another_registrar_is_told_by_the_depositor_and_tells_the_readers(world: World) -> None:
    mixup = Mixup(world)
    append = world.grant(mixup.wrong, world.outsider, permissions=(VIEW, APPEND))
    referred = world.writer(world.outsider, Ground.APPEND, append)
    world.put(referred, mixup.wrong.alias, condition(world.outsider, "flu"))
    reader = world.staff(world.clinic, 66)
    world.grant(mixup.wrong, reader)
    [record] = [
        each
        for each in world.read_by_consent(reader, mixup.wrong.alias).records
        if each.manifest.depositor == 60
    ]
    here, there = own_statement(mixup.wrong)[0], own_statement(mixup.right)[0]
    taking = world.grant(mixup.right, world.outsider, permissions=(APPEND,))
    right_writer = world.writer(world.outsider, Ground.APPEND, taking)
    move(world.network, referred, here, right_writer, there, [record], "", world.outsider)
    assert (reader.number, record.handle) not in mixup.told()
    assert tend_gateway(world.network, world.hospital).moves == 0
    tend_gateway(world.network, world.hospital)
    assert (reader.number, record.handle) in mixup.told()


# Strangers ---------------------------------------------------------------------------------------


def test_nobody_but_the_wrong_persons_controller_tells_an_organisation_anything(world: World) -> None:
    mixup = Mixup(world)
    head, deployment = world.ledger.fresh_head().head, world.ledger.deployment
    made = MoveNotice(
        mixup.wrong.alias, world.clinic.number, world.outsider.number, (mixup.kept.handle,), head.number, 0
    )

    def take(notice: MoveNotice, by: Holder) -> None:
        envelope = Envelope(MoveNotice.TYPE, sign(notice, by.controller, deployment), None)
        take_moved(world.network, world.clinic, envelope)

    for notice, by, refusal in (
        (made, mixup.right, SignatureRefused),
        (replace(made, employer=world.hospital.number), mixup.wrong, MalformedBytes),
        (replace(made, alias=b"\1" * 32), mixup.wrong, PatientNotFound),
        (replace(made, block=head.number + 9), mixup.wrong, CareLedgerError),
    ):
        with pytest.raises(refusal):
            take(notice, by)
    assert moved_away(world.clinic) == {}
    take(made, mixup.wrong)
    assert list(moved_away(world.clinic)) == [(world.outsider.number, mixup.kept.handle)]


def test_a_stranger_moves_nothing_and_so_nobody_is_told(world: World) -> None:
    mixup = Mixup(world)
    writer, strange = world.writer(), world.writer(world.outsider, Ground.UNASKED)
    here, there = own_statement(mixup.wrong)[0], own_statement(mixup.right)[0]
    with pytest.raises(WritingRefused, match="another organisation"):
        move(world.network, strange, here, writer, there, [mixup.record], "", world.doctor)
    assert mixup.told() == []


# Crashes -----------------------------------------------------------------------------------------


def test_notices_that_crashed_anywhere_reach_the_reader_after_they_were_repeated(world: World) -> None:
    mixup, number = Mixup(world), iter(range(100, 1_000))

    def attempt(trial: Trial) -> Callable[[], None]:
        made = world.put(world.writer(), mixup.wrong.alias, condition(world.doctor, "next"))
        handles = list(made.handles.values())
        reader = world.staff(world.clinic, next(number))
        world.grant(mixup.wrong, reader, permissions=(VIEW,))
        world.read_by_consent(reader, mixup.wrong.alias, handles=handles)
        order(world.network, mixup.wrong, MOVE, handles, "other-person")
        die(trial, lambda: tell_moved(trial.network, trial.holder(mixup.wrong)))

        def finish() -> None:
            tell_moved(world.network, mixup.wrong)
            assert (reader.number, handles[0]) in mixup.told()

        return finish

    assert crash_everywhere(world, attempt) == 7  # five custodians' logs, the board, the books


def test_a_move_that_crashed_ends_with_everybody_told(world: World) -> None:
    def attempt(trial: Trial) -> Callable[[], None]:
        mixup = Mixup(world)
        writer = world.writer()
        crashing = replace(writer, organisation=trial.organisation(writer.organisation))
        here, there = own_statement(mixup.wrong)[0], own_statement(mixup.right)[0]
        asked = (crashing, here, crashing, there, [mixup.record], "", world.doctor)
        die(trial, lambda: move(trial.network, *asked))

        def finish() -> None:
            mixup.move()
            assert (world.outsider.number, mixup.record.handle) in mixup.told()

        return finish

    assert crash_here_and_there(world, attempt, 1, 2, 8) >= 9


def test_a_registrar_that_nothing_can_be_sealed_to_is_told_later_and_believes_no_stranger(
    world: World,
) -> None:
    mixup = Mixup(world)
    world.clinic.books.put(UNTOLD, [(mixup.wrong.alias, b"x")])
    suspend(world.network, world.officers[0], world.hospital.number)
    assert tell_untold(world.network, world.clinic) == 1
    reinstate(world.network, world.officers[0], world.hospital.number)
    assert tell_untold(world.network, world.clinic) == 0
    made = Misfiled(mixup.wrong.alias, world.clinic.number, 0)
    deployment = world.ledger.deployment

    def take(told: Misfiled, key: SigningKey, at: Organisation) -> None:
        take_misfiled(world.network, at, Envelope(Misfiled.TYPE, sign(told, key, deployment), None))

    for told, key, at, refusal in (
        (made, world.pharmacy.controller, world.hospital, SignatureRefused),
        (made, world.clinic.controller, world.clinic, PatientNotFound),
        (replace(made, alias=b"\1" * 32), world.clinic.controller, world.hospital, PatientNotFound),
    ):
        with pytest.raises(refusal):
            take(told, key, at)
    assert list(world.hospital.books.rows(UNTOLD)) == []
    fetch_grants(world.network, world.hospital)
    assert [alias for alias, _ in world.hospital.books.rows(UNTOLD)] == [mixup.wrong.alias]
