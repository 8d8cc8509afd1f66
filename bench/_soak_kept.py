"""What was acknowledged in a soak, and whether it still holds: nothing that was written, ended or noted may be lost.

What is under way while the server dies was not acknowledged, and may have happened or not: whoever acts takes it out of
here first, and enters what has become of it once the answer is there.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlencode

from _soak_people import COOKIE, FORM
from _soak_world import Agent, Cast
from over_http import CARELEDGER, Line

from careledger.adapters.edge.http import Edge
from careledger.app.identity import sessions
from careledger.app.tokens import PREFIX, digest_of
from careledger.app.world import open_world
from careledger.cli.demo.founding import CITY
from careledger.workflows import own_reads
from careledger.workflows.audit import audit, readers

IDLE = 25 * 60
"""Seconds after which a session may have ended by itself."""
AT_ONCE = 4
EVERY = 60
"""Seconds between two renewals of one app."""
Check = tuple[str, Callable[[Line], bool]]
"""What has to hold, in words, and whether it does."""


@dataclass
class Kept:
    """Everything that was acknowledged; may be used from any thread."""

    versions: dict[str, set[str]] = field(default_factory=dict)
    """Of each record the versions."""
    sessions: dict[str, float] = field(default_factory=dict)
    """Sessions that count, and when each was last used."""
    ended_sessions: set[str] = field(default_factory=set)
    ended_tokens: set[str] = field(default_factory=set)
    refresh: dict[str, str] = field(default_factory=dict)
    """The refresh token that counts, by the app."""
    used_refresh: dict[str, str] = field(default_factory=dict)
    renewed: dict[str, float] = field(default_factory=dict)
    """When an app last renewed."""
    consents: dict[tuple[int, int], bool] = field(default_factory=dict)
    """Whether that patient's consent for that reader stands; left out while it is not known."""
    staff: dict[str, bool] = field(default_factory=dict)
    """Who joined, by id, and whether they are there still."""
    released: Counter[tuple[int, int]] = field(default_factory=Counter)
    """How often a reader was given that patient's records by a request of its own."""
    shown: set[str] = field(default_factory=set)
    """Sessions and tokens that were shown a record."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def wrote(self, path: str, version: str) -> None:
        """That version of that record was acknowledged."""
        with self.lock:
            self.versions.setdefault(path, set()).add(version)

    def renewal(self, chance: random.Random, now: float) -> tuple[str, str] | None:
        """Takes out an app that may renew, which a public one may once a minute, and its refresh token."""
        ready = [each for each in self.refresh if now > self.renewed.get(each, 0) + EVERY]
        if not ready:
            return None
        client = chance.choice(ready)
        self.renewed[client] = now
        return client, self.refresh.pop(client)

    @property
    def count(self) -> int:
        """Versions that were acknowledged."""
        return sum(len(each) for each in self.versions.values())


def lost(kept: Kept, cast: Cast, base: str, now: float) -> list[str]:
    """What was acknowledged and does not hold at a server that was started again, in words."""
    checks = [*written(kept, cast), *ended(kept, cast), *standing(kept, cast, now)]
    found: list[str] = []
    lines = threading.local()

    def holds(check: Check) -> None:
        if not hasattr(lines, "line"):
            lines.line = Line(base)
        try:
            if check[1](lines.line):
                return
        except (OSError, HTTPException) as error:
            found.append(f"{check[0]}: {error!r}")
            return
        found.append(check[0])

    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(holds, checks))
    for client, token in kept.used_refresh.items():  # last: it ends all that was granted with it
        holds(("a refresh token was used up", _renews(client, token, 400)))
    found += audits(kept, cast, base)
    return found


def written(kept: Kept, cast: Cast) -> Iterator[Check]:
    """Each version reads back, under its own name and from whoever wrote it."""
    for path, versions in kept.versions.items():
        reads = cast.desk if path.startswith("Patient/") else cast.doctor
        for version in versions:
            yield (
                f"{path}/_history/{version} was written",
                _reads(f"{path}/_history/{version}", reads, version),
            )


def _reads(path: str, token: str, version: str) -> Callable[[Line], bool]:
    def check(line: Line) -> bool:
        status, _, body = line.exchange("GET", f"/fhir/{path}", None, _bearer(token))
        return status == 200 and json.loads(body)["meta"]["versionId"] == version

    return check


def ended(kept: Kept, cast: Cast) -> Iterator[Check]:
    """Whatever was ended is refused."""
    for secret in kept.ended_sessions:
        yield "a session was ended", _session(secret, 401)
    for token in kept.ended_tokens:
        yield "a token was ended", _asks("/fhir/Observation/_history?_count=1", token, 401, 403)


def standing(kept: Kept, cast: Cast, now: float) -> Iterator[Check]:
    """Whatever was given and not ended still counts, and consents are as the patients left them."""
    for secret, used in kept.sessions.items():
        if now - used < IDLE:
            yield "a session counts", _session(secret, 200)
    for (patient, reader), given in kept.consents.items():
        said = f"a consent {'stands' if given else 'was revoked'}"
        alias, token = cast.agents[patient].alias.hex(), cast.readers[reader][2]
        yield said, _asks(f"/fhir/Observation?patient={alias}", token, 200 if given else 403)
    for id, active in kept.staff.items():
        yield f"somebody {'joined' if active else 'left'}", _is_staff(id, active, cast.operator)
    for client, token in kept.refresh.items():
        yield "a refresh token counts", _renews(client, token, 200)


def audits(kept: Kept, cast: Cast, base: str) -> list[str]:
    """Each patient's log is complete, proved, and has every reading that was acknowledged."""
    reached, found = Edge(base.removesuffix("/fhir")), []
    for number, agent in enumerate(cast.agents):
        found += [f"patient {number}: {each}" for each in _audited(kept, cast, number, agent, reached)]
    reached.close()
    return found


