"""Custodians' release logs as static files (C2SP tlog-tiles), for whoever asks.

What stands in them is a tag and a digest for each line: it names nobody, and all of it lies under a checkpoint that the
ledger shows anyway (docs/adr/release-logs-are-public-files.md). A patient's entries themselves go by the audit alone.
"""

from __future__ import annotations

import json
import re

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from careledger.app.world import World
from careledger.domain.errors import CareLedgerError, PartyNotFound
from careledger.formats.custody import CustodianKeys, log_origin
from careledger.formats.digests import digest
from careledger.gateway.desk import Desk
from careledger.gateway.files import BINARY, FOREVER, FRESH, JSON, SOON, TEXT, Work, answered, strangers
from careledger.proofs.notes import KeyKind, VerifierKey

CHECKPOINT = "checkpoint"
_NUMBER = re.compile(r"[0-9a-f]{16}")


def routes(desk: Desk, work: Work) -> list[Route]:
    """The list of logs, and of each its checkpoint, tiles and entry bundles."""

    world, base, pace = desk.world, desk.base.removesuffix("/fhir"), strangers()

    async def logs(request: Request) -> Response:
        return await answered(request, work, lambda: listed(world, base), JSON, FRESH, pace)

    async def checkpoint(request: Request) -> Response:
        number = request.path_params["custodian"]
        return await answered(request, work, lambda: file(world, number, CHECKPOINT), TEXT, FRESH, pace)

    async def tile(request: Request) -> Response:
        number, path = request.path_params["custodian"], f"tile/{request.path_params['file']}"
        return await answered(request, work, lambda: file(world, number, path), BINARY, _kept(path), pace)

    return [
        Route("/logs", logs, methods=["GET"]),
        Route("/logs/{custodian}/checkpoint", checkpoint, methods=["GET"]),
        Route("/logs/{custodian}/tile/{file:path}", tile, methods=["GET"]),
    ]


def listed(world: World, base: str) -> bytes:
    """Every custodian that is reached here: its log's origin, verifier key and where its files are; and which ones are
    not reached now, or say nonsense.

    Only keys that the ledger has the digest of; who reads this compares them with a ledger of its own.
    """
    view, made, silent = world.ledger.fresh_head(), [], []
    for number, link in sorted(world.custodians.items()):
        named, facts = f"{number:016x}", view.custodian(number)
        try:
            key = CustodianKeys.decode(link.call("keys", b"")).log_key
        except CareLedgerError:
            silent.append(named)
            continue
        if facts is None or facts.log_key != digest("log-key", key):
            continue
        verifier = VerifierKey(log_origin(world.ledger.deployment, number), KeyKind.LOG, key)
        said = {"custodian": named, "origin": verifier.name, "key": verifier.text}
        made.append({**said, "files": f"{base}/logs/{named}/"})
    return json.dumps({"logs": made, "not_reached": silent}).encode()


def file(world: World, custodian: str, path: str) -> bytes:
    """A file of that custodian's log under its newest anchored checkpoint.

    Raises PartyNotFound, ProofRefused, and what the custodian raises.
    """
    link = world.custodians.get(int(custodian, 16)) if _NUMBER.fullmatch(custodian) else None
    if link is None:
        raise PartyNotFound()
    return link.call("tile", path.encode("ascii", "replace"))


def _kept(path: str) -> str:
    """How long a file may be kept by whoever fetched it: a whole one for good, a partial one until it is replaced."""
    return SOON if ".p/" in path else FOREVER
