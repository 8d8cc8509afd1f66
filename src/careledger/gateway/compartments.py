"""Search in a patient's compartment by its address: ``Patient/ID/TYPE?…``, ``Patient/ID/*?…`` (R4 http.html#vsearch).

It finds what ``TYPE?patient=ID`` finds, asked of the same patient by the same request and hidden alike: what is kept
under an alias is about that patient. Which types there are in it HL7's CompartmentDefinition says.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial

from careledger.app.scopes import SOME
from careledger.app.tokens import Bearer
from careledger.domain.errors import FhirRefused
from careledger.fhir.definitions.tables import patient_compartment
from careledger.fhir.searching.parameters import EVERY_TYPE
from careledger.gateway.about import in_compartment
from careledger.gateway.all_types import searched
from careledger.gateway.desk import Desk
from careledger.gateway.http import FORM, MOST_FORM, Answered, Asked, Handler
from careledger.gateway.searching import answer, of_whom

PATH, OF_ALL = "/Patient/{id}/{kind}", "/Patient/{id}/*"


def handlers(desk: Desk) -> list[Handler]:
    """The routes."""
    get = Handler("GET", PATH, partial(search, desk), looks_at=None, needs="s", of_one=True, in_part=True)
    return [
        replace(get, path=OF_ALL, answer=partial(search_all, desk), of=SOME),
        get,
        replace(get, method="POST", path=f"{PATH}/_search", takes=(FORM,), most=MOST_FORM),
    ]


def search(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """What matches among everything of that type that this post sees of that patient.

    Raises FhirRefused for a type that is in no patient's compartment, and as ``searching.search``.
    """
    kind, id = asked.kind, asked.path["id"]
    _check_in([kind])
    return of_whom(desk, who, asked, in_compartment(kind, id, asked.given), f"Patient/{id}/{kind}")


def search_all(desk: Desk, who: Bearer, asked: Asked) -> Answered:
    """The same of all types that there are in it, or of those that ``_type`` names; raises ScopeRefused, and
    likewise."""
    id = asked.path["id"]
    about = in_compartment(EVERY_TYPE, id, asked.given)
    query = desk.parsed(EVERY_TYPE, about.rest)
    _check_in(query.types)
    types = searched(who, query.types, patient_compartment().types)
    return answer(desk, who, asked, about, replace(query, types=types), f"Patient/{id}/*")


def _check_in(types: Iterable[str]) -> None:
    outside = [each for each in types if each not in patient_compartment().types]
    if outside:
        said = f"not in the Patient compartment: {', '.join(outside)}"
        raise FhirRefused(path="the address", problem=said)
