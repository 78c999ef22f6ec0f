"""SegmentTreeTransformer: scikit-learn's checks, the table's contract, a brute-force reference."""

import pickle
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage.color import rgb2lab
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

import hierseg_learn.base as base
import hierseg_learn.images._batch as batch_module
import hierseg_learn.segmentation._base as segmenter_module
from hierseg_learn import SegmentedImages, SegmentTree, SegmentTreeTransformer
from hierseg_learn.datasets import make_portraits
from hierseg_learn.descriptors import (
    ColorDescriptor,
    GradientDescriptor,
    ImageChannels,
    LBPDescriptor,
    PatchDictionary,
    ShapeDescriptor,
)
from hierseg_learn.images import ImageFiles
from hierseg_learn.segmentation import GridSegmenter, MaskSegmenter, Slic, VocabularySegmenter
from hierseg_learn.table.layout import read_layout, split_column
from tests.strategies import segment_trees

TREE = {"photo": {"sky": 0, "land": {"field": 1, "house": [2, 3]}}}
NODES = ("photo/sky", "photo/land/field", "photo/land/house", "photo/land", "photo")


@parametrize_with_checks(
    [
        SegmentTreeTransformer(),
        SegmentTreeTransformer(
            VocabularySegmenter(Slic(3), n_parts=2),
            descriptors=["shape", ("patches", PatchDictionary(n_atoms=2, n_patches=40))],
            erosion=2,
            missing="nan",
            random_state=0,
        ),
    ]
)
@pytest.mark.filterwarnings("ignore:n_atoms=:UserWarning")
@pytest.mark.filterwarnings("ignore:.*never occurred in the training images:UserWarning")
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_tags_are_true():
    tags = get_tags(SegmentTreeTransformer())
    assert tags.input_tags.two_d_array
    assert tags.input_tags.three_d_array
    assert not tags.input_tags.allow_nan
    assert not tags.input_tags.sparse
    assert not tags.target_tags.required
    assert tags.transformer_tags.preserves_dtype == []


def scenes(n_images=6, seed=0, color=True, size=(6, 7)):
    """Images with label maps of the parts 0 to 3; the part 2 and 3 are missing in some images."""
    rng = np.random.default_rng(seed)
    images = rng.random((n_images, *size, 3) if color else (n_images, *size))
    masks = rng.integers(-1, 4, (n_images, *size))
    masks[::2][masks[::2] > 1] = 0
    return SegmentedImages(images, masks)


@pytest.fixture(scope="module")
def fitted():
    return SegmentTreeTransformer(tree=TREE, missing="nan").fit(scenes())


# The table


def test_columns_are_paths_and_descriptors_in_the_order_of_the_tree(fitted):
    names = fitted.get_feature_names_out()
    descriptors = [n for _, d in fitted.descriptors_ for n in d.get_feature_names_out()]
    expected = [f"{path}|{d}" for path in NODES for d in ["presence", "area", *descriptors]]
    assert names.dtype == object
    assert names.tolist() == expected
    assert fitted.transform(scenes()).columns.tolist() == expected


def test_the_tree_can_be_read_back_from_the_column_names(fitted):
    names = fitted.get_feature_names_out()
    layout = read_layout("auto", names, len(names))
    assert set(layout.tree.paths) == set(fitted.tree_.paths)
    for path, columns in zip(layout.tree.paths, layout.columns, strict=True):
        assert {split_column(names[c])[0] for c in columns} == {path}


def test_inner_nodes_without_descriptors_keep_presence_and_area():
    full = SegmentTreeTransformer(tree=TREE).fit_transform(scenes())
    bare = SegmentTreeTransformer(tree=TREE, describe_inner=False).fit_transform(scenes())
    inner = [c for c in bare.columns if split_column(c)[0] in ("photo", "photo/land")]
    assert inner == [
        "photo/land|presence",
        "photo/land|area",
        "photo|presence",
        "photo|area",
    ]
    pd.testing.assert_frame_equal(bare, full[bare.columns])


def test_presence_and_area_are_counted_pixels(fitted):
    X = scenes(5, seed=3)
    table = fitted.transform(X)
    parts = {"photo/sky": [0], "photo/land/field": [1], "photo/land/house": [2, 3]}
    parts["photo/land"] = [1, 2, 3]
    parts["photo"] = [0, 1, 2, 3]
    for path, ids in parts.items():
        area = [np.isin(mask, ids).mean() for mask in X.masks]
        np.testing.assert_allclose(table[f"{path}|area"], area, rtol=1e-6)
        np.testing.assert_array_equal(table[f"{path}|presence"], np.array(area) > 0)
    assert 0 < table["photo/land/house|presence"].sum() < 5


def test_missing_nan_marks_exactly_the_descriptor_columns_of_absent_nodes(fitted):
    table = fitted.transform(scenes())
    for name in table:
        path, descriptor = split_column(name)
        absent = table[f"{path}|presence"] == 0
        if descriptor in ("presence", "area"):
            assert table[name].notna().all()
        else:
            assert table[name].isna().tolist() == absent.tolist()


def test_missing_mean_is_the_mean_over_the_training_images_that_have_the_part(fitted):
    seen = fitted.transform(scenes())
    transformer = SegmentTreeTransformer(tree=TREE, missing="mean").fit(scenes())
    new = scenes(4, seed=9)
    with_nan, filled = fitted.transform(new), transformer.transform(new)
    assert with_nan.isna().to_numpy().any()
    expected = with_nan.fillna(seen.mean().astype(np.float32))
    np.testing.assert_allclose(filled, expected, rtol=1e-5, atol=1e-6)
    # what is there stays as it is
    np.testing.assert_array_equal(filled.where(with_nan.notna()), with_nan)


