"""Bundles and the OperationOutcomes in them: what was found, and what is never said by leaving it out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from careledger.domain.categories import Compartment
from careledger.domain.errors import CareLedgerError
from careledger.fhir.json_text import Number, Resource
from careledger.gateway import outcomes
from careledger.gateway.http import CREATED, Answered, Plain, location
from careledger.gateway.outcomes import outcome
from careledger.gateway.views import Shown, View

Entry = dict[str, object]


def searchset(
    base: str,
    entries: Sequence[tuple[Shown, Resource, str]],
    total: int | None,
    links: Mapping[str, str],
    said: Iterable[Resource] = (),
) -> Resource:
    """A page of a search: entries, how much of each is shown, their modes, then what has to be said about it; without a
    total where it is None."""
    made: list[Entry] = [
        {"fullUrl": f"{base}/{shown.path}", "resource": resource, "search": {"mode": mode}}
        for shown, resource, mode in entries
    ]
    made += [{"resource": each, "search": {"mode": "outcome"}} for each in said]
    return _bundle("searchset", made, total, links)


def history(base: str, versions: Sequence[Shown], part: Callable[[Resource], Resource]) -> Resource:
    """The versions of one record, as much of each as is wanted, the newest first."""
    last = len(versions) - 1
    made = [_past(base, shown, at == last, part(shown.resource)) for at, shown in enumerate(versions)]
    return _bundle("history", made, len(versions), {})


def histories(
    base: str, versions: Sequence[tuple[Shown, bool]], links: Mapping[str, str], said: Iterable[Resource]
) -> Resource:
    """A page of versions of several records, each with whether it is its record's first; without their number."""
    made = [_past(base, shown, first, shown.resource) for shown, first in versions]
    made += [{"resource": each, "response": {"status": "200"}} for each in said]
    return _bundle("history", made, None, links)


def _past(base: str, shown: Shown, first: bool, resource: Resource) -> Entry:
    request = {"method": "POST", "url": shown.type} if first else {"method": "PUT", "url": shown.path}
    response = {"status": "201" if first else "200", "etag": shown.etag}
    return {
        "fullUrl": f"{base}/{shown.path}",
        "resource": resource,
        "request": request,
        "response": response,
    }


def withheld(views: Sequence[View]) -> list[Resource]:
    """What every answer about shared records says: it may be incomplete; and which categories are not shared, whether
    or not they hold anything."""
    said = [outcome("information", "incomplete", "There may be more about this patient elsewhere.")]
    closed = sorted({compartment for view in views for compartment in view.seen.closed})
    if closed:
        named = ", ".join(_named(each) for each in closed)
        said.append(
            outcome(
                "information",
                "suppressed",
                f"Not shared with you, whether or not it holds anything: {named}.",
            )
        )
    if only := {types for view in views if (types := view.seen.types) is not None}:
        named = ", ".join(sorted({each for types in only for each in types})) or "nothing"
        said.append(outcome("information", "suppressed", f"This token's scopes show only: {named}."))
    if not all(view.seen.complete for view in views):
        said.append(
            outcome("warning", "incomplete", "Too few custodians answered; what is shown may not be all.")
        )
    return said


def _named(compartment: Compartment) -> str:
    return str(compartment)


def _bundle(kind: str, entries: list[Entry], total: int | None, links: Mapping[str, str]) -> Resource:
    bundle: Resource = {"resourceType": "Bundle", "type": kind}
    if total is not None:
        bundle["total"] = Number(str(total))
    if links:
        bundle["link"] = [{"relation": relation, "url": url} for relation, url in links.items()]
    return {**bundle, "entry": entries} if entries else bundle


def became(base: str, made: Answered | Plain) -> Resource:
    """What a request that nobody waited for led to: where a version is, not what it says, or the Bundle of answers."""
    response: Resource = {"status": str(made.status)}
    if isinstance(made, Plain):
        return one_response(response)
    if made.shown is not None and (made.shown.version != "0" or made.status == CREATED):
        response |= {"location": location(base, made.shown), "etag": made.shown.etag}
    elif "Location" in made.headers:
        response["location"] = made.headers["Location"]
    resource = made.resource or {}
    if resource.get("resourceType") == "OperationOutcome":
        response["outcome"] = resource
    return one_response(response, resource if resource.get("resourceType") == "Bundle" else None)


def refused(error: CareLedgerError) -> Resource:
    """Why it was refused."""
    return one_response({"status": str(outcomes.kind_of(error).status), "outcome": outcomes.refusal(error)})


def one_response(response: Resource, resource: Resource | None = None) -> Resource:
    """A batch-response of one entry."""
    entry = {"response": response} if resource is None else {"response": response, "resource": resource}
    return {"resourceType": "Bundle", "type": "batch-response", "entry": [entry]}
