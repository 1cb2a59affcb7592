"""One model behind several addresses: where requests go, and which server is left out."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seedstep import open_run
from seedstep.errors import DeniedError, InputError, RunMismatchError, UnreachableError
from seedstep.llm import Endpoint, Engine, MemoryLedger, Request, Sampling, open_model
from seedstep.llm import servers as several
from seedstep.llm.faults import ATTEMPTS
from seedstep.recipes import tune_model
from seedstep.report.page import addresses_in, hidden
from seedstep.runs.database import Database
from seedstep.runs.directory import DATABASE
from seedstep.stages import BOOTSTRAP
from support.asking import asked, failure, for_named, name_of, reply
from support.command_line import seedstep
from support.growing import exported, grow
from support.scripted_server import Fault, Script, ScriptedServer, error

pytestmark = pytest.mark.usefixtures("no_backoff")

NO_MODEL = Fault(404, error("no such model"))
NOBODY = "http://127.0.0.1:9/v1"


@asynccontextmanager
async def engine_on_all(
    servers: Sequence[ScriptedServer], in_flight: int = 4, ledger: MemoryLedger | None = None
) -> AsyncIterator[Engine]:
    first, *others = (Endpoint("openai:test", "m", server.url) for server in servers)
    endpoint = replace(first, others=tuple(others))
    async with Engine(endpoint, ledger or MemoryLedger(), in_flight) as engine:
        yield engine


def served(stack: ExitStack, *scripts: Script | None) -> list[ScriptedServer]:
    return [stack.enter_context(ScriptedServer(script)) for script in scripts]


def keys_in(path: Path) -> set[str]:
    with closing(Database.open(path / DATABASE, read_only=True)) as database:
        return {str(row[0]) for row in database.rows("SELECT key FROM requests")}


def fails_after(count: int) -> Script:
    """A server that breaks every connection after some good replies."""
    return lambda number, body: Fault(reset=True) if number >= count else None


@pytest.mark.parametrize("style", ["chat", "completion"])
def test_three_servers_give_the_data_of_one(tmp_path: Path, style: str) -> None:
    """One of the three is slow, one fails half-way; nothing is answered twice."""
    settings: dict[str, Any] = {"tasks": 24, "in_flight": 8, "prompt_style": style}
    with ExitStack() as stack:
        first, slow, failing = servers = served(
            stack, None, lambda number, body: Fault(delay=0.1), fails_after(15)
        )
        single = grow(tmp_path / "one", first, **settings)
        first.answered.clear()
        urls = [server.url for server in servers]
        three = grow(tmp_path / "three", first, **settings, **{"base_url": urls})
        answered = first.answered + slow.answered + failing.answered
    assert (three.generations, three.tasks) == (single.generations, single.tasks)
    assert exported(three.path) == exported(single.path)
    assert set(answered.values()) == {1}
    used = {generation.request for generation in single.generations}
    assert used <= keys_in(single.path) & keys_in(three.path)
    assert min(map(len, (first.answered, slow.answered, failing.answered))) > 0
    assert len(first.answered) > len(slow.answered)


async def test_requests_that_begin_alike_go_to_the_same_server() -> None:
    frame = "Follow the instruction.\n\n" * 20
    groups = [f"Task {name}: " + name * 120 for name in "abcdefghijklmnopqrstuvwxyz"]
    with ExitStack() as stack:
        servers = served(stack, None, None, None)
        async with engine_on_all(servers) as engine:
            for turn in range(4):
                for group in groups:
                    text = f"{frame}{group}\nTask: {turn}"
                    await engine.ask(
                        Request("test", f"Can the following task\n{text}", Sampling(9))
                    )
        homes = {
            group: {
                number
                for number, server in enumerate(servers)
                for body in server.bodies
                if group in body["prompt"] and not body["prompt"].endswith("Task: 0")
            }
            for group in groups
        }
    assert {len(home) for home in homes.values()} == {1}
    assert set[int]().union(*homes.values()) == {0, 1, 2}


async def test_a_slow_server_gets_fewer_requests() -> None:
    """The slow one answers after 40 requests to the quick one, however fast this machine is."""
    whole, in_flight = 150, 8

    def slowly(number: int, body: dict[str, Any]) -> Fault:
        enough = quick.requests + 40

        def is_time() -> bool:
            is_last = quick.requests + slow.requests == whole or slow.in_flight == in_flight
            return is_last or quick.requests >= enough

        return Fault(until=is_time)

    with ExitStack() as stack:
        quick, slow = served(stack, None, slowly)
        async with engine_on_all([quick, slow], in_flight) as engine:
            await asyncio.gather(*(engine.ask(asked(f"{number}")) for number in range(whole)))
    assert quick.requests > 3 * slow.requests > 0


async def test_a_server_that_fails_is_left_out_and_taken_back() -> None:
    broken = True
    with ExitStack() as stack:
        good, bad = served(stack, None, lambda number, body: Fault(500) if broken else None)
        async with engine_on_all([good, bad]) as engine:
            for number in range(30):
                reply(await engine.ask(asked(f"a{number}")))
            stats = engine.stats.servers[bad.url]
            assert stats.left_out
            assert bad.requests == stats.faults == several.FAULTS
            (note,) = engine.stats.notes
            assert note.startswith(f"{bad.url} is left out for now: HTTP 500")
            broken = False
            (server,) = (each for each in engine._wire._servers if each.url == bad.url)  # type: ignore[attr-defined]
            server.out_until = 0.0  # the time is over
            for number in range(30):
                reply(await engine.ask(asked(f"b{number}")))
            assert not stats.left_out
            assert bad.requests > several.FAULTS + 5


async def test_an_overloaded_server_does_not_slow_the_others() -> None:
    busy = Fault(429, headers={"Retry-After": "60"})
    with ExitStack() as stack:
        good, overloaded = served(stack, None, lambda number, body: busy)
        async with engine_on_all([good, overloaded]) as engine, asyncio.timeout(10):
            answers = await asyncio.gather(*(engine.ask(asked(f"{n}")) for n in range(40)))
            assert {reply(answer).text != "" for answer in answers} == {True}
            stats = engine.stats.servers[overloaded.url]
    assert (stats.left_out, stats.overloads) == (False, overloaded.requests)
    assert 1 <= overloaded.requests <= 4  # those that were sent before it said so
    assert sum(good.answered.values()) == 40


async def test_figures_that_are_shared_do_not_change_how_a_single_server_is_asked() -> None:
    busy = Fault(429, headers={"Retry-After": "0"})
    with ExitStack() as stack:
        (alone,) = served(stack, lambda number, body: busy if number == 0 else None)
        pair = served(stack, None, None)
        async with engine_on_all([alone], in_flight=8) as engine, engine_on_all(pair) as other:
            engine.stats.servers.update(other.stats.servers)
            reply(await engine.ask(asked("a")))
            assert engine.stats.servers
            assert engine._slots.limit < 8


@pytest.mark.parametrize("denial", [NO_MODEL, Fault(401), Fault(403)], ids=["404", "401", "403"])
async def test_a_server_that_denies_what_another_gives_is_left_out(denial: Fault) -> None:
    with ExitStack() as stack:
        good, wrong = served(stack, None, lambda number, body: denial)
        async with engine_on_all([good, wrong]) as engine:
            for number in range(30):
                reply(await engine.ask(asked(f"{number}")))
            assert engine.stats.servers[wrong.url].left_out
    assert wrong.requests == several.FAULTS


async def test_the_run_ends_if_all_servers_deny_the_model() -> None:
    with ExitStack() as stack:
        servers = served(stack, *[lambda number, body: NO_MODEL] * 2)
        async with engine_on_all(servers, in_flight=1) as engine:
            with pytest.raises(DeniedError, match="has no model 'm'"):
                await engine.ask(asked("a"))


async def test_a_request_that_fails_everywhere_is_given_up_and_no_server_left_out() -> None:
    with ExitStack() as stack:
        servers = served(stack, *[for_named("bad", Fault(500))] * 3)
        async with engine_on_all(servers) as engine:
            asking = asyncio.create_task(engine.ask(asked("bad")))
            number = 0
            while not asking.done():
                number += 1
                reply(await engine.ask(asked(f"{number}")))
            assert failure(await asking).reason == "server_error"
            assert not any(stats.left_out for stats in engine.stats.servers.values())
        bad = [sum(name_of(body) == "bad" for body in server.bodies) for server in servers]
    assert sum(bad) == 3 * ATTEMPTS
    assert set(bad) == {ATTEMPTS}


async def test_a_refusal_is_an_answer_and_not_asked_elsewhere() -> None:
    refused = Fault(400, error("this text is not allowed"))
    with ExitStack() as stack:
        servers = served(stack, *[for_named("bad", refused)] * 3)
        async with engine_on_all(servers) as engine:
            reply(await engine.ask(asked("a")))
            assert failure(await engine.ask(asked("bad"))).reason == "refused"
    assert sum(server.requests for server in servers) == 2


async def test_one_server_that_is_there_is_enough_at_the_start() -> None:
    with ScriptedServer() as server:
        endpoint = Endpoint("openai:test", "m", NOBODY, others=(Endpoint("", "m", server.url),))
        async with Engine(endpoint, MemoryLedger(), 4) as engine:
            await engine.check()
            assert engine.stats.servers[NOBODY].left_out
            for number in range(9):
                assert reply(await engine.ask(asked(f"{number}"))).attempts == 1
        assert server.requests == 9


async def test_no_server_at_all_is_said_with_every_address() -> None:
    other = "http://127.0.0.1:10/v1"
    endpoint = Endpoint("openai:test", "m", NOBODY, others=(Endpoint("", "m", other),))
    async with Engine(endpoint, MemoryLedger(), 4) as engine:
        with pytest.raises(UnreachableError, match=f"{NOBODY}, {other}"):
            await engine.check()


async def test_each_address_is_asked_by_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy stands before an address elsewhere, and never before this machine."""
    with ExitStack() as stack:
        here, proxy = served(stack, None, None)
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        urls = [here.url, "http://api.test/v1"]
        monkeypatch.setenv("OPENAI_API_KEY", "sk-a-key-of-the-user")
        async with open_model("openai:m", urls, 4) as endpoint:
            assert endpoint.others[0].identity == endpoint.identity == f"openai:{here.url}"
            async with Engine(endpoint, MemoryLedger(), 4) as engine:
                await asyncio.gather(*(engine.ask(asked(f"{number}")) for number in range(12)))
    assert {headers["Host"] for headers in proxy.headers} == {"api.test"}
    assert {headers["Host"] for headers in here.headers} == {f"127.0.0.1:{here.port}"}
    keys = {headers["Authorization"] for headers in here.headers + proxy.headers}
    assert keys == {"Bearer sk-a-key-of-the-user"}


