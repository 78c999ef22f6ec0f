"""Views: rows through maps that did not see them, and no way for a held-out label to leak in."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier

from hierseg_learn.metrics import ShrinkageLDA
from hierseg_learn.metrics import cross_fitting as module
from hierseg_learn.metrics.cross_fitting import cross_fit

COLUMNS = (np.arange(8), np.arange(8, 11), np.arange(11, 13))
NAMES = ("t/a", "t/b", "t")


def make_rows(n_samples=60, n_classes=3, seed=0, shift=1.0):
    rng = np.random.default_rng(seed)
    codes = rng.permutation(np.arange(n_samples) % n_classes)
    X = rng.standard_normal((n_samples, 13)) + 5
    X[:, 0] += shift * codes
    return X, codes


def fit(X, codes, learner=None, *, columns=COLUMNS, cv=3, n_jobs=None, on_fit=lambda: None):
    learner = learner or ShrinkageLDA(n_extra_directions=2)
    return cross_fit(
        X,
        codes,
        columns,
        [learner] * len(columns),
        NAMES[: len(columns)],
        cv=cv,
        random_state=0,
        n_jobs=n_jobs,
        on_fit=on_fit,
    )


def pair_distances(rows):
    return np.linalg.norm(rows[:, None] - rows[None], axis=-1)


@pytest.mark.parametrize("cv", [3, 5])
def test_references_and_held_out_rows_partition_the_table(cv):
    X, codes = make_rows()
    fitted = fit(X, codes, cv=cv)
    assert len(fitted.folds) == cv
    whole = fitted.views[0]
    np.testing.assert_array_equal(whole.references, np.arange(60))
    assert len(whole.held_out) == 0
    for view in fitted.folds:
        together = np.sort(np.concatenate([view.references, view.held_out]))
        np.testing.assert_array_equal(together, np.arange(60))
        # classes are spread evenly
        assert np.ptp(np.bincount(codes[view.held_out])) <= 1
    held_out = np.sort(np.concatenate([view.held_out for view in fitted.folds]))
    np.testing.assert_array_equal(held_out, np.arange(60))


def test_views_have_the_same_columns():
    X, codes = make_rows()
    fitted = fit(X, codes)
    # two discriminants and two further directions, of which three columns leave room for one
    nodes, leading = [0, 0, 0, 0, 1, 1, 1, 2, 2], [1, 1, 0, 0, 1, 1, 0, 1, 1]
    for view in fitted.views:
        assert view.nodes.tolist() == nodes
        assert view.leading.tolist() == [bool(flag) for flag in leading]
        assert view.embedding.shape == view.unseen.shape == (60, 9)
        own = view.own_map(0, leading_only=True)
        assert_allclose(view.embedding @ own.T, view.embedding[:, :2])
        everything = view.own_map(1, leading_only=False)
        assert_allclose(everything @ everything.T, np.eye(3))


def test_embeddings_are_those_of_maps_fitted_on_the_references():
    X, codes = make_rows()
    for view in fit(X, codes).views:
        rows = view.references
        for node, columns in enumerate(COLUMNS):
            part = X[:, columns]
            mean, scale = part[rows].mean(axis=0), part[rows].std(axis=0)
            part = (part - mean) / scale
            expected = (
                ShrinkageLDA(n_extra_directions=2).fit(part[rows], codes[rows]).transform(part)
            )
            assert_allclose(
                pair_distances(view.embedding[:, view.nodes == node]),
                pair_distances(expected),
                atol=1e-4,
            )


@pytest.mark.parametrize("learner", [ShrinkageLDA(n_extra_directions=2), ShrinkageLDA(), PCA(2)])
@pytest.mark.parametrize("fold", [0, 1, 2])
def test_held_out_labels_reach_no_number_of_their_view(fold, learner, monkeypatch):
    X, codes = make_rows()
    folds = module.held_out_folds(codes, 3, 0)
    monkeypatch.setattr(module, "held_out_folds", lambda *args: folds)
    other = codes.copy()
    other[folds[fold]] = np.random.default_rng(1).permutation(codes[folds[fold]])
    before, after = (fit(X, labels, learner).folds[fold] for labels in (codes, other))
    np.testing.assert_array_equal(before.held_out, folds[fold])
    np.testing.assert_array_equal(before.embedding, after.embedding)
    np.testing.assert_array_equal(before.unseen, after.unseen)
    if not isinstance(learner, PCA):
        # the labels do matter to the other views
        seen, changed = (fit(X, labels, learner).folds[fold - 1] for labels in (codes, other))
        assert (seen.embedding != changed.embedding).any()


def test_rows_to_learn_from_are_placed_by_maps_that_saw_no_label_of_their_fold(monkeypatch):
    X, codes = make_rows()
    folds = module.held_out_folds(codes, 3, 0)
    monkeypatch.setattr(module, "held_out_folds", lambda *args: folds)
    other = codes.copy()
    other[folds[1]] = np.random.default_rng(1).permutation(codes[folds[1]])
    for v in (0, 1, 3):
        before, after = (fit(X, labels).views[v] for labels in (codes, other))
        for node in range(3):
            own = before.nodes == node
            # turned as a whole to match the other folds, which changes no distance
            assert_allclose(
                pair_distances(before.unseen[folds[1]][:, own]),
                pair_distances(after.unseen[folds[1]][:, own]),
                atol=1e-4,
            )
            seen, changed = (
                pair_distances(view.embedding[folds[1]][:, own]) for view in (before, after)
            )
            assert not np.allclose(seen, changed, atol=1e-2)


def test_noise_is_told_apart_where_it_was_seen_only():
    rng = np.random.default_rng(0)
    X, codes = rng.standard_normal((300, 120)), rng.integers(0, 2, 300)
    learner = ShrinkageLDA(shrinkage=0.02)
    fitted = fit(X, codes, learner, columns=(np.arange(120),))
    for view in fitted.views:
        rows = view.references
        first, second = rows[::2], rows[1::2]
        seen, unseen = (
            KNeighborsClassifier(15).fit(Z[first], codes[first]).score(Z[second], codes[second])
            for Z in (view.embedding, view.unseen)
        )
        assert seen > 0.75
        assert unseen < 0.62


def test_folds_are_turned_to_match_each_other():
    X, codes = make_rows(300, shift=3.0)
    view = fit(X, codes).views[0]
    own = (view.nodes == 0) & view.leading
    # maps by two thirds of the rows differ, but not by a mirror image
    for a, b in zip(view.unseen[:, own].T, view.embedding[:, own].T, strict=True):
        assert np.corrcoef(a, b)[0, 1] > 0.7


@pytest.mark.parametrize(
    ("codes", "cv", "n_folds"),
    [
        (np.arange(9) % 3, 3, 3),
        (np.arange(9) % 3, 5, 3),
        (np.arange(30) % 3, 5, 5),
        (np.repeat([0, 1], [20, 3]), 5, 5),
        (np.repeat([0, 1, 2], [20, 3, 1]), 3, 3),
        # a pair of folds must leave two classes
        (np.repeat([0, 1], [20, 2]), 3, 0),
        (np.arange(6) % 3, 3, 0),
        (np.arange(5), 3, 0),
        (np.arange(30) % 3, 0, 0),
    ],
)
def test_small_classes_have_fewer_folds_or_none(codes, cv, n_folds):
    X = np.random.default_rng(0).standard_normal((len(codes), 13))
    fits = []
    fitted = fit(X, codes, cv=cv, on_fit=lambda: fits.append(1))
    assert len(fitted.folds) == n_folds
    assert len(fits) == 3 * (1 + n_folds * (n_folds + 1) // 2)
    for view in fitted.folds:
        assert len(np.unique(codes[view.references])) >= 2
    assert all(np.isfinite(view.unseen).all() for view in fitted.views)


def test_nodes_without_anything_to_learn_from_have_no_embedding():
    X, codes = make_rows()
    X[:, 8:11] = 0.1
    fitted = fit(X, codes, columns=(COLUMNS[0], COLUMNS[1], np.arange(0)))
    assert [len(node_map.components) > 0 for node_map in fitted.maps] == [True, False, False]
    for view in fitted.views:
        assert set(view.nodes) == {0}


def test_a_column_that_varies_in_one_fold_only():
    X, codes = make_rows()
    X[:, 8:11] = 0.1
    X[7, 8] = 3.0
    fitted = fit(X, codes)
    assert all(np.isfinite(view.unseen).all() for view in fitted.views)


def test_threads_change_no_bit():
    X, codes = make_rows()
    one, two = fit(X, codes), fit(X, codes, n_jobs=2)
    for a, b in zip(one.views, two.views, strict=True):
        np.testing.assert_array_equal(a.unseen, b.unseen)
        np.testing.assert_array_equal(a.embedding, b.embedding)
