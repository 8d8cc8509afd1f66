"""Staff sign on at a real Keycloak, by OpenID Connect and by SAML. One test, so that one Keycloak is started."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from careledger.app.identity import providers
from careledger.app.identity.saml import metadata, own_key
from careledger.formats.sign_on import Provider, SamlProvider
from careledger.gateway.server import Gateway
from contracts.loading import script
from gateway.edge_world import Edge
from gateway.keycloak_world import POOL, Realm, Window
from gateway.oauth_world import Page
from gateway.sign_on_world import ROLES, Traveller
from story import Story, copied

DEV = script("tools/dev_nodes.py")
SECRET = "a secret, & more"


@pytest.fixture
def realm() -> Iterator[Realm]:
    """A realm of a Keycloak; skipped where it cannot be had, unless everything is required."""
    try:
        with DEV.keycloak("of this test alone") as url:
            yield Realm(url, "of this test alone")
    except DEV.NoNode as error:
        if os.environ.get("CARELEDGER_REQUIRE_ALL") == "1":
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture
def edge(told: Story, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    mine = copied(told, tmp_path_factory.mktemp("keycloak") / "data")
    mine.world.settings = replace(mine.world.settings, webhooks_to_loopback=True)
    with Gateway(mine.world, port=0) as gateway:
        yield Edge(mine, gateway)
    mine.world.close()


def openid(edge: Edge, realm: Realm, organisation: str, secret: str, acr: str = "") -> str:
    """The path at which that organisation's staff sign on by OpenID Connect, proved so if that is demanded."""
    client = organisation.lower() + acr
    said = ("preferred_username", "groups", ROLES, True, (acr,) if acr else (), (), not acr, 0)
    made = Provider(realm.issuer, client, secret, *said)
    id = providers.add(edge.story.organisations[organisation], made)
    path = f"/sign-on/{id.hex()}"
    place = f"{Traveller(edge).origin}{path}"
    told = {
        "backchannel.logout.url": f"{edge.gateway.url}{path}/logout",
        "backchannel.logout.session.required": "true" if secret else "false",
        "post.logout.redirect.uris": f"{place}/left",
        "acr.loa.map": '{"by-hand": "1", "by-card": "2"}',
    }
    realm.openid(client, f"{place}/return", secret, f"{edge.gateway.url}/oauth/keys", **told)
    return path


def saml(edge: Edge, realm: Realm, organisation: str) -> str:
    """The path at which that organisation's staff sign on by SAML, by what each side says of itself."""
    said = metadata.described(realm.descriptor(), edge.story.world.clock.now())
    given = (
        said.issuer,
        said.place,
        said.certificates,
        said.persistent,
        "NameID",
        "groups",
        ROLES,
        True,
        (),
        True,
        0,
    )
    assert said.logout is not None
    id = providers.add(edge.story.organisations[organisation], SamlProvider(*given), said.logout)
    path = f"/sign-on/saml/{id.hex()}"
    realm.saml(Traveller(edge).go(f"{path}/metadata").text)
    return path


def signed_on(browser: Traveller, window: Window, path: str, name: str, again: bool = False) -> Page:
    away = browser.go(f"{path}?again=1" if again else path)
    assert away.status == 303, away.text
    place, fields = window.sign_in(away.to, name)
    return browser.post(place, fields) if fields else browser.go(place, "cross-site")


def signed_out(browser: Traveller) -> str:
    """Where the page goes on to after signing out here."""
    reply = browser.post("/identity/sign-out", "{}", "same-origin", Content_Type="application/json",
                         Origin=browser.origin)  # fmt: skip
    assert reply.status == 200, reply.text
    return str(json.loads(reply.text)["elsewhere"])


def check_signs_on(edge: Edge, path: str) -> None:
    """Who has a role gets a post, the same one again; who has none gets nothing."""
    browser, window = Traveller(edge), Window()
    page = signed_on(browser, window, path, "rahima")
    assert page.status == 200, page.text
    said = browser.session()
    assert (said["proof"], said["state"]) == ("vouched", "active")
    assert said["post"].startswith("doc-")
    assert signed_on(browser, window, path, "rahima", again=True).status == 200
    assert browser.session()["post"] == said["post"]
    nurse, cook = Traveller(edge), Traveller(edge)
    assert signed_on(nurse, Window(), path, "karim").status == 200
    assert nurse.session()["post"].startswith("nur-")
    assert signed_on(cook, Window(), path, "cook").status == 403
    assert cook.session() is None


