"""A checkpoint written as GGUF: served by llama.cpp, it is the same model as in transformers."""

import json
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import torch
from gguf import GGUFReader, GGUFWriter
from tokenizers import Tokenizer, decoders, models, processors, trainers
from tokenizers.pre_tokenizers import ByteLevel
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, TokenizersBackend

from seedstep.errors import MissingExtraError, ModelError, RunError
from seedstep.llm.checkpoints import load_model, load_tokenizer
from seedstep.llm.gguf import PRE_TOKENIZERS, pre_tokenizer_name, read_texts, with_pre_tokenizer
from seedstep.llm.llama_cpp import serve_gguf
from seedstep.llm.models import gguf_of
from seedstep.tune.gguf import Weights, write_gguf

CORPUS = [
    "The baker counts 12 loaves, 305 rolls and 7 pies; the sailor don't count at all.",
    "List the rivers of Norway. Then list the bridges, and say which one you'd cross first!",
    "naïve café — “quoted” text, e\u0301 combined, 日本語, and a tab\tor\r\na line end.",
]
TRICKY = [
    "Hello world",
    "  12",
    "\n 12",
    "a\n\n  3.14 1234567",
    "x=²³ ½ ⅷ ٣٤",
    "don't I'LL we'd",
    "naïve café — “quote” e\u0301",
    "日本語 👩‍👩‍👧 🇳🇴",
    "\t\ttabs \r\n crlf\r\n\r\n end  ",
    "<|user|>5 <|end|> 5<|end|>",
    "\u00a0nbsp 1\u2028x",
    "nul\x00byte",
]
TEMPLATE = "{% for m in messages %}<|user|>{{ m['content'] }}<|end|>{% endfor %}"
LLAMA_3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 10000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}


def make_tokenizer(pre_tokenizer: str, *, add_bos: bool = False) -> Any:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=["<|end|>", "<|user|>"],
        initial_alphabet=ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    if add_bos:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<|end|> $A", special_tokens=[("<|end|>", 0)]
        )
    content = with_pre_tokenizer(json.loads(tokenizer.to_str()), pre_tokenizer)
    return TokenizersBackend(
        tokenizer_object=Tokenizer.from_str(json.dumps(content)),
        bos_token="<|end|>",
        eos_token="<|end|>",
        pad_token="<|end|>",
    )


def make_checkpoint(path: Path, tokenizer: Any, **changes: Any) -> Path:
    """A small random model, whose weights are exact in 16 bits."""
    torch.manual_seed(7)
    settings: dict[str, Any] = {
        "vocab_size": 440,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "max_position_embeddings": 512,
        "initializer_range": 0.2,
        "tie_word_embeddings": True,
        "eos_token_id": 0,
        "bos_token_id": 0,
    }
    model = LlamaForCausalLM(LlamaConfig(**{**settings, **changes}))
    tokenizer.chat_template = TEMPLATE
    model.half().float().save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("tuned") / "small", make_tokenizer("smollm"))


@dataclass(frozen=True)
class Served:
    """llama.cpp's own paths, beside the OpenAI ones."""

    session: aiohttp.ClientSession
    url: str

    async def ask(self, path: str, **body: Any) -> Any:
        async with self.session.post(f"{self.url}/{path}", json=body) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def tokens(self, text: str) -> list[int]:
        found = await self.ask("tokenize", content=text, add_special=True, parse_special=True)
        return list(found["tokens"])


@asynccontextmanager
async def serve(path: Path) -> AsyncIterator[Served]:
    connections = aiohttp.TCPConnector(force_close=True)  # the server soon drops an idle one
    async with (
        serve_gguf(path, slots=1) as endpoint,
        aiohttp.ClientSession(connector=connections) as session,
    ):
        yield Served(session, endpoint.url.removesuffix("/v1"))


async def greatest_difference(checkpoint: Path, served: Served, text: str) -> float:
    """Of the log-probabilities of the ten likeliest next tokens.

    The bias makes the server write a letter, since it tells nothing of half a character or an end;
    the probabilities are those before the bias.
    """
    model = load_model(f"hf:{checkpoint}", dtype="float32")
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    ids = tokenizer(text).input_ids
    bias = [[tokenizer.convert_tokens_to_ids("a"), 1000]]
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0, -1].log_softmax(-1)
    reply = await served.ask(
        "completion", prompt=ids, temperature=0, n_predict=1, n_probs=10, logit_bias=bias
    )
    found = reply["completion_probabilities"][0]["top_logprobs"]
    assert len(found) == 10
    return float(max(abs(token["logprob"] - logits[token["id"]].item()) for token in found))


