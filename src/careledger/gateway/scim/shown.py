"""What is shown of a resource: its version, the attributes that were asked for, and whether it answers a filter."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from careledger.domain.errors import ScimRefused, VersionConflict
from careledger.formats.digests import digest

ALWAYS = {"schemas", "id"}
_EQUALS = re.compile(r'\s*([A-Za-z.]+)\s+eq\s+"((?:[^"\\]|\\["\\])*)"\s*', re.IGNORECASE)


def versioned(resource: dict[str, Any]) -> dict[str, Any]:
    """The resource with its version (RFC 7643, 3.1), which is another one whenever anything that is shown of it is."""
    said = {name: value for name, value in resource.items() if name != "meta"}
    made = digest("scim-version", json.dumps(said, sort_keys=True).encode())
    return resource | {"meta": resource["meta"] | {"version": f'W/"{made[:16].hex()}"'}}


def check_version(resource: Mapping[str, Any], said: str | None) -> None:
    """Raises VersionConflict where If-Match names other versions than the one that is there now."""
    if said is not None and not is_one_of(resource, said):
        raise VersionConflict()


def is_one_of(resource: Mapping[str, Any], said: str) -> bool:
    """Whether a header's list of ETags names this version, or any."""
    opaque = resource["meta"]["version"].removeprefix("W/")
    named = [each.strip().removeprefix("W/") for each in said.split(",")]
    return "*" in named or opaque in named


def narrowed(resource: dict[str, Any], query: Mapping[str, str]) -> dict[str, Any]:
    """What of it ``attributes`` or ``excludedAttributes`` leave (RFC 7644, 3.9), by whole attributes; raises
    ScimRefused."""
    if "attributes" in query and "excludedAttributes" in query:
        raise ScimRefused(scim="invalidValue", why="attributes and excludedAttributes at once")
    if "attributes" in query:
        kept = _named(query["attributes"], resource) | ALWAYS
        return {name: value for name, value in resource.items() if name in kept}
    left = _named(query.get("excludedAttributes", ""), resource) - ALWAYS
    return {name: value for name, value in resource.items() if name not in left}


def _named(said: str, resource: Mapping[str, Any]) -> set[str]:
    """The attributes of the resource that a list of paths names, each by its schema or not, in any case."""
    prefixes = [f"{each}:".casefold() for each in resource["schemas"]]
    found = set()
    for path in (each.strip().casefold() for each in said.split(",")):
        short = next((path.removeprefix(each) for each in prefixes[:1] if path.startswith(each)), path)
        for name in resource:
            known = name.casefold()
            if short.split(".")[0] == known or short == known or short.startswith(f"{known}:"):
                found.add(name)
    return found


def filtered(said: str, allowed: Iterable[str]) -> tuple[str, str]:
    """The attribute and the value that ``attribute eq "value"`` asks for; raises ScimRefused."""
    found, names = _EQUALS.fullmatch(said), {each.casefold(): each for each in allowed}
    if found is None or found[1].casefold() not in names:
        raise ScimRefused(
            scim="invalidFilter", why=f'only {", ".join(names.values())}, eq "…", is searched by'
        )
    return names[found[1].casefold()], re.sub(r"\\(.)", r"\1", found[2])


def whole(query: Mapping[str, str], name: str, otherwise: int) -> int:
    """A whole number of the query; raises ScimRefused."""
    said = query.get(name, str(otherwise))
    if not re.fullmatch(r"-?[0-9]{1,9}", said, re.ASCII):
        raise ScimRefused(scim="invalidValue", why=f"{name}: no whole number")
    return int(said)
