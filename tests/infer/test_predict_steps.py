"""Predictions with step-by-step instructions, and what they cost when models change."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import pytest

from seedstep.errors import InputError
from seedstep.recipes import predict
from seedstep.runs import Run
from seedstep.stages import PREDICT
from support.growing import text_of
from support.predicting import asked_of, texts, word_model, write_word_tasks
from support.scripted_server import ScriptedServer


@pytest.fixture
def model() -> Iterator[ScriptedServer]:
    with ScriptedServer(word_model()) as server:
        yield server


class TestMoney:
    """Of two served models in one run each is priced by itself."""

    PRICES: ClassVar[dict[str, Any]] = {
        "cheap": {"input": 1.0, "output": 1.0},
        "dear": {"input": 1000.0, "output": 1000.0},
    }

    def asked(
        self, model: ScriptedServer, tmp_path: Path, name: str, **more: Any
    ) -> dict[str, Any]:
        tasks = write_word_tasks(tmp_path / "ni")
        return {**asked_of(model, tasks), "model": f"openai:{name}", "name": name, **more}

    def usd(self, run: Path, price: float) -> float:
        with Run.read(PREDICT, run) as opened:
            return opened.spent().total_tokens * price / 1e6

    def test_earlier_tokens_cost_what_their_model_cost(
        self, model: ScriptedServer, tmp_path: Path
    ) -> None:
        run = tmp_path / "run"
        predict(run, **self.asked(model, tmp_path, "cheap")).close()
        limit = 1.5 * self.usd(run, 1000.0)  # passed, if all were dear
        dear = self.asked(model, tmp_path, "dear", max_usd=limit, prices=self.PRICES)
        predict(run, **dear).close()
        assert len(texts(run, "dear")) == 12
        again = self.asked(model, tmp_path, "again", max_usd=limit / 2, prices=self.PRICES)
        predict(run, **{**again, "model": "openai:cheap", "encoding": "definition"}).close()
        assert texts(run, "again") == []  # the dear ones used it up

    def test_without_a_price_of_an_earlier_model_a_budget_in_money_is_refused(
        self, model: ScriptedServer, tmp_path: Path
    ) -> None:
        run = tmp_path / "run"
        predict(run, **self.asked(model, tmp_path, "cheap")).close()
        sent = model.requests
        prices = {"dear": self.PRICES["dear"]}
        with pytest.raises(InputError, match="price of 'cheap', which was asked in"):
            predict(run, **self.asked(model, tmp_path, "dear", max_usd=9.0, prices=prices))
        assert model.requests == sent
        predict(run, **self.asked(model, tmp_path, "dear", max_usd=9.0, prices=self.PRICES)).close()
        assert len(texts(run, "dear")) == 12


def rows(path: Path) -> list[tuple[Any, ...]]:
    """The rows of the predictions, with the times at which they were made."""
    with closing(sqlite3.connect(path / "run.db")) as database:
        return database.execute("SELECT * FROM predictions ORDER BY system, place").fetchall()


class TestSteps:
    def write(self, path: Path, first: str) -> str:
        lines = [
            {"task": f"task{task:03}_capitals", "steps": [first, "Write it."]} for task in range(2)
        ]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return str(path)

    def test_are_shown_to_the_model(self, model: ScriptedServer, tmp_path: Path) -> None:
        tasks = write_word_tasks(tmp_path / "ni", 2, 2)
        steps = self.write(tmp_path / "steps.jsonl", "Read the word.")
        asked = asked_of(model, tasks, encoding="steps", steps=steps)
        predict(tmp_path / "run", **asked).close()
        begin = "Step by Step Instruction: 1. Read the word. 2. Write it."
        assert all(text_of(body).startswith(begin) for body in model.bodies)

    def test_where_they_changed_it_is_predicted_again(
        self, model: ScriptedServer, tmp_path: Path
    ) -> None:
        tasks = write_word_tasks(tmp_path / "ni", 2, 2)
        steps = self.write(tmp_path / "steps.jsonl", "Read the word.")
        asked = asked_of(model, tasks, encoding="steps", steps=steps)
        predict(tmp_path / "run", **asked).close()
        lines = (tmp_path / "steps.jsonl").read_text().splitlines()
        other = lines[1].replace("Read the word.", "Look at the word.")
        (tmp_path / "steps.jsonl").write_text(f"{lines[0]}\n{other}\n")
        predict(tmp_path / "run", **asked).close()
        new = [text_of(body) for body in model.bodies[4:]]
        assert len(new) == 2
        assert all("Look at the word." in text for text in new)
        (tmp_path / "steps.jsonl").write_text("\n".join(lines))
        predict(tmp_path / "run", **asked).close()
        assert len(model.bodies) == 6

    def test_where_they_are_not_shown_they_may_change(
        self, model: ScriptedServer, tmp_path: Path
    ) -> None:
        tasks = write_word_tasks(tmp_path / "ni", 2, 2)
        steps = self.write(tmp_path / "steps.jsonl", "Read the word.")
        asked = asked_of(model, tasks, encoding="definition", steps=steps)
        predict(tmp_path / "run", **asked).close()
        first = rows(tmp_path / "run")
        self.write(tmp_path / "steps.jsonl", "Look at the word.")
        predict(tmp_path / "run", **asked).close()
        assert rows(tmp_path / "run") == first
