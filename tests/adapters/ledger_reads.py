"""The facts as the contracts answer them themselves (eth_call), to hold the projection against."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from careledger.adapters.evm.contract import Contract
from careledger.adapters.evm.ledger import EvmLedger
from careledger.adapters.evm.node import Node
from careledger.domain.facts import (
    AliasFacts,
    AnchorFacts,
    BreakGlassFacts,
    CheckpointFacts,
    ConsentFacts,
    CustodianFacts,
    PartyFacts,
    RetentionFacts,
)
from careledger.domain.parties import ControllerKind, Status
from careledger.formats.ledger_words import retention_days, roles_of
from careledger.ports import LedgerView

ACTIVE, LEAVING, LEFT = 2, 3, 4
Subjects = dict[str, list[Any]]
Facts = dict[tuple[Any, ...], Any]


class DirectReads:
    """Asks the contracts, at any block."""

    def __init__(self, node: Node, ledger: EvmLedger, block: int) -> None:
        self._node, self._ledger, self._block = node, ledger, block

    def ask(self, name: str, function: str, *arguments: Any) -> Any:
        """A view's answer after the block."""
        artifact = "Records" if name == "Registry" else name
        contract = Contract.at(self._ledger.contract(name), artifact)
        return contract.read(self._node, function, *arguments, block=self._block)

    def party(self, number: int) -> PartyFacts | None:
        controller, roles, status, employer, _ = self.ask("Registry", "party", number)
        sealing_key, licence = self.ask("Registry", "keys", number)
        standing = Status(self.ask("Registry", "standing", number))
        log_key = self.ask("Registry", "custodian", number)[1]
        if not status:
            return None
        return PartyFacts(
            number, roles_of(roles), Status(status), standing, employer, controller, sealing_key, log_key, licence
        )  # fmt: skip

    def in_team(self, post: int, team: int) -> bool:
        return bool(self.ask("Teams", "in_team", post, team))

    def team_stands(self, number: int) -> bool:
        organisation, _, _, retired = self.ask("Teams", "team", number)
        return bool(organisation and not retired)

    def memberships(self, post: int) -> tuple[int, ...]:
        return tuple(self.ask("Teams", "memberships", post))

    def listed(self) -> list[int]:
        """Every custodian ever announced, by place."""
        count = self.ask("Registry", "custodian_count")
        return [self.ask("Registry", "custodian_at", place) for place in range(count)]

    def custodians(self) -> tuple[CustodianFacts, ...]:
        serving = [each for each in self.listed() if self.ask("Registry", "custodian_index", each)]
        return tuple(self._custodian(number) for number in sorted(serving))

    def _custodian(self, number: int) -> CustodianFacts:
        signer, log_key, state, _ = self.ask("Registry", "custodian", number)
        sealing_key, _ = self.ask("Registry", "keys", number)
        return CustodianFacts(number, signer, sealing_key, log_key, state == LEAVING)

    def custodian(self, number: int) -> CustodianFacts | str | None:
        """The facts of one that serves or leaves; ``not told`` where the contract forgot whether it ever served."""
        state = self.ask("Registry", "custodian", number)[2]
        if state == 0:
            return None
        return self._custodian(number) if state in (ACTIVE, LEAVING) else "not told"

    def alias(self, alias: bytes) -> AliasFacts | None:
        controller, kind, detail, number = self.ask("Aliases", "alias", alias)
        if not number:
            return None
        guardian, registrar = kind == ControllerKind.GUARDIAN, kind == ControllerKind.REGISTRAR
        shown = bytes(20) if kind == ControllerKind.NOBODY else controller
        return AliasFacts(
            alias, shown, ControllerKind(kind), detail if guardian else 0, detail if registrar else 0
        )

    def linked(self, owner: bytes, commitment: bytes) -> bool:
        return bool(self.ask("Links", "state", owner, commitment) == 1)

    def consent(self, owner: bytes, commitment: bytes) -> ConsentFacts | None:
        state, *times = self.ask("Consents", "consent", owner, commitment)
        return ConsentFacts(*times) if state else None

    def matrix_version(self) -> int:
        return int(self.ask("AccessPolicy", "version"))

    def retention(self, at: int) -> RetentionFacts:
        """By asking for every table, newest first."""
        newest, _ = self.ask("Retention", "latest")
        found = [(number, *self.ask("Retention", "table", number)) for number in range(newest, 0, -1)]
        version, table, since = next((each for each in found if each[2] <= at), found[-1])
        return RetentionFacts(version, since, retention_days(table))

    def anchor(self, root: bytes) -> AnchorFacts | None:
        word = self.ask("Records", "anchor_word", root)
        if not word:
            return None
        block, time = word >> 136 & 2**64 - 1, word >> 96 & 2**40 - 1
        return AnchorFacts(root, block, time, word & 2**64 - 1, word >> 64 & 2**32 - 1)

    def erased_by(self, leaf: bytes) -> frozenset[int]:
        return self._marked(self.ask("Leaves", "erased_by", leaf, 0))

    def _marked(self, marks: int) -> frozenset[int]:
        return frozenset(number for place, number in enumerate(self.listed()) if marks >> place & 1)

    def checkpoint(self, custodian: int) -> CheckpointFacts | None:
        size, time, block, forked, root, map_root, note = self.ask("Checkpoints", "latest", custodian)
        if not block:
            return None
        cosigners = self._marked(self.ask("Checkpoints", "cosigned_by", custodian, size, 0))
        return CheckpointFacts(custodian, size, root, map_root, block, time, cosigners, note, forked)

    def break_glass(self, entry: bytes) -> BreakGlassFacts | None:
        opener, second, opened_at, until, restricted, outcome, afterwards, commitment = self.ask(
            "BreakGlass", "entry", entry
        )
        if not opener:
            return None
        return BreakGlassFacts(
            entry,
            opener,
            second,
            opened_at,
            until,
            restricted,
            commitment,
            outcome != 0,
            afterwards,
            outcome == 1,
        )

    def may_break_glass(self, post: int) -> bool:
        return bool(self.ask("BreakGlass", "may_open", post))


def every_fact(source: DirectReads | LedgerView, about: Subjects) -> Facts:
    """Every fact of the port about these subjects, by question."""
    facts: Facts = {("custodians",): source.custodians(), ("matrix_version",): source.matrix_version()}
    for question, subjects in about.items():
        for subject in subjects:
            arguments = subject if isinstance(subject, tuple) else (subject,)
            facts[question, *arguments] = getattr(source, question)(*arguments)
    return facts


def differences(view: LedgerView, direct: DirectReads, about: Subjects) -> list[tuple[Any, Any, Any]]:
    """Where the projection and the contracts disagree: question, the projection's answer, the contract's."""
    told, read = every_fact(view, about), every_fact(direct, about)
    return [
        (question, told[question], read[question])
        for question in told
        if read[question] != "not told" and _without_past(told[question]) != read[question]
    ]


def _without_past(fact: Any) -> Any:
    """Who controlled an alias before a death, and when it was recorded, only the events tell."""
    return replace(fact, living=None) if isinstance(fact, AliasFacts) else fact
