"""The repository's scripts as modules, for the tests that run them."""

from __future__ import annotations

import functools
import importlib.util
import sys
from types import ModuleType

from contracts.harness import ROOT


@functools.cache
def script(path: str) -> ModuleType:
    """The script at that path from the repository's root, not run as a program."""
    name = "careledger_" + path.removesuffix(".py").replace("/", "_")
    spec = importlib.util.spec_from_file_location(name, ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
