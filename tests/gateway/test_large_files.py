"""A file beside its Binary is served by range, opened as it is sent, for as long as the reader may have it."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
import urllib3

from careledger.adapters.blocks.store import SegmentBlocks
from careledger.app import tokens
from careledger.domain.consents import Permission
from careledger.formats.bodies import LargeBody
from careledger.formats.large import CHUNK
from careledger.gateway import leaving
from careledger.gateway.forms import SANDBOX
from careledger.gateway.operations import binaries
from careledger.workflows.custody import find_statement
from careledger.workflows.from_documents import staged_document
from careledger.workflows.import_file import namespace_of
from careledger.workflows.intake import import_for
from careledger.workflows.revoke import revoke
from gateway.edge_world import JSON, Client, Edge
from story import DIAGNOSIS

SIZE = 24 * CHUNK + 12_345
SCAN = b"%PDF-1.7 " + random.Random(6).randbytes(SIZE - 9)


@pytest.fixture(scope="module")
def scan(edge: Edge, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where a scan of 24 MiB is that City's doctor filed with Adam's diagnoses: Binary/ID."""
    path = tmp_path_factory.mktemp("scan") / "scan.pdf"
    path.write_bytes(SCAN)
    return filed(edge, path)


def filed(edge: Edge, path: Path) -> str:
    story, doctor = edge.story, edge.story.staff["Dr City"]
    network = story.world.network
    statement = find_statement(network, story.adam, story.world.custodians)
    document = staged_document(path, namespace_of(doctor.organisation), story.adam, DIAGNOSIS)
    import_for(network, story.session(doctor), statement, document)
    edge.gateway._desk.charts.of(doctor.organisation).look_again()
    found = edge.client("Dr Stay").ask(f"DocumentReference?patient=Patient/{story.adam.hex()}").matches
    [url] = [each["content"][0]["attachment"]["url"] for each in found]
    assert url.startswith("Binary/")
    return str(url)


def got(client: Client, path: str, method: str = "GET", **headers: str) -> urllib3.BaseHTTPResponse:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    sent["Authorization"] = f"Bearer {client.token}"
    return client.pool.request(
        method, f"{client.base}/{path}", headers=sent, retries=False, preload_content=False
    )


def until_cut(reply: urllib3.BaseHTTPResponse) -> bytes:
    """What still comes of an answer that ends before its length."""
    received = b""
    try:
        while piece := reply.read(65_536):
            received += piece
    except urllib3.exceptions.ProtocolError:
        return received
    raise AssertionError("the answer came to its end")


