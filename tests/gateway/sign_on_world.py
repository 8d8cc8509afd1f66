"""An OpenID provider that says what it is told to, over real HTTP, and browsers that are sent there and back."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import urllib3

from careledger.app.identity import employing, providers
from careledger.app.identity.employing import Desk, Listed, Wanted
from careledger.domain.parties import Role
from careledger.formats.sign_on import Provider, RoleGiven
from careledger.gateway.server import Gateway
from gateway.edge_world import Edge
from gateway.oauth_world import KeyPair, Page, key_set, part
from story import Story, copied

CLIENT, SECRET = "careledger", "a secret: of the client"
ROLES = (RoleGiven("physicians", Role.DOCTOR), RoleGiven("nursing", Role.NURSE))
RETURNED = "/return?"


@dataclass
class Issuer:
    """Its codes count once, for the client's secret and the verifier; what it says otherwise is for a test to say."""

    key: KeyPair = field(default_factory=KeyPair)
    person: dict[str, Any] = field(
        default_factory=lambda: {"sub": "s-1", "groups": ["physicians"], "name": "Dr Rahima"}
    )
    metadata: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    forge: Callable[[dict[str, Any], dict[str, Any]], str] | None = None
    keys: str = ""
    now: Callable[[], int] = lambda: 0
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    answer: tuple[int, bytes] | None = None

    def __enter__(self) -> Issuer:
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                served.asked.append(self.path)
                keys = served.keys or key_set(served.key)
                said = keys if self.path == "/keys" else json.dumps(served.described())
                self.reply(200, said.encode())

            def do_POST(self) -> None:
                served.asked.append(self.path)
                form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
                self.reply(*(served.answer or served.redeemed(form, self.headers.get("Authorization", ""))))

            def reply(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Cache-Control", "no-store")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *given: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *given: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def described(self) -> dict[str, Any]:
        said = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize", "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "id_token_signing_alg_values_supported": ["ES384", "none", "HS256"],
            "authorization_response_iss_parameter_supported": True,
        }  # fmt: skip
        return {name: value for name, value in (said | self.metadata).items() if value is not None}

    def code(self, url: str) -> str:
        """For whoever comes with that question."""
        asks = dict(parse_qsl(urlsplit(url).query))
        assert (asks["response_type"], asks["code_challenge_method"]) == ("code", "S256")
        made = secrets.token_urlsafe(8)
        self.codes[made] = asks
        return made

    def redeemed(self, form: dict[str, str], authorization: str) -> tuple[int, bytes]:
        asks = self.codes.pop(form.get("code", ""), None)
        pair = base64.b64decode(authorization.removeprefix("Basic ")).decode()
        hashed = part(hashlib.sha256(form["code_verifier"].encode()).digest())
        if asks is None or pair != f"{CLIENT}:{SECRET.replace(' ', '%20').replace(':', '%3A')}":
            return 400, b'{"error": "invalid_grant"}'
        if (hashed, form["redirect_uri"]) != (asks["code_challenge"], asks["redirect_uri"]):
            return 400, b'{"error": "invalid_grant"}'
        return 200, json.dumps(
            {"access_token": "x", "token_type": "Bearer", "id_token": self.token(asks["nonce"])}
        ).encode()

    def token(self, nonce: str) -> str:
        now = self.now()
        said = {
            "iss": self.url, "aud": CLIENT, "nonce": nonce, "exp": now + 60, "iat": now, "auth_time": now,
        } | self.person | self.claims  # fmt: skip
        claims = {name: value for name, value in said.items() if value is not None}
        head = {"alg": self.key.algorithm, "kid": self.key.kid} | self.header
        header = {name: value for name, value in head.items() if value is not None}
        return self.forge(header, claims) if self.forge else self.key.signed(header, claims)


