"""The linking game by simulation: a month of consents, what one member sees of it, and what it can guess from that.

Patients have a home gateway and give consents in sittings; readers deposit afterwards. The product's own schedule
(careledger.domain.relaying) decides when and by whom everything appears on ledger and board. The observer knows every
person's home, whoever gave it a consent itself and when, and is told the reader of each consent it looks at. For each
consent of others it is shown two persons and has to say whose it is. What its observations mean it has learned from a
month played for it with the answers.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random

from careledger.domain.consents import Window
from careledger.domain.relaying import BATCH, HOUR, another, batch_at, rounded, send_at, shuffled

DAY = 24 * HOUR
START = 480_000 * HOUR
Feature = tuple[object, ...]


@dataclass(frozen=True)
class Rules:
    """What the game is played with; ``hops`` off: the home gateway itself sends everything as it is signed."""

    hops: bool = True
    delays: bool = True
    own: bool = False  # the home gateway's member is drawn like any other
    packages: bool = True  # off: the home gateway posts packages itself
    patients: int = 1_000
    members: int = 10
    days: int = 30
    ahead: tuple[int, int] = (DAY, 14 * DAY)  # seconds until a visit to come
    entries: bool = False  # half of the sittings begin with an entry of the alias, in the next batch


@dataclass
class Consent:
    """One consent: who gave it to whom, and what ledger and board show of it."""

    person: int
    reader: int
    made: int
    number: int = 0
    shown: int = 0
    sender: int = 0
    posted: int = 0
    poster: int = 0
    copier: int = 0  # who posts the agent's own copy, just before
    size: int = 4


@dataclass
class Month:
    """Everything that happened. ``entries``: alias entries as (time, person), whose alias the ledger names."""

    rules: Rules
    consents: list[Consent] = field(default_factory=list)
    entries: list[tuple[int, int]] = field(default_factory=list)

    def home(self, person: int) -> int:
        """The member whose gateway the person uses."""
        return person % self.rules.members


def live(rules: Rules, random: Random) -> Month:
    """A month of everybody's life, then its way to ledger and board."""
    month = Month(rules)
    for person in range(rules.patients):
        readers = [each for each in range(rules.members) if each != month.home(person)]
        for _ in range(random.randint(1, 3)):
            _sitting(month, person, readers, random)
    _enter(month, random)
    return month


def _sitting(month: Month, person: int, readers: Sequence[int], random: Random) -> None:
    """At the desk one consent that counts now; often, seconds later, one for a visit to come."""
    at = START + random.randrange(month.rules.days) * DAY + random.randrange(8 * HOUR, 20 * HOUR)
    chosen = random.sample(list(readers), min(2, len(readers)))
    starts = [at, at + random.randint(*month.rules.ahead)]
    for reader, start in list(zip(chosen, starts, strict=False))[: random.choice((1, 2, 2))]:
        at += random.randint(5, 60)
        window = rounded(Window(max(start, at), max(start, at) + 30 * DAY), at)
        size = random.choice((4, 4, 4, 4, 16, 64))
        made = Consent(person, reader, at, len(month.consents), size=size)
        delayed = month.rules.hops and month.rules.delays
        made.shown = send_at(at, window.start, random) if delayed else at
        month.consents.append(made)
    if month.rules.entries and random.random() < 0.5:
        entered = at - 90
        month.entries.append((batch_at(entered) if month.rules.hops else entered, person))


def _enter(month: Month, random: Random) -> None:
    """Who sends what when: with hops a random other member in its shuffled batch, else the home gateway."""
    for each in month.consents:
        home = month.home(each.person)
        others = [member for member in range(month.rules.members) if member != home or month.rules.own]
        each.sender = each.poster = each.copier = home
        if month.rules.hops:
            each.shown = batch_at(each.shown)
            each.sender = another(others, (), random)
        if month.rules.hops and month.rules.packages:
            each.poster = another(others, (), random)
            each.copier = another(others, (), random)
        each.posted = each.shown + random.randint(0, BATCH)
    month.consents = sorted(shuffled(month.consents, random), key=lambda each: each.shown)


