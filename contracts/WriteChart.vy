# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Write chart
@notice Who may write what, in one word that a direct deposit can afford to read. Anybody may have it taken from
        the access policy. It lapses at the earliest moment at which an amendment could change it (a pending one,
        or one voted right after it was taken), and a lapsed chart permits nothing; so it never permits what the
        policy does not. Only plain `yes` cells count: what the other codes ask for, no contract can check.
@dev    Role r may write category c: bit 16r + c. Time at which the chart lapses (unix seconds): bits 224-255.
"""

interface AccessPolicy:
    def DELAY() -> uint64: view
    def latest() -> (uint16, uint64): view
    def version() -> uint16: view
    def row(version: uint16, role: uint8) -> (uint64, uint64): view

event ChartTakenV1:
    version: indexed(uint16)
    chart: uint256

ROLES: constant(uint256) = 14
CATEGORIES: constant(uint256) = 15
YES: constant(uint256) = 1

POLICY: public(immutable(AccessPolicy))

chart: public(uint256)


@deploy
def __init__(policy: address):
    POLICY = AccessPolicy(policy)


@external
def take():
    """
    @notice Take the chart from the policy's version in force. Anybody may: there is nothing to choose.
    """
    version: uint16 = staticcall POLICY.version()
    chart: uint256 = self._lapses() << 224
    for role: uint256 in range(ROLES):
        reading: uint64 = 0
        writing: uint64 = 0
        reading, writing = staticcall POLICY.row(version, convert(role, uint8))
        for category: uint256 in range(1, CATEGORIES + 1):
            if convert(writing, uint256) >> 4 * category & 15 == YES:
                chart |= 1 << 16 * role + category
    self.chart = chart
    log ChartTakenV1(version=version, chart=chart)


@external
@view
def may_write(role: uint8, category: uint8) -> bool:
    """
    @notice Whether the chart in force lets that role write that category.
    """
    chart: uint256 = self.chart
    if role >= 14 or category >= 16 or chart >> 224 <= block.timestamp:
        return False
    return chart >> 16 * convert(role, uint256) + convert(category, uint256) & 1 == 1


@internal
@view
def _lapses() -> uint256:
    """
    @notice The earliest moment at which another version could be in force.
    """
    voted_now: uint256 = block.timestamp + convert(staticcall POLICY.DELAY(), uint256)
    latest: uint16 = 0
    since: uint64 = 0
    latest, since = staticcall POLICY.latest()
    pending: uint256 = convert(since, uint256)
    if pending > block.timestamp:
        return min(pending, voted_now)
    return voted_now
