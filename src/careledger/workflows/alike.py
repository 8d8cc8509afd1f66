"""What of an import may be known here already, or not be what it seems: shown for people to judge.

Nothing is merged, refused or left out for it. The organisation's own identity table and imports are asked, nothing
else: what others know of a person is for a link (workflows.link).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from careledger.formats.deposits import sliced
from careledger.workflows.actors import Organisation
from careledger.workflows.deposited import UNDONE
from careledger.workflows.identity_rows import Identity, bare
from careledger.workflows.link import SIMILAR, births_agree, likeness, plain
from careledger.workflows.register import IDENTITY, identities
from careledger.workflows.source_patients import known_alias
from careledger.workflows.staged import Staged, StagedVersion, Stated
from careledger.workflows.staging import parts_of


@dataclass(frozen=True)
class Like:
    """A patient registered here before who looks like one that an import brings; ``why`` as workflows.link says it."""

    alias: bytes
    why: str


@dataclass(frozen=True)
class SameContent:
    """An entry that says what a record says which was imported for the same patient under another name."""

    index: int
    record_id: bytes


class KnownPeople:
    """An organisation's identity table, read once, when it is first asked."""

    def __init__(self, organisation: Organisation) -> None:
        self._organisation = organisation
        self._by_group: dict[str, list[Identity]] | None = None

    def add(self, row: Identity) -> None:
        """Somebody more was registered."""
        if self._by_group is not None:
            _put(self._by_group, row)

    def like(self, identity: Identity) -> tuple[Like, ...]:
        """Whom this person may be."""
        if self._by_group is None:
            self._by_group = {}
            for row in identities(self._organisation):
                _put(self._by_group, row)
        found: dict[bytes, Like] = {}
        for row in (row for group in _groups(identity) for row in self._by_group.get(group, ())):
            why = likeness(identity, row)
            if why:
                found.setdefault(row.alias, Like(row.alias, why))
        return tuple(found.values())


def _put(by_group: dict[str, list[Identity]], row: Identity) -> None:
    for group in _groups(row):
        by_group.setdefault(group, []).append(row)


def _groups(row: Identity) -> set[str]:
    return {f"id {bare(row.national_id)}", f"year {row.birth[:4]}"} - {"id ", "year "}


def same_contents(
    organisation: Organisation, alias: bytes, versions: Sequence[StagedVersion]
) -> tuple[SameContent, ...]:
    """Which of these versions say what was imported for this patient before under another name."""
    undone = {deposit for deposit, _ in organisation.books.rows(UNDONE)}
    known: dict[bytes, set[bytes]] = defaultdict(set)
    for part in parts_of(organisation.books, alias):
        if part.deposit not in undone:
            for content, record in zip(sliced(part.contents, 16), sliced(part.record_ids, 16), strict=True):
                known[content].add(record)
    return tuple(
        SameContent(each.index, min(known[each.content]))
        for each in versions
        if each.content in known and each.record_id not in known[each.content]
    )


def differing(organisation: Organisation, alias: bytes, stated: Iterable[Stated]) -> list[str]:
    """Where a file says another patient than this one, as far as the table knows; never what it says."""
    row = organisation.books.get(IDENTITY, alias)
    known = Identity.decode(row) if row is not None else None
    return [each.where for each in stated if known is not None and _differs(organisation, known, each)]


def _differs(organisation: Organisation, known: Identity, stated: Stated) -> bool:
    if stated.what == "birth":
        return bool(known.birth) and not births_agree(known.birth, stated.value)
    if stated.what == "name":
        names = {plain(known.name), plain(known.romanised)} - {""}
        return bool(names) and not any(
            SequenceMatcher(None, name, plain(stated.value)).ratio() >= SIMILAR for name in names
        )
    other = known_alias(organisation, f"Patient/{stated.value}")
    return other is not None and other != known.alias


def all_versions(staged: Staged) -> list[StagedVersion]:
    """Every version of a file, whoever they are about."""
    return [version for patient in staged.patients for version in patient.versions]
