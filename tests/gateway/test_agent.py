"""A patient's agent that has a gateway's address, its own keys and what it pinned: what it does counts, and no more."""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from careledger.adapters.edge.attested import AttestedLedger
from careledger.adapters.edge.http import Edge as Reached
from careledger.adapters.edge.links import EdgeBoard, EdgeCustodian, custodians
from careledger.app import world as directory
from careledger.app.clocks import SystemClock
from careledger.domain.errors import (
    ApiRefused,
    CannotOpen,
    CareLedgerError,
    LedgerRefused,
    LedgerStale,
    MalformedBytes,
    PartyNotFound,
    PatientNotFound,
    ProofRefused,
    SignatureRefused,
    StoreUnavailable,
)
from careledger.formats import cbor
from careledger.formats.consent_messages import GiveConsent, RevokeConsent
from careledger.formats.custody import METHODS as EVERY_METHOD
from careledger.formats.custody import AliasQuestion, AttestedFact, FactQuestion, StandingQuestion
from careledger.formats.ledger_messages import RotateAlias
from careledger.formats.patients import AuditRequest, Enrolment, EpochRecords, Order
from careledger.formats.relaying import ConsentRevocation
from careledger.formats.releases import SignedRequest
from careledger.formats.schema import Message
from careledger.formats.signatures import SigningKey
from careledger.formats.signed import sign
from careledger.gateway.api.agent import METHODS
from careledger.gateway.api.pace import Pace
from careledger.sealing.grants import find_packages, open_package, seal_package
from careledger.sealing.keys import SealingKey
from careledger.workflows.accesses import by_holder
from careledger.workflows.audit import audit
from careledger.workflows.epochs import own_statement
from careledger.workflows.order import order
from careledger.workflows.retrieve import retrieve
from careledger.workflows.revoke import revoke
from gateway.agent_world import Agent, agent
from gateway.edge_world import DAY, Reply
from story import EVERYTHING

__all__ = ["agent"]
COMMITMENT = b"\7" * 32


def giving(owner: SigningKey, **changed: Any) -> GiveConsent:
    now = SystemClock().now()
    return replace(GiveConsent(owner.address, COMMITMENT, now, now + DAY, now + 1_800), **changed)


def on_ledger(agent: Agent, owner: SigningKey) -> Any:
    return agent.edge.story.world.ledger.fresh_head().consent(owner.address, COMMITMENT)


# The whole way ------------------------------------------------------------------------------------


def test_a_consent_given_and_ended_over_http_counts_at_once_while_the_gateway_runs(agent: Agent) -> None:
    patient, doctor = agent.edge.story.adam.hex(), agent.edge.client("Dr Lake")
    asked = f"Condition?patient={patient}"
    assert doctor.ask(asked).status == 403  # this doctor's consent was revoked in the story
    granted = agent.grant("Dr Lake")
    found = doctor.ask(asked)
    assert found.status == 200
    assert len(found.matches) >= 2
    one = f"Condition/{found.matches[0]['id']}"
    assert doctor.ask(one).status == 200
    revoke(agent.network, agent.holder, granted.owner)
    assert doctor.ask(asked).status == 403
    assert doctor.ask(one).status == 404


def test_an_agent_sees_and_proves_who_read_over_http_alone(agent: Agent) -> None:
    before = audit(agent.network, agent.holder)
    assert before.problems == ()
    agent.edge.client("Dr Stay").ask(f"Condition?patient={agent.edge.story.adam.hex()}")
    after = audit(agent.network, agent.holder)
    assert after.complete
    assert len(after.logs) == 5
    new = {each.request for each in after.accesses} - {each.request for each in before.accesses}
    assert len(new) == 1
    assert after.accesses[-1].reader == agent.edge.story.staff["Dr Stay"].number


def test_an_agent_reads_its_own_records_over_http_alone(agent: Agent) -> None:
    network, holder = agent.network, agent.holder
    statement, _ = own_statement(holder)
    found = retrieve(network, by_holder(network, holder, statement, EVERYTHING), statement, EVERYTHING)
    here = agent.edge.story.read_own(agent.edge.story.adam, EVERYTHING)
    assert [each.handle for each in found.records] == [each.handle for each in here.records]
    assert [each.body for each in found.records] == [each.body for each in here.records]
    assert found.complete
    assert not any(each.distrust for each in found.records)
    assert len(found.records) >= 6


