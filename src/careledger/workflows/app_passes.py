"""Passes by which patients let apps in: how they are typed, and those that reached an organisation.

A pass is 80 random bits; what travels is its digest, signed by the alias's controller and sealed to the organisation.
"""

from __future__ import annotations

from careledger.domain.errors import MalformedBytes, PatientNotFound, RecordNotFound
from careledger.formats.apps import AppPass
from careledger.formats.digests import digest
from careledger.formats.patients import Envelope
from careledger.formats.signed import open_signed
from careledger.workflows.actors import Organisation
from careledger.workflows.network import Network

PASSES = "app-pass"
LASTS = 900
"""Seconds that a pass is good for."""
MOST_OF_ONE = 8
"""How many of one patient's passes wait at an organisation; with one more the oldest is none any more."""
BYTES, GROUP = 10, 4
_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32
_READ_AS = str.maketrans({"O": "0", "I": "1", "L": "1", "-": "", " ": ""})
_BITS = 5


def keep_pass(network: Network, organisation: Organisation, envelope: Envelope) -> None:
    """Keeps a pass that the alias's present controller signed, and drops those that are over or too many of that alias;
    raises MalformedBytes, PatientNotFound, SignatureRefused."""
    claimed, now = AppPass.decode(envelope.content.body), network.clock.now()
    facts = network.ledger.fresh_head().alias(claimed.alias)
    if facts is None:
        raise PatientNotFound()
    made = open_signed(AppPass, envelope.content, facts.controller, network.ledger.deployment)
    if not now < made.until <= now + 2 * LASTS:  # clocks differ
        raise MalformedBytes(why="a pass that is over, or good for too long")
    kept = [(key, AppPass.decode(row)) for key, row in organisation.books.rows(PASSES)]
    over = [key for key, each in kept if each.until <= now]
    own = sorted((each.until, key) for key, each in kept if each.alias == made.alias and key != made.secret)
    organisation.books.drop(PASSES, [*over, *(key for _, key in own[: 1 - MOST_OF_ONE])])
    organisation.books.put(PASSES, [(made.secret, made.encode())])


def as_text(secret: bytes) -> str:
    """The pass as it is typed."""
    number = int.from_bytes(secret, "big")
    digits = [_DIGITS[number >> at & 31] for at in range(8 * BYTES - _BITS, -1, -_BITS)]
    return "-".join("".join(digits[at : at + GROUP]) for at in range(0, len(digits), GROUP))


def secret_of(said: str) -> bytes:
    """What was typed, in whatever case and grouping; raises RecordNotFound for what is no pass."""
    digits = said.upper().translate(_READ_AS)
    if len(digits) != 8 * BYTES // _BITS or set(digits) - set(_DIGITS):
        raise RecordNotFound(what="a pass")
    number = 0
    for each in digits:
        number = number << _BITS | _DIGITS.index(each)
    return number.to_bytes(BYTES, "big")


def digest_of(secret: bytes) -> bytes:
    """What stands for a pass: 32 bytes."""
    return digest("app-pass-secret", secret)
