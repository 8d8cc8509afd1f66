"""Whoever signs out at the provider is signed out here (OpenID Connect Back-Channel Logout 1.0)."""

from __future__ import annotations

import secrets
import time
from typing import Any

import pytest

from careledger.app.identity import accounts, employing, leaving, providers, sessions
from careledger.app.identity.id_tokens import OLDEST, SKEW
from careledger.domain.parties import Role
from careledger.gateway.cookies import SESSION
from gateway.edge_world import Edge
from gateway.oauth_world import KeyPair, Page
from gateway.sign_on_world import CLIENT, House, Traveller, city, edge, house, unpaced

__all__ = ["city", "edge", "unpaced"]

EVENTS: dict[str, Any] = {"http://schemas.openid.net/event/backchannel-logout": {}}


def token(city: House, key: KeyPair | None = None, kind: object = "logout+jwt", **said: Any) -> str:
    """A logout token as it should be, but for what is said otherwise; a claim of None is left out, as is a type."""
    by, now = key or city.issuer.key, city.edge.story.world.clock.now()
    claims = {"iss": city.issuer.url, "aud": CLIENT, "sub": city.issuer.person["sub"], "iat": now,
              "exp": now + 60, "jti": secrets.token_hex(8), "events": EVENTS} | said  # fmt: skip
    header = {"alg": by.algorithm, "kid": city.issuer.key.kid, **({} if kind is None else {"typ": kind})}
    return by.signed(header, {name: value for name, value in claims.items() if value is not None})


def said(city: House, text: str, provider: bytes = b"") -> Page:
    """By the provider's server, which has no cookie of anybody."""
    return Traveller(city.edge).post(
        f"/sign-on/{(provider or city.provider).hex()}/logout", {"logout_token": text}
    )


def test_whoever_signs_out_at_the_provider_is_signed_out_here_everywhere_and_nobody_else(city: House) -> None:
    first, second, other = (Traveller(city.edge) for _ in range(3))
    assert city.sign_on(first).status == 200
    assert city.sign_on(second).status == 200
    mine = city.issuer.person["sub"]
    city.issuer.person["sub"] = f"o-{mine}"
    city.listed(f"o-{mine}", Role.DOCTOR, name=f"Dr Other {mine}")
    assert city.sign_on(other).status == 200
    page = said(city, token(city, sub=mine, iat=city.edge.story.world.clock.now() - 5))
    assert (page.status, page.text, page.headers["cache-control"]) == (200, "", "no-store")
    assert (first.session(), second.session()) == (None, None)
    assert first.go("/fhir/_history").status == 401
    assert other.session() is not None
    city.issuer.person["sub"] = mine
    assert city.sign_on(first).status == 200
    assert said(city, token(city, sub="nobody")).status == 200
    assert first.session() is not None


def test_a_logout_that_is_said_again_ends_no_session_that_began_after_it(city: House) -> None:
    browser, now = Traveller(city.edge), city.edge.story.world.clock.now()
    assert city.sign_on(browser).status == 200
    assert said(city, token(city, iat=now - 300)).status == 200
    assert browser.session() is not None
    employer = city.edge.story.organisations["City"]
    who = employing.by_login(employer, city.issuer.person["sub"])
    assert who is not None
    holder = accounts.holder_of(employer, who.member.post)
    assert holder is not None
    older, _ = sessions.begin(holder, None, now - 400, "TREAT")
    earlier = Traveller(city.edge, {SESSION: older})
    assert earlier.session() is not None
    assert said(city, token(city, iat=now - 300)).status == 200
    assert browser.session() is not None
    assert earlier.session() is None


@pytest.mark.parametrize("named", [{}, {"sid": "a"}], ids=["of whom", "of which session"])
def test_a_logout_token_that_comes_again_ends_nothing_more_and_is_answered_alike(
    city: House, named: dict[str, Any]
) -> None:
    city.issuer.claims["sid"] = "a"
    now = city.edge.story.world.clock.now()
    browser, text = Traveller(city.edge), token(city, iat=now - 20, **named)
    assert said(city, text).status == 200
    city.issuer.claims["auth_time"] = now - 10
    assert city.sign_on(browser).status == 200
    assert said(city, text).status == 200
    assert browser.session() is not None
    assert said(city, token(city, **named)).status == 200
    assert browser.session() is None


