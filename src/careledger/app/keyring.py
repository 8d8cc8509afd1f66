"""Actors of this machine from their key files: created once, opened again, never printed."""

from __future__ import annotations

import errno
import secrets
import shutil
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from careledger.adapters.books.sqlite import SqliteBooks
from careledger.adapters.custody.sqlite import connect, sync
from careledger.app.vault import Guard, replace_file
from careledger.domain.errors import PartyNotFound, PatientNotFound, StoreCorrupt, StoreUnavailable
from careledger.domain.parties import PartyId, Role
from careledger.formats.keyring import OrganisationKeys, PatientKeysFile, StaffKey
from careledger.formats.signatures import SigningKey
from careledger.ports import KeyFiles
from careledger.sealing.keys import SealingKey, Secret
from careledger.sealing.phrase import Phrase
from careledger.workflows.actors import Organisation, Staff

KEYS, BOOKS = "keys", "books.db"
BESIDE = "beside"
"""The kind of rows that name files beside the books which are there since."""
STAFF = "staff"


class Keyring:
    """The organisations and patients whose keys lie under one data directory."""

    def __init__(self, folder: Path, guard: Guard, shared: bool = False) -> None:
        """``guard`` opens and seals their key files. ``shared``: another process changes them, this one does not."""
        self._folder, self._guard, self._shared = folder, guard, shared
        self._books: dict[Path, SqliteBooks] = {}
        self._opening = threading.Lock()
        self._changed = 0

    @property
    def changes(self) -> object:
        """Another one once an organisation came or changed its key, by this keyring or, where it is shared, at all."""
        return self.stamps() if self._shared else self._changed

    def new_organisation(
        self,
        label: str,
        role: Role,
        number: int = 0,
        sealing: bytes | None = None,
        kind: str = "organisation",
    ) -> Organisation:
        """Makes an organisation's keys; ``sealing`` is its custodian's seed where it keeps shares."""
        made = OrganisationKeys(
            label,
            kind,
            number or PartyId.random().number,
            role,
            SigningKey.random().secret,
            sealing or secrets.token_bytes(32),
            secrets.token_bytes(32),
            secrets.token_bytes(32),
            secrets.token_bytes(32),
        )
        folder = self._folder / "organisations" / f"{made.number:016x}"
        _new_keys(folder, self._sealed(folder, made.encode()), made.books)
        self._changed += 1
        return self._organisation(folder, made)

    def organisations(self) -> dict[str, Organisation]:
        """Every organisation by label, the ministry left out."""
        return {keys.label: self._organisation(folder, keys) for folder, keys in self._files("organisation")}

    def stamps(self) -> tuple[tuple[str, int, int], ...]:
        """Others as soon as an organisation came or changed its key, in whatever process; no file is opened."""
        found = []
        for folder in _folders(self._folder / "organisations"):
            with suppress(OSError):  # one that is being made has no keys yet
                at = (folder / KEYS).stat()
                found.append((folder.name, at.st_ino, at.st_mtime_ns))
        return tuple(found)

    def organisation(self, label: str) -> Organisation:
        """One organisation; raises PartyNotFound."""
        found = self.organisations().get(label)
        if found is None:
            raise PartyNotFound(label=label)
        return found

    def ministry(self) -> Organisation:
        """The ministry; raises PartyNotFound."""
        for folder, keys in self._files("ministry"):
            return self._organisation(folder, keys)
        raise PartyNotFound(label="ministry")

    def everybody(self) -> list[Organisation]:
        """Every organisation here; the ministry last, where its keys are here."""
        kinds = ("organisation", "ministry")
        return [self._organisation(*each) for kind in kinds for each in self._files(kind)]

    def name_of(self, organisation: Organisation) -> str:
        """What people call an organisation of this machine, "" for none; no post is read."""
        found = (each for kind in ("organisation", "ministry") for _, each in self._files(kind))
        return next((each.label for each in found if each.number == organisation.number), "")

    def labels(self, inside: Organisation | None = None) -> dict[int, str]:
        """What people call the parties of this machine, by number: organisations and their staff; ``inside``: only the
        staff of this one."""
        names = {}
        for folder, keys in [*self._files("organisation"), *self._files("ministry")]:
            names[keys.number] = keys.label
            if inside is None or keys.number == inside.number:
                rows = _staff_rows(self._organisation(folder, keys))
                names.update({each.number: each.label for each in rows})
        return names

    def new_staff(
        self,
        employer: Organisation,
        label: str,
        roles: Iterable[Role],
        key: SigningKey | None = None,
        number: int = 0,
    ) -> Staff:
        """Makes a post's key in its employer's books."""
        made = StaffKey(
            label,
            number or PartyId.random().number,
            tuple(sorted(roles)),
            (key or SigningKey.random()).secret,
        )
        employer.books.put(STAFF, [(made.number.to_bytes(8, "big"), made.encode())])
        return Staff(made.number, employer, SigningKey(made.key))

    def replace_staff_key(self, staff: Staff, key: SigningKey) -> None:
        """From now on that post signs with this key."""
        name = staff.number.to_bytes(8, "big")
        row = staff.organisation.books.get(STAFF, name)
        if row is None:
            raise PartyNotFound(party=staff.number)
        made = replace(StaffKey.decode(row), key=key.secret)
        staff.organisation.books.put(STAFF, [(name, made.encode())])

    def replace_controller(self, organisation: Organisation, key: SigningKey) -> None:
        """From now on that organisation signs with this key; the file is replaced whole or not at all."""
        path = self._folder / "organisations" / f"{organisation.number:016x}" / KEYS
        made = replace(OrganisationKeys.decode(self._read(path.parent)), controller=key.secret)
        replace_file(path, self._sealed(path.parent, made.encode()))
        self._changed += 1

    def staff(self, label: str) -> tuple[Staff, frozenset[Role]]:
        """A post by its label and the roles that it was made with; raises PartyNotFound."""
        for employer in self.everybody():
            for row in _staff_rows(employer):
                if row.label == label:
                    roles = frozenset(Role(number) for number in row.roles)
                    return Staff(row.number, employer, SigningKey(row.key)), roles
        raise PartyNotFound(label=label)

    def all_staff(self, employer: Organisation) -> dict[str, Staff]:
        """Every post of an organisation by label."""
        return {row.label: Staff(row.number, employer, SigningKey(row.key)) for row in _staff_rows(employer)}

    def post(self, employer: Organisation, number: int) -> Staff | None:
        """The post of that number at that employer."""
        row = employer.books.get(STAFF, number.to_bytes(8, "big"))
        return None if row is None else Staff(number, employer, SigningKey(StaffKey.decode(row).key))

    def posts(self, employer: Organisation) -> list[int]:
        """The numbers of the posts at that employer."""
        return [int.from_bytes(key, "big") for key, _ in employer.books.rows(STAFF)]

    def new_patient(self, label: str, alias: bytes, phrase: Phrase) -> SqliteBooks:
        """Keeps a claimed patient's phrase on this device; returns the agent's books."""
        made = PatientKeysFile(label, alias, phrase.entropy.reveal(), secrets.token_bytes(32))
        if label in self.patients():
            raise StoreCorrupt(why="a key file is there already", file=KEYS)
        folder = self._new_folder(alias)
        _new_keys(folder, self._sealed(folder, made.encode()), made.books)
        return self._open_books(folder, made.books)

    def _new_folder(self, alias: bytes) -> Path:
        """One for each holder of an alias: before majority guardian and young person both have keys."""
        folder = self._folder / "patients" / alias.hex()[:16]
        return folder if not folder.exists() else folder.with_name(f"{folder.name}-{secrets.token_hex(4)}")

    def forget_patient(self, label: str) -> None:
        """Drops a former holder's keys and books from this device; raises PatientNotFound."""
        for folder in _folders(self._folder / "patients"):
            if PatientKeysFile.decode(self._read(folder)).label == label:
                books = self._books.pop(folder, None)
                if books is not None:
                    books.close()
                gone = folder.with_name(f".{folder.name}")
                folder.rename(gone)  # what a crash leaves of it from here is nobody's
                shutil.rmtree(gone)
                return
        raise PatientNotFound()

    def patient(self, label: str, anew: bool = False) -> tuple[bytes, Phrase, SqliteBooks]:
        """A patient of this device: alias, phrase, books, made ``anew`` where they are lost and that is said; raises
        PatientNotFound, StoreCorrupt."""
        for folder in _folders(self._folder / "patients"):
            keys = PatientKeysFile.decode(self._read(folder))
            if label in (keys.label, keys.alias.hex()[:16]):
                return keys.alias, Phrase(Secret(keys.entropy)), self._open_books(folder, keys.books, anew)
        raise PatientNotFound()

    def patients(self) -> list[str]:
        """The labels of the patients of this device."""
        folders = _folders(self._folder / "patients")
        return sorted(PatientKeysFile.decode(self._read(folder)).label for folder in folders)

    def close(self) -> None:
        """Closes all books."""
        for books in self._books.values():
            books.close()
        self._books.clear()

    def _read(self, folder: Path) -> bytes:
        """The content of a directory's key file; raises StoreCorrupt."""
        return self._key_files(folder).open(KEYS, _read(folder / KEYS))

    def _sealed(self, folder: Path, content: bytes) -> bytes:
        return self._key_files(folder).seal(KEYS, content)

    def _key_files(self, folder: Path) -> KeyFiles:
        return self._guard.directory(folder.relative_to(self._folder).as_posix())

    def _files(self, kind: str) -> list[tuple[Path, OrganisationKeys]]:
        folders = _folders(self._folder / "organisations")
        found = [(folder, OrganisationKeys.decode(self._read(folder))) for folder in folders]
        return [(folder, keys) for folder, keys in found if keys.kind == kind]

    def _organisation(self, folder: Path, keys: OrganisationKeys) -> Organisation:
        return Organisation(
            keys.number,
            Role(keys.role),
            SigningKey(keys.controller),
            SealingKey(Secret(keys.sealing)),
            SealingKey(Secret(keys.chart)),
            Secret(keys.tag),
            self._open_books(folder, keys.books),
        )

    def _open_books(self, folder: Path, key: bytes, anew: bool = False) -> SqliteBooks:
        with self._opening:
            if folder not in self._books:
                self._books[folder] = _opened(folder, key, anew)
            return self._books[folder]


