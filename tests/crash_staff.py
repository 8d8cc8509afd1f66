"""Crashes of who joins and who leaves an employer, and of who is approved, whatever says so."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from careledger.app.identity import accounts, approving, employing, grouping, sessions, staff_files
from careledger.app.identity.employing import BY_FILE, BY_SCIM, Desk, Listed, Wanted
from careledger.app.identity.grouping import Group, WantedGroup
from careledger.app.identity.id_tokens import Told
from careledger.app.identity.providers import Registered
from careledger.app.identity.signing_on import arrived
from careledger.app.keyring import Keyring
from careledger.app.licences import resting
from careledger.app.vault import InsecurePlainGuard
from careledger.domain.errors import ActRefused, LicenceRefused, LoginTaken, TeamTaken
from careledger.domain.parties import Role, Status
from careledger.formats.identity import Claim
from careledger.formats.licences import RestsOn
from careledger.formats.sign_on import Provider, RoleGiven
from careledger.workflows import register
from careledger.workflows.actors import Organisation
from crashing import Attempt, Finish, Scenario, Trial, die, first_some_last
from world import LICENCE, World

NAMES = count()
SUBJECT = b"\3" * 32


class Employer:
    """An organisation whose keys lie in a keyring, as employing needs it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.keyring = Keyring(world.folder / f"keyring-{next(NAMES)}", InsecurePlainGuard())
        self.city = self.keyring.new_organisation("City", Role.HOSPITAL)
        register.organisation(world.network, self.city, {Role.HOSPITAL}, LICENCE)
        register.verify(world.network, world.officers[0], self.city.number, LICENCE, self.city.sealing.digest)
        world.board.publish_key(self.city.number, self.city.sealing.public)

    def desk(self, network: Any = None) -> Desk:
        return Desk(network or self.world.network, self.keyring, self.world.clock.now())

    def wanted(self, *roles: Role, **more: Any) -> Wanted:
        login = f"who-{next(NAMES)}"
        return Wanted(login, "Dr N", roles or (Role.NURSE,), **more)

    def joined(self, **more: Any) -> Listed:
        return employing.join(self.desk(), self.city, self.wanted(**more), BY_SCIM)

    def now(self, who: Listed) -> Listed:
        return employing.by_id(self.city, who.id)

    def standing(self, post: int) -> Status:
        facts = self.world.ledger.fresh_head().party(post)
        return facts.standing if facts else Status.UNKNOWN

    def groups(self, label: str) -> list[Group]:
        return [each for each in grouping.groups(self.desk(), self.city) if each.label == label]

    def signed_in(self, who: Listed) -> Callable[[], bool]:
        """Whether the session that somebody has now counts."""
        id, now = secrets.token_bytes(16), self.world.clock.now()
        claim = Claim("", "", "", bytes(32))
        person = accounts.open_account(self.city, id, claim, None, now, who.member.post)
        digest = sessions.begin(person, None, now, "TREAT")[1].digest
        return lambda: sessions.found(self.city, digest, now) is not None

    def listed(self, login: str) -> list[Listed]:
        return [each for each in employing.listed(self.city) if each.member.login == login]

    def settled(self, act: Callable[[], object]) -> None:
        """Done again, and then nothing was left to do."""
        act()
        head = self.world.ledger.fresh_head().head
        act()
        assert self.world.ledger.fresh_head().head == head


def dying(trial: Trial, employer: Employer, act: Callable[[Desk, Organisation], object]) -> None:
    die(trial, lambda: act(employer.desk(trial.network), trial.organisation(employer.city)))


def in_trial(who: Listed, city: Organisation) -> Listed:
    return Listed(city, who.id, who.member)


def joining(world: World) -> Attempt:
    """A directory that was not answered sends the same once more."""
    employer = Employer(world)

    def attempt(trial: Trial) -> Finish:
        wanted = employer.wanted(Role.NURSE, Role.DOCTOR, licence="D-1")
        dying(trial, employer, lambda desk, city: employing.join(desk, city, wanted, BY_SCIM))

        def finish() -> None:
            there = employing.by_login(employer.city, wanted.login)
            if there is None or not employing.is_whole(employer.desk(), there):
                employing.join(employer.desk(), employer.city, wanted, BY_SCIM)
            [made] = employer.listed(wanted.login)
            assert employer.standing(made.member.post) is Status.VERIFIED
            assert employing.by_login(employer.city, wanted.login) == made
            with pytest.raises(LoginTaken):
                employing.join(employer.desk(), employer.city, wanted, BY_SCIM)

        return finish

    return attempt