def test_an_agent_restricts_a_record_over_http(agent: Agent) -> None:
    doctor, patient = agent.edge.client("Dr Stay"), agent.edge.story.adam.hex()
    found = doctor.ask(f"Condition?patient={patient}").matches
    version = bytes.fromhex(doctor.ask(f"Condition/{found[0]['id']}").body["meta"]["versionId"])
    order(agent.network, agent.holder, "restrict", [version], "by-agent")
    left = {each["id"] for each in doctor.ask(f"Condition?patient={patient}").matches}
    assert left == {each["id"] for each in found[1:]}


def test_a_fact_that_too_few_custodians_attest_is_not_believed(agent: Agent) -> None:
    network, pinned = agent.network, agent.pinned
    alias = agent.edge.story.adam
    facts = network.ledger.fresh_head().alias(alias)
    assert facts is not None
    assert facts.controller == agent.holder.controller.address
    first, *others = pinned.signers
    links, clock = custodians(agent.reached, pinned.signers), SystemClock()
    forged = {number: SigningKey.random().address for number in others} | {first: pinned.signers[first]}
    for signers in ({first: pinned.signers[first]}, forged, {}):
        alone = AttestedLedger(agent.reached, replace(pinned, signers=signers), links, clock)
        with pytest.raises(LedgerStale):
            alone.fresh_head().alias(alias)
    second = {number: pinned.signers[number] for number in (first, others[0])}
    two = AttestedLedger(agent.reached, replace(pinned, signers=second), links, clock)
    assert two.fresh_head().alias(alias) == facts


def test_one_custodian_alone_holds_no_agent_back_at_an_old_block_or_leads_it_to_none(agent: Agent) -> None:
    world, (liar, *_) = agent.edge.story.world, agent.pinned.signers
    key = directory.custodian_keys(world.ledger.deployment, liar, world.directories[liar].seeds).signing

    class Lying(EdgeCustodian):
        said: object = 3

        def call(self, method: str, body: bytes) -> bytes:
            asked = FactQuestion.decode(body)
            head = cbor.encode([self.said, bytes(32), 0])
            made = AttestedFact(liar, asked.question, asked.subject, head, 3, bytes(32), asked.nonce)
            return sign(made, key, agent.pinned.deployment).encode()

    links: dict[int, EdgeCustodian] = custodians(agent.reached, agent.pinned.signers)
    for said in (3, 10_000, "x", None, b"", True):
        links[liar] = Lying(agent.reached, liar)
        Lying.said = said
        ledger = AttestedLedger(agent.reached, agent.pinned, links, SystemClock())
        assert ledger.fresh_head().head == world.ledger.fresh_head().head


def test_an_old_attestation_is_not_taken_for_a_new_one(agent: Agent) -> None:
    """Whoever carries the answers replays those of before: each was signed for another question's nonce."""
    kept: dict[tuple[int, str], bytes] = {}

    class Replaying(EdgeCustodian):
        def call(self, method: str, body: bytes) -> bytes:
            question = FactQuestion.decode(body).question
            return kept.setdefault((self.party, question), super().call(method, body))

    signers = dict(list(agent.pinned.signers.items())[:2])
    links = {number: Replaying(agent.reached, number) for number in signers}
    ledger = AttestedLedger(agent.reached, replace(agent.pinned, signers=signers), links, SystemClock())
    seen = ledger.fresh_head()
    assert seen.alias(agent.edge.story.adam) is not None
    with pytest.raises(LedgerStale):
        ledger.fresh_head()
    with pytest.raises(LedgerStale):
        ledger.at(seen.head.number - 1).alias(agent.edge.story.adam)


