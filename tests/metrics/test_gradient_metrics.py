"""Promises of all gradient-trained node learners: one training loop, one set of promises."""

import pickle
import tracemalloc

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris, make_classification
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from hierseg_learn.kernels import Backend, pixels
from hierseg_learn.metrics import NCA, SNRMetric, gradient_metrics
from hierseg_learn.metrics._training import hold_out
from hierseg_learn.metrics.registry import NODE_METRICS
from tests.kernels import composed

LEARNERS = [
    cls(random_state=0)
    for cls in NODE_METRICS.values()
    if issubclass(cls, gradient_metrics.GradientMetric)
]
NAMES = [type(learner).__name__ for learner in LEARNERS]
each_learner = pytest.mark.parametrize("learner", LEARNERS, ids=NAMES)


@pytest.fixture(scope="module")
def clusters():
    """Four classes of two clusters in 6 of 12 columns: 450 rows to fit, 1,000 to judge."""
    X, y = make_classification(
        1450,
        12,
        n_informative=6,
        n_classes=4,
        n_clusters_per_class=2,
        class_sep=1.5,
        random_state=3,
    )
    return X[:450], y[:450], X[450:], y[450:]


def accuracy(learner, X, y, X_test, y_test):
    neighbors = KNeighborsClassifier().fit(learner.transform(X), y)
    return neighbors.score(learner.transform(X_test), y_test)


