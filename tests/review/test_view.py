"""`seedstep view`: pages of runs, their addresses, and how long they take."""

import json
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest

from seedstep.review.browse import BrowsedRun
from seedstep.runs import Run
from seedstep.runs.database import Database
from seedstep.runs.ledger import whole_requests
from seedstep.stages import BOOTSTRAP
from support.answer_files import run_with_predictions, write_lines, write_tasks
from support.command_line import seedstep
from support.growing import grow
from support.judging import Answered, by_length
from support.reviewing import ORIGIN, an_item, make
from support.scripted_server import ScriptedServer
from support.viewing import cards, viewing


def rows_of(page: str) -> list[str]:
    return re.findall(r'<tr><th scope="row"><a href="one\?name=([^"]*)"', page)


@pytest.fixture
def predicted(tmp_path: Path) -> Path:
    run_with_predictions(tmp_path / "test", write_tasks(tmp_path / "tasks.jsonl"))
    return tmp_path / "test"


@pytest.mark.parametrize("of", ["seedstep.runs.requests", "seedstep.review.browse"])
def test_a_request_is_read_at_a_single_moment(
    of: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process writes between the reads."""
    with ScriptedServer() as server:
        path = grow(tmp_path / "run", server, tasks=2).path

    def meanwhile(database: Database) -> str:
        found = whole_requests(database)
        with closing(sqlite3.connect(path / "run.db")) as other, other:
            other.execute("DELETE FROM requests")
        return found

    monkeypatch.setattr(f"{of}.whole_requests", meanwhile)
    with Run.read(BOOTSTRAP, path) as run, BrowsedRun.open(path) as browsed:
        (first, *_), _ = run.requests()
        look = run.request if of.startswith("seedstep.runs") else browsed.request
        assert look(first.key)["purpose"] == first.purpose


def large(path: Path) -> Path:
    """A bootstrap of 52,000 tasks and as many rejected candidates."""
    Run.start(BOOTSTRAP, path, {"model": "replay:nothing", "tasks": 52_000}).close()
    with closing(sqlite3.connect(path / "run.db")) as database, database:
        database.execute(
            "INSERT INTO generations (item, request, demonstrations, failure, at)"
            " VALUES (0, 'k', '[]', '', 0)"
        )
        database.executemany(
            "INSERT INTO candidates (id, item, position, instruction, reason, detail, neighbor,"
            " score, is_classification, classification_request, instances_request)"
            " VALUES (?, ?, ?, ?, ?, '', NULL, 0.5, 0, '', '')",
            (
                (
                    f"g{n // 8}.{n % 8}",
                    n // 8,
                    n % 8,
                    f"Write poem {n} about the sea.",
                    "not_novel" if n % 2 else "",
                )
                for n in range(104_000)
            ),
        )
        database.executemany(
            "INSERT INTO instances VALUES (?, 0, 'in', 'out', '', '')",
            ((f"g{n // 8}.{n % 8}",) for n in range(0, 104_000, 2)),
        )
    return path


def test_52_000_tasks_come_a_page_at_a_time(tmp_path: Path) -> None:
    with viewing(large(tmp_path / "large")) as client:
        for address, first, total in (
            ("0/tasks", "g0.0", "52,000"),
            ("0/tasks?page=1040", "g12987.4", "52,000"),
            ("0/tasks?q=poem+103998+", "g12999.6", "1"),
            ("0/rejected?group=not_novel&page=9", "g100.1", "52,000"),
            ("0/rejected?q=nothing+like+it", "", "0"),
        ):
            page = client.get(address).text
            assert (rows_of(page) or [""])[0] == first, address
            assert f"of {total}</span>" in page, address
            assert len(rows_of(page)) <= 50


def test_a_bootstrap_with_provenance_and_requests(tmp_path: Path, server: ScriptedServer) -> None:
    outcome = grow(
        tmp_path / "run", server, tasks=6, prices={"openai:scripted": {"input": 1.0, "output": 2.0}}
    )
    with viewing(outcome.path) as client:
        assert "seedstep view" in client.get("").text
        overview = client.get("0/").text
        assert "finished tasks" in overview
        table = re.findall(r"<tr>.*</tr>", overview.partition("<h2")[0])
        assert "(" in table[2], "only some rows have a share"
        assert {row.count("<t") for row in table[:7]} == {4}, "and all reach to the end"
        listed = client.get("0/tasks").text
        assert rows_of(listed) == [task.id for task in outcome.tasks]
        written = client.get(f"0/one?name={outcome.tasks[0].id}").text
        assert "demonstrations it was written after" in written
        rejected = client.get("0/rejected").text
        reason = next(iter(outcome.status.rejected))
        assert reason in rejected
        assert rows_of(client.get(f"0/rejected?group={reason}").text)
        requests = client.get("0/requests?group=generation").text
        key = re.search(r"request\?key=([0-9a-f]+)", requests)
        assert key
        assert "$0." in requests
        page = client.get(f"0/request?key={key[1]}").text
        assert page.count('class="rule"') >= 3, "turns, reply, sampling"
        assert "prompt tokens" in page
        assert client.get("0/requests?state=failed").status_code == 200
        assert client.get("0/request?key=none").status_code == 400
        assert client.get("0/one?name=none").status_code == 400


def test_a_search_in_requests_finds_what_whole_texts_have(tmp_path: Path) -> None:
    path = tmp_path / "run"
    Run.start(BOOTSTRAP, path, {"model": "replay:nothing", "tasks": 9}).close()
    texts = ("Write. Task: sing Élan.\nAnswer:", "Write. Task: dance.\nAnswer:", 'Sing "a\\b".')
    head, tail = "Write. Task: ", r".\nAnswer:"
    with closing(sqlite3.connect(path / "run.db")) as database, database:
        database.execute("INSERT INTO frames VALUES (1, ?, ?)", (head, tail))
        for place, text in enumerate(texts):
            has_frame = text.startswith(head)
            rest = json.dumps(text, ensure_ascii=False)[1:-1]
            if has_frame:
                rest = rest.removeprefix(head).removesuffix(tail)
            database.execute(
                "INSERT INTO requests (key, purpose, request, reply, attempts, at, frame)"
                " VALUES (?, 'p', ?, 'Yes.', 1, 0, ?)",
                (f"{place:012}", rest, 1 if has_frame else None),
            )
    with viewing(path) as client:
        for sought in (
            "write",
            "k: SING",
            "ce.\na",
            "answer",
            'sing "A\\B"',
            "\\",
            "sing",
            "Élan",
            "none",
            "yes",
            "00000000000",
        ):
            expected = [
                f"{place:012}"
                for place, text in enumerate(texts)
                if sought.lower() in (text + "\nyes.").lower() or f"{place:012}".startswith(sought)
            ]
            page = client.get(f"0/requests?q={quote(sought)}").text
            assert re.findall(r"request\?key=(\d+)", page) == expected, sought


@pytest.mark.parametrize(
    "sought, found",
    [
        ('say "HI"', ["t1"]),
        ("back\\slash", ["t2"]),
        ("100%", ["t3"]),
        ("a_b", ["t4"]),
        ("axb", ["t5"]),
        ("t6", ["t6"]),
        ("ïé", ["t7"]),
        ("word 3 of", ["t3"]),
        ("no such text", []),
    ],
)
def test_a_search_in_instructions(tmp_path: Path, sought: str, found: list[str]) -> None:
    texts = ("Read.", 'Say "hi".', "Back\\slash.", "100% of it.", "A_b.", "Axb.", "Go.", "Naïé.")
    lines = [{"task": f"t{place}", "steps": [text]} for place, text in enumerate(texts)]
    theirs = write_lines(tmp_path / "theirs.jsonl", lines)
    run, tasks = tmp_path / "steps", write_tasks(tmp_path / "tasks.jsonl")
    assert seedstep("steps", "import", theirs, "--tasks", tasks, "--out", run).code == 0
    with viewing(run) as client:
        page = client.get(f"0/results?q={quote(sought)}").text
    assert re.findall(r'one\?name=(t\d)"', page) == found


@pytest.fixture
def judged(tmp_path: Path) -> Iterator[Answered]:
    with ScriptedServer(by_length) as server:
        found = Answered(tmp_path, server, t3_0="prose", t4_0="no")
        found.judged("rated")
        found.judged("paired", mode="pairwise")
        yield found


def test_verdicts_stand_beside_the_answers(judged: Answered) -> None:
    with viewing(judged.folder / "paired", judged.folder / "rated") as client:
        everything = client.get("0/verdicts").text
        assert len(cards(everything)) == 16
        assert "Write word 3 of the alphabet" in everything
        assert "red5 blue1" in everything
        assert "R5 B1" in everything
        assert "{&#34;better&#34;: &#34;Model A&#34;}" in everything, "what the judge said"
        won = client.get("0/verdicts?state=secret-good").text
        assert len(cards(won)) == 14
        same = client.get(f"0/verdicts?state={quote('(same)')}").text
        assert cards(same) == ["t4-0"]
        assert "the judge was not asked" in same
        missing = client.get(f"0/verdicts?state={quote('(missing)')}").text
        assert cards(missing) == ["t3-0"]
        assert "could not be read, twice" in missing
        text = client.get("0/verdicts?q=word+5&group=Textual+Entailment").text
        assert cards(text) == ["t5-0", "t5-1"]
        rated = client.get("1/verdicts").text
        assert re.findall(r'<option value="(\w|\(missing\))"', rated) == ["C", "D", "(missing)"]
        assert cards(client.get("1/verdicts?state=D").text)[:2] == ["t0-0", "t0-1"]
        assert "Verdicts" in client.get("0/").text
        assert "verdicts" in client.get("").text


def test_verdicts_on_answers_that_are_gone_or_changed_stay(judged: Answered) -> None:
    path = judged.folder / "paired"
    file = Path(judged.systems[0])
    before = file.read_text()
    file.write_text(before.replace("R5 B1", "R5 B2"))
    with viewing(path) as client:
        page = client.get("0/verdicts").text
        assert "the answers have changed since they were judged" in page
        assert len(cards(page)) == 16
        assert "R5 B2" not in page
    file.unlink()
    with viewing(path) as client:
        page = client.get("0/verdicts").text
        assert "Only the verdicts are shown" in page
        assert len(cards(page)) == 16


FIXTURES = Path(__file__).parents[1] / "fixtures/v0.1.0"
DAMAGE = ("'{\"a\": '", "'[[[]]]'", "'null'", "CAST(x'ff' AS TEXT)", "7", "x'00'")


@pytest.mark.parametrize("value", DAMAGE)
@pytest.mark.parametrize("stage, page", [("steps", "results"), ("judge-pairwise", "verdicts")])
def test_a_damaged_row_is_named_on_its_page_and_the_others_are_shown(
    stage: str, page: str, value: str, tmp_path: Path
) -> None:
    path = tmp_path / stage
    shutil.copytree(FIXTURES / stage, path)
    with closing(sqlite3.connect(path / "run.db")) as database, database:
        rows = database.execute("SELECT task FROM results ORDER BY position").fetchall()
        database.execute(f"UPDATE results SET result = {value} WHERE position = 0")
        database.execute(f"UPDATE requests SET request = {value} WHERE rowid = 1")
        key = database.execute("SELECT key FROM requests WHERE rowid = 1").fetchone()[0]
    with viewing(path) as client:
        found = client.get(f"0/{page}")
        assert found.status_code == 200
        assert "run.db is damaged: the result of task" in found.text
        for (task,) in rows[1:3]:
            assert task in found.text
        assert client.get(f"0/{page}?state=failed").status_code == 200
        told = client.get(f"0/request?key={key}")
        assert told.status_code == 507
        assert "can&#39;t be shown" in told.text
        assert client.get(f"0/one?name={quote(rows[1][0])}").status_code == 200


def test_only_a_judge_has_verdicts(predicted: Path) -> None:
    with viewing(predicted) as client:
        assert client.get("0/verdicts").status_code == 404


def test_a_review_is_a_run_as_others_are(tmp_path: Path) -> None:
    path = make(tmp_path / "review", [an_item(0)])
    with viewing(path) as client:
        assert "labelled" in client.get("0/").text
        assert "Read report 0." in client.get("0/one?name=item0000").text


def test_views_answer_to_their_secret_and_to_nobody_else(predicted: Path) -> None:
    with viewing(predicted) as client:
        pages = (
            "",
            "0/",
            "0/tasks",
            "0/rejected",
            "0/results",
            "0/predictions",
            "0/requests",
            "0/request?key=x",
            "0/one?name=t0-0",
            "static/review.css",
        )
        for page in pages:
            assert client.get(page).status_code in (200, 400), page
            assert client.get(f"{ORIGIN}/{page}").status_code == 404, page
            assert client.get(f"{ORIGIN}/wrong/{page}").status_code == 404, page
            assert client.get(page, headers={"Host": "evil.example"}).status_code == 421, page
            assert client.get(page, headers={"Origin": "http://evil.example"}).status_code == 403
            assert client.post(page, headers={"Origin": ORIGIN}).status_code == 405, page
        for page in ("1/", "9/tasks", "-1/", "0/../../etc", "save"):
            assert client.get(page).status_code == 404, page
        for odd in ("page=0", "page=-1", "page=x", "page=99999999999", "q=%00", "q=%FF", "q='--"):
            assert client.get(f"0/predictions?{odd}").status_code == 200, odd


def test_an_address_with_a_huge_number_is_no_page(predicted: Path) -> None:
    with viewing(predicted) as client:
        assert client.get(f"{'9' * 5000}/").status_code == 404
        assert client.get(f"0/tasks/{'9' * 5000}").status_code == 404


@pytest.mark.parametrize(
    "change",
    [
        """requests SET request = '{"prompt": 5}', frame = NULL""",
        """requests SET request = '{"prompt": ["a", [1]]}', frame = NULL""",
        "requests SET seconds = 'a', attempts = 'b', prompt_tokens = 'c'",
        "requests SET prompt_tokens = 9223372036854775807",
        "candidates SET instruction = x'ff00', score = 'a'",
    ],
)
def test_a_page_says_what_is_damaged(change: str, tmp_path: Path) -> None:
    with ScriptedServer() as server:
        path = grow(tmp_path / "run", server, tasks=2).path
    with closing(sqlite3.connect(path / "run.db")) as database, database:
        database.execute(f"UPDATE {change}")
        key = database.execute("SELECT key FROM requests").fetchone()[0]
        name = database.execute("SELECT id FROM candidates WHERE reason = ''").fetchone()[0]
    pages = ["", "0/", "0/tasks", "0/rejected", "0/requests", f"0/request?key={key}"]
    with viewing(path) as client:
        found = [client.get(page) for page in (*pages, f"0/one?name={name}")]
    assert {page.status_code for page in found} == {200, 507}
    assert all("run.db" in page.text for page in found if page.status_code == 507)
