"""A tuning whose data, settings or base model changed."""

import re
import shutil
from pathlib import Path

import pytest

from support.command_line import seedstep
from support.tuning_things import save_t5, write_tasks

pytestmark = pytest.mark.usefixtures("quick_figures")


class TestDataThatGrow:
    """A tuning on other data is a new one, and the earlier one is kept."""

    @pytest.fixture
    def start(self, tmp_path: Path) -> tuple[object, ...]:
        save_t5(tmp_path / "t5")
        data = write_tasks(tmp_path / "data.jsonl")
        flags = ("--model", f"hf:{tmp_path / 't5'}", "--data", data, "--device", "cpu")
        return ("tune", *flags, "--encoding", "definition", "--max-steps", 2, "--save-every", 1)

    def grown(self, start: tuple[object, ...], folder: Path) -> Path:
        """A tuning that was finished, and more data."""
        out = folder / "out"
        assert seedstep(*start, "--out", out).code == 0
        write_tasks(folder / "data.jsonl", instances=21)
        return out

    def test_a_finished_one_is_kept(self, start: tuple[object, ...], tmp_path: Path) -> None:
        out = self.grown(start, tmp_path)
        before = weights(out)
        config = (out / "tune.yaml").read_bytes()
        told = seedstep("tune", "--out", out, "--dry-run")
        assert f"a new tuning begins, and the earlier one is kept in {out}/earlier/1" in told.words
        assert weights(out) == before
        written = {file.name for file in out.iterdir()} - {"tune.yaml", "run.lock"}
        (out / "predictions").mkdir()
        (out / "notes.txt").write_text("mine")
        done = seedstep("tune", "--out", out)
        assert done.code == 0, done.err
        assert f"the earlier one is kept in {out}/earlier/1" in done.words
        assert weights(out / "earlier" / "1") == before
        assert (out / "earlier/1/tune.yaml").read_bytes() == config
        assert {file.name for file in (out / "earlier/1").iterdir()} == {*written, "tune.yaml"}
        assert (out / "predictions").is_dir()
        assert (out / "notes.txt").is_file()
        assert seedstep(*start, "--out", tmp_path / "alone").code == 0
        assert weights(out) == weights(tmp_path / "alone") != before
        assert "complete" in seedstep("status", out / "earlier/1").words
        assert f"on other data: 1 in {out}/earlier" in seedstep("status", out).words
        again = seedstep("tune", "--out", out)
        assert "finished before" in again.words
        assert not (out / "earlier/2").exists()

    def test_one_that_was_stopped_is_kept_and_may_go_on(
        self, start: tuple[object, ...], tmp_path: Path
    ) -> None:
        out = self.grown(start, tmp_path)
        shutil.rmtree(out / "model")
        (out / "checkpoints/checkpoint-1").mkdir(parents=True)
        assert seedstep("tune", "--out", out).code == 0
        assert (out / "earlier/1/checkpoints/checkpoint-1").is_dir()
        write_tasks(tmp_path / "data.jsonl", instances=22)
        assert seedstep("tune", "--out", out).code == 0
        assert (out / "earlier/2/model").is_dir()

    def test_killed_while_it_is_moved(self, start: tuple[object, ...], tmp_path: Path) -> None:
        out = self.grown(start, tmp_path)
        before = weights(out)
        (out / "earlier/1").mkdir(parents=True)
        (out / "model").rename(out / "earlier/1/model")
        assert "kept in" in seedstep("tune", "--out", out).words
        assert weights(out / "earlier/1") == before
        assert (out / "earlier/1/metrics.jsonl").is_file()
        assert not (out / "earlier/2").exists()

    def test_killed_while_it_is_moved_and_the_data_put_back(
        self, start: tuple[object, ...], tmp_path: Path
    ) -> None:
        out = self.grown(start, tmp_path)
        before = weights(out)
        (out / "earlier/1").mkdir(parents=True)
        (out / "model").rename(out / "earlier/1/model")
        write_tasks(tmp_path / "data.jsonl")
        assert "finished before" in seedstep("tune", "--out", out).words
        assert weights(out) == before
        assert not (out / "earlier/1").exists()

    @pytest.mark.parametrize("begun_by", ["this version", "0.1.0"])
    def test_a_base_model_that_was_tuned_anew(
        self, begun_by: str, start: tuple[object, ...], tmp_path: Path
    ) -> None:
        """What was tuned from it is tuned anew, or told where it has no fingerprint of its base."""
        write_tasks(tmp_path / "more.jsonl", instances=22)
        flags = ("--data", tmp_path / "more.jsonl", "--encoding", "definition", "--device", "cpu")
        model = f"hf:{tmp_path / 'out' / 'model'}"
        assert seedstep(*start, "--out", tmp_path / "out").code == 0
        second = ("tune", "--model", model, *flags, "--max-steps", 1, "--out", tmp_path / "second")
        assert seedstep(*second).code == 0
        again = seedstep(*second).words
        assert "finished before" in again
        assert "on other data since" not in again
        config, before = tmp_path / "second" / "tune.yaml", weights(tmp_path / "second")
        whole = config.read_text()
        if begun_by == "0.1.0":
            config.write_text(re.sub("base_fingerprint: .*\n", "", whole))
            assert config.read_text() != whole
        write_tasks(tmp_path / "data.jsonl", instances=24)
        assert seedstep(*start, "--out", tmp_path / "out").code == 0
        told = seedstep(*second).words
        if begun_by == "0.1.0":
            assert "finished before" in told
            assert f"{model} was tuned on other data since" in told
            assert weights(tmp_path / "second") == before
            return
        kept = tmp_path / "second" / "earlier" / "1"
        assert f"the base model has changed since {tmp_path / 'second'} was tuned" in told
        assert f"the earlier one is kept in {kept}" in told
        assert weights(kept) == before != weights(tmp_path / "second")
        assert "on other data since" not in told
        assert "finished before" in seedstep(*second).words
        assert not (kept.parent / "2").exists()

    def test_one_that_was_stopped_leaves_the_checkpoints_of_its_earlier_base(
        self, start: tuple[object, ...], tmp_path: Path
    ) -> None:
        model, out = f"hf:{tmp_path / 'out' / 'model'}", tmp_path / "second"
        assert seedstep(*start, "--out", tmp_path / "out").code == 0
        shutil.copy(tmp_path / "data.jsonl", tmp_path / "more.jsonl")
        flags = ("--data", tmp_path / "more.jsonl", "--encoding", "definition", "--device", "cpu")
        second = ("tune", "--model", model, *flags, "--max-steps", 1, "--out", out)
        assert seedstep(*second).code == 0
        shutil.rmtree(out / "model")
        (out / "checkpoints/checkpoint-1").mkdir(parents=True)
        write_tasks(tmp_path / "data.jsonl", instances=24)
        assert seedstep(*start, "--out", tmp_path / "out").code == 0
        assert seedstep("tune", "--out", out).code == 0
        assert (out / "earlier/1/checkpoints/checkpoint-1").is_dir()
        assert (out / "model").is_dir()

    def test_other_settings_are_refused_with_them(
        self, start: tuple[object, ...], tmp_path: Path
    ) -> None:
        out = self.grown(start, tmp_path)
        before = weights(out)
        done = seedstep("tune", "--out", out, "--lr", 1e-3)
        assert "learning_rate: 5e-05 there, 0.001 asked" in done.err
        assert weights(out) == before


def weights(out: Path) -> bytes:
    return (out / "model" / "model.safetensors").read_bytes()
