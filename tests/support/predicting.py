"""What the tests of predictions share: tasks about words, and a served model that answers them."""

import json
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from seedstep.evaluate import Prediction
from seedstep.runs import Run
from seedstep.stages import PREDICT
from support.command_line import chat_reply
from support.growing import text_of
from support.scripted_server import Fault, ScriptedServer, completion

__all__ = [
    "answered",
    "asked_of",
    "asked_word",
    "forget_predictions",
    "predicted",
    "texts",
    "word_model",
    "words",
    "write_word_tasks",
]


def words(task: int, count: int) -> list[str]:
    """The inputs of a task's instances."""
    return [f"word{task}x{number}" for number in range(count)]


def write_word_tasks(folder: Path, tasks: int = 3, instances: int = 4) -> str:
    """Task files of our own; what is wanted of each word is the word in capitals."""
    (folder / "tasks").mkdir(parents=True, exist_ok=True)
    for task in range(tasks):
        record = {
            "Definition": [f"Write the word in capitals, as rule {task} says."],
            "Categories": ["Title Generation" if task % 2 else "Textual Entailment"],
            "Positive Examples": [
                {"input": "sun", "output": "SUN", "explanation": ""},
                {"input": "moon", "output": "MOON", "explanation": ""},
            ],
            "Negative Examples": [],
            "Instances": [
                {"id": f"task{task}-{word}", "input": word, "output": [word.upper()]}
                for word in words(task, instances)
            ],
        }
        (folder / "tasks" / f"task{task:03}_capitals.json").write_text(json.dumps(record))
    return str(folder)


def asked_word(body: Mapping[str, Any]) -> str:
    """The word that a request is about."""
    return text_of(dict(body)).rpartition("Input: ")[2].partition(".")[0]


def answered(body: Mapping[str, Any], text: str, finish_reason: str = "stop") -> Fault:
    """A reply with this text, in the form in which the request asks for it."""
    if "messages" in body:
        return chat_reply(text, finish_reason)
    return Fault(body=completion(text))


def word_model(
    special: Mapping[str, Fault] | None = None,
) -> Callable[[int, dict[str, Any]], Fault]:
    """Answers with the word in capitals; some words get what is `special` to them."""
    others = special or {}
    return lambda number, body: (
        others.get(asked_word(body)) or answered(body, f"  {asked_word(body).upper()}\n")
    )


def asked_of(server: ScriptedServer, tasks: str, **settings: Any) -> dict[str, Any]:
    """Settings for the model of a server."""
    return {"model": "openai:scripted", "base_url": server.url, "tasks": tasks, **settings}


def predicted(path: Path, name: str = "openai:scripted") -> list[Prediction]:
    """What a run holds of a system."""
    with Run.read(PREDICT, path) as run:
        return list(run.predictions(name))


def texts(path: Path, name: str = "openai:scripted") -> list[str]:
    return [prediction.text for prediction in predicted(path, name)]


def forget_predictions(database: Path, count: int) -> None:
    """Take the last predictions out of a run, as if it had been killed before them."""
    with sqlite3.connect(database) as connection:
        connection.execute(
            "DELETE FROM predictions WHERE rowid IN"
            " (SELECT rowid FROM predictions ORDER BY rowid DESC LIMIT ?)",
            (count,),
        )
    connection.close()
