"""Sealing one batch: everything that one depositor deposits at once for one alias and compartment.

A file that is too large to lie in a body is sealed and stored here too, piece by piece (workflows.contents).

Plaintext ends here: what leaves this module is ciphertext, shares, commitments and sealed keys.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from careledger.domain.errors import WritingRefused
from careledger.domain.records import Ground, Source
from careledger.formats import large
from careledger.formats.bodies import LargeBody, RecordBody
from careledger.formats.charts import AuthorsCopy
from careledger.formats.cids import Cid, dag_cbor_cid, raw_cid
from careledger.formats.deposits import (
    AnchorNotice,
    DepositItem,
    DepositStatement,
    Items,
    KeepRequest,
    KeptPart,
    Manifest,
    ShareRow,
    sliced,
)
from careledger.formats.digests import digest, framed, uint
from careledger.formats.patients import AliasStatement, EpochStatement
from careledger.formats.signatures import SigningKey
from careledger.formats.signed import Signed, sign
from careledger.ports import Books
from careledger.proofs.anchors import commitment_roots, share_commitments
from careledger.proofs.items import item_tree
from careledger.sealing import versions as sealed
from careledger.sealing.epochs import Epoch
from careledger.sealing.keys import Secret, hmac_tag
from careledger.sealing.shamir import split_values
from careledger.sealing.states import Plaintext
from careledger.workflows.actors import Holder, Organisation, Session
from careledger.workflows.contents import check_there, seal_file
from careledger.workflows.custody import Chain
from careledger.workflows.network import Network
from careledger.workflows.new_versions import FileBody, NewVersion, ReadyBody


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


class Tagged(NamedTuple):
    """A version and its content tag; never printed."""

    version: NewVersion
    tag: bytes

    def __repr__(self) -> str:
        return "<tagged-version>"


@dataclass(frozen=True)
class SealedBatch:
    """A batch that is ready to be stored: blocks, statement, items, and each place's columns of shares."""

    id: bytes
    blocks: tuple[bytes, ...]
    chunks: tuple[bytes, ...]
    cids: tuple[bytes, ...]
    items: Items
    leaves: tuple[bytes, ...]
    statement: Signed
    copies: tuple[AuthorsCopy, ...]
    shares: tuple[bytes, ...]
    commitments: bytes
    escrow: tuple[ShareRow, ...]

    def part(self, place: int, with_shares: bool, anchor: AnchorNotice | None = None) -> KeptPart:
        """What the custodian at that place (1…N) is asked to keep."""
        return KeptPart(
            self.statement,
            self.items,
            self.shares[place - 1] if with_shares else b"",
            self.commitments if with_shares else b"",
            self.escrow[place - 1] if self.escrow else None,
            anchor,
        )


class _Sealed(NamedTuple):
    """One version of a batch."""

    item: DepositItem
    blocks: list[bytes]
    chunks: tuple[bytes, ...]
    copy: AuthorsCopy


class _Split(NamedTuple):
    """Secrets that were split together: by place the values of all; each one's commitments after the last one's, and
    the root of each; never printed."""

    values: list[tuple[bytes, ...]]
    commitments: bytes
    roots: list[bytes]

    @classmethod
    def of(cls, secrets: Sequence[Secret], threshold: int, places: int) -> _Split:
        values = list(zip(*(split_values(each, threshold, places) for each in secrets), strict=True))
        committed = [share_commitments(place, column) for place, column in enumerate(values, start=1)]
        commitments = b"".join(each for one in zip(*committed, strict=True) for each in one)
        return cls(values, commitments, sliced(commitment_roots(commitments, places), 32))

    def __repr__(self) -> str:
        return "<split>"


