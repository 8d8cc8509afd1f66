"""What one process refuses another one can say: every refusal passes between them as it was raised."""

from __future__ import annotations

import pickle

import pytest

from careledger.domain import errors

ALL = sorted(
    (each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, Exception)),
    key=lambda each: each.__name__,
)


@pytest.mark.parametrize("kind", ALL)
def test_a_refusal_is_the_same_after_it_was_handed_over(kind: type[errors.CareLedgerError]) -> None:
    raised = kind(path="Bundle.entry[3]", found=2)
    again = pickle.loads(pickle.dumps(raised))
    assert type(again) is kind
    assert (str(again), again.details) == (str(raised), raised.details)
