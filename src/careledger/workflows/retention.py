"""The ministry's officers vote for how many days records of each category are kept from erasure.

One transaction for each vote is its only effect; when enough officers have voted, the table is in force after the
ledger's delay. It puts off nothing that was anchored before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from careledger.domain.categories import Category
from careledger.domain.errors import LedgerRefused
from careledger.domain.facts import Head, RetentionFacts
from careledger.ports import LedgerView
from careledger.workflows.network import Network
from careledger.workflows.parties import check_officer
from careledger.workflows.register import Officer

_EVER = 2**63


def newest_table(view: LedgerView) -> RetentionFacts:
    """The table that was voted last, perhaps not in force yet."""
    return view.retention(_EVER)


def table_of(days: Mapping[Category, int], like: RetentionFacts) -> tuple[int, ...]:
    """These days as the ledger has them, by the number of the category."""
    return tuple(days.get(Category(number), 0) if number else 0 for number in range(len(like.days)))


def amend_retention(network: Network, officers: Sequence[Officer], days: Mapping[Category, int]) -> Head:
    """These officers' votes, at once or one after the other; categories not named are kept for no day.

    Repeating finishes what a crash left; the table that was carried last is voted for no second time. Raises
    PartyNotFound, ActRefused for whoever is no ministry officer, LedgerRefused while another table waits.
    """
    view = network.ledger.fresh_head()
    for officer in officers:
        check_officer(view, officer)
    newest, head = newest_table(view), view.head
    if newest.days == table_of(days, newest):
        return head
    for officer in officers:
        with _cast_before():
            head = network.ledger.enact_retention(newest.version + 1, days, [(officer.post, officer.key)])
        if newest_table(network.ledger.fresh_head()).version > newest.version:
            break
    return head


@contextmanager
def _cast_before() -> Iterator[None]:
    """A vote that was cast before a crash is cast."""
    try:
        yield
    except LedgerRefused as refusal:
        if refusal.details.get("reason") != "voted":
            raise
