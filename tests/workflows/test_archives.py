"""A patient takes everything away in one file, opens it with the phrase alone, and brings it somewhere else."""

from __future__ import annotations

import io
import json
import random
import secrets
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

from careledger.adapters.blocks.memory import MemoryBlocks
from careledger.domain import errors
from careledger.domain.errors import (
    BlockMismatch,
    BlockNotFound,
    CannotOpen,
    CareLedgerError,
    MalformedBytes,
)
from careledger.domain.records import Ground
from careledger.formats.bodies import LargeBody
from careledger.formats.cids import chunk_cid
from careledger.formats.digests import framed
from careledger.formats.large import CHUNK, Index
from careledger.formats.persons import ArchiveHead
from careledger.sealing import bodies
from careledger.sealing.archives import ItemReader, new_key, opened_key, seal_items
from careledger.sealing.phrase import PatientKeys, Phrase
from careledger.workflows.actors import Holder
from careledger.workflows.archives import Opened, as_archive, import_archive, open_archive
from careledger.workflows.batches import Writer
from careledger.workflows.contents import content_reader
from careledger.workflows.from_documents import staged_document
from careledger.workflows.import_file import namespace_of
from careledger.workflows.intake import import_for
from careledger.workflows.patient_reported import Report, file_of, report
from careledger.workflows.retrieve import Record, newest
from workflows.test_export import BOTH, with_history
from world import DIAGNOSIS, REPORT, World, texts

SCAN = b"%PDF-1.7 the words of the scan " + random.Random(4).randbytes(24 * CHUNK + 5_000)
MOST_ITEM = 2 * CHUNK


def with_a_scan(world: World, folder: Path) -> tuple[Holder, list[Record]]:
    """A claimed patient with a document of 24 MiB."""
    holder = world.patient(compartments=(REPORT,))
    path = folder / "scan.pdf"
    path.write_bytes(SCAN)
    staged = staged_document(path, namespace_of(world.hospital), holder.alias, REPORT)
    import_for(world.network, world.session(world.nurse), world.statement(holder.alias), staged)
    mine = world.claim(holder).holder
    return mine, list(world.read_own(mine, (REPORT,)).records)


def archived(world: World, mine: Holder, records: list[Record]) -> bytes:
    return b"".join(as_archive(world.network, mine, records))


def opened(keys: PatientKeys, data: bytes) -> Opened:
    return open_archive(keys, io.BytesIO(data))


def beside(archive: Opened) -> list[LargeBody]:
    return [each.body for each in archive.versions if isinstance(each.body, LargeBody)]


def test_an_archive_opens_with_the_phrase_and_with_no_other(world: World) -> None:
    mine, records = with_history(world)
    data = archived(world, mine, records)
    assert b"asthma" not in data
    assert b"AllergyIntolerance" not in data
    versions = opened(mine.keys, data).versions
    assert [each.body for each in versions] == [record.body for record in records]
    assert [each.manifest for each in versions] == [record.manifest for record in records]
    with pytest.raises(CannotOpen):
        opened(Phrase.random().keys(), data)


def test_an_archive_holds_the_files_beside_records_and_gives_them_without_a_store(
    world: World, tmp_path: Path
) -> None:
    mine, records = with_a_scan(world, tmp_path)
    data = archived(world, mine, records)
    assert b"words of the scan" not in data
    stored = max(world.network.blocks.blocks.values(), key=len)  # type: ignore[attr-defined]
    assert stored[100:200] not in data
    world.network.blocks.blocks.clear()  # type: ignore[attr-defined]
    archive = opened(mine.keys, data)
    [body] = beside(archive)
    assert body in [record.body for record in records]
    reader = archive.content(body.content)
    assert b"".join(reader.pieces()) == SCAN
    assert reader.read(CHUNK - 5, CHUNK + 5) == SCAN[CHUNK - 5 : CHUNK + 5]
    with pytest.raises(BlockNotFound):
        archive.content(replace(body.content, cid=chunk_cid(b"other")))


def test_a_file_that_two_versions_share_is_in_an_archive_once(world: World, tmp_path: Path) -> None:
    mine, records = with_a_scan(world, tmp_path)
    once, twice = archived(world, mine, records), archived(world, mine, records * 2)
    assert len(twice) - len(once) < CHUNK < len(SCAN) < len(once)
    assert len(beside(opened(mine.keys, twice))) == 2


def test_files_pass_through_memory_a_little_at_a_time_in_both_directions(
    world: World, tmp_path: Path
) -> None:
    mine, records = with_a_scan(world, tmp_path)
    path, into = tmp_path / "all.archive", MemoryBlocks()
    tracemalloc.start()
    try:
        with path.open("wb") as file:
            for piece in as_archive(world.network, mine, records):
                file.write(piece)
        written = tracemalloc.get_traced_memory()[1]
        with path.open("rb") as file:
            tracemalloc.reset_peak()
            archive = open_archive(mine.keys, file)
            read = tracemalloc.get_traced_memory()[1]
            archive.store(into.put_many)
    finally:
        tracemalloc.stop()
    assert path.stat().st_size > len(SCAN) > 8 * written
    assert len(SCAN) > 3 * read
    assert len(into.blocks) == 25 + 1


