"""Explanations of a fitted classifier: they sum to what decides, and to Shapley values."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
from hierseg_learn.classifier import _explain
from hierseg_learn.datasets import make_portraits
from tests.explain.games import node_deltas, quadratic_worths, shapley_values
from tests.tables import named_table
from tests.toy_tables import toy_table

X, Y = toy_table()
TRAIN, TEST = slice(0, 45), slice(45, 60)
KINDS = {
    "uniform": {},
    "distance": {"weights": "distance"},
    "prototypes": {"decision": "prototypes"},
    "weighted": {"combination": "weighted", "n_neighbors": 3},
}


def fit(table=X, y=Y, **params):
    params = {"decision": "neighbors", "random_state": 0, **params}
    return HierarchicalMetricClassifier(**params).fit(table[TRAIN], y[TRAIN])


@pytest.fixture(scope="module", params=KINDS, ids=str)
def model(request):
    return fit(**KINDS[request.param])


def squared(model, a, b):
    difference = (np.asarray(a) - np.asarray(b)) @ model.components_.T
    return (difference**2).sum(axis=-1)


def nearest(model, row, code, n):
    """Squared distances to the nearest training rows of a class, by brute force."""
    return np.sort(squared(model, row, X[TRAIN][Y[TRAIN] == model.classes_[code]]))[:n]


def test_contrasts_sum_to_the_difference_of_distances(model):
    for i in range(45, 60):
        row = X.iloc[[i]]
        contrast = model.explain_contrast(row)
        assert contrast.target == model.predict(row)[0]
        expected = []
        for label in (contrast.target, contrast.foil):
            code = model.classes_.tolist().index(label)
            if model.decision == "prototypes":
                expected.append(squared(model, row.iloc[0], model.prototypes_[code]))
                continue
            near = nearest(model, row.iloc[0], code, model.n_neighbors_)
            votes = 1 / np.sqrt(near) if model.weights == "distance" else np.ones(len(near))
            expected.append(votes @ near / votes.sum())
        assert_allclose(contrast.squared_distances, expected, rtol=1e-6)
        scale = np.abs(contrast.direct).sum()
        assert_allclose(contrast.direct.sum(), expected[1] - expected[0], atol=1e-6 * scale)


def test_contrasts_are_shapley_values(model):
    contrast = model.explain_contrast(X.iloc[[50]])
    row = X.iloc[50].to_numpy()
    sides = contrast.target_neighbors, contrast.foil_neighbors
    references = model.prototypes_ if model.decision == "prototypes" else X[TRAIN].to_numpy()
    expected = 0
    for sign, rows in zip((-1, 1), sides):
        votes = np.ones(len(rows))
        if model.weights == "distance":
            votes = 1 / np.sqrt(squared(model, row, references[rows]))
        for vote, number in zip(votes / votes.sum(), rows):
            deltas = node_deltas(row - references[number], model.column_nodes_, model.tree_.n_nodes)
            expected = expected + sign * vote * quadratic_worths(model.components_, deltas)
    assert_allclose(contrast.direct, shapley_values(expected), atol=1e-8 * np.abs(expected).max())


def test_the_part_with_the_signal_leads(model):
    batch = model.explain_contrasts(X[TEST])
    leading = batch.direct[:, batch.tree.leaves].argmax(axis=1)
    assert (batch.tree.leaves[leading] == batch.tree.index("hair")).all()
    assert model.explain_class("bee").direct.argmax() == batch.tree.index("hair")
    assert model.explain_model().direct.argmax() == batch.tree.index("hair")


def test_swapped_classes_swap_signs(model):
    there = model.explain_contrast(X.iloc[[46]], "ant", "bee")
    back = model.explain_contrast(X.iloc[[46]], target="bee", foil="ant")
    assert_allclose(there.direct, -back.direct)
    assert_allclose(there.squared_distances, back.squared_distances[::-1])


def test_the_runner_up_is_the_next_probable_then_the_next_near(model):
    for i in range(45, 60):
        row = X.iloc[[i]]
        proba = model.predict_proba(row)[0]
        for target in (None, "ant"):
            contrast = model.explain_contrast(row, target)
            code = model.classes_.tolist().index(contrast.target)
            others = [c for c in range(3) if c != code]
            best = max(proba[others])
            tied = [c for c in others if np.isclose(proba[c], best, rtol=0, atol=1e-9)]
            distances = [
                model.explain_contrast(row, contrast.target, model.classes_[c]).squared_distances[1]
                for c in tied
            ]
            assert contrast.foil == model.classes_[tied[int(np.argmin(distances))]]


def test_batches_hold_the_single_explanations(model):
    contrasts, predictions = model.explain_contrasts(X[TEST]), model.explain_predictions(X[TEST])
    assert len(contrasts) == len(predictions) == 15
    for i, (one, other) in enumerate(zip(contrasts, predictions)):
        row = X.iloc[[45 + i]]
        for batched, single in (
            (one, model.explain_contrast(row)),
            (other, model.explain_prediction(row)),
        ):
            scale = np.abs(single.direct).sum()
            assert_allclose(batched.direct, single.direct, atol=1e-9 * scale)
            assert_array_equal(batched.present, single.present)
            assert batched.name == f"sample {45 + i}"
            plain, expected = batched.to_dict(), single.to_dict()
            for key in ("target", "foil", "prediction", "neighbors", "target_neighbors"):
                assert plain.get(key) == expected.get(key)
        assert_allclose(contrasts.share[i], one.share, atol=1e-12)
        assert_allclose(predictions.share[i], other.share, atol=1e-12)
        assert_allclose(predictions.direct_share[i], other.direct_share, atol=1e-12)


def test_batches_are_tidy(model):
    contrasts, predictions = model.explain_contrasts(X[TEST]), model.explain_predictions(X[TEST])
    frame = contrasts.to_frame()
    columns = ["node", "depth", "direct", "total", "share", "present"]
    assert list(frame) == ["sample", "target", "foil", *columns]
    assert list(predictions.to_frame()) == ["sample", "prediction", *columns]
    assert len(frame) == 15 * 5
    sums = frame.groupby("sample")["direct"].sum()
    assert_allclose(sums, np.diff(contrasts.squared_distances)[:, 0], rtol=1e-6)
    assert sums.index.tolist() == list(range(45, 60))
    roots = predictions.to_frame().query("depth == 0")
    # shares are those of all that sets apart
    apart = np.maximum(predictions.direct, 0).sum(axis=1)
    assert_allclose(roots["share"], predictions.direct.sum(axis=1) / apart)


def test_parts_of_batches(model):
    batch = model.explain_contrasts(X[TEST])
    few = batch[2:8][np.array([0, 3])]
    assert type(few) is type(batch)
    assert few.name.tolist() == [47, 50]
    assert few[-1].to_dict() == batch[5].to_dict()
    assert batch[batch.target == "ant"].target.tolist() == ["ant"] * (batch.target == "ant").sum()
    empty = batch[:0]
    assert len(empty) == len(empty.to_frame()) == 0
    assert [one["name"] for one in few.to_dict()] == ["sample 47", "sample 50"]
    assert repr(few) == "ContrastExplanation(2 samples, 5 nodes)"
    with pytest.raises(IndexError, match="explanation 15 of 15 does not exist"):
        batch[15]
    assert len(model.explain_predictions(X[TEST])[[1, 2]]) == 2


def test_class_explanations_leave_the_row_itself_out():
    model = fit()
    explanation = model.explain_class("ant")
    rows = np.flatnonzero(Y[TRAIN] == "ant")
    assert_array_equal(explanation.rows, rows)
    table = X[TRAIN].to_numpy()
    for row, direct in zip(rows, explanation.direct_by_row):
        distances = squared(model, table[row], table)
        mine = np.sort(distances[np.setdiff1d(rows, row)])[:5].mean()
        theirs = np.sort(distances[Y[TRAIN] != "ant"])[:5].mean()
        assert_allclose(direct.sum(), theirs - mine, rtol=1e-6)


def test_class_explanations_by_prototypes():
    model = fit(decision="prototypes")
    explanation = model.explain_class("ant")
    table = X[TRAIN].to_numpy()[explanation.rows]
    distances = np.stack([squared(model, table, p) for p in model.prototypes_], axis=1)
    assert_allclose(
        explanation.direct_by_row.sum(axis=1), distances[:, 1:].min(axis=1) - distances[:, 0]
    )


def test_of_large_classes_rows_are_taken_whatever_their_order(monkeypatch):
    model = fit()
    every = model.explain_class("ant")
    monkeypatch.setattr(_explain, "MAX_ROWS", 5)
    some = model.explain_class("ant")
    assert len(some.rows) == 5
    assert_allclose(some.direct_by_row, every.direct_by_row[np.searchsorted(every.rows, some.rows)])
    order = np.random.default_rng(0).permutation(45)
    moved = HierarchicalMetricClassifier(random_state=0).fit(X.iloc[order], Y[order])
    assert_array_equal(np.sort(order[moved.explain_class("ant").rows]), some.rows)
    assert len(model.explain_model().direct_by_row) == 5


def test_labels_are_shown_as_plain_ones():
    X, y = named_table(30, n_classes=3)
    names = np.array(["ant", "bee", "cat"])[y]
    names[0] = "one"
    model = HierarchicalMetricClassifier(combination="scatter", random_state=0).fit(X, names)
    assert repr(model.explain_class(np.str_("bee")).label) == "'bee'"
    with pytest.raises(ValueError, match="; 'one' has 1"):
        model.explain_class(np.str_("one"))
    with pytest.raises(ValueError, match="got 'dog'"):
        model.explain_class(np.str_("dog"))


def test_model_explanations_collect_those_of_classes(model):
    whole = model.explain_model()
    parts = [model.explain_class(label) for label in model.classes_]
    rows = np.concatenate([part.rows for part in parts])
    assert_allclose(
        whole.direct_by_row[rows], np.concatenate([part.direct_by_row for part in parts]), atol=1e-9
    )
    assert whole.accuracy is None


def test_permutation(model):
    first = model.explain_model(X[TEST], Y[TEST], n_repeats=3, random_state=0)
    assert first.accuracy == model.score(X[TEST], Y[TEST])
    assert first.drops_direct.shape == first.drops_below.shape == (3, 5)
    again = model.explain_model(X[TEST], Y[TEST], n_repeats=3, random_state=0)
    assert_array_equal(first.drops_direct, again.drops_direct)
    tree = model.tree_
    leaves = tree.leaves
    assert_array_equal(first.drops_direct[:, leaves], first.drops_below[:, leaves])
    assert first.drops_direct.mean(axis=0).argmax() == tree.index("hair")
    # all columns together: rows keep their predictions and lose their classes
    rng = np.random.RandomState(0)
    predicted = model.predict(X[TEST])
    for repeat in range(3):
        order = rng.permutation(15)
        accuracy = (predicted[order] == Y[TEST]).mean()
        assert_allclose(first.drops_below[repeat, tree.root], first.accuracy - accuracy)


def test_columns_of_a_subtree_move_together():
    model = fit()
    result = model.explain_model(X[TEST], Y[TEST], n_repeats=1, random_state=7)
    order = np.random.RandomState(7).permutation(15)
    moved = X[TEST].copy()
    names = [name for name in X if name.startswith("photo/person")]
    moved[names] = moved[names].to_numpy()[order]
    person = model.tree_.index("person")
    expected = model.score(X[TEST], Y[TEST]) - model.score(moved, Y[TEST])
    assert_allclose(result.drops_below[0, person], expected)


def test_repeatable_to_the_bit(model):
    first, second = (model.explain_contrasts(X[TEST]) for _ in range(2))
    assert_array_equal(first.direct, second.direct)
    assert_array_equal(model.explain_model().direct, model.explain_model().direct)


def test_small_classes():
    y = np.where(np.arange(60) < 2, "rare", Y)
    y[5] = "one"
    model = fit(y=y)
    contrast = model.explain_contrast(X.iloc[[50]], target="ant", foil="rare")
    assert len(contrast.foil_neighbors) == 2
    assert len(contrast.target_neighbors) == 5
    batch = model.explain_contrasts(X[TEST], foil="rare")
    assert batch.foil_neighbors[0].tolist()[2:] == [-1, -1, -1]
    assert len(batch[0].foil_neighbors) == 2
    with pytest.raises(ValueError, match="n_neighbors=3 rows cannot be found in class 'rare'"):
        model.explain_contrast(X.iloc[[50]], "ant", "rare", n_neighbors=3)
    assert len(model.explain_class("rare").direct_by_row) == 2
    with pytest.raises(ValueError, match="'one' has 1"):
        model.explain_class("one")
    assert len(model.explain_model().direct_by_row) == 44


def test_numbers_as_classes_and_arrays_as_rows():
    table, codes = X.to_numpy(), np.unique(Y, return_inverse=True)[1]
    model = HierarchicalMetricClassifier(random_state=0).fit(table[TRAIN], codes[TRAIN])
    contrast = model.explain_contrast(table[50], target=np.int64(1), foil=0)
    assert contrast.to_dict()["target"] == 1
    assert contrast.present is None
    assert model.explain_contrasts(table[TEST])[0].name == "sample 0"
    assert model.explain_class(2).label == 2


def test_float32_tables():
    table = X.astype(np.float32)
    model = fit(table)
    for explanation in model.explain_contrasts(table[TEST]):
        expected = np.diff(explanation.squared_distances)[0]
        scale = np.abs(explanation.direct).sum()
        assert_allclose(explanation.direct.sum(), expected, atol=1e-6 * scale)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "eel"}, r"target must be one of the classes, \['ant', 'bee', 'cat'\], got 'ee"),
        ({"target": "ant", "foil": 3}, "foil must be one of the classes"),
        ({"target": "ant", "foil": "ant"}, "must be different classes, got 'ant' twice"),
        ({"n_neighbors": 0}, "n_neighbors must be an integer of at least 1, got 0"),
        ({"n_neighbors": True}, "n_neighbors must be an integer of at least 1, got True"),
    ],
)
def test_wrong_contrasts(model, options, message):
    with pytest.raises(ValueError, match=message):
        model.explain_contrast(X.iloc[[50]], **options)


def test_wrong_input(model):
    predicted = model.predict(X.iloc[[50]])[0]
    with pytest.raises(ValueError, match="twice; the target is the predicted class by default"):
        model.explain_contrast(X.iloc[[50]], foil=predicted)
    with pytest.raises(ValueError, match=r"twice for row \d+; the target"):
        model.explain_contrasts(X[TEST], foil="ant")
    with pytest.raises(ValueError, match=r"label must be one of the classes, .* got 'eel'"):
        model.explain_class("eel")
    with pytest.raises(ValueError, match=r"label must be one of the classes, .* got None"):
        model.explain_class(None)
    with pytest.raises(ValueError, match="X and y belong together"):
        model.explain_model(X[TEST])
    with pytest.raises(ValueError, match="n_repeats must be an integer of at least 1, got 0"):
        model.explain_model(X[TEST], Y[TEST], n_repeats=0)
    with pytest.raises(ValueError, match="y must hold one class per sample, expected 15, got 45"):
        model.explain_model(X[TEST], Y[TRAIN])
    with pytest.raises(ValueError, match=r"x must be one row of a table, got .* of shape"):
        model.explain_contrast(X.iloc[[50, 51]])


def test_not_fitted():
    from sklearn.exceptions import NotFittedError

    model = HierarchicalMetricClassifier()
    for explain in (
        lambda: model.explain_pair(X.iloc[0], X.iloc[1]),
        lambda: model.explain_contrast(X.iloc[0]),
        lambda: model.explain_contrasts(X),
        lambda: model.explain_predictions(X),
        lambda: model.explain_class("ant"),
        lambda: model.explain_model(),
    ):
        with pytest.raises(NotFittedError):
            explain()


def test_missing_parts_are_reported():
    table = X.copy()
    table.loc[50, "photo/sky|presence"] = 0.0
    model = fit(table)
    assert "The sample lacks sky." in model.explain_contrast(table.iloc[[50]]).to_text()
    frame = model.explain_contrasts(table[TEST]).to_frame()
    missing = frame[~frame["present"]]
    assert missing[["sample", "node"]].to_numpy().tolist() == [[50, "photo/sky"]]
    assert isinstance(frame, pd.DataFrame)


def test_contrasts_by_parts_sum_to_the_same(portrait_table):
    table, y = portrait_table
    linear = HierarchicalMetricClassifier(decision="linear", random_state=0).fit(table, y)
    parts = linear.explain_contrasts(table[:8], by="parts")
    assert_allclose(linear.explain_contrast(table.iloc[[3]], by="parts").direct, parts[3].direct)
    model = HierarchicalMetricClassifier(decision="neighbors", random_state=0).fit(table, y)
    inner = ~model.tree_.is_leaf
    nodes, parts = (model.explain_contrasts(table[:8], by=by) for by in ("nodes", "parts"))
    scale = np.abs(nodes.direct).sum(axis=1)
    assert_allclose(parts.direct.sum(axis=1) / scale, nodes.direct.sum(axis=1) / scale, atol=1e-6)
    assert_array_equal(parts.target_neighbors, nodes.target_neighbors)
    # less stays with inner nodes than they hold of their own
    assert np.abs(parts.direct[:, inner]).sum() < 0.7 * np.abs(nodes.direct[:, inner]).sum()
    single = model.explain_contrast(table.iloc[[3]], by="parts")
    assert_allclose(single.direct, parts[3].direct)
    assert "are split over their leaves" in single.to_text()
    assert single.to_dict()["by"] == "parts"
    # means over the pairs of both sides, each split by itself
    expected = np.zeros(model.tree_.n_nodes)
    for rows, sign in ((single.target_neighbors, -1), (single.foil_neighbors, 1)):
        pairs = [model.explain_pair(table.iloc[[3]], table.iloc[[row]], by="parts") for row in rows]
        expected += sign * np.mean([pair.direct for pair in pairs], axis=0)
    assert_allclose(single.direct / scale[3], expected / scale[3], atol=1e-4)
    with pytest.raises(
        ValueError, match="by must be 'auto', 'nodes', 'parts', 'descriptors' or 'columns', got"
    ):
        model.explain_contrast(table.iloc[[3]], by="leaves")


@pytest.fixture(scope="module")
def portrait_table():
    data = make_portraits(40, random_state=0)
    transformer = SegmentTreeTransformer(tree=data.tree, descriptors=["color", "shape"])
    return transformer.fit_transform(data.images), data.target
