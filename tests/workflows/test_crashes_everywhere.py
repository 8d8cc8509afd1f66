"""Every workflow with effects crashes at them, its caller or a custodian, and repeating finishes: none is left out."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import crash_later
import crash_parties
import crash_patients
import crash_records
import crash_relaying
import crash_staff
from careledger import workflows
from careledger.app import identity, licences
from crashing import Scenario, crash_custodian, crash_everywhere
from world import World

SCENARIOS: dict[str, Scenario] = (
    crash_parties.SCENARIOS
    | crash_patients.SCENARIOS
    | crash_records.SCENARIOS
    | crash_later.SCENARIOS
    | crash_relaying.SCENARIOS
    | crash_staff.SCENARIOS
)
FOLDERS = (Path(workflows.__file__).parent, Path(identity.__file__).parent, Path(licences.__file__).parent)
TESTS = Path(__file__).parent

# Crashed by tests of their own in these files.
OWN = (
    "test_crashes", "test_crashes_of_records", "test_registering", "test_emergency_without_ledger", "test_retention",
    "test_give_agreed", "test_after_death", "test_recover", "test_tell_moved", "test_together",
)  # fmt: skip
ELSEWHERE = {
    "after_death.name_reader", "give_agreed.give_agreed", "recover.recover", "tell_moved.tell_moved",
    "break_glass.open_without_ledger", "retention.amend_retention", "tend_gateway.tend_gateway",
    "amend.amend", "claim.claim", "deposit.deposit", "disclose.disclose", "grant.grant", "move.move",
    "request_access.request_access", "retract.retract", "revoke.revoke", "rotate_keys.rotate",
    "retract.repeat_retractions", "together.Together",
}  # fmt: skip

# They ask, open or compute, and leave nothing behind but what ``asking.ask`` leaves in the custodians' logs.
WITHOUT_EFFECTS = {
    "employing.check_licence", "grouping.group", "grouping.groups", "grouping.tree", "staff_files.refused",
    "accepted.is_accepted", "after_death.decide_after_death",
    "deposit.Prepared", "deposit.plans", "intake.became", "superseded.following", "retract.planned",
    "agree.agree", "audit.unentered", "employing.is_whole", "custody.newest_statement", "grant.unused_counter",
    "intake.statement_of", "let_in.admitted",
    "grounds.by_one_consent", "grounds.reading", "grounds.writer",
    "network.LastHead", "network.at_last_head", "own_copies.own_copies",
    "own_records.OwnRecords",
    "accesses.by_holder", "accesses.by_registrar", "accesses.holder_seeds", "audit.log_key", "audit_file.attest",
    "batches.Sealer", "blocks.sealed_block", "blocks.sealed_chunk", "board.organisation_key",
    "chart.Fates", "chart.fate", "chart.opened", "chart.read_back", "claim.hand_over",
    "contents.check_there", "contents.content_reader", "export.as_fhir", "export.documents",
    "export.documents_of",
    "custody.alias_answers", "custody.epoch_chain", "custody.find_statement",
    "custody.newest_epochs", "epochs.open_epochs", "grant.sealed_package", "grant.is_revoked",
    "lease.ground_misses", "lease.open_lease",
    "link.check_link", "link.retrieve_linked", "retrieve.is_complete", "retrieve.require_answers",
    "relay_entry.check", "relay_entry.shows", "received.check_grant", "received.live_grant",
    "signed_consents.signed_consent", "register.choose_custodians",
    "second_look.SecondLook", "signing.new_signed", "superseded.is_superseded",
    "two_hops.signed_entry", "two_hops.signed_revocation", "who_proved.Statements",
}  # fmt: skip

# Steps of others: each effect of theirs is one of a workflow above.
STEPS = {
    "app_passes.keep_pass",
    "break_glass.enter_emergencies", "own_copies.keep_copy", "erase.finish_erasures", "erase.tell_waiting", "order.owe",
    "replace_custodian.remake_shares",
    "board.post_package", "claim.continue_statement", "claim.handed_over", "claim.renew_epochs", "claim.take_over",
    "custody.outcomes", "custody.receipt", "custody.receipts", "custody.tell", "deposit.finish",
    "epochs.chains_in_force", "revoke.enter_revocation", "epochs.enrol_at", "epochs.publish_epoch",
    "epochs.publish_statement", "epochs.repeat_enrolments", "epochs.spread_epochs", "grant.send_newest",
    "turn_epochs.turn_epochs", "grant.package_with", "grant.newest_keys", "grant.wait_for_grants", "lease.Lease",
    "received.keep_grant", "two_hops.stop_replacement",
    "deposit.prepare", "intake.add_patient", "intake.take_in_steps", "retract.tell_owed",
    "register.activate_custodian", "register.announce_custodian", "staging.deposit_in_steps",
}  # fmt: skip
EFFECT = re.compile(
    r"books\.(put|drop|change)|board\.p|blocks\.(p|unp)|receipts\(|outcomes\(|tell\("
    r"|ledger\.(?!fresh_head|at\b|deployment|chain_id|contract)\w+\("
)
CUSTODIANS_DIE = (
    "a patient is registered", "a restricted category is named for emergencies",
    "logs are anchored and cosigned", "an audit with its files", "records are read",
    "a doctor signs a note", "a record is confirmed", "a record is erased",
)  # fmt: skip
MOST_PLACES = 4


@cache
def acts() -> dict[str, ast.AST]:
    """Every public function and class of ``workflows/`` and ``app/identity/`` that is given a network, or what is in
    one."""
    found: dict[str, ast.AST] = {}
    for path in (each for folder in FOLDERS for each in folder.glob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_"):
                continue
            if _is_given_a_port(node):
                found[f"{path.stem}.{node.name}"] = node
    del found["network.Network"], found["employing.Desk"]
    return found


def _is_given_a_port(node: ast.FunctionDef | ast.ClassDef) -> bool:
    functions = [each for each in ast.walk(node) if isinstance(each, ast.FunctionDef)]
    fields = [each.annotation for each in ast.walk(node) if isinstance(each, ast.AnnAssign)]
    given = [each.annotation for function in functions for each in function.args.args if each.annotation]
    ports = {"Network", "Ledger", "Mapping[int, Relay]", "Desk"}
    return any(ast.unparse(each) in ports for each in [*fields, *given])


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One network for all of them; each trial has patients and parties of its own."""
    made = World(tmp_path_factory.mktemp("shared"))
    yield made
    made.close()


