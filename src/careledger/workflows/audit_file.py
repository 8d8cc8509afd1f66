"""An offline file of an audit: what one log held of the patient, with custodians' words for its checkpoint."""

from __future__ import annotations

import secrets

from careledger.domain.errors import CareLedgerError, ProofRefused
from careledger.formats.custody import AttestedFact, FactQuestion
from careledger.formats.digests import uint
from careledger.formats.proofs import AnchoredIn
from careledger.formats.signed import Signed
from careledger.proofs.bundle import audit_file
from careledger.sealing.phrase import audit_key
from careledger.workflows.actors import Holder
from careledger.workflows.audit import Log, known_claims, log_key
from careledger.workflows.network import Network


def completeness_file(network: Network, holder: Holder, log: Log) -> bytes:
    """The file. Whoever holds it can tell which lines of this log are this patient's.

    Raises ProofRefused for a log that held nothing, or if no custodian attests its checkpoint.
    """
    facts = network.ledger.fresh_head().custodian(log.custodian)
    link = network.custodians.get(log.custodian)
    if log.proof is None or facts is None or link is None:
        raise ProofRefused(why="nothing to prove")
    seeds = {claimed.claim: claimed.seed for claimed in known_claims(holder)}
    if log.claim not in seeds:
        raise ProofRefused(why="no audit key of this claim")
    key = audit_key(seeds[log.claim], holder.alias, log.claim, log.custodian).reveal()
    attested = attest(network, "checkpoint", uint(log.custodian))
    return audit_file(log.custodian, log_key(network, facts, link), key, log.proof, attested)


def attest(network: Network, question: str, subject: bytes) -> AnchoredIn:
    """A ledger fact in the words of every custodian that sees the same block; raises ProofRefused for none."""
    head = network.ledger.fresh_head().head
    asked = FactQuestion(question, subject, secrets.token_bytes(16)).encode()
    words = []
    for link in network.custodians.values():
        try:
            signed = Signed.decode(link.call("attest", asked))
            said = AttestedFact.decode(signed.body)
        except CareLedgerError:
            continue
        if (said.block_number, said.block_hash) == (head.number, head.hash) and said.fact:
            words.append(signed)
    if not words:
        raise ProofRefused(why="no custodian attests this")
    return AnchoredIn(network.ledger.deployment, head.number, head.hash, tuple(words))
