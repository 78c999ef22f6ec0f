"""Promises of fit_node_map for any learner: standardized columns in, a plain linear map out."""

import pickle
import re
import warnings

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.decomposition import NMF, PCA, KernelPCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import NeighborhoodComponentsAnalysis
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hierseg_learn.metrics import NCA, ShrinkageLDA
from hierseg_learn.metrics.node import fit_node_map

LINEAR = [
    LinearDiscriminantAnalysis(),
    NeighborhoodComponentsAnalysis(n_components=2, max_iter=10, random_state=0),
    PCA(n_components=2),
    PCA(whiten=True),
    TruncatedSVD(2, random_state=0),
    make_pipeline(StandardScaler(), PCA(whiten=True), LinearDiscriminantAnalysis()),
    KernelPCA(kernel="linear", n_components=2),
]


def class_names(learner):
    return "-".join(type(step).__name__ for _, step in getattr(learner, "steps", [("", learner)]))


class Fixed(BaseEstimator):
    """Ignores the data: ``transform`` is the function given."""

    def __init__(self, function=None):
        self.function = function

    def fit(self, X, y):
        self.fitted_ = True
        return self

    def transform(self, X):
        return self.function(X)


class Failing(BaseEstimator):
    def fit(self, X, y):
        raise np.linalg.LinAlgError("Singular matrix")


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1, 2], 15)
    X = rng.normal(size=(45, 4)) + np.outer(codes, [2.0, 0.0, -1.0, 0.5])
    return X * [1.0, 100.0, 0.01, 5.0] + [0.0, 1e4, 1.0, -3.0], codes


def squared_distances(embedding):
    return ((embedding[:, None] - embedding[None]) ** 2).sum(axis=-1)


@pytest.mark.parametrize("learner", LINEAR, ids=class_names)
def test_distances_are_those_of_the_learner_on_standardised_rows(learner, rows):
    X, codes = rows
    standard = StandardScaler().fit_transform(X)
    expected = squared_distances(clone(learner).fit(standard, codes).transform(standard))
    node_map = fit_node_map(learner, X, codes, name="sky")
    np.testing.assert_allclose(
        squared_distances(X @ node_map.components.T), expected, rtol=1e-6, atol=1e-9
    )
    assert node_map.components.dtype == np.float64
    assert node_map.n_leading == len(node_map.components)


@pytest.mark.parametrize("learner", LINEAR, ids=class_names)
def test_the_unit_and_origin_of_a_column_do_not_matter(learner, rows):
    X, codes = rows
    unit = np.array([1e-3, 1.0, 1e5, 7.0])
    first = fit_node_map(learner, X, codes, name="sky").components
    second = fit_node_map(learner, X * unit + 10 * unit, codes, name="sky").components
    np.testing.assert_allclose(
        squared_distances((X * unit) @ second.T), squared_distances(X @ first.T), rtol=1e-4
    )


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6, -1e-12])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_constant_columns_get_no_weight_and_change_nothing(value, dtype, rows):
    X, codes = rows
    X = X.astype(dtype)
    wider = np.insert(X, 2, value, axis=1)
    components = fit_node_map(PCA(), wider, codes, name="sky").components
    assert not components[:, 2].any()
    np.testing.assert_array_equal(
        np.delete(components, 2, axis=1), fit_node_map(PCA(), X, codes, name="sky").components
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_columns", [0, 1, 3])
def test_a_node_that_never_varies_has_a_map_without_rows(n_columns, dtype):
    # 0.1 has no exact mean in float32
    X = np.full((1000, n_columns), 0.1, dtype)
    node_map = fit_node_map(Failing(), X, np.arange(1000) % 2, name="sky")
    assert node_map.components.shape == (0, n_columns)
    assert (node_map.n_leading, len(node_map.components)) == (0, 0)
    assert (X @ node_map.components.T).shape == (1000, 0)


def test_float32_rows_are_worked_on_in_float64(rows):
    X, codes = rows
    narrow = X.astype(np.float32)
    single = fit_node_map(PCA(), narrow, codes, name="sky").components
    double = fit_node_map(PCA(), narrow.astype(np.float64), codes, name="sky").components
    np.testing.assert_array_equal(single, double)


def test_whole_numbers_are_rows_too(rows):
    X, codes = rows
    counts = (X * 10).astype(np.int64)
    np.testing.assert_array_equal(
        fit_node_map(PCA(), counts, codes, name="sky").components,
        fit_node_map(PCA(), counts.astype(float), codes, name="sky").components,
    )


def test_the_arguments_are_left_as_they_are(rows):
    X, codes = rows
    before = X.copy()
    X.flags.writeable = codes.flags.writeable = False
    learner = PCA()
    fit_node_map(learner, X, codes, name="sky")
    np.testing.assert_array_equal(X, before)
    assert not hasattr(learner, "components_")


def test_a_learner_says_how_many_rows_are_its_metric(rows):
    class Ordered(PCA):
        def fit(self, X, y=None):
            self.n_discriminants_ = 1
            return super().fit(X)

    assert fit_node_map(Ordered(), *rows, name="sky").n_leading == 1


def test_a_constant_offset_of_the_learner_is_not_part_of_the_map(rows):
    X, codes = rows
    plain = fit_node_map(Fixed(lambda Z: Z), X, codes, name="sky").components
    moved = fit_node_map(Fixed(lambda Z: Z + 5.0), X, codes, name="sky").components
    np.testing.assert_allclose(moved, plain, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(plain, np.diag(1 / X.std(axis=0)), rtol=1e-12)


def test_frames_of_the_learner_are_read_as_arrays(rows):
    expected = fit_node_map(PCA(), *rows, name="sky").components
    learner = PCA().set_output(transform="pandas")
    np.testing.assert_array_equal(fit_node_map(learner, *rows, name="sky").components, expected)


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        (lambda Z: Z * 1j, "returned complex numbers"),
        (lambda Z: Z * np.nan, "infinite or missing values"),
        (lambda Z: np.full_like(Z, np.inf), "infinite or missing values"),
        (lambda Z: Z[:, 0], "infinite or missing values"),
        (lambda Z: Z**2, "is not linear"),
        (np.tanh, "is not linear"),
        (np.abs, "is not linear"),
        (lambda Z: Z - Z.mean(axis=1, keepdims=True) ** 2, "is not linear"),
    ],
)
def test_what_is_no_real_linear_map_is_refused_with_the_name_of_the_node(function, complaint, rows):
    with pytest.raises(ValueError, match=rf"node_metric=Fixed.*{complaint}.*'person/head'"):
        fit_node_map(Fixed(function), *rows, name="person/head")


