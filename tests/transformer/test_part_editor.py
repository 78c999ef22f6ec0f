"""Parts edited in the table, against label maps that are really composed."""

import re
import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hierseg_learn import SegmentedImages, SegmentTreeTransformer
from hierseg_learn.transformer.part_editor import PartEditor
from tests.strategies import segment_trees

POINTWISE = ("color", "shape")
ALL = ("color", "gradients", "lbp", "shape")


def draw_images(tree, rng, n_images=4, size=(6, 7)):
    """Images with random label maps; every part has a pixel somewhere."""
    images = rng.random((n_images, *size, 3))
    masks = rng.choice([-1, *tree.leaf_values], (n_images, *size))
    masks[0].flat[: tree.n_leaves] = tree.leaf_values
    masks[:, -1, -1] = tree.leaf_values[0]
    return images, masks


def fitted(tree, images, masks, **params):
    params = {"descriptors": list(ALL), **params}
    transformer = SegmentTreeTransformer(tree=tree, **params).set_output(transform="default")
    rows = transformer.fit_transform(SegmentedImages(images, masks))
    return transformer, PartEditor.from_transformer(transformer), rows


cases = given(
    tree=segment_trees(max_leaves=6, any_order=True),
    seed=st.integers(0, 2**16),
    describe_inner=st.booleans(),
    missing=st.sampled_from(["mean", "nan"]),
)
few = settings(deadline=None, max_examples=20)


@few
@given(tree=segment_trees(max_leaves=6), seed=st.integers(0, 2**16), erosion=st.integers(1, 3))
def test_a_table_with_a_margin_fits_together(tree, seed, erosion):
    # larger parts than in the other tests, so that a border is not all of them
    rng = np.random.default_rng(seed)
    images, masks = draw_images(tree, rng)
    images, masks = (np.repeat(np.repeat(values, 4, 1), 4, 2) for values in (images, masks))
    transformer, editor, rows = fitted(tree, images, masks, erosion=erosion)
    leaves = rng.random(tree.n_leaves) < 0.5
    unlabeled = np.where(np.isin(masks, np.array(tree.leaf_values)[leaves]), -1, masks)
    some_left = (unlabeled >= 0).any(axis=(1, 2))
    ablated = editor.ablate(editor.read(rows), leaves)
    if some_left.any():
        expected = transformer.transform(SegmentedImages(images[some_left], unlabeled[some_left]))
        np.testing.assert_allclose(ablated[some_left], expected, rtol=2e-3, atol=2e-4)


@few
@cases
def test_ablation_is_unlabeling(tree, seed, describe_inner, missing):
    rng = np.random.default_rng(seed)
    images, masks = draw_images(tree, rng)
    transformer, editor, rows = fitted(
        tree, images, masks, describe_inner=describe_inner, missing=missing
    )
    node = int(rng.integers(tree.n_nodes))
    leaves = editor.leaves(node)
    unlabeled = np.where(np.isin(masks, np.array(tree.leaf_values)[leaves]), -1, masks)
    some_left = (unlabeled >= 0).any(axis=(1, 2))
    ablated = editor.ablate(editor.read(rows), leaves)
    assert np.isin(np.isnan(ablated).any(), [False, missing == "nan"])
    if some_left.any():
        expected = transformer.transform(SegmentedImages(images[some_left], unlabeled[some_left]))
        np.testing.assert_allclose(ablated[some_left], expected, rtol=2e-3, atol=2e-4)
    assert ablated.dtype == rows.dtype
    area = ablated[:, editor.column_names.index(f"{tree.paths[tree.root]}|area")]
    np.testing.assert_allclose(area, (unlabeled >= 0).mean(axis=(1, 2)), atol=1e-6)


