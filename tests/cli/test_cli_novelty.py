"""`seedstep novelty` as a user runs it."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from seedstep.recipes import COLUMNS
from support.command_line import UNSAFE, seedstep

NEAR = ["Sort the list of numbers.", "Name a bird.", "Sort a list of numbers.", "Name a bird."]


def write(path: Path, texts: list[Any], field: str = "instruction") -> str:
    lines = [json.dumps({"id": n, field: text}) for n, text in enumerate(texts)]
    path.write_text("".join(f"{line}\n" for line in lines))
    return str(path)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_novel_rows_are_kept_as_they_are(tmp_path: Path) -> None:
    path, out = write(tmp_path / "data.jsonl", NEAR), tmp_path / "out.jsonl"
    done = seedstep("novelty", path, "--out", str(out))
    assert done.code == 0
    assert lines(out) == [{"id": 0, "instruction": NEAR[0]}, {"id": 1, "instruction": NEAR[1]}]
    assert "4 rows in" in done.out
    assert "2 kept, in" in done.out
    assert "2 rejected: not_novel" in done.out
    assert "row 3: Sort a list of numbers." in done.out
    assert "not_novel, ROUGE-L 0.80 with row 1: Sort the list of numbers." in done.out


def test_annotated_rows_say_what_was_decided_and_why(tmp_path: Path) -> None:
    path, out = write(tmp_path / "data.jsonl", [*NEAR, ""]), tmp_path / "out.jsonl"
    assert seedstep("novelty", path, "--out", str(out), "--annotate").code == 0
    found = [[record[name] for name in COLUMNS] for record in lines(out)]
    assert found == [
        [True, None, None, None, None],
        [True, None, None, None, None],
        [False, "not_novel", pytest.approx(0.8), "row 1", NEAR[0]],
        [False, "not_novel", 1.0, "row 2", NEAR[1]],
        [False, "empty", None, None, None],
    ]


def test_the_nearest_of_kept_rows_on_request(tmp_path: Path) -> None:
    texts = ["a b c d", "x y", "a b q r"]
    path, out = write(tmp_path / "data.jsonl", texts), tmp_path / "out.jsonl"
    assert seedstep("novelty", path, "--out", str(out), "--annotate", "--nearest").code == 0
    found = [
        (record["novelty_kept"], record["novelty_score"], record["novelty_nearest"])
        for record in lines(out)
    ]
    assert found == [(True, None, None), (True, None, None), (True, 0.5, "row 1")]


def test_other_thresholds_fields_and_tokens(tmp_path: Path) -> None:
    path = write(tmp_path / "data.jsonl", ["把这句话翻译成英语", "请把这句话翻译成法语", "?"], "zh")
    out = str(tmp_path / "out.jsonl")
    latin = seedstep("novelty", path, "--out", out, "--field", "zh")
    assert (
        "3 of them without tokens, similar to no text; --tokens unicode compares them" in latin.out
    )
    unicode = seedstep("novelty", path, "--out", out, "--field", "zh", "--tokens", "unicode")
    assert "1 rejected: not_novel" in unicode.out
    assert "1 of them without tokens, similar to no text\n" in unicode.out
    arguments = ("--field", "zh", "--tokens", "unicode", "--threshold", "0.95")
    assert "3 kept" in seedstep("novelty", path, "--out", out, *arguments).out


def test_tokens_follow_the_script_of_the_texts(tmp_path: Path) -> None:
    out = str(tmp_path / "out.jsonl")
    german = ["Übersetze den Satz über Äpfel.", "Übersetze den Satz über Öfen."]
    path = write(tmp_path / "de.jsonl", german)
    latin = seedstep("novelty", path, "--out", out)
    assert "The texts are written in Latin letters beyond a to z: --tokens auto" in latin.words
    found = seedstep("novelty", path, "--out", out, "--tokens", "auto")
    as_unicode = seedstep("novelty", path, "--out", out, "--tokens", "unicode")
    assert "compared by words of any letters (tokens: unicode)" in found.words
    assert as_unicode.lines == [line for line in found.lines if "letters" not in line]
    english = write(tmp_path / "en.jsonl", NEAR)
    plain, chosen = (
        seedstep("novelty", english, "--out", out, "--tokens", tokens)
        for tokens in ("latin", "auto")
    )
    assert "words of the letters a to z" in chosen.words
    assert plain.out.splitlines() == [line for line in chosen.lines if "letters" not in line]


def test_an_export_of_conversations_is_an_evaluation_set(tmp_path: Path) -> None:
    path, out = write(tmp_path / "data.jsonl", NEAR), tmp_path / "out.jsonl"
    chat = [{"role": "user", "content": NEAR[1]}, {"role": "assistant", "content": "A wren."}]
    (tmp_path / "chat.json").write_text(json.dumps([{"messages": chat}]))
    done = seedstep("novelty", path, "--out", str(out), "--against", tmp_path / "chat.json")
    assert "2 rejected: contaminated" in done.out
    assert [record["id"] for record in lines(out)] == [0]


def test_what_is_close_to_an_evaluation_set_is_rejected_first(tmp_path: Path) -> None:
    path, out = write(tmp_path / "data.jsonl", NEAR), tmp_path / "out.jsonl"
    (tmp_path / "e.txt").write_text("Sort this list of numbers\n")
    arguments = ("--against", str(tmp_path / "e.txt"), "--annotate")
    done = seedstep("novelty", path, "--out", str(out), *arguments)
    assert "2 rejected: contaminated" in done.out
    assert "1 rejected: not_novel" in done.out
    assert lines(out)[2]["novelty_nearest"] == "e.txt, line 1"
    strict = seedstep("novelty", path, "--out", str(out), *arguments, "--against-threshold", "0.9")
    assert "contaminated" not in strict.out


def test_parquet_and_text(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"instruction": NEAR}), tmp_path / "data.parquet")
    (tmp_path / "data.txt").write_text("\n".join(NEAR))
    for kind in ("parquet", "txt"):
        path, out = tmp_path / f"data.{kind}", tmp_path / f"out.{kind}"
        assert "2 kept" in seedstep("novelty", str(path), "--out", str(out)).out
    assert parquet.read_table(tmp_path / "out.parquet").to_pydict() == {"instruction": NEAR[:2]}
    assert (tmp_path / "out.txt").read_text().splitlines() == NEAR[:2]
    annotated = tmp_path / "out.jsonl"
    arguments = ("novelty", str(tmp_path / "data.txt"), "--annotate", "--out", str(annotated))
    assert seedstep(*arguments).code == 0
    assert [record["novelty_kept"] for record in lines(annotated)] == [True, True, False, False]


def test_rows_without_a_text_are_counted_and_named(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_bytes(b'{"instruction": "Name a bird."}\n{"x": 1}\n{"instruction": [1]}\n\xff\n')
    done = seedstep("novelty", str(path), "--out", str(tmp_path / "out.jsonl"))
    assert done.code == 0
    for line in (
        "1 rejected: missing_field",
        "1 rejected: not_text",
        "1 rejected: unreadable",
        "row 2: there is no field 'instruction'",
        "row 3: the field 'instruction' is of type list",
        "row 4: not UTF-8 (byte 1)",
    ):
        assert line in done.out


def test_hostile_texts_do_not_reach_the_terminal(tmp_path: Path) -> None:
    path = write(tmp_path / "data.jsonl", ["a \x1b[2J [red]b[/red] c \u202e d"] * 2)
    done = seedstep("novelty", path, "--out", str(tmp_path / "out.jsonl"))
    assert not UNSAFE.search(done.out)
    assert "[red]b[/red]" in done.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--threshold", "0"), "--threshold 0.0: is a ROUGE-L F1. Use more than 0, at most 1"),
        (("--against-threshold", "1.5"), "--against-threshold 1.5: is a ROUGE-L F1"),
        (("--nearest",), "--nearest: is written into the rows. Add --annotate"),
        (("--against", "none.txt"), "none.txt: no such file"),
    ],
)
def test_wrong_use_is_one_line(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    path, out = write(tmp_path / "data.jsonl", NEAR), tmp_path / "out.jsonl"
    done = seedstep("novelty", path, "--out", str(out), *arguments)
    assert done.code == 1
    assert message in done.error
    assert not out.exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("out.parquet", "out.parquet: the output is jsonl. Name a file *.jsonl"),
        ("data.jsonl", "data.jsonl is the input, too. Write to another one"),
        ("missing/out.jsonl", "out.jsonl: No such file or directory"),
    ],
)
def test_where_it_can_not_be_written(name: str, message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "data.jsonl", NEAR)
    done = seedstep("novelty", path, "--out", str(tmp_path / name))
    assert done.code == 1
    assert message in done.error
    assert lines(tmp_path / "data.jsonl")[0]["instruction"] == NEAR[0]
