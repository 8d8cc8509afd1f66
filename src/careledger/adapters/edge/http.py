"""What an agent asks of a gateway: JSON there and back, refusals as the classes that the gateway raised."""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any

import urllib3

from careledger.domain import errors
from careledger.domain.errors import CareLedgerError, MalformedBytes, StoreUnavailable, Throttled

BASE = "/api/v1"
PROBLEM = "urn:careledger:problem:"
CONNECTING, ANSWERING = 3.0, 60.0
"""Seconds to wait for a connection, and for each piece of an answer."""
TOO_MANY = 429
LARGEST = 64 * 1024 * 1024
Json = dict[str, Any]


class Edge:
    """A gateway under one address, such as ``http://127.0.0.1:8080``. Safe to use from several threads."""

    def __init__(self, url: str) -> None:
        self._root = url.rstrip("/")
        self._pool = urllib3.PoolManager(
            maxsize=8, retries=False, timeout=urllib3.Timeout(connect=CONNECTING, read=ANSWERING)
        )

    def close(self) -> None:
        """Closes the connections."""
        self._pool.clear()

    def get(self, path: str) -> Json:
        """What stands there; raises what the gateway refused with, StoreUnavailable, MalformedBytes."""
        return self._asked("GET", path, None)

    def post(self, path: str, said: Json) -> Json:
        """What it answered; raises likewise, StoreUnavailable where it may or may not have done it."""
        return self._asked("POST", path, json.dumps(said).encode())

    def file(self, path: str) -> bytes | None:
        """A static file of the gateway, or None where there is none; raises StoreUnavailable, Throttled,
        MalformedBytes."""
        status, data = self._fetched("GET", self._root + path, None, {})
        if len(data) > LARGEST:
            raise MalformedBytes(why="an answer of over 64 MiB")
        if status == TOO_MANY:
            raise Throttled(gateway=status)
        if status not in (200, 404):
            raise StoreUnavailable(gateway=status)
        return data if status == 200 else None

    def _asked(self, method: str, path: str, body: bytes | None) -> Json:
        headers = {"Accept": "application/json"} | ({"Content-Type": "application/json"} if body else {})
        status, data = self._fetched(method, self._root + BASE + path, body, headers)
        said = _object(data)
        if status >= 400:
            raise refusal_of(said)
        return said

    def _fetched(
        self, method: str, url: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        """Status and body, of which at most one byte more than LARGEST; raises StoreUnavailable."""
        try:
            reply = self._pool.request(
                method, url, body=body, headers=headers, redirect=False, preload_content=False
            )
            data = reply.read(LARGEST + 1)
            reply.release_conn()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise StoreUnavailable(gateway=type(error).__name__) from None
        return reply.status, data


def refusal_of(said: Json) -> CareLedgerError:
    """The refusal that a problem (RFC 9457) names, its words as the detail; StoreUnavailable for one of no class."""
    name = re.sub(
        r"(?:^|-)([a-z])", lambda found: found[1].upper(), _text(said.get("type")).removeprefix(PROBLEM)
    )
    kind, detail = getattr(errors, name, None), _text(said.get("detail"))[:500]
    if not (isinstance(kind, type) and issubclass(kind, CareLedgerError)):
        return StoreUnavailable(gateway=detail)
    return kind(gateway=detail)


def octets(said: Json, name: str) -> bytes:
    """A member in base 64; raises MalformedBytes."""
    try:
        return base64.b64decode(_text(said.get(name)), validate=True)
    except (binascii.Error, ValueError):
        raise MalformedBytes(member=name) from None


def written(data: bytes) -> str:
    """Bytes as a member."""
    return base64.b64encode(data).decode("ascii")


def _object(data: bytes) -> Json:
    if len(data) > LARGEST:
        raise MalformedBytes(why="an answer of over 64 MiB")
    try:
        said = json.loads(data)
    except (ValueError, RecursionError):
        raise StoreUnavailable(gateway="no JSON") from None
    if not isinstance(said, dict):
        raise MalformedBytes(why="not a JSON object")
    return said


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
