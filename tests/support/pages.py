"""The pages of the documentation as the tests read and run them.

Fences say what becomes of a block: `bash` and `python` are run, `sh` holds commands that a test
can't run, `text`, `json` and `yaml` are only shown.
"""

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

__all__ = [
    "NOT_RUN",
    "ROOT",
    "RUN",
    "SHOWN",
    "Block",
    "blocks_of",
    "commands_of",
    "links_of",
    "pages",
    "run",
]

ROOT = Path(__file__).parents[2]
RUN = ("bash", "python")
SHOWN = ("text", "json", "yaml")

NOT_RUN = {
    "export ": "the tests set their own server and models",
    "git clone": "needs the network",
    "pip install": "needs the network",
    "python -m spacy download": "needs the network",
    "make": "installs, and takes minutes",
    "accelerate launch": "needs several GPUs",
    "seedstep novelty data.jsonl --out novel.jsonl --ray": "needs a Ray cluster",
    "seedstep bootstrap --semantic minilm": "needs a package of 84 MB",
    "seedstep evaluate human_eval_predictions/": "the published answers are no part of the project",
    "seedstep compare davinci-self-instruct": "the published answers are no part of the project",
    "vllm serve": "needs a GPU and a model",
    "vllm run-batch": "needs a GPU and a model",
    "seedstep predict --send file": "waits for what vLLM writes",
    "OLLAMA_CONTEXT_LENGTH=16384 ollama serve": "needs a model",
    "seedstep push": "publishes",
    "seedstep review serve": "serves until it is stopped",
    "seedstep review take": "needs the labels that somebody gave",
    "seedstep agreement reviews/steps": "as above",
    "seedstep report reviews/steps": "as above",
    "seedstep export runs/first --format alpaca --reviewed": "as above",
    "seedstep view": "serves until it is stopped",
    "SEEDSTEP_PLUGINS=my_entries PYTHONPATH=lib": "needs a module of the user's own",
    "seedstep steps superni": "needs the tasks of SUPER-NATURALINSTRUCTIONS",
    "seedstep tune --model hf:PATH --data natural-instructions:train --steps superni": "as above",
    "seedstep steps measure superni": "as above",
    "seedstep steps select superni": "as above",
}
"""How the commands in `sh` begin, and why they are not run."""

BASH = "trap 'echo \"line $LINENO: $BASH_COMMAND: exit status $?\" >&2' ERR; "
SECONDS = 480


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its page, the line of its first line there, its language and its text."""

    page: Path
    line: int
    language: str
    text: str


def pages() -> list[Path]:
    """All pages, the README first."""
    docs = sorted(ROOT.joinpath("docs").rglob("*.md"))
    built = ROOT / "docs" / "_build"
    return [ROOT / "README.md", *(page for page in docs if built not in page.parents)]


def blocks_of(page: Path) -> list[Block]:
    """The code blocks of a page, in order. An indented one has no language."""
    tokens = MarkdownIt().parse(page.read_text(encoding="utf-8"))
    found = []
    for token in tokens:
        if token.type in ("fence", "code_block") and token.map:
            fence = int(token.type == "fence")
            line = token.map[0] + 1 + fence
            found.append(Block(page, line, token.info.strip(), token.content))
    return found


def links_of(page: Path) -> list[str]:
    """What the links and images of a page name."""
    tokens = MarkdownIt().enable("table").parse(page.read_text(encoding="utf-8"))
    inner = [child for token in tokens for child in token.children or ()]
    found = [child.attrGet("href") or child.attrGet("src") for child in inner]
    return [str(target) for target in found if target]


def commands_of(block: Block) -> list[str]:
    """The commands of a block of shell, with lines that go on joined."""
    lines = block.text.replace("\\\n", " ").splitlines()
    return [" ".join(line.split()) for line in lines if line.strip() and line[0] != "#"]


def run(page: Path, folder: Path, env: Mapping[str, str]) -> None:
    """Run the blocks of a page in a directory, one after another, up to the first that fails.

    Each is a process of its own, in which lines have the numbers that they have on the page.
    """
    for block in blocks_of(page):
        if block.language not in RUN:
            continue
        before = "\n" * (block.line - 1)
        if block.language == "bash":
            command = ["bash", "-euo", "pipefail", "-c", BASH + before + block.text]
        else:
            command = ["python", "-c", before + block.text]
        command[0] = shutil.which(command[0], path=env["PATH"]) or command[0]
        done = subprocess.run(
            command, cwd=folder, env=env, capture_output=True, timeout=SECONDS, check=False
        )
        where = f"{page.relative_to(ROOT)}, the block at line {block.line}"
        said = done.stderr.decode(errors="replace")
        shown = done.stdout.decode(errors="replace")[-2000:]
        assert done.returncode == 0, f"{where}:\n{block.text}\n{said}\n{shown}"
