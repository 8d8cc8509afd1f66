"""``POST /Binary`` with a file as it is: taken piece by piece, sealed as it comes, filed by its X-Security-Context.

That header (FHIR R4, Binary) names the patient, ``Patient/ALIAS``: then the file is filed where an import files such a
document. Or it names a DocumentReference that the post is shown: then the file belongs to its patient and category.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from careledger.app.tokens import Bearer
from careledger.domain.categories import Compartment
from careledger.domain.errors import FhirRefused, RecordGone, RecordNotFound
from careledger.fhir import documents
from careledger.formats.digests import framed
from careledger.gateway import writing
from careledger.gateway.desk import Desk, uuid_of
from careledger.gateway.grounds import check_reaches
from careledger.gateway.http import CREATED, Answered, Asked
from careledger.gateway.operations.binaries import MEDIA_TYPE, MOST_TYPE, UNKNOWN
from careledger.gateway.repeats import answer_to, repeat
from careledger.workflows.arrive import Announced, Arriving
from careledger.workflows.custody import find_statement

KIND, DOCUMENT = "Binary", "DocumentReference"
HEADER = "X-Security-Context"
Told = Callable[[bytes, writing.Written], Answered]


class Upload:
    """One file on its way, as ``http.Taking`` has it."""

    def __init__(self, desk: Desk, who: Bearer, asked: Asked, told: Told) -> None:
        """``told`` makes the answer of the patient's alias and where the Binary is. Raises FhirRefused, ApiRefused for
        a key that is none, RecordNotFound and RecordGone for a record that is not shown, PatientNotFound."""
        if "if-none-exist" in asked.headers:
            raise FhirRefused(path="If-None-Exist", problem="files are not searched")
        self._desk, self._who, self._told = desk, who, told
        self._key = asked.headers.get("idempotency-key")
        repeat(who, self._key, KIND, b"")
        self._context = asked.headers.get(HEADER.lower(), "")
        said, self._alias = _announced(desk, who, _kind(asked), self._context)
        check_reaches(who, self._alias)
        self._kind, self._begun = said.kind, False
        statement = find_statement(desk.world.network, self._alias, desk.world.custodians)
        unique = writing.unique(who.staff.organisation, self._key or "")
        self._arriving = Arriving(desk.world.network, desk.leases.session(who), statement, said, unique)

    def look(self, piece: bytes) -> None:
        """The next bytes, b"" at the end, before they are added; raises as ``Arriving.look``."""
        self._arriving.look(piece)

    def close(self) -> None:
        """Nothing more comes, whatever came of it."""
        self._arriving.close()

    def add(self, piece: bytes) -> None:
        """The next bytes; raises as ``Arriving.add``, and FhirRefused for a file that is not what it says."""
        if not self._begun:
            documents.check_kind(self._kind, piece)
            self._begun = True
        self._arriving.add(piece)

    def end(self) -> Answered:
        """The Binary, anchored; raises RepeatRefused where the key named another request, and what deposits raise."""
        desk, organisation = self._desk, self._who.staff.organisation
        sha256, now = self._arriving.finish(), desk.world.clock.now()
        request = framed("upload", self._context.encode(), self._kind.encode(), sha256)
        once = repeat(self._who, self._key, KIND, request)
        answer_to(organisation, once, now)
        made = self._arriving.file()
        desk.answers.keep(organisation, once, CREATED, b"", now)
        written = writing.Written(KIND, str(made.record), made.handle.hex(), made.new)
        return self._told(self._alias, written)


def _kind(asked: Asked) -> str:
    stated = asked.headers.get("content-type", UNKNOWN).strip()
    if len(stated) > MOST_TYPE or not MEDIA_TYPE.fullmatch(stated):
        raise FhirRefused(path="Content-Type", problem="not a media type")
    return stated


def _announced(desk: Desk, who: Bearer, kind: str, context: str) -> tuple[Announced, bytes]:
    """What is known of a file before it comes, and whose it is."""
    named, _, id = context.partition("/")
    if named == "Patient" and len(id) == 64 and not set(id) - set("0123456789abcdef"):
        return Announced(kind), bytes.fromhex(id)
    if named != DOCUMENT:
        raise FhirRefused(path=HEADER, problem=f"name Patient/ and the alias, or {DOCUMENT}/ and its id")
    alias, where = _place(desk, who, id)
    return Announced(kind, where, (DOCUMENT, UUID(bytes=uuid_of(id)))), alias


def _place(desk: Desk, who: Bearer, id: str) -> tuple[bytes, Compartment]:
    """Whose a document is that this post is shown, and in which compartment."""
    try:
        view = desk.found(who, DOCUMENT, id)
        record = view.record(view.current[f"{DOCUMENT}/{id}"])
    except (RecordNotFound, RecordGone):
        record, view = None, None
    if view is not None and record is not None:
        return view.seen.alias, record.compartment
    desk.own(who, DOCUMENT, id)
    copy = desk.charts.of(who.staff.organisation).versions(uuid_of(id))[-1].copy
    return copy.alias, Compartment.numbered(copy.compartment)
