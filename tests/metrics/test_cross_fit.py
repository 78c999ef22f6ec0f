"""Views: rows through maps that did not see them, and no way for a held-out label to leak in."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier

from hierseg_learn.metrics import ShrinkageLDA
from hierseg_learn.metrics import cross_fitting as module
from hierseg_learn.metrics.cross_fitting import cross_fit
from hierseg_learn.metrics.node import fit_node_maps, learns_from_scatter

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


class OnRows(ShrinkageLDA):
    """The same learner, which is refitted from the rows of every set of folds."""

    def _fit_rows(self, X, order, codes):
        return super()._fit_rows(X, order, codes)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("params", [{}, {"shrinkage": 0.3, "n_components": 1}])
def test_sums_of_folds_give_what_their_rows_give(params, dtype):
    assert learns_from_scatter(ShrinkageLDA())
    assert not learns_from_scatter(OnRows())
    X, codes = make_rows(130)
    # units, an outlier, a constant, a column that varies in one fold only, and a rare class
    X = X * 10.0 ** (np.arange(13) % 5 - 2)
    X[3, 1], X[:, 6], X[:, 9], X[5, 9] = 1e5, 0.1, 0.2, 0.7
    codes[:2] = 3
    X = X.astype(dtype)
    folds = module.held_out_folds(codes, 4, 0)
    sets = [(0, 1, 2, 3), (1, 2, 3), (0, 3), (2,)]
    for columns in (np.arange(13), np.array([1, 3, 9, 12]), np.array([6]), np.arange(0)):
        by_sums, by_rows = (
            fit_node_maps(
                learner(n_extra_directions=2, **params), X, codes, columns, folds, sets, name="node"
            )
            for learner in (ShrinkageLDA, OnRows)
        )
        assert by_rows.sums is None
        for one, other in zip(by_sums.maps, by_rows.maps, strict=True):
            assert one.n_leading == other.n_leading
            assert_allclose(one.components, other.components, rtol=1e-6, atol=1e-9)
        for chosen, sums in zip(sets, by_sums.sums, strict=True):
            rows = X[np.ix_(np.concatenate([folds[fold] for fold in chosen]), columns)]
            assert_allclose(sums.center, rows.mean(axis=0, dtype=np.float64))
            assert_allclose(sums.spread(), rows.std(axis=0, dtype=np.float64), atol=1e-9)


def test_turns_follow_from_sums_as_from_rows(monkeypatch):
    monkeypatch.setattr(module, "MAX_DRAWS", 1)
    X, codes = make_rows(90)
    columns = (np.arange(6), np.arange(6, 13), np.arange(0))
    one, other = (
        fit(X, codes, learner(n_extra_directions=2), columns=columns)
        for learner in (ShrinkageLDA, OnRows)
    )
    for view, same in zip(one.views, other.views, strict=True):
        assert_allclose(
            view.embed_unseen(view.references), same.embed_unseen(view.references), atol=1e-4
        )
        assert_allclose(view.scatter.moments, same.scatter.moments, rtol=1e-4, atol=1e-2)


def test_wrong_parameters_of_a_learner_name_the_node():
    X, codes = make_rows()
    with pytest.raises(ValueError, match=r"could not be fitted for the node 't/a'.*shrinkage"):
        fit(X, codes, ShrinkageLDA(shrinkage=2.0))


def test_views_have_the_same_columns():
    X, codes = make_rows()
    fitted = fit(X, codes)
    # two discriminants and two further directions, of which three columns leave room for one
    nodes, leading = [0, 0, 0, 0, 1, 1, 1, 2, 2], [1, 1, 0, 0, 1, 1, 0, 1, 1]
    for view in fitted.views:
        assert view.nodes.tolist() == nodes
        assert view.leading.tolist() == [bool(flag) for flag in leading]
        embedding = view.embed(np.arange(60))
        assert embedding.shape == (60, 9)
        assert view.embed_unseen(view.references).shape == (len(view.references), 9)
        own = view.own_map(0, leading_only=True)
        assert_allclose(embedding @ own.T, embedding[:, :2])
        assert_allclose(view.embed(np.arange(60), np.array([4, 0])), embedding[:, [4, 0]])
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
                pair_distances(view.embed(np.arange(60))[:, view.nodes == node]),
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
    np.testing.assert_array_equal(before.embed(np.arange(60)), after.embed(np.arange(60)))
    known = before.references
    np.testing.assert_array_equal(before.embed_unseen(known), after.embed_unseen(known))
    np.testing.assert_array_equal(before.scatter.moments, after.scatter.moments)
    if not isinstance(learner, PCA):
        # the labels do matter to the other views
        seen, changed = (fit(X, labels, learner).folds[fold - 1] for labels in (codes, other))
        assert (seen.embed(np.arange(60)) != changed.embed(np.arange(60))).any()


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
                pair_distances(before.embed_unseen(folds[1])[:, own]),
                pair_distances(after.embed_unseen(folds[1])[:, own]),
                atol=1e-4,
            )
            seen, changed = (
                pair_distances(view.embed(folds[1])[:, own]) for view in (before, after)
            )
            assert not np.allclose(seen, changed, atol=1e-2)


def test_the_view_of_few_rows_is_a_mean_over_draws_of_folds(monkeypatch):
    X, codes = make_rows()
    fitted = fit(X, codes)
    assert [len(view.draws) for view in fitted.views] == [module.MAX_DRAWS, 1, 1, 1]
    whole = fitted.views[0]
    of_draws = [whole.embed_unseen(np.arange(60), draw=draw) for draw in range(module.MAX_DRAWS)]
    assert len({points.tobytes() for points in of_draws}) == module.MAX_DRAWS
    moments = np.mean([points.astype(np.float64).T @ points for points in of_draws], axis=0)
    assert_allclose(whole.scatter.moments, moments, rtol=1e-3, atol=1e-3 * moments.max())
    assert_allclose(whole.scatter.counts, np.bincount(codes))
    # what others learn is not drawn again: it would cost
    assert len(fit(X, codes, PCA(2)).views[0].draws) == 1
    monkeypatch.setattr(module, "DRAWN_ROWS", 100)
    assert len(fit(X, codes).views[0].draws) == 1


def test_extra_directions_vary():
    X, codes = make_rows()
    # only four rows have the part: of the others' columns nothing is known
    X[4:, :8] = 0.5
    found = ShrinkageLDA(n_extra_directions=8).fit(X[:, :8], codes)
    extra = found.transform(X[:, :8])[:, found.n_discriminants_ :]
    assert 0 < extra.shape[1] < 6
    assert (extra.std(axis=0) > 1e-6).all()


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
            for Z in (view.embed(np.arange(300)), view.embed_unseen(np.arange(300)))
        )
        assert seen > 0.75
        assert unseen < 0.62


def test_folds_are_turned_to_match_each_other():
    X, codes = make_rows(300, shift=3.0)
    view = fit(X, codes).views[0]
    own = (view.nodes == 0) & view.leading
    points = view.embed_unseen(np.arange(300)), view.embed(np.arange(300))
    # maps by two thirds of the rows differ, but not by a mirror image
    for a, b in zip(*(Z[:, own].T for Z in points), strict=True):
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
    assert all(np.isfinite(view.embed_unseen(view.references)).all() for view in fitted.views)


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
    assert all(np.isfinite(view.embed_unseen(view.references)).all() for view in fitted.views)


def test_threads_change_no_bit():
    X, codes = make_rows()
    one, two = fit(X, codes), fit(X, codes, n_jobs=2)
    for a, b in zip(one.views, two.views, strict=True):
        np.testing.assert_array_equal(*(v.embed_unseen(v.references) for v in (a, b)))
        np.testing.assert_array_equal(a.embed(np.arange(60)), b.embed(np.arange(60)))
