"""Crashes of what is done to parties: registering, verifying, suspending, keys, teams, custodians, emergencies."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from careledger.adapters.books.memory import MemoryBooks
from careledger.adapters.custody.directory import CustodyDirectory, install
from careledger.adapters.custody.plain_keys import InsecurePlainKeys
from careledger.adapters.memory.locator import InProcessLocator
from careledger.domain.consents import Purpose
from careledger.domain.errors import ActRefused, CareLedgerError
from careledger.domain.parties import Role, Status
from careledger.formats.digests import digest
from careledger.formats.releases import EmergencyProposal
from careledger.formats.signatures import SigningKey
from careledger.sealing.keys import SealingKey, Secret
from careledger.workflows import break_glass, find, parties, register
from careledger.workflows import emergencies as emergencies_here
from careledger.workflows.actors import Organisation, Staff
from careledger.workflows.epochs import own_statement, repeat_enrolments
from careledger.workflows.identity_index import COMPLETE, INDEX
from careledger.workflows.identity_rows import Identity
from careledger.workflows.located import located
from careledger.workflows.match import Asker, match
from careledger.workflows.register import finish_patients
from careledger.workflows.request_access import read_requests
from careledger.workflows.retrieve import retrieve
from crashing import Attempt, Finish, Scenario, Trial, die, first_some_last
from world import DIAGNOSIS, LICENCE, World, condition, texts

ONE = (DIAGNOSIS,)
NUMBERS = itertools.count(1000)
Act = Callable[[Any], object]
"""Something done over a network, the trial's or the real one."""


def repeated(world: World, trial: Trial, act: Act, holds: Callable[[], None]) -> Finish:
    """Done until the crash; then done again, twice, and what has to hold."""
    die(trial, lambda: act(trial.network))

    def finish() -> None:
        act(world.network)
        head = world.ledger.fresh_head().head
        act(world.network)
        assert world.ledger.fresh_head().head == head  # nothing was left to do
        holds()

    return finish


def unregistered(role: Role = Role.CENTRE) -> Organisation:
    return Organisation(
        next(NUMBERS), role, SigningKey.random(), SealingKey.random(), SealingKey.random(), Secret.random(),
        MemoryBooks(),
    )  # fmt: skip


def standing(world: World, number: int) -> Status:
    facts = world.ledger.fresh_head().party(number)
    return facts.standing if facts else Status.UNKNOWN


def proposing(world: World) -> Attempt:
    def attempt(trial: Trial) -> Finish:
        actor = unregistered()

        def act(network: Any) -> None:
            register.organisation(network, actor, {Role.CENTRE}, LICENCE)
            register.verify(network, world.officers[0], actor.number, LICENCE, actor.sealing.digest)

        def holds() -> None:
            assert standing(world, actor.number) is Status.VERIFIED

        return repeated(world, trial, act, holds)

    return attempt


def vouching(world: World) -> Attempt:
    def attempt(trial: Trial) -> Finish:
        staff = Staff(next(NUMBERS), world.clinic, SigningKey.random())

        def act(network: Any) -> None:
            register.post(network, staff, {Role.DOCTOR}, LICENCE)

        def holds() -> None:
            assert standing(world, staff.number) is Status.VERIFIED

        return repeated(world, trial, act, holds)

    return attempt


def standing_changes(world: World) -> Attempt:
    """Suspended, reinstated and suspended again, then removed; a step that was not reached is taken by repeating."""
    officer = world.officers[0]

    def attempt(trial: Trial) -> Finish:
        number = world.organisation(next(NUMBERS)).number
        steps = (parties.suspend, parties.reinstate, parties.remove)
        done: list[object] = []
        die(trial, lambda: done.extend(step(trial.network, officer, number) for step in steps))

        def finish() -> None:
            after = (Status.VERIFIED, Status.SUSPENDED, Status.VERIFIED, Status.REMOVED)
            assert standing(world, number) in after
            if standing(world, number) is not Status.REMOVED:
                parties.suspend(world.network, officer, number)
                parties.reinstate(world.network, officer, number)
            parties.remove(world.network, officer, number)
            assert standing(world, number) is Status.REMOVED

        return finish

    return attempt


