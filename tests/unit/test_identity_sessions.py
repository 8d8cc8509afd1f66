"""A session holds while its browser comes back, and is over at the next request wherever it was ended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from authenticator import b64
from careledger.app.identity import accounts, sessions
from careledger.app.identity.sessions import Sessions
from careledger.domain.errors import FreshProofNeeded, SessionRefused
from identity_world import Door


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    made = Door(tmp_path)
    yield made
    made.keyring.close()


def begun(door: Door, post: int = 0) -> tuple[Sessions, str, sessions.Current]:
    who, _ = door.sign_up(post=post)
    secret, current = sessions.begin(who, None, door.now, "TREAT", "Chromium")
    return Sessions(door.organisations, door.organisations), secret, current


def test_a_session_is_found_by_its_id_alone_and_only_a_digest_is_kept(door: Door) -> None:
    there, secret, current = begun(door)
    assert there.check(secret, door.now).who.id == current.who.id
    assert all(secret.encode() not in key + row for key, row in door.city.books.rows(sessions.KEPT))
    door.restart()
    assert Sessions(door.organisations, door.organisations).check(secret, door.now).digest == current.digest
    wrong = ("", "x", secret[:-1], secret + "A", b64(bytes(32)), "é" * 43, b64(current.digest))
    there = Sessions(door.organisations, door.organisations)
    for each in wrong:
        with pytest.raises(SessionRefused):
            there.check(each, door.now)


def test_a_session_ends_after_half_an_hour_without_a_request_and_after_twelve_hours(door: Door) -> None:
    there, secret, _ = begun(door)
    with pytest.raises(SessionRefused):
        there.check(secret, door.now + sessions.IDLE)
    end = door.now + sessions.LONGEST
    while door.now < end - 60:
        there.check(secret, door.now)
        door.now += min(sessions.IDLE - 60, end - 1 - door.now)
    there.check(secret, end - 1)
    with pytest.raises(SessionRefused):
        there.check(secret, end)


def test_a_session_ended_by_another_process_is_over_at_the_next_request(door: Door) -> None:
    there, secret, current = begun(door)
    there.check(secret, door.now)
    elsewhere = Door.__new__(Door)
    elsewhere.folder, elsewhere.now = door.folder, door.now
    elsewhere.keyring = type(door.keyring)(door.folder, door.keyring._guard)
    elsewhere.city = elsewhere.keyring.organisation("City")
    sessions.end(accounts.person(elsewhere.city, current.who.id), [current.digest])
    with pytest.raises(SessionRefused):
        there.check(secret, door.now)
    elsewhere.keyring.close()


def test_suspending_an_account_or_ending_its_sessions_ends_all_of_them(door: Door) -> None:
    for act in (accounts.suspend, accounts.end_sessions):
        there, secret, current = begun(door)
        others, kept, _ = begun(door)
        act([current.who])
        with pytest.raises(SessionRefused):
            there.check(secret, door.now)
        others.check(kept, door.now)


def test_a_thousand_people_are_suspended_at_once(door: Door) -> None:
    who, _ = door.sign_up()
    ids = (b"\1" * 14 + number.to_bytes(2, "big") for number in range(1_000))
    many = [accounts.Person(door.city, id, who.account) for id in ids]
    accounts.save(many)
    secrets = [sessions.begin(each, None, door.now, "TREAT")[0] for each in many[::100]]
    there = Sessions(door.organisations, door.organisations)
    for each in secrets:
        there.check(each, door.now)
    accounts.suspend(many)
    for each in secrets:
        with pytest.raises(SessionRefused):
            there.check(each, door.now)


def test_a_fresh_proof_changes_the_id_and_the_old_one_is_over(door: Door) -> None:
    there, secret, current = begun(door)
    door.now += sessions.FRESH + 1
    with pytest.raises(FreshProofNeeded):
        there.check(secret, door.now).require_fresh(door.now)
    fresh, again = sessions.renew(current, None, door.now)
    assert fresh != secret
    there.check(fresh, door.now).require_fresh(door.now + sessions.FRESH)
    assert again.row.until == current.row.until
    with pytest.raises(SessionRefused):
        there.check(secret, door.now)


def test_a_session_that_ended_while_its_person_proved_who_they_are_does_not_begin_again(door: Door) -> None:
    _, _, current = begun(door)
    sessions.end(current.who, [current.digest])
    with pytest.raises(SessionRefused):
        sessions.renew(current, None, door.now)
    assert sessions.own(current.who, door.now) == []


def test_one_sees_and_ends_ones_own_sessions_and_no_others(door: Door) -> None:
    there, secret, mine = begun(door)
    second, later = sessions.begin(mine.who, None, door.now + 5, "TREAT", "Firefox")
    _, strangers_secret, stranger = begun(door)
    assert [each.digest for each in sessions.own(mine.who, door.now + 5)] == [later.digest, mine.digest]
    sessions.end(stranger.who, [mine.digest, later.digest])
    there.check(secret, door.now)
    sessions.end(mine.who, [mine.digest, stranger.digest])
    with pytest.raises(SessionRefused):
        there.check(secret, door.now)
    there.check(second, door.now + 5)
    there.check(strangers_secret, door.now)


def test_what_is_over_is_swept_and_nothing_else(door: Door) -> None:
    there, _, current = begun(door)
    door.now += sessions.IDLE + 1
    kept, later = sessions.begin(current.who, None, door.now, "TREAT")
    sessions.sweep(door.city, door.now)
    assert [key for key, _ in door.city.books.rows(sessions.KEPT)] == [later.digest]
    assert [key[16:] for key, _ in door.city.books.rows(sessions.OF_ACCOUNT)] == [later.digest]
    there.check(kept, door.now)


def test_an_account_has_a_hundred_sessions_and_one_more_ends_the_first(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "MOST", 4)
    who, _ = door.sign_up()
    other, _ = door.sign_up()
    kept = sessions.begin(other, None, door.now, "TREAT")[1]
    made = []
    for _ in range(7):
        door.now += 1
        made.append(sessions.begin(who, None, door.now, "TREAT")[1].digest)
    assert [each.digest for each in sessions.own(who, door.now)] == made[:-5:-1]
    assert [each.digest for each in sessions.own(other, door.now)] == [kept.digest]


def test_a_pending_account_acts_as_nobody(door: Door) -> None:
    there, secret, _ = begun(door)
    assert there.check(secret, door.now).post == 0
    there, secret, _ = begun(door, post=7)
    assert there.check(secret, door.now).post == 7