def test_missing_is_chosen_at_transform():
    transformer = SegmentTreeTransformer(tree=TREE).fit(scenes())
    assert transformer.transform(scenes()).notna().to_numpy().all()
    assert transformer.set_params(missing="nan").transform(scenes()).isna().to_numpy().any()


@pytest.mark.parametrize("method", ["fit", "fit_transform"])
def test_a_part_that_was_never_seen_is_constant_and_a_warning_says_so(method):
    images = scenes()
    nothing_there = SegmentedImages(images.images, [np.where(m > 1, 1, m) for m in images.masks])
    transformer = SegmentTreeTransformer(tree=TREE)
    with pytest.warns(UserWarning, match="'house' never occurred in the training images") as caught:
        getattr(transformer, method)(nothing_there)
    assert len(caught) == 1
    assert method == "fit_transform" or caught[0].filename == __file__
    table = transformer.transform(nothing_there)
    house = table.filter(like="photo/land/house|")
    assert (house == house.iloc[0]).all(axis=None)
    assert house["photo/land/house|presence"].eq(0).all()


def test_parts_that_were_all_seen_raise_no_warning(recwarn):
    SegmentTreeTransformer(tree=TREE).fit(scenes())
    assert not [w for w in recwarn if issubclass(w.category, UserWarning)]


@pytest.mark.parametrize(
    ("make_table", "expected"),
    [
        (lambda X: X, np.float64),
        (lambda X: X.astype(np.float32), np.float32),
        (lambda X: (X * 255).astype(np.uint8), np.float32),
        (lambda X: X.tolist(), np.float64),
        (lambda X: pd.DataFrame(X), np.float64),
        (lambda X: pd.DataFrame(X.astype(np.float32)), np.float32),
        (lambda X: pd.DataFrame(X).astype({0: np.float32}), np.float64),
        (lambda X: pd.DataFrame(X).astype("Float64"), np.float64),
        (lambda X: X.reshape(-1, 3, 4), np.float32),
        (lambda X: list(X.reshape(-1, 3, 4)), np.float32),
    ],
)
def test_float64_tables_give_float64_and_all_else_float32(make_table, expected):
    X = make_table(np.random.default_rng(0).random((5, 12)))
    transformer = SegmentTreeTransformer(image_shape=(3, 4))
    assert set(transformer.fit_transform(X).dtypes) == {np.dtype(expected)}
    assert set(transformer.transform(X).dtypes) == {np.dtype(expected)}


def test_float32_and_float64_agree():
    X = np.random.default_rng(0).random((5, 12)).astype(np.float32)
    wide = SegmentTreeTransformer(image_shape=(3, 4)).fit_transform(X.astype(np.float64))
    narrow = SegmentTreeTransformer(image_shape=(3, 4)).fit_transform(X)
    np.testing.assert_array_equal(wide.astype(np.float32), narrow)


def test_the_index_is_kept():
    index = pd.Index(["a", "c", "b"], name="photo")
    table = pd.DataFrame(np.random.default_rng(0).random((3, 4)), index=index)
    transformer = SegmentTreeTransformer()
    pd.testing.assert_index_equal(transformer.fit_transform(table).index, index)
    pd.testing.assert_index_equal(transformer.transform(table[::-1]).index, index[::-1])
    series = pd.Series(list(scenes(3).images), index=index)
    pd.testing.assert_index_equal(SegmentTreeTransformer().fit_transform(series).index, index)
    assert SegmentTreeTransformer().fit_transform(table.to_numpy()).index.tolist() == [0, 1, 2]


class TestContainer:
    X = np.random.default_rng(0).random((4, 6))

    def test_a_data_frame_unless_told_otherwise(self):
        frame = SegmentTreeTransformer().fit_transform(self.X)
        assert type(frame) is pd.DataFrame
        transformer = SegmentTreeTransformer().set_output(transform="pandas")
        pd.testing.assert_frame_equal(transformer.fit_transform(self.X), frame)

    def test_default_said_explicitly_gives_the_array(self):
        frame = SegmentTreeTransformer().fit_transform(self.X)
        transformer = SegmentTreeTransformer().set_output(transform="default")
        for array in (transformer.fit_transform(self.X), clone(transformer).fit_transform(self.X)):
            assert type(array) is np.ndarray
            np.testing.assert_array_equal(array, frame)
        with config_context(transform_output="pandas"):
            assert type(transformer.transform(self.X)) is np.ndarray

    def test_polars(self):
        polars = pytest.importorskip("polars")
        frame = SegmentTreeTransformer().fit_transform(self.X)
        table = SegmentTreeTransformer().set_output(transform="polars").fit_transform(self.X)
        with config_context(transform_output="polars"):
            configured = SegmentTreeTransformer().fit_transform(self.X)
        for found in (table, configured):
            assert type(found) is polars.DataFrame
            assert found.columns == frame.columns.tolist()
            np.testing.assert_array_equal(found.to_numpy(), frame)

    def test_a_polars_table_comes_in_like_any_other(self):
        polars = pytest.importorskip("polars")
        frame = SegmentTreeTransformer().fit_transform(self.X)
        found = SegmentTreeTransformer().fit_transform(polars.DataFrame(self.X))
        np.testing.assert_array_equal(found, frame)
        assert set(found.dtypes) == {np.dtype(np.float64)}