def rotating_parties(world: World) -> Attempt:
    def attempt(trial: Trial) -> Finish:
        actor, new, newer = world.organisation(next(NUMBERS)), SigningKey.random(), SigningKey.random()
        staff = world.staff(actor, next(NUMBERS))

        def act(network: Any) -> None:
            parties.rotate_post(network, staff, newer)
            parties.rotate_organisation(network, actor, new)

        def holds() -> None:
            view = world.ledger.fresh_head()
            keys = [facts.controller for facts in map(view.party, (actor.number, staff.number)) if facts]
            assert keys == [new.address, newer.address]

        return repeated(world, trial, act, holds)

    return attempt


def teams(world: World) -> Attempt:
    def attempt(trial: Trial) -> Finish:
        team, staff = next(NUMBERS), world.staff(world.clinic, next(NUMBERS))

        def act(network: Any) -> None:
            parties.create_team(network, world.clinic, team)
            parties.join_team(network, staff, team)

        def holds() -> None:
            assert world.ledger.fresh_head().in_team(staff.number, team)
            with pytest.raises(CareLedgerError):  # a number that another organisation has
                parties.create_team(world.network, world.hospital, team)

        return repeated(world, trial, act, holds)

    return attempt


def changed_teams(world: World) -> Attempt:
    def attempt(trial: Trial) -> Finish:
        team, above = next(NUMBERS), next(NUMBERS)
        for each in (team, above):
            parties.create_team(world.network, world.clinic, each)

        def act(network: Any) -> None:
            parties.move_team(network, world.clinic, team, above)
            parties.end_team(network, world.clinic, team)

        def finish() -> None:
            with suppress(ActRefused):  # it was given up before
                parties.move_team(world.network, world.clinic, team, above)
            parties.end_team(world.network, world.clinic, team)
            parties.end_team(world.network, world.clinic, team)
            assert world.ledger.fresh_head().team(team) == (world.clinic.number, above)
            assert not world.ledger.fresh_head().team_stands(team)
            for each in (parties.move_team, parties.end_team):
                with pytest.raises(ActRefused):
                    each(world.network, world.hospital, above)

        die(trial, lambda: act(trial.network))
        return finish

    return attempt


def leaving_posts(world: World) -> Attempt:
    def attempt(trial: Trial) -> Finish:
        team, staff = next(NUMBERS), world.staff(world.clinic, next(NUMBERS))
        parties.create_team(world.network, world.clinic, team)
        parties.join_team(world.network, staff, team)

        def act(network: Any) -> None:
            parties.leave_team(network, staff, team)
            parties.end_post(network, staff)

        def holds() -> None:
            assert not world.ledger.fresh_head().in_team(staff.number, team)
            assert standing(world, staff.number) is Status.REMOVED

        return repeated(world, trial, act, holds)

    return attempt


def custodianship(world: World) -> Attempt:
    """A member becomes a custodian, announces that it leaves, and is retired."""

    def attempt(trial: Trial) -> Finish:
        number = next(NUMBERS)
        path = world.folder / f"custodian-{number}"
        install(path, InsecurePlainKeys())
        world.directories[number] = CustodyDirectory(path)
        keys = world.custody_keys(number)
        actor = world.organisation(number, sealing=keys.sealing)
        log_key, officer = digest("log-key", keys.log.verifier.public), world.officers[0]

        def become(network: Any) -> None:
            register.custodian(network, actor, log_key, keys.signing, officer)

        def leave(network: Any) -> None:
            parties.leave_custodians(network, actor)
            parties.retire_custodian(network, officer, number)

        def join_and_leave() -> None:
            become(trial.network)
            leave(trial.network)

        die(trial, join_and_leave)

        def finish() -> None:
            if world.ledger.fresh_head().custodian(number) is None:
                become(world.network)
            if any(each.number == number for each in world.ledger.fresh_head().custodians()):
                leave(world.network)
            parties.retire_custodian(world.network, officer, number)
            view = world.ledger.fresh_head()
            assert all(each.number != number for each in view.custodians())
            assert any(each.number == number for each in view.custodians_ever())

        return finish

    return attempt


