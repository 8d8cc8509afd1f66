"""Crashes of what grew around the others: teams, ready-made consents, apps let in, moves, consents of nobody."""

from __future__ import annotations

from itertools import count
from typing import Any

from careledger.adapters.books.memory import MemoryBooks
from careledger.domain.consents import Grantee, GranteeKind, Window
from careledger.domain.parties import PartyId, Role
from careledger.domain.ready_made import READY_MADE
from careledger.sealing.phrase import Phrase
from careledger.workflows.claim import claim
from careledger.workflows.give_ready_made import give_ready_made
from careledger.workflows.grant import STANDS, finish_grants, given_consents
from careledger.workflows.let_in import admitted, let_in
from careledger.workflows.moved import UNTOLD, moved_away
from careledger.workflows.order import MOVE, order
from careledger.workflows.received import fetch_grants
from careledger.workflows.recover import end_undescribed, recover
from careledger.workflows.teams import every_label, form_team, give_up_team, role_tree, teams
from careledger.workflows.tell_moved import tell_untold
from crash_patients import with_record
from crashing import Attempt, Finish, Scenario, Trial, die, first_some_last
from world import DAY, DIAGNOSIS, VIEW, World, condition, texts

NAMES = count()
POSTS = count(7_000_000)


def giving_up(world: World) -> Attempt:
    def attempt(trial: Trial) -> Finish:
        label, staff = f"ward {next(NAMES)}", world.staff(world.clinic, next(POSTS))
        number = form_team(world.network, world.clinic, label)
        world.ledger.join_team(staff.number, number, world.clinic.controller)
        assert [each.posts for each in role_tree(world.ledger.fresh_head(), world.clinic, [staff.number])][
            -1:
        ]
        city = trial.organisation(world.clinic)
        die(trial, lambda: give_up_team(trial.network, city, number, [staff]))

        def finish() -> None:
            give_up_team(world.network, world.clinic, number, [staff])
            view = world.ledger.fresh_head()
            assert (view.team_stands(number), view.memberships(staff.number)) == (False, ())
            assert (number in teams(world.clinic), every_label(world.clinic)[number]) == (False, label)
            assert form_team(world.network, world.clinic, label) != number

        return finish

    return attempt


def forming(world: World) -> Attempt:
    def attempt(trial: Trial) -> Finish:
        label = f"ward {next(NAMES)}"
        die(trial, lambda: form_team(trial.network, trial.organisation(world.clinic), label))

        def finish() -> None:
            number = form_team(world.network, world.clinic, label)
            assert [each for each, name in teams(world.clinic).items() if name == label] == [number]
            staff = world.staff(world.clinic, next(POSTS))
            world.ledger.join_team(staff.number, number, world.clinic.controller)
            assert world.ledger.fresh_head().in_team(staff.number, number)

        return finish

    return attempt


def giving(world: World) -> Attempt:
    """A ready-made consent is given once, and what it names is read with it."""
    template = next(each for each in READY_MADE if not each.latest and VIEW in each.permissions)

    def attempt(trial: Trial) -> Finish:
        mine = world.claim(with_record(world)).holder
        reader, now = world.staff(world.clinic, next(POSTS)), world.clock.now()
        grantee = Grantee(GranteeKind.POST, reader.number, PartyId(world.clinic.number))
        asked = (template, grantee, Window(now, now + DAY))
        die(trial, lambda: give_ready_made(trial.network, trial.holder(mine), *asked))

        def finish() -> None:
            if not finish_grants(world.network, mine) and not given_consents(mine):
                give_ready_made(world.network, mine, *asked)
            [given] = given_consents(mine)
            assert given.state == STANDS
            assert texts(world.read_by_consent(reader, mine.alias)) == ["asthma"]

        return finish

    return attempt


