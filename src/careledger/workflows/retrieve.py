"""Retrieve records: ask custodians, verify what they released, open it.

    request → custodians check, log, answer → rows verified against the ledger → c from t shares → blocks
    verified by CID → header or escrow → record secret → manifest → body → all together judged again

Single records are asked of t custodians first, and of the others by a second request only where those t did not open
every one of them; which versions exist, and what comes from escrow, is asked of the whole list at once.

Nothing is changed outside but the custodians' logs, so a retrieval may be repeated at any point; each repetition is
a request of its own in the patient's log.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from careledger.domain.categories import Compartment
from careledger.domain.errors import (
    CannotOpen,
    CareLedgerError,
    DigestMismatch,
    NotEnoughCustodians,
    NotEnoughShares,
)
from careledger.domain.reasons import Rule
from careledger.formats.bodies import RecordBody
from careledger.formats.custody import ShareEvidence
from careledger.formats.deposits import Manifest
from careledger.formats.patients import AliasStatement
from careledger.sealing import versions as sealed
from careledger.sealing.epochs import Epoch
from careledger.sealing.keys import SealingKey, Secret
from careledger.sealing.shamir import combine
from careledger.sealing.states import VerifiedCiphertext
from careledger.workflows.asking import Access, Asked, ask
from careledger.workflows.blocks import sealed_block
from careledger.workflows.contents import body_of
from careledger.workflows.epoch_seeds import Seeds, epoch_seeds
from careledger.workflows.evidence import Found, Gathered, gather
from careledger.workflows.network import Network
from careledger.workflows.second_look import Opened, SecondLook

OF_FEW = (Rule.CONSENT, Rule.OWN, Rule.REGISTRAR)
"""The rules by which t custodians suffice; by the others records come from escrow and patients are counted."""


@dataclass(frozen=True, repr=False)
class Record:
    """One version, opened; never printed.

    ``distrust`` is empty, or says why the reader's own decision at the anchoring block would not have let it be
    written. ``apart``: it was deposited unasked and nobody has accepted it yet. States and marks in ``found`` are what
    custodians say of it.
    """

    manifest: Manifest
    body: RecordBody
    secret: Secret
    found: Found
    distrust: str
    apart: bool = False

    @property
    def handle(self) -> bytes:
        """The version's handle."""
        return self.found.row.handle

    @property
    def compartment(self) -> Compartment:
        """Its category and sensitivity."""
        return Compartment.numbered(self.found.row.compartment)


@dataclass(frozen=True, repr=False)
class Retrieved:
    """What a request gave: records in the order of their anchors, and everything that did not open.

    ``complete`` is False where fewer than N − t + 1 custodians answered soundly: it may be incomplete. Records that
    were named are complete when each was given out. ``problems`` name no record. ``keyless`` are the handles of what
    was released and is sealed under an epoch whose key has not reached the reader yet.
    """

    records: tuple[Record, ...]
    problems: tuple[CareLedgerError, ...]
    evidence: tuple[ShareEvidence, ...]
    complete: bool
    waiting: int
    asked: Asked
    keyless: tuple[bytes, ...] = ()


def retrieve(
    network: Network,
    access: Access,
    statement: AliasStatement,
    compartments: Iterable[Compartment] = (),
    handles: Sequence[bytes] | None = None,
    as_of: int = 0,
) -> Retrieved:
    """Everything that custodians release of these compartments, or of these handles, opened and verified.

    ``as_of`` is a block number: versions anchored later are left out (0: none are). Raises the custodians' refusal
    if more refused than can be dishonest, NotEnoughCustodians if too few can be reached.
    """
    numbers = [compartment.number for compartment in compartments]
    wanted = None if handles is None else tuple(handles)
    first = _first_asked(network, access, statement, wanted)
    asked = ask(network, access, statement, wanted, numbers, as_of, first)
    others = tuple(number for number in statement.custodians if number not in first)
    if others:
        if len(asked.answers) == len(first):
            found = _read(network, access, statement, asked, wanted, as_of)
            if _gives_all(found, wanted):
                return found
        asked = asked.followed_by(ask(network, access, statement, wanted, numbers, as_of, others))
    return _read(network, access, statement, asked, wanted, as_of)


def _first_asked(
    network: Network, access: Access, statement: AliasStatement, handles: tuple[bytes, ...] | None
) -> tuple[int, ...]:
    """Any t of the first n, who are given the shares, for records that are named; the whole list for all else."""
    listed, thresholds = statement.custodians, network.thresholds
    if handles is None or access.rule not in OF_FEW:
        return listed
    holding = [number for number in listed[: thresholds.holding] if number in network.custodians]
    if len(holding) < thresholds.opening:
        return listed
    return tuple(random.SystemRandom().sample(holding, thresholds.opening))


