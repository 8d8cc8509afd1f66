"""What every contract test starts from."""

from __future__ import annotations

import pytest

from careledger.domain.parties import Role
from contracts.harness import Chain
from contracts.registry_world import CENTRE, DOCTOR, HOSPITAL, NURSE, Consortium


@pytest.fixture
def chain() -> Chain:
    """An empty chain."""
    return Chain()


@pytest.fixture
def net(chain: Chain) -> Consortium:
    """The ministry, a verified hospital with a doctor and a nurse, a verified centre."""
    net = Consortium(chain)
    net.add_organisation(HOSPITAL, Role.HOSPITAL)
    net.add_organisation(CENTRE, Role.CENTRE)
    net.add_post(DOCTOR, HOSPITAL)
    net.add_post(NURSE, HOSPITAL, Role.NURSE)
    return net
