"""Groups from arrays and tables."""

import numpy as np
import pytest

from hierseg_learn.audit._groups import check_groups


def test_one_column():
    for given in (["b", "a", "b"], np.array([["b"], ["a"], ["b"]])):
        groups = check_groups(given, 3)
        assert groups.labels == ("a", "b")
        assert groups.codes.tolist() == [1, 0, 1]


def test_columns_are_combined_and_unseen_combinations_kept():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"place": ["sea", "land", "sea"], "day": [True, False, False]})
    groups = check_groups(frame, 3)
    assert groups.labels == (
        "place=land, day=False",
        "place=land, day=True",
        "place=sea, day=False",
        "place=sea, day=True",
    )
    assert groups.codes.tolist() == [3, 0, 2]
    assert check_groups(frame.to_numpy(dtype=object), 3).labels[3] == "sea, True"


def test_series_and_rows_of_several_kinds():
    pd = pytest.importorskip("pandas")
    assert check_groups(pd.Series([2, 10, 2], index=[7, 8, 9]), 3).labels == (2, 10)
    assert check_groups(pd.DataFrame({"place": [2, 10, 2]}), 3).labels == (2, 10)
    rows = [("sea", 1), ("land", 2), ("sea", 2)]
    assert check_groups(rows, 3).labels == ("land, 1", "land, 2", "sea, 1", "sea, 2")
    days = np.array(["2026-11-30", "2026-11-29"], dtype="datetime64[ns]")
    assert [day.day for day in check_groups(days, 2).labels] == [29, 30]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "groups must hold one group per sample, got None"),
        ([1, 2], "groups must .* expected 3, got 2"),
        ([1.0, np.nan, 2.0], "groups has no value .* at position 1"),
        (["a", None, "b"], "groups has no value .* at position 1"),
        (np.zeros((3, 1, 1)), r"groups .* got shape \(3, 1, 1\)"),
        (np.array([1, "a", 1], dtype=object), "mixes numbers .* with text such as 'a'"),
        ([("sea", 1), ("land", None), ("sea", 2)], r"groups\[:, 1\] has no value .* position 1"),
    ],
)
def test_wrong_groups(given, message):
    with pytest.raises(ValueError, match=message):
        check_groups(given, 3)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"place": ["sea", None], "day": [1, 2]}, r"groups\['place'\] has no value .* position 1"),
        ({"place": ["sea", "land"], "day": ["x", 2]}, r"groups\['day'\] mixes text"),
    ],
)
def test_columns_are_named(frame, message):
    pd = pytest.importorskip("pandas")
    pl = pytest.importorskip("polars")
    with pytest.raises(ValueError, match=message):
        check_groups(pd.DataFrame(frame), 2)
    with pytest.raises(ValueError, match=r"groups\['place'\] has no value"):
        check_groups(pl.DataFrame({"place": ["sea", None], "day": [1, 2]}), 2)
    with pytest.raises(ValueError, match="groups is a polars LazyFrame"):
        check_groups(pl.LazyFrame({"place": ["sea", "land"]}), 2)
