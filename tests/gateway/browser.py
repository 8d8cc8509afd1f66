"""A browser without a screen: it keeps cookies, says where its page is from, and has an authenticator in software."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any

import urllib3

from authenticator import Authenticator
from careledger.app.identity import accounts, approving, invitations
from careledger.domain.parties import party_id
from careledger.gateway.cookies import DEVICE, SESSION
from gateway.edge_world import Edge, Reply

WHO = {"name": "Rahima Khatun", "national_id": "NID-42-0007", "birth": "1988-04"}


@dataclass
class Browser:
    """One person's; ``site`` is the origin of the page that sends its requests."""

    edge: Edge
    key: Authenticator = field(default_factory=Authenticator)
    cookies: dict[str, str] = field(default_factory=dict)
    pool: urllib3.PoolManager = field(default_factory=urllib3.PoolManager)
    organisation: str = "City"

    def __post_init__(self) -> None:
        self.url = self.edge.gateway.url
        self.origin = f"http://localhost:{self.url.rpartition(':')[2]}"
        self.key.origin = self.origin

    @property
    def session(self) -> str:
        return self.cookies.get(SESSION, "")

    @property
    def id(self) -> str:
        """The organisation's identifier."""
        world, there = self.edge.story.world, self.edge.story.organisations
        number = there.get(self.organisation, world.keyring.ministry()).number
        facts = world.ledger.fresh_head().party(number)
        assert facts is not None
        return party_id(number, facts.roles)

    def ask(self, method: str, path: str, body: Any = None, **headers: str | None) -> Reply:
        """``path`` is below the gateway's address; a header of None is left out."""
        sent: dict[str, str | None] = {"Sec-Fetch-Site": "same-origin", "User-Agent": "a browser"}
        if method != "GET":
            sent["Origin"] = self.origin
        if body is not None:
            sent["Content-Type"] = "application/json"
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        given = {name: value for name, value in sent.items() if value is not None}
        data = None if body is None else json.dumps(body).encode()
        reply = self.pool.request(method, self.url + path, body=data, headers=given, retries=False)
        for line in reply.headers.getlist("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                self._keep(name, morsel)
        return Reply(reply.status, reply.headers, json.loads(reply.data) if reply.data else None)

    def _keep(self, name: str, morsel: Any) -> None:
        assert (morsel["path"], morsel["samesite"], morsel["domain"]) == ("/", "Strict", "")
        assert morsel["secure"]
        assert morsel["httponly"]
        assert name in (SESSION, DEVICE)
        if morsel["max-age"] == "0":
            self.cookies.pop(name, None)
        else:
            self.cookies[name] = morsel.value

    def post(self, path: str, body: Any = None, **headers: str | None) -> Reply:
        return self.ask("POST", f"/identity{path}", {} if body is None else body, **headers)

    def get(self, path: str) -> Reply:
        return self.ask("GET", f"/identity{path}")

    def sign_up(self, invitation: str = "") -> str:
        """The sign-in name."""
        options = self.post("/sign-up/options", {"organisation": self.id}).body["publicKey"]
        body = {"organisation": self.id, "credential": self.key.create(options), **WHO}
        reply = self.post("/sign-up", body | {"invitation": invitation})
        assert reply.status == 201, reply.body
        return str(reply.body["sign_in_name"])

    def assertion(self, path: str = "/sign-in/options", body: Any = None) -> Any:
        options = self.post(path, {"organisation": self.id} if body is None else body).body["publicKey"]
        return self.key.get(options)

    def sign_in(self, **more: str) -> Reply:
        return self.post("/sign-in", {"organisation": self.id, "credential": self.assertion(), **more})

    def step_up(self, **more: str) -> Reply:
        return self.post("/step-up", {"credential": self.assertion("/step-up/options", {}), **more})


def newcomer(edge: Edge) -> Browser:
    """Somebody who signed up at City and waits for approval."""
    made = Browser(edge)
    made.sign_up()
    return made


def staff(edge: Edge, label: str) -> Browser:
    """Whoever holds that post, signed in; a new account, if somebody else had it before."""
    post = edge.story.staff[label]
    made = Browser(
        edge,
        organisation=next(
            n for n, o in edge.story.organisations.items() if o.number == post.organisation.number
        ),
    )
    post.organisation.books.drop(accounts.OF_POST, [post.number.to_bytes(8, "big")])
    code, _ = invitations.invite(post.organisation, post.number, edge.story.world.clock.now())
    made.sign_up(code)
    return made


def account_of(browser: Browser) -> accounts.Person:
    """What its organisation's books say of whoever is signed in."""
    organisation = browser.edge.story.organisations[browser.organisation]
    return accounts.by_name(organisation, browser.get("/session").body["sign_in_name"])


__all__ = ["Browser", "account_of", "approving", "newcomer", "staff"]
