"""What a directory is told of this server (RFC 7643, 5 to 7)."""

from __future__ import annotations

from typing import Any

from careledger.domain.errors import RecordNotFound
from careledger.domain.parties import POST_ROLES
from careledger.gateway.scim.groups import GROUP
from careledger.gateway.scim.users import STAFF, USER

LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
_SCHEMAS = "urn:ietf:params:scim:schemas:core:2.0"


def configuration(base: str, most: int) -> dict[str, Any]:
    """ServiceProviderConfig."""
    no = {"supported": False}
    bearer = {
        "type": "oauthbearertoken",
        "name": "Bearer token",
        "description": "Of a post with the role operator.",
    }
    return {
        "schemas": [f"{_SCHEMAS}:ServiceProviderConfig"],
        "patch": {"supported": True},
        "bulk": {"supported": False, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": True, "maxResults": most},
        "changePassword": no,
        "sort": no,
        "etag": {"supported": True},
        "authenticationSchemes": [bearer],
        "meta": {"resourceType": "ServiceProviderConfig", "location": f"{base}/ServiceProviderConfig"},
    }


def kinds(base: str) -> list[dict[str, Any]]:
    """ResourceTypes."""
    staff = [{"schema": STAFF, "required": False}]
    return [
        _kind(base, "User", "/Users", USER, "Somebody who works here, and the post that they have.", staff),
        _kind(base, "Group", "/Groups", GROUP, "A team of the organisation; consents may name it.", []),
    ]


def schemas(base: str) -> list[dict[str, Any]]:
    """Schemas: the attributes that count."""
    fixed = {"mutability": "immutable"}
    shown = {"mutability": "readOnly"}
    role = [
        _attribute(
            "value", "A role.", required=True, canonicalValues=sorted(each.code for each in POST_ROLES)
        )
    ]
    groups = [
        _attribute("value", "The Group's id.", **shown),
        _attribute("$ref", "Where it is.", type="reference", referenceTypes=["Group"], **shown),
        _attribute("display", "Its displayName.", **shown),
        _attribute("type", "Always direct.", canonicalValues=["direct"], **shown),
    ]
    members = [
        _attribute("value", "The User's id.", **fixed),
        _attribute("$ref", "Where the User is.", type="reference", referenceTypes=["User"], **fixed),
        _attribute("type", "Always User.", canonicalValues=["User"], **fixed),
    ]
    user = [
        _attribute("userName", "The login, in any case.", required=True, uniqueness="server"),
        _attribute("displayName", "What the post is called, once it is made."),
        _attribute("active", "Whether somebody works here; false ends the post at once.", type="boolean"),
        _many(
            "roles", "What the post acts as; others end the post and give another one.", role, required=True
        ),
        _many("groups", "The teams that somebody was put into.", groups, **shown),
    ]
    group = [
        _attribute("displayName", "What the team is called.", required=True, uniqueness="server"),
        _many("members", "Who was put into it itself.", members),
    ]
    licence = [_attribute("licence", "The number of the licence to practise.", caseExact=True)]
    return [
        _schema(base, USER, "User", user), _schema(base, GROUP, "Group", group), _schema(base, STAFF, "Staff", licence)
    ]  # fmt: skip


def one(found: list[dict[str, Any]], id: str) -> dict[str, Any]:
    """The one of that id; raises RecordNotFound."""
    for each in found:
        if each["id"] == id:
            return each
    raise RecordNotFound()


def listed(found: list[dict[str, Any]], total: int | None = None, start: int = 1) -> dict[str, Any]:
    """A ListResponse."""
    return {
        "schemas": [LIST],
        "totalResults": len(found) if total is None else total,
        "startIndex": start,
        "itemsPerPage": len(found),
        "Resources": found,
    }


def _kind(
    base: str, name: str, place: str, schema: str, says: str, more: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "schemas": [f"{_SCHEMAS}:ResourceType"],
        "id": name,
        "name": name,
        "description": says,
        "endpoint": place,
        "schema": schema,
        "schemaExtensions": more,
        "meta": {"resourceType": "ResourceType", "location": f"{base}/ResourceTypes/{name}"},
    }


def _schema(base: str, id: str, name: str, attributes: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "schemas": [f"{_SCHEMAS}:Schema"],
        "id": id,
        "name": name,
        "description": name,
        "attributes": attributes,
        "meta": {"resourceType": "Schema", "location": f"{base}/Schemas/{id}"},
    }


def _many(name: str, says: str, parts: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return _attribute(name, says, type="complex", multiValued=True, subAttributes=parts, **more)


def _attribute(name: str, says: str, **more: Any) -> dict[str, Any]:
    usual = {
        "name": name, "description": says, "type": "string", "multiValued": False, "required": False,
        "caseExact": False, "mutability": "readWrite", "returned": "default", "uniqueness": "none",
    }  # fmt: skip
    return usual | more
