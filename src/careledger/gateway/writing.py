"""One record written by a post's program: created, changed, taken back; each is the post's own signed statement.

A created record is new each time, unless the program names it by an idempotency key. Nothing is overwritten: an update
is the next version, and of two that follow one version the first anchored counts. The answer is given once the anchor
is final.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, replace
from uuid import UUID

from jsonpatch import JsonPatch, JsonPatchException
from jsonpointer import JsonPointerException

from careledger.app.scopes import Scopes
from careledger.domain.categories import Compartment
from careledger.domain.errors import (
    FhirRefused,
    RecordNotFound,
    ScopeRefused,
    VersionConflict,
    WritingRefused,
)
from careledger.domain.reasons import Reason
from careledger.domain.records import Ground
from careledger.fhir import documents, path_patch
from careledger.fhir.canonical import canonical
from careledger.fhir.contents import stated
from careledger.fhir.json_text import Flaw, Resource, read
from careledger.fhir.searching.parameters import parameters_of
from careledger.fhir.split import import_bundle
from careledger.formats.bodies import LargeBody
from careledger.formats.digests import framed
from careledger.formats.patients import AliasStatement
from careledger.gateway.operations import consents
from careledger.gateway.sent import sent
from careledger.sealing.keys import hmac_tag
from careledger.workflows.actors import Organisation, Session
from careledger.workflows.amend import amend
from careledger.workflows.batches import Writer
from careledger.workflows.deposit import deposit
from careledger.workflows.deposited import deposited_before
from careledger.workflows.epochs import ensure_epochs
from careledger.workflows.from_fhir import new_version
from careledger.workflows.grounds import writer
from careledger.workflows.import_file import namespace_of
from careledger.workflows.network import Network
from careledger.workflows.new_versions import NewVersion
from careledger.workflows.register import keeps_keys, kept_holder
from careledger.workflows.retract import retract
from careledger.workflows.retrieve import Record
from careledger.workflows.signing import new_signed

PATIENT = "Patient/"
MOST_COPIES, MOST_COPIED = 20, 16 * 2**20
"""Operations of one JSON Patch that copy, and bytes of what they may make."""

NO_PATCH = "not Parameters, as a FHIRPath Patch is; a JSON Patch comes as application/json-patch+json"


@dataclass(frozen=True)
class Written:
    """Where a version is now; ``new`` is False if it had been written before. ``compartment``: of a new record."""

    kind: str
    id: str
    version: str
    new: bool
    compartment: Compartment | None = None


@dataclass(frozen=True, repr=False)
class Single:
    """One resource that was read and judged: the version it makes, what it calls its patient, and whether it states a
    file that lies beside it."""

    version: NewVersion
    patient: str
    stated: tuple[int, bytes] | None

    @property
    def resource(self) -> Resource:
        """What it says, as it would be kept."""
        return dict(read(self.version.body.canonical))

    @property
    def whose(self) -> bytes:
        """The alias of the patient whom it names; raises FhirRefused."""
        if self.named is None:
            kind = self.version.resource_type
            raise FhirRefused(path=kind, problem="name its patient, as Patient/ and the alias")
        return self.named

    @property
    def named(self) -> bytes | None:
        """The same, None if it says it in another way."""
        digits = self.patient.removeprefix(PATIENT)
        if digits == self.patient or len(digits) != 64 or set(digits) - set("0123456789abcdef"):
            return None
        return bytes.fromhex(digits)


def create(network: Network, session: Session, statement: AliasStatement, sent: Single) -> Written:
    """A new record of that patient, signed by the session's post; named by where ``sent`` was read to be.

    A Consent is the patient's word and not the post's: it is kept as imported, signed by nobody. Raises FhirRefused,
    and what ``new_signed`` and ``deposit`` raise.
    """
    organisation, kind = session.staff.organisation, sent.version.resource_type
    if sent.stated is not None:
        raise FhirRefused(path="Binary._data", problem="send the file itself, with its own content type")
    version = sent.version if kind == consents.KIND else new_signed(network, sent.version, session.staff)
    by = writer(network, session, statement)
    if keeps_keys(organisation, statement.alias):
        ensure_epochs(network, kept_holder(organisation, statement.alias), [version.compartment.number])
    made = deposit(network, by, statement, [version])
    handle = made.handles.get(version.record_id) or made.known[version.record_id]
    new = bool(made.handles)
    name, where = str(UUID(bytes=version.record_id)), version.compartment if new else None
    return Written(kind, name, handle.hex(), new, where)


def namespace(organisation: Organisation, key: str) -> bytes:
    """Where a new record is named; ``key`` makes a repetition the same one."""
    return namespace_of(organisation) + unique(organisation, key)


def unique(organisation: Organisation, key: str) -> bytes:
    """What makes a new record's id its own: the same for the same idempotency key, another each time without one."""
    if not key:
        return secrets.token_bytes(32)
    return hmac_tag(organisation.tag, framed("idempotency", key.encode()))


def update(
    network: Network,
    session: Session,
    statement: AliasStatement,
    before: Record,
    sent: Single,
) -> Written:
    """The version after ``before``, signed by the session's post; raises FhirRefused, WritingRefused where nobody
    lets this post change the record, and what ``amend`` raises."""
    version, kind = changed(network, session, statement, before, sent), sent.version.resource_type
    by = changer(network, session, statement, before)
    made = amend(network, by, statement, before, version)
    record_id = before.manifest.record_id
    handle = made.handles.get(record_id) or made.known[record_id]
    return Written(kind, str(UUID(bytes=record_id)), handle.hex(), False)


