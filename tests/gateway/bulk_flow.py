"""A client of bulk exports: asks for one, waits for it, fetches its files."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gateway.edge_world import JSON, Client, Reply

MOST_WAIT = 60.0
ASYNC = "respond-async"


@dataclass
class Exported:
    """A manifest and what its files hold, line by line."""

    place: str
    manifest: dict[str, Any]
    output: list[dict[str, Any]]
    deleted: list[dict[str, Any]]
    error: list[dict[str, Any]]

    @property
    def paths(self) -> list[str]:
        return sorted(f"{each['resourceType']}/{each['id']}" for each in self.output)

    @property
    def gone(self) -> list[str]:
        return sorted(entry["request"]["url"] for each in self.deleted for entry in each["entry"])

    @property
    def said(self) -> list[str]:
        return [issue["diagnostics"] for each in self.error for issue in each["issue"]]


def kick_off(client: Client, path: str = "$export", prefer: str = ASYNC, body: Any = None) -> Reply:
    if body is None:
        return client.ask(path, Prefer=prefer)
    sent = json.dumps(body).encode()
    return client.ask(path, "POST", sent, Prefer=prefer, Content_Type=JSON)


def begin(client: Client, path: str = "$export", prefer: str = ASYNC, body: Any = None) -> str:
    """The place where an export that was taken on tells how far it is."""
    reply = kick_off(client, path, prefer, body)
    assert reply.status == 202, reply.body
    assert reply.body["resourceType"] == "OperationOutcome"
    return str(reply.headers["Content-Location"])


def wait(client: Client, place: str) -> dict[str, Any]:
    """The manifest."""
    until = time.monotonic() + MOST_WAIT
    while time.monotonic() < until:
        reply = client.ask(place)
        if reply.status != 202:
            assert reply.status == 200, reply.body
            assert reply.headers["Content-Type"] == "application/json"
            assert reply.headers["Expires"]
            return dict(reply.body)
        assert int(reply.headers["Retry-After"]) > 0
        assert reply.headers["X-Progress"]
        time.sleep(0.05)
    raise AssertionError("the export does not end")


def lines(client: Client, listed: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """What the files hold; each one resource type and as many lines as it says."""
    for each in listed:
        sent = {"Authorization": f"Bearer {client.token}", "Accept": "application/fhir+ndjson"}
        reply = client.pool.request("GET", each["url"], headers=sent)
        assert (reply.status, reply.headers["Content-Type"]) == (200, "application/fhir+ndjson")
        found = [json.loads(line) for line in reply.data.splitlines()]
        assert len(found) == each["count"]
        assert {line["resourceType"] for line in found} == {each["type"]}
        yield from found


def fetch(client: Client, place: str) -> Exported:
    manifest = wait(client, place)
    assert manifest["requiresAccessToken"] is True
    found = (list(lines(client, manifest[name])) for name in ("output", "deleted", "error"))
    return Exported(place, manifest, *found)


def export(client: Client, path: str = "$export", prefer: str = ASYNC, body: Any = None) -> Exported:
    return fetch(client, begin(client, path, prefer, body))


def parameters(*given: tuple[str, Any]) -> dict[str, Any]:
    made = [
        {"name": name, **(value if isinstance(value, dict) else {"valueString": value})}
        for name, value in given
    ]
    return {"resourceType": "Parameters", "parameter": made}
