"""The loop that reads a chunk's entries, as the source file has it."""

import importlib.machinery
import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType

from archiver.neighbours.loki import chunk

SOURCE = Path(chunk.__file__).with_name("_entries.py")


@cache
def plain_loop() -> ModuleType:
    """Load the source file itself, though a compiled module stands beside it."""
    loader = importlib.machinery.SourceFileLoader("plain_loki_entries", str(SOURCE))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    assert not module.compiled
    return module
