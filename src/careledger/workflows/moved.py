"""What an organisation is told of records that its posts were shown and that were filed on the wrong person."""

from __future__ import annotations

from careledger.domain.errors import MalformedBytes, PatientNotFound
from careledger.formats.patients import Envelope
from careledger.formats.persons import MoveNotice
from careledger.formats.signed import open_signed
from careledger.workflows.actors import Organisation
from careledger.workflows.network import Network

MOVED = "moved-away"


def take_moved(network: Network, organisation: Organisation, envelope: Envelope) -> None:
    """Keeps a notice, once however often it comes.

    Raises SignatureRefused unless who controlled the alias at the notice's block signed it, MalformedBytes if it is for
    another organisation, PatientNotFound.
    """
    claimed = MoveNotice.decode(envelope.content.body)
    facts = network.ledger.at(claimed.block).alias(claimed.alias)
    if facts is None:
        raise PatientNotFound()
    notice = open_signed(MoveNotice, envelope.content, facts.controller, network.ledger.deployment)
    if notice.employer != organisation.number:
        raise MalformedBytes(why="a notice to another organisation")
    key = notice.reader.to_bytes(8, "big") + notice.alias
    organisation.books.put(MOVED, [(key + handle, notice.encode()) for handle in notice.handles])


def moved_away(organisation: Organisation) -> dict[tuple[int, bytes], MoveNotice]:
    """(post, handle) → the notice: what that post was shown was about somebody else."""
    return {
        (int.from_bytes(key[:8], "big"), key[40:]): MoveNotice.decode(row)
        for key, row in organisation.books.rows(MOVED)
    }
