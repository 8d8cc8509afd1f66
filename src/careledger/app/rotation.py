"""A new signing key for a party of this machine.

Order of effects: the next key durable in the books, the rotation on the ledger, then the key file or row that is read
from now on. After a crash the same call goes on with the same next key.
"""

from __future__ import annotations

from careledger.app.keyring import Keyring
from careledger.formats.signatures import SigningKey
from careledger.workflows.actors import Organisation, Staff
from careledger.workflows.network import Network
from careledger.workflows.parties import rotate_organisation, rotate_post

NEXT = "next-key"


def rotate_staff(network: Network, keyring: Keyring, staff: Staff) -> None:
    """The post signs with a new key; raises what ``rotate_post`` raises."""
    following = _next(staff.organisation, staff.number)
    rotate_post(network, staff, following)
    keyring.replace_staff_key(staff, following)
    staff.organisation.books.drop(NEXT, [_name(staff.number)])


def rotate_controller(network: Network, keyring: Keyring, organisation: Organisation) -> None:
    """The organisation signs with a new key; raises what ``rotate_organisation`` raises."""
    following = _next(organisation, organisation.number)
    rotate_organisation(network, organisation, following)
    keyring.replace_controller(organisation, following)
    organisation.books.drop(NEXT, [_name(organisation.number)])


def is_rotating(organisation: Organisation, number: int) -> bool:
    """Whether a rotation of that organisation's or post's key was begun and not finished."""
    return organisation.books.get(NEXT, _name(number)) is not None


def _next(organisation: Organisation, number: int) -> SigningKey:
    row = organisation.books.get(NEXT, _name(number))
    key = SigningKey.random() if row is None else SigningKey(row)
    organisation.books.put(NEXT, [(_name(number), key.secret)])
    return key


def _name(number: int) -> bytes:
    return number.to_bytes(8, "big")
