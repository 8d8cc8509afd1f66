"""The story, told once for all tests that only look at it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import story
from story import Story


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """The story's directory, open. Tests look at it and copy it; they change nothing in it."""
    made = story.tell(tmp_path_factory.mktemp("told") / "data")
    yield made
    made.world.close()
