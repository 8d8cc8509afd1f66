# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Links, second edition
@notice A successor for the migration test: it keeps its own entries and asks its predecessor for the older ones.
"""

interface Links:
    def state(owner: address, commitment: bytes32) -> uint8: view

event LinkedV2:
    owner: indexed(address)
    commitment: bytes32
    since: uint256

BEFORE: immutable(Links)

since: public(HashMap[bytes32, uint256])


@deploy
def __init__(before: address):
    BEFORE = Links(before)


@external
def link(commitment: bytes32):
    """
    @notice Enter a link of the sender's.
    """
    assert staticcall BEFORE.state(msg.sender, commitment) == 0, "state"
    self.since[keccak256(abi_encode(msg.sender, commitment))] = block.timestamp
    log LinkedV2(owner=msg.sender, commitment=commitment, since=block.timestamp)


@external
@view
def state(owner: address, commitment: bytes32) -> uint8:
    """
    @notice What the first edition would say.
    """
    if self.since[keccak256(abi_encode(owner, commitment))] != 0:
        return 1
    return staticcall BEFORE.state(owner, commitment)
