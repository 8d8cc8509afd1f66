"""All rows of /api/v1."""

from __future__ import annotations

from careledger.gateway.api import (
    agent,
    apps,
    blocks,
    emergencies,
    events,
    launches,
    ministry,
    parties,
    patients,
    reads,
    registration,
    requests,
    teams,
    webhooks,
)
from careledger.gateway.api.rows import Row

ROWS: tuple[Row, ...] = (
    *parties.ROWS,
    *patients.ROWS,
    *requests.ROWS,
    *emergencies.ROWS,
    *ministry.ROWS,
    *registration.ROWS,
    *teams.ROWS,
    *reads.ROWS,
    *agent.ROWS,
    *blocks.ROWS,
    *events.ROWS,
    *webhooks.ROWS,
    *launches.ROWS,
    *apps.ROWS,
)
