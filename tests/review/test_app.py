"""The pages and what they take, by requests."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from seedstep.data.reviews import LabelRow
from seedstep.errors import StoreError
from seedstep.review.app import make_app
from seedstep.review.export import export_review
from seedstep.runs.reviews import OWNER, Review
from seedstep.stages import item_blocks, open_run
from support.reviewing import HOST, ORIGIN, an_item, label_all, make, opened, save, sent

YES = {"correct": "yes", "complete": "yes"}
NO = {"correct": "no", "complete": "no"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    items = [an_item(number, shared=number < 3) for number in range(9)]
    return make(tmp_path / "review", items)


def test_a_label_is_saved_counted_undone_and_kept_in_the_history(path: Path) -> None:
    with opened(path) as (review, client):
        ann = review.tokens["ann"]
        assert client.get(f"/{ann}/").headers["location"] == "item/1"
        reply = save(client, ann, sent(1, YES, note="Fine.", flagged=True))
        assert reply.json() == {"saved": "label-0001-2", "done": 1, "total": 5}
        assert client.get(f"/{ann}/").headers["location"] == "item/2"
        save(client, ann, sent(1, NO, id="another-label"))
        save(client, ann, {"id": "an-undo-1", "number": 1, "action": "undo"})
        (item,) = {row.item for row in review.rows()}
        assert item == review.assigned("ann")[0].item
        assert [row.action for row in review.rows()] == ["label", "label", "undo"]
        page = client.get(f"/{ann}/item/1").text
        rows = json.loads(re.search(r'data-rows="([^"]*)"', page)[1].replace("&#34;", '"'))  # type: ignore[index]
        assert [row["action"] for row in rows] == ["label", "label", "undo"]
        assert rows[0]["note"] == "Fine."


def test_the_list_says_what_became_of_each_item(path: Path) -> None:
    with opened(path) as (review, client):
        ann = review.tokens["ann"]
        save(client, ann, sent(1, YES))
        save(client, ann, {"id": "a-skip-01", "number": 2, "action": "skip"})
        page = client.get(f"/{ann}/list").text
        assert re.findall(r'item/(\d)" class="(\w+)"', page) == [
            ("1", "labelled"),
            ("2", "skipped"),
            ("3", "open"),
            ("4", "open"),
            ("5", "open"),
        ]
        for number in (3, 4, 5):
            save(client, ann, sent(number, YES))
        assert client.get(f"/{ann}/").headers["location"] == "list"
        assert "That was all" in client.get(f"/{ann}/list").text


@pytest.mark.parametrize(
    "record, said",
    [
        ({}, "missing required field"),
        (sent(1, {"correct": "yes"}), "'complete' has no answer"),
        (sent(1, {**YES, "correct": "maybe"}), "no answer to 'correct'"),
        (sent(1, {**YES, "better": "yes"}), "no question 'better'"),
        (sent(0, YES), "no item 0"),
        (sent(6, YES), "no item 6"),
        (sent(1, YES, id="short"), "no proper id"),
        (sent(1, YES, id="x' OR 1=1 --"), "no proper id"),
        (sent(1, YES, note="x" * 20_001), "note is too long"),
        (sent(1, YES, rater="bob"), "unknown field `rater`"),
        (sent(1, YES, action="delete"), "Invalid enum value"),
        ([1, 2], "Expected `object`"),
    ],
)
def test_what_can_not_be_kept_is_refused(path: Path, record: object, said: str) -> None:
    with opened(path) as (review, client):
        reply = save(client, review.tokens["ann"], record)  # type: ignore[arg-type]
        assert reply.status_code == 400
        assert said in reply.json()["message"]
        assert review.rows() == ()


def test_a_full_disk_is_told_and_nothing_is_saved(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(path) as (review, client):

        async def full(statements: object) -> None:
            raise StoreError("run.db: database or disk is full", "free some space")

        monkeypatch.setattr(review.database, "write", full)
        reply = save(client, review.tokens["ann"], sent(1, YES))
        assert reply.status_code == 507
        said = reply.json()["message"]
        assert "its disk, which may be full" in said
        assert "run.db" not in said, "a path may name a system"
        assert "saved" not in reply.json()
        reply = save(client, review.tokens[OWNER], sent(1, YES))
        assert reply.status_code == 507
        assert "run.db: database or disk is full" in reply.json()["message"]
        assert review.rows() == ()


def routes(review: Review) -> list[str]:
    """Every route of a rater and of the owner, below their secrets."""
    static = ["static/review.js", "static/review.css", "static/icon.svg"]
    raters = ["", "list", "item/1", *static]
    owner = ["", "agreement", "list", "notes", "adjudicate", "item/1", *static]
    return [
        *(f"/{review.tokens['ann']}/{page}" for page in raters),
        *(f"/{review.tokens[OWNER]}/{page}" for page in owner),
    ]


def test_every_route_answers_to_its_secret_alone(path: Path) -> None:
    with opened(path) as (review, client):
        for route in routes(review):
            assert client.get(route).status_code in (200, 303), route
            bare = re.sub("^/[^/]+", "", route)
            for other in (bare, f"/x{bare}", f"/{review.tokens['ann'].lower()}{bare}", f"//{bare}"):
                reply = client.get(other)
                assert (reply.status_code, reply.text) == (404, "Not found.\n"), other


def test_the_secret_of_a_rater_opens_nothing_of_another_or_of_the_owner(path: Path) -> None:
    with opened(path) as (review, client):
        ann, bob = review.tokens["ann"], review.tokens["bob"]
        for page in ("agreement", "notes", "adjudicate", "item/6", "item/0", "static/pages.py"):
            assert client.get(f"/{ann}/{page}").status_code == 404, page
        for page in ("static/%2e%2e%2fitem/1", "static/%2e%2e/x", "static//etc/passwd"):
            assert client.get(f"/{ann}/{page}").status_code == 404, page
        everything = "".join(client.get(route).text for route in routes(review)[:6])
        for secret in (bob, review.tokens[OWNER], "bob", "cem"):
            assert secret not in everything
        save(client, ann, sent(1, YES))
        assert [row.rater for row in review.rows()] == ["ann"]


BAD_HOSTS = ["evil.example", "evil.example:8090", "127.0.0.1", "127.0.0.1:80", f"{HOST}.evil", ""]
BAD_ORIGINS = [
    "http://evil.example",
    "null",
    "http://127.0.0.1",
    f"http://{HOST}.evil",
    f"https://{HOST}",
]


def test_other_hosts_and_origins_are_refused_on_every_route(path: Path) -> None:
    with opened(path) as (review, client):
        for route in [*routes(review), "/", "/nothing"]:
            for host in BAD_HOSTS:
                assert client.get(route, headers={"Host": host}).status_code == 421, (route, host)
            for origin in BAD_ORIGINS:
                reply = client.get(route, headers={"Origin": origin})
                assert reply.status_code == 403, (route, origin)
            for site in ("cross-site", "same-site"):
                reply = client.get(route, headers={"Sec-Fetch-Site": site})
                assert reply.status_code == 403, (route, site)
            for method in ("PUT", "DELETE", "OPTIONS", "TRACE"):
                assert client.request(method, route).status_code == 405, (route, method)
        asked = {
            "Sec-Fetch-Site": "cross-site",
            "Sec-Fetch-Mode": "navigate",
            "Sec-Fetch-Dest": "document",
        }
        assert client.get(routes(review)[1], headers=asked).status_code == 200, "a link in a mail"


@pytest.mark.parametrize("origin", [None, *BAD_ORIGINS])
@pytest.mark.parametrize("who", ["ann", OWNER])
def test_nothing_is_written_for_another_page(path: Path, origin: str | None, who: str) -> None:
    with opened(path) as (review, client):
        headers = {"Content-Type": "application/json", **({"Origin": origin} if origin else {})}
        body = json.dumps(sent(1, YES))
        reply = client.post(f"/{review.tokens[who]}/save", content=body, headers=headers)
        assert reply.status_code == 403
        form = {"Content-Type": "text/plain", "Origin": ORIGIN}
        assert (
            client.post(f"/{review.tokens[who]}/save", content=body, headers=form).status_code
            == 400
        )
        assert review.rows() == ()


def test_a_long_body_is_refused(path: Path) -> None:
    with opened(path) as (review, client):
        reply = save(client, review.tokens["ann"], sent(1, YES, note="x" * (1 << 18)))
        assert reply.status_code == 413


def test_every_answer_has_the_headers(path: Path) -> None:
    with opened(path) as (review, client):
        replies = [client.get(route) for route in [*routes(review), "/", "/nothing/"]]
        replies.append(client.get("/", headers={"Host": "evil.example"}))
        replies.append(save(client, review.tokens["ann"], {}))
        for reply in replies:
            policy = reply.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert reply.headers["referrer-policy"] == "no-referrer"
            assert reply.headers["x-content-type-options"] == "nosniff"
            assert reply.headers["cache-control"] == "no-store"
            assert "access-control-allow-origin" not in reply.headers
            assert "server" not in reply.headers


def test_pages_have_no_script_or_style_within(path: Path) -> None:
    with opened(path) as (review, client):
        for route in routes(review):
            if "/static/" not in route:
                page = client.get(route).text
                assert not re.search(r"<script(?! src=)|<style|\sstyle=|\son\w+=", page), route


def test_no_page_of_a_rater_tells_a_system(tmp_path: Path) -> None:
    items = [an_item(number, answers=("This one", "That one")) for number in range(5)]
    made = make(tmp_path / "pairs", items, form="pairs", raters=("ann",), seed=20_251_128)
    with opened(made) as (review, client):
        ann = review.tokens["ann"]
        pages = [
            client.get(f"/{ann}/{page}").text
            for page in ("list", *map("item/{}".format, range(1, 6)))
        ]
        saved = save(client, ann, sent(1, {"better": "first"})).text
        for name in ("tuned-model", "base-model", "item000", str(review.seed)):
            assert name not in "".join([*pages, saved])


def test_the_owner_sees_who_disagrees_and_decides_without_names(path: Path) -> None:
    with opened(path) as (review, client):
        shared = {
            name: [
                assigned.place + 1
                for assigned in review.assigned(name)
                if assigned.item == "item0001"
            ]
            for name in review.raters
        }
        for name, answers in (("ann", YES), ("bob", NO), ("cem", YES)):
            save(
                client,
                review.tokens[name],
                sent(shared[name][0], answers, id=f"label-of-{name}", note=f"by {name[0]}"),
            )
        owner = review.tokens[OWNER]
        assert ">2<" in client.get(f"/{owner}/list").text
        assert client.get(f"/{owner}/adjudicate").headers["location"] == "item/2"
        page = client.get(f"/{owner}/item/2").text
        assert page.count("correct: Yes") == 2
        assert page.count("correct: No") == 1
        for name in review.raters:
            assert name not in page
        reply = save(client, owner, sent(2, NO, id="the-decision"))
        assert reply.json() == {"saved": "the-decision", "done": 1, "total": 1}
        assert client.get(f"/{owner}/adjudicate").headers["location"] == "list"
        progress = client.get(f"/{owner}/").text
        assert "3 of 15 labels" in progress
        assert "1 adjudicated" in progress
        assert review.tokens["bob"] in progress
        assert "by a" in client.get(f"/{owner}/notes").text
        assert "on the 1 shared items" in client.get(f"/{owner}/agreement").text


def test_a_label_with_a_known_id_and_another_answer_is_not_called_saved(path: Path) -> None:
    with opened(path) as (review, client):
        ann = review.tokens["ann"]
        for changed in ({"answers": NO}, {"note": "no"}, {"flagged": True}):
            assert save(client, ann, sent(1, YES, id="the-same-id")).status_code == 200
            reply = save(client, ann, {**sent(1, YES, id="the-same-id"), **changed})
            assert reply.status_code == 400
            assert "another label has the id" in reply.json()["message"]
        assert [dict(row.answers) for row in review.rows()] == [YES]


@pytest.mark.parametrize("path_of_request", ["*", "x", ""])
def test_a_path_without_a_slash_is_not_found(path: Path, path_of_request: str) -> None:
    answers: list[Any] = []

    async def send(message: Any) -> None:
        answers.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    with Review.open(path) as review:
        app = make_app(review, "127.0.0.1", 8090)
        headers = [(b"host", HOST.encode())]
        scope = {"type": "http", "method": "GET", "path": path_of_request, "headers": headers}

        async def ask() -> None:
            await app(scope, receive, send)

        asyncio.run(ask())
    assert answers[0]["status"] == 404
    assert b"content-security-policy" in dict(answers[0]["headers"])


def test_the_queue_of_pairs_says_who_won_by_the_letters_on_the_page(tmp_path: Path) -> None:
    items = [an_item(0, answers=("one", "two"))]
    path = make(tmp_path / "pairs", items, form="pairs", raters=("ann", "bob"))
    with opened(path) as (review, client):
        for rater, answer in (("ann", "first"), ("bob", "same")):
            save(client, review.tokens[rater], sent(1, {"better": answer}, id=f"label-of-{rater}"))
        page = client.get(f"/{review.tokens[OWNER]}/list").text
        assert re.search(r"<td>([AB]; same|same; [AB])</td>", page)


def test_what_can_not_be_shown_is_told_on_a_page(path: Path) -> None:
    with opened(path) as (review, client):
        for address in ("item/99", "item/1/", "nothing"):
            reply = client.get(f"/{review.tokens['ann']}/{address}")
            assert reply.status_code == 404, address
            assert "<h1>Not found</h1>" in reply.text
            assert "nothing at this address" in reply.text
            assert 'rel="stylesheet" href="../' in reply.text or "/" not in address


def test_the_name_of_who_decides_is_kept_with_the_label(path: Path, tmp_path: Path) -> None:
    with opened(path) as (review, client):
        label_all(review, {"ann": {"item0001": YES}, "bob": {"item0001": NO}})
        owner = review.tokens[OWNER]
        assert 'id="person"' in client.get(f"/{owner}/item/2").text
        assert 'id="person"' not in client.get(f"/{review.tokens['ann']}/item/2").text
        decided = sent(2, YES, person=" Dana  Ng ")
        assert save(client, owner, decided).status_code == 200
        by_ann = sent(3, YES, person="not the owner", id="label-of-ann")
        assert save(client, review.tokens["ann"], by_ann).status_code == 200
        assert save(client, owner, sent(3, YES, person="x" * 61)).status_code == 400
        assert [row.person for row in review.rows()] == ["", "", "Dana Ng", ""]
        assert "by Dana Ng" in client.get(f"/{owner}/list").text
        export_review(review, "jsonl", tmp_path / "labels.jsonl")
        lines = [json.loads(line) for line in (tmp_path / "labels.jsonl").read_text().splitlines()]
        assert [line["decided_by"] for line in lines[:3]] == ["", "Dana Ng", ""]
    with open_run(path) as run:
        shown = " ".join(str(block) for block in item_blocks(run, "item0001"))
        assert "Dana Ng" in shown


def test_labels_are_worked_out_again_only_after_another_one(path: Path) -> None:
    with opened(path) as (review, client):
        owner = review.tokens[OWNER]
        made = []

        def count(of: Review) -> int:
            made.append(len(of.rows()))
            return len(made)

        assert (review.of_labels(count), review.of_labels(count)) == (1, 1)
        assert "0 of" in client.get(f"/{owner}/").text
        assert save(client, review.tokens["ann"], sent(1, YES)).status_code == 200
        assert (review.of_labels(count), review.of_labels(count)) == (2, 2)
        assert made == [0, 1]
        assert "1 of" in client.get(f"/{owner}/").text
        review.take([LabelRow("elsewhere", "bob", review.assigned("bob")[0].item, "label", YES)])
        assert "2 of" in client.get(f"/{owner}/").text, "of another process, too"
