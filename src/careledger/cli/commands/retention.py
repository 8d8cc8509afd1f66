"""``careledger retention``: for how many days records of a category are kept from erasure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from careledger.cli.actors import officers
from careledger.cli.opening import opened
from careledger.cli.options import DATA, Data, Json, Officers, command, group
from careledger.cli.output import print_json, screen, tell
from careledger.cli.words import Facts, counted, minute, moment
from careledger.domain.categories import Category
from careledger.domain.errors import MalformedBytes
from careledger.domain.facts import RetentionFacts
from careledger.workflows.retention import amend_retention, newest_table, table_of

app = group(
    "How long records of each category are kept from erasure: the table in force, and voting another."
)
LONGEST = 36_525
"""Days: the contract takes no more."""
Days = Annotated[
    list[str] | None,
    typer.Option(
        "--days",
        metavar="CATEGORY=NUMBER",
        help="For how many days after its anchoring a record of that category is kept, at most 36525; repeatable. A "
        "category that is not named is kept for none.",
    ),
]


@command(app, "show", "careledger retention show")
def show(data: Data = DATA, as_json: Json = False) -> None:
    """Show the table in force, and one that was voted and waits for its day."""
    with opened(data) as world:
        view, now = world.ledger.fresh_head(), world.clock.now()
        time = max(now, view.head.time)
        present, newest = view.retention(time), newest_table(view)
        waits = newest if newest.version != present.version else None
    if as_json:
        print_json({"in_force": _facts(present), "coming": _facts(waits) if waits else None})
        return
    _show(f"In force: version {present.version}", present)
    if waits is not None:
        _show(f"From {minute(waits.since)} UTC: version {waits.version}", waits)


@command(
    app,
    "vote",
    'careledger retention vote --officer "Officer Begum" --officer "Officer Das" --days diagnosis=3650 '
    "--days image=1825",
)
def vote(officer: Officers = None, days: Days = None, data: Data = DATA, as_json: Json = False) -> None:
    """Ministry officers vote for a table, at once or one after the other; enough votes carry it, after the delay.

    It is the whole table: without --days nothing is kept. A record anchored before a table is in force keeps the
    shorter time of the two, and until its date an erasure that was ordered restricts.
    """
    wanted = _table(days or ())
    if not officer:
        raise typer.BadParameter("name at least one officer who votes", param_hint="--officer")
    with opened(data) as world:
        amend_retention(world.network, officers(world, officer), wanted)
        newest = newest_table(world.ledger.fresh_head())
    carried = newest.days == table_of(wanted, newest)
    tell(as_json, {"carried": carried, **_facts(newest)}, _became(carried, len(officer), newest))


def _became(carried: bool, votes: int, newest: RetentionFacts) -> str:
    if carried:
        return f"Version {newest.version} of the table is carried; in force from {minute(newest.since)} UTC."
    return f"{counted(votes, 'vote')} for the table stand on the ledger; more officers have to vote for the same one."


def _table(said: Sequence[str]) -> dict[Category, int]:
    """Days by category as they were typed; raises BadParameter."""
    found: dict[Category, int] = {}
    for each in said:
        word, _, number = each.partition("=")
        category = _category(word)
        if not (number.isascii() and number.isdigit() and int(number) <= LONGEST):
            raise typer.BadParameter(
                f"{each!r} is not CATEGORY=NUMBER, at most {LONGEST}", param_hint="--days"
            )
        if category in found:
            raise typer.BadParameter(f"{word} is named twice", param_hint="--days")
        found[category] = int(number)
    return found


def _category(word: str) -> Category:
    try:
        return Category.of(word)
    except MalformedBytes:
        known = ", ".join(category.code for category in Category)
        raise typer.BadParameter(f"{word!r} is none of {known}", param_hint="--days") from None


def _facts(table: RetentionFacts) -> Facts:
    kept = {Category(number).code: days for number, days in enumerate(table.days) if days}
    return {"version": table.version, "since": moment(table.since), "days": kept}


def _show(title: str, table: RetentionFacts) -> None:
    kept = _facts(table)["days"]
    screen().says(f"{title}{'.' if kept else ': no record is kept from erasure.'}")
    if kept:
        screen().table("Kept for", ("category", "days"), list(kept.items()))
