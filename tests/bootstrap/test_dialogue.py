"""The style `dialogue`: requests, what the pool shows, filters, and a run on a scripted server."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from seedstep import BootstrapSettings, Instance, Task, seed_tasks
from seedstep.bootstrap.pool import Pool
from seedstep.bootstrap.prompting import DialoguePrompts, make_prompts
from seedstep.bootstrap.rules import too_hard
from seedstep.bootstrap.sifting import instruction_fault
from seedstep.errors import RunMismatchError
from seedstep.llm import Request
from seedstep.prompts import exchanges, fingerprint
from seedstep.runs import Run
from seedstep.stages import BOOTSTRAP
from support.bad_replies import reply
from support.growing import grow, text_of
from support.scripted_server import Fault, ScriptedServer
from support.sifting import sifted

SETTINGS = BootstrapSettings.of(prompt_style="dialogue")
SHOWN = [
    Task("a", "Describe a harbour\nat night.", ()),
    Task("b", "Why is <|im_end|>the sea salty?", ()),
]


def prompts() -> DialoguePrompts:
    made = make_prompts(SETTINGS)
    assert isinstance(made, DialoguePrompts)
    return made


def as_text(request: Request) -> str:
    if isinstance(request.prompt, str):
        return request.prompt
    return "".join(f"[{turn.role}]\n{turn.content}\n" for turn in request.prompt)


@pytest.mark.parametrize("step", ["generation", "classification", "instances"])
def test_prompts_are_those_of_the_golden_files(
    step: str, golden: Callable[[str, str], None]
) -> None:
    request = {
        "generation": lambda: prompts().generation(SHOWN, 3),
        "classification": lambda: prompts().classification("Say what makes a good neighbour."),
        "instances": lambda: prompts().instances("Say this:", is_classification=True),
    }[step]()
    golden(f"dialogue_{step}", as_text(request))


def test_the_embedded_model_is_asked_so_and_can_be_asked_in_the_papers_way() -> None:
    assert BootstrapSettings.of(model="local").style == "dialogue"
    assert BootstrapSettings.of(model="local", prompt_style="turns").style == "turns"
    assert BootstrapSettings.of(model="gguf:model.gguf").style == "completion"
    assert BootstrapSettings.of(model="openai:m").style == "chat"


@pytest.mark.parametrize(
    ("model", "style", "goes_on"),
    [
        ("local", "auto", "turns"),
        ("local", "completion", "completion"),
        ("openai:m", "auto", "chat"),
    ],
)
def test_a_run_of_before_goes_on_in_its_own_style(
    model: str, style: str, goes_on: str, tmp_path: Path
) -> None:
    asked = {"model": model, "prompt_style": style}
    if model == "openai:m":
        asked["base_url"] = "http://127.0.0.1:9"
    Run.start(BOOTSTRAP, tmp_path / "run", asked).close()
    config = tmp_path / "run" / "run.yaml"
    entries = yaml.safe_load(config.read_text())
    assert ("dialogue_fingerprint" in entries) == (goes_on == "turns")
    entries.pop("dialogue_fingerprint", None)
    config.write_text(yaml.safe_dump(entries))
    with Run.read(BOOTSTRAP, tmp_path / "run") as run:
        assert run.settings.style == goes_on
    with Run.start(BOOTSTRAP, tmp_path / "run", {"tasks": 200}) as run:
        assert run.settings.style == goes_on


def test_the_model_writes_the_turn_after_the_tasks_and_no_task_ends_a_turn() -> None:
    text = as_text(prompts().generation(SHOWN, 3))
    assert text.endswith("<|im_start|>user\n")
    turns = text.split("<|im_start|>user\n")[1:-1]
    asked = [turn.split("<|im_end|>")[0] for turn in turns]
    assert asked[: len(exchanges())] == [question for question, _ in exchanges()]
    assert asked[len(exchanges()) :] == ["Describe a harbour at night.", "Why is  the sea salty?"]


def test_a_turn_is_one_line_however_lists_are_numbered() -> None:
    settings = BootstrapSettings.of(prompt_style="dialogue", numbering="task")
    assert make_prompts(settings).generation(SHOWN, 0).sampling.stop == ("\n",)


def test_a_cell_is_said_before_the_tasks() -> None:
    settings = BootstrapSettings.of(prompt_style="dialogue", axes={"topic": ["gardens", "ships"]})
    request = make_prompts(settings).generation(SHOWN, 0, (("topic", "ships"),))
    assert 0 < as_text(request).index("ships") < as_text(request).index("Describe a harbour")


def test_easy_seeds_without_an_input_are_shown_with_one_finished_task() -> None:
    pool = Pool(seed_tasks(), SETTINGS)
    pool.finished += [Task("g1.1", "Say why people keep diaries.", ())]
    for index in range(50):
        shown = pool.sample(index)
        assert len(shown) == 3
        seeds = [task for task in shown if task.id != "g1.1"]
        assert len(seeds) == 2
        assert not any(each.input for task in seeds for each in task.instances)
        assert not any(too_hard(task.definition) for task in seeds)


def test_seeds_that_all_need_an_input_are_shown_all_the_same() -> None:
    seeds = [Task(str(n), f"Sort the {n} lists.", (Instance("x", ("y",)),)) for n in range(5)]
    assert len(Pool(seeds, SETTINGS).sample(0)) == 3


def test_a_task_that_every_request_shows_is_not_new() -> None:
    question = exchanges()[0][0]
    for style, reason in (("dialogue", "not_novel"), ("turns", None)):
        pool = Pool(seed_tasks(), BootstrapSettings.of(prompt_style=style))
        fault, _ = pool.judge("g0.1", question)
        assert (fault and fault[0]) == reason


INSTRUCTIONS = [
    ("How do you calm a nervous dog?", None),
    ("I have a small flat and a dog. What should I buy first?", None),
    ("Explain to a child what the heart does.", None),
    ("List things that make a good teacher.", None),
    ("To the best of my abilities.", "asks_nothing"),
    ("Baking bread with a friend today.", "asks_nothing"),
    ("Do not use a calculator.", "asks_nothing"),
    ("Dedicate time to learning the piano.", "asks_nothing"),
    ("What does this text say about winter?", "lacks_material"),
    ("How many stars can a person see?", "too_hard"),
    ("Write a Python function that sorts names.", "too_hard"),
    ("How does a lighthouse work?", "too_hard"),
    ("How do you fix a leaky tap?", "too_hard"),
    ("How to bake a pie with little sugar", "too_hard"),
    ("Plan a walk of 3 hours.", "too_hard"),
    ('What is the meaning of "pottery"?', "too_hard"),
    ("What is the largest island there is?", "too_hard"),
    ("What do you think about old houses?", "too_hard"),
]


@pytest.mark.parametrize(("text", "reason"), INSTRUCTIONS)
def test_instructions_beyond_a_very_small_model_are_rejected_in_this_style_only(
    text: str, reason: str | None
) -> None:
    fault = instruction_fault(text, english=True, style="dialogue")
    assert (fault and fault[0]) == reason
    assert instruction_fault(text, english=True, style="turns") is None
    assert instruction_fault(text, english=True, style="dialogue", extra=False) is None
    assert instruction_fault(text, english=False, style="dialogue") is None


ASKED = "What makes a garden easy to keep?"
OUTPUTS = [
    ("Choose hardy plants, cover bare soil, and water early in the day.", None),
    ("Cover the soil with bark. Then water. Cover the soil with leaves, too.", None),
    (
        "It is easy to look after plants, and so it is easy to look after trees as well.",
        "same_words_again",
    ),
    ("A garden that is easy to keep.", "adds_little"),
    ("I'm glad to help you with your lovely new garden today.", "talks_about_itself"),
    ("Sure! Choose hardy plants, cover bare soil, and water early.", "talks_about_itself"),
]


@pytest.mark.parametrize(("output", "reason"), OUTPUTS)
def test_answers_of_a_very_small_model_are_rejected_in_this_style_only(
    output: str, reason: str | None
) -> None:
    written = Instance("", (output,))
    found = sifted(ASKED, written, style="dialogue")
    assert [each.reason for each in found.rejected_instances] == ([reason] if reason else [])
    for others in ({"style": "chat"}, {"style": "dialogue", "extra": False}):
        assert len(sifted(ASKED, written, **others).task.instances) == 1


FOREIGN = {
    "German": "Am Morgen gießen, denn so bleibt es kühl. Am Abend ist es zu spät.",
    "Vietnamese": "Hi vọng là điều giúp con người vượt qua những ngày khó khăn nhất trong đời.",
    "Japanese": "毎朝水をやります。雑草を抜きます。毎朝水をやります。落ち葉を集めます。",
    "Thai": "รดน้ำต้นไม้ทุกเช้า และกำจัดวัชพืช รดน้ำต้นไม้ทุกเย็น และเก็บใบไม้",
    "Chinese": "浇水",
}


@pytest.mark.parametrize("output", FOREIGN.values(), ids=FOREIGN)
def test_what_is_known_of_english_answers_is_not_said_of_others(output: str) -> None:
    written = Instance("", (output,))
    kept = sifted("Was hilft im Garten?", written, style="dialogue", english=False)
    assert [each.outputs for each in kept.task.instances] == [(output,)]


def test_seeds_without_spaces_between_words_are_long_too() -> None:
    long = Task("a", "猫の暮らしについて" * 8, ())
    short = Task("b", "猫の暮らしについて書いてください。", ())
    assert Pool([long, short], SETTINGS).sample(0) == (short,)


ANSWER = "Output: choose hardy plants.\n\nExample 1\nInput: none, cover bare soil."


ASKED_IN_TURN = (
    "What makes gardens nice to visit in autumn?",
    "Explain why boats float on a lake.",
    "Describe an evening walk along the harbour.",
    "How can two neighbours settle a quarrel?",
)


def script(number: int, body: dict[str, Any]) -> Fault:
    """Writes a turn, and an answer with labels in it, which is cut where boats are asked about."""
    text = text_of(body)
    if "prompt" in body:
        return reply(body, ASKED_IN_TURN[body["seed"] % len(ASKED_IN_TURN)])
    if text.startswith("Can the following"):
        return reply(body, "Yes")
    is_cut = "boats" in text.splitlines()[-1]
    return reply(body, ANSWER, "length" if is_cut else "stop")


def test_the_whole_answer_is_the_output_also_of_a_classification_task(tmp_path: Path) -> None:
    with ScriptedServer(script) as server:
        made = grow(tmp_path / "run", server, prompt_style="dialogue", tasks=3)
    assert len(made.tasks) == 3
    for task in made.tasks:
        assert task.is_classification
        assert [(each.input, each.outputs) for each in task.instances] == [("", (ANSWER,))]
    reasons = {each.reason for generation in made.generations for each in generation.candidates}
    assert "no_good_instance" in reasons


def test_a_run_goes_on_only_with_the_shown_tasks_that_it_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedServer(script) as server:
        grow(tmp_path / "run", server, prompt_style="dialogue", tasks=1)
        grow(tmp_path / "turns", server, prompt_style="turns", tasks=1, patience=1)
        monkeypatch.setattr(
            "seedstep.stages.bootstrap.fingerprint",
            lambda stage="bootstrap", *only: "new" if stage == "dialogue" else fingerprint(stage),
        )
        with pytest.raises(RunMismatchError, match="dialogue_fingerprint"):
            grow(tmp_path / "run", server, prompt_style="dialogue", tasks=2)
        grow(tmp_path / "turns", server, prompt_style="turns", tasks=1, patience=1)
