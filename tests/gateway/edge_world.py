"""A gateway over a story, and programs that ask it with tokens."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import urllib3

from careledger.app import tokens
from careledger.domain.consents import Purpose
from careledger.gateway.server import Gateway
from story import Story

DAY = 24 * 3_600
JSON = "application/fhir+json"


@dataclass
class Reply:
    """What came back."""

    status: int
    headers: Any
    body: Any

    @property
    def issue(self) -> tuple[str, str]:
        """The code and words of the OperationOutcome's first issue."""
        assert self.body["resourceType"] == "OperationOutcome", self.body
        first = self.body["issue"][0]
        return first["code"], first["diagnostics"]

    @property
    def problem(self) -> str:
        """The type of an RFC 9457 problem, without its prefix."""
        assert self.headers["Content-Type"] == "application/problem+json", self.body
        assert set(self.body) == {"type", "title", "status", "detail"}
        assert self.body["status"] == self.status
        return str(self.body["type"].removeprefix("urn:careledger:problem:"))

    @property
    def matches(self) -> list[Any]:
        """The resources of a searchset that were found."""
        assert (self.body["resourceType"], self.body["type"]) == ("Bundle", "searchset"), self.body
        return [each["resource"] for each in self.body.get("entry", ()) if each["search"]["mode"] == "match"]

    @property
    def said(self) -> dict[str, str]:
        """What a searchset says about itself, by code."""
        outcomes = [each["resource"] for each in self.body["entry"] if each["search"]["mode"] == "outcome"]
        return {issue["code"]: issue["diagnostics"] for each in outcomes for issue in each["issue"]}

    def link(self, relation: str) -> str | None:
        return {each["relation"]: each["url"] for each in self.body.get("link", ())}.get(relation)


@dataclass
class Client:
    """A program that brings a token."""

    base: str
    token: str = ""
    pool: urllib3.PoolManager = field(default_factory=urllib3.PoolManager)

    def ask(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Reply:
        url = path if path.startswith("http") else f"{self.base}/{path}".rstrip("/")
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        reply = self.pool.request(method, url, body=body, headers=sent, redirect=False, retries=False)
        return Reply(reply.status, reply.headers, json.loads(reply.data) if reply.data else None)


@dataclass
class Edge:
    """The story and the gateway over it."""

    story: Story
    gateway: Gateway

    def token(self, label: str, purpose: Purpose = Purpose.TREAT, seconds: int = DAY) -> str:
        staff = self.story.staff[label]
        return tokens.issue(staff, purpose, self.story.world.clock.now(), seconds)[0]

    def client(self, label: str, **given: Any) -> Client:
        return Client(self.gateway.base, self.token(label, **given))

    def stranger(self, token: str = "") -> Client:
        return Client(self.gateway.base, token)
