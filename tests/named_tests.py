"""The tests that there are, for pages that name those which show what they say."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent


@cache
def existing_tests() -> set[str]:
    """Their names."""
    trees = (ast.parse(path.read_text()) for path in ROOT.rglob("*.py"))
    return {
        node.name
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
