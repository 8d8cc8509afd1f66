"""A whole record in a file that only its owner opens: every version, and the files that lie beside bodies.

An archive opens with the phrase alone, wherever its owner goes. Imported there, its records are the patient's own
deposits (ground ``own``): what a doctor signed elsewhere is ``imported`` here, what the patient reported stays so.

Writing one changes nothing and takes the files through memory block by block. A file's blocks lie in it as they do in
the store, so that whoever signed the record still signed them. Order of effects of an import: the blocks of the files,
durable; then deposits, oldest versions first. A crash leaves blocks that nobody pins, or some versions deposited;
repeating goes on from there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from careledger.domain.categories import Category, Compartment, Sensitivity
from careledger.domain.errors import BlockNotFound, CannotOpen, MalformedBytes, RecordsThere
from careledger.domain.records import Source
from careledger.formats.bodies import LargeBody, RecordBody, SealedContent
from careledger.formats.cids import Cid, check_block, chunk_cid, text
from careledger.formats.deposits import Manifest
from careledger.formats.digests import framed
from careledger.formats.large import AT_ONCE, CHUNK, Index, PutMany
from careledger.formats.patients import AliasStatement
from careledger.formats.persons import (
    ARCHIVE_FORMAT,
    ARCHIVE_VERSION,
    MOST_PART,
    Archive,
    ArchivedVersion,
    ArchiveFile,
    ArchiveHead,
)
from careledger.sealing.archives import (
    LENGTH,
    ItemReader,
    compressed,
    decompressed,
    new_key,
    open_parts,
    opened_key,
    seal_items,
)
from careledger.sealing.contents import ContentReader
from careledger.sealing.phrase import PatientKeys
from careledger.sealing.states import Ciphertext, Plaintext, VerifiedCiphertext, verify
from careledger.workflows.actors import Holder
from careledger.workflows.batches import Writer
from careledger.workflows.blocks import sealed_chunk
from careledger.workflows.contents import body_of, content_reader
from careledger.workflows.deposit import Deposited, deposit
from careledger.workflows.network import Network
from careledger.workflows.new_versions import NewVersion
from careledger.workflows.retrieve import Record

PART = 4 * 1024 * 1024
MOST_HEAD = 16 * 1024
BEGINS = framed("archive/2")
BEGAN = b"\xa6"
"""The first byte of version 1."""
STAYS = frozenset({Source.PATIENT_REPORTED.code})


@dataclass(frozen=True, repr=False)
class Unsealed:
    """One version of an opened archive; never printed."""

    manifest: Manifest
    body: RecordBody
    archived: ArchivedVersion


@dataclass(frozen=True, repr=False)
class Opened:
    """An archive whose every byte was verified: all versions of a patient's record, oldest first, and the files beside
    them as long as its file is open."""

    versions: list[Unsealed]
    files: dict[Cid, _File] = field(default_factory=dict)
    alias: bytes = b""

    def newest(self) -> list[Unsealed]:
        """Of each record its highest version; of several of one number, the first anchored."""
        found: dict[bytes, Unsealed] = {}
        for each in self.versions:
            before = found.get(each.manifest.record_id)
            if before is None or before.manifest.version < each.manifest.version:
                found[each.manifest.record_id] = each
        return list(found.values())

    def content(self, content: SealedContent) -> ContentReader:
        """A file beside a version of it, to be read in ranges; raises BlockNotFound, CannotOpen, MalformedBytes."""
        if (file := self.files.get(content.cid)) is None:
            raise BlockNotFound(cid=text(content.cid))
        return ContentReader(content, file.index, file.chunk)

    def store(self, put_many: PutMany) -> None:
        """Stores the blocks of all files, durable, each file's index last; raises what ``put_many`` raises."""
        for file in self.files.values():
            for first in range(0, len(file.index.links), AT_ONCE):
                numbers = range(first, min(first + AT_ONCE, len(file.index.links)))
                put_many([file.chunk(number).data for number in numbers], named=chunk_cid)
            put_many([file.index.encode()])


# Out ---------------------------------------------------------------------------------------------