@pytest.mark.parametrize("place", [0.1, 0.5, 0.99])
def test_an_archive_with_a_file_that_was_altered_or_cut_anywhere_does_not_open(
    world: World, tmp_path: Path, place: float
) -> None:
    mine, records = with_a_scan(world, tmp_path)
    data = archived(world, mine, records)
    at = int(len(data) * place)
    altered = bytearray(data)
    altered[at] ^= 1
    for wrong in (bytes(altered), data[:at], data[:-1], data + b"\0", data + data):
        with pytest.raises(CannotOpen):
            opened(mine.keys, wrong)


def test_an_archive_whose_sealed_chunks_change_places_does_not_open(world: World, tmp_path: Path) -> None:
    mine, records = with_a_scan(world, tmp_path)
    data = archived(world, mine, records)
    begins = len(data) - len(stream_of(data)) + bodies.START
    first, second = (slice(begins + n * bodies.SEALED, begins + (n + 1) * bodies.SEALED) for n in (100, 200))
    swapped = bytearray(data)
    swapped[first], swapped[second] = data[second], data[first]
    with pytest.raises(CannotOpen):
        opened(mine.keys, bytes(swapped))


def test_any_head_but_its_own_is_refused(world: World) -> None:
    mine, records = with_history(world)
    data = archived(world, mine, records)
    stream = stream_of(data)
    head = head_of(data)
    for wrong in (replace(head, generation=head.generation + 1), replace(head, key=head.key[:-1])):
        with pytest.raises(CareLedgerError):
            opened(mine.keys, framed("archive/2", wrong.encode()) + stream)
    for other in (b"", b"PK\x03\x04" + bytes(99), framed("archive/3", head.encode()) + stream, data[:60]):
        with pytest.raises(MalformedBytes):
            opened(mine.keys, other)


def test_items_that_whoever_has_the_key_puts_together_otherwise_are_refused(
    world: World, tmp_path: Path
) -> None:
    mine, records = with_a_scan(world, tmp_path)
    data = archived(world, mine, records)
    items = items_of(mine, data)
    part, index, first, second, *rest = items
    assert len(rest) == 23

    def sealed(*items: bytes) -> bytes:
        """The same by somebody who can seal to this patient, as anybody can."""
        key, wrapped = new_key(mine.fresh().sealing.public)
        head = replace(head_of(data), key=wrapped)
        return framed("archive/2", head.encode()) + b"".join(seal_items(key, items))

    assert len(opened(mine.keys, sealed(*items)).versions) == 2
    for wrong in (
        (part, index, second, first, *rest),
        (part, first, index, second, *rest),
        (part, index, first[:-1] + b"\0", second, *rest),
    ):
        with pytest.raises((BlockMismatch, MalformedBytes)):
            opened(mine.keys, sealed(*wrong))
    for wrong in ((part,), (part, index, first, second), (*items[:-1],), (*items, first), (*items[1:],)):
        with pytest.raises((BlockMismatch, CannotOpen, MalformedBytes)):
            opened(mine.keys, sealed(*wrong))
    stranger = world.claimed(compartments=())
    another = items_of(stranger, archived(world, stranger, []))
    with pytest.raises(CannotOpen, match="different archives"):
        opened(mine.keys, sealed(*items, *another))


@pytest.mark.parametrize("ends", [b"", bytes(100_000), b"\1"])
def test_what_follows_the_last_item_is_padding_of_one_length_alone(world: World, ends: bytes) -> None:
    mine, records = with_history(world)
    data = archived(world, mine, records)
    key, wrapped = new_key(mine.fresh().sealing.public)
    plain = b"".join(len(each).to_bytes(4, "big") + each for each in (*items_of(mine, data), b""))
    stream = bodies.encrypt(key, plain + ends, framed("sealed/archive-stream"))
    head = replace(head_of(data), key=wrapped)
    with pytest.raises(MalformedBytes):
        opened(mine.keys, framed("archive/2", head.encode()) + stream)


def test_a_file_larger_than_a_message_goes_in_and_out_of_an_archive(world: World) -> None:
    mine = world.claimed(compartments=(DIAGNOSIS,))
    scan = secrets.token_bytes(17 * 2**20)
    made = Report(scan, "image/tiff", "Scan", "Upazila", "fever")
    report(world.network, mine, world.hospital, world.statement(mine.alias), made, DIAGNOSIS)
    [record] = world.read_own(mine).records
    assert file_of(record.body) == scan
    [version] = opened(mine.keys, archived(world, mine, [record])).versions
    assert version.body == record.body


