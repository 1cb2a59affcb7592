"""What comes with a reply is kept in the run, told, and the same in a recording."""

import json
from pathlib import Path

from seedstep.llm import Engine
from seedstep.runs.database import Database
from seedstep.runs.ledger import RequestLedger
from seedstep.runs.requests import find_request, read_spent, reply_notes
from support.asking import asked_chat, endpoint_of, reply
from support.command_line import seedstep
from support.scripted_server import Fault, ScriptedServer, error, in_turn


def chat(content: str, finish_reason: str = "stop", **message: str) -> bytes:
    choice = {"message": {"content": content, **message}, "finish_reason": finish_reason}
    usage = {"prompt_tokens": 5, "completion_tokens": 9}
    return json.dumps({"choices": [choice], "usage": usage}).encode()


async def test_thoughts_lost_tokens_and_parameters_are_kept_and_told(tmp_path: Path) -> None:
    faults = (
        Fault(400, error("Unsupported parameter: 'temperature'", param="temperature")),
        Fault(body=chat("Ran", "abort")),
        Fault(body=chat("Rank.", "odd_word", reasoning_content="Hm.")),
    )
    database = Database.open(tmp_path / "run.db")
    ledger = RequestLedger(database)
    with ScriptedServer(in_turn(*faults)) as server:
        async with Engine(endpoint_of(server), ledger, 1) as engine:
            answer = reply(await engine.ask(asked_chat("a")))
            key = engine.key(asked_chat("a"))
    assert ledger.get(key) == answer
    assert (answer.thoughts, answer.left_out) == ("Hm.", ("temperature",))
    assert (answer.lost_prompt_tokens, answer.lost_completion_tokens) == (5, 9)
    spent = read_spent(database)
    assert (spent.requests, spent.total.prompt, spent.total.completion) == (3, 10, 18)
    row = find_request(database, key)
    assert (row["thoughts"], row["left_out"]) == ("Hm.", ["temperature"])
    assert [("temperature" in note, "odd_word" in note) for note in reply_notes(database)] == [
        (True, False),
        (False, True),
    ]
    database.close()


def test_status_and_requests_tell_what_was_not_sent(tmp_path: Path) -> None:
    tasks = tmp_path / "tasks.jsonl"
    tasks.write_text(
        '{"definition": "Name a colour.", "instances": [{"input": "", "output": "x"}]}\n'
    )

    def script(number: int, body: dict[str, object]) -> Fault | None:
        if "temperature" in body:
            return Fault(400, error("'temperature' is not supported", param="temperature"))
        return Fault(body=chat("Blue", reasoning_content="Hm."))

    with ScriptedServer(script) as server:
        line = ["predict", "--tasks", str(tasks), "--model", "openai:m", "--base-url", server.url]
        done = seedstep(*line, "--out", str(tmp_path / "run"))
    assert done.code == 0, done.err
    told = seedstep("status", str(tmp_path / "run")).out
    assert "temperature" in told
    requests = seedstep("requests", str(tmp_path / "run")).out
    shown = seedstep("requests", str(tmp_path / "run"), requests.split()[0]).out
    assert "Hm." in shown
    assert "temperature" in shown
    recording = tmp_path / "recording.jsonl"
    seedstep("requests", str(tmp_path / "run"), "--export", str(recording))
    line = json.loads(recording.read_text().splitlines()[1])
    assert line["reply"]["thoughts"] == "Hm."
    assert line["reply"]["left_out"] == ["temperature"]