def _gives_all(found: Retrieved, handles: tuple[bytes, ...] | None) -> bool:
    """Whether every named record was opened and nothing was amiss that others may put right."""
    sound = {record.handle for record in found.records if not record.distrust and not record.apart}
    return not found.problems and not found.evidence and sound >= set(handles or ())


def _read(
    network: Network,
    access: Access,
    statement: AliasStatement,
    asked: Asked,
    handles: tuple[bytes, ...] | None,
    as_of: int,
) -> Retrieved:
    """What the answers give, verified, opened and judged; raises as ``retrieve``."""
    require_answers(network, asked)
    view = network.ledger.fresh_head()
    gathered = gather(view, statement.alias, len(statement.custodians), asked.answers)
    seeds = epoch_seeds(access, [each for each, _ in asked.answers], statement.alias, _oldest(gathered))
    opened, problems, keyless = _open_all(network, access, statement, gathered, seeds, as_of)
    look = SecondLook(network, statement, opened)
    records = [
        Record(each.manifest, each.body, each.secret, each.found, look.judge(each), look.apart(each))
        for each in opened
    ]
    return Retrieved(
        tuple(records),
        tuple(problems),
        tuple(gathered.evidence),
        is_complete(network, statement, asked, gathered) or _each_found(gathered, handles),
        gathered.waiting,
        asked,
        tuple(keyless),
    )


def _oldest(gathered: Gathered) -> dict[int, int]:
    """By compartment, the earliest epoch under which something was released."""
    found: dict[int, int] = {}
    for each in gathered.found.values():
        row = each.row
        found[row.compartment] = min(row.epoch, found.get(row.compartment, row.epoch))
    return found


def _open_all(
    network: Network,
    access: Access,
    statement: AliasStatement,
    gathered: Gathered,
    seeds: Seeds,
    as_of: int,
) -> tuple[list[Opened], list[CareLedgerError], list[bytes]]:
    """The versions that open, in the order of their anchors, what the others failed at, and which lack a key."""
    opened, problems, keyless = [], [error for _, error in gathered.unverified], []
    keys = _Keys(network, seeds)
    for found in sorted(gathered.found.values(), key=lambda each: (each.anchor.block, each.row.index)):
        if as_of and found.anchor.block > as_of:
            continue
        try:
            opened.append(_open(network, access, statement, found, keys))
        except CareLedgerError as error:
            problems.append(error)
            if access.rule is Rule.CONSENT and keys.lacks(access, found, error):
                keyless.append(found.row.handle)
    return opened, problems, keyless


def newest(records: Iterable[Record]) -> list[Record]:
    """The current version of each record; of two that follow one version the first anchored wins.

    A distrusted version takes no trusted one's place. One whose predecessor was not released, retracted for example,
    comes after every version with a lower number.
    """
    found = list(records)
    known, heads = {record.handle for record in found}, dict[bytes, Record]()
    for record in _trusted_first(found):
        head = heads.get(record.manifest.record_id)
        if head is None or (bool(record.distrust) == bool(head.distrust) and _follows(record, head, known)):
            heads[record.manifest.record_id] = record
    return list(heads.values())


def _trusted_first(records: Iterable[Record]) -> list[Record]:
    """The trusted ones, those of them that were retracted last, then the others, in the order of their anchors."""
    return sorted(records, key=lambda record: (bool(record.distrust), "retracted" in record.found.states))


def _follows(record: Record, head: Record, known: set[bytes]) -> bool:
    before = record.manifest.predecessor
    if before is None or before in known:
        return before == head.handle
    return record.manifest.version > head.manifest.version


def forks(records: Iterable[Record]) -> list[Record]:
    """The versions that lost against another one with the same predecessor."""
    first: dict[tuple[bytes, bytes | None], Record] = {}
    lost = []
    for record in _trusted_first(records):
        key = (record.manifest.record_id, record.manifest.predecessor)
        if first.setdefault(key, record) is not record:
            lost.append(record)
    return lost


def require_answers(network: Network, asked: Asked) -> None:
    """Raises the refusal that most custodians gave if fewer than t answered."""
    if len(asked.answers) >= network.thresholds.opening:
        return
    if asked.refusals:
        raise asked.refusals[0][1]
    raise NotEnoughCustodians(found=len(asked.answers), needed=network.thresholds.opening)


def is_complete(network: Network, statement: AliasStatement, asked: Asked, gathered: Gathered) -> bool:
    """Whether N − t + 1 custodians gave answers in which everything verified."""
    enough = len(statement.custodians) - network.thresholds.opening + 1
    sound = len(asked.answers) - len({number for number, _ in gathered.unverified})
    return sound >= enough


