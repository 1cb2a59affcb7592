"""A run that goes on takes what it retired as it is stored, where that fits its hashes and log."""

import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from seedstep import self_instruct
from seedstep.bootstrap import Generation, parse, rule_gate
from seedstep.recipes import BootstrapProgress
from seedstep.runs import Run
from seedstep.runs.ledger import RequestLedger
from seedstep.stages import BOOTSTRAP
from support.command_line import seedstep
from support.growing import (
    Interruption,
    Outcome,
    Recorder,
    asked_of,
    exported,
    grow,
    purpose_of,
    stored_answers,
)
from support.scripted_server import (
    Fault,
    ScriptedServer,
    completion,
    completion_text,
)

SETTINGS: dict[str, Any] = {"prompt_style": "completion", "window": 3, "in_flight": 4, "seed": 7}


class Model:
    """A model whose replies depend on a word besides the request."""

    def __init__(self) -> None:
        self.word = "first"

    def __call__(self, number: int, body: dict[str, Any]) -> Fault:
        prompt = str(body["prompt"])
        again = completion_text(prompt + self.word) if purpose_of(body) == "generation" else None
        return Fault(body=completion(again or completion_text(prompt)))


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def scripted(model: Model) -> Iterator[ScriptedServer]:
    with ScriptedServer(model) as server:
        yield server


@dataclass(frozen=True)
class Calm:
    """A run that was never stopped, its exports, and its server, whose address is in its keys."""

    made: Outcome
    exports: dict[str, dict[str, bytes]]
    server: ScriptedServer


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calm]:
    with ScriptedServer(Model()) as server:
        made = grow(tmp_path_factory.mktemp("calm") / "run", server, tasks=40, **SETTINGS)
        yield Calm(made, exported(made.path), server)


def stopped(
    out: Path, server: ScriptedServer, after: int, tasks: int = 40, **settings: Any
) -> None:
    """A run that ends when so many generations are retired."""
    with suppress(Interruption):
        asked = asked_of(server, tasks=tasks, **SETTINGS, **settings)
        self_instruct(out, watch=Recorder(fails_after=after), **asked)


def change(run: Path, *statements: str) -> None:
    with closing(sqlite3.connect(run / "run.db")) as database, database:
        for statement in statements:
            database.execute(statement)


def unfit(run: Path) -> None:
    """Let no hash fit, so that all replies are read again."""
    change(run, "UPDATE generations SET chain = x'00'")


def as_in_0_1(run: Path) -> None:
    change(run, "UPDATE generations SET chain = NULL")


