"""Moments that are zero come out as zero, whatever rounding leaves of them."""

import numpy as np
import pytest

from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
from hierseg_learn.datasets import make_portraits
from hierseg_learn.descriptors import ColorDescriptor, ImageChannels, ShapeDescriptor


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


def test_a_flat_region_has_no_deviation_of_colour():
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