@dataclass
class Traveller:
    """A browser that keeps this gateway's cookies, and follows what stays at this gateway."""

    edge: Edge
    cookies: dict[str, str] = field(default_factory=dict)
    anywhere: set[str] = field(default_factory=set)
    """Cookies that other sites' forms bring along too."""

    @property
    def origin(self) -> str:
        return f"http://localhost:{self.edge.gateway.url.rpartition(':')[2]}"

    def go(self, url: str, site: str = "same-origin", **cookies: str) -> Page:
        """One request; ``site`` is that of the page that leads there."""
        kept = self.cookies | cookies
        sent = {
            "Sec-Fetch-Site": site,
            "Cookie": "; ".join(f"{name}={value}" for name, value in kept.items() if value),
        }
        reply = urllib3.request(
            "GET", self._address(url), headers=sent, redirect=False, retries=False, timeout=120
        )
        return self._kept(reply)

    def post(self, url: str, fields: dict[str, str] | str, site: str = "cross-site", **headers: str) -> Page:
        """A form, by default of another site's page, with which only those cookies are sent that are meant to be."""
        kept = {n: v for n, v in self.cookies.items() if site == "same-origin" or n in self.anywhere}
        sent = {
            "Sec-Fetch-Site": site,
            "Cookie": "; ".join(f"{name}={value}" for name, value in kept.items()),
            "Content-Type": "application/x-www-form-urlencoded",
        } | {name.replace("_", "-"): value for name, value in headers.items()}
        body = fields if isinstance(fields, str) else urlencode(fields)
        reply = urllib3.request(
            "POST", self._address(url), headers=sent, body=body, redirect=False, retries=False, timeout=120
        )
        return self._kept(reply)

    def _address(self, url: str) -> str:
        return url if url.startswith("http") else self.origin + url

    def _kept(self, reply: urllib3.BaseHTTPResponse) -> Page:
        for line in reply.headers.getlist("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                assert (morsel["path"], morsel["domain"]) == ("/", "")
                assert morsel["secure"]
                assert morsel["httponly"]
                self.cookies[name] = morsel.value
                if morsel["samesite"] == "None":
                    self.anywhere.add(name)
        return Page(reply.status, reply.headers, reply.data.decode())

    def session(self) -> Any:
        """What /identity says of it."""
        page = self.go("/identity/session")
        return json.loads(page.text) if page.status == 200 else None


@dataclass
class House:
    """An organisation with a provider, its list of staff, and the way there and back."""

    edge: Edge
    issuer: Issuer
    provider: bytes
    organisation: str = "City"

    @property
    def desk(self) -> Desk:
        world = self.edge.story.world
        return Desk(world.network, world.keyring, world.clock.now())

    def listed(self, login: str, *roles: Role, name: str = "Dr Nahar") -> Listed:
        employer = self.edge.story.organisations[self.organisation]
        return employing.join(self.desk, employer, Wanted(login, name, roles), employing.BY_FILE)

    def away(self, browser: Traveller, again: bool = False) -> str:
        """Where the provider is asked to send the browser back to, with a code of its own."""
        page = browser.go(f"/sign-on/{self.provider.hex()}{'?again=1' if again else ''}")
        assert page.status == 303, page.text
        return self.back(page.to)

    def back(self, url: str, **more: str | None) -> str:
        asks = dict(parse_qsl(urlsplit(url).query))
        said = {"code": self.issuer.code(url), "state": asks["state"], "iss": self.issuer.url} | more
        return f"{asks['redirect_uri']}?{urlencode({n: v for n, v in said.items() if v is not None})}"

    def sign_on(self, browser: Traveller, again: bool = False) -> Page:
        return browser.go(self.away(browser, again), "cross-site")


@contextmanager
def house(edge: Edge, organisation: str = "City", **said: Any) -> Iterator[House]:
    """Provider and organisation; ``said``: of the provider as the organisation registered it."""
    with Issuer(now=edge.story.world.clock.now) as issuer:
        made = Provider(issuer.url, CLIENT, SECRET, "sub", "groups", ROLES, False, (), (), True, 0)
        employer = edge.story.organisations[organisation]
        yield House(edge, issuer, providers.add(employer, replace(made, **said)), organisation)


@pytest.fixture(scope="module")
def edge(told: Story, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """A gateway of a story of its own, which asks providers on loopback."""
    mine = copied(told, tmp_path_factory.mktemp("sign-on") / "data")
    mine.world.settings = replace(mine.world.settings, webhooks_to_loopback=True)
    with Gateway(mine.world, port=0) as gateway:
        yield Edge(mine, gateway)
    mine.world.close()


@pytest.fixture(autouse=True)
def unpaced(edge: Edge) -> None:
    """No test waits for what another one asked."""
    entering = edge.gateway._edge._signing_on.entering
    entering.pace._left.clear()
    entering.providers_pace._left.clear()


@pytest.fixture
def city(edge: Edge) -> Iterator[House]:
    """City with a provider; somebody is in its list of staff under the login that the provider gives."""
    with house(edge) as made:
        made.issuer.person["sub"] = f"s-{secrets.token_hex(4)}"
        made.listed(made.issuer.person["sub"], Role.DOCTOR, name=f"Dr {secrets.token_hex(3)}")
        yield made
