"""A FHIRPath expression to its tree (HL7 FHIRPath 2.0, grammar of appendix A)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

MOST_CHARACTERS = 4_000

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<text>'(?:[^'\\]|\\.)*')|(?P<delimited>`[^`]+`)
    |(?P<variable>%[A-Za-z_][A-Za-z0-9_]*)|(?P<this>\$this)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<sign><=|>=|!=|!~|[-+*/&|=~<>.,(){}\[\]]))""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)")
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "f": "\f"}
# The operators from the loosest to the tightest; those of one row bind alike, from left to right.
_OPERATORS = (
    ("implies",),
    ("or", "xor"),
    ("and",),
    ("in", "contains"),
    ("=", "!=", "~", "!~"),
    ("<", ">", "<=", ">="),
    ("|",),
    ("is", "as"),
    ("+", "-", "&"),
    ("*", "/", "div", "mod"),
)


class NotUnderstood(Exception):
    """An expression, or a part of the language, that is not taken."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant; ``value`` None is the empty collection."""

    value: str | bool | Decimal | None


@dataclass(frozen=True, slots=True)
class This:
    """What the expression is asked of, or ``$this``."""


@dataclass(frozen=True, slots=True)
class Variable:
    """``%resource`` and its like."""

    name: str


@dataclass(frozen=True, slots=True)
class Child:
    """The elements of one name of ``base``."""

    base: Tree
    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function of ``base``."""

    base: Tree
    name: str
    arguments: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Binary:
    """An operator between two expressions."""

    sign: str
    left: Tree
    right: Tree


Tree = Literal | This | Variable | Child | Call | Binary


@cache
def tree(text: str) -> Tree:
    """The tree of one of the expressions that are ours, kept; raises NotUnderstood."""
    return parsed(text)


def parsed(text: str) -> Tree:
    """The tree of an expression; raises NotUnderstood."""
    if len(text) > MOST_CHARACTERS:
        raise NotUnderstood(f"more than {MOST_CHARACTERS} characters")
    reader = _Reader(text)
    made = reader.operators(0)
    reader.take("end", "")
    return made


class _Reader:
    def __init__(self, text: str) -> None:
        self._tokens = [*_tokens(text), ("end", "")]
        self._at = 0

    def _next(self) -> tuple[str, str]:
        return self._tokens[self._at]

    def take(self, kind: str, text: str | None = None) -> str:
        """The next token, which must be this."""
        found = self._next()
        if found[0] != kind or (text is not None and found[1] != text):
            raise NotUnderstood(f"expected {text or kind}")
        self._at += 1
        return found[1]

    def _follows(self, *texts: str) -> bool:
        kind, text = self._next()
        return kind in ("sign", "name") and text in texts

    def operators(self, row: int) -> Tree:
        """An expression of the operators of this row and the tighter ones."""
        if row == len(_OPERATORS):
            return self._steps()
        left = self.operators(row + 1)
        while self._follows(*_OPERATORS[row]):
            sign = self._tokens[self._at][1]
            self._at += 1
            left = Binary(sign, left, self.operators(row + 1))
        return left

    def _steps(self) -> Tree:
        made = self._term()
        while self._follows(".", "["):
            self._at += 1
            made = self._step(made) if self._tokens[self._at - 1][1] == "." else self._index(made)
        return made

    def _index(self, base: Tree) -> Tree:
        """``base[n]`` is ``base.skip(n).first()``."""
        number = Literal(Decimal(self.take("number")))
        self.take("sign", "]")
        return Call(Call(base, "skip", (number,)), "first", ())

    def _term(self) -> Tree:
        kind, text = self._next()
        if kind == "sign" and text == "(":
            self._at += 1
            made = self.operators(0)
            self.take("sign", ")")
            return made
        if kind in ("number", "text", "variable", "this"):
            self._at += 1
            return _constant(kind, text)
        if kind == "name" and text in ("true", "false"):
            self._at += 1
            return Literal(text == "true")
        if kind == "sign" and text == "{":
            self._at += 1
            self.take("sign", "}")
            return Literal(None)
        return self._step(This())

    def _step(self, base: Tree) -> Tree:
        kind, text = self._next()
        if kind == "delimited":
            self._at += 1
            return Child(base, text[1:-1])
        name = self.take("name")
        if not self._follows("("):
            return Child(base, name)
        self._at += 1
        arguments: list[Tree] = []
        while not self._follows(")"):
            if arguments:
                self.take("sign", ",")
            arguments.append(self.operators(0))
        self._at += 1
        return Call(base, name, tuple(arguments))


def _tokens(text: str) -> list[tuple[str, str]]:
    made, at = [], 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        if not found or not found.lastgroup:
            raise NotUnderstood(f"character {at} of the expression")
        made.append((found.lastgroup, found[found.lastgroup]))
        at = found.end()
    return made


def _constant(kind: str, text: str) -> Tree:
    if kind == "number":
        return Literal(Decimal(text))
    if kind == "text":
        return Literal(_ESCAPE.sub(_unescaped, text[1:-1]))
    return This() if kind == "this" else Variable(text[1:])


def _unescaped(found: re.Match[str]) -> str:
    code = found[1]
    return chr(int(code[1:], 16)) if len(code) == 5 else _ESCAPED.get(code, code)
