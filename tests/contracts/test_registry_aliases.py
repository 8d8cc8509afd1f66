"""Aliases: opened, rotated and claimed by signatures that anybody may carry."""

from __future__ import annotations

from dataclasses import replace

import pytest

from careledger.domain.parties import ControllerKind
from careledger.formats.ledger_messages import OpenAlias, RotateAlias
from careledger.formats.ledger_words import AliasWord
from contracts.harness import DAY, HOUR, Contract, high_s, key, refused
from contracts.registry_world import (
    CENTRE,
    DOCTOR,
    HOSPITAL,
    MINISTRY,
    PHARMACY,
    STRANGER,
    Consortium,
    controller,
    digest,
    opened,
    turned,
)

ALIAS, OTHER = digest("alias"), digest("another alias")
PATIENT, GUARDIAN, GATEWAY, NEW = (
    key("patient"),
    key("guardian"),
    key("gateway's key of the alias"),
    key("new"),
)
SELF, GUARDED, REGISTRAR, NOBODY = (
    ControllerKind.SELF,
    ControllerKind.GUARDIAN,
    ControllerKind.REGISTRAR,
    ControllerKind.NOBODY,
)


@pytest.fixture
def aliases(net: Consortium) -> Contract:
    """The aliases of the consortium."""
    return net.add("Aliases")


def _open(net: Consortium, aliases: Contract, kind: ControllerKind = SELF, detail: int = 0) -> None:
    by = {SELF: PATIENT, GUARDED: GUARDIAN, REGISTRAR: GATEWAY}[kind]
    registrar = controller(detail) if kind is REGISTRAR else None
    opened(net, aliases, OpenAlias(ALIAS, by.address, kind, detail, net.soon()), by, registrar)


def _rotation(net: Consortium, number: int = 1, kind: ControllerKind = SELF, detail: int = 0) -> RotateAlias:
    return RotateAlias(ALIAS, number, NEW.address, kind, detail, net.soon())


def _word(aliases: Contract) -> AliasWord:
    return AliasWord.parse(aliases.call("alias_word", ALIAS))


def test_a_patient_opens_an_alias_that_a_stranger_carries(net: Consortium, aliases: Contract) -> None:
    message = OpenAlias(ALIAS, PATIENT.address, SELF, 0, net.soon())
    sent = opened(net, aliases, message, PATIENT)
    assert [event.name for event in sent.events] == ["AliasOpenedV1"]
    assert _word(aliases) == AliasWord(PATIENT.address, SELF, 0, 1)
    assert aliases.call("controller", ALIAS) == "0x" + PATIENT.address.hex()
    with refused("taken"):
        opened(net, aliases, message, PATIENT)


def test_an_unclaimed_alias_is_signed_by_its_registrar_too(net: Consortium, aliases: Contract) -> None:
    message = OpenAlias(ALIAS, GATEWAY.address, REGISTRAR, HOSPITAL, net.soon())
    for wrong in (STRANGER, controller(CENTRE), controller(DOCTOR)):
        with refused("registrar signer"):
            opened(net, aliases, message, GATEWAY, wrong)
    opened(net, aliases, message, GATEWAY, controller(HOSPITAL))
    assert _word(aliases) == AliasWord(GATEWAY.address, REGISTRAR, HOSPITAL, 1)


@pytest.mark.parametrize("party", [DOCTOR, PHARMACY, MINISTRY])
def test_only_a_verified_organisation_is_a_registrar(net: Consortium, aliases: Contract, party: int) -> None:
    net.add_pending(PHARMACY)
    message = OpenAlias(ALIAS, GATEWAY.address, REGISTRAR, party, net.soon())
    with refused("registrar"):
        opened(net, aliases, message, GATEWAY, controller(party))


def test_a_guardian_has_an_end(net: Consortium, aliases: Contract) -> None:
    until = net.chain.time + 30 * DAY
    with refused("until"):
        _open(net, aliases, GUARDED, net.chain.time - 1)
    _open(net, aliases, GUARDED, until)
    assert aliases.call("controller", ALIAS) == "0x" + GUARDIAN.address.hex()
    net.chain.pass_time(30 * DAY)
    assert aliases.call("controller", ALIAS) == "0x" + "00" * 20
    with refused("until"):
        turned(net, aliases, _rotation(net, 1, GUARDED, until), GUARDIAN, NEW)
    with refused("kind"):
        turned(net, aliases, _rotation(net, 1, GUARDED, until + 90 * DAY), GUARDIAN, NEW)
    turned(net, aliases, _rotation(net), GUARDIAN, NEW)
    assert _word(aliases) == AliasWord(NEW.address, SELF, 0, 2)


def test_a_guardian_never_lengthens_its_time(net: Consortium, aliases: Contract) -> None:
    until = net.chain.time + 30 * DAY
    _open(net, aliases, GUARDED, until)
    with refused("until"):
        turned(net, aliases, _rotation(net, 1, GUARDED, until + 1), GUARDIAN, NEW)
    turned(net, aliases, _rotation(net, 1, GUARDED, until - DAY), GUARDIAN, NEW)
    assert _word(aliases).detail == until - DAY


@pytest.mark.parametrize(
    ("kind", "detail", "reason"),
    [(NOBODY, 0, "kind"), (ControllerKind.UNKNOWN, 0, "kind"), (5, 0, "kind"), (SELF, 1, "detail")],
)
def test_no_other_kind_is_opened(
    net: Consortium, aliases: Contract, kind: int, detail: int, reason: str
) -> None:
    with refused(reason):
        opened(net, aliases, OpenAlias(ALIAS, PATIENT.address, kind, detail, net.soon()), PATIENT)
    with refused("empty"):
        opened(net, aliases, OpenAlias(bytes(32), PATIENT.address, SELF, 0, net.soon()), PATIENT)


