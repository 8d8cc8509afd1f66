"""A licence is issued to who holds a key, and revoked.

Order of effects of issuing: its place in the status list durable in the issuer's books, then the signature. A crash
between leaves a place that nobody has. Revoking is one row; the next list shows it.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace

from careledger.app.licences import jose, status
from careledger.domain.errors import LicenceRefused
from careledger.domain.parties import PartyId
from careledger.formats.dids import key_did, multikey
from careledger.formats.licences import IssuedLicence
from careledger.formats.sd_jwt import ALGORITHM, DIGESTS, SHA256, SdJwt, base64url, digest_of, disclosure
from careledger.workflows.actors import Organisation

KIND, VCT = "dc+sd-jwt", "urn:careledger:professional-licence:1"
SALT = 16
DECOYS = 4
"""Digests of nothing, so that the number of claims is not shown."""


@dataclass(frozen=True, repr=False)
class Licensed:
    """What a licence says: who may practise as what, under which number, from and until when (unix seconds)."""

    number: str
    profession: str
    name: str
    start: int
    until: int


def issue(
    issuer: Organisation, chain_id: int, holder: bytes, licensed: Licensed, base: str, now: int
) -> tuple[str, int]:
    """The licence as an SD-JWT VC with every disclosure, and its place in the status list.

    ``holder`` is the public key that it is bound to; ``base`` the address of the issuer's gateway. Raises
    LicenceRefused for times that are none.
    """
    if not licensed.start < licensed.until or licensed.until <= now:
        raise LicenceRefused(why="it would never be in force")
    row = IssuedLicence(holder, licensed.number, licensed.profession, now, licensed.until, 0)
    with issuer.books.alone():
        place = _place(issuer)
        issuer.books.put(status.ISSUED, [(_key(place), row.encode())])
    said = {"licence_number": licensed.number, "profession": licensed.profession, "name": licensed.name}
    disclosures = tuple(disclosure(secrets.token_bytes(SALT), *each) for each in said.items())
    digests = [digest_of(each) for each in disclosures]
    digests += [base64url(secrets.token_bytes(32)) for _ in range(DECOYS)]
    claims = {
        "iss": PartyId(issuer.number).did(chain_id),
        "iat": now,
        "nbf": licensed.start,
        "exp": licensed.until,
        "vct": VCT,
        "cnf": {"jwk": jose.jwk(holder)},
        "status": {"status_list": {"idx": place, "uri": base.rstrip("/") + status.place(issuer.number)}},
        DIGESTS: sorted(digests),
        ALGORITHM: SHA256,
    }
    public = issuer.controller.public
    token = jose.signed(issuer.controller, KIND, claims, kid=f"{key_did(public)}#{multikey(public)}")
    return SdJwt(token, disclosures).text, place


def revoke(issuer: Organisation, place: int, now: int) -> IssuedLicence:
    """From now on its status list says that it is revoked; repeating is harmless. Raises LicenceRefused for none."""
    row = issuer.books.get(status.ISSUED, _key(place)) if 0 <= place < status.PLACES else None
    if row is None:
        raise LicenceRefused(why="none was issued at that place")
    found = IssuedLicence.decode(row)
    if not found.revoked:
        found = replace(found, revoked=now)
        issuer.books.put(status.ISSUED, [(_key(place), found.encode())])
    return found


def issued(issuer: Organisation) -> list[tuple[int, IssuedLicence]]:
    """Every licence with its place, in the order of issuing."""
    rows = issuer.books.rows(status.ISSUED)
    found = [(int.from_bytes(key, "big"), IssuedLicence.decode(row)) for key, row in rows]
    return sorted(found, key=lambda each: each[1].issued)


def _place(issuer: Organisation) -> int:
    while issuer.books.get(status.ISSUED, _key(place := secrets.randbelow(status.PLACES))) is not None:
        pass
    return place


def _key(place: int) -> bytes:
    return place.to_bytes(4, "big")
