"""The options of the novelty filter, as a record and as keywords that change one.

Example::

    >>> how = NoveltyFilter(semantic=Semantic("minilm", in_flight=2))
    >>> how.changed({"semantic_threshold": 0.9}).semantic
    Semantic(encoder='minilm', threshold=0.9, base_url=None, in_flight=2)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal, TypedDict

from seedstep.data import PathOrTasks, sources_of
from seedstep.errors import InputError, unknown_name
from seedstep.llm.checkpoints import MINILM, encoders
from seedstep.recipes.meaning import Semantic

__all__ = ["NoveltyFilter", "NoveltyKeywords"]


class NoveltyKeywords(TypedDict, total=False):
    """The options of `filter_file`: those of `NoveltyFilter`, with its `Semantic` also in parts.

    `semantic` is an encoder, or all of how texts are compared by meaning. `against` may be a single
    evaluation set.
    """

    field: str
    tokens: Literal["latin", "unicode", "auto"]
    threshold: float
    against: PathOrTasks | Sequence[PathOrTasks]
    against_threshold: float
    nearest: bool
    ray: str | None
    partitions: int
    semantic: Semantic | str | None
    semantic_threshold: float
    semantic_base_url: str | None


PARTS = MappingProxyType({"semantic_threshold": "threshold", "semantic_base_url": "base_url"})
"""The fields of `Semantic` by the keywords for them."""


@dataclass(frozen=True, slots=True)
class NoveltyFilter:
    """The options of the filter.

    `threshold`: a text is rejected if its ROUGE-L F1 with a kept text is this or more.
    `tokens`: auto takes latin or unicode by the script of the first texts.
    `against`: evaluation sets, with a threshold of their own.
    `nearest`: find the nearest kept text of kept texts, too, which takes longer.
    `ray`: the address of a Ray cluster, or "local" to start one on this machine.
    `semantic`: compare by meaning, too, what is kept otherwise.
    """

    field: str = "instruction"
    tokens: Literal["latin", "unicode", "auto"] = "latin"
    threshold: float = 0.7
    against: tuple[PathOrTasks, ...] = ()
    against_threshold: float = 0.7
    nearest: bool = False
    ray: str | None = None
    partitions: int = 8
    semantic: Semantic | None = None

    def changed(self, options: NoveltyKeywords) -> "NoveltyFilter":
        """Return the filter with other options; what they do not name stays as it is.

        Raises:
            InputError: an option is not known, or says how texts are compared by meaning where they
                are not.
        """
        values, known = dict[str, Any](options), NoveltyKeywords.__annotations__
        if unknown := next((name for name in values if name not in known), ""):
            raise unknown_name("option", unknown, known)
        parts = {name: values.pop(name) for name in PARTS if name in values}
        given = values.get("semantic", self.semantic)
        values["semantic"] = _compared(self.semantic, given, parts)
        values["against"] = tuple(sources_of(values.get("against", self.against)))
        return replace(self, **values)

    def check(self, *, annotate: bool) -> None:
        """Check the options before any text is read; with `annotate`, rows get columns.

        Raises:
            InputError: a threshold can't be one, nothing is done with the nearest, or the encoder
                of meanings is not known.
        """
        for name in ("threshold", "against_threshold"):
            if not 0 < (value := getattr(self, name)) <= 1:
                what = f"--{name.replace('_', '-')} {value}: is a ROUGE-L F1"
                raise InputError(what, "use more than 0, at most 1")
        if self.nearest and not annotate:
            raise InputError("--nearest: is written into the rows", "add --annotate")
        if self.semantic:
            self.semantic.check()


def _compared(
    before: Semantic | None, given: Semantic | str | None, parts: Mapping[str, Any]
) -> Semantic | None:
    """Return how texts are compared by meaning, with the parts that are given beside it.

    Another encoder is used as the one before, but has its address only if it is of the same
    provider: a server of another one gets neither texts nor a key.
    """
    if given is None:
        for name, value in parts.items():
            if value is not None:
                what = f"--{name.replace('_', '-')}: nothing is compared by meaning"
                encoder = encoders(served=True) if name == "semantic_base_url" else MINILM
                raise InputError(what, f"add --semantic {encoder}")
        return None
    if isinstance(given, str):
        before = before or Semantic(given)
        is_same = given.partition(":")[0] == before.encoder.partition(":")[0]
        given = replace(before, encoder=given, base_url=before.base_url if is_same else None)
    return replace(given, **{PARTS[name]: value for name, value in parts.items()})
