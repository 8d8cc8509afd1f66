"""Back-end services and apps as they are from outside: their keys, what they sign, what they ask."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import urllib3
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from careledger.app import clients
from careledger.app.identity import accounts, sessions
from careledger.domain.parties import Role
from careledger.formats.apps import AppClient
from careledger.formats.identity import Claim, Password
from careledger.workflows import register
from gateway.edge_world import Client, Edge, Reply
from story import LICENCE, Story

FORM = "application/x-www-form-urlencoded"
BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
PARTS = {"RS384": 384, "ES384": 384}


def part(said: object) -> str:
    """A part of a JWT."""
    raw = said if isinstance(said, bytes) else json.dumps(said).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def number(value: int) -> str:
    return part(value.to_bytes((value.bit_length() + 7) // 8, "big"))


@dataclass
class KeyPair:
    """A client's key; signs by the primitives alone, so that nothing of the server's own JWT library is in it."""

    private: Any = field(default_factory=lambda: ec.generate_private_key(ec.SECP384R1()))
    kid: str = field(default_factory=lambda: secrets.token_hex(4))

    @classmethod
    def rsa(cls, bits: int = 2048) -> KeyPair:
        return cls(rsa.generate_private_key(65537, bits))

    @property
    def algorithm(self) -> str:
        return "ES384" if isinstance(self.private, ec.EllipticCurvePrivateKey) else "RS384"

    @property
    def public(self) -> dict[str, str]:
        numbers = self.private.public_key().public_numbers()
        if self.algorithm == "RS384":
            return {"kty": "RSA", "kid": self.kid, "n": number(numbers.n), "e": number(numbers.e)}
        x, y = (part(each.to_bytes(48, "big")) for each in (numbers.x, numbers.y))
        return {"kty": "EC", "crv": "P-384", "kid": self.kid, "x": x, "y": y}

    def signed(self, header: Mapping[str, Any], claims: object) -> str:
        text = f"{part(header)}.{part(claims)}"
        if self.algorithm == "RS384":
            return f"{text}.{part(self.private.sign(text.encode(), padding.PKCS1v15(), hashes.SHA384()))}"
        r, s = decode_dss_signature(self.private.sign(text.encode(), ec.ECDSA(hashes.SHA384())))
        return f"{text}.{part(r.to_bytes(48, 'big') + s.to_bytes(48, 'big'))}"


def key_set(*keys: KeyPair) -> str:
    return json.dumps({"keys": [each.public for each in keys]})


def machine(story: Story, employer: str, role: Role = Role.DOCTOR) -> int:
    """A machine's post at that employer."""
    label = f"machine {secrets.token_hex(3)}"
    made = story.world.keyring.new_staff(story.organisations[employer], label, {role})
    register.post(story.world.network, made, {role}, LICENCE)
    story.staff[label] = made
    return made.number


