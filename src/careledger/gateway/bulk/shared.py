"""What the patients of a group let a post read, one request for each: a walk for an export, and whether it still holds.

Each patient decides as on any search, each release stands in the patient's log, and nothing stays open in memory. Files
that are made of it are handed out only as far as the consent that opened each record stands at that moment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from uuid import UUID

from careledger.app.tokens import Bearer
from careledger.domain.errors import (
    CareLedgerError,
    LedgerStale,
    PartyNotVerified,
    PatientNotFound,
    SessionExpired,
    StoreUnavailable,
)
from careledger.domain.reasons import Rule
from careledger.fhir.json_text import Resource
from careledger.formats.deposits import sliced
from careledger.formats.patients import AliasStatement, Certificate
from careledger.gateway.bulk.jobs import ERROR
from careledger.gateway.bulk.seen import Memory
from careledger.gateway.bulk.wanted import ALIAS, END, OUTCOME, Line, Owner, Step, Wanted
from careledger.gateway.bundles import withheld
from careledger.gateway.leases import Leases
from careledger.gateway.outcomes import refusal
from careledger.gateway.views import Shown
from careledger.workflows.asking import Access, session_access
from careledger.workflows.epochs import own_statement
from careledger.workflows.lease import ground_misses
from careledger.workflows.received import Received, grants
from careledger.workflows.register import kept_holder

FIRST, PERSON = bytes(15) + b"\1", bytes(15) + b"\2"
"""Places before every record id: what is said of a patient, and the patient."""
ONLY_ALIAS = "0"
"""The version of a patient of whom no Patient record is shown; there at any time."""
FOR_ALL = (LedgerStale, StoreUnavailable, PartyNotVerified, SessionExpired)
"""What concerns no patient: the export waits."""


class SharedWalk:
    """The walk through the patients of a group for one export of one post."""

    def __init__(self, leases: Leases, who: Bearer, wanted: Wanted, memory: Memory) -> None:
        self._leases, self._who, self._wanted, self._memory = leases, who, wanted, memory

    def steps(self, cursor: bytes) -> Iterator[Step | None]:
        """Patient by patient behind the cursor, record by record in the order of their ids; a patient who refuses is
        named, and nobody is told why it matters. Of a patient in the middle of whom it broke off it is asked anew."""
        for alias in sliced(self._wanted.patients, ALIAS):
            after = cursor[ALIAS:] if alias == cursor[:ALIAS] else b""
            if alias >= cursor[:ALIAS] and after != END:
                yield from self._patient(alias, after)
                yield Step(alias + END, (), True)

    def _patient(self, alias: bytes, after: bytes) -> Iterator[Step | None]:
        try:
            view, access = self._leases.once(self._who, alias)
        except FOR_ALL:
            raise
        except CareLedgerError as error:
            self._memory.refused(alias)
            yield Step(alias + END, [_about(alias, refusal(error))])
            return
        owner, current = Owner(alias, _consent(access)), view.current

        def resolve(reference: str) -> Resource | None:
            return current[reference].resource if reference in current else None

        wanted, answers = self._wanted, self._wanted.answers(alias, resolve)
        held = [each.version for each in current.values() if each.version != ONLY_ALIAS]
        readable = self._memory.learn(alias, owner.consent, held)
        if not after:
            yield Step(alias + FIRST, [_about(alias, each) for each in withheld([view])])
        for place, shown in sorted(((_place(each), each) for each in current.values()), key=itemgetter(0)):
            changed = wanted.changed(shown.anchored) or wanted.after(readable.get(shown.version))
            if place > after and changed:
                yield Step(alias + place, wanted.line(shown.resource, answers, owner))


@dataclass(repr=False)
class Grounds:
    """Whether that by which patients' records were released to a post still holds, each looked up once."""

    leases: Leases
    who: Bearer
    _known: dict[Owner, bool] = field(default_factory=dict)

    def hold(self, owner: Owner) -> bool:
        """At the head now; raises what the ledger raises if it cannot be asked."""
        if owner not in self._known:
            self._known[owner] = self._holds(owner)
        return self._known[owner]

    def _holds(self, owner: Owner) -> bool:
        network = self.leases.world.network
        try:
            access, statement = self._by(owner)
            view = network.ledger.fresh_head()
            now = max(network.clock.now(), view.head.time)
            return ground_misses(network, view, now, access, statement) is None
        except PatientNotFound:
            return False

    def _by(self, owner: Owner) -> tuple[Access, AliasStatement]:
        session, purpose = self.leases.session(self.who), self.who.purpose
        if not owner.consent:
            holder = kept_holder(self.who.staff.organisation, owner.alias)
            return session_access(session, Rule.REGISTRAR, purpose), own_statement(holder)[0]
        received = self._received(owner)
        signed = received.package.certificate
        return session_access(session, Rule.CONSENT, purpose, certificate=signed), received.statement

    def _received(self, owner: Owner) -> Received:
        for each in reversed(grants(self.who.staff.organisation, owner.alias)):
            if each.certificate.commitment == owner.consent:
                return each
        raise PatientNotFound()


def _place(shown: Shown) -> bytes:
    """Where a record comes among a patient's: the patient first, the others by their ids."""
    return PERSON if shown.type == "Patient" else UUID(shown.id).bytes


def _consent(access: Access) -> bytes:
    return b"" if access.certificate is None else Certificate.decode(access.certificate.body).commitment


def _about(alias: bytes, said: Resource) -> Line:
    """An outcome that names its patient, who is a member of the group as the organisation keeps it."""
    issues = [
        {**each, "diagnostics": f"Patient/{alias.hex()}: {each['diagnostics']}"} for each in said["issue"]
    ]
    return Line(ERROR, OUTCOME, {**said, "issue": issues})
