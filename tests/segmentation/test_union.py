"""Several trees under one root: each as by itself, the root once, exchange refused."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
from hierseg_learn.datasets import make_portraits
from hierseg_learn.parts import PartLookup
from hierseg_learn.segmentation import (
    CallableSegmenter,
    GridSegmenter,
    MaskSegmenter,
    PyramidSegmenter,
    SegmenterUnion,
    Slic,
    VocabularySegmenter,
)
from hierseg_learn.tree import SegmentTree
from hierseg_learn.what_if import AblatedClassifier


def bright(image):
    return image.mean(axis=-1) > 0.5


def bright_or_nothing(image):
    return np.where(image.mean(axis=-1) > 0.5, 1, -1)


@pytest.fixture(scope="module")
def portraits():
    return make_portraits(
        30, signal=("hair", "clothes"), missing=0.3, image_size=(24, 20), random_state=0
    )


def parts_of(portraits):
    return MaskSegmenter(portraits.tree)


def test_every_layer_is_as_by_itself(portraits):
    members = {"layout": PyramidSegmenter(2), "parts": parts_of(portraits)}
    options = {"descriptors": ["color", "lbp", "shape"], "erosion": 1}
    union = SegmentTreeTransformer(SegmenterUnion(list(members.items())), **options)
    table = union.fit_transform(portraits.images)
    for name, member in members.items():
        alone = SegmentTreeTransformer(member, **options)
        expected = alone.fit_transform(portraits.images)
        renamed = [column.replace(alone.tree_.root_name, f"image/{name}", 1) for column in expected]
        np.testing.assert_array_equal(table[renamed], expected)
    np.testing.assert_allclose(table["image|area"], 1)
    root = table[[c for c in table if c.startswith("image|")]]
    first = table[[c for c in table if c.startswith("image/layout|")]]
    np.testing.assert_array_equal(root, first)


def test_leaves_share_the_combinations_out_in_every_layer(portraits):
    union = SegmenterUnion([("a", GridSegmenter(2, 2)), ("b", CallableSegmenter(bright))])
    union.fit(portraits.images.images)
    lookup = PartLookup(union.tree_)
    assert lookup.n_layers == 2
    labels = union.segment(portraits.images[0].image)
    grid, part = (
        clone(member).fit(portraits.images.images).segment(portraits.images[0].image)
        for _, member in union.segmenters
    )
    np.testing.assert_array_equal(lookup.to_leaves(labels, 0, 0), grid)
    np.testing.assert_array_equal(lookup.to_leaves(labels, 0, 1), part + 4)


def test_a_later_layer_may_leave_pixels_out(portraits):
    some = CallableSegmenter(bright_or_nothing, tree={"image": {"bright": 1}})
    union = SegmenterUnion([("whole", GridSegmenter(1, 1)), ("parts", some)])
    table = SegmentTreeTransformer(union, descriptors="color").fit_transform(
        portraits.images.images
    )
    shares = [bright(image / 255).mean() for image in portraits.images.images]
    np.testing.assert_allclose(table["image/parts|area"], shares, rtol=1e-6)
    np.testing.assert_allclose(table["image|area"], 1)
    first_leaves_out = SegmenterUnion([("parts", some), ("whole", GridSegmenter(1, 1))])
    table = SegmentTreeTransformer(first_leaves_out, descriptors="color").fit_transform(
        portraits.images.images
    )
    for node in ("image", "image/parts", "image/whole"):
        np.testing.assert_allclose(table[f"{node}|area"], shares, rtol=1e-6)


def test_contributions_add_up_and_exchange_is_refused(portraits):
    union = SegmenterUnion([("layout", PyramidSegmenter(2)), ("parts", parts_of(portraits))])
    model = make_pipeline(
        SegmentTreeTransformer(union, descriptors=["color"]),
        HierarchicalMetricClassifier(random_state=0),
    ).fit(portraits.images, portraits.target)
    rows = model[0].transform(portraits.images[:2])
    found = model[-1].explain_pair(rows.iloc[:1], rows.iloc[1:])
    assert found.to_frame()["direct"].sum() == pytest.approx(found.squared_distance, rel=1e-6)
    with pytest.raises(ValueError, match="cannot be ablated or swapped in this table"):
        AblatedClassifier.from_estimator(model, "hair")


def test_label_maps_of_every_layer(portraits):
    union = SegmenterUnion([("layout", PyramidSegmenter(2)), ("parts", parts_of(portraits))])
    transformer = SegmentTreeTransformer(union, descriptors="color").fit(portraits.images)
    tree = transformer.tree_
    for layer, name in enumerate(("layout", "parts")):
        (nodes,) = transformer.label_maps(portraits.images[:1], layer=layer)
        assert all(tree.path(node).startswith(f"image/{name}/") for node in np.unique(nodes))
    with pytest.raises(ValueError, match=r"layer must lie in \[0, 2\)"):
        transformer.label_maps(portraits.images[:1], layer=2)


def test_parameters_of_the_members_can_be_searched():
    union = SegmenterUnion([("layout", GridSegmenter()), ("parts", VocabularySegmenter())])
    assert clone(union.set_params(parts__n_parts=5)).get_params()["parts__n_parts"] == 5
    union.set_params(layout=PyramidSegmenter(2))
    assert [type(member) for _, member in union.segmenters] == [
        PyramidSegmenter,
        VocabularySegmenter,
    ]


def test_a_seed_reaches_the_members(portraits):
    def fit(seed):
        members = [("layout", GridSegmenter()), ("parts", VocabularySegmenter(Slic(20), n_parts=4))]
        union = SegmenterUnion(members, random_state=seed).fit(portraits.images.images)
        return union.segment(portraits.images[0].image)

    np.testing.assert_array_equal(fit(0), fit(0))


def test_a_member_of_one_part(portraits):
    union = SegmenterUnion([("all", GridSegmenter(1, 1)), ("grid", GridSegmenter(2))])
    tree = union.fit(portraits.images.images).tree_
    one = SegmentTreeTransformer(PyramidSegmenter(1)).fit(portraits.images.images).tree_
    assert one.n_nodes == 1
    assert PartLookup(tree).n_layers == 2
    whole = SegmenterUnion([("all", PyramidSegmenter(1)), ("grid", GridSegmenter(2))])
    assert whole.fit(portraits.images.images).tree_.path(0) == "image/all/image"


@pytest.mark.parametrize(
    ("members", "error", "message"),
    [
        ([("a", GridSegmenter())], TypeError, "at least two"),
        ([("a", GridSegmenter()), ("b", "grid")], TypeError, "pairs"),
        ([("a", GridSegmenter()), ("a", PyramidSegmenter())], ValueError, "names that differ"),
        ([("a__b", GridSegmenter()), ("c", PyramidSegmenter())], ValueError, "a__b"),
        ([("a", SegmenterUnion()), ("c", GridSegmenter())], ValueError, "'a', which gives a pixel"),
        ([("random_state", GridSegmenter()), ("c", PyramidSegmenter())], ValueError, "none of"),
    ],
)
def test_wrong_members(members, error, message):
    with pytest.raises(error, match=message):
        SegmenterUnion(members).fit(np.zeros((2, 4, 4)))


@pytest.mark.parametrize(
    "nested",
    [
        {"photo": {"sky": 0, "sea": 0}},
        {"photo": {"sky": {"blue": 0, "gray": 0}, "sea": {"deep": 1}}},
        {"photo": {"sky": {"blue": 0}, "sea": {"deep": [0, 1]}}},
        {"photo": {"sky": 0, "sea": {"deep": 0, "shallow": 1}}},
    ],
)
def test_an_id_that_comes_twice_by_mistake(nested):
    with pytest.raises(ValueError, match="expected one leaf for every part id"):
        PartLookup(SegmentTree.from_nested(nested))


def test_an_unknown_id_is_found_in_its_image(portraits):
    parts = MaskSegmenter({"image": {"a": 0, "b": 1}})
    union = SegmenterUnion([("layout", GridSegmenter(2)), ("parts", parts)])
    masks = np.zeros((3, 24, 20), dtype=int)
    masks[2, 3, 4] = 7
    images = portraits.images.images[:3]
    union.fit(images, segments=masks)
    with pytest.raises(ValueError, match="image 2 of X holds part id 7"):
        union.segment_images(images, segments=masks)


def test_members_cut_as_many_images_at_once_as_they_like(portraits):
    sizes = []

    class Batches(GridSegmenter):
        _images_at_once = 5

        def _segment_many(self, images, masks):
            sizes.append(len(images))
            return super()._segment_many(images, masks)

    images = portraits.images.images[:12]
    union = SegmenterUnion([("a", Batches(2)), ("b", GridSegmenter(3))]).fit(images)
    found = union.segment_images(images)
    assert sizes == [5, 5, 2]
    np.testing.assert_array_equal(found, [union.segment(image) for image in images])
