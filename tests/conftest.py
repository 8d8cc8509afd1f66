"""What all tests share: the folder of real data, and strictness in CI."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import settings

_LIMIT = sys.getrecursionlimit()
import_module("py_ecc")  # of web3: it lets everything recurse so deeply that a parser in C leaves its stack
sys.setrecursionlimit(_LIMIT)

settings.register_profile("careledger", deadline=None, derandomize=True, print_blob=False)
settings.load_profile("careledger")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--every-search", action="store_true", help="compare searches over many more resources")


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder named by CARELEDGER_TEST_DATA; the test is skipped where it is unset."""
    return data_folder()


def data_folder() -> Path:
    """The folder of real data; skips where CARELEDGER_TEST_DATA is unset, fails where it names nothing."""
    named = os.environ.get("CARELEDGER_TEST_DATA")
    if not named:
        pytest.skip("CARELEDGER_TEST_DATA is not set")
    folder = Path(named)
    if not folder.is_dir():
        pytest.fail(f"CARELEDGER_TEST_DATA names no folder: {named}")
    return folder
