"""Classifiers that are fitted to tables block by block, and predict for them."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from hierseg_learn import HierarchicalMetricClassifier
from hierseg_learn.metrics import LinearMetric, block_sums
from hierseg_learn.table import RowBlocks, blocks, open_table
from hierseg_learn.table.folder import Head, Inputs, TableFolder
from tests.tables import named_table

TABLE, CODES = named_table(700, n_classes=3, n_columns=4, signal=1.5, seed=1)
TABLE, Y = TABLE.astype(np.float32), np.array(["a", "b", "c"])[CODES]
X, y, X_TEST, Y_TEST = TABLE[:500], Y[:500], TABLE[500:], Y[500:]
LINEAR = {"combination": "scatter", "decision": "linear"}


@pytest.fixture(autouse=True)
def few_rows(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 64)


def make(**params):
    return HierarchicalMetricClassifier(**{"random_state": 0, **LINEAR, **params})


def bits(model):
    arrays = model.components_, model.prototypes_, model.predict_proba(X_TEST), model.priors_
    return [array.tobytes() for array in arrays]


@pytest.fixture(scope="module")
def model():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK_ROWS", 64)
        return make().fit(RowBlocks(X), y)


@pytest.mark.parametrize("decision", ["linear", "prototypes", "neighbors", "auto"])
def test_it_learns_what_a_fit_in_memory_does(decision):
    in_memory = make(decision=decision).fit(X, y)
    by_blocks = make(decision=decision).fit(RowBlocks(X), y)
    assert abs(in_memory.score(X_TEST, Y_TEST) - by_blocks.score(X_TEST, Y_TEST)) < 0.05
    assert by_blocks.score(X_TEST, Y_TEST) > 0.6
    assert (in_memory.predict(X_TEST) == by_blocks.predict(X_TEST)).mean() > 0.9
    assert_allclose(in_memory.prototypes_, by_blocks.prototypes_, atol=1e-6)
    assert_allclose(in_memory.priors_, by_blocks.priors_)
    assert by_blocks.combination_ == "scatter"
    assert list(by_blocks.feature_names_in_) == list(X.columns)
    assert by_blocks.node_scores_.notna().all()


def test_bits_are_the_same_for_any_number_of_threads_and_after_a_pickle(model):
    assert bits(make(n_jobs=2).fit(RowBlocks(X), y)) == bits(model)
    assert bits(pickle.loads(pickle.dumps(model))) == bits(model)


def test_order_of_rows_columns_and_names_of_classes_change_only_roundings(model):
    expected = model.predict_proba(X_TEST)
    rows = np.random.default_rng(0).permutation(len(X))
    moved = make().fit(RowBlocks(X.iloc[rows]), y[rows])
    assert_allclose(moved.predict_proba(X_TEST), expected, atol=1e-8)
    columns = X.columns[np.random.default_rng(0).permutation(X.shape[1])]
    turned = make().fit(RowBlocks(X[columns]), y)
    assert_allclose(turned.predict_proba(X_TEST[columns]), expected, atol=1e-8)
    renamed = make().fit(RowBlocks(X), np.array(["z", "y", "x"])[CODES[:500]])
    assert_allclose(renamed.predict_proba(X_TEST)[:, ::-1], expected, atol=1e-8)


def test_all_rows_are_learned_from_though_few_are_drawn(monkeypatch):
    monkeypatch.setattr(block_sums, "DRAWN_ROWS", 90)
    drawn = make().fit(RowBlocks(X), y)
    assert_array_equal(drawn.prototypes_, make().fit(RowBlocks(X), y).prototypes_)
    assert 50 < len(drawn._X) < 150
    assert_allclose(drawn.prototypes_, [X[y == c].mean().to_numpy(float) for c in "abc"], atol=1e-6)
    few = make().fit(X[:90], y[:90])
    assert drawn.score(X_TEST, Y_TEST) >= few.score(X_TEST, Y_TEST)


@pytest.mark.parametrize("decision", ["linear", "neighbors"])
def test_positions_are_those_in_the_whole_table(monkeypatch, decision):
    monkeypatch.setattr(block_sums, "DRAWN_ROWS", 90)
    drawn = make(decision=decision).fit(RowBlocks(X), y)
    held = drawn.sample_indices_
    assert len(held) < 150 < held.max()
    assert_array_equal(drawn._X, X.iloc[held])
    distances, found = drawn.kneighbors(X_TEST, 3)
    expected = np.take_along_axis(drawn.pairwise(X_TEST, X), found, axis=1)
    assert_allclose(distances, expected, atol=1e-9)
    assert set(found.ravel()) <= set(held)
    if decision == "neighbors":
        explained = drawn.explain_prediction(X_TEST[:1])
        assert_array_equal(y[explained.neighbors], explained.neighbor_classes)
    kept = drawn.condense(4).sample_indices_
    assert set(kept) <= set(held)


class Spread(LinearMetric):
    def _fit(self, X, codes):
        return np.diag(1 / X.std(axis=0))


@pytest.mark.parametrize(
    "params",
    [
        {"combination": "auto", "decision": "auto"},
        {"combination": "projection"},
        {"combination": "weighted", "decision": "prototypes"},
        {"node_metric": Spread(), "combination": "auto", "decision": "neighbors"},
        {"class_weight": "balanced", "n_components": 1},
        {"priors": [0.2, 0.3, 0.5], "decision": "auto", "n_neighbors": 7},
    ],
    ids=str,
)
def test_every_other_parameter_works(params):
    found = make(**params).fit(RowBlocks(X), y)
    assert found.score(X_TEST, Y_TEST) > 0.45
    assert bits(found) == bits(make(**params, n_jobs=2).fit(RowBlocks(X), y))
    contrast = found.explain_contrast(X_TEST.iloc[0])
    assert np.isfinite(contrast.direct).all()


def test_a_tree_of_one_node_learns_from_all_rows():
    array = X.to_numpy()
    found = make(combination="projection").fit(RowBlocks(array), y)
    expected = make(combination="projection").fit(array, y)
    for model in (found, expected):
        assert model.tree_.n_nodes == 1
    M, N = (model.get_mahalanobis_matrix() for model in (found, expected))
    assert_allclose(M, N, atol=1e-3 * np.abs(N).max())


def test_predictions_in_blocks_are_those_in_memory(model):
    table = RowBlocks(X_TEST)
    for name in ("predict", "predict_proba", "predict_log_proba", "decision_function", "transform"):
        assert_array_equal(getattr(model, name)(table), getattr(model, name)(X_TEST))
    assert model.score(table, Y_TEST) == model.score(X_TEST, Y_TEST)
    batches = list(model.explain_contrasts(table, target="a", foil="b"))
    assert [len(batch.direct) for batch in batches] == [64, 64, 64, 8]
    expected = model.explain_contrasts(X_TEST, target="a", foil="b").direct
    assert_array_equal(np.concatenate([batch.direct for batch in batches]), expected)
    first = next(model.explain_predictions(table))
    assert_array_equal(first.direct, model.explain_predictions(X_TEST[:64]).direct)


def test_wrong_tables(model):
    wrong = X_TEST.copy()
    wrong.iloc[70, 0] = np.nan
    with pytest.raises(ValueError, match=r"X contains NaN in block 1, row 6 of it \(row 70"):
        model.predict(RowBlocks(wrong))
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(RowBlocks(X_TEST.rename(columns={X.columns[0]: "photo|other"})))
    with pytest.raises(ValueError, match=r"y has 1 class, 'a'"):
        make().fit(RowBlocks(wrong), ["a"] * 200)
    with pytest.raises(ValueError, match="expected 500, got 499"):
        make().fit(RowBlocks(X), y[:-1])
    with pytest.raises(TypeError, match="X is a RowBlocks, which is not in memory"):
        model.kneighbors(RowBlocks(X_TEST))
    with pytest.raises(ValueError, match="n_neighbors=900 neighbors cannot be found"):
        make(decision="neighbors", n_neighbors=900).fit(RowBlocks(X), y)
    before = bits(model)
    with pytest.raises(ValueError, match="NaN in block"):
        model.fit(RowBlocks(wrong), Y_TEST)
    assert bits(model) == before


@pytest.mark.parametrize("kind", ["in memory", "blocks", "dask"])
def test_numbers_whose_squares_have_no_sum(kind):
    rows, y = np.random.default_rng(0).normal(size=(40, 2)), np.arange(40) % 2
    table = pd.DataFrame(rows, columns=["t/a|x", "t|x"])
    given = {"in memory": lambda: table, "blocks": lambda: RowBlocks(table)}
    if kind == "dask":
        dd = pytest.importorskip("dask.dataframe", reason="dask is not installed")
        given["dask"] = lambda: dd.from_pandas(table, npartitions=2)
    model = HierarchicalMetricClassifier(combination="scatter", decision="linear", random_state=0)
    table["t|x"] *= 1e149
    assert np.isfinite(model.fit(given[kind](), y).components_).all()
    table.iloc[31, 1] = -1e160
    with pytest.raises(ValueError, match=r"X holds -1e\+160 in row 31, column 't\|x'; expected"):
        model.fit(given[kind](), y)


def test_a_class_that_many_blocks_lack(monkeypatch):
    order = np.argsort(y, kind="stable")
    found = make().fit(RowBlocks(X.iloc[order]), y[order])
    assert found.score(X_TEST, Y_TEST) > 0.6
    monkeypatch.setattr(block_sums, "DRAWN_ROWS", 30)
    monkeypatch.setattr(block_sums, "LEAST_OF_CLASS", 1)
    labels = y.astype(object)
    labels[7] = "rare"
    assert "rare" in make().fit(RowBlocks(X), labels).classes_


def stored_table(path, layout):
    head = Head(tuple(X.columns), "float32", layout, 500, 150, "integers", "text", "of a toy", {})
    table = TableFolder.create(path, head)
    for k in range(head.n_blocks):
        rows = head.inputs(k)
        inputs = Inputs(ids=list(range(rows.start, rows.stop)), y=list(y[rows]))
        table.write(k, X[rows].to_numpy(), inputs)
    return open_table(path)


def test_a_stored_table(tmp_path, model):
    stored = stored_table(tmp_path / "table", "npy")
    found = make(n_jobs=2).fit(stored, None)
    assert bits(found) == bits(model)
    assert found.tree_.remark == "of a toy"
    assert_array_equal(found.predict(stored), model.predict(X))
    first = next(found.explain_predictions(stored))
    assert len(first.direct) == 150


def test_parquet_files(tmp_path, model):
    pytest.importorskip("pyarrow")
    pytest.importorskip("dask.dataframe")
    stored = stored_table(tmp_path / "table", "parquet")
    frame, labels = stored.to_dask(return_X_y=True)
    # dask reads several files at once for few columns, as for the classes
    assert bits(make().fit(frame, labels)) == bits(model)
    assert bits(make().fit(frame, y)) == bits(model)
    assert_array_equal(model.predict(frame).compute(), model.predict(X))


def test_dask_frames(model):
    dd = pytest.importorskip("dask.dataframe")
    frame = dd.from_pandas(X, npartitions=3)
    labels = dd.from_pandas(pd.Series(y, index=X.index), npartitions=3)
    assert bits(make().fit(frame, labels)) == bits(model)
    assert bits(make().fit(frame.repartition(npartitions=2).clear_divisions(), y)) == bits(model)
    predicted = model.predict(frame)
    assert isinstance(predicted, dd.Series)
    assert_array_equal(predicted.compute(), model.predict(X))
    assert predicted.compute().index.equals(X.index)
    proba = model.predict_proba(frame)
    assert list(proba.columns) == ["a", "b", "c"]
    assert_array_equal(proba.compute(), model.predict_proba(X))
    assert_array_equal(model.transform(frame).compute(), model.transform(X))
    assert model.score(frame, labels) == model.score(X, y)
    batches = model.explain_predictions(frame[X.columns])
    assert_array_equal(batches[0].compute().direct, model.explain_predictions(X[:167]).direct)
    some = frame[frame[X.columns[0]] > 1.5]  # partitions may be empty
    assert_array_equal(model.predict(some).compute(), model.predict(X[X.iloc[:, 0] > 1.5]))
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame[X.columns[:3]])
    wrong = X.copy()
    wrong.iloc[490, 0] = np.nan
    with pytest.raises(ValueError, match=r"NaN[^$]*In the partition of X that starts at"):
        model.predict(dd.from_pandas(wrong, npartitions=3)).compute()
    with pytest.raises(ValueError, match=r"NaN[^$]*In the partition of X that starts at 334"):
        model.explain_contrasts(dd.from_pandas(wrong, npartitions=3))[2].compute()
    with pytest.raises(ValueError, match="NaN in partition 2, row"):
        clone(model).fit(dd.from_pandas(wrong, npartitions=3), labels)