def as_archive(network: Network, holder: Holder, records: Iterable[Record]) -> Iterator[bytes | bytearray]:
    """All these versions and the files beside them as a file that opens with the holder's phrase and nothing else, in
    pieces of which none holds a file. A piece may raise BlockNotFound, BlockMismatch, CannotOpen, MalformedBytes."""
    holder = holder.fresh()
    key, sealed = new_key(holder.sealing.public)
    head = ArchiveHead(holder.state.alias_number, holder.state.generation, sealed).encode()
    yield framed("archive/2", head)
    yield from seal_items(key, _items(network, holder.alias, records))


def _items(network: Network, alias: bytes, records: Iterable[Record]) -> Iterator[bytes]:
    now, deployment = network.clock.now(), network.ledger.deployment
    had: set[Cid] = set()
    for part in _parts(records):
        archived = tuple(map(_archived, part))
        yield compressed(Archive(alias, deployment, now, archived).encode())
        for content in _files(record.body for record in part):
            if content.cid not in had:
                had.add(content.cid)
                yield from _blocks(network, content)


def _archived(record: Record) -> ArchivedVersion:
    anchor = record.found.anchor
    manifest, body = record.manifest.encode(), record.body.encode()
    return ArchivedVersion(manifest, body, anchor.root, record.found.leaf, anchor.block, anchor.time)


def _files(bodies: Iterable[RecordBody]) -> Iterator[SealedContent]:
    return (body.content for body in bodies if isinstance(body, LargeBody))


def _blocks(network: Network, content: SealedContent) -> Iterator[bytes]:
    """The index and the chunks under it, each verified, of a file that its key opens."""
    content_reader(network, content)
    block = check_block(content.cid, network.blocks.unchecked(content.cid))
    yield block
    index = Index.decode(block)
    for number in range(len(index.links)):
        yield sealed_chunk(network, index, number).data


def _parts(records: Iterable[Record]) -> Iterator[list[Record]]:
    """The versions in order, in parts of about 4 MiB; one empty part where there is none."""
    part: list[Record] = []
    size = 0
    for record in records:
        if part and size > PART:
            yield part
            part, size = [], 0
        part.append(record)
        size += len(record.body.canonical) + len(record.body.original)
    yield part


# In ----------------------------------------------------------------------------------------------


def open_archive(keys: PatientKeys, file: BinaryIO) -> Opened:
    """The archive in a file, from its beginning to its end.

    Raises MalformedBytes for another kind of file, CannotOpen for another phrase, one that was cut or altered,
    BlockMismatch for other blocks than its bodies name.
    """
    begins = file.read(len(BEGINS))
    if begins != BEGINS:
        return _version_1(keys, begins, file)
    length = int.from_bytes(file.read(4), "big")
    if length > MOST_HEAD:
        raise MalformedBytes(message=ArchiveHead.TYPE)
    head = ArchiveHead.decode(file.read(length))
    key = opened_key(keys.sealing_key(head.alias_number, head.generation), head.key)
    walk = _Walk(ItemReader(key, file))
    walk.whole()
    return Opened(walk.versions, walk.files, walk.alias)


def _version_1(keys: PatientKeys, begins: bytes, rest: BinaryIO) -> Opened:
    if begins[:1] != BEGAN:
        raise MalformedBytes(why="not an archive")
    file = ArchiveFile.decode(begins + rest.read())
    if (file.format, file.version) != (ARCHIVE_FORMAT, ARCHIVE_VERSION):
        raise MalformedBytes(why="not an archive of this version")
    key = keys.sealing_key(file.alias_number, file.generation)
    together = _Together()
    versions = [each for part in open_parts(key, file.key, file.parts) for each in together.opened(part)]
    return Opened(versions, alias=together.alias)


class _Together:
    """Parts, which have to be of one archive."""

    def __init__(self) -> None:
        self._of: tuple[bytes, bytes, int] | None = None

    @property
    def alias(self) -> bytes:
        """Of whose record they are; empty before the first."""
        return self._of[0] if self._of else b""

    def opened(self, part: bytes) -> list[Unsealed]:
        """The versions in a part; raises CannotOpen where it is of another archive than those before it."""
        archive = Archive.decode(part)
        of = archive.alias, archive.deployment, archive.made
        if self._of not in (None, of):
            raise CannotOpen(why="parts of different archives")
        self._of = of
        return [_unsealed(each) for each in archive.versions]


def _unsealed(archived: ArchivedVersion) -> Unsealed:
    body = body_of(Plaintext(archived.body))
    return Unsealed(Manifest.decode(archived.manifest), body, archived)


