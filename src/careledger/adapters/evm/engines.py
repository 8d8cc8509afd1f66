"""Which engine runs here, and the gas figures that it must show before it may.

The figures are worked out from the London rules by hand (yellow paper appendix G; EIP-2028, 2929, 3529,
3541, 3855) so that a wheel that quietly runs another fork, or leaks warmth from one transaction into the
next, is refused before it writes a block.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec

from careledger.adapters.evm.engine import Account, BlockContext, Engine, Message
from careledger.domain.errors import EngineMismatch

_SENDER = b"\x11" * 20
_AT = b"\x22" * 20


@dataclass(frozen=True, slots=True)
class Figure:
    """A small program, what it runs on, and what London says of it."""

    name: str
    code: str
    gas_used: int
    success: bool = True
    data: str = ""
    output: str = ""
    slot0: int = 0
    creates: bool = False


_WORD = "60005260206000f3"  # return the top of the stack as one word

FIGURES = (
    Figure("nothing", "", 21_000),
    Figure("calldata", "", 21_000 + 4 * 4 + 4 * 16, data="0000000001020304"),
    Figure("first write of a slot", "6001600055", 21_000 + 6 + 22_100),
    Figure("change of a slot", "6002600055", 21_000 + 6 + 5_000, slot0=1),
    Figure("same value again", "6001600055", 21_000 + 6 + 2_200, slot0=1),
    Figure("clearing, refund capped at a fifth", "6000600055", 26_006 - 4_800, slot0=1),
    Figure("write and clear again", "60016000556000600055", 43_212 - 43_212 // 5),
    Figure("cold and warm read", "600054600054", 21_000 + 6 + 2_100 + 100),
    Figure("cold and warm account", "61dead3161dead31", 21_000 + 6 + 2_600 + 100),
    Figure("own destruction without refund", "33ff", 21_000 + 2 + 5_000),
    Figure("revert keeps the rest", "60206000fd", 21_000 + 9, success=False, output="00" * 32),
    Figure("PUSH0 is not there", "5f", 50_000, success=False),
    Figure("BASEFEE is, and zero", "48" + _WORD, 21_000 + 17, output="00" * 32),
    Figure("DIFFICULTY is not yet random", "44" + _WORD, 21_000 + 17, output="00" * 31 + "01"),
    Figure("CHAINID", "46" + _WORD, 21_000 + 17, output="00" * 31 + "4d"),
    Figure("creation", "600160005560206000f3", 53_000 + 136 + 22_115 + 6_400, creates=True),
    Figure("code beginning with EF", "60ef60005360016000f3", 150_000, success=False, creates=True),
)
_BLOCK = BlockContext(number=1, timestamp=1, chain_id=77)


def check_figures(engine: Engine, figure: Figure) -> None:
    """Raises EngineMismatch unless a fresh engine of chain id 77 shows the figure, and shows it twice."""
    engine.load([(_AT, Account(1, bytes.fromhex("" if figure.creates else figure.code)))], [])
    if figure.slot0:
        engine.load([], [(_AT, 0, figure.slot0)])
    gas = 150_000 if figure.creates else 50_000
    data = bytes.fromhex(figure.code if figure.creates else figure.data)
    message = Message(_SENDER, None if figure.creates else _AT, data, gas)
    for _ in range(2):
        seen = engine.execute(message, _BLOCK)
        known = (figure.success, figure.gas_used, bytes.fromhex(figure.output))
        if (seen.success, seen.gas_used, seen.output) != known:
            raise EngineMismatch(engine=engine.name, figure=figure.name, gas_used=seen.gas_used)


def check_isolation(engine: Engine) -> None:
    """Raises EngineMismatch unless a write lasts exactly when it was applied."""
    message = Message(_SENDER, _AT, b"", 50_000)
    engine.load([(_AT, Account(1, bytes.fromhex("6001600055")))], [])
    first = engine.execute(message, _BLOCK)
    engine.apply(first.writes)
    again = engine.execute(message, _BLOCK)
    if (first.gas_used, again.gas_used) != (43_106, 23_206) or again.writes.accounts[_SENDER].nonce != 2:
        raise EngineMismatch(engine=engine.name, figure="isolation", gas_used=again.gas_used)


def check_loading(engine: Engine) -> None:
    """Raises EngineMismatch unless every loaded slot of one contract is there, the last value winning."""
    total = bytes.fromhex("600054600154016002540160005260206000f3")
    engine.load([(_AT, Account(1, total))], [(_AT, 0, 1), (_AT, 1, 20), (_AT, 2, 7), (_AT, 2, 300)])
    seen = engine.call(Message(_SENDER, _AT, b"", 50_000), _BLOCK)
    if int.from_bytes(seen.output, "big") != 321:
        raise EngineMismatch(engine=engine.name, figure="loading")


def _new(name: str, chain_id: int) -> Engine:
    if name == "revm":
        from careledger.adapters.evm.revm import RevmEngine

        return RevmEngine(chain_id)
    if name == "eels":
        from careledger.adapters.evm.eels import EelsEngine

        return EelsEngine(chain_id)
    raise EngineMismatch(why="no such engine", engine=name)


@lru_cache(maxsize=4)
def _checked(name: str) -> None:
    for figure in FIGURES:
        check_figures(_new(name, _BLOCK.chain_id), figure)
    check_isolation(_new(name, _BLOCK.chain_id))
    check_loading(_new(name, _BLOCK.chain_id))


def preferred_engine() -> str:
    """``revm`` where its wheel is installed, else ``eels``."""
    return "revm" if find_spec("pyrevm") else "eels"


def new_engine(chain_id: int, name: str | None = None) -> Engine:
    """An empty engine that has shown the known gas figures (once per process).

    ``name`` is ``revm`` or ``eels``; None takes the preferred one. Raises EngineMismatch.
    """
    chosen = name or preferred_engine()
    _checked(chosen)
    return _new(chosen, chain_id)