@dataclass(frozen=True)
class Observer:
    """Members that look together. ``relaying``: also at which gateway handed them what they sent; ``treating``: also
    for the consents of persons that gave them one, whom they know the hours of."""

    month: Month
    members: frozenset[int]
    relaying: bool = False
    treating: bool = False

    def told(self, consent: Consent) -> bool:
        """Whether the consent was given to one of them."""
        return consent.reader in self.members

    def features(self, consent: Consent, person: int, known: dict[int, list[tuple[int, int]]]) -> Feature:
        """What ledger, board and their own memory say of that person as the giver of that consent."""
        home = self.month.home(person)
        handed = self.relaying and self.members & {consent.sender, consent.poster, consent.copier}
        by = self.month.home(consent.person) == home if handed else None
        return (
            ("sender", consent.sender, home),
            ("poster", consent.poster, home),
            ("copier", consent.copier, home),
            ("handed", by),
            ("near", *self._near(consent, known.get(person, []))),
            ("size", consent.size),
        )

    def _near(self, consent: Consent, known: list[tuple[int, int]]) -> tuple[int, bool]:
        """How near in time the person was last seen, in powers of four seconds, and whether by the same sender."""
        at = bisect_left(known, (consent.shown, -1))
        near = [each for each in known[max(0, at - 2) : at + 2] if each != (consent.shown, consent.sender)]
        if not near:
            return 99, False
        gap, sender = min((abs(time - consent.shown), sender) for time, sender in near)
        return int(math.log(gap + 1, 4)), sender == consent.sender

    def known(self) -> dict[int, list[tuple[int, int]]]:
        """When they saw each person: consents given to them, and aliases on the ledger."""
        seen: dict[int, list[tuple[int, int]]] = {}
        for consent in self.month.consents:
            if self.told(consent):
                seen.setdefault(consent.person, []).append((consent.shown, consent.sender))
        for time, person in self.month.entries:
            seen.setdefault(person, []).append((time, -1))
        return {person: sorted(times) for person, times in seen.items()}


Sees = Callable[[Month, Consent, int], bool]
Fits = Callable[[Consent, int], bool]
Weights = dict[object, float]


@dataclass(frozen=True)
class Played:
    """Which consents were looked at, and each time whether the right one of two persons was named."""

    outcomes: tuple[tuple[int, bool], ...]

    @property
    def trials(self) -> int:
        """How often a person was named."""
        return len(self.outcomes)

    @property
    def share(self) -> float:
        """Of right answers."""
        return sum(right for _, right in self.outcomes) / self.trials

    @property
    def advantage(self) -> float:
        """0 is chance, 1 is always right."""
        return 2 * self.share - 1

    @property
    def margin(self) -> float:
        """Half of the advantage's 95 % interval; a consent that several members look at is one observation."""
        off: defaultdict[int, float] = defaultdict(float)
        share = self.share
        for consent, right in self.outcomes:
            off[consent] += right - share
        return 2 * 1.96 * math.sqrt(sum(each * each for each in off.values())) / self.trials


def play(observer: Observer, learned: Weights, fits: Fits, random: Random) -> Iterator[tuple[int, bool]]:
    """Every consent of others once, beside another person for whom ``fits`` says that they could be meant."""
    for consent, right, wrong in _pairs(observer, fits, random):
        ahead = _score(learned, right) - _score(learned, wrong)
        yield consent, ahead > 0 or (ahead == 0 and random.random() < 0.5)


def learn(observers: Sequence[Observer], fits: Fits, random: Random) -> Weights:
    """From a month whose answers are known: how much likelier the giver shows each value than another person does.

    Naive Bayes with one added to each count.
    """
    right: Counter[object] = Counter()
    wrong: Counter[object] = Counter()
    for observer in observers:
        for _, one, other in _pairs(observer, fits, random):
            right.update(one)
            wrong.update(other)
    return {value: math.log((right[value] + 1) / (wrong[value] + 1)) for value in right | wrong}


def _pairs(observer: Observer, fits: Fits, random: Random) -> Iterator[tuple[int, Feature, Feature]]:
    """For each consent of others what is seen with its giver in mind, and with the giver of a random other one.

    Both come from the same consents, so that being busy, or known to the observers, betrays nobody.
    """
    month, known = observer.month, observer.known()
    treated = {each.person for each in month.consents if observer.told(each)}
    others = [
        each
        for each in month.consents
        if not observer.told(each)
        and month.home(each.person) not in observer.members
        and (observer.treating or each.person not in treated)
    ]
    for consent in others:
        while True:
            decoy = random.choice(others).person
            if decoy != consent.person and fits(consent, decoy):
                break
        right, wrong = (observer.features(consent, each, known) for each in (consent.person, decoy))
        yield consent.number, right, wrong


def _score(weights: Weights, features: Feature) -> float:
    return sum(weights.get(value, 0.0) for value in features)


def observe(rules: Rules, seed: int, fits: Sees, together: int = 1, **looks: bool) -> Played:
    """The game for every member (or group of neighbours) as observer, in a month that its seed decides."""
    month, before = live(rules, Random(seed)), live(rules, Random(seed + 1))
    groups = [
        frozenset(range(begin, begin + together))
        for begin in range(0, rules.members - together + 1, together)
    ]
    past = [Observer(before, members, **looks) for members in groups]
    weights, random = learn(past, partial(fits, before), Random(seed + 2)), Random(seed + 3)
    now = [Observer(month, members, **looks) for members in groups]
    return Played(tuple(each for one in now for each in play(one, weights, partial(fits, month), random)))


def anybody(month: Month, consent: Consent, person: int) -> bool:
    """Every person is set beside the giver."""
    return True


def not_excluded(month: Month, consent: Consent, person: int) -> bool:
    """Only patients of members that sent none of it: with hops no member sends for its own patients."""
    return month.home(person) not in (consent.sender, consent.poster, consent.copier)


def neighbours(month: Month, consent: Consent, person: int) -> bool:
    """Only patients of the giver's own gateway."""
    return month.home(person) == month.home(consent.person)
