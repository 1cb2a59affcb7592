"""Generated examples: what is read from replies, how rankings are matched, and the stage."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedstep.data import Example
from seedstep.errors import BudgetReached
from seedstep.llm import Budget, Engine, Ledger, MemoryLedger
from seedstep.steps import ExampleSet, ExamplesSettings, generate_examples
from seedstep.steps.examples import best_two, draw_two, parse_examples, written_examples
from support.asking import endpoint_of
from support.scripted_server import Fault, ScriptedServer
from support.step_server import REFUSAL, STEPS, boat_task, chat, slowly

TWO = (Example("a b", "c", "d"), Example("e", "f", "g"))
BARE = (Example("a b", "c"), Example("e", "f"))

REPLIES: dict[str, tuple[str, tuple[Example, ...]]] = {
    "plain": ("Input: a b\nOutput: c\nExplanation: d\n\nInput: e\nOutput: f\nExplanation: g", TWO),
    "no-blank-line": (
        "Input: a b\nOutput: c\nExplanation: d\nInput: e\nOutput: f",
        (TWO[0], BARE[1]),
    ),
    "headings": (
        "Example 1:\nInput: a b\nOutput: c\nExplanation: d\n\nExample 2:\nInput: e\nOutput: f\n"
        "Explanation: g",
        TWO,
    ),
    "markdown-headings": (
        "### Example 1\n\n**Input:** a b\n\n**Output:** c\n\n**Explanation:** d\n\n---\n\n"
        "### Example 2\n\n**Input:** e\n\n**Output:** f\n\n**Explanation:** g",
        TWO,
    ),
    "bold-headings": (
        "**Example 1:**\n**Input**: a b\n**Output**: c\n\n**Example 2:**\n**Input**: e\n"
        "**Output**: f",
        BARE,
    ),
    "numbered": ("1. Input: a b\nOutput: c\n\n2. Input: e\nOutput: f", BARE),
    "numbered-headings": ("1.\nInput: a b\nOutput: c\n2.\nInput: e\nOutput: f", BARE),
    "number-as-output": ("Input: a b\nOutput:\n5.", (Example("a b", "5."),)),
    "numbered-fields": ("Input 1: a b\nOutput 1: c\nInput 2: e\nOutput 2: f", BARE),
    "in-the-heading": ("Example 1 - Input: a b\nOutput: c\nExample 2 - Input: e\nOutput: f", BARE),
    "bullets": ("* Input: a b\n* Output: c\n\n* Input: e\n* Output: f", BARE),
    "indented": ("1. **Input:** a b\n   **Output:** c\n2. **Input:** e\n   **Output:** f", BARE),
    "quotes": ("> Input: a b\n> Output: c", BARE[:1]),
    "lower-case": ("input: a b\noutput: c\nINPUT: e\nOUTPUT: f", BARE),
    "full-width-colon": ("Input：a b\nOutput：c", BARE[:1]),
    "next-line": ("Input:\na b\nOutput:\nc\nExplanation:\nd", TWO[:1]),
    "several-lines": (
        "Input: Sentence: a\n\nQuestion: b?\nOutput: c\n1. d",
        (Example("Sentence: a\n\nQuestion: b?", "c\n1. d"),),
    ),
    "code": ("Input: `x`\nOutput:\n```\ny\n```", (Example("`x`", "```\ny\n```"),)),
    "fence": ("```\nInput: a b\nOutput: c\n```", BARE[:1]),
    "preamble": ("Sure! Here are two harder examples:\n\nInput: a b\nOutput: c", BARE[:1]),
    "epilogue": ("Input: a b\nOutput: c\n\nI hope these examples help!\n\nBye.", BARE[:1]),
    "epilogue-explained": (
        "Input: a b\nOutput: c\nExplanation: d\n\nLet me know if you need more.",
        TWO[:1],
    ),
    "thoughts": ("<think>Input: x\nOutput: y</think>Input: a b\nOutput: c", BARE[:1]),
    "windows-lines": ("Input: a b\r\nOutput: c\r\nExplanation: d\r\n", TWO[:1]),
    "colon-in-text": ("Input: at 10:30\nOutput: Result: c", (Example("at 10:30", "Result: c"),)),
    "second-output": ("Input: a b\nOutput: c\nOutput: z", BARE[:1]),
    "same-twice": ("Input: a b\nOutput: c\nInput: a  b\nOutput: z", BARE[:1]),
    "no-output": ("Input: x\nExplanation: y\nInput: a b\nOutput: c", BARE[:1]),
    "empty-output": ("Input: x\nOutput:\nExplanation: y\nInput: a b\nOutput: c", BARE[:1]),
    "empty-input": ("Input:\nOutput: y\nInput: a b\nOutput: c", BARE[:1]),
    "no-input": ("Output: y\nInput: a b\nOutput: c", BARE[:1]),
    "talk": ("I can't think of any examples. The input: none.", ()),
    "refusal": (REFUSAL, ()),
    "empty": ("", ()),
    "structure-only": ("Input:\nOutput:\nExplanation:", ()),
}


@pytest.mark.parametrize(("reply", "expected"), REPLIES.values(), ids=REPLIES)
def test_examples_of_a_reply(reply: str, expected: tuple[Example, ...]) -> None:
    assert parse_examples(reply) == expected


def test_where_a_reply_is_cut_its_last_example_is_left_out() -> None:
    reply = "Input: a b\nOutput: c\nExplanation: d\n\nInput: e\nOutput: f"
    assert parse_examples(reply, cut=True) == TWO[:1]
    assert parse_examples("Input: a b\nOutput: c", cut=True) == ()


word = (
    st.text("abcxyz 0123:-", min_size=1, max_size=20)
    .map(str.strip)
    .filter(lambda text: text and re.search("[a-z]", text))
)
example = st.builds(Example, word, word, word | st.just(""))


@given(
    st.lists(
        example, min_size=1, max_size=6, unique_by=lambda example: " ".join(example.input.split())
    )
)
def test_what_is_written_is_read_again(examples: list[Example]) -> None:
    assert parse_examples(written_examples(examples)) == tuple(examples)


@given(st.text(), st.booleans())
def test_any_text_gives_whole_examples(reply: str, cut: bool) -> None:
    for text in (reply, f"Input: {reply}\nOutput: x"):
        assert all(example.input and example.output for example in parse_examples(text, cut=cut))


HUGE = {
    "headings": "* # 1. **Example 1" * 50_000,
    "spaces": " " * 1_000_000 + "x",
    "rules": "-" * 1_000_000 + "x",
    "inputs": "Input: a\n" * 100_000,
    "outputs": "Input: a\n" + "Output: b\n" * 100_000,
    "long": "Input: " + "a" * 1_000_000 + "\nOutput: b\nInput: " + "a " * 500_000 + "\nOutput: b",
}


@pytest.mark.parametrize("reply", HUGE.values(), ids=HUGE)
def test_a_huge_reply_is_read_and_compared(reply: str) -> None:
    candidates = parse_examples(reply)
    assert len(candidates) <= 2
    assert len(best_two(reply, [*candidates, *BARE])) in (0, 2)


POOL = (
    Example("The kettle is broken and nobody repairs it.", "complaint", "It is a grievance."),
    Example("The kettle is old and nobody replaces it.", "complaint"),
    Example("When does the library open on Sundays?", "question"),
    Example("Thank you for the lovely evening by the lake!", "thanks"),
)


def shown(*indices: int) -> str:
    return written_examples([POOL[index] for index in indices])


RANKINGS: dict[str, tuple[str, tuple[int, ...]]] = {
    "as-they-are": (shown(2, 0), (2, 0)),
    "with-talk": (f"The best two examples are:\n\n{shown(3, 1)}\n\nI hope this helps!", (3, 1)),
    "without-explanation": (
        "Input: The kettle is broken and nobody repairs it.\nOutput: complaint\n\n"
        "Input: When does the library open on Sundays?\nOutput: question",
        (0, 2),
    ),
    "small-edits": (
        "1. **Input:** The kettle is broken, and nobody repairs it\n   **Output:** Complaint\n"
        "2. **Input:** when does the library open on sundays\n   **Output:** Question.",
        (0, 2),
    ),
    "all-ranked": (shown(1, 3, 0, 2), (1, 3)),
    "one-twice": (shown(2, 2, 0), (2, 0)),
    "one-invented": ("Input: A new one, never seen.\nOutput: x\n\n" + shown(3, 0), (3, 0)),
    "wrong-numbers": (
        f"Example 3:\nInput: {POOL[0].input}\nOutput: complaint\n"
        f"Example 4:\nInput: {POOL[3].input}\nOutput: thanks",
        (0, 3),
    ),
    "numbers-only": ("Example 4 is the best, followed by Example 2.", (3, 1)),
    "numbers-too-high": ("Example 9, Example 0 and Example 2.", ()),
    "only-one": (shown(2), ()),
    "only-invented": ("Input: x\nOutput: y\n\nInput: z\nOutput: w", ()),
    "refusal": (REFUSAL, ()),
    "empty": ("", ()),
}


@pytest.mark.parametrize(("reply", "expected"), RANKINGS.values(), ids=RANKINGS)
def test_a_ranking_names_two_candidates(reply: str, expected: tuple[int, ...]) -> None:
    assert best_two(reply, POOL) == expected


@given(st.permutations(range(len(POOL))))
def test_a_ranking_of_all_gives_the_first_two(order: Sequence[int]) -> None:
    assert best_two(shown(*order), POOL) == tuple(order[:2])


@given(st.text())
def test_any_ranking_gives_two_candidates_or_none(reply: str) -> None:
    found = best_two(reply, POOL)
    assert len(set(found)) == len(found) in (0, 2)
    assert set(found) <= set(range(len(POOL)))


def test_draws_differ_by_task_and_by_seed_and_are_fair() -> None:
    draws = Counter(place for task in range(3000) for place in draw_two(5, 42, f"task{task}"))
    assert all(1080 < count < 1320 for count in draws.values()), "each two times in five"
    assert draw_two(5, 42, "task1") == draw_two(5, 42, "task1")
    assert len({draw_two(50, seed, "task1") for seed in range(20)}) > 15
    assert all(len(set(draw_two(2, seed, "x"))) == 2 for seed in range(50))


def made_up(boat: int) -> tuple[Example, ...]:
    events = ("sank slowly near the pier", "won the long regatta", "lost its mast", "came home")
    return tuple(
        Example(f"Report {n}: boat {boat + n} {event} today.", f"Boat {event}", f"It {event}.")
        for n, event in enumerate(events, start=1)
    )


def example_model(number: int, body: dict[str, Any]) -> Fault:
    """Generates four examples and ranks the third and the first best; some boats give trouble."""
    (message,) = body["messages"]
    text = message["content"]
    boat = int(re.findall(r"boat (\d+)", text)[-1])
    if text.startswith("Give me"):
        replies = {3: REFUSAL, 5: "Input: x\nOutput: y"}
        if boat % 10 == 7:
            return Fault(400)
        return chat(replies.get(boat % 10, written_examples(made_up(boat))))
    if boat % 10 == 2:
        return Fault(400)
    if boat % 10 == 4:
        return chat("They are all good.")
    third, first = made_up(boat)[2], made_up(boat)[0]
    return chat(f"Here they are:\n\n{written_examples([third, first])}".replace("today.", "today"))


async def generate(
    server: ScriptedServer,
    number: int,
    ledger: Ledger | None = None,
    budget: Budget | None = None,
    **settings: Any,
) -> list[ExampleSet]:
    chosen = ExamplesSettings.of(model="openai:some-model", **settings)
    tasks = [(boat_task(place), (*STEPS, f"Name boat {place}.")) for place in range(number)]
    engine = Engine(
        endpoint_of(server), ledger or MemoryLedger(), chosen.model.in_flight, budget or Budget()
    )
    async with engine:
        return [entry async for entry in generate_examples(chosen, tasks, engine)]


async def test_examples_are_generated_and_ranked() -> None:
    with ScriptedServer(example_model) as server:
        done = await generate(server, 60, in_flight=16)
    assert [entry.task_id for entry in done] == [f"task{number}" for number in range(60)]
    for number, made in enumerate(done):
        kind = number % 10
        failure = {7: "request_failed", 3: "no_examples", 5: "no_examples"}.get(kind, "")
        ranking = {2: "request_failed", 4: "unmatched"}.get(kind, "")
        assert (made.failure, made.ranking_failure) == (failure, ranking)
        assert bool(made.detail) == bool(failure)
        assert made.ranked == (() if failure or ranking else (2, 0))
        assert made.drawn == (() if failure else draw_two(4, 42, made.task_id))
        assert [turn.name for turn in made.turns] == ["generate", "rank"][: 1 if failure else 2]
        if not failure:
            assert made.candidates == made_up(number)


async def test_no_more_candidates_than_asked_for_and_no_more_tasks() -> None:
    with ScriptedServer(example_model) as server:
        done = await generate(server, 9, count=3, limit=2)
    assert [len(entry.candidates) for entry in done] == [3, 3]
    assert done[0].turns[0].prompt.startswith("Give me 3 harder examples for the Title Generation")


@pytest.mark.parametrize("in_flight", [1, 8, 64])
async def test_examples_do_not_depend_on_delays_and_numbers_in_flight(in_flight: int) -> None:
    with ScriptedServer(example_model) as server:
        quick = await generate(server, 20)
        server.script = slowly(example_model, 0.01)
        assert await generate(server, 20, in_flight=in_flight) == quick


async def test_a_stopped_run_goes_on_and_asks_nothing_twice() -> None:
    ledger = MemoryLedger()
    with ScriptedServer(example_model) as server:
        with pytest.raises(BudgetReached):
            await generate(server, 20, ledger, Budget(max_requests=11))
        resumed = await generate(server, 20, ledger)
        asked = Counter(json.dumps(body, sort_keys=True) for body in server.bodies)
        assert set(asked.values()) == {1}
        assert resumed == await generate(server, 20)