@pytest.mark.parametrize(
    ("pre_tokenizer", "add_bos", "changes"),
    [
        ("smollm", False, {}),
        ("gpt-2", True, {"tie_word_embeddings": False}),
        ("llama-bpe", True, {"rope_parameters": LLAMA_3_ROPE}),
    ],
)
async def test_the_file_is_the_same_model_with_the_same_tokens(
    tmp_path: Path, pre_tokenizer: str, add_bos: bool, changes: dict[str, Any]
) -> None:
    tokenizer = make_tokenizer(pre_tokenizer, add_bos=add_bos)
    checkpoint = make_checkpoint(tmp_path / "small", tokenizer, **changes)
    write_gguf(checkpoint, tmp_path / "small.gguf")
    async with serve(tmp_path / "small.gguf") as served:
        for text in (*TRICKY, *CORPUS):
            assert await served.tokens(text) == tokenizer(text).input_ids, text
        long = " ".join(CORPUS) * 2
        assert len(tokenizer(long).input_ids) > 100
        for text in ("The baker", CORPUS[0], long):
            assert await greatest_difference(checkpoint, served, text) < 0.02


@pytest.mark.parametrize("pre_tokenizer", ["smollm", "gpt-2"])
def test_a_file_read_again_is_the_checkpoint_it_was_written_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pre_tokenizer: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    tokenizer = make_tokenizer(pre_tokenizer)
    checkpoint = make_checkpoint(tmp_path / "small", tokenizer)
    write_gguf(checkpoint, tmp_path / "small.gguf")
    again = f"gguf:{tmp_path / 'small.gguf'}"
    read = load_tokenizer(again)
    for text in (*TRICKY, *CORPUS):
        assert read(text).input_ids == tokenizer(text).input_ids, text
    before = load_model(f"hf:{checkpoint}", dtype="bfloat16").state_dict()
    after = load_model(again).state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)


@pytest.mark.embedded
async def test_the_embedded_model_answers_as_its_checkpoint_does(tmp_path: Path) -> None:
    model = load_model("local", dtype="bfloat16")
    tokenizer = load_tokenizer("local")
    model.save_pretrained(tmp_path / "tuned")
    tokenizer.save_pretrained(tmp_path / "tuned")
    write_gguf(tmp_path / "tuned", tmp_path / "tuned.gguf", source=gguf_of("local"))
    assert read_texts(tmp_path / "tuned.gguf", ["general.license"]) == {
        "general.license": "apache-2.0"
    }
    model = model.float()
    chat = tokenizer.apply_chat_template(
        [{"role": "user", "content": "List 3 colours."}], tokenize=False, add_generation_prompt=True
    )
    async with serve(tmp_path / "tuned.gguf") as served:
        for text in TRICKY:
            assert await served.tokens(text) == tokenizer(text).input_ids, text
        for text in ("The capital of France is", "Sort these: 12, 7, 305.\nAnswer:", chat):
            ids = tokenizer(text, return_tensors="pt")
            row = model.generate(**ids, max_new_tokens=24, do_sample=False)[0]
            reply = await served.ask(
                "completion", prompt=text, temperature=0, n_predict=24, return_tokens=True
            )
            assert reply["tokens"] == row[ids.input_ids.shape[1] :].tolist()


@pytest.mark.parametrize(
    ("weights", "kind", "bound"), [("f32", "F32", 0.02), ("q8_0", "Q8_0", 0.5)]
)
async def test_weights_are_stored_as_asked(
    tmp_path: Path, checkpoint: Path, weights: Weights, kind: str, bound: float
) -> None:
    out = tmp_path / "small.gguf"
    write_gguf(checkpoint, out, weights=weights)
    kinds = {tensor.name: tensor.tensor_type.name for tensor in GGUFReader(out).tensors}
    assert kinds["blk.0.attn_q.weight"] == kinds["token_embd.weight"] == kind
    assert kinds["blk.0.attn_norm.weight"] == "F32"
    async with serve(out) as served:
        assert await greatest_difference(checkpoint, served, CORPUS[0]) < bound


def fields(path: Path) -> dict[str, Any]:
    return {name: field.contents() for name, field in GGUFReader(path).fields.items()}


def test_chat_template_and_special_tokens_are_kept(tmp_path: Path, checkpoint: Path) -> None:
    write_gguf(checkpoint, tmp_path / "small.gguf")
    written = fields(tmp_path / "small.gguf")
    assert written["tokenizer.chat_template"] == TEMPLATE
    assert written["tokenizer.ggml.eos_token_id"] == 0
    assert written["tokenizer.ggml.add_bos_token"] is False
    assert written["tokenizer.ggml.token_type"][:3] == [3, 3, 1], "two special ones, then others"
    assert written["tokenizer.ggml.token_type"][-1] == 5, "embeddings without a token"
    assert written["general.name"] == "small"
    assert "general.base_model.count" not in written


