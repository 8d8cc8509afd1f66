"""Audit: the holder asks every custodian ever registered for its entries, and checks that none is missing.

Three checks: at each custodian the entries form one chain whose length a tag's absence proves, under a checkpoint on
the ledger; "never held anything" is a signed answer; and every request stands at each custodian that it names.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from careledger.domain.errors import (
    CannotOpen,
    CareLedgerError,
    DigestMismatch,
    MalformedBytes,
    ProofRefused,
    StoreUnavailable,
)
from careledger.domain.facts import CustodianFacts
from careledger.domain.reasons import Rule
from careledger.formats.custody import AuditAnswer, CustodianKeys, log_origin
from careledger.formats.digests import digest, uint
from careledger.formats.patients import AuditRequest, Handover
from careledger.formats.proofs import AuditProof
from careledger.formats.releases import WITHOUT_LEDGER, LogEntry
from careledger.formats.sessions import Enrolled
from careledger.formats.signed import Signed, open_signed, sign
from careledger.ports import CustodianLink
from careledger.proofs.audit import NOT_ANCHORED, Completeness, Link, check_audit, check_chain
from careledger.proofs.notes import KeyKind, VerifierKey
from careledger.proofs.release_log import sealed_digest
from careledger.sealing.keys import SealingKey, Secret, unwrap
from careledger.sealing.phrase import audit_key
from careledger.workflows.actors import Holder
from careledger.workflows.claim import HANDOVER
from careledger.workflows.network import Network
from careledger.workflows.who_proved import Statements, word

LASTS = 600
NEVER_ENTERED = 8 * 24 * 3600
ASKED = 3
"""How often a custodian is asked at most whose log went on the ledger anew while it answered."""


@dataclass(frozen=True)
class Claimed:
    """The keys of one claim: its number, what its entries are sealed to (one key for each generation, the newest
    first), what its audit keys come from."""

    claim: int
    sealing: tuple[SealingKey, ...]
    seed: Secret


@dataclass(frozen=True)
class Log:
    """What one custodian proved: its entries, and that there are no more; None if it never held anything.
    ``sessions`` are the statements of the sessions that the entries name, as far as it gave them."""

    custodian: int
    claim: int
    entries: tuple[LogEntry, ...]
    proof: AuditProof | None
    completeness: Completeness | None
    sessions: tuple[Signed, ...] = ()

    @property
    def sentence(self) -> str:
        """What was proved."""
        if self.completeness is None:
            return "This custodian signed that it never held anything about this patient."
        return self.completeness.sentence


@dataclass(frozen=True)
class Access:
    """One request as all logs together tell it; ``outcome`` is released, refused or both where custodians differ.

    ``entry`` is that of a broken glass on the ledger (zero: none); ``without_ledger``: a custodian granted it while the
    ledger stood still, so it was entered there afterwards (BreakGlassFacts say so). ``person_proof`` is ``passkey``
    where its signature was verified here, and ``passkey`` what the post said of it: which one, and since when.
    """

    request: bytes
    at_time: int
    reader: int
    employer: int
    person_proof: str
    rule: str
    purpose: str
    outcome: str
    reasons: tuple[str, ...]
    compartments: tuple[int, ...]
    versions: int
    custodians: tuple[int, ...]
    officers: tuple[int, ...]
    alarmed: bool
    entry: bytes = bytes(32)
    without_ledger: bool = False
    passkey: Enrolled | None = None


@dataclass(frozen=True)
class Audit:
    """Everything that was found. ``problems`` are (custodian, what is wrong); empty means that nothing is missing."""

    logs: tuple[Log, ...]
    accesses: tuple[Access, ...]
    problems: tuple[tuple[int, str], ...]

    @property
    def complete(self) -> bool:
        """Whether every custodian ever registered proved its log and no request is missing anywhere."""
        return not self.problems


def audit(network: Network, holder: Holder, claims: Iterable[Claimed] = ()) -> Audit:
    """The patient's audit of the present claim, or of these (``known_claims``: from the first one on)."""
    asked = list(claims) or [present_claim(holder)]
    logs, problems = [], []
    for facts in network.ledger.fresh_head().custodians_ever():
        for claimed in asked:
            try:
                logs.append(_ask(network, holder, facts, claimed))
            except CareLedgerError as error:
                problems.append((facts.number, str(error)))
    problems += missing_requests(logs)
    problems += unentered(network, logs)
    statements = Statements(network, (log.sessions for log in logs))
    return Audit(tuple(logs), tuple(accesses(logs, statements)), tuple(problems))


