"""A thief of directories who really tries: every key that can be found, against everything that is sealed.

The thief copies directories, reads every cell of every file, and takes each value of 32 bytes for a key of any kind
(a sealing seed, a batch secret, a record secret, a body key, a share), again and again with what opened.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import cbor2

from careledger.adapters.blocks.store import SegmentBlocks
from careledger.adapters.board.sqlite import SqliteBoard
from careledger.adapters.books.sqlite import SqliteBooks
from careledger.adapters.custody.directory import CustodyDirectory
from careledger.domain.custody import KeptDeposit, KeptVersion
from careledger.domain.errors import CareLedgerError
from careledger.formats.bodies import RecordBody
from careledger.formats.charts import AuthorsCopies
from careledger.formats.deposits import Manifest
from careledger.formats.keyring import OrganisationKeys, PatientKeysFile
from careledger.formats.patients import EpochRecord
from careledger.sealing import versions as sealed
from careledger.sealing.epochs import Epoch
from careledger.sealing.grants import open_package
from careledger.sealing.keys import SealingKey, Secret, unwrap
from careledger.sealing.phrase import Phrase
from careledger.sealing.shamir import Share, combine
from careledger.sealing.states import Ciphertext, VerifiedCiphertext, verify
from careledger.workflows.epochs import ALL

PUBLIC = 1216
SIZE = 32
GENERATIONS = 3


@dataclass
class Attacker:
    """Everything stolen, and what was made of it. ``scratch`` is where copies go."""

    scratch: Path
    keys: set[bytes] = field(default_factory=set)
    publics: set[bytes] = field(default_factory=set)
    wrapped: set[tuple[bytes, ...]] = field(default_factory=set)
    aliases: set[bytes] = field(default_factory=set)
    deposits: dict[bytes, KeptDeposit] = field(default_factory=dict)
    versions: dict[bytes, KeptVersion] = field(default_factory=dict)
    shares: dict[bytes, dict[int, bytes]] = field(default_factory=dict)
    blocks: dict[bytes, VerifiedCiphertext] = field(default_factory=dict)
    packages: list[bytes] = field(default_factory=list)
    copies: list[AuthorsCopies] = field(default_factory=list)
    own: set[bytes] = field(default_factory=set)
    manifests: dict[bytes, Manifest] = field(default_factory=dict)
    records: dict[bytes, set[bytes]] = field(default_factory=dict)
    bodies: dict[bytes, bytes] = field(default_factory=dict)

    # Stealing ----------------------------------------------------------------------------------

    def steal_public(self, folder: Path) -> None:
        """All blocks, the whole ledger, the board."""
        store = SegmentBlocks(self._copied(folder / "blocks"))
        for cid in store._segments:
            self.blocks[cid] = verify(Ciphertext(store.get(cid)), cid)
        store.close()
        self._read_files(self._copied(folder / "ledger"))
        board = self.scratch / "board"
        board.mkdir()
        for path in folder.glob("board.db*"):
            shutil.copy(path, board)
        self._read_files(board)
        self.packages = SqliteBoard(board / "board.db").since(0)[1]

    def steal_custodian(self, path: Path) -> None:
        """Rows, journal, private keys, shred keys, and with them every share."""
        directory = CustodyDirectory(self._copied(path))
        for alias in directory.rows.aliases():
            self.aliases.add(alias)
            mine = {deposit.digest: deposit for deposit in directory.rows.deposits(alias)}
            versions = {version.handle: version for version in directory.rows.versions(alias)}
            self.deposits.update(mine)
            self.versions.update(versions)
            for subject, share in directory.rows.shares(alias).items():
                place = mine[versions[subject].deposit if subject in versions else subject].place
                self.shares.setdefault(subject, {})[place] = share
                self.keys.add(share)
            self._take_epochs(directory, alias)
        for version in self.versions.values():
            deposit = self.deposits[version.deposit]
            epoch = Epoch(deposit.alias, deposit.compartment, deposit.epoch).fields()
            self.wrapped.add((b"header", version.header, *epoch))
        directory.close()
        self._read_files(directory.path)

    def _take_epochs(self, directory: CustodyDirectory, alias: bytes) -> None:
        for compartment in ALL:
            for kept in directory.journal.epochs(alias, compartment):
                self._harvest(kept.signed)  # records lie together in one cell, so cells alone give no keys
                record = EpochRecord.decode(kept.signed)
                fields = Epoch(alias, compartment, kept.number).fields()
                self.wrapped.add((b"epoch-seed", record.seed_for_alias, *fields))
                if record.previous_seed is not None:
                    self.wrapped.add((b"previous-epoch-seed", record.previous_seed, *fields))

    def steal_actor(self, path: Path) -> None:
        """An organisation's or a patient's directory: the key file and, by it, all books."""
        copied = self._copied(path)
        said = (copied / "keys").read_bytes()
        self._harvest(said)
        self.own.update(piece for piece in _pieces(said) if len(piece) == SIZE)
        try:
            books_key = OrganisationKeys.decode(said).books
        except CareLedgerError:
            keys = PatientKeysFile.decode(said)
            books_key = keys.books
            self.aliases.add(keys.alias)
            agent = Phrase(Secret(keys.entropy)).keys()
            for generation in range(GENERATIONS):
                self.own.add(agent.sealing_key(0, generation).seed.reveal())
            self.keys |= self.own
        books = SqliteBooks(copied / "books.db", books_key)
        for (kind,) in list(books._db.execute("SELECT DISTINCT kind FROM books")):
            for key, value in books.rows(kind):
                self._harvest(key)
                self._harvest(value)
        for _, row in books.rows("authors-copies"):
            made = AuthorsCopies.decode(row)
            self.wrapped.add((b"author-copy", made.key, made.id))
            self.copies.append(made)
        books.close()

    def _copied(self, path: Path) -> Path:
        target = self.scratch / f"{path.parent.name}-{path.name}"
        shutil.copytree(path, target)
        return target

    def _read_files(self, folder: Path) -> None:
        """Every cell of every table, and the bytes of every other file."""
        for path in sorted(folder.rglob("*")):
            if (
                not path.is_file()
                or path.suffix in (".db-wal", ".db-shm")
                or path.name.endswith(("-wal", "-shm"))
            ):
                continue
            if path.read_bytes().startswith(b"SQLite format 3"):
                for cell in _cells(path):
                    self._harvest(cell)
            else:
                self._harvest(path.read_bytes())

    def _harvest(self, data: bytes) -> None:
        """Everything inside that may be a key, a public key or sealed, however deep it lies."""
        for piece in _pieces(data):
            if len(piece) == SIZE:
                self.keys.add(piece)
            elif len(piece) == PUBLIC:
                self.publics.add(piece)
            elif len(piece) % SIZE == 0 and len(piece) <= 16 * SIZE:
                self.keys.update(piece[at : at + SIZE] for at in range(0, len(piece), SIZE))

    # Opening -----------------------------------------------------------------------------------

    def open_all(self) -> None:
        """Tries until nothing new comes of it."""
        self._combine_shares()
        tried: set[bytes] = set()
        while fresh := self.keys - tried:
            tried |= fresh
            for secret in map(Secret, sorted(fresh)):
                self._open_copies(sealed.CopyKey(secret))
            for key in map(SealingKey, map(Secret, sorted(fresh))):
                if key.public in self.publics or key.seed.reveal() in self.own:
                    self._unwrap_all(key)
        self._open_versions()

    def _unwrap_all(self, key: SealingKey) -> None:
        """Everything sealed of which the context is known; nobody else's key opens it."""
        for what, blob, *context in self.wrapped:
            block = self.blocks.get(blob)
            plain = _try(key, blob if block is None else block.data, what.decode(), *context)
            if plain is not None:
                self._harvest(plain)
        for package in self.packages:
            try:
                self._harvest(open_package(key, package))
            except CareLedgerError:
                continue

    def _open_copies(self, key: sealed.CopyKey) -> None:
        """The body keys of author's copies, each tried by its place."""
        for made in self.copies:
            for place, copy in enumerate(made.rows()):
                try:
                    self.keys.add(key.open(place, copy.handle, copy.body_key).reveal())
                except CareLedgerError:
                    continue

    def _combine_shares(self) -> None:
        """Shares of one subject together, as few as there are: whatever comes of it may be a secret."""
        for held in self.shares.values():
            shares = [Share(place, Secret(share)) for place, share in held.items()]
            for count in range(2, len(shares) + 1):
                for chosen in combinations(shares, count):
                    self.keys.add(combine(chosen, count).reveal())

    def _open_versions(self) -> None:
        for key in self.keys:
            self._open_bodies(Secret(key))
        for version in self.versions.values():
            for key in self.keys:
                self._open_manifest(version, Secret(key))
        for handle, found in list(self.records.items()):
            version = self.versions[handle]
            for record in map(Secret, found):
                for key in self.keys:
                    self._open_body(version.body, sealed.body_key(record, Secret(key)))

    def _open_manifest(self, version: KeptVersion, secret: Secret) -> None:
        """The secret may be the batch's, or the record's itself."""
        block = self.blocks.get(version.manifest)
        if block is None or version.handle in self.manifests:
            return
        for record in (sealed.record_secret(secret, version.handle), secret):
            try:
                manifest = Manifest.decode(sealed.open_manifest(record, block).data)
            except CareLedgerError:
                continue
            self.manifests[version.handle] = manifest
            self.records.setdefault(version.handle, set()).add(record.reveal())

    def _open_bodies(self, key: Secret) -> None:
        for cid in self.blocks:
            self._open_body(cid, key)

    def _open_body(self, cid: bytes, key: Secret) -> None:
        block = self.blocks.get(cid)
        if block is None or cid in self.bodies:
            return
        try:
            opened = sealed.open_body(key, sealed.body_key_commitment(key), block)
            self.bodies[cid] = RecordBody.decode(opened.data).canonical
        except CareLedgerError:
            return


def _try(key: SealingKey, blob: bytes, what: str, *fields: bytes) -> bytes | None:
    try:
        return unwrap(key, blob, what, *fields)
    except CareLedgerError:
        return None


def _cells(path: Path) -> Iterator[bytes]:
    db = sqlite3.connect(path)
    tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for table in tables:
        for row in db.execute(f"SELECT * FROM {table}"):
            yield from (cell for cell in row if isinstance(cell, bytes))
    db.close()


def _pieces(data: bytes) -> Iterator[bytes]:
    yield data
    try:
        value = cbor2.loads(data) if len(data) > SIZE else None
    except Exception:
        return  # not CBOR: then it is taken as it is
    yield from _inside(value)


def _inside(value: Any) -> Iterator[bytes]:
    if isinstance(value, bytes):
        yield from _pieces(value)
    elif isinstance(value, dict):
        for one in value.values():
            yield from _inside(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _inside(one)
