"""Sealing one batch: everything that one depositor deposits at once for one alias and compartment.

Plaintext ends here: what leaves this module is ciphertext, shares, commitments and sealed keys.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from careledger.domain.categories import Compartment
from careledger.domain.errors import WritingRefused
from careledger.domain.records import Ground, Source
from careledger.formats import large
from careledger.formats.bodies import RecordBody
from careledger.formats.cids import raw_cid
from careledger.formats.deposits import (
    AnchorNotice,
    AuthorsCopy,
    DepositItem,
    DepositStatement,
    KeepRequest,
    Manifest,
    ShareRow,
)
from careledger.formats.digests import digest, framed, uint
from careledger.formats.patients import AliasStatement, EpochStatement
from careledger.formats.signatures import SigningKey
from careledger.formats.signed import Signed, sign
from careledger.ports import Books
from careledger.proofs.anchors import Commitments, LeafOpening, share_commitment
from careledger.sealing import versions as sealed
from careledger.sealing.epochs import Epoch
from careledger.sealing.keys import Secret, hmac_tag
from careledger.sealing.shamir import Share, split
from careledger.sealing.states import Plaintext
from careledger.workflows.actors import Holder, Organisation, Session
from careledger.workflows.custody import Chain
from careledger.workflows.network import Network


@dataclass(frozen=True, repr=False)
class NewVersion:
    """One version to be deposited; never printed.

    ``author`` is a party's number, 0 for none; ``author_key`` signs for that post where it answers for it.
    """

    record_id: bytes
    version: int
    predecessor: bytes | None
    resource_type: str
    subject: str
    compartment: Compartment
    body: RecordBody
    mime_type: str
    source: str
    source_key: str
    mapping_version: int
    clinical_date: str | None
    author: int = 0
    author_stated: str = ""
    author_resolved: str = "unknown"
    author_key: SigningKey | None = None
    note: str = ""


@dataclass(frozen=True)
class Writer:
    """Who deposits and why it may: an organisation's session, or (ground ``own``) the holder by its organisation.

    ``organisation`` anchors and keeps the author's copies; for ``own`` it only relays, is no depositor and can open
    nothing: the copies are the holder's.
    """

    organisation: Organisation
    ground: Ground
    session: Session | None = None
    holder: Holder | None = None
    certificate: Signed | None = None
    intake: bool = False

    @property
    def key(self) -> SigningKey:
        """What signs the deposit statement; raises WritingRefused if nobody does."""
        if self.ground is Ground.OWN and self.holder is not None:
            return self.holder.controller
        if self.session is None or self.ground is Ground.OWN:
            raise WritingRefused(why="nobody signs")
        return self.session.key

    @property
    def depositor(self) -> int:
        """The depositing organisation's number, 0 for what the patient puts in."""
        return 0 if self.ground is Ground.OWN else self.organisation.number

    @property
    def post(self) -> int:
        """The depositing post, 0 for the patient."""
        return 0 if self.session is None or self.ground is Ground.OWN else self.session.staff.number

    @property
    def copy_key(self) -> bytes:
        """The public key that author's copies are sealed to: the depositor's chart key, or the holder's own."""
        if self.ground is Ground.OWN and self.holder is not None:
            return self.holder.sealing.public
        return self.organisation.chart.public

    @property
    def books(self) -> Books:
        """Where the depositor remembers its deposits."""
        return self.holder.books if self.ground is Ground.OWN and self.holder else self.organisation.books

    @property
    def tag_key(self) -> Secret:
        """What makes this depositor's content tags."""
        return self.holder.tag_key if self.ground is Ground.OWN and self.holder else self.organisation.tag

    def content_tag(self, version: NewVersion) -> bytes:
        """HMAC(depositor's tag key, what makes a version itself): the same again is the same version."""
        edition = framed(
            "content-tag",
            version.record_id,
            uint(version.version, 4),
            version.source.encode(),
            version.body.canonical,
        )
        return hmac_tag(self.tag_key, edition)


@dataclass(frozen=True)
class SealedBatch:
    """A batch that is ready to be stored: blocks, statement, and what each custodian gets."""

    id: bytes
    custodians: tuple[int, ...]
    blocks: tuple[bytes, ...]
    cids: tuple[bytes, ...]
    handles: tuple[bytes, ...]
    leaves: tuple[bytes, ...]
    statement: Signed
    copies: tuple[AuthorsCopy, ...]
    writer: Writer
    shares: tuple[tuple[ShareRow, ...], ...]
    escrow: tuple[ShareRow, ...]

    def keep_request(self, place: int, with_shares: bool, anchor: AnchorNotice | None = None) -> KeepRequest:
        """What the custodian at that place (1…N) is asked to keep."""
        return KeepRequest(
            self.statement,
            self.writer.session.proof if self.writer.session and self.writer.post else None,
            self.writer.certificate,
            tuple(rows[place - 1] for rows in self.shares) if with_shares else (),
            self.escrow[place - 1] if self.escrow else None,
            anchor,
        )


@dataclass(frozen=True)
class _Sealed:
    """One version of a batch."""

    item: DepositItem
    blocks: tuple[bytes, ...]
    copy: AuthorsCopy
    rows: tuple[ShareRow, ...]


