"""A request under /scim/v2 that was read, and what all answers share: the worker's desk, lists, versions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from careledger.app.identity.employing import Desk as Employing
from careledger.app.tokens import Bearer
from careledger.gateway.desk import Desk
from careledger.gateway.scim import about
from careledger.gateway.scim.shown import check_version, is_one_of, narrowed, whole
from careledger.workflows.actors import Organisation

MOST_SHOWN = 200
UNCHANGED = 304


@dataclass(frozen=True, repr=False)
class Asked:
    """Who asks, the path's parts, query, headers in lower case, and the body."""

    who: Bearer
    parts: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: dict[str, Any]

    @property
    def employer(self) -> Organisation:
        """Whose staff it is about."""
        return self.who.staff.organisation


@dataclass(frozen=True, repr=False)
class Answer:
    """Status, body, and the headers that go with it."""

    status: int
    body: dict[str, Any] | None
    headers: Mapping[str, str] = field(default_factory=dict)


Act = Callable[[Asked], Answer]


class Shared:
    """What acts on Users and Groups have in common."""

    def __init__(self, desk: Desk, base: str) -> None:
        """``base`` is the address above /Users."""
        self._desk, self._base = desk, base

    @property
    def _employing(self) -> Employing:
        world = self._desk.world
        return Employing(world.network, world.keyring, world.clock.now())


def one(asked: Asked, resource: dict[str, Any], status: int = 200) -> Answer:
    """A resource with its version; raises ScimRefused."""
    headers = {"ETag": resource["meta"]["version"]}
    if status == 201:
        headers["Location"] = resource["meta"]["location"]
    said = asked.headers.get("if-none-match")
    if "if-none-match" in asked.headers and not asked.body and is_one_of(resource, said or ""):
        return Answer(UNCHANGED, None, headers)
    return Answer(status, narrowed(resource, asked.query), headers)


def current(asked: Asked, resource: dict[str, Any]) -> dict[str, Any]:
    """The resource that is to be changed; raises VersionConflict where If-Match says that another one was meant."""
    check_version(resource, asked.headers.get("if-match"))
    return resource


def page(asked: Asked, found: list[Any], shown: Callable[[list[Any]], Iterable[dict[str, Any]]]) -> Answer:
    """A page of a list; ``shown`` makes resources of its part alone. Raises ScimRefused."""
    start = max(1, whole(asked.query, "startIndex", 1))
    count = max(0, whole(asked.query, "count", MOST_SHOWN))
    part = found[start - 1 : start - 1 + min(count, MOST_SHOWN)]
    made = [narrowed(each, asked.query) for each in shown(part)]
    return Answer(200, about.listed(made, len(found), start))
