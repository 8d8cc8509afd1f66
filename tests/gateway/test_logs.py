"""A release log over HTTP: static files that a C2SP tlog client which nobody here wrote reads and verifies."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest
import urllib3

import story
from careledger.domain.custody import LogLine
from careledger.domain.errors import StoreUnavailable
from careledger.gateway.server import Gateway
from careledger.proofs.checkpoints import Checkpoint, open_checkpoint
from careledger.proofs.notes import VerifierKey, to_base64
from careledger.proofs.tiles import WIDTH, TileReader, decode_bundle
from gateway.edge_world import Edge
from story import Story

LINES = 700
CLIENT = Path(__file__).with_name("tlog_client")


@dataclass
class Served:
    """A custodian's log of more than two whole tiles behind a gateway, as a stranger without a token finds it."""

    edge: Edge
    custodian: int
    older: Checkpoint
    key: VerifierKey

    def get(self, path: str, **headers: str) -> urllib3.BaseHTTPResponse:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        url = path if path.startswith("http") else f"{self.prefix}{path}"
        return self.edge.stranger().pool.request("GET", url, headers=sent)

    @property
    def prefix(self) -> str:
        return f"{self.edge.gateway.url}/logs/{self.custodian:016x}/"

    @property
    def head(self) -> Checkpoint:
        return open_checkpoint(self.get("checkpoint").data, self.key)[0]


