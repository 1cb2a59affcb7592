"""A small suite of tasks in the format of SUPER-NATURALINSTRUCTIONS, written for this project."""

from seedstep.suite.write import INSTANCES, SPLITS, Category, categories, write_suite

__all__ = ["INSTANCES", "SPLITS", "Category", "categories", "write_suite"]
