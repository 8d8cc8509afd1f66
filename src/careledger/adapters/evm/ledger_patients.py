"""Acts about patients: registrations, aliases, links, consents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from careledger.adapters.evm.ledger_base import ALONE, EvmLedgerBase
from careledger.adapters.evm.node import Call
from careledger.domain.errors import LedgerRefused
from careledger.domain.facts import Head
from careledger.domain.parties import ControllerKind
from careledger.formats.consent_messages import GiveConsent, LedgerMessage, RevokeConsent
from careledger.formats.ledger_messages import LinkAliases, OpenAlias, RotateAlias, UnlinkAliases
from careledger.formats.ledger_words import patient_word
from careledger.formats.relaying import RelayedEntry
from careledger.formats.signatures import SigningKey

MOST_CARRIED = 100
Carried = Sequence[tuple[LedgerMessage, tuple[bytes, ...]]]


class PatientActs(EvmLedgerBase):
    """What is entered for patients; nothing of it joins registration and alias."""

    def register_patient(self, registration: bytes, registrar: int, controller: SigningKey) -> Head:
        """A registration with that organisation; raises MalformedBytes unless it has 16 bytes."""
        word = patient_word(registrar, registration)
        return self._act(controller, "Registry", "register_patient", word)

    def end_registration(self, registration: bytes, controller: SigningKey) -> Head:
        """The registration ends."""
        return self._act(controller, "Registry", "end_registration", registration)

    # Aliases -----------------------------------------------------------------------------------

    def open_alias(
        self,
        alias: bytes,
        owner: SigningKey,
        kind: ControllerKind,
        until: int,
        registrar: int,
        answering: SigningKey | None,
        relay: SigningKey,
    ) -> Head:
        """A new alias under that controller."""
        detail = _detail(kind, until, registrar)
        message = OpenAlias(alias, owner.address, kind, detail, self._deadline())
        by_registrar = b"" if answering is None else self._signature(message, answering)
        fields = (alias, message.controller, int(kind), detail, message.deadline)
        by_owner = self._signature(message, owner)
        return self._act(relay, "Aliases", "open_alias", *fields, by_owner, by_registrar)

    def rotate_alias(
        self,
        alias: bytes,
        kind: ControllerKind,
        until: int,
        present: SigningKey,
        new: SigningKey,
        relay: SigningKey,
    ) -> Head:
        """The alias changes hands; an unclaimed one that stays so keeps its registrar."""
        word = self._alias_word(alias)
        detail = _detail(kind, until, word.detail)
        message = RotateAlias(alias, word.number, new.address, kind, detail, self._deadline())
        return self._entered(relay, message, present, new)

    def close_alias(self, alias: bytes, officers: Sequence[tuple[int, SigningKey]]) -> Head:
        """Death, once two officers have said so."""
        head = self._follower.view().head
        for post, key in officers:
            head = self._act(key, "Aliases", "record_death", post, alias)
            facts = self.at(head.number).alias(alias)
            if facts is not None and facts.kind is ControllerKind.NOBODY:
                break
        return head

    # Links -------------------------------------------------------------------------------------

    def link_aliases(self, owner: SigningKey, commitment: bytes, relay: SigningKey) -> Head:
        """Two aliases are one person."""
        return self._entered(relay, LinkAliases(owner.address, commitment, self._deadline()), owner)

    def unlink_aliases(self, owner: SigningKey, commitment: bytes, relay: SigningKey) -> Head:
        """Undoes a link for good."""
        return self._entered(relay, UnlinkAliases(owner.address, commitment, self._deadline()), owner)

    # Consents ----------------------------------------------------------------------------------

    def give_consent(
        self, owner: SigningKey, commitment: bytes, start: int, end: int, relay: SigningKey
    ) -> Head:
        """An id is used once."""
        message = GiveConsent(owner.address, commitment, start, end, self._deadline())
        carried = message.carried(self._signature(message, owner))
        return self._act(relay, "Consents", "give", carried)

    def revoke_consent(self, owner: SigningKey, commitment: bytes, relay: SigningKey) -> Head:
        """An unknown id is burnt; revoking again changes nothing and gives the head."""
        message = RevokeConsent(owner.address, commitment, self._deadline())
        carried = message.carried(self._signature(message, owner))
        try:
            return self._act(relay, "Consents", "revoke", carried)
        except LedgerRefused as refused:
            if refused.details["reason"] != "used":
                raise
            return self._node.head()

    def carry(self, entries: Sequence[RelayedEntry], relay: SigningKey) -> Head:
        """Consents and revocations a hundred in a transaction, each other entry in one of its own; what the contracts
        refuse is left out."""
        carried = [(entry.message, entry.signatures) for entry in entries]
        self._node.send(relay, [*self._batches(carried), *self._alone(carried)])
        return self._node.head()

    def _batches(self, carried: Carried) -> Iterator[Call]:
        called = self._contract("Consents")
        for kind, function in ((GiveConsent, "give_many"), (RevokeConsent, "revoke_many")):
            items = [message.carried(*signed) for message, signed in carried if isinstance(message, kind)]
            for at in range(0, len(items), MOST_CARRIED):
                part = items[at : at + MOST_CARRIED]
                yield Call(called.address, called.calldata(function, part))

    def _alone(self, carried: Carried) -> Iterator[Call]:
        for message, signatures in carried:
            if type(message) in ALONE:
                called = self._contract(message.CONTRACT)
                function, fields = ALONE[type(message)]
                arguments = (getattr(message, name) for name in fields)
                yield Call(called.address, called.calldata(function, *arguments, *signatures))


def _detail(kind: ControllerKind, until: int, registrar: int) -> int:
    """The word's detail: a guardian's end, an unclaimed alias's registrar, else 0; raises LedgerRefused."""
    if kind is ControllerKind.GUARDIAN:
        return until
    if until:
        raise LedgerRefused(reason="detail")
    return registrar if kind is ControllerKind.REGISTRAR else 0
