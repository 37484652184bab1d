"""The files in scripts/ as modules, which are no package."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType

from repository import ROOT


def load_script(name: str) -> ModuleType:
    """scripts/`name`.py as a module."""
    spec = spec_from_file_location(f"scripts_{name}", ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
