"""Every command and every Python block of the README and of `docs` runs as it stands there."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from answering_models import save_model
from command_line import environment
from pages import NOT_RUN, ROOT, RUN, SHOWN, blocks_of, commands_of, pages, run
from pages_model import any_model
from scripted_server import ScriptedServer

README = ROOT / "README.md"
TUTORIALS = [page for page in pages() if page.parent.name == "tutorials"]
GUIDES = [page for page in pages() if page != README and page not in TUTORIALS]
KEPT = {"task045": "task190_snli_classification"}
"""A task of the suite under the name of one that the pages speak of."""


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of somebody who follows the pages: a server and a checkpoint of their own."""
    checkpoint = tmp_path_factory.mktemp("models") / "checkpoint"
    model = save_model("Llama", checkpoint, max_position_embeddings=2048)
    with ScriptedServer(any_model) as server:
        yield environment(
            PATH=os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
            OPENAI_BASE_URL=server.url,
            MODEL="openai:scripted",
            CHECKPOINT=model,
            HF_HUB_OFFLINE="1",
            OMP_NUM_THREADS="1",
        )


def write_natural_instructions(folder: Path, suite: Path) -> None:
    """A few tasks, each with a few instances, in the form of SUPER-NATURALINSTRUCTIONS."""
    (folder / "tasks").mkdir(parents=True)
    (folder / "splits" / "default").mkdir(parents=True)
    for split in ("train", "test"):
        names = (suite / "splits" / "default" / f"{split}_tasks.txt").read_text().split()[:7]
        for name in names:
            task = json.loads((suite / "tasks" / f"{name}.json").read_text())
            task["Instances"] = task["Instances"][:3]
            kept = KEPT.get(name[:7], name)
            (folder / "tasks" / f"{kept}.json").write_text(json.dumps(task))
        kept_names = "".join(f"{KEPT.get(name[:7], name)}\n" for name in names)
        (folder / "splits" / "default" / f"{split}_tasks.txt").write_text(kept_names)


@pytest.fixture(scope="module")
def after_readme(
    reader: dict[str, str], suite: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A directory in which all commands of the README were run."""
    folder = tmp_path_factory.mktemp("readme") / "here"
    write_natural_instructions(folder / "natural-instructions", suite)
    run(README, folder, reader)
    return folder


def test_the_readme_runs(after_readme: Path) -> None:
    for made in ("first/run.db", "steps/run.db", "tuned/model", "test/run.db", "first/report"):
        assert (after_readme / "runs" / made).exists(), made


@pytest.mark.parametrize("page", TUTORIALS, ids=name_of)
def test_a_tutorial_runs_from_nothing(page: Path, reader: dict[str, str], tmp_path: Path) -> None:
    run(page, tmp_path, reader)


@pytest.mark.parametrize("page", GUIDES, ids=name_of)
def test_a_guide_goes_on_from_the_readme(
    page: Path, reader: dict[str, str], after_readme: Path, tmp_path: Path
) -> None:
    shutil.copytree(after_readme, tmp_path / "here")
    run(page, tmp_path / "here", reader)


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_every_block_says_what_becomes_of_it(page: Path) -> None:
    for block in blocks_of(page):
        where = f"{name_of(page)}:{block.line}"
        assert block.language in (*RUN, *SHOWN, "sh"), f"{where}: a block of {block.language!r}"
        if block.language == "sh":
            for command in commands_of(block):
                assert command.startswith(tuple(NOT_RUN)), f"{where}: {command!r} can be run"


def test_what_is_not_run_is_on_a_page() -> None:
    blocks = [block for page in pages() for block in blocks_of(page) if block.language == "sh"]
    commands = [command for block in blocks for command in commands_of(block)]
    for beginning in NOT_RUN:
        assert any(command.startswith(beginning) for command in commands), beginning


def test_a_block_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pages.ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text("Two steps.\n\n```bash\ntrue\nseedstep status nowhere\n```\n")
    env = environment(PATH=os.pathsep.join((str(Path(sys.executable).parent), "/bin")))
    with pytest.raises(AssertionError) as raised:
        run(page, tmp_path, env)
    said = str(raised.value)
    assert "page.md, the block at line 4" in said
    assert "line 5: seedstep status nowhere: exit status 1" in said
    assert "error: nowhere is not a run" in said
