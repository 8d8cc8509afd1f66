"""All rows of /api/v1."""

from __future__ import annotations

from careledger.gateway.api import (
    agent,
    blocks,
    emergencies,
    events,
    ministry,
    parties,
    patients,
    requests,
    webhooks,
)
from careledger.gateway.api.rows import Row

ROWS: tuple[Row, ...] = (
    *parties.ROWS,
    *patients.ROWS,
    *requests.ROWS,
    *emergencies.ROWS,
    *ministry.ROWS,
    *agent.ROWS,
    *blocks.ROWS,
    *events.ROWS,
    *webhooks.ROWS,
)
