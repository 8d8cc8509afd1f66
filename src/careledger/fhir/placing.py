"""Placing all entries of a file: what a record says by itself, and what it gives away about another."""

from __future__ import annotations

from collections.abc import Iterable

from careledger.domain.categories import Category, Compartment, Sensitivity
from careledger.fhir.entries import Entry
from careledger.fhir.links import Links, stated_patient
from careledger.fhir.mapping import Follows, Placing

Placings = dict[int, Placing]

_IDENTITIES = frozenset(category for category in Category if category.code.startswith("identity-"))
# That a record belongs to a person or a visit says nothing about why that visit is guarded; nor is what a privacy
# consent says, who may see what, repeated by a patient's other records.
_SAY_NOTHING = _IDENTITIES | {Category.VISIT}
_PRIVACY_ALONE = ("privacy-consent",)


def settle(links: Links, placings: Placings) -> Placings:
    """The placings of all entries by index, seen together.

    A record that refers to a restricted one is restricted (a claim names its diagnosis), and so is free text about
    a patient of whom the file has restricted records, because it repeats them. Provenance and Binary get the
    compartment of what they belong to.
    """
    made = dict(placings)
    _guard_referrers(links, made)
    _guard_free_text(links, made)
    _let_follow(links, made)
    return made


def _guard_referrers(links: Links, made: Placings) -> None:
    waiting = [entry for entry in links.entries if _gives_away(made[entry.index])]
    while waiting:
        open_ones = [each for each in links.referrers(waiting.pop()) if _can_be_guarded(made[each.index])]
        for referrer in open_ones:
            made[referrer.index] = made[referrer.index].restricted_because("refers-to-restricted")
        waiting += [referrer for referrer in open_ones if _gives_away(made[referrer.index])]


def _guard_free_text(links: Links, made: Placings) -> None:
    guarded = {
        patient.index
        for entry in links.entries
        if _gives_away(made[entry.index]) and (patient := links.patient_of(entry))
    }
    for entry in links.entries:
        placing = made[entry.index]
        patient = links.patient_of(entry)
        if placing.free_text and _can_be_guarded(placing) and patient and patient.index in guarded:
            made[entry.index] = placing.restricted_because("free-text")


def _gives_away(placing: Placing) -> bool:
    compartment = placing.compartment
    restricted = compartment.sensitivity is Sensitivity.RESTRICTED
    silent = compartment.category in _SAY_NOTHING or placing.why_restricted == _PRIVACY_ALONE
    return restricted and not placing.follows and not silent


def _can_be_guarded(placing: Placing) -> bool:
    compartment = placing.compartment
    normal = compartment.sensitivity is Sensitivity.NORMAL
    return normal and not placing.follows and compartment.category not in _IDENTITIES


def _let_follow(links: Links, made: Placings) -> None:
    for entry in links.entries:
        placing = made[entry.index]
        if placing.follows:
            others = links.targets(entry) if placing.follows is Follows.TARGETS else links.referrers(entry)
            found = _shared(made[other.index] for other in others)
            if found:
                made[entry.index] = Placing(placing.row, found, ("follows",) if found.sensitivity else ())


def _shared(placings: Iterable[Placing]) -> Compartment | None:
    """The first category among them, restricted if any of them is."""
    found = [placing.compartment for placing in placings if not placing.follows]
    if not found:
        return None
    return Compartment(found[0].category, max(compartment.sensitivity for compartment in found))


def patient_for(links: Links, entry: Entry) -> Entry | None:
    """The patient under whom an entry is filed: whom it is about; else, unless it is about somebody else, the only
    patient of the file, for the copies of practitioners and organisations that a patient's file carries, or the only
    one of what it refers to and what refers to it, for the Binary and the Provenance of a file of several."""
    found = links.patient_of(entry)
    if found or stated_patient(entry.resource):
        return found
    if len(links.patients) == 1:
        return links.patients[0]
    around = [links.patient_of(other) for other in (*links.referrers(entry), *links.targets(entry))]
    return _only([each for each in around if each is not None])


def _only(patients: Iterable[Entry]) -> Entry | None:
    found = {each.index: each for each in patients}
    return next(iter(found.values())) if len(found) == 1 else None