@few
@cases
def test_swap_is_a_picture_with_the_donors_pixels(tree, seed, describe_inner, missing):
    # Pixels of both pictures side by side hold the parts of either: with descriptors that look at
    # single pixels, areas, sums, and so rows, are those of the swap up to the size of the
    # picture.
    rng = np.random.default_rng(seed)
    images, masks = draw_images(tree, rng)
    transformer, editor, rows = fitted(
        tree, images, masks, descriptors="color", describe_inner=describe_inner, missing=missing
    )
    swapped = rng.random(tree.n_leaves) < 0.5
    mine, theirs = (np.array(tree.leaf_values)[chosen] for chosen in (~swapped, swapped))
    halves = [
        np.where(np.isin(masks[0], mine), masks[0], -1),
        np.where(np.isin(masks[1], theirs), masks[1], -1),
    ]
    both = np.concatenate(halves, axis=1)
    if (both < 0).all():
        return
    picture = np.concatenate(images[:2], axis=1)
    expected = transformer.transform(SegmentedImages([picture], [both]))[0]
    names = np.array([name.partition("|")[2] for name in editor.column_names])
    expected[names == "area"] *= 2
    row = editor.swap(rows[:1], rows[1:2], [swapped])[0]
    np.testing.assert_allclose(row, expected, rtol=2e-3, atol=2e-4)


@few
@cases
def test_round_trips(tree, seed, describe_inner, missing):
    images, masks = draw_images(tree, np.random.default_rng(seed))
    _, editor, rows = fitted(tree, images, masks, describe_inner=describe_inner, missing=missing)
    nothing, everything = np.zeros((2, 1, tree.n_leaves), dtype=bool) | [[[False]], [[True]]]
    np.testing.assert_array_equal(editor.swap(rows[:1], rows[1:2], nothing), rows[:1])
    np.testing.assert_array_equal(editor.ablate(rows, nothing[0]), rows)
    all_of_it = editor.swap(rows[:1], rows[1:2], everything)
    np.testing.assert_allclose(all_of_it, rows[1:2], rtol=2e-3, atol=2e-4)
    there = editor.swap(rows[:1], rows[1:2], [np.arange(tree.n_leaves) == 0])
    back = editor.swap(there, rows[:1], [np.arange(tree.n_leaves) == 0])
    np.testing.assert_allclose(back, rows[:1], rtol=2e-3, atol=2e-4)


def draw_row_pictures(tree, rng):
    """Receiver and donor of one row of pixels; a leaf has a multiple of the donor's pixels."""
    theirs = rng.integers(0, 3, tree.n_leaves)
    mine = theirs * rng.integers(0, 3, tree.n_leaves)
    # a leaf that the donor lacks may be there all the same
    mine[theirs == 0] = rng.integers(0, 2, (theirs == 0).sum()) * 60
    mine[0], theirs[0] = max(mine[0], 2), max(theirs[0], 1)
    mine[0] -= mine[0] % theirs[0]
    return [
        (rng.random((1, n.sum(), 3)), rng.permutation(np.repeat(tree.leaf_values, n))[np.newaxis])
        for n in (mine, theirs)
    ]


@few
@given(
    tree=segment_trees(max_leaves=5, any_order=True),
    seed=st.integers(0, 2**16),
    describe_inner=st.booleans(),
)
def test_swapped_colors_are_a_picture_painted_in_them(tree, seed, describe_inner):
    # Every leaf of the node is painted with the pixels that the donor's leaf has, each as often; a
    # leaf that the donor lacks with those of the donor's whole node.
    rng = np.random.default_rng(seed)
    (image, mask), (donor, donor_mask) = draw_row_pictures(tree, rng)
    node = int(rng.integers(tree.n_nodes))
    painted, parts = image.copy(), np.array(tree.leaf_values)
    transformer = SegmentTreeTransformer(
        tree=tree, descriptors=["color", "shape"], describe_inner=describe_inner
    ).set_output(transform="default")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some leaves occur nowhere
        rows = transformer.fit_transform(SegmentedImages([image, donor], [mask, donor_mask]))
    editor = PartEditor.from_transformer(transformer)
    below = parts[editor.leaves(node)]
    whole = donor[np.isin(donor_mask, below)]
    for part in below:
        here, there = mask == part, donor[donor_mask == part]
        there = there if len(there) else whole
        if len(there):
            assume(here.sum() % len(there) == 0)
            painted[here] = np.resize(there, (here.sum(), 3))
    expected = transformer.transform(SegmentedImages([painted], [mask]))
    new = editor.swap_descriptors(rows[:1], rows[1:], node, ["color"])
    np.testing.assert_allclose(new, expected, rtol=2e-3, atol=2e-4)
    geometry = [bool(re.search(r"\|(shape_|presence|area)", n)) for n in editor.column_names]
    np.testing.assert_array_equal(new[:, geometry], rows[:1, geometry])
    nothing = editor.swap_descriptors(rows[:1], rows[1:], node, [])
    np.testing.assert_array_equal(nothing, rows[:1])