# The brute-force reference


def color_columns(image, region):
    """CIELAB statistics of a region, written down from their definition."""
    pixels = rgb2lab(image)[region].astype(np.float64)
    lowest, highest = np.array([0, -100, -100]), np.array([100, 100, 100])
    place = np.clip((pixels - lowest) / (highest - lowest) * 4 - 0.5, 0, 3)
    shares = [np.maximum(0, 1 - np.abs(place[:, [c]] - np.arange(4))).mean(0) for c in range(3)]
    return np.concatenate([pixels.mean(0), pixels.std(0), *shares])


def shape_columns(region):
    """Centroid, spread, tilt and profile in 10 bands of a region, in fractions of the sides."""
    rows, cols = np.nonzero(region)
    places = np.array([(rows + 0.5) / region.shape[0], (cols + 0.5) / region.shape[1]])
    # a pixel is an area
    cov = np.cov(places, bias=True) + np.diag(1 / (12 * np.square(region.shape)))
    points = places[0][:, None] + (np.arange(2000) - 999.5) / 2000 / region.shape[0]
    bands = np.clip(points * 10 - 0.5, 0, 9)[..., None]
    shares = np.maximum(0, 1 - np.abs(bands - np.arange(10))).mean((0, 1))
    return np.concatenate([places.mean(1), np.sqrt(np.diag(cov)), [cov[0, 1]], np.sqrt(shares)])


def pooled_columns(descriptor, image, region):
    """Columns of one region, pooled for itself."""
    sums = descriptor.pool(ImageChannels(image), np.where(region, 0, -1), 1)
    return descriptor.from_sums(sums[0], region.mean())


def brute_force(transformer, image, mask):
    """Row of one image, every node's pixels looked up anew in the label map."""
    tree, row = transformer.tree_, []
    others = [d for name, d in transformer.descriptors_ if name in ("gradients", "lbp")]
    values = dict(zip(tree.leaves.tolist(), tree.leaf_values, strict=True))
    for node in range(tree.n_nodes):
        path = tree.paths[node]
        ids = []
        for leaf, value in values.items():
            if tree.paths[leaf] == path or tree.paths[leaf].startswith(path + "/"):
                ids += list(value)
        region = np.isin(mask, ids)
        if region.any():
            columns = [color_columns(image, region), shape_columns(region)]
            columns += [pooled_columns(d, image, region) for d in others]
            columns = np.concatenate(columns)
        else:
            columns = np.full(transformer_width(transformer), np.nan)
        row += [float(region.any()), region.mean(), *columns]
    return np.array(row)


def transformer_width(transformer):
    return sum(d.n_columns_ for _, d in transformer.descriptors_)


@st.composite
def segmented_scenes(draw):
    """Draw a tree, images of different sizes and label maps; some parts have two ids."""
    tree = draw(segment_trees(max_leaves=6, any_order=True))
    values = [[part, part + 50] if part % 2 else [part] for part in tree.leaf_values]
    tree = SegmentTree(tree.names, tree.parents, values)
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    ids = np.array([-1, *(part for value in values for part in value)])
    images, masks = [], []
    for _ in range(draw(st.integers(1, 3))):
        height, width = draw(st.integers(1, 6)), draw(st.integers(1, 6))
        images.append(rng.random((height, width, 3)).astype(np.float32))
        # few different ids in one image, so that parts go missing
        masks.append(rng.choice(rng.choice(ids, 3), (height, width)))
        masks[-1][0, 0] = rng.choice(ids[1:])
    return tree, images, masks


@pytest.mark.filterwarnings("ignore:.*never occurred in the training images:UserWarning")
@settings(deadline=None, max_examples=60)
@given(segmented_scenes())
def test_every_column_is_what_a_brute_force_over_the_raw_masks_gives(case):
    tree, images, masks = case
    transformer = SegmentTreeTransformer(
        tree=tree,
        descriptors=[
            ("color", ColorDescriptor(n_bins=4, hellinger=False)),
            "shape",
            ("gradients", GradientDescriptor(n_orientations=3)),
            "lbp",
        ],
        missing="nan",
    )
    table = transformer.fit_transform(images, segments=masks).to_numpy()
    expected = [brute_force(transformer, *pair) for pair in zip(images, masks, strict=True)]
    np.testing.assert_allclose(table, expected, rtol=1e-4, atol=2e-4)


def leaf_rows(transformer, table, descriptor):
    """Columns of one descriptor for all nodes, (n_images, n_nodes, n_columns), and areas."""
    names = descriptor.get_feature_names_out()
    paths = transformer.tree_.paths
    columns = np.stack([table[[f"{p}|{n}" for n in names]].to_numpy() for p in paths], axis=1)
    return columns, table[[f"{p}|area" for p in paths]].to_numpy()


