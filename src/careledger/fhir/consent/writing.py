"""The ledger's consents as FHIR R4 Consents, one for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from careledger.domain.categories import Category, Compartment, Sensitivity
from careledger.domain.consents import Grantee, Scope, Window
from careledger.fhir.consent import words
from careledger.fhir.consent.agreed import Agreed, refused
from careledger.fhir.consent.times import instant
from careledger.fhir.json_text import Resource


@dataclass(frozen=True)
class Stands:
    """What the ledger says of a consent: its commitment, a Consent.status, and the second since which it is given."""

    commitment: bytes
    status: str
    given_at: int


def resource_of(
    agreed: Agreed, alias: bytes, party: Callable[[int], str], stands: Stands | None = None
) -> Resource:
    """A Consent that reads back as this consent alone; ``party`` gives the identifiers of parties and teams.

    Raises CannotExpress for a grantee narrowed by specialty and for single records of certain authors.
    """
    policy = words.READY_MADE + agreed.ready_made if agreed.ready_made else words.NO_MORE
    made: Resource = {
        "resourceType": "Consent",
        "status": stands.status if stands else "active",
        "scope": {"coding": [_coding(words.PRIVACY)]},
        "category": [{"coding": [_coding(words.PRIVACY_CONSENT)]}],
        "patient": _identified("Patient", words.ALIAS, alias.hex()),
        "dateTime": instant(stands.given_at if stands and stands.given_at else agreed.window.start),
        "policy": [{"uri": policy}],
        "provision": _provision(agreed, party),
    }
    if stands is not None:
        made["id"] = stands.commitment.hex()
        made["identifier"] = [{"system": words.CONSENT, "value": stands.commitment.hex()}]
    return made


def _provision(agreed: Agreed, party: Callable[[int], str]) -> Resource:
    scope = agreed.scope
    categories = sorted({each.category for each in scope.compartments})
    sensitivities = sorted({each.sensitivity for each in scope.compartments})
    actions = [words.ACTION_CODES[each] for each in sorted(scope.permissions)]
    made: Resource = {
        "type": "permit",
        "period": _period(agreed.window),
        "actor": [_actor(agreed.grantee, party)],
        "action": [{"coding": [_coding(each)]} for each in actions],
        "securityLabel": [_coding(words.LABEL_CODES[each]) for each in sensitivities],
        "purpose": [_coding(words.PURPOSE_CODES[agreed.purpose])],
        "class": [_coding(words.CATEGORY_CODES[each]) for each in categories],
    }
    data = _data(scope, party)
    if data:
        made["data"] = data
    months = {"start": scope.from_month, "end": scope.to_month}
    if any(months.values()):
        made["dataPeriod"] = {name: month for name, month in months.items() if month}
    denied = _denied(scope, categories, sensitivities)
    return {**made, "provision": denied} if denied else made


def _denied(scope: Scope, categories: list[Category], sensitivities: list[Sensitivity]) -> list[Resource]:
    """What class and label together name too much, and the records that are taken out."""
    made: list[Resource] = []
    for label in sensitivities:
        missing = [each for each in categories if Compartment(each, label) not in scope.compartments]
        if missing and scope.handles is None:
            classes = [_coding(words.CATEGORY_CODES[each]) for each in missing]
            labels = [_coding(words.LABEL_CODES[label])]
            made.append({"type": "deny", "securityLabel": labels, "class": classes})
    if scope.exceptions:
        made.append({"type": "deny", "data": [_record(each) for each in sorted(scope.exceptions)]})
    return made


def _data(scope: Scope, party: Callable[[int], str]) -> list[Resource]:
    if scope.handles is not None and scope.authors is not None:
        raise refused("Consent.provision.data", "single records of certain authors")
    if scope.handles is not None:
        return [_record(each) for each in sorted(scope.handles)]
    return [
        {"meaning": "authoredby", "reference": _author(party(each.number))}
        for each in sorted(scope.authors or ())
    ]


def _author(name: str) -> Resource:
    """Posts and organisations are told apart by the prefix of their identifier."""
    posts = ("doc-", "nur-", "dev-", "opr-", "res-")
    return _identified("Practitioner" if name.startswith(posts) else "Organization", words.PARTY, name)


def _record(handle: bytes) -> Resource:
    return {"meaning": "instance", "reference": {"identifier": _identifier(words.VERSION, handle.hex())}}


def _actor(grantee: Grantee, party: Callable[[int], str]) -> Resource:
    if grantee.specialties:
        raise refused("Consent.provision.actor", "a grantee narrowed by specialty")
    reference = _identified(words.ACTOR_TYPES[grantee.kind], words.PARTY, party(grantee.number))
    return {"role": {"coding": [_coding(words.RECIPIENT)]}, "reference": reference}


def _period(window: Window) -> Resource:
    """FHIR counts the last second in, the ledger's window ends before its end."""
    return {"start": instant(window.start), "end": instant(window.end - 1)}


def _identified(kind: str, system: str, value: str) -> Resource:
    return {"type": kind, "identifier": _identifier(system, value)}


def _identifier(system: str, value: str) -> Resource:
    return {"system": system, "value": value}


def _coding(code: words.Code) -> Resource:
    return {"system": code[0], "code": code[1]}
