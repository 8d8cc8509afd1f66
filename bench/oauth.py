"""The OAuth server over HTTP: introspections and tokens of back-end services, a second and in processor time.

    python bench/oauth.py [--json] [--seconds S] [--directory DIR]

The server is a process of its own with five custodians; the load comes from another one over keep-alive connections,
and on a machine of two cores takes one of them. The rival of an introspection is a bare Starlette application on the
same uvicorn that answers as many bytes; a token has none.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

from _measured import Figure, run
from _network import DESK, new_stage
from joserfc import jwt
from joserfc.jwk import ECKey
from over_http import CONNECTIONS, Line, bare, serving

from careledger.app import clients
from careledger.app.assertions import TYPE
from careledger.app.world import open_world
from careledger.cli.demo.founding import CITY
from careledger.formats.apps import AppClient

COMMAND = "python bench/oauth.py"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
TICK = os.sysconf("SC_CLK_TCK")


def registered(folder: Path, key: ECKey) -> list[str]:
    """The ids of as many back-end services as there are connections, so that one's pace is not what is measured."""
    new_stage(folder).world.close()
    world = open_world(folder)
    city = world.keyring.organisation(CITY)
    post = world.keyring.all_staff(city)[DESK].number
    keys = json.dumps({"keys": [key.as_dict(private=False)]})
    made = [
        clients.add(
            city,
            AppClient(f"n{each}", "backend", (), "", keys, "", "system/*.rs introspect", post, "TREAT", 0),
        )
        for each in range(CONNECTIONS)
    ]
    world.close()
    return made


def asking(url: str, id: str, key: ECKey) -> bytes:
    """The form by which that client asks for a token."""
    claims = {"iss": id, "sub": id, "aud": f"{url}/oauth/token", "exp": int(time.time()) + 240}
    signed = jwt.encode(
        {"alg": "ES384", "kid": key.kid}, claims | {"jti": secrets.token_hex(8)}, key, ["ES384"]
    )
    form = {
        "grant_type": "client_credentials",
        "scope": "system/*.rs introspect",
        "client_assertion_type": TYPE,
    }
    return urlencode(form | {"client_assertion": signed}).encode()


def asked(line: Line, url: str, id: str, key: ECKey) -> bytes:
    """A token response."""
    return line.ask("/oauth/token", asking(url, id, key), FORM)


def processor(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    parts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(parts[11]) + int(parts[12])) / TICK


def loaded(works: Sequence[Callable[[], object]], seconds: float, pid: int) -> tuple[float, float]:
    """A second, and the server's milliseconds of processor time for each."""
    ends, counts = time.monotonic() + seconds, [0] * len(works)

    def one(number: int) -> None:
        while time.monotonic() < ends:
            works[number]()
            counts[number] += 1

    threads = [threading.Thread(target=one, args=(each,)) for each in range(len(works))]
    begun, used = time.monotonic(), processor(pid)
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return sum(counts) / (time.monotonic() - begun), 1000 * (processor(pid) - used) / max(1, sum(counts))


def measure(chosen: argparse.Namespace) -> list[Figure]:
    """Introspections beside an application that does nothing; tokens."""
    with tempfile.TemporaryDirectory(dir=chosen.directory) as scratch:
        folder, key = Path(scratch) / "data", ECKey.generate_key("P-384", {"kid": "k"})
        ids = registered(folder, key)
        with serving(folder) as (base, pid):
            url = base.removesuffix("/fhir")
            lines = [Line(base) for _ in ids]
            given = [
                json.loads(line.ask("/oauth/token", asking(url, id, key), FORM))
                for line, id in zip(lines, ids, strict=True)
            ]
            found = [each["access_token"] for each in given]
            asks = [Line(base, token) for token in found]
            forms = [urlencode({"token": each}).encode() for each in found]
            answer = asks[0].ask("/oauth/introspect", forms[0], FORM)
            assert json.loads(answer)["active"] is True
            works = [partial(asks[at].ask, "/oauth/introspect", forms[at], FORM) for at in range(len(ids))]
            rate, each = loaded(works, chosen.seconds, pid)
            tokens = [partial(asked, lines[at], url, ids[at], key) for at in range(len(ids))]
            issued, one = loaded(tokens, 2.0, pid)
        with bare(Path(scratch), answer, 8_993) as empty:
            rivals = [Line(empty) for _ in ids]
            nothing, _ = loaded([partial(rivals[at].ask, "/") for at in range(len(ids))], 3.0, os.getpid())
    return [
        Figure.of(
            "introspections over 16 connections", rate, "a second", COMMAND, "an empty answer", nothing
        ),
        Figure.of("processor time of one", each, "ms", COMMAND),
        Figure.of("tokens of back-end services over 16 connections", issued, "a second", COMMAND),
        Figure.of("processor time of one", one, "ms", COMMAND),
    ]


if __name__ == "__main__":
    run(
        __doc__,
        measure,
        ("--seconds", {"type": float, "default": 10.0, "help": "how long each load lasts"}),
        ("--directory", {"default": None, "help": "where to work"}),
    )
