# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Teams
@notice The tree of departments and teams inside an organisation, and which posts work in them. A consent may
        name a team; this tree decides who is meant, at most eight levels deep. Only the organisation changes it.
@dev    A team is one word: organisation 0-63, parent team 64-127 (0 for none), depth 128-135 (from 1), number
        of teams below 136-167, retired 168.
"""

interface Registry:
    def party_word(party: uint64) -> uint256: view
    def standing_word(party: uint64) -> uint256: view

event TeamFormedV1:
    team: indexed(uint64)
    organisation: indexed(uint64)
    parent: uint64

event TeamMovedV1:
    team: indexed(uint64)
    parent: uint64

event TeamRetiredV1:
    team: indexed(uint64)

event PostJoinedV1:
    team: indexed(uint64)
    post: indexed(uint64)

event PostLeftV1:
    team: indexed(uint64)
    post: indexed(uint64)

DEEPEST: constant(uint256) = 8
MOST_TEAMS: constant(uint256) = 8  # that a post belongs to directly

MASK64: constant(uint256) = 2**64 - 1
MASK8: constant(uint256) = 255
CONTROLLER: constant(uint256) = 2**160 - 1
STATUS: constant(uint256) = 255 * 2**176
IS_VERIFIED: constant(uint256) = 2 * 2**176
IS_REMOVED: constant(uint256) = 4 * 2**176
IS_ORGANISATION: constant(uint256) = 2**248
ONE_BELOW: constant(uint256) = 2**136
BELOW: constant(uint256) = (2**32 - 1) * 2**136
RETIRED: constant(uint256) = 2**168

REGISTRY: immutable(Registry)

teams: HashMap[uint64, uint256]
teams_of: HashMap[uint64, DynArray[uint64, MOST_TEAMS]]


@deploy
def __init__(registry: address):
    REGISTRY = Registry(registry)


@external
def form_team(organisation: uint64, team: uint64, parent: uint64):
    """
    @notice A verified organisation forms a team, below another one of its own or at the top (parent 0).
    """
    self._check_organisation(organisation)
    assert team != 0, "empty"
    assert self.teams[team] == 0, "taken"
    self.teams[team] = convert(organisation, uint256) | self._hung(organisation, parent)
    log TeamFormedV1(team=team, organisation=organisation, parent=parent)


@external
def move_team(team: uint64, parent: uint64):
    """
    @notice The organisation hangs a team without teams below it under another parent.
    """
    word: uint256 = self._own_team(team)
    organisation: uint64 = convert(word & MASK64, uint64)
    assert parent != team, "cycle"
    assert word & BELOW == 0, "teams below"
    self._unhang(word)
    self.teams[team] = convert(organisation, uint256) | self._hung(organisation, parent)
    log TeamMovedV1(team=team, parent=parent)


@external
def retire_team(team: uint64):
    """
    @notice The organisation ends a team without teams below it; nobody is in it from this block on.
    """
    word: uint256 = self._own_team(team)
    assert word & BELOW == 0, "teams below"
    self._unhang(word)
    self.teams[team] = word | RETIRED
    log TeamRetiredV1(team=team)


@external
def join_team(team: uint64, post: uint64):
    """
    @notice The organisation puts one of its posts into a team.
    """
    word: uint256 = self._own_team(team)
    self._check_employed(post, word & MASK64)
    assert team not in self.teams_of[post], "in team"
    assert len(self.teams_of[post]) < MOST_TEAMS, "full"
    self.teams_of[post].append(team)
    log PostJoinedV1(team=team, post=post)


@external
def leave_team(team: uint64, post: uint64):
    """
    @notice The organisation takes a post out of a team, retired ones included.
    """
    word: uint256 = self.teams[team]
    assert word != 0, "unknown"
    self._check_organisation(convert(word & MASK64, uint64))
    assert team in self.teams_of[post], "not in team"
    last: uint64 = self.teams_of[post].pop()
    for i: uint256 in range(len(self.teams_of[post]), bound=MOST_TEAMS):
        if self.teams_of[post][i] == team:
            self.teams_of[post][i] = last
            break
    log PostLeftV1(team=team, post=post)


@external
@view
def team_word(team: uint64) -> uint256:
    """
    @notice The team's word, 0 for none.
    """
    return self.teams[team]


@external
@view
def team(team: uint64) -> (uint64, uint64, uint8, bool):
    """
    @notice Organisation, parent, depth, retired or not.
    """
    word: uint256 = self.teams[team]
    return (
        convert(word & MASK64, uint64),
        convert(word >> 64 & MASK64, uint64),
        convert(word >> 128 & MASK8, uint8),
        word & RETIRED != 0,
    )


@external
@view
def memberships(post: uint64) -> DynArray[uint64, MOST_TEAMS]:
    """
    @notice The teams that a post was put into, retired ones included.
    """
    return self.teams_of[post]


@external
@view
def in_team(post: uint64, team: uint64) -> bool:
    """
    @notice Whether a post in good standing works in that team or in one below it.
    """
    return self._in_team(staticcall REGISTRY.standing_word(post), post, team)


@external
@view
def acts_in_team(post: uint64, team: uint64, role: uint8) -> bool:
    """
    @notice The same, of a post that has that role.
    """
    word: uint256 = staticcall REGISTRY.standing_word(post)
    return role < 16 and word >> 160 >> convert(role, uint256) & 1 != 0 and self._in_team(word, post, team)


@internal
@view
def _in_team(party: uint256, post: uint64, team: uint64) -> bool:
    sought: uint256 = self.teams[team]
    if sought == 0 or sought & RETIRED != 0:
        return False
    if party & (STATUS | IS_ORGANISATION) != IS_VERIFIED or party >> 184 & MASK64 != sought & MASK64:
        return False
    for joined: uint64 in self.teams_of[post]:
        walked: uint64 = joined
        for level: uint256 in range(DEEPEST):
            word: uint256 = self.teams[walked]
            if word & RETIRED != 0:
                break
            if walked == team:
                return True
            walked = convert(word >> 64 & MASK64, uint64)
            if walked == 0:
                break
    return False


@internal
def _hung(organisation: uint64, parent: uint64) -> uint256:
    """
    @notice Parent and depth of a team that comes under that parent, whose count goes up.
    """
    if parent == 0:
        return 1 << 128
    above: uint256 = self.teams[parent]
    assert above & MASK64 == convert(organisation, uint256), "parent"
    assert above & RETIRED == 0, "parent"
    depth: uint256 = (above >> 128 & MASK8) + 1
    assert depth <= DEEPEST, "too deep"
    self.teams[parent] = above + ONE_BELOW
    return convert(parent, uint256) << 64 | depth << 128


@internal
def _unhang(word: uint256):
    parent: uint64 = convert(word >> 64 & MASK64, uint64)
    if parent != 0:
        self.teams[parent] -= ONE_BELOW


@internal
@view
def _own_team(team: uint64) -> uint256:
    """
    @notice The word of a team in being, of the calling organisation.
    """
    word: uint256 = self.teams[team]
    assert word != 0, "unknown"
    assert word & RETIRED == 0, "retired"
    self._check_organisation(convert(word & MASK64, uint64))
    return word


@internal
@view
def _check_organisation(organisation: uint64):
    word: uint256 = staticcall REGISTRY.party_word(organisation)
    assert word & CONTROLLER == convert(msg.sender, uint256), "caller"
    assert word & (STATUS | IS_ORGANISATION) == IS_VERIFIED | IS_ORGANISATION, "status"


@internal
@view
def _check_employed(post: uint64, organisation: uint256):
    word: uint256 = staticcall REGISTRY.party_word(post)
    assert word & IS_ORGANISATION == 0 and word >> 184 & MASK64 == organisation, "employer"
    assert word & STATUS != IS_REMOVED, "status"
