# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Retention
@notice For how many days after its anchoring a record of a category is kept from erasure: before, an erasure that
        the patient orders restricts the record at once and is carried out on the date. Version 1, given by the
        deployment, is no day for any category. Ministry officers vote for the next table, which takes effect after
        a delay. Every table stays readable, because a record is kept for the shorter of its own time's and the
        present days: no vote puts off what was anchored before it. The author's own chart is not reached by any of this.
@dev    A table is one word: days of category c at bits 16c to 16c + 15. `timeline` is one word: latest version
        0-15, since 16-79.
"""

from modules import ballots

initializes: ballots

interface Registry:
    def is_officer(officer: uint64, controller: address) -> bool: view
    def in_office(officer: uint64) -> bool: view
    def threshold() -> uint256: view

event RetentionVotedV1:
    proposal: indexed(bytes32)
    officer: indexed(uint64)

event RetentionEnactedV1:
    version: indexed(uint16)
    since: uint64
    table: uint256

CATEGORIES: constant(uint256) = 15
MOST_DAYS: constant(uint256) = 36525
MASK16: constant(uint256) = 2**16 - 1

AMEND: constant(bytes32) = keccak256("amend retention")

REGISTRY: immutable(Registry)
DELAY: public(immutable(uint64))

tables: HashMap[uint256, uint256]
since: HashMap[uint256, uint256]
timeline: uint256


@deploy
def __init__(registry: address, delay: uint64):
    REGISTRY = Registry(registry)
    DELAY = delay
    self._schedule(1, block.timestamp, 0)


@external
def vote_retention(officer: uint64, version: uint16, table: uint256):
    """
    @notice A ministry officer votes for the next version's table; when the votes of officers in office reach the
            registry's threshold, it takes effect after the delay. One table at a time.
    """
    assert staticcall REGISTRY.is_officer(officer, msg.sender), "officer"
    latest: uint256 = self.timeline & MASK16
    assert self.timeline >> 16 <= block.timestamp, "pending"
    assert convert(version, uint256) == latest + 1, "version"
    self._check(table)
    proposal: bytes32 = keccak256(abi_encode(AMEND, version, table))
    ballots._vote(proposal, officer)
    log RetentionVotedV1(proposal=proposal, officer=officer)
    if self._carried(proposal):
        self._schedule(latest + 1, block.timestamp + convert(DELAY, uint256), table)


@external
@view
def latest() -> (uint16, uint64):
    """
    @notice The newest version, perhaps not yet in force, and since when (unix seconds) it is.
    """
    return convert(self.timeline & MASK16, uint16), convert(self.timeline >> 16, uint64)


@external
@view
def table(version: uint16) -> (uint256, uint64):
    """
    @notice That version's table, and since when it is in force; both 0 for no such version.
    """
    number: uint256 = convert(version, uint256)
    return self.tables[number], convert(self.since[number], uint64)


@external
@view
def days(category: uint8, anchored_at: uint64) -> uint256:
    """
    @notice For how many days a record of that category that was anchored then is kept from erasure: the fewer of the
            table of that time and the present one.
    """
    assert category != 0 and convert(category, uint256) <= CATEGORIES, "category"
    place: uint256 = 16 * convert(category, uint256)
    then: uint256 = self.tables[self._version_at(convert(anchored_at, uint256))] >> place & MASK16
    return min(then, self.tables[self._version_at(block.timestamp)] >> place & MASK16)


@internal
def _schedule(version: uint256, since: uint256, table: uint256):
    self.tables[version] = table
    self.since[version] = since
    self.timeline = version | since << 16
    log RetentionEnactedV1(version=convert(version, uint16), since=convert(since, uint64), table=table)


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
@pure
def _check(table: uint256):
    """
    @notice A hundred years at most for every category, and there is no category 0.
    """
    assert table & MASK16 == 0, "category"
    for category: uint256 in range(1, CATEGORIES + 1):
        assert table >> 16 * category & MASK16 <= MOST_DAYS, "days"


@internal
@view
def _version_at(timestamp: uint256) -> uint256:
    found: uint256 = self.timeline & MASK16
    for i: uint256 in range(65535):
        if found <= 1 or self.since[found] <= timestamp:
            break
        found -= 1
    return found