def test_components_alone_do_not_make_a_learner_linear(rows):
    class Squares(PCA):
        def transform(self, X):
            return super().transform(X) ** 2

    with pytest.raises(ValueError, match=r"Squares is not linear.*'sky'"):
        fit_node_map(Squares(), *rows, name="sky")


@pytest.mark.parametrize(
    ("learner", "complaint"),
    [
        (KernelPCA(kernel="rbf"), "KernelPCA is not linear"),
        # standardized rows have negative numbers
        (NMF(2), "NMF could not be fitted for the node 'sky' (45 rows, 4 columns that vary)"),
        (Failing(), "Failing could not be fitted for the node 'sky'"),
        (PCA(n_components=9), "PCA could not be fitted for the node 'sky'"),
    ],
    ids=lambda value: class_names(value) if isinstance(value, BaseEstimator) else "",
)
def test_a_learner_that_fails_names_the_node(learner, complaint, rows):
    with pytest.raises(ValueError, match=re.escape(complaint)) as caught:
        fit_node_map(learner, *rows, name="sky")
    assert "'sky'" in str(caught.value)


def test_the_reason_of_a_failure_is_kept(rows):
    with pytest.raises(ValueError, match="Singular matrix") as caught:
        fit_node_map(Failing(), *rows, name="sky")
    assert isinstance(caught.value.__cause__, np.linalg.LinAlgError)


def test_only_warnings_about_convergence_are_kept_quiet(rows):
    class Warning(PCA):
        def fit(self, X, y=None):
            warnings.warn("stopped early", ConvergenceWarning, stacklevel=1)
            warnings.warn("look at this", UserWarning, stacklevel=1)
            return super().fit(X)

    filters = list(warnings.filters)
    with pytest.warns(UserWarning, match="look at this") as caught:
        fit_node_map(Warning(), *rows, name="sky")
    assert len(caught) == 1
    assert warnings.filters == filters


def test_maps_survive_pickling(rows):
    node_map = fit_node_map(PCA(), *rows, name="sky")
    copy = pickle.loads(pickle.dumps(node_map))
    np.testing.assert_array_equal(copy.components, node_map.components)
    assert copy.n_leading == node_map.n_leading


@pytest.mark.parametrize("learner", [ShrinkageLDA(2), NCA(4, max_iter=2), NCA(2, max_iter=2)])
def test_a_node_gives_as_many_components_as_it_can(learner):
    X = np.random.default_rng(0).normal(size=(40, 3))
    codes = np.arange(40) % 2
    most = 1 if isinstance(learner, ShrinkageLDA) else 3
    found = fit_node_map(learner, X, codes, name="sky")
    assert len(found.components) == min(learner.n_components, most)
    with pytest.raises(ValueError, match="PCA could not be fitted for the node 'sky'"):
        fit_node_map(PCA(4), X, codes, name="sky")


@pytest.mark.parametrize("n_components", [0, -3, "x", 1.5])
def test_components_that_make_no_sense_are_not_taken_for_few(n_components):
    X, codes = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
    for learner in (ShrinkageLDA(n_components), NCA(n_components)):
        with pytest.raises(ValueError, match=r"the node 'sky' .* 'n_components' parameter"):
            fit_node_map(learner, X, codes, name="sky")


def test_a_start_that_is_given_keeps_its_rows():
    X, codes = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
    with pytest.raises(ValueError, match="init asks for 4 components, expected at most 3"):
        fit_node_map(NCA(4, init=np.ones((4, 3))), X, codes, name="sky")
