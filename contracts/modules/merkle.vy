# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Merkle trees of RFC 9162
@notice Inclusion of an entry in a tree of a given size, with SHA-256 and the prefixes 0x00 and 0x01.
"""

LONGEST_PATH: constant(uint256) = 24  # trees of up to 2**24 entries


@internal
@pure
def _leaf_hash(entry: bytes32) -> bytes32:
    """
    @notice RFC 9162 §2.1.1: the hash of a 32-byte entry.
    """
    return sha256(concat(b"\x00", entry))


@internal
@pure
def _included(
    entry: bytes32, index: uint256, size: uint256, path: DynArray[bytes32, LONGEST_PATH], root: bytes32
) -> bool:
    """
    @notice RFC 9162 §2.1.3.2: whether the path proves that entry number index (from 0) is in the tree of that
            size with that root.
    """
    if index >= size:
        return False
    position: uint256 = index
    last: uint256 = size - 1
    hash: bytes32 = self._leaf_hash(entry)
    for sibling: bytes32 in path:
        if last == 0:
            return False
        if position & 1 == 1 or position == last:
            hash = sha256(concat(b"\x01", sibling, hash))
            for _: uint256 in range(256):
                if position & 1 == 1 or position == 0:
                    break
                position >>= 1
                last >>= 1
        else:
            hash = sha256(concat(b"\x01", hash, sibling))
        position >>= 1
        last >>= 1
    return last == 0 and hash == root
