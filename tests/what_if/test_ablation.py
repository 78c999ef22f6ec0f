"""Models with ablated parts: nothing of these is encoded, and the metric is the same."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hierseg_learn import HierarchicalMetricClassifier, SegmentedImages, SegmentTreeTransformer
from hierseg_learn.datasets import make_portraits
from hierseg_learn.what_if import AblatedClassifier, explain_votes
from tests.random_features import RandomFeatures

from .conftest import make_model

HAIR = 1

ablate = AblatedClassifier.from_estimator


def repaint(images, rng, part=HAIR):
    """Other pixels wherever a part is."""
    pixels, masks = np.array(list(images.images)), np.array(list(images.masks))
    there = masks == part
    pixels[there] = rng.integers(0, 256, (there.sum(), 3))
    return SegmentedImages(pixels, masks)


def unlabel(images, part=HAIR):
    masks = np.array(list(images.masks))
    return SegmentedImages(images.images, np.where(masks == part, -1, masks.astype(int)))


def with_rows_of(model, images):
    """The very same metric over the table of other training images."""
    other = pickle.loads(pickle.dumps(model))
    rows = np.asarray(other[0].transform(images))
    other[1]._set_references(rows)
    return other


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"decision": "prototypes"},
        {"decision": "linear"},
        {"decision": "linear", "combination": "logistic"},
        {"node_metric": RandomFeatures()},
        {"node_metric": RandomFeatures(), "decision": "linear"},
    ],
    ids=["neighbors", "prototypes", "linear", "regression", "waves", "linear waves"],
)
def test_nothing_of_a_ablated_part_reaches_a_prediction(portraits, train, test, params):
    # With descriptors of single pixels the table is enough; with others, pixels are
    # inpainted. Training and query pixels of the part are replaced by noise: not a bit changes.
    for descriptors, inpaint in (
        (("color", "shape"), False),
        (("color", "gradients", "lbp"), True),
    ):
        model = make_model(portraits.tree, descriptors, **params).fit(*train)
        rng = np.random.default_rng(0)
        painted = repaint(train[0], rng)
        ablated, other = (
            ablate(with_rows_of(model, X), "hair", images=X if inpaint else None)
            for X in (train[0], painted)
        )
        expected = ablated.predict_proba(test[0])
        for seen in (test[0], repaint(test[0], rng)):
            for estimator in (ablated, other):
                np.testing.assert_array_equal(estimator.predict_proba(seen), expected)
        assert not np.allclose(model.predict_proba(repaint(test[0], rng)), expected)


@pytest.mark.parametrize(
    ("decision", "combination"),
    [
        ("neighbors", "projection"),
        ("prototypes", "projection"),
        ("linear", "projection"),
        ("linear", "logistic"),
    ],
)
def test_an_ablated_part_contributes_nothing(portraits, train, test, decision, combination):
    params = {"combination": combination, "decision": decision}
    model = make_model(portraits.tree, ("color", "shape"), **params).fit(*train)
    ablated = ablate(model, "hair")
    hair = [path.endswith("/hair") for path in ablated.tree_.paths]
    shares = []
    for classifier, table in (
        (model[-1], model[0].transform(test[0])),
        (ablated.classifier_, ablated.table(test[0])),
    ):
        direct = np.abs(classifier.explain_contrasts(table, by="nodes").direct)
        shares.append((direct[:, hair].sum(axis=1) / direct.sum(axis=1)).max())
    assert shares[0] > 0.05
    assert shares[1] < 1e-6


@pytest.mark.parametrize("all_but_one", [False, True])
def test_a_regression_without_a_part_is_that_of_the_mean_of_the_part(all_but_one):
    data = make_portraits(
        120, signal=("hair", "clothes"), strength=0.4, n_classes=3, random_state=0
    )
    images, y = data.images, data.target
    params = {"combination": "logistic", "decision": "linear"}
    model = make_model(data.tree, ("color", "shape"), **params).fit(images[:80], y[:80])
    tree = model[0].tree_
    leaves = [tree.paths[leaf] for leaf in tree.leaves]
    ablated = ablate(model, leaves[1:] if all_but_one else "clothes")
    table, before = ablated.table(images[80:]), ablated.classifier_._X.mean(axis=0, dtype=float)
    moved = table + (model[-1]._X.mean(axis=0, dtype=float) - before)
    expected = model[-1].predict_log_proba(moved)
    assert_allclose(ablated.classifier_.predict_log_proba(table), expected, atol=1e-5)
    gone = [path in ablated.ablated_ for path in ablated.tree_.paths]
    explained = ablated.classifier_.explain_contrasts(table, by="nodes")
    assert_allclose(explained.direct[:, gone], 0, atol=1e-6)
    if not all_but_one:  # hair is left
        assert ablated.score(images[80:], y[80:]) > 0.8


@pytest.mark.parametrize("combination", ["logistic", "projection"])
def test_parts_ablated_in_turn_are_ablated_together(combination):
    data = make_portraits(
        120, signal=("hair", "clothes"), strength=0.4, n_classes=3, random_state=0
    )
    images, y = data.images, data.target
    params = {"combination": combination, "decision": "linear"}
    model = make_model(data.tree, ("color", "shape"), **params).fit(images[:80], y[:80])
    together, first = ablate(model, ["clothes", "eyes"]), ablate(model, "clothes")
    second = AblatedClassifier.from_estimator(
        first.classifier_, "eyes", transformer=first.transformer_
    )
    expected = together.predict_proba(images[80:])
    assert_allclose(second.predict_proba(first.table(images[80:])), expected, atol=1e-6)


def test_a_part_compared_with_landmarks_contributes_nothing_once_ablated():
    data = make_portraits(200, signal=("clothes",), strength=0.15, random_state=0)
    pixels, masks = np.array(list(data.images.images)), np.array(list(data.images.masks))
    rng = np.random.default_rng(0)
    red, blue = rng.integers(0, 2, (2, 200))
    for image, mask, up, right in zip(pixels, masks, red, blue, strict=True):
        image[mask == HAIR] = [70 + 80 * up, 110, 70 + 80 * right] + rng.integers(-15, 16, 3)
    images, y = SegmentedImages(pixels, masks), red ^ blue
    params = {"combination": "logistic", "decision": "linear"}
    model = make_model(data.tree, ["color"], **params).fit(images[:133], y[:133])
    assert model[-1]._lift is not None
    assert ablate(model, "clothes").score(images[133:], y[133:]) > 0.9
    bald = ablate(model, "hair")
    table, hair = bald.table(images[133:]), [path in bald.ablated_ for path in bald.tree_.paths]
    direct = bald.classifier_.explain_contrasts(table, by="nodes").direct
    assert_allclose(direct[:, hair], 0, atol=1e-6)
    assert np.abs(direct).max() > 0.01


def test_without_images_neighbors_still_see_the_part(portraits, train, test):
    # the reason for `images`: binary patterns reach across borders
    model = make_model(portraits.tree, ["lbp"]).fit(*train)
    painted = repaint(test[0], np.random.default_rng(0))
    for images, same in ((None, False), (train[0], True)):
        ablated = ablate(model, "hair", images=images)
        columns = [ablated.table(X).filter(like="/skin|") for X in (test[0], painted)]
        assert np.array_equal(*columns) == same


def test_accuracy_falls_to_chance(model, train, test):
    assert model.score(*test) > 0.8
    assert ablate(model, "hair", images=train[0]).score(*test) < 0.75
    assert ablate(model, "background").score(*test) > 0.8


def test_table_is_that_of_unlabeled_images(portraits, model, train, test):
    ablated = ablate(model, "hair")
    with pytest.warns(UserWarning, match="'hair' never occurred"):
        transformer = clone(model[0]).fit(unlabel(train[0]))
    expected = transformer.transform(unlabel(test[0]))
    np.testing.assert_allclose(ablated.table(test[0]), expected, rtol=2e-3, atol=2e-4)
    np.testing.assert_allclose(
        ablated.classifier_._X, transformer.transform(unlabel(train[0])), rtol=2e-3, atol=2e-4
    )
    np.testing.assert_allclose(ablated.fill_values_, transformer.fill_values_, rtol=2e-3, atol=2e-4)


@settings(deadline=None, max_examples=8)
@given(st.sets(st.sampled_from(["background", "hair", "skin", "eyes", "body"]), min_size=1))
def test_nodes_and_their_leaves_are_the_same(model, test, nodes):
    ablated = ablate(model, nodes)
    assert {path.split("/")[-1] for path in ablated.ablated_} == {
        leaf for node in nodes for leaf in (("neck", "clothes") if node == "body" else (node,))
    }
    by_path = ablate(model, list(ablated.ablated_))
    one_by_one = [ablated.tree_.index(path) for path in ablated.ablated_]
    proba = ablated.predict_proba(test[0])
    np.testing.assert_array_equal(by_path.predict_proba(test[0]), proba)
    np.testing.assert_array_equal(ablate(model, one_by_one).predict_proba(test[0]), proba)


def test_model_stays_as_it_is(model, train, test):
    before = pickle.dumps(model)
    ablated = ablate(model, ["hair", "eyes"])
    ablated.predict(test[0])
    assert pickle.dumps(model) == before
    np.testing.assert_array_equal(ablated.classifier_.components_, model[1].components_)
    assert ablated.estimator_ is not model


def test_explanations_leave_ablated_parts_out(model, test):
    ablated = ablate(model, ["hair"])
    X = test[0]
    for x in (X[2], X[2:3]):
        explanation = ablated.explain_prediction(x)
        assert explanation.to_frame().loc[ablated.ablated_[0], "direct"] == 0
        assert not explanation.to_frame().loc[ablated.ablated_[0], "present"]
        assert explanation.prediction == ablated.predict(X[2:3])[0]
    pair = ablated.explain_pair(X[0], X[1])
    squared = ablated.classifier_.pair_distance([ablated.table(X[:2]).to_numpy()])[0] ** 2
    assert pair.squared_distance == pytest.approx(squared, rel=1e-4)
    assert pair.to_frame().loc[ablated.ablated_[0], "direct"] == 0


def test_on_tables(model, train, test):
    table, queries = (model[0].transform(X) for X in (train[0], test[0]))
    ablated = ablate(model[1], "hair", transformer=model[0])
    expected = ablate(model, "hair").predict_proba(test[0])
    np.testing.assert_allclose(ablated.predict_proba(queries), expected, atol=1e-6)
    explained = ablated.explain_prediction(queries.iloc[0])
    assert explained.prediction == ablated.predict(queries[:1])[0]
    refitted = clone(ablated).fit(table, train[1])
    np.testing.assert_allclose(refitted.predict_proba(queries), expected, atol=1e-6)


def test_columns_in_another_order(model, train, test):
    table, queries = (model[0].transform(X).iloc[:, ::-1] for X in (train[0], test[0]))
    classifier = clone(model[1]).fit(table, train[1])
    ablated = ablate(classifier, "hair", transformer=model[0])
    expected = ablate(model, "hair").table(test[0]).iloc[:, ::-1]
    for order in (queries, queries.iloc[:, ::-1]):
        assert ablated.table(order).equals(expected)
    np.testing.assert_array_equal(
        ablated.classifier_._X, ablate(model, "hair").classifier_._X[:, ::-1]
    )


def test_bare_arrays(portraits, train, test, model):
    arrays = make_model(portraits.tree, combination="projection")
    arrays[0].set_output(transform="default")
    ablated = ablate(arrays.fit(*train), "hair")
    assert isinstance(ablated.table(test[0]), np.ndarray)
    np.testing.assert_allclose(
        ablated.table(test[0]), ablate(model, "hair").table(test[0]), rtol=1e-5
    )


def test_clone_pickle_and_cross_validation(portraits, model, train, test):
    ablated = ablate(model, "hair", images=train[0])
    copy = pickle.loads(pickle.dumps(ablated))
    np.testing.assert_array_equal(copy.predict_proba(test[0]), ablated.predict_proba(test[0]))
    fresh = clone(ablated)
    with pytest.raises(NotFittedError):
        fresh.predict(test[0])
    refitted = fresh.fit(*train)
    np.testing.assert_array_equal(refitted.predict_proba(test[0]), ablated.predict_proba(test[0]))
    scores = cross_val_score(
        AblatedClassifier(make_model(portraits.tree), "background"),
        *train,
        cv=2,
        error_score="raise",
    )
    assert scores.min() > 0.7


def test_missing_parts(portraits, model, test):
    # bald portraits are there, and ablating hair makes them like all others
    bald = ~np.array([(mask == HAIR).any() for mask in test[0].masks])
    assert bald.any()
    assert not bald.all()
    table = ablate(model, "hair").table(test[0])
    hair = table.filter(like="/hair|")
    assert (hair == hair.iloc[0]).all(axis=None)
    assert not table.isna().any(axis=None)


def test_wrong_input(portraits, model, train, test):
    X, y = train
    with pytest.raises(ValueError, match=r"'wig'"):
        ablate(model, "wig")
    with pytest.raises(ValueError, match="ablates every part"):
        ablate(model, "portrait")
    with pytest.raises(ValueError, match="nodes is empty"):
        ablate(model, [])
    with pytest.raises(ValueError, match="images must be the 60"):
        ablate(model, "hair", images=X[:10])
    scaled = make_pipeline(
        SegmentTreeTransformer(tree=portraits.tree, descriptors="color"),
        StandardScaler().set_output(transform="pandas"),
        HierarchicalMetricClassifier(),
    ).fit(X, y)
    with pytest.raises(TypeError, match=r"nothing in between, got a Pipeline of .*StandardScaler"):
        ablate(scaled, "hair")
    with pytest.raises(ValueError, match=r"the table that model was fitted on .*neither scaled"):
        ablate(scaled[-1], "hair", transformer=scaled[0])
    with pytest.raises(ValueError, match="columns that transformer makes"):
        ablate(scaled[-1], "hair", transformer=model[0])
    with pytest.raises(TypeError, match=r"transformer must be .* got None"):
        ablate(model[-1], "hair")
    with pytest.raises(ValueError, match="transformer was given"):
        ablate(model, "hair", transformer=model[0])
    with pytest.raises(TypeError, match="got StandardScaler"):
        ablate(StandardScaler(), "hair")
    with pytest.raises(ValueError, match=r"x must be one image.*of length 20"):
        ablate(model, "hair").explain_prediction(test[0])
    with pytest.raises(NotFittedError):
        ablate(make_model(portraits.tree), "hair")
    with pytest.raises(ValueError, match="inpaint=True needs images"):
        ablate(model[1], "hair", transformer=model[0], images=X)
    ablated = ablate(model, "hair")
    with pytest.raises(TypeError, match="ablated already"):
        ablate(ablated, "skin")
    with pytest.raises(ValueError, match="transformer was given"):
        explain_votes(ablated, X[0], transformer=model[0])


def test_a_frozen_model_is_not_fitted_again(model, train, test):
    frozen = AblatedClassifier(FrozenEstimator(model), "hair").fit(*train)
    np.testing.assert_array_equal(
        frozen.predict_proba(test[0]),
        ablate(model, "hair").predict_proba(test[0]),
    )
