"""Parts by what a descriptor says of regions, such as the features of a network."""

import pickle
from importlib.util import find_spec

import numpy as np
import pytest
from sklearn.base import clone

from hierseg_learn import SegmentTreeTransformer
from hierseg_learn.descriptors import (
    ColorDescriptor,
    DeepDescriptor,
    Descriptor,
    ImageChannels,
    LBPDescriptor,
    PatchDictionary,
)
from hierseg_learn.parts import PartAgglomeration, PartStatistics, PartVocabulary
from hierseg_learn.parts.vocabulary import described_features, joint_spread, region_features
from hierseg_learn.segmentation import Slic, VocabularySegmenter, part_report

PREPROCESSING = {"size": 32, "mean": 0.5, "std": 0.5}


class Ripples(Descriptor):
    """How much neighboring columns differ, whatever their color, and a column that says nothing."""

    def __init__(self, factor=1.0, prefix="ripples"):
        self.factor = factor
        self.prefix = prefix

    _parameter_constraints = {**Descriptor._parameter_constraints, "factor": "no_validation"}

    def _columns(self):
        return ["strength", "nothing"]

    def _prepare(self, channels):
        step = np.abs(np.diff(channels.gray, axis=1, append=channels.gray[:, -1:]))
        return self.factor * np.stack([step, np.zeros_like(step)], axis=-1)

    def _block(self, prepared, rows):
        return prepared[rows]


def striped(rng, height=24, width=20):
    """A plain left and a striped right half, of any color."""
    truth = np.zeros((height, width), dtype=int)
    truth[:, rng.integers(6, 14) :] = 1
    stripes = 0.4 * (np.arange(width) % 2) * truth
    return np.clip(rng.random(3) * 0.6 + stripes[..., np.newaxis], 0, 1), truth


@pytest.fixture(scope="module")
def photos():
    rng = np.random.default_rng(0)
    pairs = [striped(rng, 24 + i % 3) for i in range(20)]
    return [image for image, _ in pairs], [truth for _, truth in pairs]


def deep(**params):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, stride=2, padding=1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(8, 6, 3, stride=2, padding=1),
    )
    defaults = {"preprocessing": PREPROCESSING, "mask": None, "n_components": 4}
    return DeepDescriptor(network, **defaults | params)


@pytest.fixture(params=["ripples", "color", "patches", "deep"])
def descriptor(request):
    if request.param == "deep":
        return deep()
    kinds = {"ripples": Ripples, "color": ColorDescriptor, "patches": PatchDictionary}
    return kinds[request.param]()


def segmenter_of(descriptor, **params):
    defaults = {"n_parts": 3, "random_state": 0}
    return VocabularySegmenter(Slic(20), descriptor=descriptor, **defaults | params)


def purity_of(segmenter, images, truths):
    report = part_report(segmenter, images, [truth.astype(np.int32) for truth in truths])
    return report.purity


def test_parts_are_what_the_descriptor_tells_apart(photos):
    images, truths = photos
    plain = segmenter_of(None, n_parts=2, position_weight=0).fit(images[:12])
    rippled = segmenter_of(Ripples(), n_parts=2, position_weight=0).fit(images[:12])
    assert purity_of(rippled, images[12:], truths[12:]) > 0.85
    assert purity_of(plain, images[12:], truths[12:]) < 0.75


def test_region_gets_the_nearest_part_of_its_mean_features(photos, descriptor):
    image = photos[0][15]
    segmenter = segmenter_of(descriptor).fit(photos[0][:10])
    regions = segmenter.regions(image)
    labels = segmenter.segment(image)
    vocabulary = segmenter.vocabulary_
    maps = segmenter.descriptor_.maps(ImageChannels(image).image.astype(np.float64))
    _, classic = region_features(image.astype(np.float32), regions)
    for region in range(regions.max() + 1):
        inside = regions == region
        means = maps[inside].astype(np.float64).mean(axis=0)
        columns = segmenter.descriptor_.from_sums(means * inside.mean(), inside.mean())
        rows, cols = np.nonzero(inside)
        height, width = image.shape[:2]
        places = ((rows + 0.5) / height).mean(), np.abs((cols + 0.5) / width - 0.5).mean()
        row = (np.concatenate([columns, places]) - vocabulary.offset) * vocabulary.scale
        squares = ((vocabulary.centers - row) ** 2).sum(axis=1)
        assert classic[region] == pytest.approx(inside.mean())
        [part] = np.unique(labels[inside])
        assert squares[part] <= squares.min() * (1 + 1e-4) + 1e-6


def test_same_bits_whatever_the_order_and_the_jobs(photos, descriptor):
    images = photos[0]
    first = segmenter_of(descriptor).fit(images)
    other = segmenter_of(descriptor, n_jobs=2).fit(images[::-1])
    np.testing.assert_array_equal(other.vocabulary_.centers, first.vocabulary_.centers)
    assert other.tree_ == first.tree_
    for image, labels in zip(images, first.segment_images(images), strict=True):
        np.testing.assert_array_equal(other.segment(image), labels)


