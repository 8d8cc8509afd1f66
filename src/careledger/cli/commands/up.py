"""``careledger up``."""

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
    Port,
    TlsCert,
    TlsKey,
    command,
    single,
)

app = single()


@command(app, "up", "careledger up", "careledger up --port 0 --json")
def up(
    data: Data = DATA,
    config: Config = None,
    host: Host = None,
    port: Port = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    log_format: LogFormat = None,
    as_json: Json = False,
) -> None:
    """Serve FHIR R4 over HTTP to the organisations' programs, until Ctrl-C or SIGTERM; for this machine alone unless
    the configuration says how it is secured (docs/configuration.md, docs/operations.md).

    A program brings a token (careledger token issue) and reads, and searches, what patients let its post see. Nothing
    else may have the data directory open meanwhile. Options count before the environment, and that before the file.
    """
    from careledger.cli.serving import serve_gateway

    folder = existing(data)
    said = {"listen.host": host, "listen.port": port, "log.format": log_format}
    said |= {"tls.cert": tls_cert, "tls.key": tls_key}
    serve_gateway(folder, configured(folder, os.environ, config, said).service, as_json)
