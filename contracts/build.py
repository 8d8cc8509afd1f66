"""Compile every contract and keep ABI and bytecode beside the adapter that deploys them.

    python contracts/build.py            write src/careledger/adapters/evm/artifacts/NAME.json
    python contracts/build.py --check    compare instead; exit 1 if an artifact differs
    python contracts/build.py NAME…      only these

Vyper 0.4.3, ``-O gas --evm-version london``, without the compiler's metadata: comments and paths change
nothing in the bytecode.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from pathlib import Path
from typing import Any

import vyper
from vyper.compiler import compile_from_file_input
from vyper.compiler.input_bundle import FilesystemInputBundle
from vyper.compiler.settings import OptimizationLevel, Settings
from vyper.warnings import VyperWarning

HERE = Path(__file__).resolve().parent
ARTIFACTS = HERE.parent / "src" / "careledger" / "adapters" / "evm" / "artifacts"
COMPILER = "0.4.3"
MOST_RUNTIME = 24_576  # bytes, EIP-170


def compile_contract(source: Path) -> dict[str, Any]:
    """ABI, creation and runtime bytecode (0x hex) of one source file; imports resolve from its folder."""
    if vyper.__version__.split("+")[0] != COMPILER:
        raise SystemExit(f"Vyper {COMPILER} is needed, not {vyper.__version__}")
    bundle = FilesystemInputBundle([HERE, source.parent])
    with warnings.catch_warnings():
        # The registry's arrays have a place for every number; an index beyond them is refused all the same.
        warnings.filterwarnings("ignore", "Use of large arrays", VyperWarning)
        made = compile_from_file_input(
            bundle.load_file(source.resolve()),
            input_bundle=bundle,
            output_formats=["abi", "bytecode", "bytecode_runtime"],
            settings=Settings(optimize=OptimizationLevel.GAS, evm_version="london"),
            no_bytecode_metadata=True,
        )
    return {
        "name": source.stem,
        "compiler": f"vyper {COMPILER} -O gas --evm-version london",
        "abi": made["abi"],
        "bytecode": made["bytecode"],
        "runtime": made["bytecode_runtime"],
    }


def render(artifact: dict[str, Any]) -> str:
    """The artifact's file, deterministic."""
    return json.dumps(artifact, indent=1, sort_keys=True) + "\n"


def sources(names: list[str]) -> list[Path]:
    """The contracts of those names, or all."""
    return [HERE / f"{name}.vy" for name in names] or sorted(HERE.glob("*.vy"))


def main(arguments: list[str]) -> int:
    """Write or compare; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("names", nargs="*")
    asked = parser.parse_args(arguments)
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    stale = [] if asked.names else _without_source()
    for source in sources(asked.names):
        artifact = compile_contract(source)
        size = len(artifact["runtime"]) // 2 - 1
        if size > MOST_RUNTIME:
            print(f"{source.stem}: {size} bytes, more than EIP-170 allows")
            return 1
        kept, text = ARTIFACTS / f"{source.stem}.json", render(artifact)
        if not asked.check:
            kept.write_text(text)
            print(f"{source.stem}: {size} bytes")
        elif not kept.exists() or kept.read_text() != text:
            stale.append(source.stem)
    for name in stale:
        print(f"{name}: the artifact is not what the source compiles to")
    return 1 if stale else 0


def _without_source() -> list[str]:
    return [kept.stem for kept in sorted(ARTIFACTS.glob("*.json")) if not (HERE / f"{kept.stem}.vy").exists()]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
