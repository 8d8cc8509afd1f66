"""Staff sign on at their organisation's provider; whatever comes back otherwise than it was asked for proves nobody."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from careledger.app.identity import accounts, employing, providers, sessions, signing_on
from careledger.app.identity.employing import Wanted
from careledger.domain.errors import NodeUnavailable, ProviderRefused
from careledger.domain.parties import Role, Status
from careledger.formats.sign_on import Provider, RoleGiven, SignOn
from careledger.gateway.cookies import SESSION, SIGN_ON
from careledger.gateway.server import Gateway
from careledger.workflows import register
from gateway.edge_world import Edge
from gateway.oauth_world import KeyPair, key_set, part
from gateway.sign_on_world import SECRET, House, Traveller, city, edge, house, unpaced
from story import Story, copied

__all__ = ["city", "edge", "unpaced"]


def status(edge: Edge, number: int) -> Status:
    facts = edge.story.world.ledger.fresh_head().party(number)
    assert facts is not None
    return facts.status


def member(city: House) -> employing.Listed:
    found = employing.by_login(city.edge.story.organisations["City"], city.issuer.person["sub"])
    assert found is not None
    return found


def assert_nobody(browser: Traveller, page: Any) -> None:
    assert page.status == 403, page.text
    assert "This did not sign you in" in page.text
    assert SESSION not in browser.cookies


# Who gets in -------------------------------------------------------------------------------------


def test_a_member_of_staff_signs_on_and_acts_as_their_post_for_whom_the_organisation_vouches(
    city: House,
) -> None:
    browser = Traveller(city.edge)
    page = city.sign_on(browser)
    assert (page.status, page.to) == (200, "/sign-in")
    said = browser.session()
    assert (said["state"], said["proof"], said["purpose"]) == ("active", "vouched", "TREAT")
    assert said["post"].startswith("doc-")
    assert said["sign_on"][-1]["address"].endswith("?again=1")
    assert (
        browser.go(f"{city.edge.gateway.url.replace('127.0.0.1', 'localhost')}/fhir/_history").status == 200
    )
    digest = sessions.digest_of(browser.cookies[SESSION])
    current = sessions.found(city.edge.story.organisations["City"], digest, city.edge.story.world.clock.now())
    assert current is not None
    assert current.post == member(city).member.post
    assert current.row.proof == "vouched"
    cookie = browser.go(f"/sign-on/{city.provider.hex()}").headers["set-cookie"]
    assert "SameSite=Lax" in cookie


def test_the_sign_in_page_is_told_where_staff_sign_on(city: House) -> None:
    there = json.loads(Traveller(city.edge).go("/identity/organisations").text)["items"]
    (found,) = [each for each in there if each["name"] == "City"]
    host = city.issuer.url.removeprefix("http://")
    assert {"name": host, "address": f"/sign-on/{city.provider.hex()}"} in found["sign_on"]


def test_whoever_is_not_in_the_list_gets_a_post_just_in_time_where_that_is_so_and_else_none(
    edge: Edge,
) -> None:
    with house(edge) as strict:
        strict.issuer.person["sub"] = "newcomer"
        browser = Traveller(edge)
        assert_nobody(browser, strict.sign_on(browser))
    with house(edge, just_in_time=True) as open_house:
        open_house.issuer.person |= {"sub": "newcomer-2", "groups": ["nursing", "cooks"]}
        browser = Traveller(edge)
        assert open_house.sign_on(browser).status == 200
        assert browser.session()["post"].startswith("nur-")
        first = member(open_house).member.post
        assert status(edge, first) is Status.VERIFIED
        assert open_house.sign_on(Traveller(edge)).status == 200
        assert member(open_house).member.post == first


def test_who_has_another_role_gets_another_post_and_who_has_none_any_more_loses_it(edge: Edge) -> None:
    with house(edge, just_in_time=True) as city:
        city.issuer.person["sub"] = "changes"
        browser = Traveller(edge)
        assert city.sign_on(browser).status == 200
        first = member(city).member.post
        city.issuer.person["groups"] = ["nursing"]
        assert city.sign_on(Traveller(edge)).status == 200
        second = member(city).member.post
        assert (status(edge, first), status(edge, second)) == (Status.REMOVED, Status.VERIFIED)
        assert browser.session() is None
        city.issuer.person["groups"] = ["cooks"]
        again = Traveller(edge)
        assert_nobody(again, city.sign_on(again))
        assert status(edge, second) is Status.REMOVED
        city.issuer.person["groups"] = ["physicians"]
        assert city.sign_on(again).status == 200
        assert status(edge, member(city).member.post) is Status.VERIFIED


def test_what_broke_off_before_the_ledger_took_the_post_is_finished_by_the_next_sign_on(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    with house(edge, just_in_time=True) as city:
        city.issuer.person["sub"] = "broken-off"
        browser = Traveller(edge)

        def no_answer(*given: object) -> None:
            raise NodeUnavailable()

        with monkeypatch.context() as broken:
            broken.setattr(register, "post", no_answer)
            assert city.sign_on(browser).status == 503
        begun = member(city)
        assert edge.story.world.ledger.fresh_head().party(begun.member.post) is None
        assert browser.session() is None
        assert city.sign_on(browser).status == 200
        assert member(city).member.post == begun.member.post
        assert status(edge, begun.member.post) is Status.VERIFIED


def test_a_post_that_the_employer_gave_is_refused_without_its_role_and_signed_out_but_stands(
    city: House,
) -> None:
    browser = Traveller(city.edge)
    assert city.sign_on(browser).status == 200
    city.issuer.person["groups"] = ["nursing"]
    later = Traveller(city.edge)
    assert_nobody(later, city.sign_on(later))
    assert browser.session() is None
    assert status(city.edge, member(city).member.post) is Status.VERIFIED


def test_a_leaver_is_signed_out_at_once_and_not_let_in_again(city: House) -> None:
    browser = Traveller(city.edge)
    assert city.sign_on(browser).status == 200
    employing.leave(city.desk, member(city))
    assert browser.session() is None
    assert browser.go("/fhir/_history").status == 401
    assert_nobody(Traveller(city.edge), city.sign_on(Traveller(city.edge)))


def test_whose_last_day_is_over_is_not_let_in_and_loses_the_post_at_the_next_sweep(city: House) -> None:
    browser, employer = Traveller(city.edge), city.edge.story.organisations["City"]
    who, now = member(city), city.desk.now
    wanted = Wanted(who.member.login, who.member.name, (Role.DOCTOR,), "", "", now + 3_600)
    employing.change(city.desk, who, wanted)
    assert member(city).member.post == who.member.post
    assert city.sign_on(browser).status == 200
    employing.change(city.desk, member(city), replace(wanted, until=now))
    assert_nobody(Traveller(city.edge), city.sign_on(Traveller(city.edge)))
    assert status(city.edge, who.member.post) is Status.VERIFIED
    city.edge.gateway._edge._identity._swept -= 10_000
    city.edge.gateway._worker.submit(city.edge.gateway._edge.sweep).result()
    assert status(city.edge, who.member.post) is Status.REMOVED
    assert browser.session() is None
    assert employing.end_due(city.desk, employer) == 0


def test_a_suspended_account_is_not_let_in(city: House) -> None:
    browser = Traveller(city.edge)
    city.sign_on(browser)
    holder = accounts.holder_of(city.edge.story.organisations["City"], member(city).member.post)
    assert holder is not None
    accounts.suspend([holder])
    later = Traveller(city.edge)
    assert_nobody(later, city.sign_on(later))


def test_a_login_that_somebody_signed_on_under_is_nobody_elses(edge: Edge) -> None:
    """A provider gives a login again after its person left: whoever has it now is somebody else."""
    with house(edge, person="preferred_username") as city:
        city.listed("rahima", Role.DOCTOR, name="Dr Rahima, City")
        city.issuer.person |= {"sub": "a", "preferred_username": "rahima"}
        assert city.sign_on(Traveller(edge)).status == 200
        city.issuer.person["sub"] = "b"
        thief = Traveller(edge)
        assert_nobody(thief, city.sign_on(thief))
        city.issuer.person |= {"sub": "a", "preferred_username": "renamed"}
        assert city.sign_on(Traveller(edge)).status == 200


def test_an_address_names_somebody_only_where_the_provider_verified_it(edge: Edge) -> None:
    with house(edge, person="email") as city:
        city.listed("nahar@city.example", Role.DOCTOR, name="Dr N, City")
        city.issuer.person |= {"sub": "n", "email": "Nahar@city.example"}
        browser = Traveller(edge)
        for said in (None, False, "true"):
            city.issuer.person["email_verified"] = said
            assert_nobody(browser, city.sign_on(browser))
        city.issuer.person["email_verified"] = True
        assert city.sign_on(browser).status == 200


def test_a_proof_long_ago_is_no_fresh_one_and_again_means_anew(city: House) -> None:
    now = city.edge.story.world.clock.now()
    city.issuer.claims["auth_time"] = now - 3_600
    browser = Traveller(city.edge)
    assert city.sign_on(browser).status == 200
    secret = browser.cookies[SESSION]
    assert browser.go("/identity/credentials").status == 200
    stale = browser.session()
    assert city.sign_on(browser, again=True).status == 403
    city.issuer.claims["auth_time"] = now
    assert city.sign_on(browser, again=True).status == 200
    assert browser.session()["proved"] > stale["proved"]
    old = Traveller(city.edge, {SESSION: secret})
    assert old.session() is None


# What proves nobody ------------------------------------------------------------------------------

WRONG: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://other.example"},
    "no issuer": {"iss": None},
    "another client": {"aud": "other"},
    "a second client": {"aud": ["careledger", "other"]},
    "no client": {"aud": None},
    "given to another client": {"azp": "other"},
    "another nonce": {"nonce": "n"},
    "no nonce": {"nonce": None},
    "nobody": {"sub": ""},
    "a number for somebody": {"sub": 7},
    "no text for somebody": {"sub": "\ud800"},
    "a session that is no text": {"sid": "\ud800"},
    "no end": {"exp": None},
    "an end that is no number": {"exp": "9999999999"},
    "no beginning": {"iat": None},
    "no time of proof": {"auth_time": None},
    "a time of proof that is none": {"auth_time": True},
}
LATE = {"over": ("exp", 0), "not yet": ("iat", 120), "old": ("iat", -700), "proved in the future": ("auth_time", 120),
        "proved yesterday": ("auth_time", -24 * 3_600)}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_an_id_token_that_says_something_else_proves_nobody(city: House, wrong: str) -> None:
    city.issuer.claims = WRONG[wrong]
    browser = Traveller(city.edge)
    assert_nobody(browser, city.sign_on(browser))
    city.issuer.claims = {}
    assert city.sign_on(browser).status == 200


@pytest.mark.parametrize("wrong", LATE)
def test_an_id_token_of_another_time_proves_nobody(city: House, wrong: str) -> None:
    claim, seconds = LATE[wrong]
    city.issuer.claims = {claim: city.edge.story.world.clock.now() + seconds}
    browser = Traveller(city.edge)
    assert_nobody(browser, city.sign_on(browser))


def unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    return f"{part(header | {'alg': 'none'})}.{part(claims)}."


def by_secret(header: dict[str, Any], claims: dict[str, Any]) -> str:
    text = f"{part(header | {'alg': 'HS256'})}.{part(claims)}"
    return f"{text}.{part(hmac.digest(SECRET.encode(), text.encode(), hashlib.sha256))}"


def by_another(header: dict[str, Any], claims: dict[str, Any]) -> str:
    return KeyPair().signed(header, claims)


def of_another_kind(header: dict[str, Any], claims: dict[str, Any]) -> str:
    return KeyPair.rsa().signed(header | {"alg": "RS384"}, claims)


def unknown_key(header: dict[str, Any], claims: dict[str, Any]) -> str:
    made = KeyPair()
    return made.signed(header | {"kid": made.kid}, claims)


def changed_after(header: dict[str, Any], claims: dict[str, Any]) -> str:
    made = KeyPair().signed(header, claims).split(".")
    return f"{made[0]}.{part(claims | {'sub': 'root'})}.{made[2]}"


FORGED = (unsigned, by_secret, by_another, of_another_kind, unknown_key, changed_after)


@pytest.mark.parametrize("forge", FORGED)
def test_an_id_token_that_the_provider_did_not_sign_proves_nobody(
    city: House, forge: Callable[[dict[str, Any], dict[str, Any]], str]
) -> None:
    city.issuer.forge = forge
    browser = Traveller(city.edge)
    assert_nobody(browser, city.sign_on(browser))


@pytest.mark.parametrize(
    "header", [{"kid": None}, {"kid": 7}, {"alg": None}, {"crit": ["x"]}, {"alg": "ES512"}]
)
def test_an_id_token_with_a_header_of_another_kind_proves_nobody(city: House, header: dict[str, Any]) -> None:
    city.issuer.header = header
    browser = Traveller(city.edge)
    assert_nobody(browser, city.sign_on(browser))


@pytest.mark.parametrize(("algorithms", "status"), [(["ES384"], 403), (["ES384", "RS384"], 200)])
def test_only_algorithms_that_the_provider_names_sign_an_id_token(
    city: House, algorithms: list[str], status: int
) -> None:
    """The key is the provider's own either way, so that nothing but the algorithm is refused."""
    other = KeyPair.rsa()
    city.issuer.keys = key_set(city.issuer.key, other)
    city.issuer.metadata["id_token_signing_alg_values_supported"] = algorithms
    city.issuer.forge = lambda header, claims: other.signed({"alg": "RS384", "kid": other.kid}, claims)
    assert city.sign_on(Traveller(city.edge)).status == status


