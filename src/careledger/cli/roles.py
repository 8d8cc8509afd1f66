"""Roles as people type them."""

from __future__ import annotations

from collections.abc import Iterable

import typer

from careledger.domain.parties import ORGANISATION_ROLES, POST_ROLES, Role


def organisation_roles(said: Iterable[str], option: str = "--role") -> tuple[Role, ...]:
    """What an organisation acts as, in the order that was typed; raises BadParameter."""
    return _roles(said, ORGANISATION_ROLES, option)


def post_roles(said: Iterable[str], option: str = "--role") -> tuple[Role, ...]:
    """What a post acts as; raises BadParameter."""
    return _roles(said, POST_ROLES, option)


def _roles(said: Iterable[str], allowed: frozenset[Role], option: str) -> tuple[Role, ...]:
    known = {role.code: role for role in sorted(allowed)}
    words = [word.strip().casefold() for word in said]
    for word in words:
        if word not in known:
            raise typer.BadParameter(f"{word!r} is none of {', '.join(known)}", param_hint=option)
    if not words:
        raise typer.BadParameter(f"name at least one of {', '.join(known)}", param_hint=option)
    return tuple(known[word] for word in dict.fromkeys(words))
