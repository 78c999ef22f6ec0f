"""Transformer and classifier among scikit-learn's tools: splits, searches, routing, persistence."""

import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
    train_test_split,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler

from hierseg_learn import HierarchicalMetricClassifier, SegmentedImages, SegmentTreeTransformer
from hierseg_learn.datasets import make_portraits
from hierseg_learn.descriptors import ColorDescriptor
from hierseg_learn.metrics import ShrinkageLDA, WeightedCombination
from hierseg_learn.model_selection import segment_scorer
from hierseg_learn.segmentation import Slic, VocabularySegmenter
from hierseg_learn.what_if import AblatedClassifier


@pytest.fixture(scope="module")
def portraits():
    return make_portraits(48, strength=0.5, image_size=(24, 20), random_state=0)


@pytest.fixture(scope="module")
def X(portraits):
    return portraits.images


@pytest.fixture(scope="module")
def y(portraits):
    return portraits.target


def make_model(tree=None, **params):
    transformer = SegmentTreeTransformer(
        tree=tree, descriptors=[("color", ColorDescriptor(n_bins=4))], **params
    )
    return make_pipeline(transformer, KNeighborsClassifier(3))


# Masks that travel with their images


def test_train_test_split_keeps_images_and_masks_together(X, y):
    train, test, y_train, y_test, i_train, i_test = train_test_split(
        X, y, np.arange(len(X)), stratify=y, random_state=0
    )
    for part, target, indices in ((train, y_train, i_train), (test, y_test, i_test)):
        assert isinstance(part, SegmentedImages)
        for pair, label, i in zip(part, target, indices, strict=True):
            np.testing.assert_array_equal(pair.image, X[i].image)
            np.testing.assert_array_equal(pair.mask, X[i].mask)
            assert label == y[i]


def test_cross_validation_is_a_loop_over_folds(portraits, X, y):
    model, folds = make_model(portraits.tree), StratifiedKFold(3)
    expected, predictions = [], np.empty_like(y)
    for train, test in folds.split(np.zeros(len(y)), y):
        fitted = clone(model).fit(X[train], y[train])
        expected.append(fitted.score(X[test], y[test]))
        predictions[test] = fitted.predict(X[test])
    scores = cross_val_score(model, X, y, cv=folds, error_score="raise")
    np.testing.assert_array_equal(scores, expected)
    np.testing.assert_array_equal(cross_val_predict(model, X, y, cv=folds), predictions)
    # the hair tells the class: well above chance
    assert np.mean(expected) > 0.65


def test_a_search_over_parameters_of_both_steps_in_two_processes(portraits, X, y):
    grid = {
        "segmenttreetransformer__color__n_bins": [2, 6],
        "segmenttreetransformer__describe_inner": [True, False],
        "kneighborsclassifier__n_neighbors": [1, 5],
    }
    searches = [
        GridSearchCV(
            make_model(portraits.tree), grid, cv=2, n_jobs=n_jobs, error_score="raise"
        ).fit(X, y)
        for n_jobs in (2, 1)
    ]
    scores = [search.cv_results_["mean_test_score"] for search in searches]
    np.testing.assert_array_equal(*scores)
    assert len(set(scores[0])) > 1
    assert searches[0].best_params_ == searches[1].best_params_
    best = searches[0].best_estimator_[0]
    n_bins = searches[0].best_params_["segmenttreetransformer__color__n_bins"]
    assert best.descriptors_[0][1].n_bins == n_bins
    names = best.get_feature_names_out()
    assert sum("portrait/background|lab_hist_0" in name for name in names) == n_bins


def test_a_search_over_the_segmenter(X, y):
    model = make_model(segmenter=VocabularySegmenter(Slic(), n_parts=3), random_state=0)
    grid = {
        "segmenttreetransformer__segmenter__cutter__n_segments": [8, 30],
        "segmenttreetransformer__segmenter__n_parts": [2, 4],
    }
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(X.images, y)
    assert search.best_estimator_[0].segmenter_.cutter.n_segments in (8, 30)
    assert len(set(search.cv_results_["mean_test_score"])) > 1
    # the parts are the leaves of the learned tree
    n_parts = search.best_params_["segmenttreetransformer__segmenter__n_parts"]
    assert search.best_estimator_[0].tree_.n_leaves == n_parts


