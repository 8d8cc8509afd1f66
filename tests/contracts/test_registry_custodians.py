"""Custodians join and leave in two steps, with keys that sign for themselves."""

from __future__ import annotations

from careledger.formats.ledger_messages import CustodianKeys
from careledger.formats.ledger_words import CustodianWord
from contracts.harness import DAY, high_s, key, refused
from contracts.registry_world import (
    CENTRE,
    DOCTOR,
    HOSPITAL,
    OFFICERS,
    PHARMACY,
    STRANGER,
    Consortium,
    digest,
)

SIGNING, LOG = key("signing"), digest("log key")
ANNOUNCED, ACTIVE, LEAVING, LEFT = 1, 2, 3, 4


def _announce(net: Consortium, party: int = HOSPITAL) -> None:
    net.act(party, "announce_custodian", *net.custodian_keys(party, SIGNING, LOG))


def _word(net: Consortium, party: int = HOSPITAL) -> CustodianWord:
    return CustodianWord.parse(net.registry.call("custodian_word", party))


def test_an_organisation_announces_itself_and_activates_after_a_day(net: Consortium) -> None:
    _announce(net)
    announced = _word(net)
    assert (announced.signing_key, announced.state, announced.place) == (SIGNING.address, ANNOUNCED, 1)
    assert net.registry.call("custodian_index", HOSPITAL) == 0
    net.chain.pass_time(DAY - 10)
    with refused("too early"):
        net.act(HOSPITAL, "activate_custodian", HOSPITAL)
    net.chain.pass_time(10)
    net.act(HOSPITAL, "activate_custodian", HOSPITAL)
    assert net.registry.call("custodian", HOSPITAL)[1:3] == (LOG, ACTIVE)
    assert net.registry.call("custodian_index", HOSPITAL) == 1
    assert _word(net).signing_key == SIGNING.address


def test_an_officer_admits_at_once(net: Consortium) -> None:
    with refused("custodian state"):
        net.officer("admit_custodian", HOSPITAL)
    _announce(net)
    with refused("caller"):
        net.registry.send(STRANGER, "admit_custodian", OFFICERS[0], HOSPITAL)
    with refused("officer"):
        net.act(CENTRE, "admit_custodian", CENTRE, HOSPITAL)
    net.officer("admit_custodian", HOSPITAL)
    assert _word(net).state == ACTIVE
    with refused("custodian state"):
        net.officer("admit_custodian", HOSPITAL)


def test_active_custodians_are_listed_by_place(net: Consortium) -> None:
    for party in (CENTRE, HOSPITAL):
        net.add_custodian(party)
    count = net.registry.call("custodian_count")
    assert [net.registry.call("custodian_at", i) for i in range(count)] == [CENTRE, HOSPITAL]
    assert (_word(net, CENTRE).place, _word(net).place) == (1, 2)


def test_a_custodian_leaves_in_two_steps_and_keeps_its_place(net: Consortium) -> None:
    net.add_custodian(HOSPITAL)
    with refused("custodian state"):
        net.act(HOSPITAL, "leave_custody", HOSPITAL)
    with refused("custodian state"):
        net.officer("release_custodian", HOSPITAL)
    net.act(HOSPITAL, "announce_leaving", HOSPITAL)
    assert net.registry.call("custodian_index", HOSPITAL) == 1
    with refused("too early"):
        net.act(HOSPITAL, "leave_custody", HOSPITAL)
    net.chain.pass_time(7 * DAY)
    with refused("caller"):
        net.registry.send(STRANGER, "leave_custody", HOSPITAL)
    net.act(HOSPITAL, "leave_custody", HOSPITAL)
    assert (_word(net).state, _word(net).place) == (LEFT, 1)
    assert net.registry.call("custodian_index", HOSPITAL) == 0
    assert net.registry.call("custodian_count") == 1
    _announce(net)
    assert (_word(net).state, _word(net).place) == (ANNOUNCED, 1)
    assert net.registry.call("custodian_count") == 1


