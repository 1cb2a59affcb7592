"""Tasks that encodings are tested with."""

from seedstep.data import Example, Instance, Task

__all__ = ["SORT", "TASKS", "TRANSLATE"]

SORT = Task(
    "task7_sort",
    " Sort the numbers in ascending order ",
    (
        Instance("3 1 2", ("1 2 3", "1, 2, 3"), "sort-a"),
        Instance("", ("nothing",), "sort-empty"),
        Instance("9 8\n7 6\n\nfive!", ("five 6 7 8 9",), "sort-lines"),
    ),
    positive_examples=(
        Example("3 2 1", "1 2 3", "It is sorted"),
        Example("2 1\n", " 1 2 .", ""),
        Example("5", "5", "Not used."),
    ),
    negative_examples=(
        Example("2 1", "2 1", "It is not sorted."),
        Example("4 3", "", "Empty?"),
    ),
    steps=("Read the input.", "Compare the numbers:\n1. two at a time", "Output the list"),
    unrefined_steps=("Read.", "Sort."),
)

TRANSLATE = Task(
    "task8_übersetzen",
    "Übersetze den Satz ins Englische。",
    (Instance("Wo ist das Café? 🦆", ("Where is the café? 🦆",), "satz-1"),),
    positive_examples=(Example("Danke", "Thanks", "Ein Dank – kurz…"),),
    steps=("Lies den Satz", "Schreibe ihn auf Englisch – ohne Anführungszeichen «»"),
)

TASKS = (SORT, TRANSLATE)
