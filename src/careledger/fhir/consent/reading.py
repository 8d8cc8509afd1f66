"""A FHIR R4 Consent as the ledger's consents.

A Consent may come to several of them: one for each grantee, purpose and rest. The rules are FHIR's and those that IHE
PCF states (appendix P): elements of one provision all hold, repetitions of one element are alternatives, an absent
element constrains nothing, a nested provision is an exception to its parent, and there is one level of nesting.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from careledger.domain.categories import Category, Compartment, Sensitivity
from careledger.domain.consents import Grantee, GranteeKind, Permission, Purpose, Scope, Window
from careledger.domain.errors import CannotExpress
from careledger.domain.ready_made import ready_made
from careledger.fhir.consent import words
from careledger.fhir.consent.agreed import Agreed, Known, refused
from careledger.fhir.consent.provision import Rule, codes, items, name_of, only, party, rule
from careledger.fhir.consent.times import Months, outside, seconds, shared
from careledger.fhir.json_text import Resource

# What says who, when and on what paper, but not what is permitted, is kept with the file and read by nobody here.
_SILENT = frozenset({"id", "meta", "text", "language", "identifier", "performer", "verification"})
_SILENT |= {"sourceAttachment", "sourceReference", "resourceType"}
_READ = frozenset(
    {"status", "scope", "category", "patient", "dateTime", "organization", "policy", "provision"}
)
MOST = 1_000
"""No Consent comes to more consents than this."""


def agreements(consent: Any, known: Known) -> tuple[Agreed, ...]:
    """What a Consent permits, as consents of the ledger, never more and never less.

    Raises CannotExpress, with ``path`` and ``why``, for whatever these cannot carry.
    """
    only(consent, _SILENT | _READ, "Consent")
    _head(consent, known)
    base = rule(consent.get("provision"), "Consent.provision", known)
    if not base.permits:
        raise refused(
            "Consent.provision.type", "the ledger permits and keeps silent; nothing would keep this no"
        )
    nested = [
        _nested(each, f"Consent.provision.provision[{at}]", known)
        for at, each in enumerate(items(consent["provision"], "provision", "Consent.provision"))
    ]
    if len({each.permits for each in nested}) > 1:
        raise refused("Consent.provision.provision", "exceptions that permit and exceptions that deny")
    made: list[Agreed] = []
    for permit in (base, *(_within(base, each) for each in nested if each.permits)):
        made = _few(made + _permitted(consent, permit, known))
    for denial in nested:
        made = made if denial.permits else _few([part for each in made for part in _less(each, denial)])
    if not made:
        raise refused("Consent.provision", "it permits nothing")
    return _template(consent, tuple(dict.fromkeys(made)))


def _few(made: list[Agreed]) -> list[Agreed]:
    if len(made) > MOST:
        raise refused("Consent.provision", "too many consents in one")
    return made


def _head(consent: Resource, known: Known) -> None:
    if consent.get("resourceType") != "Consent" or consent.get("status") != "active":
        raise refused("Consent.status", "only an active Consent is given")
    if words.PRIVACY not in codes(consent.get("scope"), "Consent.scope"):
        raise refused("Consent.scope", "no privacy consent")
    kinds = [codes(each, "Consent.category") for each in items(consent, "category", "Consent")]
    if not any(words.PRIVACY_CONSENT in each for each in kinds):
        raise refused("Consent.category", "no privacy consent")
    if name_of(consent.get("patient"), "Consent.patient")[1] not in known.patient:
        raise refused("Consent.patient", "another patient")
    for uri in _policies(consent):
        if uri not in known.policies | {words.NO_MORE} and not uri.startswith(words.READY_MADE):
            raise refused("Consent.policy", "a policy that may say more than the provisions")


def _policies(consent: Resource) -> list[str]:
    found = items(consent, "policy", "Consent")
    for at, each in enumerate(found):
        only(each, frozenset({"authority", "uri"}), f"Consent.policy[{at}]")
    return [str(each.get("uri")) for each in found]


def _nested(provision: Any, path: str, known: Known) -> Rule:
    found = rule(provision, path, known)
    if "provision" in provision:
        raise refused(f"{path}.provision", "more than one level of exceptions")
    if found.permits:
        return found
    carried = {
        "actor": found.grantees,
        "action": found.permissions,
        "period": found.period,
        "data": found.authors,
    }
    for name, value in carried.items():
        if value is not None:
            raise refused(f"{path}.{name}", "no scope carries this exception")
    return found


def _within(base: Rule, nested: Rule) -> Rule:
    """An exception that permits: what it leaves out is as its parent says."""
    single = nested if nested.records or nested.authors else base
    return Rule(
        True,
        nested.path,
        nested.period or base.period,
        nested.grantees or base.grantees,
        nested.permissions or base.permissions,
        nested.sensitivities or base.sensitivities,
        nested.purposes or base.purposes,
        nested.categories or base.categories,
        nested.months or base.months,
        single.records,
        single.authors,
    )


# What a provision permits -----------------------------------------------------------------------


def _permitted(consent: Resource, permit: Rule, known: Known) -> list[Agreed]:
    path, (first, last) = permit.path, permit.months or (None, None)
    if permit.purposes is None:
        raise refused(f"{path}.purpose", "a consent says what it is for")
    if Purpose.BTG in permit.purposes:
        raise refused(f"{path}.purpose", "breaking the glass has a rule of its own and needs no consent")
    scope = Scope(
        _compartments(permit, known),
        permit.permissions or frozenset({Permission.VIEW}),
        permit.authors,
        first,
        last,
        None if permit.records is None else frozenset(each.handle for each in permit.records),
    )
    window = _window(consent, permit, known)
    return [
        Agreed(grantee, scope, purpose, window)
        for grantee in permit.grantees or _organisations(consent, known)
        for purpose in sorted(permit.purposes)
    ]


def _compartments(permit: Rule, known: Known) -> frozenset[Compartment]:
    """The compartments named; those of single records are named by the records themselves."""
    single = None if permit.records is None else {each.compartment for each in permit.records}
    if single is not None:
        sensitivities = permit.sensitivities or frozenset(Sensitivity)
    else:
        sensitivities = permit.sensitivities or known.sensitivities or frozenset()
    if not sensitivities:
        raise refused(f"{permit.path}.securityLabel", "restricted records are meant only where that is said")
    named = {
        Compartment(category, sensitivity)
        for category in permit.categories or frozenset(Category)
        for sensitivity in sensitivities
    }
    if single is None:
        return frozenset(named)
    if not single <= named:
        raise refused(f"{permit.path}.data", "a record that class or securityLabel leaves out")
    return frozenset(single)


def _window(consent: Resource, permit: Rule, known: Known) -> Window:
    stated, path = permit.period or {}, f"{permit.path}.period"
    begins = stated.get("start", consent.get("dateTime"))
    start = seconds(begins, f"{path}.start" if "start" in stated else "Consent.dateTime")[0]
    end = seconds(stated["end"], f"{path}.end")[1] if "end" in stated else known.until
    if end is None:
        raise refused(f"{path}.end", "a consent ends, and this one does not say when")
    if start >= end:
        raise refused(path, "it ends before it begins")
    return Window(start, end)


def _organisations(consent: Resource, known: Known) -> tuple[Grantee, ...]:
    """Without an actor: whoever acts at the organisations that the Consent is given to."""
    found = []
    for at, reference in enumerate(items(consent, "organization", "Consent")):
        grantee = party(reference, f"Consent.organization[{at}]", known)
        if grantee.kind is not GranteeKind.ORGANISATION:
            raise refused(f"Consent.organization[{at}]", "no organisation")
        found.append(grantee)
    if not found:
        raise refused("Consent.provision.actor", "neither an actor nor an organisation")
    return tuple(dict.fromkeys(found))


# What an exception takes away -------------------------------------------------------------------


def _less(agreed: Agreed, denial: Rule) -> list[Agreed]:
    """What is left of a consent: all that is outside of the denial in at least one respect."""
    if denial.purposes is not None and agreed.purpose not in denial.purposes:
        return [agreed]
    reached = frozenset(each for each in agreed.scope.compartments if _reaches(denial, each))
    parts = _covering(agreed, agreed.scope.compartments - reached)
    for inside in _covering(agreed, reached):
        parts += _less_months(inside, denial)
    return parts


def _reaches(denial: Rule, compartment: Compartment) -> bool:
    category, sensitivity = denial.categories, denial.sensitivities
    return (category is None or compartment.category in category) and (
        sensitivity is None or compartment.sensitivity in sensitivity
    )


def _covering(agreed: Agreed, compartments: frozenset[Compartment]) -> list[Agreed]:
    return [replace(agreed, scope=replace(agreed.scope, compartments=compartments))] if compartments else []


def _less_months(agreed: Agreed, denial: Rule) -> list[Agreed]:
    if denial.months is None:
        return _less_records(agreed, denial)
    whole = agreed.scope.from_month, agreed.scope.to_month
    parts = [_during(agreed, both) for each in outside(denial.months) if (both := shared(whole, each))]
    both = shared(whole, denial.months)
    return parts + (_less_records(_during(agreed, both), denial) if both and denial.records else [])


def _during(agreed: Agreed, months: Months) -> Agreed:
    return replace(agreed, scope=replace(agreed.scope, from_month=months[0], to_month=months[1]))


def _less_records(agreed: Agreed, denial: Rule) -> list[Agreed]:
    if denial.records is None:
        return []
    taken = agreed.scope.exceptions | {each.handle for each in denial.records}
    return [replace(agreed, scope=replace(agreed.scope, exceptions=taken))]


# Ready-made consents ----------------------------------------------------------------------------


def _template(consent: Resource, made: tuple[Agreed, ...]) -> tuple[Agreed, ...]:
    """A ready-made consent names its template; raises CannotExpress where it is not that template unchanged."""
    names = [
        uri.removeprefix(words.READY_MADE) for uri in _policies(consent) if uri.startswith(words.READY_MADE)
    ]
    if not names:
        return made
    try:
        template = ready_made(names[0])
    except CannotExpress as error:
        raise refused("Consent.policy", "no ready-made consent of this name") from error
    whole = Scope(template.compartments, template.permissions)
    for each in made:
        single = each.scope.handles is not None and template.latest
        scope = replace(each.scope, handles=None) if single else each.scope
        if len(names) > 1 or (scope, each.purpose) != (whole, template.purpose):
            raise refused("Consent.policy", "a ready-made consent is taken unchanged")
    return tuple(replace(each, ready_made=template.name) for each in made)
