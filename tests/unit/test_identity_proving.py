"""Nobody gets in by what was shown before, by another's proof, or by guessing; and nobody is locked out by guessers."""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zxcvbn.frequency_lists import FREQUENCY_LISTS
from zxcvbn.matching import RANKED_DICTIONARIES

from authenticator import PRESENT, Authenticator, b64
from careledger.app.identity import (
    accounts,
    attempts,
    challenges,
    codes,
    invitations,
    passkeys,
    passwords,
    proving,
    sessions,
)
from careledger.app.identity.proving import Source
from careledger.app.identity.sweeping import sweep
from careledger.domain.errors import (
    ActRefused,
    CareLedgerError,
    ChallengeRefused,
    InvitationRefused,
    PasswordRefused,
    SecretSent,
    SignInRefused,
    Throttled,
)
from careledger.formats.identity import Passkey
from identity_world import ELSEWHERE, HERE, PASSWORD, SITE, Door

DAY = 24 * 3600


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    made = Door(tmp_path)
    yield made
    made.keyring.close()


def test_whoever_holds_the_passkey_signs_in_and_whoever_holds_another_does_not(door: Door) -> None:
    who, key = door.sign_up()
    assert door.by_passkey(key.get(door.options())).id == who.id
    assert door.by_passkey(key.get(door.options(who.account.name))).id == who.id
    thief = Authenticator(credential=key.credential, handle=key.handle, count=100)
    stranger = Authenticator(handle=key.handle)
    for liar in (thief, stranger):
        with pytest.raises(SignInRefused):
            door.by_passkey(liar.get(door.options()))
    assert door.by_passkey(key.get(door.options())).id == who.id


def test_a_challenge_is_answered_once_also_after_a_restart(door: Door) -> None:
    _, key = door.sign_up(Authenticator(counts=False))
    answer = key.get(door.options())
    door.restart()
    door.by_passkey(answer)
    with pytest.raises(ChallengeRefused):
        door.by_passkey(answer)
    door.restart()
    with pytest.raises(ChallengeRefused):
        door.by_passkey(answer)


def test_a_challenge_is_good_for_two_minutes_and_for_what_it_was_given_for(door: Door) -> None:
    who, key = door.sign_up(Authenticator(counts=False))
    options = door.options()
    door.now += challenges.GOOD_FOR
    with pytest.raises(ChallengeRefused):
        door.by_passkey(key.get(options))
    one, two = (sessions.begin(who, None, door.now, "TREAT")[1] for _ in range(2))
    with pytest.raises(ChallengeRefused):
        proving.again_by_passkey(one, SITE, key.get(door.options()), door.now)
    stepped = proving.step_up_options(one, SITE, door.now)
    with pytest.raises(ChallengeRefused):
        door.by_passkey(key.get(stepped))
    other = proving.step_up_options(one, SITE, door.now)
    with pytest.raises(ChallengeRefused):
        proving.again_by_passkey(two, SITE, key.get(other), door.now)
    made_up = {**door.options(), "challenge": b64(bytes(32))}
    with pytest.raises(ChallengeRefused):
        door.by_passkey(key.get(made_up))


def test_a_challenge_whose_answer_was_wrong_is_used_up(door: Door) -> None:
    _, key = door.sign_up()
    options = door.options()
    with pytest.raises(SignInRefused):
        door.by_passkey(Authenticator(credential=key.credential, count=9).get(options))
    with pytest.raises(ChallengeRefused):
        door.by_passkey(key.get(options))


