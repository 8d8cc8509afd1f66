"""The data that ships beside this package, read once."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any


def shipped(name: str) -> Any:
    """The value of a JSON file of this package."""
    return json.loads(resources.files("careledger.fhir").joinpath(name).read_text("utf-8"))


@cache
def author_paths() -> dict[str, list[str]]:
    """For each type where it names its author; types that name none are missing."""
    paths: dict[str, list[str]] = shipped("authors.json")["paths"]
    return paths


CodeSet = frozenset[tuple[str, str]]


class Codes:
    """The tables of codes.json as sets of (system, code)."""

    def __init__(self) -> None:
        data = shipped("codes.json")
        self.version: int = data["version"]
        self.mapped: dict[str, CodeSet] = {name: _set(table) for name, table in data["mapped"].items()}
        # By code alone: a right code under a misspelt system must not slip through.
        self._group = {code: group for group, table in data["restricted"].items() for _, code in _set(table)}
        self._icd_systems = frozenset(data["icd10_systems"])
        self._icd_prefixes = [
            (prefix, group)
            for group, prefixes in data["restricted_icd10_prefixes"].items()
            for prefix in prefixes
        ]
        self.harmless_labels = frozenset(
            (system, code) for system, codes in data["security_labels"]["harmless"].items() for code in codes
        )

    def group(self, coding: tuple[str, str]) -> str | None:
        """The group that makes a record with this coding restricted, or None."""
        if coding[0] in self._icd_systems:
            return next((group for prefix, group in self._icd_prefixes if coding[1].startswith(prefix)), None)
        return self._group.get(coding[1])


def _set(table: dict[str, dict[str, str]]) -> CodeSet:
    return frozenset((system, code) for system, codes in table.items() for code in codes)


@cache
def codes() -> Codes:
    """codes.json, read."""
    return Codes()
