"""Parts found in regions of the images: the same thing gets the same id, whatever the order."""

import pickle
from functools import partial
from importlib.util import find_spec

import numpy as np
import pytest
from skimage.color import rgb2lab
from sklearn.base import clone

from hierseg_learn import SegmentTreeTransformer
from hierseg_learn.images import SegmentedImages
from hierseg_learn.parts import PartStatistics, PartVocabulary
from hierseg_learn.parts.vocabulary import feature_weights, region_features
from hierseg_learn.segmentation import (
    Felzenszwalb,
    Higra,
    Quickshift,
    RegionMerging,
    Slic,
    VocabularySegmenter,
    Watershed,
)

FAST = {"n_parts": 3, "random_state": 0}
SEGMENTERS = {
    "superpixels": partial(VocabularySegmenter, Slic(n_segments=30)),
    "region_merging": partial(VocabularySegmenter, RegionMerging(n_segments=30)),
    "felzenszwalb": partial(VocabularySegmenter, Felzenszwalb(scale=1, sigma=0.5)),
    "quickshift": partial(VocabularySegmenter, Quickshift(kernel_size=2)),
    "watershed": partial(VocabularySegmenter, Watershed(markers=30)),
    "higra": partial(VocabularySegmenter, Higra(n_segments=30)),
}


def landscape(rng, height=24, width=20):
    """Sky over grass with a red house; horizon and house lie anywhere."""
    image = np.empty((height, width, 3))
    truth = np.zeros((height, width), dtype=int)
    horizon, left = rng.integers(10, 15), rng.integers(2, 10)
    image[:horizon], image[horizon:] = (0.5, 0.7, 1.0), (0.2, 0.6, 0.2)
    truth[horizon:] = 1
    house = slice(horizon - 4, horizon + 4), slice(left, left + 8)
    image[house], truth[house] = (0.8, 0.1, 0.1), 2
    return np.clip(image + 0.03 * rng.normal(size=image.shape), 0, 1), truth


@pytest.fixture(scope="module")
def landscapes():
    rng = np.random.default_rng(0)
    pairs = [landscape(rng, 24 + i % 3, 20 + i % 2) for i in range(16)]
    return [image for image, _ in pairs], [truth for _, truth in pairs]


@pytest.fixture(scope="module", params=SEGMENTERS)
def segmenter_class(request):
    if request.param == "higra" and not find_spec("higra"):
        pytest.skip("needs higra")
    return SEGMENTERS[request.param]


@pytest.fixture(scope="module")
def fitted(landscapes, segmenter_class):
    return segmenter_class(**FAST).fit(landscapes[0][:10])


def test_parts_mean_the_same_in_new_images(landscapes, fitted):
    labels = np.concatenate([fitted.segment(image).ravel() for image in landscapes[0][10:]])
    truth = np.concatenate([truth.ravel() for truth in landscapes[1][10:]])
    table = np.array([[((labels == p) & (truth == t)).sum() for t in range(3)] for p in range(3)])
    assert len(set(table.argmax(axis=1))) == 3
    assert table.max(axis=1).sum() / table.sum() > 0.93


def test_tree_has_the_parts_as_leaves(fitted):
    assert sorted(fitted.tree_.leaf_values) == list(range(fitted.n_parts_)) == [0, 1, 2]
    assert fitted.tree_.root_name == "image"
    assert fitted.tree_.n_nodes == 5


def test_the_order_of_the_images_does_not_matter(landscapes, fitted, segmenter_class):
    images = landscapes[0][:10]
    again = segmenter_class(**FAST).fit([images[i] for i in (7, 2, 9, 0, 1, 8, 3, 6, 4, 5)])
    assert again.tree_ == fitted.tree_
    np.testing.assert_array_equal(again.vocabulary_.centers, fitted.vocabulary_.centers)


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_the_choice_of_images_does_not_depend_on_their_order(landscapes, order, segmenter_class):
    reference = segmenter_class(max_images=4, **FAST).fit(landscapes[0])
    other = segmenter_class(max_images=4, **FAST).fit(landscapes[0][order])
    np.testing.assert_array_equal(other.vocabulary_.centers, reference.vocabulary_.centers)
    everything = segmenter_class(max_images=None, **FAST).fit(landscapes[0])
    assert (everything.vocabulary_.centers != reference.vocabulary_.centers).any()


@pytest.mark.parametrize("max_images", [None, 6])
def test_copies_of_all_images_change_nothing(landscapes, max_images, segmenter_class):
    images = landscapes[0][:8]
    once = segmenter_class(max_images=max_images, **FAST).fit(images)
    twice = segmenter_class(max_images=max_images, **FAST).fit(images + images[::-1])
    np.testing.assert_array_equal(once.vocabulary_.centers, twice.vocabulary_.centers)
    assert once.tree_ == twice.tree_


