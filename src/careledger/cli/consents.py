"""``careledger consent list PATIENT``: what a patient has granted to whom, and how it stands on the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from careledger.app.names import Names
from careledger.cli.opening import Mine
from careledger.cli.scoping import by_digits
from careledger.cli.screen import Screen
from careledger.cli.words import NONE, Facts, listed, minute, moment
from careledger.domain.categories import Compartment
from careledger.domain.consents import ConsentState, Purpose, Window, state
from careledger.formats.patients import GivenConsent, ScopeForm
from careledger.workflows.grant import certificate_of, given_consents

if TYPE_CHECKING:
    from careledger.app.world import World


def facts(world: World, mine: Mine) -> Facts:
    """As it stands in ``--json``: every consent ever given by this agent, oldest first."""
    names = Names(world, world.ledger.fresh_head())
    return {
        "patient": mine.label,
        "alias": mine.holder.alias.hex(),
        "consents": [_consent(world, names, given) for given in given_consents(mine.holder)],
    }


def _consent(world: World, names: Names, given: GivenConsent) -> Facts:
    certificate = certificate_of(given)
    view = world.ledger.fresh_head()
    slot = view.consent(certificate.owner, certificate.commitment)
    at = max(world.clock.now(), view.head.time)
    window = Window(given.start, given.end)
    stands = state(
        slot is not None and slot.given_at > 0, window, slot is not None and slot.revoked_at > 0, at
    )
    return {
        "state": _STATES[stands],
        "grantee": names.of(certificate.grantee.number),
        "grantee_kind": certificate.grantee.kind,
        "organisation": names.of(certificate.grantee.organisation),
        "may": list(certificate.scope.permissions),
        "categories": [str(Compartment.numbered(number)) for number in certificate.scope.compartments],
        "single_records": None if certificate.scope.handles is None else len(certificate.scope.handles),
        "narrowed": _narrowed(names, certificate.scope),
        "purpose": certificate.purpose,
        "start": moment(given.start),
        "end": moment(given.end),
        "given": moment(slot.given_at) if slot and slot.given_at else None,
        "revoked": moment(slot.revoked_at) if slot and slot.revoked_at else None,
        "ready_made": certificate.ready_made or None,
        "owner": "0x" + certificate.owner.hex(),
        "commitment": certificate.commitment.hex(),
        "window": [given.start, given.end],
    }


_STATES = {
    ConsentState.NONE: "not on the ledger",
    ConsentState.NOT_YET: "not yet",
    ConsentState.ACTIVE: "active",
    ConsentState.EXPIRED: "expired",
    ConsentState.REVOKED: "revoked",
}


def _narrowed(names: Names, scope: ScopeForm) -> list[str]:
    said = []
    if scope.authors is not None:
        said.append("by " + listed([names.of(number) for number in scope.authors]))
    if scope.from_month or scope.to_month:
        said.append(f"from {scope.from_month or 'the first'} to {scope.to_month or 'the last'}")
    if scope.exceptions:
        said.append(f"except {len(scope.exceptions)}")
    return said


def print_consents(screen: Screen, found: Facts) -> None:
    """The table."""
    rows = [
        (
            each["commitment"][:8],
            each["state"],
            _who(each),
            _what(each),
            Purpose.of(each["purpose"]).words,
            _window(each),
        )
        for each in found["consents"]
    ]
    if rows:
        screen.table(
            f"Consents of {found['patient']}",
            ("consent", "state", "to", "may", "for", "from, until (UTC)"),
            rows,
            whole=("consent",),
        )
    else:
        screen.says("No consent was given.")


def _who(each: Facts) -> str:
    inside = each["organisation"] != each["grantee"]
    return f"{each['grantee']}\n{each['organisation']}" if inside else str(each["grantee"])


def _what(each: Facts) -> str:
    kinds = each["categories"]
    categories = listed(kinds) if len(kinds) <= 6 else f"{len(kinds)} kinds of record"
    single = each["single_records"]
    scope = categories if single is None else f"{single} single of {categories}"
    lines = [f"{listed(each['may'])}: {scope}", *each["narrowed"]]
    return "\n".join(lines + ([f"ready-made: {each['ready_made']}"] if each["ready_made"] else []))


def _window(each: Facts) -> str:
    start, end = each["window"]
    return f"{minute(start)}\n{minute(end)}" if end else NONE


def owner_of(world: World, mine: Mine, named: str) -> bytes:
    """The one-time owner of the consent with these digits, or of the only one that stands for a grantee whose name is
    or begins so."""
    found, said = facts(world, mine)["consents"], named.casefold()
    standing = [each for each in found if each["state"] in ("active", "not yet")]
    fitting = [each for each in standing if each["grantee"] == named] or [
        each for each in standing if said and each["grantee"].casefold().startswith(said)
    ]
    if len(fitting) == 1:
        return bytes.fromhex(fitting[0]["owner"][2:])
    known: dict[str, object] = {each["commitment"]: each["owner"] for each in found}
    if fitting or not any(digits.startswith(said.removeprefix("0x")) for digits in known):
        why = (
            "several consents stand for such a name"
            if fitting
            else "none stands for such a name or begins so"
        )
        raise typer.BadParameter(f"{why}; careledger consent list has them", param_hint="CONSENT")
    return bytes.fromhex(str(known[by_digits(named, known, "CONSENT")])[2:])
