"""Damaged files are read, or told in one line, in their time; `campaigns/fuzz.py` has more."""

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.mutations import FILES, damaged, outcome_of

WHOLE_RUNS = tuple(name for name in FILES if name.startswith(("run", "database")))
"""Each of their mutations is a directory."""


@pytest.mark.parametrize("name", [name for name in FILES if name != "measured"])
def test_a_whole_file_is_read(name: str, tmp_path: Path) -> None:
    assert outcome_of(FILES[name], FILES[name].content, tmp_path) == "read"


@pytest.mark.parametrize("name", [name for name in FILES if name not in WHOLE_RUNS])
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**9))
def test_a_damaged_file_is_read_or_told(name: str, tmp_path: Path, seed: int) -> None:
    outcome_of(FILES[name], damaged(FILES[name].content, random.Random(seed)), tmp_path)


@pytest.mark.parametrize("name", WHOLE_RUNS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**9))
def test_a_damaged_run_is_read_or_told(name: str, tmp_path: Path, seed: int) -> None:
    outcome_of(FILES[name], damaged(FILES[name].content, random.Random(seed)), tmp_path)
