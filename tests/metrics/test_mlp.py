"""A perceptron as node learner: what it learns, what is stored, what it needs."""

import builtins
import pickle
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from hierseg_learn.metrics import MLPMetric

LOSSES = [("triplet", "all"), ("triplet", "batch_hard"), ("nca", "all"), ("snr", "all")]
each_loss = pytest.mark.parametrize(("loss", "mining"), LOSSES)


@pytest.fixture(autouse=True)
def torch():
    return pytest.importorskip("torch", reason="needs torch")


@pytest.fixture(scope="module")
def xor():
    X = np.random.default_rng(0).uniform(-1, 1, (500, 2))
    return X, (X[:, 0] * X[:, 1] > 0).astype(int)


def neighbors(metric, X, y, n_train):
    Z = metric.transform(X)
    return KNeighborsClassifier(15).fit(Z[:n_train], y[:n_train]).score(Z[n_train:], y[n_train:])


@parametrize_with_checks([MLPMetric((8,), n_components=4, max_iter=10)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@each_loss
def test_what_no_linear_map_separates(loss, mining, xor):
    X, y = xor
    metric = MLPMetric(loss=loss, mining=mining, random_state=0).fit(X[:300], y[:300])
    assert neighbors(metric, X, y, 300) >= 0.95
    assert np.mean(metric.loss_curve_[-5:]) < 0.9 * metric.loss_curve_[0]


def test_the_forward_pass_is_that_of_torch(torch, xor):
    X, y = xor
    for activation, function in {
        "relu": torch.relu,
        "tanh": torch.tanh,
        "logistic": torch.sigmoid,
        "identity": lambda rows: rows,
    }.items():
        metric = MLPMetric((5, 3), n_components=2, activation=activation, max_iter=3)
        metric.fit(X, y)
        rows = torch.from_numpy((X - X.mean(axis=0)) / X.std(axis=0))
        for place, (W, b) in enumerate(zip(metric.coefs_, metric.intercepts_, strict=True)):
            rows = rows @ torch.from_numpy(W).double() + torch.from_numpy(b).double()
            rows = function(rows) if place < 2 else rows
        assert [W.shape for W in metric.coefs_] == [(2, 5), (5, 3), (3, 2)]
        assert_allclose(metric.transform(X), rows.numpy(), rtol=1e-9, atol=1e-12)


@each_loss
def test_the_same_seed_gives_the_same_bits(loss, mining, xor, torch):
    X, y = xor
    metric = MLPMetric(loss=loss, mining=mining, max_iter=5, random_state=3)
    expected = metric.fit(X, y).transform(X)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        torch.manual_seed(17)
        assert_array_equal(clone(metric).fit(X, y).transform(X), expected)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    order = np.random.default_rng(0).permutation(len(X))
    assert_array_equal(clone(metric).fit(X[order], y[order]).transform(X), expected)
    other = clone(metric).set_params(random_state=4).fit(X, y)
    assert np.abs(other.transform(X) - expected).max() > 0.1


def test_no_iteration_returns_the_start_and_stopping_never_goes_below_it(xor):
    X, y = xor
    start = MLPMetric(max_iter=0, random_state=0).fit(X, y)
    assert start.n_iter_ == 0
    assert start.loss_curve_ == []
    trained = MLPMetric(max_iter=30, random_state=0).fit(X, y)
    assert trained.best_validation_score_ >= start.best_validation_score_
    assert MLPMetric(max_iter=2, early_stopping=False).fit(X, y).best_validation_score_ is None


def test_training_stops_where_the_score_rests(xor):
    X, y = xor
    metric = MLPMetric(n_iter_no_change=3, random_state=0).fit(X, y)
    assert metric.n_iter_ < 100


def test_units_and_constant_columns_change_nothing(xor):
    X, y = xor
    metric = MLPMetric(max_iter=10, random_state=0)
    expected = metric.fit(X, y).transform(X)
    moved = X * [2.0**12, 2.0**-9]
    assert_allclose(metric.fit(moved, y).transform(moved), expected, rtol=1e-9, atol=1e-12)
    padded = np.column_stack([X, np.full(len(X), 3.0)])
    expected = metric.fit(padded, y).transform(padded)
    padded[:, 2] = 1e9
    assert_array_equal(metric.transform(padded), expected)


def test_a_strong_penalty_shrinks_the_weights(xor):
    X, y = xor
    sizes = [
        sum(
            np.sum(W**2)
            for W in MLPMetric(alpha=a, max_iter=60, early_stopping=False, random_state=0)
            .fit(X, y)
            .coefs_
        )
        for a in (0.0, 1000.0)
    ]
    assert sizes[1] < 0.5 * sizes[0]


def test_signal_to_noise_learns_a_centered_space(xor):
    X, y = xor
    metric = MLPMetric(loss="snr", n_components=5, max_iter=5, random_state=0).fit(X, y)
    assert metric.transform(X[:3]).shape == (3, 5)


def test_distances_are_those_of_the_embedding(xor):
    X, y = xor
    metric = MLPMetric(max_iter=5, random_state=0).fit(X, y)
    a, b = metric.transform(X[:2])
    distance = np.linalg.norm(a - b)
    assert_allclose(metric.pair_distance([X[:2]]), [distance])
    function = pickle.loads(pickle.dumps(metric.get_metric()))
    assert_allclose(function(X[0], X[1]), distance)
    assert_allclose(function(X[0], X[1], squared=True), distance**2)
    with pytest.raises(ValueError, match=r"pairs must have shape \(n_pairs, 2, 2\), got \(2, 2\)"):
        metric.pair_distance(X[:2])


def test_float32_stays_float32(xor):
    X, y = xor
    metric = MLPMetric(max_iter=2, random_state=0).fit(X.astype(np.float32), y)
    assert metric.transform(X.astype(np.float32)).dtype == np.float32


def test_the_pickle_holds_arrays_and_predicts_without_torch(xor, tmp_path):
    X, y = xor
    metric = MLPMetric(max_iter=2, random_state=0).fit(X, y)
    content = pickle.dumps(metric)
    assert len(content) < 20_000
    (tmp_path / "metric.pkl").write_bytes(content)
    np.save(tmp_path / "rows.npy", X)
    np.save(tmp_path / "expected.npy", metric.transform(X))
    code = (
        "import pickle, sys, numpy as np; from pathlib import Path; folder = Path(sys.argv[1]);"
        "metric = pickle.loads((folder / 'metric.pkl').read_bytes());"
        "found = metric.transform(np.load(folder / 'rows.npy'));"
        "np.testing.assert_array_equal(found, np.load(folder / 'expected.npy'));"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)


def test_skops_can_store_it(xor):
    io = pytest.importorskip("skops.io", reason="needs skops")
    X, y = xor
    metric = MLPMetric(max_iter=2, random_state=0).fit(X, y)
    content = io.dumps(metric)
    trusted = io.get_untrusted_types(data=content)
    assert all(name.startswith("hierseg_learn.") for name in trusted)
    assert_array_equal(io.loads(content, trusted=trusted).transform(X), metric.transform(X))


def test_a_missing_torch_is_said(xor, monkeypatch):
    real = builtins.__import__

    def without_torch(name, *args, **kwargs):
        if name.partition(".")[0] == "torch":
            raise ImportError("No module named 'torch'")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_torch)
    with pytest.raises(ImportError, match=r"trained by PyTorch, .* hierseg-learn\[deep\]"):
        MLPMetric().fit(*xor)


def test_a_missing_gpu_is_said(xor, torch):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(RuntimeError, match="device='cuda' was asked for, but PyTorch finds no"):
        MLPMetric(device="cuda").fit(*xor)


@pytest.mark.parametrize("sizes", [(0,), (8.5,), [[4]], ["8"]])
def test_sizes_are_positive_integers(sizes, xor):
    with pytest.raises(ValueError, match="hidden_layer_sizes must be positive integers, one per"):
        MLPMetric(sizes).fit(*xor)


def test_a_gpu_learns_the_same_start(xor, torch):
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU")
    X, y = xor
    here = MLPMetric(max_iter=0, device="cpu", random_state=0).fit(X, y)
    there = MLPMetric(max_iter=0, device="cuda", random_state=0).fit(X, y)
    assert there.device_ == "cuda"
    assert_array_equal(there.transform(X), here.transform(X))
    trained = MLPMetric(device="cuda", random_state=0).fit(X[:300], y[:300])
    assert neighbors(trained, X, y, 300) >= 0.95


def test_many_classes():
    X, y = load_iris(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(X))
    X, y = X[order], y[order]
    assert neighbors(MLPMetric(random_state=0).fit(X[:100], y[:100]), X, y, 100) > 0.85


def test_progress_is_printed(xor, capsys):
    MLPMetric(max_iter=2, verbose=1, random_state=0).fit(*xor)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("[MLPMetric] epoch 2/2, loss ")
