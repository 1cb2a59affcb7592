"""Encode the instances of tasks as prompts and targets that fit a budget of tokens, and count them.

`TaskEncoder` follows section 3.4 of the second paper: a prompt that is too long loses examples,
then steps, then the end of its input. With `fit="fidelity"` it follows Tk-Instruct's released code,
which adds examples as long as they fit and then cuts the prompt at its end, so that the input may
be lost. `measure` encodes all instances of some tasks and returns the `Totals`.

Example::

    encoder = TaskEncoder(task, ENCODINGS["steps"], tokenizer)
    encoded = [encoder.encode(instance, seed=42, epoch=0) for instance in task.instances]
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace

from seedstep.data import Instance, Task
from seedstep.data.choice import draw, key
from seedstep.encode.budget import LengthBudget
from seedstep.encode.elements import (
    Elements,
    KeptElements,
    name_of,
    steps_of,
    tk_instruct_examples,
    tk_instruct_instruction,
)
from seedstep.encode.encodings import Encoding, check_encoding
from seedstep.encode.layouts import FIDELITY, Pair, named_layout
from seedstep.encode.settings import Dropped, Encoded, TextTokenizer, TokenPair
from seedstep.encode.tokenizers import tokenize

__all__ = ["TaskEncoder", "TaskEncoders", "TokenLengths", "Totals", "encode_task", "measure"]


def encode_task(
    task: Task,
    instance: Instance,
    encoding: Encoding,
    tokenizer: TextTokenizer | None = None,
    *,
    seed: int = 42,
    epoch: int = 0,
) -> Encoded:
    """Encode one instance of a task. For several instances, use one `TaskEncoder`.

    Raises:
        InputError: the parts of the encoding don't go together, it needs a chat template that the
            tokenizer has not, or the definition leaves no room for the input.
    """
    return TaskEncoder(task, encoding, tokenizer).encode(instance, seed=seed, epoch=epoch)


class TaskEncoder:
    """Encodes the instances of a task as prompts and targets.

    Without a tokenizer nothing is dropped or cut. Use `in_template=False` for a prompt that is sent
    to a server as a message: the server puts it into the model's chat template.
    """

    def __init__(
        self,
        task: Task,
        encoding: Encoding,
        tokenizer: TextTokenizer | None = None,
        *,
        in_template: bool = True,
    ) -> None:
        """Encode instances of `task` by `encoding`.

        Raises:
            InputError: the encoding's parts don't go together, or it is "chat" and the tokenizer
                has no chat template.
        """
        check_encoding(encoding)
        self._layout = named_layout(encoding.layout)
        self._in_template = in_template and self._layout.in_template
        self._task = task
        self._encoding = encoding
        self._budget = LengthBudget(task.id, encoding, tokenizer, self._in_template)
        self._elements: dict[int, Elements] = {}
        self._heads: dict[tuple[int, KeptElements], str] = {}

    def encode(self, instance: Instance, *, seed: int = 42, epoch: int = 0) -> Encoded:
        """Return the prompt, and as target a reference output drawn by seed, epoch and names.

        Raises:
            InputError: the definition leaves no room for the input (only with the fit "safe").
        """
        name = name_of(instance)
        chosen = draw(len(instance.outputs), "reference", seed, epoch, self._task.id, name)
        target = instance.outputs[chosen]
        if self._encoding.fit == FIDELITY:
            return self._as_released(instance, target, seed)
        if self._layout.whole:
            chance = key("template", seed, epoch, self._task.id, name)
            pair, dropped = self._whole(self._layout.whole, instance.input, target, chance)
            prompt, target = pair.prompt, pair.completion
        else:
            prompt, dropped = self._safe(instance.input.strip(), seed)
        target, lost = self._budget.cut_target(prompt, target)
        dropped = replace(dropped, target_tokens=lost)
        return Encoded(self._task.id, instance.id, prompt, target, dropped, chat=self._in_template)

    def _parts(self, seed: int) -> Elements:
        if seed not in self._elements:
            self._elements[seed] = Elements.of(self._task, self._encoding, seed=seed)
        return self._elements[seed]

    def _head(self, kept: KeptElements, seed: int) -> str:
        if (seed, kept) not in self._heads:
            self._heads[seed, kept] = self._layout.head(self._parts(seed).first(kept))
        return self._heads[seed, kept]

    def _whole(
        self, write: Callable[[str, str, str, str], Pair], text: str, target: str, chance: str
    ) -> tuple[Pair, Dropped]:
        """Write prompt and answer with a layout's `whole`, and cut an input that is too long."""
        definition = self._task.definition
        text, lost = self._budget.cut_input(
            lambda text: write(definition, text, target, chance).prompt, text
        )
        return write(definition, text, target, chance), Dropped(input_tokens=lost)

    def _safe(self, text: str, seed: int) -> tuple[str, Dropped]:
        """Drop examples, then steps, then the end of the input, until the prompt fits."""
        parts = self._parts(seed)
        if self._layout.prompt:
            return self._shrunk(self._layout.prompt, text, parts)
        tail = self._budget.counted(self._layout.tail(text))
        for kept in _shrinking(parts.all):
            head = self._head(kept, seed)
            if self._budget.fits(head, tail):
                return self._budget.framed(head + tail.text), _dropped(parts, kept)
        head = self._head(KeptElements(0, 0, 0), seed)

        def prompt(text: str) -> str:
            return self._budget.framed(head + self._layout.tail(text))

        text, lost = self._budget.cut_input(prompt, text)
        return prompt(text), replace(_dropped(parts, KeptElements(0, 0, 0)), input_tokens=lost)

    def _shrunk(
        self, write: Callable[[Elements, str], str], text: str, parts: Elements
    ) -> tuple[str, Dropped]:
        """Do the same with a layout's `prompt`, each of which is counted as a whole."""
        for kept in _shrinking(parts.all):
            prompt = self._budget.framed(write(parts.first(kept), text))
            if self._budget.is_in(prompt):
                return prompt, _dropped(parts, kept)
        bare = KeptElements(0, 0, 0)

        def of(text: str) -> str:
            return self._budget.framed(write(parts.first(bare), text))

        text, lost = self._budget.cut_input(of, text)
        return of(text), replace(_dropped(parts, bare), input_tokens=lost)

    def _as_released(self, instance: Instance, target: str, seed: int) -> Encoded:
        """Encode as Tk-Instruct's released code does.

        To decide whether an example fits, that code joins the examples with spaces and leaves the
        task's name out.
        """
        parts = self._parts(seed)
        tail = self._budget.counted(self._layout.tail(instance.input))
        tried = tk_instruct_instruction(parts)
        fitting = [0, 0]
        for kind, examples in enumerate(tk_instruct_examples(parts)):
            earlier = tried
            for number, example in enumerate(examples, start=1):
                if not self._budget.fits(tried + example, tail):
                    break
                fitting[kind] = number
                tried = earlier + " ".join(examples[:number])
        kept = KeptElements(parts.all.steps, *fitting)
        prompt, lost = self._budget.cut_as_released(self._head(kept, seed) + tail.text)
        over = self._budget.target_tokens_over(target)
        dropped = replace(_dropped(parts, kept), cut_tokens=lost, target_tokens=over)
        limits = (self._encoding.max_source, self._encoding.max_target)
        return Encoded(self._task.id, instance.id, prompt, target, dropped, limits=limits)