@pytest.mark.parametrize("name", SCENARIOS)
def test_what_crashed_anywhere_is_finished_by_repeating(shared: World, tmp_path: Path, name: str) -> None:
    scenario = SCENARIOS[name]
    world = World(tmp_path) if scenario.alone else shared
    assert crash_everywhere(world, scenario.start(world), scenario.at) >= scenario.effects
    if scenario.alone:
        world.close()


@pytest.mark.parametrize("name", CUSTODIANS_DIE)
def test_what_a_custodian_died_of_is_finished_once_it_is_back(shared: World, name: str) -> None:
    effects, died = crash_custodian(shared, SCENARIOS[name].start(shared), 1, MOST_PLACES)
    assert effects >= 1
    assert died >= min(effects, MOST_PLACES) // 2  # which place it has on a list varies


def test_every_workflow_is_crashed_or_has_no_effects() -> None:
    crashed = {name for scenario in SCENARIOS.values() for name in scenario.functions}
    assert crashed | ELSEWHERE | WITHOUT_EFFECTS | STEPS == set(acts())
    assert not crashed & (WITHOUT_EFFECTS | STEPS)
    assert [name for name in WITHOUT_EFFECTS if EFFECT.search(ast.unparse(acts()[name]))] == []
    assert EFFECT.search(ast.unparse(acts()["deposit.finish"]))
    elsewhere = "".join((TESTS / f"{name}.py").read_text() for name in OWN)
    for name in ELSEWHERE:
        module, function = name.split(".")
        assert f"workflows.{module} import" in elsewhere
        assert f"{function}(trial.network" in elsewhere
