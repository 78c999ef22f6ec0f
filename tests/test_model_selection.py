"""segment_scorer: label maps reach predict in scikit-learn's cross-validation."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import accuracy_score, get_scorer, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    StratifiedKFold,
    cross_val_score,
    cross_validate,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.utils.validation import check_is_fitted

from hierseg_learn import SegmentTreeTransformer
from hierseg_learn.datasets import make_portraits
from hierseg_learn.images import RaggedArrays
from hierseg_learn.model_selection import segment_scorer


@pytest.fixture(autouse=True)
def _routing():
    with config_context(enable_metadata_routing=True):
        yield


@pytest.fixture(scope="module")
def portraits():
    return make_portraits(36, strength=0.15, image_size=(24, 20), random_state=0)


class Reader(ClassifierMixin, BaseEstimator):
    """Predicts what the label maps say, after checking that they belong to the images."""

    __metadata_request__predict = {"segments": True}
    __metadata_request__predict_proba = {"segments": True}

    def fit(self, X, y, segments=None):
        self._read(X, segments)
        self.classes_ = np.unique(y)
        return self

    def predict(self, X, segments=None):
        return self._read(X, segments) % len(self.classes_)

    def predict_proba(self, X, segments=None):
        return np.eye(len(self.classes_))[self.predict(X, segments)] * 0.8 + 0.1

    @staticmethod
    def _read(X, segments):
        read = np.array([int(np.max(mask)) for mask in segments])
        np.testing.assert_array_equal(read, [int(np.max(image)) for image in X])
        return read


def numbered(n_images=10):
    """Images and label maps of different sizes that all hold their own number."""
    return [np.full((1 + i % 3, 2), i) for i in range(n_images)]


def as_objects(items):
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


CONTAINERS = {
    "list": lambda items: items,
    "tuple": tuple,
    "RaggedArrays": RaggedArrays.from_arrays,
    "object array": as_objects,
    "Series": lambda items: pd.Series(items, index=np.arange(len(items))[::-1]),
    "array": lambda items: np.array([item[:1] for item in items]),
    "flat table": lambda items: np.array([item[0] for item in items]),
}


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("scoring", ["balanced_accuracy", "roc_auc"])
def test_every_container_is_split_with_the_images(container, scoring):
    items = numbered()
    results = cross_validate(
        Reader().set_fit_request(segments=True),
        items,
        np.arange(10) % 2,
        cv=StratifiedKFold(5, shuffle=True, random_state=0),
        scoring=segment_scorer(scoring),
        params={"segments": CONTAINERS[container](items)},
        return_train_score=True,
        error_score="raise",
    )
    # 1.0 only if every image meets its own label map
    np.testing.assert_array_equal(results["test_score"], 1.0)
    np.testing.assert_array_equal(results["train_score"], 1.0)


def routed(classifier):
    step = SegmentTreeTransformer(descriptors="color")
    step.set_fit_request(segments=True).set_transform_request(segments=True)
    return make_pipeline(step, classifier)


@pytest.mark.parametrize(
    "scoring",
    [
        "balanced_accuracy",
        "roc_auc",
        "neg_log_loss",
        "average_precision",
        make_scorer(accuracy_score, greater_is_better=False),
    ],
)
def test_scores_are_those_of_images_that_carry_their_masks(portraits, scoring):
    X, y = portraits.images, portraits.target
    expected = cross_val_score(
        make_pipeline(SegmentTreeTransformer(descriptors="color"), KNeighborsClassifier()),
        X,
        y,
        cv=3,
        scoring=scoring,
        error_score="raise",
    )
    found = cross_val_score(
        routed(KNeighborsClassifier()),
        X.images,
        y,
        cv=3,
        scoring=segment_scorer(scoring),
        params={"segments": X.masks},
        error_score="raise",
    )
    np.testing.assert_array_equal(found, expected)
    assert len(set(np.round(found, 6))) > 1


def test_a_classifier_with_a_decision_function_only(portraits):
    X, y = portraits.images, portraits.target
    model = routed(RidgeClassifier()).fit(X.images, y, segments=X.masks)
    found = segment_scorer("roc_auc")(model, X.images, y, segments=X.masks)
    scores = model.decision_function(X.images, segments=X.masks)
    ranks = scores[y == 1][:, np.newaxis] > scores[y == 0]
    assert found == pytest.approx(ranks.mean())


def test_grid_search_in_workers_and_its_own_score(portraits):
    X, y = portraits.images, portraits.target
    masks = list(X.masks)
    search = GridSearchCV(
        routed(KNeighborsClassifier()),
        {
            "kneighborsclassifier__n_neighbors": [4, 8],
            "segmenttreetransformer__describe_inner": [False],
        },
        scoring=segment_scorer("roc_auc"),
        cv=2,
        n_jobs=2,
        error_score="raise",
    ).fit(list(X.images), y, segments=masks)
    carried = GridSearchCV(
        make_pipeline(SegmentTreeTransformer(descriptors="color"), KNeighborsClassifier()),
        search.param_grid,
        scoring="roc_auc",
        cv=2,
        error_score="raise",
    ).fit(X, y)
    for key in ("mean_test_score", "rank_test_score"):
        np.testing.assert_array_equal(search.cv_results_[key], carried.cv_results_[key])
    assert len(set(search.cv_results_["mean_test_score"])) == 2
    score = search.score(list(X.images), y, segments=masks)
    assert score == pytest.approx(carried.score(X, y), rel=1e-12)


def test_several_scores_at_once(portraits):
    X, y = portraits.images, portraits.target
    names = ("accuracy", "roc_auc")
    results = cross_validate(
        routed(KNeighborsClassifier()),
        X.images,
        y,
        cv=2,
        scoring={name: segment_scorer(name) for name in names},
        params={"segments": X.masks},
        error_score="raise",
    )
    for name in names:
        alone = cross_val_score(
            routed(KNeighborsClassifier()),
            X.images,
            y,
            cv=2,
            scoring=segment_scorer(name),
            params={"segments": X.masks},
            error_score="raise",
        )
        np.testing.assert_array_equal(results[f"test_{name}"], alone)


def a_score(estimator, X, y):
    """Ask for predictions by hand, as users' own scorers do."""
    return float(np.mean(estimator.predict(X) == y)) + estimator.score(X, y)