def test_an_officer_releases_who_leaves_or_was_suspended(net: Consortium) -> None:
    for party in (HOSPITAL, CENTRE):
        net.add_custodian(party)
    net.act(CENTRE, "announce_leaving", CENTRE)
    net.officer("release_custodian", CENTRE)
    assert _word(net, CENTRE).state == LEFT
    net.officer("suspend", HOSPITAL)
    assert net.registry.call("custodian_index", HOSPITAL) == 0
    with refused("officer"):
        net.act(CENTRE, "release_custodian", CENTRE, HOSPITAL)
    net.officer("release_custodian", HOSPITAL)
    assert _word(net).state == LEFT
    with refused("custodian state"):
        net.officer("release_custodian", HOSPITAL)


def test_only_a_verified_organisation_joins(net: Consortium) -> None:
    with refused("caller"):
        net.registry.send(STRANGER, "announce_custodian", *net.custodian_keys(HOSPITAL, SIGNING, LOG))
    with refused("role"):
        _announce(net, DOCTOR)
    net.add_pending(PHARMACY)
    with refused("status"):
        _announce(net, PHARMACY)
    _announce(net)
    with refused("custodian state"):
        _announce(net)
    net.officer("suspend", HOSPITAL)
    net.chain.pass_time(DAY)
    with refused("status"):
        net.act(HOSPITAL, "activate_custodian", HOSPITAL)
    with refused("status"):
        net.officer("admit_custodian", HOSPITAL)


def test_the_signing_key_shows_that_it_exists(net: Consortium) -> None:
    message = CustodianKeys(HOSPITAL, SIGNING.address, LOG, net.soon())
    good = net.signed(message, SIGNING)
    args = (HOSPITAL, SIGNING.address, LOG, message.deadline)
    with refused("signer"):
        net.act(HOSPITAL, "announce_custodian", *args, net.signed(message, STRANGER))
    with refused("signer"):
        net.act(HOSPITAL, "announce_custodian", HOSPITAL, SIGNING.address, digest("other"), args[3], good)
    with refused("signer"):
        net.act(CENTRE, "announce_custodian", CENTRE, *args[1:], good)
    with refused("signature form"):
        net.act(HOSPITAL, "announce_custodian", *args, high_s(good))
    with refused("empty"):
        net.act(HOSPITAL, "announce_custodian", *net.custodian_keys(HOSPITAL, SIGNING, bytes(32)))
    net.chain.pass_time(DAY)
    with refused("expired"):
        net.act(HOSPITAL, "announce_custodian", *args, good)


def test_a_serving_custodian_takes_new_keys_at_once(net: Consortium) -> None:
    with refused("custodian state"):
        net.act(HOSPITAL, "rekey_custodian", *net.custodian_keys(HOSPITAL, SIGNING, LOG))
    net.add_custodian(HOSPITAL)
    since, new = _word(net).since, key("second signing key")
    with refused("caller"):
        net.registry.send(STRANGER, "rekey_custodian", *net.custodian_keys(HOSPITAL, new, LOG))
    sent = net.act(HOSPITAL, "rekey_custodian", *net.custodian_keys(HOSPITAL, new, digest("second")))
    assert sent.events[0].fields["log_key"] == digest("second")
    assert _word(net) == CustodianWord(new.address, ACTIVE, since, 1)


def test_only_an_active_custodian_announces_that_it_leaves(net: Consortium) -> None:
    with refused("custodian state"):
        net.act(HOSPITAL, "announce_leaving", HOSPITAL)
    net.add_custodian(HOSPITAL)
    with refused("caller"):
        net.registry.send(STRANGER, "announce_leaving", HOSPITAL)
    net.act(HOSPITAL, "announce_leaving", HOSPITAL)
    assert _word(net).state == LEAVING
    with refused("custodian state"):
        net.act(HOSPITAL, "announce_leaving", HOSPITAL)
