"""After a death: who is named while alive, and what two officers decide.

A naming is a consent for after the death: on the ledger it looks like every other, it is revoked like every other, and
custodians release by it only while the ledger says that the person has died. A decision changes nothing anywhere: it is
signed by two officers, carried with each request, opened from escrow, and named in the log.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence

from careledger.domain.categories import Compartment
from careledger.domain.consents import Grantee, Permission, Purpose, Scope, Window
from careledger.domain.errors import ActRefused, NotTheController, PatientNotFound
from careledger.domain.facts import AliasFacts
from careledger.domain.parties import ControllerKind
from careledger.domain.questions import LONGEST_DECISION
from careledger.domain.reasons import Rule
from careledger.formats.after_death import AfterDeathDecision, SignedDecision
from careledger.formats.signed import sign
from careledger.ports import LedgerView
from careledger.workflows.actors import Holder, Session
from careledger.workflows.asking import Access, session_access
from careledger.workflows.grant import Granted, grant
from careledger.workflows.network import Network
from careledger.workflows.parties import check_officer
from careledger.workflows.register import Officer

EVER = 100 * 365 * 24 * 3600


def name_reader(
    network: Network,
    holder: Holder,
    grantee: Grantee,
    compartments: Iterable[Compartment],
    seconds: int = EVER,
) -> Granted:
    """Names who may view these compartments after the holder's death; ended like a consent, by ``revoke``.

    Raises NotTheController unless the person holds the keys, PartyNotVerified, LedgerRefused.
    """
    if _facts(network.ledger.fresh_head(), holder.alias).kind is not ControllerKind.SELF:
        raise NotTheController()
    now = network.clock.now()
    scope = Scope(frozenset(compartments), frozenset({Permission.VIEW}))
    return grant(network, holder, grantee, scope, Purpose.AFTERDEATH, Window(now, now + seconds))


def decide_after_death(
    network: Network,
    officers: Sequence[Officer],
    reader: int,
    alias: bytes,
    compartments: Iterable[Compartment],
    reason: str,
    seconds: int = LONGEST_DECISION,
) -> SignedDecision:
    """Two officers' decision that the post ``reader`` reads these compartments of the dead; ``reason`` is a code.

    Custodians release by it from the third day after the death was recorded. Raises ActRefused for anybody but two
    ministry officers and while the ledger does not say that the person has died, PatientNotFound.
    """
    view = network.ledger.fresh_head()
    if len({officer.post for officer in officers}) != 2 or len(officers) != 2:
        raise ActRefused(why="two officers decide this")
    for officer in officers:
        check_officer(view, officer)
    if _facts(view, alias).kind is not ControllerKind.NOBODY:
        raise ActRefused(why="the ledger does not say that the person has died")
    now = max(network.clock.now(), view.head.time)
    numbers = tuple(sorted(each.number for each in compartments))
    made = AfterDeathDecision(
        secrets.token_bytes(16), alias, tuple(each.post for each in officers), reader, numbers, reason, now,
        now + min(seconds, LONGEST_DECISION),
    )  # fmt: skip
    first, second = (sign(made, officer.key, network.ledger.deployment) for officer in officers)
    return SignedDecision(first, second)


def by_decision(session: Session, decision: SignedDecision) -> Access:
    """What the named post asks custodians with; opened from escrow."""
    made = AfterDeathDecision.decode(decision.by_first.body)
    return session_access(session, Rule.OFFICERS, Purpose.AFTERDEATH, entry=made.digest(), decision=decision)


def _facts(view: LedgerView, alias: bytes) -> AliasFacts:
    facts = view.alias(alias)
    if facts is None:
        raise PatientNotFound()
    return facts