class Sealer:
    """Seals what one writer deposits at once for one alias; the author's copies share one key."""

    def __init__(self, network: Network, writer: Writer, statement: AliasStatement) -> None:
        self.id = secrets.token_bytes(16)
        self._network, self._writer, self._statement = network, writer, statement
        self._copy_key, self.sealed_copy_key = sealed.CopyKey.new(writer.copy_key, self.id)
        self._copied = 0

    def batch(self, chain: Chain, tagged: Sequence[Tagged]) -> SealedBatch:
        """Seals versions of one compartment to its newest epoch; raises WritingRefused where there is none."""
        if not chain:
            compartment = str(tagged[0].version.compartment)
            raise WritingRefused(why="no epoch key for this compartment", compartment=compartment)
        epoch, _ = chain[0]
        batch = sealed.new_batch_secret()
        header = sealed.seal_header(epoch.public_key, Epoch.of(epoch), batch).data
        header_cid = raw_cid(header)
        custodial = [sealed.new_custodial_secret() for _ in tagged]
        places = len(self._statement.custodians)
        split = _Split.of(custodial, self._network.thresholds.opening, places)
        made = [
            self._version(batch, header_cid, *each)
            for each in zip(tagged, custodial, split.roots, strict=True)
        ]
        items = [one.item for one in made]
        columns = Items.of(items)
        tree = item_tree(columns)
        escrow, root = self._escrow(epoch, batch)
        identity = secrets.token_bytes(16)
        writer = self._writer
        words = DepositStatement(
            identity, self._statement.alias, epoch.compartment, epoch.number, epoch.digest(), writer.depositor,
            writer.post, writer.ground.code, tagged[0].version.source, writer.intake, self._network.clock.now(), root,
            len(items), tree.root,
        )  # fmt: skip
        return SealedBatch(
            identity,
            (header, *(block for one in made for block in one.blocks)),
            tuple(chunk for one in made for chunk in one.chunks),
            (header_cid, *(cid for item in items for cid in (item.manifest, item.body))),
            columns,
            tuple(tree.leaves),
            sign(words, writer.key, self._network.ledger.deployment),
            tuple(one.copy._replace(leaf=leaf) for one, leaf in zip(made, tree.leaves, strict=True)),
            tuple(map(b"".join, split.values)),
            split.commitments,
            escrow,
        )

    def request(self, place: int, parts: Sequence[KeptPart]) -> KeepRequest:
        """What one custodian is asked to keep of all batches."""
        writer = self._writer
        session = writer.session.proof if writer.session and writer.post else None
        return KeepRequest(self.id, place, session, writer.certificate, tuple(parts))

    def _with_its_file(self, body: RecordBody | ReadyBody | FileBody) -> RecordBody | ReadyBody:
        """The body; a file beside it is sealed and stored now, or was and is there. Raises BlockNotFound."""
        if isinstance(body, FileBody):
            return seal_file(self._network, body)
        if isinstance(body, LargeBody):
            check_there(self._network, body.content)
        return body

    def _escrow(self, epoch: EpochStatement, batch: Secret) -> tuple[tuple[ShareRow, ...], bytes | None]:
        """Each custodian's part of the batch secret and their commitments' root, unless the epoch statement says no."""
        if not epoch.escrow:
            return (), None
        split = _Split.of([batch], self._network.thresholds.escrow, len(self._statement.custodians))
        committed = tuple(sliced(split.commitments, 32))
        rows = (ShareRow(place, value, committed) for place, (value,) in enumerate(split.values, start=1))
        return tuple(rows), split.roots[0]

    def _version(
        self, batch: Secret, header: Cid, tagged: Tagged, custodial: Secret, committed: bytes
    ) -> _Sealed:
        """Seals one version: its keys, manifest, body and author's copy; ``committed`` is the root of its shares'."""
        writer, statement = self._writer, self._statement
        version = tagged.version
        plain = self._with_its_file(version.body)
        ready = plain if isinstance(plain, ReadyBody) else ReadyBody.of(plain)
        handle = sealed.new_handle()
        secret = sealed.record_secret(batch, handle)
        key = sealed.body_key(secret, custodial)
        body = sealed.seal_body(key, ready.frame).data
        manifest = _manifest(writer, statement, tagged, ready.content, len(body), key)
        first = large.split(sealed.seal_manifest(secret, Plaintext(manifest.encode())).data)
        second = large.split(body)
        body_cid, blocks = _joined(plain, second)
        item = DepositItem(
            handle, header, first.cid, body_cid, committed, version.predecessor,
            version.author, version.author_key is not None, (version.clinical_date or "")[:7] or None,
        )  # fmt: skip
        copy = AuthorsCopy(
            statement.alias, handle, version.compartment.number, version.record_id, body_cid,
            self._copy_key.seal(self._copied, handle, key), ready.content, tagged.tag, b"",
        )  # fmt: skip
        self._copied += 1
        return _Sealed(item, [first.block, *blocks], first.chunks + second.chunks, copy)


def _joined(plain: RecordBody | ReadyBody, body: large.Split) -> tuple[Cid, list[bytes]]:
    """The CID of a sealed body, joined to the file beside it, and the blocks for it, but for chunks."""
    if not isinstance(plain, LargeBody):
        return body.cid, [body.block]
    joined = large.Joined(body.cid, plain.content.cid).encode()
    return dag_cbor_cid(joined), [body.block, joined]


def _signature(alias: bytes, version: NewVersion, content: bytes) -> bytes | None:
    """The author's post's, where it answers for the version."""
    if version.author_key is None:
        return None
    return version.author_key.sign(authored(alias, version.record_id, version.version, content))


def authored(alias: bytes, record_id: bytes, version: int, content: bytes) -> bytes:
    """What an author's post signs: ``H("authored", alias, record id, version, content digest)``."""
    return digest("authored", alias, record_id, version.to_bytes(4, "big"), content)


def _manifest(
    writer: Writer,
    statement: AliasStatement,
    tagged: Tagged,
    content: bytes,
    length: int,
    key: Secret,
) -> Manifest:
    version = tagged.version
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
        author_signature=_signature(statement.alias, version, content),
        body_key_commitment=sealed.body_key_commitment(key),
        content_tag=tagged.tag,
        note=version.note,
    )
