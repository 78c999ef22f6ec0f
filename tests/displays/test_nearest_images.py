"""A photo and its nearest training photos."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from hierseg_learn.displays import NearestImagesDisplay
from hierseg_learn.displays._nearest_images import _alike, _differ
from hierseg_learn.explain import PairExplanation
from tests.explain.fitted import fitted_portraits


@pytest.fixture(scope="module")
def strip():
    pytest.importorskip("matplotlib").use("Agg")
    import matplotlib.pyplot as plt

    fitted = fitted_portraits()
    yield NearestImagesDisplay.from_estimator(
        fitted.model, fitted.test[0][:1], *fitted.train, n_neighbors=4, name="Ann"
    )
    plt.close("all")


def test_neighbors_are_those_of_the_classifier(strip):
    model, images, target = fitted_portraits()
    rows = model[:-1].transform(images[40:41])
    distances, indices = model[-1].kneighbors(rows, n_neighbors=4)
    assert [n.name for n in strip.neighbors] == [f"training photo {i}" for i in indices[0]]
    assert [n.label for n in strip.neighbors] == target[indices[0]].tolist()
    assert_allclose([n.explanation.distance for n in strip.neighbors], distances[0], rtol=1e-5)
    assert strip.prediction == model.predict(images[40:41])[0]
    for neighbor, index in zip(strip.neighbors, indices[0]):
        assert_allclose(neighbor.photo, images[int(index)].image / 255, atol=1e-6)


def test_all_photos_are_drawn_with_their_words(strip):
    photos = [image for image in strip.ax_.images if image.get_label() == "photo"]
    assert len(photos) == 5
    left_to_right = [image.get_extent()[0] for image in photos]
    assert left_to_right == sorted(left_to_right)
    text = " ".join(text.get_text() for text in strip.ax_.texts)
    assert "Ann" in text
    for neighbor in strip.neighbors:
        assert neighbor.name in text
        assert f"distance {neighbor.explanation.distance:.3g}" in text
    assert strip.figure_ is strip.ax_.figure


def test_words_stay_in_the_figure_and_apart(strip):
    strip.figure_.canvas.draw()
    boxes = [text.get_window_extent() for text in strip.ax_.texts]
    assert min(box.y0 for box in boxes) >= 0
    for i, box in enumerate(boxes):
        assert not any(box.shrunk(0.9, 0.8).overlaps(other) for other in boxes[:i])


def test_alt_text_tells_every_neighbor(strip):
    assert strip.alt_text.startswith(f"Ann, classified as {strip.prediction}, beside its 4 nearest")
    for neighbor in strip.neighbors:
        assert f"{neighbor.name[1:]}, class {neighbor.label}, distance" in strip.alt_text


def test_no_segment_is_both_alike_and_different(strip):
    for neighbor in strip.neighbors:
        assert not set(neighbor.differ) & set(neighbor.alike)
        assert neighbor.explanation.tree.is_leaf[[*neighbor.differ, *neighbor.alike]].all()


def test_what_differs_and_what_is_alike(tree):
    # sky, hair, skirt, person, photo
    pair = PairExplanation(tree, [0.01, 0.05, 0.9, 0.04, 0.0], present_a=[1] * 5, present_b=[1] * 5)
    assert _differ(pair) == pytest.approx({2: 0.9, 1: 0.05})
    usual = np.array([3.0, 0.1, 4.0, 0.0, 0.0])
    # Sky tells the classes apart, but not these two; skirt differs; hair never tells much.
    assert _alike(pair, usual) == (0,)
    assert _alike(pair, np.array([0.02, 0.1, 4.0, 0.0, 0.0])) == ()
    lacking = PairExplanation(tree, pair.direct, present_a=[0, 1, 1, 1, 1], present_b=[1] * 5)
    assert _alike(lacking, usual) == ()


def test_photos_are_compared_by_one_part_or_without_it(plt):
    fitted = fitted_portraits()
    query, tree = fitted.test[0][:1], fitted.model[-1].tree_
    make = NearestImagesDisplay.from_estimator
    by_hair = make(fitted.model, query, *fitted.train, n_neighbors=2, node="hair")
    rows = fitted.model[:-1].transform(query)
    expected = fitted.model[-1].kneighbors(rows, 2, node="hair")[0][0]
    assert_allclose([n.explanation.distance for n in by_hair.neighbors], expected, rtol=1e-5)
    assert {node for n in by_hair.neighbors for node in n.differ} <= {tree.index("hair")}
    assert "nearest training photos by hair." in by_hair.alt_text
    assert "nearest by hair" in [text.get_text() for text in by_hair.ax_.texts]
    without = make(fitted.model, query, *fitted.train, n_neighbors=2, weights={"hair": 0})
    assert not any(n.explanation.direct[tree.index("hair")] for n in without.neighbors)
    assert "with weights hair × 0." in without.alt_text


def test_other_training_photos_are_noticed(plt):
    fitted = fitted_portraits()
    images, target = fitted.train
    order = np.arange(len(target))[::-1]
    query = fitted.test[0][:1]
    with pytest.raises(
        ValueError, match=r"X_train must be what the estimator was fitted on.*order"
    ):
        NearestImagesDisplay.from_estimator(fitted.model, query, images[order], target[order])
    with pytest.raises(ValueError, match=r"X_train must be .*; it holds 1 photos, but number"):
        NearestImagesDisplay.from_estimator(fitted.model, query, images[:1], target[:1])


def test_wrong_arguments():
    fitted = fitted_portraits()
    query, (images, target) = fitted.test[0], fitted.train
    make = NearestImagesDisplay.from_estimator
    with pytest.raises(ValueError, match="X must hold one photo, got 2"):
        make(fitted.model, query[:2], images, target)
    with pytest.raises(ValueError, match="y_train must hold one class per sample, expected 40"):
        make(fitted.model, query[:1], images, target[:3])
    with pytest.raises(ValueError, match="n_neighbors must be an integer of at least 1, got 0"):
        make(fitted.model, query[:1], images, target, n_neighbors=0)
    with pytest.raises(ValueError, match="neighbors must hold at least one Neighbor"):
        NearestImagesDisplay("a", None, None, prediction="b", neighbors=[])
