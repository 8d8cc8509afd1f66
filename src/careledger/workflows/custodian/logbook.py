"""Writing the release log: one sealed line per patient and event, durable before anything is answered."""

from __future__ import annotations

from dataclasses import dataclass

from careledger.domain.custody import LogLine
from careledger.domain.errors import PatientNotFound
from careledger.formats.digests import digest as tagged
from careledger.formats.digests import uint
from careledger.formats.patients import AliasStatement
from careledger.formats.releases import LogEntry
from careledger.formats.sessions import SessionProof
from careledger.ports import LedgerView
from careledger.proofs.release_log import NO_ENTRY, log_entry, sealed_digest, tag_of
from careledger.sealing.keys import Secret, hmac_tag, wrap
from careledger.workflows.custodian.parts import Custody


@dataclass(frozen=True)
class Event:
    """What a line says beside its place in the chain; see LogEntry for the words."""

    event: str
    request: bytes = bytes(16)
    reader: int = 0
    employer: int = 0
    session: bytes = bytes(32)
    person_proof: str = ""
    rule: str = ""
    commitment: bytes = bytes(32)
    purpose: str = ""
    reason: str = ""
    compartments: tuple[int, ...] = ()
    handles: tuple[bytes, ...] = ()
    custodians: tuple[int, ...] = ()
    officers: tuple[int, ...] = ()


def write(custody: Custody, view: LedgerView, statement: AliasStatement, event: Event) -> bytes:
    """Appends a line inside the journal's transaction; returns the digest of the sealed entry."""
    alias, claim = statement.alias, statement.claim
    key = custody.rows.audit_key(alias, claim)
    if key is None:
        raise PatientNotFound()
    last = custody.journal.last_line(alias, claim)
    index = 0 if last is None else last.index + 1
    entry = LogEntry(
        index=index,
        previous=NO_ENTRY if last is None else sealed_digest(last.sealed),
        alias=alias,
        claim=claim,
        custodian=custody.party,
        at_time=custody.time(view),
        at_block=view.head.number,
        **{name: getattr(event, name) for name in Event.__dataclass_fields__},
    )
    sealed = wrap(statement.sealing_key, entry.encode(), "log-entry", alias, uint(custody.party), uint(index))
    digest = sealed_digest(sealed)
    number = custody.log.size
    line = log_entry(tag_of(key, index), digest)
    custody.journal.add_line(LogLine(number, alias, claim, index, line, sealed, custody.clock.now()))
    return digest


def keep_session(custody: Custody, statement: AliasStatement, session: SessionProof, digest: bytes) -> None:
    """Keeps the session statement with that digest, which lines of this patient name, sealed to the patient: once for
    all of them, because it is as long as a line. Call it inside the journal's transaction.

    It is kept under a name that only who has the patient's audit key can tell from another session's, so that the
    journal says no more than its sealed lines of who read whom.
    """
    alias, claim = statement.alias, statement.claim
    key = custody.rows.audit_key(alias, claim)
    if key is None:
        raise PatientNotFound()
    name = hmac_tag(Secret(key), tagged("log-session", digest))
    if not custody.journal.has_session(alias, claim, name):
        body = session.statement.encode()
        sealed = wrap(statement.sealing_key, body, "log-session", alias, uint(custody.party))
        custody.journal.add_session(alias, claim, name, sealed)