@dataclass
class Service:
    """A back-end service that an organisation registered, and its programs."""

    edge: Edge
    id: str
    key: KeyPair
    post: int

    @property
    def audience(self) -> str:
        return f"{self.edge.gateway.url}/oauth/token"

    def assertion(self, header: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """An assertion as it should be, but for what is said otherwise; a claim of None is left out."""
        now = self.edge.story.world.clock.now()
        said = {
            "iss": self.id,
            "sub": self.id,
            "aud": self.audience,
            "exp": now + 200,
            "jti": secrets.token_hex(8),
        }
        said = {name: value for name, value in (said | claims).items() if value is not None}
        head = {"alg": self.key.algorithm, "typ": "JWT", "kid": self.key.kid} | dict(header or {})
        return self.key.signed({name: value for name, value in head.items() if value is not None}, said)

    def form(self, **more: str) -> dict[str, str]:
        return {"client_assertion_type": BEARER, "client_assertion": self.assertion()} | more

    def ask(self, path: str = "token", **form: str) -> Reply:
        return asked(self.edge, path, self.form(**form))

    def token(self, scope: str, **form: str) -> Reply:
        return self.ask(grant_type="client_credentials", scope=scope, **form)

    def client(self, scope: str) -> Client:
        reply = self.token(scope)
        assert reply.status == 200, reply.body
        return Client(self.edge.gateway.base, reply.body["access_token"])


def asked(edge: Edge, path: str, form: Mapping[str, str] | str, token: str = "", **headers: str) -> Reply:
    """What one of the OAuth endpoints answers to a form."""
    body = form if isinstance(form, str) else urlencode(form)
    url = f"{edge.gateway.url}/oauth/{path}"
    return Client(edge.gateway.base, token).ask(
        url, "POST", body.encode(), **({"Content_Type": FORM} | headers)
    )


SERVICE = AppClient("loader", "backend", (), "", "", "", "system/*.rs", 0, "TREAT", 0)


def service(edge: Edge, employer: str = "Lakeside", scopes: str = "system/*.rs", **more: Any) -> Service:
    """A back-end service that has just been registered; as a doctor's post unless it is said otherwise."""
    key = more.pop("key", None) or KeyPair()
    post = more.pop("post", 0) or machine(edge.story, employer)
    kept = {"keys": key_set(key)} if "keys_at" not in more else {}
    client = replace(SERVICE, scopes=scopes, post=post, **(kept | more))
    return Service(edge, clients.add(edge.story.organisations[employer], client), key, post)


@dataclass
class KeyServer:
    """Where a client keeps its keys: real HTTP on loopback."""

    said: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 200
    asked: list[dict[str, str]] = field(default_factory=list)

    def __enter__(self) -> KeyServer:
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                served.asked.append({name.lower(): value for name, value in self.headers.items()})
                body = served.said.encode()
                self.send_response(served.status)
                for name, value in {"Content-Length": str(len(body)), **served.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *given: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/keys"
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *given: object) -> None:
        self._server.shutdown()
        self._server.server_close()


APP = AppClient(
    "chart view", "public", ("https://app.example/after",), "https://app.example/launch", "", "",
    "user/*.cruds patient/*.cruds openid fhirUser offline_access online_access launch launch/patient launch/encounter",
    0, "TREAT", 0,
)  # fmt: skip
VERIFIER = "v" * 43


@dataclass
class Browser:
    """A person's browser, in which somebody is signed in as a post; it sends what browsers send."""

    edge: Edge
    secret: str = ""
    session: Any = None
    site: str = "same-origin"

    @property
    def origin(self) -> str:
        return self.edge.gateway.sign_in.removesuffix("/sign-in")

    def go(self, url: str, form: list[tuple[str, str]] | None = None, **headers: str) -> Page:
        """Where that leads: to the page that it ends at, or out to an app's address, which is not opened."""
        sent = {"Sec-Fetch-Site": self.site, "Origin": self.origin} | headers
        if self.secret:
            sent["Cookie"] = f"__Host-careledger-session={self.secret}"
        body = None if form is None else urlencode(form)
        if body is not None:
            sent["Content-Type"] = FORM
        url = url if url.startswith("http") else self.origin + url
        reply = urllib3.request("GET" if form is None else "POST", url, body=body, headers=sent, redirect=False,
                                retries=False)  # fmt: skip
        made = Page(reply.status, reply.headers, reply.data.decode())
        here = made.to.startswith((self.origin, self.edge.gateway.url))
        return self.go(made.to) if here else made


@dataclass
class Page:
    """What a browser shows, or where it is led."""

    status: int
    headers: Any
    text: str

    @property
    def to(self) -> str:
        """Where it goes by itself."""
        found = re.search(r'<meta http-equiv="refresh" content="0; url=([^"]+)">', self.text)
        return html.unescape(found[1]) if found else str(self.headers.get("Location", ""))

    @property
    def told(self) -> dict[str, str]:
        """What the app is told at its address."""
        return dict(parse_qsl(urlsplit(self.to).query))

    @property
    def form(self) -> list[tuple[str, str]]:
        """The fields of its form, as they are first."""
        found = re.findall(r'<input type="(?:hidden|checkbox)" name="([^"]*)" value="([^"]*)"', self.text)
        return [(html.unescape(name), html.unescape(value)) for name, value in found]

    @property
    def patients(self) -> dict[str, str]:
        found = re.findall(r'<option value="([0-9a-f]+)">([^<]*)</option>', self.text)
        return {alias: html.unescape(name) for alias, name in found}


def signed_in(edge: Edge, label: str, purpose: str = "TREAT") -> Browser:
    """A browser in which the person who holds that post has just signed in."""
    staff, now = edge.story.staff[label], edge.story.world.clock.now()
    books = staff.organisation.books
    id = books.get(accounts.OF_POST, staff.number.to_bytes(8, "big")) or secrets.token_bytes(16)
    if books.get(accounts.ACCOUNT, id) is None:
        kept = Password("none", bytes(20), 0, (), now)
        accounts.open_account(staff.organisation, id, Claim("N", "", "", bytes(32)), kept, now, staff.number)
    who = accounts.person(staff.organisation, id)
    secret, current = sessions.begin(who, None, now, purpose)
    return Browser(edge, secret, current)


@dataclass
class App:
    """An app that an organisation registered; a confidential one proves itself by ``key``."""

    edge: Edge
    id: str
    client: AppClient
    key: KeyPair | None = None

    def request(self, scope: str = "launch/patient patient/*.rs", **more: str | None) -> str:
        """The address to which it sends people; what is None is left out."""
        said = {
            "response_type": "code", "client_id": self.id, "redirect_uri": self.client.redirects[0], "scope": scope,
            "state": "s" * 22, "aud": self.edge.gateway.base, "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        } | more  # fmt: skip
        query = urlencode({name: value for name, value in said.items() if value is not None})
        return f"{self.edge.gateway.url}/oauth/authorize?{query}"

    def code(
        self, browser: Browser, scope: str = "launch/patient patient/*.rs", patient: bytes = b"", **more: Any
    ) -> str:
        """The code that it is given when that person allows everything."""
        page = browser.go(self.request(scope, **more))
        assert page.status == 200, page.text
        form = [*page.form, ("decision", "allow")] + ([("patient", patient.hex())] if patient else [])
        told = browser.go("/oauth/consent", form).told
        assert "code" in told, told
        return told["code"]

    def ask(self, path: str = "token", **form: str) -> Reply:
        said = {"client_id": self.id}
        if self.key is not None:
            said = Service(self.edge, self.id, self.key, 0).form()
        return asked(self.edge, path, said | form)

    def exchange(self, code: str, **more: str) -> Reply:
        said = {"redirect_uri": self.client.redirects[0], "code_verifier": VERIFIER} | more
        return self.ask(grant_type="authorization_code", code=code, **said)

    def renew(self, token: str, **more: str) -> Reply:
        return self.ask(grant_type="refresh_token", refresh_token=token, **more)

    def given(self, browser: Browser, scope: str, patient: bytes = b"", **more: Any) -> dict[str, Any]:
        """The token response at the end."""
        reply = self.exchange(self.code(browser, scope, patient, **more))
        assert reply.status == 200, reply.body
        assert (reply.headers["Cache-Control"], reply.headers["Pragma"]) == ("no-store", "no-cache")
        return dict(reply.body)


CHALLENGE = part(hashlib.sha256(VERIFIER.encode()).digest())


def app(edge: Edge, employer: str = "City", **more: Any) -> App:
    """An app that has just been registered, public unless it has a key."""
    key = more.pop("key", None)
    kept = {"kind": "confidential", "keys": key_set(key)} if key else {}
    client = replace(APP, **(kept | more))
    return App(edge, clients.add(edge.story.organisations[employer], client), client, key)
