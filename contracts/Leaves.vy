# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Leaves
@notice What became of anchored leaves: whether one is in an anchored tree, which took its place, and which
        custodians attested that they destroyed their shares of it. A leaf is a commitment to one record version;
        nothing here says whose.
"""

from modules import merkle

interface Records:
    def party_word(party: uint64) -> uint256: view
    def custodian_word(party: uint64) -> uint256: view
    def custodian_index(party: uint64) -> uint256: view
    def anchor_word(root: bytes32) -> uint256: view
    def page_word(registration: bytes16, where: uint256) -> uint256: view

event LeafSupersededV1:
    leaf: indexed(bytes32)
    successor: indexed(bytes32)
    organisation: uint64

event LeafErasedV1:
    leaf: indexed(bytes32)
    custodian: indexed(uint64)
    reason: bytes32

struct Place:
    root: bytes32
    index: uint32
    path: DynArray[bytes32, LONGEST_PATH]

LONGEST_PATH: constant(uint256) = 24
MOST: constant(uint256) = 100
PAGE: constant(uint256) = 32
MASK8: constant(uint256) = 2**8 - 1
MASK32: constant(uint256) = 2**32 - 1
MASK64: constant(uint256) = 2**64 - 1
CONTROLLER: constant(uint256) = 2**160 - 1
VERIFIED: constant(uint256) = 2
IS_ORGANISATION: constant(uint256) = 2**248

RECORDS: public(immutable(Records))

successors: HashMap[bytes32, bytes32]
# By leaf and the custodian's place in the registry's list: bit place % 256 of group place // 256.
attested: HashMap[bytes32, HashMap[uint256, uint256]]


@deploy
def __init__(records: address):
    RECORDS = Records(records)


@external
def supersede(organisation: uint64, leaf: bytes32, at: Place, successor: bytes32, successor_at: Place):
    """
    @notice The organisation that anchored both leaves says that the second takes the place of the first. A leaf
            has one successor; one that is superseded itself succeeds to nothing.
    """
    self._check_organisation(organisation)
    assert self._anchored_by(organisation, leaf, at), "leaf"
    assert self._anchored_by(organisation, successor, successor_at), "successor"
    self._supersede(organisation, leaf, successor)


@external
def supersede_deposited(
    registration: bytes16,
    where: uint256,
    leaves: DynArray[bytes32, PAGE],
    successor_where: uint256,
    successor_leaves: DynArray[bytes32, PAGE],
):
    """
    @notice The same for two direct deposits for one registration; `leaves` are all of the page, in order.
    """
    organisation: uint64 = convert(where >> 64, uint64)
    assert successor_where >> 64 == where >> 64, "successor"
    self._check_organisation(organisation)
    leaf: bytes32 = self._deposited(registration, where, leaves)
    successor: bytes32 = self._deposited(registration, successor_where, successor_leaves)
    self._supersede(organisation, leaf, successor)


@external
def attest_erased(custodian: uint64, leaves: DynArray[bytes32, MOST], reason: bytes32):
    """
    @notice A serving custodian states that it destroyed its shares of these leaves. It counts once for a leaf;
            stated again, nothing changes. `reason` is a digest of the order that it followed.
    """
    place: uint256 = staticcall RECORDS.custodian_index(custodian)
    assert place != 0, "custodian"
    word: uint256 = staticcall RECORDS.custodian_word(custodian)
    assert word & CONTROLLER == convert(msg.sender, uint256), "caller"
    place -= 1
    mark: uint256 = 1 << place % 256
    for leaf: bytes32 in leaves:
        marks: uint256 = self.attested[leaf][place // 256]
        if marks & mark == 0:
            self.attested[leaf][place // 256] = marks | mark
            log LeafErasedV1(leaf=leaf, custodian=custodian, reason=reason)


@external
@view
def included(
    leaf: bytes32, index: uint32, size: uint32, path: DynArray[bytes32, LONGEST_PATH], root: bytes32
) -> bool:
    """
    @notice Whether that root is anchored with `size` leaves and `path` proves that leaf number `index` is `leaf`.
    """
    word: uint256 = staticcall RECORDS.anchor_word(root)
    return convert(size, uint256) == word >> 64 & MASK32 and merkle._included(
        leaf, convert(index, uint256), convert(size, uint256), path, root
    )


@external
@view
def deposited(registration: bytes16, where: uint256, leaves: DynArray[bytes32, PAGE]) -> bytes32:
    """
    @notice The leaf of a direct deposit that was not removed, given all leaves of its page, in order.
    """
    return self._deposited(registration, where, leaves)


@external
@view
def successor(leaf: bytes32) -> bytes32:
    """
    @notice The leaf that took its place, or zero.
    """
    return self.successors[leaf]


@external
@view
def erased_by(leaf: bytes32, group: uint256) -> uint256:
    """
    @notice Who attested the erasure: bit i is the custodian at place 256 × group + i of the registry's list.
    """
    return self.attested[leaf][group]


@internal
def _supersede(organisation: uint64, leaf: bytes32, successor: bytes32):
    assert leaf != successor, "successor"
    assert self.successors[leaf] == empty(bytes32), "superseded"
    assert self.successors[successor] == empty(bytes32), "successor"
    self.successors[leaf] = successor
    log LeafSupersededV1(leaf=leaf, successor=successor, organisation=organisation)


@internal
@view
def _check_organisation(id: uint64):
    word: uint256 = staticcall RECORDS.party_word(id)
    assert word & CONTROLLER == convert(msg.sender, uint256), "caller"
    assert word & IS_ORGANISATION != 0, "role"
    assert word >> 176 & MASK8 == VERIFIED, "status"


@internal
@view
def _anchored_by(organisation: uint64, leaf: bytes32, at: Place) -> bool:
    word: uint256 = staticcall RECORDS.anchor_word(at.root)
    return word & MASK64 == convert(organisation, uint256) and merkle._included(
        leaf, convert(at.index, uint256), word >> 64 & MASK32, at.path, at.root
    )


@internal
@view
def _deposited(registration: bytes16, where: uint256, leaves: DynArray[bytes32, PAGE]) -> bytes32:
    index: uint256 = where & MASK8
    word: uint256 = staticcall RECORDS.page_word(registration, where - index)
    assert index < len(leaves) and len(leaves) == word & MASK8, "unknown"
    digest: uint256 = 0
    for leaf: bytes32 in leaves:
        digest = convert(keccak256(abi_encode(digest, leaf)), uint256) >> 40
    assert digest == word >> 40, "unknown"
    assert word & 256 << index == 0, "removed"
    return leaves[index]
