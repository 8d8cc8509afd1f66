# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Directory
@notice Where the contracts are. A name (ASCII, padded with zeros) leads to an address, which only the members'
        vote replaces, after a delay; the addresses before stay readable, with the block that ended them.
        Members are verified organisations. The first four are admitted by ministry officers; from then on the
        members vote on their own admissions and exclusions. A vote is carried by two thirds of the members that
        stand verified when the votes are counted.
@dev    An address in the history is one word: address 0-159, from block 160-223. The registry asked is the one
        that this directory names, so that the members may replace it too.
"""

from modules import ballots

initializes: ballots

interface Registry:
    def party_word(party: uint64) -> uint256: view
    def is_officer(officer: uint64, controller: address) -> bool: view

event ContractNamedV1:
    name: indexed(bytes32)
    contract: address

event MemberAdmittedV1:
    party: indexed(uint64)

event MemberExcludedV1:
    party: indexed(uint64)

event MemberVotedV1:
    proposal: indexed(bytes32)
    party: indexed(uint64)

event ReplacementProposedV1:
    number: indexed(uint256)
    name: indexed(bytes32)
    contract: address
    code_hash: bytes32

event ReplacementCarriedV1:
    number: indexed(uint256)
    not_before: uint64

event ContractReplacedV1:
    number: indexed(uint256)
    name: indexed(bytes32)
    contract: address
    replaced: address

struct Replacement:
    name: bytes32
    contract: address
    code_hash: bytes32
    places: uint256  # length of the name's history when it was proposed
    not_before: uint256  # 0 until the vote is carried

REGISTRY: constant(bytes32) = 0x5265676973747279000000000000000000000000000000000000000000000000  # Registry
ADMIT: constant(bytes32) = keccak256("admit member")
EXCLUDE: constant(bytes32) = keccak256("exclude member")
REPLACE: constant(bytes32) = keccak256("replace contract")

MOST_NAMES: constant(uint256) = 32
MOST_MEMBERS: constant(uint256) = 128
FOUNDERS: constant(uint256) = 4
LAPSE: constant(uint256) = 30 * 24 * 3600  # a carried replacement lapses so long after it might be enacted

CONTROLLER: constant(uint256) = 2**160 - 1
STATUS: constant(uint256) = 255 * 2**176
IS_VERIFIED: constant(uint256) = 2 * 2**176
IS_ORGANISATION: constant(uint256) = 2**248
MASK64: constant(uint256) = 2**64 - 1

DELAY: public(immutable(uint64))

history: HashMap[bytes32, HashMap[uint256, uint256]]
places: public(HashMap[bytes32, uint256])
name_count: public(uint256)
name_at: public(HashMap[uint256, bytes32])
members: DynArray[uint64, MOST_MEMBERS]
admitted: public(uint256)  # ever
round: public(uint256)  # a change of members ends the open votes on members
replacements: HashMap[uint256, Replacement]
replacement_count: public(uint256)


@deploy
def __init__(delay: uint64, names: DynArray[bytes32, MOST_NAMES], contracts: DynArray[address, MOST_NAMES]):
    assert len(names) == len(contracts), "names"
    DELAY = delay
    for i: uint256 in range(len(names), bound=MOST_NAMES):
        assert self.places[names[i]] == 0, "taken"
        self._name(names[i], contracts[i])
    assert self.places[REGISTRY] == 1, "registry"


# Members --------------------------------------------------------------------------------------------


@external
def found(officer: uint64, party: uint64):
    """
    @notice A ministry officer admits one of the first four members, a verified organisation.
    """
    assert staticcall self._registry().is_officer(officer, msg.sender), "officer"
    assert self.admitted < FOUNDERS, "founded"
    self._admit(party)


@external
def vote_admission(voter: uint64, party: uint64):
    """
    @notice A member votes for another member; two thirds admit.
    """
    self._check_member(voter)
    if self._voted(voter, keccak256(abi_encode(ADMIT, self.round, party))):
        self._admit(party)


@external
def vote_exclusion(voter: uint64, party: uint64):
    """
    @notice A member votes for a member's exclusion; two thirds exclude. The last member stays.
    """
    self._check_member(voter)
    assert party in self.members, "unknown"
    assert len(self.members) > 1, "last member"
    if self._voted(voter, keccak256(abi_encode(EXCLUDE, self.round, party))):
        last: uint64 = self.members.pop()
        for i: uint256 in range(len(self.members), bound=MOST_MEMBERS):
            if self.members[i] == party:
                self.members[i] = last
                break
        self.round += 1
        log MemberExcludedV1(party=party)


# Replacements ---------------------------------------------------------------------------------------


@external
def propose(voter: uint64, name: bytes32, contract: address) -> uint256:
    """
    @notice A member proposes a contract for a name, new or known, and votes for it; gives the proposal's number.
    """
    self._check_member(voter)
    assert name != empty(bytes32), "empty"
    assert contract.is_contract, "no contract"
    self.replacement_count += 1
    number: uint256 = self.replacement_count
    self.replacements[number] = Replacement(
        name=name,
        contract=contract,
        code_hash=contract.codehash,
        places=self.places[name],
        not_before=0,
    )
    log ReplacementProposedV1(number=number, name=name, contract=contract, code_hash=contract.codehash)
    self._vote_replacement(voter, number)
    return number


@external
def vote(voter: uint64, number: uint256):
    """
    @notice A member votes for a replacement; two thirds carry it, and the delay begins.
    """
    self._check_member(voter)
    assert self.replacements[number].contract != empty(address), "unknown"
    assert self.replacements[number].not_before == 0, "carried"
    self._vote_replacement(voter, number)


@external
def enact(voter: uint64, number: uint256):
    """
    @notice A member puts a carried replacement into effect after the delay, if two thirds still stand for it,
            the name was not replaced meanwhile and the code is the one that was voted on.
    """
    self._check_member(voter)
    asked: Replacement = self.replacements[number]
    assert asked.not_before != 0, "not carried"
    assert block.timestamp >= asked.not_before, "too early"
    assert block.timestamp <= asked.not_before + LAPSE, "lapsed"
    assert self.places[asked.name] == asked.places, "overtaken"
    assert asked.contract.codehash == asked.code_hash, "other code"
    assert self._two_thirds(self._ballot(number)), "not carried"
    replaced: address = self._current(asked.name)
    self._name(asked.name, asked.contract)
    log ContractReplacedV1(number=number, name=asked.name, contract=asked.contract, replaced=replaced)


# Views ----------------------------------------------------------------------------------------------


@external
@view
def resolve(name: bytes32) -> address:
    """
    @notice The contract of that name; refused if there is none.
    """
    assert self.places[name] != 0, "unknown"
    return self._current(name)


@external
@view
def place(name: bytes32, index: uint256) -> (address, uint64, uint64):
    """
    @notice The index-th contract of that name (from 0), its first block, and the block that ended it (0: none).
    """
    assert index < self.places[name], "unknown"
    word: uint256 = self.history[name][index]
    following: uint256 = self.history[name][index + 1]
    return (
        convert(word & CONTROLLER, address),
        convert(word >> 160 & MASK64, uint64),
        convert(following >> 160 & MASK64, uint64),
    )


@external
@view
def replacement(number: uint256) -> Replacement:
    """
    @notice A proposed replacement.
    """
    return self.replacements[number]


@external
@view
def member_list() -> DynArray[uint64, MOST_MEMBERS]:
    """
    @notice All members, suspended ones too.
    """
    return self.members


@external
@view
def is_member(party: uint64) -> bool:
    """
    @notice Whether that party is a member and stands verified.
    """
    return party in self.members and self._verified(party)


# Inside ---------------------------------------------------------------------------------------------


@internal
def _name(name: bytes32, contract: address):
    assert contract != empty(address), "empty"
    index: uint256 = self.places[name]
    if index == 0:
        self.name_at[self.name_count] = name
        self.name_count += 1
    self.history[name][index] = convert(contract, uint256) | block.number << 160
    self.places[name] = index + 1
    log ContractNamedV1(name=name, contract=contract)


@internal
def _admit(party: uint64):
    assert party not in self.members, "member"
    assert self._verified(party), "status"
    self.members.append(party)
    self.admitted += 1
    self.round += 1
    log MemberAdmittedV1(party=party)


@internal
def _voted(voter: uint64, proposal: bytes32) -> bool:
    ballots._vote(proposal, voter)
    log MemberVotedV1(proposal=proposal, party=voter)
    return self._two_thirds(proposal)


@internal
def _vote_replacement(voter: uint64, number: uint256):
    if self._voted(voter, self._ballot(number)):
        not_before: uint256 = block.timestamp + convert(DELAY, uint256)
        self.replacements[number].not_before = not_before
        log ReplacementCarriedV1(number=number, not_before=convert(not_before, uint64))


@internal
@view
def _two_thirds(proposal: bytes32) -> bool:
    """
    @notice Whether two thirds of the members that stand verified now are among the voters.
    """
    standing: uint256 = 0
    votes: uint256 = 0
    for party: uint64 in self.members:
        if self._verified(party):
            standing += 1
            if ballots.voted[proposal][party]:
                votes += 1
    return votes != 0 and 3 * votes >= 2 * standing


@internal
@view
def _check_member(voter: uint64):
    word: uint256 = staticcall self._registry().party_word(voter)
    assert word & CONTROLLER == convert(msg.sender, uint256), "caller"
    assert voter in self.members, "member"
    assert word & STATUS == IS_VERIFIED, "status"


@internal
@view
def _verified(party: uint64) -> bool:
    word: uint256 = staticcall self._registry().party_word(party)
    return word & (STATUS | IS_ORGANISATION) == IS_VERIFIED | IS_ORGANISATION


@internal
@view
def _registry() -> Registry:
    return Registry(self._current(REGISTRY))


@internal
@view
def _current(name: bytes32) -> address:
    places: uint256 = self.places[name]
    if places == 0:
        return empty(address)
    return convert(self.history[name][places - 1] & CONTROLLER, address)


@internal
@pure
def _ballot(number: uint256) -> bytes32:
    return keccak256(abi_encode(REPLACE, number))