@parametrize_with_checks([learner.set_params(max_iter=20) for learner in map(clone, LEARNERS)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@each_learner
def test_neighbors_are_better_than_on_raw_columns(learner, clusters):
    X, y, X_test, y_test = clusters
    learned = accuracy(clone(learner).fit(X, y), *clusters)
    X, X_test = X / X.std(axis=0), X_test / X.std(axis=0)
    raw = KNeighborsClassifier().fit(X, y).score(X_test, y_test)
    # triplets of all mates look at no neighbors, and gain nothing here
    assert learned > raw + (-0.04 if isinstance(learner, SNRMetric) else 0.05)


@each_learner
@pytest.mark.parametrize("random_state", range(3))
def test_never_worse_than_the_start_on_the_rows_held_out(learner, random_state):
    X, y = load_iris(return_X_y=True)
    learner = clone(learner).set_params(random_state=random_state, learning_rate_init=0.5)
    trained = learner.fit(X, y).best_validation_score_
    assert trained >= learner.set_params(max_iter=0).fit(X, y).best_validation_score_


@each_learner
def test_fitted_attributes(learner, clusters):
    X, y = clusters[:2]
    learner = clone(learner).fit(X, y)
    assert learner.n_iter_ == len(learner.loss_curve_) <= learner.max_iter
    assert 0 < learner.best_validation_score_ <= 1
    assert learner.device_ in ("cpu", "cuda")
    assert learner.components_.dtype == np.float64
    assert learner.components_.shape == (12, 12)


@each_learner
def test_the_loss_falls(learner, clusters):
    X, y = clusters[:2]
    curve = clone(learner).set_params(early_stopping=False).fit(X, y).loss_curve_
    assert np.mean(curve[-5:]) < 0.95 * np.mean(curve[:3])


@each_learner
def test_an_array_is_the_start_up_to_its_scale(learner, clusters):
    X, y = clusters[:2]
    init = np.random.default_rng(0).standard_normal((3, 12))
    learner = clone(learner).set_params(init=init, early_stopping=False)
    start = learner.set_params(max_iter=0).fit(X, y).components_
    np.testing.assert_allclose(start / np.linalg.norm(start), init / np.linalg.norm(init))
    step = learner.set_params(max_iter=1, learning_rate_init=1e-6)
    step = step.fit(X, y).components_
    np.testing.assert_allclose(step, start, atol=1e-4 * np.abs(start).max())


@each_learner
def test_a_trained_map_is_a_good_start(learner, clusters):
    X, y = clusters[:2]
    learner = clone(learner).fit(X, y)
    again = clone(learner).set_params(init=learner.components_, max_iter=0).fit(X, y)
    assert again.best_validation_score_ == pytest.approx(learner.best_validation_score_, abs=0.01)


@each_learner
@pytest.mark.parametrize("init", ["auto", "pca", "lda", "identity", "random"])
@pytest.mark.parametrize("n_components", [2, 5, None])
def test_every_start_can_be_trained(learner, init, n_components, clusters):
    X, y = clusters[:2]
    learner = clone(learner).set_params(init=init, n_components=n_components, max_iter=5)
    learner.fit(X, y)
    assert np.isfinite(learner.components_).all()
    # three columns repeat others
    assert learner.components_.any(axis=1).sum() >= (n_components or 9)


@each_learner
def test_permuted_columns_permute_the_map(learner, clusters):
    X, y = clusters[:2]
    order = np.random.default_rng(0).permutation(12)
    learner = clone(learner).set_params(max_iter=5, early_stopping=False)
    straight = learner.fit(X, y).get_mahalanobis_matrix()
    permuted = learner.fit(X[:, order], y).get_mahalanobis_matrix()
    expected = straight[np.ix_(order, order)]
    np.testing.assert_allclose(permuted, expected, atol=1e-2 * np.abs(expected).max())


@each_learner
def test_units_of_columns_do_not_matter(learner, clusters):
    X, y = clusters[:2]
    units, offset = 10.0 ** np.arange(-6, 6), 1e3
    learner = clone(learner).set_params(max_iter=5, early_stopping=False)
    plain = learner.fit(X, y).get_mahalanobis_matrix()
    scaled = learner.fit((X + offset) * units, y).get_mahalanobis_matrix()
    scaled = scaled * np.outer(units, units)
    np.testing.assert_allclose(scaled, plain, atol=1e-2 * np.abs(plain).max())


@each_learner
def test_pair_distance_is_a_pseudo_metric(learner, clusters):
    X, y, X_test, _ = clusters
    learner = clone(learner).fit(X, y)
    a, b, c = X_test[:200], X_test[200:400], X_test[400:600]

    def distance(u, v):
        return learner.pair_distance(np.stack([u, v], axis=1))

    np.testing.assert_array_equal(distance(a, a), 0)
    np.testing.assert_allclose(distance(a, b), distance(b, a))
    assert (distance(a, b) > 0).all()
    assert (distance(a, c) <= distance(a, b) + distance(b, c) + 1e-9).all()
    embedded = np.linalg.norm(learner.transform(a) - learner.transform(b), axis=1)
    np.testing.assert_allclose(embedded, distance(a, b))


@each_learner
def test_same_bits_again_and_at_any_number_of_threads(learner, monkeypatch):
    X, y = load_digits(return_X_y=True)
    found = []
    for threads in ("1", "2", "2"):
        monkeypatch.setenv("NUMBA_NUM_THREADS", threads)
        found.append(clone(learner).set_params(max_iter=6).fit(X, y))
    for other in found[1:]:
        np.testing.assert_array_equal(found[0].components_, other.components_)
        assert found[0].loss_curve_ == other.loss_curve_


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Rows in a file, as a memory map, and their classes."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 80_000)
    X = rng.standard_normal((len(y), 100)).astype(np.float32)
    X[:, 0] += y
    file = tmp_path_factory.mktemp("stored") / "X.npy"
    np.save(file, X)
    return np.load(file, mmap_mode="r"), y


@each_learner
def test_a_memory_map_gives_the_same_bits_and_is_never_copied(learner, stored):
    X, y = stored
    learner = clone(learner).set_params(max_iter=2, device="cpu")
    expected = learner.fit(np.array(X), y).components_
    peaks = []
    for n_rows in (len(X) // 2, len(X)):
        tracemalloc.start()
        learner.fit(X[:n_rows], y[:n_rows])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    np.testing.assert_array_equal(learner.components_, expected)
    # rows to score against and blocks, whose size is fixed
    assert peaks[1] < 0.6 * X.nbytes
    # what grows with the rows are their classes and numbers, not their columns
    assert peaks[1] - peaks[0] < 0.1 * X.nbytes / 2


@each_learner
@pytest.mark.parametrize("batch_size", ["auto", 4000])
def test_no_square_array(learner, batch_size):
    n_samples = 4000
    X, y = make_classification(n_samples, 10, n_informative=5, random_state=0)
    learner = clone(learner).set_params(max_iter=2, batch_size=batch_size)
    learner.fit(X, y)
    tracemalloc.start()
    learner.fit(X, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < n_samples**2 * 4 / 2


@each_learner
def test_float32_and_float64_agree(learner, clusters):
    X, y = clusters[:2]
    learner = clone(learner).set_params(max_iter=5)
    double = learner.fit(X, y).get_mahalanobis_matrix()
    single = learner.fit(X.astype(np.float32), y).get_mahalanobis_matrix()
    np.testing.assert_allclose(single, double, atol=1e-2 * np.abs(double).max())


@each_learner
def test_composed_kernels_give_the_same_map(learner, clusters, monkeypatch):
    """What runs on CUDA, run on an array library that shares nothing with NumPy."""
    xp = pytest.importorskip("array_api_strict")
    X, y = clusters[:2]
    learner = clone(learner).set_params(max_iter=5)
    expected = learner.fit(X, y).get_mahalanobis_matrix()
    backend = Backend("cuda", composed, pixels, asarray=xp.asarray, to_numpy=np.asarray)
    monkeypatch.setattr(gradient_metrics, "get_backend", lambda device, n_values: backend)
    found = learner.fit(X, y).get_mahalanobis_matrix()
    assert learner.device_ == "cuda"
    np.testing.assert_allclose(found, expected, atol=1e-2 * np.abs(expected).max())


@each_learner
def test_classes_of_one_row_are_normal(learner, clusters):
    X, y = clusters[:2]
    rare = np.where(np.arange(len(y)) % 20 == 0, 100 + np.arange(len(y)), y)
    learner = clone(learner).fit(X, rare)
    assert np.isfinite(learner.components_).all()
    alone = clone(learner).fit(X[:6], np.arange(6))
    assert alone.best_validation_score_ is None
    assert np.isfinite(alone.components_).all()


@each_learner
def test_constant_columns_get_no_weight(learner, clusters):
    X, y = clusters[:2]
    X = np.column_stack([np.full(len(X), 7.1), X[:, :3]])
    learner = clone(learner).set_params(max_iter=3).fit(X, y)
    np.testing.assert_array_equal(learner.components_[:, 0], 0)
    assert learner.components_[:, 1:].any()


@each_learner
def test_pickle(learner, clusters):
    X, y, X_test, _ = clusters
    learner = clone(learner).set_params(max_iter=2).fit(X, y)
    copy = pickle.loads(pickle.dumps(learner))
    np.testing.assert_array_equal(copy.transform(X_test), learner.transform(X_test))


@each_learner
def test_without_early_stopping_all_rows_train(learner, clusters):
    X, y = clusters[:2]
    learner = clone(learner).set_params(early_stopping=False, n_iter_no_change=1000).fit(X, y)
    assert learner.best_validation_score_ is None
    assert learner.n_iter_ == learner.max_iter


@each_learner
def test_early_stopping_stops(learner, clusters):
    X, y = clusters[:2]
    learner = clone(learner).set_params(tol=1.0, n_iter_no_change=8).fit(X, y)
    assert learner.n_iter_ == 8


@each_learner
def test_progress(learner, clusters, capsys):
    X, y = clusters[:2]
    learner = clone(learner).set_params(max_iter=20)
    learner.fit(X, y)
    assert capsys.readouterr().out == ""
    learner.set_params(verbose=1).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith(f"[{type(learner).__name__}] step 20/20, loss ")
    assert "held-out score" in lines[-1]


@each_learner
@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"init": np.eye(3)}, "init has 3 columns, expected 12"),
        ({"init": np.eye(3, 12), "n_components": 2}, "n_components=2 and init with 3 rows"),
        ({"init": np.ones((13, 12))}, "init asks for 13 components, expected at most 12"),
        (
            {"n_components": 13},
            "n_components asks for 13 components, expected at most 12",
        ),
        ({"init": "best"}, "init"),
        ({"device": "tpu"}, "device"),
        ({"validation_fraction": 0.9}, "validation_fraction"),
    ],
)
def test_wrong_parameters(learner, params, message, clusters):
    with pytest.raises(ValueError, match=message):
        clone(learner).set_params(**params).fit(*clusters[:2])


