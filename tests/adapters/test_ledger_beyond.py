"""Acts of the contracts that the port does not offer reach the facts as well."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from adapters.ledger_random import SUBJECTS
from adapters.ledger_reads import DirectReads, Subjects, differences
from adapters.ledger_world import (
    CENTRE,
    CHAIN_ID,
    DAY,
    DOCTOR,
    HOSPITAL,
    HOUR,
    NURSE,
    OFFICERS,
    PHARMACY,
    POLICY_DELAY,
    RELAY,
    STRANGER,
    VOTERS,
    LedgerWorld,
    declared,
    digest,
    key,
    of,
    signing,
)
from adapters.test_ledger_evm import genesis
from careledger.adapters.evm.chain import EmbeddedChain
from careledger.adapters.evm.deploy import found
from careledger.adapters.evm.embedded import EmbeddedNode
from careledger.adapters.evm.ledger import EvmLedger
from careledger.adapters.memory.clock import ManualClock
from careledger.domain.parties import ControllerKind, Role, Status
from careledger.formats.consent_messages import AnchorCheckpoint, OpenBreakGlass
from careledger.formats.ledger_messages import ReplaceController
from careledger.formats.ledger_words import contract_name, role_bits

ALIAS, NEW_OFFICER = digest("patient"), 14
TEAMS = (41, 42, 43)
ABOUT: Subjects = SUBJECTS | {
    "party": [HOSPITAL, CENTRE, PHARMACY, DOCTOR, NURSE, *OFFICERS, NEW_OFFICER],
    "in_team": [(post, team) for post in (DOCTOR, NURSE) for team in TEAMS],
    "custodian": [HOSPITAL, CENTRE, PHARMACY],
    "alias": [ALIAS],
    "checkpoint": [HOSPITAL, CENTRE],
    "break_glass": [digest("entry")],
    "may_break_glass": [DOCTOR],
}


class DirectWorld(LedgerWorld):
    """The ledger over the contracts, and the node under it."""

    ledger: EvmLedger

    def __init__(self, direct_delay: int = 0) -> None:
        clock = ManualClock()
        self.node = EmbeddedNode(EmbeddedChain(None, CHAIN_ID, clock.now))
        directory = found(self.node, genesis(directory_delay=direct_delay))
        super().__init__(EvmLedger(self.node, directory, clock), clock)

    def check(self) -> None:
        """The projection says what the contracts say."""
        head = self.ledger.fresh_head()
        assert differences(head, DirectReads(self.node, self.ledger, head.head.number), ABOUT) == []


@pytest.fixture
def world() -> Iterator[DirectWorld]:
    """A verified hospital with a doctor and a nurse; every test ends with a comparison."""
    world = DirectWorld()
    world.organisation(HOSPITAL)
    world.post(DOCTOR, HOSPITAL)
    world.post(NURSE, HOSPITAL, Role.NURSE)
    yield world
    world.check()
    world.ledger.close()


def test_an_organisation_added_by_an_officer(world: DirectWorld) -> None:
    bits, (post, officer) = role_bits(frozenset({Role.CENTRE})), VOTERS[0]
    world.ledger._act(officer, "Registry", "add_organisation", post, CENTRE, of(CENTRE).address, bits)
    world.check()
    world.ledger._act(of(CENTRE), "Registry", "declare", CENTRE, *declared(CENTRE))
    facts = world.ledger.fresh_head().party(CENTRE)
    assert facts is not None
    assert (facts.status, facts.licence) == (Status.PENDING, declared(CENTRE)[0])


def test_a_post_with_new_keys(world: DirectWorld) -> None:
    new = key("new").address
    world.ledger._act(of(HOSPITAL), "Registry", "rekey_post", DOCTOR, new, digest("new"))
    facts = world.ledger.fresh_head().party(DOCTOR)
    assert facts is not None
    assert (facts.controller, facts.sealing_key) == (new, digest("new"))


def test_officers_who_come_and_go(world: DirectWorld) -> None:
    for post, officer in VOTERS[:2]:
        world.ledger._act(officer, "Registry", "appoint_officer", post, NEW_OFFICER, of(NEW_OFFICER).address)
    world.check()
    appointed = world.ledger.fresh_head().party(NEW_OFFICER)
    assert appointed is not None
    assert (appointed.standing, appointed.roles) == (Status.VERIFIED, frozenset({Role.MINISTRY}))
    for post, officer in VOTERS[:2]:
        world.ledger._act(officer, "Registry", "dismiss_officer", post, NEW_OFFICER)
    dismissed = world.ledger.fresh_head().party(NEW_OFFICER)
    assert dismissed is not None
    assert dismissed.standing is Status.REMOVED


def test_teams_that_move_and_end(world: DirectWorld) -> None:
    for team in TEAMS:
        world.ledger.create_team(team, HOSPITAL, 0, of(HOSPITAL))
    world.ledger.join_team(DOCTOR, 42, of(HOSPITAL))
    world.ledger.move_team(42, 41, of(HOSPITAL))
    world.check()
    assert world.ledger.fresh_head().in_team(DOCTOR, 41)
    world.ledger.retire_team(42, of(HOSPITAL))
    assert not world.ledger.fresh_head().in_team(DOCTOR, 41)


def test_a_death_that_is_withdrawn(world: DirectWorld) -> None:
    world.alias("patient")
    before = world.ledger.fresh_head().alias(ALIAS)
    world.ledger.close_alias(ALIAS, VOTERS)
    world.check()
    for post, officer in VOTERS[:2]:
        world.ledger._act(officer, "Aliases", "withdraw_death", post, ALIAS)
    assert world.ledger.fresh_head().alias(ALIAS) == before is not None


def test_a_custodian_that_activates_and_leaves_by_waiting(world: DirectWorld) -> None:
    world.announced(HOSPITAL)
    world.clock.advance(DAY)
    world.ledger._act(of(HOSPITAL), "Registry", "activate_custodian", HOSPITAL)
    world.check()
    assert len(world.ledger.fresh_head().custodians()) == 1
    world.ledger.leave_custodians(HOSPITAL, of(HOSPITAL))
    world.clock.advance(7 * DAY)
    world.ledger._act(of(HOSPITAL), "Registry", "leave_custody", HOSPITAL)
    assert world.ledger.fresh_head().custodians() == ()


def test_a_fork_that_is_shown(world: DirectWorld) -> None:
    world.announced(HOSPITAL)
    world.ledger.activate_custodian(HOSPITAL, VOTERS[0][1], VOTERS[0][0])
    root, other = digest("root"), digest("other root")
    world.ledger.anchor_checkpoint(HOSPITAL, 4, root, root, digest("note"), signing(HOSPITAL))
    forked = AnchorCheckpoint(HOSPITAL, 4, other, root, digest("note"))
    signature = forked.sign(signing(HOSPITAL), CHAIN_ID, world.ledger.contract("Checkpoints"))
    world.ledger._act(STRANGER, "Checkpoints", "show_fork", forked.carried(signature))
    facts = world.ledger.fresh_head().checkpoint(HOSPITAL)
    assert facts is not None
    assert (facts.forked, facts.root) == (True, root)


def test_an_amendment_that_is_withdrawn(world: DirectWorld) -> None:
    world.ledger.enact_matrix(2, VOTERS)
    for post, officer in VOTERS[:2]:
        world.ledger._act(officer, "AccessPolicy", "vote_withdrawal", post, 2)
    world.clock.advance(POLICY_DELAY)
    world.organisation(CENTRE)
    assert world.ledger.fresh_head().matrix_version() == 1
    world.check()
    world.ledger.enact_matrix(2, VOTERS)
    world.clock.advance(POLICY_DELAY)
    world.organisation(PHARMACY)
    assert world.ledger.fresh_head().matrix_version() == 2


def test_an_emergency_that_is_entered_afterwards(world: DirectWorld) -> None:
    then = world.now()
    world.clock.advance(DAY)
    said = OpenBreakGlass(digest("entry"), digest("why"), DOCTOR, NURSE, then + HOUR, False, then + HOUR)
    address = world.ledger.contract("BreakGlass")
    signatures = [said.sign(of(post), CHAIN_ID, address) for post in (DOCTOR, NURSE)]
    world.ledger._act(RELAY, "BreakGlass", "enter_afterwards", *said.opened(*signatures))
    facts = world.ledger.fresh_head().break_glass(digest("entry"))
    assert facts is not None
    assert (facts.afterwards, facts.opened_at, facts.until) == (True, then + DAY, then + HOUR)


def test_a_registrar_that_is_replaced_after_an_alarm(world: DirectWorld) -> None:
    world.organisation(CENTRE)
    world.unclaimed("patient")
    (post, officer), new = VOTERS[0], key("the centre's key for it")
    said = ReplaceController(ALIAS, 1, new.address, CENTRE, post, world.now() + HOUR)
    fields = (ALIAS, new.address, CENTRE, post, said.deadline)
    address = world.ledger.contract("Aliases")
    signatures = [said.sign(signer, CHAIN_ID, address) for signer in (of(CENTRE), officer, new)]
    world.ledger._act(RELAY, "Aliases", "alarm_by_officer", *fields, *signatures)
    world.check()
    world.clock.advance(3 * DAY)
    world.ledger._act(RELAY, "Aliases", "complete_alarm", ALIAS)
    facts = world.ledger.fresh_head().alias(ALIAS)
    assert facts is not None
    assert (facts.controller, facts.kind, facts.registrar) == (new.address, ControllerKind.REGISTRAR, CENTRE)


def test_a_contract_that_the_members_replaced_is_followed(world: DirectWorld) -> None:
    owner, commitment = key("consent"), digest("commitment")
    world.ledger.give_consent(owner, commitment, 0, world.now() + DAY, RELAY)
    post, officer = VOTERS[0]
    world.ledger._act(officer, "Directory", "found", post, HOSPITAL)
    before = world.ledger.contract("Consents")
    another = found(world.node, genesis(founder=key("another founder")))
    replacement = EvmLedger(world.node, another, world.clock).contract("Consents")
    early = EvmLedger(world.node, another, world.clock)
    early.give_consent(key("early"), commitment, 0, world.now() + DAY, RELAY)
    world.ledger._act(of(HOSPITAL), "Directory", "propose", HOSPITAL, contract_name("Consents"), replacement)
    assert world.ledger.contract("Consents") == before
    world.ledger._act(of(HOSPITAL), "Directory", "enact", HOSPITAL, 1)
    assert world.ledger.contract("Consents") == replacement != before
    world.ledger.give_consent(key("late"), commitment, 0, world.now() + DAY, RELAY)
    view = world.ledger.fresh_head()
    for holder in ("early", "late"):
        assert view.consent(key(holder).address, commitment) is not None
    rows = world.ledger.rows()
    world.ledger.rebuild()
    assert world.ledger.rows() == rows
