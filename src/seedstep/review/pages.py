"""Pages from templates. Every text is escaped, and freed of what turns or hides text.

Example::

    html = render_page("item.html", title="Item 3", up="../", **values)
"""

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import msgspec

from seedstep.data.reviews import LabelRow
from seedstep.errors import MissingExtraError
from seedstep.text import visible

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["STATIC", "clean", "history_json", "render_page", "require_extra", "static_file"]

STATIC = {
    "review.js": "text/javascript; charset=utf-8",
    "review.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


def clean(text: object) -> str:
    """A text as it may stand on a page, before it is escaped."""
    lines = str(text).replace("\r\n", "\n").replace("\r", "\n")
    return visible(lines, keep_marks=True)


def require_extra() -> None:
    """Raise MissingExtraError where the packages of the extra `review` are not installed."""
    try:
        import jinja2
        import starlette
        import uvicorn  # noqa: F401
    except ImportError:
        raise MissingExtraError("the review app", "pip install 'seedstep[review]'") from None
    del jinja2, starlette


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("seedstep.review"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalized,
    )
    environment.filters["clock"] = clock
    return environment


def _finalized(value: Any) -> Any:
    is_plain = isinstance(value, str) and not hasattr(value, "__html__")
    return clean(value) if is_plain else value


def render_page(name: str, /, **values: Any) -> str:
    """A page from the template of that name."""
    return _environment().get_template(name).render(**values)


def static_file(name: str) -> str:
    """A file that pages load."""
    return resources.files("seedstep.review").joinpath("static", name).read_text("utf-8")


def history_json(rows: tuple[LabelRow, ...] | list[LabelRow]) -> str:
    """What a page needs to know of what its rater did with an item."""
    known = [
        {
            "id": row.id,
            "action": row.action,
            "answers": {name: clean(text) for name, text in row.answers.items()},
            "note": clean(row.note),
            "flagged": row.flagged,
            "at": row.at,
        }
        for row in rows
    ]
    return msgspec.json.encode(known).decode()


def clock(seconds: float | None) -> str:
    """Seconds as 0:42, 12:05, 1:02:03."""
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
