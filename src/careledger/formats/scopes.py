"""Scopes and grantees between the domain's values and the form that is signed."""

from __future__ import annotations

from careledger.domain.categories import Compartment
from careledger.domain.consents import Grantee, GranteeKind, Permission, Scope
from careledger.domain.errors import CannotExpress
from careledger.domain.parties import PartyId
from careledger.formats.patients import GranteeForm, ScopeForm


def scope_form(scope: Scope) -> ScopeForm:
    """The scope as it is signed: sets in rising order."""
    return ScopeForm(
        tuple(sorted(compartment.number for compartment in scope.compartments)),
        tuple(permission.code for permission in sorted(scope.permissions)),
        None if scope.authors is None else tuple(sorted(author.number for author in scope.authors)),
        scope.from_month,
        scope.to_month,
        None if scope.handles is None else tuple(sorted(scope.handles)),
        tuple(sorted(scope.exceptions)),
    )


def scope_of(form: ScopeForm) -> Scope:
    """The scope that was signed; raises MalformedBytes, CannotExpress if it covers nothing."""
    return Scope(
        frozenset(Compartment.numbered(number) for number in form.compartments),
        frozenset(Permission.of(code) for code in form.permissions),
        None if form.authors is None else frozenset(PartyId(number) for number in form.authors),
        form.from_month,
        form.to_month,
        None if form.handles is None else frozenset(form.handles),
        frozenset(form.exceptions),
    )


def grantee_form(grantee: Grantee) -> GranteeForm:
    """The grantee as it is signed; raises CannotExpress for one narrowed by specialties."""
    if grantee.specialties:
        raise CannotExpress(why="a grantee narrowed by specialty")
    return GranteeForm(grantee.kind.code, grantee.number, grantee.organisation.number)


def grantee_of(form: GranteeForm) -> Grantee:
    """The grantee that was signed; raises MalformedBytes."""
    return Grantee(GranteeKind.of(form.kind), form.number, PartyId(form.organisation))
