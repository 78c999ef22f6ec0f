"""Digits as images."""

import numpy as np
from sklearn.datasets import load_digits

from hierseg_learn.datasets import load_digits_images


def test_images_are_those_of_scikit_learn():
    data = load_digits_images()
    digits = load_digits()
    np.testing.assert_array_equal(data.images, digits.images)
    np.testing.assert_array_equal(data.target, digits.target)
    assert data.images.shape == (1797, 8, 8)
    assert (data.images.min(), data.images.max()) == data.value_range == (0.0, 16.0)
    assert data.target_names == list("0123456789")
    assert data.frame is None


def test_return_forms():
    X, y = load_digits_images(return_X_y=True)
    assert X.shape == (1797, 8, 8)
    assert y.shape == (1797,)
    data = load_digits_images(as_frame=True)
    assert data.frame.shape == (1797, 65)
    np.testing.assert_array_equal(
        data.frame[data.feature_names].to_numpy().reshape(-1, 8, 8), data.images
    )
    assert data.target.name == "target"
