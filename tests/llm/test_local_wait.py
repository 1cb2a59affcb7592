"""The wait for a model in this process: threads, the first requests, and what is being written."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedstep.bootstrap import BootstrapSettings
from seedstep.cli.bootstrap import _PlainWatcher
from seedstep.cli.progress import being_written
from seedstep.cli.terminal import QUIET_SECONDS, console
from seedstep.llm import Engine, EngineStats, MemoryLedger, llama_cpp
from seedstep.llm.llama_cpp import threads
from seedstep.llm.pacing import KEPT_CHARACTERS, RepliesInProgress
from seedstep.recipes import BootstrapProgress, TaskProgress
from support.asking import ask_all, asked, asked_chat, endpoint_of, reply, until
from support.scripted_server import Fault, ScriptedServer


def events(*pieces: str, chat: bool = False) -> bytes:
    """A stream as llama.cpp sends it, with the tokens in its last event."""
    made: list[dict[str, Any]] = []
    for piece in pieces:
        text = {"delta": {"content": piece}} if chat else {"text": piece}
        made.append({"choices": [{"index": 0, **text, "finish_reason": None}]})
    made[-1]["choices"][0]["finish_reason"] = "stop"
    made.append({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}})
    lines = "".join(f"data: {json.dumps(event)}\n\n" for event in made)
    return f"{lines}data: [DONE]\n\n".encode()


class TestThreads:
    def stat(self, folder: Path, *rows: tuple[int, int], rest: int = 0) -> Path:
        """A list of times: of each core busy and idle ticks."""
        lines = [
            f"cpu{core} {busy} 0 0 {idle} {rest} 0 0 0" for core, (busy, idle) in enumerate(rows)
        ]
        path = folder / "stat"
        path.write_text("\n".join(["cpu 1 2 3 4", *lines, "intr 5"]))
        return path

    @pytest.mark.parametrize(
        ("busy", "expected"), [((0, 0), 2), ((100, 100), 1), ((100, 0), 1), ((10, 10), 2)]
    )
    def test_as_many_as_cores_are_idle(
        self,
        busy: tuple[int, int],
        expected: int,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(llama_cpp, "_cores", lambda: frozenset((0, 1)))
        monkeypatch.setattr(llama_cpp, "STAT", self.stat(tmp_path, (50, 50), (50, 50)))
        monkeypatch.setattr(llama_cpp, "QUOTA", tmp_path / "nowhere")

        def sleep(_: float) -> None:
            self.stat(tmp_path, *((50 + part, 150 - part) for part in busy))

        monkeypatch.setattr("seedstep.llm.llama_cpp.time.sleep", sleep)
        assert threads() == expected

    def test_of_a_container_no_more_than_it_may_use(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(llama_cpp, "_cores", lambda: frozenset(range(64)))
        monkeypatch.setattr(llama_cpp, "STAT", tmp_path / "nowhere")
        quota = tmp_path / "cpu.max"
        monkeypatch.setattr(llama_cpp, "QUOTA", quota)
        for text, expected in (("200000 100000", 2), ("max 100000", 64), ("10000 100000", 1)):
            quota.write_text(text)
            assert threads() == expected

    def test_on_this_machine_there_is_one_at_least(self) -> None:
        assert threads(0.01) >= 1


class TestRequests:
    async def test_they_begin_one_by_one_and_become_more(self) -> None:
        with ScriptedServer(lambda number, body: Fault(delay=0.01, body=events("a"))) as server:
            local = replace(endpoint_of(server), in_process=True)
            async with Engine(local, MemoryLedger(), 4) as engine, asyncio.timeout(20):
                await ask_all(engine, *(f"n{number}" for number in range(12)))
            assert server.crowd[:2] == [1, 1]
            assert max(server.crowd) == 4
            assert server.crowd.index(4) >= 6

    async def test_other_servers_get_all_at_once(self) -> None:
        with ScriptedServer(lambda number, body: Fault(delay=0.2)) as server:
            async with Engine(endpoint_of(server), MemoryLedger(), 4) as engine:
                await ask_all(engine, *"abcd")
            assert server.most_in_flight == 4
            assert not any("stream" in body for body in server.bodies)

    @pytest.mark.parametrize("chat", [False, True])
    async def test_what_is_being_written_is_heard_and_the_reply_is_whole(self, chat: bool) -> None:
        body = events("Name ", "a bird", " of prey.", chat=chat)
        slow = Fault(body=body, drip=0.0005)
        with ScriptedServer(lambda number, _: slow) as server:
            local = replace(endpoint_of(server), in_process=True)
            async with Engine(local, MemoryLedger(), 4) as engine, asyncio.timeout(20):
                assert engine.stats.writing.latest() is None
                request = asked_chat("a") if chat else asked("a")
                task = asyncio.create_task(engine.ask(request))
                await until(lambda: engine.stats.writing.latest() is not None)
                found = engine.stats.writing.latest()
                assert found is not None
                assert found[0] == "test"
                assert "Name a bird of prey.".startswith(found[1])
                answer = reply(await task)
                assert engine.stats.writing.latest() is None
            assert server.bodies[0]["stream"] is True
        assert answer.text == "Name a bird of prey."
        assert (answer.prompt_tokens, answer.completion_tokens, answer.estimated) == (7, 3, False)

    async def test_a_stream_without_text_is_an_empty_reply(self) -> None:
        made = [
            {"choices": [{"index": 0, "delta": {"role": "assistant", "content": None}}]},
            {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
            {"choices": [], "usage": {"prompt_tokens": 33, "completion_tokens": 1}},
        ]
        body = "".join(f"data: {json.dumps(event)}\n\n" for event in made).encode()
        with ScriptedServer(lambda number, _: Fault(body=body)) as server:
            local = replace(endpoint_of(server), in_process=True)
            async with Engine(local, MemoryLedger(), 1) as engine, asyncio.timeout(20):
                answer = reply(await engine.ask(asked_chat("a")))
            assert server.requests == 1
        assert (answer.text, answer.finish_reason) == ("", "stop")
        assert (answer.prompt_tokens, answer.completion_tokens) == (33, 1)


class TestWriting:
    def test_the_oldest_text_is_shown_first(self) -> None:
        writing = RepliesInProgress()
        with writing.listen("generation") as first, writing.listen("instances") as second:
            first(events("A"))
            second(events("B"))
            first(events("C"))
            assert writing.latest() == ("generation", "AC")
        assert writing.latest() is None

    def test_pieces_may_end_anywhere(self) -> None:
        whole = events("Größe ", "翻訳")
        for place in range(len(whole)):
            writing = RepliesInProgress()
            with writing.listen("x") as hear:
                hear(whole[:place])
                hear(whole[place:])
                assert writing.latest() == ("x", "Größe 翻訳")

    @given(st.lists(st.binary(max_size=80), max_size=8))
    def test_any_bytes_are_heard(self, pieces: list[bytes]) -> None:
        writing = RepliesInProgress()
        with writing.listen("x") as hear:
            for piece in pieces:
                hear(piece + b"\n")

    def test_only_the_end_of_a_long_text_is_kept(self) -> None:
        writing = RepliesInProgress()
        with writing.listen("x") as hear:
            hear(events(*["a" * 1000] * 5, "end"))
            found = writing.latest()
        assert found is not None
        assert len(found[1]) == KEPT_CHARACTERS
        assert found[1].endswith("aend")


class TestWhatIsShown:
    @pytest.mark.parametrize("width", [60, 80])
    def test_a_line_has_the_end_of_it(self, width: int) -> None:
        stats = EngineStats()
        assert being_written(stats, width) == ""
        with stats.writing.listen("generation") as hear:
            hear(events("Übersetze 翻訳\n" * 40 + "the end"))
            line = being_written(stats, width)
        assert line.startswith("  writing tasks: …")
        assert line.endswith("the end")
        assert len(line) <= width

    def test_without_a_terminal_a_line_of_it_comes_with_the_figures(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        progress = BootstrapProgress(BootstrapSettings.of(tasks=10), before=0)
        watcher = _PlainWatcher(console, Path("run"))
        with progress.stats.writing.listen("instances") as hear:
            hear(events("Input: \x1b[31mthe sea"))
            for _ in range(QUIET_SECONDS):
                watcher.tick(progress)
        said = capsys.readouterr().out
        assert "0/10 tasks, 0:00" in said
        assert "writing examples: …Input: �[31mthe sea" in said

    def test_the_time_left_is_told_from_the_first_task_on(self) -> None:
        progress = BootstrapProgress(BootstrapSettings.of(tasks=10), before=0)
        progress.started -= 30
        assert progress.seconds_left is None
        progress.before, progress.finished = 7, 3  # kept generations are being counted
        assert progress.seconds_left is None
        progress.before, progress.finished = 0, 1
        assert progress.seconds_left == pytest.approx(270, abs=5)
        assert not progress.is_sure
        progress.finished = 5
        assert progress.is_sure

    def test_of_steps_too(self) -> None:
        progress = TaskProgress(None, wanted=10, before=2, done=2)
        progress.started -= 20
        assert progress.seconds_left is None
        progress.done = 4
        assert progress.seconds_left == pytest.approx(60, abs=3)
