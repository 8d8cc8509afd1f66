"""What a method of the server is: its parameters, in order, and what it does with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from careledger.rpc.node import Node
from careledger.rpc.values import invalid

REQUIRED = object()


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter by position: how it is read, and what it is where it is left out."""

    name: str
    read: Callable[[Any, str], Any]
    otherwise: Any = REQUIRED


@dataclass(frozen=True, slots=True)
class Method:
    """A method by name: ``says`` is its line in docs/rpc.md."""

    name: str
    parameters: tuple[Parameter, ...]
    run: Callable[..., Any]
    says: str

    def read(self, given: Sequence[Any]) -> list[Any]:
        """The parameters' values; raises RpcRefused for one too few, one too many, or a wrong one."""
        if len(given) > len(self.parameters):
            raise invalid("params", f"has {len(given)} members; {self.name} takes {len(self.parameters)}")
        return [
            self._read(parameter, given[place] if place < len(given) else None)
            for place, parameter in enumerate(self.parameters)
        ]

    def _read(self, parameter: Parameter, value: Any) -> Any:
        if value is not None:
            return parameter.read(value, parameter.name)
        if parameter.otherwise is REQUIRED:
            raise invalid(parameter.name, "is missing")
        return parameter.otherwise

    def answer(self, node: Node, given: Sequence[Any]) -> Any:
        """The result; raises RpcRefused."""
        return self.run(node, *self.read(given))
