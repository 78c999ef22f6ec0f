import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from hierseg_learn import SegmentTreeTransformer
from hierseg_learn.descriptors import PatchDictionary
from hierseg_learn.images import PixelEncoding, check_images

FINITE = st.floats(-1e6, 1e6, width=32)


@pytest.mark.parametrize(
    ("dtype", "high"), [(np.bool_, 1), (np.uint8, 255), (np.uint16, 65535), (">u2", 65535)]
)
def test_bool_and_unsigned_are_scaled_by_their_dtype(dtype, high):
    stack = np.array([[[0, 1]], [[1, high]]], dtype=dtype)
    batch = check_images(stack)
    assert (batch.encoding.low, batch.encoding.high) == (0, high)
    for i in range(2):
        image = batch.image(i)
        assert image.dtype == np.float32
        assert image.flags.c_contiguous
        assert image.flags.writeable
        assert_allclose(image, stack[i].astype(float) / high, rtol=1e-6)


@settings(deadline=None, max_examples=50)
@given(stack=arrays(np.float64, (3, 2, 2), elements=FINITE))
def test_other_numbers_are_scaled_by_the_range_seen(stack):
    encoding = check_images(stack).encoding
    decoded = encoding.decode(stack)
    assert decoded.min() >= 0
    assert decoded.max() <= 1
    if stack.min() >= 0 and stack.max() <= 1:
        assert_array_equal(decoded, stack.astype(np.float32))
    elif stack.min() == stack.max():
        assert_array_equal(decoded, np.zeros_like(decoded))
    else:
        assert decoded.min() == 0
        assert decoded.max() == 1
        back = decoded * (encoding.high - encoding.low) + encoding.low
        assert_allclose(back, stack, atol=1e-6 * np.ptp(stack))


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.int64, np.uint64, np.float16, np.float32])
def test_all_other_numbers_are_of_one_kind(dtype):
    encoding = check_images(np.array([[[0, 16]]], dtype=np.int64)).encoding
    batch = check_images(np.array([[[8, 24]]], dtype=dtype), encoding=encoding)
    assert_array_equal(batch.image(0), np.array([[0.5, 1.5]], dtype=np.float32))


def test_later_values_are_never_clipped():
    encoding = PixelEncoding.from_range("number", 1, low=-1, high=1)
    assert_array_equal(encoding.decode(np.array([-3.0, 0.0, 2.0])), np.float32([-1, 0.5, 1.5]))


def test_small_batches_decode_like_large_ones():
    stack = np.random.default_rng(0).normal(size=(5, 3, 3))
    whole = check_images(stack)
    for i in range(5):
        single = check_images(stack[i : i + 1], encoding=whole.encoding)
        assert_array_equal(single.image(0), whole.image(i))


@pytest.mark.parametrize(
    ("fit_dtype", "other_dtype", "match"),
    [
        (np.uint8, np.float64, "Image 0 of X has dtype float64, .* seen in fit were uint8"),
        (np.uint8, np.uint16, "Image 0 of X has dtype uint16, .* seen in fit were uint8"),
        (np.float32, np.uint8, "dtype uint8, .* seen in fit were numbers other than bool, uint8"),
        (np.bool_, np.int64, "dtype int64, .* seen in fit were bool"),
    ],
)
def test_another_kind_of_dtype_than_in_fit_says_both(fit_dtype, other_dtype, match):
    encoding = check_images(np.ones((1, 2, 2), dtype=fit_dtype)).encoding
    with pytest.raises(ValueError, match=match):
        check_images(np.ones((1, 2, 2), dtype=other_dtype), encoding=encoding)


def test_a_range_beyond_floating_point_is_an_error():
    with pytest.raises(ValueError, match="X spans -1e\\+308 to 1e\\+308"):
        check_images(np.array([[[-1e308, 1e308]]]))
    encoding = check_images(np.array([[[0.0, 2.0]]])).encoding
    batch = check_images(np.array([[[0.0, 1e300]]]), encoding=encoding)
    with pytest.raises(ValueError, match=r"Image 0 of X holds values far outside .* 0 to 2"):
        batch.image(0)


@pytest.mark.parametrize("far", [1e30, -1e30, 1e7])
@pytest.mark.parametrize("shape", [(9, 8), (9, 8, 3)])
def test_values_far_outside_the_range_of_fit_name_the_image(far, shape):
    rng = np.random.default_rng(0)
    images = [rng.random(shape) for _ in range(3)]
    transformer = SegmentTreeTransformer("grid").fit(images)
    with pytest.raises(ValueError, match=r"Image 1 of X holds values far outside .*fit, 0 to 1"):
        transformer.transform([images[0], images[1] * far])


@pytest.mark.parametrize("factor", [255, 9e5, -9e5])
@pytest.mark.parametrize("shape", [(9, 8), (9, 8, 3)])
def test_values_outside_the_range_of_fit_give_finite_columns(factor, shape):
    rng = np.random.default_rng(0)
    images = [rng.random(shape) for _ in range(3)]
    patches = PatchDictionary(n_atoms=4, n_patches=50, random_state=0)
    families = ["color", "gradients", "lbp", "shape", ("patches", patches)]
    transformer = SegmentTreeTransformer("grid", descriptors=families, missing="nan").fit(images)
    assert np.isfinite(transformer.transform([images[0] * factor]).to_numpy()).all()


def test_a_narrow_range_is_no_reason_for_missing_values():
    images = [np.random.default_rng(i).random((9, 8)) * 1e-30 - 1e-30 for i in range(3)]
    transformer = SegmentTreeTransformer("grid", missing="nan").fit(images)
    assert np.isfinite(transformer.transform(images).to_numpy()).all()
    with pytest.raises(ValueError, match="Image 0 of X holds values far outside"):
        transformer.transform([np.full((9, 8), 0.5)])
