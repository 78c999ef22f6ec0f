"""A tree over parts: every part once, binary, monotone, the same whatever the order and numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from hierseg_learn import SegmentedImages, SegmentTreeTransformer
from hierseg_learn.datasets import make_portraits
from hierseg_learn.parts import PartAgglomeration, PartStatistics, suggest_tree
from hierseg_learn.parts.vocabulary import describe_regions, touching_regions
from hierseg_learn.segmentation import MaskSegmenter, SegmenterUnion
from hierseg_learn.tree import SegmentTree

weights = st.sampled_from([0.0, 0.25, 1.0])


@st.composite
def collections(draw):
    """A few small images, and label maps of them; some parts may never occur."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_parts = draw(st.integers(2, 7))
    shapes = [rng.integers(2, 6, size=2) for _ in range(draw(st.integers(1, 4)))]
    images = [rng.random((*shape, 3)).astype(np.float32) for shape in shapes]
    label_maps = [rng.integers(-1, n_parts, size=shape) for shape in shapes]
    return images, label_maps, n_parts


@st.composite
def agglomerations(draw):
    chosen = [draw(weights) for _ in range(3)]
    if not any(chosen):
        chosen[draw(st.integers(0, 2))] = 1.0
    names = ("appearance_weight", "adjacency_weight", "cooccurrence_weight")
    return PartAgglomeration(**dict(zip(names, chosen)), position_weight=draw(weights))


def groups(tree):
    """The tree as sets of leaf values: what it is, apart from names and the order of children."""
    value_of = dict(zip(tree.leaves.tolist(), tree.leaf_values))
    return {
        frozenset(value_of[i] for i in tree.subtree(node).tolist() if i in value_of)
        for node in range(tree.n_nodes)
    }


@settings(max_examples=40, deadline=None)
@given(collections(), agglomerations())
def test_every_part_once_and_every_join_of_two(collection, agglomeration):
    statistics = PartStatistics.from_label_maps(*collection)
    tree = agglomeration.build(statistics)
    n_parts = collection[2]
    assert sorted(tree.leaf_values) == list(range(n_parts))
    assert tree.n_nodes == 2 * n_parts - 1
    assert {len(tree.children(node)) for node in range(tree.n_nodes)} == {0, 2}
    assert [tree.names[leaf] for leaf in tree.leaves] == [f"part_{k}" for k in tree.leaf_values]


@settings(max_examples=40, deadline=None)
@given(collections(), agglomerations())
def test_no_join_is_lower_than_those_it_builds_on(collection, agglomeration):
    statistics = PartStatistics.from_label_maps(*collection)
    tree = agglomeration.build(statistics)
    distances = agglomeration.dissimilarity(statistics)
    assert ((distances >= 0) & (distances <= 1)).all()
    heights = {}
    for node in tree.bottom_up():
        if tree.is_leaf[node]:
            heights[node] = 0.0
            continue
        sides = [
            [
                value
                for leaf, value in zip(tree.leaves, tree.leaf_values)
                if leaf in tree.subtree(child)
            ]
            for child in tree.children(node)
        ]
        heights[node] = distances[np.ix_(*sides)].mean()
        assert all(heights[node] >= heights[child] - 1e-9 for child in tree.children(node))


@settings(max_examples=40, deadline=None)
@given(collections(), agglomerations(), st.randoms(use_true_random=False))
def test_order_of_images_and_numbers_of_parts_do_not_matter(collection, agglomeration, random):
    images, label_maps, n_parts = collection
    order = random.sample(range(len(images)), len(images))
    numbers = np.array([*random.sample(range(n_parts), n_parts), -1])
    expected = agglomeration.build(PartStatistics.from_label_maps(images, label_maps, n_parts))
    again = agglomeration.build(
        PartStatistics.from_label_maps(
            [images[i] for i in order], [numbers[label_maps[i]] for i in order], n_parts
        ),
        values=np.argsort(numbers[:-1]).tolist(),
    )
    absent = {k for k in range(n_parts) if not any((labels == k).any() for labels in label_maps)}
    if len(absent) < 2:  # parts that never occur cannot be told apart
        assert groups(again) == groups(expected)


