"""Evaluation sets: what is too close to them is told, one by one as in bulk, and never kept."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seedstep.data import evaluation_items
from seedstep.errors import InputError, RunMismatchError
from seedstep.novelty import Contamination, Overlap
from seedstep.runs import Run, digest
from seedstep.stages import BOOTSTRAP
from seedstep.text import latin_tokens, rouge_l
from support.command_line import seedstep
from support.growing import grow, purpose_of, where
from support.scripted_server import Fault, ScriptedServer, completion

RUN_OF_13 = "one two three four five six seven eight nine ten eleven twelve thirteen"
TOKENS = st.sampled_from("abcdef")
TEXTS = st.lists(TOKENS, max_size=40).map(" ".join)


def brute_force(items: list[str], text: str, threshold: float) -> Overlap | None:
    """By scoring all pairs, and by looking for each run of 13 tokens."""
    new = latin_tokens(text)
    scores = [rouge_l(latin_tokens(item), new) for item in items]
    best = max(scores, default=0.0)
    if best >= threshold:
        row = scores.index(best)
        return Overlap(str(row), items[row], best)
    padded = [f" {' '.join(latin_tokens(item))} " for item in items]
    for start in range(len(new) - 12):
        gram = f" {' '.join(new[start : start + 13])} "
        for row, item in enumerate(padded):
            if gram in item:
                return Overlap(str(row), items[row], None)
    return None


@settings(max_examples=300)
@given(st.lists(TEXTS, max_size=6), st.lists(TEXTS, max_size=6), st.sampled_from([0.5, 0.7, 1.0]))
def test_as_brute_force_finds_it(items: list[str], texts: list[str], threshold: float) -> None:
    names = [str(row) for row in range(len(items))]
    contamination = Contamination(zip(names, items, strict=True), latin_tokens, threshold)
    assert len(contamination) == len(items)
    expected = [brute_force(items, text, threshold) for text in texts]
    assert [contamination.overlap(text) for text in texts] == expected
    assert contamination.overlaps(texts) == expected


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param(f"Before it, {RUN_OF_13} and much more {'x ' * 40}", True, id="quoted"),
        pytest.param(RUN_OF_13.replace("seven", "7"), True, id="one-word-changed-rouge"),
        pytest.param(f"{RUN_OF_13[:-9]} {'x ' * 40}", False, id="twelve-in-a-row"),
        pytest.param(f"{RUN_OF_13.replace('seven', '7')} {'x ' * 40}", False, id="interrupted"),
    ],
)
def test_thirteen_tokens_in_a_row_give_a_long_text_away(text: str, *, found: bool) -> None:
    contamination = Contamination([("item", RUN_OF_13)], latin_tokens, 0.7)
    assert bool(contamination.overlap(text)) == found


def test_a_run_does_not_reach_over_two_texts() -> None:
    contamination = Contamination(
        [("one", "a b c d e f g"), ("two", "h i j k l m n")], latin_tokens, 1
    )
    assert contamination.overlap("a b c d e f g h i j k l m n") is None
    assert contamination.overlaps(["a b c d e f g", "h i j k l m"])[1] is None


def test_what_is_close_is_named() -> None:
    contamination = Contamination([("task7, definition", "Sort the list.")], latin_tokens, 0.7)
    overlap = contamination.overlap("Sort the list!")
    assert overlap == Overlap("task7, definition", "Sort the list.", 1.0)
    assert overlap.detail == "ROUGE-L 1.00 with task7, definition"
    assert Overlap("x", "", None).detail == "13 tokens in a row with x"


def superni(folder: Path, name: str, definition: str, inputs: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    instances = [
        {"id": f"{name}-{n}", "input": text, "output": ["x"]} for n, text in enumerate(inputs)
    ]
    task = {"Definition": [definition], "Categories": ["Other"], "Instances": instances}
    (folder / f"{name}.json").write_text(json.dumps(task))


def test_items_of_task_files_and_of_the_test_split(tmp_path: Path) -> None:
    superni(tmp_path / "ni/tasks", "task1_a", "Define a.", ["in 0", "in 1"])
    superni(tmp_path / "ni/tasks", "task2_b", "Define b.", ["in 2"])
    of_1 = [
        ("task1_a, definition", "Define a."),
        ("task1_a, instance task1_a-0", "in 0"),
        ("task1_a, instance task1_a-1", "in 1"),
    ]
    of_2 = [("task2_b, definition", "Define b."), ("task2_b, instance task2_b-0", "in 2")]
    assert list(evaluation_items(tmp_path / "ni")) == of_1 + of_2
    assert list(evaluation_items(tmp_path / "ni/tasks/task1_a.json")) == of_1
    (tmp_path / "ni/splits/default").mkdir(parents=True)
    (tmp_path / "ni/splits/default/test_tasks.txt").write_text("task2_b\n")
    assert list(evaluation_items(tmp_path / "ni")) == of_2
    assert list(evaluation_items(tmp_path / "ni", inputs=False)) == of_2[:1]


def test_items_of_json_lines_and_text(tmp_path: Path) -> None:
    lines: list[Any] = [
        {"instruction": "Sort.", "instances": [{"input": "3 1", "output": "1 3"}, {"input": ""}]},
        {"question": "Why?", "answer": "So."},
        {"input": "a", "text": 3, "prompt": "b"},
    ]
    (tmp_path / "e.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert list(evaluation_items(tmp_path / "e.jsonl")) == [
        ("e.jsonl, line 1, instruction", "Sort."),
        ("e.jsonl, line 1, instances[0].input", "3 1"),
        ("e.jsonl, line 2, question", "Why?"),
        ("e.jsonl, line 3, input", "a"),
        ("e.jsonl, line 3, prompt", "b"),
    ]
    assert [name for name, _ in evaluation_items(tmp_path / "e.jsonl", inputs=False)] == [
        "e.jsonl, line 1, instruction",
        "e.jsonl, line 2, question",
        "e.jsonl, line 3, prompt",
    ]
    (tmp_path / "e.txt").write_text("first\n\n third \n")
    assert list(evaluation_items(tmp_path / "e.txt")) == [
        ("e.txt, line 1", "first"),
        ("e.txt, line 3", "third"),
    ]


CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Why is the sky blue?"},
    {"role": "assistant", "content": "Light is scattered."},
]


@pytest.mark.parametrize("suffix", ["json", "jsonl"])
@pytest.mark.parametrize(
    ("row", "found"),
    [
        ({"messages": CHAT}, [("messages[1]", CHAT[1]["content"])]),
        (
            {"conversations": [{"from": "human", "value": "Hi?"}, {"from": "gpt", "value": "Hi."}]},
            [("conversations[0]", "Hi?")],
        ),
        ({"inputs": "Is it?", "targets": "yes"}, [("inputs", "Is it?")]),
        (
            {"question": "Why?", "context": "It is."},
            [("question", "Why?"), ("context", "It is.")],
        ),
        ({"text": "", "messages": CHAT}, [("messages[1]", CHAT[1]["content"])]),
        ({"input": " ", "inputs": "Is it?"}, [("inputs", "Is it?")]),
        (
            {"context": "It is.", "messages": CHAT},
            [("messages[1]", CHAT[1]["content"]), ("context", "It is.")],
        ),
        ({"text": "", "question": " ", "messages": []}, []),
    ],
)
def test_rows_of_other_forms_are_items_too(
    suffix: str, row: dict[str, Any], found: list[tuple[str, str]], tmp_path: Path
) -> None:
    path = tmp_path / f"e.{suffix}"
    path.write_text(json.dumps([row] if suffix == "json" else row))
    assert list(evaluation_items(path)) == [
        (f"e.{suffix}, line 1, {name}", text) for name, text in found
    ]


def test_a_context_is_an_input(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    path.write_text(json.dumps({"question": "Why?", "context": "It is."}))
    assert [text for _, text in evaluation_items(path, inputs=False)] == ["Why?"]


def test_a_list_of_tasks_keeps_the_names_of_its_items(tmp_path: Path) -> None:
    listed = [{"id": "t", "definition": "Sort.", "instances": [{"input": "b", "output": "b"}]}]
    (tmp_path / "e.json").write_text(json.dumps(listed))
    assert [name for name, _ in evaluation_items(tmp_path / "e.json")] == [
        "t, definition",
        "t, instance t-1",
    ]


def test_a_table_is_an_evaluation_set(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("question,answer\nWhy?,So.\n")
    assert list(evaluation_items(tmp_path / "e.csv")) == [("e.csv, line 2, question", "Why?")]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("e.json", b'[{"messages": []}]', "e.json, line 1: has no text to compare with"),
        ("e.jsonl", b"{", "e.jsonl, line 1: not valid JSON"),
        ("e.jsonl", b'{"answer": "So."}', "e.jsonl, line 1: has no text to compare with"),
        ("e.jsonl", b'{"text": "", "passage": "So."}', "line 1: has no text to compare with"),
        (
            "e.jsonl",
            b'{"text": "", "messages": [{"role": "assistant", "content": "So."}]}',
            "line 1: has no text to compare with",
        ),
        ("e.jsonl", b'{"text": "x"}\n[1]', "e.jsonl, line 2: expected `object`, got `array`"),
        ("e.txt", b"a\n\xff\n", "e.txt, line 2: not UTF-8 (byte 1)"),
        ("e.json", b'{"Definition": 3}', "e.json, field 'Definition'"),
    ],
)
def test_a_broken_evaluation_set_is_told(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        list(evaluation_items(tmp_path / name))
    assert message in str(caught.value)


class TestBootstrap:
    def test_what_the_model_copies_from_an_evaluation_set_is_rejected(self, tmp_path: Path) -> None:
        with ScriptedServer() as server:
            free = grow(tmp_path / "free", server, tasks=6, prompt_style="completion")
            copied, other = free.tasks[1], free.tasks[3]
            shielded = [copied.definition, other.definition]
            (tmp_path / "e.txt").write_text("\n".join(shielded))
            clean = grow(
                tmp_path / "clean",
                server,
                tasks=6,
                prompt_style="completion",
                decontaminate=[str(tmp_path / "e.txt")],
            )
        assert not {task.definition for task in clean.tasks} & set(shielded)
        rejected = {
            candidate.task.definition: candidate.detail
            for generation in clean.generations
            for candidate in generation.candidates
            if candidate.reason == "contaminated"
        }
        assert rejected[copied.definition] == "ROUGE-L 1.00 with e.txt, line 1"
        assert clean.status.rejected["contaminated"] == len(rejected)

    def test_an_input_copied_from_an_evaluation_set_is_rejected(self, tmp_path: Path) -> None:
        reply = f" Example 1\nText: {RUN_OF_13}\nOutput: done\n\nExample 2\nText: yes\nOutput: no\n"
        is_instances = where(
            lambda body: purpose_of(body) == "instances", Fault(body=completion(reply))
        )
        superni(tmp_path / "tasks", "task1_a", "Count the words.", [f"{RUN_OF_13} .", "yes"])
        out = tmp_path / "run"
        with ScriptedServer(is_instances) as server:
            made = grow(
                out,
                server,
                tasks=3,
                prompt_style="completion",
                decontaminate=[str(tmp_path / "tasks")],
                extra_filters=False,
            )
        assert made.status.bad_instances == {"contaminated": 3}
        assert [instance.input for task in made.tasks for instance in task.instances] == [
            "Text: yes"
        ] * 3
        with Run.read(BOOTSTRAP, out) as run:
            candidate = run.records.show(made.tasks[0].id).candidate
        assert len(candidate.task.instances) == 1
        assert [bad.detail for bad in candidate.rejected_instances] == [
            "ROUGE-L 0.96 with task1_a, instance task1_a-0"
        ]
        shown = seedstep("show", str(out), made.tasks[0].id).out
        assert "(rejected: contaminated)" in shown
        assert "\nROUGE-L 0.96 with task1_a, instance task1_a-0\n" in shown

    def test_a_run_goes_on_with_the_same_evaluation_set_only(self, tmp_path: Path) -> None:
        path = tmp_path / "e.txt"
        path.write_text("Sort the list.")
        asked = {"tasks": 2, "prompt_style": "completion", "decontaminate": [str(path)]}
        with ScriptedServer() as server:
            first = grow(tmp_path / "run", server, **asked)
            assert grow(tmp_path / "run", server, **asked).tasks == first.tasks
            path.write_text("Sort the list!")
            with pytest.raises(RunMismatchError) as caught:
                grow(tmp_path / "run", server, **asked)
            assert "evaluation_fingerprint" in str(caught.value)
            path.unlink()
            with pytest.raises(InputError) as missing:
                grow(tmp_path / "run", server, **asked)
            assert "e.txt: no such file" in str(missing.value)
            with pytest.raises(RunMismatchError) as other:
                grow(tmp_path / "run", server, **{**asked, "decontaminate": []})
            assert "decontaminate" in str(other.value)

    def test_a_run_of_0_1_0_goes_on_though_more_is_read_now(self, tmp_path: Path) -> None:
        path, out = tmp_path / "e.jsonl", tmp_path / "run"
        chat = {"instruction": " ", "messages": [{"role": "user", "content": "Sort the list."}]}
        rows = [chat, {"question": "Which bird?", "context": "A goose flew over the lake."}]
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        earlier = [*evaluation_items(path, as_first=True)]
        assert [text for _, text in earlier] == ["Which bird?"]
        asked = {"tasks": 2, "prompt_style": "completion", "decontaminate": [str(path)]}
        config = out / "run.yaml"
        with ScriptedServer() as server:
            grow(out, server, **asked)
            now = config.read_text()
            (stamp,) = re.findall("evaluation_fingerprint: (.*)", now)
            config.write_text(now.replace(stamp, digest(earlier)))
            dry = seedstep("bootstrap", "--out", out, "--tasks", 4, "--dry-run")
            done = seedstep("bootstrap", "--out", out, "--tasks", 4)
        for told in (dry, done):
            assert told.code == 0, told.err
            assert "the evaluation sets have texts that version 0.1.0 left out" in told.words
        assert config.read_text() == now.replace("tasks: 2", "tasks: 4")
        path.write_text('{"question": "Which fish?"}')
        refused = seedstep("bootstrap", "--out", out, "--tasks", 5).error
        assert "evaluation_fingerprint" in refused
