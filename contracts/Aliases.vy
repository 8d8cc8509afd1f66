# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Aliases
@notice Who controls a patient's alias, and nothing else: a random number leads to a controller address and the
        kind of control. Every message is signed and may be sent by anybody. The present controller signs a
        change, the new one shows that it exists. Guardians named beforehand, or a second organisation and a
        ministry officer for an alias without a working controller, change it after 72 hours of alarm in which
        the present controller can stop them. Two officers record a death, and withdraw it.
@dev    An alias is one word: controller 0-159, kind 160-167 (1 self, 2 guardian, 3 registrar, 4 nobody), detail
        168-231 (a guardian's end in unix seconds, or the registrar's party), number 232-255, counted up by
        every change, so that no signature counts twice.
        A waiting change is one word: controller 0-159, ready 160-223, number 224-247; and its detail.
"""

from modules import ballots
from modules import signatures

initializes: ballots

interface Registry:
    def party_word(party: uint64) -> uint256: view
    def is_officer(officer: uint64, controller: address) -> bool: view
    def in_office(officer: uint64) -> bool: view

event AliasOpenedV1:
    name: indexed(bytes32)
    word: uint256

event AliasRotatedV1:
    name: indexed(bytes32)
    word: uint256

event GuardiansNamedV1:
    name: indexed(bytes32)
    guardians: bytes32

event AliasAlarmedV1:
    name: indexed(bytes32)
    controller: address
    ready: uint64

event AlarmStoppedV1:
    name: indexed(bytes32)

event DeathVotedV1:
    name: indexed(bytes32)
    officer: indexed(uint64)

event DeathRecordedV1:
    name: indexed(bytes32)

event DeathWithdrawnV1:
    name: indexed(bytes32)

NAME: constant(bytes32) = keccak256("CareLedger Aliases")
OPEN: constant(bytes32) = keccak256(
    "OpenAlias(bytes32 alias,address controller,uint8 kind,uint64 detail,uint64 deadline)"
)
ROTATE: constant(bytes32) = keccak256(
    "RotateAlias(bytes32 alias,uint64 number,address controller,uint8 kind,uint64 detail,uint64 deadline)"
)
NAME_GUARDIANS: constant(bytes32) = keccak256(
    "NameGuardians(bytes32 alias,uint64 number,bytes32 guardians,uint64 deadline)"
)
RECOVER: constant(bytes32) = keccak256(
    "RecoverAlias(bytes32 alias,uint64 number,address controller,uint64 deadline)"
)
REPLACE: constant(bytes32) = keccak256(
    "ReplaceController(bytes32 alias,uint64 number,address controller,uint64 organisation,uint64 officer,uint64 deadline)"
)
STOP: constant(bytes32) = keccak256("StopAlarm(bytes32 alias,uint64 number,uint64 deadline)")
DEATH: constant(bytes32) = keccak256("record death")
ALIVE: constant(bytes32) = keccak256("withdraw death")

OWN: constant(uint256) = 1
GUARDIAN: constant(uint256) = 2
REGISTRAR: constant(uint256) = 3
NOBODY: constant(uint256) = 4

HOUR: constant(uint256) = 3600
ALARM: public(constant(uint256)) = 72 * 3600
MOST_GUARDIANS: constant(uint256) = 5
OFFICERS: constant(uint256) = 2

MASK8: constant(uint256) = 255
MASK24: constant(uint256) = 2**24 - 1
MASK64: constant(uint256) = 2**64 - 1
CONTROLLER: constant(uint256) = 2**160 - 1
STATUS: constant(uint256) = 255 * 2**176
IS_VERIFIED: constant(uint256) = 2 * 2**176
MAY_REGISTER: constant(uint256) = 2**250

REGISTRY: immutable(Registry)

aliases: HashMap[bytes32, uint256]
guardians: public(HashMap[bytes32, bytes32])
waiting: HashMap[bytes32, uint256]
waiting_detail: HashMap[bytes32, uint256]
living: HashMap[bytes32, uint256]  # the word before the death


@deploy
def __init__(registry: address):
    REGISTRY = Registry(registry)


@external
def open_alias(
    name: bytes32,
    controller: address,
    kind: uint8,
    detail: uint64,
    deadline: uint64,
    by_controller: Bytes[65],
    by_registrar: Bytes[65],
):
    """
    @notice Enter a new alias, signed by its controller; an unclaimed one (kind registrar) also by the
            controller of the organisation that answers for it.
    """
    assert name != empty(bytes32), "empty"
    assert self.aliases[name] == 0, "taken"
    signatures._check_deadline(deadline, HOUR)
    digest: bytes32 = signatures._digest(
        NAME, keccak256(abi_encode(OPEN, name, controller, kind, detail, deadline))
    )
    assert signatures._signer(digest, by_controller) == controller, "signer"
    self._check_detail(convert(kind, uint256), convert(detail, uint256))
    if convert(kind, uint256) == REGISTRAR:
        assert signatures._signer(digest, by_registrar) == self._organisation(detail), "registrar signer"
    word: uint256 = self._word(controller, convert(kind, uint256), convert(detail, uint256), 1)
    self.aliases[name] = word
    log AliasOpenedV1(name=name, word=word)


@external
def rotate_alias(
    name: bytes32,
    controller: address,
    kind: uint8,
    detail: uint64,
    deadline: uint64,
    by_present: Bytes[65],
    by_new: Bytes[65],
):
    """
    @notice The present controller signs the alias over: to a new key of its own, from registrar or guardian to
            the patient, from the registrar to a guardian. Claiming is this, signed by a verified registrar's key.
    """
    word: uint256 = self._known(name)
    signatures._check_deadline(deadline, HOUR)
    digest: bytes32 = signatures._digest(
        NAME, keccak256(abi_encode(ROTATE, name, self._number(word), controller, kind, detail, deadline))
    )
    assert signatures._signer(digest, by_present) == convert(word & CONTROLLER, address), "signer"
    assert signatures._signer(digest, by_new) == controller, "new signer"
    self._check_change(word, convert(kind, uint256), convert(detail, uint256))
    self._turn(name, word, controller, convert(kind, uint256), convert(detail, uint256))


@external
def name_guardians(name: bytes32, guardians: bytes32, deadline: uint64, signature: Bytes[65]):
    """
    @notice The present controller commits to who may recover the alias: keccak of threshold, addresses in
            ascending order, salt.
    """
    word: uint256 = self._known(name)
    assert self._kind(word) == OWN or self._in_charge(word), "kind"
    message: bytes32 = keccak256(abi_encode(NAME_GUARDIANS, name, self._number(word), guardians, deadline))
    self._check_by_present(word, message, deadline, signature)
    self.guardians[name] = guardians
    self.aliases[name] = word + (1 << 232)
    log GuardiansNamedV1(name=name, guardians=guardians)


@external
def alarm_by_guardians(
    name: bytes32,
    controller: address,
    deadline: uint64,
    threshold: uint8,
    named: DynArray[address, MOST_GUARDIANS],
    salt: bytes32,
    by_guardians: DynArray[Bytes[65], MOST_GUARDIANS],
    by_new: Bytes[65],
):
    """
    @notice Guardians show who they are and sign for a new controller, an empty signature for who did not; it
            waits for 72 hours.
    """
    word: uint256 = self._known(name)
    assert self._kind(word) == OWN or self._kind(word) == GUARDIAN, "kind"
    assert keccak256(abi_encode(threshold, named, salt)) == self.guardians[name], "guardians"
    assert threshold != 0 and len(named) == len(by_guardians), "guardians"
    signatures._check_deadline(deadline, HOUR)
    digest: bytes32 = signatures._digest(
        NAME, keccak256(abi_encode(RECOVER, name, self._number(word), controller, deadline))
    )
    signed: uint256 = 0
    before: address = empty(address)
    for i: uint256 in range(len(named), bound=MOST_GUARDIANS):
        assert convert(named[i], uint256) > convert(before, uint256), "guardians"
        before = named[i]
        if len(by_guardians[i]) != 0:
            assert signatures._signer(digest, by_guardians[i]) == named[i], "guardian signer"
            signed += 1
    assert signed >= convert(threshold, uint256), "too few guardians"
    assert signatures._signer(digest, by_new) == controller, "new signer"
    self._alarm(name, word, controller, self._kind(word), self._detail(word))


@external
def alarm_by_officer(
    name: bytes32,
    controller: address,
    organisation: uint64,
    officer: uint64,
    deadline: uint64,
    by_organisation: Bytes[65],
    by_officer: Bytes[65],
    by_new: Bytes[65],
):
    """
    @notice A second verified organisation and a ministry officer together put a new controller in the place of
            a registrar that does not answer (the organisation becomes the registrar), or of a guardian
            whose time is over (the patient takes over). It waits for 72 hours.
    """
    word: uint256 = self._known(name)
    signatures._check_deadline(deadline, HOUR)
    digest: bytes32 = signatures._digest(
        NAME,
        keccak256(abi_encode(REPLACE, name, self._number(word), controller, organisation, officer, deadline)),
    )
    assert signatures._signer(digest, by_organisation) == self._organisation(organisation), "registrar signer"
    assert staticcall REGISTRY.is_officer(officer, signatures._signer(digest, by_officer)), "officer"
    assert signatures._signer(digest, by_new) == controller, "new signer"
    if self._kind(word) == REGISTRAR:
        assert self._detail(word) != convert(organisation, uint256), "same registrar"
        self._alarm(name, word, controller, REGISTRAR, convert(organisation, uint256))
    else:
        assert self._kind(word) == GUARDIAN and not self._in_charge(word), "kind"
        self._alarm(name, word, controller, OWN, 0)


@external
def stop_alarm(name: bytes32, deadline: uint64, signature: Bytes[65]):
    """
    @notice The present controller stops a waiting change; a guardian whose time is over, or a registrar
            that is no longer verified, cannot.
    """
    word: uint256 = self._known(name)
    assert self._is_waiting(name, word), "no alarm"
    assert self._kind(word) != GUARDIAN or self._in_charge(word), "kind"
    if self._kind(word) == REGISTRAR:
        self._organisation(convert(self._detail(word), uint64))
    message: bytes32 = keccak256(abi_encode(STOP, name, self._number(word), deadline))
    self._check_by_present(word, message, deadline, signature)
    self.waiting[name] = 0
    self.aliases[name] = word + (1 << 232)
    log AlarmStoppedV1(name=name)


@external
def complete_alarm(name: bytes32):
    """
    @notice After 72 hours anybody may put the waiting change into effect. The guardians, now known, are unnamed.
    """
    word: uint256 = self._known(name)
    assert self._is_waiting(name, word), "no alarm"
    waiting: uint256 = self.waiting[name]
    assert block.timestamp >= waiting >> 160 & MASK64, "too early"
    packed: uint256 = self.waiting_detail[name]
    self.guardians[name] = empty(bytes32)
    self._turn(name, word, convert(waiting & CONTROLLER, address), packed & MASK8, packed >> 8)


@external
def record_death(officer: uint64, name: bytes32):
    """
    @notice A ministry officer records a death; with the second officer's word nobody controls the alias.
    """
    word: uint256 = self._known(name)
    if self._carried(officer, name, keccak256(abi_encode(DEATH, name, self._number(word)))):
        self.living[name] = word
        self.aliases[name] = self._word(
            convert(word & CONTROLLER, address), NOBODY, 0, convert(self._number(word), uint256) + 1
        )
        log DeathRecordedV1(name=name)


@external
def withdraw_death(officer: uint64, name: bytes32):
    """
    @notice Two ministry officers withdraw a death that was recorded wrongly; the controller is what it was.
    """
    word: uint256 = self.aliases[name]
    assert self._kind(word) == NOBODY, "kind"
    if self._carried(officer, name, keccak256(abi_encode(ALIVE, name, self._number(word)))):
        before: uint256 = self.living[name]
        self.aliases[name] = self._word(
            convert(before & CONTROLLER, address),
            self._kind(before),
            self._detail(before),
            convert(self._number(word), uint256) + 1,
        )
        log DeathWithdrawnV1(name=name)


# Views ----------------------------------------------------------------------------------------------


@external
@view
def alias_word(name: bytes32) -> uint256:
    """
    @notice The alias's word, 0 for none.
    """
    return self.aliases[name]


@external
@view
def alias(name: bytes32) -> (address, uint8, uint64, uint64):
    """
    @notice The address entered, kind, detail, number.
    """
    word: uint256 = self.aliases[name]
    return (
        convert(word & CONTROLLER, address),
        convert(self._kind(word), uint8),
        convert(self._detail(word), uint64),
        self._number(word),
    )


@external
@view
def controller(name: bytes32) -> address:
    """
    @notice Who controls the alias now: the zero address when nobody does, or a guardian's time is over.
    """
    word: uint256 = self.aliases[name]
    if self._kind(word) == NOBODY or (self._kind(word) == GUARDIAN and not self._in_charge(word)):
        return empty(address)
    return convert(word & CONTROLLER, address)


@external
@view
def alarm(name: bytes32) -> (address, uint64):
    """
    @notice The controller that waits and when it is ready; zeros when none waits.
    """
    if not self._is_waiting(name, self.aliases[name]):
        return empty(address), 0
    waiting: uint256 = self.waiting[name]
    return convert(waiting & CONTROLLER, address), convert(waiting >> 160 & MASK64, uint64)


# Inside ---------------------------------------------------------------------------------------------


@internal
def _turn(name: bytes32, word: uint256, controller: address, kind: uint256, detail: uint256):
    turned: uint256 = self._word(controller, kind, detail, convert(self._number(word), uint256) + 1)
    self.aliases[name] = turned
    log AliasRotatedV1(name=name, word=turned)


@internal
def _alarm(name: bytes32, word: uint256, controller: address, kind: uint256, detail: uint256):
    """
    @notice Keep a change waiting; it counts as long as the alias's number stays what it is now.
    """
    assert not self._is_waiting(name, word), "alarm"
    ready: uint256 = block.timestamp + ALARM
    self.waiting[name] = (
        convert(controller, uint256) | ready << 160 | convert(self._number(word), uint256) << 224
    )
    self.waiting_detail[name] = kind | detail << 8
    log AliasAlarmedV1(name=name, controller=controller, ready=convert(ready, uint64))


@internal
def _carried(officer: uint64, name: bytes32, proposal: bytes32) -> bool:
    assert staticcall REGISTRY.is_officer(officer, msg.sender), "officer"
    ballots._vote(proposal, officer)
    log DeathVotedV1(name=name, officer=officer)
    voices: uint256 = 0
    for voter: uint64 in ballots.voters[proposal]:
        if staticcall REGISTRY.in_office(voter):
            voices += 1
    return voices >= OFFICERS


@internal
@view
def _check_by_present(word: uint256, message: bytes32, deadline: uint64, signature: Bytes[65]):
    signatures._check_deadline(deadline, HOUR)
    signer: address = signatures._signer(signatures._digest(NAME, message), signature)
    assert signer == convert(word & CONTROLLER, address), "signer"


@internal
@view
def _check_change(word: uint256, kind: uint256, detail: uint256):
    """
    @notice Which change of kind the present controller may sign.
    """
    present: uint256 = self._kind(word)
    self._check_detail(kind, detail)
    if present == OWN:
        assert kind == OWN, "kind"
    elif present == GUARDIAN:
        if kind != OWN:
            assert kind == GUARDIAN and self._in_charge(word), "kind"
            assert detail <= self._detail(word), "until"
    else:
        self._organisation(convert(self._detail(word), uint64))
        if kind == REGISTRAR:
            assert detail == self._detail(word), "same registrar"


@internal
@view
def _check_detail(kind: uint256, detail: uint256):
    assert kind == OWN or kind == GUARDIAN or kind == REGISTRAR, "kind"
    if kind == OWN:
        assert detail == 0, "detail"
    elif kind == GUARDIAN:
        assert detail > block.timestamp, "until"


@internal
@view
def _organisation(party: uint64) -> address:
    """
    @notice The controller of a verified organisation that may register patients.
    """
    word: uint256 = staticcall REGISTRY.party_word(party)
    assert word & MAY_REGISTER != 0 and word & STATUS == IS_VERIFIED, "registrar"
    return convert(word & CONTROLLER, address)


@internal
@view
def _known(name: bytes32) -> uint256:
    """
    @notice The word of an alias that somebody controls or controlled, the dead excepted.
    """
    word: uint256 = self.aliases[name]
    assert word != 0, "unknown"
    assert self._kind(word) != NOBODY, "nobody"
    return word


@internal
@view
def _is_waiting(name: bytes32, word: uint256) -> bool:
    waiting: uint256 = self.waiting[name]
    return waiting != 0 and waiting >> 224 == word >> 232


@internal
@view
def _in_charge(word: uint256) -> bool:
    """
    @notice Whether a guardian's time is not over.
    """
    return self._kind(word) == GUARDIAN and block.timestamp < self._detail(word)


@internal
@pure
def _word(controller: address, kind: uint256, detail: uint256, number: uint256) -> uint256:
    assert number <= MASK24, "number"
    return convert(controller, uint256) | kind << 160 | detail << 168 | number << 232


@internal
@pure
def _kind(word: uint256) -> uint256:
    return word >> 160 & MASK8


@internal
@pure
def _detail(word: uint256) -> uint256:
    return word >> 168 & MASK64


@internal
@pure
def _number(word: uint256) -> uint64:
    return convert(word >> 232, uint64)
