"""Nearest neighbors and signal-to-noise distances: against the oracle, ties and hard numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from tests.kernels import reference
from tests.kernels.twins import LAYOUTS, assert_close, small_blocks


def points(n_queries=13, n=31, d=4, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_queries, d)), rng.normal(size=(n, d))


def assert_same_neighbors(actual, expected):
    (indices, distances), (expected_indices, expected_distances) = actual, expected
    assert indices.dtype == np.int64
    np.testing.assert_array_equal(indices, expected_indices)
    # measured in float64 by differences, whatever the dtype of the points
    assert_close(distances, expected_distances, tolerance=1e-12)


def search_cases():
    Q, X = points()
    grid = np.random.default_rng(1).integers(0, 3, (40, 2)).astype(float)
    return {
        "random": (Q, X, 5, None),
        "all points": (Q, X, 31, None),
        "one point": (Q, X[:1], 1, None),
        "no query": (Q[:0], X, 3, None),
        "one feature": (Q[:, :1], X[:, :1], 4, None),
        "ties on a grid": (grid[:9], grid, 6, None),
        "more duplicates than spare candidates": (Q, np.repeat(X[:3], 30, axis=0), 7, None),
        "themselves left out": (X, X, 4, np.arange(31)),
        "some left out": (X[:4], X, 30, np.array([3, -1, 0, 30])),
        "far from the origin": (Q + 1e4, X + 1e4, 5, None),
        "far apart": (1e8 * Q, 1e8 * X, 5, None),
        "close together": (1e-9 * Q, 1e-9 * X, 5, None),
        "one far outlier": (Q, np.vstack([X, np.full((1, 4), 1e7)]), 5, None),
    }


@pytest.mark.parametrize("case", search_cases())
def test_nearest_as_the_oracle(backend, dtype, case):
    Q, X, n_neighbors, exclude = search_cases()[case]
    Q, X = Q.astype(dtype), X.astype(dtype)
    expected = reference.nearest(Q, X, n_neighbors, exclude)
    assert_same_neighbors(backend.nearest(Q, X, n_neighbors, exclude), expected)
    with small_blocks():
        assert_same_neighbors(backend.nearest(Q, X, n_neighbors, exclude), expected)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_nearest_in_any_memory_layout(backend, dtype, layout):
    Q, X = (LAYOUTS[layout](array.astype(dtype)) for array in points())
    exclude = LAYOUTS[layout](np.arange(13))
    expected = reference.nearest(Q.copy(), X.copy(), 4, exclude.copy())
    assert_same_neighbors(backend.nearest(Q, X, 4, exclude), expected)


def test_nearest_between_dtypes(backend):
    Q, X = points()
    Q = Q.astype(np.float32)
    assert_same_neighbors(backend.nearest(Q, X, 4), reference.nearest(Q, X, 4))
    whole = np.rint(10 * X).astype(np.int16)
    assert_same_neighbors(backend.nearest(Q, whole, 4), reference.nearest(Q, whole, 4))


@pytest.mark.parametrize("exclude_dtype", ["int8", "int32", "int64"])
def test_any_integer_type_for_exclude(backend, exclude_dtype):
    _, X = points()
    expected = reference.nearest(X, X, 3, np.arange(31))
    actual = backend.nearest(X, X, 3, np.arange(31).astype(exclude_dtype))
    assert_same_neighbors(actual, expected)


@settings(deadline=None, max_examples=30)
@given(st.data(), st.integers(1, 14), st.integers(1, 3))
def test_equally_near_points_come_in_their_order(backend, data, n, d):
    numbers = st.lists(st.integers(-1, 2), min_size=n * d, max_size=n * d)
    X = np.array(data.draw(numbers), dtype=np.float32).reshape(n, d)
    n_neighbors = data.draw(st.integers(1, n))
    with small_blocks():
        indices, distances = backend.nearest(X, X, n_neighbors)
    squared = cdist(X, X, "sqeuclidean")
    for row in range(n):
        order = sorted(range(n), key=lambda point: (squared[row, point], point))[:n_neighbors]
        assert indices[row].tolist() == order
        assert distances[row].tolist() == squared[row, order].tolist()


def test_more_points_than_a_16_bit_index_holds(backend):
    X = np.arange(1000, 71_000, dtype=np.float32)[:, None]
    X[[69_999, 65_536, 4_464], 0] = [0.0, 1.0, 2.0]
    indices, distances = backend.nearest(np.zeros((2, 1), dtype=np.float32), X, 3)
    assert indices.tolist() == [[69_999, 65_536, 4_464]] * 2
    assert distances.tolist() == [[0.0, 1.0, 4.0]] * 2


def test_snr_by_hand(backend):
    Q = np.array([[0.0, 2.0], [3.0, 3.0]])
    X = np.array([[0.0, 4.0], [5.0, 7.0], [1.0, 1.0]])
    # var(q) = 1; differences (0, -2), (-5, -5), (-1, 1); no signal in the second row
    distances = backend.snr_distances(Q, X)
    np.testing.assert_array_equal(distances, [[1.0, 0.0, 1.0], [np.nan] * 3])


def snr_cases():
    Q, X = points()
    constant = Q.copy()
    constant[[2, 7]] = 0.1
    return {
        "random": (Q, X),
        "one point": (Q[:1], X[:1]),
        "no query": (Q[:0], X),
        "no reference": (Q, X[:0]),
        "one component": (Q[:, :1], X[:, :1]),
        "queries without signal": (constant, X),
        "references without variance": (Q, constant),
        "far from the origin": (Q + 50.0, X - 50.0),
        "far apart": (1e5 * Q, 1e5 * X),
    }


@pytest.mark.parametrize("case", snr_cases())
def test_snr_as_the_oracle(backend, dtype, case):
    Q, X = (array.astype(dtype) for array in snr_cases()[case])
    expected = reference.snr_distances(Q, X)
    assert expected.dtype == dtype
    assert_close(backend.snr_distances(Q, X), expected)
    with small_blocks():
        assert_close(backend.snr_distances(Q, X), expected)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_snr_in_any_memory_layout(backend, dtype, layout):
    Q, X = (LAYOUTS[layout](array.astype(dtype)) for array in points())
    expected = reference.snr_distances(Q.copy(), X.copy())
    assert_close(backend.snr_distances(Q, X), expected)


def test_snr_between_dtypes_is_in_float64(backend):
    Q, X = points()
    expected = reference.snr_distances(Q.astype(np.float32), X)
    assert expected.dtype == np.float64
    assert_close(backend.snr_distances(Q.astype(np.float32), X), expected, tolerance=1e-6)


def test_snr_of_itself_is_zero_and_of_nothing_is_one(backend):
    Q, _ = points()
    assert np.abs(np.diag(backend.snr_distances(Q, Q))).max() < 1e-12
    # a reference without variance takes nothing away, whatever its level
    np.testing.assert_allclose(backend.snr_distances(Q, np.array([[2.0] * 4])), 1)


def count_cases():
    Q, X = points()
    codes = np.arange(31) % 3
    grid = np.random.default_rng(1).integers(0, 3, (40, 2)).astype(float)
    many = np.repeat(grid[:3], 13, axis=0)
    return {
        "random": (Q, X, codes, 3, np.full(13, 1.0), np.full(13, 9.0), None),
        "nothing in range": (Q, X, codes, 3, np.full(13, 2.0), np.full(13, 1.0), None),
        "everything": (Q, X, codes, 4, np.zeros(13), np.full(13, np.inf), None),
        "themselves left out": (X, X, codes, 3, np.zeros(31), np.full(31, 4.0), np.arange(31)),
        "ties on a grid": (grid, grid, np.arange(40) % 2, 2, np.ones(40), np.ones(40), None),
        "copies": (grid, many, np.arange(39) % 5, 5, np.zeros(40), np.zeros(40), None),
        "no query": (Q[:0], X, codes, 3, np.zeros(0), np.zeros(0), None),
        "no column": (Q[:, :0], X[:, :0], codes, 3, np.zeros(13), np.zeros(13), None),
        "far from the origin": (grid + 1e4, many + 1e4, np.arange(39) % 2, 2)
        + (np.ones(40),) * 2
        + (None,),
    }


@pytest.mark.parametrize("case", count_cases())
def test_counts_as_the_oracle(backend, dtype, case):
    Q, X, *rest = count_cases()[case]
    Q, X = Q.astype(dtype), X.astype(dtype)
    expected = reference.count_classes(Q, X, *rest)
    np.testing.assert_array_equal(backend.count_classes(Q, X, *rest), expected)
    with small_blocks():
        np.testing.assert_array_equal(backend.count_classes(Q, X, *rest), expected)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_counts_in_any_memory_layout(backend, layout):
    arrays = [LAYOUTS[layout](np.asarray(a)) for a in (*points(), np.arange(31) % 3)]
    bounds = [LAYOUTS[layout](np.full(13, bound)) for bound in (0.5, 6.0)]
    expected = reference.count_classes(*(a.copy() for a in arrays), 3, *bounds)
    np.testing.assert_array_equal(backend.count_classes(*arrays, 3, *bounds), expected)
