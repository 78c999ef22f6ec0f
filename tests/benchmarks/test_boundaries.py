"""Measures of segmentations: by hand, and against loops over pixels and pairs of regions."""

import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def boundaries():
    sys.path.insert(0, str(BENCHMARKS))
    yield import_module("_boundaries")
    sys.path.remove(str(BENCHMARKS))
    del sys.modules["_boundaries"]


def label_maps(seed, shape, n_labels):
    rng = np.random.default_rng(seed)
    return rng.integers(0, n_labels, shape), rng.integers(-1, n_labels - 1, shape)


def test_boundary_pixels_by_hand(boundaries):
    labels = np.array([[0, 0, 1], [0, 0, 1], [2, 2, 2]])
    expected = [[0, 1, 0], [1, 1, 1], [0, 0, 0]]
    np.testing.assert_array_equal(boundaries.boundary_pixels(labels), expected)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 999), st.integers(1, 9), st.integers(1, 200), st.integers(1, 4))
def test_boundary_scores_against_all_pairs_of_pixels(boundaries, seed, height, width, n_labels):
    rng = np.random.default_rng(seed)
    # large blocks, so that boundaries are few and distances differ
    labels, truth = (
        np.repeat(rng.integers(0, n_labels, (height, -(-width // 8))), 8, axis=1)[:, :width]
        for _ in range(2)
    )
    found = np.argwhere(boundaries.boundary_pixels(labels))
    true = np.argwhere(boundaries.boundary_pixels(truth))
    reach = boundaries.TOLERANCE * np.hypot(height, width)

    def share(pixels, others):
        if not len(pixels) or not len(others):
            return float(not len(pixels))
        return np.mean([np.hypot(*(others - pixel).T).min() <= reach for pixel in pixels])

    scores = boundaries.boundary_scores(labels, truth)
    assert scores["boundary_recall"] == pytest.approx(share(true, found))
    assert scores["boundary_precision"] == pytest.approx(share(found, true))
    total = share(true, found) + share(found, true)
    expected = 2 * share(true, found) * share(found, true) / total if total else 0.0
    assert scores["boundary_f"] == pytest.approx(expected)


def test_region_scores_by_hand(boundaries):
    truth = np.array([[0, 0, 0, 0, 1, 1]])
    labels = np.array([[5, 5, 5, 7, 7, 7]])
    scores = boundaries.region_scores(labels, truth)
    assert scores["achievable_accuracy"] == pytest.approx(5 / 6)
    # region 7 leaks: one of its pixels into the first, two into the second
    assert scores["undersegmentation_error"] == pytest.approx(2 / 6)
    assert scores["covering"] == pytest.approx((4 * 3 / 4 + 2 * 2 / 3) / 6)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 999), st.integers(1, 9), st.integers(1, 9), st.integers(1, 5))
def test_region_scores_against_all_pairs_of_regions(boundaries, seed, height, width, n_labels):
    labels, truth = label_maps(seed, (height, width), n_labels)
    accuracy = error = covering = 0.0
    for region in np.unique(labels):
        inside = labels == region
        accuracy += max((inside & (truth == true)).sum() for true in np.unique(truth))
        for true in np.unique(truth):
            shared = (inside & (truth == true)).sum()
            error += min(shared, inside.sum() - shared) if shared else 0
    for true in np.unique(truth):
        best = max(
            ((labels == region) & (truth == true)).sum()
            / ((labels == region) | (truth == true)).sum()
            for region in np.unique(labels)
        )
        covering += (truth == true).sum() * best
    scores = boundaries.region_scores(labels, truth)
    assert scores["achievable_accuracy"] == pytest.approx(accuracy / labels.size)
    assert scores["undersegmentation_error"] == pytest.approx(error / labels.size)
    assert scores["covering"] == pytest.approx(covering / labels.size)


def test_the_truth_itself_is_perfect(boundaries):
    truth = label_maps(0, (30, 40), 4)[0]
    scores = boundaries.boundary_scores(truth, truth) | boundaries.region_scores(truth, truth)
    assert scores.pop("undersegmentation_error") == 0
    assert set(scores.values()) == {1.0}
