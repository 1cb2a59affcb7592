"""Runs that were made with what a module adds: read without it, and gone on with."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest

from seedstep import predict
from seedstep.encode import ENCODINGS, LAYOUTS, Elements, Layout, add_layout
from seedstep.errors import InputError
from seedstep.infer.settings import PredictSettings
from seedstep.llm import PROVIDERS, Provider, add_provider
from seedstep.plugins import PLUGINS
from seedstep.recipes.predictions import encodings_beside
from seedstep.runs import Run
from seedstep.settings import make_settings
from seedstep.stages import TUNE
from seedstep.stages.tune import about_new_data
from support.command_line import seedstep
from support.predicting import write_word_tasks

COPY = "baseline:copy-input"

FIXTURES = Path(__file__).parents[1] / "fixtures" / "v0.1.0"


@contextmanager
def added(mark: str = "##") -> Iterator[None]:
    """A layout whose prompts begin with a mark, and a provider, as a module adds them."""

    def head(elements: Elements) -> str:
        return f"{mark} {elements.definition}\n"

    with patch.dict(LAYOUTS), patch.dict(ENCODINGS), patch.dict(PROVIDERS):
        add_layout(Layout("marked", "with a mark", head, lambda text: f"In: {text}\nOut: "))
        add_provider(
            Provider(prefix="same", meaning="", copies={"it": lambda task, each, seed: each.input})
        )
        yield


@pytest.fixture
def tasks(tmp_path: Path) -> str:
    return write_word_tasks(tmp_path / "words", tasks=1)


@pytest.fixture
def answered(tmp_path: Path, tasks: str) -> Path:
    """A run that was made with the layout and the provider, which are not there any more."""
    out = tmp_path / "answers"
    with added():
        for model in (COPY, "same:it"):
            predict(out, tasks=tasks, model=model, encoding="marked", limit_instances=2).close()
    return out


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("status {}", "same:it: 2 of 2 instances predicted"),
        ("show {}", "word0x1"),
        ("show {} task0-word0x1", "WORD0X1"),
        ("evaluate {}", "same:it"),
        ("compare {}", "same:it"),
        ("requests {}", "no requests"),
        ("report {} --out report", "index.html"),
    ],
)
def test_a_finished_run_is_read_without_them(
    command: str, told: str, answered: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(answered.parent)
    done = seedstep(*command.format(answered.name).split())
    assert (done.code, done.err) == (0, "")
    assert told in done.words


@pytest.mark.parametrize("name", ["bootstrap", "steps", "examples", "judge"])
def test_one_of_a_provider_that_is_not_there_is_read(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(FIXTURES, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    config = Path(name, "run.yaml")
    config.write_text(config.read_text().replace("model: openai:scripted", "model: mine:it"))
    for command in (("status", name), ("show", name), ("report", name, "--out", "report")):
        done = seedstep(*command)
        assert (done.code, done.err) == (0, ""), command
    assert "'mine:it' is not of a known kind" in seedstep(name, "--out", name).error


@pytest.mark.parametrize("flags", [(), ("--encoding", "marked"), ("--dry-run",)])
def test_it_goes_on_with_the_layout_only(flags: tuple[str, ...], answered: Path) -> None:
    more = ("predict", "--out", answered, "--name", COPY, "--limit-instances", 3, *flags)
    error = seedstep(*more).error
    assert "there is no layout 'marked'" in error or "there is no encoding 'marked'" in error
    assert f"{PLUGINS} names modules with others; if {answered} was begun with it, name" in error
    assert error.endswith("name its module there: another encoding would change the prompts.")
    with added():
        assert seedstep(*more).code == 0


def test_a_slip_is_told_with_what_was_meant(answered: Path) -> None:
    error = seedstep("predict", "--out", answered, "--name", "new", "--encoding", "chta").error
    assert "there is no encoding 'chta'. Write 'chat'" in error
    assert f"if {answered} was begun with it" in error


def test_another_layout_is_refused(answered: Path) -> None:
    more = ("predict", "--out", answered, "--name", COPY, "--encoding", "chat")
    assert "encoding.layout: 'marked' there, 'chat' asked" in seedstep(*more).error


def test_of_a_new_run_known_ones_are_told(tmp_path: Path, tasks: str) -> None:
    with pytest.raises(InputError, match=rf"Known are .*tk-instruct.*; {PLUGINS} names modules"):
        predict(tmp_path / "new", tasks=tasks, model=COPY, encoding="marked")
    with pytest.raises(InputError, match="setting 'encoding': there is no layout 'marked'"):
        make_settings(PredictSettings, {"encoding": {"layout": "marked"}}, "settings")


def test_a_layout_that_has_changed_is_refused(answered: Path) -> None:
    more = ("predict", "--out", answered, "--name", COPY, "--limit-instances", 3)
    with added("%%"):
        error = seedstep(*more).error
    assert "layout_fingerprint: " in error
    assert error.endswith(
        "Have the layout write prompts as before to go on, or name another --name."
    )


class TestATuning:
    @pytest.fixture
    def started(self, tmp_path: Path, tasks: str) -> Path:
        out = tmp_path / "tuned"
        with added():
            Run.start(TUNE, out, {"data": [tasks], "encoding": "marked"}).close()
        (out / "model").mkdir()
        return out

    def test_it_is_read_and_goes_on_with_the_layout_only(self, started: Path) -> None:
        assert seedstep("status", started).code == 0
        told = f"{PLUGINS} names modules with others; if {started} was begun with it, name its"
        for flags in (("--dry-run",), ("--encoding", "marked")):
            assert told in seedstep("tune", "--out", started, *flags).error
        with pytest.raises(InputError, match=told):
            encodings_beside(f"hf:{started}/model")

    def test_one_that_has_changed_makes_a_new_tuning(self, started: Path) -> None:
        for mark, told in (("##", ""), ("%%", "a layout has changed since")):
            with added(mark), Run.read(TUNE, started) as run:
                assert about_new_data(started, run.settings, run.inputs()).startswith(told)
                assert bool(about_new_data(started, run.settings, run.inputs())) == bool(told)