@pytest.mark.parametrize("missing", ["mean", "nan"])
def test_ancestors_can_be_recomputed_from_the_leaves_of_the_table(missing):
    X = scenes(8)
    flat = np.array(list(X.images)).reshape(8, -1)
    masks = np.array(list(X.masks)).reshape(8, -1)
    descriptors = ["color", "gradients", "lbp", "shape"]
    descriptors += [("patches", PatchDictionary(n_atoms=3, n_patches=100, random_state=0))]
    transformer = SegmentTreeTransformer(
        tree=TREE, image_shape=(6, 7, 3), missing=missing, descriptors=descriptors
    )
    table = transformer.fit_transform(flat, segments=masks)
    tree = transformer.tree_
    assert (table["photo/land/house|presence"] == 0).any()
    for _, descriptor in transformer.descriptors_:
        columns, area = leaf_rows(transformer, table, descriptor)
        leaves = tree.leaves
        sums = tree.sum_up(descriptor.to_sums(columns[:, leaves], area[:, leaves]), axis=1)
        again = descriptor.from_sums(sums, tree.sum_up(area[:, leaves], axis=1))
        present = area > 0
        np.testing.assert_allclose(again[present], columns[present], rtol=1e-7, atol=1e-7)


# Properties of the map from images to rows


def test_rows_do_not_depend_on_the_other_images(fitted):
    X = scenes(5, seed=4)
    table = fitted.transform(X)
    order = [3, 0, 4]
    np.testing.assert_array_equal(fitted.transform(X[order]), table.iloc[order])
    np.testing.assert_array_equal(fitted.transform(X[2:3]), table.iloc[2:3])


def test_fit_transform_is_fit_then_transform():
    X = scenes(7)
    both = SegmentTreeTransformer(tree=TREE).fit_transform(X)
    pd.testing.assert_frame_equal(SegmentTreeTransformer(tree=TREE).fit(X).transform(X), both)


def test_the_order_of_siblings_only_orders_the_columns():
    turned = {"photo": {"land": {"house": [3, 2], "field": 1}, "sky": 0}}
    table = SegmentTreeTransformer(tree=TREE).fit_transform(scenes())
    other = SegmentTreeTransformer(tree=turned).fit_transform(scenes())
    assert list(other.columns) != list(table.columns)
    np.testing.assert_allclose(other[table.columns], table, rtol=1e-6)


def test_a_margin_keeps_what_neighbors_show_out_of_a_part():
    rng = np.random.default_rng(0)
    masks = np.zeros((4, 24, 20), dtype=int)
    masks[:, 6:18, 5:15] = 1
    clean = np.where(masks == 1, 0.8, 0.2)[..., np.newaxis] + 0.1 * rng.random((4, 24, 20, 3))
    # the outline is off by a pixel: the inner part shows the outer one, and the other way round
    rough = clean.copy()
    rough[:, 6, 5:15] = clean[:, 5, 5:15]
    rough[:, 8:16, 4] = clean[:, 8:16, 5]
    tables = {
        erosion: [
            SegmentTreeTransformer(
                tree={"photo": {"out": 0, "in": 1}},
                descriptors=["color", "gradients", "lbp", "shape"],
                describe_inner=False,
                erosion=erosion,
            ).fit_transform(SegmentedImages(images, masks))
            for images in (clean, rough)
        ]
        for erosion in (0, 2)
    }
    change = {erosion: abs(one - other).max() for erosion, (one, other) in tables.items()}
    assert change[0]["photo/in|lab_mean_0"] > 4
    assert change[0]["photo/out|lab_mean_0"] > 1
    assert change[2].max() == 0
    # the outline itself is as it was
    geometry = tables[0][0].columns.str.contains("presence|area|shape")
    pd.testing.assert_frame_equal(tables[0][0].loc[:, geometry], tables[2][0].loc[:, geometry])


def test_margin_must_be_a_whole_number_of_pixels():
    with pytest.raises(ValueError, match="'erosion' parameter"):
        SegmentTreeTransformer(tree=TREE, erosion=-1).fit(scenes())


@pytest.mark.parametrize(("segmenter", "erosion"), [("pyramid", 1), ("superpixels", 0)])
def test_any_number_of_jobs_gives_the_same_bits(segmenter, erosion):
    images = list(scenes(70, size=(5, 6)).images)
    images[3] = images[3][:4]
    tables = [
        SegmentTreeTransformer(
            segmenter, erosion=erosion, n_jobs=n_jobs, random_state=0
        ).fit_transform(images)
        for n_jobs in (1, 2)
    ]
    np.testing.assert_array_equal(*tables)


def test_the_same_seed_gives_the_same_table():
    images = scenes(12).images
    descriptors = ["color", ("patches", PatchDictionary(n_atoms=4, n_patches=100))]

    def table(seed):
        transformer = SegmentTreeTransformer(
            VocabularySegmenter(Slic(6), n_parts=3),
            descriptors=descriptors,
            random_state=seed,
        )
        return transformer.fit_transform(images)

    pd.testing.assert_frame_equal(table(0), table(0))
    assert not table(0).equals(table(1))


def test_a_seed_of_their_own_is_kept_by_segmenter_and_descriptors():
    segmenter = VocabularySegmenter(Slic(4), n_parts=2, random_state=5)
    transformer = SegmentTreeTransformer(
        segmenter, descriptors=[("p", PatchDictionary(n_atoms=2, n_patches=50))], random_state=0
    ).fit(scenes().images)
    assert transformer.segmenter_.random_state == 5
    assert transformer.descriptors_[0][1].random_state is not None
    assert transformer.descriptors[0][1].random_state is None


def test_pickle_and_clone_give_the_same_table(fitted):
    X = scenes(4, seed=2)
    expected = fitted.transform(X)
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(fitted)).transform(X), expected)
    pd.testing.assert_frame_equal(clone(fitted).fit(scenes()).transform(X), expected)
    assert not hasattr(clone(fitted), "tree_")


