"""Give all the consents that one Consent comes to: all of them, or none where one cannot be given.

Order of effects: first it is asked of each whether it can be given; then what a crash left prepared is finished; then
those of ``grant``, one after the other.
A crash between leaves some given: the same again gives the others, and none twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from careledger.domain import relaying
from careledger.domain.consents import Permission
from careledger.domain.errors import CannotExpress
from careledger.fhir.consent.agreed import Agreed
from careledger.formats.patients import Certificate, GivenConsent, RecordKey
from careledger.formats.scopes import grantee_form, scope_form
from careledger.workflows.actors import Holder
from careledger.workflows.board import organisation_key
from careledger.workflows.grant import (
    PREPARED,
    STANDS,
    Granted,
    certificate_of,
    finish_grants,
    grant,
    live_consents,
)
from careledger.workflows.network import Network


def give_agreed(
    network: Network, holder: Holder, agreed: Sequence[Agreed], keys: Mapping[bytes, RecordKey]
) -> list[Granted]:
    """Gives them, those that stand already excepted; ``keys`` are the secrets of single records by handle.

    Raises CannotExpress, before anything is given, for one that is over already or that names a record without a
    key; then what ``grant`` raises.
    """
    for each in agreed:
        if each.window.end <= network.clock.now():
            raise CannotExpress(path="Consent.provision.period.end", why="it is over already")
        organisation_key(network, each.grantee.organisation.number)
        _record_keys(each, keys)
    finish_grants(network, holder)
    standing = [given for given in live_consents(holder) if given.state in (PREPARED, STANDS)]
    return [_standing(network, standing, each) or _give(network, holder, each, keys) for each in agreed]


def _give(network: Network, holder: Holder, each: Agreed, keys: Mapping[bytes, RecordKey]) -> Granted:
    return grant(
        network, holder, each.grantee, each.scope, each.purpose, each.window, _record_keys(each, keys), each.ready_made
    )  # fmt: skip


def _record_keys(each: Agreed, keys: Mapping[bytes, RecordKey]) -> list[RecordKey]:
    if each.scope.handles is None or Permission.VIEW not in each.scope.permissions:
        return []
    if not each.scope.handles <= keys.keys():
        raise CannotExpress(path="Consent.provision.data", why="a record that this agent cannot open")
    return [keys[handle] for handle in sorted(each.scope.handles)]


def _standing(network: Network, standing: Sequence[GivenConsent], each: Agreed) -> Granted | None:
    """The consent among these that says this already."""
    for given in standing:
        certificate = certificate_of(given)
        if _says(network, given, certificate, each):
            return Granted(given, certificate)
    return None


def _says(network: Network, given: GivenConsent, certificate: Certificate, each: Agreed) -> bool:
    windows = {each.window, relaying.rounded(each.window, network.clock.now())}
    return (
        certificate.grantee == grantee_form(each.grantee)
        and certificate.scope == scope_form(each.scope)
        and (certificate.purpose, certificate.ready_made) == (each.purpose.code, each.ready_made)
        and any((given.start, given.end) == (window.start, window.end) for window in windows)
    )