@pytest.fixture(scope="module")
def served(told: Story, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    mine = story.copied(told, tmp_path_factory.mktemp("logs") / "data")
    number, link = next(iter(mine.world.custodians.items()))
    note = link.call("checkpoint", b"")
    journal, now = mine.world.directories[number].journal, mine.world.clock.now()
    with journal.transaction():
        alias, first = secrets.token_bytes(32), journal.log().size()
        for place in range(LINES - first):
            entry = secrets.token_bytes(64)
            journal.add_line(LogLine(first + place, alias, 0, place, entry, secrets.token_bytes(100), now))
    mine.reopen()
    mine.world.custodians[number].call("checkpoint", b"")
    with Gateway(mine.world, port=0) as gateway:
        edge = Edge(mine, gateway)
        reply = edge.stranger().pool.request("GET", f"{gateway.url}/logs")
        (said,) = [each for each in json.loads(reply.data)["logs"] if each["custodian"] == f"{number:016x}"]
        key = VerifierKey.parse(said["key"])
        older, _ = open_checkpoint(note, key)
        made = Served(edge, number, older, key)
        assert (said["origin"], said["files"]) == (older.origin, made.prefix)
        yield made
    mine.world.close()


class Fetched(Mapping[str, bytes]):
    """The files by path, each fetched when it is asked for."""

    def __init__(self, served: Served) -> None:
        self._served = served

    def __getitem__(self, path: str) -> bytes:
        reply = self._served.get(path)
        if reply.status != 200:
            raise KeyError(path)
        return reply.data

    def __iter__(self) -> Iterator[str]:
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError


def test_every_line_is_included_and_an_older_checkpoint_is_continued(served: Served) -> None:
    head, older = served.head, served.older
    assert 0 < older.size < LINES <= head.size
    reader = TileReader(Fetched(served), head.size, head.root)
    assert reader.consistency(older.size, older.root)
    bundle = decode_bundle(served.get("tile/entries/001").data)
    assert [reader.entry(index) for index in (WIDTH, WIDTH + 1)] == bundle[:2]
    assert reader.entry(head.size - 1)
    assert served.get("tile/1/000.p/2").data == b"".join(reader.tree().node(8, each) for each in (0, 1))


def test_a_client_that_nobody_here_wrote_reads_and_verifies_the_log(served: Served) -> None:
    head, older = served.head, served.older
    ran = go("run", ".", served.prefix, served.key.text, str(older.size), to_base64(older.root))
    assert ran.returncode == 0, ran.stderr
    seen = json.loads(ran.stdout)
    assert (seen["origin"], seen["size"], len(seen["entries"])) == (head.origin, head.size, head.size)
    assert seen["included"] >= 7
    whole = decode_bundle(served.get("tile/entries/000").data)
    assert seen["entries"][:WIDTH] == [entry.hex() for entry in whole]
    wrong = go("run", ".", served.prefix, served.key.text, str(older.size), to_base64(bytes(32)))
    assert wrong.returncode != 0
    assert "invalid transparency proof" in wrong.stderr


def go(*words: str) -> subprocess.CompletedProcess[str]:
    """Go in the client's folder; skips where there is none or its modules cannot be had."""
    if shutil.which("go") is None:
        missing("no Go here")
    fetched = subprocess.run(
        ["go", "mod", "download"], cwd=CLIENT, capture_output=True, text=True, timeout=300
    )
    if fetched.returncode:
        missing(fetched.stderr)
    return subprocess.run(["go", *words], cwd=CLIENT, capture_output=True, text=True, timeout=300)


def missing(why: str) -> NoReturn:
    if os.environ.get("CARELEDGER_REQUIRE_ALL") == "1":
        pytest.fail(f"a client of C2SP logs is required here: {why}")
    pytest.skip(why)


def test_whole_files_are_kept_for_good_partial_ones_shortly_and_the_checkpoint_is_asked_for_again(
    served: Served,
) -> None:
    kept = {
        "checkpoint": ("no-cache", "text/plain; charset=utf-8"),
        "tile/0/001": ("public, max-age=31536000, immutable", "application/octet-stream"),
        "tile/entries/001": ("public, max-age=31536000, immutable", "application/octet-stream"),
        "tile/1/000.p/2": ("public, max-age=60", "application/octet-stream"),
        "tile/entries/002.p/7": ("public, max-age=60", "application/octet-stream"),
    }
    for path, said in kept.items():
        reply = served.get(path)
        assert reply.status == 200, path
        assert (reply.headers["Cache-Control"], reply.headers["Content-Type"]) == said
        etag = reply.headers["ETag"]
        for known in (etag, f'"other", {etag}', f"W/{etag}", "*"):
            again = served.get(path, If_None_Match=known)
            assert (again.status, again.data, again.headers["ETag"]) == (304, b"", etag)
        assert served.get(path, If_None_Match='"other"').status == 200


def test_the_checkpoint_covers_what_is_anchored_and_no_line_beyond_it_is_shown(served: Served) -> None:
    world, size = served.edge.story.world, served.head.size
    facts = world.ledger.fresh_head().checkpoint(served.custodian)
    assert facts is not None
    assert (facts.size, facts.root) == (size, served.head.root)
    served.edge.story.read_by_consent(
        served.edge.story.staff["Dr Stay"]
    )  # a release, a line, not anchored yet
    rest = size % WIDTH
    assert served.get(f"tile/0/{size // WIDTH:03d}.p/{rest}").status == 200
    for kind in ("0", "entries"):
        assert served.get(f"tile/{kind}/{size // WIDTH:03d}.p/{rest + 1}").status == 404
    world.custodians[served.custodian].call("checkpoint", b"")
    assert served.head.size > size
    assert served.get(f"tile/0/{size // WIDTH:03d}.p/{rest + 1}").status == 200


@pytest.mark.parametrize(
    "path",
    [
        *("tile/0/003", "tile/0/002", "tile/1/000", "tile/2/000.p/1", "tile/63/000.p/1", "tile/64/000.p/1"),
        *("tile/00/000", "tile/0/0", "tile/0/0000", "tile/0/x000/001", "tile/0/000.p/0", "tile/0/000.p/256"),
        *("tile/0/000.p/01", "tile/0/000/", "tile/-1/000", "tile/data/000", "tile/entries/x000/000", "tile/0/x1/000"),
        *("tile/0/" + "x000/" * 400 + "000", "tile/0/%00", "tile/0/..%2f..%2fcheckpoint", "tile/0/\u0967\u0967\u0967"),
        *("tile/checkpoint", "tile/"),
    ],
)  # fmt: skip
def test_what_is_no_file_of_the_log_is_not_found(served: Served, path: str) -> None:
    reply = served.get(path)
    assert reply.status == 404
    assert reply.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("named", ["0" * 16, "f" * 17, "x", "{:016X}", "{}", "0x{:014x}"])
def test_a_number_that_is_no_custodians_has_no_log(served: Served, named: str) -> None:
    for path in ("checkpoint", "tile/0/000"):
        url = f"{served.edge.gateway.url}/logs/{named.format(served.custodian)}/{path}"
        assert served.get(url).status == 404, url


def test_a_page_elsewhere_whose_name_leads_here_reads_no_log(served: Served) -> None:
    assert served.get("checkpoint", Host="evil.example").status == 421


def test_nothing_but_reading_is_answered_and_no_entry_of_a_patient_is_in_any_file(served: Served) -> None:
    world, size = served.edge.story.world, served.head.size
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        asked = served.edge.stranger().pool.request(method, f"{served.prefix}checkpoint")
        assert asked.status == 405
    sealed = [
        bytes(row[0])
        for row in world.directories[served.custodian].journal._db.execute("SELECT sealed FROM lines")
    ]
    paths = [f"tile/{kind}/{each:03d}" for kind in ("0", "entries") for each in range(size // WIDTH)]
    shown = b"".join(served.get(path).data for path in ("checkpoint", *paths))
    assert len(sealed) >= LINES
    assert not any(each[:32] in shown or each[-32:] in shown for each in sealed)
    assert not any(alias in shown for alias in (served.edge.story.adam, served.edge.story.berta))


class Silent:
    """A custodian that does not answer, or says nonsense."""

    def __init__(self, said: bytes | None) -> None:
        self._said = said

    def call(self, method: str, message: bytes) -> bytes:
        if self._said is None:
            raise StoreUnavailable(custodian="elsewhere")
        return self._said


@pytest.mark.parametrize("said", [None, b"", b"nonsense", b"\xa0"])
def test_one_custodian_that_is_not_reached_or_says_nonsense_hides_no_other(
    served: Served, said: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    links = served.edge.story.world.custodians
    gone = next(number for number in links if number != served.custodian)
    pool, url = served.edge.stranger().pool, f"{served.edge.gateway.url}/logs"
    whole = json.loads(pool.request("GET", url).data)
    assert whole["not_reached"] == []
    monkeypatch.setitem(links, gone, Silent(said))
    rest = pool.request("GET", url)
    assert rest.status == 200
    found = json.loads(rest.data)
    assert found["not_reached"] == [f"{gone:016x}"]
    assert found["logs"] == [each for each in whole["logs"] if each["custodian"] != f"{gone:016x}"]
    assert len(found["logs"]) == len(whole["logs"]) - 1 > 0
