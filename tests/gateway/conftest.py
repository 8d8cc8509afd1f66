"""The story, told once, and a gateway over a copy of it for each module."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

import story
from careledger.app import serving
from careledger.gateway.server import Gateway
from gateway.edge_world import Edge
from story import Story


@pytest.fixture(scope="session", autouse=True)
def unhurried_connections() -> Iterator[None]:
    """A server that closes an idle connection just when a client asks again answers nothing; no test is about that."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serving, "IDLE", 600)
        yield


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    made = story.tell(tmp_path_factory.mktemp("told") / "data")
    yield made
    made.world.close()


@pytest.fixture(scope="module")
def edge(told: Story, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    mine = story.copied(told, tmp_path_factory.mktemp("edge") / "data")
    with Gateway(mine.world, port=0) as gateway:
        yield Edge(mine, gateway)
    mine.world.close()


@pytest.fixture
def port() -> Iterator[int]:
    """A port that nobody else is given, also while a gateway is started anew at it."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gateways do: they may listen at it
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])
