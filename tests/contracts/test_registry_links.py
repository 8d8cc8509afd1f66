"""Links between aliases are commitments; nothing on the ledger joins two aliases."""

from __future__ import annotations

import pytest

from careledger.formats.consent_messages import LedgerMessage
from careledger.formats.ledger_messages import LinkAliases, UnlinkAliases
from careledger.formats.signatures import SigningKey
from contracts.harness import DAY, HOUR, Contract, Receipt, high_s, key, refused
from contracts.registry_world import HOSPITAL, OFFICERS, STRANGER, Consortium, controller, digest

ONCE, COMMITMENT = key("one-time key of the link"), digest("salt, both aliases, both signatures")
UNKNOWN, LINKED, UNDONE = 0, 1, 2
NOBODY = bytes(20)


@pytest.fixture
def links(net: Consortium) -> Contract:
    """The links of the consortium."""
    return net.add("Links")


def _send(net: Consortium, links: Contract, message: LedgerMessage, by: SigningKey = ONCE) -> Receipt:
    assert isinstance(message, LinkAliases | UnlinkAliases)
    function = "link" if isinstance(message, LinkAliases) else "unlink"
    fields = (message.owner, message.commitment, message.deadline)
    return links.send(STRANGER, function, *fields, net.signed(message, by, links))


def _state(links: Contract, owner: bytes = ONCE.address) -> int:
    return int(links.call("state", owner, COMMITMENT))


def _officer(links: Contract, function: str, which: int) -> Receipt:
    return links.send(controller(OFFICERS[which]), function, OFFICERS[which], COMMITMENT)


def test_a_patient_links_and_unlinks_under_a_key_of_this_link_alone(net: Consortium, links: Contract) -> None:
    sent = _send(net, links, LinkAliases(ONCE.address, COMMITMENT, net.soon()))
    assert sent.events[0].fields == {"owner": "0x" + ONCE.address.hex(), "commitment": COMMITMENT}
    assert _state(links) == LINKED
    _send(net, links, UnlinkAliases(ONCE.address, COMMITMENT, net.soon()))
    assert _state(links) == UNDONE
    with refused("state"):
        _send(net, links, LinkAliases(ONCE.address, COMMITMENT, net.soon()))
    with refused("state"):
        _send(net, links, UnlinkAliases(ONCE.address, COMMITMENT, net.soon()))


def test_a_strangers_late_or_malleable_signature_links_nothing(net: Consortium, links: Contract) -> None:
    message = LinkAliases(ONCE.address, COMMITMENT, net.soon())
    fields, good = (ONCE.address, COMMITMENT, message.deadline), net.signed(message, ONCE, links)
    with refused("signer"):
        _send(net, links, message, STRANGER)
    with refused("signature form"):
        links.send(STRANGER, "link", *fields, high_s(good))
    with refused("signer"):
        links.send(STRANGER, "unlink", *fields, good)
    with refused("deadline too far"):
        _send(net, links, LinkAliases(ONCE.address, COMMITMENT, net.chain.time + DAY))
    net.chain.pass_time(HOUR)
    with refused("expired"):
        links.send(STRANGER, "link", *fields, good)
    assert _state(links) == UNKNOWN


def test_nobody_occupies_anothers_commitment(net: Consortium, links: Contract) -> None:
    _send(net, links, LinkAliases(STRANGER.address, COMMITMENT, net.soon()), STRANGER)
    assert _state(links) == UNKNOWN
    _send(net, links, LinkAliases(ONCE.address, COMMITMENT, net.soon()))
    assert _state(links) == LINKED


def test_undoing_an_unknown_link_burns_it(net: Consortium, links: Contract) -> None:
    _send(net, links, UnlinkAliases(ONCE.address, COMMITMENT, net.soon()))
    with refused("state"):
        _send(net, links, LinkAliases(ONCE.address, COMMITMENT, net.soon()))


def test_two_officers_link_and_unlink_unclaimed_aliases(net: Consortium, links: Contract) -> None:
    _officer(links, "vote_link", 0)
    assert _state(links, NOBODY) == UNKNOWN
    with refused("voted"):
        _officer(links, "vote_link", 0)
    with refused("state"):
        _officer(links, "vote_unlink", 0)
    _officer(links, "vote_link", 1)
    assert _state(links, NOBODY) == LINKED
    _officer(links, "vote_unlink", 0)
    assert _state(links, NOBODY) == LINKED
    _officer(links, "vote_unlink", 2)
    assert _state(links, NOBODY) == UNDONE
    with refused("state"):
        _officer(links, "vote_link", 2)


def test_nobody_but_officers_votes_for_a_link(net: Consortium, links: Contract) -> None:
    _officer(links, "vote_link", 0)
    with refused("officer"):
        links.send(STRANGER, "vote_link", OFFICERS[1], COMMITMENT)
    with refused("officer"):
        links.send(controller(HOSPITAL), "vote_link", HOSPITAL, COMMITMENT)
    _officer(links, "vote_link", 1)
    with refused("officer"):
        links.send(controller(HOSPITAL), "vote_unlink", HOSPITAL, COMMITMENT)
    assert _state(links, NOBODY) == LINKED


def test_the_zero_address_signs_nothing(net: Consortium, links: Contract) -> None:
    for junk in (bytes(64) + b"\x1b", bytes(65), b""):
        with refused("signature form"):
            links.send(STRANGER, "link", NOBODY, COMMITMENT, net.soon(), junk)
