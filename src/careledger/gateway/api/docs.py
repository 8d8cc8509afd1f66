"""The page about /api/v1, made of the OpenAPI document.

All of it is readable without scripts; one small script, served from here alone, sends what the forms say. Nothing is
loaded from elsewhere, and the token is kept nowhere.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from html import escape
from importlib.resources import files as packaged
from typing import Any

from careledger.gateway.api.problems import SAFE
from careledger.gateway.api.rows import BASE

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {**SAFE, "Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"}
Document = dict[str, Any]


def files(document: Document) -> dict[str, tuple[bytes, str]]:
    """What is served without a token, by its place below /api/v1: bytes and media type."""
    page = _page(document)
    return {
        "/openapi.json": (json.dumps(document).encode(), "application/json"),
        "/docs": (page.encode(), "text/html; charset=utf-8"),
        "/docs/page.js": (_file("page.js"), "text/javascript; charset=utf-8"),
        "/docs/page.css": (_file("page.css"), "text/css; charset=utf-8"),
    }


def _file(name: str) -> bytes:
    return packaged("careledger.gateway.api").joinpath(name).read_bytes()


def _page(document: Document) -> str:
    info, schemas = document["info"], document["components"]["schemas"]
    by_tag: dict[str, list[str]] = defaultdict(list)
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            by_tag[operation["tags"][0]].append(_operation(method, path, operation, schemas))
    sections = "".join(_section(tag, operations) for tag, operations in by_tag.items())
    shapes = "".join(_shape(name, schema) for name, schema in sorted(schemas.items()))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>CareLedger, /api/v1</title>'
        '<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="docs/page.css"></head><body>'
        f"<h1>CareLedger, <code>{BASE}</code></h1><p>{escape(info['summary'])} Version {escape(info['version'])}. "
        f'The same for programs: <a href="openapi.json">openapi.json</a>.</p>'
        '<p><label>Token <input id="token" type="password" autocomplete="off" spellcheck="false" size="50"></label> '
        "Kept in this page only, gone when it is closed.</p>"
        f'{sections}<h2 id="schemas">Schemas</h2>{shapes}<script src="docs/page.js"></script></body></html>'
    )


def _section(tag: str, operations: Iterable[str]) -> str:
    return f'<h2 id="about-{escape(tag)}">{escape(tag)}</h2>{"".join(operations)}'


def _operation(method: str, path: str, operation: Document, schemas: Document) -> str:
    fields = "".join(map(_field, operation["parameters"])) + _body(operation.get("requestBody"), schemas)
    replies = "".join(_reply(status, each) for status, each in operation["responses"].items())
    return (
        f'<details id="{escape(operation["operationId"])}"><summary><b>{method.upper()}</b> '
        f"<code>{escape(path)}</code> {escape(operation['summary'])}</summary>"
        f"<p>{escape(operation['description'])}</p>"
        f'<form data-method="{method.upper()}" data-path="{escape(BASE + path)}">{fields}'
        "<button>Ask</button><output></output></form>"
        f"<table><tr><th>status</th><th>answer</th></tr>{replies}</table></details>"
    )


def _field(parameter: Document) -> str:
    name, schema = escape(parameter["name"]), parameter["schema"]
    limits = ", ".join(f"{key} {value}" for key, value in schema.items() if key not in ("type", "anyOf"))
    return (
        f'<p><label><code>{name}</code> <input name="{name}" data-in="{parameter["in"]}" autocomplete="off"'
        f"{' required' if parameter['required'] else ''}></label> {escape(parameter['description'])} "
        f"<small>{escape(limits)}</small></p>"
    )


def _body(body: Document | None, schemas: Document) -> str:
    if body is None:
        return ""
    schema = body["content"]["application/json"]["schema"]
    begun = escape(json.dumps(_example(schema, schemas), indent=2))
    return (
        f"<p><label>Body, {_named(schema)}<br>"
        f'<textarea name="body" data-in="body" rows="8" cols="80" spellcheck="false">{begun}</textarea></label></p>'
    )


def _example(schema: Document, schemas: Document) -> Any:
    """Every member of a body, as it is if nothing is said or else empty, for a person to fill in."""
    if "$ref" in schema:
        return _example(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if "default" in schema:
        return schema["default"]
    if schema.get("type") == "object":
        members: Document = schema.get("properties", {})
        return {name: _example(each, schemas) for name, each in members.items()}
    return {"array": [], "integer": schema.get("minimum", 0), "boolean": False}.get(
        schema.get("type", ""), ""
    )


def _reply(status: str, reply: Document) -> str:
    lines = "<br>".join(escape(line) for line in reply["description"].splitlines())
    kinds = "".join(f"<br>{_named(each['schema'])}" for each in reply["content"].values())
    return f"<tr><td>{status}</td><td>{lines}{kinds}</td></tr>"


def _named(schema: Document) -> str:
    if "$ref" not in schema:
        return escape(schema["type"])
    name = escape(schema["$ref"].rpartition("/")[2])
    return f'<a href="#schema-{name}">{name}</a>'


def _shape(name: str, schema: Document) -> str:
    shown = escape(json.dumps(schema, indent=2, ensure_ascii=False))
    title = escape(name)
    return f'<details id="schema-{title}"><summary><code>{title}</code></summary><pre>{shown}</pre></details>'
