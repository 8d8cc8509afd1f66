# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Ballots
@notice Who voted for which proposal. A voter is a party and votes once; whether a vote still counts is asked of
        the register when the votes are counted, so that who has left the electorate counts no more.
"""

MOST_VOTERS: constant(uint256) = 128

voters: HashMap[bytes32, DynArray[uint64, MOST_VOTERS]]
voted: HashMap[bytes32, HashMap[uint64, bool]]


@internal
def _vote(proposal: bytes32, voter: uint64):
    """
    @notice Record one vote; a second one by the same party is refused.
    """
    assert not self.voted[proposal][voter], "voted"
    self.voted[proposal][voter] = True
    self.voters[proposal].append(voter)
