"""A document too large for its body lies beside it: deposited, read in ranges, kept and let go with its record."""

from __future__ import annotations

import base64
import hashlib
import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from blake3 import blake3

from careledger.adapters.blocks.hostile import HostileBlocks
from careledger.adapters.blocks.memory import MemoryBlocks
from careledger.domain.errors import (
    BlockMismatch,
    BlockNotFound,
    CannotOpen,
    DigestMismatch,
    FhirRefused,
    ImportStopped,
    MalformedBytes,
)
from careledger.fhir import documents
from careledger.fhir.canonical import canonical
from careledger.fhir.contents import binary, stated
from careledger.fhir.export import export_bundle, resource_of
from careledger.fhir.json_text import Resource
from careledger.formats.bodies import LargeBody, RecordBody, SealedContent
from careledger.formats.cids import chunk_cid, dag_cbor_cid
from careledger.formats.large import CHUNK, Index
from careledger.workflows import from_documents
from careledger.workflows.actors import Holder
from careledger.workflows.blocks import sealed_block
from careledger.workflows.chart import copies, read_back
from careledger.workflows.contents import content_reader, seal_file
from careledger.workflows.deposit import deposit
from careledger.workflows.export import as_fhir
from careledger.workflows.export import documents as documents_in
from careledger.workflows.from_documents import staged_document
from careledger.workflows.import_file import namespace_of
from careledger.workflows.intake import TakenIn, import_for
from careledger.workflows.new_versions import FileBody
from careledger.workflows.retrieve import Record
from world import REPORT, World

SIZE = 3 * CHUNK + 5_000
SCAN = b"%PDF-1.7 the words of the scan " + random.Random(3).randbytes(SIZE - 31)
FORGED = SCAN[:-1] + bytes([SCAN[-1] ^ 1])


