# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Registry
@notice The public parties: organisations, their posts, the ministry and its officers, and how many patients an
        organisation has registered. An organisation proposes itself or is added by a ministry officer, declares
        its licence and sealing key, and is verified by an officer; it vouches for its posts and ends them. A
        registration is a random number and its registrar, nothing about a person.
@dev    A party is one word: controller 0-159, roles 160-175, status 176-183, employer 184-247 (for an
        organisation instead: registrations now 184-215, registrations ever 216-247), flags 248-255.
        A registration is one word: registrar 0-63 (0 once ended), then 64-127 the registrar that ended it.
        A custodian is one word: signing key 0-159, state 160-167, time of the state 168-231, place + 1 in the
        list 232-247.
"""

from modules import ballots
from modules import signatures

initializes: ballots

event OrganisationProposedV1:
    party: indexed(uint64)
    word: uint256

event OrganisationAddedV1:
    party: indexed(uint64)
    word: uint256

event OrganisationDeclaredV1:
    party: indexed(uint64)
    licence: bytes32
    sealing_key: bytes32

event PartyVerifiedV1:
    party: indexed(uint64)
    officer: uint64

event PartySuspendedV1:
    party: indexed(uint64)
    officer: uint64

event PartyReinstatedV1:
    party: indexed(uint64)
    officer: uint64

event PartyRemovedV1:
    party: indexed(uint64)
    officer: uint64

event PostVouchedV1:
    party: indexed(uint64)
    employer: indexed(uint64)
    word: uint256
    licence: bytes32
    sealing_key: bytes32

event PostRekeyedV1:
    party: indexed(uint64)
    controller: address
    sealing_key: bytes32

event PostEndedV1:
    party: indexed(uint64)
    employer: indexed(uint64)

event ControllerRotatedV1:
    party: indexed(uint64)
    controller: address

event SealingKeyReplacedV1:
    party: indexed(uint64)
    sealing_key: bytes32

event PatientRegisteredV1:
    patient: uint256

event RegistrationEndedV1:
    patient: uint256

event CustodianAnnouncedV1:
    party: indexed(uint64)
    signing_key: address
    log_key: bytes32

event CustodianActivatedV1:
    party: indexed(uint64)

event CustodianRekeyedV1:
    party: indexed(uint64)
    signing_key: address
    log_key: bytes32

event CustodianLeavingV1:
    party: indexed(uint64)

event CustodianLeftV1:
    party: indexed(uint64)

event OfficerVotedV1:
    proposal: indexed(bytes32)
    officer: indexed(uint64)

event OfficerAppointedV1:
    party: indexed(uint64)
    controller: address

event OfficerDismissedV1:
    party: indexed(uint64)

event ThresholdChangedV1:
    threshold: uint8

NAME: constant(bytes32) = keccak256("CareLedger Registry")
ROTATE: constant(bytes32) = keccak256("RotateController(uint64 party,address controller,uint64 deadline)")
CUSTODIAN: constant(bytes32) = keccak256(
    "CustodianKeys(uint64 party,address signingKey,bytes32 logKey,uint64 deadline)"
)
APPOINT: constant(bytes32) = keccak256("appoint officer")
DISMISS: constant(bytes32) = keccak256("dismiss officer")
CHANGE_THRESHOLD: constant(bytes32) = keccak256("change threshold")

PENDING: constant(uint256) = 1
VERIFIED: constant(uint256) = 2
SUSPENDED: constant(uint256) = 3
REMOVED: constant(uint256) = 4

MASK8: constant(uint256) = 2**8 - 1
MASK32: constant(uint256) = 2**32 - 1
MASK64: constant(uint256) = 2**64 - 1
CONTROLLER: constant(uint256) = 2**160 - 1
STATUS: constant(uint256) = 255 * 2**176
IS_PENDING: constant(uint256) = 2**176
IS_VERIFIED: constant(uint256) = 2 * 2**176

# Roles as bits at their place in the word.
MINISTRY_ROLE: constant(uint256) = 2**168
ORGANISATION_ROLES: constant(uint256) = (2**2 + 2**3 + 2**4 + 2**9) * 2**160
POST_ROLES: constant(uint256) = (2**1 + 2**5 + 2**10 + 2**11 + 2**12) * 2**160

IS_ORGANISATION: constant(uint256) = 2**248
IS_DECLARED: constant(uint256) = 2**249
MAY_REGISTER: constant(uint256) = 2**250  # an organisation with one of the roles above

# What must be the caller, verified, of an organisation that registers a patient.
REGISTRAR: constant(uint256) = 2**160 - 1 + 255 * 2**176 + 2**250
IS_REGISTRAR: constant(uint256) = 2 * 2**176 + 2**250

ONE_REGISTRATION: constant(uint256) = 2**184 + 2**216  # one more now, one more ever
ONE_LESS: constant(uint256) = 2**184

# States of a custodian.
ANNOUNCED: constant(uint256) = 1
ACTIVE: constant(uint256) = 2
LEAVING: constant(uint256) = 3
LEFT: constant(uint256) = 4
PLACE: constant(uint256) = 65535 * 2**232

HOUR: constant(uint256) = 3600
JOINING_DELAY: public(constant(uint256)) = 24 * 3600
LEAVING_DELAY: public(constant(uint256)) = 7 * 24 * 3600
MOST_CUSTODIANS: constant(uint256) = 65535
MOST_OFFICERS: constant(uint256) = 32

MINISTRY: public(immutable(uint64))

parties: uint256[2**64]  # one place for every possible id: cheaper than a hashed mapping
sealing_keys: HashMap[uint64, bytes32]
licences: HashMap[uint64, bytes32]
registrations: uint256[2**128]
organisation_count: public(uint256)
organisation_at: public(HashMap[uint256, uint64])
custodians: HashMap[uint64, uint256]
log_keys: HashMap[uint64, bytes32]
custodian_count: public(uint256)
custodian_at: public(HashMap[uint256, uint64])
officer_count: public(uint256)
threshold: public(uint256)
round: public(uint256)  # a change of officers ends all votes that were open


@deploy
def __init__(
    ministry: uint64,
    controller: address,
    officers: DynArray[uint64, MOST_OFFICERS],
    controllers: DynArray[address, MOST_OFFICERS],
    threshold: uint8,
):
    assert ministry != 0 and controller != empty(address), "empty"
    assert len(officers) == len(controllers), "officers"
    assert threshold != 0 and convert(threshold, uint256) <= len(officers), "threshold"
    MINISTRY = ministry
    self.parties[ministry] = (
        convert(controller, uint256) | MINISTRY_ROLE | IS_VERIFIED | IS_ORGANISATION | IS_DECLARED
    )
    log OrganisationAddedV1(party=ministry, word=self.parties[ministry])
    self.threshold = convert(threshold, uint256)
    for i: uint256 in range(len(officers), bound=MOST_OFFICERS):
        self._appoint(officers[i], controllers[i])


# Organisations --------------------------------------------------------------------------------------


@external
def propose_organisation(party: uint64, roles: uint16, licence: bytes32, sealing_key: bytes32):
    """
    @notice An organisation enters itself, pending; whoever sends this becomes its controller.
    """
    self._enter_organisation(party, msg.sender, roles)
    log OrganisationProposedV1(party=party, word=self.parties[party])
    self._declare(party, licence, sealing_key)


@external
def add_organisation(officer: uint64, party: uint64, controller: address, roles: uint16):
    """
    @notice A ministry officer enters an organisation, pending; it declares licence and keys itself.
    """
    self._check_officer(officer)
    self._enter_organisation(party, controller, roles)
    log OrganisationAddedV1(party=party, word=self.parties[party])


@external
def declare(party: uint64, licence: bytes32, sealing_key: bytes32):
    """
    @notice A pending organisation states its licence commitment and the digest of its sealing key.
    """
    self._check_controller(self.parties[party])
    self._declare(party, licence, sealing_key)


@external
def verify(officer: uint64, party: uint64, licence: bytes32, sealing_key: bytes32):
    """
    @notice A ministry officer verifies a pending organisation, naming the licence and key that were checked.
    """
    self._check_officer(officer)
    word: uint256 = self.parties[party]
    assert self._status(word) == PENDING, "status"
    assert word & IS_DECLARED != 0, "undeclared"
    assert self.licences[party] == licence and self.sealing_keys[party] == sealing_key, "other declaration"
    self.parties[party] = self._with_status(word, VERIFIED)
    self.organisation_at[self.organisation_count] = party
    self.organisation_count += 1
    log PartyVerifiedV1(party=party, officer=officer)


@external
def suspend(officer: uint64, party: uint64):
    """
    @notice A ministry officer suspends a verified organisation or post; an employer's suspension reaches its
            posts through `standing`.
    """
    word: uint256 = self._supervised(officer, party)
    assert self._status(word) == VERIFIED, "status"
    self.parties[party] = self._with_status(word, SUSPENDED)
    log PartySuspendedV1(party=party, officer=officer)


@external
def reinstate(officer: uint64, party: uint64):
    """
    @notice A ministry officer ends a suspension.
    """
    word: uint256 = self._supervised(officer, party)
    assert self._status(word) == SUSPENDED, "status"
    self.parties[party] = self._with_status(word, VERIFIED)
    log PartyReinstatedV1(party=party, officer=officer)


@external
def remove(officer: uint64, party: uint64):
    """
    @notice A ministry officer removes an organisation or post for good.
    """
    word: uint256 = self._supervised(officer, party)
    assert self._status(word) != REMOVED, "status"
    self.parties[party] = self._with_status(word, REMOVED)
    log PartyRemovedV1(party=party, officer=officer)


# Posts ----------------------------------------------------------------------------------------------


@external
def vouch(
    employer: uint64, party: uint64, controller: address, roles: uint16, licence: bytes32, sealing_key: bytes32
):
    """
    @notice A verified organisation answers for a post: its keys, its roles, the licence of who holds it.
    """
    organisation: uint256 = self.parties[employer]
    self._check_organisation(organisation)
    placed: uint256 = convert(roles, uint256) << 160
    assert placed != 0 and placed & ~POST_ROLES == 0, "role"
    assert party != 0 and controller != empty(address) and sealing_key != empty(bytes32), "empty"
    assert self.parties[party] == 0, "taken"
    word: uint256 = (
        convert(controller, uint256) | placed | IS_VERIFIED | convert(employer, uint256) << 184 | IS_DECLARED
    )
    self.parties[party] = word
    self.sealing_keys[party] = sealing_key
    self.licences[party] = licence
    log PostVouchedV1(party=party, employer=employer, word=word, licence=licence, sealing_key=sealing_key)


@external
def rekey_post(party: uint64, controller: address, sealing_key: bytes32):
    """
    @notice The employer gives a post new keys.
    """
    word: uint256 = self.parties[party]
    assert word != 0 and word & IS_ORGANISATION == 0, "unknown"
    self._check_organisation(self.parties[self._employer(word)])
    assert word & MINISTRY_ROLE == 0, "role"
    assert self._status(word) == VERIFIED, "status"
    assert controller != empty(address) and sealing_key != empty(bytes32), "empty"
    self.parties[party] = word & ~CONTROLLER | convert(controller, uint256)
    self.sealing_keys[party] = sealing_key
    log PostRekeyedV1(party=party, controller=controller, sealing_key=sealing_key)


@external
def end_post(party: uint64):
    """
    @notice The employer ends the employment; whoever held the post loses all in this block. A suspended
            employer may still do so.
    """
    word: uint256 = self.parties[party]
    assert word != 0 and word & IS_ORGANISATION == 0, "unknown"
    employer: uint64 = self._employer(word)
    organisation: uint256 = self.parties[employer]
    assert organisation & CONTROLLER == convert(msg.sender, uint256), "caller"
    assert self._status(organisation) == VERIFIED or self._status(organisation) == SUSPENDED, "employer status"
    assert word & MINISTRY_ROLE == 0, "role"
    assert self._status(word) != REMOVED, "status"
    self.parties[party] = self._with_status(word, REMOVED)
    log PostEndedV1(party=party, employer=employer)


# Keys -----------------------------------------------------------------------------------------------


@external
def rotate_controller(party: uint64, controller: address, deadline: uint64, possession: Bytes[65]):
    """
    @notice A party in good standing takes a new controller key, which signs too, to show that it exists.
    """
    word: uint256 = self.parties[party]
    self._check_controller(word)
    assert self._standing(word) == VERIFIED, "status"
    signatures._check_deadline(deadline, HOUR)
    message: bytes32 = keccak256(abi_encode(ROTATE, party, controller, deadline))
    assert signatures._signer(signatures._digest(NAME, message), possession) == controller, "signer"
    self.parties[party] = word & ~CONTROLLER | convert(controller, uint256)
    log ControllerRotatedV1(party=party, controller=controller)


@external
def replace_sealing_key(party: uint64, sealing_key: bytes32):
    """
    @notice A party in good standing states the digest of a new sealing key.
    """
    word: uint256 = self.parties[party]
    self._check_controller(word)
    assert self._standing(word) == VERIFIED, "status"
    assert sealing_key != empty(bytes32), "empty"
    self.sealing_keys[party] = sealing_key
    log SealingKeyReplacedV1(party=party, sealing_key=sealing_key)


# Registrations --------------------------------------------------------------------------------------


@external
def register_patient(patient: uint256):
    """
    @notice A verified organisation registers a patient under a random number, and counts it.
    @param patient The registrar in bits 0-63, the random number in bits 64-191.
    """
    registrar: uint256 = patient & MASK64
    word: uint256 = self.parties[registrar]
    if word & REGISTRAR != convert(msg.sender, uint256) | IS_REGISTRAR:
        assert word & CONTROLLER == convert(msg.sender, uint256), "caller"
        assert word & STATUS == IS_VERIFIED, "status"
        raise "role"
    assert self.registrations[patient >> 64] == 0, "taken"
    self.registrations[patient >> 64] = registrar
    self.parties[registrar] = unsafe_add(word, ONE_REGISTRATION)
    log PatientRegisteredV1(patient=patient)


@external
def end_registration(registration: bytes16):
    """
    @notice The registrar ends a registration, verified or suspended; the number is never given again.
    """
    place: uint256 = convert(registration, uint256)
    held: uint256 = self.registrations[place]
    registrar: uint256 = held & MASK64
    assert registrar != 0, "unknown"
    word: uint256 = self.parties[registrar]
    self._check_controller(word)
    assert self._status(word) == VERIFIED or self._status(word) == SUSPENDED, "status"
    self.registrations[place] = held << 64
    self.parties[registrar] = word - ONE_LESS
    log RegistrationEndedV1(patient=place << 64 | registrar)


# Custodians -----------------------------------------------------------------------------------------


@external
def announce_custodian(
    party: uint64, signing_key: address, log_key: bytes32, deadline: uint64, possession: Bytes[65]
):
    """
    @notice First step of joining: a verified organisation states the keys it will answer with; the signing
            key signs too. Who has left may announce itself again and keeps its place in the list.
    """
    self._check_organisation(self.parties[party])
    word: uint256 = self.custodians[party]
    state: uint256 = self._custodian_state(word)
    assert state == 0 or state == LEFT, "custodian state"
    self._check_possession(party, signing_key, log_key, deadline, possession)
    if state == 0:
        assert self.custodian_count < MOST_CUSTODIANS, "full"
        self.custodian_at[self.custodian_count] = party
        self.custodian_count += 1
        word = self.custodian_count << 232
    self.custodians[party] = self._in_custodian_state(word, ANNOUNCED) | convert(signing_key, uint256)
    self.log_keys[party] = log_key
    log CustodianAnnouncedV1(party=party, signing_key=signing_key, log_key=log_key)


@external
def activate_custodian(party: uint64):
    """
    @notice Second step of joining, by the organisation itself after a day.
    """
    self._check_organisation(self.parties[party])
    assert block.timestamp >= self._custodian_since(party, ANNOUNCED) + JOINING_DELAY, "too early"
    self._activate(party)


@external
def admit_custodian(officer: uint64, party: uint64):
    """
    @notice Second step of joining, by a ministry officer at any time.
    """
    self._check_officer(officer)
    assert self._status(self.parties[party]) == VERIFIED, "status"
    self._custodian_since(party, ANNOUNCED)
    self._activate(party)


@external
def rekey_custodian(
    party: uint64, signing_key: address, log_key: bytes32, deadline: uint64, possession: Bytes[65]
):
    """
    @notice An active custodian takes new keys at once; the events keep the old ones.
    """
    self._check_organisation(self.parties[party])
    word: uint256 = self.custodians[party]
    state: uint256 = self._custodian_state(word)
    assert state == ACTIVE or state == LEAVING, "custodian state"
    self._check_possession(party, signing_key, log_key, deadline, possession)
    self.custodians[party] = word & ~CONTROLLER | convert(signing_key, uint256)
    self.log_keys[party] = log_key
    log CustodianRekeyedV1(party=party, signing_key=signing_key, log_key=log_key)


@external
def announce_leaving(party: uint64):
    """
    @notice First step of leaving; the custodian goes on serving while its shares are remade.
    """
    self._check_organisation(self.parties[party])
    self._custodian_since(party, ACTIVE)
    word: uint256 = self.custodians[party]
    self.custodians[party] = self._in_custodian_state(word, LEAVING) | word & CONTROLLER
    log CustodianLeavingV1(party=party)


@external
def leave_custody(party: uint64):
    """
    @notice Second step of leaving, by the organisation itself after seven days.
    """
    self._check_controller(self.parties[party])
    assert block.timestamp >= self._custodian_since(party, LEAVING) + LEAVING_DELAY, "too early"
    self._leave(party)


@external
def release_custodian(officer: uint64, party: uint64):
    """
    @notice Second step of leaving, by a ministry officer at any time; also of a custodian that is no longer
            verified and cannot announce that it leaves.
    """
    self._check_officer(officer)
    state: uint256 = self._custodian_state(self.custodians[party])
    lost: bool = self._status(self.parties[party]) != VERIFIED and (state == ANNOUNCED or state == ACTIVE)
    assert state == LEAVING or lost, "custodian state"
    self._leave(party)


# Ministry officers ----------------------------------------------------------------------------------


@external
def appoint_officer(officer: uint64, party: uint64, controller: address):
    """
    @notice An officer votes for a new officer; the threshold-th vote appoints.
    """
    assert self.officer_count < MOST_OFFICERS, "full"
    if self._carried(officer, keccak256(abi_encode(APPOINT, self.round, party, controller))):
        self._appoint(party, controller)


@external
def dismiss_officer(officer: uint64, party: uint64):
    """
    @notice An officer votes for another's dismissal; the threshold-th vote dismisses. Never fewer officers
            than the threshold.
    """
    word: uint256 = self.parties[party]
    assert self._is_officer(word), "unknown"
    assert self.officer_count > self.threshold, "threshold"
    if self._carried(officer, keccak256(abi_encode(DISMISS, self.round, party))):
        self.parties[party] = self._with_status(word, REMOVED)
        self.officer_count -= 1
        self.round += 1
        log OfficerDismissedV1(party=party)


@external
def change_threshold(officer: uint64, threshold: uint8):
    """
    @notice An officer votes for another number of votes; the present threshold decides.
    """
    assert threshold != 0 and convert(threshold, uint256) <= self.officer_count, "threshold"
    if self._carried(officer, keccak256(abi_encode(CHANGE_THRESHOLD, self.round, threshold))):
        self.threshold = convert(threshold, uint256)
        self.round += 1
        log ThresholdChangedV1(threshold=threshold)


# Views ----------------------------------------------------------------------------------------------


@external
@view
def party_word(party: uint64) -> uint256:
    """
    @notice The party's word, 0 for nobody.
    """
    return self.parties[party]


@external
@view
def party(party: uint64) -> (address, uint16, uint8, uint64, bool):
    """
    @notice Controller, roles, own status, employer (0 for an organisation), organisation or not.
    """
    word: uint256 = self.parties[party]
    return (
        convert(word & CONTROLLER, address),
        convert(word >> 160 & 65535, uint16),
        convert(self._status(word), uint8),
        self._employer(word),
        word & IS_ORGANISATION != 0,
    )


@external
@view
def standing(party: uint64) -> uint8:
    """
    @notice The status that counts: a post stands no better than its employer.
    """
    return convert(self._standing(self.parties[party]), uint8)


@external
@view
def standing_word(party: uint64) -> uint256:
    """
    @notice The party's word with the status that counts in place of its own.
    """
    word: uint256 = self.parties[party]
    return self._with_status(word, self._standing(word))


@external
@view
def keys(party: uint64) -> (bytes32, bytes32):
    """
    @notice The digest of the sealing key and the licence commitment.
    """
    return self.sealing_keys[party], self.licences[party]


@external
@view
def patient_counts(organisation: uint64) -> (uint256, uint256):
    """
    @notice How many registrations an organisation has now, and how many it ever made.
    """
    word: uint256 = self.parties[organisation]
    if word & IS_ORGANISATION == 0:
        return 0, 0
    return word >> 184 & MASK32, word >> 216 & MASK32


@external
@view
def registration_word(registration: bytes16) -> uint256:
    """
    @notice The registration's word: the registrar in bits 0-63, 0 once ended or when unknown.
    """
    return self.registrations[convert(registration, uint256)]


@external
@view
def custodian_word(party: uint64) -> uint256:
    """
    @notice The custodian's word, 0 for a party that never was one.
    """
    return self.custodians[party]


@external
@view
def custodian(party: uint64) -> (address, bytes32, uint8, uint64):
    """
    @notice Signing key, digest of the log key, state, since when.
    """
    word: uint256 = self.custodians[party]
    return (
        convert(word & CONTROLLER, address),
        self.log_keys[party],
        convert(self._custodian_state(word), uint8),
        convert(word >> 168 & MASK64, uint64),
    )


@external
@view
def custodian_index(party: uint64) -> uint256:
    """
    @notice The place + 1 in the list of a custodian that serves (active or leaving, organisation verified);
            else 0.
    """
    word: uint256 = self.custodians[party]
    state: uint256 = self._custodian_state(word)
    if (state != ACTIVE and state != LEAVING) or self._status(self.parties[party]) != VERIFIED:
        return 0
    return word >> 232 & 65535


@external
@view
def is_officer(officer: uint64, controller: address) -> bool:
    """
    @notice Whether that is a ministry officer in office, and its controller.
    """
    word: uint256 = self.parties[officer]
    return self._is_officer(word) and word & CONTROLLER == convert(controller, uint256)


@external
@view
def in_office(officer: uint64) -> bool:
    """
    @notice Whether that party is a ministry officer in office.
    """
    return self._is_officer(self.parties[officer])


# Inside ---------------------------------------------------------------------------------------------


@internal
def _enter_organisation(party: uint64, controller: address, roles: uint16):
    placed: uint256 = convert(roles, uint256) << 160
    assert placed != 0 and placed & ~ORGANISATION_ROLES == 0, "role"
    assert party != 0 and controller != empty(address), "empty"
    assert self.parties[party] == 0, "taken"
    self.parties[party] = convert(controller, uint256) | placed | IS_PENDING | IS_ORGANISATION | MAY_REGISTER


@internal
def _declare(party: uint64, licence: bytes32, sealing_key: bytes32):
    word: uint256 = self.parties[party]
    assert self._status(word) == PENDING, "status"
    assert licence != empty(bytes32) and sealing_key != empty(bytes32), "empty"
    self.licences[party] = licence
    self.sealing_keys[party] = sealing_key
    self.parties[party] = word | IS_DECLARED
    log OrganisationDeclaredV1(party=party, licence=licence, sealing_key=sealing_key)


@internal
def _appoint(party: uint64, controller: address):
    assert party != 0 and controller != empty(address), "empty"
    assert self.parties[party] == 0, "taken"
    self.parties[party] = (
        convert(controller, uint256) | MINISTRY_ROLE | IS_VERIFIED | convert(MINISTRY, uint256) << 184
    )
    self.officer_count += 1
    self.round += 1
    log OfficerAppointedV1(party=party, controller=controller)


@internal
def _carried(officer: uint64, proposal: bytes32) -> bool:
    """
    @notice Record an officer's vote and tell whether the threshold is reached. Votes name the round, so all
            who voted are still in office.
    """
    self._check_officer(officer)
    ballots._vote(proposal, officer)
    log OfficerVotedV1(proposal=proposal, officer=officer)
    return len(ballots.voters[proposal]) >= self.threshold


@internal
@view
def _check_officer(officer: uint64):
    word: uint256 = self.parties[officer]
    assert word & CONTROLLER == convert(msg.sender, uint256), "caller"
    assert self._is_officer(word), "officer"


@internal
@view
def _supervised(officer: uint64, party: uint64) -> uint256:
    """
    @notice The word of a party that an officer may suspend or remove: any but the ministry and its officers,
            and no pending one is suspended.
    """
    self._check_officer(officer)
    word: uint256 = self.parties[party]
    assert word != 0, "unknown"
    assert word & MINISTRY_ROLE == 0, "role"
    return word


@internal
@view
def _check_possession(
    party: uint64, signing_key: address, log_key: bytes32, deadline: uint64, possession: Bytes[65]
):
    assert log_key != empty(bytes32), "empty"
    signatures._check_deadline(deadline, HOUR)
    message: bytes32 = keccak256(abi_encode(CUSTODIAN, party, signing_key, log_key, deadline))
    assert signatures._signer(signatures._digest(NAME, message), possession) == signing_key, "signer"


@internal
@view
def _custodian_since(party: uint64, state: uint256) -> uint256:
    """
    @notice Since when a custodian is in that state; refused if it is in another.
    """
    word: uint256 = self.custodians[party]
    assert self._custodian_state(word) == state, "custodian state"
    return word >> 168 & MASK64


@internal
@pure
def _custodian_state(word: uint256) -> uint256:
    return word >> 160 & MASK8


@internal
@view
def _in_custodian_state(word: uint256, state: uint256) -> uint256:
    """
    @notice Only the place of that word, in a new state since now.
    """
    return word & PLACE | state << 160 | block.timestamp << 168


@internal
def _activate(party: uint64):
    word: uint256 = self.custodians[party]
    self.custodians[party] = self._in_custodian_state(word, ACTIVE) | word & CONTROLLER
    log CustodianActivatedV1(party=party)


@internal
def _leave(party: uint64):
    word: uint256 = self.custodians[party]
    self.custodians[party] = self._in_custodian_state(word, LEFT) | word & CONTROLLER
    log CustodianLeftV1(party=party)


@internal
@view
def _check_controller(word: uint256):
    assert word & CONTROLLER == convert(msg.sender, uint256), "caller"


@internal
@view
def _check_organisation(word: uint256):
    """
    @notice The caller controls this organisation, which is verified.
    """
    assert word & CONTROLLER == convert(msg.sender, uint256), "caller"
    assert word & IS_ORGANISATION != 0, "role"
    assert self._status(word) == VERIFIED, "status"


@internal
@pure
def _is_officer(word: uint256) -> bool:
    return word & (MINISTRY_ROLE | STATUS | IS_ORGANISATION) == MINISTRY_ROLE | IS_VERIFIED


@internal
@pure
def _status(word: uint256) -> uint256:
    return word >> 176 & MASK8


@internal
@pure
def _with_status(word: uint256, status: uint256) -> uint256:
    return word & ~STATUS | status << 176


@internal
@pure
def _employer(word: uint256) -> uint64:
    if word & IS_ORGANISATION != 0:
        return 0
    return convert(word >> 184 & MASK64, uint64)


@internal
@view
def _standing(word: uint256) -> uint256:
    own: uint256 = self._status(word)
    if word & IS_ORGANISATION != 0 or own != VERIFIED:
        return own
    return self._status(self.parties[self._employer(word)])
