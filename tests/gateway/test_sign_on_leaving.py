"""Whoever signs out here goes on to sign out at their OpenID provider (OpenID Connect RP-Initiated Logout 1.0)."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl, urlsplit

from careledger.app.identity import providers
from careledger.gateway.cookies import SESSION
from gateway.edge_world import Edge
from gateway.sign_on_world import CLIENT, House, Traveller, city, edge, house, unpaced

__all__ = ["city", "edge", "unpaced"]


def signed_out(browser: Traveller) -> str:
    """Where the page goes on to after signing out here, empty for nowhere."""
    reply = browser.post("/identity/sign-out", "{}", "same-origin", Content_Type="application/json",
                         Origin=browser.origin)  # fmt: skip
    assert reply.status in (200, 204), reply.text
    return json.loads(reply.text)["elsewhere"] if reply.text else ""


def signed_on(city: House) -> Traveller:
    browser = Traveller(city.edge)
    assert city.sign_on(browser).status == 200
    return browser


def test_who_signs_out_here_is_signed_out_first_and_then_sent_where_the_provider_says(city: House) -> None:
    city.issuer.metadata["end_session_endpoint"] = f"{city.issuer.url}/end?tenant=1"
    browser = signed_on(city)
    elsewhere = signed_out(browser)
    assert browser.session() is None
    url = browser.go(elsewhere).to
    assert url.startswith(f"{city.issuer.url}/end?tenant=1&")
    asks = dict(parse_qsl(urlsplit(url).query))
    back = f"{browser.origin}/sign-on/{city.provider.hex()}/left"
    assert asks == {
        "tenant": "1",
        "client_id": CLIENT,
        "post_logout_redirect_uri": back,
        "state": asks["state"],
    }
    page = browser.go(f"{back}?state={asks['state']}", "cross-site")
    assert (page.status, "signed out here and at" in page.text) == (200, True)
    for state in (asks["state"], "x", ""):
        assert browser.go(f"{back}?state={state}", "cross-site").status == 403


def test_after_somebody_signed_out_on_both_sides_nothing_of_that_session_signs_them_on(city: House) -> None:
    city.issuer.metadata["end_session_endpoint"] = f"{city.issuer.url}/end"
    city.issuer.claims |= {"sid": "a", "auth_time": city.edge.story.world.clock.now() - 30}
    browser, late = signed_on(city), Traveller(city.edge)
    back = city.away(late)
    state = dict(parse_qsl(urlsplit(browser.go(signed_out(browser)).to).query))["state"]
    place = f"{browser.origin}/sign-on/{city.provider.hex()}/left"
    assert browser.go(f"{place}?state={state}", "cross-site").status == 200
    assert late.go(back, "cross-site").status == 403
    assert late.session() is None
    city.issuer.claims["sid"] = "b"
    assert city.sign_on(late).status == 200


def test_a_provider_that_names_no_place_is_not_asked_and_the_session_is_over(city: House) -> None:
    browser = signed_on(city)
    page = browser.go(signed_out(browser))
    assert (page.status, "does not say that you are signed out there" in page.text) == (200, True)
    assert browser.session() is None


def test_a_provider_that_leads_elsewhere_than_people_are_sent_signs_nobody_on(edge: Edge) -> None:
    for place in ("http://192.168.0.1/end", "javascript:alert(1)", ["x"], "https://10.0.0.1/end"):
        with house(edge, just_in_time=True) as city:
            city.issuer.metadata["end_session_endpoint"] = place
            assert Traveller(edge).go(f"/sign-on/{city.provider.hex()}").status == 403


def test_signing_out_at_the_provider_begins_on_this_sites_page_and_by_its_state_alone(
    city: House, edge: Edge
) -> None:
    city.issuer.metadata["end_session_endpoint"] = f"{city.issuer.url}/end"
    browser = signed_on(city)
    elsewhere = signed_out(browser)
    assert browser.go(elsewhere, "cross-site").status == 403
    assert browser.go(f"/sign-on/{city.provider.hex()}/leave?state=x").status == 403
    with house(edge, "Lakeside") as other:
        wrong = elsewhere.replace(city.provider.hex(), other.provider.hex())
        assert browser.go(wrong).status == 403
        assert browser.go(wrong.replace("/leave", "/left")).status == 403
    assert browser.go(elsewhere).status == 303
    again = signed_on(city)
    providers.remove(edge.story.organisations["City"], city.provider)
    assert signed_out(again) == ""
    assert again.session() is None


def test_a_former_session_ends_with_a_new_sign_on_also_at_another_organisation(
    city: House, edge: Edge
) -> None:
    browser, other = signed_on(city), signed_on(city)
    former = Traveller(edge, {SESSION: browser.cookies[SESSION]})
    with house(edge, "Lakeside", just_in_time=True) as lakeside:
        lakeside.issuer.person["sub"] = "of Lakeside"
        assert lakeside.sign_on(browser).status == 200
        assert former.session() is None
        assert (browser.session() is not None, other.session() is not None) == (True, True)
