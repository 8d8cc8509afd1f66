"""Event streams over HTTP: what many idle clients cost in memory and processor time, and how soon all are told.

    python bench/events.py [--json] [--clients N] [--seconds S] [--directory DIR]

The server is ``careledger up`` in a process of its own with five custodians; the clients are as many connections from
this one, each an open stream of a post of one organisation. Memory is the server's resident set (VmRSS).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from _measured import Figure, run
from _network import DESK, new_stage
from over_http import DOCTOR, Line, serving

from careledger.app import tokens
from careledger.app.world import open_world
from careledger.cli.demo.founding import CITY
from careledger.domain.consents import Purpose

COMMAND = "python bench/events.py"
OF_A_TOKEN = 100
MOST_WAIT = 60.0
CLOCK_TICKS = 100.0
"""In which /proc counts a second of processor time."""


def prepared(folder: Path, clients: int) -> tuple[list[str], str]:
    """A founded directory with tokens of a doctor, as many as the clients need, and one of the desk."""
    new_stage(folder).world.close()
    world = open_world(folder)
    city, now = world.keyring.organisation(CITY), int(time.time())
    staff = world.keyring.all_staff(city)
    many = range(-(-clients // OF_A_TOKEN))
    made = [tokens.issue(staff[DOCTOR], Purpose.TREAT, now, 3_600)[0] for _ in many]
    desk = tokens.issue(staff[DESK], Purpose.TREAT, now, 3_600)[0]
    world.close()
    return made, desk


def memory(process: int) -> float:
    """Resident bytes / 10⁶."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmRSS"))) * 1_024 / 1e6


def busy(process: int) -> float:
    """Seconds of processor time."""
    said = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(said[11]) + int(said[12])) / CLOCK_TICKS


Open = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def listening(base: str, given: list[str], clients: int) -> list[Open]:
    """So many open streams, each with its first line read; one whose writer is dropped is closed."""
    at = urlsplit(base)
    opened = []
    for number in range(clients):
        reader, writer = await asyncio.open_connection(at.hostname, at.port)
        token = given[number // OF_A_TOKEN]
        writer.write(
            f"GET /api/v1/events HTTP/1.1\r\nHost: {at.netloc}\r\nAccept: text/event-stream\r\n"
            f"Authorization: Bearer {token}\r\n\r\n".encode()
        )
        await reader.readuntil(b"retry: 3000")
        opened.append((reader, writer))
    return opened


async def told(reader: asyncio.StreamReader) -> float:
    """When the next event has come."""
    await reader.readuntil(b"data: ")
    return time.perf_counter()


async def measured(
    base: str, process: int, given: list[str], desk: str, chosen: argparse.Namespace
) -> list[Figure]:
    """Memory before and with the clients, processor time while they are idle, and one event to all."""
    line = Line(base, desk)
    line.ask("/fhir/metadata")
    before, begun = memory(process), time.perf_counter()
    streams = await listening(base, given, chosen.clients)
    opening = time.perf_counter() - begun
    started = busy(process)
    await asyncio.sleep(chosen.seconds)
    used, held = (busy(process) - started) / chosen.seconds, memory(process)
    waiting = [asyncio.ensure_future(told(reader)) for reader, _ in streams]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [{"resource": PATIENT}]}
    await asyncio.to_thread(Line(base, desk).ask, "/fhir", json.dumps(bundle).encode())
    answered = time.perf_counter()
    async with asyncio.timeout(MOST_WAIT):
        last = max(await asyncio.gather(*waiting))
    count = f"{chosen.clients} clients"
    return [
        Figure.of(f"server without streams, {count} later", before, "MB", COMMAND),
        Figure.of(f"server with {count} idle", held, "MB", COMMAND),
        Figure.of("one idle client", 1e3 * (held - before) / chosen.clients, "kB", COMMAND),
        Figure.of(f"opening {count} one after the other", chosen.clients / opening, "streams/s", COMMAND),
        Figure.of(f"{count} idle, processor time", 1e3 * used, "ms/s", COMMAND),
        Figure.of(
            f"from a deposit's answer until the last of {count} is told", last - answered, "s", COMMAND
        ),
    ]


PATIENT = {
    "resourceType": "Patient",
    "identifier": [{"system": "urn:example:bench", "value": "1"}],
    "name": [{"family": "Bench"}],
    "birthDate": "1970-01-01",
    "gender": "female",
}


def measure(chosen: argparse.Namespace) -> list[Figure]:
    """On one server."""
    with tempfile.TemporaryDirectory(dir=chosen.directory) as scratch:
        folder = Path(scratch) / "data"
        given, desk = prepared(folder, chosen.clients)
        with serving(folder) as (base, process):
            return asyncio.run(measured(base, process, given, desk, chosen))


if __name__ == "__main__":
    run(
        __doc__ or "",
        measure,
        ("--clients", {"type": int, "default": 1_000, "help": "how many streams (1,000)"}),
        ("--seconds", {"type": float, "default": 30.0, "help": "of idleness (30)"}),
        ("--directory", {"help": "where the directory is made (the system's)"}),
    )
