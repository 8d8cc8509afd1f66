"""Writes the tables of docs/limits.md: what there is only so much of, and what is costly.

python tools/limits_page.py            write
python tools/limits_page.py --check    end with 1 if the page is not what this would write

Each figure is read from the source at the place that is named beside it here, so that the page says what holds.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

PAGE = Path(__file__).resolve().parents[1] / "docs" / "limits.md"
SPANS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
MARK = "<!-- limits: {} -->\n"


class Limit(NamedTuple):
    """What is limited, whose it is, where its figure is in the source, none where the words say it, and the page."""

    what: str
    whose: str
    places: tuple[str, ...]
    page: str


def seconds(value: float) -> str:
    """A span in the largest unit that it is a whole number of."""
    size, name = next((size, name) for size, name in SPANS if value % size == 0)
    count = int(value // size)
    return f"{count} {name}{'' if count == 1 else 's'}"


def size(value: int) -> str:
    """Bytes in binary units."""
    for power, name in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if value % 2**power == 0:
            return f"{value // 2**power} {name}"
    return f"{value:,} bytes"


def figure(place: str) -> Any:
    """What stands there: ``module:NAME``, or a part of it after further colons."""
    module, name, *more = place.split(":")
    found = getattr(import_module(f"careledger.{module}"), name)
    for each in more:
        found = found[int(each)] if each.isdigit() else getattr(found, each)
    return found


def said(what: str, places: tuple[str, ...]) -> str:
    """The words with the figures in them: a plain number, ``{:s}`` a span, ``{:b}`` bytes."""
    values = [figure(place) for place in places]
    for value in values:
        at, form = min((what.index(each), each) for each in ("{}", "{:s}", "{:b}") if each in what)
        text = seconds(value) if form == "{:s}" else size(value) if form == "{:b}" else f"{value:,g}".strip()
        what = what[:at] + text + what[at + len(form) :]
    return what


IDENTITY = "app.identity"
ACTS = (
    Limit("emergencies that a custodian grants without the ledger: {} within a day", "an opener's",
          ("domain.questions:EMERGENCIES_A_DAY",), "threats.md"),
    Limit("broken glass: {:s} at most", "a post's", ("domain.questions:LONGEST_BREAK_GLASS",), "gateway.md"),
    Limit("emergencies are reviewed within {:s}", "an organisation's",
          ("workflows.custodian.emergencies:REVIEW_WITHIN",), "threats.md"),
    Limit("patients looked for by `$match`: {} within {:s}", "a post's",
          ("workflows.match:MOST_QUESTIONS", "workflows.match:WITHIN"), "gateway.md"),
    Limit("what a patient's consent opens stays open {:s}, then it is asked for again", "a post's, for each patient",
          ("domain.questions:LONGEST_LEASE",), "gateway.md"),
    Limit("patients whom one search asks for: {}", "a search's", ("gateway.searching:MOST_PATIENTS",), "gateway.md"),
    Limit("teams that a post is put into: {}", "a post's", ("workflows.teams:MOST_TEAMS",), "api.md"),
    Limit("members of a Group of SCIM: {}; lines of a staff file: {}", "a team's; a file's",
          ("gateway.scim.groups:MOST_MEMBERS", f"{IDENTITY}.staff_files:MOST_LINES"), "sign-on.md"),
    Limit("subscriptions and webhooks: {}", "a post's", ("gateway.events.delivery:MOST_OF_A_POST",), "events.md"),
)  # fmt: skip
PEOPLE = (
    Limit("a session: {:s} at most, {:s} without a request; a fresh proof: {:s}; sessions at once: {}", "an account's",
          (f"{IDENTITY}.sessions:LONGEST", f"{IDENTITY}.sessions:IDLE", f"{IDENTITY}.sessions:FRESH",
           f"{IDENTITY}.sessions:MOST"), "sign-in.md"),
    Limit("accounts that wait for approval: {}, for {:s}", "of all together, and fewer from one place",
          (f"{IDENTITY}.accounts:MOST_PENDING", f"{IDENTITY}.accounts:WAITS_FOR"), "sign-in.md"),
    Limit("an invitation: {:s}, once; a challenge: {:s}, once, {} at the same time", "of all together",
          (f"{IDENTITY}.invitations:GOOD_FOR", f"{IDENTITY}.challenges:GOOD_FOR", f"{IDENTITY}.challenges:MOST"),
          "sign-in.md"),
    Limit("a password: {} to {} signs; recovery codes: {}", "an account's",
          (f"{IDENTITY}.passwords:LEAST", f"{IDENTITY}.passwords:MOST", f"{IDENTITY}.codes:RECOVERY_CODES"),
          "sign-in.md"),
    Limit("wrong proofs by a secret: {} at once from one place, later one in {:s}; {} from everywhere, "
          "later one in {:s}", "an account's",
          (f"{IDENTITY}.attempts:FROM_ONE_PLACE:free", f"{IDENTITY}.attempts:FROM_ONE_PLACE:longest",
                           f"{IDENTITY}.attempts:FROM_EVERYWHERE:free", f"{IDENTITY}.attempts:FROM_EVERYWHERE:longest"),
          "sign-in.md"),
    Limit("a sign-on at a provider: {:s}, once, {} at the same time; the proof behind it: {:s} old", "of all together",
          (f"{IDENTITY}.signing_on:GOOD_FOR", f"{IDENTITY}.signing_on:MOST", f"{IDENTITY}.signing_on:LONGEST"),
          "sign-on.md"),
    Limit("a token of a program: {:s}", "a token's", ("app.tokens:LONGEST",), "gateway.md"),
    Limit("an app's code: {:s}, once; its token: {:s}; what it was granted: {:s}, or {:s} offline; "
          "a launch: {:s}, once", "an app's",
          ("app.app_codes:CODE_SECONDS", "app.app_codes:TOKEN_SECONDS", "app.app_codes:ONLINE_SECONDS",
                       "app.app_codes:OFFLINE_SECONDS", "app.app_codes:LAUNCH_SECONDS"), "oauth.md"),
    Limit("a client's assertion: {:s}, once; a back-end service's token: {:s}", "a client's",
          ("app.assertions:LONGEST", "gateway.oauth.backend:SECONDS"), "oauth.md"),
)  # fmt: skip
PACE = (
    Limit("requests: {} at once and {} a second in the long run", "a token's",
          ("gateway.api.pace:Pace:burst", "gateway.api.pace:Pace:a_second"), "api.md"),
    Limit("signing up and in: {} requests at once and {} a second", "an address's",
          ("gateway.identity.routes:AT_ONCE", "gateway.identity.routes:A_SECOND"), "sign-in.md"),
    Limit("what a provider says of signing out: {} at once and {} a second", "an address's",
          ("gateway.sign_on.entering:PROVIDERS_AT_ONCE", "gateway.sign_on.entering:PROVIDERS_A_SECOND"), "sign-on.md"),
    Limit("tokens: {} at once and {} a second", "a client's",
          ("gateway.oauth.routes:PACE:0", "gateway.oauth.routes:PACE:1"), "oauth.md"),
    Limit("public files (logs, blocks, DIDs, lists): {} at once and {} a second; of all together ten times as much",
          "an address's", ("gateway.files:ONE:0", "gateway.files:ONE:1"), "gateway.md"),
)  # fmt: skip
COSTLY = (
    Limit("reading and judging a long Bundle or resource: in a process beside, one after the other; {} entries at most",
          "a request's", ("gateway.entries:MOST",), "gateway.md"),
    Limit("carrying out a transaction: in steps between other requests; with `Prefer: respond-async` it is 202 at "
          "once, {} of an organisation are waited for", "an organisation's",
          ("gateway.later:MOST_WAITING",), "gateway.md"),
    Limit("exports: asynchronous, in steps; {} under way and {} kept, for {:s}", "a token's",
          ("gateway.bulk.exports:MOST_RUNNING", "gateway.bulk.exports:MOST_KEPT", "gateway.bulk.exports:KEPT"),
          "gateway.md"),
    Limit("files that come: {} at once, {} of one post; that go out: {} at once, {} of one post",
          "of all together, and a post's", ("gateway.arriving:MOST", "gateway.arriving:MOST_OF_ONE",
                                            "gateway.leaving:MOST", "gateway.leaving:MOST_OF_ONE"), "gateway.md"),
    Limit("a search that no index narrows: {} own writings are opened, then it is `too-costly`; a page has {} entries",
          "a search's", ("gateway.own.sight:MOST_LOOKED", "gateway.searching:MOST_COUNT"), "gateway.md"),
    Limit("what a consent opens, in memory: {} versions", "of all together; the oldest go first",
          ("gateway.leases:MOST_OPEN",), "gateway.md"),
    Limit("passwords: worked out in threads beside, at the pace of signing in", "an address's", (), "sign-in.md"),
    Limit("event streams: {} open, {} of one token; {} events wait for one that reads slowly, then it is cut off",
          "of all together, and a token's", ("gateway.events.listening:MOST_LISTENERS",
                                             "gateway.events.listening:MOST_OF_A_TOKEN",
                                             "gateway.events.listening:MOST_WAITING"), "events.md"),
    Limit("webhooks: {} deliveries at once, each within {:s}, in threads beside", "of all together",
          ("gateway.events.delivery:AT_ONCE", "gateway.events.sending:WITHIN"), "events.md"),
    Limit("scanning a file: in a thread of its own, within `files.within`", "a file's", (), "operations.md"),
    Limit("bodies: one resource of FHIR as JSON {:b}, as XML {:b}; under `/api/v1` and `/identity` {:b}, "
          "`/scim/v2` {:b}", "a request's",
          ("fhir.json_text:MOST_BYTES", "gateway.forms:MOST_XML", "gateway.api.rows:MOST_BODY",
           "gateway.scim.routes:MOST_BODY"), "gateway.md"),
)  # fmt: skip


def table(rows: tuple[Limit, ...]) -> str:
    """The rows of one table."""
    made = [
        f"| {said(each.what, each.places)} | {each.whose} | [{each.page.removesuffix('.md')}]({each.page}) |"
        for each in rows
    ]
    return "| what | whose limit | more |\n|---|---|---|\n" + "\n".join(made) + "\n"


def page(text: str) -> str:
    """The page with its tables as they are now: each stands between its mark and the next empty line."""
    for name, rows in (("acts", ACTS), ("people", PEOPLE), ("pace", PACE), ("costly", COSTLY)):
        before, mark, after = text.partition(MARK.format(name))
        text = before + mark + table(rows) + "\n" + after.partition("\n\n")[2]
    return text


def main() -> None:
    """Writes or compares."""
    text = PAGE.read_text("utf-8")
    if "--check" in sys.argv[1:]:
        if page(text) != text:
            sys.exit(f"{PAGE.name} is not what {Path(__file__).name} writes")
        return
    PAGE.write_text(page(text), "utf-8")


if __name__ == "__main__":
    main()
