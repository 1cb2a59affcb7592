"""Checking a seed file: what the filters say of its seeds."""

from pathlib import Path

from seedstep.bootstrap import check_seeds
from seedstep.data import require_seeds
from support.seed_files import line, other_line, write


def test_check_seeds_names_the_filters_that_refuse_a_seed_by_line(tmp_path: Path) -> None:
    def of(instruction: str, output: str = "Lima", input_text: str = "") -> bytes:
        instances = [{"input": input_text, "output": output}]
        return line(instruction=instruction, instances=instances)

    lines = [
        of("Name the longest river of the continent."),
        of("Tell a story."),
        of("Draw a cat on a roof."),
        of("Write a program that adds numbers."),
        of('"Go" means what in French?'),
        of("Übersetze den Satz ins Englische."),
        of("Name the longest river of the country."),
        of("Say it again in other words.", "same", "same"),
        of("Finish what the speaker began.", "He said:"),
        b"null\n",
        of("word " * 151),
    ]
    seeds = check_seeds(write(tmp_path, b"".join(lines)))
    assert [
        (problem.line, problem.field, problem.message.split(" ")[0]) for problem in seeds.problems
    ] == [
        (2, "instruction", "too_short"),
        (3, "instruction", "keyword"),
        (4, "instruction", "write_a_program"),
        (5, "instruction", "starts_with_punctuation"),
        (6, "instruction", "starts_with_non_ascii"),
        (7, "instruction", "not_novel"),
        (8, "instances", "output_repeats_input"),
        (9, "instances", "ends_with_colon"),
        (10, "", "expected"),
        (11, "instruction", "too_long"),
    ]
    assert len(seeds.tasks) == 10
    messages = [problem.message for problem in seeds.problems]
    assert messages[5] == "not_novel (ROUGE-L 0.86 with seed_1)"
    assert messages[2] == 'write_a_program (starts with "Write a program")'
    assert messages[6] == "output_repeats_input (the output is the input)"
    assert seeds.problems[0].remedy == "write it in 4 words or more"


def test_check_seeds_lets_other_languages_start_with_any_letter(tmp_path: Path) -> None:
    path = write(tmp_path, line(instruction="把这句话翻译成英语") + other_line())
    assert check_seeds(path, "unicode").problems == ()
    assert [problem.line for problem in check_seeds(path, "latin").problems] == [1]


def test_the_released_seeds_load_and_some_fail_the_filters(shared_data: Path) -> None:
    path = shared_data / "self_instruct" / "seed_tasks.jsonl"
    tasks = require_seeds(path)
    assert len(tasks) == 175
    assert sum(task.is_classification for task in tasks) == 26
    assert sum(not task.instances[0].input for task in tasks) == 50
    reasons = {
        problem.line: problem.message.split(" ")[0] for problem in check_seeds(path).problems
    }
    assert reasons == {
        13: "too_short",
        16: "ends_with_colon",
        37: "ends_with_colon",
        75: "not_novel",
        80: "too_short",
        113: "missing_input",
        114: "not_novel",
        140: "write_a_program",
    }
