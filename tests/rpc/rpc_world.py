"""A served chain and a client that sends exactly the bytes it is given."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from adapters.chain_support import CHAIN_ID
from careledger.adapters.evm.chain import EmbeddedChain
from careledger.rpc.server import Server

JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Said:
    """What came back."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Client:
    """Speaks to one server; each request has a connection of its own."""

    host: str
    port: int

    def http(
        self, method: str, path: str = "/", body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Said:
        """Sends a request as it is."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        try:
            connection.request(method, path, body, headers if headers is not None else JSON)
            answer = connection.getresponse()
            return Said(answer.status, answer.read(), {k.lower(): v for k, v in answer.getheaders()})
        finally:
            connection.close()

    def post(self, said: Any) -> Said:
        """Sends JSON, or bytes as they are."""
        return self.http("POST", body=said if isinstance(said, bytes) else json.dumps(said).encode())

    def ask(self, method: str, *params: Any) -> Any:
        """The result; fails the test on an error."""
        answer = self.post(request(method, *params)).json
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def error(self, method: str, *params: Any) -> dict[str, Any]:
        """The error; fails the test on a result."""
        answer = self.post(request(method, *params)).json
        assert "result" not in answer, answer["result"]
        return dict(answer["error"])

    def send(self, raw: bytes) -> str:
        """The hash of a signed transaction."""
        return str(self.ask("eth_sendRawTransaction", "0x" + raw.hex()))


def request(method: str, *params: Any, id: Any = 1) -> dict[str, Any]:
    """A request object."""
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": list(params)}


@dataclass(frozen=True)
class Served:
    """A chain and its server."""

    chain: EmbeddedChain
    server: Server
    client: Client
    folder: Path


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """An empty chain, served at a free port."""
    folder = tmp_path / "chain"
    with EmbeddedChain(folder, CHAIN_ID) as chain, Server(chain, folder, port=0) as server:
        yield Served(chain, server, Client(server.host, server.port), folder)


@pytest.fixture
def client(served: Served) -> Client:
    """A client of it."""
    return served.client