def present_claim(holder: Holder) -> Claimed:
    """The holder's own keys, of all generations."""
    state = holder.fresh().state
    generations = reversed(range(state.generation + 1))
    keys = tuple(holder.keys.sealing_key(state.alias_number, number) for number in generations)
    return Claimed(state.claim, keys, holder.keys.audit_seed(state.alias_number, state.claim))


def known_claims(holder: Holder) -> list[Claimed]:
    """The present claim, and before it those whose keys were handed over, by number."""
    rows = (Handover.decode(row) for key, row in holder.books.rows(HANDOVER) if key.startswith(holder.alias))
    earlier = [
        Claimed(each.claim, (SealingKey(Secret(each.sealing_seed)),), Secret(each.audit_seed))
        for each in rows
        if each.sealing_seed is not None
    ]
    return [*earlier, present_claim(holder)]


def missing_requests(logs: Iterable[Log]) -> list[tuple[int, str]]:
    """Custodians that a released request names and whose proved log does not have it, though others do."""
    answered: dict[bytes, set[int]] = defaultdict(set)
    named: dict[bytes, set[int]] = {}
    proved = {log.custodian for log in logs}
    for log in logs:
        for entry in log.entries:
            if entry.event in ("released", "refused"):
                answered[entry.request].add(log.custodian)
                named[entry.request] = set(entry.custodians)
    return [
        (custodian, f"its log does not have request {request.hex()[:8]}, which names it")
        for request, custodians in named.items()
        for custodian in sorted((custodians & proved) - answered[request])
    ]


def unentered(network: Network, logs: Iterable[Log]) -> list[tuple[int, str]]:
    """Custodians that granted an emergency without the ledger, which after more than a week is not entered there."""
    view, late = network.ledger.fresh_head(), network.clock.now() - NEVER_ENTERED
    granted = {
        (log.custodian, entry.commitment)
        for log in logs
        for entry in log.entries
        if (entry.event, entry.reason) == ("released", WITHOUT_LEDGER) and entry.at_time < late
    }
    return [
        (custodian, f"it granted emergency {entry.hex()[:8]}, which was never entered on the ledger")
        for custodian, entry in sorted(granted)
        if view.break_glass(entry) is None
    ]


def accesses(logs: Iterable[Log], statements: Statements) -> list[Access]:
    """The requests in all logs, each once, oldest first."""
    grouped: dict[bytes, list[LogEntry]] = defaultdict(list)
    alarmed: set[bytes] = set()
    for log in logs:
        for entry in log.entries:
            if entry.event in ("released", "refused"):
                grouped[entry.request].append(entry)
            elif entry.event == "alarm":
                alarmed.add(entry.request)
    made = [
        _access(request, entries, request in alarmed, statements.passkey(entries))
        for request, entries in grouped.items()
    ]
    return sorted(made, key=lambda access: access.at_time)


def _access(request: bytes, entries: list[LogEntry], alarmed: bool, passkey: Enrolled | None) -> Access:
    first = min(entries, key=lambda entry: entry.at_time)
    handles = {handle for entry in entries for handle in entry.handles}
    return Access(
        request,
        first.at_time,
        first.reader,
        first.employer,
        word(first.person_proof, passkey),
        first.rule,
        first.purpose,
        " and ".join(sorted({entry.event for entry in entries})),
        tuple(sorted({entry.reason for entry in entries if entry.reason})),
        tuple(sorted({number for entry in entries for number in entry.compartments})),
        len(handles),
        tuple(sorted(entry.custodian for entry in entries)),
        tuple(sorted({officer for entry in entries for officer in entry.officers})),
        alarmed,
        first.commitment if first.rule == Rule.BREAK_GLASS.code else bytes(32),
        any(entry.event == "released" and entry.reason == WITHOUT_LEDGER for entry in entries),
        passkey,
    )


