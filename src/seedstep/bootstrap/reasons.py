"""Why candidates and instances are rejected, in words for people.

Example::

    REASONS["not_novel"]  # "too similar to a known instruction"
"""

from types import MappingProxyType

__all__ = ["REASONS"]

REASONS = MappingProxyType(
    {
        "too_short": "3 words or fewer",
        "too_long": "more than 150 words",
        "keyword": "speaks of images, files or the like",
        "write_a_program": 'starts with "Write a program"',
        "starts_with_punctuation": "starts with punctuation",
        "starts_with_non_ascii": "starts with a non-ASCII character",
        "statement": "states something, asks for nothing",
        "not_novel": "too similar to a known instruction",
        "contaminated": "too close to an evaluation set",
        "request_failed": "the model's server refused a request",
        "no_instance": "the reply holds no instance",
        "no_good_instance": "all its instances were rejected",
        "unfinished": "cut off at the reply's length limit",
        "empty_output": "no output",
        "output_repeats_input": "the output is the input",
        "ends_with_colon": "input or output ends with a colon",
        "missing_input": "the instruction points at an input that is not there",
        "copies_demonstration": "copied from the prompt's demonstrations",
        "repeats_itself": "the output goes round in circles",
        "duplicate_instance": "the same instance again",
        "conflicting_outputs": "one input with different outputs",
    }
)
