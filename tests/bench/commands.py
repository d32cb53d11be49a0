"""The commands of bench as modules, of which tests call parts."""
import importlib.machinery
import importlib.util
import sys
from pathlib import Path

BENCH = Path(__file__).resolve().parents[2] / 'bench'


def loaded(name):
    """The script bench/NAME, of which nothing is left beside it."""
    sys.dont_write_bytecode = True
    loader = importlib.machinery.SourceFileLoader(f'bench_{name}', str(BENCH / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module
