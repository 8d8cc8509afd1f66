"""What counts once counts once also when two processes ask at the same moment, and neither undoes what the other did.

Each process has the books open for itself. Where nothing keeps them apart, both have read before either writes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from authenticator import unb64
from careledger.adapters.books.sqlite import SqliteBooks
from careledger.app import app_codes, app_grants, clients, signers
from careledger.app.assertions import Proved
from careledger.app.identity import (
    accounts,
    approving,
    attempts,
    challenges,
    employing,
    invitations,
    leaving,
    providers,
    sessions,
    signing_on,
)
from careledger.app.identity.attempts import Guess
from careledger.app.identity.employing import Listed
from careledger.app.identity.enrolling import enrolment
from careledger.app.identity.id_tokens import Ended
from careledger.app.identity.providers import Registered as RegisteredProvider
from careledger.app.identity.saml.metadata import Described
from careledger.app.identity.sessions import Sessions
from careledger.domain.errors import (
    AccessRefused,
    ActRefused,
    AssertionUsed,
    CareLedgerError,
    ChallengeRefused,
    InvitationRefused,
    OAuthRefused,
    ReplaySeen,
    SessionRefused,
    SignInRefused,
    SignOnRefused,
    TeamTaken,
    Throttled,
)
from careledger.domain.parties import Role
from careledger.formats.apps import AppClient, AppCode, AppGrant, AppLaunch, AppPass
from careledger.formats.identity import Attempts, Passkey, Password, Shown
from careledger.formats.own_reads import OwnRead
from careledger.formats.patients import GivenConsent
from careledger.formats.sign_on import Leaving, Member, Provider, RoleGiven, SamlProvider
from careledger.formats.signed import Signed
from careledger.sealing.phrase import Phrase
from careledger.workflows import grant, match, own_reads, teams
from careledger.workflows.actors import load_holder, new_holder
from careledger.workflows.source_patients import chosen_alias
from identity_world import CLAIM, PASSWORD, SITE, Door

TOGETHER = 0.3
"""Seconds for which who has read waits for the other to have read too."""
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
BACK = "https://app.example/back"
POST = 7


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    made = Door(tmp_path)
    yield made
    made.keyring.close()


@pytest.fixture
def other(door: Door) -> Iterator[Door]:
    """The same organisation, as another process has it."""
    made = Door.__new__(Door)
    made.folder, made.now, made.keyring = door.folder, door.now, door.keyring
    keyring = type(door.keyring)(door.folder, door.keyring._guard)
    made.keyring, made.city = keyring, keyring.organisation("City")
    yield made
    keyring.close()


@pytest.fixture
def meet(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Any]]:
    """Two acts in two threads, each of which goes on after it has read only once the other has read too, or cannot;
    what they gave, or the refusals that they raised."""

    def run(*acts: Callable[[], object]) -> list[Any]:
        both, get, rows = threading.Barrier(2), SqliteBooks.get, SqliteBooks.rows

        def wait() -> None:
            with suppress(threading.BrokenBarrierError):
                both.wait(TOGETHER)

        def got(books: SqliteBooks, *named: Any) -> Any:
            found = get(books, *named)
            wait()
            return found

        def listed(books: SqliteBooks, *named: Any, **more: Any) -> Any:
            found = rows(books, *named, **more)
            wait()
            return found

        with monkeypatch.context() as patched:
            patched.setattr(SqliteBooks, "get", got)
            patched.setattr(SqliteBooks, "rows", listed)
            with ThreadPoolExecutor(2) as threads:
                return [each.result() for each in [threads.submit(_said, act) for act in acts]]

    return run


def _said(act: Callable[[], object]) -> object:
    try:
        return act()
    except CareLedgerError as error:
        return error


def one_wins(said: list[Any], refusal: type[CareLedgerError]) -> Any:
    """What the one was given; the other was refused so."""
    refused = [each for each in said if isinstance(each, CareLedgerError)]
    assert [type(each) for each in refused] == [refusal]
    (won,) = (each for each in said if not isinstance(each, CareLedgerError))
    return won


def words_of(at: Door) -> list[tuple[bytes, bytes]]:
    return list(at.city.books.rows(accounts.ENROLLED))


def shown_as_a_post(door: Door) -> tuple[accounts.Person, Shown]:
    staff = door.keyring.new_staff(door.city, "Dr City", (Role.DOCTOR,))
    who, key = door.sign_up(post=staff.number)
    return who, door.shown_by(key.get(door.options()))[1]


def enrolled(at: Door, shown: Shown, now: int) -> Signed | None:
    return enrolment(at.keyring.staff("Dr City")[0], shown, SITE.deployment, now)


# Teams ------------------------------------------------------------------------------------------


def test_of_two_teams_that_are_called_alike_at_once_one_is(
    door: Door, other: Door, meet: Callable[..., list[Any]]
) -> None:
    rows = [(number.to_bytes(8, "big"), name) for number, name in ((1, b"one"), (2, b"two"))]
    door.city.books.put(teams.TEAM, rows)
    said = meet(
        lambda: teams.rename_team(door.city, 1, "Ward"), lambda: teams.rename_team(other.city, 2, "ward")
    )
    one_wins(said, TeamTaken)
    assert len({name.casefold() for name in teams.teams(door.city).values()}) == 2


# How people prove who they are ---------------------------------------------------------------------


def test_a_passkey_is_enrolled_as_a_posts_once(
    door: Door, other: Door, meet: Callable[..., list[Any]]
) -> None:
    _, shown = shown_as_a_post(door)
    one, two = meet(lambda: enrolled(door, shown, door.now), lambda: enrolled(other, shown, door.now + 1))
    assert isinstance(one, Signed)
    assert one == two
    assert [row for _, row in words_of(door)] == [one.encode()]


def test_no_word_is_left_of_a_passkey_that_was_removed_while_it_was_given(
    door: Door, other: Door, meet: Callable[..., list[Any]]
) -> None:
    who, shown = shown_as_a_post(door)
    accounts.set_password(who, Password("hash", bytes(20), 0, (), 0))
    meet(
        lambda: enrolled(door, shown, door.now),
        lambda: accounts.remove_passkey(other_of(other, who), shown.credential),
    )
    assert words_of(door) == []
    assert enrolled(door, shown, door.now) is None


def other_of(other: Door, who: accounts.Person) -> accounts.Person:
    return accounts.person(other.city, who.id)


def test_a_challenge_is_taken_once(door: Door, other: Door, meet: Callable[..., list[Any]]) -> None:
    given = challenges.give(door.city.books, challenges.SIGN_IN, door.now)
    act = [
        lambda at=at: challenges.take(at.city.books, given, challenges.SIGN_IN, at.now)
        for at in (door, other)
    ]
    assert one_wins(meet(*act), ChallengeRefused).act == challenges.SIGN_IN


def test_a_counter_of_a_passkey_counts_once(door: Door, other: Door, meet: Callable[..., list[Any]]) -> None:
    who, key = door.sign_up()
    copied = replace(key)
    answers = key.get(door.options()), copied.get(door.options())
    act = [
        lambda at=at, said=said: at.by_passkey(said) for at, said in zip((door, other), answers, strict=True)
    ]
    assert one_wins(meet(*act), SignInRefused).id == who.id


@pytest.mark.parametrize("what", ["authenticator", "recovery"])
def test_a_code_beside_a_password_counts_once(
    door: Door, other: Door, meet: Callable[..., list[Any]], what: str
) -> None:
    who, totp, recovery = door.with_password()
    other.now = door.now
    code = door.code(totp) if what == "authenticator" else recovery[0]
    name = who.account.name
    act = [lambda at=at: at.by_password(name, code, PASSWORD, right=True) for at in (door, other)]
    assert one_wins(meet(*act), SignInRefused).id == who.id


def test_every_try_of_a_secret_is_counted(door: Door, other: Door, meet: Callable[..., list[Any]]) -> None:
    guess = Guess("password", b"somebody", b"somewhere", alone=True)
    meet(*(lambda at=at: attempts.count(at.city.books, guess, at.now) for at in (door, other)))
    (name, _), *_ = guess.counted
    assert Attempts.decode(door.city.books.get(attempts.KEPT, name) or b"").failed == 2


def test_a_sign_on_comes_back_once(door: Door, other: Door, meet: Callable[..., list[Any]]) -> None:
    said = Provider("https://id.example", "us", "", "email", "", (), False, (), (), True, door.now)
    found = [RegisteredProvider(b"\1" * 16, said, at.city) for at in (door, other)]
    state, begun = signing_on.begin(found[0], "browser", b"", False, door.now)
    act = [lambda at=at: signing_on.take(at, state, "browser", door.now) for at in found]
    assert one_wins(meet(*act), SignOnRefused).nonce == begun.nonce


def test_a_login_is_bound_to_one_subject(door: Door, other: Door, meet: Callable[..., list[Any]]) -> None:
    member = Member("doctor", "Dr", "", "", (3,), POST, b"", "file", True, False, 0, door.now, door.now)
    door.city.books.put(employing.KEPT, [(b"\1" * 16, member.encode())])
    act = [
        lambda at=at, subject=subject: employing.bind(Listed(at.city, b"\1" * 16, member), subject)
        for at, subject in ((door, b"\2" * 32), (other, b"\3" * 32))
    ]
    won = one_wins(meet(*act), SignOnRefused).member.subject
    assert employing.by_id(door.city, b"\1" * 16).member.subject == won
    there = [employing.by_subject(door.city, each) for each in (b"\2" * 32, b"\3" * 32)]
    assert sum(each is not None for each in there) == 1


def test_a_sign_out_is_answered_once_and_heard_once(
    door: Door, other: Door, meet: Callable[..., list[Any]]
) -> None:
    found: list[Any] = [RegisteredProvider(b"\1" * 16, None, at.city) for at in (door, other)]
    made = Leaving(b"\1" * 16, "somebody", "", door.now, door.now + 60)
    name = hashlib.sha256(b"state").digest()
    door.city.books.put(leaving.LEAVING, [(name, made.encode())])
    act = [lambda at=at: leaving.take(at, "state", door.now) or True for at in found]  # type: ignore[func-returns-value]
    one_wins(meet(*act), SignOnRefused)
    said = Ended("id", door.now, "somebody", ())
    assert (
        one_wins(meet(*(lambda at=at: leaving.ended(at, said, door.now) for at in found)), SignOnRefused)
        == []
    )


def test_a_provider_that_is_removed_while_it_is_renewed_stays_removed(
    door: Door, other: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = "https://idp.example"
    kept = SamlProvider(
        place, place, (), True, "NameID", "groups", (RoleGiven("a", Role.DOCTOR),), False, (), True, 0
    )
    id = providers.add(door.city, kept)
    check, removing = providers._check_saml, list[Future[None]]()

    def meanwhile(*given: Any) -> None:
        removing.append(threads.submit(providers.remove, other.city, id))
        wait(removing, TOGETHER)
        check(*given)

    monkeypatch.setattr(providers, "_check_saml", meanwhile)
    with ThreadPoolExecutor(1) as threads:
        providers.renew(door.city, id, Described(place, f"{place}/newer", (), True))
        removing[0].result()
    assert providers.known(door.city.books, id, SamlProvider) is None


# Accounts and sessions -----------------------------------------------------------------------------


def test_an_invitation_is_taken_once(door: Door, other: Door, meet: Callable[..., list[Any]]) -> None:
    code, _ = invitations.invite(door.city, POST, door.now)
    act = [lambda at=at: invitations.take(at.city, code, at.now) for at in (door, other)]
    assert one_wins(meet(*act), InvitationRefused) == POST


def test_who_signs_up_while_what_is_over_is_dropped_keeps_their_place(
    door: Door, other: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, signing_up = accounts.waiting, list[Any]()
    with ThreadPoolExecutor(1) as another, monkeypatch.context() as patched:

        def looked(organisation: Any) -> Any:
            found = waiting(organisation)
            if not signing_up:
                act = partial(accounts.open_account, other.city, b"\1" * 16, CLAIM, None, other.now)
                signing_up.append(another.submit(act))
                with suppress(TimeoutError):
                    signing_up[0].result(TOGETHER)
            return found

        patched.setattr(accounts, "waiting", looked)
        accounts.sweep_waiting(door.city, door.now)
    assert signing_up[0].result().id == b"\1" * 16
    assert [each.id for each in accounts.waiting(door.city)] == [b"\1" * 16]


def test_one_person_signs_in_as_a_post(door: Door, other: Door, meet: Callable[..., list[Any]]) -> None:
    act = [
        lambda at=at: accounts.open_account(at.city, secrets.token_bytes(16), CLAIM, None, at.now, POST)
        for at in (door, other)
    ]
    won = one_wins(meet(*act), InvitationRefused)
    holder = accounts.holder_of(door.city, POST)
    assert holder is not None
    assert holder.id == won.id


def test_a_post_is_one_accounts_by_approval(door: Door, other: Door, meet: Callable[..., list[Any]]) -> None:
    waiting = [door.sign_up()[0], door.sign_up()[0]]
    act = [
        lambda at=at, who=who: approving.as_post(replace(who, organisation=at.city), POST)
        for at, who in zip((door, other), waiting, strict=True)
    ]
    one_wins(meet(*act), InvitationRefused)
    assert len(accounts.waiting(door.city)) == 1


def test_one_credential_is_one_accounts(door: Door, other: Door, meet: Callable[..., list[Any]]) -> None:
    key = Passkey(bytes(16), b"credential", b"key", 0, door.now, door.now)
    act = [
        lambda at=at, id=id: accounts.open_account(at.city, id, CLAIM, replace(key, account=id), at.now)
        for at, id in ((door, b"\1" * 16), (other, b"\2" * 16))
    ]
    one_wins(meet(*act), ActRefused)


def test_the_last_proof_of_an_account_stays(door: Door, other: Door, meet: Callable[..., list[Any]]) -> None:
    who, _, _ = door.with_password()
    key = Passkey(who.id, b"credential", b"key", 0, door.now, door.now)
    who = accounts.add_passkey(who, key)
    there = replace(who, organisation=other.city)
    (name,) = who.account.passkeys
    said = meet(lambda: accounts.remove_passkey(who, name), lambda: accounts.remove_password(there))
    assert [type(each) for each in said if isinstance(each, CareLedgerError)] == [ActRefused]
    left = accounts.person(door.city, who.id)
    assert len(accounts.passkeys(left)) + (accounts.password(left) is not None) == 1


def test_two_changes_of_an_account_are_both_there(
    door: Door, other: Door, meet: Callable[..., list[Any]]
) -> None:
    who, _ = door.sign_up(post=POST)
    there, alias = replace(who, organisation=other.city), b"a" * 32
    meet(lambda: accounts.suspend([who]), lambda: accounts.changed(there, alias=alias))
    left = accounts.person(door.city, who.id).account
    assert (left.state, left.alias) == (accounts.SUSPENDED, alias)


def test_sessions_that_end_at_two_places_are_counted_as_two_generations(
    door: Door, other: Door, meet: Callable[..., list[Any]]
) -> None:
    who, _ = door.sign_up(post=POST)
    there = replace(who, organisation=other.city)
    meet(lambda: accounts.end_sessions([who]), lambda: accounts.end_sessions([there]))
    assert accounts.person(door.city, who.id).account.generation == 2


def test_a_session_that_was_ended_is_not_revived_by_a_look_at_it(
    door: Door, other: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    who, _ = door.sign_up(post=POST)
    secret, current = sessions.begin(who, None, door.now, "TREAT", "Chromium")
    looking, get = Sessions(other.organisations, other.organisations), SqliteBooks.get

    def ended_then(books: SqliteBooks, kind: str, key: bytes) -> bytes | None:
        """What was read, after which the other process ends the session."""
        found = get(books, kind, key)
        if kind == sessions.KEPT and books is other.city.books:
            monkeypatch.undo()
            sessions.end(who, [current.digest])
        return found

    monkeypatch.setattr(SqliteBooks, "get", ended_then)
    with pytest.raises(SessionRefused):
        looking.check(secret, door.now + sessions.SEEN_EVERY)
    assert sessions.own(who, door.now) == []


def test_a_session_is_renewed_once(door: Door, other: Door, meet: Callable[..., list[Any]]) -> None:
    who, _ = door.sign_up(post=POST)
    _, current = sessions.begin(who, None, door.now, "TREAT", "Chromium")
    there = replace(current, who=replace(who, organisation=other.city))
    act = [lambda at=at: sessions.renew(at, None, door.now) for at in (current, there)]
    one_wins(meet(*act), SessionRefused)
    assert len(sessions.own(who, door.now)) == 1


def test_the_secret_of_an_organisation_is_one(
    door: Door, other: Door, meet: Callable[..., list[Any]]
) -> None:
    first, second = meet(lambda: accounts.secret_of(door.city), lambda: accounts.secret_of(other.city))
    assert first == second


# Holders and patients ------------------------------------------------------------------------------


def test_a_one_time_key_is_taken_once(door: Door, other: Door, meet: Callable[..., list[Any]]) -> None:
    phrase = Phrase.random()
    new_holder(phrase, b"a" * 32, door.city.books)
    holders = [load_holder(phrase, b"a" * 32, at.city.books) for at in (door, other)]
    assert sorted(meet(*(holder.take_counter for holder in holders))) == [0, 1]


def given(number: int) -> GivenConsent:
    """A consent as a holder remembers it; what it says nobody reads here."""
    return GivenConsent(number, Signed(b"", bytes(65)), 0, 1, grant.PREPARED, ())


def test_consents_that_are_given_at_once_are_both_known_to_live(
    door: Door, other: Door, meet: Callable[..., list[Any]]
) -> None:
    phrase = Phrase.random()
    new_holder(phrase, b"a" * 32, door.city.books)
    holders = [load_holder(phrase, b"a" * 32, at.city.books) for at in (door, other)]
    grant.remember(holders[0], given(0))
    act = [
        lambda at=at, number=number: grant.remember(at, given(number)) for number, at in enumerate(holders, 1)
    ]
    meet(*act)
    assert [each.counter for each in grant.live_consents(holders[0])] == [0, 1, 2]


def test_a_patient_of_another_system_gets_one_alias(
    door: Door, other: Door, meet: Callable[..., list[Any]]
) -> None:
    first, second = meet(*(lambda at=at: chosen_alias(at.city, "urn:us|1") for at in (door, other)))
    assert first == second


# Apps ----------------------------------------------------------------------------------------------


class App:
    """A client of the organisation's, as two processes know it."""

    def __init__(self, door: Door, other: Door) -> None:
        client = AppClient("app", "public", (BACK,), "", "", "", "user/*.rs launch", 0, "TREAT", door.now)
        door.city.books.put(clients.KEPT, [(b"0" * 32, client.encode())])
        self.grant = AppGrant(
            "0" * 32,
            POST,
            "TREAT",
            "offline_access user/*.rs",
            b"",
            "",
            b"",
            b"",
            b"u" * 16,
            b"",
            door.now,
            b"",
        )
        self.at = [clients.find([each.city], "0" * 32) for each in (door, other)]
        self.now, self.books = door.now, [each.employer.books for each in self.at]
        self.code = AppCode(self.grant, BACK, CHALLENGE, "", door.now, b"")


