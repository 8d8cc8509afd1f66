"""Keycloak as an organisation runs it: a realm of its staff, its clients, and browsers at its pages."""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode, urljoin

import urllib3

FORM = "application/x-www-form-urlencoded"
POOL = urllib3.PoolManager(timeout=180, retries=False)
"""It takes its time for what it does the first time."""
PEOPLE = {"rahima": "physicians", "karim": "nursing", "cook": "kitchen"}


def person(name: str, group: str) -> dict[str, Any]:
    return {
        "username": name, "enabled": True, "email": f"{name}@city.example", "emailVerified": True,
        "firstName": "Dr", "lastName": name.title(), "groups": [f"/{group}"],
        "credentials": [{"type": "password", "value": f"{name}'s password"}],
    }  # fmt: skip


def mapper(protocol: str, kind: str, **config: str) -> dict[str, Any]:
    return {"name": kind, "protocol": protocol, "protocolMapper": kind, "config": config}


@dataclass
class Realm:
    """A realm, made by the server's own administration interface."""

    url: str
    password: str
    name: str = "city"

    def __post_init__(self) -> None:
        said = {"realm": self.name, "enabled": True, "sslRequired": "none",
                "groups": [{"name": each} for each in PEOPLE.values()],
                "users": [person(*each) for each in PEOPLE.items()]}  # fmt: skip
        self.ask("POST", "/admin/realms", json.dumps(said))

    @property
    def issuer(self) -> str:
        return f"{self.url}/realms/{self.name}"

    def ask(self, method: str, path: str, body: str = "", kind: str = "application/json") -> Any:
        """What its administrator is answered."""
        form = {
            "grant_type": "password",
            "client_id": "admin-cli",
            "username": "admin",
            "password": self.password,
        }
        url = f"{self.url}/realms/master/protocol/openid-connect/token"
        given = POOL.request("POST", url, body=urlencode(form), headers={"Content-Type": FORM})
        token = given.json()["access_token"]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": kind}
        reply = POOL.request(method, self.url + path, headers=headers, body=body or None)
        assert reply.status < 300, reply.data
        return reply.json() if reply.data else None

    def openid(self, client: str, place: str, secret: str, keys: str, **attributes: str) -> None:
        """A client that comes back to that place; without a secret it proves itself by the keys at that address."""
        by = {"secret": secret} if secret else {"clientAuthenticatorType": "client-jwt"}
        if not secret:
            attributes |= {
                "use.jwks.url": "true",
                "jwks.url": keys,
                "token.endpoint.auth.signing.alg": "ES256",
            }
        config = {"claim.name": "groups", "full.path": "false", "id.token.claim": "true"}
        mappers = [mapper("openid-connect", "oidc-group-membership-mapper", **config)]
        said = {"clientId": client, "protocol": "openid-connect", "publicClient": False, "redirectUris": [place],
                "attributes": attributes, "protocolMappers": mappers} | by  # fmt: skip
        self.ask("POST", f"/admin/realms/{self.name}/clients", json.dumps(said))

    def saml(self, metadata: str) -> None:
        """A client as its metadata describes it, read by the server itself, whose requests have to be signed."""
        path = f"/admin/realms/{self.name}/client-description-converter"
        said = self.ask("POST", path, metadata, "application/xml")
        assert said["attributes"]["saml.client.signature"] == "true"
        said["attributes"]["saml.force.post.binding"] = "true"
        config = {"attribute.name": "groups", "single": "true", "full.path": "false"}
        said["protocolMappers"] = [mapper("saml", "saml-group-membership-mapper", **config)]
        self.ask("POST", f"/admin/realms/{self.name}/clients", json.dumps(said))

    def reads_again(self, metadata: str) -> None:
        """The SAML client's key is the one of its metadata as it is now."""
        path = f"/admin/realms/{self.name}/client-description-converter"
        said = self.ask("POST", path, metadata, "application/xml")
        name, path = "saml.signing.certificate", f"/admin/realms/{self.name}/clients"
        for each in self.ask("GET", path):
            if each["clientId"] == said["clientId"]:
                each["attributes"][name] = said["attributes"][name]
                self.ask("PUT", f"{path}/{each['id']}", json.dumps(each))

    def signs_out_itself(self, itself: bool) -> None:
        """Whether the server tells SAML clients by itself that somebody signed out, or by that person's browser."""
        path = f"/admin/realms/{self.name}/clients"
        for each in self.ask("GET", path):
            if each["protocol"] == "saml":
                self.ask("PUT", f"{path}/{each['id']}", json.dumps(each | {"frontchannelLogout": not itself}))

    def descriptor(self) -> bytes:
        """Its SAML metadata."""
        return POOL.request("GET", f"{self.issuer}/protocol/saml/descriptor").data

    def sign_out(self, name: str) -> None:
        """That person's sessions are ended there."""
        self.ask("POST", f"{self._person(name)}/logout")

    def sessions(self, name: str) -> set[str]:
        """What the server calls that person's sessions."""
        return {each["id"] for each in self.ask("GET", f"{self._person(name)}/sessions")}

    def end(self, session: str) -> None:
        """One of them is ended there."""
        self.ask("DELETE", f"/admin/realms/{self.name}/sessions/{session}")

    def _person(self, name: str) -> str:
        [found] = self.ask("GET", f"/admin/realms/{self.name}/users?exact=true&username={name}")
        return f"/admin/realms/{self.name}/users/{found['id']}"


