"""Bundles and the OperationOutcomes in them: what was found, and what is never said by leaving it out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from careledger.domain.categories import Compartment
from careledger.domain.errors import CareLedgerError
from careledger.fhir.export import unnamed
from careledger.fhir.json_text import Number, Resource
from careledger.gateway import outcomes
from careledger.gateway.http import CREATED, Answer, Answered, location
from careledger.gateway.outcomes import outcome
from careledger.gateway.own.showing import Removed, instant
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
    made += [{**unnamed(each, at), "search": {"mode": "outcome"}} for at, each in enumerate(said)]
    return _bundle("searchset", made, total, links)


def history(
    base: str,
    versions: Sequence[tuple[Shown, bool]],
    part: Callable[[Resource], Resource],
    total: int,
    links: Mapping[str, str],
) -> Resource:
    """Versions of one record, each with whether it is the first, as much of each as is wanted; ``total`` of them."""
    made = [_past(base, shown, first, part(shown.resource)) for shown, first in versions]
    return _bundle("history", made, total, links)


def histories(
    base: str,
    versions: Sequence[tuple[Shown, bool] | Removed],
    links: Mapping[str, str],
    said: Iterable[Resource],
) -> Resource:
    """A page of versions of several records, each with whether it is its record's first, and of records that were
    taken back; without their number."""
    made = [
        _removed(base, each) if isinstance(each, Removed) else _past(base, *each, each[0].resource)
        for each in versions
    ]
    asked: Entry = {"request": {"method": "GET", "url": "_history"}, "response": {"status": "200"}}
    made += [{**unnamed(each, at), **asked} for at, each in enumerate(said)]
    return _bundle("history", made, None, links)


def _removed(base: str, each: Removed) -> Entry:
    response = {"status": "204", **({"lastModified": instant(each.at)} if each.at else {})}
    request = {"method": "DELETE", "url": each.path}
    return {"fullUrl": f"{base}/{each.path}", "request": request, "response": response}


def _past(base: str, shown: Shown, first: bool, resource: Resource) -> Entry:
    request = {"method": "POST", "url": shown.type} if first else {"method": "PUT", "url": shown.path}
    response = {"status": "201" if first else "200", "etag": shown.etag}
    if shown.updated:
        response["lastModified"] = shown.updated
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


def became(base: str, made: Answer) -> Resource:
    """What a request that nobody waited for led to: where a version is, not what it says, or the Bundle of answers."""
    response: Resource = {"status": str(made.status)}
    if not isinstance(made, Answered):
        return one_response(response)
    if made.shown is not None and (made.shown.version != "0" or made.status == CREATED):
        response |= {"location": location(base, made.shown), "etag": made.shown.etag}
    elif "Location" in made.headers:
        response["location"] = made.headers["Location"]
    resource = made.resource or {}
    if resource.get("resourceType") == "OperationOutcome":
        response["outcome"] = resource
    return one_response(
        response, _without_records(resource) if resource.get("resourceType") == "Bundle" else None
    )


def _without_records(bundle: Resource) -> Resource:
    """The answers of a batch as they are kept: nothing that it read stays here after who asked might not read it."""
    kept = [
        {name: each for name, each in entry.items() if name != "resource"}
        for entry in bundle.get("entry", ())
    ]
    return {**bundle, "entry": kept} if kept else bundle


def refused(error: CareLedgerError) -> Resource:
    """Why it was refused."""
    return one_response({"status": str(outcomes.kind_of(error).status), "outcome": outcomes.refusal(error)})


def one_response(response: Resource, resource: Resource | None = None) -> Resource:
    """A batch-response of one entry."""
    entry = {"response": response} if resource is None else {"response": response, "resource": resource}
    return {"resourceType": "Bundle", "type": "batch-response", "entry": [entry]}
