"""``careledger summary PATIENT``: the patient's own record in the words and tables of a patient summary."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from careledger.cli.opening import Mine
from careledger.cli.records import own_records
from careledger.fhir.patient_summary import Readable, readable
from careledger.fhir.printing.pdf import check_installed, pdf_of
from careledger.gateway.operations.summary import of_view
from careledger.gateway.views import Seen, View

if TYPE_CHECKING:
    from careledger.app.world import World

__all__ = ["check_installed", "own_summary", "pdf_of", "text_of"]


def own_summary(world: World, mine: Mine) -> Readable:
    """What is summed up of a patient's own record at this moment; raises what ``own_records`` raises.

    What did not open counts as not all having come.
    """
    found = own_records(world, mine, every=True).retrieved
    trusted = tuple(each for each in found.records if not each.distrust and not each.apart)
    complete = found.complete and not found.problems
    view = View(Seen(mine.holder.alias, trusted, (), complete))
    return readable(of_view("", view, world.clock.now()))


def text_of(summary: Readable) -> str:
    """The summary as plain lines, cells apart by two spaces."""
    return "\n".join(_lines(summary))


def _lines(summary: Readable) -> Iterator[str]:
    yield summary.title
    yield from summary.said
    for part in summary.parts:
        yield ""
        yield part.title
        yield from ("  " + "  ".join(each for each in row if each) for row in part.rows)
        yield from ("  " + each for each in part.said)
