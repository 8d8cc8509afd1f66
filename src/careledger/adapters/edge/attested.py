"""The ledger as an agent may believe it that reaches no node: facts that t custodians signed for a nonce of its own.

Which custodians those are, and by which addresses they sign, was pinned when the agent made its keys.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

from careledger.adapters.edge.acts import signed_act
from careledger.adapters.edge.http import Edge
from careledger.domain.errors import CareLedgerError, LedgerStale, MalformedBytes, NotYetFinal
from careledger.domain.facts import (
    AliasFacts,
    AnchorFacts,
    BreakGlassFacts,
    CheckpointFacts,
    ConsentFacts,
    CustodianFacts,
    Head,
    PartyFacts,
)
from careledger.domain.parties import ControllerKind, Role, Status
from careledger.formats import cbor
from careledger.formats.consent_messages import GiveConsent, LedgerMessage, RevokeConsent
from careledger.formats.custody import AttestedFact, FactQuestion
from careledger.formats.digests import uint
from careledger.formats.signatures import Address, SigningKey
from careledger.formats.signed import Signed, deployment_id, open_signed
from careledger.ports import Clock, CustodianLink, Ledger, LedgerView

DEADLINE = 1_800
"""Seconds that a signed message may still be entered."""
MOST_KNOWN = 10_000
"""Facts of past blocks that are kept, because they stay as they are."""


@dataclass(frozen=True)
class Pinned:
    """What an agent took with it: the network, its contracts by name, and who signs for which custodian."""

    chain_id: int
    directory: Address
    contracts: Mapping[str, Address]
    signers: Mapping[int, Address]
    needed: int

    @property
    def deployment(self) -> bytes:
        """What signed statements are bound to."""
        return deployment_id(self.chain_id, self.directory)


class AttestedLedger:
    """The part of the port Ledger that an agent needs; its acts go by the gateway, and count by their signatures."""

    def __init__(
        self, edge: Edge, pinned: Pinned, custodians: Mapping[int, CustodianLink], clock: Clock
    ) -> None:
        self._edge, self._pinned, self._custodians, self._clock = edge, pinned, custodians, clock
        self.chain_id, self.deployment = pinned.chain_id, pinned.deployment
        self._known: dict[tuple[str, bytes, int], bytes] = {}

    def port(self) -> Ledger:
        """This as the port Ledger: acts that no agent does are not there."""
        return cast(Ledger, self)

    def contract(self, name: str) -> Address:
        """The address of a contract as it was pinned."""
        return self._pinned.contracts[name]

    def fresh_head(self) -> LedgerView:
        """The newest block that t custodians know; raises LedgerStale if fewer answer.

        All are asked, and of what they say the t-th highest is taken, so that t − 1 of them can neither hold an agent
        back at an old block nor lead it to one that is not there.
        """
        heads: list[int] = []
        for number, signer in self._pinned.signers.items():
            with suppress(CareLedgerError, KeyError, TypeError):
                said = Head(*_list(self._attested(number, signer, "head", b"", None))).number
                if type(said) is int:
                    heads.append(said)
        if len(heads) < self._pinned.needed:
            raise LedgerStale(question="head", confirmed_by=len(heads))
        return self.at(sorted(heads, reverse=True)[self._pinned.needed - 1])

    def last_head(self) -> LedgerView:
        """The same: an agent has no ledger of its own."""
        return self.fresh_head()

    def at(self, block: int) -> LedgerView:
        """Facts as they stood after that block, each asked for when it is needed; raises LedgerStale then."""
        return cast(LedgerView, AttestedView(self, block))

    def give_consent(
        self, owner: SigningKey, commitment: bytes, start: int, end: int, relay: SigningKey
    ) -> Head:
        """See the port."""
        return self._entered(GiveConsent(owner.address, commitment, start, end, self._deadline()), owner)

    def revoke_consent(self, owner: SigningKey, commitment: bytes, relay: SigningKey) -> Head:
        """See the port."""
        return self._entered(RevokeConsent(owner.address, commitment, self._deadline()), owner)

    def _deadline(self) -> int:
        return self._clock.now() + DEADLINE

    def _entered(self, message: LedgerMessage, *signers: SigningKey) -> Head:
        """Brought to the gateway; raises what it refused with, NotYetFinal while it waits."""
        contract = self.contract(message.CONTRACT)
        signatures = [message.sign(key, self.chain_id, contract) for key in signers]
        said = self._edge.post("/agent/acts", signed_act(message, signatures, self.chain_id, contract))
        if said.get("state") != "entered":
            raise NotYetFinal(act=str(said.get("act"))[:64])
        return self.fresh_head().head

    def fact(self, question: str, subject: bytes, block: int) -> bytes:
        """What t pinned custodians attest as of that block, word for word alike; raises LedgerStale if fewer do."""
        name = (question, subject, block)
        if name not in self._known:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[name] = self._confirmed(question, subject, block)
        return self._known[name]

    def _confirmed(self, question: str, subject: bytes, block: int) -> bytes:
        said: dict[bytes, int] = defaultdict(int)
        for number, signer in self._pinned.signers.items():
            try:
                fact = self._attested(number, signer, question, subject, block)
            except (CareLedgerError, KeyError):
                continue
            said[fact] += 1
            if said[fact] >= self._pinned.needed:
                return fact
        raise LedgerStale(question=question, confirmed_by=max(said.values(), default=0))

    def _attested(
        self, number: int, signer: Address, question: str, subject: bytes, block: int | None
    ) -> bytes:
        asked = FactQuestion(question, subject, secrets.token_bytes(16), block)
        signed = Signed.decode(self._custodians[number].call("attest", asked.encode()))
        fact = open_signed(AttestedFact, signed, signer, self.deployment)
        if (fact.custodian, fact.question, fact.subject, fact.nonce) != (
            number,
            question,
            subject,
            asked.nonce,
        ):
            raise MalformedBytes(why="an answer to something else")
        if block not in (None, fact.block_number):
            raise MalformedBytes(why="of another block")
        return fact.fact


class AttestedView:
    """The part of a LedgerView that custodians attest, at one block."""

    def __init__(self, ledger: AttestedLedger, block: int) -> None:
        self._ledger, self._block = ledger, block

    @property
    def head(self) -> Head:
        """The block."""
        return Head(*self._fields("head", b""))

    def party(self, number: int) -> PartyFacts | None:
        """Without the licence, which nobody attests."""
        fields = self._fields("party", uint(number))
        if not fields:
            return None
        roles, status, standing, employer, controller, sealing, log = fields
        named = frozenset(role for role in Role if roles >> role & 1)
        return PartyFacts(number, named, Status(status), Status(standing), employer, controller, sealing, log)

    def custodian(self, number: int) -> CustodianFacts | None:
        """A custodian that is or ever was active."""
        fields = self._fields("custodian", uint(number))
        return CustodianFacts(number, *fields) if fields else None

    def custodians_ever(self) -> tuple[CustodianFacts, ...]:
        """Every custodian that is or ever was active, by number."""
        found = [self.custodian(number) for number in self._fields("custodians", b"")]
        return tuple(each for each in found if each is not None)

    def alias(self, alias: bytes) -> AliasFacts | None:
        """Of the living: who controlled a dead person's is not attested."""
        fields = self._fields("alias", alias)
        if not fields:
            return None
        controller, kind, until, registrar = fields
        return AliasFacts(alias, controller, ControllerKind(kind), until, registrar)

    def consent(self, owner: Address, commitment: bytes) -> ConsentFacts | None:
        """A consent's slot."""
        fields = self._fields("consent", owner + commitment)
        return ConsentFacts(*fields) if fields else None

    def filed_under(self, owner: Address) -> tuple[bytes, ...]:
        """The commitments under this one-time owner."""
        return tuple(self._fields("filed-under", owner))

    def in_team(self, post: int, team: int) -> bool:
        """Whether the role tree puts that post in that team or below it."""
        return self._fields("in-team", uint(post) + uint(team)) == [1]

    def team(self, number: int) -> tuple[int, int] | None:
        """A team's organisation and the team above it."""
        fields = self._fields("team", uint(number))
        return (fields[0], fields[1]) if fields else None

    def matrix_version(self) -> int:
        """The number of the access matrix in force."""
        version: int = self._fields("matrix", b"")[0]
        return version

    def anchor(self, root: bytes) -> AnchorFacts | None:
        """An anchored root."""
        fields = self._fields("anchored", root)
        return AnchorFacts(root, *fields) if fields else None

    def checkpoint(self, custodian: int) -> CheckpointFacts | None:
        """Size, root and map's root; block, time and cosigners are not attested, and 0 here."""
        fact = self._ledger.fact("checkpoint", uint(custodian), self._block)
        if not fact:
            return None
        if len(fact) != 72:
            raise MalformedBytes(why="not a checkpoint's fact")
        size = int.from_bytes(fact[:8], "big")
        return CheckpointFacts(custodian, size, fact[8:40], fact[40:], 0, 0, frozenset())

    def erased_by(self, leaf: bytes) -> frozenset[int]:
        """The custodians that attested the destruction of this leaf's shares."""
        return frozenset(self._fields("erased", leaf))

    def break_glass(self, entry: bytes) -> BreakGlassFacts | None:
        """An emergency entry."""
        fields = self._fields("break-glass", entry)
        if not fields:
            return None
        opener, second, opened_at, until, restricted, commitment, reviewed = fields
        return BreakGlassFacts(
            entry, opener, second, opened_at, until, bool(restricted), commitment, bool(reviewed)
        )

    def _fields(self, question: str, subject: bytes) -> Sequence[Any]:
        fact = self._ledger.fact(question, subject, self._block)
        return _list(fact) if fact else []


def _list(fact: bytes) -> Sequence[Any]:
    """The fields of a fact; raises MalformedBytes."""
    fields = cbor.decode(fact)
    if not isinstance(fields, list):
        raise MalformedBytes(why="not a fact")
    return fields
