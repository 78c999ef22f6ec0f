import pickle

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from hierseg_learn.images import RaggedArrays

SHAPES = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=6)


def make_arrays(shapes, dtype=np.int32):
    return [np.full(shape, i, dtype=dtype) for i, shape in enumerate(shapes)]


def assert_same_items(ragged, arrays):
    assert len(ragged) == len(arrays)
    for item, array in zip(ragged, arrays):
        assert item.dtype == array.dtype
        assert_array_equal(item, array, strict=True)


@settings(deadline=None, max_examples=50)
@given(shapes=SHAPES, data=st.data())
def test_a_pickled_subset_holds_its_items_and_nothing_else(shapes, data):
    arrays = make_arrays(shapes)
    keys = data.draw(st.lists(st.integers(0, len(arrays) - 1), max_size=8))
    subset = RaggedArrays.from_arrays(arrays)[keys]
    loaded = pickle.loads(pickle.dumps(subset))
    for ragged in (loaded, subset):
        assert_same_items(ragged, [arrays[key] for key in keys])
    assert loaded.buffer.size == sum(arrays[key].size for key in set(keys))


def test_compaction_happens_once():
    subset = RaggedArrays.from_arrays(make_arrays([(2, 2), (3, 3), (1, 1)]))[[2, 0]]
    pickle.dumps(subset)
    buffer = subset.buffer
    pickle.dumps(subset)
    assert subset.buffer is buffer
    assert joblib.hash(subset) == joblib.hash(pickle.loads(pickle.dumps(subset)))


def test_subsets_and_stacks_share_memory():
    stack = np.arange(24.0).reshape(4, 2, 3)
    ragged = RaggedArrays.from_stack(stack)
    assert np.shares_memory(ragged[2:][1], stack)
    assert_same_items(ragged[[3, 0]], [stack[3], stack[0]])
    assert ragged[1:].nbytes == stack[1:].nbytes
    with pytest.raises(ValueError, match="read-only"):
        ragged[0][0, 0] = 1.0


def test_a_read_only_memory_map_is_not_copied(tmp_path):
    stack = np.lib.format.open_memmap(
        tmp_path / "stack.npy", mode="w+", dtype=np.uint8, shape=(3, 2, 2)
    )
    stack[:] = 7
    stack.flush()
    mapped = np.load(tmp_path / "stack.npy", mmap_mode="r")
    ragged = RaggedArrays.from_stack(mapped)
    assert np.shares_memory(ragged[1], mapped)
    assert_array_equal(ragged[1], np.full((2, 2), 7))


def test_joblib_hands_the_buffer_over_as_a_memory_map():
    ragged = RaggedArrays.from_arrays(make_arrays([(40, 40)] * 8))[1:]

    def is_mapped(collection):
        base = collection.buffer
        while base is not None and not isinstance(base, np.memmap):
            base = base.base
        return isinstance(base, np.memmap), int(collection[0][0, 0])

    results = joblib.Parallel(n_jobs=2, max_nbytes=1000)(
        joblib.delayed(is_mapped)(ragged) for _ in range(2)
    )
    assert results == [(True, 1)] * 2


@settings(deadline=None, max_examples=50)
@given(
    shapes=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), min_size=1, max_size=6),
    data=st.data(),
)
def test_ranges_are_those_of_each_array(shapes, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    arrays = [rng.normal(size=shape) for shape in shapes]
    keys = data.draw(st.lists(st.integers(0, len(arrays) - 1), max_size=8))
    for key in (keys, slice(1, None), slice(None, None, -1)):
        low, high = RaggedArrays.from_arrays(arrays)[key].ranges()
        chosen = [arrays[i] for i in np.arange(len(arrays))[key]] if key != [] else []
        assert_array_equal(low, [array.min() for array in chosen])
        assert_array_equal(high, [array.max() for array in chosen])


def test_ranges_carry_nan():
    ragged = RaggedArrays.from_arrays([np.ones((2, 2)), np.array([[np.nan, 1.0]])])
    for low, _ in (ragged.ranges(), [r[::-1] for r in ragged[::-1].ranges()]):
        assert_array_equal(np.isnan(low), [False, True])


def test_dtypes_are_promoted():
    ragged = RaggedArrays.from_arrays([np.ones((1, 1), np.float32), np.ones((1, 2), np.float64)])
    assert ragged.dtype == np.float64
    assert repr(ragged) == "RaggedArrays(n_arrays=2, dtype=float64)"
