"""The ledger over JSON-RPC keeps the port's promises, on nodes of other code bases and on our own RPC server."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.remote_world import AGAIN, GANACHES_AGAIN, performed, served, several, suite


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "count", "again"), [("anvil", 6, AGAIN), ("ganache", 5, GANACHES_AGAIN)])
def test_the_ports_behaviour_suite_holds_with_a_block_each_second(
    kind: str, count: int, again: float
) -> None:
    with several(kind, count, again) as nodes:
        assert performed(suite(still=False), nodes) > 45


@pytest.mark.slow
def test_the_ports_whole_behaviour_suite_holds_on_the_embedded_chain_behind_its_own_server(
    tmp_path: Path,
) -> None:
    with served(tmp_path, 3) as nodes:
        assert performed(suite(still=True), nodes) > 50