def test_opening_needs_the_controllers_own_signature(net: Consortium, aliases: Contract) -> None:
    message = OpenAlias(ALIAS, PATIENT.address, SELF, 0, net.soon())
    good = net.signed(message, PATIENT, aliases)
    fields = (ALIAS, PATIENT.address, SELF, 0, message.deadline)
    with refused("signer"):
        opened(net, aliases, message, STRANGER)
    with refused("signature form"):
        aliases.send(STRANGER, "open_alias", *fields, high_s(good), b"")
    with refused("signer"):
        aliases.send(STRANGER, "open_alias", OTHER, *fields[1:], good, b"")
    with refused("deadline too far"):
        opened(net, aliases, replace(message, deadline=net.chain.time + DAY), PATIENT)
    net.chain.pass_time(HOUR)
    with refused("expired"):
        aliases.send(STRANGER, "open_alias", *fields, good, b"")


def test_a_patient_rotates_to_a_new_key(net: Consortium, aliases: Contract) -> None:
    _open(net, aliases)
    message = _rotation(net)
    sent = turned(net, aliases, message, PATIENT, NEW)
    assert AliasWord.parse(sent.events[0].fields["word"]) == AliasWord(NEW.address, SELF, 0, 2)
    with refused("signer"):
        turned(net, aliases, message, PATIENT, NEW)
    with refused("signer"):
        turned(net, aliases, replace(message, number=2), PATIENT, NEW)


def test_a_rotation_needs_both_keys(net: Consortium, aliases: Contract) -> None:
    _open(net, aliases)
    message = _rotation(net)
    with refused("signer"):
        turned(net, aliases, message, STRANGER, NEW)
    with refused("new signer"):
        turned(net, aliases, message, PATIENT, STRANGER)
    fields = (ALIAS, NEW.address, SELF, 0, message.deadline)
    present, new = (net.signed(message, by, aliases) for by in (PATIENT, NEW))
    for signatures in ((high_s(present), new), (present, high_s(new)), (present, b"")):
        with refused("signature form"):
            aliases.send(STRANGER, "rotate_alias", *fields, *signatures)
    with refused("unknown"):
        turned(net, aliases, replace(message, alias=OTHER), PATIENT, NEW)
    net.chain.pass_time(HOUR)
    with refused("expired"):
        aliases.send(STRANGER, "rotate_alias", *fields, present, new)


@pytest.mark.parametrize(("kind", "detail"), [(GUARDED, 2**40), (REGISTRAR, HOSPITAL)])
def test_a_patient_is_not_put_under_control_again(
    net: Consortium, aliases: Contract, kind: ControllerKind, detail: int
) -> None:
    _open(net, aliases)
    with refused("kind"):
        turned(net, aliases, _rotation(net, 1, kind, detail), PATIENT, NEW)


def test_claiming_is_the_registrars_signature_for_the_patients_key(
    net: Consortium, aliases: Contract
) -> None:
    _open(net, aliases, REGISTRAR, HOSPITAL)
    with refused("signer"):
        turned(net, aliases, _rotation(net), controller(HOSPITAL), NEW)
    turned(net, aliases, _rotation(net), GATEWAY, NEW)
    assert _word(aliases) == AliasWord(NEW.address, SELF, 0, 2)
    with refused("signer"):
        turned(net, aliases, _rotation(net, 2), GATEWAY, NEW)


def test_a_registrar_hands_a_child_to_its_guardian(net: Consortium, aliases: Contract) -> None:
    until = net.chain.time + 900 * DAY
    _open(net, aliases, REGISTRAR, HOSPITAL)
    turned(net, aliases, _rotation(net, 1, GUARDED, until), GATEWAY, NEW)
    assert _word(aliases) == AliasWord(NEW.address, GUARDED, until, 2)


def test_a_registrar_rotates_its_key_but_passes_nobody_on(net: Consortium, aliases: Contract) -> None:
    _open(net, aliases, REGISTRAR, HOSPITAL)
    with refused("same registrar"):
        turned(net, aliases, _rotation(net, 1, REGISTRAR, CENTRE), GATEWAY, NEW)
    turned(net, aliases, _rotation(net, 1, REGISTRAR, HOSPITAL), GATEWAY, NEW)
    assert _word(aliases) == AliasWord(NEW.address, REGISTRAR, HOSPITAL, 2)


def test_a_suspended_registrar_signs_nobody_over(net: Consortium, aliases: Contract) -> None:
    _open(net, aliases, REGISTRAR, HOSPITAL)
    net.officer("suspend", HOSPITAL)
    with refused("registrar"):
        turned(net, aliases, _rotation(net), GATEWAY, NEW)
    net.officer("reinstate", HOSPITAL)
    turned(net, aliases, _rotation(net), GATEWAY, NEW)


def test_nothing_that_is_written_joins_registration_and_alias(net: Consortium, aliases: Contract) -> None:
    (registered,) = net.register(1).events
    message = OpenAlias(ALIAS, GATEWAY.address, REGISTRAR, HOSPITAL, net.soon())
    (entered,) = opened(net, aliases, message, GATEWAY, controller(HOSPITAL)).events
    patient = registered.fields["patient"].to_bytes(32, "big")
    told = entered.fields["name"] + entered.fields["word"].to_bytes(32, "big")
    shared = {patient[i : i + 4] for i in range(29)} & {told[i : i + 4] for i in range(len(told) - 3)}
    party = HOSPITAL.to_bytes(8, "big")
    allowed = {(bytes(8) + party + bytes(8))[i : i + 4] for i in range(21)}
    assert shared <= allowed
