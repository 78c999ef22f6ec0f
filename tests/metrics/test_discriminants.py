"""Class scatter and the directions that tell classes apart."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_iris, load_wine
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.preprocessing import StandardScaler

from hierseg_learn.metrics._lda import ClassScatter, Discriminants

SHRINKAGES = (0.0, 0.3, 1.0)


@pytest.fixture
def wine():
    X, y = load_wine(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def squared_distances(rows):
    return ((rows[:, None] - rows[None]) ** 2).sum(axis=-1)


def test_scatter_is_what_the_definitions_say(wine):
    X, y = wine
    scatter = ClassScatter.of(X, y, 3)
    means = np.stack([X[y == c].mean(axis=0) for c in range(3)])
    residuals = X - means[y]
    assert_allclose(scatter.means(), means)
    assert_allclose(scatter.within(), residuals.T @ residuals / (len(X) - 3), atol=1e-12)
    assert_allclose(scatter.total(), np.cov(X.T, bias=True), atol=1e-12)
    factor = scatter.between_factor()
    assert_allclose(factor.T @ factor, np.cov(means[y].T, bias=True), atol=1e-12)


def test_scatters_of_disjoint_rows_add_up(wine):
    X, y = wine
    part = np.arange(len(X)) % 3 == 0
    both = ClassScatter.of(X[part], y[part], 3) + ClassScatter.of(X[~part], y[~part], 3)
    expected = ClassScatter.of(X, y, 3)
    assert_allclose(both.within(), expected.within(), atol=1e-12)
    assert_allclose(both.means(), expected.means(), atol=1e-12)
    assert both.n_rows == expected.n_rows


def test_a_class_without_rows_is_as_if_it_were_not_there(wine):
    X, y = wine
    plain, gap = ClassScatter.of(X, y, 3), ClassScatter.of(X, y * 2, 6)
    assert gap.n_classes == 3
    assert_allclose(gap.within(), plain.within())
    assert_allclose(Discriminants(gap).leading(0.1), Discriminants(plain).leading(0.1), atol=1e-10)


@pytest.mark.parametrize("load", [load_iris, load_wine])
def test_without_shrinkage_these_are_the_discriminants_of_scikit_learn(load):
    X, y = load(return_X_y=True)
    X = X - X.mean(axis=0)
    found = squared_distances(X @ Discriminants(ClassScatter.of(X, y, 3)).leading(0.0).T)
    lda = LinearDiscriminantAnalysis(solver="svd").fit(X, y)
    expected = squared_distances(lda.transform(X))
    # scikit-learn divides the scatter by the number of rows
    assert_allclose(found / found.mean(), expected / expected.mean(), rtol=1e-5, atol=1e-8)
    assert_allclose(found.mean(), expected.mean(), rtol=0.03)


@pytest.mark.parametrize("shrinkage", SHRINKAGES)
def test_the_shrunk_scatter_is_the_identity_along_all_directions(wine, shrinkage):
    scatter = ClassScatter.of(*wine, 3)
    within = scatter.within()
    shrunk = (1 - shrinkage) * within + shrinkage * np.trace(within) / 13 * np.eye(13)
    directions, n_leading = Discriminants(scatter).basis(shrinkage)
    assert (directions.shape, n_leading) == ((13, 13), 2)
    assert_allclose(directions @ shrunk @ directions.T, np.eye(13), atol=1e-8)
    # the classes differ along the leading ones only
    assert_allclose(scatter.between_factor() @ directions[2:].T, 0, atol=1e-8)
    assert_allclose(directions[:2], Discriminants(scatter).leading(shrinkage), atol=1e-8)


@pytest.mark.parametrize("shrinkage", SHRINKAGES)
def test_directions_come_by_size(wine, shrinkage):
    scatter = ClassScatter.of(*wine, 3)
    directions, n_leading = Discriminants(scatter).basis(shrinkage)
    between = ((scatter.between_factor() @ directions[:n_leading].T) ** 2).sum(axis=0)
    total = np.einsum("ij,jk,ik->i", directions, scatter.total(), directions)[n_leading:]
    assert (np.diff(between) <= 1e-9).all()
    assert (np.diff(total) <= 1e-9).all()
    few, _ = Discriminants(scatter).basis(shrinkage, n_rest=3)
    assert_allclose(few, directions[: n_leading + 3])


def test_signs_are_settled(wine):
    X, y = wine
    for directions in (
        Discriminants(ClassScatter.of(X, y, 3)).basis(0.1)[0],
        Discriminants(ClassScatter.of(-X, y, 3)).basis(0.1)[0],
    ):
        largest = np.abs(directions).argmax(axis=1)
        assert (directions[np.arange(len(directions)), largest] > 0).all()


def degenerate_rows():
    rng = np.random.default_rng(0)
    codes = np.arange(12) % 3
    distinct = rng.standard_normal((3, 4))
    return [
        ("alone", rng.standard_normal((3, 4)), np.arange(3)),
        ("repeated", distinct[codes], codes),
        ("one column repeated", np.c_[codes, rng.standard_normal((12, 3))].astype(float), codes),
        ("copies", np.repeat(rng.standard_normal((12, 1)) + codes[:, None], 4, axis=1), codes),
        ("more columns than rows", rng.standard_normal((6, 30)), np.arange(6) % 3),
        ("all the same", np.zeros((12, 4)), codes),
        ("no class differs", np.r_[np.eye(4), -np.eye(4)], np.tile([0, 1, 1, 0], 2)),
    ]


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("shrinkage", [0.0, 0.02, 1.0])
@pytest.mark.parametrize(
    ("kind", "X", "codes"), degenerate_rows(), ids=lambda v: v if isinstance(v, str) else ""
)
def test_no_direction_gets_an_endless_scale(kind, X, codes, shrinkage, scale):
    X = (X - X.mean(axis=0)) * scale
    found = Discriminants(ClassScatter.of(X, codes, 3))
    directions, n_leading = found.basis(shrinkage)
    rows = X @ directions.T
    assert np.isfinite(rows).all()
    assert np.abs(rows).max() < 1e6
    assert n_leading <= 2
    assert len(found.leading(shrinkage)) == n_leading
    if kind in ("alone", "repeated"):
        # no scatter within classes: the spread of all rows is the unit
        assert_allclose((rows[:, :2] ** 2).sum(axis=1).mean(), 4, rtol=0.01)
    if kind in ("all the same", "no class differs"):
        assert n_leading == 0


def test_pure_classes_are_told_apart_however_small_the_unit():
    X = np.array([[0.0, 1.0], [0.0, -1.0], [1.0, 1.0], [1.0, -1.0]])
    for unit in (1e-100, 1.0, 1e100):
        directions = Discriminants(ClassScatter.of(X * unit, np.array([0, 0, 1, 1]), 2)).leading(0)
        assert len(directions) == 1
        gap = (X[2:] - X[:2]) * unit @ directions[0]
        assert (gap > 100).all()