def brute_force(images, label_maps, n_parts):
    """Borders and meetings of parts, pixel by pixel."""
    borders, together = np.zeros((n_parts, n_parts)), np.zeros((n_parts, n_parts), dtype=int)
    for labels in label_maps:
        for row, column in np.ndindex(labels.shape):
            for other in ((row + 1, column), (row, column + 1)):
                if other[0] < labels.shape[0] and other[1] < labels.shape[1]:
                    a, b = labels[row, column], labels[other]
                    if a != b and a >= 0 and b >= 0:
                        borders[[a, b], [b, a]] += 1 / np.mean(labels.shape)
        here = np.unique(labels[labels >= 0])
        together[np.ix_(here, here)] += 1
    return borders, together


@settings(max_examples=25, deadline=None)
@given(collections())
def test_statistics_against_loops(collection):
    images, label_maps, n_parts = collection
    found = PartStatistics.from_label_maps(images, label_maps, n_parts)
    borders, together = brute_force(images, label_maps, n_parts)
    np.testing.assert_allclose(found.borders, borders, atol=1e-12)
    np.testing.assert_array_equal(found.together, together)
    area = sum(np.bincount(m[m >= 0], minlength=n_parts) / m.size for m in label_maps)
    np.testing.assert_allclose(found.area, area, atol=1e-12)
    assert found.n_images == len(images)
    for ratio in (found.adjacency, found.cooccurrence):
        np.testing.assert_allclose(ratio, ratio.T)
        assert ((ratio >= 0) & (ratio < 1)).all()


def test_chance_is_one_half():
    # parts 0 and 1 are in every image; 2 and 3 always come together, and less often
    maps = [np.array([[0, 1, 2, 3]]), np.array([[0, 1, 1, 1]])] * 2
    images = [np.zeros((1, 4), dtype=np.float32)] * 4
    c = PartStatistics.from_label_maps(images, maps, 4).cooccurrence
    np.testing.assert_allclose([c[0, 1], c[0, 2], c[2, 3]], [1 / 2, 1 / 2, 2 / 3])


def test_regions_of_a_part_are_summed_like_the_part():
    rng = np.random.default_rng(0)
    image = rng.random((8, 9, 3)).astype(np.float32)
    regions = rng.permutation(np.arange(72) % 6).reshape(8, 9)
    parts = np.array([0, 1, 0, -1, 1, 2])
    by_region = PartStatistics.from_regions([(describe_regions(image, regions), parts)], 3)
    by_map = PartStatistics.from_label_maps([image], [parts[regions]], 3)
    np.testing.assert_allclose(by_region.borders, by_map.borders)
    np.testing.assert_allclose(by_region.area, by_map.area)
    np.testing.assert_allclose(by_region.features[:, :3], by_map.features[:, :3], rtol=1e-4)


def test_touching_regions():
    edges, lengths = touching_regions(np.array([[0, 0, 2], [-1, 1, 2]]))
    assert edges.tolist() == [[0, 1], [0, 2], [1, 2]]
    assert lengths.tolist() == [1, 1, 1]


def test_weights_choose_what_counts():
    # a looks like b, touches c, and comes together with d
    image = np.repeat([0.1, 0.9], 2)[np.newaxis].astype(np.float32)
    like = np.array([[0, 0, 2, 2]]), np.array([[1, 1, 3, 3]])
    statistics = PartStatistics.from_label_maps([image, image], like, 4)
    looks = PartAgglomeration(adjacency_weight=0, cooccurrence_weight=0)
    assert frozenset({0, 1}) in groups(looks.build(statistics))
    for weight in ("adjacency_weight", "cooccurrence_weight"):
        off = dict.fromkeys(("adjacency_weight", "cooccurrence_weight"), 0) | {weight: 1}
        tree = PartAgglomeration(appearance_weight=0, **off).build(statistics)
        assert frozenset({0, 2}) in groups(tree)


