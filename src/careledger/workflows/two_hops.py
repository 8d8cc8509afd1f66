"""A patient's messages go to ledger and board by another member, so that the sender there says nothing about whose.

The agent seals to a random other member; its own gateway hands the bytes on unread; that member sends them. A member
that drops, delays, alters or repeats costs time only: signatures and seals decide what counts, and the agent looks at
the ledger or the board and sends by another one.
"""

from __future__ import annotations

from collections.abc import Callable
from random import SystemRandom

from careledger.domain import relaying
from careledger.domain.errors import CareLedgerError, PatientNotFound, StoreUnavailable
from careledger.domain.facts import Head
from careledger.domain.parties import ControllerKind
from careledger.formats.consent_messages import GiveConsent, LedgerMessage, RevokeConsent
from careledger.formats.ledger_messages import LinkAliases, RotateAlias, StopAlarm, UnlinkAliases
from careledger.formats.patients import GivenConsent
from careledger.formats.relaying import RelayAttempt, RelayedEntry, RelayedMessage
from careledger.formats.signatures import Address, SigningKey
from careledger.ports import LedgerView
from careledger.sealing.relays import seal_relayed
from careledger.workflows.actors import Holder
from careledger.workflows.board import organisation_key
from careledger.workflows.network import Network

ATTEMPT = "relay-attempt"
_RANDOM = SystemRandom()


def send_consent(network: Network, holder: Holder, given: GivenConsent, commitment: bytes) -> None:
    """Sends a consent on its way, or by another member if the ledger should show it by now; never waits for it.

    To be called until the ledger shows it; once its window is over, nothing is sent. Raises StoreUnavailable if no
    member takes it.
    """
    now, name = network.clock.now(), holder.alias + given.counter.to_bytes(8, "big")
    row = holder.books.get(ATTEMPT, name)
    before = RelayAttempt.decode(row) if row is not None else None
    if given.end <= now or (before is not None and now < before.due + relaying.PATIENCE):
        return
    due = now if before is not None else relaying.send_at(now, given.start, _RANDOM)
    key = holder.consent_key(given.counter)
    entry = GiveConsent(key.address, commitment, given.start, given.end, _deadline(network, due))
    tried = () if before is None or len(before.tried) >= len(network.gateway.relays) else before.tried
    tried = _forward(network, tried, RelayedMessage(signed_entry(network, entry, key), None), due)
    holder.books.put(ATTEMPT, [(name, RelayAttempt(due, tried).encode())])


def signed_revocation(network: Network, key: SigningKey, commitment: bytes) -> RelayedEntry:
    """The revocation of that one-time key's consent, to be entered now."""
    entry = RevokeConsent(key.address, commitment, _deadline(network, network.clock.now()))
    return signed_entry(network, entry, key)


def send_revocation(network: Network, key: SigningKey, commitment: bytes, entry: RelayedEntry) -> Head:
    """Revokes by two members at once, then by one after the other, at last directly: to be over counts more than
    to be hidden. Returns the block in which the ledger shows it; raises what the ledger refuses with."""
    tried: tuple[int, ...] = ()
    while len(tried) < len(network.gateway.relays):
        try:
            tried = _forward(network, tried, RelayedMessage(entry, None))
        except StoreUnavailable:
            break
        if len(tried) >= relaying.REVOKERS and _revoked(network, key.address, commitment):
            return network.ledger.fresh_head().head
    return network.ledger.revoke_consent(key, commitment, network.relay)


# What is waited for: aliases and links ------------------------------------------------------------


def rotate_alias(
    network: Network, alias: bytes, kind: ControllerKind, until: int, present: SigningKey, new: SigningKey
) -> Head:
    """The alias changes hands, signed by both keys; the block in which the ledger shows it.

    Raises PatientNotFound, and what the ledger refuses with.
    """
    ledger, facts = network.ledger, network.ledger.fresh_head().alias(alias)
    if facts is None:
        raise PatientNotFound()
    details = {ControllerKind.GUARDIAN: until, ControllerKind.REGISTRAR: facts.registrar}
    number, at = ledger.alias_number(alias), _deadline(network, network.clock.now())
    entry = RotateAlias(alias, number, new.address, int(kind), details.get(kind, 0), at)
    return _entered(
        network,
        (entry, present, new),
        lambda view: _controls(view, alias, new),
        lambda: ledger.rotate_alias(alias, kind, until, present, new, network.relay),
    )


