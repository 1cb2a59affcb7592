"""Every command and every Python block of the README and of `docs` runs as it stands there."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import cast

import pytest

from support.batch_server import BatchServer
from support.command_line import environment
from support.forking import COMMANDS_ALONE, LOADED, programs
from support.pages import NOT_RUN, ROOT, RUN, SHOWN, blocks_of, commands_of, links_of, pages, run
from support.pages_model import any_model
from support.scripted_server import ScriptedServer

README = ROOT / "README.md"
TUTORIALS = [page for page in pages() if page.parent.name == "tutorials"]
GUIDES = [page for page in pages() if page != README and page not in TUTORIALS]
SHORT_ANSWERS = range(0, 500, 4)
"""Tokens that end an answer: a quarter of all. Only what it takes to write more is left out."""

KEPT = {"task045": "task190_snli_classification"}
"""A task of the suite under the name of one that the pages speak of."""


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


WITH_TORCH = ("compare", "distill", "encode", "predict", "report", "run", "tune")
"""Commands that load torch or matplotlib. Copies of a process that has them take longer."""


def commands(folder: Path) -> Path:
    """A folder with `seedstep`, as a copy of a process that has loaded what the command needs."""
    folder.mkdir()
    words = f"""#!/bin/sh
case "$1" in {"|".join(WITH_TORCH)}) exec {programs(LOADED)}/seedstep "$@" ;; esac
exec {programs(COMMANDS_ALONE)}/seedstep "$@"
"""
    (folder / "seedstep").write_text(words)
    (folder / "seedstep").chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of somebody who follows the pages: a server and a checkpoint of their own."""
    from support.answering_models import save_model

    folder = tmp_path_factory.mktemp("reader")
    sizes = {"num_hidden_layers": 1, "max_position_embeddings": 2048}
    model = save_model("Llama", folder / "checkpoint", ends=SHORT_ANSWERS, **sizes)
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    env = environment(PATH=path, HF_HUB_OFFLINE="1", OMP_NUM_THREADS="1")
    with BatchServer(any_model) as server, ScriptedServer(any_model) as other:
        yield {
            **env,
            "PATH": os.pathsep.join((str(commands(folder / "bin")), str(programs(LOADED)), path)),
            "OPENAI_BASE_URL": server.url,
            "OTHER_BASE_URL": other.url,
            "MODEL": "openai:scripted",
            "CHECKPOINT": model,
        }


def write_natural_instructions(folder: Path, suite: Path) -> None:
    """A few tasks, each with a few instances, in the form of SUPER-NATURALINSTRUCTIONS."""
    (folder / "tasks").mkdir(parents=True)
    (folder / "splits" / "default").mkdir(parents=True)
    for split in ("train", "test"):
        names = (suite / "splits" / "default" / f"{split}_tasks.txt").read_text().split()[:7]
        for name in names:
            task = json.loads((suite / "tasks" / f"{name}.json").read_text())
            task["Instances"] = task["Instances"][:2]
            kept = KEPT.get(name[:7], name)
            (folder / "tasks" / f"{kept}.json").write_text(json.dumps(task))
        kept_names = "".join(f"{KEPT.get(name[:7], name)}\n" for name in names)
        (folder / "splits" / "default" / f"{split}_tasks.txt").write_text(kept_names)


@pytest.fixture(scope="module")
def followed(
    request: pytest.FixtureRequest,
    reader: dict[str, str],
    suite: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[Path, Future[Path]]]:
    """The README and the pages of the chosen tests, two at a time; each gives its directory.

    A tutorial starts from nothing, the README with tasks in the form of SUPER-NATURALINSTRUCTIONS,
    a guide where the README ends.
    """
    folder = tmp_path_factory.mktemp("followed")
    given = folder / "given"
    write_natural_instructions(given / "natural-instructions", suite)
    shutil.copytree(ROOT / "examples", given / "examples")

    def follow(page: Path) -> Path:
        place = folder / name_of(page)
        if page in TUTORIALS:
            place.mkdir(parents=True)
        else:
            shutil.copytree(given if page == README else readme.result(), place)
        run(page, place, reader)
        return place

    with ThreadPoolExecutor(2) as pool:
        readme = pool.submit(follow, README)
        others = [page for page in chosen_pages(request) if page != README]
        yield {README: readme, **{page: pool.submit(follow, page) for page in others}}


def chosen_pages(request: pytest.FixtureRequest) -> list[Path]:
    """The pages whose commands are to be run."""
    wanted = test_the_commands_of_a_page_run.__name__
    items = [item for item in request.session.items if isinstance(item, pytest.Function)]
    return [
        cast(Path, item.callspec.params["page"]) for item in items if item.originalname == wanted
    ]


@pytest.mark.timeout(900)  # the first one waits for the README, on which the guides build
@pytest.mark.parametrize("page", [README, *TUTORIALS, *GUIDES], ids=name_of)
def test_the_commands_of_a_page_run(page: Path, followed: dict[Path, Future[Path]]) -> None:
    assert followed[page].result().is_dir()


@pytest.mark.timeout(900)
def test_what_the_readme_makes(followed: dict[Path, Future[Path]]) -> None:
    runs = followed[README].result() / "runs"
    for made in ("first/run.db", "steps/run.db", "tuned/model", "test/run.db", "first/report"):
        assert (runs / made).exists(), made


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_every_block_says_what_becomes_of_it(page: Path) -> None:
    for block in blocks_of(page):
        where = f"{name_of(page)}:{block.line}"
        assert block.language in (*RUN, *SHOWN, "sh"), f"{where}: a block of {block.language!r}"
        if block.language == "sh":
            for command in commands_of(block):
                assert command.startswith(tuple(NOT_RUN)), f"{where}: {command!r} can be run"


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_links_within_the_project_lead_somewhere(page: Path) -> None:
    for target in links_of(page):
        if "://" not in target and not target.startswith("#"):
            assert (page.parent / target.partition("#")[0]).exists(), target


def test_what_is_not_run_is_on_a_page() -> None:
    blocks = [block for page in pages() for block in blocks_of(page) if block.language == "sh"]
    commands = [command for block in blocks for command in commands_of(block)]
    for beginning in NOT_RUN:
        assert any(command.startswith(beginning) for command in commands), beginning


def test_a_block_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("support.pages.ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text("Two steps.\n\n```bash\ntrue\nseedstep status nowhere\n```\n")
    env = environment(PATH=os.pathsep.join((str(Path(sys.executable).parent), "/bin")))
    with pytest.raises(AssertionError) as raised:
        run(page, tmp_path, env)
    said = str(raised.value)
    assert "page.md, the block at line 4" in said
    assert "line 5: seedstep status nowhere: exit status 1" in said
    assert "error: nowhere is not a run" in said
