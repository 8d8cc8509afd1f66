"""Changes without the present controller: guardians, a second organisation with an officer, death."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from careledger.domain.parties import ControllerKind
from careledger.formats.ledger_messages import (
    ALARM,
    NameGuardians,
    OpenAlias,
    RecoverAlias,
    ReplaceController,
    RotateAlias,
    StopAlarm,
    guardians_commitment,
)
from careledger.formats.ledger_words import AliasWord
from careledger.formats.signatures import SigningKey
from contracts.harness import DAY, Contract, Receipt, key, refused
from contracts.registry_world import (
    CENTRE,
    DOCTOR,
    HOSPITAL,
    OFFICERS,
    STRANGER,
    Consortium,
    controller,
    digest,
    opened,
    turned,
)

ALIAS, SALT = digest("alias"), digest("salt")
PATIENT, NEW = key("patient"), key("new")
GUARDIANS = tuple(sorted((key(f"guardian {i}") for i in range(3)), key=lambda k: k.address))
ADDRESSES = tuple(guardian.address for guardian in GUARDIANS)
SELF, GUARDED, REGISTRAR, NOBODY = (
    ControllerKind.SELF,
    ControllerKind.GUARDIAN,
    ControllerKind.REGISTRAR,
    ControllerKind.NOBODY,
)


@dataclass
class Home:
    """One alias with two of three guardians, and what may be done about it."""

    net: Consortium
    aliases: Contract

    @property
    def word(self) -> AliasWord:
        """The alias."""
        return AliasWord.parse(self.aliases.call("alias_word", ALIAS))

    def open(self, kind: ControllerKind = SELF, detail: int = 0) -> None:
        """Enter the alias, under the patient's key whatever the kind."""
        registrar = controller(detail) if kind is REGISTRAR else None
        message = OpenAlias(ALIAS, PATIENT.address, kind, detail, self.net.soon())
        opened(self.net, self.aliases, message, PATIENT, registrar)

    def name(self, commitment: bytes, by: SigningKey = PATIENT) -> None:
        """Commit to guardians."""
        message = NameGuardians(ALIAS, self.word.number, commitment, self.net.soon())
        signature = self.net.signed(message, by, self.aliases)
        self.aliases.send(STRANGER, "name_guardians", ALIAS, commitment, message.deadline, signature)

    def alarm(
        self,
        signing: tuple[SigningKey | None, ...],
        *,
        threshold: int = 2,
        named: tuple[bytes, ...] = ADDRESSES,
        possession: SigningKey = NEW,
    ) -> Receipt:
        """The alarm that these guardians raise for the new key."""
        message = RecoverAlias(ALIAS, self.word.number, NEW.address, self.net.soon())
        signed = [self.net.signed(message, by, self.aliases) if by else b"" for by in signing]
        new = self.net.signed(message, possession, self.aliases)
        args = (ALIAS, NEW.address, message.deadline, threshold, named, SALT, signed, new)
        return self.aliases.send(STRANGER, "alarm_by_guardians", *args)

    def replacement(self, organisation: int = CENTRE, officer: int = OFFICERS[0]) -> ReplaceController:
        """What an organisation and an officer sign."""
        return ReplaceController(ALIAS, self.word.number, NEW.address, organisation, officer, self.net.soon())

    def replace(self, message: ReplaceController, *signers: SigningKey) -> Receipt:
        """The alarm raised by an organisation and an officer."""
        by = signers or (controller(message.organisation), controller(message.officer), NEW)
        fields = (ALIAS, message.controller, message.organisation, message.officer, message.deadline)
        signatures = [self.net.signed(message, one, self.aliases) for one in by]
        return self.aliases.send(STRANGER, "alarm_by_officer", *fields, *signatures)

    def stop(self, by: SigningKey = PATIENT) -> Receipt:
        """The present controller stops the alarm."""
        message = StopAlarm(ALIAS, self.word.number, self.net.soon())
        signature = self.net.signed(message, by, self.aliases)
        return self.aliases.send(STRANGER, "stop_alarm", ALIAS, message.deadline, signature)

    def complete(self) -> Receipt:
        """Anybody completes the alarm."""
        return self.aliases.send(STRANGER, "complete_alarm", ALIAS)

    def rotate(self) -> None:
        """The present controller takes the new key."""
        message = RotateAlias(
            ALIAS, self.word.number, NEW.address, self.word.kind, self.word.detail, self.net.soon()
        )
        turned(self.net, self.aliases, message, PATIENT, NEW)


@pytest.fixture
def home(net: Consortium) -> Home:
    """The contract, without the alias."""
    return Home(net, net.add("Aliases"))


@pytest.fixture
def guarded(home: Home) -> Home:
    """A patient's alias with two of three guardians."""
    home.open()
    home.name(guardians_commitment(2, ADDRESSES, SALT))
    return home


