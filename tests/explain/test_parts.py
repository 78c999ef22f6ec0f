"""The split of inner nodes over their leaves: exact, and the exchange game where it can be."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
from hierseg_learn.datasets import make_portraits
from hierseg_learn.explain.pair import LeafSplit
from hierseg_learn.tree import SegmentTree
from tests.explain.games import coalitions, quadratic_worths, shapley_values
from tests.strategies import segment_trees

# of one pixel value per leaf and image: its mean, its root mean, and one column of no known kind
NAMES = ("area", "mean", "root", "odd")


def table(tree, areas, means):
    """Rows of all nodes, node by node: area, mean, root of another mean, and a deviation."""
    areas, means = np.atleast_2d(areas), np.atleast_2d(means)
    area = tree.sum_up(areas, axis=-1)
    safe = np.where(area > 0, area, 1)
    mean = np.where(area > 0, tree.sum_up(areas * means, axis=-1) / safe, 7.0)
    power = np.where(area > 0, tree.sum_up(areas * means**2, axis=-1) / safe, 49.0)
    odd = np.where(area > 0, np.sqrt(np.maximum(power - mean**2, 0)) + 1, 3.0)
    rows = np.stack([area, mean, np.sqrt(power), odd], axis=-1).reshape(len(areas), -1)
    columns = np.arange(4 * tree.n_nodes).reshape(-1, 4)
    return rows, columns


def split(tree, columns, rows):
    """The split of a single pair."""
    names = NAMES * tree.n_nodes
    found = LeafSplit.seen_in(rows, tree, columns, names)
    return found.apart(rows[:1], rows[1:])[:, 0], found.kinds


@st.composite
def images(draw):
    """A tree, and areas and means of the leaves of two images; parts may be missing."""
    tree = draw(segment_trees(max_leaves=5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    areas = rng.uniform(0.1, 1, size=(2, tree.n_leaves))
    areas *= rng.random(areas.shape) < draw(st.sampled_from([0.5, 1.0]))
    return tree, areas, rng.uniform(0.2, 2, size=areas.shape)


@settings(max_examples=40, deadline=None)
@given(images(), st.integers(0, 2**32 - 1))
def test_the_split_is_exact_and_its_values_are_shapley(image, seed):
    tree, areas, means = image
    rows, columns = table(tree, areas, means)
    deltas, kinds = split(tree, columns, rows)
    assert_allclose(deltas.sum(axis=0), rows[0] - rows[1], atol=1e-12)
    L = np.random.default_rng(seed).normal(size=(3, rows.shape[1]))
    direct = deltas @ ((L @ (rows[0] - rows[1])) @ L)
    squared = ((L @ (rows[0] - rows[1])) ** 2).sum()
    assert_allclose(direct.sum(), squared, rtol=1e-9, atol=1e-12)
    if tree.n_nodes <= 10:
        expected = shapley_values(quadratic_worths(L, deltas))
        assert_allclose(direct, expected, atol=1e-9 * max(1, np.abs(expected).max()))
    for node in np.flatnonzero(~tree.is_leaf):
        assert kinds[columns[node][0]] == "area"
        inside = tree.subtree(node)
        outside = np.setdiff1d(np.arange(tree.n_nodes), inside)
        assert not deltas[np.ix_(outside, columns[node])].any()
        if tree.sum_up(areas, axis=-1)[:, node].any():
            assert kinds[columns[node][1]] == "mean"
            assert kinds[columns[node][2]] in ("mean", "root")
            assert_allclose(deltas[node, columns[node][:3]], 0, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(images(), st.integers(0, 2**32 - 1))
def test_with_equal_areas_it_is_the_game_of_exchanging_parts(image, seed):
    tree, areas, means = image
    areas = np.stack([areas[0], areas[0]])
    rows, columns = table(tree, areas, means)
    L = np.random.default_rng(seed).normal(size=(2, rows.shape[1]))
    # areas and means only
    L[:, np.isin(np.arange(rows.shape[1]) % 4, (2, 3))] = 0
    L[:, columns[tree.leaves][:, 1]] *= (areas[0] > 0)[None]
    members = coalitions(tree.n_leaves)
    exchanged, _ = table(
        tree,
        np.where(members, areas[1], areas[0]),
        np.where(members, means[1], means[0]),
    )
    worths = (((exchanged - rows[0]) @ L.T) ** 2).sum(axis=1)
    deltas, _ = split(tree, columns, rows)
    direct = deltas @ ((L @ (rows[0] - rows[1])) @ L)
    assert_allclose(direct[tree.leaves], shapley_values(worths), atol=1e-10 * max(1, worths[-1]))
    assert_allclose(direct[~tree.is_leaf], 0, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(images(), st.integers(0, 2**32 - 1))
def test_pairs_of_a_batch_are_split_as_by_themselves(image, seed):
    tree, areas, means = image
    rng = np.random.default_rng(seed)
    other = table(tree, rng.uniform(0.1, 1, areas.shape), rng.uniform(0.2, 2, areas.shape))[0]
    rows, columns = table(tree, areas, means)
    a, b = np.stack([rows, other], axis=1)
    # what is 0 or equal in one pair may look like a mean there, but not in all rows
    found = LeafSplit.seen_in(np.concatenate([a, b]), tree, columns, NAMES * tree.n_nodes)
    deltas = found.apart(a, b)
    for i in range(2):
        single = found.apart(a[i : i + 1], b[i : i + 1])
        assert_allclose(deltas[:, i], single[:, 0], atol=1e-12)
        assert_allclose(single[:, 0].sum(axis=0), a[i] - b[i], atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(images(), st.floats(-100, 100))
def test_a_constant_added_to_a_column_changes_nothing(image, shift):
    tree, areas, means = image
    rows, columns = table(tree, areas, means)
    moved = rows.copy()
    moved[:, columns[:, 1]] += shift
    before, _ = split(tree, columns, rows)
    after, _ = split(tree, columns, moved)
    assert_allclose(after[:, columns[:, 1]], before[:, columns[:, 1]], atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(images())
def test_exchanging_the_images_changes_the_signs(image):
    tree, areas, means = image
    rows, columns = table(tree, areas, means)
    there, kinds = split(tree, columns, rows)
    back, other = split(tree, columns, rows[::-1])
    assert_allclose(back, -there, atol=1e-12)
    assert (kinds == other).all()


def test_by_hand():
    tree = SegmentTree.from_nested({"photo": {"sky": 0, "sea": 1}})
    # areas 1/4 and 3/4 with means 0 and 4, against 1/2 and 1/2 with means 2 and 4: 3 is not 3
    rows, columns = table(tree, [[0.25, 0.75], [0.5, 0.5]], [[0.0, 4.0], [2.0, 4.0]])
    deltas, kinds = split(tree, columns, rows)
    assert rows[:, columns[2, 1]].tolist() == [3, 3]
    # sky: 0.375 * (0 - 2) + (0.25 - 0.5) * (1 - 3); sea: 0 + (0.75 - 0.5) * (4 - 3)
    assert_allclose(deltas[:, columns[2, 1]], [-0.25, 0.25, 0.0])
    assert_allclose(deltas[:, columns[2, 0]], [-0.25, 0.25, 0.0])
    assert kinds[columns[2]].tolist() == ["area", "mean", "root", "rest"]


def test_the_example_of_the_docstring():
    def mean(areas):
        return np.average([0, 1], weights=areas)

    changes = [mean(areas) - mean([1, 1]) for areas in ([3, 1], [1, 2], [3, 2])]
    assert_allclose(np.square(changes), [1 / 16, 1 / 36, 1 / 100])


@pytest.fixture(scope="module")
def portraits():
    data = make_portraits(n_samples=60, signal=("hair",), random_state=0)
    rows = SegmentTreeTransformer(tree=data.tree).fit_transform(data.images)
    return rows, HierarchicalMetricClassifier(random_state=0).fit(rows, data.target)


def test_on_the_transformers_table(portraits):
    rows, model = portraits
    nodes = model.explain_pair(rows.iloc[0], rows.iloc[1])
    parts = model.explain_pair(rows.iloc[0], rows.iloc[1], by="parts")
    assert_allclose(parts.direct.sum(), nodes.direct.sum(), rtol=1e-6)
    assert_allclose(parts.unsplit, nodes.direct)
    assert_allclose(parts.rest, parts.direct[~parts.tree.is_leaf].sum())
    # all but deviations and covariances are split
    kinds = dict(zip(rows.columns, parts.column_kinds))
    names = {name.split("|")[1] for name, kind in kinds.items() if kind == "rest"}
    assert names <= {f"lab_std_{c}" for c in range(3)} | {
        "shape_row_std",
        "shape_col_std",
        "shape_cov",
    }
    assert kinds["portrait|lab_mean_0"] == "mean"
    assert kinds["portrait|lab_hist_0_7"] in ("mean", "root")
    plain = parts.to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["type"] == "parts"
    assert "unsplit" in parts.to_frame()
    assert "that cannot be split" in parts.to_text()


def test_without_areas(portraits):
    rows, _ = portraits
    y = np.arange(len(rows)) % 2
    bare = rows.loc[:, [not name.endswith("|area") for name in rows.columns]]
    model = HierarchicalMetricClassifier(random_state=0).fit(bare, y)
    with pytest.raises(ValueError, match=r"needs a column 'portrait/.*\|area', which the table"):
        model.explain_pair(bare.iloc[0], bare.iloc[1], by="parts")
    with pytest.raises(
        ValueError, match="by must be 'auto', 'nodes', 'parts', 'descriptors' or 'columns', got"
    ):
        model.explain_pair(bare.iloc[0], bare.iloc[1], by="leaves")
    flat = HierarchicalMetricClassifier(random_state=0).fit(bare.to_numpy(), y)
    parts = flat.explain_pair(bare.to_numpy()[0], bare.to_numpy()[1], by="parts")
    assert_allclose(parts.direct.sum(), flat.explain_pair(*bare.to_numpy()[:2]).squared_distance)
