"""Ready-made consents in plain words: what each covers, for what, and how long it lasts."""

from __future__ import annotations

from dataclasses import dataclass

from careledger.domain.categories import Category, Compartment
from careledger.domain.consents import Permission, Purpose
from careledger.domain.errors import CannotExpress

HOUR = 3600
DAY = 24 * HOUR
CLINICAL = frozenset(
    {
        Category.HISTORY,
        Category.PRESCRIPTION,
        Category.DIAGNOSIS,
        Category.REPORT,
        Category.GENERAL,
        Category.IMAGE,
        Category.VISIT,
        Category.MEASUREMENT,
    }
)
_VIEW, _APPEND = Permission.VIEW, Permission.APPEND


@dataclass(frozen=True, slots=True)
class ReadyMade:
    """A template; restricted records are in none. ``latest``: not the categories, but the latest single record."""

    name: str
    words: str
    categories: frozenset[Category]
    permissions: frozenset[Permission]
    purpose: Purpose
    lasts: int
    latest: bool = False

    @property
    def compartments(self) -> frozenset[Compartment]:
        """The normal compartments of its categories."""
        return frozenset(map(Compartment, self.categories))


READY_MADE = (
    ReadyMade(
        "this-visit",
        "For today's visit: they read my clinical records and add what they find, until tomorrow.",
        CLINICAL | {Category.IDENTITY_PATIENT},
        frozenset({_VIEW, _APPEND}),
        Purpose.TREAT,
        DAY,
    ),
    ReadyMade(
        "family-doctor",
        "My family doctor: reads my clinical records and adds to them, for a year.",
        CLINICAL | {Category.IDENTITY_PATIENT},
        frozenset({_VIEW, _APPEND}),
        Purpose.TREAT,
        365 * DAY,
    ),
    ReadyMade(
        "pharmacy-now",
        "The pharmacy, now: sees my latest prescription and nothing else, for two hours.",
        frozenset({Category.PRESCRIPTION}),
        frozenset({_VIEW}),
        Purpose.DISPENSE,
        2 * HOUR,
        latest=True,
    ),
    ReadyMade(
        "emergency-only",
        "In an emergency only: they read what helps to treat me, for a year, and I see it when they do.",
        frozenset(
            {Category.HISTORY, Category.PRESCRIPTION, Category.DIAGNOSIS, Category.REPORT, Category.GENERAL}
        ),
        frozenset({_VIEW}),
        Purpose.ETREAT,
        365 * DAY,
    ),
)


def ready_made(name: str) -> ReadyMade:
    """The template of that name; raises CannotExpress for any other."""
    for template in READY_MADE:
        if template.name == name:
            return template
    raise CannotExpress(why="no ready-made consent of this name")
