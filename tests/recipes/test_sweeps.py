"""Experiments in sizes, and stages that stand for each of several values."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

from seedstep.errors import InputError, RunError
from seedstep.recipes import (
    Experiment,
    ExperimentStage,
    read_experiment,
    run_experiment,
    shipped_experiments,
)
from seedstep.stages.directories import kept_experiments, unfinished_stages
from seedstep.tune import PRESETS
from support.command_line import seedstep

SWEPT = """
values: {counts: [10, 20], model: m, seeds: }
sizes: {smoke: {counts: [1, 2, 3]}}
stages:
  - name: grow
    bootstrap: {model: "{model}", out: grown}
  - name: tune
    for: {n: "{counts}"}
    tune: {data: grown, limit-tasks: "{n}", seed: "{seeds}", out: "tuned-{n}"}
    after: [grow]
  - name: predict
    for: {n: "{counts}", encoding: [definition, steps]}
    predict: {model: "hf:tuned-{n}/model", encoding: "{encoding}", name: "{n} {encoding}", out: p}
    after: ["tune {n}"]
  - compare: {arguments: p}
    after: [predict]
"""


def read(tmp_path: Path, text: str, size: str = "", **values: str) -> Experiment:
    path = tmp_path / "swept.yaml"
    path.write_text(text)
    return read_experiment(path, values, size)


def by_name(experiment: Experiment) -> dict[str, ExperimentStage]:
    return {stage.name: stage for stage in experiment.stages}


def test_a_stage_stands_for_each_value_and_waits_for_its_own(tmp_path: Path) -> None:
    stages = by_name(read(tmp_path, SWEPT))
    assert list(stages) == [
        "grow",
        "tune 10",
        "tune 20",
        "predict 10 definition",
        "predict 10 steps",
        "predict 20 definition",
        "predict 20 steps",
        "compare",
    ]
    assert stages["tune 20"].shown == ("seedstep tune --data grown --limit-tasks 20 --out tuned-20")
    assert stages["predict 20 steps"].after == ("tune 20",)
    assert stages["predict 20 steps"].writes == ("p", "20 steps")
    assert stages["compare"].after == tuple(name for name in stages if name.startswith("predict"))


def test_sizes_and_the_command_line_change_what_is_swept(tmp_path: Path) -> None:
    assert len(by_name(read(tmp_path, SWEPT, "smoke"))) == 1 + 3 + 6 + 1
    given = by_name(read(tmp_path, SWEPT, "smoke", counts="7"))
    assert [name for name in given if name.startswith("tune")] == ["tune 7"]
    seeded = by_name(read(tmp_path, SWEPT, seeds="3"))
    assert "--seed 3" in seeded["tune 10"].shown


def test_values_that_belong_together_and_sweeps_with_names(tmp_path: Path) -> None:
    text = """
sweeps: {kinds: [{kind: plain, flag: false}, {kind: rich, flag: true}]}
stages:
  - name: "make {kind}"
    for: kinds
    novelty: {arguments: a, annotate: "{flag}", out: "{kind}"}
  - {name: end, novelty: {arguments: b, out: c}, after: ["make {kind}"]}
"""
    stages = by_name(read(tmp_path, text))
    assert stages["make plain"].command == ("novelty", "a", "--out", "plain")
    assert stages["make rich"].command == ("novelty", "a", "--annotate", "--out", "rich")
    assert stages["end"].after == ("make plain", "make rich")


def test_a_file_goes_on_from_another(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(SWEPT)
    text = """
extends: base.yaml
values: {model: other}
sizes: {smoke: {model: tiny}, gpu: {counts: [5]}}
stages: [{name: last, novelty: {arguments: p, out: "{experiment}"}, after: [compare]}]
"""
    assert "--model other" in by_name(read(tmp_path, text))["grow"].shown
    smoke = by_name(read(tmp_path, text, "smoke"))
    assert "--model tiny" in smoke["grow"].shown
    assert "tune 3" in smoke
    assert smoke["last"].out == "swept"
    assert "tune 5" in by_name(read(tmp_path, text, "gpu"))


@pytest.mark.parametrize("sizes", ["{smoke: true}", "{smoke: }", "3", "[a]"])
def test_sizes_of_two_files_that_can_not_be_joined(sizes: str, tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(SWEPT)
    with pytest.raises(InputError, match="`sizes` is not a mapping"):
        read(tmp_path, f"extends: base.yaml\nsizes: {sizes}\nstages: []")


def of(sweep: str) -> str:
    return f"stages: [{{name: a, for: {sweep}, novelty: {{arguments: '{{n}}', out: 'o{{n}}'}}}}]"


def test_values_of_values_and_stages_that_are_left_out(tmp_path: Path) -> None:
    text = """
