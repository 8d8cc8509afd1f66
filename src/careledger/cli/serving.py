"""``careledger chain serve`` and ``careledger up``: open, serve, and end in order at the first SIGINT or SIGTERM."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from careledger.adapters.evm.chain import EmbeddedChain
from careledger.app import settings as settings_file
from careledger.app.ledgers import embedded_folder
from careledger.cli.opening import opened
from careledger.cli.output import print_json, screen
from careledger.gateway.server import Gateway
from careledger.rpc.page import network
from careledger.rpc.server import Server

TENDS_EVERY = 30.0
"""Seconds between two times that a gateway does what has come due."""
LOOKS_EVERY = 2.0
"""Seconds between two looks for what there is to tell posts' programs."""


def serve_chain(folder: Path, host: str, port: int, origins: Sequence[str], as_json: bool) -> None:
    """Serves until it is told to stop, then answers what is under way; raises DirectoryInUse, ServerUnavailable."""
    chain_id, ledger = settings_file.load(folder).chain_id, embedded_folder(folder)
    with (
        _told_to_stop() as stop,
        EmbeddedChain(ledger, chain_id) as chain,
        Server(chain, ledger, host, port, origins) as server,
    ):
        facts = network(chain_id, server.url)
        print_json(facts) if as_json else _print(facts, server.url)
        stop.wait()
    if not as_json:
        screen().says("Stopped. Everything that was acknowledged is on the disk.")


def serve_gateway(folder: Path, host: str, port: int, as_json: bool) -> None:
    """Serves the directory's world likewise; raises DirectoryInUse, ServerUnavailable."""
    with (
        _told_to_stop() as stop,
        opened(folder) as world,
        Gateway(world, host, port, TENDS_EVERY, LOOKS_EVERY) as gateway,
    ):
        facts = {
            "fhir": gateway.base,
            "metadata": f"{gateway.base}/metadata",
            "api": f"{gateway.url}/api/v1/docs",
        }
        if as_json:
            print_json(facts)
        else:
            screen().facts(
                f"FHIR R4 at {gateway.base}",
                [
                    ("what it can do", facts["metadata"]),
                    ("beside FHIR", facts["api"]),
                    ("a token for a program", "careledger token issue POST, before this is started"),
                ],
            )
            screen().says(
                "Only this machine reaches it. Ctrl-C ends it; until then nothing else can open the directory."
            )
        stop.wait()
    if not as_json:
        screen().says("Stopped. Everything that was acknowledged is on the disk.")


@contextmanager
def _told_to_stop() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set."""
    stop = threading.Event()

    def told(number: int, frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, told) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _print(facts: dict[str, Any], url: str) -> None:
    """What a person types into a wallet."""
    screen().facts(
        f"JSON-RPC at {url}",
        [
            ("chain id", f"{int(facts['chainId'], 16)} ({facts['chainId']})"),
            ("name", facts["chainName"]),
            ("currency", "none: gas price and value are 0"),
            ("wallet page", f"{url}/"),
        ],
    )
    screen().says(
        "Only this machine reaches it. Ctrl-C ends it; until then nothing else can open the directory."
    )
