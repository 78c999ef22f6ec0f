"""Photos as inputs of networks: whole, of the right size, on the right scale."""

import numpy as np
import pytest

from hierseg_learn.networks import PhotoInput
from hierseg_learn.networks.photos import INTERPOLATIONS


@pytest.mark.parametrize(
    ("settings", "size", "target"),
    [
        ({}, (300, 7), (300, 7)),
        ({"size": (20, 30)}, (300, 7), (20, 30)),
        ({"size": 150}, (300, 200), (150, 100)),
        ({"size": 150}, (20, 30), (100, 150)),
        ({"size": 513, "multiple": 16, "remainder": 1}, (600, 400), (513, 337)),
        ({"size": 513, "multiple": 16, "remainder": 1}, (1, 1), (513, 513)),
        ({"size": 513, "multiple": 16, "remainder": 1}, (1, 900), (17, 513)),
        ({"multiple": 32}, (47, 48), (32, 64)),
        ({"multiple": 32}, (1, 5), (32, 32)),
    ],
)
def test_size_of_the_input(settings, size, target):
    photos = PhotoInput(**settings)
    assert photos.target(size) == target
    assert photos.prepare(np.zeros(size, dtype=np.float32)).shape == (3, *target)


def test_settings_are_plain_numbers():
    """So that two can be compared, whatever they were given as."""
    one = PhotoInput(size=np.array([4, 5]).tolist(), mean=np.array([0.5, 0, 1]), std=[1, 2, 3])
    assert one == PhotoInput(size=(4, 5), mean=(0.5, 0, 1), std=(1, 2, 3))


@pytest.mark.parametrize(
    ("mean", "std", "expected"),
    [
        (0.0, 1.0, [0, 0.2, 1]),
        (0.5, 0.5, [-1, -0.6, 1]),
        (0, 1 / 255, [0, 51, 255]),
        ([1, 0.2, 0.5], [1, 2, 0.5], [-1, 0, 1]),
    ],
)
def test_scale_of_the_values(mean, std, expected):
    image = np.array([[[0, 0.2, 1.0]]], dtype=np.float32)
    found = PhotoInput(mean=mean, std=std).prepare(image)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[:, 0, 0], expected, rtol=1e-6, atol=1e-6)


def test_values_of_8_bits():
    """What lies between two bytes is rounded, and what lies beyond the range is clipped."""
    image = np.array([[0.1, -3.0, 7.0]], dtype=np.float32)
    np.testing.assert_allclose(
        PhotoInput().prepare(image)[1], [[26 / 255, 0, 1]], rtol=1e-6, atol=0
    )


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_photos_are_resized_whole(interpolation):
    """Each half of a photo stays a half, at any size."""
    image = np.zeros((24, 40), dtype=np.float32)
    image[:, 20:] = 1
    for size in [(8, 10), (24, 40), (60, 90)]:
        found = PhotoInput(size=size, interpolation=interpolation).prepare(image)[0]
        np.testing.assert_allclose(found.mean(axis=0) + found.mean(axis=0)[::-1], 1, atol=0.01)
        assert found[0, 0] < 0.01


@pytest.mark.parametrize("size", [(5, 9), (7, 4)])
def test_channels_keep_their_places(size):
    """A color photo is three gray ones, each with its own scale, resized or not."""
    image = np.random.default_rng(0).random((5, 9, 3), dtype=np.float32)
    mean, std = (0.1, 0.5, 0.9), (1.0, 0.5, 2.0)
    found = PhotoInput(size=size, mean=mean, std=std).prepare(image)
    assert found.flags.c_contiguous
    for k in range(3):
        gray = PhotoInput(size=size, mean=mean[k], std=std[k]).prepare(image[..., k])
        np.testing.assert_array_equal(found[k], gray[0])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 0}, r"size must be a number of pixels, \(height, width\) or None, got 0"),
        ({"size": (1, 2, 3)}, "size must be a number of pixels"),
        ({"size": (1.5, 2)}, "size must be a number of pixels"),
        ({"multiple": 0}, "multiple must be an integer of at least 1, got 0"),
        ({"remainder": -1}, "remainder must be an integer of at least 0, got -1"),
        ({"mean": [1, 2]}, r"mean must be a number or one per channel, got \[1, 2\]"),
        ({"mean": "gray"}, "mean must be a number or one per channel, got 'gray'"),
        ({"std": float("nan")}, "std must be a number or one per channel, got nan"),
        ({"std": [1, 0, 1]}, r"std must be above 0, got \(1, 0, 1\)"),
        ({"interpolation": "linear"}, "interpolation must be one of 'nearest', .*, got 'linear'"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        PhotoInput(**settings)
