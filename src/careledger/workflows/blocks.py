"""Sealed blocks from the store, verified by their CID before anybody opens them."""

from __future__ import annotations

from careledger.formats.cids import RAW, check_block, codec_of
from careledger.formats.large import Index, Joined, decode_node
from careledger.sealing.states import Ciphertext, VerifiedCiphertext, joined, verify
from careledger.workflows.network import Network


def sealed_block(network: Network, cid: bytes) -> VerifiedCiphertext:
    """The sealed bytes that a CID names; over 1 MiB they lie in chunks under an index, and of a body that is joined to
    a file they are the body.

    Raises BlockNotFound, BlockMismatch, MalformedBytes.
    """
    node = _node(network, cid)
    if isinstance(node, Joined):
        cid, node = node.body, _node(network, node.body)
    if isinstance(node, Index):
        return joined(sealed_chunk(network, node, number) for number in range(len(node.links)))
    return _verified(network, cid)


def sealed_chunk(network: Network, index: Index, number: int) -> VerifiedCiphertext:
    """The chunk of that number under an index; raises BlockNotFound, BlockMismatch, MalformedBytes."""
    chunk = _verified(network, index.links[number])
    index.check_length(number, chunk.data)
    return chunk


def _verified(network: Network, cid: bytes) -> VerifiedCiphertext:
    return verify(Ciphertext(network.blocks.unchecked(cid)), cid)


def _node(network: Network, cid: bytes) -> Index | Joined | None:
    """What a dag-cbor block says, None for a raw one."""
    return None if codec_of(cid) == RAW else decode_node(check_block(cid, network.blocks.unchecked(cid)))
