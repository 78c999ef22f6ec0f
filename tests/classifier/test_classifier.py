"""The classifier: scikit-learn's contract, any table with any tree, wrong input."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

from hierseg_learn import HierarchicalMetricClassifier, SegmentTree
from hierseg_learn.kernels import get_backend, numba_kernels, pixels
from hierseg_learn.kernels.dispatch import Backend
from hierseg_learn.metrics import NCA, ProjectionCombination
from tests.tables import named_table


@parametrize_with_checks(
    [
        HierarchicalMetricClassifier(),
        HierarchicalMetricClassifier(decision="prototypes"),
        HierarchicalMetricClassifier(decision="linear"),
        HierarchicalMetricClassifier(combination="weighted", weights="distance"),
        HierarchicalMetricClassifier(node_metric="nca", n_neighbors=1),
        HierarchicalMetricClassifier(node_metric=NCA(max_iter=5), n_jobs=2),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def table():
    return named_table(90)


@pytest.fixture(scope="module")
def model(table):
    return HierarchicalMetricClassifier(random_state=0).fit(*table)


# Memory


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("combination", ["auto", "scatter"])
def test_a_fit_takes_three_times_the_table_at_most(named, combination, monkeypatch):
    # blocks of a fixed size are small beside a table of many rows
    monkeypatch.setattr("hierseg_learn.metrics._lda.BLOCK_ROWS", 512)
    monkeypatch.setattr("hierseg_learn.metrics._logit_features.ROWS_AT_ONCE", 1024)
    for drawn in ("_logistic.DRAWN_ROWS", "_scatter.MAX_REFERENCES", "tree_metric.MAX_REFERENCES"):
        monkeypatch.setattr(f"hierseg_learn.metrics.{drawn}", 1000)
    X, y = named_table(20_000, paths=[f"t/{i}" for i in range(12)], n_columns=5, signal=0.5)
    X = X.astype(np.float32) if named else X.to_numpy(dtype=np.float32)
    model = HierarchicalMetricClassifier(random_state=0, combination=combination, device="cpu")
    model.fit(X[:100], y[:100])
    tracemalloc.start()
    model.fit(X, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= 3 * 4 * X.size


# Any table


def test_column_names_are_the_tree(model):
    assert model.tree_.paths == (
        "photo/person/hair",
        "photo/person/skirt",
        "photo/person",
        "photo/sky",
        "photo",
    )
    for by_node in (model.node_scores_, model.node_outcomes_):
        assert by_node.index.tolist() == list(model.tree_.paths)
        assert by_node.index.name == "node"
    assert model.node_scores_["photo/person/hair"] > 0.8 > 0.5 > model.node_scores_["photo/sky"]


@pytest.mark.parametrize("name", ["cpu", "cuda"])
def test_the_device_is_told(name, table, monkeypatch):
    found = get_backend("cpu")
    backend = Backend(name, numba_kernels, pixels, asarray=found.asarray, to_numpy=found.to_numpy)
    monkeypatch.setattr(
        "hierseg_learn.classifier._classifier.get_backend", lambda *args, **kwargs: backend
    )
    assert HierarchicalMetricClassifier(random_state=0).fit(*table).device_ == name


IRIS_TREE = {"flower": {"sepal": {"length": 0, "width": 1}, "petal": [2, 3]}}


def test_positions_and_names_are_the_same_tree():
    iris = load_iris(as_frame=True)
    X, y = iris.data, iris.target
    names = X.columns.tolist()
    by_name = {
        "flower": {"sepal": {"length": names[0], "width": names[1]}, "petal": names[2:]},
    }
    models = [
        HierarchicalMetricClassifier(tree, random_state=0)
        for tree in (by_name, IRIS_TREE, SegmentTree.from_nested(IRIS_TREE))
    ]
    by_name, by_position, by_tree = (model.fit(X, y) for model in models)
    assert by_name.score(X, y) > 0.95
    assert by_name.tree_.paths[:3] == ("flower/sepal/length", "flower/sepal/width", "flower/sepal")
    for other in (by_position, by_tree, models[1].fit(X.to_numpy(), y)):
        assert other.tree_.paths == by_name.tree_.paths
        np.testing.assert_array_equal(other.components_, by_name.components_)
    # petals tell irises apart, the width of sepals hardly
    assert by_name.node_scores_["flower/petal"] > 0.9
    assert by_name.node_scores_["flower/sepal/width"] < 0.7
    explanation = by_name.explain_pair(X.iloc[0], X.iloc[100])
    assert explanation.to_frame()["share"]["flower/petal"] > 0.6


def test_invented_column_names_are_the_same_tree(model):
    X, y = load_iris(return_X_y=True)
    names = ["flower/sepal/length|cm", "flower/sepal/width|cm", "flower/petal|l", "flower/petal|w"]
    frame = pd.DataFrame(X, columns=names)
    for tree in ("auto", "columns"):
        found = HierarchicalMetricClassifier(tree, random_state=0).fit(frame, y)
        by_position = HierarchicalMetricClassifier(IRIS_TREE, random_state=0).fit(X, y)
        # named columns are learned from in the order of their names
        np.testing.assert_allclose(found.components_, by_position.components_, rtol=1e-3)
        np.testing.assert_array_equal(found.feature_names_in_, names)


def test_polars_frames(table, model):
    polars = pytest.importorskip("polars")
    X, y = table
    frame = polars.DataFrame({name: X[name].to_numpy() for name in X})
    found = HierarchicalMetricClassifier(random_state=0).fit(frame, y)
    assert found.tree_.paths == model.tree_.paths
    np.testing.assert_array_equal(found.predict_proba(frame), model.predict_proba(X))
    assert_allclose(
        found.explain_prediction(frame[3]).direct, model.explain_prediction(X.iloc[3]).direct
    )


def test_classes_of_any_kind(table, model):
    X, y = table
    for classes in (["skirt", "coat", "dress"], [True, False], [7, -2, 40]):
        labels = np.array(classes)[y % len(classes)]
        found = HierarchicalMetricClassifier(random_state=0).fit(X, labels)
        np.testing.assert_array_equal(found.classes_, np.unique(labels))
        assert found.predict(X).dtype == labels.dtype
        assert found.explain_prediction(X.iloc[0]).prediction == found.predict(X[:1])[0]
    np.testing.assert_array_equal(found.predict(X), np.array([7, -2, 40])[model.predict(X)])


# Numbers of any kind


@pytest.mark.parametrize("decision", ["neighbors", "prototypes"])
def test_float32(table, decision):
    X, y = table
    narrow, wide = (
        HierarchicalMetricClassifier(decision=decision, random_state=0).fit(X.astype(dtype), y)
        for dtype in (np.float32, np.float64)
    )
    assert narrow.components_.dtype == np.float64
    assert_allclose(narrow.components_, wide.components_, rtol=1e-3, atol=1e-4)
    assert narrow.transform(X.astype(np.float32)).dtype == np.float32
    assert (narrow.predict(X.astype(np.float32)) == wide.predict(X)).mean() > 0.97
    rows = X.astype(np.float32)
    distances, indices = narrow.kneighbors(rows[:5])
    squared = [
        [narrow.explain_pair(rows.iloc[i], rows.iloc[j]).squared_distance for j in indices[i]]
        for i in range(5)
    ]
    assert_allclose(distances**2, squared, rtol=1e-9)


def test_whole_numbers(table):
    X, y = table
    counts = (X * 10).round()
    whole, wide = (
        HierarchicalMetricClassifier(random_state=0).fit(counts.astype(dtype), y)
        for dtype in (np.int16, np.float64)
    )
    np.testing.assert_array_equal(whole.components_, wide.components_)


@pytest.mark.parametrize("node_metric", ["lda", "nca"])
def test_the_table_is_never_written_to(table, node_metric):
    X, y = table
    X, y = X.to_numpy(copy=True), y.copy()
    before = X.copy(), y.copy()
    X.flags.writeable = y.flags.writeable = False
    tree = {"t": {"a": [*range(6)], "b": [*range(6, 12)]}}
    model = HierarchicalMetricClassifier(tree, node_metric=node_metric, random_state=0).fit(X, y)
    for rows in (
        model.predict_proba(X),
        model.transform(X),
        model.kneighbors(X),
        model.kneighbors(),
    ):
        assert rows is not None
    model.explain_prediction(X[0])
    model.explain_pair(X[0], X[1])
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(y, before[1])
    assert tree == {"t": {"a": [*range(6)], "b": [*range(6, 12)]}}


def test_the_origin_and_units_of_columns_do_not_matter(table, model):
    X, y = table
    unit = 10.0 ** np.linspace(-4, 4, X.shape[1])
    moved = (X + 100) * unit
    found = HierarchicalMetricClassifier(random_state=0).fit(moved, y)
    assert_allclose(found.kneighbors()[0], model.kneighbors()[0], rtol=1e-3)
    np.testing.assert_array_equal(found.predict(moved), model.predict(X))


# Small data


@pytest.mark.parametrize("combination", ["projection", "weighted", "scatter"])
@pytest.mark.parametrize(
    ("y", "n_neighbors"),
    [
        ([0, 1], 1),
        ([0, 1, 2, 3, 4], 1),
        ([0, 0, 1, 1, 2, 2], 2),
        ([*[0] * 10, 1], 3),
        ([*[0, 1] * 10, 2], 3),
        ([0, 0, 0, 1, 1, 1], 6),
    ],
)
def test_few_rows(y, n_neighbors, combination, table):
    X = table[0][: len(y)]
    model = HierarchicalMetricClassifier(
        combination=combination, n_neighbors=n_neighbors, random_state=0
    ).fit(X, y)
    assert np.isfinite(model.components_).all()
    assert np.abs(model.transform(X)).max() < 1e4
    assert_allclose(model.predict_proba(X).sum(axis=1), 1)
    if n_neighbors == 1:
        np.testing.assert_array_equal(model.predict(X), y)
    explanation = model.explain_prediction(X.iloc[0])
    assert_allclose(explanation.direct.sum(), explanation.squared_distance, atol=1e-9)


@pytest.mark.parametrize("combination", ["projection", "weighted", "scatter"])
def test_classes_that_a_column_spells_out(combination, table):
    X, y = table
    X = X.copy()
    # no scatter within classes at all
    X.loc[:, X.columns.str.startswith("photo/person/")] = y[:, None] * 1.0
    for rows in (X, X.iloc[:, :6]):
        model = HierarchicalMetricClassifier(combination=combination, random_state=0).fit(rows, y)
        assert model.score(rows, y) == 1
        assert model.node_scores_["photo/person"] == 1
        assert np.isfinite(model.components_).all()


def test_prototypes_need_no_neighbors(table):
    X, y = table[0][:3], [0, 1, 1]
    model = HierarchicalMetricClassifier(decision="prototypes").fit(X, y)
    assert model.predict(X).tolist() == y


# Wrong input


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"n_neighbors": 91}, "n_neighbors=91 neighbors cannot be found among n_samples = 90"),
        ({"n_neighbors": 0}, "The 'n_neighbors' parameter"),
        ({"combination": "sum"}, "The 'combination' parameter"),
        ({"combination": ProjectionCombination(cv=2)}, "The 'cv' parameter of ProjectionComb"),
        ({"node_metric": "pca"}, "The 'node_metric' parameter"),
        ({"decision": "vote"}, "The 'decision' parameter"),
        ({"weights": "rank"}, "The 'weights' parameter"),
        ({"n_components": 0}, "The 'n_components' parameter"),
        ({"tree": "rows"}, "The 'tree' parameter"),
        ({"tree": {"t": {"a": 0}}}, "tree leaves out 11 of the 12 columns of X, such as"),
        ({"tree": {"t": {"a": "w"}}}, "tree names the column 'w' for the node 't/a', but X has no"),
        (
            {"tree": {"t": {"a": 12}}},
            "tree assigns column 12 to the node 't/a', but X has 12 columns",
        ),
        ({"tree": {"t": {"a": 0, "b": 0}}}, "tree assigns column 0 to both 't/a' and 't/b'"),
        ({"tree": {"t": 0, "u": 1}}, "root"),
    ],
)
def test_wrong_parameters(params, sentence, table):
    with pytest.raises(ValueError) as caught:
        HierarchicalMetricClassifier(**params).fit(*table)
    assert sentence in str(caught.value)


def test_wrong_tables(table):
    X, y = table
    for change, sentence in (
        (X.rename(columns={X.columns[0]: "hair"}), "The column 'hair' of X has no '|' in its name"),
        (X.rename(columns={X.columns[0]: "sea|d_0"}), "root"),
        (X.mask(X > 1), r"SegmentTreeTransformer(missing='mean')"),
        (X.replace(X.iloc[0, 0], np.inf), "Input X contains infinity"),
        (X.iloc[:0], "Found array with 0 sample"),
    ):
        with pytest.raises(ValueError) as caught:
            HierarchicalMetricClassifier().fit(change, y[: len(change)])
        assert sentence in str(caught.value)
    for tree, change in (
        ("columns", X.to_numpy()),
        ("columns", X.set_axis(list("abcdefghijkl"), axis=1)),
    ):
        with pytest.raises(ValueError, match="tree='columns' needs"):
            HierarchicalMetricClassifier(tree).fit(change, y)


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (lambda y: y * 0, "y has 1 class, 0; a classifier needs at least 2."),
        (lambda y: np.full(90, "cat"), "y has 1 class, 'cat'; a classifier"),
        (lambda y: np.where(y == 0, np.nan, y), r"y has no value \(nan\) at positions"),
        (lambda y: y + 0.5, "Unknown label type: continuous"),
        (lambda y: y[1:], "y must hold one class per sample, expected 90, got 89"),
    ],
)
def test_wrong_classes(labels, sentence, table):
    X, y = table
    with pytest.raises(ValueError, match=sentence) as caught:
        HierarchicalMetricClassifier().fit(X, labels(y))
    assert "Missing parts" not in str(caught.value)


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("method", ["predict", "predict_proba", "transform", "kneighbors"])
def test_wrong_rows_at_predict(method, table, model):
    X, _ = table
    call = getattr(model, method)
    with pytest.raises(ValueError, match="must be in the same order as they were in fit"):
        call(X[X.columns[::-1]])
    with pytest.raises(ValueError, match=r"unseen at fit time:\n- hair"):
        call(X.rename(columns={X.columns[0]: "hair"}))
    with pytest.raises(ValueError, match=r"X has 11 features, but .* 12 features"):
        call(X.to_numpy()[:, 1:])
    with pytest.raises(ValueError, match=r"missing='mean'"):
        call(X.mask(X > 1))
    with pytest.raises(NotFittedError):
        getattr(HierarchicalMetricClassifier(), method)(X)


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize(
    ("row", "error", "sentence"),
    [
        (lambda X: 3.5, TypeError, "must be one row of a table, got float, 3.5"),
        (lambda X: None, TypeError, "must be one row of a table, got NoneType"),
        (
            lambda X: X[:2],
            ValueError,
            r"must be one row of a table, got .* of shape \(2, 12\).*iloc",
        ),
        (lambda X: X[:0], ValueError, r"must be one row of a table, got .* of shape \(0, 12\)"),
        (
            lambda X: X.to_numpy()[None],
            ValueError,
            r"one row of a table, got ndarray of shape \(1, 90, 12\)",
        ),
        (lambda X: X.to_numpy()[0, 1:], ValueError, "X has 11 features, but"),
        (lambda X: X.iloc[0].rename({X.columns[0]: "hair"}), ValueError, "unseen at fit time"),
        (lambda X: X.iloc[0, ::-1], ValueError, "same order"),
        (lambda X: X.iloc[0].mask(X.iloc[0] > 0), ValueError, "missing='mean'"),
    ],
)
def test_wrong_rows_to_explain(row, error, sentence, table, model):
    X, _ = table
    wrong = row(X)
    with pytest.raises(error, match=sentence):
        model.explain_prediction(wrong)
    for pair, name in (((wrong, X.iloc[0]), "a"), ((X.iloc[0], wrong), "b")):
        with pytest.raises(error, match=sentence) as caught:
            model.explain_pair(*pair)
        if "one row" in sentence:
            assert str(caught.value).startswith(f"{name} must")


@pytest.mark.parametrize(
    ("n_neighbors", "error", "sentence"),
    [
        (0, ValueError, "n_neighbors=0 must lie between 1 and 90"),
        (91, ValueError, "n_neighbors=91 must lie between 1 and 90"),
        (2.5, TypeError, "n_neighbors must be an integer, got 2.5"),
        (True, TypeError, "n_neighbors must be an integer, got True"),
    ],
)
def test_wrong_numbers_of_neighbors(n_neighbors, error, sentence, table, model):
    with pytest.raises(error, match=sentence):
        model.kneighbors(table[0], n_neighbors)
    with pytest.raises(ValueError, match="n_neighbors=90 must lie between 1 and 89"):
        model.kneighbors(n_neighbors=90)


def test_wrong_nodes(table, model):
    with pytest.raises(ValueError, match="No node is named 'shirt'; did you mean 'skirt'"):
        model.transform(table[0], node="shirt")
    with pytest.raises(ValueError, match="Node ids go from 0 to 4, got 5"):
        model.node_components(5)


def test_a_second_fit_forgets_the_first(table):
    X, y = table
    model = HierarchicalMetricClassifier(random_state=0).fit(X, y)
    model.fit(X.to_numpy()[:50, :5], y[:50] == 1)
    assert model.tree_.paths == ("table",)
    assert not hasattr(model, "feature_names_in_")
    assert model.classes_.tolist() == [False, True]
    fresh = HierarchicalMetricClassifier(random_state=0).fit(X.to_numpy()[:50, :5], y[:50] == 1)
    np.testing.assert_array_equal(fresh.components_, model.components_)
    assert vars(fresh).keys() == vars(model).keys()