def test_a_block_that_is_missing_or_another_stops_an_export(world: World, tmp_path: Path) -> None:
    mine, records = with_a_scan(world, tmp_path)
    blocks = world.network.blocks.blocks  # type: ignore[attr-defined]
    [body] = [each.body for each in records if isinstance(each.body, LargeBody)]
    links = Index.decode(blocks[body.content.cid[4:]]).links
    at = links[20][4:]
    whole = blocks[at]
    blocks[at] = whole[:-1] + bytes([whole[-1] ^ 1])
    with pytest.raises(BlockMismatch):
        archived(world, mine, records)
    del blocks[at]
    with pytest.raises(BlockNotFound):
        archived(world, mine, records)


def test_an_archive_is_imported_under_another_alias_as_the_patients_own_with_its_history(
    world: World,
) -> None:
    mine, records = with_history(world)
    archive = opened(mine.keys, archived(world, mine, records))
    elsewhere = world.claimed(world.clinic)
    writer = world.own_writer(elsewhere)
    statement = world.statement(elsewhere.alias)
    import_archive(world.network, writer, statement, archive)
    again = import_archive(world.network, writer, statement, archive)
    read = world.read_own(elsewhere, BOTH)
    assert sorted(texts(read)) == ["asthma", "copd", "peanut"]
    assert not again.handles
    assert {record.manifest.source for record in read.records} == {"imported"}
    assert {record.manifest.author_signature for record in read.records} == {None}
    assert {record.found.statement.ground for record in read.records} == {Ground.OWN.code}
    assert [record.distrust for record in read.records] == ["", "", ""]
    assert sorted(texts(replace(read, records=tuple(newest(read.records))))) == ["copd", "peanut"]


def test_an_archive_brings_its_files_to_a_store_that_has_none_of_them(world: World, tmp_path: Path) -> None:
    mine, records = with_a_scan(world, tmp_path)
    archive = opened(mine.keys, archived(world, mine, records))
    [body] = beside(archive)
    blocks = world.network.blocks.blocks  # type: ignore[attr-defined]
    for cid in (body.content.cid, *Index.decode(blocks[body.content.cid[4:]]).links):
        del blocks[cid[4:]]
    other = world.claimed(compartments=(REPORT,))
    writer = Writer(world.hospital, Ground.OWN, None, other)
    import_archive(world.network, writer, world.statement(other.alias), archive)
    carried = world.read_own(other, (REPORT,))
    assert (len(carried.records), carried.problems) == (2, ())
    [there] = [each.body for each in carried.records if isinstance(each.body, LargeBody)]
    assert b"".join(content_reader(world.network, there.content).pieces()) == SCAN


def test_an_empty_record_is_an_empty_archive(world: World) -> None:
    mine = world.claimed(compartments=())
    assert opened(mine.keys, archived(world, mine, [])).versions == []


VECTORS = json.loads((Path(__file__).parents[2] / "docs" / "vectors" / "archives.json").read_text())


@pytest.mark.parametrize("number", range(len(VECTORS["positive"])))
def test_archives_of_every_version_still_open(number: int) -> None:
    case = VECTORS["positive"][number]
    keys = Phrase.from_words(VECTORS["words"]).keys()
    data = bytes.fromhex(case["archive"])
    archive = opened(keys, data)
    assert [each.archived.encode().hex() for each in archive.versions] == case["versions"]
    for wrong in (data[:-1], data + b"\0", b"\0" + data):
        with pytest.raises((CannotOpen, MalformedBytes)):
            opened(keys, wrong)


@pytest.mark.parametrize("number", range(len(VECTORS["negative"])))
def test_archives_that_must_not_open_are_refused_by_name(number: int) -> None:
    case = VECTORS["negative"][number]
    with pytest.raises(getattr(errors, case["error"])):
        opened(Phrase.from_words(VECTORS["words"]).keys(), bytes.fromhex(case["archive"]))


def test_the_script_gives_the_committed_vectors() -> None:
    script = Path(__file__).parents[2] / "docs" / "vectors" / "make_archives.py"
    assert subprocess.run([sys.executable, str(script), "--check"], check=False).returncode == 0


# Into a file and out of it -----------------------------------------------------------------------


def head_of(data: bytes) -> ArchiveHead:
    begins = framed("archive/2")
    assert data.startswith(begins)
    length = int.from_bytes(data[len(begins) : len(begins) + 4], "big")
    return ArchiveHead.decode(data[len(begins) + 4 : len(begins) + 4 + length])


def stream_of(data: bytes) -> bytes:
    return data[len(framed("archive/2", head_of(data).encode())) :]


def items_of(mine: Holder, data: bytes) -> list[bytes]:
    key = opened_key(mine.fresh().sealing, head_of(data).key)
    items: list[bytes] = []
    reader, at = ItemReader(key, io.BytesIO(stream_of(data))), 0
    while True:
        item, at = reader.item(at, MOST_ITEM)
        if not item:
            return items
        items.append(item)