def test_bounded_number_of_values(photos, monkeypatch):
    images = photos[0]
    monkeypatch.setattr("hierseg_learn.segmentation._vocabulary.CHUNK_IMAGES", 2)
    monkeypatch.setattr("hierseg_learn.segmentation._vocabulary.MAX_VALUES", 200)
    segmenter = segmenter_of(Ripples()).fit(images)
    # two columns a region
    assert 2 <= segmenter.statistics_.n_images <= 100 // 10
    again = clone(segmenter).fit(images[::-1])
    np.testing.assert_array_equal(again.vocabulary_.centers, segmenter.vocabulary_.centers)
    plain = segmenter_of(None).fit(images)
    assert plain.statistics_.n_images == len(images)


def test_columns_keep_their_proportions():
    rng = np.random.default_rng(0)
    rows, area = rng.normal(size=(40, 3)) * [4.0, 2.0, 1e-3], np.ones(40)
    vocabulary = PartVocabulary.learn(rows, area, 3, weights=np.ones(3), seed=0, n_joint=2)
    assert vocabulary.scale[0] == vocabulary.scale[1] != vocabulary.scale[2]
    points = (rows - vocabulary.offset) * vocabulary.scale
    assert points[:, :2].var(axis=0).sum() == pytest.approx(1)
    assert points[:, 2].var() == pytest.approx(1)
    np.testing.assert_allclose(joint_spread(np.array([3.0, 4.0, 7.0]), 2), [5, 5, 7])


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_the_unit_of_a_descriptor_does_not_matter(photos, factor):
    images = photos[0]
    first = segmenter_of(Ripples()).fit(images)
    other = segmenter_of(Ripples(factor)).fit(images)
    assert other.tree_ == first.tree_
    np.testing.assert_array_equal(other.segment(images[0]), first.segment(images[0]))


def test_tree_joins_parts_that_the_descriptor_finds_alike():
    def part(level, place):
        return np.array([[level, 0.0, place, 0.25]])

    tables = []
    image = np.repeat([[0.1] * 6], 6, axis=0).astype(np.float32)
    labels = np.repeat([0, 1, 2], 12).reshape(6, 6)
    reference = PartStatistics.from_label_maps([image], [labels], 3)
    from hierseg_learn.parts.vocabulary import region_table

    features = np.concatenate([part(0.0, 0.2), part(1.0, 0.5), part(1.1, 0.8)])
    tables.append((region_table(features, np.full(3, 1 / 3), labels), np.arange(3)))
    statistics = PartStatistics.from_regions(tables, 3, n_described=2)
    assert statistics.n_described == 2
    assert reference.n_described == 0
    looks = PartAgglomeration(adjacency_weight=0, cooccurrence_weight=0, position_weight=0)
    distances = looks.dissimilarity(statistics)
    np.testing.assert_allclose(
        distances[np.triu_indices(3, 1)], np.array([1.0, 1.1, 0.1]) / 1.1, atol=1e-12
    )
    assert [*looks.build(statistics, ["a", "b", "c"]).names].count("merge_0") == 1


def test_descriptor_is_a_parameter_that_is_searched(photos):
    images = photos[0][:6]
    color = ColorDescriptor()
    segmenter = segmenter_of(color)
    assert segmenter.get_params()["descriptor__prefix"] == "lab"
    model = SegmentTreeTransformer(segmenter, descriptors="shape")
    model.set_params(segmenter__descriptor=LBPDescriptor()).fit(images)
    assert isinstance(model.segmenter_.descriptor_, LBPDescriptor)
    assert not hasattr(color, "n_columns_")
    with pytest.raises(ValueError, match="'descriptor' parameter of VocabularySegmenter"):
        segmenter_of("deep").fit(images)


def test_clone_and_pickle(photos, descriptor):
    images = photos[0]
    fitted = segmenter_of(descriptor).fit(images[:6])
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.segment(images[7]), fitted.segment(images[7]))
    other = clone(fitted).fit(images[:6])
    np.testing.assert_array_equal(other.vocabulary_.centers, fitted.vocabulary_.centers)


@pytest.mark.filterwarnings("ignore:n_atoms=200 asks for:UserWarning")
@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (3, 1), (2, 2, 3)])
def test_tiny_images(shape, descriptor):
    images = np.random.default_rng(0).random((3, *shape))
    segmenter = segmenter_of(descriptor).fit(images)
    labels = segmenter.segment(images[0])
    assert labels.shape == shape[:2]
    assert set(np.unique(labels)) <= set(range(segmenter.n_parts_))


def test_several_images_at_once_are_as_one_by_one(photos):
    images = [image.astype(np.float32) for image in photos[0][:5]]
    segmenter = segmenter_of(deep(batch_size=3)).fit(images)
    assert segmenter._images_at_once == 3
    regions = [segmenter.regions(image) for image in images]
    together = described_features(images, regions, segmenter.descriptor_)
    for image, one, (features, area) in zip(images, regions, together, strict=True):
        [(alone, share)] = described_features([image], [one], segmenter.descriptor_)
        np.testing.assert_array_equal(features, alone)
        np.testing.assert_array_equal(area, share)
        assert area.sum() == pytest.approx(1)


@pytest.mark.skipif(bool(find_spec("torch")), reason="torch is installed")
def test_without_torch_the_error_says_what_is_missing(photos):
    segmenter = segmenter_of(DeepDescriptor("resnet18", mask=None))
    with pytest.raises(ImportError, match="pip install 'hierseg-learn"):
        segmenter.fit(photos[0])
