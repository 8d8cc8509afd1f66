"""docs/gateway.md and docs/oauth.md do what they say: every line is run, against a server in a process of its own."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import urllib3

from gateway.oauth_world import KeyPair, key_set
from stories.cli_world import ENVIRONMENT, Ended, careledger
from stories.conftest import passphrase
from stories.test_walkthrough import steps_of

__all__ = ["passphrase"]
DOCS = Path(__file__).parents[2] / "docs"
WHO = "urn:uuid:0d1b2c3d-0000-4000-8000-000000000001"
BUNDLE = {
    "resourceType": "Bundle",
    "type": "transaction",
    "entry": [
        {
            "fullUrl": WHO,
            "resource": {
                "resourceType": "Patient",
                "name": [{"text": "Rahima Khatun"}],
                "birthDate": "1988-04",
            },
            "request": {"method": "POST", "url": "Patient"},
        },
        {
            "fullUrl": "urn:uuid:0d1b2c3d-0000-4000-8000-000000000002",
            "resource": {
                "resourceType": "Condition",
                "code": {"text": "Asthma"},
                "recordedDate": "2024-05-02",
                "subject": {"reference": WHO},
            },
            "request": {"method": "POST", "url": "Condition"},
        },
    ],
}
BESIDE = ("curl ", "careledger consent ", "careledger audit ")
"""What is run while the gateway is there."""
PROGRAM = "from careledger.cli.main import main; main()"


@dataclass
class Told:
    """What earlier lines printed, by the word that stands for it in later ones."""

    network: Path
    key: KeyPair
    words: dict[str, str] = field(default_factory=dict)
    url: str = ""

    def line(self, line: str) -> list[str]:
        if "ASSERTION" in line:
            now, aud = int(time.time()), f"{self.url}/oauth/token"
            claims = {
                "iss": self.words["CLIENT"],
                "sub": self.words["CLIENT"],
                "aud": aud,
                "exp": now + 200,
                "jti": "1",
            }
            header = {"alg": self.key.algorithm, "typ": "JWT", "kid": self.key.kid}
            line = line.replace("ASSERTION", self.key.signed(header, claims))
        for word, value in self.words.items():
            line = re.sub(rf"\b{word}\b", value, line)
        return shlex.split(line.replace("http://127.0.0.1:8080", self.url))

    def learn(self, line: str, done: str) -> None:
        if "token issue" in line:
            name = "CITY" if "records desk" in line else "SEN"
            self.words[name] = re.search(r"clt_[\w-]+", done)[0]  # type: ignore[index]
        if "client add" in line:
            self.words["CLIENT"] = re.search(r"client id is ([0-9a-f]{32})", done)[1]  # type: ignore[index]
        if "/oauth/token" in line:
            self.words["TOKEN"] = json.loads(done)["access_token"]
        if "--data-binary" in line:
            self.words["ALIAS"] = re.search(r"Patient/([0-9a-f]{64})", done)[1]  # type: ignore[index]
        if "consent grant" in line:
            self.words["CONSENT"] = re.search(r"consent revoke \w+ ([0-9a-f]{8})", done)[1]  # type: ignore[index]


@contextmanager
def up(network: Path) -> Iterator[str]:
    """``careledger up`` until the next line of the page; what it prints first."""
    words = [sys.executable, "-c", PROGRAM, "up", "--data", str(network), "--port", "0", "--json"]
    running = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=os.environ | ENVIRONMENT)
    assert running.stdout is not None
    try:
        said = ""
        while not said.endswith("}\n") and (line := running.stdout.readline()):
            said += line
        yield json.loads(said)["fhir"].removesuffix("/fhir")
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=60) == 0
    finally:
        running.kill()
        running.wait(timeout=60)


def curl(words: list[str]) -> str:
    """What curl would print."""
    headers = {}
    for at, word in enumerate(words):
        if word == "-H":
            name, _, value = words[at + 1].partition(": ")
            headers[name] = value
    fields = [words[at + 1] for at, word in enumerate(words) if word == "-d"]
    body = "&".join(fields).encode() if fields else None
    if fields:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    if "--data-binary" in words:
        body = Path(words[words.index("--data-binary") + 1].removeprefix("@")).read_bytes()
    reply = urllib3.request(
        "POST" if body else "GET", words[-1], headers=headers, body=body, retries=False, timeout=120
    )
    return reply.data.decode()


def done_beside(told: Told, line: str, says: str) -> None:
    """One line; what it says is learnt by the later ones."""
    if line.startswith("curl "):
        said = printed = curl(told.line(line))
    else:
        done: Ended = careledger(*told.line(line)[1:], width=300)
        said, printed = done.out + done.err, done.out
    assert says in said, (line, said)
    told.learn(line, printed)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "count"), [("gateway.md", (4, 15)), ("oauth.md", (3, 8)), ("sign-in.md", (2, 8))]
)
def test_the_page_does_what_it_says(
    page: str, count: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "record.json").write_text(json.dumps(BUNDLE))
    monkeypatch.setitem(ENVIRONMENT, "CARELEDGER_DATA", str(tmp_path / "network"))
    told, asked = Told(tmp_path / "network", KeyPair()), 0
    (tmp_path / "keys.json").write_text(key_set(told.key))
    lines = [each for each in steps_of(DOCS / page) if not each[0].startswith("export ")]
    at = 0
    while at < len(lines):
        line, says = lines[at]
        at += 1
        if line == "careledger up":
            with up(told.network) as told.url:
                while at < len(lines) and lines[at][0].startswith(BESIDE):
                    asked += lines[at][0].startswith("curl ")
                    done_beside(told, *lines[at])
                    at += 1
            continue
        done_beside(told, line, says)
    assert (asked, len(lines)) == count
