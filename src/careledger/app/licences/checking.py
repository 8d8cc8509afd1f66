"""A presented licence is checked, everything before anything of it counts.

Who issued it is a ministry that stands on the ledger now and whose key signed; it is in force at this second; what is
disclosed is what was signed; its holder signed this presentation, for this organisation and this nonce; its status
list, by the same key, does not say that it is revoked. Then the nonce is used, durably, and no presentation is accepted
with it again. Whatever is missing, unknown or cannot be fetched is a refusal.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from careledger.app.licences import jose, presenting, status
from careledger.app.licences.issuing import KIND, VCT
from careledger.domain.errors import LicenceRefused, MalformedBytes
from careledger.domain.parties import Role, Status
from careledger.formats.dids import key_of, ledger_party
from careledger.formats.licences import AskedLicence
from careledger.formats.sd_jwt import Claims, SdJwt, base64url, digest_of, from_base64url, processed
from careledger.formats.signatures import address_of, uncompressed
from careledger.ports import LedgerView
from careledger.workflows.actors import Organisation

ASKED = "asked-licences"
LASTS, AHEAD = 600, 60
"""Seconds that a nonce is good for; that a clock may be ahead."""
Lists = Callable[[int, str], str]
"""Gives the status list of an issuer by its address; raises LicenceRefused."""


@dataclass(frozen=True, repr=False)
class Checked:
    """A licence that holds: who issued it (party number) by which key, to whose key, what it showed, until when, its
    place in the status list and where that is."""

    issuer: int
    key: bytes
    holder: bytes
    number: str
    profession: str
    until: int
    place: int
    uri: str


def ask(verifier: Organisation, now: int) -> str:
    """A new nonce, durable when it returns, good for ten minutes and for one licence."""
    nonce = secrets.token_bytes(16)
    over = [key for key, row in verifier.books.rows(ASKED) if AskedLicence.decode(row).until < now]
    verifier.books.drop(ASKED, over)
    verifier.books.put(ASKED, [(nonce, AskedLicence(now + LASTS, 0).encode())])
    return base64url(nonce)


def check(
    view: LedgerView, chain_id: int, verifier: Organisation, audience: str, text: str, lists: Lists, now: int
) -> Checked:
    """Raises LicenceRefused, whose ``why`` names the first thing that does not hold."""
    try:
        said = SdJwt.parse(text)
        issuer, key, claims = _issued(view, chain_id, said)
        _in_force(claims, now)
        shown = processed(claims, said.disclosures)
        holder = jose.public_of(claims.get("cnf", {}).get("jwk"))
        found = _found(issuer, key, holder, shown, claims)
        nonce = _bound(said, holder, audience, now)
    except (MalformedBytes, AttributeError) as error:
        why = error.details.get("why") if isinstance(error, MalformedBytes) else "claims of another shape"
        raise LicenceRefused(why=why) from None
    _asked(verifier, nonce, now)
    if status.is_revoked(lists(issuer, found.uri), key, found.uri, found.place, now):
        raise LicenceRefused(why="revoked")
    with verifier.books.alone():
        row = _asked(verifier, nonce, now)  # while the list was fetched it may have been used
        verifier.books.put(ASKED, [(nonce, replace(row, used=now).encode())])
    return found


def _issued(view: LedgerView, chain_id: int, said: SdJwt) -> tuple[int, bytes, Claims]:
    """The issuer's number and key, and the signed claims."""
    header, claims = jose.read(said.jwt, KIND, frozenset({"kid"}))
    issuer = ledger_party(str(claims.get("iss")), chain_id)
    key = key_of(str(header["kid"]).partition("#")[0])
    check_issuer(view, issuer, key)
    jose.verify(said.jwt, key)
    if claims.get("vct") != VCT:
        raise LicenceRefused(why="a credential of another type")
    return issuer, key, claims


def check_issuer(view: LedgerView, issuer: int, key: bytes) -> None:
    """Raises LicenceRefused unless it is a ministry that stands on the ledger now, by that key."""
    facts = view.party(issuer)
    if facts is None or Role.MINISTRY not in facts.roles or facts.employer:
        raise LicenceRefused(why="its issuer is no ministry on this ledger")
    if facts.standing is not Status.VERIFIED:
        raise LicenceRefused(why="its issuer does not stand on the ledger")
    if address_of(uncompressed(key)) != facts.controller:
        raise LicenceRefused(why="signed by another key than its issuer's")


def _in_force(claims: Claims, now: int) -> None:
    made, start, until = (_seconds(claims.get(name)) for name in ("iat", "nbf", "exp"))
    if now >= until:
        raise LicenceRefused(why="expired")
    if start > now or made > now + AHEAD:
        raise LicenceRefused(why="not yet in force")


def _seconds(value: Any) -> int:
    if type(value) is not int:
        raise LicenceRefused(why="times that are none")
    return value


def _found(issuer: int, key: bytes, holder: bytes, shown: Claims, claims: Claims) -> Checked:
    number, profession = shown.get("licence_number"), shown.get("profession")
    if not isinstance(number, str) or not isinstance(profession, str):
        raise LicenceRefused(why="it does not show its number and profession")
    listed = _listed(claims)
    return Checked(issuer, key, holder, number, profession, claims["exp"], listed["idx"], listed["uri"])


def _listed(claims: Claims) -> Claims:
    said = claims.get("status")
    listed = said.get("status_list") if isinstance(said, dict) else None
    if (
        not isinstance(listed, dict)
        or type(listed.get("idx")) is not int
        or not isinstance(listed.get("uri"), str)
    ):
        raise LicenceRefused(why="it names no status list")
    return listed


def _bound(said: SdJwt, holder: bytes, audience: str, now: int) -> bytes:
    """The nonce that the holder signed."""
    if not said.binding:
        raise LicenceRefused(why="its holder did not sign this presentation")
    _, claims = jose.read(said.binding, presenting.KIND)
    jose.verify(said.binding, holder)
    if claims.get("aud") != audience:
        raise LicenceRefused(why="presented to another verifier")
    if claims.get("sd_hash") != digest_of(said.unbound):
        raise LicenceRefused(why="its holder signed another presentation")
    if not now - LASTS <= _seconds(claims.get("iat")) <= now + AHEAD:
        raise LicenceRefused(why="presented at another time")
    return from_base64url(str(claims.get("nonce")))


def _asked(verifier: Organisation, nonce: bytes, now: int) -> AskedLicence:
    row = verifier.books.get(ASKED, nonce)
    if row is None:
        raise LicenceRefused(why="a nonce that was not asked with")
    found = AskedLicence.decode(row)
    if found.used:
        raise LicenceRefused(why="a nonce that was used")
    if now > found.until:
        raise LicenceRefused(why="a nonce that is over")
    return found
