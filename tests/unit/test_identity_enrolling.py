"""A session's key is the one that a passkey was shown for, and the post says once since when the passkey is its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from authenticator import Authenticator
from careledger.app.identity import accounts, challenges, passkeys, proving, sessions
from careledger.app.identity.enrolling import enrolment, opened
from careledger.app.identity.sweeping import sweep
from careledger.domain.errors import ChallengeRefused
from careledger.domain.parties import Role
from careledger.formats.identity import Challenge, Password, Shown
from careledger.formats.sessions import MOST_SESSION, Enrolled, SessionStatement
from careledger.proofs.passkeys import check_passkey, person_proof
from careledger.workflows.actors import Session, Staff
from identity_world import SITE, Door


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    made = Door(tmp_path)
    yield made
    made.keyring.close()


@pytest.fixture
def staff(door: Door) -> Staff:
    return door.keyring.new_staff(door.city, "Dr City", (Role.DOCTOR,))


def signed_in(door: Door, staff: Staff) -> tuple[accounts.Person, Authenticator, Shown]:
    who, key = door.sign_up(post=staff.number)
    return who, key, door.shown_by(key.get(door.options()))[1]


def statement_of(session: Session) -> SessionStatement:
    return SessionStatement.decode(session.proof.statement.body)


def proof(session: Session) -> str:
    return person_proof(statement_of(session), session.staff.key.address, SITE.deployment)


def test_a_session_that_a_passkey_began_proves_it_and_ends_by_what_was_shown(
    door: Door, staff: Staff
) -> None:
    who, _, shown = signed_in(door, staff)
    asked = door.now
    door.now += 100  # the browser may take its time
    _, current = sessions.begin(who, shown, door.now, "TREAT")
    assert current.row.until == asked + MOST_SESSION
    made = opened(staff, current.row.shown, SITE.deployment, door.now, current.row.until - door.now)
    assert proof(made) == "passkey"
    assert made.until == asked + MOST_SESSION
    assert made.key.address == statement_of(made).session_key
    late = opened(staff, shown, SITE.deployment, door.now, 2 * MOST_SESSION)
    assert late.until == asked + MOST_SESSION


def test_after_a_restart_the_same_key_goes_on_with_the_same_enrolment(door: Door, staff: Staff) -> None:
    who, _, shown = signed_in(door, staff)
    secret, _ = sessions.begin(who, shown, door.now, "TREAT")
    before = opened(staff, shown, SITE.deployment, door.now, 60)
    door.restart()
    door.now += 600
    found = sessions.found(door.city, sessions.digest_of(secret), door.now)
    assert found is not None
    again = opened(door.keyring.staff("Dr City")[0], found.row.shown, SITE.deployment, door.now, 60)
    assert proof(again) == "passkey"
    assert again.key.secret == before.key.secret
    one, two = statement_of(before).passkey, statement_of(again).passkey
    assert one == two


def test_each_proof_is_for_a_key_of_its_own(door: Door, staff: Staff) -> None:
    who, key, shown = signed_in(door, staff)
    current = sessions.begin(who, shown, door.now, "TREAT")[1]
    again = proving.again_by_passkey(
        current, SITE, key.get(proving.step_up_options(current, SITE, door.now)), door.now
    )
    assert again.secret != shown.secret
    assert opened(staff, again, SITE.deployment, door.now, 60).key.secret == again.secret
    mixed = replace(shown, secret=again.secret)  # the signature of one sign-in, the key of another
    assert proof(opened(staff, mixed, SITE.deployment, door.now, 60)) == "vouched"
    renewed = sessions.renew(current, None, door.now)[1]  # by a password this time
    assert (renewed.row.proof, renewed.row.shown) == ("vouched", None)
    assert proof(opened(staff, renewed.row.shown, SITE.deployment, door.now, 60)) == "vouched"


def test_a_passkey_is_enrolled_once_and_anew_for_another_post_place_or_key(door: Door, staff: Staff) -> None:
    _, _, shown = signed_in(door, staff)
    first = enrolment(staff, shown, SITE.deployment, door.now)
    door.now += 3600
    assert first is not None
    assert enrolment(staff, shown, SITE.deployment, door.now) == first
    assert Enrolled.decode(first.body).since == door.now - 3600
    other = door.keyring.new_staff(door.city, "Dr City again", (Role.DOCTOR,))
    rotated = replace(staff, key=other.key)
    moved = replace(shown, origin="https://care.example", rp_id="care.example")
    for who, what in ((rotated, shown), (staff, shown), (other, shown), (staff, moved), (staff, shown)):
        anew = enrolment(who, what, SITE.deployment, door.now)
        assert anew is not None
        said = Enrolled.decode(anew.body)
        assert (said.post, said.origin, said.since) == (who.number, what.origin, door.now)
        assert enrolment(who, what, SITE.deployment, door.now + 60) == anew
        door.now += 3600


def test_a_passkey_that_was_taken_away_proves_nothing_more(door: Door, staff: Staff) -> None:
    who, _, shown = signed_in(door, staff)
    other = Authenticator()
    current = sessions.begin(who, shown, door.now, "TREAT")[1]
    challenge = challenges.give(door.city.books, challenges.ADD, door.now, who.id, current.digest)
    answer = other.create(passkeys.creation_options(SITE, who.id, "new", challenge))
    who = accounts.add_passkey(who, proving.new_passkey(who, current.digest, SITE, answer, door.now))
    assert proof(opened(staff, shown, SITE.deployment, door.now, 60)) == "passkey"
    accounts.remove_passkey(who, shown.credential)
    assert enrolment(staff, shown, SITE.deployment, door.now) is None
    assert proof(opened(staff, shown, SITE.deployment, door.now, 60)) == "vouched"
    assert list(door.city.books.rows(accounts.ENROLLED)) == []


def test_a_session_says_nothing_of_a_passkey_that_was_taken_away(door: Door, staff: Staff) -> None:
    who, _, shown = signed_in(door, staff)
    current = sessions.begin(who, shown, door.now, "TREAT")[1]
    accounts.set_password(who, Password("hash", bytes(20), 0, (), 0))
    found = sessions.found(door.city, current.digest, door.now)
    assert found is not None
    assert (found.row.proof, found.row.shown) == ("passkey", shown)
    accounts.remove_passkey(who, shown.credential)
    found = sessions.found(door.city, current.digest, door.now)
    assert found is not None
    assert (found.row.proof, found.row.shown) == ("vouched", None)


def test_a_session_key_lies_nowhere_readable_and_goes_with_its_challenge(door: Door, staff: Staff) -> None:
    _, key = door.sign_up(post=staff.number)
    options = door.options()
    [kept] = [Challenge.decode(row) for _, row in door.city.books.rows(challenges.KEPT)]
    assert kept.bound is not None
    door.keyring.close()
    files = [each.read_bytes() for each in door.folder.rglob("*") if each.is_file()]
    assert files
    assert not any(kept.bound.secret in each for each in files)
    door.restart()
    shown = door.shown_by(key.get(options))[1]
    assert shown.secret == kept.bound.secret
    assert list(door.city.books.rows(challenges.KEPT)) == []
    with pytest.raises(ChallengeRefused):
        door.shown_by(key.get(options))
    for _ in range(3):
        door.options()
    door.now += challenges.GOOD_FOR
    sweep(door.city, door.now)
    assert list(door.city.books.rows(challenges.KEPT)) == []


def test_neither_the_credentials_id_nor_the_account_is_in_what_others_see(door: Door, staff: Staff) -> None:
    who, key, shown = signed_in(door, staff)
    made = opened(staff, shown, SITE.deployment, door.now, 60)
    body = made.proof.encode()
    assert check_passkey(statement_of(made), staff.key.address, SITE.deployment).origin == SITE.origin
    for secret in (key.credential, who.id, who.account.name.encode(), shown.credential, shown.secret):
        assert secret not in body