@each_learner
def test_wrong_input(learner, clusters):
    X, y = clusters[:2]
    with pytest.raises(ValueError, match="y has 1 class, 5"):
        clone(learner).fit(X, np.full(len(y), 5))
    X = X.copy()
    X[3, 4] = np.nan
    with pytest.raises(ValueError, match="contains NaN"):
        clone(learner).fit(X, y)


def test_every_class_holds_out_its_share():
    codes = np.repeat([0, 1, 2, 3], [100, 50, 2, 1])
    for seed in range(10):
        train, held_out = hold_out(codes, 0.1, np.random.RandomState(seed))
        np.testing.assert_array_equal(np.sort(np.concatenate([train, held_out])), np.arange(153))
        counts = np.bincount(codes[held_out], minlength=4)
        assert abs(counts[0] - 10) <= 1
        assert abs(counts[1] - 5) <= 1
        assert counts[2] <= 1
        assert counts[3] == 0


@each_learner
def test_few_wide_rows_take_little_memory(learner):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((100, 2000)), rng.integers(0, 3, 100)
    learner = clone(learner).set_params(max_iter=3)
    learner.fit(X[:, :50], y)  # compiled
    tracemalloc.start()
    learner.fit(X, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6
    assert learner.components_.shape == (99, 2000)
    assert len(pickle.dumps(learner)) < 1.1 * X.nbytes
    assert clone(learner).set_params(n_components=7).fit(X, y).components_.shape == (7, 2000)


@pytest.mark.parametrize("init", ["identity", "pca", "lda"])
def test_the_start_of_few_rows_is_that_of_their_span(init):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((20, 50)), np.arange(20) % 2
    X /= X.std(axis=0)
    learner = NCA(init=init, max_iter=0, early_stopping=False, random_state=0).fit(X, y)
    distances = pdist(learner.transform(X))
    if init == "identity":
        # the distances of all columns, but for the scale
        assert_ratio(distances, pdist(X))
    cut = NCA(30, init=init, max_iter=0, early_stopping=False, random_state=0).fit(X, y)
    if init != "identity":
        assert_ratio(pdist(cut.transform(X)), distances)
    else:
        assert_ratio(pdist(cut.transform(X)), pdist(X[:, :30]))


def assert_ratio(actual, expected):
    np.testing.assert_allclose(actual / actual.mean(), expected / expected.mean(), rtol=1e-4)
