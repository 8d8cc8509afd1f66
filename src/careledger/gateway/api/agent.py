"""What a patient's agent reaches the network by, without a token: what it brings counts by its signatures and seals.

The gateway gives nobody a right here and is trusted with nothing: custodians check who signed what they are asked, the
contracts check each act, packages open for their addressee alone, and facts are believed as t custodians attest them.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from careledger.domain.errors import (
    ActRefused,
    ApiRefused,
    CannotOpen,
    CareLedgerError,
    LedgerRefused,
    MalformedBytes,
    PartyNotFound,
    PatientNotFound,
    RecordNotFound,
    SignatureRefused,
    StoreUnavailable,
)
from careledger.domain.facts import Head
from careledger.formats.consent_messages import LedgerMessage, contract_domain
from careledger.formats.relaying import ENTRIES, SIGNERS, RelayedEntry
from careledger.gateway.api.parties import Hex, Thresholds
from careledger.gateway.api.rows import Called, Later, Row
from careledger.gateway.desk import Desk
from careledger.workflows.relay_entry import check, enter, shows

METHODS = frozenset(
    {
        "alias",
        "attest",
        "audit",
        "enrol",
        "keep-epoch",
        "keys",
        "order",
        "release",
        "revoked",
        "stands",
        "tile",
    }
)
"""What an agent asks of custodians; each checks the signatures in what it is asked, so carrying it gives nothing."""
FILLING, ONE_FILLS = (300, 1.0), (60, 0.2)
"""How often at once and a second what stays may be brought (acts, packages, what is handed on): by all together, and
from one address beyond this machine."""
MOST_MESSAGE, MOST_PACKAGE, MOST_PACKAGES = 2 * 1024 * 1024, 96 * 1024, 16
Number = Annotated[str, Meta(pattern="^[0-9a-f]{16}$", description="A party's number on the ledger.")]
Prefixed = Annotated[str, Meta(pattern="^0x[0-9a-f]*$", max_length=200, description="Bytes, in hex digits.")]
Text = Annotated[str, Meta(max_length=200)]


class AgentNetwork(Struct, frozen=True):
    """Which network this is; an agent compares it with what it took with it when its keys were made."""

    chain_id: int
    directory: Annotated[str, Meta(description="The address of the contracts' directory on the ledger.")]
    deployment: Annotated[Hex, Meta(description="Names this network in everything that is signed for it.")]
    contracts: Annotated[dict[str, str], Meta(description="Addresses of what agents sign for, by name.")]
    custodians: Annotated[list[Number], Meta(description="Those that are reached here.")]
    relays: Annotated[list[Number], Meta(description="Members that what is sealed to them may go by.")]
    thresholds: Thresholds


class Asking(Struct, frozen=True, forbid_unknown_fields=True):
    """A message to a custodian, as docs/formats.md has it."""

    method: Annotated[str, Meta(max_length=32, description="One of: " + ", ".join(sorted(METHODS)) + ".")]
    message: bytes


class Refused(Struct, frozen=True):
    """Why a custodian refused: the class of refusal and its details, which name nobody."""

    error: str
    details: list[tuple[str, str]]


class Told(Struct, frozen=True):
    """A custodian's answer, signed or sealed by it, or its refusal."""

    answer: bytes | None
    refusal: Refused | None