def test_the_same_name_of_another_providers_token_is_another_one(city: House, edge: Edge) -> None:
    browser = Traveller(edge)
    assert city.sign_on(browser).status == 200
    with house(edge, "Lakeside") as other:
        assert said(other, token(other, jti="one")).status == 200
    assert browser.session() is not None
    assert said(city, token(city, jti="one")).status == 200
    assert browser.session() is None


def test_a_provider_signs_out_all_its_staff_at_once_and_not_without_end(city: House) -> None:
    browser, pace = Traveller(city.edge), city.edge.gateway._edge._signing_on.entering.providers_pace
    assert city.sign_on(browser).status == 200
    assert {said(city, token(city, sub=f"of {each}")).status for each in range(100)} == {200}
    assert said(city, token(city)).status == 200
    assert browser.session() is None
    for name in list(pace._left):
        pace._left[name] = (0.0, time.monotonic() + 3_600)
    assert said(city, token(city)).status == 429


NONE: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://other.example"}, "another client": {"aud": "other"}, "no client": {"aud": None},
    "no event": {"events": None}, "another event": {"events": {"x": {}}}, "an event that is none": {"events": "x"},
    "an ID token": {"nonce": "n"}, "nobody": {"sub": None}, "no time": {"iat": None}, "no end": {"exp": None},
    "somebody without a name": {"sub": "", "sid": "a"}, "a number": {"sub": 7}, "a session without a name": {"sid": ""},
    "no ID": {"jti": None}, "an empty ID": {"jti": ""}, "an ID that is a number": {"jti": 7},
    "an ID without end": {"jti": "x" * 256}, "an ID that is no text": {"jti": "\ud800"},
    "somebody who is no text": {"sub": "\ud800"}, "a session that is no text": {"sid": "\ud800"},
    "a session that is a number": {"sid": 7},
    "a session of a long name": {"sid": "x" * 256},
    "a token of access": {"kind": "at+jwt"}, "a token of no kind": {"kind": 7}, "another type": {"kind": "event+jwt"},
}  # fmt: skip


@pytest.mark.parametrize("wrong", NONE)
def test_what_is_no_logout_token_signs_nobody_out(city: House, wrong: str) -> None:
    browser = Traveller(city.edge)
    assert city.sign_on(browser).status == 200
    page = said(city, token(city, **NONE[wrong]))
    assert (page.status, "invalid_request" in page.text) == (400, True)
    assert browser.session() is not None


@pytest.mark.parametrize("kind", ["logout+jwt", "application/logout+jwt", "LOGOUT+JWT", "JWT", None])
def test_a_logout_token_says_its_type_or_none(city: House, kind: str | None) -> None:
    browser = Traveller(city.edge)
    assert city.sign_on(browser).status == 200
    assert said(city, token(city, kind=kind)).status == 200
    assert browser.session() is None


def test_no_logout_token_signs_anybody_on_though_it_says_all_that_an_id_token_does(city: House) -> None:
    browser = Traveller(city.edge)
    for kind, status in (("logout+jwt", 403), ("at+jwt", 403), ("JWT", 200)):
        city.issuer.header["typ"] = kind
        assert city.sign_on(browser).status == status
        assert (browser.session() is not None) == (status == 200)


def in_session(city: House, name: str | None) -> Traveller:
    """A browser that signed on in that session of the provider."""
    browser = Traveller(city.edge)
    city.issuer.claims["sid"] = name
    assert city.sign_on(browser).status == 200
    return browser


@pytest.mark.parametrize("named", [True, False], ids=["of whom too", "alone"])
def test_of_a_session_that_the_provider_names_exactly_that_one_is_over(city: House, named: bool) -> None:
    first, second, unsaid = (in_session(city, each) for each in ("a", "b", None))
    whom: dict[str, Any] = {} if named else {"sub": None}
    with house(city.edge, "Lakeside", just_in_time=True) as lakeside:
        lakeside.issuer.person["sub"] = city.issuer.person["sub"]
        elsewhere = in_session(lakeside, "a")
        assert said(city, token(city, sid="a", **whom)).status == 200
        assert elsewhere.session() is not None
    assert (first.session() is None, second.session() is None) == (True, False)
    assert (unsaid.session() is None) == named  # of whom the provider did not say in which session they are
    assert said(city, token(city, sid="b", sub="somebody else")).status == 200
    assert second.session() is not None
    assert said(city, token(city, sid="b", **whom)).status == 200
    assert second.session() is None


