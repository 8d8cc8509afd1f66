# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Consents
@notice A consent is given and revoked by its owner's signature and by nobody else. The owner is a key used for
        this one consent; the commitment hides who may read whose records, what and why. Any sender may carry a
        signed message here: the signature is the check. An id (owner and commitment) is used once.
"""

from modules import relayed

NAME: constant(bytes32) = keccak256("CareLedger Consents")
GIVE: constant(bytes32) = keccak256(
    "GiveConsent(address owner,bytes32 commitment,uint64 start,uint64 until,uint64 deadline)"
)
REVOKE: constant(bytes32) = keccak256("RevokeConsent(address owner,bytes32 commitment,uint64 deadline)")

MOST: constant(uint256) = 100
MASK64: constant(uint256) = 2**64 - 1
MASK40: constant(uint256) = 2**40 - 1

NEVER: constant(uint8) = 0
GIVEN: constant(uint8) = 1
REVOKED: constant(uint8) = 2

# Why a message changes nothing; 0 is no reason.
SIGNATURE: constant(uint8) = 1
DEADLINE: constant(uint8) = 2
WINDOW: constant(uint8) = 3
USED: constant(uint8) = 4


struct Giving:
    owner: address
    commitment: bytes32
    start: uint64
    until: uint64
    deadline: uint64
    v: uint8
    r: bytes32
    s: bytes32


struct Revoking:
    owner: address
    commitment: bytes32
    deadline: uint64
    v: uint8
    r: bytes32
    s: bytes32


struct Consent:
    state: uint8
    start: uint64
    until: uint64
    given_at: uint64
    revoked_at: uint64


event ConsentGivenV1:
    commitment: indexed(bytes32)
    owner: address
    start: uint64
    until: uint64


event ConsentRevokedV1:
    commitment: indexed(bytes32)
    owner: address


event ConsentRefusedV1:
    commitment: indexed(bytes32)
    owner: address
    position: uint256
    reason: uint8


# One slot per consent, from the lowest bit: start 64, until 64, given at 40, revoked at 40, state 8.
consents: HashMap[bytes32, uint256]


@external
def give(item: Giving):
    """
    @notice Enter a consent that its owner signed.
    """
    self._raise(self._give(item, relayed._separator(NAME)))


@external
def give_many(items: DynArray[Giving, MOST]) -> uint256:
    """
    @notice Enter consents that their owners signed. An item that would be refused alone is left out with an
            event and does not hold up the others.
    @return Bit i is set if item i was entered.
    """
    separator: bytes32 = relayed._separator(NAME)
    entered: uint256 = 0
    position: uint256 = 0
    for item: Giving in items:
        reason: uint8 = self._give(item, separator)
        if reason == 0:
            entered |= 1 << position
        else:
            log ConsentRefusedV1(
                commitment=item.commitment, owner=item.owner, position=position, reason=reason
            )
        position += 1
    return entered


@external
def revoke(item: Revoking):
    """
    @notice End a consent that its owner signed away. An id that was never given is burnt: it cannot be given.
    """
    self._raise(self._revoke(item, relayed._separator(NAME)))


@external
def revoke_many(items: DynArray[Revoking, MOST]) -> uint256:
    """
    @notice End consents; an item that would be refused alone is left out with an event.
    @return Bit i is set if item i was carried out.
    """
    separator: bytes32 = relayed._separator(NAME)
    ended: uint256 = 0
    position: uint256 = 0
    for item: Revoking in items:
        reason: uint8 = self._revoke(item, separator)
        if reason == 0:
            ended |= 1 << position
        else:
            log ConsentRefusedV1(
                commitment=item.commitment, owner=item.owner, position=position, reason=reason
            )
        position += 1
    return ended


@external
@view
def consent(owner: address, commitment: bytes32) -> Consent:
    """
    @notice What is known of a consent: state (0 never, 1 given, 2 revoked), window and block times in seconds.
    """
    word: uint256 = self.consents[self._id(owner, commitment)]
    return Consent(
        state=self._state(word),
        start=convert(word & MASK64, uint64),
        until=convert((word >> 64) & MASK64, uint64),
        given_at=convert((word >> 128) & MASK40, uint64),
        revoked_at=convert((word >> 168) & MASK40, uint64),
    )


@external
@view
def active(owner: address, commitment: bytes32, at: uint64) -> bool:
    """
    @notice Whether the consent stands and its window covers that time: start <= at < until.
    """
    word: uint256 = self.consents[self._id(owner, commitment)]
    time: uint256 = convert(at, uint256)
    return (
        self._state(word) == GIVEN
        and word & MASK64 <= time
        and time < (word >> 64) & MASK64
    )


@internal
def _give(item: Giving, separator: bytes32) -> uint8:
    message: bytes32 = keccak256(
        abi_encode(GIVE, item.owner, item.commitment, item.start, item.until, item.deadline)
    )
    if not relayed._signed_by(item.owner, separator, message, item.v, item.r, item.s):
        return SIGNATURE
    if not relayed._in_time(item.deadline):
        return DEADLINE
    if item.start >= item.until or convert(item.until, uint256) <= block.timestamp:
        return WINDOW
    id: bytes32 = self._id(item.owner, item.commitment)
    if self.consents[id] != 0:
        return USED
    self.consents[id] = (
        convert(item.start, uint256)
        | convert(item.until, uint256) << 64
        | block.timestamp << 128
        | convert(GIVEN, uint256) << 248
    )
    log ConsentGivenV1(
        commitment=item.commitment, owner=item.owner, start=item.start, until=item.until
    )
    return 0


@internal
def _revoke(item: Revoking, separator: bytes32) -> uint8:
    message: bytes32 = keccak256(abi_encode(REVOKE, item.owner, item.commitment, item.deadline))
    if not relayed._signed_by(item.owner, separator, message, item.v, item.r, item.s):
        return SIGNATURE
    if not relayed._in_time(item.deadline):
        return DEADLINE
    id: bytes32 = self._id(item.owner, item.commitment)
    word: uint256 = self.consents[id]
    if self._state(word) == REVOKED:
        return USED
    self.consents[id] = (
        (word & ((1 << 168) - 1)) | block.timestamp << 168 | convert(REVOKED, uint256) << 248
    )
    log ConsentRevokedV1(commitment=item.commitment, owner=item.owner)
    return 0


@internal
@pure
def _raise(reason: uint8):
    assert reason != SIGNATURE, "signature"
    assert reason != DEADLINE, "deadline"
    assert reason != WINDOW, "window"
    assert reason != USED, "used"


@internal
@pure
def _id(owner: address, commitment: bytes32) -> bytes32:
    return keccak256(concat(convert(owner, bytes20), commitment))


@internal
@pure
def _state(word: uint256) -> uint8:
    return convert(word >> 248, uint8)
