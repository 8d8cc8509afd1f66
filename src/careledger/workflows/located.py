"""The person found learns who looked for them: told by a sealed package, before the answer is given."""

from __future__ import annotations

from careledger.domain.errors import MalformedBytes
from careledger.formats.digests import uint
from careledger.formats.patients import Envelope
from careledger.formats.persons import Located
from careledger.formats.signed import open_signed, sign
from careledger.workflows.actors import Holder, Organisation
from careledger.workflows.board import post_package
from careledger.workflows.custody import find_statement
from careledger.workflows.network import Network, verified

LOCATED = "located"


def tell_located(network: Network, member: Organisation, told: Located) -> None:
    """Durable in the member's books, then posted to the person; raises PatientNotFound for one without a statement."""
    member.books.put(LOCATED, [(told.digest(), told.encode())])
    statement = find_statement(network, told.alias, network.custodians)
    signed = sign(told, member.controller, network.ledger.deployment)
    post_package(network, statement.sealing_key, Envelope(Located.TYPE, signed, None))


def take_located(network: Network, holder: Holder, envelope: Envelope) -> None:
    """Keeps a member's word in the person's books; raises SignatureRefused, MalformedBytes, PartyNotFound."""
    claimed = Located.decode(envelope.content.body)
    member = verified(network.ledger.fresh_head(), claimed.member)
    told = open_signed(Located, envelope.content, member.controller, network.ledger.deployment)
    if told.alias != holder.alias:
        raise MalformedBytes(why="about somebody else")
    holder.books.put(LOCATED, [(uint(told.at_time) + told.digest(), told.encode())])


def located(holder: Holder) -> list[Located]:
    """Who looked for this person, oldest first, as far as the board was read (``read_requests``)."""
    found = (Located.decode(row) for _, row in holder.books.rows(LOCATED))
    return [told for told in found if told.alias == holder.alias]