# What comes in


def test_all_ways_to_pass_the_same_images_give_the_same_table():
    stack = np.array(list(scenes().images))
    expected = SegmentTreeTransformer().fit_transform(stack)
    for images in (
        list(stack),
        pd.Series(list(stack)),
        np.asfortranarray(stack),
        [np.ascontiguousarray(image) for image in stack],
    ):
        found = SegmentTreeTransformer().fit_transform(images)
        pd.testing.assert_frame_equal(found, expected)
    table = stack.reshape(len(stack), -1)
    found = SegmentTreeTransformer(image_shape=stack.shape[1:]).fit_transform(table)
    np.testing.assert_array_equal(found.astype(np.float32), expected)


def test_all_ways_to_pass_the_same_masks_give_the_same_table():
    X = scenes()
    images, masks = np.array(list(X.images)), np.array(list(X.masks))
    expected = SegmentTreeTransformer(tree=TREE).fit_transform(X)
    for segments in (masks, list(masks), pd.Series(list(masks)), X.masks, masks.astype(float)):
        transformer = SegmentTreeTransformer(tree=TREE)
        table = transformer.fit_transform(images, segments=segments)
        pd.testing.assert_frame_equal(table, expected)
        pd.testing.assert_frame_equal(transformer.transform(images, segments), expected)


def test_files_give_what_their_pixels_give(tmp_path):
    image_module = pytest.importorskip("PIL.Image")
    X = scenes()
    images = [(255 * image).astype(np.uint8) for image in X.images]
    images[1] = images[1][:3]
    masks = [np.where(mask < 0, 255, mask).astype(np.uint8) for mask in X.masks]
    masks[1] = masks[1][:3]
    paths = []
    for i, (image, mask) in enumerate(zip(images, masks, strict=True)):
        paths.append((tmp_path / f"{i}.png", tmp_path / f"{i}_mask.png"))
        image_module.fromarray(image).save(paths[-1][0])
        image_module.fromarray(mask).save(paths[-1][1])
    files, mask_files = zip(*paths)
    transformer = SegmentTreeTransformer(tree=TREE, unlabeled=255)
    expected = transformer.fit_transform(images, segments=masks)
    found = transformer.fit_transform(SegmentedImages(files, mask_files))
    pd.testing.assert_frame_equal(found, expected)
    series = pd.Series([str(file) for file in files])
    found = transformer.fit_transform(series, segments=list(mask_files))
    pd.testing.assert_frame_equal(found, expected)


def test_digits_without_a_shape_are_warned_of_once():
    X = load_digits().data[:50]
    match = r"rows look like images of shape \(8, 8\).*pass image_shape=\(8, 8\)"
    with pytest.warns(UserWarning, match=match) as said:
        SegmentTreeTransformer(descriptors="color").fit(X).transform(X)
    assert len(said) == 1


def test_digits_just_work():
    X = load_digits().data[:50]
    transformer = SegmentTreeTransformer(image_shape=(8, 8))
    table = transformer.fit_transform(X)
    images = X.reshape(-1, 8, 8)
    assert transformer.n_features_in_ == 64
    # the mean brightness of the top left quarter, by the centroid-free route
    top_left = images[:, :4, :4]
    expected = rgb2lab(np.stack([top_left / 16] * 3, axis=-1))[..., 0].mean(axis=(1, 2))
    np.testing.assert_allclose(table["image/top_left|lab_mean_0"], expected, rtol=1e-4)
    assert (table["image|area"] == 1).all()


def test_a_second_fit_forgets_the_first():
    transformer = SegmentTreeTransformer()
    transformer.fit(pd.DataFrame(np.eye(3), columns=list("abc")))
    assert transformer.feature_names_in_.tolist() == ["a", "b", "c"]
    images = scenes().images
    transformer.fit(images)
    assert not hasattr(transformer, "n_features_in_")
    assert not hasattr(transformer, "feature_names_in_")
    expected = SegmentTreeTransformer().fit_transform(images)
    pd.testing.assert_frame_equal(transformer.transform(images), expected)


def test_parameters_are_left_as_they_came():
    segmenter, descriptor = GridSegmenter(n_rows=2), ColorDescriptor()
    tree = {"photo": {"a": [0, 1], "b": [2, 3, 4, 5]}}
    transformer = SegmentTreeTransformer(segmenter, tree=tree, descriptors=[("c", descriptor)])
    transformer.fit(scenes().images)
    assert transformer.segmenter is segmenter
    assert not hasattr(segmenter, "tree_")
    assert not hasattr(descriptor, "n_sums_")
    assert transformer.tree is tree
    assert transformer.tree_.names == ("a", "b", "photo")


# Label maps


def test_label_maps_name_the_leaf_of_every_pixel(fitted):
    X = scenes(4, seed=5)
    for label_map, mask in zip(fitted.label_maps(X), X.masks, strict=True):
        assert label_map.dtype == np.int32
        names = np.array([*fitted.tree_.names, "none"])[label_map]
        expected = np.array(["sky", "field", "house", "house", "none"])[mask]
        np.testing.assert_array_equal(names, expected)


