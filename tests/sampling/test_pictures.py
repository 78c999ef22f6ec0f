"""The sampler on images: composed where a segment is swapped, untouched elsewhere."""

import numpy as np
import pytest
from joblib import parallel_config
from scipy.ndimage import distance_transform_edt

from hierseg_learn import SegmentedImages
from hierseg_learn.compositing.compose import compose_parts
from hierseg_learn.datasets import make_portraits
from hierseg_learn.tree import SegmentTree

pytest.importorskip("imblearn")

from hierseg_learn.sampling import SegmentSwapSampler

DATA = make_portraits(10, bias=1.0, image_size=(48, 40), random_state=0)
TREE = SegmentTree.from_nested(DATA.tree)
BACKGROUND = 0


def resampled(images=DATA.images, y=DATA.target, nodes="background", **params):
    sampler = SegmentSwapSampler(nodes, **{"tree": DATA.tree, "random_state": 0, **params})
    return sampler, *sampler.fit_resample(images, y)


def test_images_are_composed_one_by_one():
    sampler, images, y = resampled(nodes=["background", "hair"])
    assert isinstance(images, SegmentedImages)
    assert len(images) == 20
    np.testing.assert_array_equal(y, DATA.target[sampler.sample_indices_])
    for new, (receiver, donor) in zip(images, sampler.sample_sources_):
        expected = DATA.images[receiver]
        if donor >= 0:
            expected = compose_parts(*expected, *DATA.images[donor], TREE, ["background", "hair"])
        np.testing.assert_array_equal(new.image, expected[0])
        np.testing.assert_array_equal(new.mask, expected[1])


def test_pixels_outside_the_swapped_region_stay():
    sampler, images, _ = resampled()
    for new, (receiver, donor) in zip(images, sampler.sample_sources_):
        old = DATA.images[receiver]
        far = distance_transform_edt(old.mask != BACKGROUND) > (4 if donor >= 0 else -1)
        np.testing.assert_array_equal(new.image[far], old.image[far])
        np.testing.assert_array_equal(new.mask, old.mask)
        assert new.image.dtype == old.image.dtype


def test_same_images_for_any_number_of_jobs():
    _, one, _ = resampled(DATA.images[:4], [0, 1, 0, 1])
    with parallel_config(backend="threading"):  # starts faster than processes
        _, two, y = resampled(DATA.images[:4], [0, 1, 0, 1], n_jobs=2)
    assert y == [0, 1, 0, 1] * 2
    for a, b in zip(one, two):
        np.testing.assert_array_equal(a.image, b.image)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_sizes_dtypes_and_unlabeled_ids(dtype):
    rng = np.random.default_rng(0)
    shapes = [(12, 10, 3), (9, 14, 3), (11, 11, 3), (8, 8, 3)]
    pictures = [(100 * rng.random(shape)).astype(dtype) for shape in shapes]
    masks = [rng.integers(0, 2, shape[:2]) for shape in shapes]
    masks[0][0, 0] = 9
    _, images, _ = resampled(
        SegmentedImages(pictures, masks, unlabeled=9), [0, 0, 1, 1], "part_1", tree=None
    )
    assert [image.image.shape for image in images] == shapes * 2
    assert {image.image.dtype for image in images} == {np.dtype(dtype)}
    assert images.unlabeled == (9,)
    assert images[4].mask[0, 0] == -1


def test_masks_of_two_kinds_of_pixel():
    rng = np.random.default_rng(0)
    pair = SegmentedImages(rng.random((4, 9, 9)), rng.random((4, 9, 9)) < 0.5)
    _, images, _ = resampled(pair, [0, 1, 0, 1], "part_1", tree=None)
    assert set(np.unique(images[5].mask)) == {0, 1}


def test_wrong_images():
    with pytest.raises(TypeError, match="images without label maps cannot be swapped; got list"):
        resampled(list(DATA.images.images), DATA.target)
    with pytest.raises(ValueError, match=r"No node is named 'hat'.* pass tree= or transformer="):
        resampled(nodes="hat", tree=None)
    with pytest.raises(ValueError, match="X is images, whose parts are swapped as a whole"):
        resampled(nodes={"background": ["color"]})
    with pytest.raises(ValueError, match=r"y must hold one class per sample, expected .*, got 2"):
        resampled(y=[0, 1])