def test_whole_steps_can_be_searched(X, y):
    grid = {
        "segmenttreetransformer__segmenter": ["masks", "grid"],
        "segmenttreetransformer__descriptors": [["color"], ["shape"]],
        "segmenttreetransformer__missing": ["mean"],
    }
    search = GridSearchCV(make_model(), grid, cv=2, error_score="raise").fit(X, y)
    by_setting = {
        (p["segmenttreetransformer__segmenter"], p["segmenttreetransformer__descriptors"][0]): s
        for p, s in zip(
            search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
        )
    }
    # the cells of a grid have the same shape in every image: all ties
    assert by_setting["grid", "shape"] == pytest.approx(0.5)
    assert by_setting["masks", "color"] > 0.6


@pytest.mark.parametrize("way", ["clone", "pickle", "joblib"])
def test_copies_predict_the_same(way, portraits, X, y, tmp_path):
    model = make_model(portraits.tree).fit(X[:30], y[:30])
    if way == "clone":
        again = clone(model).fit(X[:30], y[:30])
    elif way == "pickle":
        again = pickle.loads(pickle.dumps(model))
    else:
        joblib.dump(model, tmp_path / "model.joblib")
        again = joblib.load(tmp_path / "model.joblib")
    np.testing.assert_array_equal(again.predict_proba(X[30:]), model.predict_proba(X[30:]))
    np.testing.assert_array_equal(again[0].transform(X[30:]), model[0].transform(X[30:]))


def test_a_fitted_model_holds_no_training_image(X, y):
    small, large = (
        len(pickle.dumps(SegmentTreeTransformer(tree=None).fit(X[:n]))) for n in (8, 48)
    )
    assert abs(large - small) < 1000


# Masks as metadata


@pytest.fixture
def routed(portraits):
    with config_context(enable_metadata_routing=True):
        yield make_model(portraits.tree)


def test_segments_reach_fit_predict_and_score(routed, portraits, X, y):
    carried = make_model(portraits.tree).fit(X[:30], y[:30])
    images, masks = X.images, X.masks
    routed.fit(images[:30], y[:30], segments=masks[:30])
    new, new_masks = images[30:], masks[30:]
    for method in ("predict", "predict_proba"):
        found = getattr(routed, method)(new, segments=new_masks)
        np.testing.assert_array_equal(found, getattr(carried, method)(X[30:]))
    score = routed.score(new, y[30:], segments=new_masks)
    assert score == carried.score(X[30:], y[30:])
    table = routed[:-1].transform(new, segments=new_masks)
    pd.testing.assert_frame_equal(table, carried[:-1].transform(X[30:]))


def test_segments_reach_fit_transform(routed, portraits, X):
    step = routed[:-1]
    found = step.fit_transform(X.images, segments=X.masks)
    expected = SegmentTreeTransformer(tree=portraits.tree, descriptors=step[0].descriptors)
    pd.testing.assert_frame_equal(found, expected.fit_transform(X))


def test_segments_that_somebody_declined_do_not_arrive(routed, X, y):
    routed[0].set_fit_request(segments=False).set_transform_request(segments=False)
    with pytest.raises(TypeError, match="not routed to any object"):
        routed.fit(X.images, y, segments=X.masks)


def test_segments_without_routing_name_the_way_out(portraits, X, y):
    model = make_model(portraits.tree)
    for call in (
        lambda: model.fit(X, y).predict(X.images, segments=X.masks),
        lambda: AblatedClassifier(model, "hair").fit(X.images, y, segments=X.masks),
    ):
        with pytest.raises(ValueError, match=r"SegmentedImages\(images, masks\).*set_fit_request"):
            call()


