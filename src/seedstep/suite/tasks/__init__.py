"""All tasks of the suite, in their order: first those for training, then those for the test.

The categories of the test have the names of the twelve on which SUPER-NATURALINSTRUCTIONS tests in
English (Wang et al., 2022), so that the same metric fits each of them.
"""

from seedstep.suite.tasks.extraction import EXTRACTION
from seedstep.suite.tasks.grammar import GRAMMAR
from seedstep.suite.tasks.lists import LISTS
from seedstep.suite.tasks.matching import MATCHING
from seedstep.suite.tasks.messages import MESSAGES
from seedstep.suite.tasks.numbers import NUMBERS
from seedstep.suite.tasks.opinions import OPINIONS
from seedstep.suite.tasks.questions import QUESTIONS
from seedstep.suite.tasks.reasoning import REASONING
from seedstep.suite.tasks.reference import REFERENCE
from seedstep.suite.tasks.rewriting import REWRITING
from seedstep.suite.tasks.sentences import SENTENCES
from seedstep.suite.tasks.vocabulary import VOCABULARY
from seedstep.suite.tasks.writing import WRITING

__all__ = ["TEST", "TRAIN"]

TRAIN = (
    *OPINIONS,
    *MESSAGES,
    *QUESTIONS,
    *EXTRACTION,
    *VOCABULARY,
    *NUMBERS,
    *LISTS,
    *REWRITING,
    *SENTENCES,
)
TEST = (*REASONING, *REFERENCE, *MATCHING, *WRITING, *GRAMMAR)