def registering(world: World) -> Attempt:
    def attempt(trial: Trial) -> Finish:
        national_id = f"1990-{next(NUMBERS)}"
        person = Identity(bytes(32), bytes(16), "", "Karim", national_id, "1990-04-02", bytes(32))
        known = {alias for alias, _ in world.hospital.books.rows(register.IDENTITY)}
        asked = (person, True, [DIAGNOSIS.number])
        die(trial, lambda: register.patient(trial.network, trial.organisation(world.hospital), *asked))

        def finish() -> None:
            assert finish_patients(world.network, world.hospital) == 0
            made = [alias for alias, _ in world.hospital.books.rows(register.IDENTITY) if alias not in known]
            if not made:  # it died before anything of this person was written down
                made = [register.patient(world.network, world.hospital, *asked).alias]
            assert finish_patients(world.network, world.hospital) == 0
            assert len(made) == 1
            holder = register.kept_holder(world.hospital, made[0])
            assert repeat_enrolments(world.network, holder) == 0
            world.put(world.writer(), holder.alias, condition(world.doctor))
            assert texts(world.read_as_registrar(holder)) == ["asthma"]
            journals = [world.directories[number].journal for number in own_statement(holder)[0].custodians]
            epochs = [
                [kept.digest for kept in each.epochs(holder.alias, DIAGNOSIS.number)] for each in journals
            ]
            assert epochs == [epochs[0]] * len(journals)  # sealed under one that all know
            if not trial.plan.failed:
                assert texts(world.read_own(world.claim(holder).holder)) == ["asthma"]

        return finish

    return attempt


def emergencies(world: World) -> Attempt:
    holder = world.patient(compartments=ONE)
    world.put(world.writer(), holder.alias, condition(world.doctor))
    second, officer = world.staff(world.clinic, next(NUMBERS), Role.NURSE), world.officers[0]

    def attempt(trial: Trial) -> Finish:
        asked = (second, holder.alias, "unconscious")
        opener = world.staff(world.clinic, next(NUMBERS))
        die(trial, lambda: break_glass.open_emergency(trial.network, trial.staff(opener), *asked))

        def finish() -> None:
            opened = break_glass.open_emergency(world.network, opener, *asked)
            head = world.ledger.fresh_head().head
            assert break_glass.open_emergency(world.network, opener, *asked) == opened
            assert world.ledger.fresh_head().head == head  # one entry, one review
            access = break_glass.emergency_access(world.session(opener), opened)
            read = retrieve(world.network, access, own_statement(holder)[0], ONE)
            assert texts(read) == ["asthma"]
            break_glass.review(world.network, opened.entry, True, officer.post, officer.key)

        return finish

    return attempt


def proposed_emergencies(world: World) -> Attempt:
    holder, employer = world.patient(compartments=ONE), world.clinic
    second = world.staff(employer, next(NUMBERS), Role.NURSE)

    def attempt(trial: Trial) -> Finish:
        opener, now = world.staff(employer, next(NUMBERS)), world.network.clock.now()
        id = secrets.token_bytes(16)
        asked = EmergencyProposal(id, opener.number, holder.alias, "unconscious", (), 3600, now, 0)
        emergencies_here.propose_emergency(opener, asked)
        die(
            trial,
            lambda: emergencies_here.confirm_emergency(
                trial.network, trial.staff(opener), trial.staff(second), id
            ),
        )

        def finish() -> None:
            opened = emergencies_here.confirm_emergency(world.network, opener, second, id)
            head = world.ledger.fresh_head().head
            assert emergencies_here.confirm_emergency(world.network, opener, second, id) == opened
            assert world.ledger.fresh_head().head == head  # one entry, one review
            mine = [each for each in emergencies_here.opened_here(employer) if each.entry == opened.entry]
            assert [each.opening for each in mine] == [opened.opening]

        return finish

    return attempt


def reviews(world: World) -> Attempt:
    second, officer = world.staff(world.clinic, next(NUMBERS), Role.NURSE), world.officers[0]

    def attempt(trial: Trial) -> Finish:
        opener = world.staff(world.clinic, next(NUMBERS))
        opened = break_glass.open_emergency(world.network, opener, second, bytes(32), "unconscious")

        said = (opened.entry, True, officer.post, officer.key)
        die(trial, lambda: break_glass.review(trial.network, *said))

        def finish() -> None:
            break_glass.review(world.network, *said)
            facts = world.ledger.fresh_head().break_glass(opened.entry)
            assert facts is not None
            assert facts.reviewed

        return finish

    return attempt


