"""A file that comes piece by piece is filed as a Binary of one patient; it is sealed as it comes, and nowhere in clear
but, where files are scanned, at the scanner: then it is filed once that found it clean.

Order of effects: its blocks, durable, a few at a time, pinned by nobody and under a key in memory alone; an epoch where
the patient's keys are kept here and there was none; those of ``deposit``. What ends before the deposit leaves
ciphertext that nobody can open. The same again under the same ``unique`` is the same record.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from uuid import UUID

from careledger.domain.categories import Compartment
from careledger.domain.errors import ScannerUnavailable, TooLarge
from careledger.fhir import contents, documents
from careledger.fhir.canonical import canonical
from careledger.fhir.dicom import Header, header_of
from careledger.fhir.documents import DICOM, Document
from careledger.fhir.json_text import Resource
from careledger.fhir.mapping import place
from careledger.fhir.split import record_id
from careledger.formats.bodies import MOST_CONTENT, LargeBody, RecordBody, SealedContent
from careledger.formats.patients import AliasStatement
from careledger.ports import ScanningFile
from careledger.sealing.contents import ContentSealer
from careledger.workflows.actors import Session
from careledger.workflows.deposit import deposit
from careledger.workflows.epochs import ensure_epochs
from careledger.workflows.from_documents import version_of
from careledger.workflows.grounds import writer
from careledger.workflows.import_file import namespace_of
from careledger.workflows.network import Network
from careledger.workflows.register import keeps_keys, kept_holder


@dataclass(frozen=True, repr=False)
class Announced:
    """What is said of a file before it comes: its MIME type; the compartment and record whose security it shares, where
    one is named; never printed."""

    kind: str
    compartment: Compartment | None = None
    context: tuple[str, UUID] | None = None


@dataclass(frozen=True)
class Filed:
    """Where a file is now; ``new`` is False if it had been filed before."""

    record: UUID
    handle: bytes
    new: bool


class Arriving:
    """One file on its way: ``look`` at each piece and ``add`` it, ``look`` at b"" for its end, ``finish``, ``file``. A
    small one waits in memory, for its body. ``look`` and ``close`` touch the scanner alone, and may run in a thread of
    their own."""

    def __init__(
        self, network: Network, session: Session, statement: AliasStatement, said: Announced, unique: bytes
    ) -> None:
        self._scanner = None if network.scanning is None else network.scanning.scanner
        self._scan: ScanningFile | None = None
        self._looked = hashlib.sha256()
        self._scanned = None if network.scanning is None else b""
        self._network = replace(network, scanning=None)  # it is scanned as it comes
        self._session, self._statement, self._said = session, statement, said
        namespace = namespace_of(session.staff.organisation) + unique
        self._record = record_id(namespace, statement.alias.hex(), "Binary")
        self._start = bytearray()
        self._sealer: ContentSealer | None = None
        self._content: SealedContent | None = None
        self._size, self._sha256 = 0, hashlib.sha256()

    def look(self, piece: bytes) -> None:
        """The next bytes go to the scanner, if there is one; b"": nothing more comes. Raises FileRefused,
        FileNotScanned, ScannerUnavailable."""
        if self._scanner is None:
            return
        if self._scan is None:
            self._scan = self._scanner.begin()
        if piece:
            self._looked.update(piece)
            self._scan.add(piece)
            return
        scan, self._scan, self._scanner = self._scan, None, None
        scan.end()
        self._scanned = self._looked.digest()

    def close(self) -> None:
        """Gives up what is still with the scanner."""
        if self._scan is not None:
            self._scan.close()

    def add(self, piece: bytes) -> None:
        """The next bytes; raises TooLarge for more than 2^31 - 1 of them, and what storing raises."""
        self._size += len(piece)
        if self._size > MOST_CONTENT:
            raise TooLarge(most=MOST_CONTENT)
        self._sha256.update(piece)
        if self._sealer is None:
            self._start += piece
            if self._size <= documents.MOST_INSIDE:
                return
            self._sealer, piece = ContentSealer(self._network.blocks.put_many), bytes(self._start)
            del self._start[documents.START :]
        self._sealer.add(piece)

    def finish(self) -> bytes:
        """Nothing more comes; the file's SHA-256. Raises ScannerUnavailable where not all of it was found clean."""
        if self._scanned is not None and self._scanned != self._sha256.digest():
            raise ScannerUnavailable()
        if self._sealer is not None:
            self._content = self._sealer.end(self._sha256.digest())
        return self._sha256.digest()

    def file(self) -> Filed:
        """Deposits the Binary; raises what ``deposit`` raises."""
        start, kind = bytes(self._start[: documents.START]), self._said.kind
        header = header_of(start) if kind == DICOM else Header()
        made = Document(kind, "", self._size, self._sha256.digest(), header)
        where = (
            self._said.compartment or place(documents.reference(made, self._record, self._record)).compartment
        )
        resource = self._resource(made)
        version = version_of(made, resource, where, self._record, self._body(resource))
        network, alias, organisation = self._network, self._statement.alias, self._session.staff.organisation
        by = writer(network, self._session, self._statement)
        if keeps_keys(organisation, alias):
            ensure_epochs(network, kept_holder(organisation, alias), [where.number])
        done = deposit(network, by, self._statement, [version])
        handle = done.handles.get(version.record_id) or done.known[version.record_id]
        return Filed(self._record, handle, bool(done.handles))

    def _resource(self, made: Document) -> Resource:
        named = self._said.context
        context = (
            {"securityContext": {"reference": f"urn:uuid:{named[1]}", "type": named[0]}} if named else {}
        )
        if self._content is None:
            return {**documents.binary(made, self._record, bytes(self._start)), **context}
        return contents.binary(str(self._record), made.kind, made.size, made.sha256, **context)

    def _body(self, resource: Resource) -> RecordBody:
        text = canonical(resource)
        if self._content is None:
            return RecordBody(text, b"", None, None, ())
        return LargeBody(text, b"", None, None, (), self._content)