class TaskEncoders:
    """The encoders of several tasks. Each is made at its first use."""

    def __init__(self, tokenizer: TextTokenizer | None = None) -> None:
        """Without a tokenizer nothing is dropped or cut."""
        self._tokenizer = tokenizer
        self._made: dict[tuple[str, Encoding], TaskEncoder] = {}

    def of(self, task: Task, encoding: Encoding) -> TaskEncoder:
        """Return the encoder of a task."""
        key = task.id, encoding
        if key not in self._made:
            self._made[key] = TaskEncoder(task, encoding, self._tokenizer)
        return self._made[key]


def _shrinking(kept: KeptElements) -> Iterator[KeptElements]:
    """Yield all elements, then ever fewer: without negative, positive examples, then steps."""
    yield kept
    for negative in reversed(range(kept.negative)):
        yield replace(kept, negative=negative)
    for positive in reversed(range(kept.positive)):
        yield KeptElements(kept.steps, positive, 0)
    for steps in reversed(range(kept.steps)):
        yield KeptElements(steps, 0, 0)


def _dropped(parts: Elements, kept: KeptElements) -> Dropped:
    everything = parts.all
    return Dropped(
        positive=everything.positive - kept.positive,
        negative=everything.negative - kept.negative,
        steps=everything.steps - kept.steps,
    )


@dataclass(slots=True)
class TokenLengths:
    """Lengths in tokens, special ones included."""

    number: int = 0
    tokens: int = 0
    longest: int = 0

    @property
    def mean(self) -> float:
        """The mean length, 0 where there is none."""
        return self.tokens / self.number if self.number else 0.0

    def add(self, tokens: int) -> None:
        """Count a text of so many tokens."""
        self.number += 1
        self.tokens += tokens
        self.longest = max(self.longest, tokens)


@dataclass(slots=True)
class Totals:
    """Counts over encoded examples.

    `lost` and `examples_with` have the fields of `Dropped` as keys: how much was dropped, and from
    how many examples. `without_steps` counts the tasks that lack the step-by-step instruction that
    the encoding asks for.
    """

    tasks: int = 0
    without_steps: int = 0
    prompt: TokenLengths = field(default_factory=TokenLengths)
    target: TokenLengths = field(default_factory=TokenLengths)
    lost: Counter[str] = field(default_factory=Counter)
    examples_with: Counter[str] = field(default_factory=Counter)

    @property
    def examples(self) -> int:
        """The number of examples."""
        return self.prompt.number

    def add(self, pair: TokenPair, dropped: Dropped) -> None:
        """Count an example."""
        self.prompt.add(len(pair.prompt))
        self.target.add(len(pair.target))
        for name, amount in asdict(dropped).items():
            if amount:
                self.lost[name] += amount
                self.examples_with[name] += 1


def measure(
    tasks: Iterable[Task],
    encoding: Encoding,
    tokenizer: TextTokenizer,
    *,
    decoder_only: bool,
    seed: int = 42,
) -> Totals:
    """Encode all instances of tasks, and return the counts.

    Raises:
        InputError: raised by `TaskEncoder.encode` or `tokenize`.
    """
    totals = Totals()
    for task in tasks:
        totals.tasks += 1
        totals.without_steps += encoding.steps != "none" and not steps_of(task, encoding, seed=seed)
        encoder = TaskEncoder(task, encoding, tokenizer)
        for instance in task.instances:
            encoded = encoder.encode(instance, seed=seed)
            pair = tokenize(encoded, tokenizer, decoder_only=decoder_only)
            totals.add(pair, encoded.dropped)
    return totals