def test_guardians_put_a_new_key_in_place_after_72_hours(guarded: Home) -> None:
    sent = guarded.alarm((GUARDIANS[0], None, GUARDIANS[2]))
    assert sent.events[0].name == "AliasAlarmedV1"
    assert guarded.aliases.call("alarm", ALIAS) == ("0x" + NEW.address.hex(), sent.time + ALARM)
    assert guarded.word.controller == PATIENT.address
    guarded.net.chain.pass_time(ALARM - 2)
    with refused("too early"):
        guarded.complete()
    guarded.complete()
    assert guarded.word == AliasWord(NEW.address, SELF, 0, 3)
    assert guarded.aliases.call("guardians", ALIAS) == bytes(32)
    with refused("no alarm"):
        guarded.complete()


def test_the_present_controller_stops_an_alarm(guarded: Home) -> None:
    guarded.alarm((*GUARDIANS[:2], None))
    with refused("alarm"):
        guarded.alarm((*GUARDIANS[:2], None))
    with refused("signer"):
        guarded.stop(STRANGER)
    with refused("signer"):
        guarded.stop(NEW)
    guarded.stop()
    guarded.net.chain.pass_time(ALARM)
    with refused("no alarm"):
        guarded.complete()
    with refused("no alarm"):
        guarded.stop()
    assert guarded.word.controller == PATIENT.address


def test_a_rotation_ends_an_alarm(guarded: Home) -> None:
    guarded.alarm((*GUARDIANS[:2], None))
    guarded.rotate()
    guarded.net.chain.pass_time(ALARM)
    with refused("no alarm"):
        guarded.complete()


def test_too_few_or_other_guardians_raise_no_alarm(guarded: Home) -> None:
    with refused("too few guardians"):
        guarded.alarm((GUARDIANS[0], None, None))
    with refused("guardian signer"):
        guarded.alarm((GUARDIANS[0], STRANGER, None))
    with refused("guardian signer"):
        guarded.alarm((GUARDIANS[1], GUARDIANS[0], None))
    with refused("guardians"):
        guarded.alarm((GUARDIANS[0], None, None), threshold=1)
    with refused("guardians"):
        guarded.alarm((GUARDIANS[0], GUARDIANS[1]))
    with refused("new signer"):
        guarded.alarm((*GUARDIANS[:2], None), possession=STRANGER)
    others = tuple(sorted((ADDRESSES[0], STRANGER.address)))
    with refused("guardians"):
        guarded.alarm((GUARDIANS[0], STRANGER), named=others)
    assert guarded.aliases.call("alarm", ALIAS) == ("0x" + "00" * 20, 0)


def test_one_guardian_named_twice_counts_once(home: Home) -> None:
    home.open()
    twice = (ADDRESSES[0], ADDRESSES[0])
    home.name(_commitment(2, twice))
    with refused("guardians"):
        home.alarm((GUARDIANS[0], GUARDIANS[0]), named=twice)
    home.name(_commitment(0, ADDRESSES))
    with refused("guardians"):
        home.alarm((None, None, None), threshold=0)


def _commitment(threshold: int, named: tuple[bytes, ...]) -> bytes:
    """A commitment that guardians_commitment would refuse to make."""
    from eth_abi.abi import encode
    from eth_hash.auto import keccak

    return keccak(encode(["uint8", "address[]", "bytes32"], [threshold, named, SALT]))


def test_only_the_present_controller_names_guardians(guarded: Home) -> None:
    with refused("signer"):
        guarded.name(digest("mine"), STRANGER)
    with refused("signer"):
        guarded.name(digest("ours"), GUARDIANS[0])


def test_without_guardians_there_is_no_recovery(home: Home) -> None:
    home.open()
    with refused("guardians"):
        home.alarm((*GUARDIANS[:2], None))


def test_a_registrar_names_no_guardians(home: Home) -> None:
    home.open(REGISTRAR, HOSPITAL)
    with refused("kind"):
        home.name(guardians_commitment(2, ADDRESSES, SALT))
    with refused("kind"):
        home.alarm((*GUARDIANS[:2], None))


def test_a_silent_registrar_is_replaced_by_a_second_organisation_and_an_officer(home: Home) -> None:
    home.open(REGISTRAR, HOSPITAL)
    home.replace(home.replacement())
    with refused("too early"):
        home.complete()
    home.net.chain.pass_time(ALARM)
    home.complete()
    assert home.word == AliasWord(NEW.address, REGISTRAR, CENTRE, 2)


def test_an_answering_registrar_stops_its_replacement_but_a_suspended_one_cannot(home: Home) -> None:
    home.open(REGISTRAR, HOSPITAL)
    home.replace(home.replacement())
    home.stop()
    home.replace(home.replacement())
    home.net.officer("suspend", HOSPITAL)
    with refused("registrar"):
        home.stop()


