"""May this be read, released, written? One pure function of values, time included.

``decide`` denies by default: each rule is a row of steps, every step that fails gives its reason, and only who
passes all of them is permitted. What it goes by:

*Reading and releasing.* A question names its rule. ``consent``: the ledger's consent is active at T, certified by
the present controller, for this grantee, purpose and version; the matrix then lets it open the cell: *only if
involved* by a relation (a ready-made consent with a treatment, payment or dispensing purpose that fits the
row) or by a category named, *no* by a category named, for the rows of ``OPENED_BY_NAME``. ``registrar``,
``general`` and ``break-glass`` are the only standing rules, fixed here so that no vote widens them. ``own`` is
the patient. ``officers`` is for the dead alone, as is a consent for after the death. Restricted compartments are
reached only where named: in the consent's scope, in the break-glass entry, or in the officers' decision.

*Two matrices.* The version in force when the record was anchored and the present one must both let the same
role in. An amendment therefore narrows at once and never widens access to what was deposited before it.

*Writing.* A ground (own, append, registrar, unasked) and the row that counts: the signing author's, else for an
import the row "organisation, import" of a verified depositor with whom the patient is registered or who has an append
consent, else, for what the patient reports, none. Custodians ask without ``may_sign``; readers, who see the
manifest, with it, and their answer wins.

*Accepting* what was deposited unasked: by the patient, or by a doctor who may see it by a consent for treatment.
"""

from __future__ import annotations

from careledger.domain.accepting import decide_accepting
from careledger.domain.errors import AccessRefused, WritingRefused
from careledger.domain.questions import Accepting, Question, Writing
from careledger.domain.reading import decide_reading
from careledger.domain.reasons import Decision, Permitted, Refused
from careledger.domain.writing import decide_writing


def decide(question: Question) -> Decision:
    """Permitted with the explanation and rule, or Refused with the reason and explanation."""
    match question:
        case Writing():
            return decide_writing(question)
        case Accepting():
            return decide_accepting(question)
        case _:
            return decide_reading(question)


def require(question: Question) -> Permitted:
    """The permission; raises AccessRefused or WritingRefused with the details ``reason`` (its code) and ``because``."""
    decision = decide(question)
    if isinstance(decision, Refused):
        refusal = WritingRefused if isinstance(question, Writing) else AccessRefused
        raise refusal(reason=decision.reason.code, because=decision.explanation)
    return decision
