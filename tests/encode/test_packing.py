"""Examples packed into rows: what is where, and what sees what."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seedstep.encode import TokenPair
from seedstep.encode.packing import (
    IGNORED,
    PackedGroup,
    PackedRow,
    group_pairs,
    make_row,
    pack,
    visible,
)

token = st.integers(0, 3)
tokens = st.lists(token, min_size=1, max_size=6).map(tuple)
pair_lists = st.lists(
    st.builds(TokenPair, st.sampled_from(["a", "b"]), st.text("xyz", max_size=2), tokens, tokens),
    max_size=12,
)


def examples_of(row: PackedRow) -> Counter[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The prompts and targets that a model sees in a row: for each end, what leads to it."""
    sees = visible(row)
    found: Counter[tuple[tuple[int, ...], tuple[int, ...]]] = Counter()
    for own in sorted(set(row.segment[row.segment != row.parent])):
        last = int(np.flatnonzero(row.segment == own)[-1])
        seen = np.flatnonzero(sees[last])
        assert row.positions[seen].tolist() == list(range(len(seen)))
        labels = row.labels[seen]
        prompt = row.tokens[seen][: int(np.flatnonzero(labels != IGNORED)[0]) + 1]
        target = labels[labels != IGNORED]
        assert row.tokens[seen].tolist() == [*prompt.tolist(), *target[:-1].tolist()]
        found[tuple(prompt.tolist()), tuple(target.tolist())] += 1
    return found


def test_a_row_of_two_instances() -> None:
    pairs = (TokenPair("t", "a", (5, 6, 7), (8, 2)), TokenPair("t", "b", (5, 6, 9, 4), (2,)))
    row = make_row([PackedGroup(pairs, 2)])
    assert row.tokens.tolist() == [5, 6, 7, 8, 9, 4]
    assert row.positions.tolist() == [0, 1, 2, 3, 2, 3]
    assert row.labels.tolist() == [IGNORED, IGNORED, 8, 2, IGNORED, 2]
    assert visible(row).astype(int).tolist() == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 0, 0, 1, 0],
        [1, 1, 0, 0, 1, 1],
    ]


def test_the_last_token_of_a_prompt_is_never_shared() -> None:
    pairs = [TokenPair("t", str(number), (5, 6), (number, 2)) for number in range(3)]
    assert group_pairs(pairs, share=8, row_tokens=100) == [PackedGroup(tuple(pairs), 1)]


def test_a_group_is_divided_where_two_prefixes_need_fewer_tokens() -> None:
    low = [TokenPair("t", f"1{n}", (1,) * 20 + (n,), (2,)) for n in range(3)]
    high = [TokenPair("t", f"2{n}", (3,) * 20 + (n,), (2,)) for n in range(3)]
    groups = group_pairs([*low, *high], share=8, row_tokens=100)
    assert [(group.prefix, len(group.pairs)) for group in groups] == [(20, 3), (20, 3)]


def test_a_group_that_is_too_long_is_divided() -> None:
    pairs = [TokenPair("t", str(n), (1,) * 10 + (n,) * 10, (2,)) for n in range(8)]
    groups = group_pairs(pairs, share=8, row_tokens=60)
    assert sum(len(group.pairs) for group in groups) == 8
    assert max(group.tokens for group in groups) <= 60


def test_a_row_is_filled_with_what_fits_best() -> None:
    groups = [PackedGroup((TokenPair("t", "", (1,) * size, (2,)),), 0) for size in (60, 50, 40, 45)]
    rows = pack(groups, row_tokens=100)
    assert [[group.tokens for group in row] for row in rows] == [[60, 40], [50, 45]]


@given(pair_lists, st.integers(1, 9), st.integers(8, 40))
def test_packing_keeps_every_example(pairs: list[TokenPair], share: int, row_tokens: int) -> None:
    groups = group_pairs(pairs, share=share, row_tokens=row_tokens)
    rows = pack(groups, row_tokens=row_tokens)
    assert Counter(id(group) for row in rows for group in row) == Counter(map(id, groups))
    found: Counter[tuple[tuple[int, ...], tuple[int, ...]]] = Counter()
    for row in rows:
        made = make_row(row)
        assert len(made) == sum(group.tokens for group in row)
        assert len(made) <= row_tokens or len(row) == len(row[0].pairs) == 1
        found += examples_of(made)
    assert found == Counter((pair.prompt, pair.target) for pair in pairs)
    assert sum(int((make_row(row).labels != IGNORED).sum()) for row in rows) == sum(
        len(pair.target) for pair in pairs
    )


@given(pair_lists, st.integers(1, 9))
def test_groups_are_of_one_task_and_bounded(pairs: list[TokenPair], share: int) -> None:
    for group in group_pairs(pairs, share=share, row_tokens=1000):
        assert len({pair.task for pair in group.pairs}) == 1
        assert len(group.pairs) <= share
        assert all(group.prefix < len(pair.prompt) for pair in group.pairs)


@given(pair_lists, st.integers(2, 9))
def test_sharing_needs_no_more_tokens_than_one_group_would(
    pairs: list[TokenPair], share: int
) -> None:
    shared = group_pairs(pairs, share=share, row_tokens=1000)
    alone = group_pairs(pairs, share=1, row_tokens=1000)
    assert sum(group.tokens for group in shared) <= sum(group.tokens for group in alone)


@given(pair_lists, st.integers(1, 9))
def test_tokens_see_their_prefix_and_their_own(pairs: list[TokenPair], share: int) -> None:
    groups = group_pairs(pairs, share=share, row_tokens=1000)
    if not groups:
        return
    row = make_row(groups)
    where = [  # group, and instance in it or -1 for the prefix, of each token
        (number, instance)
        for number, group in enumerate(groups)
        for instance, size in enumerate(
            [
                group.prefix,
                *(len(p.prompt) + len(p.target) - 1 - group.prefix for p in group.pairs),
            ],
            -1,
        )
        for _ in range(size)
    ]
    sees = visible(row)
    for query, (group, instance) in enumerate(where):
        for key, (other, whose) in enumerate(where):
            expected = key <= query and group == other and whose in (-1, instance)
            assert sees[query, key] == expected
