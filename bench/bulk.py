"""A bulk export of an organisation's own writings over HTTP, from kick-off to the last line, and what it costs others.

    python bench/bulk.py [--json] [--resources N]

The server is a process of its own. What is exported are the sample's resources, as many times as are needed, sealed as
a deposit seals them; custodians and anchors, which an export does not ask, are left out. Memory is the server's peak
(``VmHWM``) less its peak before the export, so it has to stay where it is when N grows. The rival of the rate is
``json.loads`` of every line that was exported; that of another request's wait is the same without an export.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import statistics
import tempfile
import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import urllib3
from _measured import Figure, run, spread
from _network import new_stage
from over_http import DOCTOR, Line, serving

from careledger.app import tokens
from careledger.app.world import open_world
from careledger.cli.demo.founding import CITY
from careledger.domain.consents import Purpose
from careledger.fhir.sample import sample_file, sample_names
from careledger.fhir.split import import_bundle
from careledger.formats import large
from careledger.formats.charts import AuthorsCopies, AuthorsCopy
from careledger.gateway.own.history import BEHIND
from careledger.sealing import versions as sealed
from careledger.sealing.keys import Secret
from careledger.workflows.actors import Organisation
from careledger.workflows.deposited import COPIES
from careledger.workflows.from_fhir import staged
from careledger.workflows.network import Network
from careledger.workflows.new_versions import NewVersion, ReadyBody

COMMAND = "python bench/bulk.py"
PATIENT_HAS, SAMPLES, ALONE = 200, 10, 100
WAIT, POLL = 0.05, 0.5


def versions() -> list[tuple[NewVersion, ReadyBody]]:
    """The versions of some sample patients, at most so many of each, made ready."""
    made = []
    for name in list(sample_names())[:SAMPLES]:
        report = staged(import_bundle(sample_file(name), name, namespace=b"bench"))
        loaded = [each.load() for patient in report.patients for each in patient.versions][:PATIENT_HAS]
        for version in loaded:
            assert isinstance(version.body, ReadyBody)
            made.append((version, version.body))
    return made


def write(network: Network, organisation: Organisation, some: list[tuple[NewVersion, ReadyBody]]) -> None:
    """One patient's author's copies, sealed as a deposit seals them."""
    alias, deposit = secrets.token_bytes(32), secrets.token_bytes(16)
    copy_key, key = sealed.CopyKey.new(organisation.chart.public, deposit)
    copies, blocks = [], []
    for place, (version, ready) in enumerate(some):
        handle, body_key = sealed.new_handle(), Secret.random()
        cid, block, _ = large.split(sealed.seal_body(body_key, ready.frame).data)
        blocks.append(block)
        sealed_key = copy_key.seal(place, handle, body_key)
        copies.append(
            AuthorsCopy(
                alias, handle, version.compartment.number, version.record_id, cid, sealed_key, ready.content,
                bytes(32), secrets.token_bytes(32),
            )
        )  # fmt: skip
    network.blocks.put_many(blocks)
    row = AuthorsCopies.of(deposit, alias, int(time.time()), key, copies)
    organisation.books.put(COPIES, [(row.row_key, row.encode())])


def prepared(folder: Path, count: int) -> str:
    """A directory with so many own writings of City Hospital, and a token of its doctor."""
    stage = new_stage(folder)
    stage.world.close()
    world = open_world(folder)
    city, every = world.keyring.organisation(CITY), versions()
    for first in range(0, count, PATIENT_HAS):
        at = first % len(every)
        some = (every + every)[at : at + min(PATIENT_HAS, count - first)]
        fresh = [(replace(each, record_id=secrets.token_bytes(16)), ready) for each, ready in some]
        write(world.network, city, fresh)
    staff = world.keyring.all_staff(city)[DOCTOR]
    token = tokens.issue(staff, Purpose.TREAT, int(time.time()), 24 * 3_600)[0]
    world.close()
    return token


def peak(process: int) -> float:
    """The most memory that a process had, in MiB."""
    [line] = [
        each for each in Path(f"/proc/{process}/status").read_text().splitlines() if each.startswith("VmHWM")
    ]
    return int(line.split()[1]) / 1024


def processor(process: int) -> float:
    """Seconds of processor time of a process."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def others(base: str, token: str, over: threading.Event, taken: list[float]) -> None:
    """What another client waits meanwhile for an answer by the same worker, in milliseconds."""
    line = Line(base, token)
    while not over.is_set():
        begun = time.perf_counter()
        line.ask("/fhir/OperationDefinition/export")
        taken.append(1000 * (time.perf_counter() - begun))
        time.sleep(WAIT)


def indexed(line: Line) -> None:
    """Waits until the server has read everything into its index, which it does between requests too."""
    while BEHIND.encode() in line.ask("/fhir/Basic?_count=0"):
        time.sleep(POLL)


def exported(base: str, token: str) -> tuple[float, float, int, float]:
    """Seconds until the manifest, seconds of fetching, lines, seconds of ``json.loads`` of them."""
    pool, headers = urllib3.PoolManager(), {"Authorization": f"Bearer {token}"}
    begun = time.perf_counter()
    reply = pool.request("GET", f"{base}/$export", headers={**headers, "Prefer": "respond-async"})
    place = reply.headers["Content-Location"]
    while (reply := pool.request("GET", place, headers=headers)).status == 202:
        time.sleep(POLL)
    made = time.perf_counter() - begun
    begun, lines, parsing = time.perf_counter(), 0, 0.0
    for each in json.loads(reply.data)["output"]:
        data = pool.request("GET", each["url"], headers=headers).data
        parses = time.perf_counter()
        lines += len([json.loads(line) for line in data.splitlines()])
        parsing += time.perf_counter() - parses
    pool.request("DELETE", place, headers=headers)
    return made, time.perf_counter() - begun - parsing, lines, parsing


def measure(chosen: argparse.Namespace) -> list[Figure]:
    """All figures."""
    with tempfile.TemporaryDirectory() as folder:
        token = prepared(Path(folder) / "data", chosen.resources)
        with serving(Path(folder) / "data") as (base, process):
            indexed(Line(base, token))
            alone, _ = spread(partial(Line(base, token).ask, "/fhir/OperationDefinition/export"), ALONE)
            before, used, over = peak(process), processor(process), threading.Event()
            taken: list[float] = []
            waiting = threading.Thread(target=others, args=(base, token, over, taken))
            waiting.start()
            made, fetched, lines, parsing = exported(base, token)
            over.set()
            waiting.join()
            spent, most = processor(process) - used, peak(process) - before
    late = sorted(taken)[int(0.99 * (len(taken) - 1))]
    return [
        Figure.of(
            f"export of {lines:,} own writings",
            lines / made,
            "resources/s",
            COMMAND,
            "json.loads of the lines",
            lines / parsing,
        ),
        Figure.of("fetching its files", lines / fetched, "resources/s", COMMAND),
        Figure.of("processor time of one resource, made and fetched", 1e3 * spent / lines, "ms", COMMAND),
        Figure.of("the server's peak memory above its peak before", most, "MiB", COMMAND),
        Figure.of(
            "another request meanwhile, median",
            statistics.median(taken),
            "ms",
            COMMAND,
            "without an export",
            alone,
        ),
        Figure.of("another request meanwhile, p99", late, "ms", COMMAND),
    ]


if __name__ == "__main__":
    run(__doc__ or "", measure, ("--resources", {"type": int, "default": 20_000, "metavar": "N"}))