def last_item(run: Path) -> int:
    with closing(sqlite3.connect(run / "run.db")) as database:
        return int(database.execute("SELECT max(item) FROM generations").fetchone()[0])


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each reply was read from the log."""
    found: Counter[str] = Counter()
    get = RequestLedger.get

    def counting(self: RequestLedger, key: str) -> Any:
        answer = get(self, key)
        if answer is not None:
            found[key] += 1
        return answer

    monkeypatch.setattr(RequestLedger, "get", counting)
    return found


def watched(out: Path, server: ScriptedServer, tasks: int = 40) -> BootstrapProgress:
    """Go on, and return the progress."""
    seen: list[BootstrapProgress] = []

    class Watch(Recorder):
        def began(self, progress: BootstrapProgress) -> None:
            seen.append(progress)

    self_instruct(out, watch=Watch(), **asked_of(server, tasks=tasks, **SETTINGS)).close()
    return seen[-1]


@pytest.mark.parametrize("seed", range(4))
def test_it_makes_the_same_as_reading_all_replies_again(
    seed: int, model: Model, scripted: ScriptedServer, tmp_path: Path, read: Counter[str]
) -> None:
    """Stopped at random moments, with a model that answers otherwise each time it is asked."""
    taken, replayed = tmp_path / "taken", tmp_path / "replayed"
    chance = random.Random(seed)
    stopped(taken, scripted, chance.randint(1, 6))
    for word in ("second", "third"):
        model.word = word
        stopped(taken, scripted, last_item(taken) + chance.randint(2, 5))
    retired = last_item(taken)
    shutil.copytree(taken, replayed)
    unfit(replayed)
    model.word = "last"
    made: list[Outcome] = []
    for path in (taken, replayed):
        read.clear()
        made.append(grow(path, scripted, tasks=40, **SETTINGS))
        earlier = {each.request for each in made[-1].generations[:retired]}
        assert earlier.isdisjoint(read) == (path == taken)
    assert made[0].generations == made[1].generations
    assert exported(taken) == exported(replayed)
    assert made[0].status.rejected == made[1].status.rejected


def test_how_many_replies_are_read_does_not_grow_with_the_run(
    scripted: ScriptedServer, tmp_path: Path, read: Counter[str]
) -> None:
    counts = []
    for tasks in (10, 40, 160):
        grow(tmp_path / "run", scripted, tasks=tasks, **SETTINGS)
        read.clear()
        stopped(tmp_path / "run", scripted, last_item(tmp_path / "run") + 2, tasks + 1)
        counts.append(read.total())
    assert max(counts) <= 60, counts
    unfit(tmp_path / "run")
    read.clear()
    stopped(tmp_path / "run", scripted, last_item(tmp_path / "run") + 2, 161)
    assert read.total() > 200


CHANGES: dict[str, str] = {
    "an instruction": "UPDATE candidates SET instruction = 'Sing.' WHERE item = 2",
    "a reason": "UPDATE candidates SET reason = 'keyword' WHERE item = 2 AND reason = ''",
    "a score": "UPDATE candidates SET score = score + 1e-9 WHERE item = 2",
    "an input": "UPDATE instances SET input = 'x' WHERE task LIKE 'g2.%'",
    "a verdict": "UPDATE instances SET reason = 'gate' WHERE task LIKE 'g2.%'",
    "instances": "DELETE FROM instances WHERE task LIKE 'g2.%'",
    "one more": "INSERT INTO instances SELECT id, 9, 'a', 'b', '', '' FROM candidates WHERE item=2",
    "candidates": "DELETE FROM candidates WHERE item = 2",
    "demonstrations": "UPDATE generations SET demonstrations = '[]' WHERE item = 2",
    "no text": "UPDATE candidates SET detail = CAST(x'ff' AS TEXT) WHERE item = 2",
    "another type": "UPDATE generations SET demonstrations = 7 WHERE item = 2",
}


def of_item(statement: str, item: int) -> str:
    return statement.replace("item = 2", f"item = {item}").replace("g2.", f"g{item}.")


def require_stored(run: Path, generations: Sequence[Generation]) -> None:
    """The database has these generations, and nothing else."""
    made = [candidate for each in generations for candidate in each.candidates]
    with Run.read(BOOTSTRAP, run) as opened:
        records, status = opened.records, opened.status()
        assert [records.show(each.task.id).candidate for each in made] == made
        assert list(opened.tasks()) == [each.task for each in made if not each.reason]
        assert status.generations == len(generations)
        assert status.written == len(made)
        pairs = sum(len(each.task.instances) + len(each.rejected_instances) for each in made)
        assert status.instances_read == pairs


@pytest.mark.parametrize("item", [2, 4])
@pytest.mark.parametrize("statement", CHANGES.values(), ids=CHANGES)
def test_records_that_are_not_as_they_were_retired_come_from_the_log(
    statement: str, item: int, calm: Calm, tmp_path: Path
) -> None:
    """In the middle, and in the last generation that is stored."""
    run, scripted = tmp_path / "run", calm.server
    stopped(run, scripted, 5)
    change(run, of_item(statement, item))
    asked = scripted.requests
    stopped(run, scripted, 5)
    assert scripted.requests - asked <= 2 * SETTINGS["in_flight"], "replies were asked for again"
    require_stored(run, calm.made.generations[:5])
    progress = watched(run, scripted)
    require_stored(run, calm.made.generations)
    assert exported(run) == calm.exports
    assert not progress.notes, "the first start has repaired it"
    with Run.read(BOOTSTRAP, run) as made:
        assert made.status().rejected == calm.made.status.rejected


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """A function that says whether replies are read as another version may read them."""
    usual = parse.read_instructions
    otherwise = False

    def read(*given: Any, **more: Any) -> tuple[parse.ListedInstruction, ...]:
        found = usual(*given, **more)
        return found[1:] if otherwise else found

    def choose(other: bool) -> None:
        nonlocal otherwise
        otherwise = other

    monkeypatch.setattr(parse, "read_instructions", read)
    return choose


@pytest.mark.parametrize("hashed", [True, False])
@pytest.mark.parametrize("before", [True, False])
def test_what_another_version_made_stays_as_it_is(
    before: bool,
    hashed: bool,
    scripted: ScriptedServer,
    tmp_path: Path,
    reader: Callable[[bool], None],
    read: Counter[str],
) -> None:
    """Whether it found more in replies or less; nothing is read or asked again."""
    run, settings = tmp_path / "run", {**SETTINGS, "in_flight": 1}
    reader(before)
    first = Recorder(fails_after=6)
    with suppress(Interruption):
        self_instruct(run, watch=first, **asked_of(scripted, tasks=25, **settings))
    if not hashed:
        as_in_0_1(run)
    reader(not before)
    made: list[Generation] = list(first.generations)
    for tasks in (25, 25, 28):
        read.clear()
        again = grow(run, scripted, tasks=tasks, **settings)
        generations = again.generations or tuple(made)
        assert generations[:5] == tuple(made[:5])
        assert not {each.request for each in made[:5]} & set(read)
        assert again.status.finished == len(again.tasks) == tasks
        require_stored(run, generations)
        made = list(generations)
    assert scripted.requests - stored_answers(run) <= 4, "one in flight at the end of each start"


@pytest.mark.parametrize(
    ("statement", "item"),
    [(CHANGES["an instruction"], 2), ("UPDATE generations SET item = 50 WHERE item = 5", 5)],
)
@pytest.mark.parametrize("before", [True, False])
def test_damage_where_replies_are_read_otherwise(
    before: bool,
    statement: str,
    item: int,
    scripted: ScriptedServer,
    tmp_path: Path,
    reader: Callable[[bool], None],
) -> None:
    """At each moment of the repair the database has what the pipeline has."""
    run = tmp_path / "run"
    reader(before)
    stopped(run, scripted, 6, tasks=25)
    change(run, statement)
    reader(not before)
    for after in (item + 1, item + 2, item + 4):
        recorder = Recorder(fails_after=after)
        with suppress(Interruption):
            self_instruct(run, watch=recorder, **asked_of(scripted, tasks=25, **SETTINGS))
        require_stored(run, recorder.generations)
    made = grow(run, scripted, tasks=25, **SETTINGS)
    require_stored(run, made.generations)
    assert made.status.finished == 25
    assert not watched(run, scripted, tasks=26).notes


def test_a_gate_that_decides_otherwise_than_before(
    scripted: ScriptedServer, tmp_path: Path
) -> None:
    """Its function is not known to the run: what is retired stays, what is new is as it says."""
    strict = False
    gate = rule_gate(
        "own", "a rule", lambda found: strict and found.instruction.startswith("Classify")
    )
    given: dict[str, Any] = {"own_gates": [gate], **SETTINGS}
    stopped(tmp_path / "run", scripted, 5, own_gates=[gate])
    strict = True
    for tasks in (40, 41):
        made = grow(tmp_path / "run", scripted, tasks=tasks, **given)
        assert made.status.finished == tasks
        require_stored(tmp_path / "run", made.generations)


@pytest.mark.parametrize(
    ("statement", "item"),
    [
        (CHANGES["an instruction"], 2),
        (CHANGES["no text"], 0),
        ("DELETE FROM requests WHERE key = (SELECT request FROM generations WHERE item = 3)", 3),
        ("DELETE FROM requests WHERE purpose = 'classification'", 0),
        ("UPDATE generations SET chain = x'00' WHERE item = 1", 1),
        ("DELETE FROM generations WHERE item = 1", 1),
    ],
)
def test_where_replies_are_read_again_is_said(
    statement: str, item: int, calm: Calm, tmp_path: Path
) -> None:
    scripted = calm.server
    stopped(tmp_path / "run", scripted, 5)
    change(tmp_path / "run", statement)
    progress = watched(tmp_path / "run", scripted)
    assert f"the records of item {item} are not as they were left" in progress.notes[0]
    assert exported(tmp_path / "run") == calm.exports


def test_the_command_says_it(scripted: ScriptedServer, tmp_path: Path) -> None:
    stopped(tmp_path / "run", scripted, 5)
    change(tmp_path / "run", CHANGES["an instruction"])
    done = seedstep("bootstrap", "--out", tmp_path / "run")
    assert done.code == 0, done.err
    assert "the records of item 2 are not as they were left" in done.words
    assert (
        "not as they were left"
        not in seedstep("bootstrap", "--out", tmp_path / "run", "--tasks", 41).words
    )


def test_what_a_smaller_patience_ends_is_ended_where_it_was(
    scripted: ScriptedServer, tmp_path: Path
) -> None:
    """As if all were done again with it."""
    barren: Callable[[int], bool] = lambda draw: 3 <= draw < 6  # noqa: E731
    model = scripted.script
    assert model

    def script(number: int, body: dict[str, Any]) -> Fault | None:
        dry = purpose_of(body) == "generation" and barren(body["seed"])
        return Fault(body=completion("Too short.")) if dry else model(number, body)

    scripted.script = script
    stopped(tmp_path / "run", scripted, 9)
    shutil.copytree(tmp_path / "run", tmp_path / "replayed")
    unfit(tmp_path / "replayed")
    made = [
        grow(tmp_path / name, scripted, tasks=40, patience=2, **SETTINGS)
        for name in ("run", "replayed")
    ]
    assert made[0].generations == made[1].generations
    assert len(made[0].generations) == 5
    for name in ("run", "replayed"):
        require_stored(tmp_path / name, made[0].generations)
    asked = scripted.requests
    stopped(tmp_path / "run", scripted, 9)
    assert scripted.requests - asked <= 2 * SETTINGS["in_flight"], "the replies are kept"
