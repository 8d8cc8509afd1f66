"""The contract ABI's encoding, by a library that is loaded when something is first encoded: it takes longer to load
than the help of a command."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any


def encode(kinds: Sequence[str], values: Sequence[Any]) -> bytes:
    """The values as words of these types; raises what the library raises for a value that does not fit."""
    return bytes(_library().encode(kinds, values))


def decode(kinds: Sequence[str], data: bytes) -> tuple[Any, ...]:
    """The values in these words; raises what the library raises for words that do not fit."""
    return tuple(_library().decode(kinds, data))


def encoder(kind: str) -> Callable[[Any], Any]:
    """The encoder of one elementary type."""
    from eth_abi.registry import registry

    found: Callable[[Any], Any] = registry.get_encoder(kind)
    return found


def load() -> None:
    """Loads the library, which takes a quarter of a second, so that the first message does not."""
    _library()


@cache
def _library() -> Any:
    from eth_abi import abi

    return abi