def check_is_proved_as_demanded(edge: Edge, realm: Realm) -> None:
    """It says by itself in which of its ways somebody was proved."""
    browser, stranger = Traveller(edge), Traveller(edge)
    assert (
        signed_on(browser, Window(), openid(edge, realm, "City", SECRET, "by-hand"), "rahima").status == 200
    )
    refused = signed_on(stranger, Window(), openid(edge, realm, "City", SECRET, "by-card"), "rahima")
    assert refused.status == 403, refused.text
    assert stranger.session() is None


def check_key_is_changed(edge: Edge, realm: Realm, path: str) -> None:
    """What is signed by the next key is refused there until this side's metadata was read again."""
    books, now = edge.story.organisations["City"].books, edge.story.world.clock.now()
    own_key.rotate(books, now, 3_600)
    assert signed_on(Traveller(edge), Window(), path, "rahima").status == 200
    own_key.rotate(books, now, 0)
    assert POOL.request("GET", Traveller(edge).go(path).to, redirect=False).status == 400
    realm.reads_again(Traveller(edge).go(f"{path}/metadata").text)
    assert signed_on(Traveller(edge), Window(), path, "rahima").status == 200


def check_is_signed_out(edge: Edge, realm: Realm, path: str) -> None:
    """Who is signed out there is signed out here, and nobody else."""
    doctor, nurse = Traveller(edge), Traveller(edge)
    assert signed_on(doctor, Window(), path, "rahima").status == 200
    assert signed_on(nurse, Window(), path, "karim").status == 200
    realm.sign_out("rahima")
    assert doctor.session() is None
    assert nurse.session() is not None


def check_one_session_is_signed_out(edge: Edge, realm: Realm, path: str) -> None:
    """Of two sessions of somebody there that one is over here which ended there."""
    first, second = Traveller(edge), Traveller(edge)
    before = realm.sessions("rahima")
    assert signed_on(first, Window(), path, "rahima").status == 200
    [session] = realm.sessions("rahima") - before
    assert signed_on(second, Window(), path, "rahima").status == 200
    realm.end(session)
    assert (first.session() is None, second.session() is None) == (True, False)


def check_signs_out_there(path: str, browser: Traveller, window: Window) -> None:
    """Who signs out here is signed out here, then there, and comes back."""
    away = browser.go(signed_out(browser)).to
    assert browser.session() is None
    place, fields = window.sign_out(away)
    page = browser.post(place, fields) if fields else browser.go(place, "cross-site")
    assert (page.status, "signed out here and at" in page.text) == (200, True), page.text
    assert window.is_asked_for_a_password(browser.go(path).to)


def check_is_told_by_the_browser(realm: Realm, browser: Traveller, window: Window) -> None:
    """Who signs out there is led by here, and back."""
    place, fields = window.sign_out(f"{realm.issuer}/protocol/openid-connect/logout")
    page = browser.post(place, fields) if fields else browser.go(place, "cross-site")
    assert page.status == 303, page.text
    assert browser.session() is None
    assert window.sign_out(page.to) == ("", {})


@pytest.mark.slow
@pytest.mark.timeout(2_400)
def test_staff_sign_on_at_keycloak_by_openid_and_by_saml(edge: Edge, realm: Realm) -> None:
    city = openid(edge, realm, "City", SECRET)
    check_signs_on(edge, city)
    check_is_signed_out(edge, realm, city)
    check_is_proved_as_demanded(edge, realm)
    check_one_session_is_signed_out(edge, realm, city)
    lakeside = openid(edge, realm, "Lakeside", "")
    check_signs_on(edge, lakeside)
    check_is_signed_out(edge, realm, lakeside)
    browser, window = Traveller(edge), Window()
    assert signed_on(browser, window, city, "rahima").status == 200
    check_signs_out_there(city, browser, window)
    by_saml = saml(edge, realm, "City")
    check_signs_on(edge, by_saml)
    check_key_is_changed(edge, realm, by_saml)
    assert signed_on(browser, window, by_saml, "rahima").status == 200
    check_signs_out_there(by_saml, browser, window)
    assert signed_on(browser, window, by_saml, "rahima").status == 200
    check_is_told_by_the_browser(realm, browser, window)
    realm.signs_out_itself(True)
    check_is_signed_out(edge, realm, by_saml)
