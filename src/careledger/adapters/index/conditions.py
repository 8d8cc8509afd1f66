"""Demands on values as conditions of the index's file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from careledger.formats.indexing import Demand, Range


class Conditions:
    """In SQL with what is bound in it; ``parameters`` gives the number of each in the file, by type and name."""

    def __init__(self, parameters: Mapping[tuple[str, str], int]) -> None:
        self._parameters = parameters

    def rows(self, kind: str, demand: Demand) -> tuple[str, list[Any]]:
        """The rows that meet a demand, some of them twice."""
        parts = self._any(kind, demand)
        rows = " UNION ALL ".join(f"SELECT row FROM value WHERE {where}" for where, _ in parts)
        return rows, [each for _, bound in parts for each in bound]

    def _any(self, kind: str, demand: Demand) -> list[tuple[str, list[Any]]]:
        """Conditions of which any will do: one for all single values of a parameter, because SQLite takes few."""
        made = [self._bounded(kind, each) for each in demand if not each.exact]
        exact: dict[str, list[Any]] = {}
        for each in demand:
            if each.exact:
                exact.setdefault(each.parameter, []).append(each.low_from)
        for name, keys in exact.items():
            marks = ",".join("?" * len(keys))
            made.append(
                (f"parameter = ? AND low IN ({marks})", [self._parameters.get((kind, name), 0), *keys])
            )
        return made

    def others(self, kind: str, demands: Iterable[Demand]) -> tuple[str, list[Any]]:
        """That ``writing w`` meets each of these."""
        said, bounds = [], []
        for demand in demands:
            parts = self._any(kind, demand)
            where = " OR ".join(
                f"EXISTS (SELECT 1 FROM value WHERE row = w.row AND {part})" for part, _ in parts
            )
            said.append(f"AND ({where})")
            bounds += [each for _, bound in parts for each in bound]
        return " ".join(said), bounds

    def _bounded(self, kind: str, each: Range) -> tuple[str, list[Any]]:
        signs = ("low >= ?", "low <= ?", "high >= ?", "high <= ?")
        said: list[tuple[str, Any]] = [
            (sign, bound) for sign, bound in zip(signs, each[1:], strict=True) if bound is not None
        ]
        if each.exact:
            said = [("low = ?", each.low_from)]
        where = " AND ".join(["parameter = ?", *(sign for sign, _ in said)])
        return where, [self._parameters.get((kind, each.parameter), 0), *(bound for _, bound in said)]
