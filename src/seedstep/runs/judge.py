"""The run directory of a judge: a record of verdicts for each instance.

Example::

    with JudgeRun.read(Path("runs/judge")) as run:
        print(ratings(run.judged()))
"""

from dataclasses import dataclass, replace
from pathlib import Path

from seedstep.data import TaskFiles
from seedstep.errors import InputError
from seedstep.evaluate.judge import Judged, JudgeSettings, SystemAnswers, make_judge_settings
from seedstep.inputs.systems import SystemPredictions, TaskChoice, distinct_names, read_systems
from seedstep.llm.settings import require_price
from seedstep.prompts import fingerprint
from seedstep.runs.directory import digest
from seedstep.runs.tasks import TaskRun

__all__ = [
    "JudgeInputs",
    "JudgeRun",
]


@dataclass(frozen=True, slots=True)
class JudgeInputs(TaskFiles):
    """What is judged: a task for each instance, and what each system answered."""

    answers: tuple[SystemAnswers, ...] = ()


class JudgeRun(TaskRun[JudgeSettings, Judged]):
    """A run directory of verdicts."""

    stage = "judge"
    record_type = Judged
    make_settings = staticmethod(make_judge_settings)

    @staticmethod
    def load(settings: JudgeSettings) -> JudgeInputs:
        """A task for each instance, which has its id, and all answers.

        Raises:
            InputError: no systems are named, or too few for a preference; tasks or predictions
                can't be read, or a system answered none of them.
        """
        require_price(settings)
        if not settings.sources:
            raise InputError("no predictions to judge", "name a run or a file that has some")
        systems = read_systems(
            tuple(map(Path, settings.sources)), settings.names, _choice(settings)
        )
        if settings.mode == "pairwise" and len(systems) < 2:
            raise InputError("pairwise judging needs two systems", "name another run or file")
        instances = tuple(
            replace(task, id=one.id, name=task.id, instances=(one,))
            for task in systems[0].tasks
            for one in task.instances[: settings.limit_instances]
        )
        ids = {one.id for one in instances}
        names = distinct_names(systems)
        answers = (_answers(one, name, ids) for one, name in zip(systems, names, strict=True))
        return JudgeInputs(instances, (), tuple(answers))

    @staticmethod
    def stamps(settings: JudgeSettings, inputs: TaskFiles) -> dict[str, str]:
        """Fingerprints of instances, answers and prompts."""
        assert isinstance(inputs, JudgeInputs)
        return {
            "instances_fingerprint": digest(inputs.tasks),
            "answers_fingerprint": digest(inputs.answers),
            "prompts_fingerprint": fingerprint("judge"),
        }

    def answers(self) -> tuple[SystemAnswers, ...]:
        """What is judged, of each system."""
        inputs = self.inputs()
        assert isinstance(inputs, JudgeInputs)
        return inputs.answers

    def judged(self) -> tuple[Judged, ...]:
        """All verdicts, in the order of the instances."""
        return tuple(entry.result for entry in self.entries())


def _choice(settings: JudgeSettings) -> TaskChoice | None:
    if settings.tasks is None:
        return None
    limit = settings.limit_instances
    return TaskChoice(Path(settings.tasks), settings.split, settings.track, limit)


def _answers(system: SystemPredictions, name: str, ids: set[str]) -> SystemAnswers:
    """The first prediction for each instance; a failed one counts as an empty text."""
    texts: dict[str, str] = {}
    for one in system.predictions:
        if one.instance in ids:
            texts.setdefault(one.instance, "" if one.failed else one.text)
    if not texts:
        what = f"{name} has no prediction for the instances to judge"
        raise InputError(what, "name systems that were asked the same")
    return SystemAnswers(name, texts)
