"""A holder presents a licence: what it wants to show, bound to its key, one verifier and that verifier's nonce."""

from __future__ import annotations

from careledger.app.licences import jose
from careledger.domain.errors import LicenceRefused, MalformedBytes
from careledger.formats.sd_jwt import SdJwt, digest_of
from careledger.formats.signatures import SigningKey

KIND = "kb+jwt"


def present(licence: str, key: SigningKey, audience: str, nonce: str, show: set[str], now: int) -> str:
    """The presentation; raises LicenceRefused for a licence that is bound to another key or has not what is to be
    shown."""
    try:
        shown = SdJwt.parse(licence).showing(show)
        _, claims = jose.read(shown.jwt, "dc+sd-jwt", frozenset({"kid"}))
        bound = jose.public_of(claims.get("cnf", {}).get("jwk"))
    except (MalformedBytes, AttributeError):
        raise LicenceRefused(why="not a licence that shows that") from None
    if bound != key.public:
        raise LicenceRefused(why="bound to another key")
    said = {"iat": now, "aud": audience, "nonce": nonce, "sd_hash": digest_of(shown.unbound)}
    return SdJwt(shown.jwt, shown.disclosures, jose.signed(key, KIND, said)).text
