"""Fitted pipelines, and what is none."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from hierseg_learn import HierarchicalMetricClassifier, SegmentedImages, SegmentTreeTransformer
from hierseg_learn.displays import (
    NodeScoreDisplay,
    PairMatrixDisplay,
    SegmentContributionDisplay,
    WaterfallDisplay,
)
from hierseg_learn.fitted.model import FittedModel
from tests.explain.fitted import fitted_portraits

DISPLAYS = pytest.mark.parametrize("display", [SegmentContributionDisplay, WaterfallDisplay])


@DISPLAYS
def test_one_photo_is_asked_why_this_class(display, plt):
    fitted = fitted_portraits()
    images, classifier = fitted.test[0][:1], fitted.model[-1]
    row = fitted.model[:-1].transform(images)
    shown = display.from_estimator(fitted.model, images)
    expected = classifier.explain_contrast(row)
    assert_allclose(shown.explanation.direct, expected.direct, rtol=1e-6)
    assert expected.target == classifier.predict(row)[0]
    title = shown.ax_.get_title(loc="left").replace("\n", " ")
    assert title == f"Why '{expected.target}' rather than '{expected.foil}'?"
    assert shown.alt_text.startswith(title)


@DISPLAYS
def test_other_classes_and_neighbors_are_asked_for(display, plt):
    fitted = fitted_portraits()
    images, classifier = fitted.test[0][:1], fitted.model[-1]
    row = fitted.model[:-1].transform(images)
    sides = {"target": "eve", "foil": "<b>ada</b>"}
    shown = display.from_estimator(fitted.model, images, **sides)
    assert_allclose(shown.explanation.direct, classifier.explain_contrast(row, **sides).direct)
    assert "Why 'eve' rather than '<b>ada</b>'?" in shown.alt_text
    shown = display.from_estimator(fitted.model, images, question="neighbors", titles=["Ann"])
    assert_allclose(shown.explanation.direct, classifier.explain_prediction(row).direct)
    assert shown.alt_text.startswith("How Ann differs from its nearest neighbors")
    shown = display.from_estimator(fitted.model, images, question="novelty", titles=["Ann"])
    assert_allclose(shown.explanation.direct, classifier.explain_novelty(row)[0].direct)
    assert shown.alt_text.startswith("Ann: is it like anything seen?")


@DISPLAYS
def test_wrong_questions(display):
    fitted = fitted_portraits()
    for number, asked, message in (
        (
            1,
            {"question": "votes"},
            "question must be 'class', 'neighbors' or 'novelty', got",
        ),
        (1, {"question": "neighbors", "target": "eve"}, "about no class"),
        (1, {"question": "novelty", "foil": "eve"}, "'novelty' is about no class"),
        (2, {"question": "neighbors"}, "about one sample, but X holds two"),
        (2, {"foil": "eve"}, "about one sample, but X holds two"),
        (1, {"target": "zoe"}, "target must be one of the classes"),
    ):
        with pytest.raises(ValueError, match=message):
            display.from_estimator(fitted.model, fitted.images[:number], **asked)


def test_overlay_of_one_photo_and_of_two(plt):
    fitted = fitted_portraits()
    images, _ = fitted.test
    rows = fitted.model[:-1].transform(images[:2])
    one = SegmentContributionDisplay.from_estimator(fitted.model, images[:1], titles=["Ann"])
    assert "? Photo, Ann, each segment tinted by its share of what speaks for" in one.alt_text
    assert "Ann" in [text.get_text() for text in one.ax_.texts]
    two = SegmentContributionDisplay.from_estimator(fitted.model, images[:2], level=1)
    expected = fitted.model[-1].explain_pair(rows.iloc[[0]], rows.iloc[[1]])
    assert_allclose(two.explanation.direct, expected.direct, rtol=1e-6)
    assert len(two.images) == 2
    assert_array_equal(two.label_maps[1], fitted.model[0].label_maps(images[1:2])[0])
    assert set(two.shares) == {"portrait/background", "portrait/person"}


@pytest.mark.parametrize("kind", ["array", "list", "table"])
def test_photos_of_every_container(plt, kind):
    rng = np.random.default_rng(0)
    stack = rng.random((12, 8, 9))
    X = {"array": stack, "list": list(stack), "table": stack.reshape(12, -1)}[kind]
    shape = (8, 9) if kind == "table" else None
    model = make_pipeline(
        SegmentTreeTransformer("grid", descriptors="color", image_shape=shape),
        HierarchicalMetricClassifier(n_neighbors=2),
    ).fit(X, [0, 1] * 6)
    display = SegmentContributionDisplay.from_estimator(model, X[:2])
    assert_allclose(display.images, stack[:2], atol=1e-6)


def test_label_maps_follow_the_classifiers_tree():
    images = SegmentedImages(np.zeros((6, 2, 2)), np.array([[[0, 1], [2, -1]]] * 6))
    transformer = SegmentTreeTransformer(tree={"all": {"a": 0, "rest": {"b": 1, "c": 2}}})
    table = transformer.set_params(descriptors="shape").fit_transform(images)
    shuffled = table[table.columns[::-1]]
    classifier = HierarchicalMetricClassifier(n_neighbors=2).fit(shuffled, [0, 1] * 3)
    steps = FittedModel.from_estimator(
        make_pipeline(transformer, classifier), needs="photos", explains=True
    )
    (labels, *_) = steps.label_maps(images)
    names = [[steps.tree.names[i] if i >= 0 else None for i in line] for line in labels.tolist()]
    assert names == [["a", "b"], ["c", None]]


def kinds():
    model = fitted_portraits().model
    search = GridSearchCV(make_pipeline(LogisticRegression()), {}, cv=2)
    search.fit([[0.0], [1.0], [0.0], [1.0]], [0, 1, 0, 1])
    return {
        "LogisticRegression": LogisticRegression(),
        "a Pipeline of SegmentTreeTransformer and LogisticRegression": make_pipeline(
            model[0], LogisticRegression()
        ),
        "GridSearchCV; pass its best_estimator_": search,
        "HierarchicalMetricClassifier": model[-1],
    }


@pytest.mark.parametrize("got", list(kinds()))
def test_other_estimators_are_named(got):
    images = fitted_portraits().images[:2]
    expected = "estimator must be a fitted Pipeline of a SegmentTreeTransformer and"
    with pytest.raises(TypeError, match=f"{expected} .*, got {got}.$"):
        SegmentContributionDisplay.from_estimator(kinds()[got], images)
    if got != "HierarchicalMetricClassifier":
        for display in (WaterfallDisplay, PairMatrixDisplay, NodeScoreDisplay):
            args = () if display is NodeScoreDisplay else (images,)
            with pytest.raises(
                TypeError, match=f"{expected} .*, or such a classifier, got {got}.$"
            ):
                display.from_estimator(kinds()[got], *args)


def test_unfitted_pipelines_say_so():
    model = make_pipeline(SegmentTreeTransformer(), HierarchicalMetricClassifier())
    with pytest.raises(NotFittedError):
        NodeScoreDisplay.from_estimator(model)


def test_wrong_titles():
    fitted = fitted_portraits()
    with pytest.raises(ValueError, match="titles must be a list of one string per sample"):
        WaterfallDisplay.from_estimator(fitted.model, fitted.images[:2], titles=["one"])
