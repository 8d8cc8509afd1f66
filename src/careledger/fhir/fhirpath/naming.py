"""What a reference in a resource names: its type as far as that can be told, and the resource itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from careledger.fhir.references import taken_apart

Resolve = Callable[[str], dict[str, Any] | None]


def text_of(item: Any) -> str:
    """What a Reference, a canonical or a URI says as its text; empty if it says none."""
    found = item.get("reference") if isinstance(item, dict) else item
    return found if isinstance(found, str) else ""


def resource_of(item: Any, holder: Any, resolve: Resolve) -> dict[str, Any] | None:
    """The resource that is named: contained in its holder, or what ``resolve`` finds for the text."""
    text = text_of(item)
    if text.startswith("#"):
        return _contained(holder, text[1:])
    return resolve(text) if text else None


def type_of(item: Any, holder: Any, resolve: Resolve) -> str:
    """The type of the resource that is named: as the text has it, else of what is found, else as stated beside it.

    So a reference to what the reader may not see has the type that the reader can see in it.
    """
    taken = taken_apart(text_of(item))
    if taken and taken.type:
        return taken.type
    found = resource_of(item, holder, resolve)
    stated = found.get("resourceType") if found else item.get("type") if isinstance(item, dict) else ""
    return stated if isinstance(stated, str) else ""


def _contained(holder: Any, name: str) -> dict[str, Any] | None:
    if not name:
        return holder if isinstance(holder, dict) else None
    inside = holder.get("contained") if isinstance(holder, dict) else None
    found = (each for each in inside or () if isinstance(each, dict) and each.get("id") == name)
    return next(found, None)
