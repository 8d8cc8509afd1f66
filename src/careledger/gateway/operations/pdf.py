"""``Patient/$pdf``: what ``$summary`` says, on pages, set in the process beside while others are answered."""

from __future__ import annotations

from functools import partial

from careledger.app.tokens import Bearer
from careledger.fhir.patient_summary import readable
from careledger.fhir.printing.pdf import check_installed, pdf_of
from careledger.gateway.desk import Desk
from careledger.gateway.forms import SANDBOX
from careledger.gateway.http import JSONS, MOST_FORM, Asked, Handler, Plain, Slow
from careledger.gateway.operations.summary import check_parameters, summarised

PATH = "/Patient/{id}/$pdf"
PDF = "application/pdf"


def handlers(desk: Desk) -> list[Handler]:
    """The routes."""
    return [
        Handler("GET", PATH, partial(pdf, desk), any_format=True, needs="r", of_one=True),
        Handler(
            "POST", PATH, partial(posted, desk), JSONS, MOST_FORM, any_format=True, needs="r", of_one=True
        ),
    ]


def posted(desk: Desk, who: Bearer, asked: Asked) -> Slow:
    """The same, asked for by a Parameters resource without any; raises FhirRefused for another body."""
    check_parameters(asked)
    return pdf(desk, who, asked)


def pdf(desk: Desk, who: Bearer, asked: Asked) -> Slow:
    """The pages as an attachment; raises NotInstalled, and what ``Leases.look`` raises."""
    check_installed()
    pages = yield partial(pdf_of, readable(summarised(desk, who, asked)))
    headers = {
        "Content-Disposition": 'attachment; filename="summary.pdf"',
        "Content-Security-Policy": SANDBOX,
    }
    id = asked.path["id"]
    return Plain(pages, PDF, headers=headers, shows=((bytes.fromhex(id), f"Patient/{id}/$pdf"),))
