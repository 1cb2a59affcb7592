"""What `tune_model` takes in Python, shows in a notebook, and returns."""

import os
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from seedstep import (
    ENCODINGS,
    Encoding,
    InputError,
    RunMismatchError,
    make_encoding,
    open_run,
    tune_model,
    write_report,
)
from seedstep.encode.settings import EncodingChoice
from seedstep.recipes import TuneResult
from seedstep.recipes.notebook import NotebookTuningWatch
from seedstep.stages import TUNE
from seedstep.tune import TuneSettings
from support.tuning_things import save_llama, write_tasks


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small Llama, and tasks."""
    folder = tmp_path_factory.mktemp("world")
    save_llama(folder / "llama")
    write_tasks(folder / "data.jsonl", tasks=3, instances=4)
    return folder


def tuned(world: Path, out: Path, **asked: Any) -> TuneResult:
    settings = {"max_steps": 3, "batch": 2, "device": "cpu", "held_out": 1, **asked}
    return tune_model(
        out, model=f"hf:{world / 'llama'}", data=[str(world / "data.jsonl")], **settings
    )


class Page:
    """IPython's `display`, which keeps what it was given."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def __call__(self, page: Any, display_id: bool = True) -> "Page":
        self.update(page)
        return self

    def update(self, page: Any) -> None:
        self.shown.append(page._repr_html_())


