# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Access policy
@notice Which role may read and write which category: every version of the matrix, as data. Version 1 is given at
        deployment. Ministry officers vote for the next one, which takes effect after a delay. Every earlier
        version stays readable, because a record is judged by the version of its own time and the present one:
        an amendment never opens what was deposited before it. What stands beside the matrix (the standing
        rules) is not data and cannot be named here.
@dev    A row is one word: the read chart 0-63, the write chart 64-127; category c at bits 4c to 4c + 3 of each.
        `timeline` is one word: latest version 0-15, since 16-79.
"""

from modules import ballots

initializes: ballots

interface Registry:
    def is_officer(officer: uint64, controller: address) -> bool: view
    def in_office(officer: uint64) -> bool: view
    def threshold() -> uint256: view

event AmendmentVotedV1:
    proposal: indexed(bytes32)
    officer: indexed(uint64)

event AmendmentEnactedV1:
    version: indexed(uint16)
    since: uint64
    reading: DynArray[uint64, ROLES]
    writing: DynArray[uint64, ROLES]

event WithdrawalVotedV1:
    proposal: indexed(bytes32)
    officer: indexed(uint64)

event AmendmentWithdrawnV1:
    version: indexed(uint16)

ROLES: constant(uint256) = 14
CATEGORIES: constant(uint256) = 15
MASK16: constant(uint256) = 2**16 - 1
MASK64: constant(uint256) = 2**64 - 1
MOST_READ: constant(uint256) = 5
MOST_WRITE: constant(uint256) = 6
NOTHING: constant(uint256) = 0
AGGREGATE: constant(uint256) = 4

AMEND: constant(bytes32) = keccak256("amend policy")
WITHDRAW: constant(bytes32) = keccak256("withdraw amendment")

# No amendment lets these roles read clinical records, but for aggregates: operator, public, ministry, researcher.
NEVER_CLINICAL: constant(uint256) = 2**5 + 2**6 + 2**8 + 2**12
# History, prescription, diagnosis, report, general, image, insurance; visit, measurement.
CLINICAL: constant(uint256) = 254 + 2**12 + 2**13

REGISTRY: immutable(Registry)
DELAY: public(immutable(uint64))

rows: HashMap[uint256, uint256]
since: HashMap[uint256, uint256]
timeline: uint256
attempt: public(uint256)


@deploy
def __init__(registry: address, delay: uint64, reading: uint64[ROLES], writing: uint64[ROLES]):
    REGISTRY = Registry(registry)
    DELAY = delay
    self._check(reading, writing)
    self._schedule(1, block.timestamp, reading, writing)


@external
def vote_amendment(officer: uint64, version: uint16, reading: uint64[ROLES], writing: uint64[ROLES]):
    """
    @notice A ministry officer votes for the next version's words, one per role; when the votes of officers in
            office reach the registry's threshold, it takes effect after the delay. One amendment at a time.
    """
    self._check_officer(officer)
    latest: uint256 = self.timeline & MASK16
    assert self.timeline >> 16 <= block.timestamp, "pending"
    assert convert(version, uint256) == latest + 1, "version"
    self._check(reading, writing)
    for role: uint256 in range(ROLES):
        if NEVER_CLINICAL >> role & 1 != 0:
            self._check_not_clinical(convert(reading[role], uint256))
    proposal: bytes32 = keccak256(abi_encode(AMEND, self.attempt, version, reading, writing))
    ballots._vote(proposal, officer)
    log AmendmentVotedV1(proposal=proposal, officer=officer)
    if self._carried(proposal):
        self._schedule(latest + 1, block.timestamp + convert(DELAY, uint256), reading, writing)


@external
def vote_withdrawal(officer: uint64, version: uint16):
    """
    @notice A ministry officer votes to drop an amendment that is not yet in effect.
    """
    self._check_officer(officer)
    assert convert(version, uint256) == self.timeline & MASK16, "version"
    assert self.timeline >> 16 > block.timestamp, "in effect"
    proposal: bytes32 = keccak256(abi_encode(WITHDRAW, self.attempt, version))
    ballots._vote(proposal, officer)
    log WithdrawalVotedV1(proposal=proposal, officer=officer)
    if self._carried(proposal):
        earlier: uint256 = convert(version, uint256) - 1
        self.timeline = earlier | self.since[earlier] << 16
        self.since[convert(version, uint256)] = 0
        self.attempt += 1
        log AmendmentWithdrawnV1(version=version)


@external
@view
def version() -> uint16:
    """
    @notice The version in force now.
    """
    return convert(self._current(), uint16)


@external
@view
def latest() -> (uint16, uint64):
    """
    @notice The newest version, perhaps not yet in force, and since when (unix seconds) it is.
    """
    return convert(self.timeline & MASK16, uint16), convert(self.timeline >> 16, uint64)


@external
@view
def effective_from(version: uint16) -> uint64:
    """
    @notice Since when a version is in force (unix seconds); 0 for no such version.
    """
    return convert(self.since[convert(version, uint256)], uint64)


@external
@view
def version_at(timestamp: uint64) -> uint16:
    """
    @notice The version in force at that time; before the first one, the first.
    """
    return convert(self._version_at(convert(timestamp, uint256)), uint16)


@external
@view
def row(version: uint16, role: uint8) -> (uint64, uint64):
    """
    @notice The words of a role's reads and writes in that version.
    """
    word: uint256 = self._row(convert(version, uint256), role)
    return convert(word & MASK64, uint64), convert(word >> 64, uint64)


@external
@view
def cell(version: uint16, role: uint8, category: uint8) -> (uint8, uint8):
    """
    @notice The read and the write cell of that version.
    """
    word: uint256 = self._row(convert(version, uint256), role)
    return self._nibble(word, category), self._nibble(word >> 64, category)


@external
@view
def read_cell(role: uint8, category: uint8) -> uint8:
    """
    @notice The read cell now.
    """
    return self._nibble(self._present(role), category)


@external
@view
def write_cell(role: uint8, category: uint8) -> uint8:
    """
    @notice The write cell now.
    """
    return self._nibble(self._present(role) >> 64, category)


@external
@view
def read_cells(role: uint8, category: uint8, deposited_at: uint64) -> (uint8, uint8):
    """
    @notice The read cells that a record of that time is judged by: its time's and the present one. Both must
            let the role in.
    """
    then: uint256 = self._row(self._version_at(convert(deposited_at, uint256)), role)
    return self._nibble(then, category), self._nibble(self._present(role), category)


@internal
def _schedule(version: uint256, since: uint256, reading: uint64[ROLES], writing: uint64[ROLES]):
    told_reading: DynArray[uint64, ROLES] = []
    told_writing: DynArray[uint64, ROLES] = []
    for role: uint256 in range(ROLES):
        self.rows[version << 8 | role] = convert(reading[role], uint256) | convert(writing[role], uint256) << 64
        told_reading.append(reading[role])
        told_writing.append(writing[role])
    self.since[version] = since
    self.timeline = version | since << 16
    self.attempt += 1
    log AmendmentEnactedV1(
        version=convert(version, uint16),
        since=convert(since, uint64),
        reading=told_reading,
        writing=told_writing,
    )


@internal
@view
def _carried(proposal: bytes32) -> bool:
    """
    @notice Whether enough officers who are still in office voted for it.
    """
    votes: uint256 = 0
    for voter: uint64 in ballots.voters[proposal]:
        if staticcall REGISTRY.in_office(voter):
            votes += 1
    return votes >= staticcall REGISTRY.threshold()


@internal
@view
def _check_officer(officer: uint64):
    assert staticcall REGISTRY.is_officer(officer, msg.sender), "officer"


@internal
@pure
def _check(reading: uint64[ROLES], writing: uint64[ROLES]):
    """
    @notice Every cell holds a known code, and there is no category 0.
    """
    for role: uint256 in range(ROLES):
        self._check_word(convert(reading[role], uint256), MOST_READ)
        self._check_word(convert(writing[role], uint256), MOST_WRITE)


@internal
@pure
def _check_word(word: uint256, most: uint256):
    assert word & 15 == 0, "cell"
    for category: uint256 in range(1, CATEGORIES + 1):
        assert word >> 4 * category & 15 <= most, "cell"


@internal
@pure
def _check_not_clinical(word: uint256):
    for category: uint256 in range(1, CATEGORIES + 1):
        if CLINICAL >> category & 1 != 0:
            cell: uint256 = word >> 4 * category & 15
            assert cell == NOTHING or cell == AGGREGATE, "clinical"


@internal
@view
def _current() -> uint256:
    timeline: uint256 = self.timeline
    if timeline >> 16 <= block.timestamp:
        return timeline & MASK16
    return (timeline & MASK16) - 1


@internal
@view
def _version_at(timestamp: uint256) -> uint256:
    found: uint256 = self.timeline & MASK16
    for i: uint256 in range(65535):
        if found <= 1 or self.since[found] <= timestamp:
            break
        found -= 1
    return found


@internal
@view
def _row(version: uint256, role: uint8) -> uint256:
    assert self.since[version] != 0, "version"
    assert convert(role, uint256) < ROLES, "role"
    return self.rows[version << 8 | convert(role, uint256)]


@internal
@view
def _present(role: uint8) -> uint256:
    assert convert(role, uint256) < ROLES, "role"
    return self.rows[self._current() << 8 | convert(role, uint256)]


@internal
@pure
def _nibble(word: uint256, category: uint8) -> uint8:
    assert category != 0 and convert(category, uint256) <= CATEGORIES, "category"
    return convert(word >> 4 * convert(category, uint256) & 15, uint8)