def _each_found(gathered: Gathered, handles: tuple[bytes, ...] | None) -> bool:
    """Whether records were named and each was given out."""
    found = {each.row.handle for each in gathered.found.values()}
    return handles is not None and found >= set(handles)


def _open(
    network: Network,
    access: Access,
    statement: AliasStatement,
    found: Found,
    keys: _Keys,
) -> Opened:
    """One version opened; raises what it failed at."""
    manifest_block = sealed_block(network, found.row.manifest)
    secret, manifest = _record_secret(network, access, found, keys, manifest_block)
    _check_manifest(manifest, statement.alias, found)
    custodial = found.custodial_secret(network.thresholds.opening)
    key = sealed.body_key(secret, custodial)
    opened = sealed.open_body(key, manifest.body_key_commitment, sealed_block(network, found.row.body))
    body = body_of(opened)
    if body.content_digest != manifest.content_digest:
        raise DigestMismatch(what="content")
    return Opened(found, manifest, body, secret)


def _record_secret(
    network: Network,
    access: Access,
    found: Found,
    keys: _Keys,
    manifest_block: VerifiedCiphertext,
) -> tuple[Secret, Manifest]:
    """r and the manifest that it opens: by a secret one was given, by the epoch key, or from escrow."""
    handle, place = found.row.handle, (found.row.compartment, found.row.epoch)
    given = dict(access.secrets).get(handle)
    if given is not None:
        return given, _manifest(given, manifest_block)
    if place in keys.seeds:
        secret = sealed.record_secret(keys.batch_secret(found, Epoch(found.statement.alias, *place)), handle)
        return secret, _manifest(secret, manifest_block)
    return _from_escrow(network, found, manifest_block)


class _Keys:
    """Epoch seeds by compartment and number, and the batch secrets that they open, each header once."""

    def __init__(self, network: Network, seeds: Seeds) -> None:
        self.seeds = seeds
        self._network = network
        self._opened: dict[tuple[bytes, Epoch], Secret] = {}

    def lacks(self, access: Access, found: Found, error: CareLedgerError) -> bool:
        """Whether a version that failed so lacks a key that may be on its way: none here is its epoch's, also where a
        crash left one that bears its number, and none a later one's, which leads back to whatever may be opened."""
        compartment, number = place = (found.row.compartment, found.row.epoch)
        given = any(handle == found.row.handle for handle, _ in access.secrets)
        if given or any(each == compartment and later > number for each, later in self.seeds):
            return False
        which = (found.row.header, Epoch(found.statement.alias, *place))
        return place not in self.seeds or (isinstance(error, CannotOpen) and which not in self._opened)

    def batch_secret(self, found: Found, epoch: Epoch) -> Secret:
        """b from the header, by whichever seed of that epoch opens it; raises CannotOpen."""
        which = (found.row.header, epoch)
        if which not in self._opened:
            self._opened[which] = self._open(sealed_block(self._network, found.row.header), epoch)
        return self._opened[which]

    def _open(self, header: VerifiedCiphertext, epoch: Epoch) -> Secret:
        for seed in self.seeds[epoch.compartment, epoch.number]:
            try:
                return sealed.open_header(SealingKey(seed), epoch, header)
            except CannotOpen:
                continue
        raise CannotOpen(epoch=epoch.number)


def _from_escrow(network: Network, found: Found, block: VerifiedCiphertext) -> tuple[Secret, Manifest]:
    """r from escrow shares of b, each checked against the deposit statement's commitment."""
    needed = network.thresholds.escrow
    if len(found.escrow) < needed:
        raise NotEnoughShares(needed=needed, found=len(found.escrow))
    batch = combine(list(found.escrow.values())[:needed], needed)
    secret = sealed.record_secret(batch, found.row.handle)
    return secret, _manifest(secret, block)


def _manifest(secret: Secret, block: VerifiedCiphertext) -> Manifest:
    return Manifest.decode(sealed.open_manifest(secret, block).data)


def _check_manifest(manifest: Manifest, alias: bytes, found: Found) -> None:
    """The manifest says what its custodians and depositor said; raises DigestMismatch."""
    compartment = Compartment.numbered(found.row.compartment)
    said = (manifest.alias, manifest.category, manifest.sensitivity, manifest.predecessor, manifest.depositor)
    known = (
        alias,
        compartment.category,
        compartment.sensitivity,
        found.item.predecessor,
        found.statement.depositor,
    )
    if said != known or manifest.author != found.item.author or manifest.source != found.statement.source:
        raise DigestMismatch(what="manifest")
