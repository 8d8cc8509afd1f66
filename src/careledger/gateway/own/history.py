"""The history of a type or of everything: own writings alone, the last written first, page by page.

What patients shared is not in it: it has a history by its own address. What was taken back is an entry without a
resource, at the time when it was; what was moved, undone or erased is not in it, nor is an entry that says so.
"""

from __future__ import annotations

from functools import partial

from careledger.app.tokens import Bearer
from careledger.gateway import bundles
from careledger.gateway.desk import Desk
from careledger.gateway.given import since_when, whole_number
from careledger.gateway.http import Answered, Asked, Handler
from careledger.gateway.outcomes import outcome
from careledger.gateway.own.showing import Removed
from careledger.gateway.pages import Past, until
from careledger.gateway.views import Shown

COUNT, MOST_COUNT = 50, 1_000
LOOKED_AT = ("_count", "_since")
FIRST = (2**62, 2**62)


def handlers(desk: Desk) -> list[Handler]:
    """The routes."""
    return [
        Handler("GET", "/_history", partial(history, desk), looks_at=LOOKED_AT, needs="r"),
        Handler("GET", "/{kind}/_history", partial(history, desk), looks_at=LOOKED_AT, needs="r"),
    ]


def history(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """Its first page; raises FhirRefused."""
    kind = asked.kind if "kind" in asked.path else ""
    count, since = whole_number(asked, "_count"), since_when(asked)
    size = COUNT if count is None else min(count, MOST_COUNT)
    past = Past(who.digest, kind, FIRST, since, size, until(desk.world.clock.now()))
    return page(desk, who, past, f"{desk.base}/{kind}/_history" if kind else f"{desk.base}/_history")


def page(desk: Desk, who: Bearer, past: Past, said: str) -> Answered:
    """The versions before a time and a row of the index, and a link to those before them."""
    sight, links = desk.sight(who), {"self": said}
    sight.catch_up()
    found = sight.history(past.kind, past.before, past.since, past.count + 1) if past.count else []
    entries: list[tuple[Shown, bool] | Removed] = []
    sight.all_shown([each for each in found[: past.count] if not each.back])
    for each in found[: past.count]:
        if each.back:
            entries += [gone] if (gone := sight.removed(each)) else []
        elif (shown := sight.shown(each)) is not None:
            entries.append((shown, sight.is_first(each)))
    if len(found) > past.count:
        last = found[past.count - 1]
        rest = Past(
            who.digest, past.kind, (last.when, last.row), past.since, past.count,
            until(desk.world.clock.now()),
        )  # fmt: skip
        links["next"] = f"{desk.base}?_page={desk.pages.keep(rest)}"
    behind = [] if sight.complete else [outcome("warning", "incomplete", BEHIND)]
    made = bundles.histories(desk.base, entries, links, behind)
    return Answered(made, lists=[each[0] for each in entries if not isinstance(each, Removed)])


BEHIND = "Own writings are still being read in; there are more than are shown."
