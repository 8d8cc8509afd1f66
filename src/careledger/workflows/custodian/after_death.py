"""Two officers' decision that comes with a request for the records of somebody who has died."""

from __future__ import annotations

from careledger.domain.categories import Compartment
from careledger.domain.errors import MalformedBytes, RequestRefused
from careledger.domain.parties import PartyId
from careledger.domain.questions import DeathDecision
from careledger.formats.after_death import AfterDeathDecision
from careledger.formats.signed import open_signed
from careledger.workflows.custodian import standing
from careledger.workflows.custodian.asking import Asking
from careledger.workflows.custodian.parts import Custody


def decision(custody: Custody, asking: Asking) -> DeathDecision | None:
    """The decision that the request names, signed by both officers; None where the request carries none.

    Raises SignatureRefused, PartyNotFound, MalformedBytes, and RequestRefused if the request names another one.
    """
    carried = asking.signed.decision
    if carried is None:
        return None
    claimed = AfterDeathDecision.decode(carried.by_first.body)
    if carried.by_first.body != carried.by_second.body or len(claimed.officers) != 2:
        raise MalformedBytes(why="not one decision of two officers")
    if asking.request.entry != claimed.digest():
        raise RequestRefused(reason="another-decision")
    first, second = (standing.party(asking.view, number) for number in claimed.officers)
    said = open_signed(AfterDeathDecision, carried.by_first, first.controller, custody.deployment)
    open_signed(AfterDeathDecision, carried.by_second, second.controller, custody.deployment)
    return DeathDecision(
        said.alias,
        (standing.post(asking.view, first), standing.post(asking.view, second)),
        PartyId(said.reader),
        frozenset(Compartment.numbered(number) for number in said.compartments),
        said.made,
        said.until,
        two_keys=first.controller != second.controller,
    )
