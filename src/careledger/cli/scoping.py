"""What a consent or a request covers, as people type it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from careledger.cli.actors import grantee
from careledger.cli.moments import end, month, start
from careledger.cli.opening import Mine
from careledger.cli.records import one, own_records
from careledger.domain.categories import Category, Compartment, Sensitivity
from careledger.domain.consents import Permission, Purpose, Scope, Window
from careledger.domain.parties import PartyId
from careledger.domain.ready_made import CLINICAL

if TYPE_CHECKING:
    from careledger.app.world import World

ALL = "all"
Categories = Annotated[
    list[str] | None,
    typer.Option(
        "--category",
        metavar="NAME",
        help="A category, for example diagnosis; all: every clinical one; repeatable.",
    ),
]
Restricted = Annotated[
    list[str] | None,
    typer.Option(
        "--restricted", metavar="NAME", help="The restricted records of a category too; repeatable."
    ),
]
May = Annotated[list[str] | None, typer.Option(metavar="WORD", help="view, append or amend; repeatable.")]
ForPurpose = Annotated[
    str, typer.Option("--for", metavar="PURPOSE", help="What it is for, for example TREAT.")
]
From = Annotated[str, typer.Option("--from", metavar="TIME", help="When it begins.")]
Until = Annotated[str, typer.Option(metavar="TIME", help="When it ends: a day is included whole.")]
Authors = Annotated[
    list[str] | None,
    typer.Option("--author", metavar="NAME", help="Only what this organisation or post wrote; repeatable."),
]
FromMonth = Annotated[str, typer.Option(metavar="MONTH", help="Only from this clinical month on (2024-01).")]
ToMonth = Annotated[str, typer.Option(metavar="MONTH", help="Only up to this clinical month.")]
Except = Annotated[
    list[str] | None, typer.Option("--except", metavar="RECORD", help="But not this record; repeatable.")
]


@dataclass(frozen=True)
class Narrowing:
    """What narrows a scope, as it was typed."""

    authors: Sequence[str] = ()
    from_month: str = ""
    to_month: str = ""
    exceptions: Sequence[str] = ()


def compartments(
    categories: Sequence[str] | None, restricted: Sequence[str] | None
) -> frozenset[Compartment]:
    """The named categories, and the restricted records of those named apart; raises BadParameter."""
    normal = {Compartment(each) for word in categories or () for each in _categories(word, "--category")}
    guarded = {
        Compartment(each, Sensitivity.RESTRICTED)
        for word in restricted or ()
        for each in _categories(word, "--restricted")
    }
    if not normal | guarded:
        raise typer.BadParameter(f"name at least one, or {ALL}", param_hint="--category")
    return frozenset(normal | guarded)


def _categories(word: str, option: str) -> frozenset[Category]:
    known = {category.code: category for category in Category}
    if word == ALL:
        return CLINICAL
    if word not in known:
        raise typer.BadParameter(f"{word} is none of {', '.join(known)}, {ALL}", param_hint=option)
    return frozenset({known[word]})


def permissions(words: Sequence[str] | None) -> frozenset[Permission]:
    """What may be done, viewing if nothing is said; raises BadParameter."""
    known = {each.code: each for each in Permission}
    for word in words or ():
        if word not in known:
            raise typer.BadParameter(f"{word} is none of {', '.join(known)}", param_hint="--may")
    return frozenset(known[word] for word in words or ("view",))


def purpose(word: str) -> Purpose:
    """The purpose of that code or those words; raises BadParameter."""
    for each in Purpose:
        if word.casefold() in (each.code.casefold(), each.words):
            return each
    said = ", ".join(f"{each.code} ({each.words})" for each in Purpose)
    raise typer.BadParameter(f"{word!r} is none of {said}", param_hint="--for")


def window(world: World, begins: str, ends: str) -> Window:
    """From when until when; raises BadParameter where it ends before it begins."""
    now = max(world.clock.now(), world.ledger.fresh_head().head.time)
    first, last = start(begins, now), end(ends, now)
    if last <= max(first, now):
        raise typer.BadParameter("it would be over before it begins", param_hint="--until")
    return Window(first, last)


def scope(
    world: World,
    covered: frozenset[Compartment],
    may: frozenset[Permission],
    narrowing: Narrowing,
    mine: Mine | None,
) -> Scope:
    """The scope; exceptions are looked up among the patient's own records, so only the patient names some."""
    return Scope(
        covered,
        may,
        authors=_authors(world, narrowing.authors),
        from_month=month(narrowing.from_month, "--from-month") if narrowing.from_month else None,
        to_month=month(narrowing.to_month, "--to-month") if narrowing.to_month else None,
        exceptions=_exceptions(world, mine, narrowing.exceptions),
    )


def _authors(world: World, named: Sequence[str]) -> frozenset[PartyId] | None:
    return frozenset(PartyId(grantee(world, each).number) for each in named) or None


def _exceptions(world: World, mine: Mine | None, named: Sequence[str]) -> frozenset[bytes]:
    if not named or mine is None:
        return frozenset()
    shown = own_records(world, mine, every=True)
    return frozenset(one(shown, each)[-1].handle for each in named)


def by_digits(digits: str, known: dict[str, object], what: str) -> str:
    """The one of these hex names that begins so; raises BadParameter."""
    wanted = digits.strip().casefold().removeprefix("0x")
    fitting = [name for name in known if wanted and name.startswith(wanted)]
    if len(fitting) == 1:
        return fitting[0]
    why = "several begin so; write more digits" if fitting else f"no {what.lower()} begins so"
    raise typer.BadParameter(why, param_hint=what)