def telling(world: World) -> Attempt:
    """The readers of what was moved away are told by whoever keeps the patient's keys, however often it dies."""

    def attempt(trial: Trial) -> Finish:
        wrong = world.patient()
        made = world.put(world.writer(), wrong.alias, condition(world.doctor, "next"))
        handles = list(made.handles.values())
        reader = world.staff(world.clinic, next(POSTS))
        world.grant(wrong, reader, permissions=(VIEW,))
        world.read_by_consent(reader, wrong.alias, handles=handles)
        order(world.network, wrong, MOVE, handles, "other-person")
        world.hospital.books.put(UNTOLD, [(wrong.alias, b"moved")])
        clinic = trial.organisation(world.clinic)

        def act() -> None:
            tell_untold(trial.network, trial.organisation(world.hospital))
            fetch_grants(trial.network, clinic)

        die(trial, act)

        def finish() -> None:
            assert tell_untold(world.network, world.hospital) == 0
            fetch_grants(world.network, world.clinic)
            assert (reader.number, handles[0]) in moved_away(world.clinic)

        return finish

    return attempt


def handing_on(world: World) -> Attempt:
    """A depositor that keeps no keys tells the registrar that does, once it is asked again."""

    def attempt(trial: Trial) -> Finish:
        wrong = with_record(world)
        world.clinic.books.put(UNTOLD, [(wrong.alias, b"moved")])

        def act(network: Any, clinic: Any, hospital: Any) -> None:
            tell_untold(network, clinic)
            fetch_grants(network, hospital)

        crashing = trial.organisation(world.clinic), trial.organisation(world.hospital)
        die(trial, lambda: act(trial.network, *crashing))

        def finish() -> None:
            act(world.network, world.clinic, world.hospital)
            assert world.clinic.books.get(UNTOLD, wrong.alias) is None
            assert world.hospital.books.get(UNTOLD, wrong.alias) is not None
            world.hospital.books.drop(UNTOLD, [wrong.alias])

        return finish

    return attempt


def ending_unknown(world: World) -> Attempt:
    """A consent that nothing describes is over, on the ledger and by new epochs, after it was ended again."""

    def attempt(trial: Trial) -> Finish:
        phrase, unclaimed = Phrase.random(), with_record(world)
        mine = claim(world.network, world.hospital, unclaimed.alias, phrase, MemoryBooks()).holder
        counter, now = mine.take_counter(), world.clock.now()
        key, commitment = mine.consent_key(counter), b"\7" * 32
        world.ledger.give_consent(key, commitment, now, now + DAY, world.network.relay)
        [made] = recover(world.network, phrase, MemoryBooks())
        [found] = made.undescribed
        die(trial, lambda: end_undescribed(trial.network, trial.holder(made.holder), found))

        def finish() -> None:
            end_undescribed(world.network, made.holder, found)
            facts = world.ledger.fresh_head().consent(key.address, commitment)
            assert facts is not None
            assert facts.revoked_at
            assert texts(world.read_own(made.holder)) == ["asthma"]

        return finish

    return attempt


def letting_in(world: World) -> Attempt:
    """A pass is given by a consent that stands; a second one where the first was never shown."""

    def attempt(trial: Trial) -> Finish:
        mine = world.claimed(compartments=(DIAGNOSIS,))
        app = world.staff(world.clinic, next(POSTS), Role.NURSE)
        granted = world.grant(mine, app)
        asked = (granted.certificate, "client", "patient/*.rs")
        die(trial, lambda: let_in(trial.network, trial.holder(mine), *asked))

        def finish() -> None:
            typed = let_in(world.network, mine, *asked)
            found, received = admitted(world.network, world.clinic, typed)
            assert (found.client, received.certificate) == ("client", granted.certificate)

        return finish

    return attempt


SCENARIOS = {
    "a patient lets an app in": Scenario(("let_in.let_in",), letting_in, 1),
    "a team with a name is formed": Scenario(("teams.form_team",), forming, 2),
    "a team with a post is given up": Scenario(("teams.give_up_team",), giving_up, 3),
    "a ready-made consent is given": Scenario(
        ("give_ready_made.give_ready_made",), giving, 5, first_some_last(2, 2, 2)
    ),
    "readers are told of a move": Scenario(
        ("tell_moved.tell_untold", "moved.take_moved"), telling, 8, first_some_last(2, 2, 4)
    ),
    "a registrar is told of a move": Scenario(("moved.take_misfiled",), handing_on, 3),
    "a consent of which nothing tells is ended": Scenario(("recover.end_undescribed",), ending_unknown, 6),
}
