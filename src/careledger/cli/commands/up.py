"""``careledger up``."""

from __future__ import annotations

from typing import Annotated

import typer

from careledger.cli.opening import existing
from careledger.cli.options import DATA, Data, Json, command, single

app = single()


@command(app, "up", "careledger up", "careledger up --port 0 --json")
def up(
    data: Data = DATA,
    host: Annotated[str, typer.Option(metavar="HOST", help="A name or address of loopback.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="PORT", min=0, max=65_535, help="0 takes a free one.")] = 8080,
    as_json: Json = False,
) -> None:
    """Serve FHIR R4 over HTTP to the organisations' programs, until Ctrl-C; for this machine alone.

    A program brings a token (careledger token issue) and reads, and searches, what patients let its post see. Nothing
    else may have the data directory open meanwhile.
    """
    from careledger.cli.serving import serve_gateway

    serve_gateway(existing(data), host, port, as_json)
