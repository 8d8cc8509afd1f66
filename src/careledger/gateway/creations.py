"""What entries of a transaction create: read and judged as the file that they are together, then stored for whom they
are about."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from operator import is_
from typing import Any
from uuid import UUID

from careledger.app.tokens import Bearer
from careledger.domain.errors import FileRefused, ImportStopped, ScopeRefused
from careledger.fhir.json_text import Resource, read
from careledger.gateway import taking
from careledger.gateway.acts import Act, at
from careledger.gateway.beside import LONG
from careledger.gateway.deciding import PATIENT
from careledger.gateway.desk import Desk
from careledger.gateway.entries import Sending
from careledger.gateway.grounds import check_reaches
from careledger.gateway.outcomes import ENTRY
from careledger.workflows.alike import KnownPeople
from careledger.workflows.deposit import Prepared
from careledger.workflows.import_file import namespace_of
from careledger.workflows.intake import Judged, add_patient, became, judge, registered_in, statement_of
from careledger.workflows.new_versions import NewVersion
from careledger.workflows.source_patients import chosen_alias, known_alias, named_alias
from careledger.workflows.staged import Refusal, Staged
from careledger.workflows.together import Together

Steps = Generator[Callable[[], Any] | None, Any, None]
Touch = Callable[[str, Act], None]


class Creations:
    """Those of one transaction: ``acts`` may get fewer until they are judged. ``touch`` is told what each will be."""

    def __init__(self, desk: Desk, who: Bearer, sending: Sending, touch: Touch) -> None:
        self._desk, self._who, self._sending, self._touch = desk, who, sending, touch
        self._network, self._organisation = desk.world.network, who.staff.organisation
        self._people = KnownPeople(self._organisation)
        self.acts: list[Act] = []
        self._read: tuple[list[bytes], Staged] | None = None
        self._judged = Judged((), ())
        self._added: list[tuple[bytes, list[Prepared]]] = []

    @property
    def aliases(self) -> Iterator[bytes]:
        """About whom something is stored."""
        return (alias for alias, _ in self._added)

    def look(self) -> Steps:
        """Finds out whom each is about, if that is somebody who is registered here; raises as ``judge``."""
        said = yield from self._staged()
        view = self._network.ledger.fresh_head()
        for patient in said.patients if said is not None else ():
            named = named_alias(patient.key)
            alias = named if named is not None and view.alias(named) is not None else None
            if alias is None and patient.key:
                alias = known_alias(self._organisation, patient.key)
            for version in patient.versions:
                self.acts[version.index].alias = alias

    def judge(self) -> Steps:
        """Raises ImportStopped, FhirRefused, PatientNotFound, ScopeRefused, AccessRefused, and what ``touch`` does."""
        said = yield from self._staged()
        if said is None:
            return
        registered = registered_in(self._network.ledger.fresh_head(), said)
        self._judged = judge(self._organisation, said, self._people, registered)
        self._stop_at(said, self._judged.refusals)
        for patient in self._judged.patients:
            if patient.alias is not None:
                with at(self.acts[patient.staged.versions[0].index]):
                    statement_of(self._network, self._organisation, patient.alias)
            for version in patient.staged.versions:
                act = self.acts[version.index]
                with at(act):
                    self._check(act, patient.alias, version.load())
            yield None

    def places(self) -> Mapping[str, str]:
        """What entries that create are called, and where they will be."""
        names = {}
        for patient in self._judged.patients:
            for version in patient.staged.versions:
                sent = self.acts[version.index].sent
                if sent.full_url and sent.kind == PATIENT:
                    alias = patient.alias or chosen_alias(self._organisation, patient.staged.key)
                    names[sent.full_url] = f"{PATIENT}/{alias.hex()}"
                elif sent.full_url:
                    names[sent.full_url] = f"{sent.kind}/{UUID(bytes=version.record_id)}"
        return names

    def store(self, together: Together) -> Steps:
        """Registers who is new and stores everything; raises as ``add_patient``."""
        for patient in self._judged.patients:
            session = self._desk.leases.session(self._who)
            adding = add_patient(self._network, session, patient, self._people, together, taking.PORTION)
            with self._named(patient.staged.versions[0].index):
                self._added.append((yield from adding))

    def answers(self, root: bytes) -> Iterator[tuple[Act, bytes, Resource]]:
        """What became of each under that root, and of whom it is."""
        for patient, (alias, portions) in zip(self._judged.patients, self._added, strict=True):
            made = became(self._network, alias, portions, root)
            for index, entry in taking.answers(patient.staged, made):
                yield self.acts[index], alias, entry

    def _staged(self) -> Generator[Callable[[], Any] | None, Any, Staged | None]:
        """The entries read as the file that they are, None for none; read again where they were changed since."""
        if not self.acts:
            return None
        bodies = [each.body for each in self.acts]
        if (
            self._read is not None
            and len(bodies) == len(self._read[0])
            and all(map(is_, bodies, self._read[0]))
        ):
            return self._read[1]
        changed = {each.sent.place: each.body for each in self.acts if each.body is not each.sent.body}
        data = self._sending.of([each.sent for each in self.acts], changed)
        reading = partial(taking.read, data, namespace_of(self._organisation))
        said: Staged = (yield reading) if len(data) > LONG else reading()
        self._stop_at(said, said.refusals)
        self._read = bodies, said
        return said

    def _stop_at(self, said: Staged, refusals: Sequence[Refusal]) -> None:
        for first in refusals:
            act = self.acts[first.index]
            why = f"{first.path}: {first.why}" if first.path else first.why
            with at(act):
                raise ImportStopped(
                    file=said.name, rejected=len(refusals), first_entry=act.sent.place, why=why
                )

    def _check(self, act: Act, alias: bytes | None, version: NewVersion) -> None:
        kind = version.resource_type
        self._touch(f"{kind}/{UUID(bytes=version.record_id)}", act)
        if self._who.patient:
            if alias is None or kind == PATIENT:
                raise ScopeRefused(needs="a token that is not for one patient alone")
            check_reaches(self._who, alias)
        if not self._who.scopes.allow("c", kind):
            resource = dict(read(version.body.canonical))
            if not self._who.scopes.cover("c", kind, resource):
                raise ScopeRefused(needs=f"{kind}.c for this record")

    @contextmanager
    def _named(self, index: int) -> Iterator[None]:
        """What is refused of a file that was read is said of the Bundle's entry."""
        try:
            with at(self.acts[index]):
                yield None
        except FileRefused as error:
            sent = self.acts[int(str(error.details["entry"]))].sent
            raise type(error)(**(error.details | {"entry": sent.place, ENTRY: sent.where})) from None
