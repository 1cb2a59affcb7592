"""What fits into an encoding's budget of tokens, and what is cut where it does not.

Example::

    budget = LengthBudget("task001", Encoding(max_source=512), tokenizer)
    budget.fits(head, budget.counted(tail))
"""

from collections.abc import Callable
from dataclasses import dataclass

from seedstep.encode.encodings import ChatFrame, Encoding, TextTokenizer
from seedstep.errors import InputError

__all__ = [
    "Counted",
    "LengthBudget",
    "cut",
]

MARGIN = 16
"""Tokens by which the sum over the parts of a prompt may miss the number of the whole."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A text and the number of its tokens."""

    text: str
    tokens: int


class LengthBudget:
    """The budget of a task's prompts and targets.

    Tokens of a text that many prompts begin with are counted once. Without a tokenizer no text has
    any, so that all fits.
    """

    def __init__(
        self,
        task: str,
        encoding: Encoding,
        tokenizer: TextTokenizer | None,
        in_template: bool = False,
    ) -> None:
        """Raise InputError if prompts are `in_template`, the model's own, and there is none."""
        self._task = task
        self._tokenizer = tokenizer or _NoTokens()
        self._source = encoding.max_source
        self._target = encoding.max_target
        self._frame = self._tokenizer.chat if in_template else None
        if in_template and not self._frame:
            what = f"the layout {encoding.layout} needs a tokenizer with a chat template"
            raise InputError(what, "name an instruction-tuned model, or another encoding")
        self._room = self._source - max(1, len(self._tokenizer.bos))  # eos or bos is added
        self._counts: dict[str, int] = {}

    def framed(self, text: str) -> str:
        """A prompt's text; for chat, as a message in the model's template."""
        if not self._frame:
            return text
        return self._frame.before + self._tokenizer.unmarked(text.rstrip()) + self._frame.after

    def counted(self, tail: str) -> Counted:
        """What a prompt ends with, its tokens counted once for all heads that are tried."""
        return Counted(tail, len(self._tokenizer.ids(tail)))

    def fits(self, head: str, tail: Counted) -> bool:
        """Whether a prompt fits. All of it is counted only where the sum of its parts is near."""
        if head not in self._counts:
            self._counts[head] = self._count(self.framed(head))
        spare = self._room - self._counts[head] - tail.tokens
        if abs(spare) > MARGIN:
            return spare > 0
        return self._count(self.framed(head + tail.text)) <= self._room

    def cut_input(self, prompt: Callable[[str], str], text: str) -> tuple[str, int]:
        """What of an input fits into the prompt around it, and how many tokens do not.

        Raises:
            InputError: not even its first character fits.
        """
        whole = len(self._tokenizer.ids(text))
        kept, count = text, whole
        while (over := self._count(prompt(kept)) - self._room) > 0:
            if len(kept) < 2 or count < 2:
                raise InputError(
                    f"{self._task}: its definition and an input need more than the {self._source} "
                    "tokens of max_source",
                    f"raise it to {self._source + over} or more",
                )
            kept = cut(kept, max(1, count - over), self._tokenizer).rstrip()
            kept = kept or text.lstrip()[:1]
            count = len(self._tokenizer.ids(kept))
        return kept, whole - count

    def cut_as_released(self, prompt: str) -> tuple[str, int]:
        """A prompt cut at its end as Tk-Instruct's released code does, and how many tokens are.

        It makes a text of the first `max_source` tokens; end-of-sequence takes the place of the
        last of them when that is tokenised.
        """
        ids = self._tokenizer.ids(prompt)
        lost = len(ids) - self._room
        return (self._tokenizer.text(ids[: self._source]), lost) if lost > 0 else (prompt, 0)

    def target_tokens_over(self, target: str) -> int:
        """How many tokens of a target do not fit."""
        return max(0, len(self._tokenizer.ids(target)) + 1 - self._target)

    def cut_target(self, prompt: str, target: str) -> tuple[str, int]:
        """What of a target fits, with the prompt's last space, and how many tokens do not."""
        space = " " if prompt.endswith(" ") else ""
        text = space + target
        limit = self._target - 1
        kept = cut(text, limit, self._tokenizer)
        while len(self._tokenizer.continued(kept)) > limit:
            kept = cut(kept, len(self._tokenizer.spans(kept)) - 1, self._tokenizer)
        if kept == text:
            return target, 0
        lost = len(self._tokenizer.ids(text)) - len(self._tokenizer.ids(kept))
        return kept[len(space) :], max(1, lost)

    def _count(self, prompt: str) -> int:
        """Tokens of a prompt with or without its last space, which may go over to the target."""
        marked = self._frame is not None
        count = len(self._tokenizer.ids(prompt, marked=marked))
        if prompt.endswith(" "):
            count = max(count, len(self._tokenizer.ids(prompt[:-1], marked=marked)))
        return count


def cut(text: str, limit: int, tokenizer: TextTokenizer) -> str:
    """The beginning of a text that has at most `limit` tokens; it ends where one begins."""
    while len(spans := tokenizer.spans(text)) > limit:
        text = text[: min(spans[limit][0], len(text) - 1)]
    return text


class _NoTokens:
    """A tokenizer to which no text has tokens."""

    bos: tuple[int, ...] = ()
    eos: int | None = None
    chat: ChatFrame | None = None

    def ids(self, text: str, *, marked: bool = False) -> list[int]:
        return []

    def spans(self, text: str, *, marked: bool = False) -> list[tuple[int, int]]:
        return []

    def continued(self, text: str) -> list[int]:
        return []

    def unmarked(self, text: str) -> str:
        return text

    def text(self, ids: list[int]) -> str:
        return ""