def changing(world: World) -> Attempt:
    """Another login, other roles: whoever had the old ones is nobody."""
    employer = Employer(world)

    def attempt(trial: Trial) -> Finish:
        who = employing.bind(employer.joined(), SUBJECT)
        counts, wanted = employer.signed_in(who), employer.wanted(Role.DOCTOR)
        team = grouping.form(employer.desk(), employer.city, WantedGroup(f"team {next(NAMES)}", "", (who,)))
        dying(trial, employer, lambda desk, city: employing.change(desk, in_trial(who, city), wanted))

        def finish() -> None:
            employer.settled(lambda: employing.change(employer.desk(), employer.now(who), wanted))
            made = employer.now(who)
            assert employer.standing(who.member.post) is Status.REMOVED
            assert employer.standing(made.member.post) is Status.VERIFIED
            now = grouping.group(employer.desk(), employer.city, team.number)
            assert [each.member.post for each in now.members] == [made.member.post]
            assert not counts()
            assert employing.by_login(employer.city, wanted.login) == made
            assert employing.by_login(employer.city, who.member.login) is None
            assert employing.by_subject(employer.city, SUBJECT) is None

        return finish

    return attempt


def grouping_forms(world: World) -> Attempt:
    """A directory that was not answered looks for the team, and sends it once more."""
    employer = Employer(world)

    def attempt(trial: Trial) -> Finish:
        wanted = WantedGroup(f"team {next(NAMES)}", "g-1", (employer.joined(), employer.joined()))
        dying(trial, employer, lambda desk, city: grouping.form(desk, city, wanted))

        def finish() -> None:
            if not employer.groups(wanted.label):
                grouping.form(employer.desk(), employer.city, wanted)
            (made,) = employer.groups(wanted.label)
            assert {each.id for each in made.members} == {each.id for each in wanted.members}
            assert made.external == "g-1"
            with pytest.raises(TeamTaken):
                grouping.form(employer.desk(), employer.city, wanted)

        return finish

    return attempt


def grouping_changes(world: World) -> Attempt:
    employer = Employer(world)

    def attempt(trial: Trial) -> Finish:
        first, second = employer.joined(), employer.joined()
        made = grouping.form(employer.desk(), employer.city, WantedGroup(f"team {next(NAMES)}", "", (first,)))
        wanted = WantedGroup(f"team {next(NAMES)}", "g-2", (second,))
        dying(trial, employer, lambda desk, city: grouping.change(desk, replace(made, employer=city), wanted))

        def finish() -> None:
            def there() -> Group:
                return grouping.group(employer.desk(), employer.city, made.number)

            employer.settled(lambda: grouping.change(employer.desk(), there(), wanted))
            assert (there().label, there().external, there().members) == (wanted.label, "g-2", (second,))

        return finish

    return attempt


def grouping_ends(world: World) -> Attempt:
    employer = Employer(world)

    def attempt(trial: Trial) -> Finish:
        label, who = f"team {next(NAMES)}", employer.joined()
        made = grouping.form(employer.desk(), employer.city, WantedGroup(label, "g-3", (who,)))
        dying(trial, employer, lambda desk, city: grouping.give_up(desk, replace(made, employer=city)))

        def finish() -> None:
            for each in employer.groups(label):
                grouping.give_up(employer.desk(), each)
            assert employer.groups(label) == []
            assert not world.ledger.fresh_head().team_stands(made.number)
            again = grouping.form(employer.desk(), employer.city, WantedGroup(label, "", (who,)))
            assert (again.number != made.number, again.external, again.members) == (True, "", (who,))

        return finish

    return attempt


