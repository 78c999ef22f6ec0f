"""Neighborhood components analysis."""

import numpy as np
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier, NeighborhoodComponentsAnalysis
from sklearn.preprocessing import StandardScaler

from hierseg_learn.metrics import NCA
from tests.kernels import reference


def test_toy_keeps_the_column_that_tells():
    # the first column is far wider and says nothing, the second tells the classes apart
    X = np.array([[-4.0, 0.0], [-3.0, 1.0], [3.0, 0.0], [4.0, 1.0]])
    nca = NCA(init="identity", early_stopping=False, random_state=0, max_iter=200)
    nca.fit(X, [0, 1, 0, 1])
    M = nca.get_mahalanobis_matrix()
    assert M[1, 1] > 30 * M[0, 0]
    nearest = np.argsort(np.linalg.norm(nca.transform(X)[:, None] - nca.transform(X), axis=2))
    np.testing.assert_array_equal(nearest[:, 1], [2, 3, 0, 1])


def test_objective_is_near_that_of_scikit_learn():
    X, y = load_iris(return_X_y=True)
    ours = NCA(2, early_stopping=False, batch_size=150, random_state=0, max_iter=300).fit(X, y)
    theirs = NeighborhoodComponentsAnalysis(2, random_state=0).fit(X, y)
    loss, _ = reference.nca_loss_grad(ours.transform(X), y)
    their_loss, _ = reference.nca_loss_grad(theirs.transform(X), y)
    assert loss < their_loss + 0.01


def test_digits_in_few_components():
    X, y = load_digits(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.5, random_state=0, stratify=y)

    def score(components):
        neighbors = KNeighborsClassifier().fit(X @ components.T, y)
        return neighbors.score(X_test @ components.T, y_test)

    pca = PCA(9).fit(X).components_
    assert score(NCA(9, random_state=0).fit(X, y).components_) > score(pca) + 0.005


def test_thousands_of_small_classes_have_mates_in_a_batch():
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((600, 8)) * [3, 3, 3, 0, 0, 0, 0, 0]
    y = np.repeat(np.arange(600), 4)
    X = centers[y] + rng.standard_normal((2400, 8)) * [0.3, 0.3, 0.3, 1, 1, 1, 1, 1]
    nca = NCA(init="identity", random_state=0, batch_size=100, learning_rate_init=0.1).fit(X, y)
    weights = np.diag(nca.get_mahalanobis_matrix())
    assert weights[:3].min() > 3 * weights[3:].max()
