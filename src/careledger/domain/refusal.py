"""What every refusal is: a named class whose sentence is the message."""

from __future__ import annotations

from functools import partial

SPEAK = ("why", "problem")
"""Details that are words to read."""


class CareLedgerError(Exception):
    """Something was refused; a detail that says nothing is not in the sentence, one that says why stands for itself."""

    def __init__(self, /, **details: object) -> None:
        self.details = details
        said = ", ".join(_detail(*each) for each in details.items() if each[1] != "")
        said = said.rstrip(".")
        sentence = (type(self).__doc__ or "").splitlines()[0].rstrip(".")
        super().__init__(f"{sentence}: {said}." if said else f"{sentence}.")

    def __reduce__(self) -> tuple[object, tuple[()]]:
        """As whoever raised it made it, so that it passes from one process to another."""
        return partial(type(self), **self.details), ()


def _detail(key: str, value: object) -> str:
    return str(value) if key in SPEAK else f"{key.replace('_', ' ')} {value}"