def test_label_maps_count_the_areas_of_the_leaves():
    scene = scenes(5, size=(8, 9))
    images, masks = list(scene.images), list(scene.masks)
    images[2], masks[2] = images[2][:5, :4], masks[2][:5, :4]
    X = SegmentedImages(images, masks)
    transformer = SegmentTreeTransformer()
    table = transformer.fit_transform(X)
    label_maps = transformer.label_maps(X)
    for leaf in transformer.tree_.leaves:
        area = [np.mean(label_map == leaf) for label_map in label_maps]
        np.testing.assert_allclose(table[f"{transformer.tree_.paths[leaf]}|area"], area, rtol=1e-6)
    assert [label_map.shape for label_map in label_maps] == [im.shape[:2] for im in images]


def test_label_maps_take_and_refuse_what_transform_does(fitted):
    X = scenes(3)
    np.testing.assert_array_equal(fitted.label_maps(X.images, X.masks), fitted.label_maps(X))
    with pytest.raises(ValueError, match="X comes without label maps"):
        fitted.label_maps(X.images)
    with pytest.raises(NotFittedError):
        SegmentTreeTransformer().label_maps(X)


# Parameters of parameters


class TestNestedParameters:
    def test_named_descriptors_have_their_parameters_listed(self):
        fine = ColorDescriptor(n_bins=16)
        transformer = SegmentTreeTransformer(descriptors=["lbp", ("fine", fine)])
        params = transformer.get_params()
        assert params["fine"] is fine
        assert params["fine__n_bins"] == 16
        assert "fine" not in transformer.get_params(deep=False)

    def test_setting_them_reaches_the_table(self):
        transformer = SegmentTreeTransformer(descriptors=[("fine", ColorDescriptor(n_bins=2))])
        transformer.set_params(fine__n_bins=3, fine__prefix="c", segmenter=GridSegmenter())
        transformer.set_params(segmenter__n_rows=1, segmenter__n_cols=2)
        names = transformer.fit(scenes(color=False).images).get_feature_names_out()
        assert [n for n in names if n.startswith("image/row0_col1|c_hist")] == [
            f"image/row0_col1|c_hist_0_{k}" for k in range(3)
        ]
        assert transformer.tree_.n_leaves == 2

    def test_a_descriptor_can_be_replaced_with_its_parameters_in_one_call(self):
        transformer = SegmentTreeTransformer(descriptors=["lbp", ("a", ColorDescriptor())])
        transformer.set_params(a__n_orientations=5, a=GradientDescriptor())
        assert transformer.descriptors[0] == "lbp"
        assert transformer.get_params()["a__n_orientations"] == 5
        transformer.set_params(b__n_bins=4, descriptors=[("b", ColorDescriptor())])
        assert transformer.descriptors[0][1].n_bins == 4

    def test_a_clone_shares_no_descriptor(self):
        transformer = SegmentTreeTransformer(descriptors=[("a", ColorDescriptor())])
        clone(transformer).set_params(a__n_bins=3)
        assert transformer.get_params()["a__n_bins"] == 8

    def test_an_unknown_name_says_so(self):
        with pytest.raises(ValueError, match="Invalid parameter 'b' for estimator"):
            SegmentTreeTransformer(descriptors=[("a", ColorDescriptor())]).set_params(b__n_bins=3)

    def test_a_descriptor_cannot_hide_a_parameter(self):
        transformer = SegmentTreeTransformer(descriptors=[("missing", ColorDescriptor())])
        assert transformer.get_params()["missing"] == "mean"
        assert transformer.set_params(missing="nan").missing == "nan"
        with pytest.raises(ValueError, match="descriptors names one 'missing', which is a param"):
            transformer.fit(scenes().images)


# Wrong input gets a sentence


class Wrong:
    """Pieces of wrong input; every case below spoils one of them."""

    def __init__(self, folder):
        rng = np.random.default_rng(0)
        self.folder = folder
        self.images = [rng.random((4, 5)) for _ in range(3)]
        self.masks = [rng.integers(0, 2, (4, 5)) for _ in range(3)]
        self.table = rng.random((3, 20))

    def spoiled(self, name, i, value):
        items = [item.copy() for item in getattr(self, name)]
        items[i] = value(items[i])
        return items

    def with_nan(self, name, i):
        def put_nan(item):
            item = item.astype(float)
            item.flat[-1] = np.nan
            return item

        return self.spoiled(name, i, put_nan)

    def files(self, name="images"):
        image_module = pytest.importorskip("PIL.Image")
        paths = []
        for i, item in enumerate(getattr(self, name)):
            paths.append(self.folder / f"{name}_{i}.png")
            pixels = item if name == "masks" else 255 * item
            image_module.fromarray(pixels.astype(np.uint8)).save(paths[-1])
        return paths

    def bad_file(self):
        path = self.folder / "bad.png"
        path.write_text("no image")
        return path


def fit(X, segments=None, **params):
    return SegmentTreeTransformer(**{"descriptors": "color", **params}).fit(X, segments=segments)


