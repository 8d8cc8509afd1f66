"""``Practitioner/PERSON``, as ``fhirUser`` names who signed in, and ``Practitioner/PARTY``: of one's own organisation.

A person's id is their account's; shown is the post that they hold now. Any other id is a record's.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import partial
from uuid import UUID

from careledger.app.identity import accounts
from careledger.app.identity.accounts import ACTIVE
from careledger.app.names import Names
from careledger.app.tokens import Bearer
from careledger.domain.errors import MalformedBytes, PartyNotFound
from careledger.domain.parties import PartyId, Status, party_id
from careledger.fhir.json_text import Resource
from careledger.gateway import reading
from careledger.gateway.desk import Desk
from careledger.gateway.http import PART, Answered, Asked, Handler
from careledger.workflows.actors import Organisation

KIND, SYSTEM = "Practitioner", "urn:careledger:party"


def handlers(desk: Desk) -> list[Handler]:
    """The route."""
    return [
        Handler(
            "GET",
            "/Practitioner/{id}",
            partial(read, desk),
            looks_at=PART,
            needs="r",
            of=KIND,
            of_one=True,
            of_person=True,
        )
    ]


def read(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """The post, as the ledger and its employer know it now; raises as reading does."""
    found = (
        None if who.consent else _post(desk, who, asked.path["id"])
    )  # a patient's app is nobody's colleague
    if found is None:
        who.scopes.require("r", KIND)  # a record is nobody's own person
        return reading.read(desk, who, replace(asked, path={**asked.path, "kind": KIND}))
    return Answered(asked.part(found))


def _post(desk: Desk, who: Bearer, id: str) -> Resource | None:
    number, view = _number(who.staff.organisation, id), desk.world.ledger.fresh_head()
    facts = view.party(number) if number else None
    if facts is None or facts.employer != who.staff.organisation.number:
        return None
    party = party_id(facts.number, facts.roles)
    if _party(id) and id != party:  # under another role's prefix
        return None
    made: Resource = {
        "resourceType": KIND,
        "id": id,
        "identifier": [{"system": SYSTEM, "value": party}],
        "active": facts.standing is Status.VERIFIED,
    }
    name = Names(desk.world, view, who.staff.organisation).known(facts.number)
    return {**made, "name": [{"text": name}]} if name else made


def _number(employer: Organisation, id: str) -> int:
    """The post that is meant: by its own identifier, or by the account of the person who holds it; 0 for none."""
    if number := _party(id):
        return number
    with suppress(ValueError, PartyNotFound):
        account = accounts.person(employer, UUID(id).bytes).account
        return account.post if account.state == ACTIVE else 0
    return 0


def _party(id: str) -> int:
    try:
        return PartyId.parse(id).number
    except MalformedBytes:
        return 0
