"""Flags follow from settings: one for each, named, typed and explained as the setting is."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec
import pytest
import typer
from typer.main import get_group
from typer.testing import CliRunner

from seedstep.cli import COMMANDS, app
from seedstep.cli.options import COMMAND_LINE, GivenSettings, _flags, with_settings
from seedstep.data import TaskChoice
from seedstep.data.evaluation import EVALUATION_SETS
from seedstep.encode import Encoding
from seedstep.encode.settings import EncodeSettings
from seedstep.errors import InputError
from seedstep.evaluate.judge import JudgeSettings
from seedstep.evaluate.scores import ScoringSettings
from seedstep.infer.settings import PredictSettings
from seedstep.settings import SettingsRecord, make_settings, part, setting, table
from seedstep.stages import STAGES
from seedstep.steps import ImportSettings, SuperniSettings
from support.command_line import environment, run_process, seedstep


def flag_names(kind: type) -> dict[str, tuple[str, ...]]:
    """The flags of each setting of a record; an argument has its name in the usage line."""
    return {
        found.name: tuple(name for flag in _flags(found) for name in flag.names)
        for found in table(kind).values()
    }


SETTINGS: dict[str, tuple[type, ...]] = {
    **{name: (STAGES[name].settings,) for name in STAGES if name not in ("predict", "review")},
    "predict": (TaskChoice, PredictSettings),
    "review new": (STAGES["review"].settings,),
    "steps import": (ImportSettings,),
    "steps superni": (SuperniSettings,),
    "encode": (EncodeSettings,),
    "evaluate": (ScoringSettings,),
    "compare": (ScoringSettings,),
}
"""The settings of commands: of each stage by the table, those of a system for predictions."""

OF_0_1_0 = {
    "bootstrap": "--out --model --base-url --prompt-style --seeds --tasks --seed --window"
    " --in-flight --decontaminate --max-requests --max-tokens --max-usd --same-model --config"
    " --dry-run",
    "steps": "--out --tasks --split --track --limit --model --base-url --style --refine --repairs"
    " --judge --judge-base-url --seed --in-flight --max-requests --max-tokens --max-usd"
    " --same-model --skip-bad --config --dry-run",
    "steps import": "--tasks --out --split --track --skip-bad",
    "examples": "--out --steps --count --limit --model --base-url --seed --in-flight"
    " --max-requests --max-tokens --max-usd --same-model --config --dry-run",
    "encode": "--tasks --split --track --steps --encoding --positive --negative --explanations"
    " --no-explanations --encode-steps --position --fit --max-source --max-target --tokenizer"
    " --show --instances --seed --skip-bad",
    "tune": "--out --model --data --preset --steps --encoding --positive --negative"
    " --explanations --no-explanations --encode-steps --position --fit --max-source --max-target"
    " --limit-tasks --limit-instances --held-out --held-out-data --skip-bad --epochs --lr --batch"
    " --accumulate --share --row-tokens --lora --bf16 --no-bf16 --gradient-checkpointing"
    " --no-gradient-checkpointing --max-steps --save-every --evaluate-every --device --gguf"
    " --seed --base-url --prompt-loss-weight --config --dry-run",
    "predict": "--out --name --model --tasks --split --track --limit-tasks --limit-instances"
    " --encoding --steps --positive --negative --explanations --no-explanations --encode-steps"
    " --position --fit --max-source --tokenizer --base-url --backend --style --max-new-tokens"
    " --seed --batch --bf16 --in-flight --max-requests --max-tokens --max-usd --same-model"
    " --skip-bad --config",
    "evaluate": "--name --tasks --split --track --limit-instances --by --tokenizer --format --out",
    "compare": "--name --tasks --split --track --limit-instances --tokenizer --plots --format"
    " --out",
    "judge": "--out --mode --name --tasks --split --track --limit-instances --limit --model"
    " --base-url --seed --in-flight --max-requests --max-tokens --max-usd --same-model --config",
}
"""The flags of version 0.1.0, which scripts and experiments name."""


def command_of(name: str) -> Any:
    found: Any = get_group(app)
    for each in name.split():
        found = found.commands[each]
    return found


def flags_of(command: Any) -> set[str]:
    shown = (param.opts + param.secondary_opts for param in command.params)
    return {name for names in shown for name in names}


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_has_a_flag_of_its_command(name: str) -> None:
    command = command_of(name)
    arguments = {param.metavar for param in command.params if param.param_type_name == "argument"}
    for kind in SETTINGS[name]:
        for found, names in flag_names(kind).items():
            assert names, found
            assert set(names) <= flags_of(command) | arguments, found


def test_every_command_with_settings_is_tested_here() -> None:
    taken = {name.split()[0] for name in SETTINGS}
    for entry in COMMANDS:
        if entry.name not in taken:
            assert "--config" not in flags_of(command_of(entry.name)), entry.name


@pytest.mark.parametrize("name", OF_0_1_0)
def test_flags_keep_their_names(name: str) -> None:
    assert set(OF_0_1_0[name].split()) <= flags_of(command_of(name))


def test_every_flag_is_explained() -> None:
    for entry in COMMANDS:
        for param in command_of(entry.name).params:
            assert getattr(param, "help", None), f"{entry.name} {param.name}"


# A record of our own, as a contributor would write it.

Rate = Annotated[float, msgspec.Meta(gt=0)]


@dataclass(frozen=True, slots=True)
class Knobs:
    depth: int = setting(1, "How deep.")
    steps: Literal["none", "all"] = setting("none", "Which steps.", flags=("--which-steps",))


@dataclass(frozen=True, slots=True)
class Speed:
    rate: Rate | None = setting(0.5, "How fast.", flags=("--rate", "--speed"))
    loud: bool = setting(True, "With noise.")


@dataclass(frozen=True, slots=True)
class Machine(SettingsRecord):
    sources: tuple[str, ...] = setting((), "What it eats.", flags=("FOOD...",))
    kind: Literal["old", "new"] = setting("new", "Which kind.")
    speed: Speed = part(Speed)
    names: list[str] = setting(list, "A name of it.", flags=("--name",))
    prices: dict[str, float] = setting(dict, "Prices: {a: 1.5}.")
    knobs: dict[str, Any] = setting(dict, "Its knobs.", keys=Knobs)


@dataclass
class Machines:
    """A command that remembers what it was asked."""

    asked: list[GivenSettings] = field(default_factory=list)

    def run(self, *args: str) -> Any:
        alone = typer.Typer(add_completion=False)

        @alone.command()
        @with_settings(Machine)
        def command(asked: GivenSettings, quick: bool = False) -> None:
            """Run."""
            make_settings(Machine, asked, COMMAND_LINE)
            self.asked.append(asked)

        return CliRunner().invoke(alone, args)


def asked(*args: str) -> GivenSettings:
    machines = Machines()
    done = machines.run(*args)
    assert done.exit_code == 0, done.output
    return machines.asked[0]


def test_flags_that_are_not_given_are_no_settings() -> None:
    assert asked() == {}
    assert asked("--quick") == {}


def test_flags_become_settings_by_their_names() -> None:
    found = asked(
        *("bread", "milk", "--kind", "old", "--speed", "2", "--no-loud", "--name", "a", "--name"),
        *("b", "--prices", "{a: 2.5, b: 1}", "--depth", "3", "--which-steps", "all"),
    )
    assert found == {
        "sources": ["bread", "milk"],
        "kind": "old",
        "rate": 2.0,
        "loud": False,
        "names": ["a", "b"],
        "prices": {"a": 2.5, "b": 1},
        "knobs": {"depth": 3, "steps": "all"},
    }
    settings = make_settings(Machine, found, "x")
    assert settings.speed == Speed(2.0, False)
    assert settings.sources == ("bread", "milk")


def test_flags_stand_above_a_file_and_mappings_are_joined(tmp_path: Any) -> None:
    path = tmp_path / "machine.yaml"
    path.write_text("kind: old\nrate: 3\nprices: {a: 1}\nknobs: {depth: 9}\n")
    found = asked("--config", str(path), "--rate", "4", "--prices", "{b: 2}", "--depth", "1")
    assert found == {
        "kind": "old",
        "rate": 4.0,
        "prices": {"a": 1, "b": 2},
        "knobs": {"depth": 1},
    }


SHORT = {
    "bootstrap": ({"generation"}, {"generation", "input_first", "output_first"}),
    "steps": ({"conversation", "completion"}, {"conversation", "completion"}),
    "examples": ({"generate"}, {"generate", "rank"}),
    "judge": ({"verdict"}, {"verdict", "again"}),
    "predict": ({"prediction"}, set()),
}
"""The requests whose temperature, and the length of whose replies, have a flag of their own."""


@pytest.mark.parametrize("name", SHORT)
def test_temperature_and_length_are_sampling_parameters(name: str, tmp_path: Any) -> None:
    drawn, long = SHORT[name]
    kinds = SETTINGS[name]
    config = tmp_path / "c.yaml"
    first = min(drawn)
    config.write_text(f"sampling: {{{first}: {{top_p: 0.5, temperature: 0.1}}}}")
    given: list[GivenSettings] = []
    alone = typer.Typer(add_completion=False)

    @alone.command()
    @with_settings(*kinds, make=lambda values, source: None)
    def command(asked: GivenSettings) -> None:
        """Run."""
        given.append(asked)

    flags = ["--config", str(config), "--temperature", "1.3"]
    flags += ["--max-new-tokens", "77"]
    assert CliRunner().invoke(alone, flags).exit_code == 0
    sampling = given[0]["sampling"]
    assert {request for request, values in sampling.items() if "temperature" in values} == drawn
    assert all(sampling[request]["temperature"] == 1.3 for request in drawn)
    assert sampling[first]["top_p"] == 0.5
    assert {request for request, values in sampling.items() if "max_tokens" in values} == long
    assert all(sampling[request]["max_tokens"] == 77 for request in long)


def test_what_sampling_says_of_a_request_stands_above_the_short_flags() -> None:
    given: list[GivenSettings] = []
    alone = typer.Typer(add_completion=False)

    @alone.command()
    @with_settings(JudgeSettings)
    def command(asked: GivenSettings) -> None:
        """Run."""
        given.append(asked)

    flags = ["--sampling", "{again: {max_tokens: 9}}", "--max-new-tokens", "77"]
    assert CliRunner().invoke(alone, flags).exit_code == 0
    assert given[0] == {"sampling": {"again": {"max_tokens": 9}, "verdict": {"max_tokens": 77}}}


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--rate", "0"), "the command line, setting 'rate': expected `float` > 0.0"),
        (("--prices", "a: [1"), "--prices a: [1: not `name: value` in braces"),
        (("--prices", "{a: much}"), "setting 'prices[...]': expected `float`, got `str`"),
    ],
)
def test_a_wrong_value_is_named(args: tuple[str, ...], message: str) -> None:
    done = Machines().run(*args)
    assert isinstance(done.exception, InputError)
    assert message in str(done.exception)


def test_the_help_has_defaults_and_values() -> None:
    shown = " ".join(Machines().run("--help").output.replace("│", " ").split())
    assert "Which kind. Default: new." in shown
    assert "How fast. Default: 0.5." in shown
    assert "With noise. Default: yes." in shown
    assert "A name of it. May be given several times." in shown
    assert "YAML" in shown
    assert "FOOD..." in shown


@pytest.mark.parametrize("name", SETTINGS)
def test_every_default_is_in_the_help(name: str) -> None:
    shown = {flag: param.help for param in command_of(name).params for flag in param.opts}
    for kind in SETTINGS[name]:
        names = flag_names(kind)
        for found in table(kind).values():
            flag, default = names[found.name][0], found.default
            if not flag.startswith("--") or default in (None, [], (), {}, Encoding()):
                continue
            assert "Default:" in shown[flag], flag
            if isinstance(default, str | int | float) and not isinstance(default, bool):
                assert str(default) in shown[flag] or "Default: 1 with" in shown[flag], flag
    limits = [flag for flag in shown if flag.startswith(("--limit", "--max-", "--temperature"))]
    assert [flag for flag in limits if "Default" not in shown[flag]] == []


# What --help of the whole shows


def test_commands_are_listed_in_their_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    done = seedstep("--help")
    assert done.code == 0
    titles = [line.split()[1] for line in done.lines if line.startswith("╭─")]
    assert titles == ["Options", *dict.fromkeys(entry.group for entry in COMMANDS)]
    for entry in COMMANDS:
        assert any(line.startswith(f"│ {entry.name} ") for line in done.lines), entry.name


def test_a_command_is_listed_with_the_beginning_of_its_help() -> None:
    commands = get_group(app).commands
    for entry in COMMANDS:
        first = (commands[entry.name].help or "").partition("\n\n")[0]
        assert entry.line == " ".join(first.split())


@pytest.mark.parametrize("name", ["", "tune", "steps show", "status", "seeds", "push"])
def test_flags_without_a_value_show_no_type(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    done = seedstep(*name.split(), "--help")
    assert done.code == 0
    assert "bool" not in done.out.lower()


@pytest.mark.parametrize("name", ["bootstrap", "steps", "judge", "tune", "predict", "encode"])
def test_the_help_has_room_for_its_texts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    done = seedstep(name, "--help")
    assert done.code == 0
    assert "--no-" not in done.out
    (shown,) = (line for line in done.lines if line.startswith("│ --help "))
    assert 80 - shown.index("Show this") >= 29, "columns for what a flag does"


def test_a_flag_is_switched_off_by_its_other_name() -> None:
    shown = seedstep("steps", "--help").out
    assert "--[no-]skip-bad" in shown
    flags = ("--no-skip-bad", "--tasks", "nowhere", "--model", "local", "--out", "run")
    error = seedstep("steps", *flags).error
    assert "nowhere" in error


def test_the_shell_completes_commands_flags_and_choices() -> None:
    def completed(line: str) -> list[str]:
        words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
        env = environment(_SEEDSTEP_COMPLETE="complete_bash", **words)
        return run_process(env=env).out.split()

    assert completed("seedstep st") == ["steps", "status"]
    assert completed("seedstep tune --sched") == ["--schedule"]
    assert completed("seedstep tune --schedule c") == ["constant", "cosine"]


@pytest.mark.parametrize(
    ("command", "flag"),
    [("bootstrap", "--decontaminate"), ("novelty", "--against"), ("report", "--test-set")],
)
def test_evaluation_sets_are_named_alike(command: str, flag: str) -> None:
    """Any of them is read by the same function."""
    (help_text,) = (each.help for each in command_of(command).params if flag in each.opts)
    assert EVALUATION_SETS in help_text


def test_a_setting_that_takes_one_value_of_a_list_does_not_offer_several() -> None:
    (text,) = (each.help for each in command_of("tune").params if "--base-url" in each.opts)
    assert text == "Address of the fine-tuning server for openai:NAME."
    assert "--reasoning" not in flags_of(command_of("tune"))