def test_metrics_that_are_alike_are_joined():
    image = np.zeros((1, 3), dtype=np.float32)
    statistics = PartStatistics.from_label_maps([image], [np.array([[0, 1, 2]])], 3)
    alike = np.array([[1.0, 0, 0.9], [0, 1, 0], [0.9, 0, 1]])
    agglomeration = PartAgglomeration(metric_weight=100)
    assert frozenset({0, 2}) in groups(agglomeration.build(statistics, metric_similarity=alike))
    with pytest.raises(ValueError, match="metric_similarity is needed"):
        agglomeration.build(statistics)
    with pytest.raises(ValueError, match=r"shape \(3, 3\)"):
        agglomeration.build(statistics, metric_similarity=alike[:2])


def test_one_part_is_the_root():
    statistics = PartStatistics.from_label_maps(
        [np.zeros((1, 1), np.float32)], [np.array([[0]])], 1
    )
    tree = PartAgglomeration().build(statistics, values=[7], root_name="photo")
    assert tree.to_nested() == {"photo": 7}


def test_wrong_input():
    statistics = PartStatistics.from_label_maps(
        [np.zeros((1, 2), np.float32)], [np.array([[0, 1]])], 2
    )
    with pytest.raises(ValueError, match="names has 1 entries for 2 parts"):
        PartAgglomeration().build(statistics, ["sky"])
    nothing = PartAgglomeration(appearance_weight=0, adjacency_weight=0, cooccurrence_weight=0)
    with pytest.raises(ValueError, match="are 0; expected at least one"):
        nothing.build(statistics)
    with pytest.raises(ValueError, match="adjacency_weight"):
        PartAgglomeration(adjacency_weight=-1).build(statistics)


@pytest.fixture(scope="module")
def portraits():
    return make_portraits(40, signal=("hair", "clothes"), image_size=(40, 32), random_state=0)


def test_transformer_joins_the_given_parts(portraits):
    given = SegmentTreeTransformer(MaskSegmenter(portraits.tree), descriptors="color")
    flat = given.fit_transform(portraits.images)
    grown = clone(given).set_params(tree="agglomerative")
    table = grown.fit_transform(portraits.images)
    names = {given.tree_.names[leaf] for leaf in given.tree_.leaves}
    assert {grown.tree_.names[leaf] for leaf in grown.tree_.leaves} == names
    assert grown.tree_.n_nodes == 2 * len(names) - 1
    for name in names:  # a leaf says the same wherever it hangs
        old, new = (t.tree_.path(name) for t in (given, grown))
        np.testing.assert_array_equal(table[f"{new}|lab_mean_0"], flat[f"{old}|lab_mean_0"])


def test_transformer_joins_by_learned_metrics(portraits):
    tree = PartAgglomeration(
        appearance_weight=0, adjacency_weight=0, cooccurrence_weight=0, metric_weight=1
    )
    transformer = SegmentTreeTransformer(
        MaskSegmenter(portraits.tree), tree=tree, descriptors="color", describe_inner=False
    )
    X, y = portraits.images, portraits.target
    grown = clone(transformer).fit(X, y).tree_
    assert grown == clone(transformer).fit(X, 1 - y).tree_  # classes have no order
    order = np.random.default_rng(0).permutation(len(y))
    assert groups(clone(transformer).fit(X[order], y[order]).tree_) == groups(grown)
    with pytest.raises(ValueError, match="need classes, but y is None"):
        transformer.fit(X)


def test_names_that_come_twice_take_those_of_their_parents():
    nested = {"photo": {"left": {"eye": 0, "ear": 1}, "right": {"eye": 2, "ear": 3}}}
    images = SegmentedImages(np.zeros((1, 1, 4)), np.arange(4).reshape(1, 1, 4))
    tree = SegmentTreeTransformer(MaskSegmenter(nested), tree="agglomerative").fit(images).tree_
    assert {tree.names[leaf] for leaf in tree.leaves} == {
        "left eye",
        "left ear",
        "right eye",
        "right ear",
    }


