"""The patients whom an organisation registered, as its own identity table says: for its own posts alone."""

from __future__ import annotations

from careledger.fhir.json_text import Resource
from careledger.gateway.views import ALIAS, Shown
from careledger.workflows.actors import Organisation
from careledger.workflows.identity_rows import Identity
from careledger.workflows.register import IDENTITY, identities

NATIONAL = "urn:careledger:national-id"


def registered(organisation: Organisation) -> list[Shown]:
    """One Patient for each row, by alias."""
    return [shown_of(row) for row in identities(organisation)]


def one(organisation: Organisation, alias: bytes) -> Shown | None:
    """The Patient of that alias, None for one who was not registered here."""
    row = organisation.books.get(IDENTITY, alias)
    return None if row is None else shown_of(Identity.decode(row))


def shown_of(row: Identity) -> Shown:
    """The Patient of one row."""
    return Shown("Patient", row.alias.hex(), "0", 0, _patient(row))


def _patient(row: Identity) -> Resource:
    identifiers = [{"system": ALIAS, "value": row.alias.hex()}]
    if row.national_id:
        identifiers.append({"system": NATIONAL, "value": row.national_id})
    made: Resource = {"resourceType": "Patient", "id": row.alias.hex(), "identifier": identifiers}
    names = [{"text": name} for name in dict.fromkeys((row.name, row.romanised)) if name]
    if names:
        made["name"] = names
    return {**made, "birthDate": row.birth} if row.birth else made