values: {better: , system: "grown-{n}"}
stages:
  - {name: "tune {system}", for: {n: [1, 2]}, tune: {out: "{system}"}}
  - {name: rewrite, if: "{better}", distill: {model: "{better}", out: new}}
  - {name: end, novelty: {arguments: a, out: b}, after: ["tune {system}", rewrite]}
"""
    stages = by_name(read(tmp_path, text))
    assert stages["tune grown-2"].out == "grown-2"
    assert stages["end"].after == ("tune grown-1", "tune grown-2")
    with_it = by_name(read(tmp_path, text, better="m"))
    assert with_it["end"].after[-1] == "rewrite"
    assert "--model m" in with_it["rewrite"].shown


@pytest.mark.parametrize(
    "text, what",
    [
        (of("3"), "`for` is not a mapping"),
        (of("{}"), "`for` is not a mapping"),
        (of("{n: }"), "a value of 'n' is missing"),
        (of("{n: []}"), "'n' has no values"),
        (of("{n: [1, null]}"), "a value of 'n' is missing"),
        (of("{n: '1,,2'}"), "a value of 'n' is missing"),
        (of("{n: [1, 2, 1]}"), "'1' is there twice among the values of 'n'"),
        (of("{n: [1, '1']}"), "'1' is there twice"),
        (of("{n: [[1], {}]}"), "a value of 'n' is no text or number"),
        (of("{n n: [1]}"), "`for` has no name 'n n'"),
        (of("{n: [1, 2], m: [3, 4]}"), "'a 1 3' and 'a 1 4' are the same command"),
        (of("[]"), "`for` has no values"),
        (of("[{n: 1}, {m: 2}]"), "entry 2 of `for` has other names than the first"),
        (of("[{n: 1}, {n: }]"), "a value of 'n' is missing in entry 2"),
        (of("[{n: 1}, {n: 1}]"), "'1' is there twice"),
        (of("numbers"), "no sweep 'numbers'"),
        (of("{n: '{counts}'}"), "no value 'counts'"),
        (of(f"{{n: {list(range(1001))}}}"), "1,001 stages"),
        (of(f"{{n: {list(range(50))}, m: {list(range(50))}}}"), "2,500 stages"),
        (
            f"values: {{v: {'x' * 50_000}}}\nstages: [{{name: '{'{v}' * 50_000}', novelty: {{}}}}]",
            "2,500,150,000 characters",
        ),
        ("sweeps: 3\n" + of("{n: [1]}"), "`sweeps` is not a mapping"),
        ("sizes: 3\n" + of("{n: [1]}"), "`sizes` is not a mapping"),
        ("values: {}\nsizes: {small: {n: 3}}\n" + of("{n: [1]}"), "no value 'n'"),
        ("sizes: {1: {n: 3}, small: {2: 3}}\nvalues: {n: 1}\n" + of("{n: [1]}"), "no value '2'"),
        ("table: 3\n" + of("{n: [1]}"), "`table` does not name a table"),
        ("table: {printed: a, rows: 3}\n" + of("{n: [1]}"), "no part of a table 'rows'"),
        ("extends: nothing.yaml\n" + of("{n: [1]}"), "nothing.yaml"),
        (
            "stages: [{for: {n: [1, 2]}, predict: {limit: '{n}', out: p}}]",
            "'predict 1' and 'predict 2' both write p. Write the names of `for` in `out`",
        ),
        (
            "stages: [{name: b 1, steps: {}}, {name: b, for: {n: [1]}, steps: {limit: '{n}'}}]",
            "a second 'b 1'",
        ),
    ],
)
def test_a_sweep_that_can_not_be_is_one_clear_error(text: str, what: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=re.escape(what)):
        read(tmp_path, text)


def test_a_size_that_is_not_known_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no size 'smok'.*smoke"):
        read(tmp_path, SWEPT, "smok")


def test_an_experiment_with_a_table_says_what_is_left_to_do(tmp_path: Path) -> None:
    found = read(tmp_path, SWEPT + "table: {printed: ss-table-2, predictions: p}\n", "smoke")
    started: list[str] = []

    def start(stage: ExperimentStage, _: Path) -> int:
        started.append(stage.name)
        return int(stage.name == "tune 2")

    out = tmp_path / "out"
    with pytest.raises(Exception, match="'tune 2' ended with status 1"):
        run_experiment(found, out, lambda *_: None, start)
    assert started == ["grow", "tune 1", "tune 2"]
    kept = kept_experiments(out)["swept"]
    assert kept.size == "smoke"
    assert kept.values["counts"] == "1,2,3"
    left = unfinished_stages(out, kept)
    assert left[0] == "tune 2"
    assert {stage.name for stage in found.stages} - set(left) == {"grow", "tune 1", "compare"}, (
        "it needs no compare"
    )


def test_an_experiment_goes_on_after_its_damaged_file_was_removed(tmp_path: Path) -> None:
    found = read(tmp_path, SWEPT + "table: {printed: ss-table-2, predictions: p}\n", "smoke")
    out = tmp_path / "out"
    run_experiment(found, out, lambda *_: None, lambda *_: 0)
    kept = (out / "experiments.json").read_bytes()
    (out / "experiments.json").write_text("[")
    with pytest.raises(RunError, match=r"can't be read. Remove it, and run"):
        run_experiment(found, out, lambda *_: None, lambda *_: 0)
    (out / "experiments.json").unlink()
    run_experiment(found, out, lambda *_: None, lambda *_: 0)
    assert (out / "experiments.json").read_bytes() == kept


def test_the_shipped_experiments_are_listed() -> None:
    listed = seedstep("run", "--list")
    assert "ss-table-2" in listed.words
    assert "Step-by-Step Instruction Tuning, Table 2 (section 4.4)" in listed.words
    assert "_steps" not in listed.words
    names = [line for line in listed.lines if line and not line.startswith(" ")]
    assert set(names) == set(shipped_experiments())
    about = [listed.lines[listed.lines.index(name) + 1] for name in names]
    assert all(line.startswith("  ") for line in about)
    assert "no experiment 'ss-tabel-2'" in seedstep("run", "ss-tabel-2").error
    assert "no experiment" in seedstep("run").error


def test_only_what_neutral_text_stands_in_needs_it() -> None:
    """So directories from before there was neutral text go on with what they have."""
    stages = by_name(read_experiment(shipped_experiments()["do-steps-help"]))
    written = {f"write neutral text {split}" for split in ("train", "test")}
    needs: dict[str, set[str]] = {}
    for name, stage in stages.items():
        needs[name] = {*stage.after}.union(*(needs[other] for other in stage.after))
        for split in ("train", "test"):
            if f"neutral-{split}.jsonl" in stage.command and name not in written:
                assert f"write neutral text {split}" in needs[name]
    assert {name for name in stages if needs[name] & written} == {
        "tune on tuned-neutral",
        "predict asked-neutral",
        "predict tuned-neutral",
        "report on do-steps-help",
    }
    assert stages["tune on longer"].after == ("tune on examples", "exchange train", "exchange test")


def test_the_papers_size_has_the_settings_of_the_presets() -> None:
    stages = by_name(read_experiment(shipped_experiments()["ss-table-2"], size="paper"))
    for name, preset in (
        ("tune on examples", "tk-instruct-3b"),
        ("tune on tuned-steps", "step-by-step-3b"),
    ):
        words = stages[name].command
        wanted = PRESETS[preset].settings
        flags = dict(pairwise(words))
        assert flags["--epochs"] == str(wanted["epochs"])
        assert float(flags["--lr"]) == wanted["learning_rate"]
        assert flags["--batch"] == str(wanted["batch"])
        assert flags["--limit-instances"] == str(wanted["limit_instances"])
        assert flags["--seed"] == str(wanted["seed"])
        assert flags["--encoding"] == wanted["encoding"]
        assert flags["--max-source"] == "1224"
        assert "--bf16" in words
        assert "--gradient-checkpointing" in words
        assert "--limit-tasks" not in words
    assert stages["tune on examples"].command[2] == PRESETS["tk-instruct-3b"].settings["model"]


@pytest.mark.parametrize("size", ["smoke", "small", "gpu", "paper"])
def test_every_table_has_every_size(size: str) -> None:
    for name, path in shipped_experiments().items():
        if read_experiment(path).table:
            found = read_experiment(path, size=size)
            assert found.size == size
            assert size != "small" or read_experiment(path) == found
            stages = [stage.name for stage in found.stages]
            assert stages[0] == "suite"
            assert len(stages) > 6, name
            assert found.systems
            for stage in found.stages:
                assert not any("{" in word for word in stage.command), stage
