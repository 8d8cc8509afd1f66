"""An agent that asks too fast for blocks learns that, and not that the store is away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from careledger.adapters.edge.http import Edge
from careledger.adapters.edge.links import EdgeBlocks
from careledger.app.serving import HttpServer
from careledger.domain.errors import BlockNotFound, StoreUnavailable, Throttled
from careledger.formats.cids import raw_cid

STATUS = {"value": 429}


async def answering(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": STATUS["value"], "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def blocks() -> Iterator[EdgeBlocks]:
    with HttpServer("127.0.0.1", 0) as server:
        server.start(answering)
        edge = Edge(server.url)
        yield EdgeBlocks(edge)
        edge.close()


@pytest.mark.parametrize(
    ("status", "error"), [(429, Throttled), (503, StoreUnavailable), (404, BlockNotFound)]
)
def test_a_refusal_is_told_as_what_it_is(
    blocks: EdgeBlocks, monkeypatch: pytest.MonkeyPatch, status: int, error: type[Exception]
) -> None:
    monkeypatch.setitem(STATUS, "value", status)
    with pytest.raises(error):
        blocks.get(raw_cid(b"a block"))
