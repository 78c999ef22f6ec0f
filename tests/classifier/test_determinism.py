"""The same bits twice: for any number of threads, in a fresh process, after a pickle."""

import json
import os
import pickle
import subprocess
import sys

import joblib
import numpy as np
import pytest
from sklearn.base import clone

from hierseg_learn import HierarchicalMetricClassifier
from tests.tables import named_table

PARAMS = [
    {},
    {"combination": "weighted"},
    {"node_metric": "nca"},
    {"decision": "prototypes", "n_components": 2, "combination": "weighted"},
    {"decision": "linear", "n_components": 2},
]
each_model = pytest.mark.parametrize("params", PARAMS, ids=str)

FIT = """
import hashlib, json, sys
import numpy as np
from hierseg_learn import HierarchicalMetricClassifier
from tests.tables import named_table

# enough rows to predict for BLAS to share its work among threads
X, y = named_table(1200, n_columns=75)
for params in json.loads(sys.argv[1]):
    model = HierarchicalMetricClassifier(random_state=0, weights="distance", **params)
    model.fit(X[:200], y[:200])
    new = X[200:]
    pairs = np.stack([new[:-1], new[1:]], axis=1)
    own, pairs = model.pair_contributions(pairs), model.pair_distance(pairs)
    arrays = [model.components_, model.predict_proba(new), model.transform(new), own, pairs]
    for array in arrays:
        print(hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest())
"""
PREDICT = """
import pickle, sys
import numpy as np

with open(sys.argv[1], "rb") as file:
    model, X = pickle.load(file)
np.save(sys.argv[2], model.predict_proba(X))
assert not {"torch", "cupy", "metric_learn", "matplotlib"} & set(sys.modules)
"""


def run(code, *args, **environment):
    found = subprocess.run(
        [sys.executable, "-c", code, *map(str, args)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p or os.getcwd() for p in sys.path)}
        | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    return found.stdout.split()


@pytest.fixture(scope="module")
def table():
    X, y = named_table(160, n_columns=6)
    return X[:110], y[:110], X[110:]


def bits(model, X):
    return [
        *(model.node_components(node) for node in model.tree_.bottom_up()),
        model.predict_proba(X),
        model.transform(X),
        model.kneighbors(X)[0],
        model.node_scores_.to_numpy(),
    ]


def assert_same_bits(one, other, X):
    for a, b in zip(bits(one, X), bits(other, X), strict=True):
        np.testing.assert_array_equal(a, b)


@each_model
def test_the_same_seed_gives_the_same_bits_for_any_number_of_jobs(params, table):
    X, y, new = table
    first, *others = (
        HierarchicalMetricClassifier(
            random_state=seed, n_jobs=n_jobs, weights="distance", **params
        ).fit(X, y)
        for seed, n_jobs in ((3, None), (3, 1), (3, 2), (np.random.RandomState(3), 4))
    )
    for other in others:
        assert_same_bits(first, other, new)


def test_another_seed_gives_other_folds(table):
    X, y, _ = table
    scores = {
        tuple(HierarchicalMetricClassifier(random_state=seed).fit(X, y).node_scores_)
        for seed in range(4)
    }
    assert len(scores) > 1


def test_threads_of_the_libraries_change_no_bit():
    one, two = (
        run(
            FIT,
            json.dumps(PARAMS),
            OMP_NUM_THREADS=threads,
            OPENBLAS_NUM_THREADS=threads,
            MKL_NUM_THREADS=threads,
            NUMBA_NUM_THREADS=threads,
        )
        for threads in "12"
    )
    assert len(one) == 5 * len(PARAMS)
    assert one == two


@each_model
@pytest.mark.parametrize("way", ["pickle", "joblib", "clone"])
def test_copies_have_the_same_bits(way, params, table, tmp_path):
    X, y, new = table
    model = HierarchicalMetricClassifier(random_state=0, weights="distance", **params).fit(X, y)
    if way == "pickle":
        copy = pickle.loads(pickle.dumps(model))
    elif way == "joblib":
        joblib.dump(model, tmp_path / "model.joblib")
        # as workers of joblib see it: arrays that cannot be written to
        copy = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
    else:
        copy = clone(model)
        assert not hasattr(copy, "components_")
        copy.fit(X, y)
    assert_same_bits(model, copy, new)
    pair = (new.iloc[0], new.iloc[1])
    np.testing.assert_array_equal(copy.explain_pair(*pair).direct, model.explain_pair(*pair).direct)


def test_a_fresh_process_predicts_the_same_bits(table, tmp_path):
    X, y, new = table
    model = HierarchicalMetricClassifier(node_metric="nca", random_state=0, weights="distance").fit(
        X, y
    )
    with open(tmp_path / "model.pkl", "wb") as file:
        pickle.dump((model, new), file)
    run(PREDICT, tmp_path / "model.pkl", tmp_path / "proba.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "proba.npy"), model.predict_proba(new))


def test_combinations_are_compared_on_the_same_folds():
    X = np.random.default_rng(0).standard_normal((120, 2))
    y = (X > 0).sum(axis=1) == 1
    by_number, by_state = (
        HierarchicalMetricClassifier(combination="auto", random_state=seed).fit(X, y)
        for seed in (3, np.random.RandomState(3))
    )
    # the second that is tried
    assert by_number.combination_ == by_state.combination_ == "logistic"
    np.testing.assert_array_equal(by_number.predict_proba(X), by_state.predict_proba(X))