def test_a_function_as_scorer():
    items = numbered(4)
    y = np.array([0, 1, 0, 0])
    model = WithScore().fit(items, np.array([0, 1, 0, 1]), segments=items)
    assert segment_scorer(a_score)(model, items, y, segments=items) == 0.75 + 100


class WithScore(Reader):
    def score(self, X, y, segments=None):
        self._read(X, segments)
        return 100


def plain_model():
    X, y = np.random.default_rng(0).random((20, 3)), np.arange(20) % 2
    return LogisticRegression().fit(X, y), X, y


@pytest.mark.parametrize("scoring", ["balanced_accuracy", "roc_auc", "neg_log_loss"])
@pytest.mark.parametrize("routing", [True, False])
def test_without_segments_it_is_the_plain_scorer(scoring, routing):
    model, X, y = plain_model()
    with config_context(enable_metadata_routing=routing):
        expected = get_scorer(scoring)(model, X, y)
        assert segment_scorer(scoring)(model, X, y) == expected
        assert segment_scorer(scoring)(model, X, y, segments=None) == expected
        found = cross_val_score(model, X, y, scoring=segment_scorer(scoring), error_score="raise")
        np.testing.assert_array_equal(found, cross_val_score(model, X, y, scoring=scoring))


def test_images_that_carry_their_masks_need_no_segments(portraits):
    X, y = portraits.images, portraits.target
    model = make_pipeline(SegmentTreeTransformer(descriptors="color"), KNeighborsClassifier())
    scores = cross_val_score(
        model, X, y, cv=2, scoring=segment_scorer("accuracy"), error_score="raise"
    )
    expected = cross_val_score(model, X, y, cv=2, scoring="accuracy", error_score="raise")
    np.testing.assert_array_equal(scores, expected)


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, copy.copy, lambda s: pickle.loads(pickle.dumps(s))]
)
def test_copies_score_the_same(copied):
    items = numbered(6)
    y = np.arange(6) % 2
    y[0] = 1
    model = Reader().fit(items, y, segments=items)
    scorer = segment_scorer("balanced_accuracy")
    again = copied(scorer)
    expected = (2 / 2 + 3 / 4) / 2
    assert scorer(model, items, y, segments=items) == expected
    assert again(model, items, y, segments=items) == expected
    assert again.get_metadata_routing().score.requests == {
        **scorer.get_metadata_routing().score.requests
    }


def test_the_scorer_keeps_its_own_requests():
    items = numbered(4)
    weights = np.array([1.0, 0.0, 0.0, 3.0])
    y = np.array([0, 1, 0, 0])
    scorer = segment_scorer(make_scorer(accuracy_score).set_score_request(sample_weight=True))
    assert scorer.get_metadata_routing().score.requests["segments"] is True
    assert scorer.get_metadata_routing().score.requests["sample_weight"] is True
    model = Reader().fit(items, [0, 1, 0, 1], segments=items)
    assert scorer(model, items, y, segments=items, sample_weight=weights) == 0.25
    scores = cross_val_score(
        Reader().set_fit_request(segments=True),
        items,
        y,
        cv=KFold(2),
        scoring=scorer,
        params={"segments": items, "sample_weight": weights},
        error_score="raise",
    )
    np.testing.assert_array_equal(scores, [1.0, 0.0])


def test_a_request_does_not_leak_into_the_scorer_it_was_made_of():
    plain = make_scorer(accuracy_score)
    segment_scorer(plain).get_metadata_routing()
    assert "segments" not in plain.get_metadata_routing().score.requests


def probe(estimator, X, y):
    """Look at an estimator as scikit-learn's displays and scorers do."""
    check_is_fitted(estimator)
    assert not hasattr(estimator, "decision_function")
    assert estimator.classes_.tolist() == [0, 1]
    return repr(estimator)


def test_the_scorer_sees_the_estimator_as_it_is():
    items = numbered(2)
    model = Reader().fit(items, [0, 1], segments=items)
    assert segment_scorer(probe)(model, items, [0, 1], segments=items) == repr(model)
    with pytest.raises(NotFittedError):
        segment_scorer(probe)(Reader(), items, [0, 1], segments=items)
    with pytest.raises(NotFittedError):
        segment_scorer(probe)(DummyClassifier(), items, [0, 1], segments=items)


def test_repr_names_the_score():
    assert repr(segment_scorer("accuracy")) == f"segment_scorer({get_scorer('accuracy')!r})"


def test_wrong_scorers_get_a_sentence():
    with pytest.raises(TypeError, match=r"scoring must be the name of a scorer .* got \['acc"):
        segment_scorer(["accuracy", "roc_auc"])
    with pytest.raises(TypeError, match=r"scoring must be the name of a scorer .* got None"):
        segment_scorer(None)
    with pytest.raises(ValueError, match="'acuracy' is not a valid scoring value"):
        segment_scorer("acuracy")