@dataclass
class Window:
    """A browser at the server's pages, which keeps its cookies there."""

    kept: dict[str, str] = field(default_factory=dict)

    def sign_in(self, url: str, name: str) -> tuple[str, dict[str, str]]:
        """Where it is sent from there once that person signed in, or had: an address, and a form's fields."""
        fields: dict[str, str] | None = None
        for _ in range(6):
            text, to = self._page(url, fields)
            url, fields = to or url, None
            if "/sign-on/" in url.partition("?")[0]:
                return url, {}
            if to:
                continue
            place, found = self._form(text)
            if "/sign-on/" in place:
                return place, found
            url, fields = place, {"username": name, "password": f"{name}'s password"}
        raise AssertionError(url)

    def sign_out(self, url: str) -> tuple[str, dict[str, str]]:
        """Where it is sent from there once its person signed out and said so: an address, and a form's fields; empty
        for nowhere."""
        fields: dict[str, str] | None = None
        for _ in range(6):
            text, to = self._page(url, fields)
            at, url, fields = url, to, None
            if not to and "<form" in text.lower():
                place, fields = self._form(text)
                url = urljoin(at, place)
            if not url or "/sign-on/" in url.partition("?")[0]:
                return url, fields or {}
        raise AssertionError(url)

    def is_asked_for_a_password(self, url: str) -> bool:
        """Whether who comes with that question is not signed in there."""
        return 'type="password"' in self._page(url, None)[0]

    def _page(self, url: str, fields: dict[str, str] | None) -> tuple[str, str]:
        headers = {
            "Cookie": "; ".join(f"{key}={value}" for key, value in self.kept.items()),
            "Content-Type": FORM,
        }
        method, body = ("GET", None) if fields is None else ("POST", urlencode(fields))
        reply = POOL.request(method, url, headers=headers, body=body, redirect=False)
        assert reply.status in (200, 302, 303), reply.data
        for line in reply.headers.getlist("set-cookie"):
            self.kept |= {key: morsel.value for key, morsel in SimpleCookie(line).items()}
        to = reply.headers.get("Location")
        return reply.data.decode(), urljoin(url, to) if to else ""

    def _form(self, text: str) -> tuple[str, dict[str, str]]:
        form = re.search(r"<form[^>]*action=\"([^\"]+)\"", text, re.I)
        assert form is not None, text
        found = {}
        for each in re.findall(r"<input[^>]*>", text, re.I):
            said = dict(re.findall(r"(\w+)=\"([^\"]*)\"", each))
            if "name" in said:
                found[said["name"]] = html.unescape(said.get("value", ""))
        return html.unescape(form[1]), found
