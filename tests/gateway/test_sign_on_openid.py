"""Staff sign on at a provider of another code base (npm oidc-provider), by a secret and by the organisation's key."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin

import pytest
import urllib3

from careledger.app.identity import providers
from careledger.formats.sign_on import Provider
from careledger.gateway.server import Gateway
from contracts.loading import script
from gateway.edge_world import Edge
from gateway.sign_on_world import ROLES, Traveller
from story import Story, copied

DEV = script("tools/dev_nodes.py")
SCRIPT = Path(__file__).with_name("openid_provider.mjs")
PEOPLE = {
    "rahima": {"name": "Dr Rahima Khatun", "preferred_username": "rahima", "groups": ["physicians"]},
    "cook": {"name": "A Cook", "preferred_username": "cook", "groups": ["kitchen"]},
}


@pytest.fixture(scope="module")
def library() -> Path:
    """oidc-provider from npm; skipped where it cannot be had, unless everything is required."""
    try:
        if shutil.which("node") is None:
            raise DEV.NoNode("no Node here")
        return Path(DEV.OPENID.install())
    except DEV.NoNode as error:
        if os.environ.get("CARELEDGER_REQUIRE_ALL") == "1":
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def edge(told: Story, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    mine = copied(told, tmp_path_factory.mktemp("openid") / "data")
    mine.world.settings = replace(mine.world.settings, webhooks_to_loopback=True)
    with Gateway(mine.world, port=0) as gateway:
        yield Edge(mine, gateway)
    mine.world.close()


@contextmanager
def running(library: Path, edge: Edge, secret: str) -> Iterator[bytes]:
    """A provider that knows an organisation as a client, and that one's id of it."""
    port = DEV.free_port()
    made = Provider(
        f"http://127.0.0.1:{port}",
        "city",
        secret,
        "preferred_username",
        "groups",
        ROLES,
        True,
        (),
        (),
        True,
        0,
    )
    id = providers.add(edge.story.organisations["City" if secret else "Lakeside"], made)
    place = f"{Traveller(edge).origin}/sign-on/{id.hex()}/return"
    client: dict[str, Any] = {"client_id": "city", "redirect_uris": [place]}
    client |= {"backchannel_logout_uri": f"{edge.gateway.url}/sign-on/{id.hex()}/logout",
               "backchannel_logout_session_required": bool(secret),
               "post_logout_redirect_uris": [place.replace("/return", "/left")]}  # fmt: skip
    if secret:
        client["client_secret"] = secret
    else:
        client |= {"token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "ES256",
                   "jwks_uri": f"{edge.gateway.url}/oauth/keys"}  # fmt: skip
    settings = json.dumps({"clients": [client], "people": PEOPLE})
    command = ["node", str(SCRIPT), str(library), str(port), settings]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            assert "listening" in process.stdout.readline()
            yield id
        finally:
            process.kill()


def signed_in_at(url: str, name: str, kept: dict[str, str] | None = None) -> str:
    """Where the provider sends a browser back to once that person signed in and agreed on its own pages, or signed out;
    ``kept`` are its cookies there."""
    kept = {} if kept is None else kept
    form: str | None = None
    for _ in range(12):
        headers = {"Cookie": "; ".join(f"{key}={value}" for key, value in kept.items())}
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        reply = urllib3.request(
            "POST" if form is not None else "GET",
            url,
            headers=headers,
            body=form,
            redirect=False,
            retries=False,
        )
        for line in reply.headers.getlist("set-cookie"):
            kept |= {key: morsel.value for key, morsel in SimpleCookie(line).items()}
        text, to, form = reply.data.decode(), reply.headers.get("Location"), None
        if to is not None:
            url = urljoin(url, to)
            if "/sign-on/" in url:
                return url
            continue
        assert reply.status == 200, text
        out = re.search(r'action="([^"]+)">\s*<input type="hidden" name="xsrf" value="(\w+)"', text)
        if out is not None:
            url, form = out[1], urlencode({"xsrf": out[2], "logout": "yes"})
            continue
        prompt = re.search(r'name="prompt" value="(\w+)"', text)
        assert prompt is not None, text
        fields = {"prompt": prompt[1]} | ({"login": name, "password": "x"} if prompt[1] == "login" else {})
        form = urlencode(fields)
    raise AssertionError(url)


def check_is_signed_out(edge: Edge, path: str, that_session: bool) -> None:
    """Who signs out there, led from here, is told of by the provider's server too: nothing of that session counts, and
    nothing of all of that person's where it names none."""
    first, beside, late, second = (Traveller(edge) for _ in range(4))
    here, there = dict[str, str](), dict[str, str]()
    windows = here, here, there
    for browser, window in zip((first, beside, second), windows, strict=True):
        assert browser.go(signed_in_at(browser.go(path).to, "rahima", window), "cross-site").status == 200
    back = signed_in_at(late.go(path).to, "rahima", here)
    reply = first.post("/identity/sign-out", "{}", "same-origin", Content_Type="application/json",
                       Origin=first.origin)  # fmt: skip
    left = signed_in_at(first.go(json.loads(reply.text)["elsewhere"]).to, "", here)
    assert (beside.session() is None, second.session() is None) == (True, not that_session)
    assert late.go(back, "cross-site").status == 403
    assert late.session() is None
    assert first.go(left, "cross-site").status == 200


@pytest.mark.slow
@pytest.mark.parametrize("secret", ["a secret, & more", ""], ids=["by a secret", "by the organisation's key"])
def test_staff_sign_on_at_a_provider_of_another_code_base(library: Path, edge: Edge, secret: str) -> None:
    with running(library, edge, secret) as id:
        browser = Traveller(edge)
        away = browser.go(f"/sign-on/{id.hex()}")
        assert away.status == 303, away.text
        place = signed_in_at(away.to, "rahima")
        assert "iss=" in place
        page = browser.go(place, "cross-site")
        assert page.status == 200, page.text
        said = browser.session()
        assert (said["proof"], said["state"]) == ("vouched", "active")
        assert said["post"].startswith("doc-")
        again = browser.go(f"/sign-on/{id.hex()}?again=1")
        assert browser.go(signed_in_at(again.to, "rahima"), "cross-site").status == 200
        assert browser.session()["post"] == said["post"]
        check_is_signed_out(edge, f"/sign-on/{id.hex()}", bool(secret))
        cook = Traveller(edge)
        away = cook.go(f"/sign-on/{id.hex()}")
        assert cook.go(signed_in_at(away.to, "cook"), "cross-site").status == 403
        assert cook.session() is None