WRONG = {
    "mask of another size": (
        lambda w: fit(w.images, w.spoiled("masks", 1, lambda m: m[:3])),
        r"Mask 1 of segments is 3 x 5 pixels, its image is 4 x 5; expected the same size",
    ),
    "mask of another size, SegmentedImages": (
        lambda w: SegmentedImages(w.images, w.spoiled("masks", 2, lambda m: m.T)),
        r"Mask 2 of masks is 5 x 4 pixels, its image is 4 x 5",
    ),
    "mask file of another size": (
        lambda w: fit(SegmentedImages([w.files()[0]] + [w.files()[1]], [w.files("masks")[0]] * 1)),
        r"masks holds 1 label maps for 2 images; expected one each",
    ),
    "unknown part id": (
        lambda w: fit(
            w.images, w.spoiled("masks", 2, lambda m: m + 7), tree={"a": {"b": 0, "c": 1}}
        ),
        r"label map of image 2 of X holds part id [78], which the tree does not know; it knows 0",
    ),
    "unknown part id at transform": (
        lambda w: fit(w.images, w.masks).transform(
            w.images, w.spoiled("masks", 1, lambda m: np.full_like(m, 4))
        ),
        r"label map of image 1 of X holds part id 4, which the tree does not know; it knows 0, 1",
    ),
    "fewer masks than images": (
        lambda w: fit(w.images, w.masks[:2]),
        r"segments holds 2 label maps for 3 images; expected one each",
    ),
    "unreadable image": (
        lambda w: fit([w.files()[0], w.bad_file()]),
        r"Image 1 of X \(.*\) cannot be read as an image .*bad\.png",
    ),
    "unreadable image at transform, in a worker": (
        lambda w: fit(w.files() * 14, n_jobs=2).transform(w.files() * 13 + [w.bad_file()]),
        r"Image 39 of X \(.*\) cannot be read as an image .*bad\.png",
    ),
    "no such file": (
        lambda w: fit([w.files()[0], w.folder / "nothing.png"]),
        r"Image 1 of X \(.*\) cannot be read as an image .*nothing\.png",
    ),
    "unreadable mask": (
        lambda w: fit(w.files()[:2], [w.files("masks")[0], w.bad_file()]),
        r"Mask 1 of segments \(.*\) cannot be read as an image .*UnidentifiedImageError",
    ),
    "NaN in an image": (
        lambda w: fit(w.with_nan("images", 2)),
        r"Image 2 of X contains NaN; expected finite numbers",
    ),
    "NaN in an image at transform": (
        lambda w: fit(w.images).transform(w.with_nan("images", 1)),
        r"Image 1 of X contains NaN; expected finite numbers",
    ),
    "NaN in a table": (
        lambda w: fit(np.array(w.with_nan("table", 2)), image_shape=(4, 5)),
        r"Image 2 of X contains NaN; expected finite numbers",
    ),
    "NaN in a mask": (
        lambda w: fit(w.images, w.with_nan("masks", 1)),
        r"Mask 1 of segments holds numbers that are not whole; expected part ids",
    ),
    "mask without a label": (
        lambda w: fit(w.images, w.spoiled("masks", 1, lambda m: np.full_like(m, -1))),
        r"Mask 1 of segments is unlabeled everywhere; expected at least one part id",
    ),
    "mask without a label at transform": (
        lambda w: fit(w.images, w.masks).transform(
            w.images, w.spoiled("masks", 2, lambda m: np.full_like(m, -1))
        ),
        r"Mask 2 of segments is unlabeled everywhere; expected at least one part id",
    ),
    "columns in another order": (
        lambda w: fit(pd.DataFrame(w.table).rename(columns="c{}".format)).transform(
            pd.DataFrame(w.table).rename(columns="c{}".format).iloc[:, ::-1]
        ),
        r"Feature names must be in the same order as they were in fit",
    ),
    "fewer columns": (
        lambda w: fit(w.table).transform(w.table[:, :9]),
        r"X has 9 features, but SegmentTreeTransformer is expecting 20 features as input",
    ),
    "no masks after masks": (
        lambda w: fit(w.images, w.masks).transform(w.images),
        r"X comes without label maps, but the model was fitted on images with label maps; pass "
        r"SegmentedImages\(images, masks\) as X, or label maps as segments",
    ),
    "masks after no masks": (
        lambda w: fit(w.images).transform(SegmentedImages(w.images, w.masks)),
        r"X or segments brings label maps, but the model was fitted on images without",
    ),
    "masks twice": (
        lambda w: fit(SegmentedImages(w.images, w.masks), w.masks),
        r"segments was given and X is SegmentedImages, which brings its own label maps",
    ),
    "no masks for the masks": (
        lambda w: fit(w.images, segmenter="masks"),
        r"segmenter='masks' needs label maps, but X comes without; pass SegmentedImages",
    ),
    "a table after images": (
        lambda w: fit(w.images).transform(w.table),
        r"X is a table, but the model was fitted on images; expected images, or a table of "
        r"flattened images and image_shape",
    ),
    "another kind of pixels at transform": (
        lambda w: fit(w.images).transform(w.spoiled("images", 0, lambda i: i > 0.5)[:1]),
        r"Image 0 of X has dtype bool, the images seen in fit were numbers other than",
    ),
    "color after gray": (
        lambda w: fit(w.images).transform(np.zeros((2, 4, 5, 3))),
        r"Image 0 of X has 3 channel\(s\); expected 1",
    ),
    "image_shape of another size": (
        lambda w: fit(w.table, image_shape=(4, 4)),
        r"image_shape=\(4, 4\) makes 16 values an image, X has 20 columns",
    ),
    "a segmenter that returns another size": (
        lambda w: fit(w.images, segmenter=short_labels),
        r"CallableSegmenter returned labels of shape \(2, 5\) for image 0 of X; expected \(4, 5\)",
    ),
    "unknown descriptor": (
        lambda w: fit(w.images, descriptors=["hue"]),
        r"descriptors names 'hue', which is none of 'color', 'gradients'",
    ),
    "two roots": (
        lambda w: fit(w.images, w.masks, tree={"a": 0, "b": 1}),
        r"tree does not describe a segment tree: .*one root",
    ),
    "an empty leaf": (
        lambda w: fit(w.images, w.masks, tree={"a": {"b": []}}),
        r"tree does not describe a segment tree: Node 'b' is empty",
    ),
    "a leaf that is no part id": (
        lambda w: fit(w.images, w.masks, tree={"a": {"b": "hair"}}),
        r"tree must hold part ids .* got 'hair' for 'a/b'",
    ),
    "unknown value of missing": (
        lambda w: fit(w.images, missing="zero"),
        r"The 'missing' parameter of SegmentTreeTransformer must be a str among",
    ),
}