@pytest.mark.usefixtures("quick_figures")
class TestAsARun:
    def test_it_has_the_rows_of_its_run_and_goes_where_that_goes(
        self, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        page = Page()
        watch = NotebookTuningWatch(page)
        monkeypatch.setattr("seedstep.recipes.tuning.notebook_tuning_watch", lambda: watch)
        made = tuned(world, tmp_path / "tuned", encoding="definition")
        assert os.fspath(made) == str(made.path) == str(tmp_path / "tuned")
        with open_run(made, TUNE) as run:
            rows = run.to_records()
            assert made._repr_html_() == run._repr_html_()
        assert made.to_records() == rows
        assert [row["step"] for row in rows] == [0, 1, 2, 3]
        assert [*made.to_dataset()] == rows
        assert write_report(made, tmp_path / "report").figures == 1
        assert page.shown[-1].startswith('<div><progress value="3" max="3"></progress> step 3 of 3')
        assert "examples of 2 tasks" in page.shown[0]
        assert f"held-out loss {rows[-1]['held_out_loss']:.4f} at step 3" in page.shown[-1]
        again = tuned(world, tmp_path / "tuned", encoding="definition")
        assert again.finished_before
        assert again.to_records() == rows
        shutil.rmtree(made.path)
        assert "tuned" in made._repr_html_()

    def test_a_dry_run_has_counts_and_no_rows(self, world: Path, tmp_path: Path) -> None:
        made = tuned(world, tmp_path / "tuned", dry_run=True)
        assert made.to_records() == []
        assert "<td>examples</td><td>8</td>" in made._repr_html_()
        tuned(world, tmp_path / "tuned", max_steps=1)
        assert tuned(world, tmp_path / "tuned", max_steps=1, dry_run=True).to_records() == []

    def test_one_that_was_stopped_has_rows(self, world: Path, tmp_path: Path) -> None:
        made = tune_model(
            tmp_path / "tuned",
            model=f"hf:{world / 'llama'}",
            data=[str(world / "data.jsonl")],
            batch=2,
            device="cpu",
            stop=lambda: True,
        )
        assert made.stopped
        assert [row["step"] for row in made.to_records()] == [1]


class TestServers:
    """A model that is tuned here has no server; an earlier version kept one that was named."""

    def test_a_stored_address_is_not_asked_for(self, world: Path, tmp_path: Path) -> None:
        out = tmp_path / "tuned"
        tuned(world, out, max_steps=1)
        file = out / "tune.yaml"
        stored = file.read_text().replace("base_url: null", "base_url: http://127.0.0.1:9/v1")
        file.write_text(stored)
        shutil.rmtree(out / "model")
        for dry_run in (True, False):
            assert not tuned(world, out, max_steps=1, dry_run=dry_run).finished_before
        assert file.read_text() == stored

    @pytest.mark.parametrize("dry_run", [True, False])
    def test_an_asked_address_is_refused_before_data_are_read(
        self, world: Path, tmp_path: Path, dry_run: bool
    ) -> None:
        asked: dict[str, Any] = {"model": f"hf:{world / 'llama'}", "data": ["not/there.jsonl"]}
        with pytest.raises(InputError, match="has no server at a base URL"):
            tune_model(tmp_path / "tuned", base_url="http://here/v1", dry_run=dry_run, **asked)


OTHER = Encoding(positive=0, task_name=True, max_source=500)
CHANGED = make_encoding("chat", {"positive": 1, "max_source": 300})


class TestEncodings:
    """An encoding is given as `predict` takes it: as a whole, as a mapping, or by its name."""

    @pytest.mark.parametrize("encoding", [*ENCODINGS.values(), OTHER, CHANGED])
    def test_a_choice_makes_the_same_encoding(self, encoding: Encoding) -> None:
        for given in (encoding, asdict(encoding)):
            settings = TuneSettings.of(model="local", encoding=given)
            assert settings.encoding.make() == encoding
            preset = TuneSettings.of(preset="tk-instruct-base", encoding=given)
            assert preset.encoding.make() == encoding

    def test_its_name_is_that_of_the_nearest(self) -> None:
        assert EncodingChoice.of(ENCODINGS["definition"]) == EncodingChoice("definition", {})
        assert EncodingChoice.of(CHANGED) == EncodingChoice(
            "chat", {"positive": 1, "max_source": 300}
        )
        assert EncodingChoice.of({"positive": 0}) == EncodingChoice("definition", {})

    def test_its_name_is_of_an_encoding_that_is_always_there(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(ENCODINGS, "mine", OTHER)
        choice = EncodingChoice.of(OTHER)
        assert (choice.name, choice.make()) == ("definition", OTHER)

    def test_options_beside_it_change_it(self) -> None:
        settings = TuneSettings.of(
            model="local", encoding=ENCODINGS["steps"], encoding_options={"positive": 1}
        )
        assert settings.encoding == EncodingChoice("steps", {"positive": 1})

    @pytest.mark.parametrize("given", [3, ["steps"], {"positiv": 1}, {"positive": "two"}])
    def test_what_is_none_is_refused(self, given: Any) -> None:
        with pytest.raises(InputError, match=r"encoding"):
            TuneSettings.of(model="local", encoding=given)

    def test_a_tuning_goes_on_with_another_name_of_the_same(
        self, world: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "tuned"
        tuned(world, out, encoding=ENCODINGS["tk-instruct"], max_steps=1)
        before = (out / "tune.yaml").read_bytes()
        for same in ("tk-instruct", "definition-2-positive"):
            assert tune_model(out, encoding=same, max_steps=1).finished_before
            assert (out / "tune.yaml").read_bytes() == before
        options: Any = {"positive": 2}
        again = tune_model(out, encoding="definition", encoding_options=options, max_steps=1)
        assert again.finished_before
        with pytest.raises(RunMismatchError):
            tune_model(out, encoding="definition", max_steps=1)

    def test_a_tuning_goes_on_with_the_same_and_with_no_other(
        self, world: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "tuned"
        asked: dict[str, Any] = {"max_steps": 1, "encoding_options": {"max_source": 500}}
        tuned(world, out, encoding="steps-prepend", **asked)
        same = replace(ENCODINGS["steps"], max_source=500)
        before = (out / "tune.yaml").read_bytes()
        for given in (same, asdict(same)):
            assert tune_model(out, encoding=given, max_steps=1).finished_before
            assert (out / "tune.yaml").read_bytes() == before
        for other in (ENCODINGS["steps"], ENCODINGS["definition"], {"positive": 1}):
            with pytest.raises(RunMismatchError):
                tune_model(out, encoding=other)
