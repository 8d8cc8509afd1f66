# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Links
@notice That two aliases are one person's is entered as a commitment, so that the ledger joins nothing. The
        patient's link is signed by a key used for this link alone; the statement it commits to, signed by both
        aliases' controllers, is shown off chain to whom it concerns. A link of unclaimed aliases is entered by
        two ministry officers. Both stay undone once undone.
@dev    A link is one word: state 0-7, filed under keccak(owner, commitment); owner 0 for officers' links.
"""

from modules import ballots
from modules import signatures

initializes: ballots

interface Registry:
    def is_officer(officer: uint64, controller: address) -> bool: view
    def in_office(officer: uint64) -> bool: view

event LinkedV1:
    owner: indexed(address)
    commitment: bytes32

event UnlinkedV1:
    owner: indexed(address)
    commitment: bytes32

event LinkVotedV1:
    proposal: indexed(bytes32)
    officer: indexed(uint64)

NAME: constant(bytes32) = keccak256("CareLedger Links")
LINK: constant(bytes32) = keccak256("LinkAliases(address owner,bytes32 commitment,uint64 deadline)")
UNLINK: constant(bytes32) = keccak256("UnlinkAliases(address owner,bytes32 commitment,uint64 deadline)")
VOTE_LINK: constant(bytes32) = keccak256("link unclaimed")
VOTE_UNLINK: constant(bytes32) = keccak256("unlink unclaimed")

HOUR: constant(uint256) = 3600
OFFICERS: constant(uint256) = 2
LINKED: constant(uint8) = 1
UNLINKED: constant(uint8) = 2

REGISTRY: immutable(Registry)

links: HashMap[bytes32, uint8]


@deploy
def __init__(registry: address):
    REGISTRY = Registry(registry)


@external
def link(owner: address, commitment: bytes32, deadline: uint64, signature: Bytes[65]):
    """
    @notice Enter a patient's link, signed by its one-time key; anybody may send it.
    """
    self._check_signed(LINK, owner, commitment, deadline, signature)
    self._link(owner, commitment)


@external
def unlink(owner: address, commitment: bytes32, deadline: uint64, signature: Bytes[65]):
    """
    @notice Undo a patient's link, signed by its one-time key; an unknown one can then never be entered.
    """
    self._check_signed(UNLINK, owner, commitment, deadline, signature)
    self._unlink(owner, commitment)


@external
def vote_link(officer: uint64, commitment: bytes32):
    """
    @notice A ministry officer's voice for a link of unclaimed aliases; the second officer's enters it.
    """
    if self._carried(officer, keccak256(abi_encode(VOTE_LINK, commitment))):
        self._link(empty(address), commitment)


@external
def vote_unlink(officer: uint64, commitment: bytes32):
    """
    @notice A ministry officer's voice for undoing such a link; the second officer's undoes it.
    """
    assert self.links[self._place(empty(address), commitment)] == LINKED, "state"
    if self._carried(officer, keccak256(abi_encode(VOTE_UNLINK, commitment))):
        self._unlink(empty(address), commitment)


@external
@view
def state(owner: address, commitment: bytes32) -> uint8:
    """
    @notice 0 unknown, 1 linked, 2 undone. Owner is the zero address for officers' links.
    """
    return self.links[self._place(owner, commitment)]


@internal
def _link(owner: address, commitment: bytes32):
    place: bytes32 = self._place(owner, commitment)
    assert self.links[place] == 0, "state"
    self.links[place] = LINKED
    log LinkedV1(owner=owner, commitment=commitment)


@internal
def _unlink(owner: address, commitment: bytes32):
    place: bytes32 = self._place(owner, commitment)
    assert self.links[place] != UNLINKED, "state"
    self.links[place] = UNLINKED
    log UnlinkedV1(owner=owner, commitment=commitment)


@internal
def _carried(officer: uint64, proposal: bytes32) -> bool:
    """
    @notice Record a voice; whether two officers in office have now raised theirs.
    """
    assert staticcall REGISTRY.is_officer(officer, msg.sender), "officer"
    ballots._vote(proposal, officer)
    log LinkVotedV1(proposal=proposal, officer=officer)
    voices: uint256 = 0
    for voter: uint64 in ballots.voters[proposal]:
        if staticcall REGISTRY.in_office(voter):
            voices += 1
    return voices >= OFFICERS


@internal
@view
def _check_signed(kind: bytes32, owner: address, commitment: bytes32, deadline: uint64, signature: Bytes[65]):
    signatures._check_deadline(deadline, HOUR)
    message: bytes32 = keccak256(abi_encode(kind, owner, commitment, deadline))
    assert signatures._signer(signatures._digest(NAME, message), signature) == owner, "signer"


@internal
@pure
def _place(owner: address, commitment: bytes32) -> bytes32:
    return keccak256(abi_encode(owner, commitment))