def _opened(folder: Path, key: bytes, anew: bool) -> SqliteBooks:
    """Keys and books came at once, so books that are not there are lost, as is a file that they tell of."""
    books = SqliteBooks(folder / BOOKS, key, new=anew)
    try:
        for name, _ in books.rows(BESIDE):
            connect(folder / name.decode()).close()
    except BaseException:
        books.close()
        raise
    return books


def _staff_rows(employer: Organisation) -> list[StaffKey]:
    return [StaffKey.decode(row) for _, row in employer.books.rows(STAFF)]


def _folders(parent: Path) -> list[Path]:
    there = parent.iterdir() if parent.is_dir() else ()
    return sorted(path for path in there if path.is_dir() and not path.name.startswith("."))


def _new_keys(folder: Path, data: bytes, books: bytes) -> None:
    """A folder with its key file and empty books under the key ``books``, whole or not at all; raises StoreCorrupt
    where it is: keys are never replaced."""
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    begun = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
    begun.mkdir(mode=0o700)
    try:
        replace_file(begun / KEYS, data)
        SqliteBooks(begun / BOOKS, books).close()
        begun.rename(folder)
    except (OSError, StoreUnavailable) as error:
        shutil.rmtree(begun, ignore_errors=True)
        if not isinstance(error, OSError) or error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        raise StoreCorrupt(why="a key file is there already", file=KEYS) from None
    sync(folder.parent)


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_mode & 0o077:
            raise StoreCorrupt(why="a key file that others may read", file=path.name)
        return path.read_bytes()
    except FileNotFoundError:
        raise StoreCorrupt(missing=path.name) from None