def finding(world: World) -> Attempt:
    """The member that answers dies: whoever is found by the repeated question was told."""
    person = Identity(bytes(32), bytes(16), "", "Karim", f"77-{next(NUMBERS)}", "1990-04-02", bytes(32))
    mine = world.claim(world.patient(identity=person, compartments=())).holder
    sought = find.Sought(national_id=person.national_id)

    def attempt(trial: Trial) -> Finish:
        dying, sound = InProcessLocator(), InProcessLocator()
        member = trial.organisation(world.hospital)
        dying.join(member.number, lambda body: find.answer(trial.network, member, body))
        sound.join(member.number, lambda body: find.answer(world.network, world.hospital, body))
        asker = world.staff(world.clinic, next(NUMBERS))
        session = world.session(asker)
        die(trial, lambda: find.find(trial.network, dying, session, sought))

        def finish() -> None:
            [match] = find.find(world.network, sound, session, sought).matches
            assert match.alias == mine.alias
            read_requests(world.network, mine)
            told = [each.reader for each in located(mine)]
            assert 1 <= told.count(asker.number) <= 2

        return finish

    return attempt


def matching(world: World) -> Attempt:
    """Whoever is named by the repeated question was told; the table's index is made in each trial."""
    person = Identity(bytes(32), bytes(16), "", "Selina", f"79-{next(NUMBERS)}", "1990-04-02", bytes(32))
    mine = world.claim(world.patient(identity=person, compartments=())).holder

    def attempt(trial: Trial) -> Finish:
        nurse = world.staff(world.hospital, next(NUMBERS), Role.NURSE)
        dying = replace(nurse, organisation=trial.organisation(world.hospital))
        world.hospital.books.drop(INDEX, [COMPLETE])
        die(trial, lambda: match(trial.network, Asker(dying, Purpose.TREAT), [person], 1))

        def finish() -> None:
            [found] = match(world.network, Asker(nurse, Purpose.TREAT), [person], 1)
            assert found.row.alias == mine.alias
            read_requests(world.network, mine)
            assert 1 <= [each.reader for each in located(mine)].count(nurse.number) <= 2

        return finish

    return attempt


def told_of_it(world: World) -> Attempt:
    """The person's agent dies while it takes what the board has."""
    person = Identity(bytes(32), bytes(16), "", "Rahim", f"78-{next(NUMBERS)}", "1990-04-02", bytes(32))
    mine = world.claim(world.patient(identity=person, compartments=())).holder
    locator = InProcessLocator()
    locator.join(world.hospital.number, lambda body: find.answer(world.network, world.hospital, body))

    def attempt(trial: Trial) -> Finish:
        asker = world.staff(world.clinic, next(NUMBERS))
        sought = find.Sought(national_id=person.national_id)
        find.find(world.network, locator, world.session(asker), sought)
        die(trial, lambda: read_requests(trial.network, trial.holder(mine)))

        def finish() -> None:
            read_requests(world.network, mine)
            assert [each.reader for each in located(mine)].count(asker.number) == 1

        return finish

    return attempt


SCENARIOS = {
    "an organisation is registered and verified": Scenario(
        ("register.organisation", "register.verify"), proposing, 2
    ),
    "a post is vouched for": Scenario(("register.post",), vouching, 1),
    "a patient is registered": Scenario(
        ("register.patient", "register.finish_patients", "register.enter_registrations"),
        registering,
        15,
        first_some_last(6, 5, 4),
    ),
    "a party is suspended, reinstated and removed": Scenario(
        ("parties.suspend", "parties.reinstate", "parties.remove"), standing_changes, 3
    ),
    "an organisation and a post change their keys": Scenario(
        ("parties.rotate_organisation", "parties.rotate_post"), rotating_parties, 2
    ),
    "a team is made and joined": Scenario(("parties.create_team", "parties.join_team"), teams, 2),
    "a team hangs elsewhere and is given up": Scenario(
        ("parties.move_team", "parties.end_team"), changed_teams, 2
    ),
    "a post leaves its team and its employer": Scenario(
        ("parties.leave_team", "parties.end_post"), leaving_posts, 2
    ),
    "a custodian joins, leaves and is retired": Scenario(
        ("register.custodian", "parties.leave_custodians", "parties.retire_custodian"),
        custodianship,
        4,
        alone=True,
    ),
    "the glass is broken": Scenario(("break_glass.open_emergency",), emergencies, 2),
    "an emergency that was proposed is confirmed": Scenario(
        ("emergencies.confirm_emergency",), proposed_emergencies, 4
    ),
    "an emergency is reviewed": Scenario(("break_glass.review",), reviews, 1),
    "a person is looked for": Scenario(("find.find", "find.answer", "located.tell_located"), finding, 3),
    "a person is matched in one's own table": Scenario(("match.match",), matching, 5),
    "the person found takes word of it": Scenario(
        ("request_access.read_requests", "located.take_located", "board.read_board"), told_of_it, 2
    ),
}
