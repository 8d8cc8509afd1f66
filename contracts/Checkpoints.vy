# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Checkpoints of release logs
@notice Each custodian anchors the size, root and map root of its release log, signed by its signing key; other
        custodians cosign what they found consistent. A log only grows: a second root for one size is refused,
        and whoever holds the custodian's signature over one can show it here; after that the log is closed.
@dev    Any sender may carry a signed message. An item of a batch that would be refused alone is left out with
        an event and does not hold up the others.
"""

from modules import relayed

interface Registry:
    def custodian_word(party: uint64) -> uint256: view
    def custodian_index(party: uint64) -> uint256: view

event CheckpointAnchoredV1:
    custodian: indexed(uint64)
    size: uint64
    root: bytes32
    map_root: bytes32
    note: bytes32

event CheckpointCosignedV1:
    custodian: indexed(uint64)
    cosigner: indexed(uint64)
    size: uint64

event CheckpointRefusedV1:
    custodian: indexed(uint64)
    size: uint64
    position: uint256
    reason: uint8

event LogForkedV1:
    custodian: indexed(uint64)
    size: uint64
    root: bytes32
    map_root: bytes32

struct Checkpoint:
    custodian: uint64
    size: uint64
    root: bytes32
    map_root: bytes32
    note: bytes32
    v: uint8
    r: bytes32
    s: bytes32

struct Cosignature:
    cosigner: uint64
    custodian: uint64
    size: uint64
    root: bytes32
    map_root: bytes32
    v: uint8
    r: bytes32
    s: bytes32

struct Latest:
    size: uint64
    time: uint64
    block: uint64
    forked: bool
    root: bytes32
    map_root: bytes32
    note: bytes32

NAME: constant(bytes32) = keccak256("CareLedger Checkpoints")
ANCHOR: constant(bytes32) = keccak256(
    "AnchorCheckpoint(uint64 custodian,uint64 size,bytes32 root,bytes32 mapRoot,bytes32 note)"
)
COSIGN: constant(bytes32) = keccak256(
    "CosignCheckpoint(uint64 cosigner,uint64 custodian,uint64 size,bytes32 root,bytes32 mapRoot)"
)

MOST: constant(uint256) = 64
MASK40: constant(uint256) = 2**40 - 1
MASK64: constant(uint256) = 2**64 - 1
FORKED: constant(uint256) = 2**248

# Why a message changes nothing; 0 is no reason.
CUSTODIAN: constant(uint8) = 1
SIGNATURE: constant(uint8) = 2
CLOSED: constant(uint8) = 3
KNOWN: constant(uint8) = 4
FORK: constant(uint8) = 5
SHRUNK: constant(uint8) = 6
UNKNOWN: constant(uint8) = 7
COSIGNED: constant(uint8) = 8

REGISTRY: public(immutable(Registry))

# Size 64, time 40, block 64, from the lowest bit; bit 248: a fork was shown.
latest_words: HashMap[uint64, uint256]
latest_roots: HashMap[uint64, bytes32]
latest_map_roots: HashMap[uint64, bytes32]
latest_notes: HashMap[uint64, bytes32]
# What was anchored for a size: keccak of root and map root.
trees: HashMap[uint64, HashMap[uint64, bytes32]]
# By custodian, size and group: bit i is the cosigner at place 256 × group + i of the registry's list.
cosigners: HashMap[uint64, HashMap[uint64, HashMap[uint256, uint256]]]


@deploy
def __init__(registry: address):
    REGISTRY = Registry(registry)


@external
def anchor(item: Checkpoint):
    """
    @notice Anchor a custodian's signed checkpoint, larger than its last.
    """
    self._raise(self._anchor(item, relayed._separator(NAME)))


@external
def anchor_many(items: DynArray[Checkpoint, MOST]) -> uint256:
    """
    @notice Anchor signed checkpoints of several custodians.
    @return Bit i is set if item i was anchored.
    """
    separator: bytes32 = relayed._separator(NAME)
    done: uint256 = 0
    position: uint256 = 0
    for item: Checkpoint in items:
        reason: uint8 = self._anchor(item, separator)
        if reason == 0:
            done |= 1 << position
        else:
            log CheckpointRefusedV1(
                custodian=item.custodian, size=item.size, position=position, reason=reason
            )
        position += 1
    return done


@external
def cosign(item: Cosignature):
    """
    @notice Count another custodian's signature under an anchored checkpoint, once.
    """
    self._raise(self._cosign(item, relayed._separator(NAME)))


@external
def cosign_many(items: DynArray[Cosignature, MOST]) -> uint256:
    """
    @notice Count signatures under anchored checkpoints.
    @return Bit i is set if item i was counted.
    """
    separator: bytes32 = relayed._separator(NAME)
    done: uint256 = 0
    position: uint256 = 0
    for item: Cosignature in items:
        reason: uint8 = self._cosign(item, separator)
        if reason == 0:
            done |= 1 << position
        else:
            log CheckpointRefusedV1(
                custodian=item.custodian, size=item.size, position=position, reason=reason
            )
        position += 1
    return done


@external
def show_fork(item: Checkpoint):
    """
    @notice Show that a custodian signed another tree for a size that it anchored. It closes the log for good.
    """
    assert self._signed(item, relayed._separator(NAME)), "signature"
    tree: bytes32 = self.trees[item.custodian][item.size]
    assert tree != empty(bytes32), "unknown"
    assert tree != self._tree(item.root, item.map_root), "no fork"
    word: uint256 = self.latest_words[item.custodian]
    assert word & FORKED == 0, "closed"
    self.latest_words[item.custodian] = word | FORKED
    log LogForkedV1(
        custodian=item.custodian, size=item.size, root=item.root, map_root=item.map_root
    )


@external
@view
def latest(custodian: uint64) -> Latest:
    """
    @notice The newest anchored checkpoint of a custodian, all zero if there is none; time in seconds.
    """
    word: uint256 = self.latest_words[custodian]
    return Latest(
        size=convert(word & MASK64, uint64),
        time=convert(word >> 64 & MASK40, uint64),
        block=convert(word >> 104 & MASK64, uint64),
        forked=word & FORKED != 0,
        root=self.latest_roots[custodian],
        map_root=self.latest_map_roots[custodian],
        note=self.latest_notes[custodian],
    )


@external
@view
def anchored(custodian: uint64, size: uint64, root: bytes32, map_root: bytes32) -> bool:
    """
    @notice Whether that checkpoint is or was anchored.
    """
    return self.trees[custodian][size] == self._tree(root, map_root)


@external
@view
def cosigned_by(custodian: uint64, size: uint64, group: uint256) -> uint256:
    """
    @notice Who cosigned: bit i is the custodian at place 256 × group + i of the registry's list.
    """
    return self.cosigners[custodian][size][group]


@internal
def _anchor(item: Checkpoint, separator: bytes32) -> uint8:
    if staticcall REGISTRY.custodian_index(item.custodian) == 0:
        return CUSTODIAN
    if not self._signed(item, separator):
        return SIGNATURE
    word: uint256 = self.latest_words[item.custodian]
    if word & FORKED != 0:
        return CLOSED
    known: bytes32 = self.trees[item.custodian][item.size]
    tree: bytes32 = self._tree(item.root, item.map_root)
    if known != empty(bytes32):
        return KNOWN if known == tree else FORK
    if word != 0 and convert(item.size, uint256) <= word & MASK64:
        return SHRUNK
    self.trees[item.custodian][item.size] = tree
    self.latest_words[item.custodian] = (
        convert(item.size, uint256) | block.timestamp << 64 | block.number << 104
    )
    self.latest_roots[item.custodian] = item.root
    self.latest_map_roots[item.custodian] = item.map_root
    self.latest_notes[item.custodian] = item.note
    log CheckpointAnchoredV1(
        custodian=item.custodian,
        size=item.size,
        root=item.root,
        map_root=item.map_root,
        note=item.note,
    )
    return 0


@internal
def _cosign(item: Cosignature, separator: bytes32) -> uint8:
    place: uint256 = staticcall REGISTRY.custodian_index(item.cosigner)
    if place == 0 or item.cosigner == item.custodian:
        return CUSTODIAN
    message: bytes32 = keccak256(
        abi_encode(COSIGN, item.cosigner, item.custodian, item.size, item.root, item.map_root)
    )
    if not relayed._signed_by(
        self._signing_key(item.cosigner), separator, message, item.v, item.r, item.s
    ):
        return SIGNATURE
    if self.trees[item.custodian][item.size] != self._tree(item.root, item.map_root):
        return UNKNOWN
    place -= 1
    marks: uint256 = self.cosigners[item.custodian][item.size][place // 256]
    mark: uint256 = 1 << place % 256
    if marks & mark != 0:
        return COSIGNED
    self.cosigners[item.custodian][item.size][place // 256] = marks | mark
    log CheckpointCosignedV1(custodian=item.custodian, cosigner=item.cosigner, size=item.size)
    return 0


@internal
@view
def _signed(item: Checkpoint, separator: bytes32) -> bool:
    message: bytes32 = keccak256(
        abi_encode(ANCHOR, item.custodian, item.size, item.root, item.map_root, item.note)
    )
    return relayed._signed_by(
        self._signing_key(item.custodian), separator, message, item.v, item.r, item.s
    )


@internal
@view
def _signing_key(custodian: uint64) -> address:
    return convert(staticcall REGISTRY.custodian_word(custodian) & (2**160 - 1), address)


@internal
@pure
def _tree(root: bytes32, map_root: bytes32) -> bytes32:
    return keccak256(concat(root, map_root))


@internal
@pure
def _raise(reason: uint8):
    assert reason != CUSTODIAN, "custodian"
    assert reason != SIGNATURE, "signature"
    assert reason != CLOSED, "closed"
    assert reason != KNOWN, "known"
    assert reason != FORK, "fork"
    assert reason != SHRUNK, "shrunk"
    assert reason != UNKNOWN, "unknown"
    assert reason != COSIGNED, "cosigned"
