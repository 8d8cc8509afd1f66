"""Posts and keys: vouched for and ended by the employer, controllers rotated with proof of possession."""

from __future__ import annotations

import pytest

from careledger.domain.parties import Role, Status
from careledger.formats.ledger_messages import RotateController
from careledger.formats.ledger_words import PartyWord
from contracts.harness import DAY, HOUR, Chain, high_s, key, refused
from contracts.registry_world import (
    CENTRE,
    DOCTOR,
    DOCTOR_ROLE,
    HOSPITAL,
    MINISTRY,
    NURSE,
    NURSE_ROLE,
    OFFICERS,
    PHARMACY,
    STRANGER,
    TECHNICIAN,
    Consortium,
    controller,
    digest,
)


def _vouch(net: Consortium, employer: int, post: int, roles: int = NURSE_ROLE, **sent: object) -> None:
    sender = sent.get("sender", controller(employer))
    licence, sealing_key = net.declared(post)
    args = (employer, post, controller(post).address, roles, licence, sealing_key)
    net.registry.send(sender, "vouch", *args)  # type: ignore[arg-type]


def test_a_verified_employer_vouches_for_a_post(net: Consortium) -> None:
    post = PartyWord.parse(net.registry.call("party_word", DOCTOR))
    assert (post.status, post.roles, post.employer) == (Status.VERIFIED, frozenset({Role.DOCTOR}), HOSPITAL)
    assert post.controller == controller(DOCTOR).address
    assert not post.is_organisation
    assert net.registry.call("keys", DOCTOR)[0] == digest(f"sealing key {DOCTOR}")


def test_nobody_else_vouches(net: Consortium) -> None:
    with refused("caller"):
        _vouch(net, HOSPITAL, TECHNICIAN, sender=STRANGER)
    with refused("caller"):
        _vouch(net, HOSPITAL, TECHNICIAN, sender=controller(CENTRE))
    with refused("role"):
        _vouch(net, DOCTOR, TECHNICIAN)
    net.add_pending(PHARMACY)
    with refused("status"):
        _vouch(net, PHARMACY, TECHNICIAN)
    net.officer("suspend", HOSPITAL)
    with refused("status"):
        _vouch(net, HOSPITAL, TECHNICIAN)
    assert net.standing(TECHNICIAN) == Status.UNKNOWN


@pytest.mark.parametrize(
    "roles", [0, 1 << Role.MINISTRY, 1 << Role.HOSPITAL, DOCTOR_ROLE | 1 << Role.PATIENT, 1 << 14]
)
def test_a_post_takes_only_roles_of_posts(net: Consortium, roles: int) -> None:
    with refused("role"):
        _vouch(net, HOSPITAL, TECHNICIAN, roles)
    with refused("role"):
        _vouch(net, MINISTRY, TECHNICIAN, roles)


def test_a_post_needs_keys_and_a_free_number(net: Consortium) -> None:
    with refused("taken"):
        _vouch(net, HOSPITAL, DOCTOR)
    with refused("empty"):
        net.act(HOSPITAL, "vouch", HOSPITAL, TECHNICIAN, STRANGER.address, NURSE_ROLE, digest("l"), bytes(32))
    with refused("empty"):
        net.act(HOSPITAL, "vouch", HOSPITAL, TECHNICIAN, bytes(20), NURSE_ROLE, digest("l"), digest("k"))


def test_the_employer_ends_a_post_for_good(net: Consortium) -> None:
    for sender in (STRANGER, controller(CENTRE), controller(DOCTOR), controller(OFFICERS[0])):
        with refused("caller"):
            net.registry.send(sender, "end_post", DOCTOR)
    ended = net.act(HOSPITAL, "end_post", DOCTOR)
    assert ended.events[0].fields == {"party": DOCTOR, "employer": HOSPITAL}
    assert net.standing(DOCTOR) == Status.REMOVED
    with refused("status"):
        net.act(HOSPITAL, "end_post", DOCTOR)
    with refused("taken"):
        _vouch(net, HOSPITAL, DOCTOR)
    with refused("status"):
        net.officer("reinstate", DOCTOR)
    assert net.standing(NURSE) == Status.VERIFIED


def test_a_suspended_employer_still_ends_posts_and_a_removed_one_does_nothing(net: Consortium) -> None:
    net.officer("suspend", HOSPITAL)
    net.act(HOSPITAL, "end_post", DOCTOR)
    assert net.status(DOCTOR) == Status.REMOVED
    net.officer("remove", HOSPITAL)
    with refused("employer status"):
        net.act(HOSPITAL, "end_post", NURSE)


def test_what_is_no_post_is_not_ended(net: Consortium) -> None:
    for party in (HOSPITAL, TECHNICIAN, MINISTRY):
        with refused("unknown"):
            net.act(HOSPITAL, "end_post", party)
    with refused("role"):
        net.act(MINISTRY, "end_post", OFFICERS[0])


