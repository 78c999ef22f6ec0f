import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import integer_array_indices
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import (
    GridSearchCV,
    cross_val_score,
    learning_curve,
    train_test_split,
)
from sklearn.utils import resample, shuffle

from hierseg_learn.images import SegmentedImage, SegmentedImages

IN_MEMORY = settings(
    deadline=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@st.composite
def keys(draw, n_items):
    index = st.integers(-n_items, n_items - 1)
    key = draw(
        st.one_of(
            index,
            index.map(np.int32),
            index.map(np.array),
            st.slices(n_items),
            st.lists(index, max_size=2 * n_items),
            st.lists(st.booleans(), min_size=n_items, max_size=n_items),
            st.lists(st.booleans(), min_size=n_items, max_size=n_items).map(np.array),
            integer_array_indices((n_items,), result_shape=st.just((n_items,))).map(lambda k: k[0]),
            st.just(range(n_items)),
            st.just(...),
        )
    )
    return draw(st.sampled_from([key, (key, ...)])) if key is not Ellipsis else key


def positions(key, n_items):
    key = key[0] if isinstance(key, tuple) else key
    if isinstance(key, list) and not key:
        return np.empty(0, dtype=int)
    return np.arange(n_items)[key]


def assert_same_item(item, expected):
    assert isinstance(item, SegmentedImage)
    assert_array_equal(item.image, expected[0], strict=True)
    assert_array_equal(item.mask, expected[1], strict=True)


@IN_MEMORY
@given(data=st.data())
def test_any_key_selects_what_it_selects_from_a_list(gray_images, masks, data):
    pairs = list(zip(gray_images, masks))
    X = SegmentedImages(gray_images, masks)
    key = data.draw(keys(len(pairs)))
    chosen = positions(key, len(pairs))
    if np.ndim(chosen) == 0:
        assert_same_item(X[key], pairs[chosen])
        assert_array_equal(X.images[key], pairs[chosen][0])
        return
    subset = X[key]
    assert isinstance(subset, SegmentedImages)
    assert subset.shape == (len(subset),) == (len(chosen),)
    assert len(subset.images[key]) if len(subset) == len(X) else True
    again = data.draw(st.slices(len(subset)))
    for collection, wanted in [(subset, chosen), (subset[again], chosen[again])]:
        loaded = pickle.loads(pickle.dumps(collection))
        for selected in (collection, loaded):
            assert len(selected) == len(wanted)
            for item, i in zip(selected, wanted):
                assert_same_item(item, pairs[i])


@pytest.mark.parametrize(
    ("key", "error", "match"),
    [
        (5, IndexError, "Index 5 is out of range for a collection of 5 images"),
        (-6, IndexError, "Index -6 is out of range"),
        ([0, 9], IndexError, "Index 9 is out of range"),
        ([True, False], IndexError, "boolean mask has 2 entries for 5 images"),
        ((0, 1), IndexError, r"one axis, got the index \(0, 1\)"),
        ((), IndexError, "one axis"),
        ((..., ...), IndexError, "one axis"),
        ([[0, 1]], IndexError, r"got shape \(1, 2\)"),
        (0.0, TypeError, "The index 0.0 is not an integer"),
        ("image", TypeError, "The index 'image' is not an integer"),
        (None, TypeError, "The index None"),
        (True, TypeError, "The index True"),
        ([0.5], TypeError, "must hold integers or booleans, got float64"),
    ],
)
def test_wrong_keys(gray_images, masks, key, error, match):
    X = SegmentedImages(gray_images, masks)
    for collection in (X, X.images, X.masks):
        with pytest.raises(error, match=match):
            collection[key]


def test_subsets_share_memory_and_pickle_small():
    stack = np.zeros((50, 20, 20), dtype=np.uint8)
    X = SegmentedImages(stack, np.zeros((50, 20, 20), dtype=np.uint8))
    subset = X[10:12]
    assert np.shares_memory(subset[0].image, stack)
    assert len(pickle.dumps(subset)) < 4000
    assert len(pickle.dumps(X)) < 45000


@pytest.mark.parametrize("on_disk", [(False, False), (True, False), (False, True), (True, True)])
def test_images_and_masks_may_lie_anywhere(gray_images, masks, save_images, on_disk):
    images_in = save_images(gray_images, "image") if on_disk[0] else gray_images
    masks_in = save_images(masks, "mask") if on_disk[1] else masks
    X = SegmentedImages(images_in, masks_in)
    assert len(X) == 5
    for item, image, mask in zip(X[::-1], gray_images[::-1], masks[::-1]):
        assert_same_item(item, (image, mask))


def test_dtypes_of_masks(gray_images, masks):
    as_is = SegmentedImages(gray_images, masks)
    assert as_is.masks.dtype == np.uint8
    mixed = [np.where(masks[0] == 3, 255, masks[0]).astype(np.uint8)]
    mixed += [np.where(mask == 3, 255, mask).astype(np.int64) for mask in masks[1:]]
    # 255 would be no part in 8 bits, and an ordinary part id in more.
    with pytest.raises(ValueError, match="Mask 0 of masks is uint8 and holds 255 among masks"):
        SegmentedImages(gray_images, mixed)
    for unlabeled, instead in ((255, -1), ([], 255)):
        X = SegmentedImages(gray_images[:2], mixed[:2], unlabeled)
        assert X.masks.dtype == np.int32
        for i in (0, 1):
            assert_array_equal(X[i].mask, np.where(mixed[i] == 255, instead, mixed[i].astype(int)))
    floats = SegmentedImages(gray_images, [mask.astype(float) for mask in masks])
    assert_array_equal(floats[1].mask, masks[1])


@pytest.mark.parametrize(
    ("given_ids", "ids"),
    [(None, None), ([], ()), (-1, ()), (7, (7,)), ([9, 7, 9], (7, 9)), (np.array([0]), (0,))],
)
def test_unlabeled_ids(given_ids, ids):
    X = SegmentedImages(np.zeros((1, 2, 2)), np.array([[[0, 1], [7, 9]]]), unlabeled=given_ids)
    assert X.unlabeled == X[:1].unlabeled == ids


def test_it_is_no_array(gray_images, masks):
    with pytest.raises(TypeError, match=r"cannot be converted to an array; use its .images"):
        np.asarray(SegmentedImages(gray_images, masks))
    X = SegmentedImages(gray_images, masks)
    with pytest.raises(TypeError, match=r"images is SegmentedImages already; pass its .images"):
        SegmentedImages(X, masks)
    assert_same_item(SegmentedImages(X.images, X.masks)[2], (gray_images[2], masks[2]))


def make_classifier(**params):
    """Make a classifier that needs both the image and its mask.

    It is a local class so that worker processes get it by value.
    """

    class MaskedBrightness(ClassifierMixin, BaseEstimator):
        def __init__(self, part=0):
            self.part = part

        def _measure(self, X):
            assert isinstance(X, SegmentedImages)
            return np.array([item.image[item.mask == self.part].mean() for item in X])

        def fit(self, X, y):
            values = self._measure(X)
            self.classes_ = np.unique(y)
            self.centers_ = np.array([values[y == label].mean() for label in self.classes_])
            return self

        def predict(self, X):
            gaps = np.abs(self._measure(X)[:, np.newaxis] - self.centers_)
            return self.classes_[gaps.argmin(axis=1)]

    return MaskedBrightness(**params)


@pytest.fixture
def labeled():
    """Images of different sizes whose class is the brightness of part 1, and of it only."""
    rng = np.random.default_rng(0)
    y = np.arange(24) % 2
    images, masks = [], []
    for label in y:
        mask = np.zeros((4, 4 + int(rng.integers(3))), dtype=np.int32)
        mask[1:3] = 1
        image = rng.integers(0, 256, mask.shape).astype(np.uint8)
        image[mask == 1] = 100 + 50 * label
        images.append(image)
        masks.append(mask)
    return SegmentedImages(images, masks), y


def test_splitting_keeps_masks_with_their_images(labeled):
    X, y = labeled
    X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
    assert len(X_train) + len(X_test) == len(X)
    for part, labels in [(X_train, y_train), (X_test, y_test), shuffle(X, y), resample(X, y)]:
        for item, label in zip(part, labels):
            assert (item.image[item.mask == 1] == 100 + 50 * label).all()


def test_cross_validation_and_searches(labeled):
    X, y = labeled
    scores = cross_val_score(make_classifier(part=1), X, y, cv=3, error_score="raise")
    assert_array_equal(scores, [1, 1, 1])
    search = GridSearchCV(
        make_classifier(), {"part": [0, 1]}, cv=3, n_jobs=2, error_score="raise"
    ).fit(X[2:], y[2:])
    assert search.best_params_ == {"part": 1}
    assert search.score(X, y) == 1
    assert (search.cv_results_["mean_test_score"] < [1, 1.01]).all()
    # half of the rows of a fold hold both classes, a tenth does not
    _, _, test_scores = learning_curve(
        make_classifier(part=1), X, y, cv=2, train_sizes=[0.5, 1.0], error_score="raise"
    )
    assert (test_scores == 1).all()
