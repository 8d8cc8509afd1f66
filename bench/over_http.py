"""The gateway over HTTP, the whole path on: token, consent or registrar's rule, shares released and logged, decryption.

    python bench/over_http.py [--json] [--seconds S] [--directory DIR]

The server is a process of its own with five custodians; the load comes from another one over keep-alive connections.
The rival of each reading is the same answer from a bare Starlette application on the same uvicorn, which does nothing.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from _measured import Figure, run, spread
from _network import DESK, import_for, new_patient, new_stage

from careledger.app import tokens
from careledger.app.world import open_world
from careledger.cli.demo.founding import CITY
from careledger.cli.demo.stage import Stage
from careledger.domain.consents import Purpose
from careledger.fhir.sample import sample_file, sample_names
from careledger.workflows.epochs import own_statement

COMMAND = "python bench/over_http.py"
DOCTOR = "Dr Rahman, City"
SAMPLE = "Alda400_Paucek755"
CONNECTIONS = 16
FRESH = CREATED = 20
IDLE = 4.0
"""Seconds after which a connection is opened anew: the server ends those that were idle for five."""
JSON = "application/fhir+json"
CARELEDGER = "from careledger.cli.main import main; main()"
BARE = """
import sys, uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
body = open(sys.argv[1], "rb").read()
async def answer(request): return Response(body, media_type="application/fhir+json")
app = Starlette(routes=[Route("/{rest:path}", answer)])
uvicorn.run(app, port=int(sys.argv[2]), http="h11", loop="asyncio", access_log=False, log_level="critical")
"""


class Refused(RuntimeError):
    """An answer that is none that was hoped for, by its status."""

    def __init__(self, status: int, said: bytes) -> None:
        super().__init__(f"{status}: {said[:300]!r}")
        self.status = status


class Line:
    """One keep-alive connection with a token, or without one."""

    def __init__(self, base: str, token: str = "") -> None:
        at = urlsplit(base)
        self._line = http.client.HTTPConnection(at.hostname or "", at.port, timeout=300)
        self._used = time.monotonic()
        self._headers = {"Content-Type": JSON} | ({"Authorization": f"Bearer {token}"} if token else {})

    def ask(
        self, path: str, body: bytes | None = None, more: Mapping[str, str] = MappingProxyType({})
    ) -> bytes:
        return self._sent("GET" if body is None else "POST", path, body, more)

    def put(self, path: str, body: bytes) -> bytes:
        return self._sent("PUT", path, body, {})

    def _sent(self, method: str, path: str, body: bytes | None, more: Mapping[str, str]) -> bytes:
        status, _, data = self.exchange(method, path, body, more)
        if not 200 <= status < 300:
            raise Refused(status, data)
        return data

    def exchange(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        more: Mapping[str, str] = MappingProxyType({}),
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """Status, headers and body of the answer, whatever it is; raises OSError, HTTPException."""
        now = time.monotonic()
        if now - self._used > IDLE:
            self._line.close()  # the next request opens it again
        self._used = now
        try:
            self._line.request(method, path, body, {**self._headers, **more})
            reply = self._line.getresponse()
            return reply.status, reply.getheaders(), reply.read()
        except (OSError, http.client.HTTPException):
            self._line.close()
            raise


def prepared(folder: Path, seconds: int = 3_600) -> tuple[str, list[str], str]:
    """A directory with one patient of City Hospital: the alias, tokens of a doctor, a token of the desk."""
    stage: Stage = new_stage(folder)
    patient = new_patient(stage)
    name = next(each for each in sample_names() if each.startswith(SAMPLE))
    import_for(stage, patient, sample_file(name), name)
    alias = own_statement(patient.holder)[0].alias.hex()
    stage.world.close()
    with_clock = open_world(folder)
    city, now = with_clock.keyring.organisation(CITY), int(time.time())
    staff = with_clock.keyring.all_staff(city)
    made = [tokens.issue(staff[DOCTOR], Purpose.TREAT, now, int(seconds))[0] for _ in range(FRESH + 1)]
    desk = tokens.issue(staff[DESK], Purpose.TREAT, now, int(seconds))[0]
    with_clock.close()
    return alias, made, desk


def started(folder: Path, port: int = 0) -> tuple[str, subprocess.Popen[str]]:
    """``careledger up`` in a process of its own: its address, and the process."""
    words = [sys.executable, "-c", CARELEDGER, "up", "--data", str(folder), "--port", str(port), "--json"]
    running = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    said = ""
    while not said.endswith("}\n") and (line := running.stdout.readline()):
        said += line
    return json.loads(said)["fhir"], running


@contextmanager
def serving(folder: Path) -> Iterator[tuple[str, int]]:
    """The same, ended afterwards: its address and process id."""
    base, running = started(folder)
    try:
        yield base, running.pid
    finally:
        running.terminate()
        running.wait()


@contextmanager
def bare(folder: Path, body: bytes, port: int) -> Iterator[str]:
    """The same answer from an application that does nothing."""
    file = folder / "answer.json"
    file.write_bytes(body)
    running = subprocess.Popen([sys.executable, "-c", BARE, str(file), str(port)])
    base = f"http://127.0.0.1:{port}/fhir"
    try:
        for _ in range(200):
            try:
                Line(base).ask("/")
                break
            except OSError:
                time.sleep(0.05)
        yield base
    finally:
        running.terminate()
        running.wait()


def rate(
    ask: Callable[[], Line], path: str, seconds: float, more: Mapping[str, str] = MappingProxyType({})
) -> tuple[float, float]:
    """Requests a second over sixteen connections, and the 99th percentile in milliseconds."""
    taken: list[list[float]] = [[] for _ in range(CONNECTIONS)]
    ends = time.perf_counter() + seconds

    def work(mine: list[float]) -> None:
        line = ask()
        while (begun := time.perf_counter()) < ends:
            line.ask(path, None, more)
            mine.append(1000 * (time.perf_counter() - begun))

    threads = [threading.Thread(target=work, args=(each,)) for each in taken]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    every = sorted(one for each in taken for one in each)
    return len(every) / seconds, every[int(0.99 * (len(every) - 1))]


def reading(base: str, alias: str, given: list[str], seconds: float, folder: Path) -> list[Figure]:
    """One resource, a search, everything: one client, then sixteen connections."""
    line = Line(base, given[-1])
    whole = f"/fhir/Patient/{alias}/$everything?_count=200"
    bundle = json.loads(line.ask(whole))
    one = next(
        each["resource"] for each in bundle["entry"] if each["resource"]["resourceType"] == "Observation"
    )
    paths = {
        "GET one resource within a lease": f"/fhir/Observation/{one['id']}",
        "search in a compartment": f"/fhir/Observation?patient={alias}&_count=200",
        "$everything, 200 resources": whole,
    }
    figures = []
    for at, (name, path) in enumerate(paths.items()):
        line = Line(base, given[-1])  # the server ends connections that were idle for five seconds
        body = line.ask(path)
        median, late = spread(partial(line.ask, path), 60)
        with bare(folder, body, 18_080 + at) as other:
            nothing, _ = spread(partial(Line(other).ask, "/fhir/x"), 60)
        told = f"bare Starlette, {len(body):,} bytes"
        figures.append(Figure.of(f"{name}, median", median, "ms", COMMAND, told, nothing))
        figures.append(Figure.of(f"{name}, p99", late, "ms", COMMAND))
        many, slow = rate(lambda: Line(base, given[-1]), path, seconds)
        figures.append(Figure.of(f"{name}, 16 connections", many, "requests/s", COMMAND))
        figures.append(Figure.of(f"{name}, 16 connections, p99", slow, "ms", COMMAND))
    fresh = []
    for token in given[:FRESH]:
        other_line = Line(base, token)
        begun = time.perf_counter()
        other_line.ask(f"/fhir/Patient/{alias}")
        fresh.append(1000 * (time.perf_counter() - begun))
    line = Line(base, given[-1])
    line.ask(f"/fhir/Patient/{alias}")
    path = paths["GET one resource within a lease"]
    anew = {"Cache-Control": "no-cache"}
    median, late = spread(partial(line.ask, path, None, anew), 60)
    figures.append(Figure.of("GET one resource by a fresh request each time, median", median, "ms", COMMAND))
    figures.append(Figure.of("GET one resource by a fresh request each time, p99", late, "ms", COMMAND))
    many, slow = rate(lambda: Line(base, given[-1]), path, seconds, anew)
    figures.append(Figure.of("fresh requests, 16 connections", many, "requests/s", COMMAND))
    figures.append(Figure.of("fresh requests, 16 connections, p99", slow, "ms", COMMAND))
    records = bundle["total"]
    figures.append(
        Figure.of(f"first look at a patient of {records} resources", statistics.median(fresh), "ms", COMMAND)
    )
    return figures


def taking(base: str, desk: str) -> Figure:
    """Transactions of whole patients, one after the other; the load generator has written them before."""
    said = [json.loads(sample_file(name)) for name in list(sample_names())[1:6]]
    bodies = [json.dumps({**each, "type": "transaction"}).encode() for each in said]
    line, count, begun = Line(base, desk), 0, time.perf_counter()
    for body in bodies:
        count += len(json.loads(line.ask("/fhir", body))["entry"])
    return Figure.of(
        "transactions of whole patients", count / (time.perf_counter() - begun), "resources/s", COMMAND
    )


def creating(base: str, alias: str, token: str) -> list[Figure]:
    """One record after the other of a patient who has hundreds, signed and anchored each: answered, then read back."""
    line = Line(base, token)
    whole = json.loads(line.ask(f"/fhir/Patient/{alias}/$everything?_count=1"))["total"]
    made, read = list[float](), list[float]()
    for number in range(CREATED):
        said = {
            "resourceType": "Observation",
            "status": "final",
            "code": {"text": "measured"},
            "subject": {"reference": f"Patient/{alias}"},
            "valueString": str(number),
        }
        begun = time.perf_counter()
        id = json.loads(line.ask("/fhir/Observation", json.dumps(said).encode()))["id"]
        made.append(1000 * (time.perf_counter() - begun))
        begun = time.perf_counter()
        line.ask(f"/fhir/Observation/{id}")
        read.append(1000 * (time.perf_counter() - begun))
    return [
        Figure.of(f"create beside {whole} records, median", statistics.median(made), "ms", COMMAND),
        Figure.of("the first read behind it, median", statistics.median(read), "ms", COMMAND),
    ]


def beside(base: str, alias: str, token: str, desk: str) -> list[Figure]:
    """Reading within a lease while a Bundle of several thousand entries is taken."""
    large: dict[str, object] = {"resourceType": "Bundle", "type": "batch", "entry": []}
    entries: list[object] = []
    for name in list(sample_names())[6:]:
        entries += json.loads(sample_file(name))["entry"]
    body = json.dumps({**large, "entry": entries}).encode()
    line, taken = Line(base, token), list[float]()
    one = json.loads(line.ask(f"/fhir/Observation?patient={alias}&_count=1"))["entry"][0]["resource"]
    sending = threading.Thread(target=Line(base, desk).ask, args=("/fhir", body))
    sending.start()
    while sending.is_alive():
        begun = time.perf_counter()
        line.ask(f"/fhir/Observation/{one['id']}")
        taken.append(1000 * (time.perf_counter() - begun))
    every = sorted(taken)
    name = f"GET beside a Bundle of {len(entries):,} entries"
    return [
        Figure.of(f"{name}, median", statistics.median(every), "ms", COMMAND),
        Figure.of(f"{name}, p99", every[int(0.99 * (len(every) - 1))], "ms", COMMAND),
        Figure.of(f"{name}, longest", every[-1], "ms", COMMAND),
    ]


def measure(chosen: argparse.Namespace) -> list[Figure]:
    """Everything, on one server."""
    with tempfile.TemporaryDirectory(dir=chosen.directory) as scratch:
        folder = Path(scratch) / "data"
        alias, given, desk = prepared(folder)
        with serving(folder) as (base, _):
            figures = [*reading(base, alias, given, chosen.seconds, Path(scratch)), taking(base, desk)]
            figures += creating(base, alias, given[-1])
            return figures + beside(base, alias, given[-1], desk)


if __name__ == "__main__":
    run(
        __doc__ or "",
        measure,
        ("--seconds", {"type": float, "default": 5.0, "help": "of each rate"}),
        ("--directory", {"type": Path, "default": None, "help": "where the data lie meanwhile"}),
    )
