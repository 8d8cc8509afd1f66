"""Sessions of posts whose people showed a passkey: the passkey is enrolled as the post's, then the session is stated.

Order of effects: the enrolment, signed by the post's key, durable in the books beside the passkey, then the statement
that carries it. It is signed once, when the passkey is first shown as that post, and anew where it would not hold any
more: for another post of the same person, at another name of the gateway, by another key of the post. So whoever reads
their log sees since when a post has which passkey, and that it has another one.
"""

from __future__ import annotations

from careledger.app.identity.accounts import ENROLLED, PASSKEY
from careledger.domain.errors import SignatureRefused
from careledger.formats.identity import Passkey, Shown
from careledger.formats.sessions import Enrolled, PasskeyProof, passkey_digest
from careledger.formats.signatures import SigningKey
from careledger.formats.signed import Signed, sign, who_signed
from careledger.ports import Books
from careledger.workflows.actors import Session, Staff, open_session, proved_session


def opened(staff: Staff, shown: Shown | None, deployment: bytes, now: int, seconds: int) -> Session:
    """A session of that post: by the key that a passkey was shown for, or, where none was or the account has it no
    more, by a new key for which the organisation vouches."""
    enrolled = None if shown is None else enrolment(staff, shown, deployment, now)
    if shown is None or enrolled is None:
        return open_session(staff, deployment, now, seconds)
    proof = PasskeyProof(shown.assertion, enrolled)
    return proved_session(staff, deployment, now, SigningKey(shown.secret), proof, seconds)


def enrolment(staff: Staff, shown: Shown, deployment: bytes, now: int) -> Signed | None:
    """The post's word that this passkey is its own, as it was first given or, where that holds no more, anew; None for
    a passkey that the account has no more. That it is the account's, that no word holds, and the new one are one step:
    of two who ask at once both have the one that is kept, and none is kept of a passkey that was removed."""
    books, name = staff.organisation.books, shown.credential
    wanted = staff.number, passkey_digest(shown.assertion.public_key), shown.rp_id, shown.origin
    if not _is_there(books, shown):
        return None
    if (kept := _kept(staff, name, wanted, deployment)) is not None:
        return kept
    with books.alone():
        if not _is_there(books, shown):
            return None
        if (kept := _kept(staff, name, wanted, deployment)) is not None:
            return kept
        made = sign(Enrolled(*wanted, now), staff.key, deployment)
        books.put(ENROLLED, [(name, made.encode())])
        return made


def _is_there(books: Books, shown: Shown) -> bool:
    row = books.get(PASSKEY, shown.credential)
    return row is not None and Passkey.decode(row).public_key == shown.assertion.public_key


def _kept(staff: Staff, name: bytes, wanted: tuple[int, bytes, str, str], deployment: bytes) -> Signed | None:
    """The word that was given of it, as long as it holds."""
    row = staff.organisation.books.get(ENROLLED, name)
    kept = None if row is None else Signed.decode(row)
    return kept if kept is not None and _holds(kept, wanted, staff, deployment) else None


def _holds(kept: Signed, wanted: tuple[int, bytes, str, str], staff: Staff, deployment: bytes) -> bool:
    said = Enrolled.decode(kept.body)
    try:
        signer = who_signed(Enrolled, kept, deployment)
    except SignatureRefused:
        return False
    return (said.post, said.key, said.rp_id, said.origin) == wanted and signer == staff.key.address
