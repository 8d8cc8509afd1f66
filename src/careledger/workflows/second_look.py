"""The reader's own decision whether a version might be written, at its anchoring block.

Custodians decide before they keep a share; the reader decides again with the manifest in hand, and this answer wins.
"""

from __future__ import annotations

from careledger.domain.categories import Compartment
from careledger.domain.decisions import decide
from careledger.domain.errors import CareLedgerError, SignatureRefused
from careledger.domain.parties import PartyId
from careledger.domain.questions import Writing
from careledger.domain.reasons import Refused
from careledger.domain.records import Ground, RecordVersion, Source
from careledger.formats.deposits import DepositStatement, Manifest
from careledger.formats.patients import AliasStatement
from careledger.formats.releases import SessionStatement
from careledger.formats.signatures import check_signer
from careledger.formats.signed import open_signed
from careledger.ports import LedgerView
from careledger.workflows.batches import authored
from careledger.workflows.evidence import Found
from careledger.workflows.judging import consent_at, matrix_at, patient_at, post_at
from careledger.workflows.network import Network


def judge(network: Network, statement: AliasStatement, found: Found, manifest: Manifest) -> str:
    """Empty if the version might be written at its anchoring block, else the sentence that says why not."""
    view = network.ledger.at(found.anchor.block)
    try:
        _check_signatures(network, view, found, manifest)
        decision = decide(_question(network, view, statement, found, manifest))
    except CareLedgerError as error:
        return str(error)
    return decision.explanation if isinstance(decision, Refused) else ""


def _check_signatures(network: Network, view: LedgerView, found: Found, manifest: Manifest) -> None:
    """The deposit's signature by its session or the controller, the author's by the author's post."""
    deployment, words = network.ledger.deployment, found.statement
    if found.proof.session is None:
        alias = view.alias(words.alias)
        if alias is None or words.ground != Ground.OWN.code:
            raise SignatureRefused(why="nobody's session")
        open_signed(DepositStatement, found.proof.statement, alias.controller, deployment)
    else:
        post = post_facts(view, words.post)
        session = open_signed(SessionStatement, found.proof.session.statement, post, deployment)
        if session.post != words.post or not session.made <= words.made < session.until:
            raise SignatureRefused(why="another session")
        open_signed(DepositStatement, found.proof.statement, session.session_key, deployment)
    if found.item.signed:
        if manifest.author_signature is None:
            raise SignatureRefused(why="no author's signature")
        what = authored(manifest.alias, manifest.record_id, manifest.version, manifest.content_digest)
        check_signer(what, manifest.author_signature, post_facts(view, manifest.author))


def post_facts(view: LedgerView, number: int) -> bytes:
    """The controller's address of a party at that block; raises SignatureRefused for nobody."""
    facts = view.party(number)
    if facts is None:
        raise SignatureRefused(why="nobody")
    return facts.controller


def _question(
    network: Network, view: LedgerView, statement: AliasStatement, found: Found, manifest: Manifest
) -> Writing:
    words, item = found.statement, found.item
    depositor = post_at(view, words.post) if words.post else None
    author = post_at(view, manifest.author) if item.signed else None
    consent = None
    if found.proof.certificate is not None:
        consent = consent_at(view, found.proof.certificate, network.ledger.deployment)
    version = RecordVersion(
        alias=words.alias,
        handle=item.handle,
        compartment=Compartment.numbered(words.compartment),
        source=Source.of(words.source),
        ground=Ground.of(words.ground),
        depositor=PartyId(words.depositor) if words.depositor else None,
        author=PartyId(item.author) if item.author else None,
        author_employer=author.employer if author else None,
        signed=item.signed,
        clinical_month=item.clinical_month,
        accepted=not found.row.unasked,
    )
    return Writing(
        version=version,
        patient=patient_at(view, words.alias, statement.registrar),
        matrix=matrix_at(view),
        at=found.anchor.time,
        depositor=depositor,
        author=author,
        by_controller=words.ground == Ground.OWN.code and found.proof.session is None,
        consent=consent,
    )