class Domain(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a signature counts (EIP-712)."""

    name: Text
    version: Text
    chainId: int
    verifyingContract: Prefixed


class SignedAct(Struct, frozen=True, forbid_unknown_fields=True):
    """EIP-712 typed data as wallets sign it, and its signatures."""

    domain: Domain
    primaryType: Annotated[
        str, Meta(max_length=32, description="One of: " + ", ".join(sorted(ENTRIES)) + ".")
    ]
    message: Annotated[
        dict[str, int | Text],
        Meta(
            description="The struct's members: numbers as such or as decimal text, bytes as 0x and hex digits."
        ),
    ]
    signatures: Annotated[
        list[Prefixed],
        Meta(
            max_length=2,
            description="65 bytes each: of a RotateAlias the present controller's, then the new one's.",
        ),
    ]


class Act(Struct, frozen=True):
    """What became of a signed act."""

    act: Annotated[Hex, Meta(description="Its name here.")]
    state: Annotated[str, Meta(description="``entered`` or ``waiting``.")]
    block: Annotated[int | None, Meta(description="A final block at which the ledger shows it.")]
    hash: Hex | None


class Package(Struct, frozen=True, forbid_unknown_fields=True):
    """A sealed package of 4, 16 or 64 KiB."""

    package: bytes


class Posted(Struct, frozen=True):
    """It lies on the board."""

    posted: bool


class Forwarding(Struct, frozen=True, forbid_unknown_fields=True):
    """A message sealed to a member, of 4, 8, 20 or 68 KiB, and when it is handed over."""

    sealed: bytes
    at: Annotated[int, Meta(ge=0, le=2**53, description="Unix seconds; what has come is now.")] = 0


class Forwarded(Struct, frozen=True):
    """It was handed over, or waits for its time; whether it was entered the ledger shows."""

    forwarded: bool


class After(Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of the board."""

    after: Annotated[int, Meta(ge=0, le=2**53, description="The position that was reached before.")] = 0


class Packages(Struct, frozen=True):
    """Packages in the order of posting, at most 16, and the position reached; none, once all were read."""

    position: int
    packages: list[bytes]


class PublicKey(Struct, frozen=True):
    """A public sealing key; counts if the ledger has its digest."""

    sealing_key: bytes


def network(desk: Desk, called: Called) -> AgentNetwork:
    """The network."""
    world, chosen = desk.world, desk.world.settings.thresholds
    contracts = sorted({kind.CONTRACT for kind in SIGNERS})
    return AgentNetwork(
        world.ledger.chain_id,
        "0x" + world.settings.directory,
        world.ledger.deployment.hex(),
        {name: "0x" + world.ledger.contract(name).hex() for name in contracts},
        [f"{number:016x}" for number in sorted(world.custodians)],
        [f"{number:016x}" for number in sorted(world.network.gateway.relays)],
        Thresholds(chosen.listed, chosen.holding, chosen.opening, chosen.escrow),
    )


def ask(desk: Desk, called: Called) -> Told:
    """A custodian's answer or refusal; raises ActRefused for what no agent asks, PartyNotFound."""
    asking: Asking = called.body
    if asking.method not in METHODS:
        raise ActRefused(why="no agent asks that of a custodian")
    link = desk.world.custodians.get(int(called.parts["custodian"], 16))
    if link is None:
        raise PartyNotFound()
    try:
        return Told(link.call(asking.method, asking.message), None)
    except StoreUnavailable:
        raise
    except CareLedgerError as error:
        details = [(str(key)[:500], str(value)[:500]) for key, value in error.details.items()]
        return Told(None, Refused(type(error).__name__, details[:16]))


# Acts ---------------------------------------------------------------------------------------------


def bring(desk: Desk, called: Called) -> Act | Later:
    """Enters what an agent signed, unless the ledger shows it; Later while it is on its way.

    Raises ApiRefused for what is no such act or is signed for elsewhere, and what ``enter`` raises.
    """
    entry, reached = _entry(desk, called.body), desk.world.network
    check(reached, entry)
    desk.brought.remember(entry)
    try:
        return _act(entry, enter(reached, entry))
    except StoreUnavailable:
        return Later(_act(entry, None))


def brought(desk: Desk, called: Called) -> Act:
    """What became of an act that was brought here since the gateway began; raises RecordNotFound, LedgerRefused."""
    entry = desk.brought.find(bytes.fromhex(called.parts["act"]))
    if entry is None:
        raise RecordNotFound()
    return _act(entry, shows(desk.world.network, entry))


def _act(entry: RelayedEntry, at: Head | None) -> Act:
    name = entry.digest().hex()
    if at is None:
        return Act(name, "waiting", None, None)
    return Act(name, "entered", at.number, at.hash.hex())


def _entry(desk: Desk, said: SignedAct) -> RelayedEntry:
    kind = ENTRIES.get(said.primaryType)
    if kind is None:
        raise ApiRefused(member="primaryType", why="no agent's act")
    members = {name: type for type, name in kind.STRUCT.members}
    if said.message.keys() != members.keys():
        raise ApiRefused(member="message", why="other members than " + ", ".join(members))
    message = kind(*(_value(name, type, said.message[name]) for name, type in members.items()))
    _check_domain(desk, message, said.domain)
    return RelayedEntry.of(message, *(_bytes("signatures", each, 65) for each in said.signatures))


def _check_domain(desk: Desk, message: LedgerMessage, said: Domain) -> None:
    """Raises ApiRefused unless it names this chain and contract: a signature for elsewhere says something else."""
    ledger = desk.world.ledger
    here = contract_domain(message.CONTRACT, ledger.chain_id, ledger.contract(message.CONTRACT))
    contract = _bytes("verifyingContract", said.verifyingContract, 20)
    if (said.name, said.version, said.chainId, contract) != (
        here.name,
        here.version,
        here.chain_id,
        here.contract,
    ):
        raise ApiRefused(member="domain", why="signed for another chain or contract")


def _value(name: str, kind: str, said: int | str) -> bytes | int:
    """A member of an EIP-712 struct; raises ApiRefused."""
    if not kind.startswith("uint"):
        return _bytes(name, said, 20 if kind == "address" else int(kind.removeprefix("bytes")))
    text = str(said)
    if not (text.isascii() and text.isdigit() and text == str(int(text))):
        raise ApiRefused(member=name, why="not a whole number")
    if int(text) >= 1 << int(kind.removeprefix("uint")):
        raise ApiRefused(member=name, why="too large")
    return int(text)


def _bytes(name: str, said: int | str, length: int) -> bytes:
    try:
        made = bytes.fromhex(str(said).removeprefix("0x"))
    except ValueError:
        made = b""
    if "0x" + made.hex() != said or len(made) != length:
        raise ApiRefused(member=name, why=f"not 0x and {2 * length} hex digits")
    return made


def forward(desk: Desk, called: Called) -> Forwarded:
    """Hands a message on unread; raises PartyNotFound for who relays nothing, and what that member raises."""
    reached, member = desk.world.network, int(called.parts["number"], 16)
    if member not in reached.gateway.relays:
        raise PartyNotFound()
    reached.gateway.forward(member, called.body.sealed, called.body.at, reached.clock.now())
    return Forwarded(True)


# The board ----------------------------------------------------------------------------------------


def post(desk: Desk, called: Called) -> Posted:
    """Posts a package; raises MalformedBytes for another size."""
    desk.world.board.post(called.body.package)
    return Posted(True)


def packages(desk: Desk, called: Called) -> Packages:
    """What lies on the board after a position."""
    return Packages(*desk.world.board.since(called.query.after, MOST_PACKAGES))


def sealing_key(desk: Desk, called: Called) -> PublicKey:
    """The key that was published last for a party; raises PartyNotFound."""
    public = desk.world.board.sealing_key(int(called.parts["number"], 16))
    if public is None:
        raise PartyNotFound()
    return PublicKey(public)


_ACTS = (ApiRefused, SignatureRefused, PatientNotFound, LedgerRefused, MalformedBytes)
ROWS = (
    Row("GET", "/agent/network", "agentNetwork", "Which network this is.", network, AgentNetwork, open=True),
    Row("POST", "/agent/custodians/{custodian}", "askCustodian", "Passes a signed message on to a custodian.", ask,
        Told, takes=Asking, refusals=(PartyNotFound, ActRefused), open=True, most=MOST_MESSAGE,
        pace=(3_000, 300.0)),
    Row("POST", "/agent/acts", "bringAct", "Enters on the ledger what a patient's agent signed for it.", bring, Act,
        takes=SignedAct, refusals=_ACTS, open=True, later=True, pace=FILLING, by_address=ONE_FILLS),
    Row("POST", "/agent/relays/{number}", "forward", "Hands on, unread, what was sealed to another member.", forward,
        Forwarded, takes=Forwarding, refusals=(PartyNotFound, CannotOpen, MalformedBytes), open=True,
        most=MOST_PACKAGE, pace=FILLING, by_address=ONE_FILLS),
    Row("GET", "/agent/acts/{act}", "act", "What became of an act that was brought here.", brought, Act,
        refusals=(LedgerRefused, PatientNotFound), open=True),
    Row("POST", "/agent/packages", "postPackage", "Posts a sealed package on the board.", post, Posted,
        takes=Package, refusals=(MalformedBytes,), open=True, most=MOST_PACKAGE, pace=FILLING,
        by_address=ONE_FILLS),
    Row("GET", "/agent/packages", "packages", "Sealed packages on the board.", packages, Packages, query=After,
        open=True),
    Row("GET", "/agent/sealing-keys/{number}", "sealingKey", "A party's public sealing key.", sealing_key, PublicKey,
        refusals=(PartyNotFound,), open=True),
)  # fmt: skip
