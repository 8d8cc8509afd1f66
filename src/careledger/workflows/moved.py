"""What an organisation is told of moves: that its posts were shown records of the wrong person, or that something was
moved away from a patient whose keys it keeps."""

from __future__ import annotations

from careledger.domain.errors import MalformedBytes, PatientNotFound
from careledger.formats.patients import Envelope
from careledger.formats.persons import Misfiled, MoveNotice
from careledger.formats.signed import open_signed
from careledger.workflows.actors import Organisation
from careledger.workflows.due import Subject, note_due
from careledger.workflows.network import Network, verified
from careledger.workflows.register import keeps_keys

MOVED = "moved-away"
UNTOLD = "untold-moves"


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
    note_due(organisation.books, Subject.MOVE, *(key + handle for handle in notice.handles))


def take_misfiled(network: Network, organisation: Organisation, envelope: Envelope) -> None:
    """Remembers to look in the logs (``tell_moved``) of a patient whose keys are kept here.

    Raises SignatureRefused unless the depositor signed, PartyNotVerified, PatientNotFound for any other patient.
    """
    claimed = Misfiled.decode(envelope.content.body)
    depositor = verified(network.ledger.fresh_head(), claimed.depositor)
    told = open_signed(Misfiled, envelope.content, depositor.controller, network.ledger.deployment)
    if not keeps_keys(organisation, told.alias):
        raise PatientNotFound()
    organisation.books.put(UNTOLD, [(told.alias, told.encode())])


def moved_away(organisation: Organisation) -> dict[tuple[int, bytes], MoveNotice]:
    """(post, handle) → the notice: what that post was shown was about somebody else."""
    return {
        (int.from_bytes(key[:8], "big"), key[40:]): MoveNotice.decode(row)
        for key, row in organisation.books.rows(MOVED)
    }
