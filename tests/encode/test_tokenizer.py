"""The tokens of the cross-lingual track."""

from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from seedstep.errors import InputError
from seedstep.evaluate import Prediction, Reference, score
from seedstep.evaluate.tokens import load_tokenizer

TEXTS = ["the red boat sails", "the blue boat sinks", "Das rote Boot segelt", "le bateau rouge"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small byte-level tokenizer of the kind that GPT-2 has."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS * 5, trainer)
    tokenizer.enable_truncation(4)
    path = tmp_path_factory.mktemp("tokenizer")
    tokenizer.save(str(path / "tokenizer.json"))
    return path


def test_spaces_are_cut_and_case_is_kept(folder: Path) -> None:
    tokens = load_tokenizer(str(folder))
    assert tokens("the red boat") == ["the", "red", "boat"]
    assert tokens("the red boat") != tokens("The Red Boat")
    assert load_tokenizer(str(folder / "tokenizer.json"))("the boat") == ["the", "boat"]


def test_nothing_is_truncated_whatever_the_file_says(folder: Path) -> None:
    assert len(load_tokenizer(str(folder))("the boat " * 500)) >= 1000


def test_every_script_has_tokens(folder: Path) -> None:
    tokens = load_tokenizer(str(folder))
    assert tokens("赤い船")
    assert tokens("") == []
    assert tokens("a\ud800b")  # a lone surrogate


def test_scores_by_these_tokens(folder: Path) -> None:
    references = {"a": Reference("t", "", ("赤い船",))}
    given = [Prediction("t", "a", "赤い船")]
    assert score(given, references).overall.of("rouge_l") == 0.0
    assert score(given, references, load_tokenizer(str(folder))).overall.of("rouge_l") == 100.0


@pytest.mark.parametrize("content", [None, "", "{}", '{"model": 3}', "not json"])
def test_what_is_no_tokenizer_is_one_clear_error(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(InputError) as error:
        load_tokenizer(str(tmp_path if content is not None else tmp_path / "tokenizer.json"))
    assert str(tmp_path) in error.value.what
    assert "\n" not in str(error.value)
    assert "tokenizer.json" in error.value.remedy


def test_a_model_that_the_hub_can_not_give(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="tokenizer 'no-such-owner/no-such-model'"):
        load_tokenizer("no-such-owner/no-such-model")