def test_an_image_gets_its_parts_alone_or_among_others(landscapes, segmenter_class):
    images = landscapes[0]
    transformer = SegmentTreeTransformer(segmenter_class(**FAST), descriptors="shape")
    transformer.fit(images[:10])
    leaves = dict(zip(transformer.tree_.leaves, transformer.tree_.leaf_values))
    for image, nodes in zip(images[10:], transformer.label_maps(images[10:])):
        parts = np.vectorize(leaves.get)(nodes)
        np.testing.assert_array_equal(parts, transformer.segmenter_.segment(image))
    before = transformer.segmenter_.vocabulary_.centers.copy()
    transformer.transform(images[10:])
    np.testing.assert_array_equal(transformer.segmenter_.vocabulary_.centers, before)


def test_statistics_are_those_of_the_label_maps(landscapes, fitted, segmenter_class):
    images = landscapes[0][:10]
    maps = [fitted.segment(image) for image in images]
    found = fitted.statistics_
    np.testing.assert_allclose(
        found.area, sum(np.bincount(m.ravel(), minlength=3) / m.size for m in maps)
    )
    here = np.array([[(m == k).any() for k in range(3)] for m in maps]).astype(int)
    np.testing.assert_array_equal(found.together, here.T @ here)
    expected = PartStatistics.from_label_maps([i.astype(np.float32) for i in images], maps, 3)
    np.testing.assert_allclose(found.borders, expected.borders)


def test_scraps_do_not_outvote_what_is_large():
    # 300 scraps of many colors, and two large regions that differ little
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(size=(300, 1)), np.full((5, 1), 4.0), np.full((5, 1), 5.0)])
    area = np.concatenate([np.full(300, 1e-8), np.ones(10)])
    vocabulary = PartVocabulary.learn(rows, area, 2, weights=np.ones(1), seed=0)
    low, high = vocabulary.assign(np.array([[4.0], [5.0]]))
    assert low != high


def test_same_bits_for_two_jobs(landscapes, fitted, segmenter_class):
    images = landscapes[0][:10] * 2
    one, two = (segmenter_class(n_jobs=n, **FAST).fit(images) for n in (1, 2))
    np.testing.assert_array_equal(one.vocabulary_.centers, two.vocabulary_.centers)


def test_regions_are_those_that_get_parts(landscapes, fitted, segmenter_class):
    image = landscapes[0][12]
    regions = fitted.regions(image)
    assert regions.shape == image.shape[:2]
    np.testing.assert_array_equal(np.unique(regions), np.arange(regions.max() + 1))
    pairs = np.unique(np.stack([regions.ravel(), fitted.segment(image).ravel()]), axis=1)
    assert pairs.shape[1] == regions.max() + 1
    np.testing.assert_array_equal(fitted.cutter.regions(image), regions)


def test_all_images_at_once(landscapes, fitted):
    images = landscapes[0][10:13]
    for image, labels in zip(images, fitted.segment_images(images), strict=True):
        np.testing.assert_array_equal(labels, fitted.segment(image))


def test_progress(landscapes, segmenter_class, capsys):
    segmenter_class(**FAST).fit(landscapes[0])
    assert capsys.readouterr().err == ""
    segmenter = segmenter_class(verbose=1, **FAST).fit(landscapes[0] * 2)
    assert "Finding parts" in capsys.readouterr().err
    segmenter.segment_images(landscapes[0][:3])
    assert "Segmenting images" in (shown := capsys.readouterr().err)
    assert "3/3" in shown


def test_clone_and_pickle(landscapes, fitted):
    image = landscapes[0][12]
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.segment(image), fitted.segment(image))
    assert clone(fitted).get_params(deep=False).keys() == fitted.get_params(deep=False).keys()
    assert repr(clone(fitted)) == repr(fitted)


def test_gray_images_of_any_range(landscapes, segmenter_class):
    images = [(200 * image.mean(axis=2)).astype(np.uint8) for image in landscapes[0]]
    segmenter = segmenter_class(**FAST).fit(images)
    labels = segmenter.segment(images[0])
    assert labels.shape == images[0].shape
    assert set(np.unique(labels)) <= {0, 1, 2}
    assert len(np.unique(labels)) > 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (3, 1), (1, 200), (2, 2, 3), (1, 150, 3)])
def test_tiny_and_flat_images(shape, segmenter_class):
    images = np.random.default_rng(0).random((3, *shape))
    segmenter = segmenter_class(random_state=0).fit(images)
    labels = segmenter.segment(images[0])
    assert labels.shape == shape[:2]
    assert (labels >= 0).all()
    assert (labels < segmenter.n_parts_).all()
    assert segmenter.tree_.n_leaves == segmenter.n_parts_


