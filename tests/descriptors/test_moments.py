"""Moments that are zero come out as zero, whatever rounding leaves of them."""

import numpy as np
import pytest

from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
from hierseg_learn.datasets import make_portraits
from hierseg_learn.descriptors import (
    ColorDescriptor,
    GradientDescriptor,
    ImageChannels,
    LBPDescriptor,
    ShapeDescriptor,
)


@pytest.mark.parametrize("size", [(7, 9), (48, 40), (101, 33), (320, 213)])
def test_a_region_that_fills_the_image_leans_nowhere(size):
    image = np.zeros(size)
    shape = ShapeDescriptor().fit([image])
    columns = shape.from_sums(shape.pool(ImageChannels(image), np.zeros(size, int), 1), [1.0])
    assert columns[0, list(shape.get_feature_names_out()).index("shape_cov")] == 0
    assert (columns[0, 2:4] > 0.25).all()


def test_a_single_row_of_pixels_has_the_height_of_a_pixel():
    image, regions = np.zeros((30, 17)), np.full((30, 17), -1)
    regions[23] = 0
    shape = ShapeDescriptor().fit([image])
    columns = shape.from_sums(shape.pool(ImageChannels(image), regions, 1), [1 / 30])
    assert columns[0, 2] == pytest.approx(1 / (30 * np.sqrt(12)), rel=1e-6)
    assert columns[0, 3] > 0.25


def test_a_flat_region_has_no_deviation_of_color():
    image = np.broadcast_to(np.float32([0.3, 0.61, 0.17]), (37, 41, 3))
    color = ColorDescriptor().fit([image])
    columns = color.from_sums(color.pool(ImageChannels(image), np.zeros((37, 41), int), 1), [1.0])
    assert (columns[0, 3:6] == 0).all()
    assert (np.abs(columns[0, :3]) > 1).all()


def test_a_moment_that_is_always_zero_is_no_feature_of_the_classifier():
    portraits = make_portraits(60, signal=("hair",), random_state=0)
    table = SegmentTreeTransformer(tree=portraits.tree).fit_transform(portraits.images)
    model = HierarchicalMetricClassifier(random_state=0).fit(table, portraits.target)
    moved = table.iloc[[0]].copy()
    moved["portrait|shape_cov"] += 0.01
    assert model.explain_pair(table.iloc[0], moved.iloc[0]).squared_distance == 0


@pytest.mark.parametrize("factors", [(2, 1), (3, 5)])
def test_a_region_has_the_same_shape_in_any_resolution(factors):
    rng = np.random.default_rng(0)
    regions = rng.integers(-1, 3, (7, 9))
    fine = np.kron(regions, np.ones(factors, dtype=int))
    shape = ShapeDescriptor().fit([np.zeros(regions.shape)])
    columns = []
    for labels in (regions, fine):
        area = np.bincount(labels[labels >= 0], minlength=3) / labels.size
        pooled = shape.pool(ImageChannels(np.zeros(labels.shape)), labels, 3)
        columns.append(shape.from_sums(pooled, area))
    np.testing.assert_allclose(columns[1], columns[0], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("size", [(1, 1), (1, 10), (13, 1), (250, 200), (254, 200), (511, 7)])
def test_a_region_that_fills_the_image_is_the_same_at_any_size(size):
    image = np.zeros(size)
    shape = ShapeDescriptor().fit([image])
    columns = shape.from_sums(shape.pool(ImageChannels(image), np.zeros(size, int), 1), [1.0])
    expected = [0.5, 0.5, 12**-0.5, 12**-0.5, 0, *[0.1**0.5] * 10]
    np.testing.assert_allclose(columns[0], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("descriptor", [GradientDescriptor(), LBPDescriptor()])
def test_the_border_of_a_photo_looks_like_its_inside(descriptor):
    image = np.random.default_rng(0).random((60, 4000))
    maps = descriptor.fit([image]).maps(image)
    inner = maps[1:-1].mean(axis=(0, 1))
    for border in (maps[0], maps[-1]):
        np.testing.assert_allclose(border.mean(axis=0), inner, rtol=0.2, atol=0.002)
    assert maps[[0, -1]].sum(axis=-1).mean() == pytest.approx(maps.sum(axis=-1).mean(), rel=0.03)


def test_a_ramp_is_as_steep_at_its_ends():
    image = np.tile(np.linspace(0, 1, 11), (5, 1))
    maps = GradientDescriptor().fit([image]).maps(image)
    np.testing.assert_allclose(maps[..., 0], 0.1, rtol=1e-5)
