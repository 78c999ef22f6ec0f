"""Explanations over many rows: means, errors, drops, words, wrong input."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import sem

from hierseg_learn.explain import ClassExplanation, ModelExplanation

ROWS = np.array([[1.0, 6.0, -2.0, 1.0, 0.0], [1.0, 2.0, 0.0, 1.0, 4.0], [1.0, 1.0, 2.0, 1.0, 2.0]])


def test_class_means_and_errors(tree):
    explanation = ClassExplanation(tree, ROWS, label="cat", rows=[3, 5, 8])
    assert_allclose(explanation.direct, [1, 3, 0, 1, 2])
    assert_allclose(explanation.direct_error, sem(ROWS, axis=0))
    assert explanation.difference == 7
    frame = explanation.to_frame()
    assert list(frame.columns) == ["direct", "direct_error", "total", "total_error", "share"]
    person = ROWS[:, 1:4].sum(axis=1)
    assert_allclose(frame.loc["photo/person", "total"], person.mean())
    assert_allclose(frame.loc["photo/person", "total_error"], sem(person))
    assert "larger by 7 than" in explanation.to_text()
    assert "by hair (43%), photo as a whole (29%) and sky (14%)." in explanation.to_text()
    plain = explanation.to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["rows"] == [3, 5, 8]
    assert "&#x27;cat&#x27;" in explanation._repr_html_()


def test_copies_of_a_row_are_no_more_rows(tree):
    for kind, params in ((ClassExplanation, {"label": 1}), (ModelExplanation, {})):
        one = kind(tree, ROWS, rows=[3, 5, 8], **params)
        three = kind(tree, np.repeat(ROWS, 3, axis=0), rows=np.repeat([3, 5, 8], 3), **params)
        assert_allclose(three.direct_error, one.direct_error)
        assert_allclose(three.total_error, one.total_error)
    unequal = ClassExplanation(tree, ROWS[[0, 0, 1, 2]], label=1, rows=[3, 3, 5, 8])
    left = ROWS - ROWS[[0, 0, 1, 2]].mean(axis=0)
    squares = np.square(left * np.array([[2], [1], [1]])).sum(axis=0)
    assert_allclose(unequal.direct_error, np.sqrt(squares * 3 / 2) / 4)
    assert np.isnan(ClassExplanation(tree, ROWS, label=1, rows=[3, 3, 3]).direct_error).all()


def test_a_single_row_has_no_error(tree):
    explanation = ClassExplanation(tree, ROWS[:1], label=1, rows=[3])
    assert np.isnan(explanation.direct_error).all()
    assert explanation.to_dict()["nodes"][0]["direct_error"] is None
    assert "Mean over 1 training row of class 1" in explanation.to_text()


def test_class_that_is_not_separated(tree):
    text = ClassExplanation(tree, -np.abs(ROWS), label="cat", rows=[3, 5, 8]).to_text()
    assert "No node separates them; against it: hair (36%)" in text
    assert "smaller by" in text


def test_importance_is_the_mean_share(tree):
    explanation = ModelExplanation(tree, np.vstack([ROWS, np.zeros((1, 5))]))
    sides = [np.maximum(sign * ROWS, 0).sum(axis=1, keepdims=True) for sign in (1, -1)]
    shares = ROWS / np.maximum(*sides)
    assert_allclose(explanation.direct, shares.sum(axis=0) / 4)
    assert_allclose(explanation.direct_error, sem(np.vstack([shares, np.zeros(5)]), axis=0))
    assert_allclose(explanation.share, explanation.total)
    assert list(explanation.to_frame()) == ["direct", "direct_error", "total", "total_error"]
    scaled = ModelExplanation(tree, np.vstack([1000 * ROWS[:1], ROWS[1:], np.zeros((1, 5))]))
    assert_allclose(scaled.direct, explanation.direct)


def test_drops(tree):
    direct = np.array([[0.0, 0.4, 0.0, 0.1, 0.0], [0.0, 0.2, 0.0, 0.1, 0.0]])
    explanation = ModelExplanation(
        tree, ROWS, accuracy=0.9, drops_direct=direct, drops_below=direct * 2
    )
    frame = explanation.to_frame()
    assert frame.loc["photo/person/hair", "drop_direct"] == pytest.approx(0.3)
    assert frame.loc["photo/person/hair", "drop_direct_std"] == pytest.approx(0.1)
    assert frame.loc["photo/person", "drop_below"] == pytest.approx(0.2)
    assert "Permuting hair costs most: accuracy falls from 0.9 by 0.3 ± 0.1." in str(
        explanation.to_text()
    )
    plain = explanation.to_dict()
    assert json.loads(json.dumps(plain)) == plain
    none = ModelExplanation(tree, ROWS, accuracy=0.9, drops_direct=-direct, drops_below=direct)
    assert "direct columns does not lower the accuracy" in none.to_text()
    none._repr_html_()


def test_bars(tree, plt):
    for explanation in (
        ModelExplanation(tree, ROWS),
        ClassExplanation(tree, ROWS, label="$x", rows=[0, 1, 2]),
    ):
        ax = explanation.plot()
        assert "share:  ← other classes  |" in ax.get_xlabel()
        ax.figure.canvas.draw()


def test_wrong_input(tree):
    with pytest.raises(ValueError, match=r"direct_by_row must have shape \(n_rows, 5\)"):
        ClassExplanation(tree, np.zeros((0, 5)), label=1, rows=[])
    with pytest.raises(ValueError, match=r"rows must have shape \(3,\), got shape \(2,\)"):
        ClassExplanation(tree, ROWS, label=1, rows=[1, 2])
    with pytest.raises(ValueError, match="belong together"):
        ModelExplanation(tree, ROWS, accuracy=0.5)
    with pytest.raises(ValueError, match=r"drops_below must have shape \(2, 5\)"):
        ModelExplanation(
            tree, ROWS, accuracy=1, drops_direct=np.zeros((2, 5)), drops_below=np.zeros((1, 5))
        )
