"""A team as a SCIM Group (RFC 7643, 4.2) and back.

Of a Group these attributes count: displayName, externalId and members, who are Users. Where a team hangs is none of
them: that is the role tree's, under /api/v1/teams.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from careledger.app.identity.employing import Listed
from careledger.app.identity.grouping import Group, WantedGroup
from careledger.domain.errors import ScimRefused
from careledger.gateway.scim.shown import versioned
from careledger.gateway.scim.users import text

GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
FILTERS = ("displayName", "externalId", "id", "members.value")
MOST_MEMBERS = 2_000
_KNOWN = ("displayName", "externalId", "members")


def resource(group: Group, base: str) -> dict[str, Any]:
    """The Group; ``base`` is the address above /Groups."""
    made: dict[str, Any] = {
        "schemas": [GROUP],
        "id": f"{group.number:016x}",
        "displayName": group.label,
        "members": [_member(each, base) for each in group.members],
        "meta": {"resourceType": "Group", "location": f"{base}/Groups/{group.number:016x}"},
    }
    return versioned(made | ({"externalId": group.external} if group.external else {}))


def wanted(said: Mapping[str, Any], staff: Iterable[Listed]) -> WantedGroup:
    """What a team is to be; ``staff`` are those who may be in it. Raises ScimRefused."""
    given = canonical(said)
    members = [] if given.get("members") is None else given["members"]
    if not isinstance(members, list) or len(members) > MOST_MEMBERS:
        raise ScimRefused(scim="invalidValue", why=f"members: no list of at most {MOST_MEMBERS}")
    known = {each.id.hex(): each for each in staff}
    ids = dict.fromkeys(_id(each) for each in members)
    if not set(ids) <= set(known):
        raise ScimRefused(scim="invalidValue", why="members: somebody who is no User here, or has left")
    name = text(given, "displayName", needed=True)
    return WantedGroup(name, text(given, "externalId"), tuple(known[each] for each in ids))


def canonical(said: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that count, by their names as the schema writes them, which are alike in any case."""
    names = {each.casefold(): each for each in _KNOWN}
    return {names[key.casefold()]: value for key, value in said.items() if key.casefold() in names}


def says(group: Group, name: str, value: str) -> bool:
    """Whether a Group answers a filter."""
    if name == "displayName":
        return group.label.casefold() == value.strip().casefold()
    if name == "members.value":
        return any(each.id.hex() == value for each in group.members)
    return value == (f"{group.number:016x}" if name == "id" else group.external)


def _member(who: Listed, base: str) -> dict[str, Any]:
    return {"value": who.id.hex(), "$ref": f"{base}/Users/{who.id.hex()}", "type": "User"}


def _id(said: Any) -> str:
    """The User that an entry of members names."""
    given = (
        {key.casefold(): value for key, value in said.items()} if isinstance(said, dict) else {"value": said}
    )
    value = given.get("value")
    if str(given.get("type") or "User").casefold() != "user" or not isinstance(value, str):
        raise ScimRefused(scim="invalidValue", why="members: an entry that names no User")
    return value


# PATCH (RFC 7644, 3.5.2) -------------------------------------------------------------------------

_ONE = re.compile(r'members\[\s*value\s+eq\s+"([0-9a-f]{1,64})"\s*\]', re.IGNORECASE)


def patched(group: dict[str, Any], operations: Iterable[tuple[str, Any, Any]]) -> dict[str, Any]:
    """The Group as the operations leave it; raises ScimRefused."""
    made = dict(group)
    for act, path, value in operations:
        if path is None:
            if act == "remove" or not isinstance(value, dict):
                raise ScimRefused(scim="noTarget", why="an operation without a path needs an object")
            for name, inner in canonical(value).items():
                _one(made, act, name, inner)
        else:
            _one(made, act, str(path), value)
    return made


def _one(group: dict[str, Any], act: str, path: str, value: Any) -> None:
    short = path[len(GROUP) + 1 :] if path.casefold().startswith(f"{GROUP}:".casefold()) else path
    name = {each.casefold(): each for each in _KNOWN}.get(short.casefold())
    chosen = _ONE.fullmatch(short)
    if chosen is not None and act == "remove":
        group["members"] = [each for each in group["members"] if _id(each) != chosen[1].lower()]
    elif name is None:
        raise ScimRefused(scim="invalidPath", why="a path names an attribute that does not count here")
    elif name == "members":
        group["members"] = _members(group["members"], act, value)
    elif act == "remove" and name == "displayName":
        raise ScimRefused(scim="mutability", why="displayName cannot be removed")
    else:
        group[name] = None if act == "remove" else value


def _members(there: list[Any], act: str, value: Any) -> list[Any]:
    """Of ``remove`` without a value: nobody; with one, which some directories send: whoever it does not name."""
    said = [] if value is None else value if isinstance(value, list) else [value]
    if act == "add":
        return [*there, *said]
    if act == "replace":
        return said
    ids = {_id(each) for each in said}
    return [each for each in there if value is not None and _id(each) not in ids]
