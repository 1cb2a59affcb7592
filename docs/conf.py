"""How Sphinx builds the documentation: `make docs`.

Nothing comes from the network, neither while building nor in a page. The reference of commands is
written from the commands themselves.
"""

from importlib import metadata

from sphinx.application import Sphinx
from typer.cli import get_docs_for_click
from typer.main import get_group
from typer.models import Context

from seedstep.cli import app as commands

project = "seedstep"
release = metadata.version("seedstep")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3
default_role = "code"

html_theme = "furo"
html_title = "seedstep"
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _add_commands)


def _add_commands(_: Sphinx, page: str, source: list[str]) -> None:
    """Put what `seedstep COMMAND --help` says, for all commands, below the page about them."""
    if page != "reference/commands":
        return
    group = get_group(commands)
    for name, command in group.commands.items():
        first_paragraph = " ".join((command.help or "").partition("\n\n")[0].split())
        source[0] += f"- [`{name}`](#seedstep-{name}): {first_paragraph}\n"
    described = get_docs_for_click(obj=group, ctx=Context(group), name="seedstep")
    source[0] += "\n## " + described.partition("\n## ")[2]