def test_licence_and_languages_of_the_source_are_kept(tmp_path: Path, checkpoint: Path) -> None:
    source = GGUFWriter(tmp_path / "base.gguf", "llama")
    source.add_name("Base")
    source.add_organization("Makers")
    source.add_license("apache-2.0")
    source.add_languages(["en", "nb"])
    source.write_header_to_file()
    source.write_kv_data_to_file()
    source.write_ti_data_to_file()
    source.close()
    write_gguf(checkpoint, tmp_path / "tuned.gguf", source=tmp_path / "base.gguf")
    written = fields(tmp_path / "tuned.gguf")
    assert written["general.license"] == "apache-2.0"
    assert written["general.languages"] == ["en", "nb"]
    assert written["general.name"] == "tuned"
    assert written["general.base_model.count"] == 1
    assert written["general.base_model.0.name"] == "Base"
    assert written["general.base_model.0.organization"] == "Makers"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"architectures": ["GPT2LMHeadModel"]}, "architecture GPT2LMHeadModel"),
        ({"attention_bias": True}, "biases"),
        ({"rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0}}, "linear"),
        ({"hidden_act": "gelu"}, "activation gelu"),
        ({"vocab_size": 300}, "391 tokens"),
    ],
)
def test_other_models_are_refused(
    tmp_path: Path, checkpoint: Path, changes: dict[str, Any], reason: str
) -> None:
    copy = copied(checkpoint, tmp_path)
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, **changes}))
    refused(copy, tmp_path / "copy.gguf", reason)


def copied(checkpoint: Path, folder: Path) -> Path:
    return Path(shutil.copytree(checkpoint, folder / "copy"))


def refused(checkpoint: Path, out: Path, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        write_gguf(checkpoint, out)
    assert [path for path in out.parent.iterdir() if path.is_file()] == [], (
        "nothing is half written"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"normalizer": {"type": "NFC"}},
        {"pre_tokenizer": {"type": "Whitespace"}},
        {
            "added_tokens": [
                {
                    "id": 0,
                    "content": "<|end|>",
                    "single_word": False,
                    "lstrip": True,
                    "rstrip": False,
                    "normalized": False,
                    "special": True,
                }
            ]
        },
    ],
)
def test_other_tokenizers_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    checkpoint = make_checkpoint(tmp_path / "small", make_tokenizer("smollm"))
    path = checkpoint / "tokenizer.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    refused(checkpoint, tmp_path / "small.gguf", "this kind of tokenizer")


def test_a_checkpoint_without_a_tokenizer_is_refused(tmp_path: Path, checkpoint: Path) -> None:
    copy = copied(checkpoint, tmp_path)
    (copy / "tokenizer.json").write_text("{}")
    refused(copy, tmp_path / "copy.gguf", "tokenizer")


def test_a_checkpoint_that_is_none_is_refused(tmp_path: Path, checkpoint: Path) -> None:
    refused(tmp_path / "missing", tmp_path / "a.gguf", "missing")
    (tmp_path / "lora").mkdir()
    (tmp_path / "lora" / "adapter_config.json").write_text("{}")
    refused(tmp_path / "lora", tmp_path / "a.gguf", "lora")
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "config.json").write_bytes((checkpoint / "config.json").read_bytes())
    refused(tmp_path / "bare", tmp_path / "a.gguf", "no weights")
    (tmp_path / "bare" / "model.safetensors").write_bytes(b"\x02\x00\x00\x00\x00\x00\x00\x00{}")
    refused(tmp_path / "bare", tmp_path / "a.gguf", "0 weights, 20 expected")
    (tmp_path / "bare" / "model.safetensors").write_bytes(b"cut off")
    refused(tmp_path / "bare", tmp_path / "a.gguf", "model.safetensors")


def test_weights_that_16_bits_can_not_hold_are_refused_and_the_old_file_stays(
    tmp_path: Path, checkpoint: Path
) -> None:
    model = load_model(f"hf:{checkpoint}", dtype="float32")
    with torch.no_grad():
        model.model.layers[1].mlp.up_proj.weight[3, 5] = 1e6
    model.save_pretrained(tmp_path / "large")
    AutoTokenizer.from_pretrained(checkpoint).save_pretrained(tmp_path / "large")
    out = tmp_path / "large.gguf"
    out.write_bytes(b"an earlier one")
    with pytest.raises(ModelError, match="up_proj"):
        write_gguf(tmp_path / "large", out)
    assert out.read_bytes() == b"an earlier one"
    assert {path.name for path in tmp_path.iterdir()} == {"large", "large.gguf"}
    write_gguf(tmp_path / "large", out, weights="f32")
    assert out.read_bytes()[:4] == b"GGUF"


def test_without_the_package_the_extra_is_named(
    tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(MissingExtraError, match=r"seedstep\[tune\]"):
        write_gguf(checkpoint, tmp_path / "a.gguf")


def test_a_place_that_can_not_be_written_is_told(tmp_path: Path, checkpoint: Path) -> None:
    with pytest.raises(RunError, match="nowhere"):
        write_gguf(checkpoint, tmp_path / "nowhere" / "a.gguf")


@pytest.mark.parametrize("name", PRE_TOKENIZERS)
def test_a_pre_tokenizer_is_found_again(name: str) -> None:
    bare = {"model": {"type": "BPE", "vocab": {}, "merges": []}, "pre_tokenizer": None}
    assert pre_tokenizer_name(bare) is None
    assert pre_tokenizer_name(with_pre_tokenizer(bare, name)) == name
    assert with_pre_tokenizer(bare, "of another kind") == bare
