"""Gates of one's own are checked, and what their functions return."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from seedstep import self_instruct
from seedstep.bootstrap.gates import Gate, GateModels, pass_gates, rule_gate
from seedstep.bootstrap.records import RejectedInstance
from seedstep.data import Instance
from seedstep.errors import EntryError


def broken(*given: Any) -> Any:
    raise ValueError("the reason\nin two lines")


def returns(value: Any) -> Callable[..., Any]:
    return lambda *given: value


def fault_of(gate: Gate) -> tuple[str, str] | None:
    """What a gate says of an instance."""
    models, instance = GateModels(cast("Any", None)), Instance("a", ("b",))
    passing = pass_gates([gate], models, "Say it.", instance, tokens="latin", priority=())
    done = asyncio.run(passing)
    return (done.reason, done.detail) if isinstance(done, RejectedInstance) else None


@pytest.mark.parametrize("given", [broken, [broken], {"mine": broken}])
def test_a_function_alone_is_refused(given: Any, tmp_path: Path) -> None:
    with pytest.raises(EntryError, match=r"own_gates: .* is no Gate\. Pass a Gate"):
        self_instruct(tmp_path / "run", tasks=1, own_gates=given)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("gate", "told"),
    [
        (rule_gate("mine", "bad", broken), "raised ValueError: the reason. Correct"),
        (Gate("mine", "bad", returns(True)), "raised TypeError: "),  # not awaitable
        (rule_gate("mine", "bad", returns(0.5)), "returned 0.5. Return True where it rejects"),
        (rule_gate("mine", "bad", returns(["a"])), "returned "),
    ],
)
def test_what_it_raises_or_returns_is_told_with_its_name(gate: Gate, told: str) -> None:
    with pytest.raises(EntryError) as caught:
        fault_of(gate)
    assert f"the gate 'mine' {told}" in str(caught.value)
    assert (caught.value.__cause__ is None) == told.startswith("returned")


@pytest.mark.parametrize("found", [None, False, True, "why"])
def test_what_a_gate_may_return_is_taken(found: Any) -> None:
    wanted = ("mine", found if found == "why" else "") if found else None
    assert fault_of(rule_gate("mine", "bad", returns(found))) == wanted
