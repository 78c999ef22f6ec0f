"""A cluster of dask: what has `n_jobs` runs on it, and a lost worker changes no bit."""

import os
import signal

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
from hierseg_learn.datasets import make_portraits
from hierseg_learn.segmentation import GridSegmenter
from tests.tables import named_table

dd = pytest.importorskip("dask.dataframe")
distributed = pytest.importorskip("distributed")

X, CODES = named_table(300, n_columns=3)
X = X.astype(np.float32)


@pytest.fixture(scope="module")
def cluster():
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as found, distributed.Client(found) as client:
        yield client


def make(**params):
    return HierarchicalMetricClassifier(random_state=0, **params)


@pytest.mark.parametrize(
    "params",
    [
        {"combination": "projection", "node_metric": "nca"},
        {"combination": "scatter"},
        {"combination": "logistic", "decision": "linear"},
    ],
    ids=str,
)
def test_nodes_are_fitted_by_workers(cluster, params):
    expected = make(**params).fit(X, CODES)
    with joblib.parallel_config(backend="dask"):
        found = make(**params, n_jobs=2).fit(X, CODES)
    assert_array_equal(found.predict_proba(X), expected.predict_proba(X))


def test_photos_are_described_by_workers(cluster, tmp_path):
    portraits = make_portraits(n_samples=12, random_state=0)
    transformer = SegmentTreeTransformer(tree=portraits.tree, n_jobs=2)
    expected = transformer.fit_transform(portraits.images)
    with joblib.parallel_config(backend="dask"):
        found = transformer.fit_transform(portraits.images)
        stored = transformer.describe_to(tmp_path / "t", portraits.images, block_size=5)
    pd.testing.assert_frame_equal(found, expected)
    assert_array_equal(stored.to_pandas(), expected)


def test_paths_are_described_as_partitions(cluster, tmp_path):
    portraits = make_portraits(n_samples=12, random_state=0)
    paths = []
    for i, image in enumerate(portraits.images.images):
        paths.append(str(tmp_path / f"{i}.png"))
        Image.fromarray(image).save(paths[-1])
    transformer = SegmentTreeTransformer(GridSegmenter()).fit(paths)
    groups = [paths[i : i + 5] for i in range(0, len(paths), 5)]
    meta = transformer.transform(paths[:1]).iloc[:0]
    table = dd.from_map(transformer.transform, groups, meta=meta)
    assert table.npartitions == 3
    assert_array_equal(table.compute(), transformer.transform(paths))


def test_a_worker_that_is_killed_changes_no_bit(cluster, tmp_path):
    X, codes = named_table(20_000, n_columns=3)
    columns, flag, pids = X.columns, str(tmp_path / "killed"), cluster.run(os.getpid).values()

    def read(start):
        """A partition; the worker that is the first to read a late one kills itself."""
        if start == 12_000 and not os.path.exists(flag):
            with open(flag, "w") as file:
                file.write(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        return pd.DataFrame(X.to_numpy()[start : start + 4000], columns=columns)

    frame = dd.from_map(read, range(0, 20_000, 4000), meta=X[:0])
    params = {"combination": "scatter", "decision": "prototypes"}
    found = make(**params).fit(frame, codes)
    with open(flag) as file:
        assert int(file.read()) in pids
    expected = make(**params).fit(dd.from_pandas(X, npartitions=3), codes)
    for name in ("components_", "prototypes_"):
        assert_array_equal(getattr(found, name), getattr(expected, name))
    assert_array_equal(found.predict(frame).compute(), expected.predict(X))
