"""The migrations of a run's database: those that were released stay as they are."""

import ast
import hashlib
import inspect

from seedstep.runs import schema
from seedstep.runs.schema import MIGRATIONS

RELEASED = 38
"""How many migrations were there when the last of them was appended; it only grows."""

DIGEST = "87e6fc8ef7ef2b62"
"""The fingerprint of these, with their names, in their order."""


def test_no_name_is_used_twice() -> None:
    """In a table of Python, the later statement would take the place of the earlier one."""
    (table,) = (
        node.value
        for node in ast.parse(inspect.getsource(schema)).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)
        if ast.unparse(node.targets[0]) == "_STATEMENTS"
    )
    names = [ast.literal_eval(key) for key in table.keys if key]
    assert names == [name for name, _ in MIGRATIONS]


def test_released_ones_are_as_they_were() -> None:
    """A new one is appended: raise `RELEASED` by it, and write the new digest."""
    assert len(MIGRATIONS) >= RELEASED
    released = "\n".join(f"{name}: {statement}" for name, statement in MIGRATIONS[:RELEASED])
    assert hashlib.sha256(released.encode()).hexdigest()[:16] == DIGEST