# Settings


def test_the_flag_may_be_given_several_times(tmp_path: Path) -> None:
    with ExitStack() as stack:
        servers = served(stack, None, None)
        flags = [word for server in servers for word in ("--base-url", server.url)]
        args = ["bootstrap", "--model", "openai:scripted", "--tasks", 2, "--out"]
        assert seedstep(*args, tmp_path / "two", *flags).code == 0
        assert seedstep(*args, tmp_path / "one", *flags[:2]).code == 0
        with open_run(tmp_path / "two", BOOTSTRAP) as run:
            assert run.config["base_url"] == [server.url for server in servers]
            assert run.config["identity_url"] == servers[0].url
            text = " ".join(server.url for server in servers).encode()
            assert hidden(text, addresses_in(run)) == b"[server] [server]"
        with open_run(tmp_path / "one", BOOTSTRAP) as run:
            assert run.config["base_url"] == servers[0].url
        assert seedstep("bootstrap", "--out", tmp_path / "two").code == 0


def test_a_run_goes_on_with_other_addresses_if_they_are_said_to_have_the_model(
    tmp_path: Path,
) -> None:
    with ExitStack() as stack:
        first, second, third = servers = served(stack, None, None, None)
        urls = [server.url for server in servers]
        grow(tmp_path / "run", first, tasks=4, base_url=urls[:2])
        before = [server.requests for server in servers]
        with pytest.raises(RunMismatchError, match="--same-model"):
            grow(tmp_path / "run", first, tasks=4, base_url=urls[1:])
        again = grow(tmp_path / "run", first, tasks=4, base_url=urls[1:], same_model=True)
        assert [server.requests for server in servers] == before
        more = grow(tmp_path / "run", first, tasks=8, base_url=third.url, same_model=True)
        assert len(again.tasks) == 4 < len(more.tasks) == 8
        bodies = first.answered + second.answered + third.answered
        assert set(bodies.values()) == {1}


@pytest.mark.parametrize(
    "urls, fault",
    [
        (["http://a/v1", "http://a/v1/"], "'http://a/v1' is given twice"),
        (["http://a/v1", "http://me:secret@b/v1"], "carries a password"),
        (["http://a/v1", "b/v1"], "base URL 'b/v1' is not an address"),
    ],
)
def test_each_address_is_checked(tmp_path: Path, urls: list[str], fault: str) -> None:
    flags = [word for url in urls for word in ("--base-url", url)]
    found = seedstep("bootstrap", "--model", "openai:m", *flags, "--out", tmp_path / "run")
    assert found.code == 1
    assert fault in found.error
    assert "secret" not in found.error
    assert not (tmp_path / "run").exists()


def test_a_fine_tuning_job_has_one_server(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a fine-tuning job is at one server"):
        tune_model(
            tmp_path / "tuned", model="openai:m", data=["seeds"], base_url=["http://a", "http://b"]
        )
