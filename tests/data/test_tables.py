"""Files of rows: what is read of each kind, and that other values come out as they went in."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from seedstep.data import Columns, TableRow, open_table
from seedstep.data.rows import Parquet
from seedstep.errors import InputError, RunError

ADDED = {"new": bool, "why": str, "score": float}
Write = Callable[[Path, list[Any]], Path]


def jsonl(folder: Path, values: list[Any]) -> Path:
    path = folder / "data.jsonl"
    path.write_text("".join(json.dumps({"id": n, "t": v}) + "\n" for n, v in enumerate(values)))
    return path


def parquet_file(folder: Path, values: list[Any]) -> Path:
    path = folder / "data.parquet"
    parquet.write_table(pa.table({"id": range(len(values)), "t": values}), path)
    return path


def text(folder: Path, values: list[Any]) -> Path:
    path = folder / "data.txt"
    path.write_text("".join(f"{value}\n" for value in values))
    return path


KINDS = pytest.mark.parametrize("write", [jsonl, parquet_file, text])


def read(path: Path, field: str = "t") -> list[str]:
    return [row.fault or row.text for row in open_table(path, field).rows()]


@KINDS
def test_texts_are_read_and_the_kept_rows_written(write: Write, tmp_path: Path) -> None:
    path = write(tmp_path, ["a", "b", "ç 翻"])
    table = open_table(path, "t")
    assert [row.text for row in table.rows()] == ["a", "b", "ç 翻"]
    out = tmp_path / f"out{path.suffix}"
    table.write_kept(out, [True, False, True])
    assert read(out) == ["a", "ç 翻"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([path.name, out.name])


@KINDS
def test_all_rows_are_written_with_columns_added(write: Write, tmp_path: Path) -> None:
    path = write(tmp_path, ["a", "b"])
    out = tmp_path / ("out.parquet" if path.suffix == ".parquet" else "out.jsonl")
    added: list[Columns] = [
        {"new": True, "why": None, "score": None},
        {"new": False, "why": "near", "score": 0.75},
    ]
    open_table(path, "t").write_annotated(out, ADDED, added)
    if out.suffix == ".parquet":
        rows = parquet.read_table(out).to_pylist()
    else:
        rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [{name: row[name] for name in ADDED} for row in rows] == added
    assert [row["t"] for row in rows] == ["a", "b"]
    again = out.with_name(f"again{out.suffix}")
    open_table(out, "t").write_annotated(again, ADDED, added)  # replaces what is there
    assert again.read_bytes() == out.read_bytes()


def test_values_of_json_lines_stay_byte_for_byte(tmp_path: Path) -> None:
    line = (
        '{"big": 123456789012345678901234567890, "f": 1.50, "t": "a", "u": "\\u00e9", "n": [1, 2]}'
    )
    path = tmp_path / "data.jsonl"
    path.write_text(line)
    table = open_table(path, "t")
    table.write_kept(tmp_path / "kept.jsonl", [True])
    assert (tmp_path / "kept.jsonl").read_text() == line + "\n"
    table.write_annotated(tmp_path / "out.jsonl", {"new": bool}, [{"new": True}])
    out = (tmp_path / "out.jsonl").read_text()
    for value in ("123456789012345678901234567890", "1.50", '"\\u00e9"', "[1, 2]"):
        assert value in out


def test_types_of_parquet_stay(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    schema = pa.schema([("t", pa.large_string()), ("d", pa.date32())], metadata={"k": "v"})
    parquet.write_table(pa.table({"t": ["a", "b"], "d": [0, 1]}, schema=schema), path)
    out = tmp_path / "out.parquet"
    open_table(path, "t").write_kept(out, [False, True])
    assert parquet.read_schema(out).equals(schema, check_metadata=True)
    assert parquet.read_table(out).to_pylist()[0]["t"] == "b"


def test_what_is_wrong_with_rows_is_named(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    lines = [
        b'{"t": "a"}',
        b"",
        b"{}",
        b'{"t": 3}',
        b'{"t": null}',
        b'{"t": " "}',
        b'{"t": ',
        b'"\xff"',
    ]
    path.write_bytes(b"\xef\xbb\xbf" + b"\n".join(lines))
    assert list(open_table(path, "t").rows()) == [
        TableRow(1, "a"),
        TableRow(3, "", "missing_field", "there is no field 't'"),
        TableRow(4, "", "not_text", "the field 't' is of type int"),
        TableRow(5, "", "missing_field", "there is no field 't'"),
        TableRow(6, "", "empty", "the text is empty"),
        TableRow(7, "", "unreadable", "not valid JSON: Input data was truncated"),
        TableRow(8, "", "unreadable", "not UTF-8 (byte 2)"),
    ]
    table = open_table(path, "t")
    table.write_annotated(tmp_path / "out.jsonl", {"new": bool}, [{"new": False}] * 7)
    written = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [record.get("t", "-") for record in written] == ["a", "-", 3, None, " "]
    (tmp_path / "bad.txt").write_bytes(b"ok\n\xff\n\n")
    assert read(tmp_path / "bad.txt") == ["ok", "unreadable"]


def test_names_of_parquet_columns_that_are_no_utf8_are_told(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    parquet.write_table(pa.table({"column": ["a", "b"]}), path)
    content = path.read_bytes()
    places = [found.start() for found in re.finditer(b"column", content)]
    assert places
    told = []
    for place in places:
        path.write_bytes(content[:place] + b"\x85" + content[place + 1 :])
        table = Parquet(path, "column")
        for rows in (table.rows, table.records):
            try:
                assert list(rows())
            except InputError as error:
                told.append(error.what)
    assert any("can't be read as Parquet" in what for what in told)


def test_columns_of_parquet_that_are_no_text(tmp_path: Path) -> None:
    assert read(parquet_file(tmp_path, ["a", None, ""])) == ["a", "missing_field", "empty"]
    assert read(parquet_file(tmp_path, [1, 2])) == ["not_text", "not_text"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.xls", b"", "a file of an unknown kind. Name it with one of .jsonl"),
        ("x.jsonl", None, "x.jsonl: no such file"),
        ("x.parquet", None, "x.parquet: no such file"),
        ("x.parquet", b"PAR1 what is this", "x.parquet: can't be read as Parquet"),
        ("x.parquet", b"", "x.parquet: can't be read as Parquet"),
    ],
)
def test_files_that_can_not_be_read(
    name: str, content: bytes | None, message: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        list(open_table(tmp_path / name, "t").rows())
    assert message in str(caught.value)


def test_a_quote_that_is_never_closed_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b't\n"' + b"a" * ((64 << 20) + 1))
    with pytest.raises(InputError, match=r"larger than field limit.*close each quote"):
        read(path)


def test_a_parquet_file_without_the_column_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read(parquet_file(tmp_path, ["a"]), "instruction")
    assert "--field: there is no column 'instruction'. Known are id, t" in str(caught.value)


@KINDS
@pytest.mark.parametrize("decisions", [[True], [True] * 3], ids=["fewer", "more"])
def test_a_file_that_changed_between_reading_and_writing(
    write: Write, decisions: list[bool], tmp_path: Path
) -> None:
    path = write(tmp_path, ["a", "b"])
    out = tmp_path / f"out{path.suffix}"
    with pytest.raises(InputError) as caught:
        open_table(path, "t").write_kept(out, decisions)
    assert "has other rows than a moment ago" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == [path.name]


@KINDS
def test_where_nothing_can_be_written(write: Write, tmp_path: Path) -> None:
    path = write(tmp_path, ["a"])
    with pytest.raises(RunError):
        open_table(path, "t").write_kept(tmp_path / "missing" / f"out{path.suffix}", [True])
