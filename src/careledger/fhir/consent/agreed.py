"""What a Consent comes to on the ledger, and what its reader has to know beside the file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from careledger.domain.categories import Compartment, Sensitivity
from careledger.domain.consents import Grantee, Purpose, Scope, Window
from careledger.domain.errors import CannotExpress


@dataclass(frozen=True, slots=True)
class Agreed:
    """One consent as the ledger's certificates carry it: one grantee, one scope, one purpose, one window."""

    grantee: Grantee
    scope: Scope
    purpose: Purpose
    window: Window
    ready_made: str = ""


@dataclass(frozen=True, slots=True)
class NamedRecord:
    """The version that a reference names, and where it lies."""

    handle: bytes
    compartment: Compartment


@dataclass(frozen=True)
class Known:
    """How the patient's agent resolves names: a literal reference as it stands, an identifier as ``system|value``.

    ``policies`` are the policies of which the patient said that they add nothing to the provisions. ``until`` (unix
    seconds) and ``sensitivities`` are what the patient says where the file says nothing and the ledger needs a word:
    the end, and whether restricted records are meant. None: such a file is refused.
    """

    patient: frozenset[str]
    party: Callable[[str], Grantee | None]
    record: Callable[[str], NamedRecord | None]
    policies: frozenset[str] = frozenset()
    until: int | None = None
    sensitivities: frozenset[Sensitivity] | None = None


def refused(path: str, why: str) -> CannotExpress:
    """The refusal of one element; ``why`` holds nothing of the file's own words."""
    return CannotExpress(path=path, why=why)