def seal_batch(
    network: Network, writer: Writer, statement: AliasStatement, chain: Chain, versions: Sequence[NewVersion]
) -> SealedBatch:
    """Seals versions of one compartment to its newest epoch; raises WritingRefused where there is none."""
    if not chain:
        raise WritingRefused(
            why="no epoch key for this compartment", compartment=str(versions[0].compartment)
        )
    epoch, _ = chain[0]
    batch = sealed.new_batch_secret()
    header = sealed.seal_header(epoch.public_key, Epoch.of(epoch), batch).data
    made = [_seal(network, writer, statement, batch, header, version) for version in versions]
    escrow, root = _escrow(network, epoch, batch, len(statement.custodians))
    identity = secrets.token_bytes(16)
    words = DepositStatement(
        identity, statement.alias, epoch.compartment, epoch.number, epoch.digest(), writer.depositor, writer.post,
        writer.ground.code, versions[0].source, writer.intake, network.clock.now(), root,
        tuple(one.item for one in made),
    )  # fmt: skip
    return SealedBatch(
        identity,
        statement.custodians,
        (header, *(block for one in made for block in one.blocks)),
        (raw_cid(header), *(cid for one in made for cid in (one.item.manifest, one.item.body))),
        tuple(one.item.handle for one in made),
        tuple(one.item.leaf for one in made),
        sign(words, writer.key, network.ledger.deployment),
        tuple(one.copy for one in made),
        writer,
        tuple(one.rows for one in made),
        escrow,
    )


def _escrow(
    network: Network, epoch: EpochStatement, batch: Secret, places: int
) -> tuple[tuple[ShareRow, ...], bytes | None]:
    """Each custodian's part of the batch secret and their commitments' root, unless the epoch statement says no."""
    if not epoch.escrow:
        return (), None
    return _share_rows(split(batch, network.thresholds.escrow, places))


def _seal(
    network: Network,
    writer: Writer,
    statement: AliasStatement,
    batch: Secret,
    header: bytes,
    version: NewVersion,
) -> _Sealed:
    """Seals one version: its keys, manifest, body, shares, leaf and author's copy."""
    handle = sealed.new_handle()
    secret = sealed.record_secret(batch, handle)
    custodial = sealed.new_custodial_secret()
    key = sealed.body_key(secret, custodial)
    body = sealed.seal_body(key, Plaintext(version.body.encode())).data
    content = digest("fhir-content", version.body.canonical)
    manifest = _manifest(writer, statement, version, handle, content, len(body), key)
    manifest_block = sealed.seal_manifest(secret, Plaintext(manifest.encode())).data
    shares = split(custodial, network.thresholds.opening, len(statement.custodians))
    rows, root = _share_rows(shares)
    manifest_cid, manifest_blocks = large.split(manifest_block)
    body_cid, body_blocks = large.split(body)
    opening = LeafOpening(handle, raw_cid(header), manifest_cid, body_cid, root)
    item = DepositItem(
        handle, opening.header, opening.manifest, opening.body, root, opening.leaf, version.predecessor,
        version.author, version.author_key is not None, (version.clinical_date or "")[:7] or None,
    )  # fmt: skip
    copy = AuthorsCopy(
        statement.alias, handle, version.compartment.number, version.record_id, opening.body,
        sealed.seal_author_copy(writer.copy_key, handle, key),
        content, manifest.content_tag, network.clock.now(),
    )  # fmt: skip
    return _Sealed(item, (*manifest_blocks, *body_blocks), copy, rows)


def _share_rows(shares: Sequence[Share]) -> tuple[tuple[ShareRow, ...], bytes]:
    """Each place's share with all commitments, and the commitments' root."""
    values = [share.value.reveal() for share in shares]
    committed = tuple(share_commitment(place, value) for place, value in enumerate(values, start=1))
    rows = (ShareRow(place, value, committed) for place, value in enumerate(values, start=1))
    return tuple(rows), Commitments(values).root


def authored(alias: bytes, record_id: bytes, version: int, content: bytes) -> bytes:
    """What an author's post signs: ``H("authored", alias, record id, version, content digest)``."""
    return digest("authored", alias, record_id, version.to_bytes(4, "big"), content)


def _manifest(
    writer: Writer,
    statement: AliasStatement,
    version: NewVersion,
    handle: bytes,
    content: bytes,
    length: int,
    key: Secret,
) -> Manifest:
    what = authored(statement.alias, version.record_id, version.version, content)
    return Manifest(
        alias=statement.alias,
        category=version.compartment.category,
        sensitivity=version.compartment.sensitivity,
        record_id=version.record_id,
        version=version.version,
        predecessor=version.predecessor,
        resource_type=version.resource_type,
        subject=version.subject,
        author=version.author,
        author_stated=version.author_stated,
        author_resolved=version.author_resolved,
        depositor=writer.depositor,
        source=Source.of(version.source).code,
        source_key=version.source_key,
        mapping_version=version.mapping_version,
        clinical_date=version.clinical_date,
        mime_type=version.mime_type,
        body_length=length,
        content_digest=content,
        author_signature=version.author_key.sign(what) if version.author_key else None,
        body_key_commitment=sealed.body_key_commitment(key),
        content_tag=writer.content_tag(version),
        note=version.note,
    )
