"""An organisation invites, approves, suspends and ends by commands, its own people and nobody else's."""

from __future__ import annotations

import secrets
from contextlib import closing
from pathlib import Path

import pytest

from careledger.app import world as worlds
from careledger.app.identity import accounts, invitations, sessions
from careledger.app.identity.accounts import Person
from careledger.app.identity.references import References
from careledger.app.world import World
from careledger.domain.errors import InvitationRefused
from careledger.formats.identity import Claim, Passkey
from stories.cli_world import PATIENT, careledger, explored, lived, told

__all__ = ["explored", "lived"]
CITY, LAKESIDE = "City Hospital", "Lakeside Hospital"
POST = "Dr Sen, Lakeside"
CLAIM = Claim("Rahima Khatun", "NID-42-0007", "1988-04", b"\5" * 32)


def signed_up(folder: Path, at: str = CITY, invitation: str = "") -> tuple[str, str]:
    """Somebody signs up at that organisation's gateway: the sign-in name, and what the browser holds."""
    with closing(worlds.open_world(folder)) as world:
        return entered(world, at, invitation)


def entered(world: World, at: str, invitation: str) -> tuple[str, str]:
    organisation, now, id = world.keyring.organisation(at), world.clock.now(), secrets.token_bytes(16)
    post = invitations.take(organisation, invitation, now) if invitation else 0
    key = Passkey(id, secrets.token_bytes(32), b"\1", 0, now, now)
    who = accounts.open_account(organisation, id, CLAIM, key, now, post)
    return who.account.name, sessions.begin(who, None, now, "TREAT")[0]


def is_signed_in(folder: Path, secret: str) -> Person | None:
    with closing(worlds.open_world(folder)) as world:
        return behind(world, secret)


def behind(world: World, secret: str) -> Person | None:
    digest, now = sessions.digest_of(secret), world.clock.now()
    there = [sessions.found(each, digest, now) for each in world.keyring.organisations().values()]
    return next((each.who for each in there if each is not None), None)


def test_who_is_invited_holds_the_post_and_nobody_a_second_time(lived: Path) -> None:
    code = told("account", "invite", POST, "--data", lived)["invitation"]
    name, secret = signed_up(lived, LAKESIDE, code)
    [listed] = told("account", "list", "--as", LAKESIDE, "--data", lived)["accounts"]
    assert (listed["sign_in_name"], listed["state"], listed["post"], listed["name"]) == (
        name,
        "active",
        POST,
        "",
    )
    with pytest.raises(InvitationRefused):
        signed_up(lived, LAKESIDE, code)
    refused = careledger("account", "invite", POST, "--data", lived)
    assert refused.code == 1
    assert "careledger account list" in refused.err
    who = is_signed_in(lived, secret)
    assert who is not None
    assert who.account.post


def test_who_waits_is_listed_with_what_they_say_and_approved_as_a_new_patient_or_one_that_is_there(
    lived: Path,
) -> None:
    first, second = signed_up(lived)[0], signed_up(lived)[0]
    waiting = told("account", "list", "--as", CITY, "--waiting", "--data", lived)["accounts"]
    assert {each["sign_in_name"] for each in waiting} == {first, second}
    assert {each["national_id"] for each in waiting} == {"NID-42-0007"}
    made = told("account", "approve", first, "--as", CITY, "--data", lived)
    assert (made["state"], len(made["patient"]), made["name"]) == ("active", 64, "")
    patients = told("patient", "list", "--as", CITY, "--data", lived)
    assert "Rahima Khatun" in str(patients)
    again = told("account", "approve", second, "--as", CITY, "--patient", PATIENT, "--data", lived)
    assert again["patient"] != made["patient"]
    assert told("account", "list", "--as", CITY, "--waiting", "--data", lived)["accounts"] == []
    assert careledger("account", "approve", first, "--as", CITY, "--data", lived).code == 1


def test_a_reference_in_the_log_is_led_back_by_its_own_organisation_alone(lived: Path) -> None:
    name, _ = signed_up(lived)
    with closing(worlds.open_world(lived)) as world:
        city, made = world.keyring.organisation(CITY), References()
        who = made.account(city, accounts.by_name(city, name).id)
        post = made.post(city, world.keyring.posts(city)[0])
    assert told("account", "whose", who, "--as", CITY, "--data", lived) == {"sign_in_name": name, "post": ""}
    assert told("account", "whose", post, "--as", CITY, "--data", lived)["post"]
    for each in (who, post):
        assert careledger("account", "whose", each, "--as", LAKESIDE, "--data", lived).code == 2


def test_nobody_decides_about_another_organisations_people_or_posts(lived: Path) -> None:
    name, secret = signed_up(lived)
    for act in ("approve", "suspend", "reinstate", "end-sessions"):
        done = careledger("account", act, name, "--as", LAKESIDE, "--data", lived)
        assert (done.code, done.out) == (2, "")
        assert "nobody has this sign-in name" in done.err
    done = careledger("account", "approve", name, "--as", CITY, "--post", POST, "--data", lived)
    assert done.code == 2
    who = is_signed_in(lived, secret)
    assert who is not None
    assert who.account.state == "pending"


def test_suspending_and_ending_sessions_count_at_once_and_reinstating_brings_nothing_back(
    lived: Path,
) -> None:
    (first, one), (second, other) = signed_up(lived), signed_up(lived)
    told("account", "suspend", first, "--as", CITY, "--data", lived)
    assert is_signed_in(lived, one) is None
    assert is_signed_in(lived, other) is not None
    assert told("account", "reinstate", first, "--as", CITY, "--data", lived)["state"] == "pending"
    assert is_signed_in(lived, one) is None
    ended = told("account", "end-sessions", "--all", "--as", CITY, "--data", lived)["accounts"]
    assert {each["sign_in_name"] for each in ended} >= {first, second}
    assert is_signed_in(lived, other) is None
    assert careledger("account", "end-sessions", "--as", CITY, "--data", lived).code == 2