def test_attested_facts_are_those_of_the_ledger(agent: Agent) -> None:
    seen, view = agent.network.ledger.fresh_head(), agent.edge.story.world.ledger.fresh_head()
    organisation = agent.edge.story.organisations["City"].number
    known, staying = view.party(organisation), agent.edge.story.staying
    assert known is not None
    assert staying is not None
    assert seen.head == view.head
    assert seen.party(organisation) == replace(known, licence=bytes(32))
    assert seen.custodians_ever() == tuple(replace(each, leaving=False) for each in view.custodians_ever())
    assert seen.consent(staying.owner, staying.commitment) == view.consent(staying.owner, staying.commitment)
    assert seen.filed_under(staying.owner) == view.filed_under(staying.owner) == (staying.commitment,)
    nobody = (1, bytes(32), SigningKey.random().address)
    assert seen.party(nobody[0]) is None
    assert seen.custodian(nobody[0]) is None
    assert seen.alias(nobody[1]) is None
    assert seen.consent(nobody[2], nobody[1]) is None
    assert seen.filed_under(nobody[2]) == ()
    assert seen.break_glass(nobody[1]) is None
    assert seen.erased_by(nobody[1]) == frozenset()
    assert seen.checkpoint(nobody[0]) is None


# Acts ---------------------------------------------------------------------------------------------


def test_an_act_is_entered_once_and_says_what_became_of_it(agent: Agent) -> None:
    owner = SigningKey.random()
    said = agent.act(giving(owner), owner)
    reply = agent.post("acts", said)
    assert (reply.status, reply.body["state"]) == (200, "entered")
    facts = on_ledger(agent, owner)
    assert facts.given_at > 0
    again = agent.post("acts", said)
    assert (again.status, again.body["act"]) == (200, reply.body["act"])
    assert agent.get(f"acts/{reply.body['act']}").body["state"] == "entered"
    assert agent.get(f"acts/{'0' * 64}").status == 404
    over = RevokeConsent(owner.address, COMMITMENT, giving(owner).deadline)
    assert agent.post("acts", agent.act(over, owner)).body["state"] == "entered"
    assert on_ledger(agent, owner).revoked_at > 0
    assert problem(agent.get(f"acts/{reply.body['act']}")) == (422, "ledger-refused")


def test_a_stranger_enters_nothing_in_anothers_name(agent: Agent) -> None:
    owner, stranger = SigningKey.random(), SigningKey.random()
    holder, world = agent.holder, agent.edge.story.world
    number, deadline = world.ledger.alias_number(holder.alias), giving(owner).deadline
    turning = RotateAlias(holder.alias, number, stranger.address, 1, 0, deadline)
    before = world.ledger.fresh_head().head
    for said in (
        agent.act(giving(owner), stranger),
        agent.act(RevokeConsent(owner.address, COMMITMENT, deadline), stranger),
        agent.act(turning, stranger, stranger),
        agent.act(turning, holder.controller, owner),
    ):
        assert problem(agent.post("acts", said)) == (403, "signature-refused")
    assert world.ledger.fresh_head().head == before
    staying = agent.edge.story.staying
    assert staying is not None
    ended = RevokeConsent(staying.owner, staying.commitment, deadline)
    assert problem(agent.post("acts", agent.act(ended, stranger))) == (403, "signature-refused")
    assert agent.edge.client("Dr Stay").ask(f"Condition?patient={holder.alias.hex()}").status == 200


def test_an_act_for_another_chain_or_contract_or_time_is_refused_before_it_is_sent(agent: Agent) -> None:
    owner, world = SigningKey.random(), agent.edge.story.world
    before = world.ledger.fresh_head().head
    chain, contract = {"chain": agent.pinned.chain_id + 1}, {"contract": agent.pinned.contracts["Aliases"]}
    for elsewhere in (chain, contract):
        said = agent.act(giving(owner), owner, **elsewhere)
        assert problem(agent.post("acts", said)) == (400, "api-refused")
        said["domain"] = agent.act(giving(owner), owner)["domain"]  # it says here, and is signed for there
        assert problem(agent.post("acts", said)) == (403, "signature-refused")
    now = SystemClock().now()
    for changed in (
        {"deadline": now - 100},
        {"deadline": now + 7_200},
        {"until": now - 1},
        {"start": now + 2 * DAY},
    ):
        refused = agent.post("acts", agent.act(giving(owner, **changed), owner))
        assert problem(refused) == (422, "ledger-refused")
    assert world.ledger.fresh_head().head == before