def short_labels(image):
    return (image[:2] > 0.5).astype(int)


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_gets_a_sentence(case, tmp_path):
    call, sentence = WRONG[case]
    with pytest.raises((ValueError, TypeError), match=sentence):
        call(Wrong(tmp_path))


def test_a_mask_file_of_another_size_is_found_when_it_is_read(tmp_path):
    wrong = Wrong(tmp_path)
    masks = wrong.files("masks")
    wrong.masks = wrong.spoiled("masks", 1, lambda m: m[:, :3])
    X = SegmentedImages(wrong.files(), [masks[0], wrong.files("masks")[1], masks[2]])
    with pytest.raises(ValueError, match=r"Mask 1 of X \(.*\) is 4 x 3 pixels, its image is 4 x 5"):
        fit(X)


def test_numbers_of_descriptors_are_those_of_the_default(fitted):
    families = [type(d) for _, d in fitted.descriptors_]
    assert families == [ColorDescriptor, GradientDescriptor, LBPDescriptor, ShapeDescriptor]


class TestReads:
    """Files are decoded as few times as possible."""

    @pytest.fixture
    def counted(self, tmp_path, monkeypatch):
        """Twelve portraits on disk, and how often files of each role are decoded."""
        data = make_portraits(12, image_size=(24, 20), random_state=0)
        paths = []
        for role, arrays in (("image", data.images.images), ("mask", data.images.masks)):
            paths.append([tmp_path / f"{role}{i}.png" for i in range(12)])
            for path, array in zip(paths[-1], arrays, strict=True):
                Image.fromarray(array.astype(np.uint8)).save(path)
        reads = Counter()
        read = ImageFiles.read

        def count(files, i, where=None):
            reads[files.role] += 1
            return read(files, i, where)

        monkeypatch.setattr(ImageFiles, "read", count)
        return SegmentedImages(*paths), data.tree, reads

    def test_a_fit_with_a_tree_reads_every_file_once(self, counted):
        X, tree, reads = counted
        transformer = SegmentTreeTransformer(tree=tree)
        transformer.fit_transform(X)
        assert reads == {"image": 12, "mask": 12}
        transformer.transform(X)
        assert reads == {"image": 24, "mask": 24}

    def test_without_a_tree_masks_are_read_for_their_ids_first(self, counted):
        X, _, reads = counted
        SegmentTreeTransformer().fit_transform(X)
        assert reads == {"image": 12, "mask": 24}

    def test_checks_run_once(self, counted, monkeypatch):
        X, tree, _ = counted
        checks = Counter()
        for module, name in ((base, "check_images"), (batch_module, "to_label_map")):
            checked = getattr(module, name)

            def count(*args, _name=name, _checked=checked, **kwargs):
                checks[_name] += 1
                return _checked(*args, **kwargs)

            monkeypatch.setattr(module, name, count)
        monkeypatch.setattr(segmenter_module, "to_label_map", batch_module.to_label_map)
        SegmentTreeTransformer(tree=tree).fit_transform(X)
        assert checks == {"check_images": 1, "to_label_map": 12}


def test_warnings_point_to_the_line_of_the_user():
    images = np.zeros((2, 3, 3))
    unseen = SegmentTreeTransformer(tree={"a": {"b": 0, "c": 1}}, descriptors="color")
    with pytest.warns(UserWarning, match=r"never occurred") as caught:
        make_pipeline(unseen).fit(SegmentedImages(images, np.zeros((2, 3, 3), dtype=int)))
    with pytest.warns(UserWarning, match=r"without label maps") as more:
        MaskSegmenter().fit(images)
    assert {warning.filename for warning in [*caught, *more]} == {__file__}


@pytest.mark.parametrize(
    "estimator",
    [SegmentTreeTransformer(descriptors="color"), MaskSegmenter(), ColorDescriptor()],
    ids=lambda estimator: type(estimator).__name__,
)
def test_label_maps_in_the_place_of_labels_are_noticed(estimator):
    images = [np.zeros((6, 4, 3), dtype=np.uint8)] * 2
    masks = [np.zeros((6, 4), dtype=np.uint8)] * 2
    for y in (masks, np.stack(masks)):
        with pytest.raises(ValueError, match=r"y must hold one label per image, .* segments="):
            estimator.fit(images, y)


def test_a_tree_of_parts_needs_label_maps():
    images = [np.zeros((6, 4, 3), dtype=np.uint8)] * 2
    transformer = SegmentTreeTransformer(tree={"photo": {"sky": 0, "sea": 7}})
    with pytest.raises(ValueError, match="X comes without label maps"):
        transformer.fit(images)
