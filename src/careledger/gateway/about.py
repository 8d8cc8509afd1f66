"""Whose records a search is about: the patients that it names, taken out of what is compared with the records.

What custodians keep under an alias is about that patient, whatever a record says of its subject and whether or not the
Patient record that it refers to is shown. So ``patient=`` chooses whose records are looked at, and is not compared.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from careledger.fhir.searching.values import malformed

Given = Sequence[tuple[str, str]]
WHOSE = frozenset({"patient", "subject", "beneficiary", "patient.identifier", "subject.identifier"})
WHO = frozenset({"_id", "identifier"})
"""Of a search for patients themselves."""
NEVER_EMPTY = WHOSE | {"_id"}
_ALIAS = re.compile(r"(?:https?://[^|,]+/)?(?:Patient/|urn:careledger:alias\|)?([0-9a-f]{64})")


@dataclass(frozen=True, repr=False)
class About:
    """``aliases``: the patients, each once, in the order of the search, None where it names none; ``rest``: what has to
    be compared. Never printed."""

    aliases: tuple[bytes, ...] | None
    rest: tuple[tuple[str, str], ...]


def about_whom(kind: str, given: Given) -> About:
    """The patients named by every parameter that names some; parameters that name different ones leave nobody.

    Raises SearchRefused for one that says nobody: to pass over it would show everybody's for one person's.
    """
    aliases: tuple[bytes, ...] | None = None
    rest = []
    for name, value in given:
        if not value and name.replace(":Patient", "") in NEVER_EMPTY:
            raise malformed(name, "an empty value")
        named = _aliases(value) if _chooses(kind, name) else ()
        if not named:
            rest.append((name, value))
            continue
        aliases = named if aliases is None else tuple(each for each in aliases if each in named)
    return About(aliases, tuple(rest))


def in_compartment(kind: str, id: str, given: Given) -> About:
    """The patient with that id, as in ``Patient/ID/TYPE``, unless parameters name others alone; nobody for what is no
    alias."""
    about = about_whom(kind, given)
    named = [bytes.fromhex(id)] if re.fullmatch(r"[0-9a-f]{64}", id) else []
    return About(tuple(each for each in named if about.aliases is None or each in about.aliases), about.rest)


def _chooses(kind: str, name: str) -> bool:
    return name.replace(":Patient", "") in (WHO if kind == "Patient" else WHOSE)


def _aliases(value: str) -> tuple[bytes, ...]:
    """The aliases of a value all of whose alternatives are aliases."""
    found = [_ALIAS.fullmatch(each) for each in value.split(",")]
    named = [bytes.fromhex(each[1]) for each in found if each is not None]
    return tuple(dict.fromkeys(named)) if len(named) == len(found) else ()
