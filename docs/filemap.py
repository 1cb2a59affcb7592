"""Write the file map of docs/architecture.md from the first line of each module's docstring.

python docs/filemap.py
"""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "seedstep"
PAGE = ROOT / "docs" / "architecture.md"
BEGINNING = "## File map\n"
"""The section is the last one of the page."""

INTRODUCTION = """
`make format` writes this from the first line of each module's docstring. The 64 tasks of the suite,
one module each in `suite/tasks`, are left out.
"""
LEFT_OUT = SOURCE / "suite" / "tasks"


def summary(module: Path) -> str:
    """Return the first paragraph of a module's docstring, on one line."""
    docstring = ast.get_docstring(ast.parse(module.read_bytes())) or ""
    return " ".join(docstring.partition("\n\n")[0].split())


def file_map() -> str:
    """Return the section: the modules of the package, then those of each room."""
    modules = [path for path in sorted(SOURCE.rglob("*.py")) if LEFT_OUT not in path.parents]
    folders = sorted(
        {path.parent for path in modules}, key=lambda folder: (folder != SOURCE, folder)
    )
    lines = [BEGINNING.rstrip(), *INTRODUCTION.rstrip().splitlines()]
    for folder in folders:
        lines += ["", f"### `{folder.relative_to(SOURCE.parent)}`", ""]
        for module in modules:
            if module.parent == folder:
                lines.append(f"- `{module.name}`: {summary(module)}")
    return "\n".join(lines) + "\n"


def page_with_map() -> str:
    """Return the text of docs/architecture.md with the file map as it should be."""
    before, _, _ = PAGE.read_text(encoding="utf-8").partition(BEGINNING)
    return before + file_map()


if __name__ == "__main__":
    PAGE.write_text(page_with_map(), encoding="utf-8")
