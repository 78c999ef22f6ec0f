"""Segmenters that wrap functions of scikit-image: its regions, its parameters, its defaults."""

import inspect

import numpy as np
import pytest
from skimage import segmentation

from hierseg_learn import SegmentTreeTransformer
from hierseg_learn.datasets import make_portraits
from hierseg_learn.kernels import segments
from hierseg_learn.segmentation import (
    FelzenszwalbSegmenter,
    QuickshiftSegmenter,
    WatershedSegmenter,
)
from hierseg_learn.segmentation._cutters import lay_markers

WRAPPED = {
    FelzenszwalbSegmenter: (segmentation.felzenszwalb, {"scale": 50, "min_size": 9, "sigma": 0.3}),
    QuickshiftSegmenter: (
        segmentation.quickshift,
        {"ratio": 0.6, "kernel_size": 2, "max_dist": 4, "sigma": 0.4},
    ),
    WatershedSegmenter: (segmentation.watershed, {"markers": 20, "compactness": 0.5}),
}
IMAGE = make_portraits(1, image_size=(32, 28), noise=0.02, random_state=0).images[0].image


@pytest.fixture(params=WRAPPED, ids=lambda cls: cls.__name__)
def wrapped(request):
    return request.param, *WRAPPED[request.param]


def same_regions(found, expected):
    """Whether two label maps cut an image into the same regions, whatever their numbers."""
    pairs = np.unique(np.stack([found.ravel(), expected.ravel()]), axis=1).shape[1]
    return pairs == len(np.unique(found)) == len(np.unique(expected))


def test_parameters_and_defaults_are_those_of_scikit_image(wrapped):
    cls, function, tried = wrapped
    theirs, ours = inspect.signature(function).parameters, inspect.signature(cls).parameters
    for name in tried:
        assert ours[name].default == theirs[name].default


@pytest.mark.parametrize("is_gray", [False, True])
@pytest.mark.parametrize("with_defaults", [False, True])
@pytest.mark.parametrize("cls", [FelzenszwalbSegmenter, QuickshiftSegmenter])
def test_regions_are_those_of_scikit_image(cls, with_defaults, is_gray):
    function, params = WRAPPED[cls]
    params = {} if with_defaults else params
    image = (IMAGE[..., 1] if is_gray else IMAGE).astype(np.float32) / 255
    given, axis = image, None if is_gray else -1
    if is_gray and cls is QuickshiftSegmenter:
        given, axis = np.stack([image] * 3, axis=-1), -1
    expected = function(given, channel_axis=axis, **params)
    regions = cls(**params).regions(image)
    assert len(np.unique(expected)) > 1
    assert same_regions(regions, expected)
    np.testing.assert_array_equal(cls(**params).regions((image * 255).astype(np.uint8)), regions)


@pytest.mark.parametrize("params", [{}, {"markers": 30}, {"markers": 9, "compactness": 0.1}])
def test_watershed_floods_the_gradient_of_cielab(params):
    planes = segments.smooth(segments.lab_planes(IMAGE / np.float32(255)), 0.8)
    given = dict(params)
    if "markers" in params:
        given["markers"] = lay_markers(IMAGE.shape[:2], params["markers"])
    expected = segmentation.watershed(segments.gradient_strength(planes), **given)
    assert same_regions(WatershedSegmenter(**params).regions(IMAGE), expected)


@pytest.mark.parametrize("n_markers", [1, 2, 7, 12, 100])
def test_markers_lie_alike_in_photos_of_any_size(n_markers):
    counts = []
    for shape in ((24, 24), (27, 24), (24, 36), (240, 400)):
        rows, cols = np.nonzero(lay_markers(shape, n_markers))
        counts.append((len(np.unique(rows)), len(np.unique(cols))))
        # the mean lies in the middle, up to the pixel that a place is rounded to
        assert abs(rows.mean() + 0.5 - shape[0] / 2) <= 0.5
        assert abs(cols.mean() + 0.5 - shape[1] / 2) <= 0.5
        assert abs(len(rows) - n_markers) <= np.sqrt(n_markers)
    assert len(set(counts)) == 1


def test_more_markers_than_pixels():
    regions = WatershedSegmenter(markers=1000).regions(np.random.default_rng(0).random((2, 3)))
    assert regions.max() == 5


def test_parameters_are_checked_without_fit_too(wrapped):
    cls, _, tried = wrapped
    for name in tried:
        with pytest.raises(ValueError, match=f"'{name}' parameter"):
            cls(**{name: -1}).regions(IMAGE)


@pytest.mark.parametrize("name", ["felzenszwalb", "quickshift", "watershed"])
def test_in_the_transformer_by_name(name):
    images = make_portraits(4, image_size=(24, 20), random_state=0).images.images
    table = SegmentTreeTransformer(name, descriptors="color", random_state=0).fit_transform(images)
    np.testing.assert_allclose(table["image|area"], 1)
    assert table.shape[1] > 12
