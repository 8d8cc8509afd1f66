"""A patient's consents as FHIR, and a FHIR Consent as what the patient's agent is to give."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from careledger.app.names import Names
from careledger.cli import consents
from careledger.cli.moments import end
from careledger.cli.opening import Mine
from careledger.cli.records import own_records
from careledger.cli.words import Facts
from careledger.domain.categories import Sensitivity
from careledger.domain.consents import Purpose, Window
from careledger.domain.errors import FhirRefused
from careledger.fhir.consent import words
from careledger.fhir.consent.agreed import Agreed, Known, NamedRecord
from careledger.fhir.consent.reading import agreements
from careledger.fhir.consent.writing import Stands, resource_of
from careledger.fhir.export import unnamed
from careledger.fhir.json_text import Flaw, read
from careledger.formats.patients import GivenConsent, RecordKey
from careledger.formats.scopes import grantee_of, scope_of
from careledger.workflows.grant import certificate_of, given_consents
from careledger.workflows.retrieve import Record, newest
from careledger.workflows.signed_consents import party_at

if TYPE_CHECKING:
    from careledger.app.world import World

LARGEST = 1 << 20
STATUS = {"active": "active", "not yet": "active", "not on the ledger": "proposed"}


def bundle(world: World, mine: Mine) -> Facts:
    """Every consent that this agent ever gave, oldest first; raises CannotExpress if FHIR cannot carry one."""
    names = Names(world, world.ledger.fresh_head())
    stands = {each["commitment"]: each for each in consents.facts(world, mine)["consents"]}
    entries = [
        unnamed(_resource(world, mine, names, given, stands[certificate_of(given).commitment.hex()]), at)
        for at, given in enumerate(given_consents(mine.holder))
    ]
    made: Facts = {"resourceType": "Bundle", "type": "collection"}
    return {**made, "entry": entries} if entries else made


def _resource(world: World, mine: Mine, names: Names, given: GivenConsent, said: Facts) -> Facts:
    certificate = certificate_of(given)
    slot = world.ledger.fresh_head().consent(certificate.owner, certificate.commitment)
    agreed = Agreed(
        grantee_of(certificate.grantee), scope_of(certificate.scope), Purpose.of(certificate.purpose),
        Window(given.start, given.end), certificate.ready_made,
    )  # fmt: skip
    stands = Stands(
        certificate.commitment,
        STATUS.get(said["state"], "inactive"),
        slot.given_at if slot is not None else 0,
    )
    return resource_of(agreed, mine.holder.alias, names.id, stands)


class Agent:
    """What the patient's agent knows: the parties on the ledger, and the patient's own records when one is named."""

    def __init__(self, world: World, mine: Mine) -> None:
        self._world, self._mine, self._view = world, mine, world.ledger.fresh_head()

    def agreements(
        self, file: Path, until: str, labels: Sequence[str], policies: Sequence[str]
    ) -> tuple[Agreed, ...]:
        """What that file comes to with these words beside it; raises BadParameter, FhirRefused, CannotExpress."""
        now, alias = max(self._world.clock.now(), self._view.head.time), self._mine.holder.alias.hex()
        known = Known(
            frozenset({f"{words.ALIAS}|{alias}", f"Patient/{alias}"}),
            lambda name: party_at(self._view, name),
            self._record,
            frozenset(policies),
            end(until, now) if until else None,
            _sensitivities(labels),
        )
        return agreements(_read(file), known)

    def keys(self, agreed: Sequence[Agreed]) -> dict[bytes, RecordKey]:
        """The secrets of the single records in these, by handle."""
        wanted = {handle for each in agreed for handle in each.scope.handles or ()}
        found = self._records if wanted else ()
        return {
            each.handle: RecordKey(each.handle, each.compartment.number, each.secret.reveal())
            for each in found
            if each.handle in wanted
        }

    def _record(self, name: str) -> NamedRecord | None:
        """By the version's identifier, or as the gateway calls records: ``Type/id``, ``Type/id/_history/version``."""
        found = self._names.get(name.removeprefix(f"{words.VERSION}|"))
        return None if found is None else NamedRecord(found.handle, found.compartment)

    @cached_property
    def _records(self) -> tuple[Record, ...]:
        return own_records(self._world, self._mine, every=True).records

    @cached_property
    def _names(self) -> dict[str, Record]:
        named = {}
        for each in self._records:
            named[each.handle.hex()] = named[f"{_path(each)}/_history/{each.handle.hex()}"] = each
        return named | {_path(each): each for each in newest(self._records)}


def _path(record: Record) -> str:
    digits = record.manifest.record_id.hex()
    parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
    return f"{record.manifest.resource_type}/{'-'.join(parts)}"


def _sensitivities(labels: Sequence[str]) -> frozenset[Sensitivity] | None:
    known = {each.code: each for each in Sensitivity}
    for word in labels:
        if word not in known:
            raise typer.BadParameter(f"{word} is none of {', '.join(known)}", param_hint="--label")
    return frozenset(known[word] for word in labels) or None


def _read(file: Path) -> object:
    try:
        with file.open("rb") as opened:
            data = opened.read(LARGEST + 1)
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}", param_hint="FILE") from None
    if len(data) > LARGEST:
        raise typer.BadParameter(f"a Consent has at most {LARGEST >> 20} MiB", param_hint="FILE")
    try:
        return read(data)
    except Flaw as flaw:
        raise FhirRefused(path=flaw.path, problem=flaw.why) from None
