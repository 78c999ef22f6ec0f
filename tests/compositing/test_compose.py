"""Images with parts of others: nothing else changes, and dtype and range stay."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hierseg_learn.compositing.compose import compose_parts
from hierseg_learn.compositing.inpaint import fill_region
from hierseg_learn.datasets import make_portraits
from hierseg_learn.tree import SegmentTree

DATA = make_portraits(12, image_size=(96, 80), missing={"hair": 0.3}, random_state=0)
TREE = SegmentTree.from_nested(DATA.tree)
NODES = ["background", "hair", "skin", "eyes", "mouth", "neck", "clothes", "head", "person"]

pairs = given(
    a=st.integers(0, 11),
    b=st.integers(0, 11),
    nodes=st.lists(st.sampled_from(NODES), min_size=1, max_size=3),
)
few = settings(deadline=None, max_examples=25)


def grown(region, reach):
    from scipy.ndimage import distance_transform_edt

    return distance_transform_edt(~region) <= reach if region.any() else region


@few
@pairs
def test_pictures_are_whole(a, b, nodes):
    A, B = DATA.images[a], DATA.images[b]
    before = [array.copy() for array in (*A, *B)]
    image, mask = compose_parts(*A, *B, TREE, nodes)
    for array, copy in zip((*A, *B), before):
        np.testing.assert_array_equal(array, copy)
    assert image.dtype == A.image.dtype
    assert image.shape == A.image.shape
    assert mask.dtype == A.mask.dtype
    # every pixel has a part of one of the pictures, never a hole
    assert set(np.unique(mask)) <= set(np.unique(A.mask)) | set(np.unique(B.mask))
    # what is far from the old and the new part is as it was, to the bit
    leaves = np.isin(TREE.leaves, np.concatenate([TREE.subtree(node) for node in nodes]))
    ids = np.array(TREE.leaf_values)[leaves]
    far = ~grown(np.isin(A.mask, ids) | np.isin(mask, ids), 4)
    np.testing.assert_array_equal(image[far], A.image[far])
    np.testing.assert_array_equal(mask[far], A.mask[far])


@few
@given(a=st.integers(0, 11), node=st.sampled_from(NODES))
def test_swap_with_itself_changes_little(a, node):
    A = DATA.images[a]
    image, mask = compose_parts(*A, *A, TREE, [node])
    assert (mask == A.mask).mean() > 0.99
    assert np.abs(image.astype(int) - A.image).mean() < 2


@few
@pairs
def test_parts_come_and_go(a, b, nodes):
    A, B = DATA.images[a], DATA.images[b]
    _, mask = compose_parts(*A, *B, TREE, ["hair"])
    assert (mask == 1).any() == (B.mask == 1).any()


def test_colors_are_the_donors():
    for a, b in ((0, 1), (1, 7), (4, 0)):
        A, B = DATA.images[a], DATA.images[b]
        for part, node in enumerate(NODES[:7]):
            if not ((A.mask == part).any() and (B.mask == part).any()):
                continue
            image, mask = compose_parts(*A, *B, TREE, [node])
            colors = [
                picture[labels == part].mean(axis=0) for picture, labels in ((image, mask), B)
            ]
            np.testing.assert_allclose(*colors, atol=20, err_msg=node)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("color", [False, True])
def test_dtypes_and_ranges(dtype, color):
    rng = np.random.default_rng(0)
    low, high = {"b": (0, 1), "f": (0, 1)}.get(np.dtype(dtype).kind, (3, 200))
    shape = (20, 30, 3) if color else (20, 30)
    images = [(low + (high - low) * rng.random(shape)).astype(dtype) for _ in range(2)]
    mask = np.zeros((20, 30), dtype=np.uint8)
    mask[5:12, 8:20] = 1
    tree = SegmentTree.from_nested({"photo": {"sky": 0, "boat": 1}})
    for nodes in (["boat"], ["sky"], ["sky", "boat"]):
        image, _ = compose_parts(images[0], mask, images[1], mask[::-1, ::-1], tree, nodes)
        assert image.dtype == dtype
        assert low <= image.min() <= image.max() <= high


def test_sizes_may_differ_and_the_part_stands_where_the_old_one_stood():
    tree = SegmentTree.from_nested({"photo": {"sky": 0, "boat": 1}})
    masks = [np.zeros((40, 50), dtype=int), np.zeros((15, 12), dtype=int)]
    masks[0][20:30, 10:30], masks[1][2:6, 1:5] = 1, 1
    pictures = [np.where(masks[0], 0.2, 0.1), np.where(masks[1], 0.9, 0.5)]
    image, mask = compose_parts(pictures[0], masks[0], pictures[1], masks[1], tree, ["boat"])
    np.testing.assert_array_equal(mask, masks[0])
    np.testing.assert_allclose(image, np.where(masks[0], 0.9, 0.1))


def test_unlabeled_pixels_stay_and_are_never_pasted():
    tree = SegmentTree.from_nested({"photo": {"sky": 0, "boat": [1, 2]}})
    A, B = np.full((9, 9), 10, dtype=np.uint8), np.full((9, 9), 90, dtype=np.uint8)
    masks = [np.full((9, 9), 255, dtype=np.uint8) for _ in range(2)]
    masks[0][2:6, 2:6], masks[1][3:7, 3:5], masks[1][3:7, 5:7] = 1, 1, 2
    image, mask = compose_parts(A, masks[0], B, masks[1], tree, ["boat"])
    np.testing.assert_array_equal(mask == 255, masks[0] == 255)
    np.testing.assert_array_equal(mask[2:6, 2:6], [[1, 1, 2, 2]] * 4)
    np.testing.assert_array_equal(image, np.where(mask == 255, 10, 90))


def test_a_removed_part_leaves_no_trace():
    # a bright boat on a smooth sea is taken out: the sea goes on
    tree = SegmentTree.from_nested({"photo": {"sea": 0, "boat": 1}})
    rows = np.linspace(0, 1, 120)[:, np.newaxis] * np.ones((120, 130))
    mask = np.zeros(rows.shape, dtype=int)
    mask[50:70, 40:80] = 1
    image, composed = compose_parts(
        np.where(mask, 5.0, rows), mask, rows, np.zeros_like(mask), tree, ["boat"]
    )
    assert (composed == 0).all()
    assert np.abs(image - rows).max() < 0.1


def test_a_backdrop_leaves_no_halo():
    # the outermost pixels of the boat are half sea: with another sea they must not stay bright
    tree = SegmentTree.from_nested({"photo": {"sea": 0, "boat": 1}})
    mask = np.zeros((120, 130), dtype=int)
    mask[40:80, 30:90] = 1
    boat, edge = mask == 1, (mask == 1) & grown(mask == 0, 1)
    picture = np.where(boat, 0.2, 0.9)
    picture[edge] = (0.2 + 0.9) / 2
    image, _ = compose_parts(picture, mask, np.zeros_like(picture), 0 * mask, tree, ["sea"])
    assert image.max() < 0.25
    np.testing.assert_allclose(image[boat & ~grown(mask == 0, 4)], 0.2)
    assert image[mask == 0].mean() < 0.01


def test_wide_holes_go_on_as_their_surroundings():
    # a wall of bricks, seen again where a person stood, not a blur with the person's outline
    rows, cols = np.mgrid[:120, :160]
    wall = ((rows % 10 < 2) | ((cols + 10 * (rows // 10 % 2)) % 20 < 3)).astype(float)
    known = np.ones(wall.shape, dtype=bool)
    known[20:110, 60:100] = False
    filled = fill_region(np.where(known, wall, 0.5)[..., np.newaxis], known, ~known)[..., 0]
    assert filled[~known].std() > 0.8 * wall.std()
    assert np.abs(filled - wall)[~known].mean() < 0.2


@few
@given(seed=st.integers(0, 2**16), share=st.floats(0.02, 1.0))
def test_fill_keeps_what_is_known_and_its_range(seed, share):
    rng = np.random.default_rng(seed)
    image = rng.random((*rng.integers(1, 20, 2), 2))
    known = rng.random(image.shape[:2]) < share
    filled = fill_region(image, known, ~known)
    np.testing.assert_array_equal(filled[known], image[known])
    if known.any():
        assert (filled >= image[known].min(axis=0) - 1e-12).all()
        assert (filled <= image[known].max(axis=0) + 1e-12).all()
        flat = fill_region(np.where(known[..., np.newaxis], 0.3, 9.0), known, ~known)
        np.testing.assert_allclose(flat, 0.3)
    else:
        assert (filled == 0).all()


def test_wrong_input():
    A, B = DATA.images[0], DATA.images[1]
    with pytest.raises(ValueError, match=r"donor_mask must have the size of donor_image, \(96, 80"):
        compose_parts(*A, B.image, B.mask[1:], TREE, ["hair"])
    with pytest.raises(ValueError, match=r"image must have shape .* got \(96, 80, 3, 1\)"):
        compose_parts(A.image[..., None], A.mask, *B, TREE, ["hair"])
    with pytest.raises(ValueError, match=r"one kind, got color of dtype uint8 and gray of dtype"):
        compose_parts(*A, B.image[..., 0], B.mask, TREE, ["hair"])
    with pytest.raises(TypeError, match="mask must hold integers, got dtype float64"):
        compose_parts(A.image, A.mask * 1.0, *B, TREE, ["hair"])
    with pytest.raises(ValueError, match="wig"):
        compose_parts(*A, *B, TREE, ["wig"])