@pytest.mark.parametrize("label", ["Dr Stay", "Dr City"])
def test_a_large_file_is_sent_whole_as_an_attachment_to_who_is_granted_it_and_to_who_wrote_it(
    edge: Edge, scan: str, label: str
) -> None:
    client = edge.client(label)
    client.ask(f"Patient/{edge.story.adam.hex()}")
    reply = got(client, scan)
    assert (reply.status, reply.read()) == (200, SCAN)
    assert reply.headers["Content-Type"] == "application/pdf"
    assert reply.headers["Content-Length"] == str(SIZE)
    assert reply.headers["Content-Disposition"] == f'attachment; filename="{scan.partition("/")[2]}.pdf"'
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Content-Security-Policy"] == SANDBOX
    assert reply.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("said", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=1048570-1048590", 1_048_570, 1_048_591),
        ("bytes=20000000-", 20_000_000, SIZE),
        ("bytes=-7", SIZE - 7, SIZE),
    ],
)
def test_a_range_is_those_bytes_of_as_few_blocks_as_hold_them(
    edge: Edge, scan: str, said: str, start: int, stop: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, get = edge.client("Dr Stay"), SegmentBlocks.unchecked
    client.ask(f"Patient/{edge.story.adam.hex()}")
    asked: list[bytes] = []

    def counted(self: SegmentBlocks, cid: bytes) -> bytes:
        asked.append(cid)
        return get(self, cid)

    monkeypatch.setattr(SegmentBlocks, "unchecked", counted)
    reply = got(client, scan, Range=said)
    assert (reply.status, reply.read()) == (206, SCAN[start:stop])
    assert reply.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{SIZE}"
    assert len(asked) <= (stop - start) // CHUNK + 8


def test_conditions_and_head_read_nothing_of_the_file(edge: Edge, scan: str) -> None:
    client = edge.client("Dr Stay")
    client.ask(f"Patient/{edge.story.adam.hex()}")
    head = got(client, scan, "HEAD", Range="bytes=0-9")
    assert (head.status, head.headers["Content-Length"], head.read()) == (200, str(SIZE), b"")
    tag = head.headers["ETag"]
    assert got(client, scan, If_None_Match=tag).status == 304
    when = head.headers["Last-Modified"]
    for method in ("GET", "HEAD"):
        assert got(client, scan, method, If_Modified_Since=when).status == 304
    for known in ({"If_None_Match": '"other"'}, {"If_Modified_Since": "Sun, 06 Nov 1994 08:49:37 GMT"}):
        assert got(client, scan, "HEAD", **{"If_Modified_Since": when, **known}).status == 200
    assert got(client, scan, If_Match='"other"').status == 412
    assert got(client, scan, Range="bytes=0-9", If_Range=tag).read() == SCAN[:10]
    whole = got(client, scan, Range="bytes=0-9", If_Range='"other"')
    assert (whole.status, len(whole.read())) == (200, SIZE)
    beyond = got(client, scan, Range=f"bytes={SIZE}-")
    assert (beyond.status, beyond.headers["Content-Range"]) == (416, f"bytes */{SIZE}")


def test_fhirs_own_format_states_the_file_and_does_not_hold_it(edge: Edge, scan: str) -> None:
    client = edge.client("Dr Stay")
    client.ask(f"Patient/{edge.story.adam.hex()}")
    resource = client.ask(scan, Accept=JSON).body
    assert "data" not in resource
    [said] = [each["extension"][0] for each in resource["_data"]["extension"]]
    assert said == {"url": "size", "valueUnsignedInt": SIZE}


def test_to_who_may_not_read_the_record_the_file_is_what_is_not_there(edge: Edge, scan: str) -> None:
    stranger = edge.client("Dr Lake")
    refused = stranger.ask(scan, Accept="*/*", Range="bytes=0-0")
    unknown = stranger.ask("Binary/00000000-0000-4000-8000-000000000000", Accept="*/*", Range="bytes=0-0")
    assert (refused.status, refused.body) == (unknown.status, unknown.body)
    assert (refused.status, refused.headers.get("Content-Range")) == (404, None)
    assert edge.stranger().ask(scan).status == 401


def test_other_requests_are_answered_while_a_file_is_sent(edge: Edge, scan: str) -> None:
    client = edge.client("Dr Stay")
    client.ask(f"Patient/{edge.story.adam.hex()}")
    slow = got(client, scan)
    first = slow.read(100_000)
    assert edge.client("Dr Stay").ask(f"Patient/{edge.story.adam.hex()}").status == 200
    assert first + slow.read() == SCAN


def test_one_post_has_only_so_many_files_on_their_way_and_another_is_not_kept_out(
    edge: Edge, scan: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaving, "MOST_OF_ONE", 2)
    client, other = edge.client("Dr Stay"), edge.client("Dr City")
    client.ask(f"Patient/{edge.story.adam.hex()}")
    slow = [got(client, scan) for _ in range(2)]
    assert [reply.read(100_000) for reply in slow] == [SCAN[:100_000]] * 2
    refused = got(client, scan)
    assert (refused.status, refused.headers["Retry-After"]) == (429, "5")
    assert got(other, scan, Range="bytes=0-9").read() == SCAN[:10]
    slow.pop().close()
    end = time.monotonic() + 30
    while (reply := got(client, scan, Range="bytes=0-9")).status == 429 and time.monotonic() < end:
        time.sleep(0.05)
    assert reply.read() == SCAN[:10]
    assert slow.pop().read() == SCAN[100_000:]


@pytest.mark.parametrize("ending", ["revoked", "withdrawn"])
def test_a_file_that_is_being_sent_ends_with_the_right_to_it(
    edge: Edge, scan: str, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "LOOK", 0.0)
    story, staff = edge.story, edge.story.staff["Dr Lake"]
    granted = story.grant(story.adam, staff, (DIAGNOSIS,), Permission.VIEW)
    client = edge.client("Dr Lake")
    assert client.ask(f"Patient/{story.adam.hex()}").status == 200
    reply = got(client, scan)
    assert reply.read(100_000) == SCAN[:100_000]
    if ending == "withdrawn":
        tokens.withdraw(staff.organisation, tokens.digest_of(client.token))
    else:
        revoke(story.world.network, story.holder(story.adam), granted.owner)
    assert len(until_cut(reply)) < SIZE - 100_000
    if ending == "withdrawn":
        revoke(story.world.network, story.holder(story.adam), granted.owner)
    assert edge.client("Dr Lake").ask(scan, Accept="*/*").status == 404


def test_a_damaged_block_ends_the_answer_and_nothing_altered_is_sent(
    edge: Edge, scan: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, get = edge.client("Dr Stay"), SegmentBlocks.unchecked
    client.ask(f"Patient/{edge.story.adam.hex()}")
    seen: list[bytes] = []

    def lies(self: SegmentBlocks, cid: bytes) -> bytes:
        block = get(self, cid)
        if len(block) == CHUNK:
            seen.append(cid)
        return bytes(CHUNK) if len(block) == CHUNK and len(seen) > 12 else block

    reply = got(client, scan, Range="bytes=0-15000000")
    assert reply.read() == SCAN[:15_000_001]
    monkeypatch.setattr(SegmentBlocks, "unchecked", lies)
    received = until_cut(got(client, scan))
    assert SCAN.startswith(received)
    assert 5 * CHUNK < len(received) < 14 * CHUNK


def test_a_binary_whose_file_is_not_here_answers_as_one_that_is_not(
    edge: Edge, scan: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LargeBody, "beside", property(lambda self: None))
    client = edge.client("Dr Stay")
    client.ask(f"Patient/{edge.story.adam.hex()}")
    assert client.ask(scan, Accept="*/*").status == 404
    assert client.ask(scan, Accept=JSON).status == 200
