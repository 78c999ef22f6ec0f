"""Other packages in the benchmark of segments: cuts with the requested numbers of segments."""

import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def segmenters():
    sys.path.insert(0, str(BENCHMARKS))
    yield import_module("_segmenters")
    sys.path.remove(str(BENCHMARKS))
    del sys.modules["_segmenters"]


def test_replay_by_hand(segmenters):
    labels = np.array([[3, 5], [7, 9]])
    cuts = segmenters.replay(labels, [(5, 3), (9, 7), (7, 3)], [1, 2, 3, 4, 9])
    shapes = {count: np.unique(cut).size for count, cut in cuts.items()}
    assert shapes == {1: 1, 2: 2, 3: 3, 4: 4, 9: 4}
    assert cuts[3][0, 0] == cuts[3][0, 1]
    assert cuts[2][1, 0] == cuts[2][1, 1] != cuts[2][0, 0]


def test_search_takes_the_nearest_number(segmenters):
    tried = []

    def cut(value):
        tried.append(value)
        return np.arange(int(100 / value))

    cuts = segmenters.search(cut, 1.0, 100.0, [2, 10, 33])
    assert [len(cuts[count]) for count in (2, 10, 33)] == [2, 10, 33]
    assert len(tried) <= 3 * segmenters.SEARCH_STEPS


def test_merged_superpixels_have_the_numbers_asked_for(segmenters):
    image = np.random.default_rng(0).random((40, 40, 3))
    for count, labels in segmenters.slic_merged(image, [3, 12]).items():
        assert len(np.unique(labels)) == count


def test_merging_stops_where_scikit_image_stops(segmenters):
    from skimage import graph, segmentation

    image = np.random.default_rng(0).random((40, 40, 3))
    labels = segmentation.slic(
        image, compactness=30, n_segments=segmenters.N_SUPERPIXELS, start_label=1
    )
    merged = graph.merge_hierarchical(
        labels,
        graph.rag_mean_color(image, labels),
        thresh=0.2,
        rag_copy=False,
        in_place_merge=True,
        merge_func=segmenters._add_mean_color,
        weight_func=segmenters._mean_color_distance,
    )
    count = len(np.unique(merged))
    assert 1 < count < len(np.unique(labels))
    ours = segmenters.slic_merged(image, [count])[count]
    assert len(np.unique(np.stack([ours.ravel(), merged.ravel()]), axis=1).T) == count
