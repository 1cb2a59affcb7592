"""A damaged file of the settings of generation is told; transformers would go on without it."""

from pathlib import Path

import pytest

from seedstep.errors import ModelError
from seedstep.llm.checkpoints import GENERATION, require_generation_settings

DAMAGE = {
    "cut": b'{"eos_token_id": ',
    "empty": b"",
    "a list": b"[]",
    "null": b"null",
    "no text": b'{"eos_token_id": "\xff"}',
    "deep": b"[" * 10_000,
    "a word": b'{"eos_token_id": "</s>"}',
    "words": b'{"eos_token_id": [1, "</s>"]}',
    "a mapping": b'{"bos_token_id": {"a": 1}}',
    "too large": b'{"eos_token_id": [1, 99999999999999999999]}',
    "a fraction": b'{"pad_token_id": 0.5}',
}


@pytest.mark.parametrize("content", DAMAGE.values(), ids=DAMAGE)
def test_a_damage_is_told_with_the_file(content: bytes, tmp_path: Path) -> None:
    (tmp_path / GENERATION).write_bytes(content)
    with pytest.raises(ModelError) as raised:
        require_generation_settings(tmp_path)
    told = str(raised.value)
    assert told.startswith(f"{tmp_path / GENERATION} is damaged: ")
    assert len(told.splitlines()) == 1
    if b"token_id" in content and content.endswith(b"}") and b"\xff" not in content:
        assert "token_id: " in told


@pytest.mark.parametrize(
    "content",
    [b"{}", b'{"eos_token_id": [1, 2], "pad_token_id": null, "bos_token_id": 0, "x": "y"}', None],
)
def test_whole_ones_and_none_are_fine(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / GENERATION).write_bytes(content)
    require_generation_settings(tmp_path)
    require_generation_settings(tmp_path / "org/model")
