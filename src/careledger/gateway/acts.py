"""The entries of a transaction: each as the request that it would be by itself, and what it is about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from careledger.app.tokens import Bearer
from careledger.domain.errors import CareLedgerError, FhirRefused, TypeUnknown
from careledger.fhir.definitions.tables import resource_types
from careledger.gateway.answering import asked_by, route
from careledger.gateway.deciding import Removal, Update
from careledger.gateway.desk import Desk
from careledger.gateway.entries import Sent
from careledger.gateway.http import Asked
from careledger.gateway.linking import plain
from careledger.gateway.outcomes import ENTRY
from careledger.gateway.views import Shown


@dataclass(repr=False)
class Act:
    """One entry: as a request of its own, what it is about once that is known, and its body as it will be read."""

    sent: Sent
    asked: Asked
    body: bytes
    alias: bytes | None = None
    current: Shown | None = None
    update: Update | None = None
    version: str = ""
    removal: Removal | None = None
    handles: tuple[bytes, ...] = ()

    @property
    def by_search(self) -> bool:
        """Whether it names its record by a search."""
        return "id" not in self.asked.path and self.sent.method != "POST"

    @property
    def path(self) -> str:
        """The record that is changed."""
        assert self.current is not None
        return self.current.path


@contextmanager
def at(act: Act | Sent) -> Iterator[None]:
    """Whatever is refused is that entry."""
    try:
        yield
    except CareLedgerError as error:
        error.details.setdefault(ENTRY, act.where if isinstance(act, Sent) else act.sent.where)
        raise


def act_of(desk: Desk, who: Bearer, asked: Asked, each: Sent) -> Act:
    """One entry, which the token's scopes reach; raises FhirRefused for what is not answered here."""
    with at(each):
        creates = each.method == "POST"
        if creates and each.path.rpartition("/")[2] not in ("", each.kind):
            raise FhirRefused(
                path="request.url", problem="only what creates is taken by POST in a transaction"
            )
        handler, path = route(desk, replace(each, request=None) if creates else each)
        inner = asked_by(asked, each, handler, path)
        if not creates and "kind" in path and path["kind"] not in resource_types():
            raise TypeUnknown()
        if each.method == "PUT" and path["kind"] != each.kind:
            raise FhirRefused(path="resourceType", problem=f"not one {path['kind']}")
        handler.check(who, inner)
        return Act(each, inner, plain(each.body))
