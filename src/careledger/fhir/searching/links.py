"""References: by id, by type and id, by URL, by identifier, and what they lead to."""

from __future__ import annotations

import re
from typing import Any

from careledger.fhir.fhirpath.compiled import Scope
from careledger.fhir.fhirpath.naming import Resolve, resource_of, text_of
from careledger.fhir.references import Form, taken_apart
from careledger.fhir.searching.elements import Element
from careledger.fhir.searching.texts import is_canonical
from careledger.fhir.searching.tokens import tokens
from careledger.fhir.searching.values import Made, Test, malformed, plain

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:\S+")
_NAMING = ("Reference", "canonical", "uri", "Resource")


def references(name: str, text: str, modifier: str, base: str) -> Made:
    """Makes the test of a reference parameter's value.

    ``modifier`` is empty, "identifier" or the type that is meant; ``base`` the address under which this server's
    own resources are found, so that absolute references to them are relative ones.
    """
    if modifier == "identifier":
        inner = tokens(name, text, "")(Element(lambda this, scope: [], "Identifier"))
        return lambda element: _identified(inner) if inner and element.type == "Reference" else None
    asked = local(plain(text), base)
    if modifier and _ID.fullmatch(asked):
        asked = f"{modifier}/{asked}"
    if not _is_reference(asked):
        raise malformed(name, "not a reference")
    if modifier and not _is_of(asked, modifier):
        raise malformed(f"{name}:{modifier}", "a reference to another type")
    return lambda element: _test(element, asked, base)


def local(text: str, base: str) -> str:
    """A reference to something under ``base`` as the relative one."""
    return text[len(base) :].lstrip("/") if base and text.startswith(base) else text


def asking(resolve: Resolve, base: str) -> Resolve:
    """``resolve`` asked without the address of this server and without the version that a reference pins."""
    return lambda text: resolve(local(text, base).partition("/_history/")[0])


def _is_reference(asked: str) -> bool:
    """Whether this is an id, a type and an id, or a URI."""
    taken = taken_apart(asked)
    return bool(_ID.fullmatch(asked) or _URI.fullmatch(asked) or (taken and taken.form is Form.RELATIVE))


def _is_of(asked: str, kind: str) -> bool:
    taken = taken_apart(asked)
    return taken is None or taken.type in ("", kind)


def _identified(inner: Test) -> Test:
    return lambda item, scope: isinstance(item, dict) and inner(item.get("identifier"), scope)


def _test(element: Element, asked: str, base: str) -> Test | None:
    if element.type == "Resource":
        return lambda item, scope: _names(key_of(item), asked)
    if element.type not in _NAMING:
        return None

    def same(item: Any, scope: Scope) -> bool:
        text = local(text_of(item), base)
        return bool(text) and (_names(text, asked) or _found(text, asked, scope))

    return same


def _names(text: str, asked: str) -> bool:
    """Whether a reference's text is what was asked for: itself, its id, itself without the version that it pins."""
    if text == asked or is_canonical(text, asked):
        return True
    if "/" not in asked:
        kind, _, rest = text.partition("/")
        return rest.partition("/")[0] == asked and kind.isalpha()
    return text.partition("/_history/")[0] == asked


def _found(text: str, asked: str, scope: Scope) -> bool:
    """The same of what is found under a reference that does not say its type and id here, a URN for example."""
    if text.startswith("#"):
        return False
    taken = taken_apart(text)
    if taken is None or taken.form is Form.RELATIVE:
        return False
    return _names(key_of(scope.resolve(text)), asked)


def key_of(resource: Any) -> str:
    """``Type/id`` of a resource; empty if it has none."""
    kind, name = (
        (resource.get("resourceType"), resource.get("id")) if isinstance(resource, dict) else (None, None)
    )
    return f"{kind}/{name}" if isinstance(kind, str) and isinstance(name, str) else ""


def followed(element: Element, item: Any, scope: Scope) -> Any:
    """The resource that one value of a reference parameter leads to; None if the reader sees none."""
    if element.type == "Resource":
        return item
    return resource_of(item, scope.resource, scope.resolve) if element.type in _NAMING else None


def target_of(element: Element, item: Any, scope: Scope, base: str) -> str:
    """``Type/id`` of what one value of a reference parameter names, as far as it can be said; else empty."""
    if element.type == "Resource":
        return key_of(item)
    text = local(text_of(item), base) if element.type in _NAMING else ""
    taken = taken_apart(text)
    if taken and taken.form is Form.RELATIVE:
        return taken.unversioned
    return "" if text.startswith("#") or not text else key_of(scope.resolve(text))
