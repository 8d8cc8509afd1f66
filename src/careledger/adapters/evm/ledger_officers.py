"""Acts in which ministry officers take part: replacing a controller, withdrawing a death, linking unclaimed aliases."""

from __future__ import annotations

from collections.abc import Sequence

from careledger.adapters.evm.ledger_base import EvmLedgerBase
from careledger.domain.facts import Head
from careledger.domain.parties import ControllerKind
from careledger.formats.ledger_messages import ReplaceController, StopAlarm
from careledger.formats.signatures import SigningKey

Officers = Sequence[tuple[int, SigningKey]]
NO_OWNER = bytes(20)


class OfficerActs(EvmLedgerBase):
    """What happens to an alias without the signature of its present controller."""

    def replace_controller(
        self,
        alias: bytes,
        organisation: tuple[int, SigningKey],
        officer: tuple[int, SigningKey],
        new: SigningKey,
        relay: SigningKey,
    ) -> Head:
        """The change waits for 72 hours of alarm."""
        message = ReplaceController(
            alias, self.alias_number(alias), new.address, organisation[0], officer[0], self._deadline()
        )
        signed = (self._signature(message, key) for key in (organisation[1], officer[1], new))
        fields = (alias, new.address, organisation[0], officer[0], message.deadline)
        return self._act(relay, "Aliases", "alarm_by_officer", *fields, *signed)

    def complete_replacement(self, alias: bytes, relay: SigningKey) -> Head:
        """The waiting change takes effect."""
        return self._act(relay, "Aliases", "complete_alarm", alias)

    def stop_replacement(self, alias: bytes, present: SigningKey, relay: SigningKey) -> Head:
        """The present controller is there after all."""
        message = StopAlarm(alias, self.alias_number(alias), self._deadline())
        return self._entered(relay, message, present)

    def reopen_alias(self, alias: bytes, officers: Officers) -> Head:
        """A death is withdrawn, once two officers have said so."""
        head = self._follower.view().head
        for post, key in officers:
            head = self._act(key, "Aliases", "withdraw_death", post, alias)
            facts = self.at(head.number).alias(alias)
            if facts is not None and facts.kind is not ControllerKind.NOBODY:
                break
        return head

    def link_unclaimed(self, commitment: bytes, officers: Officers) -> Head:
        """Two unclaimed aliases are one person, once two officers have said so."""
        return self._voted("vote_link", commitment, officers, True)

    def unlink_unclaimed(self, commitment: bytes, officers: Officers) -> Head:
        """Such a link is undone for good, once two officers have said so."""
        return self._voted("vote_unlink", commitment, officers, False)

    def _voted(self, function: str, commitment: bytes, officers: Officers, linked: bool) -> Head:
        head = self._follower.view().head
        for post, key in officers:
            head = self._act(key, "Links", function, post, commitment)
            if self.at(head.number).linked(NO_OWNER, commitment) is linked:
                break
        return head
