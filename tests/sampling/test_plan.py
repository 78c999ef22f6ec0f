"""In the planned set the source of a segment is independent of the label."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hierseg_learn.sampling._plan import plan_swaps

few = settings(deadline=None, max_examples=150)
labels = st.lists(st.integers(0, 4), min_size=2, max_size=40).filter(lambda y: len(set(y)) > 1)
copies = st.integers(0, 4)
seeds = st.integers(0, 2**16)


def carried(plan):
    """Row whose segment every new row carries."""
    return np.where(plan.donors < 0, plan.receivers, plan.donors)


def counts(y, sources, plan):
    """Rows of every label and source in the new set, and the rows that independence asks for."""
    table = np.zeros((max(y) + 1, max(sources) + 1), dtype=int)
    np.add.at(table, (np.array(y)[plan.receivers], np.array(sources)[carried(plan)]), 1)
    table = table[np.ix_(np.unique(y), np.unique(sources))]
    return table, np.repeat(table.sum(axis=1) / table.shape[1], table.shape[1]).reshape(table.shape)


@few
@given(y=labels, n_copies=copies, seed=seeds)
def test_class_of_the_segment_is_independent_of_the_label(y, n_copies, seed):
    plan = plan_swaps(np.array(y), n_copies=n_copies, random_state=seed)
    assert Counter(np.array(y)[plan.receivers].tolist()) == {
        label: (1 + n_copies) * n for label, n in Counter(y).items()
    }
    table, expected = counts(y, y, plan)
    assert (np.abs(table - expected) < 1).all()
    # over all labels, too, rounding adds up to no more than one row
    assert np.ptp(table.sum(axis=0)) <= 1


@few
@given(y=labels, n_copies=copies, seed=seeds, data=st.data())
def test_group_of_the_segment_is_independent_of_the_label(y, n_copies, seed, data):
    groups = data.draw(
        st.lists(st.integers(0, 3), min_size=len(y), max_size=len(y)).filter(
            lambda g: len(set(g)) > 1
        )
    )
    plan = plan_swaps(np.array(y), np.array(groups), n_copies=n_copies, random_state=seed)
    table, expected = counts(y, groups, plan)
    # a row that is alone in its group, and of a label that needs its segment more than once, stays
    assert (np.abs(table - expected) < 1).all()


@few
@given(y=labels, n_copies=copies, seed=seeds)
def test_no_row_gives_to_itself_and_originals_stay_once(y, n_copies, seed):
    y = np.array(y)
    plan = plan_swaps(y, n_copies=n_copies, random_state=seed)
    assert (plan.receivers != plan.donors).all()
    assert (np.diff(plan.donors >= 0) >= 0).all()
    originals = Counter(plan.receivers[plan.donors < 0].tolist())
    alone = {row for row in range(len(y)) if (y == y[row]).sum() == 1}
    assert all(times == 1 or row in alone for row, times in originals.items())
    # receivers take turns
    uses = np.bincount(plan.receivers, minlength=len(y))
    np.testing.assert_array_equal(uses, 1 + n_copies)


@few
@given(y=labels, n_copies=copies, seed=seeds)
def test_single_segments_come_equally_often_with_a_label(y, n_copies, seed):
    y = np.array(y)
    plan = plan_swaps(y, n_copies=n_copies, random_state=seed)
    for label in np.unique(y):
        segments = carried(plan)[y[plan.receivers] == label]
        for source in np.unique(y):
            uses = np.bincount(segments, minlength=len(y))[y == source]
            # the donor of the own class is another one where the turn would come to the row itself
            assert np.ptp(uses) <= (2 if source == label else 1)


@pytest.mark.parametrize("n_copies", [1, 2, 5])
def test_balanced_classes_share_every_segment(n_copies):
    y = np.repeat([0, 1, 2], 20)
    plan = plan_swaps(y, n_copies=n_copies, random_state=0)
    uses = np.zeros((3, 60), dtype=int)
    np.add.at(uses, (y[plan.receivers], carried(plan)), 1)
    # used with one label as often as with any other; nothing to tell the label from
    assert np.abs(uses - uses[0]).max() <= 1
    assert (uses == uses[0]).mean() > 0.9


def test_two_classes_keep_all_originals_and_swap_with_the_other_class():
    y = np.array(["a"] * 7 + ["b"] * 3)
    plan = plan_swaps(y, random_state=0)
    np.testing.assert_array_equal(plan.receivers[:10], np.arange(10))
    np.testing.assert_array_equal(plan.donors[:10], -1)
    np.testing.assert_array_equal(plan.receivers[10:], np.arange(10))
    assert (y[plan.receivers[10:]] != y[plan.donors[10:]]).all()


def test_groups_that_are_the_classes_change_nothing():
    y = np.array([0, 0, 1, 1, 1, 2])
    for one, other in zip(plan_swaps(y, random_state=3), plan_swaps(y, y * 5, random_state=3)):
        np.testing.assert_array_equal(one, other)


def test_biased_groups_share_every_segment():
    # 9 of 10 boats on water, 9 of 10 cars on land: every ground once with either
    y, groups = np.repeat([0, 1], 10), np.repeat([0, 1], 10)
    groups[[0, 10]] = [1, 0]
    plan = plan_swaps(y, groups, random_state=0)
    for label in (0, 1):
        segments = carried(plan)[y[plan.receivers] == label]
        np.testing.assert_array_equal(np.sort(segments), np.arange(20))


def test_class_sizes_and_rows_that_cannot_give():
    y = np.repeat([0, 1], [6, 4])
    may_give = np.arange(10) % 2 == 0
    plan = plan_swaps(y, class_sizes=np.array([6, 6]), may_give=may_give, random_state=0)
    assert np.bincount(y[plan.receivers]).tolist() == [12, 12]
    assert set(carried(plan).tolist()) == {0, 2, 4, 6, 8}
    table, expected = counts(y.tolist(), y.tolist(), plan)
    np.testing.assert_array_equal(table, expected)


def test_seeds():
    y = np.arange(30) % 3
    same = [plan_swaps(y, random_state=5).donors for _ in range(2)]
    np.testing.assert_array_equal(*same)
    assert (plan_swaps(y, random_state=6).donors != same[0]).any()


def test_wrong_input():
    with pytest.raises(ValueError, match="two or more classes, got 'a' only"):
        plan_swaps(np.array(["a", "a"]))
    with pytest.raises(ValueError, match="two or more groups, got 3 only"):
        plan_swaps(np.array([0, 1]), np.array([3, 3]))
    with pytest.raises(ValueError, match="No row of the class 1 has a segment to give"):
        plan_swaps(np.array([0, 1]), may_give=np.array([True, False]))