def _audited(kept: Kept, cast: Cast, number: int, agent: Agent, reached: Edge) -> Iterator[str]:
    made = audit(agent.network(reached), agent.holder())
    yield from (why for _, why in made.problems)
    counts = readers(made)
    for reader, (post, _, _) in enumerate(cast.readers):
        if counts.get(post, 0) < kept.released[number, reader]:
            yield f"{kept.released[number, reader]} readings were acknowledged, {counts.get(post, 0)} are in the log"


def own_log(kept: Kept, folder: Path) -> list[str]:
    """The organisation's own log of reads is whole and names every session and token that was shown something; the
    directory is closed."""
    world = open_world(folder)
    try:
        books = world.read_log(world.keyring.organisation(CITY)).books
        count = own_reads.check(books)
        named = {own_reads.line(books, number).token for number in range(count)}
    finally:
        world.close()
    missing = len({_digest(each) for each in kept.shown} - named)
    return [f"{missing} who were shown something are not in the log of reads"] if missing else []


def doctored(folder: Path) -> list[str]:
    """What ``careledger doctor`` finds in the closed directory."""
    words = [sys.executable, "-c", CARELEDGER, "doctor", "--data", str(folder), "--json"]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False)
    findings = json.loads(done.stdout)["findings"]
    return [
        f"{each['part']}: {each['found']}" for each in findings if each["state"] not in ("well", "mended")
    ]


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _session(secret: str, expected: int) -> Callable[[Line], bool]:
    cookie = {"Cookie": f"{COOKIE}={secret}"}
    return lambda line: line.exchange("GET", "/identity/session", None, cookie)[0] == expected


def _asks(path: str, token: str, *expected: int) -> Callable[[Line], bool]:
    return lambda line: line.exchange("GET", path, None, _bearer(token))[0] in expected


def _is_staff(id: str, active: bool, operator: str) -> Callable[[Line], bool]:
    def check(line: Line) -> bool:
        status, headers, body = line.exchange("GET", f"/scim/v2/Users/{id}", None, _bearer(operator))
        if status == 429:  # so many were never asked for in so short a time
            time.sleep(next(float(each) for name, each in headers if name.lower() == "retry-after"))
            return check(line)
        return status == 200 and json.loads(body)["active"] is active

    return check


def _renews(client: str, token: str, expected: int) -> Callable[[Line], bool]:
    said = {"grant_type": "refresh_token", "client_id": client, "refresh_token": token}
    form = urlencode(said).encode()
    return lambda line: line.exchange("POST", "/oauth/token", form, FORM)[0] == expected


def _digest(secret: str) -> bytes:
    return digest_of(secret) if secret.startswith(PREFIX) else sessions.digest_of(secret)


def wait_until_ready(base: str, seconds: float = 120.0) -> None:
    """Returns once the server says so."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if Line(base).exchange("GET", "/readyz")[0] == 200:
            return
        time.sleep(0.1)
    raise SystemExit("the server was not ready in time")


def sorted_counts(found: Iterable[str]) -> list[tuple[str, int]]:
    """What was lost, by kind: names of records left out."""
    kinds = Counter(" ".join(word for word in each.split() if "/" not in word) for each in found)
    return kinds.most_common()
