"""How much a post has read by the rule ``general``, and the officer's agreement to more that comes with a request."""

from __future__ import annotations

from careledger.domain.errors import SignatureRefused
from careledger.domain.parties import PartyId
from careledger.domain.questions import PATIENTS_A_DAY, Agreement, GeneralUse
from careledger.formats.releases import OfficerAgreement
from careledger.formats.signed import open_signed
from careledger.workflows.custodian import standing
from careledger.workflows.custodian.asking import DAY, Asking
from careledger.workflows.custodian.parts import Custody


def general_use(custody: Custody, asking: Asking) -> GeneralUse:
    """How many other patients this post read today by the rule, here, and who agreed to one more.

    Raises SignatureRefused, PartyNotFound, SessionExpired.
    """
    read = custody.journal.general(asking.request.reader, asking.at // DAY, asking.request.alias)
    return GeneralUse(read, _agreement(custody, asking) if read >= PATIENTS_A_DAY else None)


def _agreement(custody: Custody, asking: Asking) -> Agreement | None:
    """The agreement, signed in a session of the officer that lives at T; None where the request carries none."""
    carried = asking.signed.agreement
    if carried is None:
        return None
    session, facts = standing.session(asking.view, carried.session, custody.deployment)
    standing.check_time(session, asking.at)
    said = open_signed(OfficerAgreement, carried.statement, session.session_key, custody.deployment)
    if (session.post, facts.employer) != (said.officer, said.employer):
        raise SignatureRefused(why="another officer's session")
    asker = asking.view.party(asking.request.reader)
    return Agreement(
        officer=standing.post(asking.view, facts),
        reader=PartyId(said.reader),
        alias=said.alias,
        made=said.made,
        until=said.until,
        this_request=said.request == asking.request.id,
        another_key=asker is not None and asker.controller != facts.controller,
    )
