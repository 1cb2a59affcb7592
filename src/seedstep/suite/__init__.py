"""A small suite of tasks in the form of SUPER-NATURALINSTRUCTIONS, written for this project."""

from seedstep.suite.write import (
    INSTANCES,
    SPLITS,
    STEPS_FIELD,
    Category,
    categories,
    write_suite,
)

__all__ = ["INSTANCES", "SPLITS", "STEPS_FIELD", "Category", "categories", "write_suite"]
