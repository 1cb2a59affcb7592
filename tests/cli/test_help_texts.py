"""The help of each command has every word of its texts: brackets in them are no markup."""

from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_group

from seedstep.cli import app
from support.command_line import seedstep


def all_commands(command: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    yield name, command
    for each, below in getattr(command, "commands", {}).items():
        yield from all_commands(below, f"{name} {each}".strip())


COMMANDS = dict(all_commands(get_group(app)))


def on_a_line(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_is_printed_whole(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "3000")
    command = COMMANDS[name]
    done = seedstep(*name.split(), "--help")
    assert done.code == 0
    texts = [each.help for each in command.params if getattr(each, "help", None)]
    texts += (command.help or "").split("\n\n")
    texts += [
        below.help.partition("\n\n")[0] for below in getattr(command, "commands", {}).values()
    ]
    assert texts
    assert [text for text in texts if on_a_line(text) not in on_a_line(done.out)] == []


def test_a_list_that_takes_one_value_is_shown_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "3000")
    tune, bootstrap = (
        on_a_line(seedstep(name, "--help").out.replace("│", "")) for name in ("tune", "bootstrap")
    )
    assert "--base-url <str> " in tune
    assert "--base-url <list[str]> " in bootstrap


def test_examples_and_extras_in_brackets_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "3000")
    shown = seedstep("bootstrap", "--help").out
    assert "persona: [a nurse, a cook]" in shown
    for name in ("bootstrap", "novelty", "calibrate"):
        assert "pip install 'seedstep[semantic]'" in seedstep(name, "--help").out