@pytest.fixture(autouse=True)
def small_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files over 1 MiB lie beside their bodies here, so that those of tests do."""
    monkeypatch.setattr(documents, "MOST_INSIDE", CHUNK)


def on_disk(folder: Path, data: bytes = SCAN) -> Path:
    path = folder / "scan.pdf"
    path.write_bytes(data)
    return path


def imported(world: World, holder: Holder, path: Path) -> TakenIn:
    staged = staged_document(path, namespace_of(world.hospital), holder.alias, REPORT)
    return import_for(world.network, world.session(world.nurse), world.statement(holder.alias), staged)


def scan(world: World, holder: Holder) -> Record:
    """The Binary that the registrar reads."""
    read = world.read_as_registrar(holder, (REPORT,))
    assert (read.complete, read.problems) == (True, ())
    return next(each for each in read.records if each.manifest.resource_type == "Binary")


def body_of(record: Record) -> LargeBody:
    assert isinstance(record.body, LargeBody)
    return record.body


def test_a_large_document_is_deposited_beside_its_record_and_comes_back_as_the_same_bytes(
    world: World, tmp_path: Path
) -> None:
    holder = world.patient(compartments=(REPORT,))
    made = imported(world, holder, on_disk(tmp_path))
    assert len(made.deposited.handles) == 2
    record = scan(world, holder)
    body = body_of(record)
    assert stated(resource_of(record.body)) is not None
    assert (body.content.size, body.content.sha256) == (SIZE, hashlib.sha256(SCAN).digest())
    assert len(record.body.canonical) < 1_000
    reader = content_reader(world.network, body.content)
    assert b"".join(reader.pieces()) == SCAN
    assert reader.read(CHUNK - 5, CHUNK + 5) == SCAN[CHUNK - 5 : CHUNK + 5]
    [(name, pieces)] = list(documents_in(world.network, [record]))
    assert (name.endswith(".pdf"), b"".join(pieces)) == (True, SCAN)
    assert b"words of the scan" not in b"".join(world.network.blocks.blocks.values())  # type: ignore[attr-defined]


def test_a_small_document_lies_in_its_record_as_ever(world: World, tmp_path: Path) -> None:
    holder = world.patient(compartments=(REPORT,))
    imported(world, holder, on_disk(tmp_path, SCAN[:CHUNK]))
    record = scan(world, holder)
    assert not isinstance(record.body, LargeBody)
    assert json.loads(record.body.canonical)["contentType"] == "application/pdf"


def test_the_same_document_again_is_sealed_and_deposited_once(world: World, tmp_path: Path) -> None:
    holder = world.patient(compartments=(REPORT,))
    path = on_disk(tmp_path)
    imported(world, holder, path)
    before = len(world.network.blocks.blocks)  # type: ignore[attr-defined]
    again = imported(world, holder, path)
    assert (len(again.deposited.known), again.deposited.handles) == (2, {})
    assert len(world.network.blocks.blocks) == before  # type: ignore[attr-defined]


def test_a_file_that_changes_between_reading_and_sealing_is_refused(world: World, tmp_path: Path) -> None:
    holder = world.patient(compartments=(REPORT,))
    path = on_disk(tmp_path)
    session, statement = world.session(world.nurse), world.statement(holder.alias)
    for other in (SCAN[:-1] + b"!", SCAN + b"more", SCAN[:-1]):
        path.write_bytes(SCAN)
        staged = staged_document(path, namespace_of(world.hospital), holder.alias, REPORT)
        path.write_bytes(other)
        with pytest.raises(FhirRefused, match="changed"):
            import_for(world.network, session, statement, staged)
    path.unlink()
    with pytest.raises(FhirRefused, match="cannot be read"):
        import_for(world.network, session, statement, staged)
    assert world.read_as_registrar(holder, (REPORT,)).records == ()


def test_a_document_over_the_limit_is_refused_with_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(from_documents, "MOST_CONTENT", 2 * CHUNK)
    with pytest.raises(ImportStopped, match=f"more than {2 * CHUNK} bytes"):
        staged_document(on_disk(tmp_path), bytes(8), b"\1" * 32)


def test_only_the_blocks_of_a_range_are_asked_for_and_a_lie_is_found(world: World, tmp_path: Path) -> None:
    holder = world.patient(compartments=(REPORT,))
    imported(world, holder, on_disk(tmp_path))
    content = body_of(scan(world, holder)).content
    hostile = HostileBlocks(world.network.blocks)
    network = replace(world.network, blocks=hostile)
    links = Index.decode(world.network.blocks.get(content.cid)).links
    reader = content_reader(network, content)
    hostile.calls.clear()
    assert reader.read(CHUNK + 100_000, CHUNK + 200_000) == SCAN[CHUNK + 100_000 : CHUNK + 200_000]
    assert hostile.calls == {"get": 1}
    for link in links:
        hostile.lie(link)
    with pytest.raises(BlockMismatch):
        content_reader(network, content)
    hostile.lie(content.cid)
    with pytest.raises(BlockMismatch):
        content_reader(network, content)
    hostile.forget(content.cid)
    with pytest.raises(BlockNotFound):
        content_reader(network, content)


def test_a_chunk_of_another_length_than_its_place_has_is_refused_before_it_is_read(world: World) -> None:
    blocks = world.network.blocks
    [short] = blocks.put_many([b"short"], named=chunk_cid)
    [index] = blocks.put_many([Index(2 * CHUNK, (short, short)).encode()], named=dag_cbor_cid)
    with pytest.raises(MalformedBytes, match="length"):
        content_reader(world.network, SealedContent(index, bytes(32), CHUNK, bytes(32)))
    with pytest.raises(MalformedBytes, match="length"):
        sealed_block(world.network, index)


def test_the_organisations_own_chart_reads_the_file_too(world: World, tmp_path: Path) -> None:
    holder = world.patient(compartments=(REPORT,))
    imported(world, holder, on_disk(tmp_path))
    bodies = [
        read_back(world.network, world.hospital, each.handle).body
        for each in copies(world.hospital, holder.alias)
    ]
    [content] = [each.content for each in bodies if isinstance(each, LargeBody)]
    assert b"".join(content_reader(world.network, content).pieces()) == SCAN


def test_a_file_is_kept_as_long_as_its_record_and_collected_with_it(world: World, tmp_path: Path) -> None:
    holder = world.patient(compartments=(REPORT,))
    imported(world, holder, on_disk(tmp_path))
    record, blocks = scan(world, holder), world.network.blocks
    assert isinstance(blocks, MemoryBlocks)
    blocks._young.clear()
    blocks.collect()
    content = body_of(record).content
    assert b"".join(content_reader(world.network, content).pieces()) == SCAN
    for owner in ("shared", f"chart-{world.hospital.number}"):
        blocks.unpin(owner, [record.found.row.body])
    blocks.collect()
    assert not blocks.has(content.cid)
    assert blocks.verify().sound


def test_a_record_whose_file_is_another_than_it_states_does_not_open(world: World, tmp_path: Path) -> None:
    holder = world.patient(compartments=(REPORT,))
    imported(world, holder, on_disk(tmp_path))
    body = body_of(scan(world, holder))
    staged = staged_document(on_disk(tmp_path), namespace_of(world.hospital), holder.alias, REPORT)
    honest = staged.patients[0].versions[1].load()
    writer, statement = world.writer(world.nurse), world.statement(holder.alias)
    sha = body.content.sha256
    lies: tuple[Resource, ...] = (
        binary("1", "image/png", SIZE + 1, sha),
        binary("1", "image/png", SIZE, bytes(32)),
        {"resourceType": "Binary", "id": "1", "contentType": "image/png"},
    )
    for resource in lies:
        lie = replace(body, canonical=canonical(resource))
        deposit(world.network, writer, statement, [replace(honest, record_id=bytes(16), body=lie)])
    read = world.read_as_registrar(holder, (REPORT,))
    assert [type(each) for each in read.problems] == [DigestMismatch] * 3
    assert len(read.records) == 2


def test_what_an_author_signs_covers_the_sealed_file_and_not_only_what_is_stated_of_it(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = world.patient(compartments=(REPORT,))
    imported(world, holder, on_disk(tmp_path))
    body = body_of(scan(world, holder))
    staged = staged_document(on_disk(tmp_path), namespace_of(world.hospital), holder.alias, REPORT)
    honest = staged.patients[0].versions[1].load()
    forged = seal_file(
        world.network,
        FileBody(
            body.canonical, on_disk(tmp_path, FORGED), SIZE, body.content.sha256, blake3(FORGED).digest()
        ),
    )
    assert forged.canonical == body.canonical
    assert forged.content_digest != body.content_digest
    monkeypatch.setattr(LargeBody, "content_digest", RecordBody.content_digest)  # as if it did not
    deposit(
        world.network,
        world.writer(world.nurse),
        world.statement(holder.alias),
        [replace(honest, record_id=bytes(16), body=forged)],
    )
    monkeypatch.undo()
    read = world.read_as_registrar(holder, (REPORT,))
    assert [type(each) for each in read.problems] == [DigestMismatch]


def test_a_record_is_not_deposited_while_a_block_of_its_file_is_missing(world: World, tmp_path: Path) -> None:
    holder = world.patient(compartments=(REPORT,))
    imported(world, holder, on_disk(tmp_path))
    record = scan(world, holder)
    staged = staged_document(on_disk(tmp_path), b"another!", holder.alias, REPORT)
    version = replace(staged.patients[0].versions[1].load(), body=record.body)
    hostile = HostileBlocks(world.network.blocks)
    index = Index.decode(world.network.blocks.get(body_of(record).content.cid))
    hostile.forget(index.links[1])
    network = replace(world.network, blocks=hostile)
    with pytest.raises(BlockNotFound):
        deposit(network, world.writer(world.nurse), world.statement(holder.alias), [version])
    assert len(world.read_as_registrar(holder, (REPORT,)).records) == 2


def test_who_has_another_records_file_but_not_its_key_opens_nothing(world: World, tmp_path: Path) -> None:
    holder = world.patient(compartments=(REPORT,))
    imported(world, holder, on_disk(tmp_path))
    content = body_of(scan(world, holder)).content
    with pytest.raises(CannotOpen):
        content_reader(world.network, replace(content, key=bytes(32)))


@pytest.mark.parametrize("more", [0, 1, 2])
def test_a_bundle_holds_a_large_file_and_no_piece_of_it_does(
    world: World, tmp_path: Path, more: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = world.patient(compartments=(REPORT,))
    imported(world, holder, on_disk(tmp_path, SCAN + b"x" * more))
    records = list(world.read_as_registrar(holder, (REPORT,)).records)
    content = body_of(scan(world, holder)).content
    pieces = [bytes(each) for each in as_fhir(world.network, records)]
    assert max(map(len, pieces)) < 2 * CHUNK < content.size
    bundle = json.loads(b"".join(pieces))
    [binary] = [each["resource"] for each in bundle["entry"] if each["resource"]["resourceType"] == "Binary"]
    data = base64.b64decode(binary["data"], validate=True)
    assert (len(data), hashlib.sha256(data).digest()) == (content.size, content.sha256)
    assert "_data" not in binary
    small = [each for each in records if not isinstance(each.body, LargeBody)]
    assert b"".join(as_fhir(world.network, small)) == export_bundle(each.body for each in small)
