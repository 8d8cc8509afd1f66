# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Signed messages that any sender may carry
@notice Who signed an EIP-712 struct that counts at this contract on this chain only. A signature is v, r, s with
        s in the lower half of the order (EIP-2) and v 27 or 28; any other form is nobody's. Nothing here
        reverts, so that one bad message of a batch does not hold up the others.
"""

DOMAIN_TYPE: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
VERSION: constant(bytes32) = keccak256("1")
HALF_ORDER: constant(uint256) = (
    57896044618658097711785492504343953926418782139537452191302581570759080747168
)
LONGEST_DEADLINE: constant(uint256) = 3600  # seconds


@internal
@view
def _separator(name: bytes32) -> bytes32:
    """
    @notice The EIP-712 domain separator of this contract, whose name has that keccak digest.
    """
    return keccak256(abi_encode(DOMAIN_TYPE, name, VERSION, chain.id, self))


@internal
@view
def _signed_by(
    signer: address, separator: bytes32, message: bytes32, v: uint8, r: bytes32, s: bytes32
) -> bool:
    """
    @notice Whether that address, and not the zero address, signed the struct with the hash `message`.
    """
    if signer == empty(address) or (v != 27 and v != 28) or convert(s, uint256) > HALF_ORDER:
        return False
    return ecrecover(keccak256(concat(b"\x19\x01", separator, message)), v, r, s) == signer


@internal
@view
def _in_time(deadline: uint64) -> bool:
    """
    @notice Whether a message may still be carried out: its deadline is not over, and at most an hour ahead.
    """
    ends: uint256 = convert(deadline, uint256)
    return ends >= block.timestamp and ends <= block.timestamp + LONGEST_DEADLINE