def test_forgotten_segments_name_the_way_out(routed, X, y):
    routed.fit(X.images, y, segments=X.masks)
    with pytest.raises(ValueError, match=r"pass SegmentedImages\(images, masks\) as X"):
        routed.predict(X.images)


# All that may be passed as X


def ragged_images(X):
    """Images of different sizes: some lose rows, some lose columns."""
    return [image[i % 5 :, : 20 - i % 3] for i, image in enumerate(X.images)]


def test_images_of_different_sizes(X, y):
    images = ragged_images(X)
    masks = [mask[i % 5 :, : 20 - i % 3] for i, mask in enumerate(X.masks)]
    scores = cross_val_score(
        make_model(), SegmentedImages(images, masks), y, cv=3, error_score="raise"
    )
    assert scores.mean() > 0.65
    as_list = cross_val_score(make_model(), images, y, cv=3, error_score="raise")
    as_series = cross_val_score(make_model(), pd.Series(images), y, cv=3, error_score="raise")
    np.testing.assert_array_equal(as_list, as_series)


def test_file_paths(X, y, tmp_path):
    image_module = pytest.importorskip("PIL.Image")
    images = ragged_images(X)
    paths = [tmp_path / f"{i}.png" for i in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        image_module.fromarray(image).save(path)
    expected = cross_val_score(make_model(), images, y, cv=2, error_score="raise")
    for files in (paths, pd.Series(map(str, paths), index=range(7, 7 + len(paths)))):
        found = cross_val_score(make_model(), files, y, cv=2, error_score="raise")
        np.testing.assert_array_equal(found, expected)


def test_digits_just_work():
    X, y = load_digits(return_X_y=True)
    model = make_pipeline(
        SegmentTreeTransformer(image_shape=(8, 8)), StandardScaler(), KNeighborsClassifier(3)
    )
    scores = cross_val_score(model, X[:400], y[:400], cv=2, error_score="raise")
    assert scores.min() > 0.85


# The classifier of the package as the second step


def make_hierarchical(tree=None, **params):
    return make_pipeline(
        SegmentTreeTransformer(tree=tree, descriptors=[("color", ColorDescriptor(n_bins=4))]),
        HierarchicalMetricClassifier(**({"random_state": 0} | params)),
    )


def test_both_steps_need_no_setting(X, y):
    model = make_pipeline(SegmentTreeTransformer(), HierarchicalMetricClassifier())
    scores = cross_val_score(model, X, y, cv=3, error_score="raise")
    assert scores.mean() > 0.65


def test_digits_without_masks():
    X, y = load_digits(return_X_y=True)
    model = make_pipeline(
        SegmentTreeTransformer(image_shape=(8, 8)), HierarchicalMetricClassifier(random_state=0)
    )
    model.fit(X[:400], y[:400])
    assert model.score(X[400:800], y[400:800]) > 0.8
    assert model[-1].tree_.n_nodes > 5
    explanation = model[-1].explain_prediction(model[:-1].transform(X[400:401]))
    np.testing.assert_allclose(explanation.direct.sum(), explanation.squared_distance)


def test_the_tree_of_the_masks_is_that_of_the_metric(portraits, X, y):
    model = make_hierarchical(portraits.tree).fit(X, y)
    assert model[-1].tree_.paths == model[0].tree_.paths
    # only the hair tells the class
    scores = model[-1].node_scores_[model[-1].tree_.is_leaf]
    assert scores.idxmax().endswith("hair")
    explanation = model[-1].explain_prediction(model[:-1].transform(X[:1]))
    assert explanation.to_frame().index.tolist() == list(model[0].tree_.paths)
    assert explanation.present is not None


def test_a_search_over_both_steps_of_the_package(portraits, X, y):
    model = make_hierarchical(
        portraits.tree, node_metric=ShrinkageLDA(), combination=WeightedCombination()
    )
    grid = {
        "segmenttreetransformer__color__n_bins": [2, 6],
        "hierarchicalmetricclassifier__node_metric__shrinkage": ["auto", 1.0],
        "hierarchicalmetricclassifier__n_neighbors": [1, 15],
    }
    searches = [
        GridSearchCV(clone(model), grid, cv=2, n_jobs=n_jobs, error_score="raise").fit(X, y)
        for n_jobs in (2, 1)
    ]
    scores = [search.cv_results_["mean_test_score"] for search in searches]
    np.testing.assert_array_equal(*scores)
    assert len(set(scores[0])) > 1
    best = searches[0].best_params_
    assert best == searches[1].best_params_
    fitted = searches[0].best_estimator_
    assert (
        fitted[-1].node_metric.shrinkage
        == (best["hierarchicalmetricclassifier__node_metric__shrinkage"])
    )
    np.testing.assert_array_equal(searches[0].predict_proba(X), searches[1].predict_proba(X))


def test_routed_segments_reach_the_classifier(portraits, X, y):
    with config_context(enable_metadata_routing=True):
        model = make_hierarchical(portraits.tree)
        model[0].set_fit_request(segments=True).set_transform_request(segments=True)
        found = cross_val_score(
            model,
            X.images,
            y,
            cv=3,
            scoring=segment_scorer("balanced_accuracy"),
            params={"segments": X.masks},
            error_score="raise",
        )
        fitted = clone(model).fit(X.images[:30], y[:30], segments=X.masks[:30])
        proba = fitted.predict_proba(X.images[30:], segments=X.masks[30:])
    carried = make_hierarchical(portraits.tree)
    expected = cross_val_score(
        carried, X, y, cv=3, scoring="balanced_accuracy", error_score="raise"
    )
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(proba, carried.fit(X[:30], y[:30]).predict_proba(X[30:]))


def test_missing_parts_as_nan_are_refused_by_name(portraits, X, y):
    model = make_hierarchical(portraits.tree).set_params(segmenttreetransformer__missing="nan")
    images, masks = X.images, [mask.copy() for mask in X.masks]
    masks[0][masks[0] == masks[0][0, 0]] = 255
    with pytest.raises(ValueError, match=r"SegmentTreeTransformer\(missing='mean'\)"):
        model.fit(SegmentedImages(images, masks), y)


@pytest.mark.parametrize("way", ["pickle", "joblib"])
def test_copies_of_both_steps_predict_the_same(way, portraits, X, y, tmp_path):
    model = make_hierarchical(portraits.tree, weights="distance").fit(X[:30], y[:30])
    if way == "pickle":
        again = pickle.loads(pickle.dumps(model))
    else:
        joblib.dump(model, tmp_path / "model.joblib")
        again = joblib.load(tmp_path / "model.joblib")
    np.testing.assert_array_equal(again.predict_proba(X[30:]), model.predict_proba(X[30:]))


# Other tools


def test_names_go_through_a_scaler_that_keeps_pandas(X, y):
    model = make_pipeline(SegmentTreeTransformer(), StandardScaler(), LogisticRegression())
    model.set_output(transform="pandas").fit(X, y)
    np.testing.assert_array_equal(model[-1].feature_names_in_, model[0].get_feature_names_out())


def test_default_output_of_a_pipeline_is_an_array(X, y):
    model = make_pipeline(SegmentTreeTransformer(), KNeighborsClassifier(1))
    model.set_output(transform="default").fit(X, y)
    assert type(model[:-1].transform(X)) is np.ndarray
    assert not hasattr(model[-1], "feature_names_in_")
    assert model.score(X, y) == 1.0


def test_two_transformers_side_by_side(X):
    union = FeatureUnion(
        [
            ("masks", SegmentTreeTransformer(descriptors="shape")),
            ("cells", SegmentTreeTransformer("grid", descriptors="color")),
        ]
    )
    table = union.set_output(transform="pandas").fit_transform(X)
    assert table.columns.tolist() == union.get_feature_names_out().tolist()
    alone = SegmentTreeTransformer("grid", descriptors="color").fit_transform(X)
    np.testing.assert_array_equal(table.filter(regex="^cells__"), alone)
