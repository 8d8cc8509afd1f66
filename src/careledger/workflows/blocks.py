"""Sealed blocks from the store, verified by their CID before anybody opens them."""

from __future__ import annotations

from careledger.formats.cids import RAW, check_block, codec_of
from careledger.formats.large import Index, open_large
from careledger.sealing.states import Ciphertext, VerifiedCiphertext, verify, verify_digest
from careledger.workflows.network import Network


def sealed_block(network: Network, cid: bytes) -> VerifiedCiphertext:
    """The sealed bytes that a CID names; over 1 MiB they lie in chunks under an index.

    Raises BlockNotFound, BlockMismatch, MalformedBytes.
    """
    if codec_of(cid) == RAW:
        return verify(Ciphertext(network.blocks.get(cid)), cid)
    index = Index.decode(check_block(cid, network.blocks.get(cid)))
    return verify_digest(Ciphertext(open_large(cid, network.blocks.get)), index.sha256)
