"""``Group``: lists of an organisation's own patients, which are its own, never exchanged and seen by nobody else.

A group is a row in the organisation's books. Whoever of its posts registers or treats keeps it; each of its posts reads
it, as each sees the identity table. Being in a group opens no record.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from careledger.app.tokens import Bearer
from careledger.domain.errors import (
    FhirRefused,
    NoUpdateHere,
    PatientNotFound,
    RecordGone,
    RecordNotFound,
    WritingRefused,
)
from careledger.fhir.canonical import canonical
from careledger.fhir.json_text import Resource, read
from careledger.formats.exports import KeptGroup
from careledger.gateway import writing
from careledger.gateway.bulk.seen import forget, forget_member
from careledger.gateway.desk import Desk, uuid_of
from careledger.gateway.http import CREATED, JSONS, NO_CONTENT, PART, Answered, Asked, Handler
from careledger.gateway.repeats import answer_to, repeat
from careledger.gateway.sent import sent
from careledger.gateway.views import Shown
from careledger.workflows.actors import Organisation
from careledger.workflows.find import MAY_ASK
from careledger.workflows.judging import post_at
from careledger.workflows.match import POSTS
from careledger.workflows.register import identity_of

KIND, ROWS = "Group", "group"
INTERACTIONS = ("read", "vread", "create", "update", "delete")
MOST_MEMBERS, MOST_GROUP = 5_000, 2**20
_MEMBER = re.compile(r"Patient/([0-9a-f]{64})")


def handlers(desk: Desk) -> list[Handler]:
    """The routes."""
    return [
        Handler("POST", "/Group", partial(create, desk), JSONS, MOST_GROUP, needs="c", of="Group"),
        Handler(
            "GET", "/Group/{id}/_history/{version}", partial(show, desk), looks_at=PART, needs="r", of=KIND
        ),
        Handler("GET", "/Group/{id}", partial(show, desk), looks_at=PART, needs="r", of="Group"),
        Handler("PUT", "/Group/{id}", partial(update, desk), JSONS, MOST_GROUP, needs="ru", of="Group"),
        Handler("DELETE", "/Group/{id}", partial(delete, desk), needs="d", of="Group"),
    ]


def show(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """A group of this organisation, of which only the current version is kept; raises RecordNotFound, RecordGone."""
    shown = _shown(asked.path["id"], _kept(who.staff.organisation, asked.path["id"]))
    if asked.path.get("version", shown.version) != shown.version:
        raise RecordNotFound()
    return Answered(asked.part(shown.resource), shown)


def create(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """A new group, or the one that was made under the same Idempotency-Key. Raises FhirRefused, WritingRefused,
    RepeatRefused for another one, RecordGone for one that was deleted."""
    _check_keeper(desk, who)
    if "if-none-exist" in asked.headers:
        raise FhirRefused(path="If-None-Exist", problem="groups are not searched")
    organisation, now = who.staff.organisation, desk.world.clock.now()
    once = repeat(who, asked.headers.get("idempotency-key"), "Group", asked.body)
    answer_to(organisation, once, now)
    id = UUID(bytes=once.unique[:16], version=4)
    if organisation.books.get(ROWS, id.bytes) is not None:
        shown = _shown(str(id), _kept(organisation, str(id)))
        return Answered(shown.resource, shown)
    shown = _put(desk, organisation, str(id), 1, _checked(organisation, asked.body))
    desk.answers.keep(organisation, once, CREATED, b"", now)
    return Answered(shown.resource, shown, CREATED)


def update(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """The next version. Raises NoUpdateHere for a group that there is not, VersionConflict for another version than
    If-Match names, FhirRefused, WritingRefused."""
    _check_keeper(desk, who)
    organisation, id = who.staff.organisation, asked.path["id"]
    _to_update(organisation, id)
    made = _checked(organisation, asked.body)  # before the step: thousands of members are looked up
    if made.get("id") != id:
        raise FhirRefused(path="Group.id", problem="not the id that the address names")
    with organisation.books.alone():
        before = _to_update(organisation, id)
        writing.check_current(asked.headers.get("if-match", ""), str(before.version))
        for alias in set(_members(made)) - set(_members(read(before.resource))):
            forget_member(organisation, uuid_of(id), alias)
        shown = _put(desk, organisation, id, before.version + 1, made)
    return Answered(shown.resource, shown)


def _to_update(organisation: Organisation, id: str) -> KeptGroup:
    try:
        return _kept(organisation, id)
    except (RecordNotFound, RecordGone):
        raise NoUpdateHere() from None


def delete(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """The group is no more. Raises RecordNotFound, RecordGone, WritingRefused."""
    _check_keeper(desk, who)
    organisation, id = who.staff.organisation, asked.path["id"]
    with organisation.books.alone():
        gone = KeptGroup(_kept(organisation, id).version + 1, desk.world.clock.now(), b"")
        organisation.books.put(ROWS, [(uuid_of(id), gone.encode())])
        forget(organisation.books, uuid_of(id))
    return Answered(None, status=NO_CONTENT)


def members(organisation: Organisation, id: str) -> list[bytes]:
    """The aliases of its members who are not inactive, ascending; raises RecordNotFound, RecordGone."""
    return _members(read(_kept(organisation, id).resource))


def _kept(organisation: Organisation, id: str) -> KeptGroup:
    row = organisation.books.get(ROWS, uuid_of(id))
    if row is None:
        raise RecordNotFound()
    kept = KeptGroup.decode(row)
    if not kept.resource:
        raise RecordGone()
    return kept


def _put(desk: Desk, organisation: Organisation, id: str, version: int, resource: Resource) -> Shown:
    changed = desk.world.clock.now()
    meta = {name: value for name, value in resource.get("meta", {}).items() if name != "lastUpdated"}
    meta |= {"versionId": str(version), "lastUpdated": _instant(changed)}
    kept = KeptGroup(version, changed, canonical({**resource, "id": id, "meta": meta}))
    organisation.books.put(ROWS, [(uuid_of(id), kept.encode())])
    return _shown(id, kept)


def _shown(id: str, kept: KeptGroup) -> Shown:
    return Shown(KIND, id, str(kept.version), kept.changed, read(kept.resource))


def _check_keeper(desk: Desk, who: Bearer) -> None:
    post = post_at(desk.world.ledger.fresh_head(), who.staff.number)
    if not (post.roles & POSTS and post.employer_roles & MAY_ASK):
        raise WritingRefused(why="groups are kept by who registers or treats patients")


def _checked(organisation: Organisation, body: bytes) -> Resource:
    """A group of actual persons, all of them in the identity table; raises FhirRefused."""
    made = sent(KIND, body)
    if made.get("type") != "person" or made.get("actual") is not True:
        raise FhirRefused(path=KIND, problem="only groups of actual persons are kept")
    if len(made.get("member", ())) > MOST_MEMBERS:
        raise FhirRefused(path="Group.member", problem=f"more than {MOST_MEMBERS}")
    for place, member in enumerate(made.get("member", ())):
        found = _MEMBER.fullmatch(str(member["entity"].get("reference", "")))
        if found is None or not _is_registered(organisation, bytes.fromhex(found[1])):
            where = f"Group.member[{place}].entity"
            raise FhirRefused(
                path=where, problem="not Patient/ and the alias of a patient of this organisation"
            )
    return made


def _is_registered(organisation: Organisation, alias: bytes) -> bool:
    try:
        return identity_of(organisation, alias).alias == alias
    except PatientNotFound:
        return False


def _members(resource: Resource) -> list[bytes]:
    active = [each for each in resource.get("member", ()) if each.get("inactive") is not True]
    return sorted({bytes.fromhex(each["entity"]["reference"].removeprefix("Patient/")) for each in active})


def _instant(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
