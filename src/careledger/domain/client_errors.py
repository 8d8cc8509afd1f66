"""Refusals that concern apps and back-end services; part of the one tree in errors.py."""

from __future__ import annotations

from careledger.domain.refusal import CareLedgerError


class ClientNotFound(CareLedgerError):
    """No app and no back-end service is registered under this identifier."""


class ClientRefused(CareLedgerError):
    """This app or back-end service cannot be registered so."""


class KeySetRefused(CareLedgerError):
    """This is no set of public keys that a client can prove itself by."""


class AssertionRefused(CareLedgerError):
    """This assertion does not prove who the client is."""


class AssertionUsed(AssertionRefused):
    """This assertion was shown before."""


class OAuthRefused(CareLedgerError):
    """The authorization server does not do what this client asks."""


class ReplaySeen(OAuthRefused):
    """What this client shows was used before, and what it gave is over."""
