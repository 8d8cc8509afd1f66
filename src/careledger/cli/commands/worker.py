"""``careledger worker``."""

from __future__ import annotations

import os

from careledger.app.service.reading import configured
from careledger.cli.opening import existing
from careledger.cli.options import DATA, Config, Data, Json, LogFormat, Metrics, command, single

app = single()


@command(app, "worker", "careledger worker", "careledger worker --json")
def worker(
    data: Data = DATA,
    config: Config = None,
    log_format: LogFormat = None,
    metrics: Metrics = None,
    as_json: Json = False,
) -> None:
    """Hold the data directory and do the work behind gateways, until Ctrl-C or SIGTERM. Further workers answer reads
    beside the first one, and one of them takes over when it ends or is killed (docs/operations.md)."""
    from careledger.cli.serving import serve_worker

    folder = existing(data)
    said = {"log.format": log_format, "metrics.address": metrics}
    serve_worker(folder, configured(folder, os.environ, config, said).service, as_json)
