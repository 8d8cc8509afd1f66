# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Module probe
@notice For tests alone: what the shared modules answer.
"""

from modules import merkle
from modules import relayed


@external
@view
def included(
    entry: bytes32, index: uint256, size: uint256, path: DynArray[bytes32, 24], root: bytes32
) -> bool:
    return merkle._included(entry, index, size, path, root)


@external
@view
def separator(name: bytes32) -> bytes32:
    return relayed._separator(name)


@external
@view
def signed_by(signer: address, name: bytes32, message: bytes32, v: uint8, r: bytes32, s: bytes32) -> bool:
    return relayed._signed_by(signer, relayed._separator(name), message, v, r, s)
