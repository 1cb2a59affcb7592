"""Metrics and export formats that are added to their tables, and those that can not be used."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from seedstep import add_export_format, add_metric, evaluate_systems, export, predict
from seedstep.errors import InputError
from seedstep.evaluate import METRICS, Metric, Prediction, Reference, score
from seedstep.evaluate.compare import compare, compare_with_first, evaluated
from seedstep.evaluate.metrics import OWN_METRICS, check_metrics
from seedstep.evaluate.systems import overall_table
from seedstep.evaluate.tables import comparisons_json, kept_table, scores_json
from seedstep.exports import EXPORT_FORMATS, ExportFormat
from seedstep.exports.formats import OWN_FORMATS, check_format
from seedstep.report import write_report
from support.command_line import seedstep
from support.predicting import write_word_tasks
from support.refusing import broken, refused, returns

MINE = Metric("mine", "half", "what I want", returns(0.5), ("Title Generation",))
TEXTS = ExportFormat("texts", "a file", lambda source, folder: (folder / "a").write_bytes(b"a"))
FIXTURES = Path(__file__).parent / "fixtures" / "v0.1.0"
NO_NAMES = [3, None, "", "../x", "my own", b"x", ["a"], object(), "-x", "--"]


@pytest.fixture(autouse=True)
def _tables() -> Iterator[None]:
    """The tables, for one test."""
    before = list(METRICS)
    with patch.dict(EXPORT_FORMATS):
        yield
    METRICS[:] = before


class TestMetrics:
    @pytest.mark.parametrize("name", NO_NAMES)
    def test_what_is_no_name_is_refused(self, name: Any) -> None:
        mine = replace(MINE, name=name)
        with refused("add_metric: .* is no name. Use letters, digits, - and _"):
            add_metric(mine)
        with refused("metrics: .* is no name"):
            score([], {}, metrics=mine)
        with refused("metrics: .* is no name"):
            compare([], [], metrics=[mine])

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            *(("title", value) for value in (None, 3, "", " ")),
            *(("categories", value) for value in (3, "Word Analogy", ("a", 3))),
            *(("measure", None), ("meaning", None), ("compared", "no"), ("of_tokens", np.ones(2))),
        ],
    )
    def test_a_field_of_another_kind_is_refused(self, field: str, value: Any) -> None:
        for use in (add_metric, check_metrics):
            with refused(f"`{field}` of the metric 'mine' is .*Give it "):
                use(replace(MINE, **{field: value}))
        assert tuple(METRICS) == OWN_METRICS

    def test_two_of_one_name_or_title_are_refused(self) -> None:
        with pytest.raises(InputError, match="two metrics have the title 'ROUGE-L'"):
            check_metrics([*METRICS, replace(MINE, title="ROUGE-L")])
        with pytest.raises(InputError, match="seedstep has a metric 'rouge_l' already"):
            add_metric(replace(MINE, name="rouge_l"))

    def test_none_is_called_as_what_stands_beside_its_scores(self) -> None:
        scored = score([], {"t-1": Reference("t", "c", ("y",))})
        systems = [evaluated(name, scored, "category") for name in ("ours", "theirs")]
        pairings = json.loads(comparisons_json(compare_with_first(systems)))
        beside = {
            *json.loads(scores_json(systems))[0]["overall"],
            *pairings[0]["comparison"],
            *kept_table([]).head,
            *overall_table(systems).head,
        } - {text for metric in METRICS for text in (metric.name, metric.title)}
        assert {"instances", "missing", "overall", "system"} <= beside
        for taken in beside:
            for field in ("name", "title"):
                with refused(f"can't be called '{taken}', which stands beside its scores"):
                    add_metric(replace(MINE, **{field: taken}))

    def test_an_added_one_is_wherever_scores_are(self, tmp_path: Path) -> None:
        add_metric(replace(MINE, measure=broken))
        add_metric(MINE)
        assert [*OWN_METRICS, MINE] == METRICS
        tasks = write_word_tasks(tmp_path / "tasks")
        predict(tmp_path / "run", model="baseline:copy-input", tasks=tasks).close()
        (system,) = evaluate_systems(tmp_path / "run", grouping="category")
        assert system.overall.of("mine").value == 50
        assert "half" in seedstep("status", tmp_path / "run").out
        assert "half" in write_report(tmp_path / "run", tmp_path / "page").page.read_text()
        shown = seedstep("evaluate", tmp_path / "run", "--format", "markdown").out
        assert "| Title Generation | half |" in shown

    def test_without_it_results_are_compared_as_they_were_scored(self) -> None:
        references = {"t-1": Reference("t", "", ("y",))}
        scored = score([Prediction("t", "t-1", "y")], references)
        systems = [evaluated(name, scored) for name in ("ours", "theirs")]
        add_metric(MINE)
        (pairing,) = compare_with_first(systems)
        names = [found.metric.name for found in pairing.comparison.differences]
        assert names == ["rouge_l", "exact_match"]


class TestFormats:
    @pytest.mark.parametrize("name", NO_NAMES)
    def test_what_is_no_name_is_refused(self, name: Any) -> None:
        with refused("add_export_format: .* is no name. Use letters, digits, - and _"):
            add_export_format(replace(TEXTS, name=name))

    @pytest.mark.parametrize(
        ("field", "value"),
        [("meaning", None), ("unit", None), ("unit", ""), ("write", 3), ("published", "no")],
    )
    def test_a_field_of_another_kind_is_refused(self, field: str, value: Any) -> None:
        with refused(f"`{field}` of the format 'texts' is .*Give it "):
            add_export_format(replace(TEXTS, **{field: value}))
        assert EXPORT_FORMATS == OWN_FORMATS

    def test_a_name_of_ours_is_not_taken(self) -> None:
        with pytest.raises(InputError, match="seedstep has a format 'alpaca' already"):
            add_export_format(replace(TEXTS, name="alpaca"))
        with pytest.raises(InputError, match="seedstep has a format 'alpaca' already"):
            add_export_format(EXPORT_FORMATS["alpaca"])
        check_format(EXPORT_FORMATS["alpaca"], "format")

    def test_an_added_one_is_known_by_its_name(self, tmp_path: Path) -> None:
        grown = shutil.copytree(FIXTURES / "bootstrap", tmp_path / "run")
        with pytest.raises(
            InputError, match=r"no format 'texts'.*; SEEDSTEP_PLUGINS names modules"
        ):
            export(grown, "texts", tmp_path / "out")
        add_export_format(replace(TEXTS, write=broken))
        add_export_format(TEXTS)
        assert export(grown, "texts", tmp_path / "out") == 1
        assert (tmp_path / "out" / "a").read_bytes() == b"a"
