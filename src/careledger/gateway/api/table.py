"""All rows of /api/v1."""

from __future__ import annotations

from careledger.gateway.api import agent, blocks, parties, patients
from careledger.gateway.api.rows import Row

ROWS: tuple[Row, ...] = (*parties.ROWS, *patients.ROWS, *agent.ROWS, *blocks.ROWS)
