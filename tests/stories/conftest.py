"""The story, told once for all tests that only look at it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import story
from careledger.sealing import vault
from careledger.sealing.vault import Cost
from story import Story

PASSPHRASE = "correct horse battery staple"


@pytest.fixture(scope="session", autouse=True)
def passphrase() -> Iterator[str]:
    """What commands find in the environment; guessing it costs little here, so that tests take no minutes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CARELEDGER_PASSPHRASE", PASSPHRASE)
        patch.setattr(vault, "COST", Cost(64, 1, 1))
        yield PASSPHRASE


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """The story's directory, open. Tests look at it and copy it; they change nothing in it."""
    made = story.tell(tmp_path_factory.mktemp("told") / "data")
    yield made
    made.world.close()
