"""The ledger in memory keeps the port's promises."""

from __future__ import annotations

import pytest

from adapters.ledger_suite_parties import PartySuite
from adapters.ledger_suite_patients import PatientSuite
from adapters.ledger_suite_records import RecordSuite
from adapters.ledger_world import CHAIN_ID, MINISTRY, OFFICERS, POLICY_DELAY, THRESHOLD, LedgerWorld, of
from careledger.adapters.memory.clock import ManualClock
from careledger.adapters.memory.ledger import MemoryLedger
from careledger.domain.errors import LedgerStale


@pytest.fixture
def world() -> LedgerWorld:
    """A founded ledger in memory."""
    clock, officers = ManualClock(), {post: of(post).address for post in OFFICERS}
    ledger = MemoryLedger(clock, MINISTRY, officers, CHAIN_ID, THRESHOLD, POLICY_DELAY, version=1)
    return LedgerWorld(ledger, clock)


class TestParties(PartySuite):
    """Organisations, posts, custodians, teams."""


class TestPatients(PatientSuite):
    """Registrations, aliases, links, consents."""


class TestRecords(RecordSuite):
    """Anchors, erasures, checkpoints, emergencies, the matrix."""


def test_a_ledger_told_to_lag_gives_no_fresh_head(world: LedgerWorld) -> None:
    ledger = world.ledger
    assert isinstance(ledger, MemoryLedger)
    ledger.stale = True
    with pytest.raises(LedgerStale):
        ledger.fresh_head()
    ledger.stale = False
    ledger.fresh_head()
