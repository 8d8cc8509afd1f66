# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Registry and records
@notice The registry of parties, and commitments to records: nothing about them. A verified organisation anchors
        one Merkle root (RFC 9162) over any number of leaves. Where the network names a write chart when it is founded, an organisation may also deposit
        a single leaf for a patient's registration: the contract then checks party, matrix and registration.
@dev    One contract with the registry, because asking another contract who the caller is costs more than
        writing the fact: see docs/ledger-consents.md.
        An anchor is one word: organisation 0-63, leaves 64-95, time 96-135, block 136-199.
        A page is one word for 32 deposits of an organisation for a registration: how many 0-7, a bit for each
        removed one 8-39, digest of its leaves 40-255.
"""

import Registry as registry

initializes: registry
exports: registry.__interface__

interface WriteChart:
    def may_write(role: uint8, category: uint8) -> bool: view

event AnchoredV1:
    root: bytes32
    anchor: uint256

event RecordDepositedV1:
    registration: bytes16
    where: uint256
    leaf: bytes32

event RecordRemovedV1:
    registration: bytes16
    where: uint256

MASK8: constant(uint256) = 2**8 - 1
MASK40: constant(uint256) = 2**40 - 1
MASK64: constant(uint256) = 2**64 - 1
PAGE: constant(uint256) = 32

CHART: immutable(WriteChart)

anchors: HashMap[bytes32, uint256]
pages: HashMap[bytes16, HashMap[uint256, uint256]]


@deploy
def __init__(
    ministry: uint64,
    controller: address,
    officers: DynArray[uint64, 32],
    controllers: DynArray[address, 32],
    threshold: uint8,
    chart: address,
):
    """
    @param chart The write chart that direct deposits are checked against; zero: no direct deposits.
    """
    registry.__init__(ministry, controller, officers, controllers, threshold)
    CHART = WriteChart(chart)


# Anchors --------------------------------------------------------------------------------------------


@external
def anchor(root: bytes32, organisation: uint64, count: uint32):
    """
    @notice A verified organisation commits to a tree of `count` leaves. The same again changes nothing.
    """
    registry._check_organisation(registry.parties[organisation])
    batch: uint256 = convert(organisation, uint256) | convert(count, uint256) << 64
    known: uint256 = self.anchors[root]
    if known != 0:
        assert known & (2**96 - 1) == batch, "known root"
        return
    assert count != 0, "count"
    batch |= block.timestamp << 96 | block.number << 136
    self.anchors[root] = batch
    log AnchoredV1(root=root, anchor=batch)


@external
@view
def anchor_word(root: bytes32) -> uint256:
    """
    @notice The anchor of that root, 0 if nobody anchored it.
    """
    return self.anchors[root]


# Direct deposits ------------------------------------------------------------------------------------


@external
def deposit(
    organisation: uint64, registration: bytes16, page: uint32, role: uint8, category: uint8, leaf: bytes32
):
    """
    @notice A verified organisation deposits one leaf for a patient that is registered with it, in a role that it
            has and that may write this category.
    """
    assert CHART.address != empty(address), "off"
    word: uint256 = registry.parties[organisation]
    registry._check_organisation(word)
    assert role < 16 and word >> 160 & 1 << convert(role, uint256) != 0, "role"
    id: uint256 = convert(organisation, uint256)
    assert registry.registrations[convert(registration, uint256)] & MASK64 == id, "registration"
    assert staticcall CHART.may_write(role, category), "category"
    number: uint256 = convert(page, uint256)
    where: uint256 = id << 64 | number << 8
    kept: uint256 = self.pages[registration][where]
    count: uint256 = kept & MASK8
    if count == 0 and number != 0:
        assert self.pages[registration][where - 256] & MASK8 == PAGE, "page"
    assert count < PAGE, "page"
    digest: uint256 = convert(keccak256(abi_encode(kept >> 40, leaf)), uint256)
    self.pages[registration][where] = (digest & (max_value(uint256) - MASK40)) | (kept & MASK40) + 1
    log RecordDepositedV1(registration=registration, where=where | count, leaf=leaf)


@external
def remove_record(registration: bytes16, where: uint256):
    """
    @notice The depositor marks a direct deposit as removed; `where` is what its event said.
    """
    registry._check_organisation(registry.parties[where >> 64])
    index: uint256 = where & MASK8
    kept: uint256 = self.pages[registration][where - index]
    assert index < kept & MASK8, "unknown"
    mark: uint256 = 256 << index
    assert kept & mark == 0, "removed"
    self.pages[registration][where - index] = kept | mark
    log RecordRemovedV1(registration=registration, where=where)


@external
@view
def page_word(registration: bytes16, where: uint256) -> uint256:
    """
    @notice The page at `where`, an event's place without its index; 0 if nothing was deposited there.
    """
    return self.pages[registration][where]
