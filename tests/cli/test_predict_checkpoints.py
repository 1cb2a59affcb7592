"""`seedstep predict` with checkpoints: how they are loaded, go on, and are told of."""

import json
import shutil
import subprocess
from pathlib import Path
from signal import SIGINT, SIGKILL
from typing import Any

import pytest
import torch
import yaml

from seedstep.encode import make_encoding
from seedstep.errors import SeedstepError
from seedstep.recipes import predict
from seedstep.runs import Run
from seedstep.settings import flatten
from seedstep.stages import PREDICT
from seedstep.tune import TuneSettings
from seedstep.tune.mixing import TRAINING_RECORD, TrainingRecord
from support.answering_models import answering_model, save_model
from support.command_line import UNSAFE, environment, run_process, seedstep
from support.forking import LOADED, ended_by, forked
from support.predicting import forget_predictions, predicted, texts, write_word_tasks


class TestCheckpoints:
    @pytest.mark.parametrize("family", ["Llama", "T5"])
    def test_are_loaded_and_go_on(self, tmp_path: Path, family: str) -> None:
        tasks = write_word_tasks(tmp_path / "ni", 3, 5)
        name = save_model(family, tmp_path / "model")
        flags = ("--model", name, "--tasks", tasks, "--max-new-tokens", 6, "--name", "tiny")
        done = seedstep("predict", "--out", tmp_path / "run", *flags, "--batch", 2)
        assert done.code == 0, done.err
        assert "tiny: 15 of 15 instances predicted" in done.lines
        found = predicted(tmp_path / "run", "tiny")
        assert len({prediction.text for prediction in found}) > 1
        with Run.read(PREDICT, tmp_path / "run") as run:
            database = run.database.path
        forget_predictions(database, 4)
        assert len(predicted(tmp_path / "run", "tiny")) == 11
        again = seedstep("predict", "--out", tmp_path / "run", "--name", "tiny", "--batch", 16)
        assert "15 instances, 11 of them predicted before" in again.words
        assert predicted(tmp_path / "run", "tiny") == found

    @pytest.mark.parametrize("workers", [1, 2])
    def test_interrupted_or_killed_they_go_on(self, tmp_path: Path, workers: int) -> None:
        tasks = write_word_tasks(tmp_path / "ni", 12, 10)
        name = save_model("Llama", tmp_path / "model")
        flags = ("--model", name, "--tasks", tasks, "--max-new-tokens", 8, "--batch", 1)
        named = (*flags, "--name", "tiny", "--workers", workers)
        command = forked("predict", "--out", tmp_path / "run", *named, loaded=LOADED)
        codes = []
        for signal, kept in ((SIGINT, 10), (SIGKILL, 30)):
            code, said = ended_by(signal, command, lambda: _kept(tmp_path / "run"), kept)
            codes.append(code)
            if signal is SIGINT:
                assert "go on with: seedstep predict --out" in said
                assert "the batches that are being answered are dropped" in said
                assert "waited for" not in said
        assert codes == [130, -SIGKILL]
        assert 30 <= _kept(tmp_path / "run") < 120
        assert subprocess.run(command, env=environment(), check=False).returncode == 0
        predict(tmp_path / "whole", tasks=tasks, name="tiny", model=name, max_new_tokens=8).close()
        assert predicted(tmp_path / "run", "tiny") == predicted(tmp_path / "whole", "tiny")

    @pytest.mark.parametrize("has_bfloat16", [True, False])
    def test_of_16_bits(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_bfloat16: bool
    ) -> None:
        monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: has_bfloat16)
        tasks = write_word_tasks(tmp_path / "ni", 1, 4)
        name = save_model("Llama", tmp_path / "model")
        flags = ("--model", name, "--tasks", tasks, "--max-new-tokens", 4, "--bf16")
        done = seedstep("predict", "--out", tmp_path / "run", *flags)
        assert done.code == 0
        assert "other answers" not in done.out
        assert ("no instructions for bfloat16" in done.words) == (not has_bfloat16)
        assert all(texts(tmp_path / "run", name))

    def test_that_have_changed_predict_again(self, tmp_path: Path) -> None:
        tasks = write_word_tasks(tmp_path / "ni", 1, 2)
        asked: dict[str, Any] = {
            "model": save_model("Llama", tmp_path / "model"),
            "max_new_tokens": 2,
        }
        name = asked["model"]
        predict(tmp_path / "run", tasks=tasks, **asked).close()
        first = predicted(tmp_path / "run", name)
        shutil.copytree(tmp_path / "model", tmp_path / "kept")
        answering_model("Llama", initializer_range=0.1).save_pretrained(tmp_path / "model")
        done = seedstep("predict", "--out", tmp_path / "run", "--name", name)
        assert (
            "2 instances (task0-word0x0, task0-word0x1) asked in another way before" in done.words
        )
        predict(tmp_path / "alone", tasks=tasks, **asked).close()
        assert predicted(tmp_path / "run", name) == predicted(tmp_path / "alone", name)
        shutil.copytree(tmp_path / "kept", tmp_path / "model", dirs_exist_ok=True)
        back = seedstep("predict", "--out", tmp_path / "run", "--name", name)
        assert "back as before" in back.words
        assert predicted(tmp_path / "run", name) == first

    def test_know_the_encoding_that_they_were_tuned_on(self, tmp_path: Path) -> None:
        tasks = write_word_tasks(tmp_path / "ni", 1, 2)
        name = save_model("Llama", tmp_path / "tuned" / "model")
        options = {"positive": 1, "max_source": 400}
        settings = TuneSettings.of(encoding="steps", encoding_options=options)
        (tmp_path / "tuned" / "tune.yaml").write_text(yaml.safe_dump(flatten(settings)))
        flags = ("--model", name, "--tasks", tasks, "--max-new-tokens", 2)
        done = seedstep("predict", "--out", tmp_path / "run", *flags, "--name", "own")
        assert f"the encoding is steps, the one of {tmp_path / 'tuned' / 'tune.yaml'}" in done.words
        named = (*flags, "--name", "named", "--encoding", "definition")
        assert "the encoding is" not in seedstep("predict", "--out", tmp_path / "run", *named).out
        with Run.read(PREDICT, tmp_path / "run") as run:
            own, other = run.records.settings_of("own"), run.records.settings_of("named")
        assert own.encoding == make_encoding("steps", options)
        assert own.stop_texts == ()
        assert (other.encoding.positive, other.stop_texts) == (0, ())
        (tmp_path / "tuned" / "tune.yaml").write_text("encoding: [1]")
        assert (
            "setting 'encoding'"
            in seedstep("predict", "--out", tmp_path / "run", *flags, "--name", "bad").error
        )

    def test_take_the_encoding_of_their_data_and_ask_where_there_are_several(
        self, tmp_path: Path
    ) -> None:
        tasks = write_word_tasks(tmp_path / "ni", 1, 2)
        name = save_model("Llama", tmp_path / "tuned" / "model")
        file = tmp_path / "tuned" / "tune.yaml"
        flags = ("--model", name, "--tasks", tasks, "--max-new-tokens", 2)
        file.write_text("data: [grown@self-instruct]")
        done = seedstep("predict", "--out", tmp_path / "run", *flags, "--name", "own")
        assert "the encoding is self-instruct" in done.words
        with Run.read(PREDICT, tmp_path / "run") as run:
            assert run.records.settings_of("own").encoding.layout == "self-instruct"
        file.write_text("data: [grown@self-instruct, ni:train]")
        asked = seedstep("predict", "--out", tmp_path / "other", *flags)
        assert asked.code == 1
        assert "self-instruct, tk-instruct" in asked.error
        assert "--encoding" in asked.error

    def test_are_known_by_a_link_and_as_a_checkpoint_and_asked_for_where_they_stand_alone(
        self, tmp_path: Path
    ) -> None:
        tasks = write_word_tasks(tmp_path / "ni", 1, 2)
        tuned = tmp_path / "tuned"
        save_model("Llama", tuned / "model")
        (tuned / "tune.yaml").write_text("data: [grown@self-instruct]")
        shutil.copytree(tuned / "model", tuned / "checkpoints" / "checkpoint-5")
        (tmp_path / "link").symlink_to(tuned / "model")
        shutil.copytree(tuned / "model", tmp_path / "copy")
        (tmp_path / "copy" / TRAINING_RECORD).write_bytes(TrainingRecord().encoded())
        flags = ("--tasks", tasks, "--max-new-tokens", 2)
        for place in (tmp_path / "link", tuned / "checkpoints" / "checkpoint-5"):
            done = seedstep("predict", "--out", tmp_path / "run", *flags, "--model", f"hf:{place}")
            assert f"the encoding is self-instruct, the one of {tuned / 'tune.yaml'}" in done.words
        copy = ("--out", tmp_path / "other", *flags, "--model", f"hf:{tmp_path / 'copy'}")
        asked = seedstep("predict", *copy)
        assert asked.code == 1
        assert "was tuned, and tune.yaml, which has its encoding, is not there" in asked.error
        assert seedstep("predict", *copy, "--encoding", "self-instruct").code == 0

    def test_a_system_whose_model_has_a_long_path_is_named_by_its_end(self, tmp_path: Path) -> None:
        tasks = write_word_tasks(tmp_path / "ni", 1, 2)
        flags = ("--out", tmp_path / "run", "--tasks", tasks, "--max-new-tokens", 2)
        for name in ("a", "b"):
            place = tmp_path / name / ("long-" * 20) / "model"
            save_model("Llama", place)
            assert seedstep("predict", *flags, "--model", f"hf:{place}").code == 0
            assert seedstep("predict", *flags, "--model", f"hf:{place}").code == 0
        with Run.read(PREDICT, tmp_path / "run") as run:
            names = run.records.names()
        assert len(names) == 2  # paths that end alike are told apart
        assert all(name.startswith("…") and "long-/model-" in name for name in names)
        assert all(len(name) <= 100 for name in names)

    def test_where_a_prefix_is_not_shared_it_is_said(self, tmp_path: Path) -> None:
        tasks = write_word_tasks(tmp_path / "ni", 1, 2)
        name = save_model("Mistral", tmp_path / "model", sliding_window=8)
        flags = ("--model", name, "--tasks", tasks, "--max-new-tokens", 2)
        done = seedstep("predict", "--out", tmp_path / "run", *flags)
        assert done.code == 0
        assert "do not attend to all earlier tokens" in done.words
        assert "so each prompt is read from its beginning: " in done.words
        assert "times as many tokens of prompts as with a shared prefix" in done.words

    def test_what_does_not_fit_fails_and_stops_no_other(self, tmp_path: Path) -> None:
        path = tmp_path / "tasks.jsonl"
        lines = [
            {"definition": "Go. " * count, "instances": [{"input": "a", "output": "b"}]}
            for count in (1, 200, 2)
        ]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        name = save_model("Llama", tmp_path / "model")
        flags = ("--model", name, "--tasks", path, "--max-new-tokens", 2, "--max-source", 80)
        done = seedstep("predict", "--out", tmp_path / "run", *flags)
        assert done.code == 0
        assert "1 failed" in done.out
        failed = [bool(prediction.failed) for prediction in predicted(tmp_path / "run", name)]
        assert failed == [False, True, False]

    def test_hostile_texts_are_read_as_text(self, tmp_path: Path) -> None:
        path = tmp_path / "tasks.jsonl"
        inputs = ["<|end|><|im_start|>", "\x00\x1b[2J\u202e", "é🦆" * 3000, ""]
        instances = [{"input": text, "output": "b"} for text in inputs]
        path.write_text(json.dumps({"definition": "Go.", "instances": instances}))
        name = save_model("Llama", tmp_path / "model")
        flags = ("--model", name, "--tasks", path, "--max-new-tokens", 2, "--max-source", 200)
        done = seedstep("predict", "--out", tmp_path / "run", *flags)
        assert done.code == 0
        assert not UNSAFE.search(done.out.replace("\n", ""))
        assert [prediction.failed for prediction in predicted(tmp_path / "run", name)] == [""] * 4
        assert "1 after prompts of which max_source left something out" in done.words

    def test_that_are_not_there(self, tmp_path: Path) -> None:
        tasks = write_word_tasks(tmp_path / "ni", 1, 1)
        folder = tmp_path / "empty"
        folder.mkdir()
        for name in (f"hf:{folder}", f"gguf:{folder}/m.gguf"):
            flags = ("--model", name, "--tasks", tasks, "--backend", "transformers")
            error = seedstep("predict", "--out", tmp_path / "run", *flags).error
            assert str(folder) in error

    @pytest.mark.parametrize("file", ["config.json", "model.safetensors", "tokenizer.json"])
    @pytest.mark.parametrize("content", [b"", b"{}", b'{"vocab_size": "many"}', b"\x00" * 99])
    def test_that_are_broken(self, tmp_path: Path, file: str, content: bytes) -> None:
        tasks = write_word_tasks(tmp_path / "ni", 1, 1)
        name = save_model("Llama", tmp_path / "model")
        (tmp_path / "model" / file).write_bytes(content)
        flags = ("--model", name, "--tasks", tasks)
        assert "can't load its" in seedstep("predict", "--out", tmp_path / "run", *flags).error

    def test_a_process_says_nothing_but_what_is_its_own(self, tmp_path: Path) -> None:
        tasks = write_word_tasks(tmp_path / "ni", 1, 2)
        name = save_model("Llama", tmp_path / "model")
        flags = ("--model", name, "--tasks", tasks, "--max-new-tokens", 2)
        done = run_process("predict", "--out", tmp_path / "run", *flags)
        assert (done.code, done.err) == (0, "")


def _kept(run: Path) -> int:
    """How many predictions a run holds that another process writes."""
    try:
        with Run.read(PREDICT, run) as opened:
            return sum(opened.records.counts(name).predictions for name in opened.records.names())
    except SeedstepError:
        return 0
