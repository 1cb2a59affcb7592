from seedstep.steps.checks import (
    CHECKS as CHECKS,
    Check as Check,
    Finding as Finding,
    check as check,
    repair_request as repair_request,
)
from seedstep.steps.examples import generate_examples as generate_examples
from seedstep.steps.measuring import (
    CheckAccuracy as CheckAccuracy,
    Labelled as Labelled,
    LabelledPart as LabelledPart,
    labelled as labelled,
    measure as measure,
)
from seedstep.steps.parsing import (
    REASONS as REASONS,
    ParsedSteps as ParsedSteps,
    TextRun as TextRun,
    canonical as canonical,
    differences as differences,
    parse as parse,
    render as render,
)
from seedstep.steps.pipeline import (
    judge as judge,
    preview_examples as preview_examples,
    preview_steps as preview_steps,
    write_steps as write_steps,
)
from seedstep.steps.records import (
    FAILURES as FAILURES,
    RANKING_FAILURES as RANKING_FAILURES,
    SUPERNI as SUPERNI,
    DescribedTask as DescribedTask,
    ExampleSet as ExampleSet,
    ExamplesStatistics as ExamplesStatistics,
    Judgement as Judgement,
    StepsStatistics as StepsStatistics,
    Turn as Turn,
    WrittenSteps as WrittenSteps,
    examples_statistics as examples_statistics,
    shuffled as shuffled,
    statistics as statistics,
    superni_instructions as superni_instructions,
)
from seedstep.steps.settings import (
    ExamplesSettings as ExamplesSettings,
    ImportSettings as ImportSettings,
    StepsSettings as StepsSettings,
    SuperniSettings as SuperniSettings,
)
