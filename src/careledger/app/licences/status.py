"""Which licences of an issuer were revoked: a token status list (draft-ietf-oauth-status-list), one bit for each.

The list has a fixed size, and places in it are drawn at random, so that neither says how many there are or whose. It is
signed anew each time, and good for an hour.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from careledger.app import fetching
from careledger.app.licences import jose
from careledger.app.serving import is_loopback
from careledger.domain.errors import LicenceRefused, MalformedBytes
from careledger.formats.licences import IssuedLicence
from careledger.formats.sd_jwt import base64url, from_base64url
from careledger.workflows.actors import Organisation

if TYPE_CHECKING:
    from careledger.app.world import World

KIND, ISSUED = "statuslist+jwt", "issued-licences"
PLACES, LASTS, MOST = 1 << 17, 3600, 256 * 1024


def place(issuer: int) -> str:
    """The path, below its gateway's address, at which an issuer's list is served."""
    return f"/licences/{issuer:016x}/status"


def token(issuer: Organisation, uri: str, now: int) -> str:
    """The signed list as it stands now; ``uri`` is where it is served."""
    revoked = (
        int.from_bytes(key, "big")
        for key, row in issuer.books.rows(ISSUED)
        if IssuedLicence.decode(row).revoked
    )
    claims = {
        "sub": uri,
        "iat": now,
        "exp": now + LASTS,
        "ttl": LASTS // 2,
        "status_list": {"bits": 1, "lst": packed(revoked)},
    }
    return jose.signed(issuer.controller, KIND, claims)


def packed(revoked: Iterable[int]) -> str:
    """The bits of these places, the first of each byte its least significant, by zlib, in base64url."""
    bits = bytearray(PLACES // 8)
    for at in revoked:
        bits[at // 8] |= 1 << at % 8
    return base64url(zlib.compress(bytes(bits), 9))


def is_revoked(said: str, issuer: bytes, uri: str, index: int, now: int) -> bool:
    """What a list says of a place. ``issuer`` is the public key that has to have signed it.

    Raises LicenceRefused for a list that is another's, of elsewhere, of another time, or has no such place.
    """
    _, claims = jose.read(said, KIND)
    jose.verify(said, issuer)
    made, end = claims.get("iat"), claims.get("exp")
    if claims.get("sub") != uri or not isinstance(made, int) or not isinstance(end, int):
        raise LicenceRefused(why="a status list of another place")
    if not made - 60 <= now < end:
        raise LicenceRefused(why="a status list of another time")
    listed = claims.get("status_list")
    if not isinstance(listed, dict) or listed.get("bits") != 1:
        raise LicenceRefused(why="a status list of another kind")
    bits = _unpacked(listed.get("lst"))
    if not 0 <= index < 8 * len(bits):
        raise LicenceRefused(why="no such place in the status list")
    return bool(bits[index // 8] >> index % 8 & 1)


def _unpacked(text: Any) -> bytes:
    """Bounded, however small it says it is."""
    try:
        reader = zlib.decompressobj()
        bits = reader.decompress(from_base64url(str(text)), MOST)
    except (zlib.error, MalformedBytes):
        raise LicenceRefused(why="a status list that cannot be read") from None
    if reader.unconsumed_tail or not reader.eof:
        raise LicenceRefused(why="a status list that cannot be read")
    return bits


def found(world: World, issuer: int, uri: str) -> str:
    """The list of an issuer: made here if it lies on this machine, else fetched from where the licence says."""
    here = [each for each in world.keyring.everybody() if each.number == issuer]
    return token(here[0], uri, world.clock.now()) if here else fetched(uri)


def fetched(uri: str) -> str:
    """By https, on this machine by http as well, within a time for all of it; raises LicenceRefused."""
    try:
        at = urlsplit(uri)
        host = at.hostname or ""
    except ValueError:
        raise LicenceRefused(why="its status list is not at an https address") from None
    if at.scheme != "https" and not (at.scheme == "http" and is_loopback(host)):
        raise LicenceRefused(why="its status list is not at an https address")
    answer = fetching.fetched(uri, MOST)
    if answer.status != 200:
        raise LicenceRefused(why="its status list cannot be fetched")
    return answer.body.decode("ascii", "replace")