def changed(
    network: Network, session: Session, statement: AliasStatement, before: Record, sent: Single
) -> NewVersion:
    """What follows ``before``, signed by the session's post; raises FhirRefused, and what ``new_signed`` raises."""
    if sent.named not in (None, statement.alias):
        kind = sent.version.resource_type
        raise FhirRefused(path=kind, problem="names another patient than the one whose record it is")
    return new_signed(network, _with_its_file(sent, before), session.staff)


def changer(network: Network, session: Session, statement: AliasStatement, before: Record) -> Writer:
    """Who writes what follows ``before``; raises WritingRefused where nobody lets this post change the record."""
    by = writer(network, session, statement, amends=before.manifest.author != session.staff.number)
    if by.ground is Ground.UNASKED:
        raise WritingRefused(reason=Reason.NEEDS_APPROVAL.code)
    return by


def _with_its_file(sent: Single, before: Record) -> NewVersion:
    """What follows a Binary whose file lies beside it keeps that file; raises FhirRefused if it states another."""
    version, said, beside = sent.version, sent.stated, before.body.beside
    if said is None:
        return version
    if beside is None or said != (beside.size, beside.sha256):
        raise FhirRefused(path="Binary._data", problem="another file than the record's")
    return replace(version, body=LargeBody(version.body.canonical, b"", None, None, (), beside))


def patched(current: Resource, patch: bytes) -> bytes:
    """The resource after a JSON Patch, as JSON; raises FhirRefused for one that is none or does not fit."""
    try:
        changed = _applied(JsonPatch(read(patch)), current)
    except Flaw as flaw:
        raise FhirRefused(path=flaw.path, problem=flaw.why) from None
    except (JsonPatchException, JsonPointerException, TypeError, AttributeError, ValueError):
        raise FhirRefused(problem="this JSON Patch does not fit the record") from None
    return canonical(changed)


def _applied(patch: JsonPatch, current: Resource) -> Resource:
    """Operation by operation, because each that copies may double what there is."""
    made, copies = deepcopy(current), 0
    for operation in patch.patch:
        made = JsonPatch([operation]).apply(made, in_place=True)
        if operation["op"] == "copy":
            copies += 1
            if copies > MOST_COPIES or len(canonical(made)) > MOST_COPIED:
                raise FhirRefused(problem="this JSON Patch copies more than is done at once")
    return made


def path_patched(current: Resource, patch: bytes) -> bytes:
    """The same after a FHIRPath Patch, a Parameters resource; raises FhirRefused."""
    return canonical(path_patch.patched(current, sent("Parameters", patch, NO_PATCH)))


def check_no_search(kind: str, given: Iterable[tuple[str, str]]) -> None:
    """Raises FhirRefused where the address of a create has a search: whoever takes it for a condition, which R4 has in
    If-None-Exist alone, would make a second record unawares (http.html#ccreate)."""
    known = parameters_of(kind)
    if any(name.partition(":")[0].partition(".")[0] in known for name, _ in given):
        raise FhirRefused(path="the address", problem="what has to match nothing goes into If-None-Exist")


def check_covers(scopes: Scopes, letter: str, *those: Resource | Single) -> None:
    """Raises ScopeRefused unless the scopes allow it of each of these records, as they are or would be."""
    for each in those:
        resource = each.resource if isinstance(each, Single) else each
        kind = str(resource["resourceType"])
        if not scopes.cover(letter, kind, resource):
            raise ScopeRefused(needs=f"{kind}.{letter} for this record")


def check_current(tags: str, current: str) -> None:
    """Raises VersionConflict unless one of the tags of an If-Match header is that version's."""
    if tags and not any(tag.strip() in ("*", f'W/"{current}"', f'"{current}"') for tag in tags.split(",")):
        raise VersionConflict()


def delete(
    network: Network, session: Session, statement: AliasStatement, record_id: bytes, seen: bool
) -> None:
    """Every version that this organisation wrote of a record is taken back.

    Raises WritingRefused for a record that is seen and another's, RecordNotFound for any other.
    """
    mine = own_handles(session.staff.organisation, statement.alias, record_id, seen)
    retract(network, writer(network, session, statement), statement, mine)


def own_handles(organisation: Organisation, alias: bytes, record_id: bytes, seen: bool) -> list[bytes]:
    """The versions of a record that this organisation deposited; raises as ``delete`` where there are none."""
    mine = [each.handle for each in deposited_before(organisation.books, alias).of(record_id)]
    if not mine:
        raise WritingRefused(why="another organisation answers for this record") if seen else RecordNotFound()
    return mine


def single(body: bytes, kind: str, namespace: bytes) -> Single:
    """The one resource of that type in a body, read and judged; needs no world. Raises FhirRefused."""
    if kind == consents.KIND and (signed := consents.signed(body)) is not None:
        consents.check_unsigned(signed)
    report = import_bundle(body, "the resource", namespace=namespace)
    for reject in report.rejects:
        raise FhirRefused(path=reject.path, problem=reject.why)
    if len(report.versions) != 1 or report.versions[0].resource_type != kind:
        raise FhirRefused(path="resourceType", problem=f"not one {kind}")
    made = report.versions[0]
    version = new_version(made, report.mapping_version)
    said = read(version.body.canonical)
    for media_type, data in documents.attachments(said):
        documents.check_kind(media_type, data)
    return Single(version, made.patient_key, stated(said))
