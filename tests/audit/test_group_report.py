"""Accuracy by group, against counting."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix

from hierseg_learn.audit import GroupReport, group_report, worst_group_accuracy_score

samples = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from("abc"), st.integers(0, 3)), min_size=1
)


@given(samples)
def test_counts_are_those_of_every_group(rows):
    y_true, y_pred, groups = map(np.array, zip(*rows))
    report = group_report(y_true, y_pred, groups)
    by_group = report.to_frame("group").set_index("group")
    confusion = report.to_frame("confusion")
    for group in np.unique(groups):
        here = groups == group
        accuracy = accuracy_score(y_true[here], y_pred[here])
        assert by_group.loc[group, "accuracy"] == pytest.approx(accuracy)
        expected = confusion_matrix(y_true[here], y_pred[here], labels=report.classes)
        assert (confusion.loc[group].to_numpy() == expected).all()
    for cell in report.to_frame().itertuples():
        here = (groups == cell.group) & (y_true == cell[2])
        assert cell.n == here.sum()
        assert cell.note == ("empty" if cell.n == 0 else "tiny" if cell.n < 10 else "")
        if cell.n:
            assert cell.low <= cell.accuracy <= cell.high
            assert cell.accuracy == pytest.approx(np.mean(y_pred[here] == y_true[here]))
        else:
            assert np.isnan(cell.accuracy)
    assert report.accuracy == pytest.approx(accuracy_score(y_true, y_pred))
    worst = worst_group_accuracy_score(y_true, y_pred, groups=groups)
    assert report.worst_cell_accuracy == pytest.approx(worst)
    worst = worst_group_accuracy_score(y_true, y_pred, groups=groups, by_class=False)
    assert report.worst_group_accuracy == pytest.approx(worst)
    assert 0 <= report.group_gap <= report.cell_gap + 1e-12


@given(samples, st.permutations([0, 1, 2, 3]))
def test_names_of_groups_and_order_of_rows_do_not_matter(rows, names):
    y_true, y_pred, groups = map(np.array, zip(*rows))
    before = group_report(y_true, y_pred, groups)
    after = group_report(y_true[::-1], y_pred[::-1], np.array(names)[groups][::-1])
    for name in ("accuracy", "worst_cell_accuracy", "worst_group_accuracy", "cell_gap"):
        assert getattr(before, name) == pytest.approx(getattr(after, name))
    old, new = (report.to_frame("group").set_index("group") for report in (before, after))
    for group in np.unique(groups):
        assert (old.loc[group] == new.loc[names[group]]).all()


def test_empty_and_tiny_cells_are_named():
    y = ["boat"] * 12 + ["car"] * 3
    pairs = [["sea", "day"]] * 12 + [["land", "day"]] * 3
    report = group_report(y, y, pairs)
    text = report.to_text()
    assert "Cells without samples: land, day × boat; sea, day × car." in text
    assert "Cells with fewer than 10 samples: land, day × car." in text
    assert "(empty" not in text
    assert report._repr_html_().count("<caption") == 1
    # a class without samples has no cells
    other = group_report(["boat"] * 4, ["boat", "boat", "car", "car"], [0, 0, 1, 1])
    assert other.to_frame()["class"].tolist() == ["boat", "boat"]
    assert other.worst_cell == (1, "boat")


def test_html_escapes_names():
    html = group_report(["<b>"] * 3, ["<b>"] * 3, ["&"] * 3)._repr_html_()
    assert "<b>" not in html
    assert "&lt;b&gt;" in html


def test_wrong_arguments():
    with pytest.raises(ValueError, match=r"y_pred must hold one class .* expected 2, got 1"):
        group_report([0, 1], [0], [0, 1])
    with pytest.raises(ValueError, match="at least one"):
        group_report([], [], [])
    for name, value in (("interval", "wald"), ("level", 1.0), ("min_size", -1)):
        with pytest.raises(ValueError, match=f"{name} must"):
            group_report([0, 1], [0, 1], [0, 1], **{name: value})
    with pytest.raises(ValueError, match=r"confusion must have shape \(1, 2, 2\)"):
        GroupReport(("a",), ["x", "y"], [[[1, 2]]])
    with pytest.raises(ValueError, match="by must be 'cell', 'group' or 'confusion', got 'class'"):
        group_report([0], [0], ["a"]).to_frame("class")
