"""The story, told once, and a gateway over a copy of it for each module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import story
from careledger.gateway.server import Gateway
from gateway.edge_world import Edge
from story import Story


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
