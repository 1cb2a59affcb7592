"""What a report counts: sizes, lengths, labels, time, and what changed between systems."""

from collections import Counter
from statistics import fmean

from hypothesis import given
from hypothesis import strategies as st

from seedstep.data import Instance, Task
from seedstep.evaluate import Prediction, Reference, score
from seedstep.report.sections.results import task_changes
from seedstep.report.statistics import (
    closest,
    counts,
    label_balance,
    lengths,
    nearest,
    nearest_before,
    score_histogram,
    thinned,
    words_histogram,
)
from seedstep.text import latin_tokens, rouge_l

TASKS = (
    Task("a", "Name a river.", (Instance("", ("The Rhine.",)), Instance(" \n", ("It is long.",)))),
    Task("b", "Is it wet or dry?", (Instance("a very wet dog", ("Wet", "wet!")),), True),
)


class TestCounts:
    def test_sizes_and_mean_words(self) -> None:
        found = counts(TASKS)
        assert (found.instructions, found.classification, found.instances) == (2, 1, 3)
        assert found.empty_inputs == 2
        assert found.instruction_words == 4.0
        assert found.input_words == 4.0
        assert found.output_words == 2.0

    def test_nothing_has_no_mean(self) -> None:
        found = counts(())
        assert (found.instructions, found.instances, found.instruction_words) == (0, 0, None)

    def test_only_first_outputs_and_inputs_that_are_there_have_a_length(self) -> None:
        found = lengths(TASKS)
        assert (found.instructions, found.inputs, found.outputs) == ((3, 5), (4,), (2, 3, 1))


class TestHistograms:
    @given(st.lists(st.integers(0, 10_000), min_size=1))
    def test_every_number_of_words_is_in_its_bin(self, values: list[int]) -> None:
        found = words_histogram(values)
        assert isinstance(found.width, int)
        assert len(found.counts) <= 20
        last = len(found.counts) - 1
        expected = Counter(min(value // found.width, last) for value in values)
        assert found.counts == tuple(expected[place] for place in range(last + 1))
        assert found.open == (max(values) >= found.width * (last + 1))
        assert found.mean == fmean(values)

    def test_a_few_long_texts_do_not_flatten_the_rest(self) -> None:
        found = words_histogram([*range(1, 100), 50_000])
        assert (found.width, found.open) == (5, True)
        assert found.counts == (4, *[5] * 18, 6)

    @given(st.lists(st.floats(0, 1), min_size=1))
    def test_every_score_is_counted_once(self, scores: list[float]) -> None:
        found = score_histogram(scores)
        assert sum(found.counts) == len(scores)
        assert not found.open

    def test_the_ends_of_the_scale(self) -> None:
        found = score_histogram([0.0, 0.05, 0.999, 1.0])
        assert (found.counts[0], found.counts[1], found.counts[-1]) == (1, 1, 2)


class TestLabels:
    def test_labels_are_compared_without_case_and_punctuation(self) -> None:
        def task(name: str, *outputs: str, labels: bool = True) -> Task:
            instances = tuple(Instance("x", (output,)) for output in outputs)
            return Task(name, "Judge.", instances, labels)

        found = label_balance(
            [
                task("a", "Yes", "no", "yes."),
                task("b", "No", "no"),
                task("c", "yes"),
                task("d", "essay", labels=False),
            ]
        )
        assert (found.tasks, found.instances, found.lopsided) == (3, 6, 1)
        assert found.common == {"yes": 3, "no": 3}
        assert found.distinct == {1: 2, 2: 1}


class TestThinning:
    @given(st.lists(st.integers()), st.integers(2, 50))
    def test_few_points_stand_for_many(self, points: list[int], most: int) -> None:
        found = thinned(points, most)
        assert len(found) == min(len(points), most)
        if points:
            assert (found[0], found[-1]) == (points[0], points[-1])


class TestSimilarity:
    KNOWN = (("s1", "Sort the list of words."), ("s2", "Name a river in Spain."))
    NEW = (
        ("n1", "Name a river in France."),
        ("n2", "Compose!"),
        ("n3", "Name a river in France, please."),
    )

    def test_the_nearest_known_text(self) -> None:
        found = nearest(self.NEW, self.KNOWN, latin_tokens)
        assert [pair.nearest[0] if pair.nearest else "" for pair in found] == ["s2", "", "s2"]
        for pair in found:
            texts = [latin_tokens(known) for _, known in self.KNOWN]
            expected = max(rouge_l(latin_tokens(pair.text[1]), text) for text in texts)
            assert pair.score == expected

    def test_only_earlier_texts_count(self) -> None:
        found = nearest_before(self.NEW, latin_tokens)
        assert [pair.text[0] for pair in found] == ["n2", "n3"]
        assert found[1].nearest == self.NEW[0]
        assert found[0].score == 0.0
        assert closest(found, 5) == [found[1]]


def test_the_most_improved_tasks_lead_with_the_instances_that_show_it() -> None:
    references = {
        f"{task}-{n}": Reference(task, category, (f"right {n}",))
        for task, category in (("up", ""), ("down", "Textual Entailment"), ("same", ""))
        for n in range(3)
    }
    right = {"up": {0, 1, 2}, "down": {0}, "same": {1}}
    before = {"up": {1}, "down": {0, 1}, "same": {1}}

    def scores(good: dict[str, set[int]]) -> list[Prediction]:
        return [
            Prediction(
                instance.task,
                name,
                instance.outputs[0] if int(name[-1]) in good[instance.task] else "bad",
            )
            for name, instance in references.items()
        ]

    found = task_changes(score(scores(right), references), score(scores(before), references))
    assert [comparison.task for comparison in found] == ["up", "same", "down"]
    assert [round(comparison.difference) for comparison in found] == [67, 0, -33]
    assert found[0].metric.name == "rouge_l"
    assert found[2].metric.name == "exact_match"
    assert set(found[0].instances[:2]) == {"up-0", "up-2"}
    assert found[2].instances[0] == "down-1"