def test_what_is_no_patients_act_is_refused_whatever_it_looks_like(agent: Agent) -> None:
    owner, world = SigningKey.random(), agent.edge.story.world
    said, before = agent.act(giving(owner), owner), world.ledger.fresh_head().head
    changes: list[dict[str, Any]] = [
        {"primaryType": "OpenAlias"},
        {"primaryType": "AnchorCheckpoint"},
        {"primaryType": "RevokeConsent"},
        {"message": {}},
        {"message": said["message"] | {"deadline": "1e9"}},
        {"message": said["message"] | {"deadline": "-1"}},
        {"message": said["message"] | {"deadline": "0x10"}},
        {"message": said["message"] | {"deadline": str(2**64)}},
        {"message": said["message"] | {"deadline": 10**30}},
        {"message": said["message"] | {"deadline": True}},
        {"message": said["message"] | {"owner": said["message"]["owner"][:-2]}},
        {"message": said["message"] | {"owner": said["message"]["owner"].upper()}},
        {"message": said["message"] | {"commitment": "ü" * 66}},
        {"message": said["message"] | {"more": 1}},
        {"signatures": []},
        {"signatures": said["signatures"] * 2},
        {"signatures": said["signatures"] * 3},
        {"signatures": ["0x"]},
        {"domain": said["domain"] | {"salt": "0x"}},
        {"from": "0x"},
    ]
    for changed in changes:
        reply = agent.post("acts", said | changed)
        assert reply.status in (400, 422), changed
        assert problem(reply)[1] in ("api-refused", "malformed-bytes"), changed
    for body in (
        b"",
        b"[]",
        b"{",
        b'"x"',
        b"[" * 50_000,
        b"\xff",
        b'{"message": {"deadline": 1' + b"0" * 5_000 + b"}}",
    ):
        assert problem(agent.post("acts", body)) == (400, "api-refused")
    assert problem(agent.post("acts", b" " * 70_000)) == (413, "too-large")
    assert agent.post("acts", json.dumps(said).encode(), Content_Type="text/plain").status == 415
    assert world.ledger.fresh_head().head == before
    assert on_ledger(agent, owner) is None


