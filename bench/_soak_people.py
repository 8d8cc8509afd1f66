"""People in a soak: a browser with cookies and a passkey, or a password with an authenticator app."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import secrets
import sys
import threading
import time
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from _soak_world import REDIRECT
from over_http import Line, Refused

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from authenticator import Authenticator
from careledger.app.identity import codes
from careledger.gateway.cookies import SESSION as COOKIE

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PASSWORD = "a heron over the delta"
VERIFIER = secrets.token_urlsafe(48)
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@dataclass
class Person:
    """Somebody with an account; one thing at a time, whoever holds ``lock``."""

    base: str
    organisation: str
    key: Authenticator = field(default_factory=Authenticator)
    totp: bytes = b""
    name: str = ""
    account: str = ""
    step: int = 0
    others: list[str] = field(default_factory=list)
    """Sessions of other browsers of the same person."""
    cookies: dict[str, str] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.origin = self.key.origin = f"http://localhost:{urlsplit(self.base).port}"
        self._line = Line(self.origin)  # passkeys and cookies belong to that name

    @property
    def session(self) -> str:
        """The secret in the cookie, empty for none."""
        return self.cookies.get(COOKIE, "")

    def set_aside(self) -> None:
        """Its browser stays as it is, with its session, and the person goes on in another one."""
        if self.session:
            self.others.append(self.cookies.pop(COOKIE))

    def exchange(self, method: str, path: str, body: bytes | None, kind: str) -> tuple[int, bytes, str]:
        """Status, body, and where it leads, as this browser asks."""
        sent = {"Sec-Fetch-Site": "same-origin", "Origin": self.origin, "Content-Type": kind}
        sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        status, headers, said = self._line.exchange(method, path, body, sent)
        for name, value in headers:
            if name.lower() == "set-cookie":
                self._keep(value)
        return status, said, dict(headers).get("location", "")

    def _keep(self, said: str) -> None:
        for name, morsel in SimpleCookie(said).items():
            if morsel["max-age"] == "0":
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = morsel.value

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """What is answered under /identity; raises Refused."""
        data = None if body is None else json.dumps(body).encode()
        status, said, _ = self.exchange(method, f"/identity{path}", data, "application/json")
        if not 200 <= status < 300:
            raise Refused(status, said)
        return json.loads(said) if said else None

    def fhir(self, path: str) -> bytes:
        """A resource as the post that the person holds; raises Refused."""
        status, said, _ = self.exchange("GET", path, None, "application/fhir+json")
        if status != 200:
            raise Refused(status, said)
        return said

    def sign_up(self, invitation: str, by_password: bool) -> None:
        """An account that holds the post, and its first session."""
        body: dict[str, Any] = {"organisation": self.organisation, "name": "N", "invitation": invitation}
        asked = {"organisation": self.organisation, "by": "password" if by_password else "passkey"}
        options = self.ask("POST", "/sign-up/options", asked)
        if by_password:
            secret = parse_qs(urlsplit(options["totp"]).query)["secret"][0]
            self.totp = base64.b32decode(secret + "=" * (-len(secret) % 8))
            body |= {"challenge": options["challenge"], "password": PASSWORD, "code": self._code()}
        else:
            self.account = _unb64(options["publicKey"]["user"]["id"]).hex()
            body["credential"] = self.key.create(options["publicKey"])
        self.name = self.ask("POST", "/sign-up", body)["sign_in_name"]

    @property
    def may_sign_in(self) -> bool:
        """A code of an authenticator app counts once."""
        return not self.totp or int(time.time()) // codes.PERIOD > self.step

    def _code(self) -> str:
        self.step = int(time.time()) // codes.PERIOD
        return codes.totp_code(self.totp, self.step)

    def sign_in(self, purpose: str = "TREAT") -> None:
        """A new session instead of the one that there was."""
        body: dict[str, Any] = {"organisation": self.organisation, "purpose": purpose}
        if self.totp:
            body |= {"name": self.name, "password": PASSWORD, "code": self._code()}
        else:
            options = self.ask("POST", "/sign-in/options", {"organisation": self.organisation})
            body["credential"] = self.key.get(options["publicKey"])
        self.ask("POST", "/sign-in", body)

    def step_up(self) -> None:
        """The same session with a fresh proof, under a new id; by passkey."""
        options = self.ask("POST", "/step-up/options", {})
        self.ask("POST", "/step-up", {"credential": self.key.get(options["publicKey"])})

    def launch(self, client: str) -> dict[str, Any]:
        """What an app is given whom the person lets act for them; needs a fresh proof. Raises Refused."""
        query = {
            "response_type": "code", "client_id": client, "redirect_uri": REDIRECT, "state": "s" * 22,
            "scope": "user/*.rs openid offline_access", "aud": self.base, "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }  # fmt: skip
        _, page = self._page("GET", f"/oauth/authorize?{urlencode(query)}", None)
        there = re.findall(r'<input type="(?:hidden|checkbox)" name="([^"]*)" value="([^"]*)"', page)
        form = [(html.unescape(name), html.unescape(value)) for name, value in there]
        to, page = self._page("POST", "/oauth/consent", urlencode([*form, ("decision", "allow")]).encode())
        told = dict(parse_qsl(urlsplit(to).query))
        if "code" not in told:
            raise Refused(400, page.encode())
        said = {"grant_type": "authorization_code", "client_id": client, "code": told["code"]}
        said |= {"redirect_uri": REDIRECT, "code_verifier": VERIFIER}
        made: dict[str, Any] = json.loads(self._line.ask("/oauth/token", urlencode(said).encode(), FORM))
        return made

    def _page(self, method: str, path: str, body: bytes | None) -> tuple[str, str]:
        """Where that leads out of here, or the page at which it ends."""
        _, said, to = self.exchange(method, path, body, FORM["Content-Type"])
        found = re.search(r'<meta http-equiv="refresh" content="0; url=([^"]+)">', said.decode())
        to = html.unescape(found[1]) if found else to
        at = urlsplit(to)
        if at.hostname in ("localhost", "127.0.0.1") or (to and not at.hostname):
            return self._page("GET", f"{at.path}?{at.query}", None)
        return to, said.decode()


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


__all__ = ["COOKIE", "FORM", "Person"]
