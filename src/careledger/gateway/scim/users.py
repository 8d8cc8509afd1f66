"""A member of staff as a SCIM User (RFC 7643, 4.1) and back.

Of a User these attributes count: userName (the login), displayName or name, externalId, active, roles, and the licence
of our own extension. Whatever else a directory says is taken and not kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from careledger.app.identity.employing import Listed, Wanted
from careledger.domain.errors import ScimRefused
from careledger.domain.parties import POST_ROLES, Role
from careledger.gateway.api.times import moment
from careledger.gateway.scim.shown import versioned
from careledger.workflows.teams import Team

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
STAFF = "urn:careledger:scim:2.0:Staff"
MOST = {"userName": 200, "displayName": 100, "externalId": 200, "licence": 64}
_ROLES = {role.code: role for role in POST_ROLES}
_KNOWN = ("userName", "displayName", "name", "externalId", "active", "roles", STAFF)


def resource(who: Listed, base: str, teams: Iterable[Team]) -> dict[str, Any]:
    """The User, with those of the teams that it is in itself; ``base`` is the address above /Users."""
    member = who.member
    made: dict[str, Any] = {
        "schemas": [USER, STAFF],
        "id": who.id.hex(),
        "userName": member.login,
        "displayName": member.name,
        "active": member.active,
        "roles": [{"value": Role(each).code} for each in member.roles],
        "groups": [_group(each, base) for each in teams if member.post in each.posts],
        "meta": {
            "resourceType": "User",
            "created": moment(member.made),
            "lastModified": moment(member.changed),
            "location": f"{base}/Users/{who.id.hex()}",
        },
    }
    made |= {STAFF: {"licence": member.licence}} if member.licence else {}
    return versioned(made | ({"externalId": member.external} if member.external else {}))


def _group(team: Team, base: str) -> dict[str, Any]:
    place = f"{base}/Groups/{team.number:016x}"
    return {"value": f"{team.number:016x}", "$ref": place, "display": team.label, "type": "direct"}


def canonical(said: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that count, by their names as the schema writes them, which are alike in any case."""
    names = {each.casefold(): each for each in _KNOWN}
    return {names[key.casefold()]: value for key, value in said.items() if key.casefold() in names}


def wanted(said: Mapping[str, Any]) -> Wanted:
    """Who somebody is to be; raises ScimRefused."""
    given = canonical(said)
    login = text(given, "userName", needed=True)
    name = text(given, "displayName") or _formatted(given.get("name")) or login
    licence = text(_object(given.get(STAFF), STAFF), "licence")
    active = truth(given.get("active", True))
    roles = _roles(given.get("roles"))
    if active and not roles:
        raise ScimRefused(scim="invalidValue", why=f"roles: none of {', '.join(sorted(_ROLES))}")
    external = text(given, "externalId")
    return Wanted(login, name[: MOST["displayName"]], roles, licence, external, active=active)


def truth(said: Any) -> bool:
    """A boolean, or the word for it, as some directories write it; raises ScimRefused."""
    words = {"true": True, "false": False}
    if isinstance(said, str) and said.casefold() in words:
        return words[said.casefold()]
    if not isinstance(said, bool):
        raise ScimRefused(scim="invalidValue", why="active: neither true nor false")
    return said


def _roles(said: Any) -> tuple[Role, ...]:
    found = set()
    for each in [] if said is None else said if isinstance(said, list) else [said]:
        code = each.get("value") if isinstance(each, dict) else each
        if not isinstance(code, str) or code.casefold() not in _ROLES:
            raise ScimRefused(scim="invalidValue", why=f"roles: others than {', '.join(sorted(_ROLES))}")
        found.add(_ROLES[code.casefold()])
    return tuple(sorted(found))


def _formatted(said: Any) -> str:
    name = _object(said, "name")
    if "formatted" in name:
        return text({"displayName": name["formatted"]}, "displayName")
    parts = [name[each] for each in ("givenName", "familyName") if each in name]
    return text({"displayName": " ".join(map(str, parts))}, "displayName")


def _object(said: Any, name: str) -> dict[str, Any]:
    if said is not None and not isinstance(said, dict):
        raise ScimRefused(scim="invalidValue", why=f"{name}: no object")
    return dict(said or {})


def text(given: Mapping[str, Any], name: str, needed: bool = False) -> str:
    """What an attribute says, without spaces around it; raises ScimRefused for what is no printable text."""
    said = given.get(name)
    if said is None and not needed:
        return ""
    if not isinstance(said, str) or len(said) > MOST[name] or not said.isprintable():
        raise ScimRefused(
            scim="invalidValue", why=f"{name}: no printable text of at most {MOST[name]} characters"
        )
    if needed and not said.strip():
        raise ScimRefused(scim="invalidValue", why=f"{name}: empty")
    return said.strip()


FILTERS = ("userName", "externalId", "id")
