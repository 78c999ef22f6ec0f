"""Access to fitted models: which are taken, what is said of others, and columns in any order."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
from hierseg_learn.datasets import make_portraits
from hierseg_learn.displays import (
    NearestImagesDisplay,
    SegmentContributionDisplay,
    WaterfallDisplay,
)
from hierseg_learn.fitted.model import FittedModel, check_transformer
from hierseg_learn.what_if import AblatedClassifier, counterfactual

DATA = make_portraits(30, signal=("hair",), strength=1.0, random_state=0)
X, Y = DATA.images, DATA.target
TRANSFORMER = SegmentTreeTransformer(tree=DATA.tree, descriptors="color").fit(X)
TABLE = TRANSFORMER.transform(X)
CLASSIFIER = HierarchicalMetricClassifier(n_neighbors=3, random_state=0).fit(TABLE, Y)
PARTS = {"needs": "parts"}
METRIC = {"needs": "parts", "explains": True}
open_model = FittedModel.from_estimator


def foreign(table=TABLE):
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(table, Y)


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("idle", [False, True])
def test_a_pipeline_is_its_steps(frozen, idle):
    transformer = FrozenEstimator(TRANSFORMER) if frozen else TRANSFORMER
    idle_steps = [("none", None), ("through", "passthrough")] if idle else []
    model = Pipeline([("table", transformer), *idle_steps, ("classifier", CLASSIFIER)])
    for found in (open_model(model, **METRIC), open_model(CLASSIFIER, transformer, **METRIC)):
        assert found.transformer is TRANSFORMER
        assert found.classifier is found.head is CLASSIFIER
        rows = found.rows(X if found.takes_images else TABLE)
        np.testing.assert_array_equal(rows, TABLE)
        np.testing.assert_array_equal(found.predict_proba(rows), CLASSIFIER.predict_proba(TABLE))
        np.testing.assert_array_equal(
            found.one_row(X[3] if found.takes_images else TABLE.iloc[3]), TABLE.iloc[[3]]
        )


def test_a_classifier_with_a_transformer_takes_images_too():
    found = open_model(CLASSIFIER, TRANSFORMER, **PARTS)
    np.testing.assert_array_equal(found.rows(X), found.rows(TABLE))


def test_weighted_classifiers_count_photos_as_they_were_given():
    counts = np.arange(30) % 3
    held = np.repeat(np.arange(30), counts)
    params = {"combination": "projection", "decision": "neighbors", "n_neighbors": 3}
    model = HierarchicalMetricClassifier(**params, random_state=0)
    weighted = make_pipeline(TRANSFORMER, model.fit(TABLE, Y, sample_weight=counts))
    repeated = HierarchicalMetricClassifier(**params, random_state=0)
    repeated = make_pipeline(TRANSFORMER, repeated.fit(TABLE.iloc[held], Y[held]))
    display = NearestImagesDisplay.from_estimator(weighted, X[:1], X, Y, n_neighbors=4)
    names = [neighbor.name for neighbor in display.neighbors]
    distances = [neighbor.explanation.distance for neighbor in display.neighbors]
    assert len(set(names)) == 4
    assert distances == sorted(distances)
    with pytest.raises(ValueError, match="n_neighbors=21 must be at most 20, the number of"):
        NearestImagesDisplay.from_estimator(weighted, X[:1], X, Y, n_neighbors=21)
    found, other = counterfactual(weighted, X[1:2]), counterfactual(repeated, X[1:2])
    assert (found.donor, found.donor_class) == (held[other.donor], Y[held[other.donor]])
    ablated, expected = (
        AblatedClassifier.from_estimator(model, "hair", images=images)
        for model, images in ((weighted, X), (repeated, X[held]))
    )
    np.testing.assert_array_equal(ablated.predict_proba(X), expected.predict_proba(X))
    with pytest.raises(ValueError, match="images must be the 30 that model was fitted on"):
        AblatedClassifier.from_estimator(weighted, "hair", images=X[:20])


def test_condensed_classifiers_say_which_rows_they_lack():
    votes, linear = (
        HierarchicalMetricClassifier(
            combination="projection", decision=decision, n_neighbors=3, random_state=0
        ).fit(TABLE, Y)
        for decision in ("neighbors", "linear")
    )
    small = make_pipeline(TRANSFORMER, votes.condense(4))
    kept = small[-1].sample_indices_
    rows = open_model(small, **METRIC).training_rows()
    np.testing.assert_array_equal(rows, TABLE.to_numpy()[kept])
    ablated = AblatedClassifier.from_estimator(small, "hair")
    assert ablated.predict(X[:3]).shape == (3,)
    display = NearestImagesDisplay.from_estimator(small, X[:1], X[kept], Y[kept], n_neighbors=2)
    assert len(display.neighbors) == 2
    with pytest.raises(ValueError, match="ablation needs all training rows, of which"):
        AblatedClassifier.from_estimator(make_pipeline(TRANSFORMER, linear.condense(4)), "hair")
    bare = make_pipeline(TRANSFORMER, linear.condense(0))
    np.testing.assert_array_equal(bare.predict(X), make_pipeline(TRANSFORMER, linear).predict(X))
    with pytest.raises(ValueError, match="editing parts needs the training rows, of which"):
        counterfactual(bare, X[:1])


@pytest.mark.parametrize("kind", ["frame", "array"])
def test_foreign_classifiers_and_steps_in_between(kind):
    table = TABLE if kind == "frame" else TABLE.to_numpy()
    model = foreign(table)
    for found in (
        open_model(make_pipeline(TRANSFORMER, *model), **PARTS),
        open_model(model, TRANSFORMER, **PARTS),
    ):
        rows = found.rows(X)
        np.testing.assert_array_equal(found.predict(rows), model.predict(table))


def test_columns_in_any_order():
    shuffled = TABLE.iloc[:, np.random.default_rng(0).permutation(TABLE.shape[1])]
    for model in (foreign(shuffled), HierarchicalMetricClassifier().fit(shuffled, Y)):
        found = open_model(model, TRANSFORMER, **PARTS)
        rows = found.rows(TABLE)
        np.testing.assert_array_equal(found.rows(shuffled), rows)
        np.testing.assert_array_equal(found.to_table(rows), shuffled)
        np.testing.assert_array_equal(found.predict(rows), model.predict(shuffled))
    np.testing.assert_array_equal(found.training_rows(), TABLE)
    moved = found.embed(TABLE.to_numpy())
    np.testing.assert_allclose(moved, shuffled.to_numpy() @ model.components_.T, atol=1e-4)


def test_ablated_models_are_opened_as_they_are():
    figure = pytest.importorskip("matplotlib.figure").Figure()
    ablated = AblatedClassifier.from_estimator(make_pipeline(TRANSFORMER, CLASSIFIER), "hair")
    found = open_model(ablated, needs="photos", explains=True)
    np.testing.assert_array_equal(found.table(X), ablated.table(X))
    expected = ablated.explain_contrast(X[0])
    shown = SegmentContributionDisplay.from_estimator(ablated, X[:1], ax=figure.subplots())
    np.testing.assert_allclose(shown.explanation.direct, expected.direct)
    on_table = AblatedClassifier.from_estimator(CLASSIFIER, "hair", transformer=TRANSFORMER)
    shown = WaterfallDisplay.from_estimator(on_table, TABLE.iloc[:1], ax=figure.subplots())
    np.testing.assert_allclose(shown.explanation.direct, expected.direct)
    with pytest.raises(TypeError, match="must take images, got AblatedClassifier on a table"):
        open_model(on_table, needs="photos")
    with pytest.raises(ValueError, match="is AblatedClassifier and has its own; leave it out"):
        open_model(on_table, TRANSFORMER)


SEARCH = GridSearchCV(make_pipeline(LogisticRegression()), {}, cv=2).fit(TABLE, Y)
PIPELINE = "model must be a fitted Pipeline of a SegmentTreeTransformer and a"


@pytest.mark.parametrize(
    ("model", "params", "message"),
    [
        (StandardScaler(), PARTS, rf"{PIPELINE} classifier, or such .*, got StandardScaler\."),
        (make_pipeline(TRANSFORMER), PARTS, "got a Pipeline of SegmentTreeTransformer"),
        (foreign(), METRIC, "got a Pipeline of StandardScaler and LogisticRegression"),
        (foreign(), PARTS, "transformer must be the fitted .* table model was .* got None"),
        (SEARCH, PARTS, "pass its best_estimator_"),
        (SEARCH, {"explains": True}, f"{PIPELINE} HierarchicalMetric.*; pass its best_estimator_"),
        (CLASSIFIER, {"needs": "photos"}, rf"{PIPELINE} classifier, got HierarchicalMetricC"),
        (
            make_pipeline(TRANSFORMER, StandardScaler(), CLASSIFIER),
            METRIC,
            "nothing in between, got a Pipeline of .*StandardScaler",
        ),
        (make_pipeline(StandardScaler(), CLASSIFIER), METRIC, "nothing in between"),
    ],
)
def test_other_models_are_named(model, params, message):
    with pytest.raises(TypeError, match=message):
        open_model(model, **params)


def test_wrong_transformers_and_tables():
    with pytest.raises(ValueError, match="is a Pipeline and has its own; leave it out"):
        open_model(make_pipeline(TRANSFORMER, CLASSIFIER), TRANSFORMER)
    with pytest.raises(TypeError, match="fitted SegmentTreeTransformer, got StandardScaler"):
        check_transformer(FrozenEstimator(StandardScaler()))
    with pytest.raises(NotFittedError, match=r"not fitted.*FrozenEstimator\(transformer\)"):
        open_model(CLASSIFIER, SegmentTreeTransformer(), **PARTS)
    for unfitted in (CLASSIFIER.__class__(), LogisticRegression()):
        with pytest.raises(NotFittedError):
            open_model(make_pipeline(TRANSFORMER, unfitted), **PARTS)
    small = LogisticRegression().fit(TABLE.iloc[:, :3], Y)
    with pytest.raises(ValueError, match="model was fitted on has 3 columns; expected the"):
        open_model(small, TRANSFORMER, **PARTS)
    renamed = LogisticRegression().fit(TABLE.rename(columns={"portrait|area": "size"}), Y)
    with pytest.raises(ValueError, match="fitted on has the unexpected column 'size'"):
        open_model(renamed, TRANSFORMER, **PARTS)
    with pytest.raises(ValueError, match="y holds 7 at positions 0"):
        open_model(CLASSIFIER).check_classes([7] * len(Y), len(Y))
