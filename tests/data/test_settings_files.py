"""YAML from anywhere: plain values come out, or one error that names the file and the line."""

import string
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedstep.data import parse_yaml, read_yaml, write_yaml
from seedstep.errors import InputError

VALUES = {
    "a date that is none": ("2020-13-45", "month must be in 1..12"),
    "a time that is none": ("2020-01-01 25:00:00", "hour must be in 0..23"),
    "no number": ("!!int abc", "invalid literal for int() with base 10: 'abc'"),
    "an empty number": ("!!int ''", "not a value of type int"),
    "no yes or no": ("!!bool perhaps", "not a value of type bool"),
    "no time": ("!!timestamp soon", "not a value of type timestamp"),
    "many digits": ("9" * 5000, "int with more than 300 characters"),
    "many digits, base 16": (f"0x{'f' * 5000}", "int with more than 300 characters"),
    "many digits, base 60": (f"1{':59' * 100_000}", "int with more than 300 characters"),
    "many digits behind the point": (f"1.{'1' * 5000}", "float with more than 300 characters"),
    "half a character": (r'"\ud800"', "half a character (a lone surrogate)"),
    "base 64": ("!!binary é", "failed to convert base64 data into ascii"),
    "an object": ("!!python/object/apply:os.getcwd []", "could not determine a constructor"),
    "a list as a key": ("{[1]: 2}", "found unhashable key"),
    "a list as a set": ("!!set [1]", "expected a mapping node"),
    "merged with a number": ("{<<: 3}", "expected a mapping or list of mappings"),
    "no character": (r'"\U00110000"', "chr() arg not in range(0x110000)"),
    "an unknown alias": ("*b", "found undefined alias"),
    "itself": ("&a [*a]", "an alias of what it is part of"),
    "deep": ("[" * 2000, "nested too deeply"),
}


@pytest.mark.parametrize(("written", "said"), VALUES.values(), ids=VALUES)
def test_a_value_that_can_not_be_made_is_named_with_its_line(
    written: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(f"tasks: 3\n\nmodel: {written}\n", "utf-8")
    with pytest.raises(InputError) as caught:
        read_yaml(path)
    assert caught.value.what.startswith(f"{path}, line 3: {said}")
    assert len(str(caught.value)) < len(str(path)) + 250
    assert "\n" not in str(caught.value)


def _nested(first: str, form: str) -> str:
    """Names, each of which stands for ten times the one before."""
    names = string.ascii_lowercase
    lines = [f"a: &a {first}"]
    lines += [
        f"{name}: &{name} {form.format(','.join([f'*{before}'] * 10))}"
        for before, name in pairwise(names[:9])
    ]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        _nested("x", "[{}]"),
        _nested("{x: 1}", "{{<<: [{}]}}"),
        f"a: &a {'x' * 500_000}\nb: [{','.join(['*a'] * 100)}]",
    ],
    ids=["lists", "merged mappings", "a long text"],
)
def test_aliases_that_stand_for_too_much_are_refused(text: str) -> None:
    started = time.monotonic()
    with pytest.raises(InputError, match="too large with its aliases written out"):
        parse_yaml(text, "c.yaml")
    assert time.monotonic() - started < 5


def test_aliases_and_merges_of_plain_size_stay() -> None:
    text = "base: &base {model: local, tasks: 3}\nmine: {<<: *base, tasks: 4}\nsame: *base"
    found = parse_yaml(text, "c.yaml")
    assert found["mine"] == {"model": "local", "tasks": 4}
    assert found["same"] == {"model": "local", "tasks": 3}


def test_a_file_is_read_up_to_its_largest_size(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_bytes(b"#" * (1 << 20))
    assert read_yaml(path) == {}
    path.write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(InputError, match="larger than 1 MiB"):
        read_yaml(path)
    with pytest.raises(InputError, match="larger than 1 MiB"):
        read_yaml(Path("/dev/zero"))


@pytest.mark.parametrize("name", ["nowhere", ".", "a\0b", "x" * 5000, "\ud800"])
def test_a_path_that_can_not_be_read_is_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="Check the path"):
        read_yaml(Path(name))


PIECES = (
    "a", ": ", "- ", "\n", "  ", "[", "]", "{", "}", ", ", "&a ", "*a", "!!int ", "!!float ",
    "!!bool ", "!!timestamp ", "!!binary ", "!!set ", "!!omap ", "!!pairs ", "!!null ", "!x ",
    "<<", "? ", "|", ">", "'", '"', "\\", "x41", "U00110000", "#", "%YAML 1.2", "---", "...",
    "2020", "-13-45", "1", "_", ":59", "0x", "0b", "e9", ".inf", ".nan", "~", "\t", "\0",
    "\u2028", "é",
)  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_any_text_is_a_value_or_one_error(text: str) -> None:
    try:
        found = parse_yaml(text, "c.yaml")
    except InputError as error:
        found = error
        assert "\n" not in str(found)
    str(found).encode()


PLAIN: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), PLAIN, max_size=5))
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]
) -> None:
    path = tmp_path_factory.getbasetemp() / "written.yaml"
    write_yaml(path, values)
    assert read_yaml(path) == values
