"""Cross-fitted node classifiers, against fitting every labeling by itself."""

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf
from sklearn.metrics import balanced_accuracy_score

from hierseg_learn.audit._solo import MIN_ROWS, NodeTable, fit_solo
from hierseg_learn.tree import SegmentTree

TREE = SegmentTree.from_nested({"photo": {"sky": 0, "boat": 1}})


def table(n_rows, n_classes, seed, present=None):
    rng = np.random.default_rng(seed)
    codes = rng.permutation(np.arange(n_rows) % n_classes)
    rows = rng.normal(size=(n_rows, 6)) + 0.7 * codes[:, np.newaxis]
    rows[:, 3] = 5.0  # constant
    columns = (np.arange(4), np.array([4, 5]), np.array([], dtype=int))
    everywhere = np.ones((n_rows, 3), dtype=bool)
    if present is not None:
        everywhere[:, 0] = present
    return NodeTable(TREE, rows, columns, everywhere), codes, rng.permutation(n_rows) % 4


def naive_guesses(rows, codes, folds, n_classes):
    """Nearest class mean under the shrunken total covariance, fold by fold."""
    guesses = np.empty(len(rows), dtype=int)
    for fold in np.unique(folds):
        seen, held_out = folds != fold, folds == fold
        mean, scale = rows[seen].mean(axis=0), rows[seen].std(axis=0)
        kept = scale > 1e-9
        z = (rows[:, kept] - mean[kept]) / scale[kept]
        # the constant column counts among those that the shrinkage is estimated from
        padded = np.concatenate([z[seen], np.zeros((seen.sum(), (~kept).sum()))], axis=1)
        shrinkage = ledoit_wolf(padded, assume_centered=True)[1]
        covariance = (1 - shrinkage) * z[seen].T @ z[seen] / seen.sum()
        covariance += max(shrinkage, 1e-4) * np.eye(kept.sum())
        means = np.stack([z[seen & (codes == k)].mean(axis=0) for k in range(n_classes)])
        off = z[held_out][:, np.newaxis] - means
        distance = np.einsum("nkd,de,nke->nk", off, np.linalg.inv(covariance), off)
        guesses[held_out] = distance.argmin(axis=1)
    return guesses


@pytest.mark.parametrize("n_classes", [2, 3])
def test_as_fitted_one_by_one(n_classes):
    nodes, codes, folds = table(60, n_classes, 0)
    solo = fit_solo(nodes, 0, codes, folds, n_permutations=8, seed=1)
    guesses = naive_guesses(nodes.rows[:, :4], codes, folds, n_classes)
    assert solo.accuracy == pytest.approx(balanced_accuracy_score(codes, guesses))
    assert (solo.scores.argmax(axis=1) == guesses).all()
    rng = np.random.default_rng(1)
    permuted = np.tile(codes.astype(np.int16), (8, 1))
    for fold in range(4):
        here = np.flatnonzero(folds == fold)
        permuted[:, here] = rng.permuted(permuted[:, here], axis=1)
    expected = [
        balanced_accuracy_score(p, naive_guesses(nodes.rows[:, :4], p, folds, n_classes))
        for p in permuted
    ]
    assert solo.null == pytest.approx(expected)


def test_absent_rows_do_not_count():
    present = np.arange(60) % 3 > 0
    nodes, codes, folds = table(60, 2, 0, present)
    nodes.rows[~present] = np.nan
    solo = fit_solo(nodes, 0, codes, folds, n_permutations=5, seed=0)
    alone = NodeTable(TREE, nodes.rows[present], nodes.columns, nodes.present[present])
    expected = fit_solo(alone, 0, codes[present], folds[present], n_permutations=5, seed=0)
    assert solo.accuracy == expected.accuracy
    assert (solo.null == expected.null).all()
    assert (np.isnan(solo.scores[:, 0]) == ~present).all()


def test_rare_classes_and_nodes_without_columns_are_not_tested():
    nodes, codes, folds = table(60, 3, 0)
    nodes.present[np.flatnonzero(codes == 2)[MIN_ROWS - 1 :], 0] = False
    solo = fit_solo(nodes, 0, codes, folds, n_permutations=5, seed=0)
    assert solo.classes.tolist() == [0, 1]
    assert solo.chance == 0.5
    empty = fit_solo(nodes, 2, codes, folds, n_permutations=5, seed=0)
    assert empty.models == []
    assert np.isnan(empty.accuracy)
    assert np.isnan(empty.chance)
