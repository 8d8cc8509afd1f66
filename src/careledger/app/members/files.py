"""Certificates as they lie here: one's own in the organisation's books, those of others as files in ``members/``.

Others' files say nothing that is believed because it lies there: each is judged by the ledger whenever it is used. So a
file is put there, or taken away, while a service runs.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from careledger.adapters.locks import turn
from careledger.app.vault import replace_file
from careledger.domain.errors import MalformedBytes, MemberRefused
from careledger.formats.members import MOST_CERTIFICATE, MemberCertificate, OwnCertificate
from careledger.formats.signed import Signed, sign
from careledger.proofs.certificates import LONGEST, check_address, new_certificate
from careledger.workflows.actors import Organisation

FOLDER, SUFFIX = "members", ".member"
OWN = "own-certificate"
MOST_OWN = 2
"""One in use, and the one that follows it."""
MOST_FILE = MOST_CERTIFICATE + 1_024


def make(
    organisation: Organisation,
    chain_id: int,
    deployment: bytes,
    now: int,
    address: str,
    since: int,
    until: int,
) -> Signed:
    """A new certificate for an organisation whose key is here, durable in its books; returns what others are given.

    Those that are over are forgotten. Raises MemberRefused where two count already, for a time of more than a year, or
    for an address that is none.
    """
    check_address(organisation.number, address)
    if not now <= until - 1 or not 0 < until - since <= LONGEST:
        raise MemberRefused(why="it would count for no time, or for more than a year")
    kept = {key: row for key, row in organisation.books.rows(OWN) if _until(row) > now}
    if len(kept) >= MOST_OWN:
        raise MemberRefused(member=organisation.number, why="two of its certificates count already")
    certificate, key = new_certificate(chain_id, organisation.number, since, until)
    said = MemberCertificate(organisation.number, certificate, address, since, until)
    signed = sign(said, organisation.controller, deployment)
    gone = [key for key, _ in organisation.books.rows(OWN) if key not in kept]
    row = hashlib.sha256(certificate).digest(), OwnCertificate(signed, key).encode()
    organisation.books.change({OWN: [row]}, {OWN: gone})
    return signed


def own(organisation: Organisation) -> list[OwnCertificate]:
    """The organisation's own certificates, in no order."""
    return [OwnCertificate.decode(row) for _, row in organisation.books.rows(OWN)]


def keep(folder: Path, data: bytes, now: int) -> MemberCertificate:
    """Puts what a member gave into ``members/``, durable, beside what is there; those that are over are removed.

    It takes nobody's place: which of several files about one certificate counts is said by the ledger. Raises
    MalformedBytes, MemberRefused for one that is over.
    """
    if len(data) > MOST_FILE:
        raise MalformedBytes(why="no member's certificate")
    said = MemberCertificate.decode(Signed.decode(data).body)
    if said.until <= now:
        raise MemberRefused(member=said.member, why="expired")
    place = folder / FOLDER
    place.mkdir(mode=0o700, exist_ok=True)
    with turn(place):
        replace_file(place / f"{_name(said.certificate)}-{_name(data)}{SUFFIX}", data)
        for path in place.glob(f"*{SUFFIX}"):
            read = _read(path)
            if read is not None and MemberCertificate.decode(read.body).until <= now:
                path.unlink(missing_ok=True)  # an operator may take it away as well
    return said


def kept(folder: Path) -> list[Signed]:
    """What lies in ``members/``, by name; what is no member's certificate is passed over."""
    return _all(folder, f"*{SUFFIX}")


def custodians(folder: Path) -> set[int]:
    """The members that somebody says are reached at an address; who is believed to be one is judged at each call."""
    said = (MemberCertificate.decode(each.body) for each in kept(folder))
    return {each.member for each in said if each.address}


def about(folder: Path, certificate: bytes) -> list[Signed]:
    """What is kept of that certificate, by whomever."""
    return _all(folder, f"{_name(certificate)}-*{SUFFIX}")


def _all(folder: Path, pattern: str) -> list[Signed]:
    return [read for path in sorted((folder / FOLDER).glob(pattern)) if (read := _read(path)) is not None]


def _name(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


def _read(path: Path) -> Signed | None:
    try:
        with path.open("rb") as file:
            read = Signed.decode(file.read(MOST_FILE + 1))
        MemberCertificate.decode(read.body)
        return read
    except (OSError, MalformedBytes):
        return None


def _until(row: bytes) -> int:
    return MemberCertificate.decode(OwnCertificate.decode(row).signed.body).until
