"""``careledger gateway``."""

from __future__ import annotations

import os

from careledger.app.service.reading import configured
from careledger.cli.opening import existing
from careledger.cli.options import (
    DATA,
    Config,
    Data,
    Host,
    Json,
    LogFormat,
    Metrics,
    Port,
    TlsCert,
    TlsKey,
    command,
    single,
)

app = single()


@command(app, "gateway", "careledger gateway", "careledger gateway --port 8081 --json")
def gateway(
    data: Data = DATA,
    config: Config = None,
    host: Host = None,
    port: Port = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    log_format: LogFormat = None,
    metrics: Metrics = None,
    as_json: Json = False,
) -> None:
    """Serve HTTP in front of the data directory's worker, until Ctrl-C or SIGTERM. This process opens nothing of the
    directory and holds no key; several may run at once (docs/operations.md)."""
    from careledger.cli.serving import serve_edge

    said = {"listen.host": host, "listen.port": port, "log.format": log_format, "metrics.address": metrics}
    said |= {"tls.cert": tls_cert, "tls.key": tls_key}
    service = configured(data, os.environ, config, said).service
    serve_edge(data if service.socket else existing(data), service, as_json)