def link_aliases(network: Network, owner: SigningKey, commitment: bytes) -> Head:
    """Two aliases are one person's, by the link's one-time key; raises what the ledger refuses with."""
    return _entered(
        network,
        (LinkAliases(owner.address, commitment, _deadline(network, network.clock.now())), owner),
        lambda view: view.linked(owner.address, commitment),
        lambda: network.ledger.link_aliases(owner, commitment, network.relay),
    )


def unlink_aliases(network: Network, owner: SigningKey, commitment: bytes) -> Head:
    """The link that stands is undone for good; raises what the ledger refuses with."""
    return _entered(
        network,
        (UnlinkAliases(owner.address, commitment, _deadline(network, network.clock.now())), owner),
        lambda view: not view.linked(owner.address, commitment),
        lambda: network.ledger.unlink_aliases(owner, commitment, network.relay),
    )


def stop_replacement(network: Network, alias: bytes, present: SigningKey) -> Head:
    """The present controller stops what waits for its alias; raises what the ledger refuses with."""
    ledger = network.ledger
    number = ledger.alias_number(alias)
    return _entered(
        network,
        (StopAlarm(alias, number, _deadline(network, network.clock.now())), present),
        lambda view: ledger.alias_number(alias) > number,
        lambda: ledger.stop_replacement(alias, present, network.relay),
    )


def _entered(
    network: Network,
    signed: tuple[LedgerMessage, *tuple[SigningKey, ...]],
    shown: Callable[[LedgerView], bool],
    directly: Callable[[], Head],
) -> Head:
    """By one member after the other until the ledger shows it, each given its time; at last directly, because what
    follows has to wait for it and is worth more than to be hidden."""
    entry, *signers = signed
    tried: tuple[int, ...] = ()
    for _ in range(min(relaying.ENTERERS, len(network.gateway.relays))):
        try:
            tried = _forward(network, tried, RelayedMessage(signed_entry(network, entry, *signers), None))
        except StoreUnavailable:
            break
        for _ in range(relaying.PATIENCE):
            view = network.ledger.fresh_head()
            if shown(view):
                return view.head
            network.clock.wait(1)
    view = network.ledger.fresh_head()
    return view.head if tried and shown(view) else directly()


def _controls(view: LedgerView, alias: bytes, key: SigningKey) -> bool:
    facts = view.alias(alias)
    return facts is not None and facts.controller == key.address


# Either way ---------------------------------------------------------------------------------------


def post(network: Network, package: bytes) -> None:
    """Has a package posted by another member; posts it itself where there is none or none did."""
    tried: tuple[int, ...] = ()
    while len(tried) < len(network.gateway.relays) and not network.board.has(package):
        try:
            tried = _forward(network, tried, RelayedMessage(None, package))
        except StoreUnavailable:
            break
    if not network.board.has(package):
        network.board.post(package)


def signed_entry(network: Network, entry: LedgerMessage, *signers: SigningKey) -> RelayedEntry:
    """The entry with these keys' signatures, for this network's contract."""
    chain_id, contract = network.ledger.chain_id, network.ledger.contract(entry.CONTRACT)
    return RelayedEntry.of(entry, *(entry.sign(key, chain_id, contract) for key in signers))


def _forward(
    network: Network, tried: tuple[int, ...], message: RelayedMessage, at: int = 0
) -> tuple[int, ...]:
    """Sends a message to one member more, passing over those that do not take it; returns all that were tried.

    Raises StoreUnavailable once none is left.
    """
    while len(tried) < len(network.gateway.relays):
        member = relaying.another(network.gateway.relays, tried, _RANDOM)
        tried = (*tried, member)
        try:
            public = organisation_key(network, member)
            sealed = seal_relayed(public, network.ledger.deployment, member, message.encode())
            network.gateway.forward(member, sealed, at, network.clock.now())
        except CareLedgerError:
            continue
        return tried
    raise StoreUnavailable(why="no member relays it")


def _deadline(network: Network, at: int) -> int:
    return relaying.deadline(max(at, network.ledger.fresh_head().head.time))


def _revoked(network: Network, owner: Address, commitment: bytes) -> bool:
    facts = network.ledger.fresh_head().consent(owner, commitment)
    return facts is not None and facts.revoked_at > 0