@pytest.fixture
def app(door: Door, other: Door) -> App:
    return App(door, other)


def test_a_code_is_exchanged_once_and_its_replay_ends_the_grant(
    app: App, meet: Callable[..., list[Any]]
) -> None:
    code = app_codes.give(app.books[0], app.code, app.now)
    act = [lambda at=at: app_codes.exchange(at, code, BACK, VERIFIER, app.now) for at in app.at]
    given = one_wins(meet(*act), ReplaySeen)
    assert app_grants.standing(app.at[0].employer, app_grants.name_of(given.grant), app.now) is None


def test_a_refresh_token_renews_once_and_its_replay_ends_the_grant(
    app: App, meet: Callable[..., list[Any]]
) -> None:
    code = app_codes.give(app.books[0], app.code, app.now)
    first = app_codes.exchange(app.at[0], code, BACK, VERIFIER, app.now)
    act = [lambda at=at: app_codes.renew(at, first.refresh, None, app.now) for at in app.at]
    one_wins(meet(*act), ReplaySeen)
    with pytest.raises(OAuthRefused):
        app_codes.renew(app.at[0], first.refresh, None, app.now)


def test_a_grant_that_is_taken_back_is_not_renewed_by_a_refresh_at_the_same_moment(
    app: App, meet: Callable[..., list[Any]]
) -> None:
    code = app_codes.give(app.books[0], app.code, app.now)
    given = app_codes.exchange(app.at[0], code, BACK, VERIFIER, app.now)
    name = app_grants.name_of(given.grant)

    def taken_back() -> None:
        app_grants.look(app.books[0], app_grants.GRANT + name, app.now)
        app_grants.drop(app.books[0], [app_grants.GRANT + name])

    meet(taken_back, lambda: app_codes.renew(app.at[1], given.refresh, None, app.now))
    assert app_grants.standing(app.at[0].employer, name, app.now) is None