def leaving(world: World) -> Attempt:
    employer = Employer(world)

    def attempt(trial: Trial) -> Finish:
        left, forgotten = employer.joined(), employer.joined()
        count_still = [employer.signed_in(each) for each in (left, forgotten)]

        def act(desk: Desk, city: Organisation) -> None:
            employing.leave(desk, in_trial(left, city))
            employing.forget(desk, in_trial(forgotten, city))

        dying(trial, employer, act)

        def finish() -> None:
            employer.settled(lambda: employing.leave(employer.desk(), employer.now(left)))
            employer.settled(lambda: employing.forget(employer.desk(), employer.now(forgotten)))
            for each in (left, forgotten):
                assert employer.standing(each.member.post) is Status.REMOVED
                assert not employer.now(each).member.active
            assert employer.now(forgotten).member.gone
            assert not any(counts() for counts in count_still)

        return finish

    return attempt


def time_comes(world: World) -> Attempt:
    employer = Employer(world)

    def attempt(trial: Trial) -> Finish:
        due = [employer.joined(until=world.clock.now() + 10) for _ in range(2)]
        stays = employer.joined(until=world.clock.now() + 10_000)
        count_still = [employer.signed_in(each) for each in due]
        world.clock.advance(60)
        dying(trial, employer, employing.end_due)

        def finish() -> None:
            employing.end_due(employer.desk(), employer.city)
            assert employing.end_due(employer.desk(), employer.city) == 0
            assert {employer.standing(each.member.post) for each in due} == {Status.REMOVED}
            assert employer.standing(stays.member.post) is Status.VERIFIED
            assert not any(counts() for counts in count_still)

        return finish

    return attempt


def licence_over(world: World) -> Attempt:
    """One that somebody in the list of staff rests on, one of a post beside it; a third stands."""
    employer = Employer(world)

    def attempt(trial: Trial) -> Finish:
        now = world.clock.now()
        due, beside, stays = (employer.joined() for _ in range(3))
        counts, stands = employer.signed_in(due), "https://licences.example"

        def row(until: int, over: int = 0) -> bytes:
            return RestsOn(7, bytes(33), "D-1", bytes(33), 0, stands, until, now, over).encode()

        posts = [each.member.post for each in (due, beside, stays)]
        ends = (now + 10, now + 10, now + 10_000)
        rows = [(post.to_bytes(8, "big"), row(until)) for post, until in zip(posts, ends, strict=True)]
        employer.city.books.put(resting.KEPT, rows)
        world.clock.advance(60)

        def unreachable(issuer: int, uri: str) -> str:
            raise LicenceRefused(why="cannot be fetched")

        dying(trial, employer, lambda desk, city: resting.look(desk, city, unreachable))

        def finish() -> None:
            resting.look(employer.desk(), employer.city, unreachable)
            again = resting.look(employer.desk(), employer.city, unreachable)
            [left] = [each for each in again if each.post in posts]
            assert (left.post, left.outcome) == (posts[2], resting.LEFT)
            expected = [Status.REMOVED, Status.REMOVED, Status.VERIFIED]
            assert [employer.standing(each) for each in posts] == expected
            assert [employer.now(each).member.active for each in (due, beside, stays)] == [False, False, True]
            assert not counts()

        return finish

    return attempt


def by_file(world: World) -> Attempt:
    """Somebody joins, somebody has other roles, somebody's last day is over, somebody stays."""
    employer = Employer(world)

    def attempt(trial: Trial) -> Finish:
        changes, leaves, stays = (employer.joined() for _ in range(3))
        joins = employer.wanted().login
        said = "\n".join([
            "login,name,roles,end", f"{joins},A,nurse,", f"{changes.member.login},Dr N,doctor,",
            f"{leaves.member.login},Dr N,nurse,1970-01-02", f"{stays.member.login},Dr N,nurse,",
        ])  # fmt: skip
        lines, faults = staff_files.read(said.encode())
        assert faults == []

        def act(desk: Desk, city: Organisation) -> None:
            staff_files.carry_out(desk, city, staff_files.plan(city, lines, world.clock.now()))

        dying(trial, employer, act)

        def finish() -> None:
            employer.settled(lambda: act(employer.desk(), employer.city))
            [joined] = employer.listed(joins)
            posts = [employer.now(each).member.post for each in (joined, changes, leaves, stays)]
            expected = [Status.VERIFIED, Status.VERIFIED, Status.REMOVED, Status.VERIFIED]
            assert [employer.standing(each) for each in posts] == expected
            assert employer.standing(changes.member.post) is Status.REMOVED
            assert posts[3] == stays.member.post
            assert (joined.member.by, joined.member.active) == (BY_FILE, True)

        return finish

    return attempt


