"""The base of the estimators that take images."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import TransformerMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from hierseg_learn import SegmentedImages
from hierseg_learn.base import ImageEstimator
from hierseg_learn.images import check_images


class Brightness(TransformerMixin, ImageEstimator):
    """Mean of every image; the smallest estimator on this base."""

    def __init__(self, image_shape=None):
        self.image_shape = image_shape

    def fit(self, X, y=None, segments=None):
        self.batch_ = self._check_images(X, segments=segments, reset=True)
        return self

    def transform(self, X, segments=None):
        batch = self._check_images(X, segments=segments, reset=False)
        return np.array([[float(batch.image(i).mean())] for i in range(len(batch))])


class NoShape(ImageEstimator):
    """Without a parameter `image_shape`."""

    def fit(self, X, y=None):
        self.batch_ = self._check_images(X, reset=True)
        return self


@parametrize_with_checks([Brightness()])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_tags():
    tags = get_tags(Brightness()).input_tags
    assert (tags.two_d_array, tags.three_d_array, tags.allow_nan) == (True, True, False)


def test_pixels_are_scaled_at_transform_as_at_fit():
    brightness = Brightness().fit(np.array([[[0, 100]], [[50, 200]]]))
    np.testing.assert_allclose(brightness.transform(np.array([[[100, 300]]])), [[1.0]])
    brightness.fit(np.array([[[0, 51]]], dtype=np.uint8))
    np.testing.assert_allclose(brightness.transform(np.full((1, 2, 2), 51, np.uint8)), [[0.2]])


def test_a_table_sets_columns_and_images_do_not():
    frame = pd.DataFrame(np.eye(3), columns=["a", "b", "c"])
    brightness = Brightness().fit(frame)
    assert brightness.n_features_in_ == 3
    assert brightness.feature_names_in_.tolist() == ["a", "b", "c"]
    brightness.fit(np.eye(4))
    assert brightness.n_features_in_ == 4
    assert not hasattr(brightness, "feature_names_in_")
    brightness.fit(np.zeros((2, 3, 3)))
    assert not hasattr(brightness, "n_features_in_")


def test_image_shape_cuts_the_rows_of_a_table():
    table = np.random.default_rng(0).random((2, 12))
    cut = Brightness(image_shape=(2, 2, 3)).fit(table).batch_
    np.testing.assert_array_equal(cut.image(1), table[1].reshape(2, 2, 3).astype(np.float32))
    for estimator in (Brightness(), NoShape()):
        whole = estimator.fit(table).batch_
        np.testing.assert_array_equal(whole.image(1), table[[1]].astype(np.float32))


def test_the_index_of_tables_and_series_is_kept():
    index = ["x", "y"]
    frame = pd.DataFrame(np.eye(2), index=index)
    series = pd.Series([np.eye(2), np.ones((3, 1))], index=index)
    for X in (frame, series):
        assert Brightness().fit(X).batch_.index.tolist() == index
    assert Brightness().fit(np.eye(2)).batch_.index is None


def test_a_checked_batch_is_taken_as_it_is():
    batch = check_images(np.zeros((2, 3, 3)))
    assert Brightness().fit(batch).batch_ is batch


def test_what_differs_from_fit_gets_a_sentence():
    gray = np.zeros((2, 3, 3))
    with pytest.raises(NotFittedError):
        Brightness().transform(gray)
    fitted = Brightness().fit(gray)
    with pytest.raises(ValueError, match=r"Image 0 of X has 3 channel\(s\); expected 1"):
        fitted.transform(np.zeros((1, 3, 3, 3)))
    with pytest.raises(ValueError, match=r"X has 3 channel\(s\) per image, .* had 1"):
        fitted.transform(check_images(np.zeros((1, 3, 3, 3))))
    with pytest.raises(ValueError, match="X is a table, but the model was fitted on images"):
        fitted.transform(np.zeros((2, 9)))
    with pytest.raises(ValueError, match="X has 4 features, but Brightness is expecting 9"):
        Brightness().fit(np.zeros((2, 9))).transform(np.zeros((2, 4)))


def test_flattened_images_are_welcome_after_images_if_their_shape_is_known():
    images = np.random.default_rng(0).random((3, 4, 5))
    brightness = Brightness(image_shape=(4, 5)).fit(images)
    expected = brightness.transform(images)
    np.testing.assert_array_equal(brightness.transform(images.reshape(3, -1)), expected)


class TestOneImage:
    def test_it_is_scaled_as_at_fit(self):
        brightness = Brightness().fit(np.array([[[0, 10]]]))
        batch = brightness._check_image(np.array([[5, 10], [0, 20]]))
        image = batch.image(0)
        np.testing.assert_array_equal(image, [[0.5, 1.0], [0.0, 2.0]])
        assert image.dtype == np.float32
        assert not batch.has_masks

    def test_its_mask_comes_along(self):
        brightness = Brightness().fit(np.zeros((1, 2, 2)))
        mask = np.array([[255, 3]], dtype=np.uint8)
        mask = brightness._check_image(np.zeros((1, 2)), mask).mask(0)
        np.testing.assert_array_equal(mask, [[-1, 3]])
        assert mask.dtype == np.int32

    def test_a_row_of_a_table_is_cut(self):
        brightness = Brightness(image_shape=(2, 3)).fit(np.zeros((2, 6)))
        image = brightness._check_image(np.arange(6) / 6).image(0)
        np.testing.assert_allclose(image, np.arange(6).reshape(2, 3) / 6, rtol=1e-6)

    def test_messages_name_image_and_mask(self):
        brightness = Brightness().fit(np.zeros((1, 2, 2)))
        with pytest.raises(ValueError, match="Mask 0 of mask is 1 x 1 pixels, its image is 2 x 2"):
            brightness._check_image(np.zeros((2, 2)), np.zeros((1, 1), dtype=int))
        with pytest.raises(ValueError, match="Image 0 of image contains NaN"):
            brightness._check_image(np.array([[np.nan]]))
        with pytest.raises(NotFittedError):
            Brightness()._check_image(np.zeros((2, 2)))


def test_masks_come_from_segments_or_with_the_images():
    images, masks = np.zeros((2, 1, 2)), np.array([[[0, 1]], [[1, -1]]])
    for batch in (
        Brightness().fit(images, segments=masks).batch_,
        Brightness().fit(SegmentedImages(images, masks)).batch_,
        Brightness(image_shape=(1, 2)).fit(images[:, 0], segments=masks[:, 0]).batch_,
    ):
        np.testing.assert_array_equal([batch.mask(0), batch.mask(1)], masks)
    with pytest.raises(ValueError, match="segments was given and X is SegmentedImages"):
        Brightness().fit(SegmentedImages(images, masks), segments=masks)
