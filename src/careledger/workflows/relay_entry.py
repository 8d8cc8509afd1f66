"""What a patient's agent signed for the ledger, brought by whomever, is checked, entered and looked for.

Bringing it gives no right: it counts by its signatures, which the contracts check again, and only the kinds that
members relay are taken. Order of effects: the ledger alone. Bringing the same again changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from careledger.domain.errors import LedgerRefused, PatientNotFound, SignatureRefused
from careledger.domain.facts import AliasFacts, Head
from careledger.formats.consent_messages import LONGEST_DEADLINE, GiveConsent, LedgerMessage, RevokeConsent
from careledger.formats.ledger_messages import LinkAliases, RotateAlias, StopAlarm, UnlinkAliases
from careledger.formats.relaying import RelayedEntry
from careledger.formats.signatures import Address, check_signer, signer_of
from careledger.ports import Ledger, LedgerView
from careledger.workflows.network import Network

Shown = Callable[[Ledger, LedgerView, LedgerMessage], bool]


def enter(network: Network, entry: RelayedEntry) -> Head:
    """Enters it, unless the ledger shows it; returns a final block at which the ledger does.

    Raises MalformedBytes for what nobody relays, SignatureRefused, PatientNotFound, LedgerRefused, and
    StoreUnavailable where it is on its way and was not seen in time.
    """
    check(network, entry)
    if (shown := shows(network, entry)) is not None:
        return shown
    network.ledger.carry([entry], network.relay)
    if (shown := shows(network, entry)) is None:
        raise LedgerRefused(reason="not-entered")
    return shown


def shows(network: Network, entry: RelayedEntry) -> Head | None:
    """The newest final block if the ledger shows there what the entry says; raises LedgerRefused, reason ``used``,
    where it shows something else in that place."""
    message, view = entry.message, network.ledger.fresh_head()
    return view.head if _SHOWN[type(message)](network.ledger, view, message) else None


def check(network: Network, entry: RelayedEntry) -> None:
    """Whether the ledger would take it or has taken it, by signatures for this chain and contract, time and window.

    Raises as ``enter`` does.
    """
    ledger, message = network.ledger, entry.message
    view = ledger.fresh_head()
    digest = message.digest(ledger.chain_id, ledger.contract(message.CONTRACT))
    for signature, address in zip(entry.signatures, _signers(view, message), strict=True):
        if address is None:
            signer_of(digest, signature)
        else:
            check_signer(digest, signature, address)
    if isinstance(message, StopAlarm) or (isinstance(message, RotateAlias) and not _turned(view, message)):
        _check_number(ledger, message.alias, message.number)
    now = max(network.clock.now(), view.head.time)
    if not now <= _field(message, "deadline") <= now + LONGEST_DEADLINE:
        raise LedgerRefused(reason="deadline")
    if isinstance(message, GiveConsent) and not (message.start < message.until and now < message.until):
        raise LedgerRefused(reason="window")


def _signers(view: LedgerView, message: LedgerMessage) -> tuple[Address | None, ...]:
    """Who has to have signed, in order; None where that was somebody whom the ledger does not know any more."""
    if isinstance(message, RotateAlias):
        present = None if _turned(view, message) else _alias(view, message.alias).controller
        return (present, message.controller)
    if isinstance(message, StopAlarm):
        return (_alias(view, message.alias).controller,)
    owner = cast(Address, _field(message, "owner"))
    if not any(owner):
        raise SignatureRefused(why="nobody's")
    return (owner,)


def _alias(view: LedgerView, alias: bytes) -> AliasFacts:
    facts = view.alias(alias)
    if facts is None:
        raise PatientNotFound()
    return facts


def _turned(view: LedgerView, message: RotateAlias) -> bool:
    facts = _alias(view, message.alias)
    return (facts.controller, int(facts.kind)) == (message.controller, message.kind)


def _field(message: LedgerMessage, name: str) -> int:
    return cast(int, getattr(message, name))


# What the ledger shows ----------------------------------------------------------------------------


def _given(ledger: Ledger, view: LedgerView, message: GiveConsent) -> bool:
    facts = view.consent(message.owner, message.commitment)
    if facts is not None and (facts.start, facts.end, facts.revoked_at) != (message.start, message.until, 0):
        raise LedgerRefused(reason="used")
    return facts is not None


def _revoked(ledger: Ledger, view: LedgerView, message: RevokeConsent) -> bool:
    facts = view.consent(message.owner, message.commitment)
    return facts is not None and facts.revoked_at > 0


def _rotated(ledger: Ledger, view: LedgerView, message: RotateAlias) -> bool:
    return _turned(view, message)


def _stopped(ledger: Ledger, view: LedgerView, message: StopAlarm) -> bool:
    return ledger.alias_number(message.alias) > message.number


def _linked(ledger: Ledger, view: LedgerView, message: LinkAliases) -> bool:
    stands = view.linked(message.owner, message.commitment)
    if not stands and message.commitment in view.filed_under(message.owner):
        raise LedgerRefused(reason="used")
    return stands


def _unlinked(ledger: Ledger, view: LedgerView, message: UnlinkAliases) -> bool:
    filed = message.commitment in view.filed_under(message.owner)
    return filed and not view.linked(message.owner, message.commitment)


def _check_number(ledger: Ledger, alias: bytes, number: int) -> None:
    if ledger.alias_number(alias) != number:
        raise LedgerRefused(reason="number")


_SHOWN = cast(
    dict[type[LedgerMessage], Shown],
    {
        GiveConsent: _given,
        RevokeConsent: _revoked,
        RotateAlias: _rotated,
        StopAlarm: _stopped,
        LinkAliases: _linked,
        UnlinkAliases: _unlinked,
    },
)
