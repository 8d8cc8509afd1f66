# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Break-glass
@notice Emergency access is entered before it is used: by a verified doctor's post together with a second
        verified post, for at most four hours, behind a commitment that hides patient and reason. It must be
        reviewed within 72 hours; while an entry is unreviewed for longer, its opener may open no other.
        No vote changes these rules.
"""

from modules import relayed

interface Registry:
    def standing_word(party: uint64) -> uint256: view

NAME: constant(bytes32) = keccak256("CareLedger BreakGlass")
OPEN: constant(bytes32) = keccak256(
    "OpenBreakGlass(bytes32 entry,bytes32 commitment,uint64 opener,uint64 second,uint64 until,bool restricted,uint64 deadline)"
)

LONGEST: constant(uint256) = 4 * 3600
REVIEW_WITHIN: constant(uint256) = 72 * 3600
AFTERWARDS: constant(uint256) = 7 * 24 * 3600
MOST_WAITING: constant(uint256) = 64

# A party's word in the registry, from the lowest bit: controller 160, roles 16, status 8, employer 64;
# bit 248: an organisation.
VERIFIED: constant(uint256) = 2
DOCTOR: constant(uint256) = 1
MINISTRY: constant(uint256) = 8
IS_ORGANISATION: constant(uint256) = 2**248

MASK8: constant(uint256) = 2**8 - 1
MASK40: constant(uint256) = 2**40 - 1
MASK64: constant(uint256) = 2**64 - 1

# Outcomes of a review; 0 is none yet.
JUSTIFIED: constant(uint8) = 1
UNJUSTIFIED: constant(uint8) = 2


struct Opening:
    entry: bytes32
    commitment: bytes32
    opener: uint64
    second: uint64
    until: uint64
    restricted: bool
    deadline: uint64


struct Signature:
    v: uint8
    r: bytes32
    s: bytes32


struct Entry:
    opener: uint64
    second: uint64
    opened_at: uint64
    until: uint64
    restricted: bool
    outcome: uint8
    afterwards: bool
    commitment: bytes32


event BreakGlassOpenedV1:
    entry: indexed(bytes32)
    opener: indexed(uint64)
    second: uint64
    until: uint64
    restricted: bool
    afterwards: bool
    commitment: bytes32


event BreakGlassReviewedV1:
    entry: indexed(bytes32)
    opener: indexed(uint64)
    reviewer: uint64
    outcome: uint8
    late: bool


REGISTRY: immutable(Registry)

# From the lowest bit: opener 64, second 64, opened at 40, until 40, restricted 8, outcome 8,
# entered afterwards 8.
entries: HashMap[bytes32, uint256]
commitments: HashMap[bytes32, bytes32]
# Each opener's entries in order, and (first not known to be reviewed 64, number of entries 64).
queues: HashMap[uint64, HashMap[uint256, bytes32]]
ends: HashMap[uint64, uint256]


@deploy
def __init__(registry: address):
    REGISTRY = Registry(registry)


@external
def open(item: Opening, opener: Signature, second: Signature):
    """
    @notice Enter an emergency access that both posts signed, before it is used. Any sender may carry it.
    """
    self._check_posts(item, opener, second)
    assert relayed._in_time(item.deadline), "deadline"
    until: uint256 = convert(item.until, uint256)
    assert until > block.timestamp and until <= block.timestamp + LONGEST, "window"
    assert self._may_open(item.opener), "review overdue"
    self._enter(item, False)


@external
def enter_afterwards(item: Opening, opener: Signature, second: Signature):
    """
    @notice Enter an access that custodians granted on both posts' signatures while the ledger stood still. It is
            marked, opens nothing now, and waits for its review like every other; no right is needed to own up.
    """
    self._check_posts(item, opener, second)
    deadline: uint256 = convert(item.deadline, uint256)
    assert deadline < block.timestamp and block.timestamp <= deadline + AFTERWARDS, "deadline"
    assert convert(item.until, uint256) <= deadline + LONGEST, "window"
    self._enter(item, True)


@external
def review(entry: bytes32, reviewer: uint64, outcome: uint8):
    """
    @notice State whether an emergency access was justified (1) or not (2). By a ministry officer or the opener's
            employer, never by who opened it or stood by as second party.
    """
    word: uint256 = self.entries[entry]
    assert word != 0, "unknown"
    assert word >> 216 & MASK8 == 0, "reviewed"
    assert outcome == JUSTIFIED or outcome == UNJUSTIFIED, "outcome"
    self._check_reviewer(reviewer, word)
    self.entries[entry] = word | convert(outcome, uint256) << 216
    opener: uint64 = convert(word & MASK64, uint64)
    self._advance(opener)
    log BreakGlassReviewedV1(
        entry=entry, opener=opener, reviewer=reviewer, outcome=outcome, late=self._overdue(word)
    )


@external
@view
def entry(id: bytes32) -> Entry:
    """
    @notice An entry, all zero if there is none; times in seconds; outcome 0 while it is unreviewed.
    """
    word: uint256 = self.entries[id]
    return Entry(
        opener=convert(word & MASK64, uint64),
        second=convert(word >> 64 & MASK64, uint64),
        opened_at=convert(word >> 128 & MASK40, uint64),
        until=convert(word >> 168 & MASK40, uint64),
        restricted=word >> 208 & 1 == 1,
        outcome=convert(word >> 216 & MASK8, uint8),
        afterwards=word >> 224 & 1 == 1,
        commitment=self.commitments[id],
    )


@external
@view
def may_open(post: uint64) -> bool:
    """
    @notice Whether none of that post's entries is unreviewed for more than 72 hours.
    """
    return self._may_open(post)


@external
@view
def waiting(post: uint64) -> (uint64, uint64):
    """
    @notice That post's entries from `first` to before `end` may still wait for a review; all before are reviewed.
    """
    ends: uint256 = self.ends[post]
    return convert(ends & MASK64, uint64), convert(ends >> 64, uint64)


@external
@view
def opened(post: uint64, number: uint64) -> bytes32:
    """
    @notice The id of that post's entry number (from 0); zero if there is none.
    """
    return self.queues[post][convert(number, uint256)]


@internal
def _enter(item: Opening, afterwards: bool):
    assert self.entries[item.entry] == 0, "used"
    self._enqueue(item.opener, item.entry)
    self.commitments[item.entry] = item.commitment
    self.entries[item.entry] = (
        convert(item.opener, uint256)
        | convert(item.second, uint256) << 64
        | block.timestamp << 128
        | convert(item.until, uint256) << 168
        | convert(item.restricted, uint256) << 208
        | convert(afterwards, uint256) << 224
    )
    log BreakGlassOpenedV1(
        entry=item.entry,
        opener=item.opener,
        second=item.second,
        until=item.until,
        restricted=item.restricted,
        afterwards=afterwards,
        commitment=item.commitment,
    )


@internal
@view
def _check_posts(item: Opening, opener: Signature, second: Signature):
    """
    @notice Both signed: a verified doctor's post, and another verified post under another key.
    """
    first_word: uint256 = self._post(item.opener)
    second_word: uint256 = self._post(item.second)
    assert first_word >> 160 & 1 << DOCTOR != 0, "role"
    assert item.opener != item.second, "second party"
    assert self._controller(first_word) != self._controller(second_word), "second party"
    self._check_signatures(item, first_word, opener, second_word, second)


@internal
@view
def _post(id: uint64) -> uint256:
    word: uint256 = self._verified(id)
    assert word & IS_ORGANISATION == 0, "role"
    return word


@internal
@view
def _verified(id: uint64) -> uint256:
    """
    @notice The party's word, if it and its employer are verified.
    """
    word: uint256 = staticcall REGISTRY.standing_word(id)
    assert word >> 176 & MASK8 == VERIFIED, "status"
    return word


@internal
@pure
def _controller(word: uint256) -> address:
    return convert(word & (2**160 - 1), address)


@internal
@view
def _check_signatures(
    item: Opening, first_word: uint256, first: Signature, second_word: uint256, second: Signature
):
    separator: bytes32 = relayed._separator(NAME)
    message: bytes32 = keccak256(
        abi_encode(
            OPEN,
            item.entry,
            item.commitment,
            item.opener,
            item.second,
            item.until,
            item.restricted,
            item.deadline,
        )
    )
    assert relayed._signed_by(
        self._controller(first_word), separator, message, first.v, first.r, first.s
    ), "signature"
    assert relayed._signed_by(
        self._controller(second_word), separator, message, second.v, second.r, second.s
    ), "signature"


@internal
@view
def _check_reviewer(reviewer: uint64, entry: uint256):
    word: uint256 = self._verified(reviewer)
    opener: uint256 = entry & MASK64
    assert self._controller(word) == msg.sender, "caller"
    opener_word: uint256 = staticcall REGISTRY.standing_word(convert(opener, uint64))
    second_word: uint256 = staticcall REGISTRY.standing_word(convert(entry >> 64 & MASK64, uint64))
    assert self._controller(opener_word) != msg.sender, "reviewer"
    assert self._controller(second_word) != msg.sender, "reviewer"
    if word >> 160 & 1 << MINISTRY == 0:
        assert opener_word >> 184 & MASK64 == convert(reviewer, uint256), "reviewer"


@internal
def _enqueue(post: uint64, entry: bytes32):
    ends: uint256 = self.ends[post]
    first: uint256 = ends & MASK64
    end: uint256 = ends >> 64
    assert end - first < MOST_WAITING, "too many waiting"
    self.queues[post][end] = entry
    self.ends[post] = first | end + 1 << 64


@internal
def _advance(post: uint64):
    """
    @notice Move the start of the queue past all reviewed entries, so that it is the oldest unreviewed one.
    """
    ends: uint256 = self.ends[post]
    first: uint256 = ends & MASK64
    end: uint256 = ends >> 64
    for _: uint256 in range(MOST_WAITING):
        if first == end or self.entries[self.queues[post][first]] >> 216 & MASK8 == 0:
            break
        first += 1
    self.ends[post] = first | end << 64


@internal
@view
def _may_open(post: uint64) -> bool:
    ends: uint256 = self.ends[post]
    first: uint256 = ends & MASK64
    if first == ends >> 64:
        return True
    return not self._overdue(self.entries[self.queues[post][first]])


@internal
@view
def _overdue(entry: uint256) -> bool:
    return block.timestamp > (entry >> 128 & MASK40) + REVIEW_WITHIN
