"""Promises of every descriptor: scikit-learn's checks, additive pooling, invertible columns."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

from hierseg_learn.descriptors import (
    ColorDescriptor,
    GradientDescriptor,
    ImageChannels,
    LBPDescriptor,
    PatchDictionary,
    _base,
)
from hierseg_learn.descriptors.registry import DESCRIPTORS

pytestmark = pytest.mark.filterwarnings("ignore:n_atoms=:UserWarning")

# all registered ones with their defaults, or as fast as they can be
FAST = {"patches": PatchDictionary(n_atoms=4, n_patches=300, random_state=0)}
REGISTERED = [FAST.get(name) or cls() for name, cls in DESCRIPTORS.items()]
FAMILIES = [
    *REGISTERED,
    ColorDescriptor(n_bins=3, hellinger=False),
    GradientDescriptor(n_orientations=2, hellinger=False),
    LBPDescriptor(hellinger=False),
    PatchDictionary(n_atoms=7, patch_size=3, n_patches=300, random_state=0),
    PatchDictionary(n_atoms=4, patch_size=4, n_patches=300, hellinger=False, random_state=0),
]


@parametrize_with_checks(REGISTERED)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def random_images(color, n_images=4, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.random((8, 9, 3) if color else (8, 9)) for _ in range(n_images)]


@pytest.fixture(scope="module", params=FAMILIES, ids=repr)
def family(request):
    return request.param


@pytest.fixture(scope="module", params=[False, True], ids=["gray", "color"])
def fitted(request, family):
    return clone(family).fit(random_images(request.param))


def an_image(descriptor, height, width, seed):
    shape = (height, width, 3) if descriptor.n_channels_ == 3 else (height, width)
    return np.random.default_rng(seed).random(shape).astype(np.float32)


def some_regions(height, width, n_regions, seed):
    # -1 is unlabeled; with few pixels some of the regions are missing
    return np.random.default_rng([seed, 1]).integers(-1, n_regions, (height, width))


def areas_of(regions, n_regions):
    return np.array([np.mean(regions == k) for k in range(n_regions)])


cases = given(
    height=st.integers(1, 11),
    width=st.integers(1, 11),
    n_regions=st.integers(1, 6),
    seed=st.integers(0, 2**16),
)
few = settings(deadline=None, max_examples=15)


@few
@cases
def test_sums_are_the_maps_added_up(fitted, height, width, n_regions, seed):
    image = an_image(fitted, height, width, seed)
    regions = some_regions(height, width, n_regions, seed)
    maps = fitted.maps(image)
    sums = fitted.pool(ImageChannels(image), regions, n_regions)
    expected = [maps[regions == k].sum(axis=0, dtype=np.float64) for k in range(n_regions)]
    assert maps.shape == (height, width, fitted.n_sums_)
    assert maps.dtype == np.float32
    assert sums.dtype == np.float64
    np.testing.assert_allclose(sums * height * width, expected, rtol=1e-6, atol=1e-6)


@few
@cases
def test_sums_of_a_union_are_the_sums_of_its_parts(fitted, height, width, n_regions, seed):
    channels = ImageChannels(an_image(fitted, height, width, seed))
    regions = some_regions(height, width, n_regions, seed)
    sums = fitted.pool(channels, regions, n_regions)
    union = fitted.pool(channels, np.where(regions >= 0, 0, -1), 1)
    np.testing.assert_allclose(sums.sum(axis=0), union[0], rtol=1e-9, atol=1e-12)


@few
@cases
def test_permuted_regions_permute_rows(fitted, height, width, n_regions, seed):
    channels = ImageChannels(an_image(fitted, height, width, seed))
    regions = some_regions(height, width, n_regions, seed)
    new_ids = np.random.default_rng(seed).permutation(n_regions)
    permuted = np.where(regions >= 0, new_ids[regions], -1)
    sums = fitted.pool(channels, regions, n_regions)
    np.testing.assert_array_equal(fitted.pool(channels, permuted, n_regions)[new_ids], sums)


@few
@cases
def test_columns_turn_back_into_sums(fitted, height, width, n_regions, seed):
    channels = ImageChannels(an_image(fitted, height, width, seed))
    regions = some_regions(height, width, n_regions, seed)
    area = areas_of(regions, n_regions)
    sums = fitted.pool(channels, regions, n_regions)
    columns = fitted.from_sums(sums, area)
    missing = area == 0
    assert columns.shape == (n_regions, fitted.n_columns_)
    assert np.isnan(columns[missing]).all()
    assert np.isfinite(columns[~missing]).all()
    np.testing.assert_allclose(fitted.to_sums(columns, area), sums, rtol=1e-8, atol=1e-10)
    filled = np.where(missing[:, np.newaxis], 3.5, columns)
    np.testing.assert_array_equal(fitted.to_sums(filled, area), fitted.to_sums(columns, area))


@few
@cases
def test_parent_columns_come_from_child_columns(fitted, height, width, n_regions, seed):
    channels = ImageChannels(an_image(fitted, height, width, seed))
    regions = some_regions(height, width, n_regions, seed)
    area = areas_of(regions, n_regions)
    columns = fitted.from_sums(fitted.pool(channels, regions, n_regions), area)
    parent = fitted.from_sums(fitted.to_sums(columns, area).sum(axis=0), area.sum())
    whole = fitted.pool(channels, np.where(regions >= 0, 0, -1), 1)[0]
    # roots of near-zero variances amplify rounding
    np.testing.assert_allclose(parent, fitted.from_sums(whole, area.sum()), rtol=1e-6, atol=1e-5)


def test_rows_may_have_any_leading_axes(fitted):
    sums = np.stack(
        [
            fitted.pool(ImageChannels(an_image(fitted, 8, 9, s)), some_regions(8, 9, 3, s), 3)
            for s in range(2)
        ]
    )
    area = np.stack([areas_of(some_regions(8, 9, 3, s), 3) for s in range(2)])
    columns = fitted.from_sums(sums, area)
    assert columns.shape == (2, 3, fitted.n_columns_)
    np.testing.assert_array_equal(columns[1], fitted.from_sums(sums[1], area[1]))
    np.testing.assert_array_equal(columns[1, 2], fitted.from_sums(sums[1, 2], area[1, 2]))
    np.testing.assert_allclose(fitted.to_sums(columns, area), sums, rtol=1e-8, atol=1e-10)


def test_one_block_and_many_blocks_agree(fitted, monkeypatch):
    channels = ImageChannels(an_image(fitted, 7, 5, 0))
    regions = some_regions(7, 5, 3, 0)
    at_once, maps = fitted.pool(channels, regions, 3), fitted.maps(channels.image)
    monkeypatch.setattr(_base, "BLOCK_VALUES", 1)
    np.testing.assert_allclose(fitted.pool(channels, regions, 3), at_once, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(fitted.maps(channels.image), maps, rtol=1e-4, atol=1e-5)


def test_memory_layout_does_not_matter(fitted):
    image = an_image(fitted, 6, 8, 0)
    regions = some_regions(6, 8, 3, 0)
    expected = fitted.pool(ImageChannels(image), regions, 3)
    larger = np.zeros((12, 16, *image.shape[2:]), dtype=np.float32)
    larger[::2, ::-2] = image
    read_only = image.copy()
    read_only.flags.writeable = False
    for layout in (np.asfortranarray(image), larger[::2, ::-2], read_only, image.astype(float)):
        sums = fitted.pool(ImageChannels(layout), np.asfortranarray(regions), 3)
        np.testing.assert_array_equal(sums, expected)


def test_pickle_gives_the_same_sums(fitted):
    channels = ImageChannels(an_image(fitted, 6, 8, 0))
    again = pickle.loads(pickle.dumps(fitted))
    regions = some_regions(6, 8, 3, 0)
    pooled = fitted.pool(channels, regions, 3)
    np.testing.assert_array_equal(again.pool(channels, regions, 3), pooled)


def test_names_are_unique_and_start_with_the_prefix(fitted):
    names = fitted.get_feature_names_out()
    assert len(set(names)) == len(names) == fitted.n_columns_
    assert all(name.startswith(f"{fitted.prefix}_") for name in names)
    renamed = clone(fitted).set_params(prefix="mine").fit(random_images(fitted.n_channels_ == 3))
    assert all(name.startswith("mine_") for name in renamed.get_feature_names_out())


@pytest.mark.parametrize("prefix", ["", "a/b", "a|b"])
def test_prefix_must_fit_into_column_names(family, prefix):
    with pytest.raises(ValueError, match=r"prefix must be a name without '/' and '|'"):
        clone(family).set_params(prefix=prefix).fit(random_images(color=False))


def test_wrong_input_gets_a_sentence(fitted):
    color = fitted.n_channels_ == 3
    channels = ImageChannels(an_image(fitted, 4, 5, 0))
    other = ImageChannels(random_images(not color)[0])
    with pytest.raises(ValueError, match=r"regions must have the shape of the image, \(4, 5\)"):
        fitted.pool(channels, np.zeros((5, 4), dtype=int), 1)
    with pytest.raises(ValueError, match=r"was fitted on images of \d channel"):
        fitted.pool(other, np.zeros(other.shape, dtype=int), 1)
    with pytest.raises(ValueError, match=f"sums must have one row of {fitted.n_sums_} values"):
        fitted.from_sums(np.zeros((2, fitted.n_sums_)), np.zeros(3))
    with pytest.raises(ValueError, match=f"columns must have one row of {fitted.n_columns_} val"):
        fitted.to_sums(np.zeros((2, fitted.n_columns_ + 1)), np.zeros(2))


def test_unfitted_says_so(family):
    unfitted = clone(family)
    channels = ImageChannels(np.zeros((2, 2)))
    calls = [
        lambda: unfitted.pool(channels, np.zeros((2, 2), dtype=int), 1),
        lambda: unfitted.maps(np.zeros((2, 2))),
        lambda: unfitted.from_sums(np.zeros((1, 1)), [1.0]),
        lambda: unfitted.to_sums(np.zeros((1, 1)), [1.0]),
        unfitted.get_feature_names_out,
    ]
    for call in calls:
        with pytest.raises(NotFittedError):
            call()


@pytest.mark.parametrize("color", [False, True])
def test_what_is_learned_does_not_depend_on_the_order_of_images(family, color):
    images = random_images(color, n_images=7)
    channels, regions = ImageChannels(images[3].astype(np.float32)), np.zeros((8, 9), dtype=int)
    same, turned = (
        clone(family).fit(some).pool(channels, regions, n_regions=1)
        for some in (images, images[::-1])
    )
    np.testing.assert_array_equal(same, turned)