def test_more_challenges_than_may_wait_are_refused_until_some_are_over(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(challenges, "MOST", 3)
    for _ in range(3):
        door.options()
    with pytest.raises(Throttled):
        door.options()
    door.now += challenges.GOOD_FOR
    door.options()


def test_a_step_up_takes_this_accounts_passkey_only(door: Door) -> None:
    who, key = door.sign_up()
    _, strangers = door.sign_up()
    current = sessions.begin(who, None, door.now, "TREAT")[1]
    options = proving.step_up_options(current, SITE, door.now)
    shown = proving.again_by_passkey(current, SITE, key.get(options), door.now)
    assert shown.assertion.until == current.row.until
    options = proving.step_up_options(current, SITE, door.now)
    with pytest.raises(SignInRefused):
        proving.again_by_passkey(current, SITE, strangers.get(options), door.now)


def test_a_counter_that_goes_back_is_a_copy_and_refused(door: Door) -> None:
    _, key = door.sign_up()
    copied = copy.copy(key)
    key.count = 7
    door.by_passkey(key.get(door.options()))
    door.restart()
    with pytest.raises(SignInRefused):
        door.by_passkey(copied.get(door.options()))
    door.by_passkey(key.get(door.options()))


def test_a_passkey_that_did_not_verify_its_person_or_is_of_another_site_is_refused(door: Door) -> None:
    for liar in (Authenticator(flags=PRESENT), Authenticator(origin="http://localhost:9999")):
        with pytest.raises(SignInRefused):
            door.sign_up(liar)
    _, key = door.sign_up()
    for wrong in ({"flags": PRESENT}, {"origin": "http://127.0.0.1:8080"}):
        liar = copy.copy(key)
        vars(liar).update(wrong)
        liar.count = key.count
        with pytest.raises(SignInRefused):
            door.by_passkey(liar.get(door.options()))
    elsewhere = {**door.options(), "rpId": "example.org"}
    with pytest.raises(SignInRefused):
        door.by_passkey(key.get(elsewhere))
    door.by_passkey(key.get(door.options()))


def test_an_answer_that_carries_what_unlocks_keys_is_refused_whatever_else_it_is(door: Door) -> None:
    _, key = door.sign_up()
    for prf in ({"results": {"first": "AAAA"}}, {"enabled": True}, {}):
        with pytest.raises(SecretSent):
            door.by_passkey({**key.get(door.options()), "clientExtensionResults": {"prf": prf}})
    fresh = Authenticator()
    create = fresh.create
    fresh.create = lambda options: {**create(options), "clientExtensionResults": {"prf": {}}}  # type: ignore[method-assign]
    with pytest.raises(SecretSent):
        door.sign_up(fresh)


def test_one_accounts_passkey_is_no_other_accounts(door: Door) -> None:
    who, key = door.sign_up()
    with pytest.raises(ActRefused):
        door.sign_up(Authenticator(credential=key.credential))
    assert door.by_passkey(key.get(door.options())).id == who.id


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.binary(max_size=40).map(b64),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(where=st.sampled_from(["id", "rawId", "type", "response"]), what=JUNK)
def test_whatever_else_is_sent_as_an_answer_is_refused_in_our_words(where: str, what: Any) -> None:
    key = Authenticator()
    options = passkeys.request_options(SITE, bytes(32), [])
    answer = key.get(options) | {where: what}
    kept = Passkey(bytes(16), key.credential, b"\xa0", 0, 0, 0)
    with pytest.raises(CareLedgerError):
        passkeys.count_proved(SITE, answer, passkeys.challenge_of(answer), kept)
    made = Authenticator().create(passkeys.creation_options(SITE, bytes(16), "x", bytes(32))) | {where: what}
    with pytest.raises(CareLedgerError):
        passkeys.made(SITE, made, passkeys.challenge_of(made), bytes(16), 0)


def test_an_answer_whose_parts_were_changed_is_refused(door: Door) -> None:
    _, key = door.sign_up()
    for part in ("authenticatorData", "signature", "clientDataJSON"):
        for changed in ("", "AAAA", "!", 7, None, b64(b"\xff" * 200)):
            answer = key.get(door.options())
            answer["response"][part] = changed
            with pytest.raises(SignInRefused):
                door.by_passkey(answer)


def test_a_password_needs_its_code_and_a_code_its_password(door: Door) -> None:
    who, totp, _ = door.with_password()
    name = who.account.name
    for password, code in (
        (PASSWORD, "000000"),
        ("a heron over the sea", door.code(totp)),
        ("", ""),
        (PASSWORD, ""),
    ):
        with pytest.raises(SignInRefused):
            door.by_password(name, code, password)
    assert door.by_password(f" {name.upper()} ", door.code(totp)).id == who.id
    with pytest.raises(SignInRefused):
        door.by_password("aaaaa-aaaaa", door.code(totp))


def test_a_code_counts_once_also_after_a_restart(door: Door) -> None:
    who, totp, recovery = door.with_password()
    name, code = who.account.name, door.code(totp)
    door.by_password(name, code)
    door.restart()
    with pytest.raises(SignInRefused):
        door.by_password(name, code)
    earlier = codes.totp_code(totp, door.now // codes.PERIOD - 1)
    with pytest.raises(SignInRefused):
        door.by_password(name, earlier)
    assert door.by_password(name, recovery[0].lower()).id == who.id
    door.restart()
    with pytest.raises(SignInRefused):
        door.by_password(name, recovery[0])
    assert door.by_password(name, recovery[1].replace("-", " ")).id == who.id


def test_two_tries_with_one_code_at_once_are_one(door: Door) -> None:
    who, totp, _ = door.with_password()
    both = [
        proving.by_password(door.city, who.account.name, PASSWORD, door.code(totp), HERE, door.now)
        for _ in range(2)
    ]
    for each in both:
        next(each)
    with pytest.raises(StopIteration):
        both[0].send(True)
    with pytest.raises(SignInRefused):
        both[1].send(True)


def test_whoever_is_suspended_while_the_password_is_compared_is_refused(door: Door) -> None:
    who, totp, _ = door.with_password()
    steps = proving.by_password(door.city, who.account.name, PASSWORD, door.code(totp), HERE, door.now)
    next(steps)
    accounts.suspend([who])
    with pytest.raises(SignInRefused):
        steps.send(True)


def guessed(door: Door, name: str, seconds: int, source: Source, code: str = "000000") -> int:
    """How many guesses are looked at in so many seconds, a guesser trying every second or as soon as it may."""
    looked_at, end = 0, door.now + seconds
    while door.now < end:
        try:
            door.by_password(name, code, source=source, right=True)
        except SignInRefused:
            looked_at, wait = looked_at + 1, 1
        except Throttled as error:
            wait = int(str(error.details["seconds"]))
        door.now += wait
    return looked_at


@pytest.mark.parametrize("code", ["000000", "AAAA-AAAA-AAAA-AAAA"])
def test_whoever_guesses_codes_to_a_known_password_has_few_tries_a_day(door: Door, code: str) -> None:
    who, _, _ = door.with_password()
    assert guessed(door, who.account.name, 600, HERE, code) < 16
    door.restart()
    assert guessed(door, who.account.name, DAY, HERE, code) < 120


def test_whoever_guesses_from_everywhere_has_few_tries_too(door: Door) -> None:
    who, _, _ = door.with_password()
    looked_at, end, places = 0, door.now + DAY, 0
    while door.now < end and places < 1_000:
        places += 1
        try:
            door.by_password(who.account.name, "000000", source=Source(f"2001:db8::{places:x}"), right=True)
        except SignInRefused:
            looked_at += 1
        except Throttled as error:
            door.now += int(str(error.details["seconds"]))
    assert places > looked_at
    assert 30 < looked_at < 80


def test_a_name_that_is_not_there_is_slowed_down_as_one_that_is(door: Door) -> None:
    who, _, _ = door.with_password()
    seen = []
    for name in (who.account.name, "zzzzz-zzzzz"):
        start, outcomes = door.now, []
        for _ in range(9):
            try:
                door.by_password(name, "000000", source=ELSEWHERE, right=False)
            except CareLedgerError as error:
                outcomes.append((type(error), str(error), door.now - start))
            door.now += 1
        seen.append(outcomes)
    assert seen[0] == seen[1]
    assert {kind for kind, _, _ in seen[0]} == {SignInRefused, Throttled}


def test_guessers_lock_out_neither_a_passkey_nor_a_browser_that_was_there_before(door: Door) -> None:
    who, totp, _ = door.with_password(post=7)
    key = Authenticator()
    challenge = challenges.give(door.city.books, challenges.ADD, door.now, who.id, b"\1" * 32)
    made = key.create(passkeys.creation_options(SITE, who.id, "x", challenge))
    who = accounts.add_passkey(who, proving.new_passkey(who, b"\1" * 32, SITE, made, door.now))
    mine = Source(ELSEWHERE.address, "cookie of a browser that was here")
    proving.remember(who, mine.device, door.now)
    for place in range(400):
        source = Source(ELSEWHERE.address if place % 2 else f"2001:db8::{place:x}")
        with pytest.raises((SignInRefused, Throttled)):
            door.by_password(who.account.name, "000000", source=source, right=False)
    with pytest.raises(Throttled):
        door.by_password(who.account.name, door.code(totp), source=Source(mine.address, "another cookie"))
    assert door.by_passkey(key.get(door.options())).id == who.id
    assert door.by_password(who.account.name, door.code(totp), source=mine).id == who.id


def test_a_right_try_forgets_the_wrong_ones_before_it_and_a_day_forgets_all(door: Door) -> None:
    who, totp, _ = door.with_password()
    for _ in range(4):
        with pytest.raises(SignInRefused):
            door.by_password(who.account.name, "000000", right=False)
    door.by_password(who.account.name, door.code(totp))
    assert list(door.city.books.rows(attempts.KEPT)) == []
    for _ in range(5):
        with pytest.raises(SignInRefused):
            door.by_password(who.account.name, "000000", right=False)
    with pytest.raises(Throttled):
        door.by_password(who.account.name, "000000", right=False)
    door.now += attempts.FORGOTTEN
    attempts.sweep(door.city.books, door.now)
    assert list(door.city.books.rows(attempts.KEPT)) == []


def test_a_name_that_is_not_there_is_answered_with_a_credential_always_the_same(door: Door) -> None:
    who, key = door.sign_up()
    there = door.options(who.account.name)["allowCredentials"]
    made_up = [
        door.options(name)["allowCredentials"] for name in ("zzzzz-zzzzz", " ZZZZZ-ZZZZZ", "yyyyy-yyyyy")
    ]
    assert [each["id"] for each in there] == [b64(key.credential)]
    assert made_up[0] == made_up[1] != made_up[2]
    assert {frozenset(each) for each in (there[0], *made_up[0], *made_up[2])} == {frozenset({"id", "type"})}
    door.restart()
    assert door.options("zzzzz-zzzzz")["allowCredentials"] == made_up[0]


def test_a_known_and_an_unknown_name_and_passkey_take_the_same_path(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same rows are read and written, and as much is compared; bench/sign_in.py compares the times."""
    who, _, _ = door.with_password()
    _, key = door.sign_up()
    accounts.nobody(door.city)
    walked: list[tuple[str, str]] = []

    def watched(place: object, name: str, of: Callable[..., str]) -> None:
        real = getattr(place, name)

        def also(*given: Any, **named: Any) -> Any:
            walked.append((name, of(*given)))
            return real(*given, **named)

        monkeypatch.setattr(place, name, also)

    for each in ("get", "put", "drop"):
        watched(type(door.city.books), each, lambda books, kind, *more: kind)
    watched(passwords, "is_password", lambda *given: "")
    watched(passkeys, "verify_authentication_response", lambda *given: "")

    def path(tries: Callable[[], object]) -> list[tuple[str, str]]:
        walked.clear()
        with pytest.raises(SignInRefused):
            tries()
        return list(walked)

    by_password = [
        path(lambda name=name: door.by_password(name, "000000", "a wrong long password"))  # type: ignore[misc]
        for name in (who.account.name, "zzzzz-zzzzz")
    ]
    assert by_password[0] == by_password[1]
    assert by_password[0].count(("is_password", "")) == 1
    stranger, by_passkey = Authenticator(), []
    stranger.create(passkeys.creation_options(SITE, bytes(16), "x", bytes(32)))
    for credential in (key.credential, stranger.credential):
        answer = stranger.get(door.options())
        answer |= {"id": b64(credential), "rawId": b64(credential)}
        del answer["response"]["userHandle"]
        by_passkey.append(path(lambda answer=answer: door.by_passkey(answer)))  # type: ignore[misc]
    assert by_passkey[0] == by_passkey[1]
    assert by_passkey[0].count(("verify_authentication_response", "")) == 1


def test_a_recovery_code_is_not_to_be_guessed_from_its_digest() -> None:
    made = codes.new_recovery_codes()
    assert len({codes.code_digest(each) for each in made}) == 10
    for each in made:
        letters = each.replace("-", "")
        assert len(base64.b32decode(letters + "=" * (-len(letters) % 8))) * 8 >= 128
        assert codes.code_digest(each.lower().replace("-", " ")) == codes.code_digest(each)


def test_short_and_repeated_passwords_are_none(door: Door) -> None:
    for bad in ("", "short", "a" * 40, "abababababababab", "x" * 129):
        with pytest.raises(PasswordRefused):
            passwords.new_hash(bad)
    kept = passwords.new_hash("বাংলা ভাষায় একটি গোপন কথা")
    assert kept.startswith("$argon2id$")
    assert passwords.is_password(kept, "বাংলা ভাষায় একটি গোপন কথা")
    assert not passwords.is_password(kept, "বাংলা ভাষায় একটি গোপন")
    assert not passwords.is_password(kept, "\ud800")


def test_common_passwords_words_of_the_place_and_common_ways_to_put_them_together_are_refused() -> None:
    leaked = [each for each in FREQUENCY_LISTS["passwords"] if len(each) >= passwords.LEAST]
    assert len(leaked) > 30
    doubled = [each * 2 for each in FREQUENCY_LISTS["passwords"][:3_000] if len(each) * 2 >= passwords.LEAST]
    assert len(doubled) > 500
    made = ["qwertyuiopasdfgh", "drowssapdrowssap1", "passwordpassword1988", "monkeydragonfootball"]
    for each in (*leaked, *doubled, *made):
        with pytest.raises(PasswordRefused) as refused:
            passwords.new_hash(each)
        assert each not in str(refused.value)
    near = "Lakeside Hospital", "Rahima Khatun", "NID-42-0007", "1988-04"
    for each in ("lakesidelakeside1", "Rahima Khatun NID-42-0007", "careledger1988-04"):
        with pytest.raises(PasswordRefused):
            passwords.new_hash(each, near)
    assert passwords.new_hash("Rahima Khatun NID-42-0007")  # of somebody else it says nothing
    assert not {"lakeside", "nid-42-0007"} & set(RANKED_DICTIONARIES.get("user_inputs", ()))
    assert passwords.new_hash("a heron over the delta", near)


def test_whoever_is_dropped_while_they_prove_who_they_are_is_refused_as_anybody_is(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    who, totp, _ = door.with_password()
    steps = proving.by_password(door.city, who.account.name, PASSWORD, door.code(totp), HERE, door.now)
    next(steps)
    accounts.sweep_waiting(door.city, door.now + accounts.WAITS_FOR)
    with pytest.raises(SignInRefused):
        steps.send(True)
    other, key = door.sign_up()
    answer, used = key.get(door.options()), accounts.used

    def dropped(*given: Any) -> None:
        used(*given)
        accounts.sweep_waiting(door.city, door.now + accounts.WAITS_FOR)

    monkeypatch.setattr(accounts, "used", dropped)
    with pytest.raises(SignInRefused):
        door.by_passkey(answer)
    assert accounts.by_name(door.city, other.account.name).id == accounts.NOBODY


def test_a_name_whose_account_was_just_dropped_is_nobodys(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    who, _ = door.sign_up()
    there = accounts.Person(door.city, accounts.NOBODY, who.account)
    monkeypatch.setattr(accounts, "nobody", lambda organisation: there)
    door.city.books.drop(accounts.ACCOUNT, [who.id])
    assert accounts.by_name(door.city, who.account.name) is there
    assert accounts.passkey(door.city, accounts.passkeys(who)[0].credential) is None


def test_the_last_proof_is_not_taken_away(door: Door) -> None:
    who, key = door.sign_up()
    name = passkeys.credential_digest(key.credential)
    with pytest.raises(ActRefused):
        accounts.remove_passkey(who, name)
    second = Authenticator()
    challenge = challenges.give(door.city.books, challenges.ADD, door.now, who.id, b"\1" * 32)
    made = second.create(passkeys.creation_options(SITE, who.id, "x", challenge))
    who = accounts.add_passkey(who, proving.new_passkey(who, b"\1" * 32, SITE, made, door.now))
    accounts.remove_passkey(who, name)
    with pytest.raises(SignInRefused):
        door.by_passkey(key.get(door.options()))
    assert door.by_passkey(second.get(door.options())).id == who.id


def test_an_invitation_is_good_once_for_one_post_and_for_a_week(door: Door) -> None:
    code, _ = invitations.invite(door.city, 7, door.now)
    late, _ = invitations.invite(door.city, 8, door.now)
    with pytest.raises(InvitationRefused):
        invitations.take(door.city, "AAAA-BBBB", door.now)
    assert invitations.take(door.city, code.lower(), door.now) == 7
    door.restart()
    with pytest.raises(InvitationRefused):
        invitations.take(door.city, code, door.now)
    with pytest.raises(InvitationRefused):
        invitations.take(door.city, late, door.now + invitations.GOOD_FOR)
    other, _ = invitations.invite(door.city, 7, door.now)
    door.sign_up(post=7)
    with pytest.raises(InvitationRefused):
        invitations.invite(door.city, 7, door.now)
    with pytest.raises(InvitationRefused):
        invitations.take(door.city, other, door.now)


def test_of_who_somebody_says_they_are_nothing_lies_readable_or_outside_the_claim(door: Door) -> None:
    who, _ = door.sign_up()
    door.keyring.close()
    raw = b"".join(path.read_bytes() for path in door.folder.rglob("*") if path.is_file())
    for said in (b"Rahima", b"NID-42-0007", PASSWORD.encode()):
        assert said not in raw
    assert "Rahima" not in repr(who.account) + repr(who.account.claim) + repr(who)
    claim = who.account.claim
    assert claim is not None
    assert who.account.commitment == claim.commitment
    door.restart()


def test_an_account_that_nobody_approves_is_dropped_whole_after_two_weeks_and_no_other_is(door: Door) -> None:
    waits, key = door.sign_up()
    begun, _ = door.sign_up()
    begun = accounts.changed(begun, alias=b"\7" * 32)
    active, _, _ = door.with_password(post=7)
    door.now = waits.account.made + accounts.WAITS_FOR - 1
    sweep(door.city, door.now)
    assert len(accounts.waiting(door.city)) == 2
    assert door.by_passkey(key.get(door.options())).id == waits.id
    door.now += 60
    sweep(door.city, door.now)
    assert {each.id for each in accounts.people(door.city)} == {begun.id, active.id}
    assert accounts.by_name(door.city, waits.account.name).id == accounts.NOBODY
    with pytest.raises(SignInRefused):
        door.by_passkey(key.get(door.options()))
    left = [
        (kind, name)
        for kind in (accounts.PASSKEY, accounts.WAITING)
        for name, _ in door.city.books.rows(kind)
    ]
    assert left == [(accounts.PASSKEY, begun.account.passkeys[0]), (accounts.WAITING, begun.id)]


def test_browsers_of_who_waits_for_approval_are_not_kept(door: Door) -> None:
    who, _ = door.sign_up()
    proving.remember(who, "cookie", door.now)
    assert list(door.city.books.rows(proving.DEVICE)) == []


def test_what_nobody_can_use_any_more_is_swept_and_nothing_else(door: Door) -> None:
    who, totp, _ = door.with_password(post=7)
    door.options()
    invitations.invite(door.city, 8, door.now)
    proving.remember(who, "cookie", door.now)
    with pytest.raises(SignInRefused):
        door.by_password(who.account.name, "000000", right=False)
    kinds = (challenges.KEPT, attempts.KEPT, proving.DEVICE, invitations.KEPT)
    sweep(door.city, door.now)
    assert all(list(door.city.books.rows(kind)) for kind in kinds)
    door.now += proving.DEVICE_FOR
    sweep(door.city, door.now)
    assert not any(list(door.city.books.rows(kind)) for kind in kinds)
    assert door.by_password(who.account.name, door.code(totp)).id == who.id
