"""What goes to a model together, and whose each part of its answer is."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from kale_runtime.serving import joining

TABLE = pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5]})


@pytest.mark.parametrize(
    "one, other",
    [
        ([[1, 2]], [[3, 4], [5, 6]]),
        (["a"], ["b", "cc"]),
        ([{"a": 1, "b": "x"}], [{"a": 2, "b": "y"}]),
        (np.zeros((1, 4)), np.ones((3, 4))),
        (TABLE, TABLE[:1]),
        ({"x": np.zeros((1, 2)), "y": [1]}, {"x": np.ones((2, 2)), "y": [2, 3]}),
        (scipy.sparse.csr_matrix(np.eye(2)), scipy.sparse.csr_matrix(np.ones((1, 2)))),
        (np.array([["a", 1]], dtype=object), np.array([["b", 2]], dtype=object)),
    ],
)
def test_what_is_alike_goes_together(one, other):
    assert joining.kind(one) == joining.kind(other) is not None
    whole = joining.joined([one, other])
    assert joining.count(whole) == joining.count(one) + joining.count(other)


@pytest.mark.parametrize(
    "one, other",
    [
        ([[1, 2]], [[1.5, 2]]),
        ([[1, 2]], [[1, 2, 3]]),
        ([1], [True]),
        ([1], [2**70]),
        ([1], [None]),
        ([{"a": 1}], [{"b": 1}]),
        ([{"a": 1}], [{"a": 1.5}]),
        (np.zeros((1, 4)), np.zeros((1, 5))),
        (np.zeros((1, 4)), np.zeros((1, 4), dtype=int)),
        (np.zeros((1, 4)), [[0.0] * 4]),
        (TABLE, TABLE.astype(float)),
        (TABLE, TABLE[["b", "a"]]),
        (np.array([["a", 1]], dtype=object), np.array([["b", 2.5]], dtype=object)),
    ],
)
def test_whole_numbers_stay_whole_beside_others(one, other):
    assert joining.kind(one) != joining.kind(other)


@pytest.mark.parametrize("data", [[], np.zeros((0, 4)), TABLE[:0], (1, 2), "ab", 7, {}, {"x": [1], "y": [1, 2]}, None])
def test_some_things_only_go_alone(data):
    assert joining.kind(data) is None


PARTS = [np.zeros((1, 4)), np.zeros((2, 4))]


def test_everybody_gets_their_part():
    for answer, first, second in [
        (np.arange(3), [0], [1, 2]),
        ([1, 2, 3], [1], [2, 3]),
        (["abc", "abc", "abc"], ["abc"], ["abc", "abc"]),
        (np.eye(3)[:, :2], [[1, 0]], [[0, 1], [0, 0]]),
    ]:
        one, other = joining.parted(answer, PARTS)
        assert np.array_equal(one, first) and np.array_equal(other, second)
    one, other = joining.parted({"a": np.arange(3), "b": [7, 8, 9]}, PARTS)
    assert one["b"] == [7] and other["a"].tolist() == [1, 2]
    (one, _), (_, other) = joining.parted((np.arange(3), [7, 8, 9]), PARTS)
    assert one.tolist() == [0] and other == [8, 9]


@pytest.mark.parametrize(
    "answer",
    [
        np.arange(2),
        [np.arange(3)] * 3,
        [[1, 2, 3]] * 3,
        np.eye(3),
        (np.arange(3), 7),
        {"a": np.arange(3), "b": "abc"},
        "abc",
        7,
        None,
        pd.Series([1, 2, 3], index=[4, 5, 6]),
    ],
)
def test_what_could_be_read_in_two_ways_is_not_parted(answer):
    """Three lists of three may be three rows, or three outputs."""
    assert joining.parted(answer, PARTS) is None


def test_series_have_the_index_that_they_would_have_alone():
    tables = [TABLE.set_axis([7, 8]), TABLE[:1]]
    one, other = joining.parted(joining.joined(tables)["a"], tables)
    assert one.index.tolist() == [7, 8] and one[8] == 2 and other.index.tolist() == [0] and other[0] == 1
    one, other = joining.parted(pd.Series([1, 2, 3]), PARTS)
    assert other.index.tolist() == [0, 1] and other[0] == 2