class _Walk:
    """An archive's stream from its first item to its last."""

    def __init__(self, items: ItemReader) -> None:
        self._items, self._at, self._together = items, 0, _Together()
        self.versions: list[Unsealed] = []
        self.files: dict[Cid, _File] = {}

    @property
    def alias(self) -> bytes:
        """Of whose record it is."""
        return self._together.alias

    def whole(self) -> None:
        """Opens every part and passes its files."""
        while item := self._next(MOST_PART):
            opened = self._together.opened(decompressed(item))
            self.versions += opened
            for content in _files(each.body for each in opened):
                if content.cid not in self.files:
                    self._pass(content.cid)
                file = self.files[content.cid]
                ContentReader(content, file.index, file.chunk)  # its key and length are as the body says
        self._items.check_end(self._at)

    def _pass(self, cid: Cid) -> None:
        """A file's index and chunks, each verified."""
        index = Index.decode(check_block(cid, self._next(CHUNK)))
        self.files[cid] = file = _File(self._items, self._at, index)
        for number in range(len(index.links)):
            file.chunk(number)
        self._at += LENGTH * len(index.links) + index.size

    def _next(self, most: int) -> bytes:
        item, self._at = self._items.item(self._at, most)
        return item


@dataclass(frozen=True, repr=False)
class _File:
    """Where the chunks of a file lie in a stream, one after the other."""

    items: ItemReader
    at: int
    index: Index

    def chunk(self, number: int) -> VerifiedCiphertext:
        """The verified chunk of that number; raises BlockMismatch, CannotOpen, MalformedBytes."""
        item, _ = self.items.item(self.at + number * (LENGTH + CHUNK), CHUNK)
        chunk = verify(Ciphertext(item), self.index.links[number])
        self.index.check_length(number, item)
        return chunk


def import_archive(network: Network, writer: Writer, statement: AliasStatement, archive: Opened) -> Deposited:
    """Deposits every version under another alias, each after the one that it followed, and stores the files beside
    them; returns the last deposit.

    ``writer`` has the ground ``own``. Raises RecordsThere for an archive of that same record, and what ``deposit``
    raises; repeating deposits nothing twice.
    """
    if archive.alias == statement.alias:
        raise RecordsThere()
    archive.store(network.blocks.put_many)
    handles: dict[bytes, bytes] = {}
    last = Deposited(bytes(32), {}, {}, (), False)
    for wave in _waves(archive.versions):
        made = [_renewed(each, handles) for each in wave]
        last = deposit(network, writer, statement, made)
        for each, new in zip(wave, made, strict=True):
            found = last.handles.get(new.record_id) or last.known[new.record_id]
            handles[_handle_key(each.manifest)] = found
    return last


def _waves(versions: Sequence[Unsealed]) -> Iterator[list[Unsealed]]:
    """Versions by number, one of each record at a time; what lost against another version is left out."""
    numbers = sorted({each.manifest.version for each in versions})
    for number in numbers:
        wave: dict[bytes, Unsealed] = {}
        for each in versions:
            if each.manifest.version == number:
                wave.setdefault(each.manifest.record_id, each)
        yield list(wave.values())


def _handle_key(manifest: Manifest) -> bytes:
    return manifest.record_id + manifest.version.to_bytes(4, "big")


def _renewed(each: Unsealed, handles: dict[bytes, bytes]) -> NewVersion:
    """The version as the patient deposits it; who stated it stays named, nobody's signature is claimed."""
    manifest = each.manifest
    before = handles.get(manifest.record_id + (manifest.version - 1).to_bytes(4, "big"))
    return replace(
        NewVersion(
            manifest.record_id,
            manifest.version,
            before,
            manifest.resource_type,
            manifest.subject,
            Compartment(Category(manifest.category), Sensitivity(manifest.sensitivity)),
            each.body,
            manifest.mime_type,
            manifest.source if manifest.source in STAYS else Source.IMPORTED.code,
            manifest.source_key,
            manifest.mapping_version,
            manifest.clinical_date,
        ),
        author_stated=manifest.author_stated,
        author_resolved=manifest.author_resolved if manifest.author_resolved != "signed" else "own-element",
        note=f"from an archive; {manifest.source} before"[:1000],
    )
