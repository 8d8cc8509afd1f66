"""The seeds of earlier epochs, from those that one holds and the epoch records that custodians answer with.

A patient who ends consents begins an epoch each time, and a reader who stays is sent a key each time. So each chain is
gone back once, and only as far as something was released of.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from careledger.domain.errors import CareLedgerError
from careledger.formats.patients import EpochRecord, EpochStatement
from careledger.formats.releases import Answer
from careledger.sealing.epochs import open_back
from careledger.sealing.keys import Secret
from careledger.workflows.asking import Access
from careledger.workflows.epochs import unbroken

Seeds = dict[tuple[int, int], list[Secret]]
"""By compartment and number of the epoch."""
Chain = list[tuple[EpochStatement, EpochRecord]]


def epoch_seeds(access: Access, answers: Sequence[Answer], alias: bytes, oldest: Mapping[int, int]) -> Seeds:
    """The seeds held, and those that follow from them along the records in each answer, in each compartment down to its
    ``oldest`` epoch; compartments without one are not gone back.

    Where answers lead to several seeds of an epoch, all are given: a header opens with its own only.
    """
    found: Seeds = {}
    for place, seed in access.seeds:
        _unite(found, {place: seed})
    newest_first = sorted(access.seeds, key=lambda each: each[0][1], reverse=True)
    for answer in {each.epochs: each for each in answers}.values():
        chains, passed = _chains(answer, alias, oldest), dict[tuple[int, int], Secret]()
        for (compartment, number), seed in newest_first:
            if passed.get((compartment, number)) != seed:  # else a walk from a newer one came by here
                earlier = _back(chains.get(compartment, []), number, seed)
                _unite(found, made := {(compartment, each): before for each, before in earlier.items()})
                passed |= made
    return found


def _unite(found: Seeds, more: Mapping[tuple[int, int], Secret]) -> None:
    for place, seed in more.items():
        known = found.setdefault(place, [])
        if seed not in known:
            known.append(seed)


def _chains(answer: Answer, alias: bytes, oldest: Mapping[int, int]) -> dict[int, Chain]:
    """An answer's records of these compartments, the newest first; none where one of them is no record."""
    made: dict[int, Chain] = defaultdict(list)
    try:
        for record in map(EpochRecord.decode, answer.epochs):
            statement = EpochStatement.decode(record.statement.body)
            lowest = oldest.get(statement.compartment)
            if statement.alias == alias and lowest is not None and statement.number >= lowest:
                made[statement.compartment].append((statement, record))
    except CareLedgerError:
        return {}
    for chain in made.values():
        chain.sort(key=lambda pair: pair[0].number, reverse=True)
    return made


def _back(chain: Chain, newest: int, seed: Secret) -> dict[int, Secret]:
    """The seeds that a chain leads to, backwards from one held; none if it does not fit."""
    try:
        return open_back(seed, unbroken([pair for pair in chain if pair[0].number <= newest]))
    except CareLedgerError:
        return {}