def test_a_union_is_not_joined(portraits):
    transformer = SegmentTreeTransformer(SegmenterUnion(), tree="agglomerative")
    with pytest.raises(ValueError, match="gives a pixel several"):
        transformer.fit(portraits.images.images[:4])


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0, 1], "expected 3, got 2"),
        ([0.1, 0.2, np.nan], "y has no value \\(nan\\) at position 2"),
        ([[0, 1]] * 3, "in one dimension"),
    ],
)
def test_classes_are_checked_before_metrics_are_learned(y, message):
    images = np.random.default_rng(0).random((3, 12, 12))
    transformer = SegmentTreeTransformer("grid", tree=PartAgglomeration(metric_weight=1))
    with pytest.raises(ValueError, match=message):
        transformer.fit(images, y)


def side_by_side(*ids):
    """A label map of equal columns."""
    return np.repeat(np.array(ids)[np.newaxis], 6, axis=0).repeat(2, axis=1)


def pairs_below_the_root(tree):
    return {
        frozenset(tree.names[leaf] for leaf in tree.children(node))
        for node in tree.children(tree.root)
    }


def test_parts_that_touch_are_joined_first():
    maps = [side_by_side(7, 3, 0, 9), side_by_side(3, 7, 9, 0)]
    tree = suggest_tree(maps, {7: "hat", 3: "hair", 0: "sky", 9: "sea"}, root_name="photo")
    assert tree.root_name == "photo"
    assert sorted(tree.names) == ["hair", "hair + hat", "hat", "photo", "sea", "sea + sky", "sky"]
    assert pairs_below_the_root(tree) == {frozenset({"hair", "hat"}), frozenset({"sea", "sky"})}


def test_parts_that_come_together_are_joined_first():
    maps = [side_by_side(0, -1, 1), side_by_side(2, -1, 3)] * 3 + [side_by_side(0, -1, 2)]
    tree = suggest_tree(maps)
    below = pairs_below_the_root(tree)
    assert below == {frozenset({"part_0", "part_1"}), frozenset({"part_2", "part_3"})}


def test_a_suggested_tree_can_be_used_and_edited():
    portraits = make_portraits(12, random_state=0)
    tree = suggest_tree(portraits.images, portraits.part_names)
    masks = [item.mask for item in portraits.images]
    assert suggest_tree(masks, portraits.part_names) == tree
    assert suggest_tree(masks[::-1], portraits.part_names) == tree
    assert sorted(tree.leaf_values) == sorted(portraits.part_names)
    nested = tree.to_nested()
    assert SegmentTree.from_nested(nested) == tree
    transformer = SegmentTreeTransformer(tree=nested, descriptors="color")
    assert transformer.fit(portraits.images).tree_ == tree
    few = suggest_tree(masks, max_images=3, agglomeration=PartAgglomeration(appearance_weight=0))
    assert few.n_leaves == tree.n_leaves
    one = suggest_tree([np.zeros((2, 2), dtype=int)], ["all"])
    assert one.names in (("image",), ("all", "image"))


@pytest.mark.parametrize(
    ("maps", "names", "error", "message"),
    [
        ([], None, ValueError, "X is empty"),
        ([np.zeros((2, 2, 3))], None, ValueError, "Label map 0 of X must be an array"),
        ([np.full((2, 2), 0.5)], None, ValueError, "Label map 0 of X holds numbers"),
        ([side_by_side(0, 1)], ["a", "a"], ValueError, r"name 'a' to the ids \[0, 1\]"),
        ([side_by_side(0, 1)], [1, 2], TypeError, "must be a string"),
    ],
)
def test_wrong_label_maps(maps, names, error, message):
    with pytest.raises(error, match=message):
        suggest_tree(maps, names)
