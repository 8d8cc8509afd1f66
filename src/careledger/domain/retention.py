"""Until when a record is kept from erasure: a number of days after its anchoring, by category.

Two tables are asked, the one in force at the anchoring and the present one, and the shorter time counts: no vote puts
off what was anchored before it. Erasure ends sharing; the author's own chart is another matter.
"""

from __future__ import annotations

from careledger.domain.categories import Category
from careledger.domain.facts import RetentionFacts

DAY = 24 * 3600
NOTHING_KEPT = RetentionFacts(0, 0, (0,) * (max(Category) + 1))


def kept_until(category: Category, anchored_at: int, then: RetentionFacts, now: RetentionFacts) -> int:
    """The second from which an erasure is carried out; one ordered before restricts, and waits for it."""
    return anchored_at + DAY * min(then.days[category], now.days[category])