def signing_on(world: World) -> Attempt:
    """Who comes from the provider for the first time, and then without any role."""
    employer = Employer(world)
    roles = (RoleGiven("ward", int(Role.NURSE)),)
    provider = Provider("https://id.example", "c", "", "login", "groups", roles, True, (), (), True, 0)

    def attempt(trial: Trial) -> Finish:
        login, subject = f"who-{next(NAMES)}", secrets.token_hex(8)

        def told(*groups: str) -> Told:
            return Told(subject, world.clock.now(), {"login": login, "groups": list(groups)})

        def act(desk: Desk, city: Organisation) -> object:
            return arrived(desk, Registered(bytes(16), provider, city), told("ward"))

        dying(trial, employer, act)

        def finish() -> None:
            person = arrived(employer.desk(), Registered(bytes(16), provider, employer.city), told("ward"))
            employer.settled(lambda: act(employer.desk(), employer.city))
            [made] = employer.listed(login)
            assert employer.standing(made.member.post) is Status.VERIFIED
            assert person.account.post == made.member.post
            [holder] = [
                each for each in accounts.people(employer.city) if each.account.post == made.member.post
            ]
            assert holder.id == person.id
            assert accounts.by_name(employer.city, person.account.name) == person

        return finish

    return attempt


def approved(world: World) -> Attempt:
    """Who waits becomes a patient, or holds a post."""
    employer = Employer(world)

    def attempt(trial: Trial) -> Finish:
        now, post = world.clock.now(), employer.joined().member.post

        def pending(name: str) -> accounts.Person:
            claim = Claim(name, name, "1990-04", bytes(32))
            return accounts.open_account(employer.city, secrets.token_bytes(16), claim, None, now)

        sick, nurse = pending(f"NID-{next(NAMES)}"), pending("N")

        def of(who: accounts.Person, city: Organisation) -> accounts.Person:
            return accounts.Person(city, who.id, accounts.person(employer.city, who.id).account)

        def act(desk: Desk, city: Organisation) -> None:
            approving.as_patient(desk.network, of(sick, city))
            approving.as_post(of(nurse, city), post)

        dying(trial, employer, act)

        def finish() -> None:
            acts: list[Callable[[], object]] = [
                lambda: approving.as_patient(world.network, of(sick, employer.city)),
                lambda: approving.as_post(of(nurse, employer.city), post),
            ]
            for approve in acts:
                with suppress(ActRefused):  # it was approved before
                    approve()
                with pytest.raises(ActRefused):
                    approve()
            alias = of(sick, employer.city).account.alias
            rows = [key for key, _ in employer.city.books.rows(register.IDENTITY)]
            assert rows.count(alias) == 1
            found = accounts.whose(employer.city, alias)
            assert found is not None
            assert (found.id, found.account.state, found.account.claim) == (sick.id, accounts.ACTIVE, None)
            holder = accounts.holder_of(employer.city, post)
            assert holder is not None
            assert (holder.id, holder.account.state) == (nurse.id, accounts.ACTIVE)
            accounts.sweep_waiting(employer.city, now)
            assert employer.city.books.keys(accounts.WAITING, b"", 1) == []

        return finish

    return attempt


SCENARIOS = {
    "somebody joins": Scenario(("employing.join", "employing.vouch"), joining, 3),
    "somebody has another login and other roles": Scenario(("employing.change",), changing, 5),
    "a directory forms a team": Scenario(("grouping.form",), grouping_forms, 6),
    "a directory changes a team": Scenario(("grouping.change",), grouping_changes, 4),
    "a directory gives up a team": Scenario(("grouping.give_up",), grouping_ends, 4),
    "somebody leaves, and is forgotten": Scenario(
        ("employing.leave", "employing.forget", "employing.end"), leaving, 7
    ),
    "somebody's last day is over": Scenario(("employing.end_due",), time_comes, 6),
    "a licence is over": Scenario(("resting.look", "employing.end_post"), licence_over, 9),
    "a file says who joins and leaves": Scenario(
        ("staff_files.carry_out",), by_file, 9, first_some_last(4, 4, 4)
    ),
    "somebody signs on for the first time": Scenario(("signing_on.arrived",), signing_on, 5),
    "who waits is approved": Scenario(("approving.as_patient",), approved, 10, first_some_last(4, 4, 7)),
}