def test_an_assertion_proves_a_client_once(app: App, meet: Callable[..., list[Any]]) -> None:
    proof = Proved("0" * 32, "jti", app.now + 60)
    one_wins(
        meet(*(lambda at=at: app_codes.use_assertion(at, proof, app.now) or True for at in app.books)),  # type: ignore[func-returns-value]
        AssertionUsed,
    )


def test_a_launch_gives_one_code(app: App, meet: Callable[..., list[Any]]) -> None:
    launch = app_codes.launch(app.books[0], AppLaunch(POST, "", b"a" * 32, ""), app.now)
    act = [lambda at=at: app_codes.give(at, app.code, app.now, launch) for at in app.books]
    one_wins(meet(*act), OAuthRefused)


def test_a_pass_gives_one_code(app: App, meet: Callable[..., list[Any]]) -> None:
    kept = AppPass(b"a" * 32, "0" * 32, b"o" * 20, b"c" * 32, "user/*.rs", b"s" * 32, app.now + 600)
    act = [lambda at=at: app_codes.give_by_pass(at, app.code, kept, app.now) for at in app.books]
    one_wins(meet(*act), AccessRefused)


def test_whatever_key_an_organisation_signed_by_is_published(
    door: Door, other: Door, meet: Callable[..., list[Any]]
) -> None:
    said = meet(
        *(
            lambda at=at: signers.signed(at.city.books, {"sub": "x"}, door.now, signers.ID_TOKENS)
            for at in (door, other)
        )
    )
    (published,) = signers.published(door.city.books, door.now)
    headers = [json.loads(unb64(each.split(".")[0])) for each in said]
    assert [each["kid"] for each in headers] == [published["kid"]] * 2


# What is counted, and what is written down ---------------------------------------------------------


def test_of_two_last_questions_one_is_answered(
    door: Door, other: Door, meet: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(match, "MOST_QUESTIONS", 1)
    act = [lambda at=at: match.count(at.city.books, POST, at.now) or True for at in (door, other)]  # type: ignore[func-returns-value]
    one_wins(meet(*act), Throttled)


def test_lines_that_two_processes_add_to_the_log_of_reads_are_one_chain(
    door: Door, other: Door, meet: Callable[..., list[Any]]
) -> None:
    line = OwnRead(door.now, POST, b"t" * 32, "TREAT", "GET /x", b"", ("Condition/1/_history/1",), bytes(32))
    meet(*(lambda at=at: own_reads.append(at.city.books, [line, line]) for at in (door, other)))
    assert own_reads.check(door.city.books) == 4
