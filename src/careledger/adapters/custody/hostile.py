"""Custodians that lie, delay, repeat, die before or after doing it: twins to wrap an honest one in, for tests.

Answers are signed and sealed, so a link can only spoil them; a lie that is signed is made in the rows beneath.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from careledger.domain.custody import KeptDeposit, KeptVersion
from careledger.domain.errors import StoreUnavailable
from careledger.ports import CustodianLink
from careledger.proofs.notes import NoteKey
from careledger.proofs.release_log import ReleaseLog
from careledger.proofs.tiles import new_bundles

Change = Callable[[bytes], bytes]


class DyingLink:
    """Fails calls of some methods, before they reach the custodian or after it did them durably.

    ``before`` and ``after`` name methods; each fails ``times`` times, then works. ``failed`` counts.
    """

    def __init__(
        self, link: CustodianLink, before: Iterable[str] = (), after: Iterable[str] = (), times: int = 1
    ) -> None:
        self._link = link
        self._before, self._after = dict.fromkeys(before, times), dict.fromkeys(after, times)
        self.failed = 0

    @property
    def party(self) -> int:
        """The organisation's number."""
        return self._link.party

    def call(self, method: str, body: bytes) -> bytes:
        """Raises StoreUnavailable as told."""
        if self._due(self._before, method):
            raise StoreUnavailable(method=method)
        answer = self._link.call(method, body)
        if self._due(self._after, method):
            raise StoreUnavailable(method=method)
        return answer

    def _due(self, plan: dict[str, int], method: str) -> bool:
        left = plan.get(method, 0)
        plan[method] = max(0, left - 1)
        self.failed += left > 0
        return left > 0


class RepeatingLink:
    """Gives every message to the custodian twice, as a relay that retries may, and answers with the second answer.

    For ``release`` the second is refused as a replay, so there the first answer counts.
    """

    def __init__(self, link: CustodianLink) -> None:
        self._link = link

    @property
    def party(self) -> int:
        """The organisation's number."""
        return self._link.party

    def call(self, method: str, body: bytes) -> bytes:
        """The answer to the repeated message."""
        first = self._link.call(method, body)
        return first if method == "release" else self._link.call(method, body)


class StaleLink:
    """Answers a question of some methods as it answered the first time, whatever happened since."""

    def __init__(self, link: CustodianLink, methods: Iterable[str] = ("alias",)) -> None:
        self._link, self._methods = link, frozenset(methods)
        self._known: dict[tuple[str, bytes], bytes] = {}

    @property
    def party(self) -> int:
        """The organisation's number."""
        return self._link.party

    def call(self, method: str, body: bytes) -> bytes:
        """The first answer, again."""
        if method not in self._methods:
            return self._link.call(method, body)
        if (method, body) not in self._known:
            self._known[method, body] = self._link.call(method, body)
        return self._known[method, body]


class DelayingLink:
    """Lets time pass before each call: ``wait`` is called first (to move a clock, or to sleep)."""

    def __init__(self, link: CustodianLink, wait: Callable[[], None]) -> None:
        self._link, self._wait = link, wait

    @property
    def party(self) -> int:
        """The organisation's number."""
        return self._link.party

    def call(self, method: str, body: bytes) -> bytes:
        """The honest answer, later."""
        self._wait()
        return self._link.call(method, body)


@dataclass
class LyingLink:
    """Changes answers of some methods on the way out; each ``lies[method]`` gets the honest bytes."""

    link: CustodianLink
    lies: dict[str, Change] = field(default_factory=dict)

    @property
    def party(self) -> int:
        """The organisation's number."""
        return self.link.party

    def call(self, method: str, body: bytes) -> bytes:
        """The lie, or the honest answer where there is none."""
        answer = self.link.call(method, body)
        return self.lies[method](answer) if method in self.lies else answer


class LyingRows:
    """A custodian's rows that lie to it, so that it signs the lie: what a dishonest custodian's answers look like.

    ``wrong_share`` changes every share, ``wrong_commitment`` every commitment (and so the path), ``rows_of`` gives
    another alias's versions and deposits in place of the one that is asked.
    """

    def __init__(
        self,
        rows: Any,
        wrong_share: bool = False,
        wrong_commitment: bool = False,
        rows_of: bytes | None = None,
    ) -> None:
        self._rows = rows
        self._wrong_share, self._wrong_commitment, self._rows_of = wrong_share, wrong_commitment, rows_of

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rows, name)

    def shares(self, alias: bytes, deposits: Collection[bytes] | None = None) -> dict[bytes, bytes]:
        """The shares, changed if told to."""
        held: dict[bytes, bytes] = self._rows.shares(self._rows_of or alias, deposits)
        if not self._wrong_share:
            return held
        return {subject: share[:-1] + bytes([share[-1] ^ 1]) for subject, share in held.items()}

    def deposits(self, alias: bytes) -> list[KeptDeposit]:
        """The deposits, of another alias if told to."""
        found: list[KeptDeposit] = self._rows.deposits(self._rows_of or alias)
        return found

    def versions(self, alias: bytes, compartments: Collection[int] | None = None) -> list[KeptVersion]:
        """The versions, of another alias or with other commitments if told to."""
        found: list[KeptVersion] = self._rows.versions(self._rows_of or alias, compartments)
        if self._rows_of is not None:
            found = [version._replace(alias=alias) for version in found]
        if self._wrong_commitment:
            found = [version._replace(all_commitments=version.all_commitments[::-1]) for version in found]
        return found


class ForkedLogLink:
    """A custodian that shows one log to the ledger and another, signed with the same key, to whoever asks here."""

    def __init__(self, link: CustodianLink, key: NoteKey, entries: Iterable[bytes]) -> None:
        self._link = link
        self._log = ReleaseLog(key.verifier.name, entries)
        self._note = self._log.head().checkpoint.sign(key).encode()

    @property
    def party(self) -> int:
        """The organisation's number."""
        return self._link.party

    def call(self, method: str, body: bytes) -> bytes:
        """The honest answer, but the other log's files."""
        if method != "tile":
            return self._link.call(method, body)
        if body == b"checkpoint":
            return self._note
        files = new_bundles(self._log.entries(0, self._log.size), 0, self._log.size)
        return files[body.decode()]