def test_an_act_on_its_way_is_taken_and_found_again(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, ledger = SigningKey.random(), agent.edge.story.world.ledger
    carry = ledger.carry

    def slow(*given: Any) -> Any:
        carry(*given)
        raise StoreUnavailable(why="the node did not answer in time")

    monkeypatch.setattr(ledger, "carry", slow)
    reply = agent.post("acts", agent.act(giving(owner), owner))
    assert (reply.status, reply.body["state"], reply.body["block"]) == (202, "waiting", None)
    assert agent.get(f"acts/{reply.body['act']}").body["state"] == "entered"


def problem(reply: Reply) -> tuple[int, str]:
    assert reply.headers["Content-Type"] == "application/problem+json"
    return reply.status, reply.body["type"].removeprefix("urn:careledger:problem:")


# Packages -----------------------------------------------------------------------------------------


def test_a_package_is_posted_once_and_only_its_addressee_opens_it(agent: Agent) -> None:
    mine, stranger = SealingKey.random(), SealingKey.random()
    package = seal_package(mine.public, b"what nobody else may know")
    board = EdgeBoard(agent.reached)
    start, _ = board.since(0)
    board.post(package)
    agent.reached.post("/agent/packages", {"package": base64.b64encode(package).decode()})
    reached, found = board.since(start)
    assert found == [package]
    assert board.since(reached) == (reached, [])
    assert open_package(mine, found[0]) == b"what nobody else may know"
    with pytest.raises(CannotOpen):
        open_package(stranger, found[0])
    everything = board.since(0)[1]
    assert everything == agent.edge.story.world.board.since(0)[1]
    assert [number for number, _ in find_packages([stranger], everything)] == []


def test_packages_come_in_parts_and_of_three_sizes_only(agent: Agent) -> None:
    before = agent.edge.story.world.board.since(0)[0]
    for _ in range(20):
        agent.reached.post(
            "/agent/packages", {"package": base64.b64encode(secrets.token_bytes(4096)).decode()}
        )
    part = agent.get(f"packages?after={before}").body
    assert len(part["packages"]) == 16
    assert len(agent.get(f"packages?after={part['position']}").body["packages"]) == 4
    position = agent.edge.story.world.board.since(0)[0]
    for size in (0, 1, 4095, 5000, 65_537):
        said = {"package": base64.b64encode(bytes(size)).decode()}
        assert problem(agent.post("packages", said)) == (422, "malformed-bytes")
    assert problem(agent.post("packages", {"package": "A" * 200_000})) == (413, "too-large")
    wrong: tuple[dict[str, Any], ...] = ({"package": "***"}, {"package": 1}, {}, {"package": "", "to": "x"})
    for each in wrong:
        assert problem(agent.post("packages", each)) == (400, "api-refused")
    for query in ("after=-1", "after=x", "after=1&after=2", "since=1", f"after={2**70}"):
        assert problem(agent.get(f"packages?{query}")) == (400, "api-refused")
    assert agent.edge.story.world.board.since(0)[0] == position


def test_a_sealing_key_is_shown_and_a_party_without_one_has_none(agent: Agent) -> None:
    city = agent.edge.story.organisations["City"]
    assert EdgeBoard(agent.reached).sealing_key(city.number) == city.sealing.public
    assert EdgeBoard(agent.reached).sealing_key(1) is None
    assert agent.get("sealing-keys/zz").status == 404


# Custodians ---------------------------------------------------------------------------------------


def asked(agent: Agent, method: str, body: bytes, number: int | None = None) -> Reply:
    named = next(iter(agent.pinned.signers)) if number is None else number
    said = {"method": method, "message": base64.b64encode(body).decode()}
    return agent.post(f"custodians/{named:016x}", said)


def test_a_custodians_refusal_comes_as_its_own_with_its_details(agent: Agent) -> None:
    reply = asked(agent, "alias", b"nonsense")
    assert (reply.status, reply.body["answer"], reply.body["refusal"]["error"]) == (
        200,
        None,
        "MalformedBytes",
    )
    links = custodians(agent.reached, agent.pinned.signers)
    link = next(iter(links.values()))
    with pytest.raises(MalformedBytes):
        link.call("attest", FactQuestion("weather", b"", bytes(16), None).encode())
    with pytest.raises(PatientNotFound):
        link.call("audit", sign(AuditRequest(bytes(16), bytes(32), 0, link.party, 0, SystemClock().now() + 30),
                                SigningKey.random(), agent.pinned.deployment).encode())  # fmt: skip


def test_a_stranger_who_asks_custodians_gets_and_changes_nothing(agent: Agent) -> None:
    stranger, alias, now = SigningKey.random(), agent.edge.story.adam, SystemClock().now()
    number, deployment = next(iter(agent.pinned.signers)), agent.pinned.deployment
    head = agent.edge.story.world.ledger.fresh_head().head.number
    asked_for = AuditRequest(secrets.token_bytes(16), alias, 1, number, 0, now + 30)
    ordered = Order(
        secrets.token_bytes(16), alias, "erase", (agent.edge.story.before[0],), "", head, now + 30
    )
    for method, body in (
        ("audit", sign(asked_for, stranger, deployment).encode()),
        ("order", sign(ordered, stranger, deployment).encode()),
    ):
        reply = asked(agent, method, body)
        assert (reply.status, reply.body["answer"]) == (200, None)
        assert reply.body["refusal"]["error"] in ("SignatureRefused", "AccessRefused", "NotTheController")
    for method in ("enrol", "keep-epoch", "release", "revoked", "stands", "order"):
        reply = asked(agent, method, secrets.token_bytes(300))
        assert (reply.status, reply.body["answer"]) == (200, None), method
    assert agent.edge.client("Dr Stay").ask(f"Condition?patient={alias.hex()}").status == 200


def test_whatever_a_stranger_sends_to_a_custodian_is_refused_and_breaks_nothing(agent: Agent) -> None:
    """Every message that travels, signed by a stranger or not, whole or with bytes changed, to every method."""
    random, stranger = Random(7), SigningKey.random()
    kinds: tuple[type[Message], ...] = (
        *(Enrolment, EpochRecords, Order, AuditRequest, AliasQuestion, FactQuestion, ConsentRevocation),
        *(SignedRequest, StandingQuestion),
    )
    examples = [kind.example() for kind in kinds]
    sent = [
        form
        for each in examples
        for form in (each.encode(), sign(each, stranger, agent.pinned.deployment).encode())
    ]
    link, answered = EdgeCustodian(agent.reached, next(iter(agent.pinned.signers))), set[str]()
    refused: set[type[CareLedgerError]] = set()
    for method in sorted(METHODS - {"keys"}):
        for each in sent:
            changed = bytearray(each)
            changed[random.randrange(len(each))] ^= 1 << random.randrange(8)
            for body in (each, bytes(changed)):
                try:
                    link.call(method, body)
                    answered.add(method)
                except CareLedgerError as refusal:
                    refused.add(type(refusal))
    assert StoreUnavailable not in refused  # as which an answer 500 would come
    assert {MalformedBytes, ProofRefused} <= refused
    assert answered <= {"alias", "attest"}  # an alias that nobody has, a fact that is none
    assert agent.edge.client("Dr Stay").ask(f"Condition?patient={agent.edge.story.adam.hex()}").status == 200


def test_what_no_agent_asks_is_not_passed_on(agent: Agent) -> None:
    others = set(EVERY_METHOD) - METHODS
    assert {"keep", "anchored", "cosign", "repair-finish", "tend", "checkpoint", "retract"} <= others
    for method in (*others, "", "eval", "x" * 32):
        assert problem(asked(agent, method, b"")) == (403, "act-refused"), method
    assert problem(asked(agent, "keys", b"", number=1)) == (404, "party-not-found")
    assert problem(agent.post("custodians/xyz", {"method": "keys", "message": ""})) == (
        404,
        "record-not-found",
    )
    for said in (
        {},
        {"method": "keys"},
        {"method": 1, "message": ""},
        {"method": "keys", "message": "", "as": "x"},
    ):
        named = f"custodians/{next(iter(agent.pinned.signers)):016x}"
        assert problem(agent.post(named, said)) == (400, "api-refused")


def test_whoever_asks_too_often_is_told_when_to_come_back(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All who come without a token together, each operation by itself."""
    strangers = agent.edge.gateway._edge._api._strangers["act"]
    monkeypatch.setattr(strangers, "_together", Pace(3, 0.001))
    replies = [agent.get(f"acts/{'1' * 64}") for _ in range(4)]
    assert [each.status for each in replies] == [404, 404, 404, 429]
    assert problem(replies[-1]) == (429, "throttled")
    assert int(replies[-1].headers["Retry-After"]) >= 1
    assert agent.get("network").status == 200


def test_what_is_posted_over_http_names_nobody_in_any_address(agent: Agent) -> None:
    """Aliases, owners and commitments travel in bodies: no route has a part for any of them."""
    parts = {
        part for _, path in agent.edge.gateway.routes() if "/agent/" in path for part in path.split("{")[1:]
    }
    assert {part.partition("}")[0] for part in parts} == {"custodian", "act", "number", "client"}


# What the links say of a gateway that is not one ---------------------------------------------------


def test_a_gateway_that_is_gone_or_refuses_is_told_apart(agent: Agent) -> None:
    gone = Reached("http://127.0.0.1:9")
    with pytest.raises(StoreUnavailable):
        gone.get("/agent/network")
    owner = SigningKey.random()
    for said, refusal in (
        (agent.act(giving(owner), SigningKey.random()), SignatureRefused),
        (agent.act(giving(owner, deadline=1), owner), LedgerRefused),
        ({}, ApiRefused),
    ):
        with pytest.raises(refusal):
            agent.reached.post("/agent/acts", said)
    with pytest.raises(PartyNotFound):
        agent.reached.get("/agent/sealing-keys/0000000000000001")