def test_constant_images_are_one_part_of_color(segmenter_class):
    images = np.full((3, 4, 4), 0.5)
    segmenter = segmenter_class(position_weight=0, random_state=0).fit(images)
    assert segmenter.n_parts_ == 1
    assert segmenter.tree_.n_nodes == 1
    np.testing.assert_array_equal(segmenter.segment(images[0]), np.zeros((4, 4)))


def test_masks_are_not_looked_at(landscapes, fitted, segmenter_class):
    images, masks = landscapes[0][:10], landscapes[1][:10]
    with_masks = segmenter_class(**FAST).fit(SegmentedImages(images, masks))
    np.testing.assert_array_equal(with_masks.vocabulary_.centers, fitted.vocabulary_.centers)


def test_channels_must_be_those_of_fit(fitted):
    with pytest.raises(ValueError, match="channel"):
        fitted.segment(np.zeros((5, 5)))


@pytest.mark.parametrize("n_channels", [1, 3])
def test_region_features_against_a_loop(n_channels):
    rng = np.random.default_rng(0)
    shape = (6, 5) if n_channels == 1 else (6, 5, 3)
    image = rng.random(shape).astype(np.float32)
    regions = rng.permutation(np.arange(30) % 4).reshape(6, 5)
    features, area = region_features(image, regions)
    assert features.shape == (4, len(feature_weights(n_channels, 1.0)))
    lab = rgb2lab(image if n_channels == 3 else np.stack([image] * 3, axis=-1))[..., :n_channels]
    for region in range(4):
        inside = regions == region
        np.testing.assert_allclose(
            features[region, :n_channels], lab[inside].mean(axis=0), rtol=1e-5
        )
        np.testing.assert_allclose(
            features[region, n_channels : 2 * n_channels], lab[inside].std(axis=0), rtol=1e-4
        )
        rows, cols = np.nonzero(inside)
        middle = np.abs((cols + 0.5) / 5 - 0.5).mean()
        np.testing.assert_allclose(features[region, -2:], [((rows + 0.5) / 6).mean(), middle])
        assert area[region] == inside.sum() / 30


def test_features_do_not_tell_left_from_right():
    image = np.random.default_rng(0).random((6, 8, 3)).astype(np.float32)
    regions = np.repeat(np.arange(6), 8).reshape(6, 8)
    mirrored, _ = region_features(image[:, ::-1], regions)
    expected, _ = region_features(image, regions)
    np.testing.assert_allclose(mirrored, expected, atol=1e-4)


def test_vocabulary_numbers_the_largest_part_first():
    rows = np.array([[0.0], [0.1], [5.0], [5.1], [9.0]])
    area = np.array([0.1, 0.1, 0.2, 0.2, 0.4])
    vocabulary = PartVocabulary.learn(rows, area, 3, weights=np.ones(1), seed=0)
    sky, sea, sand = vocabulary.assign(np.array([[0.05], [5.2], [8.0]]))
    assert sky == 2
    assert {sea, sand} == {0, 1}
    total = [area[vocabulary.assign(rows) == k].sum() for k in range(3)]
    assert total[0] >= total[1] >= total[2]


def test_regions_that_differ_by_rounding_are_one_part(recwarn):
    segmenter = VocabularySegmenter(n_parts=7, random_state=0).fit([np.full((1, 10), 0.5)])
    distinct = np.unique(segmenter.vocabulary_.centers.round(6), axis=0)
    assert segmenter.n_parts_ == len(distinct)
    assert not recwarn.list


def test_enough_regions_are_enough(landscapes, monkeypatch):
    images = landscapes[0]
    monkeypatch.setattr("hierseg_learn.segmentation._vocabulary.CHUNK_IMAGES", 2)
    monkeypatch.setattr("hierseg_learn.segmentation._vocabulary.MAX_REGIONS", 100)
    segmenter = VocabularySegmenter(Slic(30), **FAST).fit(images)
    assert 2 <= segmenter.statistics_.n_images <= 8
    # the same images, in whatever order they come
    rng = np.random.default_rng(0)
    for _ in range(5):
        again = clone(segmenter).fit([images[i] for i in rng.permutation(len(images))])
        np.testing.assert_array_equal(again.vocabulary_.centers, segmenter.vocabulary_.centers)
    monkeypatch.setattr("hierseg_learn.segmentation._vocabulary.MAX_REGIONS", 1)
    assert clone(segmenter).fit(images).statistics_.n_images == 1


def test_images_of_the_same_numbers_and_other_shapes_are_different():
    images = [np.full(shape, 0.5) for shape in [(10, 20), (20, 10), (5, 40)]]
    segmenter = VocabularySegmenter(max_images=2, **FAST).fit(images)
    assert segmenter.statistics_.n_images == 2


def test_a_part_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="label_maps holds the part 3, expected parts below n_pa"):
        PartStatistics.from_label_maps([np.zeros((1, 2))], [np.array([[0, 3]])], n_parts=2)
