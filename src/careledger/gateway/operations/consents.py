"""The consents that a post holds, as Consent resources: made of the grants that reached its organisation, kept nowhere.

A Consent that is sent is a document and grants nothing, unless it carries the grant package that the patient's own
agent signed and sealed: that is taken as if it had come by the board.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby, islice
from operator import itemgetter

from careledger.app.tokens import Bearer
from careledger.app.world import World
from careledger.domain.consents import Consent, ConsentState, Purpose, Window
from careledger.domain.errors import CannotExpress, FhirRefused, MalformedBytes, RecordNotFound
from careledger.fhir.consent.agreed import Agreed
from careledger.fhir.consent.writing import Stands, resource_of
from careledger.fhir.json_text import Flaw, Resource, read
from careledger.gateway.outcomes import outcome
from careledger.gateway.views import Shown
from careledger.ports import LedgerView
from careledger.workflows.actors import Staff
from careledger.workflows.judging import consent_at
from careledger.workflows.received import (
    OWNER,
    Received,
    fetch_grants,
    grantees_of,
    grants,
    grants_to,
    grants_under,
    named_grants,
    names_reader,
)
from careledger.workflows.signed_consents import ATTACHMENT, is_signed, name_at, take_signed

KIND = "Consent"
GRANTS_NOTHING = (
    "Kept as a document. It grants nothing: a consent counts when the patient's own agent has signed it and it stands "
    "on the ledger."
)
FOR_ANOTHER = "Taken. It names another post of this organisation, or none that is this one's now."
REDACTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "REDACTED"}
"""On every one: which records a consent leaves out is not said, whether or not it leaves any out."""


def is_held(kind: str, id: str) -> bool:
    """Whether that is the address of a consent that is held, and of no record."""
    return kind == KIND and re.fullmatch(r"[0-9a-f]{64}", id) is not None


@dataclass(frozen=True, repr=False)
class Held:
    """A consent as its holder may see it: without which records it leaves out. ``status`` is a Consent.status,
    ``given_at`` 0 where the ledger does not have it."""

    alias: bytes
    commitment: bytes
    agreed: Agreed
    status: str
    given_at: int


def holding(
    world: World, who: Bearer, aliases: Iterable[bytes] | None = None, commitment: bytes = b""
) -> list[Held]:
    """The consents by which this post, one of its teams or its organisation may do something, ended ones included;
    those of these patients, or of all, and with that commitment where one is given."""
    fetch_grants(world.network, who.staff.organisation)
    return _holding(world, who, aliases, commitment, who.consent)


def _holding(
    world: World, who: Bearer, aliases: Iterable[bytes] | None, commitment: bytes, consent: bytes
) -> list[Held]:
    view = world.ledger.fresh_head()
    wanted = None if aliases is None else set(aliases)
    if who.patient:
        wanted = {who.patient} & (wanted if wanted is not None else {who.patient})
    made = []
    for each in _named(view, who.staff, consent, commitment, wanted):
        if names_reader(view, each.certificate.grantee, who.staff):
            with suppress(CannotExpress, MalformedBytes):
                # who signs for an alias may sign anything: it is passed over
                made.append(_held(world, view, each))
    return made


def _named(
    view: LedgerView, staff: Staff, consent: bytes, commitment: bytes, aliases: set[bytes] | None
) -> list[Received]:
    """The grants that are meant, by owner and commitment, and no others: those that may name the post where nothing is
    said of them."""
    organisation = staff.organisation
    if consent:
        found = grants_under(organisation, consent[OWNER:], consent[:OWNER])
    elif commitment:
        found = grants_under(organisation, commitment)
    elif aliases is not None:
        found = [each for alias in aliases for each in grants(organisation, alias)]
        found.sort(key=lambda each: (each.certificate.owner, each.certificate.commitment))
    else:
        return grants_to(organisation, grantees_of(view, staff))
    found = [each for each in found if commitment in (b"", each.certificate.commitment)]
    return [each for each in found if aliases is None or each.alias in aliases]


def holding_after(world: World, who: Bearer, after: bytes) -> Iterator[Held]:
    """The same, all of them, each commitment once, in their order after one; each is opened when it is taken."""
    fetch_grants(world.network, who.staff.organisation)
    for _, same in groupby(named_grants(who.staff.organisation, after), itemgetter(0)):
        keys = [owner + commitment for commitment, owner in same]
        mine = (each for each in reversed(keys) if who.consent in (b"", each))
        yield from islice((held for key in mine for held in _holding(world, who, None, b"", key)), 1)


def held(
    world: World, who: Bearer, aliases: Iterable[bytes] | None = None, commitment: bytes = b""
) -> list[Shown]:
    """The same as Consent resources; one that FHIR cannot carry is left out."""
    view = world.ledger.fresh_head()
    made = [_shown(view, each) for each in holding(world, who, aliases, commitment)]
    return [each for each in made if each is not None]


def one(world: World, who: Bearer, commitment: str) -> Shown:
    """The consent with that commitment; raises RecordNotFound for one that does not name this post."""
    for shown in held(world, who, commitment=bytes.fromhex(commitment)):
        return shown
    raise RecordNotFound()


def grants_nothing() -> Resource:
    """What a Consent that was written is answered with."""
    return outcome("warning", "informational", GRANTS_NOTHING)


def signed(body: bytes) -> Resource | None:
    """The Consent in a body that carries its sealed grant package; None for any other."""
    try:
        consent = read(body)
    except Flaw:
        return None  # what is not JSON is refused where it would be written
    return consent if is_signed(consent) else None


def take(world: World, who: Bearer, consent: Resource) -> tuple[bytes, str, Resource, bool]:
    """Takes a signed Consent for the post's organisation: the alias, its id, what this post sees of it, and whether it
    is new. Raises what ``take_signed`` raises."""
    taken = take_signed(world.network, who.staff.organisation, consent)
    certificate = taken.received.certificate
    id = certificate.commitment.hex()
    try:
        seen = one(world, who, id).resource
    except RecordNotFound:
        seen = outcome("information", "informational", FOR_ANOTHER)
    return certificate.alias, id, seen, taken.new


def check_unsigned(resource: Resource) -> None:
    """Raises FhirRefused for a Consent with a grant package, which is taken by itself and never written."""
    if is_signed(resource):
        raise FhirRefused(path=ATTACHMENT, problem="a signed Consent is posted by itself")


def _held(world: World, view: LedgerView, received: Received) -> Held:
    consent = consent_at(view, received.package.certificate, world.ledger.deployment)
    package = received.package
    window = consent.window if consent.given else Window(package.window_start, package.window_end)
    agreed = Agreed(
        consent.grantee, replace(consent.scope, exceptions=frozenset()), consent.purpose, window, consent.ready_made
    )  # fmt: skip
    now = max(world.clock.now(), view.head.time)
    commitment = received.certificate.commitment
    return Held(received.alias, commitment, agreed, _status(view, consent, now), consent.given_at)


def _shown(view: LedgerView, each: Held) -> Shown | None:
    try:
        stands = Stands(each.commitment, each.status, each.given_at)
        resource = resource_of(each.agreed, each.alias, name_at(view), stands)
    except CannotExpress:
        return None
    return Shown(KIND, each.commitment.hex(), "0", 0, {**resource, "meta": {"security": [REDACTED]}})


def _status(view: LedgerView, consent: Consent, now: int) -> str:
    """A Consent.status: what another controller signed, or somebody who has died, is over like what was revoked."""
    stands, facts = consent.state(now), view.alias(consent.alias)
    if stands is ConsentState.NONE:
        return "proposed"
    died = facts is not None and facts.living is not None and consent.purpose is not Purpose.AFTERDEATH
    over = stands in (ConsentState.EXPIRED, ConsentState.REVOKED)
    return "inactive" if over or died or not consent.by_present_controller else "active"