def test_another_issuers_token_proves_nobody_here(city: House, edge: Edge) -> None:
    """Signed by a provider that this gateway knows too, for the same client id and nonce."""
    with house(edge) as other:
        city.issuer.forge = lambda header, claims: other.issuer.key.signed(
            header | {"kid": other.issuer.key.kid}, claims | {"iss": other.issuer.url}
        )
        browser = Traveller(edge)
        assert_nobody(browser, city.sign_on(browser))


def test_who_signs_on_is_given_no_role_that_needs_a_licence(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    with house(edge, just_in_time=True) as city:
        city.issuer.person["sub"] = "unlicensed"
        monkeypatch.setattr(edge.story.world, "licensed", frozenset({Role.DOCTOR}))
        browser = Traveller(edge)
        assert_nobody(browser, city.sign_on(browser))
        assert employing.by_login(edge.story.organisations["City"], "unlicensed") is None
        city.issuer.person["groups"] = ["nursing"]
        assert city.sign_on(browser).status == 200


def test_who_was_not_proved_as_the_organisation_demands_is_nobody(edge: Edge) -> None:
    with house(edge, acr=("two-factors", "card"), amr=("pwd", "otp"), any_proof=False) as city:
        city.issuer.person["sub"] = "acr"
        city.listed("acr", Role.DOCTOR, name="Dr Acr")
        browser, two = Traveller(edge), ["otp", "pwd"]
        asks = dict(parse_qsl(urlsplit(browser.go(f"/sign-on/{city.provider.hex()}").to).query))
        assert asks["acr_values"] == "two-factors card"
        for acr, amr in (
            (None, two), ("password", two), ("two-factors card", two), (["card"], two), ("card", None),
            ("card", ["pwd"]), ("card", "pwd otp"), ("card", [two]), ("card", {"pwd": 1, "otp": 1}),
        ):  # fmt: skip
            city.issuer.claims = {"acr": acr, "amr": amr}
            assert_nobody(browser, city.sign_on(browser))
        for acr in ("two-factors", "card"):
            city.issuer.claims = {"acr": acr, "amr": ["mfa", *two]}
            assert city.sign_on(browser).status == 200


def test_nothing_comes_back_twice_or_to_another_browser_or_of_another_provider(
    city: House, edge: Edge
) -> None:
    browser, thief = Traveller(edge), Traveller(edge)
    place = city.away(browser)
    assert_nobody(thief, thief.go(place, "cross-site"))
    assert_nobody(browser, browser.go(place, "cross-site"))  # it was brought back before, by a thief
    place = city.away(browser)
    assert browser.go(place, "cross-site").status == 200
    replayed = Traveller(edge, {SIGN_ON: browser.cookies[SIGN_ON]})
    assert_nobody(replayed, replayed.go(place, "cross-site"))
    with house(edge) as other:
        mixed = Traveller(edge)
        place = city.away(mixed).replace(city.provider.hex(), other.provider.hex())
        assert_nobody(mixed, mixed.go(place, "cross-site"))
    code = city.away(Traveller(edge)).partition("code=")[2].partition("&")[0]
    injected = Traveller(edge)
    page = injected.go(f"/sign-on/{city.provider.hex()}")
    assert_nobody(injected, injected.go(city.back(page.to, code=code), "cross-site"))


def test_who_comes_back_from_another_issuer_or_without_a_code_is_nobody(city: House) -> None:
    browser = Traveller(city.edge)
    wrong: list[dict[str, str | None]] = [
        {"iss": "https://other.example"}, {"iss": None}, {"code": None}, {"error": "access_denied"},
        {"state": None}, {"state": "x"}, {"code": "made-up"},
    ]  # fmt: skip
    for each in wrong:
        page = browser.go(f"/sign-on/{city.provider.hex()}")
        before = len([path for path in city.issuer.asked if path == "/token"])
        assert_nobody(browser, browser.go(city.back(page.to, **each), "cross-site"))
        after = len([path for path in city.issuer.asked if path == "/token"])
        assert after - before == (1 if each == {"code": "made-up"} else 0)
    place = city.away(browser)
    assert_nobody(browser, browser.go(f"{place}&code=x", "cross-site"))


def test_a_sign_on_that_took_too_long_is_over(city: House) -> None:
    browser = Traveller(city.edge)
    place, books = city.away(browser), city.edge.story.organisations["City"].books
    rows = [(name, SignOn.decode(row)) for name, row in books.rows(signing_on.KEPT)]
    books.put(signing_on.KEPT, [(name, replace(row, until=1).encode()) for name, row in rows])
    assert_nobody(browser, browser.go(place, "cross-site"))
    assert signing_on.sweep(books, city.edge.story.world.clock.now()) == len(rows) - 1


@pytest.mark.parametrize(
    "answer", [(302, b""), (500, b"{}"), (200, b"[]"), (200, b"{"), (200, b"{}"), (200, b"x" * 70_000)]
)
def test_a_provider_that_gives_no_id_token_proves_nobody(city: House, answer: tuple[int, bytes]) -> None:
    city.issuer.answer = answer
    browser = Traveller(city.edge)
    assert_nobody(browser, city.sign_on(browser))


@pytest.mark.parametrize(
    "said",
    [
        {"issuer": "https://other.example"}, {"issuer": None}, {"token_endpoint": None}, {"jwks_uri": 7},
        {"token_endpoint": "http://10.0.0.1/token"}, {"authorization_endpoint": "javascript:alert(1)"},
        {"id_token_signing_alg_values_supported": ["none", "HS256"]},
    ],
)  # fmt: skip
def test_nobody_is_sent_to_a_provider_that_says_something_else_of_itself(
    edge: Edge, said: dict[str, Any]
) -> None:
    with house(edge) as city:
        city.issuer.metadata = said
        page = Traveller(edge).go(f"/sign-on/{city.provider.hex()}")
        assert (page.status, page.to) == (403, "")


def test_everybody_who_is_nobody_is_told_the_same(city: House, edge: Edge) -> None:
    """Unknown, known without a role, left, suspended, forged: no status, word or header tells them apart."""
    told = []
    for groups, sub, claims in (
        (["physicians"], "unknown", {}), ([], "unknown", {}), (["nursing"], None, {}),
        (["physicians"], None, {"aud": "x"}),
    ):  # fmt: skip
        kept = dict(city.issuer.person)
        city.issuer.person |= {"groups": groups} | ({"sub": sub} if sub else {})
        city.issuer.claims = claims
        page = city.sign_on(Traveller(edge))
        told.append((page.status, page.text, sorted(page.headers)))
        city.issuer.person, city.issuer.claims = kept, {}
    employing.leave(city.desk, member(city))
    page = city.sign_on(Traveller(edge))
    told.append((page.status, page.text, sorted(page.headers)))
    assert told == [told[0]] * 5


def test_a_page_elsewhere_begins_no_sign_on_and_strangers_have_a_pace(
    city: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = f"/sign-on/{city.provider.hex()}"
    monkeypatch.setattr(city.edge.gateway._edge._signing_on.entering.pace, "a_second", 0.001)
    assert Traveller(city.edge).go(place, "cross-site").status == 403
    assert Traveller(city.edge).go(f"/sign-on/{'0' * 32}").status == 404
    assert Traveller(city.edge).go("/sign-on/x").status == 404
    statuses = {Traveller(city.edge).go("/sign-on/x").status for _ in range(70)}
    assert statuses == {404, 429}


def test_a_provider_that_was_removed_lets_nobody_in(city: House, edge: Edge) -> None:
    browser = Traveller(edge)
    place = city.away(browser)
    providers.remove(edge.story.organisations["City"], city.provider)
    assert browser.go(place, "cross-site").status == 404
    assert browser.session() is None


def test_a_sign_on_goes_on_after_a_restart_and_counts_no_second_time(
    told: Story, tmp_path: Any, port: int
) -> None:
    mine = copied(told, tmp_path / "data")
    mine.world.settings = replace(mine.world.settings, webhooks_to_loopback=True)
    with ExitStack() as opened:
        with Gateway(mine.world, port=port) as gateway:
            first = Edge(mine, gateway)
            city = opened.enter_context(house(first))
            city.issuer.person["sub"] = "restarted"
            city.listed("restarted", Role.DOCTOR, name="Dr Restart")
            browser = Traveller(first)
            place = city.away(browser)
        with Gateway(mine.world, port=port):
            assert browser.go(place, "cross-site").status == 200
        with Gateway(mine.world, port=port) as third:
            replayed = Traveller(Edge(mine, third), {SIGN_ON: browser.cookies[SIGN_ON]})
            assert_nobody(replayed, replayed.go(place, "cross-site"))
    mine.world.close()


@pytest.mark.parametrize(
    "said",
    [
        {"issuer": "http://idp.example"}, {"issuer": "https://a@idp.example"}, {"issuer": "https://idp.example?x"},
        {"issuer": "idp"}, {"issuer": "https://["}, {"client": ""}, {"person": ""}, {"claim": "a b"}, {"roles": ()},
        {"roles": (RoleGiven("x", Role.HOSPITAL),)}, {"roles": (RoleGiven("", Role.DOCTOR),)},
    ],
)  # fmt: skip
def test_a_provider_that_cannot_be_used_is_not_registered(city: House, said: dict[str, Any]) -> None:
    employer = city.edge.story.organisations["City"]
    made = providers.known(employer.books, city.provider, Provider)
    assert made is not None
    with pytest.raises(ProviderRefused):
        providers.add(employer, replace(made, **said))
