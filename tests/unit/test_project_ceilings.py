"""Ceilings on the tail: long functions, long modules, deep nesting, import cycles, packages named for nothing."""

from __future__ import annotations

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "careledger"
LONGEST_FUNCTION, LONGEST_MODULE, DEEPEST, MEDIAN = 50, 400, 3, 10  # lines, lines, levels, lines
VAGUE = {"utils", "util", "common", "core", "manager", "managers", "helper", "helpers", "base", "misc"}
Function = ast.FunctionDef | ast.AsyncFunctionDef
BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match)

MODULES = sorted(SOURCE.rglob("*.py"))
PACKAGES = sorted(path.parent for path in SOURCE.rglob("__init__.py"))


def functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def length(function: Function) -> int:
    assert function.end_lineno is not None
    return function.end_lineno - function.lineno + 1


def depth(node: ast.AST, elif_of: ast.If | None = None) -> int:
    """How many blocks lie inside each other below a node; an elif stands beside its if, not in it."""
    here = isinstance(node, BLOCKS) and node is not elif_of and not isinstance(node, Function)
    chained = node.orelse[0] if isinstance(node, ast.If) and len(node.orelse) == 1 else None
    below = chained if isinstance(chained, ast.If) else None
    inner = (depth(child, below) for child in ast.iter_child_nodes(node) if not isinstance(child, Function))
    return int(here) + max(inner, default=0)


def imported(path: Path) -> set[Path]:
    """The project's modules that a module imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {module(alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inside = {module(f"{node.module}.{alias.name}") for alias in node.names}
            found |= inside if None not in inside else inside | {module(node.module)}
    return {one for one in found if one is not None and one != path}


def module(dotted: str) -> Path | None:
    path = SOURCE.parent.joinpath(*dotted.split("."))
    if path.with_suffix(".py").is_file():
        return path.with_suffix(".py")
    return path / "__init__.py" if dotted.startswith("careledger.") and path.is_dir() else None


def cycle(graph: dict[Path, set[Path]]) -> list[Path]:
    """Some modules that import one another, or none; leaves are taken away until nothing changes."""
    left = {one: set(needs) for one, needs in graph.items()}
    while leaves := {one for one, needs in left.items() if not needs & left.keys()}:
        left = {one: needs for one, needs in left.items() if one not in leaves}
    return sorted(left)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_module_stays_under_the_ceilings(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    assert len(text.splitlines()) <= LONGEST_MODULE
    assert {one.name: length(one) for one in functions(tree) if length(one) > LONGEST_FUNCTION} == {}
    nested = {one.name: max(map(depth, one.body)) for one in functions(tree)}
    assert {name: levels for name, levels in nested.items() if levels > DEEPEST} == {}
    assert ast.get_docstring(tree), "a module says what it is for"


def test_half_of_all_functions_are_short() -> None:
    lengths = [length(one) for path in MODULES for one in functions(ast.parse(path.read_text()))]
    assert len(lengths) > 500
    assert statistics.median(lengths) < MEDIAN


def test_an_elif_is_no_deeper_than_its_if_but_a_block_inside_is() -> None:
    flat = ast.parse("if a:\n x\nelif b:\n x\nelif c:\n x\nelse:\n x").body[0]
    deep = ast.parse("for a in b:\n if a:\n  while a:\n   with a:\n    x").body[0]
    assert (depth(flat), depth(deep)) == (1, 4)


def test_no_modules_import_one_another() -> None:
    graph = {path: imported(path) for path in MODULES}
    assert sum(map(len, graph.values())) > 200
    assert [str(path.relative_to(SOURCE)) for path in cycle(graph)] == []
    first, second = next((one, min(needs)) for one, needs in graph.items() if needs)
    assert {first, second} <= set(cycle(graph | {second: graph[second] | {first}}))


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: str(path.relative_to(SOURCE.parent)))
def test_a_package_says_in_one_sentence_what_it_is(package: Path) -> None:
    said = ast.get_docstring(ast.parse((package / "__init__.py").read_text()))
    assert said
    sentence = said.replace("\n", " ").replace("docs/formats.md", "")
    assert sentence.endswith(".")
    assert sentence.count(". ") == 0


def test_every_folder_of_modules_is_a_package_and_named_for_what_it_does() -> None:
    folders = {path.parent for path in MODULES}
    assert folders == set(PACKAGES)
    named = {part for path in MODULES for part in path.relative_to(SOURCE).with_suffix("").parts}
    assert named & VAGUE == set()
