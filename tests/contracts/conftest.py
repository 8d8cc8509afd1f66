"""What every contract test starts from."""

from __future__ import annotations

import pytest

from contracts.harness import Chain


@pytest.fixture
def chain() -> Chain:
    """An empty chain."""
    return Chain()
