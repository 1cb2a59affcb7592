"""Files in the encodings of Windows: each reader says which command converts them."""

import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from seedstep.data import load_tasks, read_seeds, read_yaml
from seedstep.data.reading import read_text
from seedstep.data.rows import open_table
from seedstep.errors import InputError
from seedstep.inputs.labels import read_labels

GERMAN = "Erkläre, warum die Bienen im Frühjahr größere Völker bilden."
JAPANESE = "春にミツバチの群れが大きくなる理由を説明してください。"
LANGUAGES = {"CP1252": GERMAN, "CP932": JAPANESE, "EUC-JP": JAPANESE, "UTF-16": JAPANESE}


def _texts(path: Path) -> list[object]:
    return [row.text for row in open_table(path, "text").rows()]


READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "seeds.jsonl": (
        '{{"instruction": "{}", "is_classification": false, '
        '"instances": [{{"input": "", "output": "a"}}]}}',
        lambda path: _problem(read_seeds(path).problems),
    ),
    "tasks.jsonl": ('{{"definition": "{}"}}', load_tasks),
    "tasks.json": ('[{{"definition": "{}"}}]', load_tasks),
    "task1.json": ('{{"Definition": "{}"}}', load_tasks),
    "tasks.csv": ("definition,input\n{},x", load_tasks),
    "settings.yaml": ("topic: {}", read_yaml),
    "rubric.txt": ("{}\nA: a\nB: b\nC: c\nD: d", read_text),
    "texts.csv": ("text\n{}", _texts),
    "labels.jsonl": ('{{"id": "{}", "system": "a", "label": "A"}}', read_labels),
}


def _problem(problems: tuple[object, ...]) -> None:
    if problems:
        raise InputError(str(getattr(problems[0], "what", "")), problems[0].remedy)  # type: ignore[attr-defined]


@pytest.mark.parametrize("encoding", LANGUAGES)
@pytest.mark.parametrize("name", READERS)
def test_the_command_that_is_named_converts_the_file(
    name: str, encoding: str, tmp_path: Path
) -> None:
    content, read = READERS[name]
    path = tmp_path / f"my {name}"
    text = content.format(LANGUAGES[encoding])
    path.write_bytes(text.encode(encoding))
    if encoding == "UTF-16" and path.suffix == ".csv":
        return  # spreadsheets write it, and it is read
    with pytest.raises(InputError) as caught:
        read(path)
    command = str(caught.value).split("`")[1]
    assert f"iconv -f {encoding} " in command
    subprocess.run(["sh", "-c", command], check=True)
    converted = Path(shlex.split(command)[-1])
    assert converted.read_text("utf-8").strip("\ufeff") == text
    try:
        read(converted)
    except InputError as error:  # of a task file that lacks more
        assert "UTF-8" not in error.what  # noqa: PT017 - where there is one at all
