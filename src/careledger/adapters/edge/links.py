"""Custodians, blocks and the board, reached through a gateway that passes on what it cannot change unnoticed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from careledger.adapters.custody.sockets import error_of
from careledger.adapters.edge.http import Edge, octets, written
from careledger.domain.errors import BlockNotFound, MalformedBytes, PartyNotFound, StoreUnavailable
from careledger.formats.cids import Block, Cid, check_block, raw_cid, text
from careledger.formats.custody import Refusal


class EdgeCustodian:
    """The port CustodianLink: answers are signed or sealed by the custodian, whoever carries them."""

    def __init__(self, edge: Edge, party: int) -> None:
        self._edge, self._party = edge, party

    @property
    def party(self) -> int:
        """The organisation's number on the ledger."""
        return self._party

    def call(self, method: str, body: bytes) -> bytes:
        """The answer's bytes; raises what the custodian refused with, and what the gateway did."""
        said = {"method": method, "message": written(body)}
        told = self._edge.post(f"/agent/custodians/{self._party:016x}", said)
        refused = told.get("refusal")
        if refused is not None:
            raise error_of(_refusal(refused))
        if told.get("answer") is None:
            raise StoreUnavailable(method=method)
        return octets(told, "answer")


def _refusal(said: object) -> Refusal:
    """The custodian's refusal; raises MalformedBytes."""
    if not isinstance(said, dict):
        raise MalformedBytes(why="not a refusal")
    try:
        details = tuple((str(pair[0])[:500], str(pair[1])[:500]) for pair in said["details"])
        return Refusal(str(said["error"])[:64], details[:16])
    except (KeyError, IndexError, TypeError):
        raise MalformedBytes(why="not a refusal") from None


class EdgeBoard:
    """The port Board, trusted for nothing: packages are sealed and signed inside, keys checked by the ledger's digest.

    It cannot publish keys: agents have none to publish.
    """

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._posted: set[bytes] = set()

    def post(self, package: bytes) -> None:
        """Durable when it returns."""
        self._edge.post("/agent/packages", {"package": written(package)})
        self._posted.add(package)

    def has(self, package: bytes) -> bool:
        """Whether it was posted by this link: what was posted before is posted again, which is harmless."""
        return package in self._posted

    def since(self, position: int, most: int | None = None) -> tuple[int, list[bytes]]:
        """The position reached and all packages posted after ``position``, page by page, or at least ``most``."""
        found: list[bytes] = []
        while True:
            said = self._edge.get(f"/agent/packages?after={position}")
            reached, packages = said.get("position"), said.get("packages")
            if not isinstance(reached, int) or not isinstance(packages, list) or reached < position:
                raise MalformedBytes(why="not a part of the board")
            found += [octets({"package": each}, "package") for each in packages]
            if reached == position or (most is not None and len(found) >= most):
                return reached, found
            position = reached

    def sealing_key(self, party: int) -> bytes | None:
        """The key that was published last under that number, by whomever."""
        try:
            return octets(self._edge.get(f"/agent/sealing-keys/{party:016x}"), "sealing_key")
        except PartyNotFound:
            return None

    def publish_key(self, party: int, sealing_key: bytes) -> None:
        """Refused."""
        raise StoreUnavailable(why="an agent publishes no key")


class EdgeBlocks:
    """The port Blocks, to read from: every block is compared with its identifier."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge

    def get(self, cid: bytes) -> bytes:
        """The block; raises BlockNotFound, BlockMismatch, StoreUnavailable, Throttled."""
        return check_block(cid, self.unchecked(cid))

    def unchecked(self, cid: bytes) -> bytes:
        """What the gateway gives as that block; raises BlockNotFound, StoreUnavailable."""
        found = self._edge.file(f"/sealed/{text(cid)}")
        if found is None:
            raise BlockNotFound(cid=text(cid))
        return found

    def has(self, cid: bytes) -> bool:
        """Whether the gateway has it."""
        return self._edge.file(f"/sealed/{text(cid)}") is not None

    def put_many(self, blocks: Sequence[Block], named: Callable[[Block], Cid] = raw_cid) -> list[bytes]:
        """Refused, as pins are: an agent deposits nothing here."""
        raise StoreUnavailable(why="nothing is deposited here")

    def pin(self, owner: str, cids: Iterable[bytes]) -> None:
        """Refused."""
        raise StoreUnavailable(why="nothing is deposited here")

    def unpin(self, owner: str, cids: Iterable[bytes]) -> None:
        """Refused."""
        raise StoreUnavailable(why="nothing is deposited here")


class EdgeGateway:
    """The way to other members, as workflows.gateway has it: what is sealed to one goes by the patient's own gateway.

    That one holds what is not due yet, so that the agent may sleep.
    """

    def __init__(self, edge: Edge, members: Iterable[int]) -> None:
        self._edge = edge
        self.relays = dict.fromkeys(members)

    def forward(self, member: int, sealed: bytes, at: int, now: int) -> None:
        """Hands a message on; raises what the gateway refused with, StoreUnavailable."""
        self._edge.post(f"/agent/relays/{member:016x}", {"sealed": written(sealed), "at": at})


def custodians(edge: Edge, numbers: Iterable[int]) -> dict[int, EdgeCustodian]:
    """A link to each of these custodians."""
    return {number: EdgeCustodian(edge, number) for number in numbers}