def test_unknown_descriptors(described):
    editor, table = described
    rows = editor.read(table)
    with pytest.raises(ValueError, match="no descriptor 'hue'; it has 'color', 'gradients'"):
        editor.swap_descriptors(rows, rows, "sea", ["hue"])


def test_only_the_swapped_nodes_and_those_above_change():
    tree = {"photo": {"sky": 0, "person": {"hair": 1, "skin": 2}}}
    rng = np.random.default_rng(0)
    transformer = SegmentTreeTransformer(tree=tree)
    images = SegmentedImages(rng.random((3, 9, 9, 3)), rng.integers(0, 3, (3, 9, 9)))
    table = transformer.fit_transform(images)
    editor = PartEditor.from_transformer(transformer)
    rows = editor.read(table)
    swapped = editor.swap(rows[:1], rows[1:2], [editor.leaves("hair")])
    changed = {name.partition("|")[0] for name in table.columns[(swapped != rows[:1])[0]]}
    assert changed == {"photo/person/hair", "photo/person", "photo"}
    hair = [name.startswith("photo/person/hair|") for name in table.columns]
    np.testing.assert_array_equal(swapped[0, hair], rows[1, hair])


def test_many_rows_are_as_one_by_one(monkeypatch):
    monkeypatch.setattr("hierseg_learn.transformer.part_editor.BLOCK_ROWS", 3)
    rng = np.random.default_rng(0)
    images = SegmentedImages(rng.random((8, 6, 6)), rng.integers(0, 3, (8, 6, 6)))
    transformer = SegmentTreeTransformer()
    rows = PartEditor.from_transformer(transformer.fit(images)).read(transformer.transform(images))
    editor = PartEditor.from_transformer(transformer)
    swapped = rng.random((8, 3)) < 0.5
    donors = rows[::-1]
    together = editor.swap(rows, donors, swapped)
    for i in range(8):
        alone = editor.swap(rows[i : i + 1], donors[i : i + 1], swapped[i : i + 1])
        np.testing.assert_array_equal(together[i : i + 1], alone)


@pytest.fixture
def described():
    rng = np.random.default_rng(0)
    images = SegmentedImages(rng.random((20, 9, 9, 3)), rng.integers(0, 3, (20, 9, 9)))
    transformer = SegmentTreeTransformer(tree={"photo": {"sky": 0, "sea": {"boat": 1, "water": 2}}})
    return PartEditor.from_transformer(transformer.fit(images)), transformer.transform(images)


def test_columns_in_any_order(described):
    editor, table = described
    np.testing.assert_array_equal(editor.read(table.iloc[:, ::-1]), table.to_numpy())


def test_edited_tables_are_refused(described):
    editor, table = described
    edited = table.copy()
    edited.loc[3, "photo/sea|lab_mean_0"] += 5
    with pytest.raises(ValueError, match=r"table .* row 3 has .*'photo/sea\|lab_mean_0'.*neither"):
        editor.read(edited)
    edited = table.copy()
    edited.loc[7, "photo/sea/boat|area"] *= 1.2
    with pytest.raises(ValueError, match="row 7"):
        editor.read(edited)


@pytest.mark.parametrize("name", ["StandardScaler", "MinMaxScaler", "RobustScaler"])
def test_scaled_tables_are_refused(described, name):
    import sklearn.preprocessing

    editor, table = described
    scaler = getattr(sklearn.preprocessing, name)().set_output(transform="pandas")
    with pytest.raises(ValueError, match="neither scaled nor edited"):
        editor.read(scaler.fit_transform(table))


def test_other_columns_are_refused(described):
    editor, table = described
    with pytest.raises(ValueError, match=r"my_table has no column 'photo\|area'"):
        editor.read(table.drop(columns="photo|area"), "my_table")
    with pytest.raises(ValueError, match="the unexpected column 'extra'"):
        editor.read(table.assign(extra=0))
    with pytest.raises(ValueError, match=r"must have the \d+ columns .* got shape \(20, 2\)"):
        editor.read(table.to_numpy()[:, :2])
    with pytest.raises(ValueError, match="moon"):
        editor.leaves("moon")