def test_neither_organisation_nor_officer_replaces_alone(home: Home) -> None:
    home.open(REGISTRAR, HOSPITAL)
    message = home.replacement()
    organisation, officer = controller(CENTRE), controller(OFFICERS[0])
    with refused("registrar signer"):
        home.replace(message, officer, officer, NEW)
    with refused("officer"):
        home.replace(message, organisation, organisation, NEW)
    with refused("officer"):
        home.replace(home.replacement(officer=DOCTOR))
    with refused("new signer"):
        home.replace(message, organisation, officer, STRANGER)
    with refused("same registrar"):
        home.replace(home.replacement(HOSPITAL))
    with refused("registrar"):
        home.replace(home.replacement(DOCTOR))
    home.net.officer("suspend", CENTRE)
    with refused("registrar"):
        home.replace(message)


def test_a_claimed_patient_is_never_replaced(home: Home) -> None:
    home.open()
    with refused("kind"):
        home.replace(home.replacement())


def test_at_majority_the_patient_takes_over_without_the_guardian(home: Home) -> None:
    home.open(GUARDED, home.net.chain.time + 30 * DAY)
    with refused("kind"):
        home.replace(home.replacement())
    home.net.chain.pass_time(30 * DAY)
    home.replace(home.replacement())
    with refused("kind"):
        home.stop()
    home.net.chain.pass_time(ALARM)
    home.complete()
    assert home.word == AliasWord(NEW.address, SELF, 0, 2)


def test_a_signature_for_a_replacement_counts_once(home: Home) -> None:
    home.open(REGISTRAR, HOSPITAL)
    message = home.replacement()
    home.replace(message)
    home.stop()
    with refused("registrar signer"):
        home.replace(message)
    with refused("registrar signer"):
        home.replace(replace(home.replacement(), deadline=message.deadline), STRANGER, STRANGER, NEW)


def _death(home: Home, which: int, function: str = "record_death") -> Receipt:
    return home.aliases.send(controller(OFFICERS[which]), function, OFFICERS[which], ALIAS)


def test_after_a_death_that_two_officers_record_nobody_controls(guarded: Home) -> None:
    assert [e.name for e in _death(guarded, 0).events] == ["DeathVotedV1"]
    assert guarded.word.kind is SELF
    assert [e.name for e in _death(guarded, 1).events] == ["DeathVotedV1", "DeathRecordedV1"]
    assert guarded.word.kind is NOBODY
    assert guarded.aliases.call("controller", ALIAS) == "0x" + "00" * 20
    for attempt in (
        guarded.rotate,
        lambda: guarded.alarm((*GUARDIANS[:2], None)),
        lambda: _death(guarded, 2),
    ):
        with refused("nobody"):
            attempt()


def test_one_officer_twice_or_a_stranger_records_no_death(guarded: Home) -> None:
    _death(guarded, 0)
    with refused("voted"):
        _death(guarded, 0)
    with refused("officer"):
        guarded.aliases.send(STRANGER, "record_death", OFFICERS[1], ALIAS)
    with refused("officer"):
        guarded.aliases.send(controller(HOSPITAL), "record_death", HOSPITAL, ALIAS)
    guarded.rotate()
    assert [e.name for e in _death(guarded, 1).events] == ["DeathVotedV1"]


def test_a_death_recorded_wrongly_is_withdrawn_by_two_officers(guarded: Home) -> None:
    with refused("kind"):
        _death(guarded, 0, "withdraw_death")
    _death(guarded, 0)
    _death(guarded, 1)
    _death(guarded, 1, "withdraw_death")
    assert guarded.word.kind is NOBODY
    _death(guarded, 2, "withdraw_death")
    assert guarded.word == AliasWord(PATIENT.address, SELF, 0, 4)
    guarded.rotate()


def test_a_death_ends_a_waiting_alarm(guarded: Home) -> None:
    guarded.alarm((*GUARDIANS[:2], None))
    for which in (0, 1):
        _death(guarded, which)
    for which in (0, 1):
        _death(guarded, which, "withdraw_death")
    guarded.net.chain.pass_time(ALARM)
    with refused("no alarm"):
        guarded.complete()


def test_the_vote_of_a_dismissed_officer_no_longer_counts(guarded: Home) -> None:
    _death(guarded, 2)
    for which in (0, 1):
        guarded.net.officer("dismiss_officer", OFFICERS[2], which=which)
    assert [e.name for e in _death(guarded, 0).events] == ["DeathVotedV1"]
    assert [e.name for e in _death(guarded, 1).events] == ["DeathVotedV1", "DeathRecordedV1"]
