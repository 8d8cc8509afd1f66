"""The OpenAPI 3.1 document, made of the rows alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import msgspec

from careledger.domain.errors import ContentRefused, TooLarge
from careledger.gateway import outcomes
from careledger.gateway.api.problems import PROBLEM, TYPES, Problem, title_of, type_of
from careledger.gateway.api.rows import BASE, PARTS, Row
from careledger.gateway.repeats import HEADER, KEY

Document = dict[str, Any]
_REFERENCE = "#/components/schemas/{name}"
_RETRY = {"Retry-After": {"description": "Seconds after which to ask again.", "schema": {"type": "integer"}}}

_KEY = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "Repeated with the same key within a week, the same request is carried out once and answered alike.",
    "schema": {"type": "string", "pattern": f"^{KEY}$"},
}


def document(rows: Sequence[Row]) -> Document:
    """The whole document, as JSON values."""
    kinds = [kind for row in rows for kind in (row.gives, row.takes, row.query) if kind is not None]
    _, made = msgspec.json.schema_components([*kinds, Problem], ref_template=_REFERENCE)
    schemas: Document = _plain(made)
    paths: dict[str, Document] = defaultdict(dict)
    for row in rows:
        paths[row.path][row.method.lower()] = _operation(row, schemas)
    queries = {row.query.__name__ for row in rows}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "CareLedger",
            "version": f"1 (CareLedger {version('careledger')})",
            "summary": "What FHIR has no resource for, for an organisation's programs and patients' agents.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": BASE}],
        "security": [{"token": []}],
        "tags": [{"name": name} for name in sorted({_tag(row) for row in rows})],
        "paths": dict(paths),
        "components": {
            "schemas": {name: schema for name, schema in schemas.items() if name not in queries},
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A post's token, from `careledger token issue`.",
                }
            },
        },
    }


def _operation(row: Row, schemas: Document) -> Document:
    made: Document = {
        "operationId": row.name,
        "summary": row.summary,
        "description": _whose(row),
        "tags": [_tag(row)],
        "parameters": [
            *map(_part, row.parts),
            *_query(schemas[row.query.__name__]),
            *([_KEY] if row.once else []),
        ],
        "responses": {
            str(row.status): {
                "description": "Done.",
                "content": {
                    "application/json": {"schema": _schema(row.gives)},
                    **({row.also: {"schema": {"type": "string"}}} if row.also else {}),
                },
            },
            **_refusals(row),
        },
    }
    if row.open:
        made["security"] = []
    if row.later:
        made["responses"]["202"] = made["responses"][str(row.status)] | {
            "description": "Taken, and not done yet."
        }
    if row.takes is not None:
        content = {"application/json": {"schema": _schema(row.takes)}}
        made["requestBody"] = {"required": True, "content": content}
    return made


def _tag(row: Row) -> str:
    return row.path.split("/")[1] or "about"


def _plain(said: Any) -> Any:
    """The same with a tuple of one kind as a list of that length: what generators of clients know."""
    if isinstance(said, list):
        return [_plain(each) for each in said]
    if not isinstance(said, dict):
        return said
    made = {name: _plain(each) for name, each in said.items()}
    parts = made.get("prefixItems")
    if parts and all(each == parts[0] for each in parts) and made.get("items") is False:
        made["items"] = made.pop("prefixItems")[0]
    return made


def _whose(row: Row) -> str:
    if row.open:
        return "For everybody, without a token: what is sent counts by its own signatures and seals."
    return "For every post." if row.may is None else f"For posts that act as {_roles(row)}."


def _roles(row: Row) -> str:
    return " or ".join(sorted(each.code for each in row.may or ()))


def _schema(kind: Any) -> Document:
    (reference,), _ = msgspec.json.schema_components([kind], ref_template=_REFERENCE)
    return dict(reference)


def _part(name: str) -> Document:
    part = PARTS[name]
    schema = {"type": "string", "pattern": f"^{part.pattern}$"}
    return {"name": name, "in": "path", "required": True, "description": part.says, "schema": schema}


def _query(schema: Document) -> list[Document]:
    made, needed = [], set(schema.get("required", ()))
    for name, each in schema["properties"].items():
        said = {key: value for key, value in each.items() if key != "description"}
        made.append(
            {
                "name": name,
                "in": "query",
                "required": name in needed,
                "description": each["description"],
                "schema": said,
            }
        )
    return made


def _refusals(row: Row) -> Document:
    """By status, with the types of problems that come with it."""
    by_status: dict[int, list[str]] = defaultdict(list)
    by_status[421].append("`misdirected`: Ask under a name of loopback.")
    by_status[500].append("`unexpected`: Something is wrong here.")
    for kind in [*row.refused, *((ContentRefused, TooLarge) if row.takes else ())]:
        by_status[outcomes.status_of(kind)].append(f"`{type_of(kind)}`: {title_of(kind)}")
    content = {PROBLEM: {"schema": {"$ref": _REFERENCE.format(name="Problem")}}}
    made = {}
    for status, said in sorted(by_status.items()):
        made[str(status)] = {
            "description": "\n".join([f"Problem of type {TYPES}…", *said]),
            "content": content,
        }
        if status in (429, 503):
            made[str(status)]["headers"] = _RETRY
    return made
