"""PATCH (RFC 7644, 3.5.2): operations, all of them or none; and what they do to a User."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from careledger.domain.errors import ScimRefused
from careledger.gateway.scim.users import STAFF, USER, canonical

OPERATION = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
MOST = 100
_WHOLE = ("userName", "displayName", "externalId", "active", "roles", STAFF)
_PATHS = {each.casefold(): each for each in _WHOLE}
_NAMED = {"name.formatted": "displayName", f"{STAFF}:licence".casefold(): STAFF}


def operations(body: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """What is to be done, to what, with what; raises ScimRefused."""
    said = {key.casefold(): value for key, value in body.items()}
    schemas, those = said.get("schemas"), said.get("operations")
    if not isinstance(schemas, list) or OPERATION not in schemas or not isinstance(those, list):
        raise ScimRefused(scim="invalidSyntax", why="it is no PatchOp with Operations")
    if not 0 < len(those) <= MOST or not all(isinstance(each, dict) for each in those):
        raise ScimRefused(scim="invalidSyntax", why=f"its Operations are no list of at most {MOST} objects")
    found = [{key.casefold(): value for key, value in each.items()} for each in those]
    acts = [str(each.get("op", "")).casefold() for each in found]
    if not set(acts) <= {"add", "replace", "remove"}:
        raise ScimRefused(scim="invalidSyntax", why="an op is none of add, replace, remove")
    return [(act, each.get("path"), each.get("value")) for act, each in zip(acts, found, strict=True)]


def patched(user: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """The User as the operations leave it; raises ScimRefused."""
    made = dict(user)
    for each in operations(body):
        _one(made, *each)
    return made


def _one(user: dict[str, Any], act: str, path: Any, value: Any) -> None:
    if path is None:
        _without_path(user, act, value)
        return
    name = _attribute(path)
    if act == "remove":
        if name in ("userName", "active"):
            raise ScimRefused(scim="mutability", why=f"{name} cannot be removed")
        user.pop(name, None)
    elif path.casefold() == f"{STAFF}:licence".casefold():
        user[STAFF] = {"licence": value}
    elif name == "roles" and act == "add":
        user["roles"] = [*_several(user.get("roles")), *_several(value)]
    else:
        user[name] = value


def _several(said: Any) -> list[Any]:
    return [] if said is None else said if isinstance(said, list) else [said]


def _without_path(user: dict[str, Any], act: str, value: Any) -> None:
    if act == "remove" or not isinstance(value, dict):
        raise ScimRefused(
            scim="noTarget", why="an operation without a path needs an object to add or replace"
        )
    for path, inner in value.items():
        if path.casefold() in _NAMED or path in canonical({path: inner}):
            _one(user, act, path, inner)


def _attribute(path: Any) -> str:
    known = path.casefold().removeprefix(f"{USER}:".casefold()) if isinstance(path, str) else ""
    if known == "groups":
        raise ScimRefused(scim="mutability", why="groups are changed at the Group")
    if known in _PATHS:
        return _PATHS[known]
    if known in _NAMED:
        return _NAMED[known]
    raise ScimRefused(scim="invalidPath", why="a path names an attribute that does not count here")
