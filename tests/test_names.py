"""Names say what things are, and no two things share one."""

import importlib
import pkgutil
from collections import defaultdict
from types import ModuleType

import seedstep


def _modules() -> list[ModuleType]:
    names = [name for _, name, _ in pkgutil.walk_packages(seedstep.__path__, "seedstep.")]
    return [importlib.import_module(name) for name in names if not name.endswith("__main__")]


def test_no_two_public_classes_share_a_name() -> None:
    homes = defaultdict(set)
    for module in _modules():
        for name, value in vars(module).items():
            defined_here = isinstance(value, type) and value.__module__ == module.__name__
            if defined_here and not name.startswith("_"):
                homes[name].add(module.__name__)
    assert {name: found for name, found in homes.items() if len(found) > 1} == {}
