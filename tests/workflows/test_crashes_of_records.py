"""Retracting, amending, moving, showing one record and asking for access, failed at their effects and repeated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from careledger.domain.consents import Grantee, GranteeKind, Permission, Purpose, Scope, Window
from careledger.domain.parties import PartyId
from careledger.workflows.actors import Holder
from careledger.workflows.amend import amend
from careledger.workflows.disclose import disclose
from careledger.workflows.grant import finish_grants, given_consents
from careledger.workflows.move import move
from careledger.workflows.request_access import read_requests, request_access
from careledger.workflows.retract import is_retracted, repeat_retractions, retract
from careledger.workflows.retrieve import Record, newest
from crashing import Trial, crash_everywhere, crash_here_and_there, die
from world import DAY, DIAGNOSIS, World, condition, texts

ONE = (DIAGNOSIS,)


def with_record(world: World) -> tuple[Holder, Record]:
    """An unclaimed patient of the hospital with one diagnosis."""
    holder = world.patient(compartments=ONE)
    world.put(world.writer(), holder.alias, condition(world.doctor))
    return holder, world.read_as_registrar(holder).records[0]


def test_a_retraction_that_crashed_anywhere_hides_the_record_after_it_was_repeated(world: World) -> None:
    def attempt(trial: Trial) -> Callable[[], None]:
        holder, record = with_record(world)
        statement, writer = world.statement(holder.alias), world.writer()
        crashing = replace(writer, organisation=trial.organisation(writer.organisation))
        die(trial, lambda: retract(trial.network, crashing, statement, [record.handle]))

        def finish() -> None:
            retract(world.network, writer, statement, [record.handle])
            assert world.opens(holder) == 0
            assert repeat_retractions(world.network, world.hospital) == 0
            assert is_retracted(world.hospital.books, record.handle)

        return finish

    assert crash_everywhere(world, attempt) == 8


def test_telling_custodians_again_of_a_retraction_that_crashed_anywhere_is_finished(world: World) -> None:
    def attempt(trial: Trial) -> Callable[[], None]:
        holder, record = with_record(world)
        statement, writer = world.statement(holder.alias), world.writer()
        away = {number: world.links.pop(number) for number in statement.custodians[:2]}
        retract(world.network, writer, statement, [record.handle])
        world.links.update(away)
        die(trial, lambda: repeat_retractions(trial.network, trial.organisation(world.hospital)))

        def finish() -> None:
            assert repeat_retractions(world.network, world.hospital) == 0
            assert world.opens(holder) == 0
            for number in statement.custodians:
                kept = world.directories[number].rows.version(holder.alias, record.handle)
                assert kept is not None
                assert kept.state == "retracted"

        return finish

    assert crash_everywhere(world, attempt) == 4


def test_an_amendment_that_crashed_is_there_once_after_it_was_repeated(world: World) -> None:
    def attempt(trial: Trial) -> Callable[[], None]:
        holder, record = with_record(world)
        statement, made = world.statement(holder.alias), condition(world.doctor, "cough")
        writer = world.writer()
        crashing = replace(writer, organisation=trial.organisation(writer.organisation))
        die(trial, lambda: amend(trial.network, crashing, statement, record, made))

        def finish() -> None:
            amend(world.network, writer, statement, record, made)
            read = world.read_as_registrar(holder)
            assert texts(read) == ["asthma", "cough"]
            assert [each.manifest.version for each in newest(read.records)] == [2]

        return finish

    assert crash_here_and_there(world, attempt, 2, 5, 3) >= 8


def test_a_move_that_crashed_ends_with_the_record_on_the_right_person_only(world: World) -> None:
    def attempt(trial: Trial) -> Callable[[], None]:
        (wrong, record), right = with_record(world), world.patient(compartments=ONE)
        writer = world.writer()
        crashing = replace(writer, organisation=trial.organisation(writer.organisation))
        here, there = world.statement(wrong.alias), world.statement(right.alias)
        die(trial, lambda: move(trial.network, crashing, here, crashing, there, [record], "", world.doctor))

        def finish() -> None:
            move(world.network, writer, here, writer, there, [record], "", world.doctor)
            assert world.opens(wrong) == 0
            assert texts(world.read_as_registrar(right)) == ["asthma"]

        return finish

    assert crash_here_and_there(world, attempt, 2, 4, 3) >= 7


def test_a_disclosure_that_crashed_anywhere_shows_one_record_after_it_was_finished(world: World) -> None:
    mine = world.claim(with_record(world)[0]).holder
    record = world.read_own(mine).records[0]

    def attempt(trial: Trial) -> Callable[[], None]:
        before, now = len(given_consents(mine)), world.clock.now()
        grantee = Grantee(GranteeKind.POST, world.outsider.number, PartyId(world.clinic.number))
        asked = (grantee, [record], Purpose.TREAT, Window(now, now + DAY))
        die(trial, lambda: disclose(trial.network, trial.holder(mine), *asked))

        def finish() -> None:
            if not finish_grants(world.network, mine) and len(given_consents(mine)) == before:
                disclose(world.network, mine, *asked)
            shown = world.read_by_consent(world.outsider, mine.alias, handles=[record.handle])
            assert [each.handle for each in shown.records] == [record.handle]

        return finish

    assert crash_everywhere(world, attempt) >= 5


def test_a_request_that_crashed_reaches_the_patient_once_it_was_repeated(world: World) -> None:
    mine = world.claimed(compartments=ONE)
    wanted = Scope(frozenset(ONE), frozenset({Permission.VIEW}))

    def attempt(trial: Trial) -> Callable[[], None]:
        known = {each.id for each in read_requests(world.network, mine)}
        statement, session, now = (
            world.statement(mine.alias),
            world.session(world.outsider),
            world.clock.now(),
        )
        staff = replace(session.staff, organisation=trial.organisation(world.clinic))
        asked = (statement, wanted, Purpose.TREAT, Window(now, now + DAY), "second opinion")
        die(trial, lambda: request_access(trial.network, replace(session, staff=staff), *asked))

        def finish() -> None:
            sent = request_access(world.network, session, *asked)
            fresh = {each.id for each in read_requests(world.network, mine)} - known
            assert sent.id in fresh
            assert len(fresh) <= 2

        return finish

    assert crash_everywhere(world, attempt) == 2