def _ask(
    network: Network, holder: Holder, facts: CustodianFacts, claimed: Claimed, left: int = ASKED - 1
) -> Log:
    """One custodian's log, verified; raises what does not hold. Its log may be anchored once more between its answer
    and the look at the ledger: then it is asked again."""
    try:
        return _asked(network, holder, facts, claimed)
    except ProofRefused as error:
        if not left or error.details.get("why") != NOT_ANCHORED:
            raise
    return _ask(network, holder, facts, claimed, left - 1)


def _asked(network: Network, holder: Holder, facts: CustodianFacts, claimed: Claimed) -> Log:
    link = network.custodians.get(facts.number)
    if link is None:
        raise StoreUnavailable(custodian="cannot be reached")
    request = AuditRequest(
        secrets.token_bytes(16), holder.alias, claimed.claim, facts.number, 0, network.clock.now() + LASTS
    )
    signed = sign(request, holder.controller, network.ledger.deployment)
    answered = Signed.decode(link.call("audit", signed.encode()))
    answer = open_signed(AuditAnswer, answered, facts.signer, network.ledger.deployment)
    if (answer.request, answer.custodian, answer.first) != (request.digest(), facts.number, 0):
        raise ProofRefused(why="an answer to something else")
    if not answer.held or answer.proof is None:
        return Log(facts.number, claimed.claim, (), None, None)
    return _verified(network, holder, facts, claimed, answer, link)


def _verified(
    network: Network,
    holder: Holder,
    facts: CustodianFacts,
    claimed: Claimed,
    answer: AuditAnswer,
    link: CustodianLink,
) -> Log:
    assert answer.proof is not None
    entries = tuple(
        _opened(sealed, holder.alias, facts.number, index, claimed.sealing)
        for index, sealed in enumerate(answer.entries)
    )
    digests = [sealed_digest(sealed) for sealed in answer.entries]
    check_chain(digests, [Link(entry.index, entry.previous) for entry in entries])
    anchored = network.ledger.fresh_head().checkpoint(facts.number)
    if anchored is None:
        raise ProofRefused(why="no checkpoint of this log is on the ledger")
    proof = AuditProof.decode(answer.proof)
    key = audit_key(claimed.seed, holder.alias, claimed.claim, facts.number)
    completeness = check_audit(proof, key.reveal(), digests, log_key(network, facts, link), anchored)
    sessions = tuple(_sessions(answer.sessions, holder.alias, facts.number, claimed.sealing))
    return Log(facts.number, claimed.claim, entries, proof, completeness, sessions)


def log_key(network: Network, facts: CustodianFacts, link: CustodianLink) -> VerifierKey:
    """The public key of a custodian's release log, equal to the ledger's digest; raises DigestMismatch."""
    keys = CustodianKeys.decode(link.call("keys", b""))
    if digest("log-key", keys.log_key) != facts.log_key:
        raise DigestMismatch(what="log key")
    return VerifierKey(log_origin(network.ledger.deployment, facts.number), KeyKind.LOG, keys.log_key)


def _opened(sealed: bytes, alias: bytes, custodian: int, index: int, keys: Sequence[SealingKey]) -> LogEntry:
    entry = LogEntry.decode(_unsealed(sealed, keys, "log-entry", alias, uint(custodian), uint(index)))
    if (entry.alias, entry.custodian) != (alias, custodian):
        raise ProofRefused(why="an entry of another log")
    return entry


def _sessions(
    sealed: Iterable[bytes], alias: bytes, custodian: int, keys: Sequence[SealingKey]
) -> Iterable[Signed]:
    """Those that can be read: what cannot proves nothing, and hides no entry."""
    for each in sealed:
        with suppress(CannotOpen, MalformedBytes):
            yield Signed.decode(_unsealed(each, keys, "log-session", alias, uint(custodian)))


def _unsealed(sealed: bytes, keys: Sequence[SealingKey], what: str, *context: bytes) -> bytes:
    """By whichever generation's key opens it; raises CannotOpen."""
    for key in keys:
        try:
            return unwrap(key, sealed, what, *context)
        except CannotOpen:
            continue
    raise CannotOpen(why="by no key of this claim")


def readers(found: Audit) -> dict[int, int]:
    """How many released requests each reader made."""
    counts: dict[int, int] = defaultdict(int)
    for access in found.accesses:
        if "released" in access.outcome:
            counts[access.reader] += 1
    return dict(counts)
