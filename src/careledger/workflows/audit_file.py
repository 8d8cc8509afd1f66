"""An offline file of an audit: what one log held of the patient, with custodians' words for its checkpoint."""

from __future__ import annotations

import secrets
from collections import defaultdict

from careledger.domain.errors import CareLedgerError, ProofRefused
from careledger.formats.custody import AttestedFact, FactQuestion
from careledger.formats.digests import uint
from careledger.formats.proofs import AnchoredIn
from careledger.formats.signed import Signed, open_signed
from careledger.proofs.bundle import audit_file
from careledger.sealing.phrase import audit_key
from careledger.workflows.actors import Holder
from careledger.workflows.audit import Log, known_claims, log_key
from careledger.workflows.custody import custodian_facts
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
    """A ledger fact in the words of every custodian that saw it as it stands; raises ProofRefused for none.

    Only words that the ledger's custodian signed count, and only those that most of them agree on.
    """
    view, nonce = network.ledger.fresh_head(), secrets.token_bytes(16)
    asked = FactQuestion(question, subject, nonce, None).encode()
    said: dict[bytes, list[Signed]] = defaultdict(list)
    for link in network.custodians.values():
        try:
            signed = Signed.decode(link.call("attest", asked))
            signer = custodian_facts(view, link.party).signer
            fact = open_signed(AttestedFact, signed, signer, network.ledger.deployment)
        except CareLedgerError:
            continue
        answers = (fact.question, fact.subject, fact.nonce) == (question, subject, nonce)
        seen = (fact.block_number, fact.block_hash) == (view.head.number, view.head.hash)
        if answers and seen and fact.custodian == link.party and fact.fact:
            said[fact.fact].append(signed)
    if not said:
        raise ProofRefused(why="no custodian attests this")
    words = max(said.values(), key=len)
    return AnchoredIn(network.ledger.deployment, view.head.number, view.head.hash, tuple(words))
