# pragma version 0.4.3
"""
EIP-712 digests and the address that signed them: 65 bytes r, s, v with v 27 or 28 and s in the lower half
of the order (EIP-2), so that a signature has one form only.
"""

DOMAIN_TYPE: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
VERSION: constant(bytes32) = keccak256("1")
# 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
HALF_ORDER: constant(uint256) = 57896044618658097711785492504343953926418782139537452191302581570759080747168


@internal
@view
def _digest(name: bytes32, struct_hash: bytes32) -> bytes32:
    """What is signed for a struct in the domain of that hashed name, this chain and this contract."""
    separator: bytes32 = keccak256(abi_encode(DOMAIN_TYPE, name, VERSION, chain.id, self))
    return keccak256(concat(x"1901", separator, struct_hash))


@internal
@pure
def _signer(digest: bytes32, signature: Bytes[65]) -> address:
    """The address that signed; reverts for anything but one well-formed signature."""
    assert len(signature) == 65, "signature form"
    r: uint256 = extract32(signature, 0, output_type=uint256)
    s: uint256 = extract32(signature, 32, output_type=uint256)
    v: uint256 = convert(slice(signature, 64, 1), uint256)
    assert v == 27 or v == 28, "signature form"
    assert s <= HALF_ORDER, "signature form"
    signer: address = ecrecover(digest, v, r, s)
    assert signer != empty(address), "signature form"
    return signer


@internal
@view
def _check_deadline(deadline: uint64, longest: uint256):
    """A signature counts until its deadline, which is at most `longest` seconds ahead."""
    until: uint256 = convert(deadline, uint256)
    assert block.timestamp <= until, "expired"
    assert until <= block.timestamp + longest, "deadline too far"