OVER: dict[str, dict[str, Any]] = {
    "that session": {"sid": "a"}, "alone": {"sid": "a", "sub": None}, "whoever it is": {},
}  # fmt: skip


@pytest.mark.parametrize("how", OVER)
def test_an_id_token_of_a_session_that_is_over_signs_nobody_on_however_late_it_comes(
    city: House, how: str
) -> None:
    now = city.edge.story.world.clock.now()
    city.issuer.claims["auth_time"] = now - 30
    late = {name: Traveller(city.edge) for name in ("a", "b")}
    back = {name: city.away(browser) for name, browser in late.items()}
    assert said(city, token(city, iat=now - 10, **OVER[how])).status == 200
    for name, browser in late.items():
        city.issuer.claims["sid"] = name
        is_over = name == "a" or not OVER[how]
        assert browser.go(back[name], "cross-site").status == (403 if is_over else 200)
        assert (browser.session() is None) == is_over
    city.issuer.claims |= {"sid": "a", "auth_time": now - 5}
    assert city.sign_on(late["a"]).status == 200  # proved anew since


def test_an_id_token_that_does_not_say_its_session_is_over_with_any_of_its_subject(city: House) -> None:
    now = city.edge.story.world.clock.now()
    city.issuer.claims["auth_time"] = now - 30
    late, other = Traveller(city.edge), Traveller(city.edge)
    back, there = city.away(late), city.away(other)
    assert said(city, token(city, iat=now - 10, sid="a")).status == 200
    assert late.go(back, "cross-site").status == 403
    assert late.session() is None
    city.issuer.claims["sid"] = "b"
    assert other.go(there, "cross-site").status == 200
    del city.issuer.claims["sid"]
    city.issuer.claims["auth_time"] = now - 5
    assert city.sign_on(late).status == 200  # proved anew since


def test_a_session_that_is_named_without_its_subject_ends_no_other_that_is_not_named(city: House) -> None:
    now = city.edge.story.world.clock.now()
    city.issuer.claims["auth_time"] = now - 30
    late = Traveller(city.edge)
    back = city.away(late)
    assert said(city, token(city, iat=now - 10, sid="a", sub=None)).status == 200
    assert late.go(back, "cross-site").status == 200


def test_what_is_kept_of_a_session_that_is_over_is_dropped_when_nothing_said_before_counts(
    city: House,
) -> None:
    employer, now = city.edge.story.organisations["City"], city.edge.story.world.clock.now()
    before = len(list(employer.books.rows(leaving.OVER)))
    assert said(city, token(city, sid="a")).status == 200
    assert said(city, token(city, sid="a")).status == 200
    assert len(list(employer.books.rows(leaving.OVER))) == before + 2  # that one, and one that is not named
    leaving.sweep(employer, now + OLDEST + SKEW + 2 * 60)
    assert [*employer.books.rows(leaving.OVER), *employer.books.rows(leaving.HEARD)] == []


def test_a_logout_token_of_another_time_key_or_provider_signs_nobody_out(city: House, edge: Edge) -> None:
    browser, now = Traveller(edge), edge.story.world.clock.now()
    assert city.sign_on(browser).status == 200
    for text in (token(city, exp=now), token(city, iat=now - 700), token(city, iat=now + 120), token(city, KeyPair()),
                 "", "a.b.c", city.issuer.token("n")):  # fmt: skip
        assert said(city, text).status == 400
    with house(edge, "Lakeside") as other:
        assert said(city, token(city), other.provider).status == 400
        assert said(city, token(other, sub=city.issuer.person["sub"]), other.provider).status == 200
    assert said(city, token(city), secrets.token_bytes(16)).status == 400
    place = f"/sign-on/{city.provider.hex()}/logout"
    assert Traveller(edge).post(place, {"logout": token(city)}).status == 400
    assert Traveller(edge).post(place, f"logout_token={token(city)}&logout_token=x").status == 400
    assert browser.session() is not None
    providers.remove(edge.story.organisations["City"], city.provider)
    assert said(city, token(city)).status == 400
    assert browser.session() is not None
