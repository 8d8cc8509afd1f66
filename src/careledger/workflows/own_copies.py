"""What an agent posts to itself: sealed to its own key among the other packages, so that the 24 words bring it back.

A copy says what neither ledger nor custodians know: whom a consent is for and what it covers, which link a one-time
key made, which keys a former holder handed over. It counts if a key of the same phrase signed it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from careledger.domain.errors import CareLedgerError
from careledger.formats.patients import Envelope
from careledger.formats.schema import Message
from careledger.formats.signatures import Address
from careledger.formats.signed import sign, who_signed
from careledger.sealing.grants import find_packages, seal_package
from careledger.sealing.keys import SealingKey
from careledger.workflows.actors import Holder
from careledger.workflows.network import Network
from careledger.workflows.two_hops import post


def keep_copy(network: Network, holder: Holder, what: Message) -> None:
    """Posts it as the holder's consents travel; raises PackageTooLarge. Posting again is harmless."""
    signed = sign(what, holder.controller, network.ledger.deployment)
    post(network, seal_package(holder.sealing.public, Envelope(what.TYPE, signed, None).encode()))


def own_copies(
    network: Network, keys: Sequence[SealingKey], signers: Sequence[Address], kinds: Sequence[type[Message]]
) -> Iterator[Message]:
    """The copies of these kinds that one of these keys opens and one of these controllers signed, oldest first."""
    by_name = {kind.TYPE: kind for kind in kinds}
    for _, content in find_packages(keys, network.board.since(0)[1]):
        try:
            envelope = Envelope.decode(content)
            kind = by_name.get(envelope.kind)
            if kind and who_signed(kind, envelope.content, network.ledger.deployment) in signers:
                yield kind.decode(envelope.content.body)
        except CareLedgerError:  # anybody can post anything
            continue
