"""Files that lie beside a record's body: sealed into blocks as they are read, opened in ranges.

Order of effects when one is sealed: its blocks, durable, a few at a time, and their index last. Until the deposit that
follows pins them they are blocks that nobody pins, and their key is in memory alone: a crash leaves ciphertext that
nobody can open, and repeating seals the file anew.
"""

from __future__ import annotations

from functools import partial

from blake3 import blake3

from careledger.domain.errors import BlockNotFound, DigestMismatch, FhirRefused
from careledger.fhir.contents import stated
from careledger.fhir.export import resource_of
from careledger.fhir.parse import shown
from careledger.formats.bodies import LargeBody, RecordBody, SealedContent, decode_body
from careledger.formats.cids import check_block, text
from careledger.formats.large import Index
from careledger.sealing.contents import PIECE, ContentReader, ContentSealer
from careledger.sealing.states import Plaintext
from careledger.workflows.blocks import sealed_chunk
from careledger.workflows.network import Network
from careledger.workflows.new_versions import FileBody


def seal_file(network: Network, body: FileBody) -> LargeBody:
    """The body and, stored, the file beside it; raises FhirRefused for a file that changed or cannot be read."""
    sealer, again = ContentSealer(network.blocks.put_many), blake3()
    try:
        with body.path.open("rb") as file:
            while sealer.size <= body.size and (piece := file.read(PIECE)):
                again.update(piece)
                sealer.add(piece)
    except OSError as error:
        raise FhirRefused(file=shown(body.path.name), problem=f"cannot be read: {error.strerror}") from None
    content = sealer.end(body.sha256)
    if (content.size, again.digest()) != (body.size, body.blake3):
        raise FhirRefused(file=shown(body.path.name), problem="the file changed while it was read")
    return LargeBody(body.canonical, b"", None, None, (), content)


def body_of(opened: Plaintext) -> RecordBody:
    """The body in opened bytes; raises MalformedBytes, DigestMismatch where its file is another than it states."""
    body = decode_body(opened.data)
    if isinstance(body, LargeBody) and stated(resource_of(body)) != (body.content.size, body.content.sha256):
        raise DigestMismatch(what="file")
    return body


def content_reader(network: Network, content: SealedContent) -> ContentReader:
    """The file, to be read in ranges; raises CannotOpen, BlockNotFound, BlockMismatch, MalformedBytes."""
    index = Index.decode(check_block(content.cid, network.blocks.unchecked(content.cid)))
    return ContentReader(content, index, partial(sealed_chunk, network, index))


def check_there(network: Network, content: SealedContent) -> None:
    """Raises BlockNotFound where the store lacks a block of a file, before anything names it."""
    if not network.blocks.has(content.cid):
        raise BlockNotFound(cid=text(content.cid))
    index = Index.decode(check_block(content.cid, network.blocks.get(content.cid)))
    for link in index.links:
        if not network.blocks.has(link):
            raise BlockNotFound(cid=text(link))
