"""A damaged GGUF file is told with its place, and never ends the process that would use it."""

import random
import struct
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from seedstep.errors import ModelError
from seedstep.llm import open_model
from seedstep.llm.gguf import read_texts, require_whole
from seedstep.llm.llama_cpp import embedded_model, require_loadable, serve_gguf
from support.made_gguf import TENSORS, gguf, tensor, text

WHOLE = gguf()


def damage_of(content: bytes, folder: Path) -> str:
    """What is said of a file with this content; "" of a whole one."""
    path = folder / "model.gguf"
    path.write_bytes(content)
    try:
        require_whole(path)
    except ModelError as error:
        return str(error)
    return ""


def test_a_whole_file_has_no_damage(tmp_path: Path) -> None:
    assert damage_of(WHOLE, tmp_path) == ""
    assert require_whole(tmp_path / "model.gguf") == WHOLE.index(TENSORS[0])


@pytest.mark.parametrize(
    "content, told",
    [
        (b"", "not a GGUF file"),
        (b"PK\3\4" + WHOLE[4:], "not a GGUF file"),
        (WHOLE[:20], "its beginning ends after the file, which has 20 bytes"),
        (WHOLE[: WHOLE.index(b"general.name") + 4], "value 4 of 4, its name ends after"),
        (WHOLE[: WHOLE.index("é".encode())], "the value of 'tokenizer.ggml.tokens' ends after"),
        (WHOLE[: WHOLE.index(b"second") + 8], "the shape of the tensor 'second' ends after"),
        (WHOLE[:-1], "the tensor 'second' ends at byte"),
        (gguf((text("x") + struct.pack("<I", 99),)), "the value of 'x' is of the unknown type 99"),
        (gguf((text("x") + struct.pack("<IIQ", 9, 9, 1),)), "is a list of the unknown type 9"),
        (gguf((text("x" * 70_000),)), "value 1 of 1, its name has 70,000 bytes"),
        (gguf(tensors=(tensor("x", (1,) * 5, 0, 0),)), "tensor 'x' has 5 dimensions"),
        (gguf(tensors=(tensor("x", (2**40,), 0, 0),)), "the tensor 'x' ends at byte"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 2**63), "value 1 of 9,223,372,036,854,775,808"),
    ],
)
def test_a_damage_is_told_with_its_place(content: bytes, told: str, tmp_path: Path) -> None:
    said = damage_of(content, tmp_path)
    assert told in said
    assert said.startswith(str(tmp_path / "model.gguf"))
    assert len(said.splitlines()) == 1


def test_any_damage_is_told_or_none(tmp_path: Path) -> None:
    chance = random.Random(1)
    for _ in range(3000):
        content = bytearray(WHOLE)
        for _ in range(chance.randint(1, 4)):
            content[chance.randrange(len(content))] = chance.choice(
                (0, 1, 255, chance.randrange(256))
            )
        del content[chance.choice((len(content), chance.randrange(len(content)))) :]
        assert len(damage_of(bytes(content), tmp_path).splitlines()) <= 1


def test_a_version_that_is_not_known_is_left_to_llama(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUF" + struct.pack("<I", 1))
    assert require_whole(tmp_path / "model.gguf") is None


def test_texts_are_read_by_their_names(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(WHOLE)
    names = ("general.name", "general.alignment", "tokenizer.ggml.tokens", "no such name")
    assert read_texts(path, names) == {
        "general.name": "made",
        "tokenizer.ggml.tokens": ["a", "b", "é"],
    }
    path.write_bytes(WHOLE[: WHOLE.index("é".encode())])
    with pytest.raises(ModelError, match=r"the value of .tokenizer\.ggml\.tokens. ends after"):
        read_texts(path, names)
    path.write_bytes(b"GGUF" + struct.pack("<I", 1))
    assert read_texts(path, names) == {}


def with_number(content: bytes, name: str, value: int) -> bytes:
    place = content.index(name.encode()) + len(name) + 4
    return content[:place] + struct.pack("<I", value) + content[place + 4 :]


@pytest.fixture(scope="module", name="header")
def _header() -> bytes:
    """The header of the embedded model, without weights."""
    pytest.importorskip("xllamacpp")
    path = embedded_model()
    end = require_whole(path)
    with path.open("rb") as file:
        content = file.read(end)
    return content[:8] + bytes(8) + content[16:]


def test_llama_loads_the_embedded_model(header: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(header)
    require_loadable(tmp_path / "model.gguf")


def test_tokens_twice_end_a_process_of_their_own(header: bytes, tmp_path: Path) -> None:
    twice = header.replace(text("Ġt"), text("Ġa"), 1)
    assert twice != header
    (tmp_path / "model.gguf").write_bytes(twice)
    with pytest.raises(ModelError, match=r"breaks off .*vocabulary \(GGML_ASSERT\(id_to_token"):
        require_loadable(tmp_path / "model.gguf")


async def test_a_model_that_would_end_the_process_is_one_line(
    header: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(with_number(header, "llama.block_count", 0))
    with pytest.raises(ModelError, match="breaks off when it reads its vocabulary"):
        async with open_model(f"gguf:{path}", None, 1):
            pass


async def test_a_file_that_is_served_is_fingerprinted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fingerprint(path: Path) -> str:
        read.append(path)
        return "print"

    read: list[Path] = []
    server = SimpleNamespace(listening_address="http://127.0.0.1:1")
    llama = SimpleNamespace(
        CommonParams=lambda: SimpleNamespace(model=SimpleNamespace(), cpuparams=SimpleNamespace()),
        Server=lambda params: server,
    )
    monkeypatch.setitem(sys.modules, "xllamacpp", llama)
    monkeypatch.setattr("seedstep.llm.llama_cpp.require_loadable", lambda path: None)
    monkeypatch.setattr("seedstep.llm.llama_cpp.file_fingerprint", fingerprint)
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF")
    async with serve_gguf(path, 1) as endpoint:
        assert endpoint.identity == "gguf:model.gguf:print"
    assert read == [path]
