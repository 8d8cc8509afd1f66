"""The registry's acts: organisations, posts, custodians, teams."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from careledger.adapters.evm.ledger_base import EvmLedgerBase
from careledger.domain.facts import Head
from careledger.domain.parties import Role
from careledger.formats.ledger_messages import CustodianKeys, RotateController
from careledger.formats.ledger_words import role_bits
from careledger.formats.signatures import Address, SigningKey


class PartyActs(EvmLedgerBase):
    """What organisations, posts and officers do in the registry and the role tree."""

    def propose_organisation(
        self, number: int, roles: Iterable[Role], licence: bytes, sealing_key: bytes, controller: SigningKey
    ) -> Head:
        """A pending organisation under that controller."""
        bits = role_bits(frozenset(roles))
        return self._act(controller, "Registry", "propose_organisation", number, bits, licence, sealing_key)

    def replace_sealing_key(self, number: int, sealing_key: bytes, controller: SigningKey) -> Head:
        """The digest of a verified party's new sealing key."""
        return self._act(controller, "Registry", "replace_sealing_key", number, sealing_key)

    def verify(
        self, number: int, licence: bytes, sealing_key: bytes, officer: SigningKey, officer_post: int
    ) -> Head:
        """Pending to verified, as declared."""
        return self._act(officer, "Registry", "verify", officer_post, number, licence, sealing_key)

    def suspend(self, number: int, officer: SigningKey, officer_post: int) -> Head:
        """Verified to suspended; an employer's suspension reaches its posts."""
        return self._act(officer, "Registry", "suspend", officer_post, number)

    def reinstate(self, number: int, officer: SigningKey, officer_post: int) -> Head:
        """Suspended to verified."""
        return self._act(officer, "Registry", "reinstate", officer_post, number)

    def remove(self, number: int, officer: SigningKey, officer_post: int) -> Head:
        """Any status to removed, for good."""
        return self._act(officer, "Registry", "remove", officer_post, number)

    def vouch(
        self,
        post: int,
        employer: int,
        roles: Iterable[Role],
        licence: bytes,
        sealing_key: bytes,
        key: Address,
        controller: SigningKey,
    ) -> Head:
        """A verified post of a verified organisation."""
        bits = role_bits(frozenset(roles))
        return self._act(controller, "Registry", "vouch", employer, post, key, bits, licence, sealing_key)

    def end_post(self, post: int, controller: SigningKey) -> Head:
        """The post is removed."""
        return self._act(controller, "Registry", "end_post", post)

    def rotate_party(self, number: int, old: SigningKey, new: SigningKey) -> Head:
        """The party's controller changes; the new key shows that it exists."""
        message = RotateController(number, new.address, self._deadline())
        shown = self._signature(message, new)
        return self._act(old, "Registry", "rotate_controller", number, new.address, message.deadline, shown)

    # Custodians --------------------------------------------------------------------------------

    def join_custodians(
        self, number: int, log_key: bytes, signer: SigningKey, controller: SigningKey
    ) -> Head:
        """First of two steps; the signing key shows that it exists."""
        keys = self._custodian_keys(number, log_key, signer)
        return self._act(controller, "Registry", "announce_custodian", *keys)

    def rekey_custodian(
        self, number: int, log_key: bytes, signer: SigningKey, controller: SigningKey
    ) -> Head:
        """A serving custodian takes new keys at once."""
        keys = self._custodian_keys(number, log_key, signer)
        return self._act(controller, "Registry", "rekey_custodian", *keys)

    def activate_custodian(self, number: int, officer: SigningKey, officer_post: int) -> Head:
        """Second of two steps."""
        return self._act(officer, "Registry", "admit_custodian", officer_post, number)

    def leave_custodians(self, number: int, controller: SigningKey) -> Head:
        """First of two steps; it goes on serving until retired."""
        return self._act(controller, "Registry", "announce_leaving", number)

    def retire_custodian(self, number: int, officer: SigningKey, officer_post: int) -> Head:
        """Second of two steps; also for a custodian that is no longer verified."""
        return self._act(officer, "Registry", "release_custodian", officer_post, number)

    def _custodian_keys(self, number: int, log_key: bytes, signer: SigningKey) -> tuple[Any, ...]:
        message = CustodianKeys(number, signer.address, log_key, self._deadline())
        return number, signer.address, log_key, message.deadline, self._signature(message, signer)

    # Teams -------------------------------------------------------------------------------------

    def create_team(self, team: int, organisation: int, parent: int, controller: SigningKey) -> Head:
        """A team, below ``parent`` (0: top)."""
        return self._act(controller, "Teams", "form_team", organisation, team, parent)

    def move_team(self, team: int, parent: int, controller: SigningKey) -> Head:
        """The team hangs elsewhere."""
        return self._act(controller, "Teams", "move_team", team, parent)

    def retire_team(self, team: int, controller: SigningKey) -> Head:
        """The team is given up."""
        return self._act(controller, "Teams", "retire_team", team)

    def join_team(self, post: int, team: int, controller: SigningKey) -> Head:
        """The post works in the team."""
        return self._act(controller, "Teams", "join_team", team, post)

    def leave_team(self, post: int, team: int, controller: SigningKey) -> Head:
        """The post works there no longer."""
        return self._act(controller, "Teams", "leave_team", team, post)
