"""DID documents of parties, from what the ledger says of them now, and what a DID of any of our methods resolves to.

The ledger has the address of a party's signing key and the digest of its sealing key. Keys themselves are published
here only if they are those: the signing key where it lies on this machine, the sealing key from the board.
"""

from __future__ import annotations

import base64
import hmac
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from careledger.app.fetching import fetched
from careledger.app.serving import is_loopback
from careledger.domain.errors import DidNotResolved, MalformedBytes, PartyNotFound
from careledger.domain.facts import PartyFacts
from careledger.domain.parties import PartyId, Status
from careledger.formats import dids
from careledger.formats.dids import CONTEXT, Document
from careledger.formats.signatures import SigningKey
from careledger.ports import LedgerView
from careledger.sealing.keys import sealing_key_digest

if TYPE_CHECKING:
    from careledger.app.world import World

MOST = 64 * 1024
ACCEPT = "application/did+json, application/json"
TERMS = {
    "CareLedgerSealingKey": "urn:careledger:did#CareLedgerSealingKey",
    "xWingPublicKey": "urn:careledger:did#xWingPublicKey",
}
"""Terms of our own, because no registered key type is X-Wing."""
MEMBERS, POSTS = "members", "posts"


def web_did_of(view: LedgerView, number: int, base: str) -> str:
    """The did:web of a party under the address that its documents are served at; raises PartyNotFound."""
    facts = _party(view, number)
    if facts.employer:
        return dids.web_did(base, MEMBERS, f"{facts.employer:016x}", POSTS, f"{number:016x}")
    return dids.web_did(base, MEMBERS, f"{number:016x}")


def document(world: World, number: int, did: str | None = None, base: str = "") -> Document:
    """The document of a party as it stands now.

    ``did``: the identifier that was asked for; None: its did:web under ``base``, or its did:careledger without one. A
    party that is suspended, or whose employer is, has no method that authenticates or asserts anything. Raises
    PartyNotFound, also for one that was removed.
    """
    view = world.ledger.fresh_head()
    facts, ledger = _party(view, number), PartyId(number).did(world.settings.chain_id)
    name = did or (web_did_of(view, number, base) if base else ledger)
    others = {ledger, *([web_did_of(view, number, base)] if base else [])} - {name}
    made: Document = {
        "@context": [*CONTEXT, "https://w3id.org/security/suites/secp256k1recovery-2020/v2", TERMS],
        "id": name,
        "alsoKnownAs": sorted(others),
    }
    if facts.employer:
        made["controller"] = (
            web_did_of(view, facts.employer, base)
            if base
            else PartyId(facts.employer).did(world.settings.chain_id)
        )
    made["verificationMethod"] = methods = _methods(world, facts, name)
    if facts.standing is Status.VERIFIED:
        names = [each["id"] for each in methods]
        made |= {"authentication": names, "assertionMethod": names}
        made["keyAgreement"] = _sealing(world, facts, name)
    return made


def _party(view: LedgerView, number: int) -> PartyFacts:
    facts = view.party(number)
    if facts is None or Status.REMOVED in (facts.status, facts.standing):
        raise PartyNotFound(party=f"{number:016x}")
    return facts


def _methods(world: World, facts: PartyFacts, name: str) -> list[Document]:
    chain = world.settings.chain_id
    found: list[Document] = [
        {
            "id": f"{name}#account",
            "type": "EcdsaSecp256k1RecoveryMethod2020",
            "controller": name,
            "blockchainAccountId": f"eip155:{chain}:0x{facts.controller.hex()}",
        }
    ]
    key = signing_key(world, facts)
    return found if key is None else [*found, dids.method(name, f"{name}#signing", dids.multikey(key.public))]


def signing_key(world: World, facts: PartyFacts) -> SigningKey | None:
    """A party's signing key, if it lies on this machine and is the one that the ledger knows."""
    employers = world.keyring.everybody()
    for each in employers:
        if each.number == facts.number:
            return _if_known(each.controller, facts)
        if each.number == facts.employer:
            staff = world.keyring.all_staff(each).values()
            return next((_if_known(post.key, facts) for post in staff if post.number == facts.number), None)
    return None


def _if_known(key: SigningKey, facts: PartyFacts) -> SigningKey | None:
    return key if key.address == facts.controller else None


def _sealing(world: World, facts: PartyFacts, name: str) -> list[Document]:
    public = world.board.sealing_key(facts.number)
    if public is None or not hmac.compare_digest(sealing_key_digest(public), facts.sealing_key):
        return []
    text = base64.urlsafe_b64encode(public).rstrip(b"=").decode()
    return [
        {"id": f"{name}#sealing", "type": "CareLedgerSealingKey", "controller": name, "xWingPublicKey": text}
    ]


def resolve(did: str, world: World | None = None) -> Document:
    """The document of a did:key, a did:careledger (asked of this world's ledger) or a did:web (fetched).

    Raises MalformedBytes for what is no DID of these methods, PartyNotFound, DidNotResolved.
    """
    if did.startswith("did:key:"):
        return dids.key_document(did)
    if did.startswith("did:web:"):
        return _fetched(did)
    if did.startswith("did:careledger:") and world is not None:
        return document(world, dids.ledger_party(did, world.settings.chain_id), did)
    raise MalformedBytes(why="not a did:key, did:web or did:careledger")


def _fetched(did: str) -> Document:
    """By https, on this machine by http as well; no redirect is followed, and the document has to name itself so."""
    host = urlsplit(dids.web_url(did)).hostname or ""
    url = dids.web_url(did, "http" if is_loopback(host) else "https")
    answer = fetched(url, MOST, ACCEPT)
    if not answer.status:
        raise DidNotResolved(why="its server does not answer")
    if answer.status != 200:
        raise DidNotResolved(why="no document there", status=answer.status)
    try:
        found: Any = json.loads(answer.body)
    except (ValueError, RecursionError):
        raise DidNotResolved(why="not JSON") from None
    if not isinstance(found, dict) or found.get("id") != did:
        raise DidNotResolved(why="another's document")
    return found


def person_did(controller: SigningKey) -> str:
    """The did:key of a person's controller key: as secret as the alias, which the ledger has under that key."""
    return dids.key_did(controller.public)


def host_did(base: str) -> str:
    """The did:web of the machine itself, whose document lies under ``/.well-known``."""
    return dids.web_did(base)