def test_an_officer_suspends_a_post_and_its_employer_cannot_undo_it(net: Consortium) -> None:
    net.officer("suspend", DOCTOR)
    assert net.standing(DOCTOR) == Status.SUSPENDED
    with refused("officer"):
        net.act(HOSPITAL, "reinstate", HOSPITAL, DOCTOR)
    with refused("status"):
        net.act(HOSPITAL, "rekey_post", DOCTOR, STRANGER.address, digest("key"))
    with refused("status"):
        net.rotate(DOCTOR, key("new"))
    net.officer("reinstate", DOCTOR)
    assert net.standing(DOCTOR) == Status.VERIFIED


def test_the_employer_gives_a_post_new_keys(net: Consortium) -> None:
    net.act(HOSPITAL, "rekey_post", DOCTOR, key("new").address, digest("new sealing key"))
    party = PartyWord.parse(net.registry.call("party_word", DOCTOR))
    assert (party.controller, party.employer, party.roles) == (
        key("new").address,
        HOSPITAL,
        frozenset({Role.DOCTOR}),
    )
    assert net.registry.call("keys", DOCTOR)[0] == digest("new sealing key")
    with refused("caller"):
        net.act(CENTRE, "rekey_post", DOCTOR, STRANGER.address, digest("key"))
    with refused("unknown"):
        net.act(HOSPITAL, "rekey_post", CENTRE, STRANGER.address, digest("key"))
    with refused("role"):
        net.act(MINISTRY, "rekey_post", OFFICERS[0], STRANGER.address, digest("key"))
    with refused("empty"):
        net.act(HOSPITAL, "rekey_post", DOCTOR, bytes(20), digest("key"))


def test_a_party_rotates_to_a_key_that_signs_too(net: Consortium) -> None:
    for party in (HOSPITAL, DOCTOR, OFFICERS[1], MINISTRY):
        new = key(f"rotated {party}")
        sent = net.rotate(party, new)
        assert sent.events[0].name == "ControllerRotatedV1"
        before = PartyWord.parse(net.registry.call("party_word", party))
        assert (before.controller, before.status) == (new.address, Status.VERIFIED)
        with refused("caller"):
            net.rotate(party, key("again"))


def test_a_rotation_needs_the_present_controller(net: Consortium) -> None:
    with refused("caller"):
        net.rotate(HOSPITAL, STRANGER, sender=STRANGER)
    with refused("caller"):
        net.rotate(DOCTOR, STRANGER, sender=controller(HOSPITAL))


def test_a_rotation_needs_the_new_keys_own_well_formed_signature(net: Consortium) -> None:
    new, deadline = key("new"), net.soon()
    message = RotateController(HOSPITAL, new.address, deadline)
    good = net.signed(message, new)
    args = (HOSPITAL, new.address, deadline)
    with refused("signer"):
        net.act(HOSPITAL, "rotate_controller", *args, net.signed(message, STRANGER))
    with refused("signer"):
        net.act(HOSPITAL, "rotate_controller", HOSPITAL, new.address, deadline + 1, good)
    with refused("signer"):
        net.act(CENTRE, "rotate_controller", CENTRE, new.address, deadline, good)
    for form in (high_s(good), good[:64], b"", good[:64] + b"\0", good[:64] + b"\1", bytes(65)):
        with refused("signature form"):
            net.act(HOSPITAL, "rotate_controller", *args, form)
    net.act(HOSPITAL, "rotate_controller", *args, good)


def test_a_signature_for_another_contract_or_chain_does_not_count(net: Consortium) -> None:
    new, deadline = key("new"), net.soon()
    message = RotateController(HOSPITAL, new.address, deadline)
    elsewhere = message.sign(new, net.chain.chain_id, STRANGER.address)
    other_chain = message.sign(new, Chain(chain_id=5).chain_id, net.registry.address)
    for signature in (elsewhere, other_chain):
        with refused("signer"):
            net.act(HOSPITAL, "rotate_controller", HOSPITAL, new.address, deadline, signature)


def test_a_rotation_counts_until_its_deadline_which_is_near(net: Consortium) -> None:
    new = key("new")
    late = RotateController(HOSPITAL, new.address, net.soon())
    far = RotateController(HOSPITAL, new.address, net.chain.time + DAY)
    with refused("deadline too far"):
        net.act(HOSPITAL, "rotate_controller", HOSPITAL, new.address, far.deadline, net.signed(far, new))
    net.chain.pass_time(HOUR)
    with refused("expired"):
        net.act(HOSPITAL, "rotate_controller", HOSPITAL, new.address, late.deadline, net.signed(late, new))


def test_only_who_stands_verified_rotates_or_replaces_keys(net: Consortium) -> None:
    net.act(DOCTOR, "replace_sealing_key", DOCTOR, digest("second"))
    assert net.registry.call("keys", DOCTOR)[0] == digest("second")
    with refused("empty"):
        net.act(DOCTOR, "replace_sealing_key", DOCTOR, bytes(32))
    with refused("caller"):
        net.registry.send(STRANGER, "replace_sealing_key", DOCTOR, digest("third"))
    net.officer("suspend", HOSPITAL)
    for party in (HOSPITAL, DOCTOR):
        with refused("status"):
            net.act(party, "replace_sealing_key", party, digest("third"))
        with refused("status"):
            net.rotate(party, key("new"))
